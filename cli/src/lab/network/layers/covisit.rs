//! What followed on what: counted in the training examples, not learnt by descent.
//!
//! ```text
//! w(a → b) = Σ decay^(age − 1) over the positive examples of b before which a was the age-th newest choice, less than `window` ago
//! ```
//!
//! divided by `(times that a was among those choices + smoothing)`. Of each row the `neighbours` largest are kept, as bytes and a scale.

use super::super::build::{Builder, Keys, Made};
use super::super::params::Params;
use super::super::pass::{At, Side};
use super::super::{Held, Layer, Written};
use super::recent::history;
use crate::lab::examples::Follows;
use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use std::sync::Arc;
use zhiji::block::{Covisit as Table, Neighbours};

struct Covisit {
    decay: f32,
    rows: Arc<Vec<u32>>,
    table: Table,
    offset: Vec<u32>,
    neighbour: Vec<u32>,
    byte: Vec<u8>,
    scale: Vec<f32>,
}

/// Reads the keys of the block.
pub fn build(builder: &mut Builder<'_>, keys: &mut Keys<'_>) -> anyhow::Result<Made> {
    let decay = keys.number("decay", 1e-6..=1.0)?.unwrap_or(0.8);
    let most = keys.count("neighbours", 1..=65_536)?.unwrap_or(32);
    let smoothing = keys.number("smoothing", 0.0..=1e9)?.unwrap_or(5.0);
    let least = keys.count("min-count", 0..=usize::MAX)?.unwrap_or(1);
    let items = keys.count("most-items", 1..=(1 << 24) - 1)?.unwrap_or(1 << 16);
    let rows = match &builder.rows {
        Some((rows, _)) => Arc::clone(rows),
        None => {
            let (rows, count) = builder.catalogue.rows(least as f32, items);
            let rows = Arc::new(rows);
            builder.rows = Some((Arc::clone(&rows), count));
            rows
        }
    };
    let count = builder.rows.as_ref().map_or(0, |(_, count)| *count as usize);
    let follows: &Follows = builder.catalogue.follows.as_ref().context("the examples were read without their order")?;
    if count == 0 {
        bail!("{}: no item is met so often in the training examples", keys.at("min-count"));
    }
    let mut by_row: Vec<Vec<(u32, f32)>> = vec![Vec::new(); count];
    for (a, b, weight) in &follows.counts {
        if let (Some(list), b) = (by_row.get_mut(rows[*a as usize] as usize), rows[*b as usize])
            && b != u32::MAX
        {
            list.push((b, *weight / (follows.seen[*a as usize] + smoothing)));
        }
    }
    let (mut offset, mut neighbour, mut byte, mut scale) = (vec![0], Vec::new(), Vec::new(), Vec::new());
    for list in &mut by_row {
        list.sort_unstable_by(|x, y| y.1.total_cmp(&x.1).then(x.0.cmp(&y.0)));
        list.truncate(most);
        let step = list.first().map_or(0.0, |(_, weight)| weight / 255.0);
        list.sort_unstable_by_key(|(item, _)| *item);
        for (item, weight) in list.iter() {
            neighbour.push(*item);
            byte.push((weight / step).round().clamp(0.0, 255.0) as u8);
        }
        scale.push(step);
        offset.push(neighbour.len() as u32);
    }
    let table = Table::new(offset.clone(), Neighbours::Long(neighbour.clone()), byte.clone(), scale.clone(), decay)?;
    Ok((Box::new(Covisit { decay, rows, table, offset, neighbour, byte, scale }), Side::Pair, 1))
}

const ROWS: usize = 0;

impl Layer for Covisit {
    fn forward(&self, at: &mut At<'_>) {
        let mut rows: Vec<Vec<u32>> = Vec::with_capacity(at.batch.users.len());
        for user in &at.batch.users {
            rows.push(history(at, *user).map(|item| self.rows[item as usize]).collect());
        }
        at.scratch[ROWS].clear();
        for ((user, item), slot) in at.batch.pairs.iter().zip(&mut at.own.out) {
            let row = self.rows[at.batch.items[*item as usize] as usize];
            *slot = self.table.score(&rows[*user as usize], row);
        }
    }

    fn backward(&self, _: &mut At<'_>) {}

    fn spec(&self) -> Value {
        json!({ "decay": self.decay })
    }

    fn write(&self, _: &Params) -> Option<Vec<Written>> {
        let short = self.scale.len() <= 1 << 16;
        let neighbour = if short {
            Held::Shorts(self.neighbour.iter().map(|row| *row as u16).collect())
        } else {
            Held::Words(self.neighbour.clone())
        };
        let of = |part: &str, length: usize, numbers: Held| Written { part: part.into(), shape: vec![length], numbers };
        Some(vec![
            of("offset", self.offset.len(), Held::Words(self.offset.clone())),
            of("neighbour", self.neighbour.len(), neighbour),
            of("byte", self.byte.len(), Held::Bytes(self.byte.clone())),
            of("scale", self.scale.len(), Held::Singles(self.scale.clone())),
        ])
    }
}
