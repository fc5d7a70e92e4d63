//! `zhiji train`: a lab directory → a bundle.

use crate::lab::dataset::{Dataset, Split};
use crate::lab::examples;
use crate::lab::logistic::{self, Optimiser, Options};
use crate::lab::model::{self, Naming};
use crate::lab::rows::Rows;
use anyhow::{Context as _, bail};
use std::path::PathBuf;
use std::rc::Rc;
use zhiji::features::Layout;

/// Options of the command.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  zhiji train films-time --label like --out like.safetensors\n  \
    zhiji train shop --label click --hashed id,category --out shop.safetensors --seed 7\n\n\
    Rows of the split `valid`, where there are any, choose the epoch; rows of the split `test` are folded and never learnt from.")]
pub struct Args {
    /// The lab directory (see `zhiji import` and `zhiji simulate`).
    dir: PathBuf,
    /// The schema's label to learn; its first, if not given.
    #[arg(long)]
    label: Option<String>,
    /// The bundle to write.
    #[arg(long)]
    out: PathBuf,
    /// Fields whose values get a weight each, comma-separated; `id` is the item itself; empty for none.
    #[arg(long, value_delimiter = ',', default_value = "id")]
    hashed: Vec<String>,
    /// Buckets of the hashed table, a power of two; by default four for each item, at most 131,072 (512 kB).
    #[arg(long)]
    buckets: Option<usize>,
    /// Passes over the training rows, at most.
    #[arg(long, default_value_t = 20)]
    epochs: usize,
    /// Rows in one step.
    #[arg(long, default_value_t = 256)]
    batch: usize,
    /// How steps are taken.
    #[arg(long, value_enum, default_value = "adam")]
    optimiser: Optimiser,
    /// Length of a step; falls linearly to a tenth over the epochs.
    #[arg(long, default_value_t = 0.02)]
    learning_rate: f32,
    /// Penalty of the squared weights of the dense features.
    #[arg(long, default_value_t = 10.0)]
    l2: f32,
    /// Penalty of the squared weights of the hashed features.
    #[arg(long, default_value_t = 3.0)]
    l2_hashed: f32,
    /// Epochs without a better loss on `valid` before training stops.
    #[arg(long, default_value_t = 5)]
    patience: usize,
    /// Seed of the order of the rows: the same data, options and seed give the same bytes.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Let phones refuse the bundle unless their schema is exactly this one.
    #[arg(long)]
    pin_schema: bool,
    /// The largest share of rows that may be bad.
    #[arg(long, default_value_t = 0.01)]
    bad_rows: f64,
}

/// Runs the command.
pub fn run(args: Args) -> anyhow::Result<()> {
    let mut rows = Rows::new(args.bad_rows);
    let data = Dataset::open(&args.dir, &mut rows)?;
    let layout = Rc::new(Layout::new(&data.schema));
    let label = examples::label_index(&data.schema, args.label.as_deref())?;
    let names: Vec<String> = args.hashed.into_iter().filter(|n| !n.is_empty()).collect();
    let hashed = model::hashed_fields(&data.schema, &names)?;
    let buckets = args.buckets.unwrap_or_else(|| (4 * data.items()).next_power_of_two().clamp(1 << 10, 1 << 17));
    if !buckets.is_power_of_two() {
        bail!("--buckets must be a power of two, such as {}", buckets.next_power_of_two());
    }
    let examples = examples::collect(&data, &layout, label, &mut rows)?;
    let options = Options {
        hashed,
        buckets,
        epochs: args.epochs,
        batch: args.batch,
        rate: args.learning_rate,
        l2: args.l2,
        l2_hashed: args.l2_hashed,
        patience: args.patience,
        optimiser: args.optimiser,
        seed: args.seed,
    };
    let trained = logistic::train(&examples, &options)?;
    let label = &data.schema.labels[label].name;
    let naming = Naming { schema: &data.schema, layout: &layout, label, hashed: &names, pin_schema: args.pin_schema };
    let bytes = model::pack(&trained, &examples, &naming)?;
    std::fs::write(&args.out, &bytes).with_context(|| format!("cannot write {}", args.out.display()))?;
    println!(
        "{} training examples of {}, {} features, {} hashed fields",
        examples.of(Split::Train).len(),
        data.meta.source,
        trained.picks.len(),
        names.len()
    );
    let valid = trained.valid_loss.map_or(String::new(), |loss| format!(", valid {loss:.4}"));
    println!("epoch {} of {}: loss {:.4}{valid}", trained.epoch, args.epochs, trained.train_loss);
    println!("{}: {} bytes", args.out.display(), bytes.len());
    Ok(())
}
