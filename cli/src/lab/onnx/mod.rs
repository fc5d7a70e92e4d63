//! ONNX → a bundle: the graphs that PyTorch exports of linear models and perceptrons, their answers kept as probes.
//!
//! What is read and what is refused stands in docs/onnx.md.

mod blocks;
mod evaluate;
mod graph;
mod proto;

#[cfg(test)]
mod tests;

use anyhow::{Context as _, ensure};
use blocks::Naming;
use graph::Graph;
use serde_json::json;
use std::collections::HashMap;
use zhiji::bundle::{self, Numbers, Writing};

/// Known answers that are made.
const PROBES: usize = 6;

/// What stands around a graph in a bundle.
pub struct About {
    /// The space.
    pub space: String,
    /// The label of each column of the outputs, in order.
    pub labels: Vec<String>,
    /// For inputs of the graph the features that are their columns; a name may be left empty where there is one input.
    pub inputs: Vec<(String, Vec<String>)>,
}

/// An imported bundle.
pub struct Imported {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its blocks: kind and name.
    pub blocks: Vec<(String, String)>,
}

/// Turns a graph into a bundle. Its probes are inputs on which the graph itself was computed, so that the engine vouches for the import.
///
/// # Errors
/// The node that no block stands for, and what to do; or what a phone would say of the bundle.
pub fn import(bytes: &[u8], about: &About) -> anyhow::Result<Imported> {
    let graph = Graph::open(bytes)?;
    let inputs = named(&graph, &about.inputs)?;
    let read = blocks::read(&graph, &Naming { inputs: &inputs, labels: &about.labels })?;
    let mut features: Vec<&String> = Vec::new();
    for name in
        read.ranker["blocks"].as_array().into_iter().flatten().flat_map(|block| block["features"].as_array()).flatten()
    {
        let name = inputs.iter().flat_map(|(_, names)| names).find(|known| Some(known.as_str()) == name.as_str());
        features.extend(name.filter(|name| !features.contains(name)));
    }
    let mut probes = Vec::new();
    for number in 0..PROBES {
        // Zeros, ones, and numbers of every size and sign between them; each is exact in single precision.
        let value = |place: usize| match number {
            0 => 0.0,
            1 => 1.0,
            _ => f64::from(((place * 37 + number * 101 + 11) % 65) as u32) / 16.0 - 2.0,
        };
        let place = |name: &String| features.iter().position(|known| *known == name).unwrap_or(0);
        let given: HashMap<String, Vec<f64>> = inputs
            .iter()
            .map(|(name, names)| (name.clone(), names.iter().map(|n| value(place(n))).collect()))
            .collect();
        let values = evaluate::evaluate(&graph, &given)?;
        let logits = read.logits.iter().map(|name| values.get(name).with_context(|| format!("nothing gives `{name}`")));
        let logits: Vec<f64> = logits.collect::<anyhow::Result<Vec<_>>>()?.into_iter().flatten().copied().collect();
        let dense: Vec<f64> = (0..features.len()).map(value).collect();
        probes.push(json!({ "dense": dense, "logits": logits }));
    }
    let spec = json!({ "format": bundle::FORMAT, "space": about.space, "schema": { "fields": [] }, "ranker": read.ranker, "probes": probes });
    let tensors: Vec<Writing<'_>> = read
        .tensors
        .iter()
        .map(|made| Writing { name: &made.name, shape: &made.shape, numbers: Numbers::Singles(&made.numbers) })
        .collect();
    let bytes = bundle::write(&spec.to_string(), &tensors).map_err(|e| anyhow::anyhow!("{}: {e}", e.code()))?;
    let text = |block: &serde_json::Value, key: &str| block[key].as_str().unwrap_or_default().to_string();
    let all = spec["ranker"]["blocks"].as_array().into_iter().flatten();
    let blocks = all.map(|block| (text(block, "block"), text(block, "name"))).collect();
    Ok(Imported { bytes, blocks })
}

/// The inputs of the graph with their features.
fn named(graph: &Graph, given: &[(String, Vec<String>)]) -> anyhow::Result<Vec<(String, Vec<String>)>> {
    let own = graph.inputs.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let mut all = Vec::new();
    for name in &graph.inputs {
        let only = graph.inputs.len() == 1;
        let found = given.iter().find(|(known, _)| known == name || only && known.is_empty());
        let (_, features) = found
            .with_context(|| format!("which features are the columns of `{name}`? The graph's inputs are {own}"))?;
        ensure!(!features.is_empty(), "`{name}` has no features");
        all.push((name.clone(), features.clone()));
    }
    let stranger = given.iter().find(|(name, _)| !name.is_empty() && !graph.inputs.contains(name));
    ensure!(stranger.is_none() && all.len() >= given.len(), "the graph's inputs are {own}, and no others");
    Ok(all)
}
