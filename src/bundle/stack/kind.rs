//! The blocks of a stack, each with what it reads and where its numbers go.

use alloc::string::String;
use alloc::vec::Vec;

use super::place::{Place, single};
use crate::block::{Attention, Blend, Covisit, Fm, Net, Ridge, Sequence, Table, Vectors, Wide};

/// One block.
#[derive(Clone, Debug)]
pub(super) struct Block {
    pub name: String,
    pub kind: Kind,
    /// What it reads, in order.
    pub of: Vec<Place>,
    pub out: Place,
    /// Where what it keeps of the user begins: the vectors of the recent items, for an `item` block; its share of the first sums of a [`Net`].
    pub kept_user: usize,
    /// Where what it keeps of the item begins: its share of `wide`, `fm` and the first sums of a [`Net`].
    pub kept_item: usize,
}

/// What a block does. The dense features that it reads are places in the stack's list, or in the layout once it is bound; hashed
/// fields are bits, by their place in the stack's list.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// Standardised dense features.
    Dense { picks: Vec<u32>, mean: Vec<f32>, inverse: Vec<f32> },
    /// Mean of the rows of the item's hashed words.
    Embed { fields: u64, table: Table },
    /// The item's own row; for an item that the bundle has never seen, the mean of the rows of its words.
    Item { vectors: Vectors, words: Option<Table>, history: bool },
    /// The bias of the item's row; 0 for an item without one. `at` is the block of the vectors.
    Bias { at: usize },
    /// Mean of the vectors of the recent items, decayed by their age in steps. `at` is the block of the vectors.
    Recent { at: usize, decay: f32 },
    /// See [`Ridge`]. `at` is the block of the vectors.
    Ridge { at: usize, ridge: Ridge },
    /// See [`Wide`].
    Wide { picks: Vec<u32>, fields: u64, wide: Wide },
    /// See [`Fm`]; dense features come first, buckets follow.
    Fm { picks: Vec<u32>, fields: u64, buckets: u32, fm: Fm },
    /// See [`Covisit`].
    Covisit(Covisit),
    /// A user's vector times an item's. `at` is the block of the vectors, `query` the place of the prepared vector.
    Vector { at: usize, query: usize },
    /// See [`Net`].
    Net(Net),
    /// See [`Attention`]. `at` is the block of the vectors, `past` its place among those of its kind.
    Attention { at: usize, past: usize, attention: Attention },
    /// See [`Sequence`], likewise.
    Sequence { at: usize, past: usize, sequence: Sequence },
    /// Element by element; of probabilities where there is a blend of as many as there are blocks, and the numbers are logits.
    Mean(Option<Blend>),
    /// Element by element.
    Product,
}

impl Kind {
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Dense { .. } => "dense",
            Self::Embed { .. } => "embed",
            Self::Item { .. } => "item",
            Self::Bias { .. } => "bias",
            Self::Recent { .. } => "recent",
            Self::Ridge { .. } => "ridge",
            Self::Wide { .. } => "wide",
            Self::Fm { .. } => "fm",
            Self::Covisit(_) => "covisit",
            Self::Vector { .. } => "vector",
            Self::Net(net) => net.name(),
            Self::Attention { .. } => "attention",
            Self::Sequence { .. } => "sequence",
            Self::Mean(_) => "mean",
            Self::Product => "product",
        }
    }

    /// The blocks that turn numbers into numbers, whatever they depend on.
    pub fn apply(&self, input: &[f32], out: &mut [f32]) {
        if let Self::Mean(Some(blend)) = self {
            let width = out.len();
            for (at, slot) in out.iter_mut().enumerate() {
                *slot = blend.score(&mut input.iter().skip(at).step_by(width).copied());
            }
            return;
        }
        let product = matches!(self, Self::Product);
        let width = out.len().max(1);
        let share = if product { 1.0 } else { 1.0 / single(u32::try_from(input.len() / width).unwrap_or(1).max(1)) };
        out.fill(share);
        for (at, one) in input.chunks(width).enumerate() {
            for (slot, x) in out.iter_mut().zip(one) {
                *slot = match (product, at) {
                    (true, _) => *slot * x,
                    (false, 0) => x * share,
                    (false, _) => *slot + x * share,
                };
            }
        }
    }

    /// How many numbers it keeps of the user, beside those that it gives.
    pub fn keeps_user(&self) -> usize {
        match self {
            Self::Net(net) => net.first().keeps_user(),
            _ => 0,
        }
    }

    /// How many numbers it keeps of the item, beside those that it gives.
    pub fn keeps_item(&self) -> usize {
        match self {
            Self::Wide { .. } => 1,
            Self::Fm { fm, .. } => 1 + fm.width(),
            Self::Net(net) => net.first().keeps_item(),
            Self::Attention { attention, .. } => attention.item_len(),
            _ => 0,
        }
    }

    /// The most numbers that it reads at once, where that is more than what it gives or what blocks give to it.
    pub fn reads(&self) -> usize {
        match self {
            Self::Dense { picks, .. } | Self::Wide { picks, .. } => picks.len(),
            Self::Fm { picks, fm, .. } => picks.len().max(fm.width()),
            Self::Embed { table, .. } => table.width(),
            Self::Item { vectors, .. } => vectors.table().width(),
            _ => 0,
        }
    }
}
