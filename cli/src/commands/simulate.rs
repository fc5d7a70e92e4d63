//! `zhiji simulate`: seeded shoppers over a catalogue → a lab directory.

use crate::lab::dataset::{for_each_item, open_item};
use crate::lab::rows::Rows;
use crate::lab::schema_file;
use crate::lab::simulate::{self, Crowd};
use std::collections::HashSet;
use std::path::PathBuf;

/// Options of the command.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  zhiji simulate --items items.jsonl --schema miniprogram/schema.js --users 1000 --days 30 \
    --seed 7 --out shop\n\nThe people are invented, and so is their behaviour (docs/training.md has it in full). \
    The same seed gives the same bytes."
)]
pub struct Args {
    /// The catalogue: one JSON item per line.
    #[arg(long)]
    items: PathBuf,
    /// The schema: JSON, or the page's own schema.js.
    #[arg(long)]
    schema: PathBuf,
    /// How many people.
    #[arg(long, default_value_t = 1_000)]
    users: u32,
    /// For how many days.
    #[arg(long, default_value_t = 30)]
    days: u32,
    /// The seed that decides everything.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The lab directory to write.
    #[arg(long)]
    out: PathBuf,
    /// The largest share of items that may be bad.
    #[arg(long, default_value_t = 0.01)]
    bad_rows: f64,
}

/// Runs the command.
pub fn run(args: Args) -> anyhow::Result<()> {
    let file = schema_file::open(&args.schema)?;
    let mut rows = Rows::new(args.bad_rows);
    let mut items = Vec::new();
    let mut ids = HashSet::new();
    for_each_item(&args.items, &mut rows, |json| {
        let item = open_item(&file.schema, &json)?;
        if !ids.insert(item.id().to_string()) {
            return Err("this id stands twice".into());
        }
        items.push(json);
        Ok(())
    })?;
    let crowd = Crowd { users: args.users, days: args.days, seed: args.seed };
    let meta = simulate::run(&file, items, crowd, &args.out, &rows)?;
    println!("{}: {} events on {} items", meta.source, meta.events, meta.items);
    println!("splits: {:?}; bad rows: {}", meta.splits, meta.bad_rows);
    Ok(())
}
