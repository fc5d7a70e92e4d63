//! A bundle: what it predicts, from what, and which weights lead.

use super::bytes_of;
use anyhow::{Result, bail};
use zhiji::block::Side;
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
    for ((kind, name), (side, width)) in stack.blocks().zip(stack.shapes()) {
        let when = match side {
            Side::User => "once per request",
            Side::Item => "once per item",
            Side::Pair => "for each pair",
        };
        let numbers = if width == 1 { "1 number".to_string() } else { format!("{width} numbers") };
        let kept = match stack.kept(name) {
            Some((user, item)) if user + item > 0 => {
                format!("; of its first sums {user} once per request and {item} once per item")
            }
            _ => String::new(),
        };
        println!("block `{name}`: {kind}, {numbers} {when}{kept}");
    }
    for tier in 0..stack.tiers() {
        println!("tier {tier} predicts {}", listed(stack.labels(tier)));
        for (label, calibration) in stack.labels(tier).zip(stack.calibrations(tier)) {
            if let Some(calibration) = calibration {
                println!("  {label} is calibrated by {}", calibration.name());
            }
        }
        if let Some(blend) = stack.blend(tier) {
            let shares = stack.labels(tier).zip(blend.shares()).map(|(label, share)| format!("{label} {share:.3}"));
            println!("  it ranks by the {} of {}", blend.name(), shares.collect::<Vec<_>>().join(", "));
        }
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
