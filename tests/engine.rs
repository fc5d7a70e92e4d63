//! The façade as a page meets it: ranking, privacy, bad input.
#![cfg(not(target_arch = "wasm32"))]
#![allow(missing_docs)]

mod phone;

use phone::{Disk, at, engine, fresh, interest, item, start, track};
use zhiji::engine::{Engine, Forget, Request, Track};
use zhiji::error::Error;
use zhiji::event::Detail;
use zhiji::item::{Given, Item};
use zhiji::rerank::Reason;
use zhiji::time::Timestamp;

fn offer(engine: &mut Engine, n: u32) -> Vec<u32> {
    let items = (0..n).map(|i| item(engine, i, 0)).collect();
    engine.upsert(items).unwrap()
}

fn request<'a>(handles: &'a [u32], slots: usize, ms: i64) -> Request<'a> {
    Request { surface: Some(0), ..Request::new(handles, slots, at(ms)) }
}

fn order(engine: &mut Engine, handles: &[u32], slots: usize, ms: i64) -> Vec<usize> {
    engine.rank(&request(handles, slots, ms)).unwrap().placed.iter().map(|p| p.index).collect()
}

/// Three openings in the category of items 1, 7, 13, …
fn open_three(engine: &mut Engine) {
    for (k, n) in [1u32, 7, 13].into_iter().enumerate() {
        track(engine, "impression", n, 0, 10_000 + 1_000 * k as i64, Some(1));
        track(engine, "open", n, 0, 10_500 + 1_000 * k as i64, Some(1));
    }
}

#[test]
fn the_first_slate_is_the_pages_own_and_three_openings_change_it() {
    let mut disk = Disk::default();
    let mut live = fresh(&mut disk);
    let handles = offer(&mut live, 60);
    let first = order(&mut live, &handles, 10, 5_000);
    assert_eq!(first, (0..10).collect::<Vec<_>>());
    open_three(&mut live);
    let after = order(&mut live, &handles, 10, 20_000);
    let liked = |order: &[usize]| order.iter().filter(|i| *i % 6 == 1).count();
    assert!(liked(&after) > liked(&first), "{after:?}");
    // Kill and reopen: the same slate, bit for bit.
    disk.flush(&mut live);
    let slate = live.rank(&request(&handles, 10, 20_000)).unwrap().placed;
    let mut reopened = start(&disk);
    let handles = offer(&mut reopened, 60);
    assert_eq!(reopened.rank(&request(&handles, 10, 20_000)).unwrap().placed, slate);
    // That interest deleted: the first order returns exactly.
    let why = reopened.explain(handles[1], at(20_000)).unwrap();
    assert!(why.iter().any(|w| w.code == "interest" && w.value == "手机" && w.weight > 0.0), "{why:?}");
    assert_eq!(reopened.interests(at(20_000))[0].value, "手机");
    assert_eq!(reopened.forget(&interest("category", "手机")).unwrap(), 6);
    assert_eq!(order(&mut reopened, &handles, 10, 20_000), first);
}

#[test]
fn switching_off_takes_effect_at_once_and_leaves_the_log_unread() {
    let mut disk = Disk::default();
    let mut live = fresh(&mut disk);
    let handles = offer(&mut live, 60);
    open_three(&mut live);
    let personal = order(&mut live, &handles, 10, 20_000);
    live.set_personalisation(false);
    assert_eq!(order(&mut live, &handles, 10, 20_000), (0..10).collect::<Vec<_>>());
    assert!(!track(&mut live, "open", 3, 0, 30_000, None));
    assert!(live.interests(at(20_000)).is_empty());
    disk.flush(&mut live);
    let mut off = start(&disk);
    assert_eq!(off.folded(), 0);
    off.set_personalisation(true);
    off.open_log(&disk.stored(), 480);
    let handles = offer(&mut off, 60);
    assert_eq!(order(&mut off, &handles, 10, 20_000), personal);
}

#[test]
fn nothing_is_recorded_before_consent_and_everything_goes_with_it() {
    let mut disk = Disk::default();
    let mut never = start(&disk);
    assert!(!track(&mut never, "open", 1, 0, 0, None));
    never.queue_snapshot();
    assert!(never.take_ops().is_empty());
    let mut live = fresh(&mut disk);
    open_three(&mut live);
    live.block("category", "图书").unwrap();
    disk.flush(&mut live);
    live.withdraw(true, at(50_000));
    disk.flush(&mut live);
    assert!(disk.0.keys().all(|name| name.starts_with("control-")), "{:?}", disk.0.keys());
    assert!(live.blocks().is_empty() && live.report().events == 0);
    assert!(!track(&mut live, "open", 1, 0, 60_000, None));
    let mut live = fresh(&mut disk);
    open_three(&mut live);
    disk.flush(&mut live);
    live.erase();
    disk.flush(&mut live);
    assert!(disk.0.is_empty());
}

