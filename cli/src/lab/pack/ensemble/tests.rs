use super::super::tests::{file, longs, singles, spec_of};
use super::super::{Packed, Smaller, Source, pack};
use super::*;
use safetensors::tensor::Dtype;
use zhiji::bundle;

/// A linear model of two features, of which members may have different ones.
fn linear(features: [&str; 2], weight: [f32; 2], bias: f32) -> Vec<u8> {
    let spec = json!({ "format": 1, "space": "shop", "schema": { "fields": [features[1].split('.').next()] },
        "ranker": { "blocks": [{ "block": "wide", "features": features }],
            "tiers": [{ "tasks": [{ "label": "click", "of": ["wide"] }] }] },
        "probes": [{ "dense": [0.5, 2] }] });
    let tensors: [(&str, Dtype, &[usize], Vec<u8>); 4] = [
        ("wide.weight", Dtype::F32, &[2], singles(&weight)),
        ("wide.mean", Dtype::F32, &[2], singles(&[0.0, 1.0])),
        ("wide.scale", Dtype::F32, &[2], singles(&[1.0, 2.0])),
        ("wide.bias", Dtype::F32, &[1], singles(&[bias])),
    ];
    whole(&[file(&tensors, Some(("zhiji", spec.to_string())))])
}

fn whole(files: &[Vec<u8>]) -> Vec<u8> {
    pack(Source::Model(files, None), None, None, Smaller::default()).expect("packed").bytes
}

/// Two towers over these items, and a task of both blocks, one of them twice; the second block's name begins as the first's.
fn towers(ids: &[u64], first: f32) -> Vec<u8> {
    let spec = json!({ "format": 1, "space": "shop", "schema": { "fields": [] },
        "ranker": { "blocks": [{ "block": "item" }, { "block": "item", "name": "item.own" }, { "block": "recent", "of": ["item"], "decay": 0.5 },
                { "block": "vector", "of": ["recent", "item"] }, { "block": "bias", "of": ["item.own"] }],
            "tiers": [{ "tasks": [{ "label": "click", "of": ["vector", "bias"], "gains": [2, 1] }, { "label": "buy", "of": ["bias"] }],
                "blend": { "sum": [1, 2] } }] },
        "probes": [{ "dense": [], "item": "0000000000000001", "recent": [{ "item": "0000000000000002", "words": [] }] }] });
    let numbers: Vec<f32> = (0..4).map(|at| first + at as f32 / 8.0).collect();
    let tensors: [(&str, Dtype, &[usize], Vec<u8>); 4] = [
        ("items.ids", Dtype::I64, &[2], longs(ids)),
        ("item.vectors", Dtype::F32, &[2, 2], singles(&numbers)),
        ("item.own.vectors", Dtype::F32, &[2, 1], singles(&[0.0; 2])),
        ("item.own.bias", Dtype::F32, &[2], singles(&numbers[..2])),
    ];
    whole(&[file(&tensors, Some(("zhiji", spec.to_string())))])
}

fn merged(files: &[Vec<u8>], over: Over) -> anyhow::Result<Packed> {
    pack(Source::Ensemble(files, over), None, None, Smaller::default())
}

/// What a bundle answers to features by their names, for the item 1 after the item 2; its blend behind the tasks.
fn answers(bytes: &[u8], value: impl Fn(&str) -> f32) -> Vec<f64> {
    let loaded = bundle::load(bytes, "shop").expect("a bundle");
    let stack = loaded.stack();
    let dense: Vec<f32> = stack.features().iter().map(|name| value(name)).collect();
    let (mut at, mut item) = (stack.workspace(), vec![0.0; stack.item_len()]);
    stack.score_item(1, &[], &mut item);
    stack.score_user(&mut at, &dense, &mut std::iter::once((2, &[][..])));
    let mut logits = vec![0.0; stack.labels(0).count()];
    stack.score_pair(&mut at, &item, &dense, 0, &mut logits);
    let blend = stack.blend(0).map(|blend| blend.score(&mut logits.iter().copied()));
    logits.into_iter().chain(blend).map(f64::from).collect()
}

fn members() -> [Vec<u8>; 3] {
    [
        linear(["user.events", "item.acts"], [0.5, -0.25], 0.25),
        linear(["item.acts", "item.weight"], [-1.5, 0.75], -2.0),
        linear(["user.events", "item.acts"], [0.125, 1.0], 3.0),
    ]
}

