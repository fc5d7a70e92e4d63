//! Dense neural networks over what other blocks give: layers, crosses, mixtures of experts.
//!
//! Each begins with a matrix over its input, and that is where it is cut ([`Split`]): the user's share of the first sums is computed once per
//! request, the item's once per bundle and item, and a pair adds its own and goes on from there.

mod cross;
pub mod gradient;
mod mlp;
mod mmoe;

pub use cross::{Cross, CrossWeights};
pub use mlp::Mlp;
pub use mmoe::{Mmoe, MmoeWeights};

use super::layer::Split;

/// One of the three.
#[derive(Clone, Debug, PartialEq)]
pub enum Net {
    /// Layers.
    Mlp(Mlp),
    /// Crosses.
    Cross(Cross),
    /// A mixture of experts.
    Mmoe(Mmoe),
}

impl Net {
    /// What it is called in a spec.
    pub const fn name(&self) -> &'static str {
        match self {
            Net::Mlp(_) => "mlp",
            Net::Cross(_) => "cross",
            Net::Mmoe(_) => "mmoe",
        }
    }

    /// The matrix it begins with.
    pub fn first(&self) -> &Split {
        match self {
            Net::Mlp(net) => net.first(),
            Net::Cross(net) => net.first(),
            Net::Mmoe(net) => net.first(),
        }
    }

    /// Numbers that it gives.
    pub fn width(&self) -> usize {
        match self {
            Net::Mlp(net) => net.width(),
            Net::Cross(net) => net.width(),
            Net::Mmoe(net) => net.width(),
        }
    }

    /// Numbers of scratch that it needs for each candidate of a panel.
    pub fn room(&self) -> usize {
        match self {
            Net::Mlp(net) => net.room(),
            Net::Cross(net) => net.room(),
            Net::Mmoe(net) => net.room(),
        }
    }

    /// Whether it reads its whole input for each pair, and not only the pair's own.
    pub fn reads_all(&self) -> bool {
        matches!(self, Net::Cross(_))
    }

    /// Computes one panel of pairs.
    ///
    /// # Shapes
    /// `kept`: of the user, `[first().keeps_user()]`, and of each item, a panel of `[first().keeps_item()]`; `x`: panels of the pair's own input
    /// and, for those which read all, of the whole; `room`: `[room() · lanes]`; `out`: a panel of `[width()]`. `lanes` is 4 or 8.
    pub fn score_pair(
        &self,
        kept: (&[f32], &[f32]),
        x: (&[f32], &[f32]),
        lanes: usize,
        room: &mut [f32],
        out: &mut [f32],
    ) {
        match self {
            Net::Mlp(net) => net.score_pair(kept, x.0, lanes, room, out),
            Net::Cross(net) => net.score_pair(kept, x, lanes, room, out),
            Net::Mmoe(net) => net.score_pair(kept, x.0, lanes, room, out),
        }
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests;
