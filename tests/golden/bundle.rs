//! The golden bundle: every block in one ranker, whose probes each build of the engine must answer with the same bits.
//!
//! The self-test page carries it (`miniprogram/services/golden.js`), so that what is shipped is held to the bits of the native build, on any
//! phone and in every test, by the path that a model takes.

#[path = "../hostile/made.rs"]
mod made;

use self::made::{Of, made};
use serde_json::{Value, json};
use zhiji::bundle;
use zhiji::rng::SplitMix;

/// How many items have rows.
const ITEMS: usize = 11;
/// The length of their vectors: of bytes, and of singles.
const BYTES: usize = 8;
const SINGLES: usize = 5;

fn key(n: u64) -> String {
    format!("{n:016x}")
}

fn spec() -> Value {
    let item = |n: u64| json!({ "item": key(n), "words": [key(n << 32), key((n + 1) << 32)] });
    let judged = |n: u64, value: f32| json!({ "item": key(n), "value": value });
    let history: Vec<Value> = (1..=9).map(item).collect();
    json!({
        "format": 1,
        "space": "golden",
        "schema": { "fields": [] },
        "ranker": {
            "blocks": [
                { "block": "dense", "name": "user", "features": ["user.events", "user.acts"], "side": "user" },
                { "block": "dense", "features": ["item.acts", "age", "price"] },
                { "block": "embed", "hashed": ["category", "tags"] },
                { "block": "item" },
                { "block": "item", "name": "odd" },
                { "block": "bias", "of": ["item"] },
                { "block": "recent", "of": ["item"], "decay": 0.75 },
                { "block": "recent", "name": "recent_odd", "of": ["odd"], "decay": 0.5 },
                { "block": "ridge", "of": ["item"], "decay": 0.9375 },
                { "block": "vector", "of": ["recent", "item"] },
                { "block": "vector", "name": "taste", "of": ["ridge", "item"] },
                { "block": "wide", "features": ["item.acts", "age", "user.events"], "hashed": ["category"] },
                { "block": "fm", "features": ["price", "age"], "hashed": ["category", "tags"] },
                { "block": "covisit", "decay": 0.5 },
                { "block": "mlp", "name": "of_user", "of": ["user", "recent_odd"], "widths": [5, 3], "activation": "silu", "norm": true },
                { "block": "mlp", "name": "of_item", "of": ["item", "embed"], "widths": [3], "last": "prelu" },
                { "block": "cross", "of": ["of_item", "dense", "of_user"], "layers": 2, "rank": 2 },
                { "block": "cross", "name": "square", "of": ["user"], "layers": 1 },
                { "block": "attention", "of": ["item"], "widths": [6, 1], "history": 7, "softmax": true },
                { "block": "attention", "name": "attention_odd", "of": ["odd"], "widths": [4, 3, 1], "activation": "prelu" },
                { "block": "sequence", "of": ["item"], "layers": 2, "heads": 2, "norm": "pre" },
                { "block": "sequence", "name": "post", "of": ["odd"], "layers": 1, "heads": 1, "norm": "post", "positions": "oldest", "scale": 1.5 },
                { "block": "sequence", "name": "query", "of": ["odd"], "layers": 1, "heads": 5, "norm": "query", "epsilon": 1e-6 },
                { "block": "vector", "name": "next", "of": ["sequence", "item"] },
                { "block": "vector", "name": "next_odd", "of": ["post", "odd"] },
                { "block": "product", "of": ["of_item", "of_user"] },
                { "block": "mean", "of": ["next", "next_odd"] },
                { "block": "mean", "name": "chance", "of": ["taste", "vector"], "over": "probabilities" },
                { "block": "mlp", "of": ["cross", "square", "attention", "attention_odd", "product", "query"], "widths": [6, 1] },
                { "block": "mmoe", "of": ["dense", "user", "of_item"], "experts": 3, "tasks": 2, "widths": [4], "towers": [3, 1] },
            ],
            "tiers": [
                { "tasks": [
                    { "label": "click", "of": ["mlp", "mmoe", "bias"], "gains": [1, 0.5, 0.25], "calibration": { "platt": [0.5, -1] } },
                    { "label": "buy", "of": ["mmoe", "mean", "chance"], "calibration": { "line": [[-2, -4], [0, 1], [4, 1]] } },
                ], "blend": { "powers": [1, 0.5] } },
                { "tasks": [
                    { "label": "click", "of": ["wide", "fm"] },
                    { "label": "buy", "of": ["covisit"], "calibration": { "steps": [[-1, -2], [0, 0.5], [1, 2]] } },
                ], "blend": { "sum": [1, 3] } },
                { "tasks": [{ "label": "click", "of": ["wide"] }] },
            ],
        },
        "probes": [
            { "dense": [1, 2, 3, 0.5, -1], "item": key(2), "words": [["category", key(5 << 32)], ["tags", key(9 << 32)]], "recent": history,
              "judged": [judged(3, 1.0), judged(77, 0.5), judged(4, -1.5)] },
            { "dense": [0.25, -4, 0.5, 12, 3], "item": key(9), "words": [["tags", key(3 << 32)]], "recent": [item(2)], "judged": [judged(9, 2.0)] },
            { "dense": [3, 1, 0, -2, 0.125], "item": key(99), "words": [["category", key(6 << 32)]], "recent": [item(77), item(11), item(1)] },
            { "dense": [0, 0, 0, 0, 0] },
        ],
    })
}