#[test]
fn an_ensemble_answers_the_mean_of_its_members() {
    let members = members();
    let probability = |logit: f64| f64::from(zhiji::score::probability(logit as f32));
    for over in [Over::Logits, Over::Probabilities] {
        let packed = merged(&members, over).expect("an ensemble");
        // The first and the third ask alike, once all features are named.
        assert_eq!(packed.probes, 2);
        for shift in 0..5 {
            let value = |name: &str| name.len() as f32 / 4.0 - shift as f32;
            let each = members.iter().map(|member| answers(member, value)[0]);
            let [got] = answers(&packed.bytes, value)[..] else { panic!("one task") };
            let (got, expected) = match over {
                Over::Logits => (got, each.sum::<f64>() / 3.0),
                Over::Probabilities => (probability(got), each.map(probability).sum::<f64>() / 3.0),
            };
            assert!((got - expected).abs() < 1e-5, "{over:?}: {got} for {expected}");
        }
    }
    let spec = spec_of(&merged(&members, Over::Logits).expect("an ensemble").bytes);
    assert_eq!(spec["schema"]["fields"], json!(["item"]));
}

#[test]
fn members_over_one_catalogue_share_its_ids_and_keep_their_tasks() {
    let members = [towers(&[1, 2], -0.5), towers(&[1, 2], 0.75)];
    let packed = merged(&members, Over::Logits).expect("an ensemble");
    let each = members.each_ref().map(|member| answers(member, |_| 0.0));
    let got = answers(&packed.bytes, |_| 0.0);
    assert_eq!(got.len(), 3);
    for at in 0..2 {
        let expected = (each[0][at] + each[1][at]) / 2.0;
        assert!((got[at] - expected).abs() < 1e-6, "{at}: {got:?} of {each:?}");
    }
    let names: Vec<String> =
        bundle::tensors(&packed.bytes).expect("a bundle").into_iter().map(|listed| listed.0).collect();
    assert_eq!(names.iter().filter(|name| *name == "items.ids").count(), 1);
    assert!(names.contains(&"item.1.vectors".into()) && names.contains(&"item.own.1.bias".into()), "{names:?}");
    // An ensemble is a bundle, and may be a member.
    let again = merged(&[packed.bytes.clone(), packed.bytes.clone()], Over::Logits).expect("an ensemble of ensembles");
    assert!(answers(&again.bytes, |_| 0.0).iter().zip(&got).all(|(a, b)| (a - b).abs() < 1e-6));
}

#[test]
fn what_has_no_mean_is_refused_with_what_to_do() {
    let refused = |files: &[Vec<u8>], over| merged(files, over).map(|_| ()).expect_err("refused").to_string();
    let [first, second, _] = members();
    let says = |change: &dyn Fn(&mut Value), says: &str| {
        let mut spec = spec_of(&second);
        spec["probes"][0] = json!({ "dense": [0, 0] });
        change(&mut spec);
        let spec = spec.to_string();
        let source = Source::Model(std::slice::from_ref(&second), Some(&spec));
        let changed = pack(source, None, None, Smaller::default()).expect("packed").bytes;
        let said = refused(&[first.clone(), changed], Over::Logits);
        assert!(said.contains(says), "{said}");
    };
    let tasks = |spec: &Value| spec["ranker"]["tiers"][0].clone();
    says(&|spec| spec["space"] = "mall".into(), "the space");
    says(&|spec| spec["ranker"]["tiers"][0]["tasks"][0]["label"] = "buy".into(), "the same labels");
    says(&|spec| spec["ranker"]["tiers"][0]["tasks"][0]["calibration"] = json!({ "platt": [1, 0] }), "calibrate the");
    says(&|spec| spec["ranker"]["tiers"] = json!([tasks(spec), tasks(spec)]), "as many tiers");
    says(&|spec| spec["ranker"]["tiers"][0]["blend"] = json!({ "sum": [1] }), "the same tasks and blend");
    says(&|spec| spec["schema"]["fingerprint"] = "0123456789abcdef".into(), "fingerprint");
    assert!(refused(&[towers(&[1, 2], 0.0), towers(&[2, 1], 0.0)], Over::Logits).contains("same items"));
    assert!(refused(&[towers(&[1, 2], 0.0), towers(&[1, 2], 0.5)], Over::Probabilities).contains("mean of logits"));
    let mut twice = spec_of(&second);
    twice["ranker"]["tiers"][0]["tasks"][0]["gains"] = json!([2]);
    twice["probes"][0] = json!({ "dense": [0, 0] });
    let twice = twice.to_string();
    let source = Source::Model(std::slice::from_ref(&second), Some(&twice));
    let twice = pack(source, None, None, Smaller::default()).expect("packed").bytes;
    assert!(refused(&[first.clone(), twice], Over::Probabilities).contains("mean of logits"), "a gain is no block's");
    assert!(refused(&[first.clone(), towers(&[1, 2], 0.0)], Over::Logits).contains("the same tasks"));
    assert!(refused(std::slice::from_ref(&first), Over::Logits).contains("two bundles"));
}
