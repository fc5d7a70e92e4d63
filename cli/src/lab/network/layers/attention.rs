//! The candidate attends over the recent items.
//!
//! The first layer reads `[h, c, h − c, h ∘ c]` of every recent item `h` and the candidate `c`, which is one matrix of a quarter of its columns for each
//! candidate, and a constant term:
//!
//! ```text
//! W [h, c, h − c, h ∘ c] = (W_a + W_c + W_d diag(c)) h + (W_b − W_c) c
//! ```
//!
//! With `E` the products of what comes back to its sums and the history, and `e` what comes back summed over it, the way back is
//!
//! ```text
//! W_a: E,   W_b: e cᵀ,   W_c: E − e cᵀ,   W_d: E diag(c),   c: (W_b − W_c)ᵀ e + Σ_o W_d[o] ∘ E[o]
//! ```
//!
//! All further layers walk over the recent items of a whole batch at once.

use super::super::Layer;
use super::super::build::{Builder, Keys, Made};
use super::super::matrix::{self, axpy, dot, wide};
use super::super::params::Params;
use super::super::pass::{At, Batch, Side};
use super::item::Vectors;
use super::linear::{Activation, Stack};
use super::recent;
use crate::lab::examples::Chunk;
use anyhow::bail;
use serde_json::{Value, json};
use std::sync::Arc;
use zhiji::block::matrix as engine;
use zhiji::bundle::stack::HISTORY_MOST;
use zhiji::kernel;

struct Attention {
    of: [usize; 1],
    vectors: Arc<Vectors>,
    history: usize,
    widths: Vec<usize>,
    activation: Activation,
    softmax: bool,
    stack: Stack,
}

/// The vectors of all recent items of the batch, pair by pair and the newest first; the derivatives by them.
const HISTORY: usize = 0;
const BY_HISTORY: usize = 1;
/// The candidates, pair by pair; the derivatives by them.
const CANDIDATE: usize = 2;
const BY_CANDIDATE: usize = 3;
/// For each recent item what it is weighed with, and on the way back the derivatives that the layers walk with.
const SHARE: usize = 4;
const SLOPE: usize = 5;
/// For each pair, what the candidate adds to the first layer's sums; on the way back what comes back to them.
const OWN: usize = 6;
const LAYERS: usize = 7;

/// What a batch read, for its way back; used again by the next.
#[derive(Default)]
struct Passed {
    items: Vec<u32>,
    /// By pair, how many of them.
    counts: Vec<usize>,
}

/// The four parts of the first layer's weight, as they are multiplied with: `[outputs, dim]` each.
struct Parts {
    /// `W_a + W_c`.
    history: Vec<f32>,
    /// `W_b − W_c`.
    candidate: Vec<f32>,
    /// `W_d`.
    product: Vec<f32>,
}

impl Parts {
    fn new(weight: &[f32], dim: usize) -> Self {
        let (mut history, mut candidate, mut product) = (Vec::new(), Vec::new(), Vec::new());
        for row in weight.chunks_exact(4 * dim) {
            let (a, b, c, d) = (&row[..dim], &row[dim..2 * dim], &row[2 * dim..3 * dim], &row[3 * dim..]);
            history.extend(a.iter().zip(c).map(|(a, c)| a + c));
            candidate.extend(b.iter().zip(c).map(|(b, c)| b - c));
            product.extend_from_slice(d);
        }
        Self { history, candidate, product }
    }
}

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
    let stack = Stack::new(builder, (4 * dim, &widths), (activation, Activation::None), false, false);
    Ok((Box::new(Attention { of, vectors, history, widths, activation, softmax, stack }), Side::Pair, dim))
}

wide! {
    /// Writes the first layer's sums of all recent items, `own` being what a pair's candidate adds to them.
    fn first_sums(
        parts: &Parts,
        counts: &[usize],
        history: &[f32],
        candidates: &[f32],
        own: &[f32],
        sums: &mut Vec<f32>,
    ) {
        let (outputs, dim) = (own.len() / counts.len(), candidates.len() / counts.len());
        let (mut still, mut product, mut mixed, mut rest) = (Vec::new(), Vec::new(), vec![0.0; dim * outputs], history);
        engine::transpose(&parts.history, (outputs, dim), &mut still);
        engine::transpose(&parts.product, (outputs, dim), &mut product);
        sums.clear();
        let pairs = candidates.chunks_exact(dim).zip(own.chunks_exact(outputs));
        for (count, (candidate, own)) in counts.iter().zip(pairs) {
            let rows = mixed.chunks_exact_mut(outputs).zip(still.chunks_exact(outputs)).zip(product.chunks_exact(outputs));
            for (((mixed, still), product), c) in rows.zip(candidate) {
                mixed.iter_mut().zip(still).zip(product).for_each(|((mixed, a), d)| *mixed = a + d * c);
            }
            let from = sums.len();
            matrix::repeat(own, *count, sums);
            let (read, left) = rest.split_at(count * dim);
            engine::add_product(read, &mixed, &mut sums[from..], (*count, dim, outputs));
            rest = left;
        }
    }
}

