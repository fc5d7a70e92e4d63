//! Vectors of items: rows of tables, words hashed into buckets, and means of both.

use super::place::{index, part_mut};
use crate::block::{Table, Vectors};
use crate::kernel;

/// `Σ decay^age · v / Σ decay^age`, the newest of age 0; zeros where there is nothing yet.
pub(super) fn decayed_mean(vectors: &[f32], count: usize, decay: f32, out: &mut [f32]) {
    out.fill(0.0);
    let (mut power, mut total) = (1.0, 0.0);
    for vector in vectors.chunks(out.len().max(1)).take(count) {
        kernel::axpy(power, vector, out);
        total += power;
        power *= decay;
    }
    if total > 0.0 {
        for slot in out {
            *slot /= total;
        }
    }
}

/// The mean of the rows of these keys; zeros where there are none.
pub(super) fn word_mean(table: &Table, keys: &mut dyn Iterator<Item = u64>, row: &mut [f32], out: &mut [f32]) {
    out.fill(0.0);
    let buckets = u32::try_from(table.rows()).unwrap_or(1);
    let mut count = 0.0;
    for key in keys {
        let row = part_mut(row, 0, table.width());
        table.read(index(bucket(key, buckets)), row);
        kernel::axpy(1.0, row, out);
        count += 1.0;
    }
    if count > 1.0 {
        for slot in out {
            *slot /= count;
        }
    }
}

pub(super) fn item_vector(
    vectors: &Vectors,
    words: Option<&Table>,
    row: u32,
    keys: &mut dyn Iterator<Item = u64>,
    scratch: &mut [f32],
    out: &mut [f32],
) {
    match words {
        Some(table) if row == u32::MAX => word_mean(table, keys, scratch, out),
        _ => vectors.table().read(index(row), out),
    }
}

/// The bucket of a key among a power of two of them, as in [`Wide::bucket`].
#[allow(clippy::as_conversions, reason = "the upper half of 64 bits")]
pub(super) fn bucket(key: u64, buckets: u32) -> u32 {
    (key >> 32) as u32 & buckets.wrapping_sub(1)
}

pub(super) fn has(fields: u64, at: usize) -> bool {
    at < 64 && fields >> at & 1 == 1
}
