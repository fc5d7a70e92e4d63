//! The factorisation machine.
//!
//! It learns from standardised features, `z = (x − m) / s`; the bundle's block reads them as they are. With `u = v / s` the two agree where
//!
//! ```text
//! w'_i = w_i / s_i − u_i · (M − m_i u_i)     for dense features,  M = Σ_j m_j u_j
//! w'_b = w_b − v_b · M                       for buckets
//! bias' = bias − Σ_i m_i w_i / s_i + ½ (‖M‖² − Σ_i m_i² ‖u_i‖²)
//! ```
//!
//! which is what multiplying `(x_i − m_i)(x_j − m_j)` out gives.

use super::super::build::{Builder, First, Keys, Made, Words};
use super::super::matrix::{self, axpy, wide};
use super::super::params::{Gradients, Params};
use super::super::pass::{At, Batch, Side};
use super::super::{Held, Layer, Written};
use super::dense;
use crate::lab::prefetch::{AHEAD, prefetch};
use anyhow::bail;
use serde_json::{Value, json};

struct Fm {
    dim: usize,
    places: Vec<u32>,
    names: Vec<String>,
    mean: Vec<f32>,
    scale: Vec<f32>,
    bias: usize,
    weight: usize,
    factors: usize,
    hashed: Option<Hashed>,
    fields: Vec<String>,
}

struct Hashed {
    weight: usize,
    factors: usize,
    words: Words,
}

/// Standardised features; sums of factors, and on the way back the derivatives by them; half the squared norms of the dense factors; what comes
/// back to those.
const X: usize = 0;
const SUM: usize = 1;
const HALF: usize = 2;
const SQUARES: usize = 3;

/// `Σ (w_i − h_i x_i) x_i`, in eight lanes.
#[inline(always)]
fn alone(weight: &[f32], half: &[f32], x: &[f32]) -> f32 {
    let (mut lanes, mut rest) = ([0.0; 8], 0.0);
    let ((w, w_rest), (h, h_rest), (x, x_rest)) = (weight.as_chunks::<8>(), half.as_chunks::<8>(), x.as_chunks::<8>());
    for ((w, h), x) in w.iter().zip(h).zip(x) {
        for (((lane, w), h), x) in lanes.iter_mut().zip(w).zip(h).zip(x) {
            *lane += (w - h * x) * x;
        }
    }
    for ((w, h), x) in w_rest.iter().zip(h_rest).zip(x_rest) {
        rest += (w - h * x) * x;
    }
    matrix::sum(lanes) + rest
}

/// Reads the keys of the block.
pub fn build(builder: &mut Builder<'_>, keys: &mut Keys<'_>) -> anyhow::Result<Made> {
    let places = builder.features(keys, false)?;
    let (fields, numbers) = builder.hashed(keys, &["id"])?;
    let dim = keys.count("dim", 1..=512)?.unwrap_or(8);
    let buckets = builder.buckets(keys, "buckets", dim)?;
    let deviation = keys.number("init", 0.0..=10.0)?.unwrap_or(0.02);
    if places.is_empty() && fields.is_empty() {
        bail!("{}: a block without features predicts nothing", keys.at("features"));
    }
    let (mean, scale) = dense::moments(builder.standard, &places);
    let odds = builder.odds();
    let bias = builder.constant("bias", &[1], odds);
    let weight = builder.tensor("weight", &[places.len()], First::All(0.0));
    let factors = builder.tensor("factors", &[places.len(), dim], First::Normal(deviation));
    let hashed = (!fields.is_empty()).then(|| {
        let words = Words::new(builder.catalogue, Some(&numbers), buckets);
        let meetings = words.meetings(&builder.catalogue.shown, buckets);
        let weight = builder.table("hashed.weight", &[buckets], First::All(0.0), meetings.clone());
        let factors = builder.table("hashed.factors", &[buckets, dim], First::Normal(deviation), meetings);
        Hashed { weight, factors, words }
    });
    let names = builder.feature_names(&places);
    let fm = Fm { dim, places, names, mean, scale, bias, weight, factors, hashed, fields };
    Ok((Box::new(fm), Side::Pair, 1))
}

