//! The candidate attends over the recent items.
//!
//! ```text
//! out = Σ_a w_a h_a,   w_a = mlp([h_a, c, h_a − c, h_a ∘ c]),   or their softmax over a
//! ```
//!
//! All pairs of a batch and their recent items go through the perceptron together, as rows of one matrix.

use super::super::Layer;
use super::super::build::{Builder, Keys, Made};
use super::super::pass::{At, Side};
use super::item::Vectors;
use super::linear::{Activation, Stack};
use super::recent;
use anyhow::bail;
use serde_json::{Value, json};
use std::sync::Arc;
use zhiji::bundle::stack::HISTORY_MOST;
use zhiji::kernel::{self, math};

struct Attention {
    of: [usize; 1],
    vectors: Arc<Vectors>,
    history: usize,
    widths: Vec<usize>,
    activation: Activation,
    softmax: bool,
    stack: Stack,
}

/// What the perceptron reads; derivatives; the vectors of the recent items; the weights; the layers keep theirs behind.
const X: usize = 0;
const SLOPE: usize = 1;
const HISTORY: usize = 2;
const WEIGHTS: usize = 3;
const BY_HISTORY: usize = 4;
const LAYERS: usize = 5;

/// Reads the keys of the block.
pub fn build(builder: &mut Builder<'_>, keys: &mut Keys<'_>) -> anyhow::Result<Made> {
    let (of, vectors) = recent::items(builder, keys)?;
    let history = keys.count("history", 1..=HISTORY_MOST)?.unwrap_or(HISTORY_MOST);
    let widths = keys.counts("widths", 1..=512)?.unwrap_or_else(|| vec![36, 1]);
    if widths.last() != Some(&1) || widths.len() > 4 {
        bail!("{}: give one to four widths, the last of them 1", keys.at("widths"));
    }
    let activation = Activation::read(keys, "activation", Activation::Relu)?;
    let softmax = keys.flag("softmax", false)?;
    let dim = vectors.dim;
    let stack = Stack::new(builder, "", (4 * dim, &widths), (activation, Activation::None), false, false);
    let block = Attention { of, vectors, history, widths, activation, softmax, stack };
    Ok((Box::new(block), Side::Pair, dim))
}

impl Attention {
    /// Calls `each` with every pair of the batch, its recent items, and where they begin among all.
    fn walk(&self, at: &At<'_>, mut each: impl FnMut(usize, &[u32], usize)) -> usize {
        let mut from = 0;
        for (pair, (user, _)) in at.batch.pairs.iter().enumerate() {
            let past = at.chunk.history(at.batch.users[*user as usize] as usize);
            let past = &past[past.len().saturating_sub(self.history)..];
            each(pair, past, from);
            from += past.len();
        }
        from
    }
}

impl Layer for Attention {
    fn of(&self) -> &[usize] {
        &self.of
    }

    fn forward(&self, at: &mut At<'_>) {
        let dim = self.vectors.dim;
        let (mut x, mut past_vectors) = (std::mem::take(&mut at.scratch[X]), std::mem::take(&mut at.scratch[HISTORY]));
        x.clear();
        past_vectors.clear();
        let items = &at.before[self.of[0]].out;
        let rows = self.walk(at, |pair, past, _| {
            let c = &items[at.batch.pairs[pair].1 as usize * dim..][..dim];
            for item in past.iter().rev() {
                let from = past_vectors.len();
                past_vectors.resize(from + dim, 0.0);
                self.vectors.add(at.params, *item, false, 1.0, &mut past_vectors[from..]);
                let h = &past_vectors[from..];
                x.extend_from_slice(h);
                x.extend_from_slice(c);
                x.extend(h.iter().zip(c).map(|(h, c)| h - c));
                x.extend(h.iter().zip(c).map(|(h, c)| h * c));
            }
        });
        (at.scratch[X], at.scratch[HISTORY]) = (x, past_vectors);
        let out = self.stack.forward(at.params, at.scratch, at.disturbance, (X, LAYERS), rows);
        let mut weights = std::mem::take(&mut at.scratch[WEIGHTS]);
        weights.clear();
        weights.extend_from_slice(&at.scratch[out]);
        let mut own = std::mem::take(&mut at.own.out);
        self.walk(at, |pair, past, from| {
            let weights = &mut weights[from..from + past.len()];
            if self.softmax {
                let most = weights.iter().copied().fold(f32::MIN, f32::max);
                weights.iter_mut().for_each(|w| *w = math::exp(*w - most));
                let total = kernel::sum(weights);
                weights.iter_mut().for_each(|w| *w /= total);
            }
            let slots = &mut own[pair * dim..][..dim];
            for (weight, h) in weights.iter().zip(at.scratch[HISTORY][from * dim..].chunks_exact(dim)) {
                kernel::axpy(*weight, h, slots);
            }
        });
        (at.own.out, at.scratch[WEIGHTS]) = (own, weights);
    }

