//! Exact forgetting: after `forget(X)` the log bytes and the derived state are those of a fresh engine that was fed the surviving raw events.
#![cfg(not(target_arch = "wasm32"))]
#![allow(missing_docs)]

mod phone;

use phone::{CATEGORIES, Disk, at, fresh, interest, item, start};
use proptest::prelude::*;
use zhiji::engine::{Engine, Forget, Track};
use zhiji::event::Detail;

/// One step of a user's life.
#[derive(Clone, Debug)]
enum Step {
    Event { action: u8, item: u32, gap_s: i64, slate: Option<u8> },
    Burst { item: u32, n: u16 },
    Edit { item: u32 },
    Adapt { events: u16 },
    Restart { hours: i64 },
    Forget(u8, u32),
}

/// A raw event as it was given, with what identifies its session and slate across restarts.
#[derive(Clone, Debug)]
struct Raw {
    session: u32,
    action: &'static str,
    item: u32,
    version: u32,
    ms: i64,
    slate: Option<u32>,
}

const ACTIONS: [&str; 4] = ["impression", "open", "cart", "hide"];

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0u8..4, 0u32..12, 0i64..4_000, proptest::option::of(0u8..6))
            .prop_map(|(action, item, gap_s, slate)| Step::Event { action, item, gap_s, slate }),
        2 => (0u32..12, 100u16..300).prop_map(|(item, n)| Step::Burst { item, n }),
        2 => (0u32..12).prop_map(|item| Step::Edit { item }),
        1 => (0u16..300).prop_map(|events| Step::Adapt { events }),
        2 => (0i64..2_000).prop_map(|hours| Step::Restart { hours }),
        2 => (0u8..4, 0u32..12).prop_map(|(kind, x)| Step::Forget(kind, x)),
    ]
}

fn feed(engine: &mut Engine, raw: &Raw) {
    let handle = {
        let item = item(engine, raw.item, raw.version);
        engine.upsert(vec![item]).unwrap()[0]
    };
    let detail = Detail { slate: raw.slate, position: Some(raw.item as u16), surface: Some(0), ..Detail::default() };
    assert!(engine.track(Track { action: raw.action.into(), handle, at: at(raw.ms), detail }).unwrap());
}

fn matches(what: &Forget, raw: &Raw) -> bool {
    match what {
        Forget::Item { id } => *id == format!("sku{}", raw.item),
        Forget::Interest { value, .. } => CATEGORIES[((raw.item + raw.version) % 6) as usize] == value,
        Forget::Span { since_ms, until_ms } => (*since_ms..*until_ms).contains(&at(raw.ms).ms()),
        Forget::All => true,
    }
}

