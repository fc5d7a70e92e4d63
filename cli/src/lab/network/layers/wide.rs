//! The linear block: weights of standardised features, and of hashed words.

use super::super::build::{Builder, First, Keys, Made, Words};
use super::super::params::Params;
use super::super::pass::{At, Side};
use super::super::{Held, Layer, Written};
use super::dense;
use anyhow::bail;
use serde_json::{Value, json};
use zhiji::kernel;

struct Wide {
    places: Vec<u32>,
    names: Vec<String>,
    mean: Vec<f32>,
    scale: Vec<f32>,
    bias: usize,
    weight: usize,
    hashed: Option<(usize, Words)>,
    fields: Vec<String>,
}

/// The standardised features of the batch.
const X: usize = 0;

/// Reads the keys of the block.
pub fn build(builder: &mut Builder<'_>, keys: &mut Keys<'_>) -> anyhow::Result<Made> {
    let places = builder.features(keys, false)?;
    let (fields, numbers) = builder.hashed(keys, &["id"])?;
    let buckets = builder.buckets(keys, "buckets", 1)?;
    if places.is_empty() && fields.is_empty() {
        bail!("{}: a block without features predicts nothing", keys.at("features"));
    }
    let (mean, scale) = dense::moments(builder.standard, &places);
    let odds = builder.odds();
    let bias = builder.constant("bias", &[1], odds);
    let weight = builder.tensor("weight", &[places.len()], First::All(0.0));
    let hashed = (!fields.is_empty()).then(|| {
        let words = Words::new(builder.catalogue, Some(&numbers), buckets);
        let meetings = words.meetings(&builder.catalogue.shown, buckets);
        (builder.table("hashed", &[buckets], First::All(0.0), meetings), words)
    });
    let names = builder.feature_names(&places);
    Ok((Box::new(Wide { places, names, mean, scale, bias, weight, hashed, fields }), Side::Pair, 1))
}

impl Layer for Wide {
    fn forward(&self, at: &mut At<'_>) {
        let mut x = std::mem::take(&mut at.scratch[X]);
        dense::gather(at, &self.places, &mut x);
        let (bias, weight) = (at.params[self.bias].numbers[0], &at.params[self.weight].numbers);
        let width = self.places.len();
        for (row, slot) in at.own.out.iter_mut().enumerate() {
            let mut item = 0.0;
            if let Some((table, words)) = &self.hashed {
                let table = &at.params[*table].numbers;
                let of = at.batch.items[at.batch.read(Side::Pair, row, Side::Item)];
                item = words.of(of).iter().fold(0.0, |sum, row| sum + table[*row as usize]);
            }
            *slot = (bias + item) + kernel::dot(&x[row * width..][..width], weight);
        }
        at.scratch[X] = x;
    }

    fn backward(&self, at: &mut At<'_>) {
        let width = self.places.len();
        at.gradients.whole(self.bias)[0] += at.own.slope.iter().sum::<f32>();
        let weight = at.gradients.whole(self.weight);
        for (row, slope) in at.own.slope.iter().enumerate() {
            kernel::axpy(*slope, &at.scratch[X][row * width..][..width], weight);
        }
        if let Some((table, words)) = &self.hashed {
            for (row, slope) in at.own.slope.iter().enumerate() {
                let item = at.batch.items[at.batch.read(Side::Pair, row, Side::Item)];
                for row in words.of(item) {
                    at.gradients.row(*table, *row)[0] += slope;
                }
            }
        }
    }

    fn spec(&self) -> Value {
        json!({ "features": self.names, "hashed": self.fields })
    }

    fn write(&self, params: &Params) -> Option<Vec<Written>> {
        let list = |part: &str, numbers: &[f32]| Written {
            part: part.into(),
            shape: vec![numbers.len()],
            numbers: Held::Singles(numbers.to_vec()),
        };
        let hashed: &[f32] = self.hashed.as_ref().map_or(&[], |(table, _)| &params[*table].numbers);
        Some(vec![
            list("bias", &params[self.bias].numbers),
            list("weight", &params[self.weight].numbers),
            list("mean", &self.mean),
            list("scale", &self.scale),
            list("hashed", hashed),
        ])
    }
}
