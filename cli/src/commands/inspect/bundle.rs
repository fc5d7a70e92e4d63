//! A bundle: what it predicts, from what, and which weights lead.

use super::bytes_of;
use anyhow::{Result, bail};
use zhiji::bundle;

/// Explains the bundle.
pub fn explain(bytes: &[u8]) -> Result<()> {
    let parsed = bundle::open(bytes)?;
    let space = parsed.space().to_owned();
    println!("bundle for the space {space}, {} bytes", bytes_of(bytes.len()));
    println!("tensors:");
    for (name, dtype, shape) in parsed.tensors() {
        println!("  {name}  {dtype} {shape:?}");
    }
    let verified = parsed.verify(&space)?;
    let model = verified.model();
    let fields = if model.fields.is_empty() { "none".into() } else { model.fields.join(", ") };
    println!("fields of the schema that must exist: {fields}");
    if let Some(fingerprint) = model.fingerprint {
        println!("only for the schema of fingerprint {fingerprint:016x}");
    }
    println!("predicts `{}`; hashed fields: {}", model.wide.label, model.wide.hashed_fields.join(", "));
    println!("weights of standardised features, the largest first:");
    let mut weights: Vec<(&String, &f32)> = model.wide.features.iter().zip(&model.wide.weight).collect();
    weights.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
    for (name, weight) in weights {
        println!("  {weight:+.4}  {name}");
    }
    match bundle::load(bytes, &space) {
        Ok(_) => println!("{} probes answered", model.probes.len()),
        Err(error) => bail!("{}: {error}", error.code()),
    }
    Ok(())
}
