//! What a phone finds in the catalogue of its bundle.

use super::*;
use crate::bundle::{Numbers, Writing, load, write};
use crate::engine::Track;
use crate::engine::ranking::tests::predicted_as_ranked;
use crate::event::Detail;
use crate::item::{Given, Item};
use crate::schema::hash64;
use crate::score::Ranker;
use alloc::format;
use alloc::string::String;

const SCHEMA: &str = r#"{ "space": "shop", "fields": { "category": { "kind": "category" }, "stock": { "kind": "number" }, "family": { "kind": "group" } },
    "actions": { "impression": { "role": "impression" }, "open": { "weight": 1 }, "hide": { "weight": -4 } },
    "labels": { "click": { "positive": ["open"], "windowMinutes": 30 } },
    "policy": { "pageOrder": 0, "filters": [{ "field": "stock", "atLeast": 1 }] } }"#;
const ITEMS: usize = 12;

fn at(step: i64) -> Timestamp {
    Timestamp::from_ms(1_750_000_000_000 + step * 1_000).unwrap()
}

fn id(n: usize) -> String {
    format!("sku{n}")
}

/// The row of an item: none has its number.
fn row(n: usize) -> usize {
    (n * 5 + 3) % ITEMS
}

fn vector(n: usize) -> [f32; 2] {
    [((n * 7) % 11) as f32 / 4.0 - 1.0, ((n * 3) % 7) as f32 / 2.0 - 1.5]
}

/// Who met `sku2` goes on to `sku7`, and to `sku9` with half the weight.
fn passes_on(n: usize) -> f32 {
    match n {
        7 => 8.0,
        9 => 4.0,
        _ => 0.0,
    }
}

/// A bundle of two towers and a table of co-visits, whose tasks are read by the block `of` alone, or by all; with the ids, or without.
fn bundle(of: &str, names: bool) -> Vec<u8> {
    let mut order = [0; ITEMS];
    (0..ITEMS).for_each(|n| order[row(n)] = n);
    let ids: Vec<u64> = order.iter().map(|n| hash64(id(*n).as_bytes())).collect();
    let vectors: Vec<f32> = order.iter().flat_map(|n| vector(*n)).collect();
    let bias: Vec<f32> = order.iter().map(|n| *n as f32 / 8.0).collect();
    let after: Vec<u32> = (0..=ITEMS).map(|at| if at > row(2) { 2 } else { 0 }).collect();
    let mut met = [(row(7) as u16, 200u8), (row(9) as u16, 100)];
    met.sort_unstable();
    let (neighbour, byte): (Vec<u16>, Vec<u8>) = met.into_iter().unzip();
    // In another order, and with one that nobody knows.
    let text = (0..=ITEMS).rev().map(id).collect::<Vec<_>>().join("\n");
    let spec = format!(
        r#"{{ "format": 1, "space": "shop", "schema": {{ "fields": [] }}, "ranker": {{
            "blocks": [{{ "block": "wide", "features": ["user.events"] }}, {{ "block": "item" }}, {{ "block": "recent", "of": ["item"], "decay": 0.5 }},
                {{ "block": "vector", "of": ["recent", "item"] }}, {{ "block": "covisit", "decay": 0.5 }}],
            "tiers": [{{ "tasks": [{{ "label": "click", "of": ["wide"] }}] }}, {{ "tasks": [{{ "label": "click", {of} }}] }}] }},
            "probes": [{{ "dense": [0] }}] }}"#
    );
    let singles = |name, shape, of| Writing { name, shape, numbers: Numbers::Singles(of) };
    let mut tensors = [
        Writing { name: "items.ids", shape: &[ITEMS], numbers: Numbers::Longs(&ids) },
        singles("item.vectors", &[ITEMS, 2], &vectors),
        singles("item.bias", &[ITEMS], &bias),
        Writing { name: "covisit.offset", shape: &[ITEMS + 1], numbers: Numbers::Words(&after) },
        Writing { name: "covisit.neighbour", shape: &[2], numbers: Numbers::Shorts(&neighbour) },
        Writing { name: "covisit.byte", shape: &[2], numbers: Numbers::Bytes(&byte) },
        singles("covisit.scale", &[ITEMS], &[0.04; ITEMS]),
        singles("wide.weight", &[1], &[0.0]),
        singles("wide.mean", &[1], &[0.0]),
        singles("wide.scale", &[1], &[1.0]),
        singles("wide.bias", &[1], &[0.5]),
    ]
    .to_vec();
    let shape = [text.len()];
    if names {
        tensors.push(Writing { name: "items.names", shape: &shape, numbers: Numbers::Bytes(text.as_bytes()) });
    }
    write(&spec, &tensors).unwrap()
}

/// Somebody who has agreed, under a bundle.
fn engine(bundle: &[u8]) -> Engine {
    let mut engine = Engine::new(SCHEMA, Some([7; 32]), None).unwrap();
    let ranker = Ranker::bind(&engine.schema, &engine.layout, load(bundle, "shop").unwrap()).unwrap();
    engine.rebind(ranker);
    engine.open_control(&[]);
    engine.grant("1", &[], at(0)).unwrap();
    engine.open_log(&[], 480);
    engine
}

