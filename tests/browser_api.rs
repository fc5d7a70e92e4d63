//! The boundary in a real browser: round trips, errors, determinism.
#![cfg(target_arch = "wasm32")]
#![allow(missing_docs)]

use js_sys::{Array, Float32Array, JSON, Object, Reflect, Uint8Array, Uint32Array};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};
use zhiji::wasm::Engine;

wasm_bindgen_test_configure!(run_in_browser);

const SCHEMA: &str = r#"{ "space": "shop",
  "fields": { "category": { "kind": "category" }, "tags": { "kind": "tags" }, "price": { "kind": "number", "scale": "log", "volatile": true } },
  "actions": { "impression": { "role": "impression" }, "open": { "weight": 1 }, "hide": { "weight": -4 } },
  "labels": { "click": { "positive": ["open"], "windowMinutes": 30 } }, "surfaces": ["home"],
  "policy": { "explore": { "slots": 1, "epsilon": 0.3 }, "diversity": { "lambda": 0.8 } } }"#;
const NOW: f64 = 1_750_000_000_000.0;

fn json(text: &str) -> JsValue {
    JSON::parse(text).expect("a test's own JSON")
}

fn text(value: &JsValue) -> String {
    JSON::stringify(value).ok().and_then(|t| t.as_string()).unwrap_or_default()
}

fn get(value: &JsValue, name: &str) -> JsValue {
    Reflect::get(value, &name.into()).unwrap_or(JsValue::UNDEFINED)
}

/// An engine that may record, over `files`.
fn engine(files: &Array) -> Engine {
    let mut engine = Engine::new(SCHEMA, Some(vec![9; 32]), None).expect("the schema is good");
    engine.open_control(files).expect("files");
    if get(&engine.consent_state(), "status") != JsValue::from("granted") {
        engine.consent_grant("1", &Array::of1(&"推荐".into()), NOW).expect("now");
    }
    engine.open_log(files, 480.0).expect("files");
    engine
}

