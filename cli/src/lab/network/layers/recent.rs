//! The decayed mean of the vectors of the user's recent items.

use super::super::Layer;
use super::super::build::{Builder, Keys, Made};
use super::super::pass::{At, Side};
use super::item::Vectors;
use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use std::sync::Arc;
use zhiji::bundle::stack::HISTORY_MOST;

struct Recent {
    of: [usize; 1],
    vectors: Arc<Vectors>,
    decay: f32,
}

/// Reads the keys of the block.
pub fn build(builder: &mut Builder<'_>, keys: &mut Keys<'_>) -> anyhow::Result<Made> {
    let decay = keys.number("decay", 1e-6..=1.0)?.unwrap_or(0.8);
    let (of, vectors) = items(builder, keys)?;
    let dim = vectors.dim;
    Ok((Box::new(Recent { of, vectors, decay }), Side::User, dim))
}

/// The one block `item` that a block reads.
pub fn items(builder: &Builder<'_>, keys: &mut Keys<'_>) -> anyhow::Result<([usize; 1], Arc<Vectors>)> {
    let of = builder.of(keys)?;
    let [of] = of[..] else { bail!("{}: name one block `item`", keys.at("of")) };
    let vectors = builder.blocks[of].layer.vectors();
    let vectors = vectors.with_context(|| format!("{}: name a block `item`", keys.at("of")))?;
    Ok(([of], Arc::clone(vectors)))
}

/// The recent items of a user of the batch, the newest first.
pub fn history<'a>(at: &At<'a>, user: u32) -> impl Iterator<Item = u32> + use<'a> {
    at.chunk.history(user as usize).iter().rev().copied().take(HISTORY_MOST)
}

impl Recent {
    /// One over the sum of the powers of the decay.
    fn share(&self, count: usize) -> f32 {
        let (mut power, mut total) = (1.0, 0.0);
        for _ in 0..count {
            total += power;
            power *= self.decay;
        }
        if total > 0.0 { 1.0 / total } else { 0.0 }
    }
}

impl Layer for Recent {
    fn of(&self) -> &[usize] {
        &self.of
    }

    fn forward(&self, at: &mut At<'_>) {
        let mut out = std::mem::take(&mut at.own.out);
        for (user, slots) in at.batch.users.iter().zip(out.chunks_exact_mut(self.vectors.dim)) {
            let mut power = self.share(history(at, *user).count());
            for item in history(at, *user) {
                self.vectors.add(at.params, item, false, power, slots);
                power *= self.decay;
            }
        }
        at.own.out = out;
    }

    fn backward(&self, at: &mut At<'_>) {
        for (user, slope) in at.batch.users.iter().zip(at.own.slope.chunks_exact(self.vectors.dim)) {
            let items = at.chunk.history(*user as usize).iter().rev().take(HISTORY_MOST);
            let mut power = self.share(items.len());
            for item in items {
                self.vectors.learn(at.gradients, *item, false, power, slope);
                power *= self.decay;
            }
        }
    }

    fn spec(&self) -> Value {
        json!({ "decay": self.decay })
    }
}
