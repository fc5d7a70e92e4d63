//! `zhiji pack`: weights from anywhere → a bundle.

use crate::commands::files::write_atomically;
use crate::lab::cost::{self, Costs};
use crate::lab::pack::{self, Over, Smaller, Source};
use anyhow::{Context as _, bail};
use std::path::{Path, PathBuf};

/// Options of the command.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  zhiji pack weights.safetensors --spec spec.json --probes examples.safetensors --out click.safetensors\n  \
    zhiji pack towers.safetensors items.safetensors --spec spec.json --quantise item.vectors --out shop.safetensors\n  \
    zhiji pack like.safetensors --quantise all --measure films-time --out small.safetensors\n  \
    zhiji pack one.safetensors two.safetensors --ensemble logits --out both.safetensors\n\n\
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
    /// Each file is a bundle, and what is written is their ensemble: the mean of what they say.
    #[arg(long, value_name = "OVER", conflicts_with = "spec")]
    ensemble: Option<Over>,
    /// Let the bundle tell the ids of its items, so that a page can retrieve what it has not loaded: a file with one id a line, in any order.
    #[arg(long, value_name = "FILE")]
    ids: Option<PathBuf>,
    /// Make the probes out of these examples of `zhiji features`, instead of the spec's own.
    #[arg(long, value_name = "FILE")]
    probes: Option<PathBuf>,
    /// Tables of singles to write as bytes with one scale for each row, comma-separated; `all` for every table.
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    quantise: Vec<String>,
    /// Tensors to write as halves, comma-separated; `all` for every table that is not quantised, and the hashed weights of linear blocks.
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    halve: Vec<String>,
    /// Measure on this lab directory what fewer bytes cost: the weights as they are against what is written.
    #[arg(long, value_name = "DIR")]
    measure: Option<PathBuf>,
    /// Rank the whole catalogue for at most so many positive examples while measuring; 0 for none.
    #[arg(long, default_value_t = 200, value_name = "N", requires = "measure")]
    rankings: usize,
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
    let smaller = Smaller { quantised: &args.quantise, halved: &args.halve };
    let ids = args.ids.as_deref().map(std::fs::read_to_string).transpose().context("the ids cannot be read")?;
    let source = match args.ensemble {
        Some(over) => Source::Ensemble(&files, over),
        None => Source::Model(&files, spec.as_deref()),
    };
    let write = |smaller: Smaller<'_>| pack::pack(source, examples.as_deref(), ids.as_deref(), smaller);
    let packed = write(smaller)?;
    if packed.probes == 0 {
        bail!("there are no probes: write some into the spec, or give --probes");
    }
    write_atomically(&args.out, &packed.bytes)?;
    for table in &packed.quantised {
        println!("{}: bytes, off by at most {:.2} % of the greatest number of a row", table.name, 100.0 * table.worst);
    }
    for tensor in &packed.halved {
        println!(
            "{}: halves, off by at most {:.3} % of the greatest number of a row",
            tensor.name,
            100.0 * tensor.worst
        );
    }
    println!("{}: {} bytes, {} probes answered", args.out.display(), packed.bytes.len(), packed.probes);
    if let Some(dir) = &args.measure {
        let plain = write(Smaller::default())?;
        let costs = cost::measure(dir, [&plain.bytes, &packed.bytes], args.rankings)?;
        print(&costs);
    }
    Ok(())
}

/// A table of both, and what the one differs from the other.
fn print(costs: &Costs) {
    let figure = |value: Option<f64>| value.map_or("–".into(), |value| format!("{value:.4}"));
    println!(
        "\n`{}` on {}, the bundle alone, without personal heads; NDCG of {} rankings",
        costs.label, costs.on, costs.rankings
    );
    println!("{:>9} {:>9} {:>7} {:>7} {:>9} {:>8}", "", "bytes", "AUC", "GAUC", "log-loss", "NDCG@10");
    let [before, after] = &costs.figures;
    for (name, f) in [("as given", before), ("written", after)] {
        println!(
            "{name:>9} {:>9} {:>7} {:>7} {:>9.4} {:>8}",
            f.bytes,
            figure(f.auc),
            figure(f.gauc),
            f.log_loss,
            figure(f.ndcg)
        );
    }
    let less = |a: Option<f64>, b: Option<f64>| a.zip(b).map_or("–".into(), |(a, b)| format!("{:+.4}", b - a));
    println!(
        "{:>9} {:>8.1}% {:>7} {:>7} {:>+9.4} {:>8}",
        "change",
        100.0 * (after.bytes as f64 / before.bytes as f64 - 1.0),
        less(before.auc, after.auc),
        less(before.gauc, after.gauc),
        after.log_loss - before.log_loss,
        less(before.ndcg, after.ndcg)
    );
}
