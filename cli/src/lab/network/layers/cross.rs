//! The cross network: `x_{l+1} = x_0 ∘ (W_l x_l + b_l) + x_l`, W of low rank where `rank` is given.
//!
//! # Source
//! Wang et al., "DCN V2", WWW 2021, equations 1 and 2.

use super::super::Layer;
use super::super::build::{Builder, First, Keys, Made};
use super::super::matrix;
use super::super::pass::At;
use serde_json::{Value, json};

struct Cross {
    of: Vec<usize>,
    dim: usize,
    rank: Option<usize>,
    layers: Vec<One>,
}

/// `weight`, or `u` and `v`; `bias`.
struct One {
    weights: (usize, Option<usize>),
    bias: usize,
}

/// What is read; derivatives by it; behind them for each layer what it gives, what it multiplies with, and the low-rank middle.
const X: usize = 0;
const SLOPE: usize = 1;
const LAYERS: usize = 2;
const OUT: usize = 0;
const INNER: usize = 1;
const MIDDLE: usize = 2;
const LISTS: usize = 3;

/// Reads the keys of the block.
pub fn build(builder: &mut Builder<'_>, keys: &mut Keys<'_>) -> anyhow::Result<Made> {
    let of = builder.of(keys)?;
    let count = keys.count("layers", 1..=4)?.unwrap_or(2);
    let rank = keys.count("rank", 1..=512)?;
    let (side, dim) = (builder.side(&of), builder.width(&of));
    let bound = |input: usize| First::Uniform((3.0 / input as f32).sqrt() * 0.3);
    let one = |at: usize| {
        let weights = match rank {
            Some(rank) => {
                let u = builder.tensor(&format!("{at}.u"), &[dim, rank], bound(rank));
                (u, Some(builder.tensor(&format!("{at}.v"), &[rank, dim], bound(dim))))
            }
            None => (builder.tensor(&format!("{at}.weight"), &[dim, dim], bound(dim)), None),
        };
        One { weights, bias: builder.constant(&format!("{at}.bias"), &[dim], 0.0) }
    };
    let layers = (0..count).map(one).collect();
    Ok((Box::new(Cross { of, dim, rank, layers }), side, dim))
}

impl Layer for Cross {
    fn of(&self) -> &[usize] {
        &self.of
    }

    fn forward(&self, at: &mut At<'_>) {
        let (rows, dim) = (at.rows(), self.dim);
        at.gather(&self.of, X);
        let (mut read, mut turned) = (X, Vec::new());
        for (number, layer) in self.layers.iter().enumerate() {
            let lists = LAYERS + number * LISTS;
            let mut inner = std::mem::take(&mut at.scratch[lists + INNER]);
            inner.clear();
            (0..rows).for_each(|_| inner.extend_from_slice(&at.params[layer.bias].numbers));
            let first = &at.params[layer.weights.0].numbers;
            match (layer.weights.1, self.rank) {
                (Some(v), Some(rank)) => {
                    let mut middle = std::mem::take(&mut at.scratch[lists + MIDDLE]);
                    middle.clear();
                    middle.resize(rows * rank, 0.0);
                    matrix::transpose(&at.params[v].numbers, (rank, dim), &mut turned);
                    matrix::add_product(&at.scratch[read], &turned, &mut middle, (rows, dim, rank));
                    matrix::transpose(first, (dim, rank), &mut turned);
                    matrix::add_product(&middle, &turned, &mut inner, (rows, rank, dim));
                    at.scratch[lists + MIDDLE] = middle;
                }
                _ => {
                    matrix::transpose(first, (dim, dim), &mut turned);
                    matrix::add_product(&at.scratch[read], &turned, &mut inner, (rows, dim, dim));
                }
            }
            let mut out = std::mem::take(&mut at.scratch[lists + OUT]);
            out.clear();
            let each = at.scratch[X].iter().zip(&inner).zip(&at.scratch[read]);
            out.extend(each.map(|((x0, inner), x)| x0 * inner + x));
            (at.scratch[lists + INNER], at.scratch[lists + OUT]) = (inner, out);
            read = lists + OUT;
        }
        at.own.out.copy_from_slice(&at.scratch[read]);
    }

    fn backward(&self, at: &mut At<'_>) {
        let (rows, dim) = (at.rows(), self.dim);
        let mut slopes = at.own.slope.clone();
        let mut by_first = vec![0.0; rows * dim];
        for (number, layer) in self.layers.iter().enumerate().rev() {
            let lists = LAYERS + number * LISTS;
            let read = if number == 0 { X } else { lists - LISTS + OUT };
            let each = slopes.iter().zip(&at.scratch[lists + INNER]).zip(&mut by_first);
            each.for_each(|((slope, inner), into)| *into += slope * inner);
            let by_inner: Vec<f32> = slopes.iter().zip(&at.scratch[X]).map(|(slope, x0)| slope * x0).collect();
            let bias = at.gradients.whole(layer.bias);
            for row in by_inner.chunks_exact(dim) {
                bias.iter_mut().zip(row).for_each(|(into, slope)| *into += slope);
            }
            let (first, x) = (layer.weights.0, &at.scratch[read]);
            match (layer.weights.1, self.rank) {
                (Some(v), Some(rank)) => {
                    let middle = &at.scratch[lists + MIDDLE];
                    matrix::add_transposed_product(&by_inner, middle, at.gradients.whole(first), (rows, dim, rank));
                    let mut by_middle = vec![0.0; rows * rank];
                    matrix::add_product(&by_inner, &at.params[first].numbers, &mut by_middle, (rows, dim, rank));
                    matrix::add_transposed_product(&by_middle, x, at.gradients.whole(v), (rows, rank, dim));
                    matrix::add_product(&by_middle, &at.params[v].numbers, &mut slopes, (rows, rank, dim));
                }
                _ => {
                    matrix::add_transposed_product(&by_inner, x, at.gradients.whole(first), (rows, dim, dim));
                    matrix::add_product(&by_inner, &at.params[first].numbers, &mut slopes, (rows, dim, dim));
                }
            }
        }
        slopes.iter_mut().zip(&by_first).for_each(|(slope, by)| *slope += by);
        at.scratch[SLOPE] = slopes;
        at.scatter(&self.of, SLOPE);
    }

    fn spec(&self) -> Value {
        match self.rank {
            Some(rank) => json!({ "layers": self.layers.len(), "rank": rank }),
            None => json!({ "layers": self.layers.len() }),
        }
    }
}
