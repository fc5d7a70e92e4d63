//! `zhiji evaluate`: how good a bundle is on a lab directory.

use crate::lab::dataset::{Dataset, Split};
use crate::lab::examples::label_index;
use crate::lab::metrics::{self, Metrics};
use crate::lab::model;
use crate::lab::phone;
use crate::lab::rows::Rows;
use anyhow::{Context as _, bail};
use serde::Serialize;
use std::path::PathBuf;
use std::rc::Rc;
use zhiji::features::Layout;
use zhiji::score::Ranker;

/// Options of the command.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  zhiji evaluate films-time --bundle like.safetensors --json\n\n\
    Weights stay as they are; the state goes on folding: every example is scored from what that user had done before it,\n\
    through the phone's own log, retention, fold, ranker and personal head. A score that is not finite stops the command.")]
pub struct Args {
    /// The lab directory.
    dir: PathBuf,
    /// The bundle to measure.
    #[arg(long, required_unless_present = "starter", conflicts_with = "starter")]
    bundle: Option<PathBuf>,
    /// Measure the ranker that phones use before they have a bundle.
    #[arg(long)]
    starter: bool,
    /// The label to measure the starter on; the schema's first, if not given.
    #[arg(long, requires = "starter")]
    label: Option<String>,
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
    /// What the phone ranks by: the bundle, corrected by the personal head.
    all: Metrics,
    /// The bundle alone.
    without_head: Metrics,
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
    let (ranker, label, bundle_bytes) = match &args.bundle {
        None => (Ranker::starter(&layout), label_index(&data.schema, args.label.as_deref())?, 0),
        Some(path) => {
            let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
            let (ranker, label) =
                model::open(&bytes, &data.schema, &layout).with_context(|| path.display().to_string())?;
            (ranker, label_index(&data.schema, Some(&label))?, bytes.len())
        }
    };
    let all = phone::score(&data, &layout, &ranker, label, &mut rows)?;
    let has_test = all.iter().any(|s| s.split == Split::Test);
    let (on, part) = match args.on {
        None if has_test => ("test", Some(Split::Test)),
        None | Some(On::All) => ("all", None),
        Some(On::Train) => ("train", Some(Split::Train)),
        Some(On::Valid) => ("valid", Some(Split::Valid)),
        Some(On::Test) => ("test", Some(Split::Test)),
    };
    let label = data.schema.labels[label].name.clone();
    let kept: Vec<_> = all.into_iter().filter(|s| part.is_none_or(|p| s.split == p)).collect();
    if kept.is_empty() {
        bail!("there are no examples of `{label}` in the part `{on}`");
    }
    let frozen: Vec<_> = kept.iter().map(|s| s.frozen).collect();
    let scored: Vec<_> = kept.iter().map(|s| s.personal).collect();
    let buckets = metrics::by_earlier(&scored)?;
    let report = Report {
        space: data.schema.space.clone(),
        label,
        source: data.meta.source.clone(),
        on,
        retention_events: data.schema.retention.events,
        retention_days: data.schema.retention.age_ms / zhiji::time::DAY_MS,
        bundle_bytes,
        bad_rows: rows.bad,
        all: metrics::measure(&scored)?,
        without_head: metrics::measure(&frozen)?,
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
    line("no head", &report.without_head);
}
