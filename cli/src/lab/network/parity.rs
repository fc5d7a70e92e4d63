//! Forward and backward of every block that learns against PyTorch's, of the same weights and examples (`tools/torch/training.py`).

use super::params::Gradient;
use super::pass::Batch;
use super::*;
use crate::lab::examples::{CatalogueItem, NewExample};
use crate::lab::train::objective::Objective;
use crate::lab::train::{Config, Given};
use serde::Deserialize;
use std::collections::BTreeMap;
use zhiji::schema::hash64;

const FIXTURE: &str = include_str!("../../../fixtures/torch/blocks.json");

const SCHEMA: &str = r#"{ "space": "shop", "fields": { "category": { "kind": "category" }, "tags": { "kind": "tags" } },
    "actions": { "impression": { "role": "impression" }, "open": { "weight": 1 }, "cart": { "weight": 3 } },
    "labels": { "click": { "positive": ["open"], "windowMinutes": 30 }, "cart": { "positive": ["cart"], "windowMinutes": 30 } } }"#;

#[derive(Deserialize)]
struct Fixture {
    known: Vec<String>,
    unknown: Vec<String>,
    words: BTreeMap<String, Vec<(String, String)>>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    labels: Vec<String>,
    config: String,
    examples: Vec<Example>,
    weights: BTreeMap<String, Vec<f32>>,
    logits: Vec<f64>,
    loss: f64,
    gradients: BTreeMap<String, Vec<f64>>,
}

#[derive(Deserialize)]
struct Example {
    dense: BTreeMap<String, f32>,
    item: String,
    past: Vec<String>,
    label: u8,
    positive: u8,
}

/// The items of the fixture; those that are known were met in training, so that they have rows.
fn catalogue(fixture: &Fixture, schema: &Schema) -> Catalogue {
    let item = |name: &String| CatalogueItem {
        id: name.clone(),
        wire: hash64(name.as_bytes()),
        words: fixture.words[name]
            .iter()
            .map(|(field, word)| {
                let place = schema.fields.iter().position(|known| known.name == *field).expect("a field");
                (place as u16, hash64(format!("{field}\x1f{word}").as_bytes()))
            })
            .collect(),
    };
    let items: Vec<CatalogueItem> = fixture.known.iter().chain(&fixture.unknown).map(item).collect();
    let shown = (0..items.len()).map(|at| f32::from(u8::from(at < fixture.known.len()))).collect();
    let none = vec![0.0; items.len()];
    Catalogue { items, shown, taken: none.clone(), before: none, follows: None }
}

/// The examples as a chunk whose features stand as they are.
fn chunk(case: &Case, names: &[&String], layout: &Layout, standard: &Standard) -> Chunk {
    let place = |name: &String| names.iter().position(|known| *known == name).expect("an item") as u32;
    let mut chunk = Chunk::new(layout.len());
    for (user, example) in (0u32..).zip(&case.examples) {
        let mut dense = vec![0.0; layout.len()];
        for (name, x) in &example.dense {
            dense[layout.names().iter().position(|known| known == name).expect("a feature")] = *x;
        }
        let past: Vec<u32> = example.past.iter().map(place).collect();
        let (label, positive) = (example.label, example.positive > 0);
        let item = place(&example.item);
        chunk.push(&NewExample { dense: &dense, item, label, positive, position: None, user, past: &past });
    }
    chunk.standardise(&standard.picks, &standard.mean, &standard.scale);
    chunk
}

/// PyTorch has one slope for a whole layer where the trainer has one for each of its numbers: they begin alike, and their gradients add up.
fn fill(tensor: &mut params::Tensor, weights: &[f32]) {
    match weights {
        [one] => tensor.numbers.fill(*one),
        _ => tensor.numbers.copy_from_slice(weights),
    }
}

/// The gradient of a tensor, every number of it.
fn whole(gradient: &Gradient, tensor: &params::Tensor) -> Vec<f32> {
    match gradient {
        Gradient::Whole(sums) => sums.clone(),
        Gradient::Rows(rows) => {
            let (width, mut all) = (tensor.width(), vec![0.0; tensor.numbers.len()]);
            for (row, sums) in rows.met.iter().zip(rows.sums.chunks_exact(width)) {
                all[*row as usize * width..][..width].copy_from_slice(sums);
            }
            all
        }
    }
}

fn near(found: f32, expected: f64, what: &str) {
    let off = (f64::from(found) - expected).abs();
    assert!(off < 2e-6 + 2e-5 * expected.abs(), "{what}: {found}, PyTorch {expected}");
}

#[test]
fn logits_and_gradients_of_every_block_are_those_of_pytorch() {
    let fixture: Fixture = serde_json::from_str(FIXTURE).expect("JSON");
    let schema = Schema::open(SCHEMA).expect("a schema");
    let layout = Layout::new(&schema);
    let catalogue = Arc::new(catalogue(&fixture, &schema));
    let names: Vec<&String> = fixture.known.iter().chain(&fixture.unknown).collect();
    for case in &fixture.cases {
        let name = &case.name;
        let picks: Vec<usize> =
            (0..layout.len()).filter(|at| case.examples[0].dense.contains_key(&layout.names()[*at])).collect();
        let (mean, scale) = (vec![0.0; picks.len()], vec![1.0; picks.len()]);
        let standard = Standard { picks, mean, scale, log_odds: 0.0 };
        let setting = Setting {
            schema: &schema,
            layout: &layout,
            catalogue: &catalogue,
            standard: &standard,
            labels: &case.labels,
            seed: 1,
        };
        let config = Config::read(Some(&case.config), Given::default(), &[]).expect("a configuration");
        let (network, mut params) = Network::new(&setting, &config.blocks, &config.tiers).expect(name);
        assert_eq!(params.len(), case.weights.len(), "{name}: {:?}", case.weights.keys());
        params.iter_mut().for_each(|tensor| fill(tensor, &case.weights[&tensor.name]));
        let shape = (case.labels.len(), network.reads_pairs);
        let objective = Objective::new(&config.settings, &catalogue, &network.tasks, shape).expect("an objective");

        let chunk = chunk(case, &names, &layout, &standard);
        let (mut at, mut batch) = (network.pass(&params), Batch::default());
        let rows: Vec<u32> = (0..chunk.len() as u32).collect();
        objective.gather(&chunk, &rows, &mut Noise::new(1), &mut batch);
        network.forward(&mut at, &params, &chunk, &batch);
        let (mut logits, mut slopes, tasks) = (at.logits.clone(), Vec::new(), network.tasks.len());
        for ((row, example), expected) in case.examples.iter().enumerate().zip(&case.logits) {
            near(logits[row * tasks + usize::from(example.label)], *expected, &format!("{name}, logit {row}"));
        }
        let sum = objective.slopes((&chunk, &batch), &mut logits, &mut slopes, (&params, None), rows.len());
        near((sum / rows.len() as f64) as f32, case.loss, &format!("{name}, loss"));
        at.slopes = slopes;
        network.backward(&mut at, &params, &chunk, &batch);
        for (tensor, gradient) in params.iter().zip(&at.gradients.0) {
            let (mut found, expected) = (whole(gradient, tensor), &case.gradients[&tensor.name]);
            if expected.len() == 1 {
                found = vec![found.iter().sum()];
            }
            assert_eq!(found.len(), expected.len(), "{name}, {}", tensor.name);
            for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
                near(*found, *expected, &format!("{name}, gradient of {}[{at}]", tensor.name));
            }
        }
    }
}