wide! {
    /// From `slopes`, the derivatives by the first layer's sums: adds to those by the history and by the candidates, writes the sums of them over each
    /// pair's history to `own`, and adds the gradients of two of the weight's parts.
    fn first_back(
        parts: &Parts,
        counts: &[usize],
        read: (&[f32], &[f32], &[f32]),
        by: (&mut [f32], &mut [f32], &mut [f32]),
        parts_by: (&mut [f32], &mut [f32]),
    ) {
        let ((history, candidates, slopes), (by_history, by_candidates, own), (by_still, by_product)) = (read, by, parts_by);
        let (outputs, dim) = (own.len() / counts.len(), candidates.len() / counts.len());
        let (mut mixed, mut products, mut from) = (vec![0.0; outputs * dim], vec![0.0; outputs * dim], 0);
        let pairs = candidates.chunks_exact(dim).zip(by_candidates.chunks_exact_mut(dim)).zip(own.chunks_exact_mut(outputs));
        for (count, ((candidate, by_candidate), own)) in counts.iter().zip(pairs) {
            let to = from + count;
            let (read, slopes) = (&history[from * dim..to * dim], &slopes[from * outputs..to * outputs]);
            slopes.chunks_exact(outputs).for_each(|row| axpy(1.0, row, own));
            products.fill(0.0);
            engine::add_transposed_product(slopes, read, &mut products, (*count, outputs, dim));
            let rows = mixed.chunks_exact_mut(dim).zip(parts.history.chunks_exact(dim)).zip(parts.product.chunks_exact(dim));
            let gradients = by_still.chunks_exact_mut(dim).zip(by_product.chunks_exact_mut(dim));
            for ((((mixed, a), d), products), (by_a, by_d)) in rows.zip(products.chunks_exact(dim)).zip(gradients) {
                for ((mixed, (a, d)), c) in mixed.iter_mut().zip(a.iter().zip(d)).zip(candidate) {
                    *mixed = a + d * c;
                }
                axpy(1.0, products, by_a);
                for (((by_d, by_c), (e, d)), c) in
                    by_d.iter_mut().zip(&mut *by_candidate).zip(products.iter().zip(d)).zip(candidate)
                {
                    *by_d += e * c;
                    *by_c += e * d;
                }
            }
            let into = &mut by_history[from * dim..to * dim];
            engine::add_product(slopes, &mixed, into, (*count, outputs, dim));
            from = to;
        }
    }
}

wide! {
    /// Adds the weighted sum of each pair's history to `out`.
    fn add_weighted(counts: &[usize], history: &[f32], shares: &[f32], out: &mut [f32]) {
        let dim = out.len() / counts.len();
        let mut rows = history.chunks_exact(dim).zip(shares);
        for (count, out) in counts.iter().zip(out.chunks_exact_mut(dim)) {
            rows.by_ref().take(*count).for_each(|(h, share)| axpy(*share, h, out));
        }
    }
}

wide! {
    /// The way back of [`add_weighted`]: writes the derivatives by the history and by the shares.
    fn weighted_back(
        counts: &[usize],
        read: (&[f32], &[f32], &[f32]),
        by_history: &mut [f32],
        by_shares: &mut [f32],
    ) {
        let (history, shares, slopes) = read;
        let dim = slopes.len() / counts.len();
        let mut rows = history.chunks_exact(dim).zip(by_history.chunks_exact_mut(dim)).zip(shares.iter().zip(by_shares));
        for (count, slope) in counts.iter().zip(slopes.chunks_exact(dim)) {
            for ((h, into), (share, by_share)) in rows.by_ref().take(*count) {
                *by_share = dot(h, slope);
                into.iter_mut().zip(slope).for_each(|(into, slope)| *into = share * slope);
            }
        }
    }
}

/// Each pair's part of a list with one number for each recent item.
fn by_pair<'a>(counts: &'a [usize], mut list: &'a mut [f32]) -> impl Iterator<Item = &'a mut [f32]> {
    counts.iter().map(move |count| {
        let (own, rest) = std::mem::take(&mut list).split_at_mut(*count);
        list = rest;
        own
    })
}

impl Attention {
    /// The recent items that are read of a pair's user, oldest first.
    fn past<'a>(&self, batch: &Batch, chunk: &'a Chunk, user: u32) -> &'a [u32] {
        let past = chunk.history(batch.users[user as usize] as usize);
        &past[past.len().saturating_sub(self.history)..]
    }

    fn parts(&self, params: &Params) -> Parts {
        Parts::new(&params[self.stack.first().0].numbers, self.vectors.dim)
    }
}

impl Layer for Attention {
    fn of(&self) -> &[usize] {
        &self.of
    }

