//! The engine against PyTorch: every block on random weights and inputs, within a hundred-thousandth.
//!
//! `tools/torch/fixtures.py` wrote what is in `tests/fixtures/torch`: bundles, and beside each the answers that its modules gave.
#![cfg(not(target_arch = "wasm32"))]
#![allow(missing_docs)]

use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use zhiji::bundle::{self, Stack};

const SLACK: f64 = 1e-5;
/// Every block that the engine has.
const KINDS: [&str; 15] = [
    "attention",
    "covisit",
    "cross",
    "dense",
    "embed",
    "fm",
    "item",
    "mean",
    "mlp",
    "mmoe",
    "product",
    "recent",
    "sequence",
    "vector",
    "wide",
];

fn bundles() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/torch");
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let mut bundles: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|e| e == "safetensors")).collect();
    bundles.sort();
    bundles
}

fn key(digits: &Value) -> u64 {
    u64::from_str_radix(digits.as_str().unwrap(), 16).unwrap()
}

fn list(of: &Value) -> &[Value] {
    of.as_array().unwrap()
}

/// What the engine answers to a question: the logits of every tier, and behind them the score of its blend.
fn answers(stack: &Stack, question: &Value) -> Vec<f32> {
    let dense: Vec<f32> = list(&question["dense"]).iter().map(|x| x.as_f64().unwrap() as f32).collect();
    let place = |field: &Value| stack.fields().iter().position(|known| known == field.as_str().unwrap());
    let words: Vec<(u16, u64)> = list(&question["words"])
        .iter()
        .map(|word| (place(&word[0]).map_or(u16::MAX, |at| at as u16), key(&word[1])))
        .collect();
    let recent: Vec<(u64, Vec<u64>)> = list(&question["recent"])
        .iter()
        .map(|met| (key(&met["item"]), list(&met["words"]).iter().map(key).collect()))
        .collect();
    let (mut at, mut item) = (stack.workspace(), vec![0.0; stack.item_len()]);
    stack.score_item(key(&question["item"]), &words, &mut item);
    stack.score_user(&mut at, &dense, &mut recent.iter().map(|(wire, keys)| (*wire, keys.as_slice())));
    let mut all = Vec::new();
    for tier in 0..stack.tiers() {
        let mut logits = vec![0.0; stack.labels(tier).count()];
        stack.score_pair(&mut at, &item, &dense, tier, &mut logits);
        let score = stack.blend(tier).map(|blend| blend.score(&mut logits.iter().copied()));
        all.extend(logits);
        all.extend(score);
    }
    all
}

#[test]
fn the_engine_computes_what_pytorch_computes() {
    let mut blocks = BTreeSet::new();
    for path in bundles() {
        let Ok(bundle) = bundle::load(&std::fs::read(&path).unwrap(), "shop").map_err(|e| println!("{path:?}: {e}"))
        else {
            continue;
        };
        let stack = bundle.stack();
        blocks.extend(stack.blocks().map(|(kind, _)| kind));
        let cases = std::fs::read_to_string(path.with_extension("json")).unwrap();
        let cases: Value = serde_json::from_str(&cases).unwrap();
        assert!(list(&cases).len() >= 12);
        for (number, case) in list(&cases).iter().enumerate() {
            let answers = answers(stack, case);
            assert_eq!(answers.len(), list(&case["logits"]).len(), "{path:?}");
            for (answer, logit) in answers.iter().zip(list(&case["logits"])) {
                let logit = logit.as_f64().unwrap();
                let error = (f64::from(*answer) - logit).abs() / (1.0 + logit.abs());
                assert!(error <= SLACK, "{path:?}, case {number}: {answer} instead of {logit}");
            }
        }
    }
    for kind in KINDS {
        assert!(blocks.contains(kind), "no fixture has the block {kind}");
    }
}
