//! A bundle: what it predicts, from what, and which weights lead.

use super::bytes_of;
use anyhow::{Result, bail};
use zhiji::bundle;

fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    if names.is_empty() { "none".into() } else { names.join(", ") }
}

/// Explains the bundle.
pub fn explain(bytes: &[u8]) -> Result<()> {
    let tensors = bundle::tensors(bytes)?;
    let verified = bundle::open(bytes)?;
    println!("bundle for the space {}, {} bytes", verified.space(), bytes_of(bytes.len()));
    println!("tensors:");
    for (name, dtype, shape) in tensors {
        println!("  {name}  {dtype} {shape:?}");
    }
    println!("fields of the schema that must exist: {}", listed(verified.fields().iter().map(String::as_str)));
    if let Some(fingerprint) = verified.fingerprint() {
        println!("only for the schema of fingerprint {fingerprint:016x}");
    }
    let stack = verified.stack();
    println!("hashed fields: {}", listed(stack.fields().iter().map(String::as_str)));
    println!("items known by their ids: {}", stack.items());
    for (kind, name) in stack.blocks() {
        println!("block `{name}`: {kind}");
    }
    for tier in 0..stack.tiers() {
        println!("tier {tier} predicts {}", listed(stack.labels(tier)));
    }
    let features = stack.features();
    match stack.linear() {
        Some((picks, wide)) => {
            println!("weights of standardised features, the largest first:");
            let names = picks.iter().filter_map(|pick| features.get(usize::try_from(*pick).ok()?));
            let mut weights: Vec<(&String, &f32)> = names.zip(wide.weight()).collect();
            weights.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
            for (name, weight) in weights {
                println!("  {weight:+.4}  {name}");
            }
        }
        None => println!("features: {}", listed(features.iter().map(String::as_str))),
    }
    match verified.run_probes() {
        Ok(bundle) => println!("{} probes answered", bundle.probes()),
        Err(error) => bail!("{}: {error}", error.code()),
    }
    Ok(())
}
