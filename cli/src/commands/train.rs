//! `zhiji train`: a lab directory → a bundle.

use crate::lab::dataset::Dataset;
use crate::lab::examples::{self, Wanted};
use crate::lab::network::Setting;
use crate::lab::rows::Rows;
use crate::lab::train::{self, Config, Given, Naming, Stop};
use anyhow::Context as _;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use zhiji::features::Layout;

/// Options of the command.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  zhiji train films-time --label like --out like.safetensors\n  \
    zhiji train shop --label click --hashed id,category --out shop.safetensors --seed 7\n  \
    zhiji train shop --model two-tower --dim 32 --out shop.safetensors\n  \
    zhiji train shop --config model.toml --learning-rate 0.003 --set item.dim=24 --out shop.safetensors\n\n\
    Every option but those of the first group is also a key of the configuration file, which lists a model's blocks besides \
    (docs/training.md). Examples of the split `valid`, where there are any, choose the epoch; those of `test` are folded and never learnt from.")]
pub struct Args {
    /// The lab directory (see `zhiji import` and `zhiji simulate`).
    dir: PathBuf,
    /// The bundle to write.
    #[arg(long)]
    out: PathBuf,
    /// A configuration file; what is given on the command line wins.
    #[arg(long)]
    config: Option<PathBuf>,
    /// Change a key of a block, written BLOCK.KEY=VALUE; may be repeated.
    #[arg(long, value_name = "BLOCK.KEY=VALUE")]
    set: Vec<String>,
    /// Where checkpoints go after every epoch and on Ctrl-C [default: the bundle's name with `.checkpoint` behind it]
    #[arg(long)]
    checkpoint: Option<PathBuf>,
    /// Write the checkpoint after every so many steps too [default: after epochs alone]
    #[arg(long, value_name = "STEPS", value_parser = clap::value_parser!(u64).range(1..))]
    checkpoint_every: Option<u64>,
    /// Go on from the checkpoint of a run that was stopped.
    #[arg(long)]
    resume: bool,
    /// Stop after so many steps, as Ctrl-C does.
    #[arg(long, value_name = "STEPS")]
    stop_after: Option<u64>,
    /// The largest share of rows that may be bad.
    #[arg(long, default_value_t = 0.01)]
    bad_rows: f64,
    #[command(flatten)]
    given: Given,
}

/// Raised by Ctrl-C.
static ASKED: AtomicBool = AtomicBool::new(false);

/// Runs the command.
pub fn run(args: Args) -> anyhow::Result<()> {
    let file = match &args.config {
        Some(path) => Some(std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?),
        None => None,
    };
    let place = args.config.as_ref().map_or("the command line".into(), |path| path.display().to_string());
    let config = Config::read(file.as_deref(), args.given, &args.set).with_context(|| format!("in {place}"))?;
    let settings = &config.settings;
    let mut rows = Rows::new(args.bad_rows);
    let data = Dataset::open(&args.dir, &mut rows)?;
    let layout = Rc::new(Layout::new(&data.schema));
    let names = if settings.label.is_empty() { vec![None] } else { settings.label.iter().map(Some).collect() };
    let labels = names.into_iter().map(|name| examples::label_index(&data.schema, name.map(String::as_str)));
    let labels = labels.collect::<anyhow::Result<Vec<usize>>>().with_context(|| format!("in {place}"))?;
    let names: Vec<String> = labels.iter().map(|label| data.schema.labels[*label].name.clone()).collect();
    let follows = config.blocks.iter().any(|block| block.get("block").and_then(toml::Value::as_str) == Some("covisit"));
    let wanted = Wanted { labels, memory: settings.memory << 20, follows };
    let examples = examples::collect(&data, &layout, &wanted, &mut rows)?;
    train::check_calibration(settings, &examples).with_context(|| format!("in {place}"))?;
    let setting = Setting {
        schema: &data.schema,
        layout: &layout,
        catalogue: &examples.catalogue,
        standard: &examples.standard,
        labels: &names,
        seed: settings.seed,
    };
    // A second handler in one process is refused, and then the first one serves.
    let _ = ctrlc::set_handler(|| ASKED.store(true, Ordering::Relaxed));
    let beside = args.checkpoint.unwrap_or_else(|| train::beside(&args.out, "checkpoint"));
    let (resume, after, every) = (args.resume, args.stop_after, args.checkpoint_every);
    let stop = Stop { checkpoint: Some(&beside), resume, asked: Some(&ASKED), after, every };
    let trained = train::train(&examples, &config, &setting, stop).with_context(|| format!("in {place}"))?;
    let (pin_schema, ids, together) = (settings.pin_schema, settings.ids, settings.together);
    let calibrations = train::calibrations(settings, &trained.network, &trained.members, &examples)?;
    let calibrations = &calibrations;
    let naming = Naming { schema: &data.schema, layout: &layout, pin_schema, ids, together, calibrations };
    let bytes = train::bundle(&trained.network, &trained.members, &examples, &naming)?;
    std::fs::write(&args.out, &bytes).with_context(|| format!("cannot write {}", args.out.display()))?;
    std::fs::remove_file(&beside).ok();
    println!(
        "{} training examples of {}, {} features that vary, {:.0} examples a second",
        examples.train.len,
        data.meta.source,
        examples.standard.picks.len(),
        trained.speed
    );
    let valid = trained.valid_loss.map_or(String::new(), |loss| format!(", valid {loss:.4}"));
    println!("epoch {} of {}: loss {:.4}{valid}", trained.epoch, settings.epochs, trained.train_loss);
    println!("{}: {} bytes", args.out.display(), bytes.len());
    Ok(())
}
