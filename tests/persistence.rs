//! Nothing acknowledged is lost: a kill at any operation and any byte leaves a prefix that contains every acknowledged flush.
#![cfg(not(target_arch = "wasm32"))]
#![allow(missing_docs)]

mod phone;

use phone::{Disk, at, fresh, interest, start, track};
use zhiji::engine::Engine;

/// Ids of the items in the log, oldest first.
fn ids(engine: &Engine) -> Vec<String> {
    let export: serde_json::Value = serde_json::from_str(&engine.export()).unwrap();
    export["events"].as_array().unwrap().iter().map(|e| e["id"].as_str().unwrap().to_string()).collect()
}

fn expected(n: u32) -> Vec<String> {
    (0..n).map(|i| format!("sku{i}")).collect()
}

/// A disk with `flushed` acknowledged events, and the operations of `more` that are under way.
fn under_way(flushed: u32, more: u32) -> (Disk, Vec<zhiji::log::StoreOp>) {
    let mut disk = Disk::default();
    let mut live = fresh(&mut disk);
    for n in 0..flushed {
        track(&mut live, "impression", n, 0, i64::from(n) * 1_000, Some(1));
    }
    disk.flush(&mut live);
    for n in flushed..flushed + more {
        track(&mut live, "impression", n, 0, i64::from(n) * 1_000, Some(1));
    }
    let ops = live.take_ops();
    (disk, ops)
}

#[test]
fn a_kill_at_any_byte_of_a_flush_leaves_a_prefix_with_what_was_acknowledged() {
    for (flushed, more) in [(0, 3), (5, 3), (254, 4)] {
        let (disk, ops) = under_way(flushed, more);
        for (k, op) in ops.iter().enumerate() {
            let length = match op {
                zhiji::log::StoreOp::Append { bytes, .. } | zhiji::log::StoreOp::Write { bytes, .. } => bytes.len(),
                _ => 0,
            };
            for cut in 0..=length {
                let mut torn = disk.clone();
                for op in &ops[..k] {
                    torn.apply(op, None);
                }
                torn.apply(op, Some(cut));
                let mut after = start(&torn);
                let found = ids(&after);
                assert!(found.len() >= flushed as usize, "{cut}: {} of {flushed} acknowledged", found.len());
                assert_eq!(found, expected(found.len() as u32));
                // The repaired log goes on, and survives the next start too.
                assert!(track(&mut after, "open", 900, 0, 9_000_000, None));
                torn.flush(&mut after);
                let again = start(&torn);
                assert_eq!(ids(&again).len(), found.len() + 1, "cut {cut} of op {k}");
            }
        }
    }
}

#[test]
fn a_kill_at_any_operation_of_forgetting_leaves_the_log_before_or_after() {
    let mut disk = Disk::default();
    let mut live = fresh(&mut disk);
    for n in 0..300 {
        track(&mut live, "impression", n, 0, i64::from(n) * 1_000, Some(1));
    }
    disk.flush(&mut live);
    let before = ids(&live);
    assert!(live.forget(&interest("category", "女装")).unwrap() > 0);
    let after = ids(&live);
    let ops = live.take_ops();
    let mut seen_after = false;
    for k in 0..=ops.len() {
        for cut in [Some(0), Some(7), Some(40), None] {
            let mut torn = disk.clone();
            for op in &ops[..k] {
                torn.apply(op, None);
            }
            if let Some(op) = ops.get(k) {
                torn.apply(op, cut);
            }
            let mut restarted = start(&torn);
            let found = ids(&restarted);
            assert!(found == before || found == after, "op {k} cut {cut:?}: {} events", found.len());
            seen_after |= found == after;
            // Whatever was left over of the other generation goes with this start.
            torn.flush(&mut restarted);
            let files = torn.0.keys().filter(|n| n.starts_with("log-")).count();
            assert_eq!(files, restarted.log_bytes().len(), "{:?}", torn.0.keys());
        }
    }
    assert!(seen_after);
}

#[test]
fn a_damaged_record_costs_itself() {
    let (mut disk, ops) = under_way(60, 0);
    ops.iter().for_each(|op| disk.apply(op, None));
    let name = disk.0.keys().find(|n| n.starts_with("log-")).unwrap().clone();
    let length = disk.0[&name].len();
    let mut losses = Vec::new();
    for at in 40..length {
        let mut hurt = disk.clone();
        hurt.0.get_mut(&name).unwrap()[at] ^= 0x40;
        let mut engine = phone::engine();
        engine.open_control(&hurt.stored());
        assert!(engine.open_log(&hurt.stored(), 480).notes.iter().any(|n| *n == "LOG_DAMAGED" || *n == "LOG_TORN"));
        let left = ids(&engine);
        assert!(left.iter().all(|id| expected(60).contains(id)));
        losses.push(60 - left.len());
    }
    // A byte of an event costs that event; a byte of a word or an item costs the events that refer to it. Never the rest.
    assert!(losses.iter().all(|l| *l <= 20), "{:?}", losses.iter().max());
    let few = losses.iter().filter(|l| **l <= 1).count();
    assert!(few * 10 > losses.len() * 8, "{few} of {}", losses.len());
}

