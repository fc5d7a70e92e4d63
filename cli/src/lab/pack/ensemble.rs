//! Several bundles → one, whose every answer is the mean of theirs.
//!
//! Each member keeps its blocks, under names of their own. A task's logit is a sum of blocks, so the mean of the members' logits is that of all
//! their blocks with gains divided by their number; the mean of their probabilities is a block `mean`, which asks each member for its
//! logit in one block.

use super::{Tensor, features, own_spec, tensors};
use anyhow::{Context as _, bail, ensure};
use serde_json::{Map, Value, json};

/// What the mean is taken of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Over {
    /// The logits of each task.
    Logits,
    /// Its probabilities; each member's logit must be one block.
    Probabilities,
}

/// The most probes that are kept.
const PROBES: usize = 64;

/// One bundle as it goes in.
struct Member {
    spec: Value,
    suffix: String,
}

fn texts(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}

fn each(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

/// The name of a block, which is its kind where none is given.
fn name(block: &Value) -> &str {
    block["name"].as_str().or_else(|| block["block"].as_str()).unwrap_or_default()
}

impl Member {
    fn renamed(&self, name: &str) -> String {
        format!("{name}{}", self.suffix)
    }

    fn blocks(&self) -> impl Iterator<Item = &Value> {
        each(&self.spec["ranker"]["blocks"])
    }

    /// Its blocks, each under its new name, reading others under theirs.
    fn renamed_blocks(&self) -> impl Iterator<Item = Value> {
        self.blocks().map(|block| {
            let mut block = block.clone();
            block["name"] = self.renamed(name(&block)).into();
            if block["of"].is_array() {
                block["of"] = texts(&block["of"]).map(|of| self.renamed(of)).collect();
            }
            block
        })
    }

    /// The new name of a tensor: that of the block of the longest name with which it begins.
    fn tensor(&self, tensor: &str) -> Option<String> {
        let own = |block: &&str| tensor.strip_prefix(block).is_some_and(|rest| rest.starts_with('.'));
        let block = self.blocks().map(name).filter(own).max_by_key(|block| block.len())?;
        Some(format!("{}{}", self.renamed(block), &tensor[block.len()..]))
    }

    /// The blocks of a task with their gains, under their new names.
    fn terms(&self, task: &Value) -> Vec<(String, f64)> {
        let gains = task["gains"].as_array();
        let gain = |at: usize| gains.map_or(Some(1.0), |gains| gains.get(at)?.as_f64()).unwrap_or(1.0);
        texts(&task["of"]).enumerate().map(|(at, of)| (self.renamed(of), gain(at))).collect()
    }
}

/// What all members must say alike.
fn alike<'a>(members: &'a [Member], what: &str, part: impl Fn(&'a Value) -> &'a Value) -> anyhow::Result<&'a Value> {
    let first = part(&members[0].spec);
    ensure!(members.iter().all(|member| part(&member.spec) == first), "the bundles do not agree on {what}");
    Ok(first)
}

/// The mean of one task over all members, as the task of the ensemble; adds the blocks that it needs.
fn task(members: &[Member], tasks: &[&Value], over: Over, blocks: &mut Vec<Value>) -> anyhow::Result<Value> {
    let label = tasks[0]["label"].as_str().unwrap_or_default();
    ensure!(
        tasks.iter().all(|task| task["label"] == label),
        "the bundles' tasks are not of the same labels in the same order"
    );
    ensure!(
        tasks.iter().all(|task| task["calibration"].is_null()),
        "`{label}` is calibrated in one of the bundles: take the calibration out, and calibrate the ensemble"
    );
    let terms: Vec<Vec<(String, f64)>> = members.iter().zip(tasks).map(|(member, task)| member.terms(task)).collect();
    if over == Over::Logits {
        let (of, gains): (Vec<String>, Vec<f64>) = terms.into_iter().flatten().unzip();
        let gains: Vec<f64> = gains.into_iter().map(|gain| gain / members.len() as f64).collect();
        return Ok(json!({ "label": label, "of": of, "gains": gains }));
    }
    let mut of = Vec::new();
    for terms in terms {
        match &terms[..] {
            [(block, 1.0)] => of.push(block.clone()),
            _ => bail!("the logit of `{label}` is no single block in one of the bundles: take the mean of logits"),
        }
    }
    let (made, of) = (json!({ "block": "mean", "of": of, "over": "probabilities" }), Value::from(of));
    let known = blocks.iter().find(|block| block["block"] == "mean" && block["of"] == of);
    let name = match known {
        Some(known) => known["name"].clone(),
        None => {
            let name = Value::from(format!("ensemble.{}", blocks.len()));
            blocks.push(made);
            blocks.last_mut().context("a block has been added")?["name"] = name.clone();
            name
        }
    };
    Ok(json!({ "label": label, "of": [name] }))
}

