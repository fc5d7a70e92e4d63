//! `zhiji import`: other people's data → a lab directory.

use crate::lab::dataset::{Meta, Split};
use crate::lab::import::mapped::Source;
use crate::lab::import::mapping::Mapping;
use crate::lab::import::presets::{self, Preset};
use crate::lab::import::sorter::Sorter;
use crate::lab::import::{Cut, Shares, mind, movielens, write};
use crate::lab::rows::Rows;
use crate::lab::schema_file;
use anyhow::Context as _;
use std::path::{Path, PathBuf};
use zhiji::schema::Schema;

/// What `zhiji import` reads.
#[derive(clap::Subcommand)]
pub enum Command {
    /// A MovieLens data set, in its csv, dat or 100k form.
    ///
    /// Every rating becomes a `rate` event with its value; the label `like` is a value of at least 4.
    #[command(after_help = "Examples:\n  zhiji import movielens ml-latest-small --out films\n  \
        zhiji import movielens ml-latest-small --split time --out films-time")]
    Movielens(Movielens),
    /// The Open Bandit Dataset: items at three places, with the probabilities of their choice.
    ///
    /// Every row becomes a `seen` event whose value is 1 where it was clicked. `zhiji estimate` reads its propensities.
    #[command(after_help = "Example:\n  zhiji import open-bandit open_bandit_dataset/random/all --out random")]
    OpenBandit(OpenBandit),
    /// The Microsoft News Dataset: slates of articles, and what was clicked.
    #[command(after_help = "Example:\n  zhiji import mind MINDsmall_train --test MINDsmall_dev --out news")]
    Mind(Mind),
    /// KuaiRand: short videos, with clicks, long views, likes and more.
    #[command(
        after_help = "Example:\n  zhiji import kuairand data/log_standard_4_08_to_4_21_pure.csv data/log_standard_4_22_to_5_08_pure.csv \\\n      \
        --items data/video_features_basic_pure.csv --split-by time --out videos"
    )]
    Kuairand(Kuairand),
    /// Avazu's click-through competition (train.csv).
    #[command(after_help = "Example:\n  zhiji import avazu train.csv --split-by time --out avazu")]
    Avazu(OneFile),
    /// Criteo's display advertising data (train.txt, day_0 …).
    ///
    /// It has no users and no items of its own: `cli/src/lab/import/presets/criteo.toml` says what stands in for them, and what that cannot show.
    #[command(after_help = "Example:\n  zhiji import criteo train.txt --split-by time --out criteo")]
    Criteo(OneFile),
    /// CSV, JSON lines or Parquet of any shop or site, by a mapping of their columns.
    #[command(
        after_help = "Examples:\n  zhiji import table events.csv --items items.csv --mapping mapping.toml \\\n      \
        --schema miniprogram/schema.js --out shop\n  \
        zhiji import table day1.parquet day2.parquet --mapping mapping.toml --schema schema.json --split-by time --out shop\n\n\
        Without --items, the items are read out of the events' own rows. docs/training.md has a mapping written out."
    )]
    Table(Table),
    /// A linear model or a perceptron that another framework saved as ONNX → a bundle.
    ///
    /// Its probes are answers of the graph itself, so what the engine computes is what the graph says.
    #[command(
        after_help = "Examples:\n  zhiji import onnx model.onnx --space shop --label click --columns user.events,item.acts,category.seen --out click.safetensors\n  \
        zhiji import onnx model.onnx --space shop --label click --label buy --columns u=@user.txt --columns p=@pair.txt --out both.safetensors\n\n\
        The columns of an input are features of the phone: `zhiji features DIR --names` lists them. docs/onnx.md says which graphs are read."
    )]
    Onnx(super::onnx::Args),
}

/// Options of every form.
#[derive(clap::Args)]
struct Output {
    /// The lab directory to write.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Divide into train, valid and test by time, or by user (no user in two parts).
    #[arg(long, value_enum, value_name = "WHAT")]
    split_by: Option<SplitBy>,
    /// Shares of train, valid and test in per cent.
    #[arg(long, default_value = "80/10/10", requires = "split_by", value_name = "SHARES")]
    shares: Shares,
    /// The largest share of rows that may be bad.
    #[arg(long, default_value_t = 0.01, value_name = "SHARE")]
    bad_rows: f64,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum SplitBy {
    Time,
    User,
}

/// Options of `zhiji import movielens`.
#[derive(clap::Args)]
pub struct Movielens {
    /// The unpacked folder.
    dir: PathBuf,
    /// Take rows and their parts from splits/<SPLIT>/{train,valid,test}.tsv.
    #[arg(long, conflicts_with = "split_by")]
    split: Option<String>,
    #[command(flatten)]
    output: Output,
}

/// Options of `zhiji import open-bandit`.
#[derive(clap::Args)]
pub struct OpenBandit {
    /// The folder of one policy and campaign, with item_context.csv and one other CSV file.
    dir: PathBuf,
    #[command(flatten)]
    output: Output,
}

/// Options of `zhiji import mind`.
#[derive(clap::Args)]
pub struct Mind {
    /// The folder to train on, with behaviors.tsv and news.tsv.
    dir: PathBuf,
    /// A folder whose impressions are for choices.
    #[arg(long, value_name = "DIR", conflicts_with = "split_by")]
    valid: Option<PathBuf>,
    /// A folder whose impressions are for the final measure.
    #[arg(long, value_name = "DIR", conflicts_with = "split_by")]
    test: Option<PathBuf>,
    #[command(flatten)]
    output: Output,
}

/// Options of `zhiji import kuairand`.
#[derive(clap::Args)]
pub struct Kuairand {
    /// One or more log_*.csv.
    #[arg(required = true)]
    logs: Vec<PathBuf>,
    /// One or more video_features_basic_*.csv.
    #[arg(long, required = true, num_args = 1.., value_name = "FILE")]
    items: Vec<PathBuf>,
    #[command(flatten)]
    output: Output,
}

/// Options of data sets that are one table.
#[derive(clap::Args)]
pub struct OneFile {
    /// The file, or several of them in order of time.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    output: Output,
}

/// Options of `zhiji import table`.
#[derive(clap::Args)]
pub struct Table {
    /// The events: .csv or .tsv, .jsonl, .parquet.
    #[arg(required = true)]
    events: Vec<PathBuf>,
    /// The items, in the same forms.
    #[arg(long, num_args = 1.., value_name = "FILE")]
    items: Vec<PathBuf>,
    /// Which column is what, in TOML.
    #[arg(long, value_name = "FILE")]
    mapping: PathBuf,
    /// The schema: JSON, or the page's own schema.js.
    #[arg(long, value_name = "FILE")]
    schema: PathBuf,
    #[command(flatten)]
    output: Output,
}

impl Output {
    const fn cut(&self) -> Cut {
        match self.split_by {
            None => Cut::AsGiven,
            Some(SplitBy::Time) => Cut::ByTime(self.shares),
            Some(SplitBy::User) => Cut::ByUser(self.shares),
        }
    }

