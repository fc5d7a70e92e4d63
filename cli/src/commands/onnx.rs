//! `zhiji import onnx`: a model of another framework → a bundle.

use crate::commands::files::write_atomically;
use crate::lab::onnx::{About, import};
use anyhow::Context as _;
use std::path::PathBuf;

/// Options of the command.
#[derive(clap::Args)]
pub struct Args {
    /// The ONNX file, its weights inside.
    file: PathBuf,
    /// The space of the schema.
    #[arg(long)]
    space: String,
    /// The label that each number of the outputs is the logit of, in order; give it again for each.
    #[arg(long = "label", required = true, value_name = "LABEL")]
    labels: Vec<String>,
    /// The features that are the columns of an input, comma-separated, or one a line in a file behind `@`; `INPUT=` before them where the
    /// graph has several inputs.
    #[arg(long = "columns", required = true, value_name = "[INPUT=]FEATURES")]
    columns: Vec<String>,
    /// The bundle to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

fn columns(given: &str) -> anyhow::Result<(String, Vec<String>)> {
    let (input, features) = given.split_once('=').unwrap_or(("", given));
    let features = match features.strip_prefix('@') {
        Some(path) => std::fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?,
        None => features.replace(',', "\n"),
    };
    let features = features.lines().map(str::trim).filter(|name| !name.is_empty()).map(str::to_string).collect();
    Ok((input.into(), features))
}

/// Runs the command.
pub fn run(args: Args) -> anyhow::Result<()> {
    let bytes = std::fs::read(&args.file).with_context(|| format!("cannot read {}", args.file.display()))?;
    let inputs = args.columns.iter().map(|given| columns(given)).collect::<anyhow::Result<Vec<_>>>()?;
    let about = About { space: args.space, labels: args.labels, inputs };
    let imported = import(&bytes, &about).with_context(|| args.file.display().to_string())?;
    write_atomically(&args.out, &imported.bytes)?;
    let blocks: Vec<String> = imported.blocks.iter().map(|(kind, name)| format!("{name} ({kind})")).collect();
    println!("{}: {} bytes; blocks {}", args.out.display(), imported.bytes.len(), blocks.join(", "));
    Ok(())
}
