use super::*;
use safetensors::tensor::TensorView;
use std::collections::HashMap;

/// Packs one model.
fn pack(
    files: &[Vec<u8>],
    spec: Option<String>,
    examples: Option<&[u8]>,
    smaller: Smaller<'_>,
) -> anyhow::Result<Packed> {
    super::pack(Source::Model(files, spec.as_deref()), examples, None, smaller)
}

/// A file of these tensors, as any trainer writes it.
pub(super) fn file(tensors: &[(&str, Dtype, &[usize], Vec<u8>)], metadata: Option<(&str, String)>) -> Vec<u8> {
    let views = tensors
        .iter()
        .map(|(name, dtype, shape, bytes)| (*name, TensorView::new(*dtype, shape.to_vec(), bytes).expect("a tensor")));
    let metadata = metadata.map(|(key, value)| HashMap::from([(key.to_string(), value)]));
    safetensors::serialize(views, metadata).expect("a file")
}

pub(super) fn singles(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|x| x.to_le_bytes()).collect()
}

fn doubles(numbers: &[f64]) -> Vec<u8> {
    numbers.iter().flat_map(|x| x.to_le_bytes()).collect()
}

pub(super) fn longs(numbers: &[u64]) -> Vec<u8> {
    numbers.iter().flat_map(|x| x.to_le_bytes()).collect()
}

const LINEAR: &str = r#"{ "format": 1, "space": "shop", "schema": { "fields": [] },
    "ranker": { "blocks": [{ "block": "wide", "features": ["user.events", "item.acts"], "hashed": ["id"] }],
        "tiers": [{ "tasks": [{ "label": "click", "of": ["wide"] }] }] },
    "probes": [{ "dense": [0.5, 2], "item": "b360dc87d45aee69" }] }"#;

/// `wide` of two features and two buckets, in double precision as a statistician's tool would have it.
fn linear() -> Vec<u8> {
    file(
        &[
            ("wide.weight", Dtype::F64, &[2], doubles(&[0.5, -0.25])),
            ("wide.mean", Dtype::F32, &[2], singles(&[0.0, 1.0])),
            ("wide.scale", Dtype::F32, &[2], singles(&[1.0, 2.0])),
            ("wide.bias", Dtype::F32, &[1], singles(&[0.25])),
            ("wide.hashed", Dtype::F32, &[2], singles(&[0.125, 0.125])),
        ],
        None,
    )
}

pub(super) fn spec_of(bundle: &[u8]) -> Value {
    serde_json::from_str(&own_spec(bundle).expect("a file").expect("a spec")).expect("JSON")
}

#[test]
fn foreign_weights_become_a_bundle_whose_probes_the_engine_answers() {
    let packed = pack(&[linear()], Some(LINEAR.into()), None, Smaller::default()).expect("packed");
    assert_eq!((packed.probes, packed.quantised.len()), (1, 0));
    // 0.25 + 0.125 + 0.5 · 0.5 − 0.25 · (2 − 1) / 2
    let logits = spec_of(&packed.bytes)["probes"][0]["logits"].clone();
    assert_eq!(logits, json!([format!("{:08x}", 0.5f32.to_bits())]));
    assert!(bundle::load(&packed.bytes, "shop").is_ok());
    let again = pack(std::slice::from_ref(&packed.bytes), None, None, Smaller::default()).expect("packed again");
    assert_eq!(again.bytes, packed.bytes, "a bundle is its own weights and spec");
}

#[test]
fn probes_come_from_examples() {
    let about = json!({ "features": ["item.acts", "unused", "user.events"], "fields": ["category"], "idField": 65535 });
    let dense: Vec<f32> = (0..20).flat_map(|i| [2.0, 9.0, i as f32]).collect();
    let keys: Vec<u64> = (0..20).flat_map(|i| [100 + i, 7]).collect();
    let fields: Vec<u8> = (0..20).flat_map(|_| [65_535i32, 0]).flat_map(i32::to_le_bytes).collect();
    let ends: Vec<u64> = (0..20).map(|i| 2 * i + 2).collect();
    let examples = file(
        &[
            ("dense", Dtype::F32, &[20, 3], singles(&dense)),
            ("keys", Dtype::I64, &[40], longs(&keys)),
            ("key_fields", Dtype::I32, &[40], fields),
            ("key_ends", Dtype::I64, &[20], longs(&ends)),
        ],
        Some(("zhiji.examples", about.to_string())),
    );
    let packed = pack(&[linear()], Some(LINEAR.into()), Some(&examples), Smaller::default()).expect("packed");
    assert_eq!(packed.probes, 8);
    let probe = spec_of(&packed.bytes)["probes"][3].clone();
    // Every second example: the fourth is number 6. The spec names user.events first.
    let bits = |x: f32| format!("{:08x}", x.to_bits());
    assert_eq!(probe["dense"], json!([bits(6.0), bits(2.0)]));
    assert_eq!(probe["item"], format!("{:016x}", 106));
    assert_eq!(probe["words"], json!([["category", "0000000000000007"]]));
    let other = LINEAR.replace("item.acts", "item.weight");
    let refusal = pack(&[linear()], Some(other), Some(&examples), Smaller::default())
        .map(|_| ())
        .expect_err("refused")
        .to_string();
    assert!(refusal.contains("`item.weight`"), "{refusal}");
}

