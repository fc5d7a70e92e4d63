//! `zhiji pack`: weights from anywhere → a bundle.

use crate::commands::files::write_atomically;
use crate::lab::pack;
use anyhow::{Context as _, bail};
use std::path::{Path, PathBuf};

/// Options of the command.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  zhiji pack weights.safetensors --spec spec.json --probes examples.safetensors --out click.safetensors\n  \
    zhiji pack towers.safetensors items.safetensors --spec spec.json --quantise item.vectors --out shop.safetensors\n\n\
    docs/bundle.md has the spec, the names of the tensors, and an example in Python. The answers to the probes are the engine's own,\n\
    and what a phone would refuse is refused here."
)]
pub struct Args {
    /// Safetensors files with the weights, named as the spec's blocks name them.
    #[arg(required = true, value_name = "WEIGHTS")]
    weights: Vec<PathBuf>,
    /// The spec, in JSON; if not given, it stands in the first file's metadata under `zhiji`.
    #[arg(long, value_name = "FILE")]
    spec: Option<PathBuf>,
    /// Make the probes out of these examples of `zhiji features`, instead of the spec's own.
    #[arg(long, value_name = "FILE")]
    probes: Option<PathBuf>,
    /// Tables of singles to write as bytes with one scale for each row, comma-separated; `all` for every table.
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    quantise: Vec<String>,
    /// The bundle to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Runs the command.
pub fn run(args: Args) -> anyhow::Result<()> {
    let read = |path: &Path| std::fs::read(path).with_context(|| format!("cannot read {}", path.display()));
    let files = args.weights.iter().map(|path| read(path)).collect::<anyhow::Result<Vec<_>>>()?;
    let spec = args.spec.as_deref().map(std::fs::read_to_string).transpose().context("the spec cannot be read")?;
    let examples = args.probes.as_deref().map(read).transpose()?;
    let packed = pack::pack(&files, spec, examples.as_deref(), &args.quantise)?;
    if packed.probes == 0 {
        bail!("there are no probes: write some into the spec, or give --probes");
    }
    write_atomically(&args.out, &packed.bytes)?;
    for table in &packed.quantised {
        println!("{}: bytes, off by at most {:.2} % of the greatest number of a row", table.name, 100.0 * table.worst);
    }
    println!("{}: {} bytes, {} probes answered", args.out.display(), packed.bytes.len(), packed.probes);
    Ok(())
}
