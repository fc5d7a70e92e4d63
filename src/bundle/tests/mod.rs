#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::as_conversions, clippy::expect_used)]

mod document;
mod heads;
mod hostile;
mod nets;
mod recent;
mod stacks;
mod tasks;

use super::*;
use alloc::format;
use alloc::string::ToString;
use alloc::vec;
use serde_json::{Value, json};

/// A tensor of singles, as a test writes it down.
type Singles<'a> = (&'a str, &'a [usize], &'a [f32]);

fn written(spec: &Value, singles: &[Singles<'_>], more: &[Writing<'_>]) -> Result<Vec<u8>, BundleError> {
    let singles = singles.iter().map(|(name, shape, of)| Writing { name, shape, numbers: Numbers::Singles(of) });
    let mut all: Vec<Writing<'_>> = singles.collect();
    all.extend_from_slice(more);
    write(&spec.to_string(), &all)
}

/// A spec of these blocks, for one task.
fn spec(blocks: Value, of: Value, probe: Value) -> Value {
    json!({
        "format": 1,
        "space": "shop",
        "schema": { "fields": [] },
        "ranker": { "blocks": blocks, "tiers": [{ "tasks": [{ "label": "click", "of": of }] }] },
        "probes": [probe],
    })
}

/// The linear model that most tests damage.
fn wide_spec() -> Value {
    let mut spec = spec(
        json!([{ "block": "wide", "features": ["prior", "age"], "hashed": ["category"] }]),
        json!(["wide"]),
        json!({ "dense": ["40400000", 0.1], "words": [["category", "9000000000000000"], ["category", "000000000000004d"]] }),
    );
    spec["schema"] = json!({ "fingerprint": "0123456789abcdef", "fields": ["category"] });
    spec
}

const WIDE: [Singles<'static>; 5] = [
    ("wide.weight", &[2], &[0.5, -1.0]),
    ("wide.mean", &[2], &[1.0, 0.0]),
    ("wide.scale", &[2], &[2.0, 0.25]),
    ("wide.bias", &[1], &[0.5]),
    ("wide.hashed", &[4], &[0.25, -0.5, 0.75, 0.0]),
];

/// A small model of every kind of block that reads items, for two tasks and two tiers.
fn all_spec() -> Value {
    let id = |n: u64| format!("{n:016x}");
    json!({
        "format": 1,
        "space": "shop",
        "schema": { "fields": ["category"] },
        "ranker": {
            "blocks": [
                { "block": "dense", "name": "user", "features": ["user.events"], "side": "user" },
                { "block": "dense", "features": ["age", "price"] },
                { "block": "embed", "hashed": ["category", "id"] },
                { "block": "item" },
                { "block": "recent", "of": ["item"], "decay": 0.5 },
                { "block": "vector", "of": ["recent", "item"] },
                { "block": "covisit", "decay": 0.5 },
                { "block": "wide", "features": ["age"], "hashed": ["category"] },
                { "block": "fm", "features": ["age", "user.events"], "hashed": ["id"] },
                { "block": "product", "of": ["dense", "embed"] },
                { "block": "mean", "of": ["product", "embed"] },
            ],
            "tiers": [
                { "tasks": [
                    { "label": "click", "of": ["wide", "fm", "vector", "covisit", "mean"], "gains": [1, 1, 2, 0.5, 1] },
                    { "label": "buy", "of": ["wide", "mean"] },
                ] },
                { "tasks": [{ "label": "click", "of": ["wide"] }] },
            ],
        },
        "probes": [
            { "dense": [1, 2, 3], "item": id(11), "words": [["category", id(5 << 32)]],
              "recent": [{ "item": id(12), "words": [] }, { "item": id(99), "words": [id(1 << 32)] }] },
            { "dense": [0, 0, 0] },
        ],
    })
}