const fn quantised(names: &[String]) -> Smaller<'_> {
    Smaller { quantised: names, halved: &[] }
}

const TOWERS: &str = r#"{ "format": 1, "space": "shop", "schema": { "fields": [] },
    "ranker": { "blocks": [{ "block": "item" }, { "block": "recent", "of": ["item"], "decay": 0.5 },
            { "block": "vector", "of": ["recent", "item"] }],
        "tiers": [{ "tasks": [{ "label": "click", "of": ["vector"] }] }] },
    "probes": [{ "dense": [], "item": "0000000000000001", "recent": [{ "item": "0000000000000002", "words": [] }] }] }"#;

#[test]
fn tables_become_bytes_within_half_a_step() {
    let vectors: Vec<f32> = (0..64 * 16).map(|i| ((i * 37 % 23) as f32 - 11.0) * 0.01).collect();
    let ids: Vec<u64> = (1..=64).collect();
    let weights = file(
        &[("items.ids", Dtype::I64, &[64], longs(&ids)), ("item.vectors", Dtype::F32, &[64, 16], singles(&vectors))],
        Some(("zhiji", TOWERS.into())),
    );
    let logit = |bytes: &[u8]| {
        let logits = spec_of(bytes)["probes"][0]["logits"][0].as_str().expect("digits").to_string();
        f32::from_bits(u32::from_str_radix(&logits, 16).expect("bits"))
    };
    let plain = pack(std::slice::from_ref(&weights), None, None, Smaller::default()).expect("packed");
    let packed = pack(std::slice::from_ref(&weights), None, None, quantised(&["all".into()])).expect("packed");
    assert!(packed.bytes.len() < plain.bytes.len());
    let [only] = &packed.quantised[..] else { panic!("one table") };
    assert_eq!(only.name, "item.vectors");
    assert!(only.worst > 0.0 && only.worst <= 0.5 / 127.0 + 1e-6, "{only:?}");
    let (exact, rounded) = (logit(&plain.bytes), logit(&packed.bytes));
    assert!(exact != rounded && (exact - rounded).abs() < 1e-3, "{exact} {rounded}");
    let later =
        pack(std::slice::from_ref(&plain.bytes), None, None, quantised(&["item.vectors".into()])).expect("packed");
    assert_eq!(later.bytes, packed.bytes, "a bundle's own answers do not stand in the way");
    let refused = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|n| (*n).to_string()).collect();
        pack(std::slice::from_ref(&weights), None, None, quantised(&names))
            .map(|_| ())
            .expect_err("refused")
            .to_string()
    };
    assert!(refused(&["item.bias"]).contains("no tensor `item.bias`"));
    assert!(refused(&["items.ids"]).contains("no table of singles"));
}

