//! The exploration place: what is drawn there, how often, and what is said of it.

use super::*;
use crate::bundle::load;
use crate::engine::Track;
use crate::engine::adapting::tests::{ITEMS, at, bundle, live};
use crate::event::Detail;
use crate::score::Ranker;
use alloc::collections::BTreeMap;
use alloc::format;

/// The shop of the head's tests, with an exploration place, and never two of one category side by side.
fn schema(explore: &str) -> alloc::string::String {
    format!(
        r#"{{ "space": "shop", "fields": {{ "category": {{ "kind": "category" }} }},
            "actions": {{ "impression": {{ "role": "impression" }}, "open": {{ "weight": 1 }} }},
            "labels": {{ "click": {{ "positive": ["open"], "windowMinutes": 1 }} }},
            "policy": {{ "pageOrder": 0, "explore": {explore},
                         "windows": [{{ "field": "category", "most": 1, "within": 2 }}] }} }}"#
    )
}

/// A user of some days, under a head over item vectors.
fn user(explore: &str, steps: usize) -> Engine {
    let mut engine = Engine::new(&schema(explore), Some([9; 32]), None).unwrap();
    let ranker = Ranker::bind(&engine.schema, &engine.layout, load(&bundle(), "shop").unwrap()).unwrap();
    engine.rebind(ranker);
    engine.open_control(&[]);
    engine.grant("1", &[], at(0)).unwrap();
    engine.open_log(&[], 480);
    (0..steps).for_each(|step| live(&mut engine, step));
    engine
}

/// Five places for all items, offered in this order.
fn rank(engine: &mut Engine, handles: &[u32]) -> Vec<Placed> {
    let request = Request::new(handles, 5, at(10_000));
    let placed = engine.rank(&request).unwrap().placed;
    assert_eq!(placed, engine.rank(&request).unwrap().placed, "the same request, the same slate");
    placed
}

/// Category of an item of the head's tests.
fn category(engine: &Engine, handle: u32) -> alloc::string::String {
    engine.known(handle).unwrap().item.words(0)[0].text.clone()
}

/// What the fourth place of many slates held, offered in as many orders: counts and propensities by handle.
fn drawn(engine: &mut Engine, slates: usize) -> BTreeMap<u32, (u32, f32)> {
    let mut handles: Vec<u32> = (0..ITEMS as u32).collect();
    let mut found: BTreeMap<u32, (u32, f32)> = BTreeMap::new();
    let mut state = 1u64;
    for _ in 0..slates {
        for i in (1..handles.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            handles.swap(i, (state >> 33) as usize % (i + 1));
        }
        let placed = rank(engine, &handles);
        for (place, near) in placed.windows(2).enumerate() {
            let [a, b] = [near[0].index, near[1].index].map(|index| category(engine, handles[index]));
            assert!(a != b, "a window is broken behind place {place}");
        }
        let known = placed.iter().filter(|p| p.propensity.is_some()).count();
        assert_eq!((known, placed.len()), (1, 5), "the other places are deterministic");
        let handle = handles[placed[3].index];
        let propensity = placed[3].propensity.unwrap();
        let entry = found.entry(handle).or_insert((0, propensity));
        entry.0 += 1;
        assert_eq!(entry.1, propensity, "what is offered first does not change a chance");
    }
    found
}

#[test]
fn propensities_sum_to_one_and_are_met_by_the_frequencies() {
    const SLATES: usize = 600;
    for by in ["greedy", "ucb", "thompson"] {
        let explore = format!(r#"{{ "slots": 1, "epsilon": 0.4, "by": "{by}", "width": 2 }}"#);
        let mut engine = user(&explore, 120);
        let found = drawn(&mut engine, SLATES);
        let total: f64 = found.values().map(|(_, p)| f64::from(*p)).sum();
        assert!((total - 1.0).abs() < 1e-5, "{by}: {total} {found:?}");
        // Three places are taken, and what shares the third's category may not stand beside it.
        assert!((5..=9).contains(&found.len()), "{by}: {found:?}");
        let chi: f64 = found
            .values()
            .map(|(count, p)| {
                let expected = f64::from(*p) * SLATES as f64;
                (f64::from(*count) - expected) * (f64::from(*count) - expected) / expected
            })
            .sum();
        assert!(chi < 26.1, "{by}: χ² {chi} of at most 8 degrees of freedom, p < .001: {found:?}");
        let floor = 0.4 / found.len() as f32;
        let above = found.values().filter(|(_, p)| *p > floor * 1.001).count();
        assert!(above == 1 || by == "thompson" && above > 1, "{by}: {found:?}");
    }
}

#[test]
fn an_upper_bound_without_width_is_greed_and_with_it_goes_to_what_is_unknown() {
    let chosen = |by: &str, width: f32, steps: usize| {
        let explore = format!(r#"{{ "slots": 1, "epsilon": 0.001, "by": "{by}", "width": {width} }}"#);
        let mut engine = user(&explore, steps);
        let placed = rank(&mut engine, &(0..ITEMS as u32).collect::<Vec<_>>());
        (placed[3].index, placed[3].reason, placed[3].propensity)
    };
    let mut moved = 0;
    for steps in [13, 16, 20, 24, 60] {
        let (greedy, reason, _) = chosen("greedy", 1.0, steps);
        assert_ne!(reason, Reason::Explore);
        assert_eq!(chosen("ucb", 0.0, steps).0, greedy);
        let (wide, reason, propensity) = chosen("ucb", 10.0, steps);
        assert!(propensity.unwrap() > 0.999);
        assert_eq!(reason == Reason::Explore, wide != greedy);
        moved += usize::from(wide != greedy);
    }
    assert!(moved > 0, "ten deviations change nothing");
    let (_, reason, propensity) = chosen("thompson", 1.0, 60);
    assert!(reason == Reason::Sampled && propensity.unwrap() < 1.0, "an estimate is known as one");
}

#[test]
fn without_a_seed_nothing_is_drawn() {
    let explore = r#"{ "slots": 1, "epsilon": 0.5, "by": "thompson" }"#;
    let mut engine = user(explore, 60);
    engine.seed = None;
    assert!(rank(&mut engine, &(0..ITEMS as u32).collect::<Vec<_>>()).iter().all(|p| p.propensity.is_none()));
}

#[test]
fn the_export_tells_how_each_place_was_chosen() {
    let mut engine = user(r#"{ "slots": 1, "epsilon": 0.5, "by": "thompson" }"#, 12);
    for (propensity, reason) in [(None, Some(3)), (Some(0.5), Some(5)), (Some(0.5), Some(6))] {
        let detail = Detail { propensity, reason, ..Detail::default() };
        engine.track(Track { action: "impression".into(), handle: 0, at: at(500), detail }).unwrap();
    }
    let export = engine.export();
    let said = |choice: &str| export.matches(&format!(r#""choice":"{choice}""#)).count();
    assert_eq!([said("exact"), said("estimated")], [1, 1]);
    assert_eq!(said("deterministic"), export.matches(r#""propensity":null"#).count());
}
