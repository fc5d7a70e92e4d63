//! `zhiji simulate`: seeded shoppers over a catalogue → a lab directory; `zhiji simulate curves`: how a model serves those who are new.

use crate::lab::dataset::{for_each_item, open_item};
use crate::lab::model;
use crate::lab::rows::Rows;
use crate::lab::schema_file;
use crate::lab::simulate::curves::Trial;
use crate::lab::simulate::{self, Behaviour, Crowd};
use anyhow::Context as _;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use zhiji::features::Layout;
use zhiji::schema::Schema;
use zhiji::score::Ranker;

/// How people behave.
#[derive(clap::Args)]
pub struct Stress {
    /// Share of people whose taste changes halfway.
    #[arg(long, default_value_t = 0.25)]
    drift: f32,
    /// Logits that an offer loses each time that it is passed over.
    #[arg(long, default_value_t = 0.25)]
    weariness: f32,
    /// How steeply attention falls with the place in a slate.
    #[arg(long, default_value_t = 0.35)]
    attention: f32,
}

impl Stress {
    const fn behaviour(&self) -> Behaviour {
        Behaviour { drift: self.drift, weariness: self.weariness, attention: self.attention }
    }
}

/// Further commands.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Draw curves of quality over local events: popularity, the frozen bundle, the fold, the personal head.
    Curves(Curves),
}

/// Options of `simulate curves`.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  zhiji simulate curves --items items.jsonl --schema miniprogram/schema.js --bundle click.safetensors \
    --seed 7 --html cold.html\n\nWith the seed of `zhiji simulate` the goods are those of its shop; the people are others, and every phone begins empty."
)]
pub struct Curves {
    /// The catalogue: one JSON item per line.
    #[arg(long)]
    items: PathBuf,
    /// The schema: JSON, or the page's own schema.js.
    #[arg(long)]
    schema: PathBuf,
    /// The bundle; the starter ranker, if not given.
    #[arg(long)]
    bundle: Option<PathBuf>,
    /// How many people.
    #[arg(long, default_value_t = 200)]
    users: u32,
    /// Slates that each of them meets.
    #[arg(long, default_value_t = 40)]
    slates: u32,
    /// Places of a slate.
    #[arg(long, default_value_t = 10)]
    places: usize,
    /// Candidates for a slate.
    #[arg(long, default_value_t = 200)]
    candidates: usize,
    /// The seed that decides everything.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    stress: Stress,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Write one page with a plot.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// The largest share of items that may be bad.
    #[arg(long, default_value_t = 0.01)]
    bad_rows: f64,
}

/// Options of the command.
#[derive(clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "Example:\n  zhiji simulate --items items.jsonl --schema miniprogram/schema.js --users 1000 --days 30 \
    --seed 7 --out shop\n\nThe people are invented, and so is their behaviour (docs/training.md has it in full). \
    The same seed gives the same bytes."
)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// The catalogue: one JSON item per line.
    #[arg(long, required = true)]
    items: Option<PathBuf>,
    /// The schema: JSON, or the page's own schema.js.
    #[arg(long, required = true)]
    schema: Option<PathBuf>,
    /// How many people.
    #[arg(long, default_value_t = 1_000)]
    users: u32,
    /// For how many days.
    #[arg(long, default_value_t = 30)]
    days: u32,
    /// The seed that decides everything.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    stress: Stress,
    /// The lab directory to write.
    #[arg(long, required = true)]
    out: Option<PathBuf>,
    /// The largest share of items that may be bad.
    #[arg(long, default_value_t = 0.01)]
    bad_rows: f64,
}

/// Reads the items of a catalogue; an id may stand once.
fn catalogue(path: &Path, schema: &Schema, rows: &mut Rows) -> anyhow::Result<Vec<serde_json::Value>> {
    let (mut items, mut ids) = (Vec::new(), HashSet::new());
    for_each_item(path, rows, |json| {
        let item = open_item(schema, &json)?;
        if !ids.insert(item.id().to_string()) {
            return Err("this id stands twice".into());
        }
        items.push(json);
        Ok(())
    })?;
    Ok(items)
}

/// Runs the command.
pub fn run(args: Args) -> anyhow::Result<()> {
    let (items, schema, out) = match args {
        Args { command: Some(Command::Curves(args)), .. } => return curves(args),
        Args { items: Some(items), schema: Some(schema), out: Some(out), .. } => (items, schema, out),
        _ => anyhow::bail!("--items, --schema and --out are needed"),
    };
    let file = schema_file::open(&schema)?;
    let mut rows = Rows::new(args.bad_rows);
    let items = catalogue(&items, &file.schema, &mut rows)?;
    let crowd = Crowd { users: args.users, days: args.days, seed: args.seed, behaviour: args.stress.behaviour() };
    let meta = simulate::run(&file, items, crowd, &out, &rows)?;
    println!("{}: {} events on {} items", meta.source, meta.events, meta.items);
    println!("splits: {:?}; bad rows: {}", meta.splits, meta.bad_rows);
    Ok(())
}

fn curves(args: Curves) -> anyhow::Result<()> {
    let file = schema_file::open(&args.schema)?;
    let mut rows = Rows::new(args.bad_rows);
    let items = catalogue(&args.items, &file.schema, &mut rows)?;
    let layout = Rc::new(Layout::new(&file.schema));
    let ranker = match &args.bundle {
        None => Ranker::starter(&layout),
        Some(path) => {
            let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
            model::open(&bytes, &file.schema, &layout).with_context(|| format!("in {}", path.display()))?
        }
    };
    let trial = Trial {
        users: args.users,
        occasions: args.slates,
        pool: args.candidates,
        size: args.places,
        seed: args.seed,
        behaviour: args.stress.behaviour(),
    };
    let found = simulate::curves::run(&file, &items, &layout, &ranker, trial)?;
    if let Some(path) = &args.html {
        std::fs::write(path, found.html()?).with_context(|| format!("cannot write {}", path.display()))?;
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&found)?);
    } else {
        print!("{}", found.text());
    }
    Ok(())
}
