//! The blocks a ranker is stacked from: forward pass and gradient, pure mathematics, no allocation while scoring.
//!
//! Every block is cut in three, by what a part depends on: the item alone (computed once per bundle or catalogue), the user
//! alone (once per request), and the pair. A logit is the sum of the three.

mod wide;

pub use wide::{Wide, WideError, WideWeights};
