//! Experts that all tasks share, mixed anew for each: one number for each task. Forward and back are the engine's own, over a batch.

use super::super::Layer;
use super::super::build::{Builder, First, Keys, Made};
use super::super::params::{Params, fill_lists};
use super::super::pass::At;
use super::linear::Activation;
use anyhow::Context as _;
use serde_json::{Value, json};
use zhiji::block::layer::Weights;
use zhiji::block::net::MmoeWeights;
use zhiji::block::net::gradient::Mixed;

struct Mmoe {
    of: Vec<usize>,
    experts: usize,
    tasks: usize,
    widths: Vec<usize>,
    towers: Vec<usize>,
    activation: Activation,
    /// Of the right sizes; filled anew for every batch.
    empty: MmoeWeights,
    /// In the order of [`lists`].
    tensors: Vec<usize>,
}

const X: usize = 0;
const SLOPE: usize = 1;

/// The lists of numbers that are there, layer by layer.
fn lists(weights: &mut MmoeWeights) -> impl Iterator<Item = &mut [f32]> {
    let layers = weights.experts.iter_mut().chain([&mut weights.gate]).chain(&mut weights.towers);
    let lists = layers.flat_map(|layer| [&mut layer.weight, &mut layer.bias, &mut layer.alpha]);
    lists.map(Vec::as_mut_slice).filter(|list| !list.is_empty())
}

/// Reads the keys of the block.
pub fn build(builder: &mut Builder<'_>, keys: &mut Keys<'_>) -> anyhow::Result<Made> {
    let of = builder.of(keys)?;
    let experts = keys.count("experts", 1..=64)?.unwrap_or(4);
    let tasks = keys.count("tasks", 1..=64)?.unwrap_or(builder.labels);
    let widths = keys.counts("widths", 1..=512)?.filter(|widths| !widths.is_empty());
    let widths = widths.with_context(|| format!("{}: give the widths of an expert's layers", keys.at("widths")))?;
    let towers = keys.counts("towers", 1..=512)?.unwrap_or_else(|| vec![1]);
    if towers.last() != Some(&1) {
        anyhow::bail!("{}: give widths, the last of them 1", keys.at("towers"));
    }
    let activation = Activation::read(keys, "activation", Activation::Relu)?;
    let (side, input) = (builder.side(&of), builder.width(&of));
    let mut tensors = Vec::new();
    let mut stack = |name: &str, groups: usize, mut inputs: usize, widths: &[usize], shared: bool, ends: bool| {
        let mut layers = Vec::new();
        for (at, width) in widths.iter().enumerate() {
            let last = ends && at + 1 == widths.len();
            let activation = if last { Activation::None } else { activation };
            let name = if name == "gate" { name.to_string() } else { format!("{name}.{at}") };
            // As of `mlp`: He et al., "Delving Deep into Rectifiers", ICCV 2015, section 2.2; what ends begins smaller.
            let bound = (if last { 1.0f32 } else { 6.0 } / inputs as f32).sqrt();
            tensors.push(builder.tensor(&format!("{name}.weight"), &[groups, *width, inputs], First::Uniform(bound)));
            tensors.push(builder.constant(&format!("{name}.bias"), &[groups, *width], 0.0));
            let prelu = activation == Activation::Prelu;
            if prelu {
                tensors.push(builder.constant(&format!("{name}.alpha"), &[groups, *width], 0.25));
            }
            let count = groups * width;
            layers.push(Weights {
                groups,
                width: *width,
                inputs,
                shared: shared && at == 0,
                activation: activation.engine(),
                weight: vec![0.0; count * inputs],
                bias: vec![0.0; count],
                norm: [Vec::new(), Vec::new()],
                alpha: vec![0.0; if prelu { count } else { 0 }],
            });
            inputs = *width;
        }
        layers
    };
    let last = widths.last().copied().unwrap_or(1);
    let empty = MmoeWeights {
        experts: stack("expert", experts, input, &widths, true, false),
        gate: stack("gate", tasks, input, &[experts], true, true).remove(0),
        towers: stack("tower", tasks, last, &towers, false, true),
    };
    empty.check().map_err(|error| anyhow::anyhow!("{}: {error:?}", keys.at("widths")))?;
    Ok((Box::new(Mmoe { of, experts, tasks, widths, towers, activation, empty, tensors }), side, tasks))
}

impl Mmoe {
    fn weights(&self, params: &Params) -> MmoeWeights {
        let mut weights = self.empty.clone();
        fill_lists(params, &self.tensors, lists(&mut weights));
        weights
    }
}

impl Layer for Mmoe {
    fn of(&self) -> &[usize] {
        &self.of
    }

    fn forward(&self, at: &mut At<'_>) {
        at.gather(&self.of, X);
        let mixed = self.weights(at.params).forward(&at.scratch[X]);
        at.own.out.copy_from_slice(mixed.numbers());
        *at.kept = Some(Box::new(mixed));
    }

    fn backward(&self, at: &mut At<'_>) {
        let Some(mixed) = at.kept.as_ref().and_then(|kept| kept.downcast_ref::<Mixed>()) else { return };
        let (weights, mut into) = (self.weights(at.params), self.empty.clone());
        let mut slopes = std::mem::take(&mut at.scratch[SLOPE]);
        slopes.clear();
        slopes.resize(at.scratch[X].len(), 0.0);
        weights.backward(&at.scratch[X], mixed, &at.own.slope, &mut into, &mut slopes);
        at.gradients.add_lists(&self.tensors, lists(&mut into));
        at.scratch[SLOPE] = slopes;
        at.scatter(&self.of, SLOPE);
    }

    fn spec(&self) -> Value {
        json!({
            "experts": self.experts, "tasks": self.tasks, "widths": self.widths, "towers": self.towers,
            "activation": self.activation.name(),
        })
    }
}
