//! Models that read the recent items: a candidate that attends over them, and a transformer that meets the whole catalogue.
//!
//! Items are known by their rows: the bundles of the benchmarks give row `r` the wire id `r`.

use std::slice::{from_raw_parts as slice, from_raw_parts_mut as slice_mut};

use zhiji::block::{Query, Table, Vectors};
use zhiji::kernel::Best;

use crate::Model;

/// Takes up what the user met lately.
fn user(model: &mut Model, history: &[u32]) {
    let mut recent = history.iter().map(|row| (u64::from(*row), &[][..]));
    model.stack.score_user(&mut model.at, &[], &mut recent);
}

/// Works out what depends on the items alone, of these rows, and keeps it in this order.
fn items(model: &mut Model, rows: &[u32]) {
    model.items.resize(rows.len() * model.stack.item_len(), 0.0);
    model.stack.score_items(&mut model.at, &mut rows.iter().map(|row| u64::from(*row)), &mut model.items);
}

/// Keeps what depends on the items alone for all rows up to `rows`, as the engine does between requests.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keep(model: *mut Model, rows: u32) {
    // SAFETY: see the head of the module.
    let model = unsafe { &mut *model };
    items(model, &(0..rows).collect::<Vec<u32>>());
    model.kept = std::mem::take(&mut model.items);
}

/// Logits of candidates beside what the user met lately, the newest first. What depends on the items alone is worked out here, or taken
/// from [`keep`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn attend(
    model: *mut Model,
    history: *const u32,
    recent: usize,
    candidates: *const u32,
    count: usize,
    out: *mut f32,
) {
    // SAFETY: see the head of the module.
    let (model, history, candidates, out) =
        unsafe { (&mut *model, slice(history, recent), slice(candidates, count), slice_mut(out, count)) };
    user(model, history);
    if model.kept.is_empty() {
        items(model, candidates);
    } else {
        let length = model.stack.item_len();
        model.items.clear();
        for row in candidates {
            let from = *row as usize * length;
            model.items.extend_from_slice(&model.kept[from..from + length]);
        }
    }
    model.stack.score_pairs(&mut model.at, &model.items, (&[], 0), 0, out);
}

/// The best of the whole catalogue for what the user met lately, the newest first.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn retrieve(
    model: *mut Model,
    history: *const u32,
    recent: usize,
    most: usize,
    index: *mut u32,
    score: *mut f32,
) {
    // SAFETY: see the head of the module.
    let (model, history, index, score) =
        unsafe { (&mut *model, slice(history, recent), slice_mut(index, most), slice_mut(score, most)) };
    user(model, history);
    let best = model.best.get_or_insert_with(|| Best::new(most));
    best.clear();
    model.stack.retrieve(&model.at, "vector", best);
    for ((slot, value), (item, of)) in index.iter_mut().zip(score).zip(best.ranked()) {
        (*slot, *value) = (item, of);
    }
}

/// A catalogue without a model: vectors of bytes, and what is written while they are scored.
pub struct Catalogue {
    vectors: Vectors,
    query: Query,
    scores: Vec<f32>,
    best: Best,
}

/// A catalogue of so many items; null where there are too many.
#[unsafe(no_mangle)]
pub extern "C" fn catalogue(items: usize, width: usize, most: usize) -> *mut Catalogue {
    let bytes = (0..items * width).map(|i| (i.wrapping_mul(0x9e37_79b1) >> 13) as i8).collect();
    let table = Table::bytes(items, width, bytes, vec![0.01; items]).ok();
    let Some(vectors) = table.and_then(|table| Vectors::new(table, Vec::new()).ok()) else {
        return core::ptr::null_mut();
    };
    let mut query = Query::new(&vectors);
    query.set(&(0..width).map(|i| (i % 7) as f32 - 3.0).collect::<Vec<f32>>());
    Box::leak(Box::new(Catalogue { vectors, query, scores: vec![0.0; items], best: Best::new(most) }))
}

/// Scores the whole catalogue and ranks the best; gives how many.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scan(of: *mut Catalogue) -> usize {
    // SAFETY: see the head of the module.
    let of = unsafe { &mut *of };
    of.vectors.score_all(&of.query, &mut of.scores);
    of.best.clear();
    of.best.offer_all(&of.scores);
    of.best.ranked().count()
}
