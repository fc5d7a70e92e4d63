//! From trained weights to a bundle.

use super::settings::Together;
use crate::lab::examples::Examples;
use crate::lab::model;
use crate::lab::network::params::Params;
use crate::lab::network::{Held, Network, Written};
use anyhow::Context as _;
use serde_json::{Value, json};
use std::collections::HashSet;
use zhiji::bundle::stack::HISTORY_MOST;
use zhiji::bundle::{self, Numbers, Writing};
use zhiji::features::Layout;
use zhiji::schema::Schema;

/// What a bundle is to be called and hold beside the weights.
pub struct Naming<'a> {
    /// The schema.
    pub schema: &'a Schema,
    /// The layout that the examples came from.
    pub layout: &'a Layout,
    /// Whether phones with any other schema must refuse it.
    pub pin_schema: bool,
    /// Whether the bundle tells the ids of the items that a page can find in it.
    pub ids: bool,
    /// How the members of an ensemble become one.
    pub together: Together,
    /// The calibration of each task, where it has one.
    pub calibrations: &'a [Option<Value>],
}

/// The members as the bundle holds them: all, or one of the mean of their weights.
pub fn together(members: &[Params], how: Together) -> Vec<Params> {
    let mut members = members.to_vec();
    if how == Together::Weights && members.len() > 1 {
        let share = 1.0 / members.len() as f32;
        let rest = members.split_off(1);
        for (at, tensor) in members[0].iter_mut().enumerate() {
            for (place, x) in tensor.numbers.iter_mut().enumerate() {
                *x = rest.iter().fold(*x, |sum, member| sum + member[at].numbers[place]) * share;
            }
        }
    }
    members
}

/// The bundle of a network and the weights of one or several members, with a few of its examples as known answers.
///
/// # Errors
/// Where the engine would refuse it.
pub fn bundle(
    network: &Network,
    members: &[Params],
    examples: &Examples,
    naming: &Naming<'_>,
) -> anyhow::Result<Vec<u8>> {
    let members = together(members, naming.together);
    let suffix = |member: usize| if members.len() == 1 { String::new() } else { format!(".{member}") };
    let (mut blocks, mut tensors) = (Vec::new(), Vec::new());
    for (at, member) in members.iter().enumerate() {
        blocks.extend(network.spec(&suffix(at)));
        tensors.extend(network.write(member, &suffix(at)));
    }
    let mut tiers = network.tiers().clone();
    if members.len() > 1 {
        for tier in tiers.as_array_mut().into_iter().flatten() {
            for task in tier["tasks"].as_array_mut().into_iter().flatten() {
                spread(task, &(0..members.len()).map(suffix).collect::<Vec<_>>());
            }
        }
    }
    let specs = tiers.as_array_mut().into_iter().flatten().flat_map(|tier| tier["tasks"].as_array_mut());
    for (task, calibration) in specs.flatten().zip(naming.calibrations) {
        if let Some(calibration) = calibration {
            task["calibration"] = calibration.clone();
        }
    }
    let features = features(&blocks);
    let hashed = |name: &str| blocks.iter().any(|block| names(&block["hashed"]).any(|field| field == name));
    let needed = |field: &&zhiji::schema::Field| {
        let prefix = format!("{}.", field.name);
        features.iter().any(|f| f.starts_with(&prefix)) || hashed(&field.name)
    };
    let fields: Vec<&str> = naming.schema.fields.iter().filter(needed).map(|field| field.name.as_str()).collect();
    let mut schema = json!({ "fields": fields });
    if naming.pin_schema {
        schema["fingerprint"] = json!(format!("{:016x}", naming.schema.fingerprint()));
    }
    let spec = json!({
        "format": bundle::FORMAT,
        "space": naming.schema.space,
        "schema": schema,
        "ranker": { "blocks": blocks, "tiers": tiers },
        "probes": probes(examples, naming, &features),
    });
    let rows = [network.items.len()];
    let mut writing: Vec<Writing<'_>> = tensors.iter().map(|(name, tensor)| write(name, tensor)).collect();
    if !network.items.is_empty() {
        writing.push(Writing { name: "items.ids", shape: &rows, numbers: Numbers::Longs(&network.items) });
    }
    let finds = |block: &Value| block["block"] == "vector" || block["block"] == "covisit";
    let ids = if naming.ids && blocks.iter().any(finds) { lines(network, examples) } else { String::new() };
    let bytes = [ids.len()];
    if !ids.is_empty() {
        writing.push(Writing { name: "items.names", shape: &bytes, numbers: Numbers::Bytes(ids.as_bytes()) });
    }
    let bytes = bundle::write(&spec.to_string(), &writing).map_err(|e| anyhow::anyhow!("{}: {e}", e.code()))?;
    model::open(&bytes, naming.schema, naming.layout).context("the bundle that was written cannot be used")?;
    Ok(bytes)
}