#[test]
fn erasing_is_tried_until_it_succeeds() {
    let mut disk = Disk::default();
    let mut live = fresh(&mut disk);
    open_three(&mut live);
    disk.flush(&mut live);
    live.erase();
    for _ in 0..3 {
        assert!(!live.take_ops().is_empty());
        live.apply_persist_failure();
    }
    disk.flush(&mut live);
    assert!(disk.0.is_empty());
    assert!(live.take_ops().is_empty());
}

#[test]
fn the_rules_of_the_policy_hold_on_every_slate() {
    let mut disk = Disk::default();
    let mut live = fresh(&mut disk);
    let handles = offer(&mut live, 80);
    open_three(&mut live);
    live.block("category", "零食").unwrap();
    // Even what was put into the cart stays away once it is turned down.
    track(&mut live, "cart", 13, 0, 14_000, None);
    track(&mut live, "cart", 13, 0, 14_500, None);
    track(&mut live, "hide", 13, 0, 15_000, None);
    let volatiles: Vec<f32> = (0..80).flat_map(|i| [10.0, if i == 7 { 0.0 } else { 3.0 }]).collect();
    let mut flags = vec![0u8; 80];
    let mut pins = vec![0u32; 80];
    (flags[40], pins[40], flags[2]) = (2, 0, 1);
    let placed = live
        .rank(&Request { volatiles: &volatiles, flags: &flags, pins: &pins, ..request(&handles, 20, 20_000) })
        .unwrap()
        .placed;
    let indices: Vec<usize> = placed.iter().map(|p| p.index).collect();
    assert!(!indices.contains(&7), "sold out");
    assert!(!indices.contains(&13), "turned down");
    assert!(indices.iter().all(|i| i % 6 != 2 || *i == 2), "blocked: {indices:?}");
    assert_eq!((placed[0].index, placed[0].reason), (40, Reason::Pinned));
    for near in indices.windows(4) {
        for creator in 0..5 {
            assert!(near.iter().filter(|i| *i % 5 == creator).count() <= 2, "{indices:?}");
        }
    }
    let draws: Vec<_> = placed.iter().filter(|p| p.propensity.is_some()).collect();
    assert_eq!(draws.len(), 1);
    assert!(draws[0].propensity.unwrap() > 0.0 && draws[0].propensity.unwrap() <= 1.0);
    let mut once = indices.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), indices.len());
    // What was shown does not come again.
    let shown: Vec<u32> = indices.iter().map(|i| handles[*i]).collect();
    let next = live.rank(&Request { shown: &shown, ..request(&handles, 20, 21_000) }).unwrap().placed;
    assert!(next.iter().all(|p| !indices.contains(&p.index)));
}

#[test]
fn an_ad_keeps_the_place_that_was_sold() {
    let mut disk = Disk::default();
    let mut live = fresh(&mut disk);
    let handles = offer(&mut live, 40);
    open_three(&mut live);
    let mut flags = vec![0u8; 40];
    flags[3] = 1;
    let placed = live.rank(&Request { flags: &flags, ..request(&handles, 8, 20_000) }).unwrap().placed;
    assert_eq!((placed[3].index, placed[3].reason), (3, Reason::Ad));
}