wide! {
    /// Writes a block's numbers, and adds the factors of words to `sums`, which has those of the dense features.
    fn scores(fm: &Fm, params: &Params, batch: &Batch, x: &[f32], half: &[f32], sums: &mut [f32], out: &mut [f32]) {
        let (bias, weight) = (params[fm.bias].numbers[0], &params[fm.weight].numbers);
        let width = weight.len();
        for (row, (slot, sum)) in out.iter_mut().zip(sums.chunks_exact_mut(fm.dim)).enumerate() {
            let mut own = alone(weight, half, &x[row * width..][..width]);
            if let Some(hashed) = &fm.hashed {
                if let Some((_, item)) = batch.pairs.get(row + AHEAD) {
                    for bucket in hashed.words.of(batch.items[*item as usize]) {
                        prefetch(&params[hashed.factors].numbers, *bucket as usize * fm.dim, fm.dim);
                    }
                }
                for bucket in hashed.words.of(batch.items[batch.read(Side::Pair, row, Side::Item)]) {
                    let factors = params[hashed.factors].row(*bucket);
                    own += params[hashed.weight].numbers[*bucket as usize] - 0.5 * matrix::dot(factors, factors);
                    axpy(1.0, factors, sum);
                }
            }
            *slot = bias + (own + 0.5 * matrix::dot(sum, sum));
        }
    }
}

wide! {
    /// Adds the gradients of the dense weights, writes what comes back to the squares of dense factors, and turns the sums of factors into derivatives.
    fn dense_back(slopes: &[f32], x: &[f32], sums: &mut [f32], weight: &mut [f32], squares: &mut [f32]) {
        let (width, dim) = (weight.len(), sums.len() / slopes.len().max(1));
        for (row, slope) in slopes.iter().enumerate() {
            let x = &x[row * width..][..width];
            for ((weight, square), x) in weight.iter_mut().zip(&mut *squares).zip(x) {
                let by = slope * x;
                *weight += by;
                *square += by * x;
            }
            sums[row * dim..][..dim].iter_mut().for_each(|s| *s *= slope);
        }
    }
}

wide! {
    /// Adds the gradients of words, `by_sums` being the derivatives by the sums of factors.
    fn hashed_back(
        hashed: &Hashed,
        params: &Params,
        batch: &Batch,
        slopes: &[f32],
        by_sums: &[f32],
        gradients: &mut Gradients,
    ) {
        let factors = &params[hashed.factors];
        for ((row, slope), by_sum) in slopes.iter().enumerate().zip(by_sums.chunks_exact(factors.width())) {
            for bucket in hashed.words.of(batch.items[batch.read(Side::Pair, row, Side::Item)]) {
                gradients.row(hashed.weight, *bucket)[0] += slope;
                let into = gradients.row(hashed.factors, *bucket);
                for ((into, s), v) in into.iter_mut().zip(by_sum).zip(factors.row(*bucket)) {
                    *into += s - slope * v;
                }
            }
        }
    }
}

impl Layer for Fm {
    fn forward(&self, at: &mut At<'_>) {
        let (rows, dim, width) = (at.rows(), self.dim, self.places.len());
        let [mut x, mut half, mut sums] = [X, HALF, SUM].map(|list| std::mem::take(&mut at.scratch[list]));
        dense::gather(at, &self.places, &mut x);
        let factors = &at.params[self.factors].numbers;
        half.clear();
        half.extend(factors.chunks_exact(dim).map(|row| 0.5 * matrix::dot(row, row)));
        sums.clear();
        sums.resize(rows * dim, 0.0);
        matrix::add_product(&x, factors, &mut sums, (rows, width, dim));
        scores(self, at.params, at.batch, &x, &half, &mut sums, &mut at.own.out);
        (at.scratch[X], at.scratch[HALF], at.scratch[SUM]) = (x, half, sums);
    }