fn items(engine: &mut Engine, n: u32) -> Uint32Array {
    let list: Vec<String> = (0..n)
        .map(|i| {
            let category = ["女装", "手机", "零食 🍪"][(i % 3) as usize];
            format!(r#"{{ "id": "sku{i}", "category": "{category}", "tags": ["新品", "t{}"], "price": {}, "title": "ignored" }}"#, i % 4, i + 5)
        })
        .collect();
    engine.upsert_items(&Array::from(&json(&format!("[{}]", list.join(","))))).expect("good items")
}

fn use_it(engine: &mut Engine) {
    for n in [1u32, 4, 7] {
        engine
            .track("impression".into(), n, NOW + 1_000.0, json(r#"{ "surface": "home", "slate": 0, "position": 1 }"#))
            .expect("good");
        assert!(engine.track("open".into(), n, NOW + 2_000.0, JsValue::UNDEFINED).expect("good"));
    }
}

fn rank(engine: &mut Engine, handles: &Uint32Array, slots: u32) -> JsValue {
    let options = json(&format!(r#"{{ "surface": "home", "slots": {slots}, "nowMs": {} }}"#, NOW + 60_000.0));
    engine.rank(&handles.to_vec(), &[], &[], &[], &[], &[], options).expect("known handles")
}

/// The files after the engine's operations, as the package would keep them.
fn files(engine: &mut Engine) -> Array {
    let mut kept: Vec<(String, Vec<u8>)> = Vec::new();
    for op in engine.take_ops().iter() {
        let name = get(&op, "name").as_string().unwrap_or_default();
        let bytes = get(&op, "bytes").dyn_into::<Uint8Array>().map(|b| b.to_vec()).unwrap_or_default();
        let append = get(&op, "op") == JsValue::from("append");
        let old = kept.iter().position(|(n, _)| *n == name).map(|i| kept.remove(i).1).unwrap_or_default();
        if get(&op, "op") != JsValue::from("remove") {
            kept.push((name, if append { [old, bytes].concat() } else { bytes }));
        }
    }
    kept.into_iter()
        .map(|(name, bytes)| {
            let file = Object::new();
            let _ = Reflect::set(&file, &"name".into(), &name.into());
            let _ = Reflect::set(&file, &"bytes".into(), &Uint8Array::from(bytes.as_slice()));
            JsValue::from(file)
        })
        .collect()
}

fn code(result: Result<JsValue, JsValue>) -> String {
    let error = result.expect_err("must be refused");
    assert_eq!(get(&error, "name"), JsValue::from("ZhijiError"));
    assert!(get(&error, "message").as_string().is_some_and(|m| m.len() > 10));
    get(&error, "code").as_string().unwrap_or_default()
}

#[wasm_bindgen_test]
fn what_goes_in_comes_out() {
    let mut engine = engine(&Array::new());
    items(&mut engine, 12);
    use_it(&mut engine);
    let consent = engine.consent_state();
    assert_eq!(
        text(&consent),
        format!(r#"{{"status":"granted","policyVersion":"1","purposes":["推荐"],"atMs":{NOW}}}"#)
    );
    let export = json(&String::from(engine.export_data().expect("an export")));
    let first = get(&get(&export, "events"), "0");
    assert_eq!(get(&first, "id"), JsValue::from("sku1"));
    assert_eq!(get(&first, "surface"), JsValue::from("home"));
    assert_eq!(text(&get(&get(&first, "item"), "category")), r#"["手机"]"#);
    let interests = Array::from(&engine.interests(NOW + 3_000.0).expect("now"));
    assert!(
        interests.iter().any(|i| get(&i, "value") == JsValue::from("手机") && get(&i, "events") == JsValue::from(3))
    );
    engine.block("category", "零食 🍪").expect("field");
    assert_eq!(text(&engine.blocks()), r#"[{"field":"category","value":"零食 🍪"}]"#);
}

#[wasm_bindgen_test]
fn a_slate_is_typed_arrays_and_the_same_after_a_restart() {
    let mut live = engine(&Array::new());
    let handles = items(&mut live, 60);
    let cold = Uint32Array::from(get(&rank(&mut live, &handles, 8), "order")).to_vec();
    assert_eq!(cold, (0..8).collect::<Vec<_>>());
    use_it(&mut live);
    let slate = rank(&mut live, &handles, 8);
    let order = Uint32Array::from(get(&slate, "order")).to_vec();
    assert_ne!(order, cold);
    assert_eq!(get(&slate, "personalised"), JsValue::TRUE);
    let propensities = Float32Array::from(get(&slate, "propensities")).to_vec();
    assert_eq!(propensities.iter().filter(|p| **p > 0.0).count(), 1, "one place explores");
    let stored = files(&mut live);
    let mut again = engine(&stored);
    let handles = items(&mut again, 60);
    let bits = |slate: &JsValue| {
        Float32Array::from(get(slate, "scores")).to_vec().iter().map(|s| s.to_bits()).collect::<Vec<_>>()
    };
    let repeated = rank(&mut again, &handles, 8);
    assert_eq!(Uint32Array::from(get(&repeated, "order")).to_vec(), order);
    assert_eq!(bits(&repeated), bits(&slate));
    assert_eq!(again.forget(json(r#"{ "field": "category", "value": "手机" }"#)).expect("field"), 6);
    assert_eq!(Uint32Array::from(get(&rank(&mut again, &handles, 8), "order")).to_vec(), cold);
}

#[wasm_bindgen_test]
fn every_mistake_has_its_code() {
    let mut engine = engine(&Array::new());
    items(&mut engine, 3);
    let mut track = |action: &str, handle: u32, at: f64, detail: &str| {
        let result = engine.track(action.into(), handle, at, json(detail));
        assert!(result.is_err(), "{action} {handle} {at} {detail} was taken");
        code(result.map(JsValue::from))
    };
    assert_eq!(track("clik", 0, NOW, "{}"), "UNKNOWN_ACTION");
    assert_eq!(track("open", 99, NOW, "{}"), "UNKNOWN_ITEM");
    assert_eq!(track("open", 0, f64::NAN, "{}"), "BAD_EVENT");
    assert_eq!(track("open", 0, 0.0, "{}"), "BAD_EVENT");
    assert_eq!(track("open", 0, NOW, r#"{ "dwellMs": -5 }"#), "BAD_EVENT");
    assert_eq!(track("open", 0, NOW, r#"{ "surface": "attic" }"#), "UNKNOWN_SURFACE");
    assert_eq!(track("open", 0, NOW, r#"{ "colour": "red" }"#), "BAD_ARGUMENT");
    let upsert =
        |engine: &mut Engine, list: &str| code(engine.upsert_items(&Array::from(&json(list))).map(JsValue::from));
    assert_eq!(upsert(&mut engine, r#"[{ "id": "a", "price": "9.90" }]"#), "BAD_ITEM");
    assert_eq!(upsert(&mut engine, "[{}]"), "BAD_ITEM");
    assert_eq!(code(engine.forget(json(r#"{ "id": "a", "all": true }"#)).map(JsValue::from)), "BAD_ARGUMENT");
    assert_eq!(
        code(engine.forget(json(r#"{ "field": "colour", "value": "red" }"#)).map(JsValue::from)),
        "UNKNOWN_FIELD"
    );
    assert_eq!(code(engine.sync_manifest(b"{}", NOW)), "BAD_ARGUMENT");
    assert_eq!(code(Engine::new("{}", None, None).map(|_| JsValue::NULL)), "BAD_SCHEMA");
    assert_eq!(code(Engine::new(SCHEMA, Some(vec![1; 31]), None).map(|_| JsValue::NULL)), "BAD_ARGUMENT");
    assert_eq!(code(Engine::new(SCHEMA, None, Some("{}".into())).map(|_| JsValue::NULL)), "MANIFEST_MALFORMED");
    let handles = vec![0u32; 100_000];
    let options = json(&format!(r#"{{ "slots": 10, "nowMs": {NOW} }}"#));
    assert_eq!(code(engine.rank(&handles, &[], &[], &[], &[], &[], options)), "TOO_MANY");
    assert_eq!(get(&engine.report().expect("report"), "events"), JsValue::from(0));
}