#[test]
fn bad_input_has_a_name_and_harms_nothing() {
    let mut disk = Disk::default();
    let mut live = fresh(&mut disk);
    let handles = offer(&mut live, 3);
    let state = phone::state(&mut live);
    let schema = live.schema().clone();
    let given = |field: &'static str, value: Given| {
        Item::open(&schema, 4, "x", move |f| if f == field { value.clone() } else { Given::Nothing }).map(|_| ())
    };
    let bad = |result: Result<(), Error>, on: &str| match result {
        Err(Error::BadItem { index: 4, field, .. }) => assert_eq!(field, on),
        other => panic!("{other:?}"),
    };
    bad(given("category", Given::Number(1.0)), "category");
    bad(given("price", Given::Number(f64::NAN)), "price");
    bad(given("price", Given::Text("9.9".into())), "price");
    bad(given("tags", Given::Text("a".into())), "tags");
    bad(given("tags", Given::Texts((0..17).map(|i| i.to_string()).collect())), "tags");
    bad(given("category", Given::Text("长".repeat(3_400))), "category");
    bad(Item::open(&schema, 4, "", |_| Given::Nothing).map(|_| ()), "id");
    bad(Item::open(&schema, 4, &"🙂".repeat(2_500), |_| Given::Nothing).map(|_| ()), "id");
    let detail = |change: fn(&mut Detail)| {
        let mut detail = Detail::default();
        change(&mut detail);
        Track { action: "open".into(), handle: handles[0], at: at(0), detail }
    };
    for (track, part) in [
        (detail(|d| d.value = Some(f32::NAN)), "value"),
        (detail(|d| d.propensity = Some(0.0)), "propensity"),
        (detail(|d| d.propensity = Some(1.5)), "propensity"),
        (detail(|d| d.dwell_ms = Some(90_000_000)), "dwellMs"),
        (detail(|d| d.difficulty = Some(f32::INFINITY)), "difficulty"),
        (detail(|d| d.prior = Some(f32::NAN)), "prior"),
    ] {
        assert!(matches!(live.track(track), Err(Error::BadEvent { part: p, .. }) if p == part));
    }
    let unknown = Track { action: "clik".into(), ..detail(|_| ()) };
    assert_eq!(live.track(unknown), Err(Error::UnknownAction));
    let unknown = Track { handle: 99, ..detail(|_| ()) };
    assert_eq!(live.track(unknown), Err(Error::UnknownItem));
    assert_eq!(live.rank(&request(&[99], 1, 0)).map(|_| ()), Err(Error::UnknownItem));
    let many = vec![0; 100_000];
    assert!(matches!(live.rank(&request(&many, 10, 0)), Err(Error::TooMany { .. })));
    assert!(matches!(
        live.rank(&Request { priors: &[1.0], ..request(&handles, 3, 0) }),
        Err(Error::BadArgument { .. })
    ));
    assert_eq!(live.forget(&interest("colour", "red")), Err(Error::UnknownField));
    assert!(Timestamp::from_ms(0).is_err() && Timestamp::from_ms(i64::MAX).is_err());
    assert!(live.rank(&request(&[], 10, 0)).unwrap().placed.is_empty());
    let twice = [handles[0], handles[0], handles[1]];
    assert_eq!(order(&mut live, &twice, 3, 0), [0, 2]);
    assert!(phone::state(&mut live) == state, "the state has changed");
    assert_eq!(live.report().events, 0);
}

#[test]
fn a_clock_that_jumps_is_held_until_a_second_session_agrees() {
    let year = 365 * 86_400_000;
    let mut disk = Disk::default();
    let mut live = fresh(&mut disk);
    track(&mut live, "open", 1, 0, 0, None);
    track(&mut live, "open", 2, 0, -5_000_000, None);
    assert!(!live.report().quarantined);
    track(&mut live, "open", 3, 0, year, None);
    assert!(live.report().quarantined);
    let weight = live.interests(at(year))[0].weight;
    disk.flush(&mut live);
    let mut back = start(&disk);
    track(&mut back, "impression", 4, 0, 60_000, None);
    assert!(!back.report().quarantined);
    assert!(back.interests(at(60_000))[0].weight > 0.9 * weight);
    // Retention believes it no sooner: one session a year ahead drops nothing.
    for n in 0..600 {
        track(&mut back, "impression", n % 40, 0, year + i64::from(n), None);
    }
    assert!(back.report().events > 600);
}

#[test]
fn retention_drops_whole_segments_and_folds_again() {
    let mut disk = Disk::default();
    let mut live = fresh(&mut disk);
    for n in 0..3_000u32 {
        track(&mut live, if n % 5 == 0 { "open" } else { "impression" }, n % 50, 0, i64::from(n) * 1_000, Some(n / 10));
        if n % 32 == 0 {
            disk.flush(&mut live);
        }
        assert!(live.report().events <= 1_024);
    }
    disk.flush(&mut live);
    assert!(live.report().events > 1_024 - 256);
    assert_eq!(disk.0.keys().filter(|n| n.starts_with("log-")).count(), live.report().segments);
    assert!(phone::state(&mut start(&disk)) == phone::state(&mut live), "the state after a restart differs");
    assert_eq!(live.forget(&Forget::All).unwrap(), live_events(&disk));
    let nothing = phone::state(&mut fresh(&mut Disk::default()));
    assert!(phone::state(&mut live) == nothing, "something is left");
}

fn live_events(disk: &Disk) -> usize {
    start(disk).report().events
}

#[test]
fn without_a_seed_nothing_is_drawn() {
    let mut disk = Disk::default();
    let mut seedless = Engine::new(phone::SHOP, None, None).unwrap();
    seedless.open_control(&disk.stored());
    seedless.grant("1", &[], at(0)).unwrap();
    seedless.open_log(&disk.stored(), 0);
    disk.flush(&mut seedless);
    let handles = offer(&mut seedless, 60);
    open_three(&mut seedless);
    let placed = seedless.rank(&request(&handles, 10, 20_000)).unwrap().placed;
    assert!(placed.iter().all(|p| p.propensity.is_none()));
    assert!(engine().rank(&request(&[], 1, 0)).is_ok());
}

