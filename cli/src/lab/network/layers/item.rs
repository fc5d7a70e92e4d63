//! Item vectors, with a bias if wanted, and with the vectors of words that stand in for items without a row.

use super::super::Layer;
use super::super::build::{Builder, First, Keys, Made, Words};
use super::super::matrix::axpy;
use super::super::params::{Gradients, Params};
use super::super::pass::{At, Side};
use anyhow::{Context as _, bail};
use std::sync::Arc;

/// Where the vectors of items stand; shared by all blocks that read them.
pub struct Vectors {
    /// Length of a vector.
    pub dim: usize,
    vectors: usize,
    bias: Option<usize>,
    words: Option<(usize, Words)>,
    rows: Arc<Vec<u32>>,
}

impl Vectors {
    /// The row of an item; `u32::MAX` without one.
    pub fn row(&self, item: u32) -> u32 {
        self.rows[item as usize]
    }

    /// Adds `share` times an item's vector to `out`. Of an item that is hidden the words speak, as of one without a row.
    #[inline]
    pub fn add(&self, params: &Params, item: u32, hidden: bool, share: f32, out: &mut [f32]) {
        match (self.row(item), &self.words) {
            (u32::MAX, None) => {}
            (row, Some((table, words))) if row == u32::MAX || hidden => {
                let rows = words.of(item);
                let share = share / rows.len().max(1) as f32;
                rows.iter().for_each(|row| axpy(share, params[*table].row(*row), out));
            }
            (row, _) => axpy(share, params[self.vectors].row(row), out),
        }
    }

    /// Adds `share` times a derivative by an item's vector to the gradients.
    #[inline]
    pub fn learn(&self, gradients: &mut Gradients, item: u32, hidden: bool, share: f32, slope: &[f32]) {
        match (self.row(item), &self.words) {
            (u32::MAX, None) => {}
            (row, Some((table, words))) if row == u32::MAX || hidden => {
                let rows = words.of(item);
                let share = share / rows.len().max(1) as f32;
                rows.iter().for_each(|row| axpy(share, slope, gradients.row(*table, *row)));
            }
            (row, _) => axpy(share, slope, gradients.row(self.vectors, row)),
        }
    }

    /// The bias of an item; 0 without a row.
    pub fn bias(&self, params: &Params, item: u32) -> f32 {
        match (self.bias, self.row(item)) {
            (Some(bias), row) if row != u32::MAX => params[bias].numbers[row as usize],
            _ => 0.0,
        }
    }

    /// Adds a derivative by an item's bias to the gradients.
    pub fn learn_bias(&self, gradients: &mut Gradients, item: u32, slope: f32) {
        if let (Some(bias), row) = (self.bias, self.row(item))
            && row != u32::MAX
        {
            gradients.row(bias, row)[0] += slope;
        }
    }
}

/// The block.
pub struct Item {
    vectors: Arc<Vectors>,
}

/// Which items of the batch are hidden, as zeros and ones.
const HIDDEN: usize = 0;

/// Reads the keys of the block.
pub fn build(builder: &mut Builder<'_>, keys: &mut Keys<'_>) -> anyhow::Result<Made> {
    let dim = keys.count("dim", 1..=512)?.with_context(|| format!("{}: say how long a vector is", keys.at("dim")))?;
    let deviation = keys.number("init", 0.0..=10.0)?.unwrap_or(0.05);
    let (bias, with_words) = (keys.flag("bias", true)?, keys.flag("words", true)?);
    let least = keys.count("min-count", 0..=usize::MAX)?.unwrap_or(1);
    let most = keys.count("most-items", 1..=(1 << 24) - 1)?.unwrap_or(1 << 16);
    let buckets = builder.buckets(keys, "buckets", dim)?;
    let rows = match &builder.rows {
        // All blocks `item` share the ids.
        Some((rows, _)) => Arc::clone(rows),
        None => {
            let (rows, count) = builder.catalogue.rows(least as f32, most);
            let rows = Arc::new(rows);
            builder.rows = Some((Arc::clone(&rows), count));
            rows
        }
    };
    let count = builder.rows.as_ref().map_or(0, |(_, count)| *count as usize);
    if count == 0 {
        bail!("{}: no item is met so often in the training examples", keys.at("min-count"));
    }
    let met = builder.catalogue.meetings();
    let mut meetings = vec![0.0; count];
    for (row, times) in rows.iter().zip(&met) {
        if let Some(slot) = meetings.get_mut(*row as usize) {
            *slot = *times;
        }
    }
    let vectors = builder.table("vectors", &[count, dim], First::Normal(deviation), meetings.clone());
    let bias = bias.then(|| builder.table("bias", &[count], First::All(0.0), meetings));
    let words = with_words.then(|| {
        let words = Words::new(builder.catalogue, None, buckets);
        // What stands in for others begins at zero: an item of which nothing is known says nothing.
        (builder.table("words", &[buckets, dim], First::All(0.0), words.meetings(&met, buckets)), words)
    });
    let item = Item { vectors: Arc::new(Vectors { dim, vectors, bias, words, rows }) };
    Ok((Box::new(item), Side::Item, dim))
}

impl Layer for Item {
    fn vectors(&self) -> Option<&Arc<Vectors>> {
        Some(&self.vectors)
    }

    fn forward(&self, at: &mut At<'_>) {
        let (hide, noise) = (at.disturbance.hide, &mut at.disturbance.noise);
        let hidden = &mut at.scratch[HIDDEN];
        hidden.clear();
        hidden.extend(at.batch.items.iter().map(|_| f32::from(u8::from(hide > 0.0 && noise.uniform() < hide))));
        let slots = at.own.out.chunks_exact_mut(self.vectors.dim);
        for ((item, slots), hidden) in at.batch.items.iter().zip(slots).zip(hidden.iter()) {
            self.vectors.add(at.params, *item, *hidden > 0.0, 1.0, slots);
        }
    }

    fn backward(&self, at: &mut At<'_>) {
        let slopes = at.own.slope.chunks_exact(self.vectors.dim);
        for ((item, slope), hidden) in at.batch.items.iter().zip(slopes).zip(at.scratch[HIDDEN].iter()) {
            self.vectors.learn(at.gradients, *item, *hidden > 0.0, 1.0, slope);
        }
    }
}