    fn forward(&self, at: &mut At<'_>) {
        let (dim, outputs, pairs) = (self.vectors.dim, self.widths[0], at.batch.pairs.len());
        if pairs == 0 {
            return;
        }
        let mut passed = at.kept.take().and_then(|kept| kept.downcast::<Passed>().ok()).unwrap_or_default();
        passed.items.clear();
        passed.counts.clear();
        for (user, _) in &at.batch.pairs {
            let past = self.past(at.batch, at.chunk, *user);
            passed.counts.push(past.len());
            passed.items.extend(past.iter().rev());
        }
        let rows = passed.items.len();
        let history = &mut at.scratch[HISTORY];
        history.clear();
        history.resize(rows * dim, 0.0);
        for (item, slots) in passed.items.iter().zip(history.chunks_exact_mut(dim)) {
            self.vectors.add(at.params, *item, false, 1.0, slots);
        }
        at.gather(&self.of, CANDIDATE);
        let (parts, bias) = (self.parts(at.params), &at.params[self.stack.first().1].numbers);
        let mut own = std::mem::take(&mut at.scratch[OWN]);
        own.clear();
        matrix::repeat(bias, pairs, &mut own);
        let candidates = &at.scratch[CANDIDATE];
        matrix::add_product_turned(candidates, &parts.candidate, &mut own, (pairs, dim, outputs));
        let mut sums = std::mem::take(&mut at.scratch[LAYERS]);
        first_sums(&parts, &passed.counts, &at.scratch[HISTORY], &at.scratch[CANDIDATE], &own, &mut sums);
        (at.scratch[LAYERS], at.scratch[OWN]) = (sums, own);
        let last = self.stack.forward_from_sums(at.params, at.scratch, at.disturbance, LAYERS, rows);
        let mut shares = std::mem::take(&mut at.scratch[SHARE]);
        shares.clone_from(&at.scratch[last]);
        if self.softmax {
            by_pair(&passed.counts, &mut shares).for_each(kernel::softmax);
        }
        add_weighted(&passed.counts, &at.scratch[HISTORY], &shares, &mut at.own.out);
        at.scratch[SHARE] = shares;
        *at.kept = Some(passed);
    }

    fn backward(&self, at: &mut At<'_>) {
        let (dim, outputs, pairs) = (self.vectors.dim, self.widths[0], at.batch.pairs.len());
        let Some(passed) = at.kept.as_mut().and_then(|kept| kept.downcast_mut::<Passed>()) else { return };
        if pairs == 0 {
            return;
        }
        let (rows, passed) = (passed.items.len(), std::mem::take(passed));
        let [mut by_history, mut by_candidate, mut slopes, mut own] =
            [BY_HISTORY, BY_CANDIDATE, SLOPE, OWN].map(|list| std::mem::take(&mut at.scratch[list]));
        for (list, count) in [
            (&mut by_history, rows * dim),
            (&mut by_candidate, pairs * dim),
            (&mut slopes, rows),
            (&mut own, pairs * outputs),
        ] {
            list.clear();
            list.resize(count, 0.0);
        }
        let read = (&at.scratch[HISTORY][..], &at.scratch[SHARE][..], &at.own.slope[..]);
        weighted_back(&passed.counts, read, &mut by_history, &mut slopes);
        if self.softmax {
            let shares = by_pair(&passed.counts, &mut at.scratch[SHARE]);
            for (shares, slopes) in shares.zip(by_pair(&passed.counts, &mut slopes)) {
                let mean = dot(shares, slopes);
                slopes.iter_mut().zip(shares).for_each(|(slope, share)| *slope = *share * (*slope - mean));
            }
        }
        at.scratch[SLOPE] = slopes;
        self.stack.backward_to_sums(at.params, at.gradients, at.scratch, (LAYERS, SLOPE), rows);
        let (weight, bias) = self.stack.first();
        let parts = self.parts(at.params);
        let [mut by_still, mut by_own, mut by_product] = [(); 3].map(|()| vec![0.0; outputs * dim]);
        first_back(
            &parts,
            &passed.counts,
            (&at.scratch[HISTORY], &at.scratch[CANDIDATE], &at.scratch[SLOPE]),
            (&mut by_history, &mut by_candidate, &mut own),
            (&mut by_still, &mut by_product),
        );
        matrix::add_rows(&own, at.gradients.whole(bias));
        matrix::add_transposed_product(&own, &at.scratch[CANDIDATE], &mut by_own, (pairs, outputs, dim));
        matrix::add_product(&own, &parts.candidate, &mut by_candidate, (pairs, outputs, dim));
        let into = at.gradients.whole(weight).chunks_exact_mut(4 * dim);
        let found = by_still.chunks_exact(dim).zip(by_own.chunks_exact(dim)).zip(by_product.chunks_exact(dim));
        for (into, ((still, own), product)) in into.zip(found) {
            let differences = still.iter().zip(own).map(|(still, own)| still - own);
            let all =
                still.iter().copied().chain(own.iter().copied()).chain(differences).chain(product.iter().copied());
            into.iter_mut().zip(all).for_each(|(into, slope)| *into += slope);
        }
        if at.before[self.of[0]].learns {
            for (item, slope) in passed.items.iter().zip(by_history.chunks_exact(dim)) {
                self.vectors.learn(at.gradients, *item, false, 1.0, slope);
            }
        }
        (at.scratch[BY_HISTORY], at.scratch[BY_CANDIDATE], at.scratch[OWN]) = (by_history, by_candidate, own);
        at.scatter(&self.of, BY_CANDIDATE);
        *at.kept = Some(Box::new(passed));
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