#[test]
fn the_head_comes_back_in_slices_and_the_frozen_model_ranks_until_it_has() {
    let mut disk = Disk::default();
    let mut live = fresh(&mut disk);
    let handles = offer(&mut live, 60);
    for n in 0..1_500u32 {
        let action = if n % 3 == 2 { "open" } else { "impression" };
        track(&mut live, action, n * 7 % 60, 0, i64::from(n) * 70_000, Some(n / 10));
    }
    disk.flush(&mut live);
    let now = 1_500 * 70_000;
    // The oldest events have been dropped on the way, so the live head is under way too.
    while !live.adapt(100) {}
    assert!(live.report().matured > 600 && (256..512).contains(&live.report().learned), "{:?}", live.report());
    let scores = |engine: &mut Engine| -> Vec<u32> {
        let slate = engine.rank(&request(&handles, 20, now)).unwrap();
        slate.placed.iter().map(|p| p.score.to_bits()).collect()
    };
    let expected = scores(&mut live);
    for slice in [1, 64, 1_499, 1_500, usize::MAX] {
        let mut engine = phone::engine();
        engine.open_control(&disk.stored());
        engine.open_log(&disk.stored(), 480);
        offer(&mut engine, 60);
        let frozen = scores(&mut engine);
        assert_ne!(frozen, expected, "the head says nothing");
        assert_eq!(engine.report().learned, 0);
        while !engine.adapt(slice) {
            assert_eq!(scores(&mut engine), frozen, "half a head ranks");
        }
        assert_eq!(scores(&mut engine), expected, "slices of {slice}");
        assert!(engine.state_bytes() == live.state_bytes());
    }
}

#[test]
fn variants_of_one_thing_count_as_one_in_an_order_of_the_users_own() {
    let schema = phone::SHOP.replacen("\"price\":", "\"spu\": { \"kind\": \"group\" }, \"price\":", 1);
    let mut engine = Engine::new(&schema, Some([7; 32]), None).unwrap();
    engine.open_control(&[]);
    engine.grant("1", &[], at(0)).unwrap();
    engine.open_log(&[], 480);
    let variant = |engine: &Engine, n: u32| {
        Item::open(engine.schema(), 0, &format!("sku{n}"), |field| match field {
            "category" => Given::Text(phone::CATEGORIES[(n / 2 % 6) as usize].into()),
            "spu" => Given::Text(format!("spu{}", n / 2)),
            _ => Given::Nothing,
        })
        .unwrap()
    };
    let items = (0..40).map(|n| variant(&engine, n)).collect();
    let handles = engine.upsert(items).unwrap();
    let mut now = 1_000;
    let mut tell = |engine: &mut Engine, action: &str, n: usize| {
        now += 1_000;
        let detail = Detail::default();
        engine.track(Track { action: action.into(), handle: handles[n], at: at(now), detail }).unwrap();
    };
    let own = order(&mut engine, &handles, 40, 1_000);
    assert_eq!(own, (0..40).collect::<Vec<_>>(), "the page's own order keeps every variant");
    tell(&mut engine, "open", 8);
    let slate = order(&mut engine, &handles, 40, 60_000);
    let mut things: Vec<usize> = slate.iter().map(|i| i / 2).collect();
    things.sort_unstable();
    assert_eq!(things, (0..20).collect::<Vec<_>>(), "one variant of each thing");
    // Nor does a second one follow on the same page.
    let shown = [handles[slate[0]]];
    let next = engine.rank(&Request { shown: &shown, ..request(&handles, 40, 60_000) }).unwrap();
    assert!(next.placed.iter().all(|p| p.index / 2 != slate[0] / 2));
    // Turned down, none of its variants comes back; the others are untouched.
    tell(&mut engine, "hide", 9);
    let after = order(&mut engine, &handles, 40, 60_000);
    assert!(after.iter().all(|i| i / 2 != 4) && after.len() == 19);
    assert!(engine.undo(handles[9], "hide").unwrap());
    assert_eq!(order(&mut engine, &handles, 40, 60_000).len(), 20);
    // Pinned, a variant stands beside another of its thing.
    let mut flags = vec![0; 40];
    flags[9] = 2; // the bit that says "pinned"
    let pins = vec![0; 40];
    let pinned = engine.rank(&Request { flags: &flags, pins: &pins, ..request(&handles, 40, 60_000) }).unwrap();
    assert_eq!((pinned.placed[0].index, pinned.placed.len()), (9, 21));
}
