//! A head over item vectors, from a bundle: what holds of the head of the starter holds of it.

use super::*;
use crate::bundle::{Numbers, Writing, load, write};
use crate::engine::{Forget, Track};
use crate::event::Detail;
use crate::item::{Given, Item};
use crate::log::{StoreOp, StoredFile};
use crate::schema::hash64;
use crate::score::Ranker;
use crate::time::Timestamp;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use proptest::prelude::*;

const SCHEMA: &str = r#"{ "space": "shop", "fields": { "category": { "kind": "category" } },
    "actions": { "impression": { "role": "impression" }, "open": { "weight": 1 } },
    "labels": { "click": { "positive": ["open"], "windowMinutes": 1 } },
    "retention": { "events": 2048, "days": 180 } }"#;
pub(in crate::engine) const ITEMS: usize = 12;
const START_MS: i64 = 1_750_000_000_000;

pub(in crate::engine) fn bundle() -> Vec<u8> {
    let ids: Vec<u64> = (0..ITEMS).map(|n| hash64(format!("sku{n}").as_bytes())).collect();
    let vectors: Vec<f32> = (0..ITEMS * 3).map(|i| ((i * 7) % 11) as f32 / 5.0 - 1.0).collect();
    let spec = r#"{ "format": 1, "space": "shop", "schema": { "fields": [] },
        "ranker": { "blocks": [{ "block": "item" }, { "block": "wide", "features": ["recent.likeness"] }],
                    "tiers": [{ "tasks": [{ "label": "click", "of": ["wide"] }] }] },
        "head": { "of": "item", "intercept": true, "features": ["category.rate@1d"], "trust": 0.75, "gain": 1.25 },
        "probes": [{ "dense": [0] }] }"#;
    let singles = |name, shape, of| Writing { name, shape, numbers: Numbers::Singles(of) };
    let factor: Vec<f32> = (0..25)
        .map(|at| match (at / 5, at % 5) {
            (row, column) if row == column => 0.75,
            (row, column) if row > column => 0.125,
            _ => 0.0,
        })
        .collect();
    let tensors = [
        Writing { name: "items.ids", shape: &[ITEMS], numbers: Numbers::Longs(&ids) },
        singles("item.vectors", &[ITEMS, 3], &vectors),
        singles("wide.weight", &[1], &[0.5]),
        singles("wide.mean", &[1], &[0.0]),
        singles("wide.scale", &[1], &[1.0]),
        singles("wide.bias", &[1], &[-1.0]),
        singles("head.mean", &[5], &[0.0, 0.25, 0.0, -0.25, 0.0]),
        singles("head.factor", &[5, 5], &factor),
    ];
    write(spec, &tensors).unwrap()
}

type Disk = BTreeMap<String, Vec<u8>>;

fn flush(engine: &mut Engine, disk: &mut Disk) {
    for op in engine.take_ops() {
        match op {
            StoreOp::Append { name, bytes } => disk.entry(name).or_default().extend(bytes),
            StoreOp::Write { name, bytes } => drop(disk.insert(name, bytes)),
            StoreOp::Remove { name } => drop(disk.remove(&name)),
            StoreOp::Clear => disk.clear(),
        }
    }
}

/// A start under the bundle; also whether the state came from a snapshot.
fn start(disk: &Disk) -> (Engine, bool) {
    let mut engine = Engine::new(SCHEMA, Some([7; 32]), None).unwrap();
    let ranker = Ranker::bind(&engine.schema, &engine.layout, load(&bundle(), "shop").unwrap()).unwrap();
    engine.rebind(ranker.with_version(3));
    let files: Vec<StoredFile<'_>> = disk.iter().map(|(name, bytes)| StoredFile { name, bytes }).collect();
    engine.open_control(&files);
    let opened = engine.open_log(&files, 480);
    (engine, opened.snapshot)
}

pub(in crate::engine) fn at(step: usize) -> Timestamp {
    Timestamp::from_ms(START_MS + step as i64 * 20_000).unwrap()
}

/// The item that is shown.
fn which(step: usize) -> usize {
    (step * 5 + step / ITEMS) % ITEMS
}

