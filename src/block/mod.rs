//! The blocks a ranker is stacked from: forward pass and gradient, pure mathematics, no allocation while scoring.
//!
//! Every block is cut in three, by what a part depends on: the item alone (computed once per bundle or catalogue), the user
//! alone (once per request), and the pair. A logit is the sum of the three.

pub mod attention;
mod blend;
mod calibration;
mod covisit;
mod error;
mod fm;
pub mod layer;
pub mod matrix;
pub mod net;
pub mod real;
mod ridge;
pub mod sequence;
mod table;
pub mod vector;
mod wide;

pub use attention::Attention;
pub use blend::Blend;
pub use calibration::{Calibration, MOST_KNOTS};
pub use covisit::{Covisit, Neighbours};
pub use error::BlockError;
pub use fm::Fm;
pub use net::Net;
pub use ridge::{Equations, Ridge};
pub use sequence::Sequence;
pub use table::Table;
pub use vector::{Query, Vectors};
pub use wide::{Wide, WideError, WideWeights};

/// What a number depends on, and so when it is computed: once per request, once per bundle and item, or for each pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The user alone.
    User,
    /// The item alone.
    Item,
    /// Both.
    Pair,
}
