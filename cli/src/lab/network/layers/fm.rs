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
use super::super::matrix;
use super::super::params::Params;
use super::super::pass::{At, Side};
use super::super::{Held, Layer, Written};
use super::dense;
use anyhow::bail;
use serde_json::{Value, json};
use zhiji::kernel;

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

impl Layer for Fm {
    fn forward(&self, at: &mut At<'_>) {
        let (rows, dim, width) = (at.rows(), self.dim, self.places.len());
        let mut x = std::mem::take(&mut at.scratch[X]);
        dense::gather(at, &self.places, &mut x);
        let params = at.params;
        let (weight, factors) = (&params[self.weight].numbers, &params[self.factors].numbers);
        let half = &mut at.scratch[HALF];
        half.clear();
        half.extend(factors.chunks_exact(dim).map(|row| 0.5 * kernel::dot(row, row)));
        let half = std::mem::take(half);
        let sum = &mut at.scratch[SUM];
        sum.clear();
        sum.resize(rows * dim, 0.0);
        matrix::add_product(&x, factors, sum, (rows, width, dim));
        let bias = params[self.bias].numbers[0];
        for (row, (slot, sum)) in at.own.out.iter_mut().zip(sum.chunks_exact_mut(dim)).enumerate() {
            let mut own = alone(weight, &half, &x[row * width..][..width]);
            if let Some(hashed) = &self.hashed {
                let item = at.batch.items[at.batch.read(Side::Pair, row, Side::Item)];
                for bucket in hashed.words.of(item) {
                    let factors = params[hashed.factors].row(*bucket);
                    own += params[hashed.weight].numbers[*bucket as usize] - 0.5 * kernel::dot(factors, factors);
                    kernel::axpy(1.0, factors, sum);
                }
            }
            *slot = bias + (own + 0.5 * kernel::dot(sum, sum));
        }
        (at.scratch[X], at.scratch[HALF]) = (x, half);
    }

    fn backward(&self, at: &mut At<'_>) {
        let (rows, dim, width) = (at.rows(), self.dim, self.places.len());
        let params = at.params;
        at.gradients.whole(self.bias)[0] += at.own.slope.iter().sum::<f32>();
        let (x, mut sum) = (std::mem::take(&mut at.scratch[X]), std::mem::take(&mut at.scratch[SUM]));
        let mut squares = std::mem::take(&mut at.scratch[SQUARES]);
        squares.clear();
        squares.resize(width, 0.0);
        let weight = at.gradients.whole(self.weight);
        let slopes = &at.own.slope;
        for (row, (slope, sum)) in slopes.iter().zip(sum.chunks_exact_mut(dim)).enumerate() {
            let x = &x[row * width..][..width];
            for ((weight, square), x) in weight.iter_mut().zip(&mut squares).zip(x) {
                *weight += slope * x;
                *square += slope * x * x;
            }
            sum.iter_mut().for_each(|s| *s *= slope);
        }
        let factors = at.gradients.whole(self.factors);
        matrix::add_transposed_product(&x, &sum, factors, (rows, width, dim));
        let own = params[self.factors].numbers.chunks_exact(dim);
        for ((slope, row), square) in factors.chunks_exact_mut(dim).zip(own).zip(&squares) {
            kernel::axpy(-square, row, slope);
        }
        if let Some(hashed) = &self.hashed {
            for ((row, slope), by_sum) in slopes.iter().enumerate().zip(sum.chunks_exact(dim)) {
                let item = at.batch.items[at.batch.read(Side::Pair, row, Side::Item)];
                for bucket in hashed.words.of(item) {
                    at.gradients.row(hashed.weight, *bucket)[0] += slope;
                    let into = at.gradients.row(hashed.factors, *bucket);
                    for ((into, s), v) in into.iter_mut().zip(by_sum).zip(params[hashed.factors].row(*bucket)) {
                        *into += s - slope * v;
                    }
                }
            }
        }
        (at.scratch[X], at.scratch[SUM], at.scratch[SQUARES]) = (x, sum, squares);
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
