//! Tiers: which one scores, and what they must not change.

use super::*;
use crate::bundle::{Numbers, Writing, load, write};
use crate::engine::Track;
use crate::event::Detail;
use crate::item::Given;
use crate::score::Ranker;
use alloc::format;
use alloc::string::String;

const SCHEMA: &str = r#"{ "space": "shop", "fields": { "price": { "kind": "number" } },
    "actions": { "impression": { "role": "impression" }, "open": { "weight": 1 } },
    "labels": { "click": { "positive": ["open"], "windowMinutes": 30 }, "buy": { "positive": ["open"], "windowMinutes": 30 } },
    "policy": { "cold": "model", "pageOrder": 0, "explore": { "slots": 1, "epsilon": 0.5 } } }"#;
/// Each tier likes or dislikes a high score of the page and an item that was shown in vain.
const TIERS: [(&str, f32); 3] = [("full", 1.0), ("light", -1.0), ("prior", 0.0)];
const START_MS: i64 = 1_750_000_000_000;

fn bundle(tiers: usize) -> Vec<u8> {
    let of = |(name, _): &(&str, f32)| format!(r#"{{ "tasks": [{{ "label": "click", "of": ["{name}"] }}] }}"#);
    written(&TIERS.iter().take(tiers).map(of).collect::<Vec<_>>().join(","))
}

/// A bundle of these tiers, over a block for each of [`TIERS`].
fn written(tiers: &str) -> Vec<u8> {
    let (mut blocks, mut tensors) = (Vec::new(), Vec::new());
    for (name, weight) in TIERS {
        blocks.push(format!(
            r#"{{ "block": "wide", "name": "{name}", "features": ["prior.score", "item.unanswered"] }}"#
        ));
        for (part, numbers) in [("weight", vec![weight; 2]), ("mean", vec![0.0; 2]), ("scale", vec![1.0; 2])] {
            tensors.push((format!("{name}.{part}"), numbers));
        }
        tensors.push((format!("{name}.bias"), vec![0.0]));
    }
    let spec = format!(
        r#"{{ "format": 1, "space": "shop", "schema": {{ "fields": [] }},
            "ranker": {{ "blocks": [{}], "tiers": [{tiers}] }}, "probes": [{{ "dense": [0, 0] }}] }}"#,
        blocks.join(",")
    );
    let shapes: Vec<[usize; 1]> = tensors.iter().map(|(_, numbers)| [numbers.len()]).collect();
    let writings: Vec<Writing<'_>> = tensors
        .iter()
        .zip(&shapes)
        .map(|((name, numbers), shape)| Writing { name, shape, numbers: Numbers::Singles(numbers) })
        .collect();
    write(&spec, &writings).unwrap()
}

/// Eight items, offered under a bundle of so many tiers.
fn engine(tiers: usize) -> (Engine, Vec<u32>) {
    engine_of(&bundle(tiers))
}

fn engine_of(bundle: &[u8]) -> (Engine, Vec<u32>) {
    let mut engine = Engine::new(SCHEMA, Some([7; 32]), None).unwrap();
    engine.open_control(&[]);
    engine.grant("1", &[], at(0)).unwrap();
    engine.open_log(&[], 480);
    let item = |n: usize| Item::open(&engine.schema, n, &format!("sku{n}"), |_: &str| Given::Nothing).unwrap();
    let items = (0..8).map(item).collect();
    let handles = engine.upsert(items).unwrap();
    let ranker = Ranker::bind(&engine.schema, &engine.layout, load(bundle, "shop").unwrap()).unwrap();
    engine.rebind(ranker);
    (engine, handles)
}

fn at(minute: i64) -> Timestamp {
    Timestamp::from_ms(START_MS + minute * 60_000).unwrap()
}

