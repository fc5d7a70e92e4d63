//! What is in a file.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use wasmparser::{Parser, Payload};
use zhiji::bundle;
use zhiji::sync::Envelope;

/// Options of `zhiji inspect`.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  zhiji inspect model.safetensors\n  zhiji inspect site/manifest.json\n  zhiji inspect zhiji_mvp.wasm"
)]
pub struct Args {
    /// A bundle, a manifest, a root or a wasm module.
    file: PathBuf,
}

/// Runs `zhiji inspect`. Nothing is verified here: `zhiji verify` does that.
pub fn run(args: Args) -> Result<()> {
    let bytes = fs::read(&args.file).with_context(|| format!("{} cannot be read", args.file.display()))?;
    if bytes.starts_with(b"\0asm") {
        module(&bytes)
    } else if let Ok(envelope) = Envelope::open(&bytes) {
        signed(&envelope)
    } else {
        bundle_of(&bytes).with_context(|| format!("{} is no wasm module and no signed file", args.file.display()))
    }
}

fn signed(envelope: &Envelope) -> Result<()> {
    let payload: serde_json::Value = serde_json::from_str(&envelope.payload).context("the payload is no JSON")?;
    println!("{}", serde_json::to_string_pretty(&payload)?);
    for entry in &envelope.signatures {
        println!("signed by {} (not verified)", entry.key);
    }
    Ok(())
}

fn bundle_of(bytes: &[u8]) -> Result<()> {
    let parsed = bundle::open(bytes)?;
    let space = parsed.space().to_owned();
    println!("bundle for {space}, {} bytes", bytes.len());
    for (name, dtype, shape) in parsed.tensors() {
        println!("  {name}  {dtype} {shape:?}");
    }
    let verified = parsed.verify(&space)?;
    let model = verified.model();
    println!("schema fields: {}", model.fields.join(", "));
    if let Some(fingerprint) = model.fingerprint {
        println!("schema fingerprint: {fingerprint:016x}");
    }
    println!("wide → {}, hashed: {}", model.wide.label, model.wide.hashed_fields.join(", "));
    for (name, weight) in model.wide.features.iter().zip(&model.wide.weight) {
        println!("  {weight:+.4}  {name}");
    }
    match bundle::load(bytes, &space) {
        Ok(_) => println!("{} probes answered", model.probes.len()),
        Err(error) => bail!("{}: {error}", error.code()),
    }
    Ok(())
}

fn module(bytes: &[u8]) -> Result<()> {
    println!("wasm module, {} bytes", bytes.len());
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.context("the module is damaged: build it again")? {
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import?;
                    println!("  import {}.{} {:?}", import.module, import.name, import.ty);
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export?;
                    println!("  export {} {:?}", export.name, export.kind);
                }
            }
            Payload::MemorySection(section) => {
                for memory in section {
                    let memory = memory?;
                    println!("  memory {} pages, at most {:?}", memory.initial, memory.maximum);
                }
            }
            Payload::CodeSectionStart { count, range, .. } => {
                println!("  code {count} functions, {} bytes", range.len())
            }
            Payload::DataSection(section) => {
                println!("  data {} segments, {} bytes", section.count(), section.range().len())
            }
            Payload::CustomSection(section) => println!("  custom {} {} bytes", section.name(), section.data().len()),
            _ => {}
        }
    }
    Ok(())
}