/// Feeds the raw events to an engine that has never seen anything else, as many starts as there were sessions, without its restarts.
fn never_saw(raws: &[Raw], epoch_starts: u32) -> Engine {
    let mut disk = Disk::default();
    let mut engine = fresh(&mut disk);
    for _ in 1..epoch_starts {
        disk.flush(&mut engine);
        engine = start(&disk);
    }
    let mut session = None;
    for raw in raws {
        if session.is_some_and(|s| s != raw.session) {
            engine.begin_session(480);
        }
        session = Some(raw.session);
        feed(&mut engine, raw);
    }
    engine
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_live_engine_equals_one_that_never_saw_it(steps in proptest::collection::vec(step(), 1..60)) {
        let mut disk = Disk::default();
        let mut live = fresh(&mut disk);
        let (mut starts, mut session, mut ms) = (1u32, 0u32, 1_000i64);
        let mut raws: Vec<Raw> = Vec::new();
        let mut versions = [0u32; 12];
        let mut forgotten = false;
        for step in &steps {
            match *step {
                Step::Event { action, item, gap_s, slate } => {
                    ms += gap_s * 1_000;
                    // A page's slates end with its session: the handle names both.
                    let slate = slate.map(|s| session * 8 + u32::from(s));
                    let raw = Raw { session, action: ACTIONS[action as usize], item, version: versions[item as usize], ms, slate };
                    feed(&mut live, &raw);
                    raws.push(raw);
                }
                Step::Burst { item, n } => for _ in 0..n {
                    ms += 500;
                    let raw = Raw { session, action: "impression", item, version: versions[item as usize], ms, slate: Some(session * 8 + 7) };
                    feed(&mut live, &raw);
                    raws.push(raw);
                },
                Step::Edit { item } => versions[item as usize] += 1,
                Step::Adapt { events } => drop(live.adapt(events.into())),
                Step::Restart { hours } => {
                    disk.flush(&mut live);
                    live = start(&disk);
                    starts += 1;
                    session += 1;
                    ms += hours * 3_600_000;
                }
                Step::Forget(kind, x) => {
                    let what = match kind {
                        0 => Forget::Item { id: format!("sku{x}") },
                        1 => interest("category", CATEGORIES[(x % 6) as usize]),
                        2 => Forget::Span { since_ms: at(ms / 3).ms(), until_ms: at(ms / 2).ms() },
                        _ => Forget::Item { id: format!("sku{}", x / 2) },
                    };
                    // What eviction has already dropped is gone, and forgetting does not bring it back.
                    raws.drain(..raws.len() - live.report().events);
                    live.forget(&what).unwrap();
                    raws.retain(|r| !matches(&what, r));
                    forgotten = true;
                    let mut fresh = never_saw(&raws, starts);
                    prop_assert_eq!(live.report().events, fresh.report().events);
                    prop_assert!(live.log_bytes() == fresh.log_bytes(), "log bytes differ");
                    prop_assert!(phone::state(&mut live) == phone::state(&mut fresh), "state differs");
                    // And what stands on the disk is what is in memory.
                    disk.flush(&mut live);
                    let on_disk: Vec<_> = disk.0.iter().filter(|(n, _)| n.starts_with("log-")).map(|(_, b)| b.clone()).collect();
                    let mut expected = live.log_bytes();
                    let mut found = on_disk;
                    expected.sort();
                    found.sort();
                    prop_assert!(expected == found, "files differ from memory");
                }
            }
        }
        prop_assume!(forgotten);
    }
}

#[test]
fn forgetting_leaves_no_trace_in_any_file() {
    let mut disk = Disk::default();
    let mut live = fresh(&mut disk);
    for n in 0..40 {
        phone::track(&mut live, "impression", n, 0, i64::from(n) * 1_000, Some(1));
        phone::track(&mut live, "open", n, 0, i64::from(n) * 1_000 + 500, Some(1));
    }
    live.queue_snapshot();
    disk.flush(&mut live);
    let holds = |disk: &Disk, text: &str| disk.0.values().any(|b| b.windows(text.len()).any(|w| w == text.as_bytes()));
    assert!(holds(&disk, "女装") && holds(&disk, "sku6"));
    assert!(live.forget(&interest("category", "女装")).unwrap() > 0);
    disk.flush(&mut live);
    assert!(!holds(&disk, "女装") && !holds(&disk, "sku6"));
    assert!(!disk.0.contains_key("snapshot"));
    assert!(holds(&disk, "手机"));
}

#[test]
fn an_action_can_be_taken_back_exactly() {
    let mut disk = Disk::default();
    let mut live = fresh(&mut disk);
    for n in 0..6 {
        phone::track(&mut live, "impression", n, 0, i64::from(n) * 1_000, Some(1));
    }
    let (log, state) = (live.log_bytes(), phone::state(&mut live));
    phone::track(&mut live, "hide", 3, 0, 9_000, None);
    assert!(phone::state(&mut live) != state);
    assert!(live.undo(3, "hide").unwrap());
    assert!(live.log_bytes() == log && phone::state(&mut live) == state);
    assert!(!live.undo(3, "hide").unwrap());
}