#[test]
fn numbers_become_the_halves_nearest_to_them() {
    let all = ["all".to_string()];
    let halved = Smaller { quantised: &[], halved: &all };
    // A third is no half; the lists of a wide block are few numbers and stay, but for the hashed ones.
    let with = |x: f32| {
        let hashed = file(&[("wide.hashed", Dtype::F32, &[4], singles(&[x, 0.125, -2.0, 0.0]))], None);
        let rest = file(
            &[
                ("wide.weight", Dtype::F32, &[2], singles(&[0.5, -0.25])),
                ("wide.mean", Dtype::F32, &[2], singles(&[0.0, 1.0])),
                ("wide.scale", Dtype::F32, &[2], singles(&[1.0, 2.0])),
                ("wide.bias", Dtype::F32, &[1], singles(&[0.25])),
            ],
            None,
        );
        pack(&[hashed, rest], Some(LINEAR.into()), None, halved)
    };
    let packed = with(1.0 / 3.0).expect("packed");
    let [only] = &packed.halved[..] else { panic!("one tensor") };
    assert_eq!(only.name, "wide.hashed");
    assert!(only.worst > 0.0 && only.worst < 1.0 / 4096.0, "{only:?}");
    let types: Vec<&str> = bundle::tensors(&packed.bytes).expect("a bundle").into_iter().map(|t| t.1).collect();
    assert_eq!(types.iter().filter(|t| **t == "F16").count(), 1);
    let plain = pack(std::slice::from_ref(&packed.bytes), None, None, Smaller::default()).expect("packed again");
    assert_eq!(plain.bytes, packed.bytes);
    assert!(with(70_000.0).map(|_| ()).expect_err("refused").to_string().contains("65,504"));
    // A table is written as bytes where both are asked for.
    let ids: Vec<u64> = (1..=4).collect();
    let towers = file(
        &[("items.ids", Dtype::I64, &[4], longs(&ids)), ("item.vectors", Dtype::F32, &[4, 2], singles(&[0.3; 8]))],
        Some(("zhiji", TOWERS.into())),
    );
    let both =
        pack(std::slice::from_ref(&towers), None, None, Smaller { quantised: &all, halved: &all }).expect("packed");
    assert_eq!((both.quantised.len(), both.halved.len()), (1, 0));
    let half = pack(std::slice::from_ref(&towers), None, None, halved).expect("packed");
    assert_eq!((half.quantised.len(), half.halved.len()), (0, 1));
}

#[test]
fn what_a_phone_would_refuse_is_refused_with_its_code() {
    let refused = |files: &[Vec<u8>], spec: Option<&str>| {
        pack(files, spec.map(String::from), None, Smaller::default()).map(|_| ()).expect_err("refused").to_string()
    };
    assert!(refused(&[linear()], None).contains("--spec"));
    assert!(refused(&[b"no".to_vec()], Some(LINEAR)).contains("safetensors"));
    assert!(refused(&[linear()], Some("{")).contains("no JSON"));
    let extra = file(&[("spare", Dtype::F32, &[1], singles(&[0.0]))], None);
    assert!(refused(&[linear(), extra], Some(LINEAR)).starts_with("BUNDLE_MALFORMED"));
    let wild = file(&[("wide.bias", Dtype::C64, &[1], vec![0; 8])], None);
    assert!(refused(&[wild], Some(LINEAR)).contains("convert it to F32"));
}

#[test]
fn a_bundle_tells_the_ids_of_its_items_in_their_order() {
    let wires = ["sku-2", "sku-1", "货 3"].map(|id| hash64(id.as_bytes()));
    let weights = file(
        &[("items.ids", Dtype::I64, &[3], longs(&wires)), ("item.vectors", Dtype::F32, &[3, 2], singles(&[0.3; 6]))],
        Some(("zhiji", TOWERS.into())),
    );
    let packed = |ids: &str| {
        let weights = std::slice::from_ref(&weights);
        super::pack(Source::Model(weights, None), None, Some(ids), Smaller::default())
    };
    let bytes = packed("another\n货 3\nsku-1\nsku-2\n").expect("packed").bytes;
    let loaded = bundle::load(&bytes, "shop").expect("a bundle");
    let named: Vec<(&[u8], u32)> = loaded.stack().named().map(|(id, _, row)| (id, row)).collect();
    assert_eq!(named, [(&b"sku-2"[..], 0), (b"sku-1", 1), ("货 3".as_bytes(), 2)]);
    let refusal = packed("sku-1").map(|_| ()).expect_err("refused").to_string();
    assert!(refusal.contains("2 of the bundle's 3 items"), "{refusal}");
    let again = std::slice::from_ref(&bytes);
    let again = super::pack(Source::Model(again, None), None, Some("sku-1\nsku-2\n货 3"), Smaller::default());
    assert_eq!(again.expect("packed again").bytes.len(), bytes.len(), "the ids take the place of those that were told");
    let linear = [linear()];
    let none = super::pack(Source::Model(&linear, Some(LINEAR)), None, Some("sku-1"), Smaller::default());
    assert!(none.map(|_| ()).expect_err("refused").to_string().contains("no `items.ids`"));
}