/// The questions of all members, each with 0 for features that its own model does not read. Their answers are the ensemble's to give.
fn probes(members: &[Member], spec: &Value) -> Vec<Value> {
    let all = features(spec);
    let mut probes = Vec::new();
    for member in members {
        let own = features(&member.spec);
        for probe in each(&member.spec["probes"]) {
            let value = |name: &String| own.iter().position(|known| known == name).map(|at| probe["dense"][at].clone());
            let mut probe: Map<String, Value> = probe.as_object().cloned().unwrap_or_default();
            let dense: Vec<Value> = all.iter().map(|name| value(name).unwrap_or_else(|| 0.into())).collect();
            probe.remove("logits");
            probe.insert("dense".into(), dense.into());
            let probe = Value::from(probe);
            if probes.len() < PROBES && !probes.contains(&probe) {
                probes.push(probe);
            }
        }
    }
    probes
}

/// Merges bundles: the spec of the ensemble, and its tensors. Personal heads are left out, since each was fitted to its own model.
///
/// # Errors
/// Where the bundles are not of one space, with the same tiers and tasks, and over the same items.
pub(super) fn merge(files: &[Vec<u8>], over: Over) -> anyhow::Result<(Value, Vec<Tensor>)> {
    ensure!(files.len() > 1, "an ensemble is made of two bundles or more");
    let mut members = Vec::new();
    for (at, file) in files.iter().enumerate() {
        let spec = own_spec(file)?.context("one of the files is no bundle: it has no spec in its metadata")?;
        members.push(Member { spec: serde_json::from_str(&spec)?, suffix: format!(".{at}") });
    }
    let (mut all, mut items): (Vec<Tensor>, Vec<Tensor>) = (Vec::new(), Vec::new());
    for (member, file) in members.iter().zip(files) {
        for mut tensor in tensors(file)? {
            if tensor.name.starts_with("items.") {
                match items.iter().find(|known| known.name == tensor.name) {
                    Some(known) => ensure!(
                        known.held == tensor.held,
                        "the bundles are not over the same items: train them on one catalogue"
                    ),
                    None => items.push(tensor),
                }
            } else if let Some(name) = member.tensor(&tensor.name) {
                tensor.name = name;
                all.push(tensor);
            }
        }
    }
    all.append(&mut items);
    let mut blocks: Vec<Value> = members.iter().flat_map(Member::renamed_blocks).collect();
    let tiers = |member: &Member| member.spec["ranker"]["tiers"].as_array().cloned().unwrap_or_default();
    let each_tiers: Vec<Vec<Value>> = members.iter().map(tiers).collect();
    ensure!(each_tiers.iter().all(|tiers| tiers.len() == each_tiers[0].len()), "the bundles have not as many tiers");
    let mut tiers = Vec::new();
    for number in 0..each_tiers[0].len() {
        let own: Vec<&Value> = each_tiers.iter().map(|tiers| &tiers[number]).collect();
        let count = own[0]["tasks"].as_array().map_or(0, Vec::len);
        ensure!(
            own.iter().all(|tier| tier["tasks"].as_array().is_some_and(|tasks| tasks.len() == count)
                && tier["blend"] == own[0]["blend"]),
            "the bundles' tiers have not the same tasks and blend"
        );
        let tasks = (0..count).map(|at| {
            let tasks: Vec<&Value> = own.iter().map(|tier| &tier["tasks"][at]).collect();
            task(&members, &tasks, over, &mut blocks)
        });
        let mut tier = json!({ "tasks": tasks.collect::<anyhow::Result<Vec<_>>>()? });
        if !own[0]["blend"].is_null() {
            tier["blend"] = own[0]["blend"].clone();
        }
        tiers.push(tier);
    }
    let mut fields: Vec<&str> = members.iter().flat_map(|member| texts(&member.spec["schema"]["fields"])).collect();
    fields.sort_unstable();
    fields.dedup();
    let mut schema = json!({ "fields": fields });
    let fingerprint = alike(&members, "the schema's fingerprint", |spec| &spec["schema"]["fingerprint"])?;
    if !fingerprint.is_null() {
        schema["fingerprint"] = fingerprint.clone();
    }
    let mut spec = json!({
        "format": alike(&members, "the format", |spec| &spec["format"])?,
        "space": alike(&members, "the space", |spec| &spec["space"])?,
        "schema": schema,
        "ranker": { "blocks": blocks, "tiers": tiers },
    });
    spec["probes"] = probes(&members, &spec).into();
    Ok((spec, all))
}

#[cfg(test)]
mod tests;
