//! Graphs that `cli/fixtures/onnx_graphs.py` had PyTorch export, with what PyTorch said of random inputs.

use super::*;
use serde_json::Value;
use std::path::PathBuf;

fn fixture(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/onnx").join(name);
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn texts(of: &Value) -> Vec<String> {
    of.as_array().expect("a list").iter().map(|text| text.as_str().expect("a text").into()).collect()
}

fn about(case: &Value) -> About {
    let inputs = case["inputs"].as_object().expect("inputs");
    About {
        space: "shop".into(),
        labels: texts(&case["labels"]),
        inputs: inputs.iter().map(|(name, features)| (name.clone(), texts(features))).collect(),
    }
}

fn cases() -> Vec<Value> {
    let text = String::from_utf8(fixture("cases.json")).expect("text");
    serde_json::from_str::<Value>(&text).expect("JSON").as_array().expect("a list").clone()
}

#[test]
fn imported_graphs_answer_as_pytorch_does() {
    let mut kinds = Vec::new();
    for case in cases().iter().filter(|case| case["refusal"].is_null()) {
        let file = case["file"].as_str().expect("a name");
        let imported = import(&fixture(file), &about(case)).unwrap_or_else(|e| panic!("{file}: {e:#}"));
        kinds.extend(imported.blocks.iter().map(|(kind, _)| kind.clone()));
        let loaded = bundle::load(&imported.bytes, "shop").unwrap_or_else(|e| panic!("{file}: {e}"));
        let stack = loaded.stack();
        for example in case["examples"].as_array().expect("a list") {
            let value = |name: &String| example["dense"][name].as_f64().expect("a number") as f32;
            let dense: Vec<f32> = stack.features().iter().map(value).collect();
            let (mut at, mut item) = (stack.workspace(), vec![0.0; stack.item_len()]);
            stack.score_item(1, &[], &mut item);
            stack.score_user(&mut at, &dense, &mut std::iter::empty());
            let mut logits = vec![0.0; stack.labels(0).count()];
            stack.score_pair(&mut at, &item, &dense, 0, &mut logits);
            for (got, expected) in logits.iter().zip(example["logits"].as_array().expect("a list")) {
                let expected = expected.as_f64().expect("a number");
                assert!(
                    (f64::from(*got) - expected).abs() <= 1e-5 * (1.0 + expected.abs()),
                    "{file}: {got} for {expected}"
                );
            }
        }
    }
    for kind in ["dense", "mlp", "product"] {
        assert!(kinds.iter().any(|known| known == kind), "no fixture has a {kind}");
    }
}

#[test]
fn what_no_block_stands_for_is_named() {
    let mut refused = 0;
    for case in cases().iter().filter(|case| !case["refusal"].is_null()) {
        let file = case["file"].as_str().expect("a name");
        let error = import(&fixture(file), &about(case)).map(|_| ()).expect_err(file);
        for part in texts(&case["refusal"]) {
            assert!(format!("{error:#}").contains(&part), "{file}: {error:#} does not say {part}");
        }
        refused += 1;
    }
    assert!(refused >= 4, "{refused}");
}

#[test]
fn inputs_and_labels_must_be_those_of_the_graph() {
    let cases = cases();
    let case = cases.iter().find(|case| case["file"] == "perceptron.onnx").expect("the case");
    let bytes = fixture("perceptron.onnx");
    let said = |about: &About| format!("{:#}", import(&bytes, about).map(|_| ()).expect_err("refused"));
    let mut other = about(case);
    other.labels.push("buy".into());
    assert!(said(&other).contains("name as many labels"));
    let mut other = about(case);
    other.inputs[0].0 = "y".into();
    assert!(said(&other).contains("`x`"), "{}", said(&other));
    let mut other = about(case);
    other.inputs[0].1.pop();
    assert!(said(&other).contains("numbers"), "{}", said(&other));
    let mut nameless = about(case);
    nameless.inputs[0].0 = String::new();
    assert!(import(&bytes, &nameless).is_ok(), "the only input needs no name");
}

#[test]
fn damaged_files_are_refused() {
    let bytes = fixture("perceptron.onnx");
    let cases = cases();
    let case = cases.iter().find(|case| case["file"] == "perceptron.onnx").expect("the case");
    for cut in (0..bytes.len()).step_by(7) {
        // Whatever is left of it is refused, or is a smaller graph that is sound.
        let _ = import(&bytes[..cut], &about(case));
    }
    assert!(import(&[], &about(case)).is_err());
    assert!(import(b"no protobuf at all", &about(case)).is_err());
}