const ALL: [Singles<'static>; 17] = [
    ("user.mean", &[1], &[0.5]),
    ("user.scale", &[1], &[2.0]),
    ("dense.mean", &[2], &[0.0, 1.0]),
    ("dense.scale", &[2], &[1.0, 0.5]),
    ("embed.table", &[2, 2], &[1.0, 2.0, 3.0, 4.0]),
    ("item.words", &[2, 3], &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0]),
    ("item.bias", &[3], &[0.5, 0.25, 0.125]),
    ("covisit.scale", &[3], &[0.01, 0.01, 0.01]),
    ("wide.weight", &[1], &[0.5]),
    ("wide.mean", &[1], &[1.0]),
    ("wide.scale", &[1], &[2.0]),
    ("wide.bias", &[1], &[0.5]),
    ("wide.hashed", &[2], &[0.25, -0.5]),
    ("fm.bias", &[1], &[0.125]),
    ("fm.weight", &[4], &[1.0, 0.5, 0.25, -1.0]),
    ("fm.factors", &[4, 2], &[1.0, 0.5, 0.25, -1.0, 2.0, 0.0, 0.0, 1.0]),
    ("item.vectors.scale", &[3], &[0.5, 0.25, 1.0]),
];

const ALL_MORE: [Writing<'static>; 5] = [
    Writing { name: "items.ids", shape: &[3], numbers: Numbers::Longs(&[11, 12, 13]) },
    Writing { name: "item.vectors", shape: &[3, 3], numbers: Numbers::Signed(&[1, 2, 3, 4, 5, 6, -7, -8, -9]) },
    Writing { name: "covisit.offset", shape: &[4], numbers: Numbers::Words(&[0, 1, 2, 2]) },
    Writing { name: "covisit.neighbour", shape: &[2], numbers: Numbers::Shorts(&[1, 0]) },
    Writing { name: "covisit.byte", shape: &[2], numbers: Numbers::Bytes(&[100, 200]) },
];

/// A file taken apart, so that a test can damage one part and put it together again.
struct Parts {
    header: Value,
    spec: Value,
    data: Vec<u8>,
}

impl Parts {
    fn of(bytes: &[u8]) -> Self {
        let n = usize::try_from(u64::from_le_bytes(bytes[..8].try_into().unwrap())).unwrap();
        let header: Value = serde_json::from_slice(&bytes[8..8 + n]).unwrap();
        let spec = serde_json::from_str(header["__metadata__"]["zhiji"].as_str().unwrap()).unwrap();
        Self { header, spec, data: bytes[8 + n..].to_vec() }
    }

    fn good() -> Self {
        Self::of(&written(&wide_spec(), &WIDE, &[]).unwrap())
    }

    fn all() -> Self {
        Self::of(&written(&all_spec(), &ALL, &ALL_MORE).unwrap())
    }

    fn bytes(mut self) -> Vec<u8> {
        self.header["__metadata__"]["zhiji"] = Value::String(self.spec.to_string());
        file(&self.header.to_string(), &self.data)
    }

    fn names(&self) -> Vec<String> {
        self.header.as_object().unwrap().keys().filter(|key| *key != "__metadata__").cloned().collect()
    }

    fn offset(&self, tensor: &str) -> usize {
        usize::try_from(self.header[tensor]["data_offsets"][0].as_u64().unwrap()).unwrap()
    }

    fn put(&mut self, tensor: &str, value: f32) {
        let at = self.offset(tensor);
        self.data[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }

    /// Takes a tensor out, data and all.
    fn without(mut self, name: &str) -> Vec<u8> {
        let start = self.offset(name);
        let end = usize::try_from(self.header[name]["data_offsets"][1].as_u64().unwrap()).unwrap();
        self.header.as_object_mut().unwrap().remove(name);
        self.data.drain(start..end);
        for (_, tensor) in self.header.as_object_mut().unwrap().iter_mut().filter(|(key, _)| *key != "__metadata__") {
            let shift = |at: u64| if at as usize >= end { at - (end - start) as u64 } else { at };
            let offsets = [0, 1].map(|i| shift(tensor["data_offsets"][i].as_u64().unwrap()));
            tensor["data_offsets"] = json!(offsets);
        }
        self.bytes()
    }
}

fn file(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}

fn fault(bytes: &[u8]) -> (String, TensorFault) {
    match load(bytes, "shop").unwrap_err() {
        BundleError::Tensor { name, fault } => (name, fault),
        other => panic!("{other}"),
    }
}

fn damaged(change: impl FnOnce(&mut Parts)) -> Vec<u8> {
    let mut parts = Parts::good();
    change(&mut parts);
    parts.bytes()
}

fn spec_error(change: impl FnOnce(&mut Value)) -> BundleError {
    load(&damaged(|parts| change(&mut parts.spec)), "shop").unwrap_err()
}