    fn backward(&self, at: &mut At<'_>) {
        let (rows, dim, width) = (at.rows(), self.dim, self.places.len());
        let slopes = &at.own.slope;
        at.gradients.whole(self.bias)[0] += slopes.iter().sum::<f32>();
        let [x, mut sums, mut squares] = [X, SUM, SQUARES].map(|list| std::mem::take(&mut at.scratch[list]));
        squares.clear();
        squares.resize(width, 0.0);
        dense_back(slopes, &x, &mut sums, at.gradients.whole(self.weight), &mut squares);
        let factors = at.gradients.whole(self.factors);
        matrix::add_transposed_product(&x, &sums, factors, (rows, width, dim));
        let own = at.params[self.factors].numbers.chunks_exact(dim);
        for ((slope, row), square) in factors.chunks_exact_mut(dim).zip(own).zip(&squares) {
            axpy(-square, row, slope);
        }
        if let Some(hashed) = &self.hashed {
            hashed_back(hashed, at.params, at.batch, slopes, &sums, at.gradients);
        }
        (at.scratch[X], at.scratch[SUM], at.scratch[SQUARES]) = (x, sums, squares);
    }

    fn spec(&self) -> Value {
        json!({ "features": self.names, "hashed": self.fields })
    }

    fn write(&self, params: &Params) -> Option<Vec<Written>> {
        let (dim, width) = (self.dim, self.places.len());
        let double = |x: &f32| f64::from(*x);
        let inverse: Vec<f64> = self.scale.iter().map(|scale| 1.0 / double(scale)).collect();
        let mean: Vec<f64> = self.mean.iter().map(double).collect();
        let rows = params[self.factors].numbers.chunks_exact(dim).zip(&inverse);
        let u: Vec<f64> = rows.flat_map(|(row, inverse)| row.iter().map(move |v| double(v) * inverse)).collect();
        let mut shift = vec![0.0f64; dim];
        for (row, mean) in u.chunks_exact(dim).zip(&mean) {
            shift.iter_mut().zip(row).for_each(|(m, u)| *m += mean * u);
        }
        let square = |row: &[f64]| row.iter().map(|u| u * u).sum::<f64>();
        let mut bias = double(&params[self.bias].numbers[0]) + 0.5 * square(&shift);
        let (mut weight, mut factors) = (Vec::new(), Vec::new());
        for (i, row) in u.chunks_exact(dim).enumerate() {
            let own = double(&params[self.weight].numbers[i]) * inverse[i];
            let against: f64 = row.iter().zip(&shift).map(|(u, m)| u * (m - mean[i] * u)).sum();
            weight.push((own - against) as f32);
            bias -= mean[i] * own + 0.5 * mean[i] * mean[i] * square(row);
            factors.extend(row.iter().map(|u| *u as f32));
        }
        if let Some(hashed) = &self.hashed {
            let rows = params[hashed.factors].numbers.chunks_exact(dim);
            for (own, row) in params[hashed.weight].numbers.iter().zip(rows) {
                let against: f64 = row.iter().zip(&shift).map(|(v, m)| double(v) * m).sum();
                weight.push((double(own) - against) as f32);
                factors.extend_from_slice(row);
            }
        }
        let total = weight.len();
        debug_assert!(total >= width, "dense features come first");
        Some(vec![
            Written { part: "bias".into(), shape: vec![1], numbers: Held::Singles(vec![bias as f32]) },
            Written { part: "weight".into(), shape: vec![total], numbers: Held::Singles(weight) },
            Written { part: "factors".into(), shape: vec![total, dim], numbers: Held::Singles(factors) },
        ])
    }
}