    fn backward(&self, at: &mut At<'_>) {
        let dim = self.vectors.dim;
        let weights = std::mem::take(&mut at.scratch[WEIGHTS]);
        let past_vectors = std::mem::take(&mut at.scratch[HISTORY]);
        let mut slopes = std::mem::take(&mut at.scratch[SLOPE]);
        let mut by_past = std::mem::take(&mut at.scratch[BY_HISTORY]);
        slopes.clear();
        slopes.resize(weights.len(), 0.0);
        by_past.clear();
        by_past.resize(past_vectors.len(), 0.0);
        let rows = self.walk(at, |pair, past, from| {
            let slope = &at.own.slope[pair * dim..][..dim];
            let (weights, slopes) = (&weights[from..from + past.len()], &mut slopes[from..from + past.len()]);
            let h = past_vectors[from * dim..].chunks_exact(dim);
            for ((by_weight, weight), (h, by_h)) in
                slopes.iter_mut().zip(weights).zip(h.zip(by_past[from * dim..].chunks_exact_mut(dim)))
            {
                *by_weight = kernel::dot(slope, h);
                kernel::axpy(*weight, slope, by_h);
            }
            if self.softmax {
                let mean = kernel::dot(weights, slopes);
                slopes.iter_mut().zip(weights).for_each(|(slope, weight)| *slope = weight * (*slope - mean));
            }
        });
        at.scratch[SLOPE] = slopes;
        self.stack.backward(at.params, at.gradients, at.scratch, (X, LAYERS, SLOPE), rows, true);
        let slopes = std::mem::take(&mut at.scratch[SLOPE]);
        let mut by_items = std::mem::take(&mut at.before[self.of[0]].slope);
        let items = &at.before[self.of[0]].out;
        let learns = at.before[self.of[0]].learns;
        let mut past_items = Vec::with_capacity(rows);
        self.walk(at, |pair, past, from| {
            past_items.extend(past.iter().rev());
            if !learns {
                return;
            }
            let place = at.batch.pairs[pair].1 as usize * dim;
            let (c, by_c) = (&items[place..][..dim], &mut by_items[place..][..dim]);
            for (a, read) in slopes[from * 4 * dim..].chunks_exact(4 * dim).take(past.len()).enumerate() {
                let h = &past_vectors[(from + a) * dim..][..dim];
                let by_h = &mut by_past[(from + a) * dim..][..dim];
                for j in 0..dim {
                    let (direct, own, less, product) = (read[j], read[dim + j], read[2 * dim + j], read[3 * dim + j]);
                    by_h[j] += direct + less + product * c[j];
                    by_c[j] += own - less + product * h[j];
                }
            }
        });
        at.before[self.of[0]].slope = by_items;
        if learns {
            for (item, slope) in past_items.iter().zip(by_past.chunks_exact(dim)) {
                self.vectors.learn(at.gradients, *item, false, 1.0, slope);
            }
        }
        (at.scratch[WEIGHTS], at.scratch[HISTORY]) = (weights, past_vectors);
        (at.scratch[SLOPE], at.scratch[BY_HISTORY]) = (slopes, by_past);
    }

    fn spec(&self) -> Value {
        json!({
            "widths": self.widths,
            "history": self.history,
            "activation": self.activation.name(),
            "softmax": self.softmax,
        })
    }
}
