use super::*;

const SHOP: &str = r#"{ "space": "shop",
  "fields": { "category": { "kind": "category" }, "tags": { "kind": "tags" },
              "price": { "kind": "number", "scale": "log", "volatile": true }, "stock": { "kind": "number", "volatile": true } },
  "actions": { "impression": { "role": "impression" }, "open": { "weight": 1 }, "hide": { "weight": -4 } },
  "labels": { "click": { "positive": ["open"], "windowMinutes": 30 } },
  "surfaces": ["home"], "policy": { "filters": [{ "field": "stock", "atLeast": 1 }] } }"#;

#[test]
fn the_order_of_the_document_is_kept() {
    let schema = Schema::open(SHOP).unwrap();
    let names: Vec<_> = schema.fields.iter().map(|f| f.name.as_str()).collect();
    assert_eq!(names, ["category", "tags", "price", "stock"]);
    assert_eq!(schema.volatiles().collect::<Vec<_>>(), [2, 3]);
    assert_eq!(schema.impression(), 0);
    assert_eq!(schema.labels[0].rule, Rule::Follows { positive: 0b10, window_ms: 1_800_000 });
}

#[test]
fn each_mistake_is_named() {
    for (from, to, at) in [
        ("\"shop\"", "\"a shop\"", "space"),
        ("\"scale\": \"log\", ", "\"sort\": 1, ", "(document)"),
        ("\"kind\": \"category\"", "\"kind\": \"category\", \"volatile\": true", "fields.category"),
        ("\"hide\": { \"weight\": -4 }", "\"open\": { \"weight\": -4 }", "actions.open"),
        ("\"weight\": -4", "\"weight\": -400", "actions.hide.weight"),
        ("[\"open\"]", "[\"opened\"]", "labels.click"),
        ("\"field\": \"stock\"", "\"field\": \"tags\"", "policy.filters"),
        ("\"category\": {", "\"id\": {", "fields.id"),
        ("\"surfaces\":", "\"halfLifeDays\": [0], \"surfaces\":", "halfLifeDays"),
        ("{ \"filters\"", "{ \"explore\": { \"slots\": 1, \"epsilon\": 2 }, \"filters\"", "policy.explore"),
        (
            "{ \"filters\"",
            "{ \"explore\": { \"slots\": 1, \"epsilon\": 0, \"by\": \"ucb\" }, \"filters\"",
            "policy.explore.epsilon",
        ),
        (
            "{ \"filters\"",
            "{ \"explore\": { \"slots\": 1, \"epsilon\": 0.1, \"by\": \"all\" }, \"filters\"",
            "(document)",
        ),
        (
            "{ \"filters\"",
            "{ \"explore\": { \"slots\": 1, \"epsilon\": 0.1, \"width\": 11 }, \"filters\"",
            "policy.explore.width",
        ),
        ("\"surfaces\":", "\"retention\": { \"events\": 1, \"days\": 1 }, \"surfaces\":", "retention"),
    ] {
        assert!(SHOP.contains(from));
        match Schema::open(&SHOP.replacen(from, to, 1)) {
            Err(Error::BadSchema { at: found, .. }) => assert_eq!(found, at),
            other => panic!("{from} → {to}: {other:?}"),
        }
    }
}

#[test]
fn the_fingerprint_follows_what_is_stored_and_nothing_else() {
    let base = Schema::open(SHOP).unwrap().fingerprint();
    let same = Schema::open(&SHOP.replace("\"weight\": 1", "\"weight\": 2")).unwrap().fingerprint();
    let other =
        Schema::open(&SHOP.replace("\"tags\"", "\"labels2\"").replace("\"kind\": \"labels2\"", "\"kind\": \"tags\""));
    assert_eq!(base, same);
    assert_ne!(base, other.unwrap().fingerprint());
}

#[test]
fn hash64_keeps_its_values() {
    // Computed by an independent implementation of the two sources (Python integers).
    assert_eq!(hash64(b""), HASH_EMPTY);
    assert_eq!(hash64("女装".as_bytes()), HASH_WORD);
}

const HASH_EMPTY: u64 = 0xefd0_1f60_ba99_2926;
const HASH_WORD: u64 = 0x35de_f46a_3205_0a4c;
