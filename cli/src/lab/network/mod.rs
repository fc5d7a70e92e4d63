//! A stack of blocks that learns: the bundle's own formulas, forward and backward, over batches.
//!
//! Blocks, tiers and tasks are those of docs/bundle.md. Each block is one file in `layers/`; it reads its keys, makes its tensors, walks a batch
//! forward and backward, and says what stands in the bundle. What depends on the user alone is computed once for each user of a batch, what depends on
//! the item alone once for each item, so that one user meets many sampled items at the price of the pairs.

pub mod build;
mod layers;
pub mod matrix;
pub mod params;
pub mod pass;

pub(crate) use matrix::wide;

use crate::lab::examples::{Catalogue, Chunk, Standard};
use anyhow::{Context as _, bail};
use build::{Builder, Keys, Made};
use params::{Gradients, Params};
use pass::{At, Batch, Disturbance, Kept, Noise, Numbers, Scratch, Side};
use serde_json::{Value, json};
use std::ops::Range;
use std::sync::Arc;
use toml::Table;
use zhiji::features::Layout;
use zhiji::schema::Schema;

/// A tensor as it stands in a bundle.
#[derive(Clone, Debug)]
pub struct Written {
    /// The part of its name after the block's.
    pub part: String,
    /// Its dimensions.
    pub shape: Vec<usize>,
    /// Its numbers, row by row.
    pub numbers: Held,
}

/// The numbers of a tensor of a bundle.
#[derive(Clone, Debug)]
pub enum Held {
    /// Weights.
    Singles(Vec<f32>),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Whole numbers of 16 bits.
    Shorts(Vec<u16>),
    /// Whole numbers of 32 bits.
    Words(Vec<u32>),
}

/// What a block does with a batch.
pub trait Layer: Send + Sync {
    /// The blocks that it reads.
    fn of(&self) -> &[usize] {
        &[]
    }

    /// The vectors of items, where the block is `item`.
    fn vectors(&self) -> Option<&Arc<layers::Vectors>> {
        None
    }