#[test]
fn a_failed_write_is_made_good_by_the_next() {
    let mut disk = Disk::default();
    let mut live = fresh(&mut disk);
    for n in 0..5 {
        track(&mut live, "impression", n, 0, i64::from(n) * 1_000, None);
    }
    disk.flush(&mut live);
    for n in 5..9 {
        track(&mut live, "impression", n, 0, i64::from(n) * 1_000, None);
    }
    // Storage is full: the first append is torn, the others do not happen.
    let ops = live.take_ops();
    disk.apply(&ops[0], Some(11));
    live.apply_persist_failure();
    track(&mut live, "impression", 9, 0, 10_000, None);
    disk.flush(&mut live);
    assert_eq!(ids(&start(&disk)), expected(10));
}

#[test]
fn a_snapshot_equals_the_fold_and_its_absence_changes_nothing() {
    let mut disk = Disk::default();
    let mut live = fresh(&mut disk);
    for n in 0..400u32 {
        let action = ["impression", "impression", "open", "cart"][(n % 4) as usize];
        track(&mut live, action, n % 23, n / 100, i64::from(n) * 61_000, Some(n / 10));
    }
    live.queue_snapshot();
    disk.flush(&mut live);
    let state = phone::state(&mut live);
    let files = disk.clone();
    let opened = |disk: &Disk| {
        let mut engine = phone::engine();
        engine.open_control(&disk.stored());
        let found = engine.open_log(&disk.stored(), 480);
        (found.snapshot, phone::state(&mut engine))
    };
    assert!(opened(&files) == (true, state.clone()));
    let mut without = files.clone();
    without.0.remove("snapshot");
    assert!(opened(&without) == (false, state.clone()));
    for at in 0..files.0["snapshot"].len() {
        if at % 97 == 0 || at < 64 {
            let mut hurt = files.clone();
            hurt.0.get_mut("snapshot").unwrap()[at] ^= 1;
            assert!(opened(&hurt) == (false, state.clone()), "byte {at}");
        }
    }
}

#[test]
fn each_file_may_be_missing_alone() {
    let mut disk = Disk::default();
    let mut live = fresh(&mut disk);
    for n in 0..300 {
        track(&mut live, "impression", n, 0, i64::from(n) * 1_000, None);
    }
    live.queue_snapshot();
    disk.flush(&mut live);
    // The log alone: nothing is known, recording goes on.
    let mut lost = disk.clone();
    lost.0.retain(|name, _| !name.starts_with("log-"));
    let mut engine = start(&lost);
    assert_eq!(engine.report().events, 0);
    assert!(track(&mut engine, "open", 1, 0, 400_000, None));
    // One segment of it: the others stay.
    let mut lost = disk.clone();
    lost.0.remove("log-0-0");
    assert_eq!(start(&lost).report().events, 300 - 256);
    // Consent alone: no consent, no use; the log stays unread until the user agrees again, and is then whole.
    let mut lost = disk.clone();
    lost.0.retain(|name, _| !name.starts_with("control-"));
    let mut engine = phone::engine();
    assert!(engine.open_control(&lost.stored()).lost);
    assert_eq!(engine.open_log(&lost.stored(), 480).events, 0);
    assert!(!track(&mut engine, "open", 1, 0, 400_000, None));
    assert!(engine.take_ops().is_empty());
    engine.grant("1", &[], at(500_000)).unwrap();
    assert_eq!(engine.open_log(&lost.stored(), 480).events, 300);
    // One control slot alone: the other one stands in.
    for slot in ["control-0", "control-1"] {
        let mut lost = disk.clone();
        if lost.0.remove(slot).is_some() && lost.0.keys().any(|n| n.starts_with("control-")) {
            assert!(!phone::engine().open_control(&lost.stored()).lost);
        }
    }
}

#[test]
fn a_later_start_takes_the_log_over() {
    let mut disk = Disk::default();
    let first = fresh(&mut disk);
    assert!(first.is_writer(&disk.stored()));
    let mut second = start(&disk);
    disk.flush(&mut second);
    assert!(!first.is_writer(&disk.stored()));
    assert!(second.is_writer(&disk.stored()));
}
