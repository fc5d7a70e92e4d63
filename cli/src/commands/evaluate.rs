//! `zhiji evaluate`: how good a bundle is on a lab directory.

use crate::lab::dataset::{Dataset, Split};
use crate::lab::examples;
use crate::lab::metrics::{self, Metrics};
use crate::lab::model::Scorer;
use crate::lab::rows::Rows;
use anyhow::{Context as _, bail};
use serde::Serialize;
use std::path::PathBuf;
use std::rc::Rc;
use zhiji::features::Layout;

/// Options of the command.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  zhiji evaluate films-time --bundle like.safetensors --json\n\n\
    Weights stay as they are; the state goes on folding: every example is scored from what that user had done before it,\n\
    through the phone's own log, retention, fold and forward pass. A score that is not finite stops the command.")]
pub struct Args {
    /// The lab directory.
    dir: PathBuf,
    /// The bundle to measure.
    #[arg(long)]
    bundle: PathBuf,
    /// The part to measure on; by default `test` where there is one, else everything.
    #[arg(long, value_enum)]
    on: Option<On>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// The largest share of rows that may be bad.
    #[arg(long, default_value_t = 0.01)]
    bad_rows: f64,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum On {
    Train,
    Valid,
    Test,
    All,
}

/// What `--json` prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    space: String,
    label: String,
    source: String,
    /// `train`, `valid`, `test` or `all`.
    on: &'static str,
    retention_events: usize,
    retention_days: i64,
    bundle_bytes: usize,
    bad_rows: u64,
    all: Metrics,
    by_earlier_events: Vec<Bucket>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Bucket {
    earlier: &'static str,
    #[serde(flatten)]
    metrics: Metrics,
}

/// Runs the command.
pub fn run(args: Args) -> anyhow::Result<()> {
    let mut rows = Rows::new(args.bad_rows);
    let data = Dataset::open(&args.dir, &mut rows)?;
    let layout = Rc::new(Layout::new(&data.schema));
    let bytes = std::fs::read(&args.bundle).with_context(|| format!("cannot read {}", args.bundle.display()))?;
    let scorer = Scorer::open(&bytes, &data.schema, &layout).with_context(|| args.bundle.display().to_string())?;
    let label = examples::label_index(&data.schema, Some(&scorer.label))?;
    let examples = examples::collect(&data, &layout, label, &mut rows)?;
    let test = examples.of(Split::Test);
    let (on, places) = match args.on {
        None if !test.is_empty() => ("test", test),
        None | Some(On::All) => ("all", (0..examples.len()).collect()),
        Some(On::Train) => ("train", examples.of(Split::Train)),
        Some(On::Valid) => ("valid", examples.of(Split::Valid)),
        Some(On::Test) => ("test", test),
    };
    if places.is_empty() {
        bail!("there are no examples of `{}` in the part `{on}`", scorer.label);
    }
    let scored = scorer.score(&examples, &places);
    let buckets = metrics::by_earlier(&scored)?;
    let report = Report {
        space: data.schema.space.clone(),
        label: scorer.label.clone(),
        source: data.meta.source.clone(),
        on,
        retention_events: data.schema.retention.events,
        retention_days: data.schema.retention.age_ms / zhiji::time::DAY_MS,
        bundle_bytes: bytes.len(),
        bad_rows: rows.bad,
        all: metrics::measure(&scored)?,
        by_earlier_events: buckets.into_iter().map(|(earlier, metrics)| Bucket { earlier, metrics }).collect(),
    };
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print(&report);
    }
    Ok(())
}

fn print(report: &Report) {
    println!("{}, `{}` on {}", report.source, report.label, report.on);
    println!("retention {} events or {} days", report.retention_events, report.retention_days);
    println!(
        "{:>9} {:>8} {:>9} {:>7} {:>7} {:>9} {:>11}",
        "earlier", "rows", "positive", "AUC", "GAUC", "log-loss", "calibration"
    );
    let line = |name: &str, m: &Metrics| {
        let show = |x: Option<f64>| x.map_or("–".to_string(), |x| format!("{x:.4}"));
        let (auc, gauc, calibration) = (show(m.auc), show(m.gauc), show(m.calibration));
        println!("{name:>9} {:>8} {:>9} {auc:>7} {gauc:>7} {:>9.4} {calibration:>11}", m.rows, m.positives, m.log_loss);
    };
    for bucket in &report.by_earlier_events {
        line(bucket.earlier, &bucket.metrics);
    }
    line("all", &report.all);
}