fn tensors() -> Vec<(String, Vec<usize>, Of)> {
    let mut all: Vec<(String, Vec<usize>, Of)> = Vec::new();
    let mut put = |name: &str, shape: &[usize], fill: Of| all.push((name.into(), shape.to_vec(), fill));
    put("items.ids", &[ITEMS], Of::Longs((1..).take(ITEMS).collect()));
    put("item.vectors", &[ITEMS, BYTES], Of::Signed);
    put("item.vectors.scale", &[ITEMS], Of::Scales);
    put("item.bias", &[ITEMS], Of::Weights);
    put("item.words", &[4, BYTES], Of::Weights);
    put("odd.vectors", &[ITEMS, SINGLES], Of::Weights);
    put("embed.table", &[8, 3], Of::Weights);
    put("ridge.base", &[1], Of::Weights);
    put("ridge.noise", &[1], Of::Scales);
    put("covisit.offset", &[ITEMS + 1], Of::Words((0..).map(|row| 2 * row).take(ITEMS + 1).collect()));
    let pairs = (0..ITEMS as u16).flat_map(|row| [row / 2, row / 2 + 5]);
    put("covisit.neighbour", &[2 * ITEMS], Of::Shorts(pairs.collect()));
    put("covisit.byte", &[2 * ITEMS], Of::Unsigned);
    put("covisit.scale", &[ITEMS], Of::Scales);
    put("wide.hashed", &[8], Of::Weights);
    put("fm.weight", &[10], Of::Weights);
    put("fm.factors", &[10, 3], Of::Weights);
    for (block, width) in [("user", 2), ("dense", 3), ("wide", 3)] {
        put(&format!("{block}.mean"), &[width], Of::Weights);
        put(&format!("{block}.scale"), &[width], Of::Scales);
    }
    put("wide.weight", &[3], Of::Weights);
    put("wide.bias", &[1], Of::Weights);
    put("fm.bias", &[1], Of::Weights);
    // Outputs and inputs of every layer, and what stands beside its weights.
    for (layer, outputs, inputs, beside) in [
        ("of_user.0", 5, 7, &["bias", "norm.weight", "norm.bias"][..]),
        ("of_user.1", 3, 5, &["bias"]),
        ("of_item.0", 3, BYTES + 3, &["alpha"]),
        ("square.0", 2, 2, &["bias"]),
        ("attention.0", 6, 4 * BYTES, &["bias"]),
        ("attention.1", 1, 6, &["bias"]),
        ("attention_odd.0", 4, 4 * SINGLES, &["bias", "alpha"]),
        ("attention_odd.1", 3, 4, &["alpha"]),
        ("attention_odd.2", 1, 3, &[]),
        ("mlp.0", 6, 9 + 2 + BYTES + SINGLES + 3 + SINGLES, &["bias"]),
        ("mlp.1", 1, 6, &["bias"]),
        ("cross.0", 9, 2, &["bias"]),
        ("cross.1", 9, 2, &["bias"]),
    ] {
        if layer.starts_with("cross") {
            put(&format!("{layer}.u"), &[outputs, inputs], Of::Weights);
            put(&format!("{layer}.v"), &[inputs, outputs], Of::Weights);
        } else {
            put(&format!("{layer}.weight"), &[outputs, inputs], Of::Weights);
        }
        for part in beside {
            put(&format!("{layer}.{part}"), &[outputs], Of::Weights);
        }
    }
    put("mmoe.expert.0.weight", &[3, 4, 8], Of::Weights);
    put("mmoe.expert.0.bias", &[3, 4], Of::Weights);
    put("mmoe.gate.weight", &[2, 3, 8], Of::Weights);
    put("mmoe.tower.0.weight", &[2, 3, 4], Of::Weights);
    put("mmoe.tower.1.weight", &[2, 1, 3], Of::Weights);
    put("mmoe.tower.1.bias", &[2, 1], Of::Weights);
    for (block, layers, dim) in [("sequence", 2, BYTES), ("post", 1, SINGLES), ("query", 1, SINGLES)] {
        put(&format!("{block}.position.weight"), &[6, dim], Of::Weights);
        for layer in 0..layers {
            for (part, [weight, bias], outputs, inputs) in [
                ("self_attn.", ["in_proj_weight", "in_proj_bias"], 3 * dim, dim),
                ("self_attn.out_proj.", ["weight", "bias"], dim, dim),
                ("linear1.", ["weight", "bias"], 7, dim),
                ("linear2.", ["weight", "bias"], dim, 7),
                ("norm1.", ["weight", "bias"], dim, 0),
                ("norm2.", ["weight", "bias"], dim, 0),
            ] {
                let shape = [outputs, inputs];
                let shape = &shape[..if inputs == 0 { 1 } else { 2 }];
                put(&format!("{block}.layers.{layer}.{part}{weight}"), shape, Of::Weights);
                put(&format!("{block}.layers.{layer}.{part}{bias}"), &[outputs], Of::Weights);
            }
        }
    }
    put("sequence.norm.weight", &[BYTES], Of::Weights);
    put("sequence.norm.bias", &[BYTES], Of::Weights);
    all
}

/// The bundle's bytes; the same on every call.
pub fn golden_bundle() -> Vec<u8> {
    let mut draws = SplitMix(0x7a68_696a_6900_0002);
    made(&spec(), &tensors(), &mut || draws.word())
}

/// What the self-test page holds a phone to: the bundle, and how many words its answers are and their FNV-1a.
pub fn golden_page() -> String {
    let bytes = golden_bundle();
    let answers = bundle::open(&bytes).expect("the golden bundle is sound").answers();
    let mut hash = 0x811c_9dc5_u32;
    for byte in answers.iter().flat_map(|word| word.to_le_bytes()) {
        hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    }
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let lines: Vec<String> =
        digits.as_bytes().chunks(160).map(|line| format!("  '{}',", String::from_utf8_lossy(line))).collect();
    format!(
        "// @ts-check\n\
         // Written by `cargo run --example golden -- page`: a bundle with every block (tests/golden/bundle.rs), as hexadecimal digits, and what the\n\
         // answers to its probes come to on every build of the engine: how many words, and their FNV-1a.\n\
         module.exports = {{ words: {}, fingerprint: '{hash:08x}', bundle: [\n{}\n].join('') }}\n",
        answers.len(),
        lines.join("\n")
    )
}
