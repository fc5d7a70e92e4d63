//! One file for each kind of block.

mod attention;
mod covisit;
mod cross;
mod dense;
mod elementwise;
mod embed;
mod fm;
mod item;
mod linear;
mod mlp;
mod mmoe;
mod recent;
mod sequence;
mod vector;
mod wide;

pub use item::Vectors;

use super::build::{Builder, Keys, Made};

/// Reads the keys of a block and makes its tensors.
type Build = fn(&mut Builder<'_>, &mut Keys<'_>) -> anyhow::Result<Made>;

/// The kinds of blocks that can learn, and those that learning goes through.
pub const KINDS: [(&str, Build); 15] = [
    ("dense", dense::build),
    ("embed", embed::build),
    ("item", item::build),
    ("recent", recent::build),
    ("wide", wide::build),
    ("fm", fm::build),
    ("covisit", covisit::build),
    ("vector", vector::build),
    ("mean", elementwise::build_mean),
    ("product", elementwise::build_product),
    ("mlp", mlp::build),
    ("cross", cross::build),
    ("mmoe", mmoe::build),
    ("attention", attention::build),
    ("sequence", sequence::build),
];
