//! Sound inputs of every subject, small and made here: what mutations begin with.

#[path = "made.rs"]
mod made;

use self::made::{Of, made};
use super::subjects::{Draws, SHOP, SNAPSHOT_HEAD, root_payload, used_phone};
use serde_json::{Value, json};

/// Name of the subject, name of the seed, bytes.
pub type Seed = (&'static str, String, Vec<u8>);

/// Inputs that their subjects accept.
pub fn seeds() -> Vec<Seed> {
    let mut all: Vec<Seed> = bundles().into_iter().map(|(name, bytes)| ("bundle", name.into(), bytes)).collect();
    let phone = used_phone();
    let log = phone.iter().find(|(name, _)| name.starts_with("log-")).map(|(_, bytes)| bytes.clone()).unwrap();
    let mut cut = Vec::new();
    let mut at = 0;
    while let Some((record, next)) = zhiji::codec::frame_at(&log, at) {
        cut.extend(u16::try_from(record.len()).unwrap().to_le_bytes());
        cut.extend_from_slice(record);
        at = next;
    }
    all.push(("log", "segment".into(), log));
    all.push(("log", "records".into(), cut));
    let snapshot = &phone["snapshot"];
    all.push(("snapshot", "state".into(), snapshot[SNAPSHOT_HEAD..snapshot.len() - 4].to_vec()));
    let slots = phone.iter().filter(|(name, _)| name.starts_with("control-"));
    all.extend(slots.map(|(name, bytes)| ("control", name.clone(), bytes.clone())));
    let bare = phone.iter().find(|(name, _)| name.starts_with("control-")).unwrap().1[6..].to_vec();
    all.push(("control", "payload".into(), bare));
    all.push(("control", "ledger".into(), zhiji::sync::Ledger::new(3).encode()));
    all.push(("manifest", "payload".into(), manifest().into_bytes()));
    all.push(("root", "payload".into(), root_payload(1).into_bytes()));
    all.push(("schema", "shop".into(), SHOP.as_bytes().to_vec()));
    all.push(("schema", "rated".into(), RATED.as_bytes().to_vec()));
    all.push(("schema", "bare".into(), br#"{ "space": "bare", "fields": {}, "actions": {} }"#.to_vec()));
    all
}

const RATED: &str = r#"{ "space": "films", "fields": { "genres": { "kind": "tags" }, "series": { "kind": "group" } },
  "actions": { "seen": { "role": "impression" }, "rate": {} }, "labels": { "like": { "action": "rate", "atLeast": 4 } },
  "halfLifeDays": [1, 7, 90], "policy": { "cold": "model", "pageOrder": 0.5, "diversity": { "lambda": 0.5 },
    "windows": [{ "field": "genres", "most": 1, "within": 3 }], "explore": { "slots": 1, "epsilon": 0.1 } } }"#;

fn manifest() -> String {
    let entry = |digit: &str, share: u16| {
        let sha = digit.repeat(64);
        json!({ "path": format!("bundles/{sha}.safetensors"), "length": 1000, "sha256": sha, "share": share, "minEngine": "0.1.0" })
    };
    json!({ "space": "shop", "version": 3, "createdMs": 1, "expiresMs": 2_000, "minEngine": "0.1.0",
        "bundles": [entry("a", 875), entry("b", 125)] })
    .to_string()
}

/// The spec of these blocks, with one task that adds up `of` and a second tier of `light`.
fn spec(blocks: Value, of: Value, light: Value, dense: usize) -> Value {
    json!({
        "format": 1, "space": "shop", "schema": { "fields": [] },
        "ranker": { "blocks": blocks, "tiers": [
            { "tasks": [{ "label": "click", "of": of }] },
            { "tasks": [{ "label": "click", "of": light }] },
        ] },
        "probes": [
            { "dense": vec![0.5; dense], "item": "000000000000000b", "words": [["category", "0000000500000000"]],
              "recent": [{ "item": "000000000000000c", "words": [] }, { "item": "0000000000000063", "words": ["0000000100000000"] }] },
            { "dense": vec![-1; dense] },
        ],
    })
}

/// The bundle of a spec, its tensors filled in.
fn filled(spec: &Value, tensors: &[(&str, &[usize], Of)]) -> Vec<u8> {
    let mut draws = Draws::of(spec.to_string().as_bytes());
    made(spec, tensors, &mut || draws.next())
}

/// A bundle of these blocks, with one task that adds up `of` and a second tier of `light`.
fn bundle(blocks: Value, of: Value, light: Value, dense: usize, tensors: &[(&str, &[usize], Of)]) -> Vec<u8> {
    filled(&spec(blocks, of, light, dense), tensors)
}

/// One bundle for each family of blocks.
fn bundles() -> Vec<(&'static str, Vec<u8>)> {
    let linear = bundle(
        json!([{ "block": "wide", "features": ["user.events", "item.acts"], "hashed": ["category", "id"] }]),
        json!(["wide"]),
        json!(["wide"]),
        2,
        &[
            ("wide.weight", &[2], Of::Weights),
            ("wide.mean", &[2], Of::Weights),
            ("wide.scale", &[2], Of::Scales),
            ("wide.bias", &[1], Of::Weights),
            ("wide.hashed", &[8], Of::Weights),
        ],
    );
    let towers = bundle(
        json!([
            { "block": "dense", "name": "user", "features": ["user.events"], "side": "user" },
            { "block": "dense", "features": ["item.acts", "item.weight"] },
            { "block": "embed", "hashed": ["category"] },
            { "block": "item" },
            { "block": "recent", "of": ["item"], "decay": 0.5 },
            { "block": "vector", "of": ["recent", "item"] },
            { "block": "covisit", "decay": 0.5 },
            { "block": "fm", "features": ["item.acts", "user.events"], "hashed": ["id"] },
            { "block": "product", "of": ["dense", "embed"] },
            { "block": "mean", "of": ["product", "embed"] },
        ]),
        json!(["fm", "vector", "covisit"]),
        json!(["covisit"]),
        3,
        &[
            ("user.mean", &[1], Of::Weights),
            ("user.scale", &[1], Of::Scales),
            ("dense.mean", &[2], Of::Weights),
            ("dense.scale", &[2], Of::Scales),
            ("embed.table", &[4, 2], Of::Weights),
            ("items.ids", &[3], Of::Longs(vec![11, 12, 13])),
            ("item.vectors", &[3, 3], Of::Signed),
            ("item.vectors.scale", &[3], Of::Scales),
            ("item.bias", &[3], Of::Weights),
            ("item.words", &[2, 3], Of::Weights),
            ("covisit.offset", &[4], Of::Words(vec![0, 1, 2, 2])),
            ("covisit.neighbour", &[2], Of::Shorts(vec![1, 0])),
            ("covisit.byte", &[2], Of::Unsigned),
            ("covisit.scale", &[3], Of::Scales),
            ("fm.bias", &[1], Of::Weights),
            ("fm.weight", &[4], Of::Weights),
            ("fm.factors", &[4, 2], Of::Weights),
        ],
    );
    vec![("linear", linear), ("towers", towers), ("nets", nets()), ("past", past())]
}

/// Nets over features, words and an item, two tasks with calibrations and a blend.
fn nets() -> Vec<u8> {
    let mut spec = spec(
        json!([
            { "block": "dense", "features": ["item.acts", "item.weight"] },
            { "block": "dense", "name": "user", "features": ["user.events"], "side": "user" },
            { "block": "embed", "hashed": ["category"] },
            { "block": "mlp", "of": ["dense", "user", "embed"], "widths": [3, 2], "activation": "prelu", "last": "silu", "norm": true },
            { "block": "cross", "of": ["mlp", "user"], "layers": 2, "rank": 1 },
            { "block": "cross", "name": "full", "of": ["embed"], "layers": 1 },
            { "block": "mmoe", "of": ["cross", "full"], "experts": 2, "tasks": 2, "widths": [3], "towers": [2, 1], "activation": "relu" },
            { "block": "mean", "of": ["mmoe", "mmoe"], "over": "probabilities" },
        ]),
        json!(["mean"]),
        json!(["mmoe"]),
        3,
    );
    for (tier, blend) in [(0, json!({ "powers": [1, 0.5] })), (1, json!({ "sum": [1, 3] }))] {
        let tier = &mut spec["ranker"]["tiers"][tier];
        let mut other = tier["tasks"][0].clone();
        tier["tasks"][0]["calibration"] = json!({ "platt": [0.5, -1] });
        other["label"] = "buy".into();
        other["calibration"] = json!({ "line": [[-1, -2], [0, 0.5], [1, 2]] });
        tier["tasks"].as_array_mut().unwrap().push(other);
        tier["blend"] = blend;
    }
    filled(
        &spec,
        &[
            ("user.mean", &[1], Of::Weights),
            ("user.scale", &[1], Of::Scales),
            ("dense.mean", &[2], Of::Weights),
            ("dense.scale", &[2], Of::Scales),
            ("embed.table", &[4, 2], Of::Weights),
            ("mlp.0.weight", &[3, 5], Of::Signed),
            ("mlp.0.weight.scale", &[3], Of::Scales),
            ("mlp.0.bias", &[3], Of::Weights),
            ("mlp.0.norm.weight", &[3], Of::Weights),
            ("mlp.0.norm.bias", &[3], Of::Weights),
            ("mlp.0.alpha", &[3], Of::Weights),
            ("mlp.1.weight", &[2, 3], Of::Weights),
            ("cross.0.u", &[3, 1], Of::Weights),
            ("cross.0.v", &[1, 3], Of::Weights),
            ("cross.0.bias", &[3], Of::Weights),
            ("cross.1.u", &[3, 1], Of::Weights),
            ("cross.1.v", &[1, 3], Of::Weights),
            ("cross.1.bias", &[3], Of::Weights),
            ("full.0.weight", &[2, 2], Of::Weights),
            ("full.0.bias", &[2], Of::Weights),
            ("mmoe.expert.0.weight", &[2, 3, 5], Of::Weights),
            ("mmoe.expert.0.bias", &[2, 3], Of::Weights),
            ("mmoe.gate.weight", &[2, 2, 5], Of::Weights),
            ("mmoe.tower.0.weight", &[2, 2, 3], Of::Weights),
            ("mmoe.tower.1.weight", &[2, 1, 2], Of::Weights),
            ("mmoe.tower.1.bias", &[2, 1], Of::Weights),
        ],
    )
}

/// Everything that reads what the user met and judged, the ids of the items, and a personal head.
fn past() -> Vec<u8> {
    let mut spec = spec(
        json!([
            { "block": "item" },
            { "block": "item", "name": "byte" },
            { "block": "bias", "of": ["item"] },
            { "block": "ridge", "of": ["item"], "decay": 0.9 },
            { "block": "vector", "of": ["ridge", "item"] },
            { "block": "attention", "of": ["byte"], "widths": [3, 1], "history": 4, "activation": "silu", "softmax": true },
            { "block": "sequence", "of": ["item"], "layers": 1, "heads": 2, "norm": "query", "positions": "oldest", "scale": 1.5, "epsilon": 1e-6 },
            { "block": "vector", "name": "next", "of": ["sequence", "item"] },
            { "block": "mlp", "of": ["attention"], "widths": [1] },
        ]),
        json!(["mlp", "next", "bias"]),
        json!(["vector"]),
        0,
    );
    spec["head"] = json!({ "of": "item", "intercept": true, "features": ["item.acts"], "trust": 0.5, "gain": 1.5 });
    spec["probes"][0]["judged"] =
        json!([{ "item": "000000000000000b", "value": 1 }, { "item": "0000000000000063", "value": -0.5 }]);
    let ids = ["a", "sku-2", "鞋"].map(|id| zhiji::schema::hash64(id.as_bytes()));
    spec["probes"][0]["item"] = format!("{:016x}", ids[2]).into();
    spec["probes"][0]["recent"][0]["item"] = format!("{:016x}", ids[0]).into();
    filled(
        &spec,
        &[
            ("items.ids", &[3], Of::Longs(ids.to_vec())),
            ("items.names", &[11], Of::Text("a\nsku-2\n鞋")),
            ("item.vectors", &[3, 4], Of::Weights),
            ("item.bias", &[3], Of::Weights),
            ("byte.vectors", &[3, 3], Of::Signed),
            ("byte.vectors.scale", &[3], Of::Scales),
            ("ridge.base", &[1], Of::Weights),
            ("ridge.noise", &[1], Of::Scales),
            ("attention.0.weight", &[3, 12], Of::Weights),
            ("attention.0.bias", &[3], Of::Weights),
            ("attention.1.weight", &[1, 3], Of::Weights),
            ("sequence.position.weight", &[3, 4], Of::Weights),
            ("sequence.layers.0.self_attn.in_proj_weight", &[12, 4], Of::Weights),
            ("sequence.layers.0.self_attn.in_proj_bias", &[12], Of::Weights),
            ("sequence.layers.0.self_attn.out_proj.weight", &[4, 4], Of::Weights),
            ("sequence.layers.0.self_attn.out_proj.bias", &[4], Of::Weights),
            ("sequence.layers.0.linear1.weight", &[2, 4], Of::Weights),
            ("sequence.layers.0.linear1.bias", &[2], Of::Weights),
            ("sequence.layers.0.linear2.weight", &[4, 2], Of::Weights),
            ("sequence.layers.0.linear2.bias", &[4], Of::Weights),
            ("sequence.layers.0.norm1.weight", &[4], Of::Weights),
            ("sequence.layers.0.norm1.bias", &[4], Of::Weights),
            ("sequence.layers.0.norm2.weight", &[4], Of::Weights),
            ("sequence.layers.0.norm2.bias", &[4], Of::Weights),
            ("sequence.norm.weight", &[4], Of::Weights),
            ("sequence.norm.bias", &[4], Of::Weights),
            ("mlp.0.weight", &[1, 3], Of::Weights),
            ("head.mean", &[6], Of::Weights),
            ("head.factor", &[6], Of::Scales),
        ],
    )
}
