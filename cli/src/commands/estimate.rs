//! `zhiji estimate`: what another policy would have earned, from a log with propensities.

use crate::lab::dataset::Dataset;
use crate::lab::examples::label_index;
use crate::lab::model;
use crate::lab::off_policy::log::{Estimate, Log, Policy, Softmax, estimate};
use crate::lab::off_policy::{Estimator, Overlap};
use crate::lab::rows::Rows;
use anyhow::{Context as _, bail};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use zhiji::features::Layout;
use zhiji::score::Ranker;

/// Options of the command.
#[derive(clap::Args)]
#[command(
    group = clap::ArgGroup::new("policy").required(true),
    after_help = "Examples:\n  zhiji estimate random --like bts            # what the policy that wrote bts would have earned in random's place\n  \
        zhiji estimate random --bundle click.safetensors --temperature 0.5\n  zhiji estimate bts --uniform --json\n\n\
        The log's own choices must have been made with the propensities it states, among all items of the catalogue. Few effective\n\
        rounds mean that the log says little about the policy, whatever the estimates."
)]
pub struct Args {
    /// The lab directory whose events have propensities.
    dir: PathBuf,
    /// Judge a policy that chooses all items alike.
    #[arg(long, group = "policy")]
    uniform: bool,
    /// Judge a policy that chooses, place by place, as this other log does; its own mean reward is the truth to be held against.
    #[arg(long, value_name = "DIR", group = "policy")]
    like: Option<PathBuf>,
    /// Judge a bundle that chooses in proportion to exp(logit / temperature).
    #[arg(long, value_name = "FILE", group = "policy")]
    bundle: Option<PathBuf>,
    /// Of --bundle: small follows the model, large chooses evenly.
    #[arg(long, default_value_t = 1.0, requires = "bundle")]
    temperature: f64,
    /// The label that is the reward; the schema's first (or the bundle's), if not given.
    #[arg(long)]
    label: Option<String>,
    /// Of Switch-DR: the greatest weight that is believed.
    #[arg(long, default_value_t = 10.0)]
    tau: f64,
    /// Of DRos: how little weights are shrunk.
    #[arg(long, default_value_t = 100.0)]
    lambda: f64,
    /// Resampled logs, each with a reward model of its own.
    #[arg(long, default_value_t = 30, value_name = "N")]
    bootstraps: u32,
    /// Seed of the resampling.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// The largest share of rows that may be bad.
    #[arg(long, default_value_t = 0.01, value_name = "SHARE")]
    bad_rows: f64,
}

/// What `--json` prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    log: String,
    label: String,
    policy: String,
    overlap: Overlap,
    /// Mean reward of the log's own choices.
    log_value: f64,
    /// Mean reward of the policy's own log, with its standard error.
    truth: Option<[f64; 2]>,
    bootstraps: u32,
    seed: u64,
    estimates: Vec<Estimate>,
}

struct Opened {
    data: Dataset,
    layout: Rc<Layout>,
}

fn open(dir: &Path, rows: &mut Rows) -> anyhow::Result<Opened> {
    let data = Dataset::open(dir, rows)?;
    let layout = Rc::new(Layout::new(&data.schema));
    Ok(Opened { data, layout })
}

/// Runs the command.
pub fn run(args: Args) -> anyhow::Result<()> {
    if !(args.temperature > 0.0 && args.tau >= 0.0 && args.lambda >= 0.0) {
        bail!("--temperature is above 0, --tau and --lambda are not below it");
    }
    let mut rows = Rows::new(args.bad_rows);
    let Opened { data, layout } = open(&args.dir, &mut rows)?;
    let bundle: Option<Ranker> = match &args.bundle {
        None => None,
        Some(path) => {
            let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
            Some(model::open(&bytes, &data.schema, &layout).with_context(|| path.display().to_string())?)
        }
    };
    let named = args.label.as_deref().or(bundle.as_ref().map(Ranker::label));
    let label = label_index(&data.schema, named)?;
    let softmax = bundle.as_ref().map(|ranker| Softmax { ranker, temperature: args.temperature });
    let log = Log::read(&data, &layout, label, softmax.as_ref(), &mut rows)?;
    let name = data.schema.labels[label].name.clone();
    let other = match &args.like {
        None => None,
        Some(dir) => {
            let Opened { data, layout } = open(dir, &mut rows)?;
            let label = label_index(&data.schema, Some(&name))?;
            Some(Log::read(&data, &layout, label, None, &mut rows)?)
        }
    };
    let (policy, says) = match (&other, &bundle) {
        (Some(other), _) => (Policy::Like(other), "as the other log".to_string()),
        (None, Some(_)) => (Policy::Asked, format!("softmax of the bundle, temperature {}", args.temperature)),
        (None, None) => (Policy::Uniform, "uniform".to_string()),
    };
    let truth = other.as_ref().map(Log::value);
    let estimators = [
        Estimator::Ips,
        Estimator::Snips,
        Estimator::Dm,
        Estimator::Dr,
        Estimator::SwitchDr { tau: args.tau },
        Estimator::DrOs { lambda: args.lambda },
    ];
    let (overlap, estimates) = estimate(&log, &policy, &estimators, truth.map(|t| t.0), args.bootstraps, args.seed);
    let report = Report {
        log: data.meta.source.clone(),
        label: name,
        policy: says,
        overlap,
        log_value: log.value().0,
        truth: truth.map(|(value, error)| [value, error]),
        bootstraps: args.bootstraps,
        seed: args.seed,
        estimates,
    };
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print(&report);
    }
    Ok(())
}

fn print(report: &Report) {
    println!("{}, `{}`, policy: {}", report.log, report.label, report.policy);
    let o = &report.overlap;
    println!(
        "{} rounds, worth {:.0} of the policy's own; mean weight {:.3}, greatest {:.1}",
        o.rounds, o.effective_rounds, o.mean_weight, o.greatest_weight
    );
    println!("the log itself earned {:.5} a round", report.log_value);
    if let Some([value, error]) = report.truth {
        println!("the policy earned {value:.5} ± {error:.5} a round in its own log");
    }
    let show = |x: Option<f64>, digits: usize| x.map_or("–".into(), |x| format!("{x:.digits$}"));
    println!("{:>9} {:>8} {:>20} {:>14}", "estimator", "value", "95 % of bootstraps", "relative error");
    for e in &report.estimates {
        let between = format!("{} to {}", show(e.low, 5), show(e.high, 5));
        println!("{:>9} {:>8} {:>20} {:>14}", e.estimator, show(e.value, 5), between, show(e.relative_error, 3));
    }
}