    /// Writes the block's numbers.
    fn forward(&self, at: &mut At<'_>);

    /// Adds what the derivatives of the block's numbers say of its tensors, and of the numbers that it read.
    fn backward(&self, at: &mut At<'_>);

    /// The keys of the bundle's spec beside `block`, `name` and `of`.
    fn spec(&self) -> Value {
        json!({})
    }

    /// What stands in the bundle beside or in place of its tensors; `None` writes them as they are.
    fn write(&self, _params: &Params) -> Option<Vec<Written>> {
        None
    }
}

/// One block of a network.
pub struct Block {
    /// Its name, under which others read it.
    pub name: String,
    /// Its kind.
    pub kind: &'static str,
    /// What its numbers depend on.
    pub side: Side,
    /// How many there are.
    pub width: usize,
    learns: bool,
    layer: Box<dyn Layer>,
    tensors: Range<usize>,
}

/// The logit of a task: numbers of blocks, each times its gain.
#[derive(Clone, Debug)]
pub struct Task {
    /// Place among the labels that are learnt.
    pub label: usize,
    /// Blocks, the number of theirs, and what it is multiplied with.
    of: Vec<(usize, usize, f32)>,
}

/// A model's shape: its numbers stand in [`Params`].
pub struct Network {
    blocks: Vec<Block>,
    /// Tasks, tier by tier.
    pub tasks: Vec<Task>,
    /// The bundle's tiers.
    tiers: Value,
    /// Ids of the items that have rows.
    pub items: Vec<u64>,
    /// Whether any block reads dense features of the pair, which are known of logged pairs only.
    pub reads_pairs: bool,
}

/// Room for one worker: what the blocks gave, what they keep, and the gradients.
pub struct Pass {
    numbers: Vec<Numbers>,
    scratch: Vec<Scratch>,
    kept: Vec<Kept>,
    /// One logit for each pair and task.
    pub logits: Vec<f32>,
    /// The derivatives of the loss by them.
    pub slopes: Vec<f32>,
    /// What is gathered.
    pub gradients: Gradients,
    /// What is random.
    pub disturbance: Disturbance,
}

/// What a network is built for.
pub struct Setting<'a> {
    /// The schema.
    pub schema: &'a Schema,
    /// Names of the dense features.
    pub layout: &'a Layout,
    /// All items.
    pub catalogue: &'a Arc<Catalogue>,
    /// Which features vary, and how.
    pub standard: &'a Standard,
    /// The labels that are learnt.
    pub labels: &'a [String],
    /// Decides the first numbers.
    pub seed: u64,
}

impl Network {
    /// Builds the blocks and tiers of a configuration, with first numbers for their tensors.
    ///
    /// # Errors
    /// Where a key is missing, unknown or out of bounds: it is named.
    pub fn new(setting: &Setting<'_>, blocks: &[Table], tiers: &[Table]) -> anyhow::Result<(Self, Params)> {
        let Setting { schema, layout, catalogue, standard, .. } = *setting;
        let mut builder = Builder {
            schema,
            layout,
            catalogue,
            standard,
            blocks: Vec::new(),
            params: Vec::new(),
            labels: setting.labels.len(),
            noise: Noise::new(setting.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x0005_eed0_fb10_c4e5),
            rows: None,
            name: String::new(),
            frozen: false,
        };
        if blocks.is_empty() {
            bail!("blocks: give at least one, or choose a --model");
        }
        for (at, table) in blocks.iter().enumerate() {
            let mut keys = Keys::new(table, format!("blocks[{at}]"));
            let kinds: Vec<&str> = layers::KINDS.iter().map(|(kind, _)| *kind).collect();
            let text = keys.text("block")?.with_context(|| format!("{}: say which block it is", keys.at("block")))?;
            let found = layers::KINDS.iter().find(|(kind, _)| *kind == text);
            let (kind, build) =
                found.with_context(|| format!("{}: \"{text}\" is none of: {}", keys.at("block"), kinds.join(", ")))?;
            builder.name = keys.text("name")?.unwrap_or(kind).to_string();
            builder.frozen = keys.flag("frozen", false)?;
            if builder.blocks.iter().any(|block| block.name == builder.name) || builder.name == "items" {
                bail!("{}: \"{}\" is taken; give each block a name of its own", keys.at("name"), builder.name);
            }
            let first = builder.params.len();
            let (layer, side, width): Made = build(&mut builder, &mut keys)?;
            keys.finish()?;
            let tensors = first..builder.params.len();
            let learns = (!tensors.is_empty() && !builder.frozen)
                || layer.of().iter().any(|block| builder.blocks[*block].learns);
            let name = builder.name.clone();
            builder.blocks.push(Block { name, kind, side, width, learns, layer, tensors });
        }
        let Builder { blocks, params, rows, .. } = builder;
        let mut ids = Vec::new();
        if let Some((rows, count)) = rows {
            ids.resize(count as usize, 0);
            for (item, row) in catalogue.items.iter().zip(rows.iter()) {
                if let Some(slot) = ids.get_mut(*row as usize) {
                    *slot = item.wire;
                }
            }
        }
        let pair = |block: &Block| matches!(block.kind, "dense" | "wide" | "fm") && block.side == Side::Pair;
        let reads = |block: &Block| block.layer.spec()["features"].as_array().is_some_and(|names| !names.is_empty());
        let reads_pairs = blocks.iter().any(|block| pair(block) && reads(block));
        let (tasks, tiers) = tasks(&blocks, setting.labels, tiers)?;
        Ok((Self { blocks, tasks, tiers, items: ids, reads_pairs }, params))
    }

    /// Room for one worker.
    pub fn pass(&self, params: &Params) -> Pass {
        let numbers = self.blocks.iter().map(|block| Numbers {
            side: block.side,
            width: block.width,
            learns: block.learns,
            out: Vec::new(),
            slope: Vec::new(),
        });
        Pass {
            numbers: numbers.collect(),
            scratch: self.blocks.iter().map(|_| Scratch::default()).collect(),
            kept: self.blocks.iter().map(|_| None).collect(),
            logits: Vec::new(),
            slopes: Vec::new(),
            gradients: Gradients::new(params),
            disturbance: Disturbance::OFF,
        }
    }

    /// Writes the logits of a batch.
    pub fn forward(&self, at: &mut Pass, params: &Params, chunk: &Chunk, batch: &Batch) {
        for (place, block) in self.blocks.iter().enumerate() {
            let (before, rest) = at.numbers.split_at_mut(place);
            let own = &mut rest[0];
            own.out.clear();
            own.out.resize(batch.rows(block.side) * block.width, 0.0);
            block.layer.forward(&mut At {
                batch,
                chunk,
                params,
                gradients: &mut at.gradients,
                before,
                own,
                scratch: &mut at.scratch[place],
                kept: &mut at.kept[place],
                disturbance: &mut at.disturbance,
            });
        }
        let count = self.tasks.len();
        at.logits.clear();
        at.logits.resize(batch.pairs.len() * count, 0.0);
        for (task, spec) in self.tasks.iter().enumerate() {
            for (block, column, gain) in &spec.of {
                let numbers = &at.numbers[*block];
                for (pair, slots) in at.logits.chunks_exact_mut(count).enumerate() {
                    let row = batch.read(Side::Pair, pair, numbers.side);
                    slots[task] += numbers.out[row * numbers.width + column] * gain;
                }
            }
        }
    }

