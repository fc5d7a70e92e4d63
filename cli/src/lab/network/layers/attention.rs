//! The candidate attends over the recent items. Forward and back are the engine's own, pair by pair.

use super::super::Layer;
use super::super::build::{Builder, First, Keys, Made};
use super::super::matrix::wide;
use super::super::params::{Params, fill_lists};
use super::super::pass::{At, Batch, Side};
use super::item::Vectors;
use super::linear::Activation;
use super::recent;
use crate::lab::examples::Chunk;
use anyhow::bail;
use serde_json::{Value, json};
use std::sync::Arc;
use zhiji::block::attention::gradient::{self, Kept, Room, Shape};
use zhiji::bundle::stack::HISTORY_MOST;

struct Attention {
    of: [usize; 1],
    vectors: Arc<Vectors>,
    history: usize,
    widths: Vec<usize>,
    activation: Activation,
    softmax: bool,
    /// Of the right sizes; filled anew for every batch.
    empty: Vec<gradient::Layer<f32>>,
    /// In the order of [`lists`].
    tensors: Vec<usize>,
}

/// The vectors of all recent items of the batch, pair by pair and the newest first; the derivatives by them.
const HISTORY: usize = 0;
const SLOPE: usize = 1;

/// What a batch keeps for its way back; used again by the next.
#[derive(Default)]
struct Passed {
    pairs: Vec<Kept<f32>>,
    room: Room<f32>,
    items: Vec<u32>,
}

/// The lists of numbers that are there, layer by layer.
fn lists(layers: &mut [gradient::Layer<f32>]) -> impl Iterator<Item = &mut [f32]> {
    let lists = layers.iter_mut().flat_map(|layer| [&mut layer.weight, &mut layer.bias, &mut layer.alpha]);
    lists.map(Vec::as_mut_slice).filter(|list| !list.is_empty())
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
    let (mut empty, mut tensors, mut inputs) = (Vec::new(), Vec::new(), 4 * dim);
    for (at, outputs) in widths.iter().enumerate() {
        let last = at + 1 == widths.len();
        // As of `mlp`: He et al., "Delving Deep into Rectifiers", ICCV 2015, section 2.2; what ends begins smaller.
        let bound = (if last { 1.0f32 } else { 6.0 } / inputs as f32).sqrt();
        tensors.push(builder.tensor(&format!("{at}.weight"), &[*outputs, inputs], First::Uniform(bound)));
        tensors.push(builder.constant(&format!("{at}.bias"), &[*outputs], 0.0));
        let prelu = activation == Activation::Prelu && !last;
        if prelu {
            tensors.push(builder.constant(&format!("{at}.alpha"), &[*outputs], 0.25));
        }
        empty.push(gradient::Layer {
            outputs: *outputs,
            weight: vec![0.0; outputs * inputs],
            bias: vec![0.0; *outputs],
            alpha: vec![0.0; if prelu { *outputs } else { 0 }],
        });
        inputs = *outputs;
    }
    let block = Attention { of, vectors, history, widths, activation, softmax, empty, tensors };
    Ok((Box::new(block), Side::Pair, dim))
}

wide! {
    fn forward(
        shape: Shape,
        weights: &[gradient::Layer<f32>],
        read: (&[f32], &[f32]),
        room: (&mut Kept<f32>, &mut Room<f32>),
        out: &mut [f32],
    ) {
        gradient::forward(shape, weights, read, &mut |_, _| {}, room, out);
    }
}

wide! {
    fn backward(
        shape: Shape,
        weights: &[gradient::Layer<f32>],
        room: (&Kept<f32>, &mut Room<f32>),
        read: (&[f32], &[f32], &[f32]),
        into: &mut [gradient::Layer<f32>],
        by: (&mut [f32], &mut [f32]),
    ) {
        gradient::backward(shape, weights, room, read, into, by);
    }
}

impl Attention {
    fn shape(&self) -> Shape {
        Shape { dim: self.vectors.dim, activation: self.activation.engine(), softmax: self.softmax }
    }

    fn weights(&self, params: &Params) -> Vec<gradient::Layer<f32>> {
        let mut weights = self.empty.clone();
        fill_lists(params, &self.tensors, lists(&mut weights));
        weights
    }

    /// The recent items that are read of a pair's user, oldest first.
    fn past<'a>(&self, batch: &Batch, chunk: &'a Chunk, user: u32) -> &'a [u32] {
        let past = chunk.history(batch.users[user as usize] as usize);
        &past[past.len().saturating_sub(self.history)..]
    }
}

impl Layer for Attention {
    fn of(&self) -> &[usize] {
        &self.of
    }

    fn forward(&self, at: &mut At<'_>) {
        let (dim, shape, weights) = (self.vectors.dim, self.shape(), self.weights(at.params));
        let mut passed = at.kept.take().and_then(|kept| kept.downcast::<Passed>().ok()).unwrap_or_default();
        let mut vectors = std::mem::take(&mut at.scratch[HISTORY]);
        vectors.clear();
        passed.items.clear();
        passed.pairs.resize(at.batch.pairs.len(), Kept::default());
        let items = &at.before[self.of[0]].out;
        let each = at.batch.pairs.iter().zip(at.own.out.chunks_exact_mut(dim)).zip(&mut passed.pairs);
        for (((user, item), out), kept) in each {
            let from = vectors.len();
            let past = self.past(at.batch, at.chunk, *user);
            vectors.resize(from + past.len() * dim, 0.0);
            for (item, slots) in past.iter().rev().zip(vectors[from..].chunks_exact_mut(dim)) {
                self.vectors.add(at.params, *item, false, 1.0, slots);
            }
            passed.items.extend(past.iter().rev());
            let read = (&vectors[from..], &items[*item as usize * dim..][..dim]);
            forward(shape, &weights, read, (kept, &mut passed.room), out);
        }
        at.scratch[HISTORY] = vectors;
        *at.kept = Some(passed);
    }

    fn backward(&self, at: &mut At<'_>) {
        let (dim, shape, weights) = (self.vectors.dim, self.shape(), self.weights(at.params));
        let mut into = self.empty.clone();
        let Some(passed) = at.kept.as_mut().and_then(|kept| kept.downcast_mut::<Passed>()) else { return };
        let mut slopes = std::mem::take(&mut at.scratch[SLOPE]);
        slopes.clear();
        slopes.resize(at.scratch[HISTORY].len(), 0.0);
        let numbers = &mut at.before[self.of[0]];
        let learns = numbers.learns;
        // What does not learn still gets a place to be added to.
        let mut spare = vec![0.0; dim];
        let mut from = 0;
        let each = at.batch.pairs.iter().zip(at.own.slope.chunks_exact(dim)).zip(&passed.pairs);
        for (((user, item), slope), kept) in each {
            let span = from..from + self.past(at.batch, at.chunk, *user).len() * dim;
            from = span.end;
            let row = *item as usize * dim..(*item as usize + 1) * dim;
            let by_item = if learns { &mut numbers.slope[row.clone()] } else { &mut spare };
            let read = (&at.scratch[HISTORY][span.clone()], &numbers.out[row], slope);
            let by = (&mut slopes[span], by_item);
            backward(shape, &weights, (kept, &mut passed.room), read, &mut into, by);
        }
        at.gradients.add_lists(&self.tensors, lists(&mut into));
        if learns {
            for (item, slope) in passed.items.iter().zip(slopes.chunks_exact(dim)) {
                self.vectors.learn(at.gradients, *item, false, 1.0, slope);
            }
        }
        at.scratch[SLOPE] = slopes;
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