/// Three places for the eight; the page's own score rises from the first to the last.
fn rank(engine: &mut Engine, handles: &[u32], tier: usize) -> Slate {
    let priors: Vec<f32> = (0..handles.len()).map(|n| n as f32 / 8.0).collect();
    let request = Request { priors: &priors, tier, ..Request::new(handles, 3, at(0)) };
    engine.rank(&request).unwrap()
}

fn track(engine: &mut Engine, action: &str, handle: u32, minute: i64) {
    let action: String = action.into();
    engine.track(Track { action, handle, at: at(minute), detail: Detail::default() }).unwrap();
}

#[test]
fn the_tier_of_the_request_scores_and_the_same_tier_gives_the_same_slate() {
    let (mut live, handles) = engine(3);
    let slates: Vec<Slate> = [0, 1, 2, 9].map(|tier| rank(&mut live, &handles, tier)).into();
    assert_eq!(slates.iter().map(|slate| slate.tier).collect::<Vec<_>>(), [Some(0), Some(1), Some(2), Some(2)]);
    let best = |slate: &Slate| slate.placed.iter().map(|placed| placed.index).take(2).collect::<Vec<_>>();
    assert_eq!([best(&slates[0]), best(&slates[1]), best(&slates[2])], [[7, 6], [0, 1], [0, 1]]);
    assert_eq!(slates[2].placed, slates[3].placed);
    // After all the others the first tier says what it said, and so does an engine that was never on another.
    assert_eq!(rank(&mut live, &handles, 0).placed, slates[0].placed);
    let (mut fresh, handles) = engine(3);
    assert_eq!(rank(&mut fresh, &handles, 0).placed, slates[0].placed);
    assert_eq!((fresh.report().tier, fresh.report().tiers), (0, 3));
    let (mut single, handles) = engine(1);
    assert_eq!((rank(&mut single, &handles, 2).tier, single.tiers()), (Some(0), 1));
}

#[test]
fn reasons_are_those_of_the_tier_that_ranked() {
    let (mut live, handles) = engine(3);
    track(&mut live, "impression", handles[0], 0);
    let mut weight = |tier| {
        rank(&mut live, &handles, tier);
        live.explain(handles[0], at(1)).unwrap()[0].weight
    };
    let [full, light, prior] = [0, 1, 2].map(&mut weight);
    assert!(full > 0.5 && light == -full && prior == 0.0, "{full} {light} {prior}");
}

#[test]
fn a_blend_ranks_and_every_task_can_be_read() {
    // The fuller block likes what the page scores high, the lighter one dislikes it, and the blend is nearly all the lighter one's.
    let tasks = r#""tasks": [{ "label": "click", "of": ["full"] }, { "label": "buy", "of": ["light"], "calibration": { "platt": [2, -1] } }]"#;
    let blended = format!(
        r#"{{ {tasks}, "blend": {{ "sum": [1, 9] }} }}, {{ {tasks} }}, {{ {tasks}, "blend": {{ "powers": [0, 3] }} }}"#
    );
    let (mut live, handles) = engine_of(&written(&blended));
    let best = |slate: &Slate| slate.placed.iter().map(|placed| placed.index).take(2).collect::<Vec<_>>();
    assert_eq!([0, 1, 2].map(|tier| best(&rank(&mut live, &handles, tier))), [[0, 1], [7, 6], [0, 1]]);
    track(&mut live, "impression", handles[0], 0);
    let mut seen = |tier| {
        rank(&mut live, &handles, tier);
        let predictions = live.predictions(handles[0], at(1)).unwrap();
        let named: Vec<(String, f32)> = predictions.into_iter().map(|p| (p.label, p.probability)).collect();
        (named, live.explain(handles[0], at(1)).unwrap()[0].weight)
    };
    let (of_blend, of_one, of_power) = (seen(0), seen(1), seen(2));
    // An impression in vain is the only thing that speaks: x for the click, 2 · (−x) − 1 for the purchase.
    let sigmoid = crate::kernel::math::sigmoid;
    let x = of_one.1;
    assert!(x > 0.5, "{x}");
    let expected = [("click".into(), sigmoid(x)), ("buy".into(), sigmoid(-2.0 * x - 1.0))];
    assert_eq!((of_one.0.as_slice(), &of_one.0, &of_one.0), (&expected[..], &of_blend.0, &of_power.0));
    // Without the feature the purchase is at −1 and the click at 0: what is lost is told in logits of the blend.
    let logit = |p: f32| crate::kernel::math::logit(p);
    let blend = |click: f32, buy: f32| logit((click + 9.0 * buy) / 10.0);
    let lost = blend(expected[0].1, expected[1].1) - blend(0.5, sigmoid(-1.0));
    assert!((of_blend.1 - lost).abs() < 1e-4 && lost < -0.1, "{} instead of {lost}", of_blend.1);
    assert!((of_power.1 + 2.0 * x).abs() < 1e-4, "{}", of_power.1);
}