    /// Reads with `read`, writes the directory and says what is in it.
    fn fill(
        &self,
        schema_json: &str,
        read: impl FnOnce(&mut Rows, &mut Sorter) -> anyhow::Result<(Vec<serde_json::Value>, String)>,
    ) -> anyhow::Result<()> {
        let mut rows = Rows::new(self.bad_rows);
        let mut sorter = Sorter::new(self.out.clone());
        let (items, source) = read(&mut rows, &mut sorter)?;
        say(&write(&self.out, schema_json, &items, sorter, self.cut(), &rows, source)?);
        Ok(())
    }
}

/// Runs the command.
pub fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Movielens(args) => args.output.fill(movielens::SCHEMA, |rows, sorter| {
            let films = movielens::read(&args.dir, args.split.as_deref(), rows, sorter)?;
            Ok((films.items, films.form))
        }),
        Command::OpenBandit(args) => {
            let (log, items) = open_bandit_files(&args.dir)?;
            preset(&presets::OPEN_BANDIT, &[log], &[items], &args.output)
        }
        Command::Mind(args) => args.output.fill(mind::SCHEMA, |rows, sorter| {
            let mut dirs = vec![(args.dir.as_path(), Split::Train)];
            dirs.extend(args.valid.as_deref().map(|dir| (dir, Split::Valid)));
            dirs.extend(args.test.as_deref().map(|dir| (dir, Split::Test)));
            let items = mind::read_items(&dirs.iter().map(|d| d.0).collect::<Vec<_>>(), rows)?;
            mind::read_events(&dirs, &items, rows, sorter)?;
            Ok((items, "MIND".into()))
        }),
        Command::Kuairand(args) => preset(&presets::KUAIRAND, &args.logs, &args.items, &args.output),
        Command::Avazu(args) => preset(&presets::AVAZU, &args.files, &[], &args.output),
        Command::Criteo(args) => preset(&presets::CRITEO, &args.files, &[], &args.output),
        Command::Onnx(args) => super::onnx::run(args),
        Command::Table(args) => {
            let file = schema_file::open(&args.schema)?;
            let mapping = Mapping::open(&args.mapping)?;
            let name = args.events.first().and_then(|p| p.file_name()).unwrap_or_default().to_string_lossy();
            args.output.fill(&file.json, |rows, sorter| {
                let items = tables(&mapping, &file.schema, &args.events, &args.items, rows, sorter)?;
                Ok((items, format!("table {name}")))
            })
        }
    }
}

fn preset(preset: &Preset, events: &[PathBuf], items: &[PathBuf], output: &Output) -> anyhow::Result<()> {
    let schema = Schema::open(preset.schema).map_err(|e| anyhow::anyhow!("{e}"))?;
    let mapping = preset.mapping()?;
    output.fill(preset.schema, |rows, sorter| {
        Ok((tables(&mapping, &schema, events, items, rows, sorter)?, preset.name.to_string()))
    })
}

fn tables(
    mapping: &Mapping,
    schema: &Schema,
    events: &[PathBuf],
    items: &[PathBuf],
    rows: &mut Rows,
    sorter: &mut Sorter,
) -> anyhow::Result<Vec<serde_json::Value>> {
    let events: Vec<(PathBuf, Split)> = events.iter().map(|path| (path.clone(), Split::Train)).collect();
    let source = Source { mapping, schema, events: &events, items };
    let items = source.read_items(rows)?;
    source.read_events(&items, rows, sorter)?;
    Ok(items)
}

/// The log and the items of a folder such as `random/all`.
fn open_bandit_files(dir: &Path) -> anyhow::Result<(PathBuf, PathBuf)> {
    let items = dir.join("item_context.csv");
    let mut logs = Vec::new();
    for entry in std::fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "csv") && path != items {
            logs.push(path);
        }
    }
    match logs.as_slice() {
        [log] if items.exists() => Ok((log.clone(), items)),
        _ => anyhow::bail!("{} is to hold item_context.csv and one other CSV file", dir.display()),
    }
}

fn say(meta: &Meta) {
    println!("{}: {} events of {} users on {} items", meta.source, meta.events, meta.users, meta.items);
    let parts: Vec<String> = meta.splits.iter().map(|(part, n)| format!("{part} {n}")).collect();
    println!("events by part: {}; bad rows: {}", parts.join(", "), meta.bad_rows);
    if meta.shifted_weeks > 0 {
        println!("every time moved forward by {} weeks, into the years the engine's clock knows", meta.shifted_weeks);
    }
}
