//! A causal transformer encoder over the recent items. Forward and back are the engine's own, user by user.

use super::super::Layer;
use super::super::build::{Builder, First, Keys, Made};
use super::super::params::{Params, fill_lists};
use super::super::pass::{At, Side};
use super::item::Vectors;
use super::recent;
use anyhow::bail;
use serde_json::{Value, json};
use std::sync::Arc;
use zhiji::block::sequence::gradient::{self, Kept, Parameters};
use zhiji::block::sequence::{MOST_DIM, MOST_INNER, MOST_ITEMS, MOST_LAYERS, Norm, Shape};

struct Sequence {
    of: [usize; 1],
    vectors: Arc<Vectors>,
    shape: Shape,
    /// Of the right sizes; filled anew for every batch.
    empty: Parameters<f32>,
    tensors: Vec<usize>,
}

/// Reads the keys of the block.
pub fn build(builder: &mut Builder<'_>, keys: &mut Keys<'_>) -> anyhow::Result<Made> {
    let (of, vectors) = recent::items(builder, keys)?;
    let dim = vectors.dim;
    let layers = keys.count("layers", 1..=MOST_LAYERS)?.unwrap_or(1);
    let heads = keys.count("heads", 1..=MOST_DIM)?.unwrap_or(1);
    let inner = keys.count("inner", 1..=MOST_INNER)?.unwrap_or(dim.min(MOST_INNER));
    let items = keys.count("history", 1..=MOST_ITEMS)?.unwrap_or(MOST_ITEMS);
    let norm = match keys.choice("norm", &["pre", "post", "query"])? {
        "post" => Norm::Post,
        "query" => Norm::Query,
        _ => Norm::Pre,
    };
    let from_oldest = keys.choice("positions", &["newest", "oldest"])? == "oldest";
    let scale = keys.number("scale", -1e6..=1e6)?.unwrap_or(1.0);
    let epsilon = keys.number("epsilon", 1e-12..=1.0)?.unwrap_or(1e-5);
    let ends = keys.flag("last-norm", norm != Norm::Post)?;
    if dim > MOST_DIM || !dim.is_multiple_of(heads) {
        bail!("{}: they must divide the item's vectors ({dim}), which hold at most {MOST_DIM}", keys.at("heads"));
    }
    let shape = Shape { dim, heads, inner, items, norm, from_oldest, scale, epsilon };
    let zeros = |count: usize| vec![0.0; count];
    let pair = |weight: usize, bias: usize| [zeros(weight), zeros(bias)];
    let layer = || {
        let (square, plain) = (pair(dim * dim, dim), pair(dim, dim));
        [pair(3 * dim * dim, 3 * dim), square, pair(inner * dim, inner), pair(dim * inner, dim), plain.clone(), plain]
    };
    let mut empty = Parameters {
        position: zeros(items * dim),
        layers: (0..layers).map(|_| layer()).collect(),
        norm: ends.then(|| pair(dim, dim)),
    };
    let mut tensors = Vec::new();
    for (name, numbers) in empty.tensors_mut() {
        let count = numbers.len();
        let inputs = if name.contains("linear2") { inner } else { dim };
        tensors.push(match name.as_str() {
            "position.weight" => builder.tensor(&name, &[items, dim], First::Normal(0.02)),
            _ if name.ends_with("bias") => builder.constant(&name, &[count], 0.0),
            _ if name.contains("norm") => builder.constant(&name, &[count], 1.0),
            // Glorot and Bengio, "Understanding the Difficulty of Training Deep Feedforward Neural Networks", AISTATS 2010, equation 16.
            _ => {
                let bound = (6.0 / (inputs + count / inputs) as f32).sqrt();
                builder.tensor(&name, &[count / inputs, inputs], First::Uniform(bound))
            }
        });
    }
    Ok((Box::new(Sequence { of, vectors, shape, empty, tensors }), Side::User, dim))
}

impl Sequence {
    fn weights(&self, params: &Params) -> Parameters<f32> {
        let mut weights = self.empty.clone();
        fill_lists(params, &self.tensors, weights.tensors_mut().into_iter().map(|(_, list)| list));
        weights
    }
}

impl Layer for Sequence {
    fn of(&self) -> &[usize] {
        &self.of
    }

    fn forward(&self, at: &mut At<'_>) {
        let (dim, weights) = (self.shape.dim, self.weights(at.params));
        let (mut all, mut vectors) = (Vec::with_capacity(at.batch.users.len()), Vec::new());
        for (row, user) in at.batch.users.iter().enumerate() {
            vectors.clear();
            for item in recent::history(at, *user).take(self.shape.items) {
                let from = vectors.len();
                vectors.resize(from + dim, 0.0);
                self.vectors.add(at.params, item, false, 1.0, &mut vectors[from..]);
            }
            let disturbance = &mut *at.disturbance;
            let kept = gradient::forward(&self.shape, &weights, &vectors, &mut |_, mask| {
                let keep = 1.0 - disturbance.dropout;
                if keep < 1.0 {
                    mask.fill_with(|| if disturbance.noise.uniform() < keep { 1.0 / keep } else { 0.0 });
                }
            });
            // Of nobody's history nothing is said: zeros stand there already.
            if let Some(last) = kept.out.chunks_exact(dim).next_back() {
                at.own.out[row * dim..][..dim].copy_from_slice(last);
            }
            all.push(kept);
        }
        *at.kept = Some(Box::new(all));
    }

    fn backward(&self, at: &mut At<'_>) {
        let dim = self.shape.dim;
        let Some(all) = at.kept.as_ref().and_then(|kept| kept.downcast_ref::<Vec<Kept<f32>>>()) else { return };
        let (weights, mut into) = (self.weights(at.params), self.empty.clone());
        let (mut by_out, mut by_vectors) = (Vec::new(), Vec::new());
        for ((user, kept), slope) in at.batch.users.iter().zip(all).zip(at.own.slope.chunks_exact(dim)) {
            let Some(before) = kept.out.len().checked_sub(dim) else { continue };
            by_out.clear();
            by_out.resize(before, 0.0);
            by_out.extend_from_slice(slope);
            by_vectors.clear();
            by_vectors.resize(kept.out.len(), 0.0);
            gradient::backward(&self.shape, &weights, kept, &by_out, &mut into, &mut by_vectors);
            let history = at.chunk.history(*user as usize).iter().rev().take(self.shape.items);
            for (item, slope) in history.zip(by_vectors.chunks_exact(dim)) {
                self.vectors.learn(at.gradients, *item, false, 1.0, slope);
            }
        }
        at.gradients.add_lists(&self.tensors, into.tensors_mut().into_iter().map(|(_, list)| list));
    }

    fn spec(&self) -> Value {
        let Shape { heads, norm, from_oldest, scale, epsilon, .. } = self.shape;
        let norm = match norm {
            Norm::Pre => "pre",
            Norm::Post => "post",
            Norm::Query => "query",
        };
        let positions = if from_oldest { "oldest" } else { "newest" };
        json!({
            "layers": self.empty.layers.len(), "heads": heads, "norm": norm, "positions": positions,
            "scale": scale, "epsilon": epsilon,
        })
    }
}