    /// Gathers the gradients of a batch whose forward walk came before, from the derivatives by its logits.
    pub fn backward(&self, at: &mut Pass, params: &Params, chunk: &Chunk, batch: &Batch) {
        for (numbers, block) in at.numbers.iter_mut().zip(&self.blocks) {
            numbers.slope.clear();
            if block.learns {
                numbers.slope.resize(numbers.out.len(), 0.0);
            }
        }
        let count = self.tasks.len();
        for (task, spec) in self.tasks.iter().enumerate() {
            for (block, column, gain) in &spec.of {
                let numbers = &mut at.numbers[*block];
                if numbers.learns {
                    for (pair, slopes) in at.slopes.chunks_exact(count).enumerate() {
                        let row = batch.read(Side::Pair, pair, numbers.side);
                        numbers.slope[row * numbers.width + column] += slopes[task] * gain;
                    }
                }
            }
        }
        for (place, block) in self.blocks.iter().enumerate().rev() {
            if block.learns {
                let (before, rest) = at.numbers.split_at_mut(place);
                block.layer.backward(&mut At {
                    batch,
                    chunk,
                    params,
                    gradients: &mut at.gradients,
                    before,
                    own: &mut rest[0],
                    scratch: &mut at.scratch[place],
                    kept: &mut at.kept[place],
                    disturbance: &mut at.disturbance,
                });
            }
        }
    }

    /// The bundle's blocks, `suffix` put behind each name.
    pub fn spec(&self, suffix: &str) -> Vec<Value> {
        let named = |block: &usize| format!("{}{suffix}", self.blocks[*block].name);
        let each = |block: &Block| {
            let mut spec = block.layer.spec();
            spec["block"] = json!(block.kind);
            let name = format!("{}{suffix}", block.name);
            if name != block.kind {
                spec["name"] = json!(name);
            }
            if !block.layer.of().is_empty() {
                spec["of"] = block.layer.of().iter().map(named).collect();
            }
            spec
        };
        self.blocks.iter().map(each).collect()
    }

    /// The bundle's tiers.
    pub const fn tiers(&self) -> &Value {
        &self.tiers
    }

