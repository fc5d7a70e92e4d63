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

/// A bundle of these blocks, with one task that adds up `of` and a second tier of `light`.
fn bundle(blocks: Value, of: Value, light: Value, dense: usize, tensors: &[(&str, &[usize], Of)]) -> Vec<u8> {
    let spec = json!({
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
    });
    let mut draws = Draws::of(spec.to_string().as_bytes());
    made(&spec, tensors, &mut || draws.next())
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
    vec![("linear", linear), ("towers", towers)]
}