/// The ids of the items that have rows, one a line.
fn lines(network: &Network, examples: &Examples) -> String {
    let rows: HashSet<u64> = network.items.iter().copied().collect();
    let items = examples.catalogue.items.iter().filter(|item| rows.contains(&item.wire));
    items.map(|item| item.id.as_str()).collect::<Vec<_>>().join("\n")
}

fn write<'a>(name: &'a str, tensor: &'a Written) -> Writing<'a> {
    let numbers = match &tensor.numbers {
        Held::Singles(list) => Numbers::Singles(list),
        Held::Bytes(list) => Numbers::Bytes(list),
        Held::Shorts(list) => Numbers::Shorts(list),
        Held::Words(list) => Numbers::Words(list),
    };
    Writing { name, shape: &tensor.shape, numbers }
}

fn names(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// The dense features of all blocks, each once, in the order in which they are named first: that is the order of a probe's.
fn features(blocks: &[Value]) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for name in blocks.iter().flat_map(|block| names(&block["features"])) {
        if !all.iter().any(|known| known == name) {
            all.push(name.to_string());
        }
    }
    all
}

/// Lets a task average what the members say.
fn spread(task: &mut Value, suffixes: &[String]) {
    let blocks: Vec<String> = names(&task["of"]).map(String::from).collect();
    let gains: Vec<f64> = match task["gains"].as_array() {
        Some(gains) => gains.iter().filter_map(Value::as_f64).collect(),
        None => vec![1.0; blocks.len()],
    };
    let members = || suffixes.iter().flat_map(|suffix| blocks.iter().zip(&gains).map(move |one| (suffix, one)));
    task["of"] = members().map(|(suffix, (block, _))| format!("{block}{suffix}")).collect();
    task["gains"] = members().map(|(_, (_, gain))| gain / suffixes.len() as f64).collect();
}

fn probes(examples: &Examples, naming: &Naming<'_>, features: &[String]) -> Vec<Value> {
    let catalogue = &examples.catalogue.items;
    let known = naming.layout.names();
    let picks: Vec<usize> = features.iter().filter_map(|name| known.iter().position(|known| known == name)).collect();
    let each = |probe: &crate::lab::examples::Probe| {
        let bits: Vec<String> = picks.iter().map(|at| format!("{:08x}", probe.dense[*at].to_bits())).collect();
        let item = &catalogue[probe.item as usize];
        let field = |field: u16| naming.schema.fields[usize::from(field)].name.as_str();
        let words: Vec<Value> = item.words.iter().map(|(at, key)| json!([field(*at), format!("{key:016x}")])).collect();
        let recent = probe.past.iter().rev().take(HISTORY_MOST).map(|item| {
            let item = &catalogue[*item as usize];
            let words: Vec<String> = item.words.iter().map(|(_, key)| format!("{key:016x}")).collect();
            json!({ "item": format!("{:016x}", item.wire), "words": words })
        });
        let recent: Vec<Value> = recent.collect();
        json!({ "dense": bits, "item": format!("{:016x}", item.wire), "words": words, "recent": recent })
    };
    examples.probes.iter().map(each).collect()
}

/// The bundle of one set of weights, for tests.
#[cfg(test)]
pub fn bundle_of(
    network: &crate::lab::network::Network,
    params: &crate::lab::network::params::Params,
    shop: &super::planted::Planted,
) -> anyhow::Result<Vec<u8>> {
    let naming = Naming {
        schema: &shop.schema,
        layout: &shop.layout,
        pin_schema: false,
        ids: true,
        together: Together::Logits,
        calibrations: &[],
    };
    bundle(network, std::slice::from_ref(params), &shop.examples, &naming)
}