/// What is predicted of items, of the task by whose score they are ranked: it must be what ranked them, in this tier.
pub(in crate::engine) fn predicted_as_ranked(live: &mut Engine, handles: &[u32], tier: usize, label: &str) -> Vec<f32> {
    let request = Request { tier, ..Request::new(handles, handles.len(), at(4_000)) };
    let mut placed = live.rank(&request).unwrap().placed;
    placed.sort_by_key(|placed| placed.index);
    let predicted = |handle| {
        let all = live.predictions(handle, at(4_000)).unwrap();
        all.into_iter().find(|one| one.label == label).unwrap().probability
    };
    let found: Vec<f32> = handles.iter().copied().map(predicted).collect();
    let ranked: Vec<f32> = placed.iter().map(|placed| crate::kernel::math::sigmoid(placed.score)).collect();
    assert_eq!(found, ranked, "tier {tier}");
    found
}

#[test]
fn what_is_predicted_is_what_ranks_with_what_the_head_has_learnt_and_without() {
    let task = |label: &str, of: &str| format!(r#"{{ "label": "{label}", "of": ["{of}"] }}"#);
    let tier = |of: &str| format!(r#"{{ "tasks": [{}, {}] }}"#, task("buy", "prior"), task("click", of));
    let bundle = written(&[tier("full"), tier("light")].join(","));
    let (mut live, handles) = engine_of(&bundle);
    for (hour, handle) in (0..).zip(handles.iter().cycle().take(60)) {
        track(&mut live, "impression", *handle, 60 * hour);
        if hour % 3 == 0 {
            track(&mut live, "open", *handle, 60 * hour + 1);
        }
    }
    let predicted = |live: &mut Engine| [0, 1].map(|tier| predicted_as_ranked(live, &handles, tier, "click"));
    let learnt = predicted(&mut live);
    assert_ne!(learnt[0], learnt[1]);
    assert!(live.predictions(handles[0], at(4_000)).unwrap()[0].probability == 0.5, "no head corrects another task");
    // While the head is made anew, the model speaks alone.
    let ranker = Ranker::bind(&live.schema, &live.layout, load(&bundle, "shop").unwrap()).unwrap();
    live.rebind(ranker);
    let alone = predicted(&mut live);
    assert_ne!(learnt[0], alone[0]);
    assert!(!live.adapt(40), "there are more events");
    assert_eq!(predicted(&mut live), alone);
    assert!(live.adapt(usize::MAX));
    assert_eq!(predicted(&mut live), learnt);
}

#[test]
fn what_is_learnt_does_not_depend_on_the_tier_that_ranked() {
    let learnt = |tier| {
        let (mut live, handles) = engine(3);
        for (hour, handle) in (0..).zip(handles.iter().cycle().take(40)) {
            rank(&mut live, &handles, tier);
            track(&mut live, "impression", *handle, 60 * hour);
            if hour % 3 == 0 {
                track(&mut live, "open", *handle, 60 * hour + 1);
            }
        }
        assert!(live.report().learned > 20);
        live.state_bytes()
    };
    assert_eq!(learnt(0), learnt(2));
}
