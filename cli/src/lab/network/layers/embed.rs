//! The mean of the vectors of an item's hashed words.

use super::super::Layer;
use super::super::build::{Builder, First, Keys, Made, Words};
use super::super::pass::{At, Side};
use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use zhiji::kernel;

struct Embed {
    dim: usize,
    table: usize,
    words: Words,
    fields: Vec<String>,
}

/// Reads the keys of the block.
pub fn build(builder: &mut Builder<'_>, keys: &mut Keys<'_>) -> anyhow::Result<Made> {
    let (fields, numbers) = builder.hashed(keys, &[])?;
    if fields.is_empty() {
        bail!("{}: name the fields whose words have vectors", keys.at("hashed"));
    }
    let dim = keys.count("dim", 1..=512)?.with_context(|| format!("{}: say how long a vector is", keys.at("dim")))?;
    let deviation = keys.number("init", 0.0..=10.0)?.unwrap_or(0.05);
    let buckets = builder.buckets(keys, "buckets", dim)?;
    let words = Words::new(builder.catalogue, Some(&numbers), buckets);
    let meetings = words.meetings(&builder.catalogue.shown, buckets);
    let table = builder.table("table", &[buckets, dim], First::Normal(deviation), meetings);
    Ok((Box::new(Embed { dim, table, words, fields }), Side::Item, dim))
}

impl Layer for Embed {
    fn forward(&self, at: &mut At<'_>) {
        for (item, slots) in at.batch.items.iter().zip(at.own.out.chunks_exact_mut(self.dim)) {
            let rows = self.words.of(*item);
            rows.iter().for_each(|row| kernel::axpy(1.0, at.params[self.table].row(*row), slots));
            if rows.len() > 1 {
                slots.iter_mut().for_each(|x| *x /= rows.len() as f32);
            }
        }
    }

    fn backward(&self, at: &mut At<'_>) {
        for (item, slope) in at.batch.items.iter().zip(at.own.slope.chunks_exact(self.dim)) {
            let rows = self.words.of(*item);
            let share = 1.0 / rows.len().max(1) as f32;
            rows.iter().for_each(|row| kernel::axpy(share, slope, at.gradients.row(self.table, *row)));
        }
    }

    fn spec(&self) -> Value {
        json!({ "hashed": self.fields })
    }
}