/// One impression, and an opening where the item is one of those that this user likes.
pub(in crate::engine) fn live(engine: &mut Engine, step: usize) {
    let n = which(step);
    let item = Item::open(&engine.schema, 0, &format!("sku{n}"), |_: &str| Given::Text(format!("c{}", n % 4)));
    let handle = engine.upsert(vec![item.unwrap()]).unwrap()[0];
    let liked = n.is_multiple_of(3) || step.is_multiple_of(11);
    for action in ["impression", "open"].into_iter().take(1 + usize::from(liked)) {
        engine.track(Track { action: action.into(), handle, at: at(step), detail: Detail::default() }).unwrap();
    }
}

fn state(engine: &mut Engine) -> Vec<u8> {
    engine.adapt(usize::MAX);
    engine.state_bytes()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn forgetting_slices_and_snapshots_leave_the_head_of_the_survivors(
        steps in 400usize..900, forgotten in 0..ITEMS, slice in 1usize..400, cut in 0usize..400,
    ) {
        let mut disk = Disk::new();
        let (mut engine, _) = start(&disk);
        engine.grant("1", &[], at(0)).unwrap();
        engine.open_log(&[], 480);
        (0..cut).for_each(|step| live(&mut engine, step));
        engine.queue_snapshot();
        flush(&mut engine, &mut disk);
        let (mut engine, from_snapshot) = start(&disk);
        prop_assert!(from_snapshot);
        (cut..steps).for_each(|step| live(&mut engine, step));
        // Which expert is ahead changes with the user; that both have been weighed is what makes a head worth comparing.
        let report = engine.report();
        prop_assert!(report.learned >= 256 && (report.trust[1] - 0.75).abs() > 1e-3, "{report:?}");

        // A start without the snapshot makes the same head anew, in whatever slices.
        let kept = state(&mut engine);
        engine.queue_snapshot();
        flush(&mut engine, &mut disk);
        prop_assert_eq!(&start(&disk).0.state_bytes(), &kept);
        disk.remove("snapshot");
        let (mut anew, from_snapshot) = start(&disk);
        prop_assert!(!from_snapshot);
        while !anew.adapt(slice) {}
        prop_assert!(anew.state_bytes() == kept, "the head depends on the slices");

        // And after forgetting it is that of an engine that never saw the item.
        engine.forget(&Forget::Item { id: format!("sku{forgotten}") }).unwrap();
        let (mut fresh, _) = start(&Disk::new());
        fresh.grant("1", &[], at(0)).unwrap();
        fresh.open_log(&[], 480);
        for step in (0..steps).filter(|step| which(*step) != forgotten) {
            live(&mut fresh, step);
        }
        engine.adapt(usize::MAX);
        let head = |engine: &Engine| {
            let mut out = crate::codec::Writer::new();
            engine.adapt.encode(&mut out);
            out.into_bytes()
        };
        prop_assert!(head(&engine) == head(&fresh), "the head remembers what was forgotten");
    }
}

#[test]
fn the_head_learns_what_the_frozen_model_cannot_say() {
    // How far the liked, every third, stand above the others.
    let gap = |steps: usize| {
        let (mut engine, _) = start(&Disk::new());
        engine.grant("1", &[], at(0)).unwrap();
        engine.open_log(&[], 480);
        (0..steps).for_each(|step| live(&mut engine, step));
        let dense = vec![0.0; engine.layout.len()];
        let mut sums = [0.0; 2];
        for n in 0..ITEMS {
            let mut item = vec![0.0; engine.ranker.item_len()];
            engine.ranker.score_item(hash64(format!("sku{n}").as_bytes()), &[], &mut item);
            let score = engine.adapt.score(&engine.ranker, -1.0, &item, &dense);
            sums[usize::from(n.is_multiple_of(3))] += score / if n.is_multiple_of(3) { 4.0 } else { 8.0 };
        }
        sums[1] - sums[0]
    };
    // Three numbers an item are enough to tell most of them apart.
    let (before, after) = (gap(0), gap(600));
    assert!(after > before + 0.3, "{before}, then {after}");
}