/// Gives an item: even numbers are shoes, the others hats; every fifth is of one family.
fn give(engine: &mut Engine, n: usize, stock: f64) -> u32 {
    let given = |name: &str| match name {
        "stock" => Given::Number(stock),
        "family" => Given::Text(format!("f{}", n % 5)),
        _ => Given::Text(if n.is_multiple_of(2) { "shoes" } else { "hats" }.into()),
    };
    let item = Item::open(&engine.schema, 0, &id(n), given).unwrap();
    engine.upsert(vec![item]).unwrap()[0]
}

fn does(engine: &mut Engine, action: &str, n: usize) {
    let handle = give(engine, n, 1.0);
    engine.track(Track { action: action.into(), handle, at: at(1), detail: Detail::default() }).unwrap();
}

/// Items by their scores, the best first; of equal ones that which the bundle names first.
fn best(of: impl Fn(usize) -> f32) -> Vec<String> {
    let mut all: Vec<usize> = (0..ITEMS).collect();
    all.sort_by(|a, b| of(*b).total_cmp(&of(*a)).then(b.cmp(a)));
    all.into_iter().map(id).collect()
}

fn product(n: usize) -> f32 {
    let ([a, b], [c, d]) = (vector(2), vector(n));
    a * c + b * d + n as f32 / 8.0
}

const ALL: &str = r#""of": ["wide", "vector", "covisit"], "gains": [1, 2, 0.5]"#;

#[test]
fn the_catalogue_is_ranked_as_its_blocks_add_up() {
    for (of, oracle) in [
        (ALL, (|n| 2.0 * product(n) + passes_on(n) * 0.5) as fn(usize) -> f32),
        (r#""of": ["vector"]"#, product),
        (r#""of": ["wide", "covisit"]"#, passes_on),
    ] {
        let mut engine = engine(&bundle(of, true));
        does(&mut engine, "open", 2);
        assert_eq!(engine.retrieve(100, true, at(2)), best(oracle), "{of}");
        assert_eq!(engine.retrieve(4, true, at(2)), best(oracle)[..4], "{of}");
        assert_eq!(engine.retrieve(0, true, at(2)), [""; 0]);
    }
}

#[test]
fn what_was_done_turned_down_blocked_or_sold_out_is_left_out() {
    let mut engine = engine(&bundle(ALL, true));
    does(&mut engine, "open", 2);
    does(&mut engine, "impression", 3);
    does(&mut engine, "hide", 4);
    give(&mut engine, 5, 0.0);
    give(&mut engine, 6, 1.0);
    // Of the family of what was turned down.
    give(&mut engine, 9, 1.0);
    engine.block("category", "shoes").unwrap();
    let found = |engine: &mut Engine, seen| {
        let mut found: Vec<String> = engine.retrieve(100, seen, at(2)).into_iter().map(String::from).collect();
        found.sort_unstable();
        found
    };
    // Nobody has said what the others are: they may be shoes, and the ranking will see.
    let expected = ["sku0", "sku1", "sku10", "sku11", "sku3", "sku7", "sku8"];
    assert_eq!(found(&mut engine, false), expected);
    engine.unblock("category", "shoes");
    let expected = ["sku0", "sku1", "sku10", "sku11", "sku2", "sku3", "sku6", "sku7", "sku8"];
    assert_eq!(found(&mut engine, true), expected);
    assert_eq!(found(&mut engine, false).len(), 8, "sku2 was opened");
    engine.remove(&["sku2", "sku4"].map(String::from));
    assert_eq!(found(&mut engine, true), expected, "what was done is known of items that the page has not given");
    assert_eq!(found(&mut engine, false).len(), 8);
}

#[test]
fn there_is_nothing_to_find_where_a_ranking_would_be_the_pages_own() {
    let mut cold = engine(&bundle(ALL, true));
    assert_eq!(cold.retrieve(5, true, at(2)), [""; 0]);
    does(&mut cold, "open", 2);
    assert_eq!(cold.retrieve(5, true, at(2)).len(), 5);
    cold.set_personalisation(false);
    assert_eq!(cold.retrieve(5, true, at(2)), [""; 0]);
    // A model without such blocks, one that does not tell its ids, and the starter.
    let mut plain = engine(&bundle(r#""of": ["wide"]"#, true));
    does(&mut plain, "open", 2);
    assert_eq!(plain.retrieve(5, true, at(2)), [""; 0]);
    let mut silent = engine(&bundle(ALL, false));
    does(&mut silent, "open", 2);
    assert_eq!(silent.retrieve(5, true, at(2)), [""; 0]);
    plain.rebind(Ranker::starter(&plain.layout.clone()));
    assert_eq!(plain.retrieve(5, true, at(2)), [""; 0]);
}

#[test]
fn a_prediction_reads_what_was_done_lately() {
    let mut engine = engine(&bundle(ALL, true));
    does(&mut engine, "open", 2);
    let handles: Vec<u32> = (0..5).map(|n| give(&mut engine, n, 1.0)).collect();
    let read = predicted_as_ranked(&mut engine, &handles, 1, "click");
    let unread = predicted_as_ranked(&mut engine, &handles, 0, "click");
    assert_ne!(read, unread);
}

#[test]
fn a_ranking_is_the_same_before_and_after() {
    let mut engine = engine(&bundle(ALL, true));
    does(&mut engine, "open", 2);
    let handles: Vec<u32> = (0..6).map(|n| give(&mut engine, n, 1.0)).collect();
    let request = crate::engine::Request::new(&handles, 6, at(2));
    let before = engine.rank(&request).unwrap().placed;
    engine.retrieve(5, false, at(2));
    assert_eq!(engine.rank(&request).unwrap().placed, before);
}
