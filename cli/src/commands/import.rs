//! `zhiji import`: other people's data → a lab directory.

use crate::lab::dataset::Meta;
use crate::lab::import::{mapped, movielens, write};
use crate::lab::rows::Rows;
use crate::lab::schema_file;
use std::path::PathBuf;

/// Options of the command.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    form: Form,
}

#[derive(clap::Subcommand)]
enum Form {
    /// A MovieLens data set, in its csv, dat or 100k form.
    ///
    /// Every rating becomes a `rate` event with its value; the label `like` is a value of at least 4.
    #[command(after_help = "Examples:\n  zhiji import movielens ml-latest-small --out films\n  \
        zhiji import movielens ml-latest-small --split time --out films-time")]
    Movielens(Movielens),
    /// CSV files of any shop or site, by a mapping of their columns.
    #[command(after_help = "Example:\n  zhiji import csv events.csv --items items.csv --mapping mapping.json5 \
        --schema miniprogram/schema.js --out shop\n\ndocs/training.md has a mapping written out.")]
    Csv(Csv),
}

#[derive(clap::Args)]
struct Csv {
    /// The events, with a header.
    events: PathBuf,
    /// The items, with a header.
    #[arg(long)]
    items: PathBuf,
    /// Which column is what, in JSON or JSON5.
    #[arg(long)]
    mapping: PathBuf,
    /// The schema: JSON, or the page's own schema.js.
    #[arg(long)]
    schema: PathBuf,
    /// The lab directory to write.
    #[arg(long)]
    out: PathBuf,
    /// The largest share of rows that may be bad.
    #[arg(long, default_value_t = 0.01)]
    bad_rows: f64,
}

#[derive(clap::Args)]
struct Movielens {
    /// The unpacked folder.
    dir: PathBuf,
    /// Take rows and their parts from splits/<SPLIT>/{train,valid,test}.tsv.
    #[arg(long)]
    split: Option<String>,
    /// The lab directory to write.
    #[arg(long)]
    out: PathBuf,
    /// The largest share of rows that may be bad.
    #[arg(long, default_value_t = 0.01)]
    bad_rows: f64,
}

/// Runs the command.
pub fn run(args: Args) -> anyhow::Result<()> {
    match args.form {
        Form::Movielens(args) => {
            let mut rows = Rows::new(args.bad_rows);
            let films = movielens::read(&args.dir, args.split.as_deref(), &mut rows)?;
            say(&write(&args.out, movielens::SCHEMA, &films.items, films.events, &rows, films.form)?);
        }
        Form::Csv(args) => {
            let file = schema_file::open(&args.schema)?;
            let mapping = mapped::Mapping::open(&args.mapping)?;
            let mut rows = Rows::new(args.bad_rows);
            let items = mapped::read_items(&args.items, &mapping, &file.schema, &mut rows)?;
            let events = mapped::read_events(&args.events, &mapping, &file.schema, &items, &mut rows)?;
            let source = format!("csv {}", args.events.file_name().unwrap_or_default().to_string_lossy());
            say(&write(&args.out, &file.json, &items, events, &rows, source)?);
        }
    }
    Ok(())
}

fn say(meta: &Meta) {
    println!("{}: {} events of {} users on {} items", meta.source, meta.events, meta.users, meta.items);
    println!("splits: {:?}; bad rows: {}", meta.splits, meta.bad_rows);
    if meta.shifted_weeks > 0 {
        println!("every time moved forward by {} weeks, into the years the engine's clock knows", meta.shifted_weeks);
    }
}
