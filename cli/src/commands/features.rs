//! `zhiji features`: examples as files, for trainers of any kind.

use crate::lab::dataset::{Dataset, Shard, Split};
use crate::lab::examples::label_index;
use crate::lab::export;
use crate::lab::rows::Rows;
use std::path::PathBuf;
use zhiji::features::Layout;

/// Options of the command.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  zhiji features shop --names\n  zhiji features films-time --label like --out like.safetensors\n  \
    zhiji features shop --shard 3/64 --out part-3.parquet               # one of 64 machines\n  \
    sort events | zhiji features shop --events - --out - > examples.jsonl    # as one step of a pipe\n\n\
    The features are the phone's own, from the same fold. docs/training.md has the columns, and how to train elsewhere and come back."
)]
pub struct Args {
    /// The lab directory; with --events only its schema and items are read.
    dir: PathBuf,
    /// The schema's label to give; its first, if not given.
    #[arg(long)]
    label: Option<String>,
    /// The file to write: .safetensors, .parquet or .jsonl; `-` writes JSON lines to standard output.
    #[arg(long, value_name = "FILE", required_unless_present = "names")]
    out: Option<PathBuf>,
    /// Only print the names of the features, in their order.
    #[arg(long, conflicts_with = "out")]
    names: bool,
    /// Only one of n equal parts of the users, by a hash of their names: i from 0 to n − 1.
    #[arg(long, value_name = "i/n")]
    shard: Option<Shard>,
    /// Read events from here, as events.csv has them, sorted by user and time; `-` is standard input, where the header may be missing.
    #[arg(long, value_name = "FILE")]
    events: Option<PathBuf>,
    /// Give the examples of one part only. All events are folded whatever their part.
    #[arg(long, value_enum, value_name = "PART")]
    on: Option<Part>,
    /// Give the items that the user had chosen lately too, the newest first, at most so many.
    #[arg(long, default_value_t = 0, value_name = "COUNT")]
    recent: usize,
    /// The largest share of rows that may be bad.
    #[arg(long, default_value_t = 0.01, value_name = "SHARE")]
    bad_rows: f64,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Part {
    Train,
    Valid,
    Test,
}

/// Runs the command.
pub fn run(args: Args) -> anyhow::Result<()> {
    args.out.as_deref().map(export::Form::of).transpose()?;
    let mut rows = Rows::new(args.bad_rows);
    let mut data = Dataset::open(&args.dir, &mut rows)?.with_shard(args.shard);
    let Some(out) = &args.out else {
        Layout::new(&data.schema).names().iter().for_each(|name| println!("{name}"));
        return Ok(());
    };
    if let Some(events) = &args.events {
        data = data.with_events(events);
    }
    let label = label_index(&data.schema, args.label.as_deref())?;
    let only = args.on.map(|part| match part {
        Part::Train => Split::Train,
        Part::Valid => Split::Valid,
        Part::Test => Split::Test,
    });
    let n = export::export(&data, export::Asked { label, only, recent: args.recent }, out, &mut rows)?;
    eprintln!("{n} examples of `{}` to {}", data.schema.labels[label].name, out.display());
    Ok(())
}
