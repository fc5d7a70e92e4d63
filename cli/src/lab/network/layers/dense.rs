//! Standardised dense features.

use super::super::build::{Builder, Keys, Made};
use super::super::pass::{At, Side};
use super::super::{Held, Layer, Params, Written};
use crate::lab::examples::Standard;
use crate::lab::prefetch::AHEAD;
use anyhow::bail;
use serde_json::{Value, json};

struct Dense {
    places: Vec<u32>,
    names: Vec<String>,
    user: bool,
    mean: Vec<f32>,
    scale: Vec<f32>,
}

/// Reads the keys of the block.
pub fn build(builder: &mut Builder<'_>, keys: &mut Keys<'_>) -> anyhow::Result<Made> {
    let user = keys.choice("side", &["pair", "user"])? == "user";
    let places = builder.features(keys, user)?;
    if places.is_empty() {
        bail!("{}: none of these features ever varies", keys.at("features"));
    }
    let (names, (mean, scale)) = (builder.feature_names(&places), moments(builder.standard, &places));
    let (side, width) = (if user { Side::User } else { Side::Pair }, places.len());
    Ok((Box::new(Dense { places, names, user, mean, scale }), side, width))
}

/// Means and deviations of the features at these places.
pub fn moments(standard: &Standard, places: &[u32]) -> (Vec<f32>, Vec<f32>) {
    let of = |list: &[f32]| places.iter().map(|place| list[*place as usize]).collect();
    (of(&standard.mean), of(&standard.scale))
}

/// Writes the standardised features at some places of the examples that a block reads, row by row, disturbed while learning.
pub fn gather(at: &mut At<'_>, places: &[u32], out: &mut Vec<f32>) {
    let rows = at.rows();
    out.clear();
    out.reserve(rows * places.len());
    let all = places.iter().copied().eq(0..at.chunk.width() as u32);
    for row in 0..rows {
        if row + AHEAD < rows {
            let user = at.batch.read(at.own.side, row + AHEAD, Side::User);
            at.chunk.prefetch_dense(at.batch.users[user] as usize);
        }
        let user = at.batch.read(at.own.side, row, Side::User);
        let dense = at.chunk.dense(at.batch.users[user] as usize);
        if all {
            out.extend_from_slice(dense);
        } else {
            out.extend(places.iter().map(|place| dense[*place as usize]));
        }
    }
    let deviation = at.disturbance.input;
    if deviation > 0.0 {
        out.iter_mut().for_each(|x| *x += deviation * at.disturbance.noise.normal());
    }
}

impl Layer for Dense {
    fn forward(&self, at: &mut At<'_>) {
        let mut out = std::mem::take(&mut at.own.out);
        gather(at, &self.places, &mut out);
        at.own.out = out;
    }

    fn backward(&self, _: &mut At<'_>) {}

    fn spec(&self) -> Value {
        if self.user { json!({ "features": self.names, "side": "user" }) } else { json!({ "features": self.names }) }
    }

    fn write(&self, _: &Params) -> Option<Vec<Written>> {
        let list = |part: &str, numbers: &[f32]| Written {
            part: part.into(),
            shape: vec![numbers.len()],
            numbers: Held::Singles(numbers.to_vec()),
        };
        Some(vec![list("mean", &self.mean), list("scale", &self.scale)])
    }
}
