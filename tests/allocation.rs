//! Scoring allocates nothing once its workspace is made, and a ranking nothing for each further candidate.
#![cfg(not(target_arch = "wasm32"))]
#![allow(missing_docs)]

#[path = "phone/mod.rs"]
mod phone;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use phone::{Disk, at, fresh, item, track};
use serde_json::Value;
use zhiji::bundle::{self, Stack};
use zhiji::engine::Request;

/// The system's allocator, which counts what this thread asks of it.
struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call goes on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // A thread that is ending has no counter any more.
        let _ = COUNT.try_with(|count| count.set(count.get() + 1));
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let _ = COUNT.try_with(|count| count.set(count.get() + 1));
        // SAFETY: as above.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(work: impl FnOnce()) -> usize {
    let before = COUNT.get();
    work();
    COUNT.get() - before
}

/// The bundles that hold the engine to PyTorch: between them they have every kind of block.
fn bundles() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/torch");
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let mut bundles: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|e| e == "safetensors")).collect();
    bundles.sort();
    bundles
}

fn key(digits: &Value) -> u64 {
    u64::from_str_radix(digits.as_str().unwrap(), 16).unwrap()
}

fn singles(of: &Value) -> Vec<f32> {
    of.as_array().unwrap().iter().map(|x| x.as_f64().unwrap() as f32).collect()
}

/// A request: the user's features and past, and as many candidates as there are questions.
struct Asked {
    dense: Vec<Vec<f32>>,
    recent: Vec<(u64, Vec<u64>)>,
    items: Vec<f32>,
}

fn asked(stack: &Stack, questions: &Value) -> Asked {
    let questions = questions.as_array().unwrap();
    let place = |field: &Value| stack.fields().iter().position(|known| known == field.as_str().unwrap());
    let mut asked = Asked { dense: Vec::new(), recent: Vec::new(), items: Vec::new() };
    for question in questions {
        let words = question["words"].as_array().unwrap().iter();
        let words: Vec<(u16, u64)> =
            words.map(|word| (place(&word[0]).map_or(u16::MAX, |at| at as u16), key(&word[1]))).collect();
        let mut item = vec![0.0; stack.item_len()];
        stack.score_item(key(&question["item"]), &words, &mut item);
        asked.items.extend(item);
        asked.dense.push(singles(&question["dense"]));
        let met = question["recent"].as_array().unwrap().iter();
        let met: Vec<(u64, Vec<u64>)> =
            met.map(|met| (key(&met["item"]), met["words"].as_array().unwrap().iter().map(key).collect())).collect();
        if met.len() > asked.recent.len() {
            asked.recent = met;
        }
    }
    asked
}

#[test]
fn a_request_that_is_scored_again_allocates_nothing() {
    let mut kinds = BTreeSet::new();
    for path in bundles() {
        let Ok(bundle) = bundle::load(&std::fs::read(&path).unwrap(), "shop") else { continue };
        let stack = bundle.stack();
        kinds.extend(stack.blocks().map(|(kind, _)| kind));
        let text = std::fs::read_to_string(path.with_extension("json")).unwrap();
        let asked = asked(stack, &serde_json::from_str::<Value>(&text).unwrap());
        let (n, flat) = (asked.dense.len(), asked.dense.concat());
        let mut at = stack.workspace();
        // Items without words, worked out together, are those that were worked out alone.
        let wires: Vec<u64> = asked.recent.iter().map(|(wire, _)| *wire).chain([1, u64::MAX]).collect();
        let mut together = vec![f32::NAN; wires.len() * stack.item_len()];
        stack.score_items(&mut at, &mut wires.iter().copied(), &mut together);
        for (wire, got) in wires.iter().zip(together.chunks(stack.item_len().max(1))) {
            let mut alone = vec![f32::NAN; stack.item_len()];
            stack.score_item(*wire, &[], &mut alone);
            assert!(alone.iter().zip(got).all(|(a, b)| a.to_bits() == b.to_bits()), "{path:?}: item {wire}");
        }
        for tier in 0..stack.tiers() {
            let tasks = stack.labels(tier).count();
            let mut logits = vec![0.0; tasks * n];
            let mut one = vec![0.0; tasks];
            let mut request = || {
                let mut recent = asked.recent.iter().map(|(wire, keys)| (*wire, keys.as_slice()));
                stack.score_user(&mut at, &asked.dense[0], &mut recent);
                stack.score_pairs(&mut at, &asked.items, (&flat, flat.len() / n), tier, &mut logits);
                for (candidate, logits) in logits.chunks(tasks).enumerate() {
                    let item = &asked.items[candidate * stack.item_len()..][..stack.item_len()];
                    stack.score_pair(&mut at, item, &asked.dense[candidate], tier, &mut one);
                    assert!(
                        one.iter().zip(logits).all(|(a, b)| a.to_bits() == b.to_bits()),
                        "{path:?}: {one:?} {logits:?}"
                    );
                }
            };
            request();
            assert_eq!(allocations(request), 0, "{path:?}, tier {tier}");
        }
    }
    for kind in ["covisit", "dense", "embed", "fm", "item", "mean", "product", "recent", "vector", "wide"] {
        assert!(kinds.contains(kind), "no bundle has a block `{kind}`: {kinds:?}");
    }
}

#[test]
fn a_ranking_allocates_as_often_for_many_candidates_as_for_few() {
    let mut disk = Disk::default();
    let mut engine = fresh(&mut disk);
    for n in 0..40 {
        track(&mut engine, "impression", n, 0, i64::from(n) * 1_000, None);
        track(&mut engine, "open", n % 4, 0, i64::from(n) * 1_000 + 500, None);
    }
    let items = (0..400).map(|n| item(&engine, n, 0)).collect();
    let handles = engine.upsert(items).unwrap();
    let mut rank = |count: usize| {
        let request = Request { surface: Some(0), ..Request::new(&handles[..count], 10, at(60_000)) };
        assert_eq!(engine.rank(&request).unwrap().placed.len(), 10);
        allocations(|| drop(engine.rank(&request).unwrap()))
    };
    let (few, many) = (rank(100), rank(400));
    // Tables that grow by doubling double twice more.
    assert!(many <= few + 8, "{few} allocations for 100 candidates, {many} for 400");
}