    /// The bundle's tensors, with their whole names; `suffix` is put behind each block's.
    pub fn write(&self, params: &Params, suffix: &str) -> Vec<(String, Written)> {
        let mut all = Vec::new();
        for block in &self.blocks {
            let own = block.layer.write(params).unwrap_or_else(|| {
                let as_it_is = |at: usize| {
                    let tensor = &params[at];
                    let part = tensor.name[block.name.len() + 1..].to_string();
                    Written { part, shape: tensor.shape.clone(), numbers: Held::Singles(tensor.numbers.clone()) }
                };
                block.tensors.clone().map(as_it_is).collect()
            });
            let sized = own.into_iter().filter(|tensor| tensor.shape.iter().all(|size| *size > 0));
            all.extend(sized.map(|tensor| (format!("{}{suffix}.{}", block.name, tensor.part), tensor)));
        }
        all
    }
}

/// Reads the tiers of a configuration; without any, one tier with the tasks of [`usual`].
fn tasks(blocks: &[Block], labels: &[String], tiers: &[Table]) -> anyhow::Result<(Vec<Task>, Value)> {
    let one = [Table::new()];
    let tiers = if tiers.is_empty() { &one } else { tiers };
    let (mut made, mut all) = (Vec::new(), Vec::new());
    for (at, tier) in tiers.iter().enumerate() {
        let place = format!("tiers[{at}]");
        if let Some(key) = tier.keys().find(|key| *key != "tasks" && *key != "blend") {
            bail!("{place}.{key}: there is no such key; there are: tasks, blend");
        }
        let (tasks, specs) = match tier.get("tasks") {
            Some(listed) => {
                let listed = listed.as_array().with_context(|| format!("{place}.tasks: give a list"))?;
                listed_tasks(blocks, labels, listed, &place)?
            }
            None => usual(blocks, labels)?,
        };
        let mut spec = json!({ "tasks": specs });
        if let Some(value) = tier.get("blend") {
            spec["blend"] = blend(value, tasks.len()).with_context(|| format!("{place}.blend"))?;
        }
        made.extend(tasks);
        all.push(spec);
    }
    Ok((made, Value::Array(all)))
}

/// One task for each label: the sum of the blocks that no other reads.
fn usual(blocks: &[Block], labels: &[String]) -> anyhow::Result<(Vec<Task>, Vec<Value>)> {
    let read = |at: usize| blocks.iter().any(|block| block.layer.of().contains(&at));
    let ends: Vec<usize> = (0..blocks.len())
        .filter(|at| !read(*at) && [1, labels.len()].contains(&blocks[*at].width) && blocks[*at].side != Side::User)
        .collect();
    if ends.is_empty() {
        bail!("tiers: no block gives one number, so say which blocks each task adds up");
    }
    let names: Vec<&str> = ends.iter().map(|at| blocks[*at].name.as_str()).collect();
    let (mut made, mut specs) = (Vec::new(), Vec::new());
    for (label, name) in labels.iter().enumerate() {
        let column = |at: &usize| if blocks[*at].width == 1 { 0 } else { label };
        made.push(Task { label, of: ends.iter().map(|at| (*at, column(at), 1.0)).collect() });
        specs.push(json!({ "label": name, "of": names }));
    }
    Ok((made, specs))
}

/// The tasks of one tier, as they are written down.
fn listed_tasks(
    blocks: &[Block],
    labels: &[String],
    listed: &[toml::Value],
    place: &str,
) -> anyhow::Result<(Vec<Task>, Vec<Value>)> {
    let (mut made, mut specs) = (Vec::new(), Vec::new());
    for (number, task) in listed.iter().enumerate() {
        let place = format!("{place}.tasks[{number}]");
        let table = task.as_table().with_context(|| format!("{place}: give a table"))?;
        let mut keys = Keys::new(table, place);
        let name = keys.text("label")?.with_context(|| format!("{}: name a label", keys.at("label")))?;
        let label = labels.iter().position(|known| known == name);
        let label = label.with_context(|| format!("{}: \"{name}\" is not among the labels", keys.at("label")))?;
        let names = keys.texts("of")?.with_context(|| format!("{}: name the blocks that are added", keys.at("of")))?;
        let gains = keys.numbers("gains")?.unwrap_or_else(|| vec![1.0; names.len()]);
        keys.finish()?;
        if gains.len() != names.len() {
            bail!("{}: give one number for each block", keys.at("gains"));
        }
        let mut of = Vec::new();
        for (name, gain) in names.iter().zip(&gains) {
            let block = blocks.iter().position(|block| block.name == *name);
            let block = block.with_context(|| format!("{}: there is no block \"{name}\"", keys.at("of")))?;
            let width = blocks[block].width;
            if width != 1 && width != listed.len() {
                bail!("{}: \"{name}\" gives {width} numbers; a task takes one", keys.at("of"));
            }
            of.push((block, if width == 1 { 0 } else { number }, *gain as f32));
        }
        made.push(Task { label, of });
        specs.push(json!({ "label": name, "of": names, "gains": gains }));
    }
    Ok((made, specs))
}

/// How a tier's tasks become one score, in the bundle's form: a word (`powers` or `sum`: all weigh alike), or a table of it and a weight for each task.
fn blend(value: &toml::Value, tasks: usize) -> anyhow::Result<Value> {
    let (word, weights) = match value {
        toml::Value::String(word) => (word.as_str(), vec![1.0; tasks]),
        toml::Value::Table(table) if table.len() == 1 => {
            let word = table.keys().next().map_or("", String::as_str);
            let weights = build::list_of_numbers(&table[word]).context("give a list of numbers")?;
            (word, weights)
        }
        _ => bail!("give \"powers\" or \"sum\", or {{ powers = [a weight for each task] }}"),
    };
    if !["powers", "sum"].contains(&word) {
        bail!("\"{word}\" is neither \"powers\" nor \"sum\"");
    }
    if weights.len() != tasks || weights.iter().any(|w| *w < 0.0) || weights.iter().sum::<f64>() <= 0.0 {
        bail!("give one weight, not below 0, for each of the {tasks} tasks, and not 0 for all");
    }
    Ok(json!({ word: weights }))
}

#[cfg(test)]
mod parity;
#[cfg(test)]
mod tests;
