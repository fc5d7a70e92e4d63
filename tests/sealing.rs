//! Encryption at rest: nothing readable in the files, kills as harmless as in the clear, and a lost key the end of the log.
#![cfg(not(target_arch = "wasm32"))]
#![allow(missing_docs)]

mod phone;

use phone::{Disk, at, engine, track};
use zhiji::engine::Engine;
use zhiji::log::StoreOp;

const KEY: [u8; 32] = [42; 32];

fn sealed(disk: &Disk, key: Option<[u8; 32]>, fresh: bool) -> (Engine, zhiji::engine::LogOpened) {
    let mut engine = engine();
    engine.open_control(&disk.stored());
    if let Some(key) = key {
        assert!(engine.set_key(key, fresh));
    }
    if engine.consent().token().is_none() {
        engine.grant("1", &[], at(0)).unwrap();
    }
    let opened = engine.open_log(&disk.stored(), 480);
    (engine, opened)
}

fn used(disk: &mut Disk, events: u32) -> Engine {
    let (mut live, _) = sealed(disk, Some(KEY), true);
    for n in 0..events {
        track(&mut live, "open", n, 0, i64::from(n) * 1_000, Some(1));
        if n % 8 == 7 {
            disk.flush(&mut live);
        }
    }
    live.queue_snapshot();
    disk.flush(&mut live);
    live
}

#[test]
fn no_word_of_the_log_can_be_read_in_the_files() {
    let mut disk = Disk::default();
    let mut live = used(&mut disk, 300);
    assert!(disk.0.contains_key("snapshot") && disk.0.keys().filter(|n| n.starts_with("log-")).count() == 2);
    for (name, bytes) in &disk.0 {
        for text in ["sku", "女装", "creator", "ZHJL", "ZHJS"] {
            assert!(!bytes.windows(text.len()).any(|w| w == text.as_bytes()), "{text} in {name}");
        }
    }
    let (mut again, opened) = sealed(&disk, Some(KEY), false);
    assert_eq!((opened.events, opened.snapshot, opened.notes.len()), (300, true, 0));
    assert!(phone::state(&mut again) == phone::state(&mut live));
}

#[test]
fn a_kill_at_any_byte_of_a_sealed_flush_leaves_a_prefix() {
    let mut disk = Disk::default();
    let mut live = used(&mut disk, 16);
    for n in 16..20 {
        track(&mut live, "open", n, 0, i64::from(n) * 1_000, Some(1));
    }
    let ops = live.take_ops();
    let StoreOp::Append { bytes, .. } = &ops[0] else { panic!("{ops:?}") };
    for cut in 0..=bytes.len() {
        let mut torn = disk.clone();
        torn.apply(&ops[0], Some(cut));
        let (mut after, opened) = sealed(&torn, Some(KEY), false);
        assert_eq!(opened.events, if cut == bytes.len() { 20 } else { 16 }, "cut {cut}");
        track(&mut after, "open", 30, 0, 90_000, None);
        torn.flush(&mut after);
        assert_eq!(sealed(&torn, Some(KEY), false).1.events, opened.events + 1);
    }
}

#[test]
fn without_its_key_the_log_is_gone_and_recording_goes_on() {
    let mut disk = Disk::default();
    used(&mut disk, 300);
    for (key, fresh, note) in
        [(None, false, "KEY_LOST"), (Some([1; 32]), true, "KEY_LOST"), (Some([1; 32]), false, "LOG_DAMAGED")]
    {
        let mut lost = disk.clone();
        let (mut engine, opened) = sealed(&lost, key, fresh);
        assert_eq!((opened.events, opened.snapshot), (0, false));
        assert!(opened.notes.contains(&note), "{:?}", opened.notes);
        assert!(track(&mut engine, "open", 1, 0, 900_000, None));
        lost.flush(&mut engine);
        // What nobody can open any more is not kept.
        assert_eq!(lost.0.keys().filter(|n| n.starts_with("log-")).count(), 1);
        assert_eq!(sealed(&lost, key, false).1.events, 1);
    }
}

#[test]
fn a_log_in_the_clear_is_sealed_when_a_key_comes() {
    let mut disk = Disk::default();
    let (mut live, _) = sealed(&disk, None, false);
    track(&mut live, "open", 3, 0, 1_000, None);
    disk.flush(&mut live);
    let holds = |disk: &Disk| disk.0.values().any(|b| b.windows(4).any(|w| w == b"sku3"));
    assert!(holds(&disk));
    let (mut live, opened) = sealed(&disk, Some(KEY), true);
    assert_eq!((opened.events, opened.notes.len()), (1, 0));
    disk.flush(&mut live);
    assert!(!holds(&disk));
    assert_eq!(sealed(&disk, Some(KEY), false).1.events, 1);
}

#[test]
fn forgetting_rewrites_the_sealed_files() {
    let mut disk = Disk::default();
    let mut live = used(&mut disk, 40);
    let before: Vec<_> = disk.0.keys().cloned().collect();
    assert!(live.forget(&phone::interest("category", "女装")).unwrap() > 0);
    disk.flush(&mut live);
    assert!(before.iter().filter(|n| n.starts_with("log-") || *n == "snapshot").all(|n| !disk.0.contains_key(n)));
    let (mut again, _) = sealed(&disk, Some(KEY), false);
    assert!(phone::state(&mut again) == phone::state(&mut live));
}
