//! The inner product of a vector of the user's and the item's, plus the item's bias.

use super::super::Layer;
use super::super::build::{Builder, Keys, Made};
use super::super::pass::{At, Side};
use super::item::Vectors;
use anyhow::{Context as _, bail};
use std::sync::Arc;
use zhiji::kernel;

struct Vector {
    of: [usize; 2],
    vectors: Arc<Vectors>,
}

/// Reads the keys of the block.
pub fn build(builder: &mut Builder<'_>, keys: &mut Keys<'_>) -> anyhow::Result<Made> {
    let of = builder.of(keys)?;
    let [user, item] = of[..] else { bail!("{}: name a vector of the user's and an `item`", keys.at("of")) };
    let vectors = builder.blocks[item].layer.vectors();
    let vectors = Arc::clone(vectors.with_context(|| format!("{}: the second is no block `item`", keys.at("of")))?);
    if builder.blocks[user].side != Side::User || builder.blocks[user].width != vectors.dim {
        bail!("{}: the first must be the user's, as long as the item's vectors ({})", keys.at("of"), vectors.dim);
    }
    Ok((Box::new(Vector { of: [user, item], vectors }), Side::Pair, 1))
}

impl Layer for Vector {
    fn of(&self) -> &[usize] {
        &self.of
    }

    fn forward(&self, at: &mut At<'_>) {
        let ([user, item], dim) = (self.of.map(|block| &at.before[block].out), self.vectors.dim);
        for ((u, i), slot) in at.batch.pairs.iter().zip(&mut at.own.out) {
            let product = kernel::dot(&user[*u as usize * dim..][..dim], &item[*i as usize * dim..][..dim]);
            *slot = product + self.vectors.bias(at.params, at.batch.items[*i as usize]);
        }
    }

    fn backward(&self, at: &mut At<'_>) {
        let dim = self.vectors.dim;
        let (first, second) = at.before.split_at_mut(self.of[0].max(self.of[1]));
        let (user, item) = if self.of[0] < self.of[1] {
            (&mut first[self.of[0]], &mut second[0])
        } else {
            (&mut second[0], &mut first[self.of[1]])
        };
        for ((u, i), slope) in at.batch.pairs.iter().zip(&at.own.slope) {
            let (u, row) = (*u as usize * dim, *i as usize * dim);
            if user.learns {
                kernel::axpy(*slope, &item.out[row..row + dim], &mut user.slope[u..u + dim]);
            }
            if item.learns {
                kernel::axpy(*slope, &user.out[u..u + dim], &mut item.slope[row..row + dim]);
            }
            self.vectors.learn_bias(at.gradients, at.batch.items[*i as usize], *slope);
        }
    }
}
