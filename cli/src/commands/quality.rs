//! `zhiji quality`: the protocols of docs/quality.md on a folder of splits.

use crate::lab::quality::tried::Tried;
use crate::lab::quality::{self, Plan, Protocol};
use anyhow::Context as _;
use std::path::PathBuf;

/// Options of the command.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  zhiji quality ml-latest-small --out quality\n  \
    zhiji quality ml-latest-small --protocol A,B --seed 2 --out quality\n\n\
    DIR holds items.tsv and splits/{time,colduser,loo}/{train,valid,test}.tsv. Choices are made on valid alone; docs/quality.md says which.")]
pub struct Args {
    /// The data set.
    dir: PathBuf,
    /// Which protocols, comma-separated; one whose split is missing is skipped and named.
    #[arg(long, value_delimiter = ',', value_enum, default_values_t = Protocol::ALL)]
    protocol: Vec<Protocol>,
    /// The rating from which an item is liked.
    #[arg(long, default_value_t = 4.0, value_name = "RATING")]
    like: f32,
    /// Lists of values to try, as in examples/quality/all.toml; lists that it does not give are as there.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Decides every draw.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where results, bundles and lab directories are written.
    #[arg(long, default_value = "quality", value_name = "DIR")]
    out: PathBuf,
}

/// Runs the command.
pub fn run(args: Args) -> anyhow::Result<()> {
    let tried = args.config.as_deref().map(Tried::open).transpose()?.unwrap_or_default();
    let (dir, protocols, like, seed, out) = (args.dir, args.protocol, args.like, args.seed, args.out);
    let plan = Plan { dir, protocols, like, tried, seed, out };
    let record = quality::run(&plan)?;
    let text = record.markdown();
    for (name, text) in [("quality.md", &text), ("quality.jsonl", &record.json_lines()?)] {
        let path = plan.out.join(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        eprintln!("{} written", path.display());
    }
    print!("{text}");
    Ok(())
}
