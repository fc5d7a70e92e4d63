//! What stands over the blocks: calibrations, blends, ensembles of probabilities.

use super::*;
use crate::kernel::math::{exp_f64, ln_f64, sigmoid_f64};

const TENSORS: [Singles<'static>; 8] = [
    ("a.weight", &[1], &[1.0]),
    ("a.mean", &[1], &[0.0]),
    ("a.scale", &[1], &[1.0]),
    ("a.bias", &[1], &[0.0]),
    ("b.weight", &[1], &[-0.5]),
    ("b.mean", &[1], &[0.0]),
    ("b.scale", &[1], &[1.0]),
    ("b.bias", &[1], &[0.25]),
];

/// Two linear blocks, their mean and the mean of their probabilities, and these tiers.
fn heads(tiers: Value) -> Value {
    let mut spec = spec(
        json!([
            { "block": "wide", "name": "a", "features": ["x"] },
            { "block": "wide", "name": "b", "features": ["x"] },
            { "block": "mean", "of": ["a", "b"] },
            { "block": "mean", "name": "chance", "of": ["a", "b"], "over": "probabilities" },
        ]),
        json!(["a"]),
        json!({ "dense": [3] }),
    );
    spec["ranker"]["tiers"] = tiers;
    spec
}

fn answers(tiers: Value) -> Vec<f32> {
    let bytes = written(&heads(tiers), &TENSORS, &[]).unwrap();
    let parts = open(&bytes).unwrap().0;
    parts.probes[0].answers(&parts.stack)
}

#[test]
fn calibrations_and_blends_are_their_formulas() {
    // a is 3, b is −1.25.
    let tasks = |first: Value, second: Value| json!([{ "label": "click", "of": ["a"], "calibration": first }, { "label": "buy", "of": ["b"], "calibration": second }]);
    let line = json!({ "line": [[-2, -4], [0, 1], [4, 1]] });
    let got = answers(json!([
        { "tasks": tasks(json!({ "platt": [0.5, -1] }), line), "blend": { "powers": [1, 0.5] } },
        { "tasks": tasks(json!({ "steps": [[2, 7], [3, 8], [4, 9]] }), json!(null)), "blend": { "sum": [1, 3] } },
        { "tasks": [{ "label": "click", "of": ["mean"] }, { "label": "buy", "of": ["chance"] }] },
    ]));
    let logit = |p: f64| ln_f64(p / (1.0 - p));
    let (a, b) = (0.5 * 3.0 - 1.0, -4.0 + 0.75 / 2.0 * 5.0);
    let power = exp_f64((ln_f64(sigmoid_f64(a)) + 0.5 * ln_f64(sigmoid_f64(b))) / 1.5);
    let sum = (sigmoid_f64(8.0) + 3.0 * sigmoid_f64(-1.25)) / 4.0;
    let chance = (sigmoid_f64(3.0) + sigmoid_f64(-1.25)) / 2.0;
    let want = [a, b, logit(power), 8.0, -1.25, logit(sum), (3.0 - 1.25) / 2.0, logit(chance)];
    assert_eq!(got.len(), want.len());
    for (got, want) in got.iter().zip(want) {
        assert!((f64::from(*got) - want).abs() < 1e-5, "{got} instead of {want}");
    }
}

#[test]
fn a_probe_answers_for_the_blend_too() {
    let mut spec = heads(json!([{ "tasks": [{ "label": "click", "of": ["a"] }], "blend": { "sum": [2] } }]));
    spec["probes"][0]["logits"] = json!([3, 3]);
    written(&spec, &TENSORS, &[]).unwrap();
    spec["probes"][0]["logits"] = json!([3, 3.001]);
    assert_eq!(written(&spec, &TENSORS, &[]).unwrap_err().code(), "BUNDLE_PROBE");
    spec["probes"][0]["logits"] = json!([3]);
    let refused = written(&spec, &TENSORS, &[]).unwrap_err();
    assert!(matches!(refused, BundleError::Spec { at: "probes.logits", .. }), "{refused}");
}

#[test]
fn a_linear_tier_that_is_calibrated_scores_many_as_it_scores_one() {
    let tiers = json!([{ "tasks": [{ "label": "click", "of": ["a"], "calibration": { "platt": [2, 1] } }] }]);
    let stack = load(&written(&heads(tiers), &TENSORS, &[]).unwrap(), "shop").unwrap().into_parts().0;
    let mut at = stack.workspace();
    let (rows, mut many): (Vec<f32>, [f32; 11]) = ((0..11u8).map(f32::from).collect(), [0.0; 11]);
    stack.score_pairs(&mut at, &[], (&rows, 1), 0, &mut many);
    for (x, got) in rows.iter().zip(many) {
        let mut one = [0.0];
        stack.score_pair(&mut at, &vec![0.0; stack.item_len()], &[*x], 0, &mut one);
        assert_eq!((one[0].to_bits(), got), (got.to_bits(), 2.0 * x + 1.0));
    }
}

#[test]
fn heads_that_cannot_be_say_where() {
    let refused = |tier: Value| match written(&heads(json!([tier])), &TENSORS, &[]).unwrap_err() {
        BundleError::Spec { at, .. } => at,
        BundleError::Json { .. } => "json",
        other => panic!("{other}"),
    };
    let calibrated = |calibration: Value| {
        refused(json!({ "tasks": [{ "label": "click", "of": ["a"], "calibration": calibration }] }))
    };
    let knots: Vec<[f32; 2]> = (0..65u8).map(|at| [f32::from(at); 2]).collect();
    for wrong in [
        json!({}),
        json!({ "platt": [1, 0], "line": [[0, 0], [1, 1]] }),
        json!({ "platt": [1] }),
        json!({ "platt": [0, 1] }),
        json!({ "platt": [-1, 1] }),
        json!({ "platt": [1e39, 1] }),
        json!({ "steps": [] }),
        json!({ "steps": [[0, 0, 0]] }),
        json!({ "steps": [[0, 0], [0, 1]] }),
        json!({ "steps": [[0, 1], [1, 0]] }),
        json!({ "steps": [[0, 1e7]] }),
        json!({ "steps": knots }),
        json!({ "line": [[0, 0]] }),
    ] {
        assert_eq!(calibrated(wrong.clone()), "ranker.tiers.tasks.calibration", "{wrong}");
    }
    assert_eq!(calibrated(json!({ "isotonic": [] })), "json");
    let blended = |blend: Value| refused(json!({ "tasks": [{ "label": "click", "of": ["a"] }], "blend": blend }));
    for wrong in [
        json!({}),
        json!({ "sum": [1], "powers": [1] }),
        json!({ "sum": [1, 1] }),
        json!({ "sum": [] }),
        json!({ "sum": [0] }),
        json!({ "powers": [-1] }),
        json!({ "powers": [1e39] }),
    ] {
        assert_eq!(blended(wrong.clone()), "ranker.tiers.blend", "{wrong}");
    }
    assert_eq!(blended(json!({ "formula": "click^2" })), "json");
    let mut spec = heads(json!([{ "tasks": [{ "label": "click", "of": ["a"] }] }]));
    spec["ranker"]["blocks"][3]["over"] = json!("ranks");
    let refused = written(&spec, &TENSORS, &[]).unwrap_err();
    assert!(matches!(refused, BundleError::Spec { at: "ranker.blocks.over", .. }), "{refused}");
}
