//! `zhiji evaluate`: how good a bundle is on a lab directory.

use crate::lab::dataset::{Dataset, Split};
use crate::lab::evaluation::{self, Evaluation, Plan};
use crate::lab::examples::label_index;
use crate::lab::metrics::Metrics;
use crate::lab::metrics::bootstrap::Interval;
use crate::lab::model;
use crate::lab::report;
use crate::lab::rows::Rows;
use anyhow::{Context as _, bail};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use zhiji::features::Layout;
use zhiji::score::Ranker;

/// Options of the command.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  zhiji evaluate films-time --bundle like.safetensors --html like.html\n  \
    zhiji evaluate films-time --bundle new.safetensors --against live.safetensors\n  \
    zhiji evaluate films-time --bundle like.safetensors --json --rankings 0 | jq .all.auc\n  \
    zhiji evaluate shop --starter --label click\n\n\
    Weights stay as they are; the state goes on folding: every example is scored from what that user had done before it,\n\
    through the phone's own log, retention, fold, ranker and personal head. A score that is not finite stops the command.")]
pub struct Args {
    /// The lab directory.
    dir: PathBuf,
    /// The bundle to measure.
    #[arg(long, value_name = "FILE", required_unless_present = "starter", conflicts_with = "starter")]
    bundle: Option<PathBuf>,
    /// Measure this bundle on the same examples, and say how far the two differ.
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// Measure the ranker that phones use before they have a bundle.
    #[arg(long)]
    starter: bool,
    /// The label to measure the starter on; the schema's first, if not given.
    #[arg(long, requires = "starter")]
    label: Option<String>,
    /// The part to measure on; by default `test` where there is one, else everything.
    #[arg(long, value_enum, value_name = "PART")]
    on: Option<On>,
    /// Length of the lists that hit rate, NDCG, MRR and exposure are measured on.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    k: u32,
    /// Rank the whole catalogue for at most so many positive examples, drawn by the seed; 0 for none.
    #[arg(long, default_value_t = 500, value_name = "N")]
    rankings: usize,
    /// The field whose words are the groups of group exposure; the schema's first field of words, if not given.
    #[arg(long, value_name = "FIELD")]
    group: Option<String>,
    /// Draws of users behind every interval; 0 for none.
    #[arg(long, default_value_t = 200, value_name = "N")]
    bootstraps: u32,
    /// Seed of the draws.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Write a page with tables and plots.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// The largest share of rows that may be bad.
    #[arg(long, default_value_t = 0.01, value_name = "SHARE")]
    bad_rows: f64,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum On {
    Train,
    Valid,
    Test,
    All,
}

/// Runs the command.
pub fn run(args: Args) -> anyhow::Result<()> {
    let mut rows = Rows::new(args.bad_rows);
    let data = Dataset::open(&args.dir, &mut rows)?;
    let layout = Rc::new(Layout::new(&data.schema));
    let open = |path: &Path| -> anyhow::Result<(Ranker, usize, usize)> {
        let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let ranker = model::open(&bytes, &data.schema, &layout).with_context(|| path.display().to_string())?;
        let label = label_index(&data.schema, Some(ranker.label()))?;
        Ok((ranker, label, bytes.len()))
    };
    let (ranker, label, bundle_bytes) = match &args.bundle {
        None => (Ranker::starter(&layout), label_index(&data.schema, args.label.as_deref())?, 0),
        Some(path) => open(path)?,
    };
    let against = match &args.against {
        None => None,
        Some(path) => {
            let (other, of_other, _) = open(path)?;
            if of_other != label {
                bail!(
                    "{} predicts `{}`, the other one `{}`",
                    path.display(),
                    data.schema.labels[of_other].name,
                    data.schema.labels[label].name
                );
            }
            Some((path.display().to_string(), other))
        }
    };
    let plan = Plan {
        part: match args.on {
            None => evaluation::default_part(&data),
            Some(On::All) => None,
            Some(On::Train) => Some(Split::Train),
            Some(On::Valid) => Some(Split::Valid),
            Some(On::Test) => Some(Split::Test),
        },
        k: args.k as usize,
        rankings: args.rankings,
        draws: args.bootstraps,
        seed: args.seed,
        group: args.group,
    };
    let other = against.as_ref().map(|(name, ranker)| (name.as_str(), ranker));
    let found = evaluation::evaluate(&data, &layout, &ranker, label, other, &plan, &mut rows)?;
    let found = Evaluation { bundle_bytes, ..found };
    if let Some(path) = &args.html {
        std::fs::write(path, report::html(&found)?).with_context(|| format!("cannot write {}", path.display()))?;
        eprintln!("{} written", path.display());
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&found)?);
    } else {
        print(&found);
    }
    Ok(())
}

fn show(value: Option<f64>) -> String {
    value.map_or("–".into(), |value| format!("{value:.4}"))
}

fn show_signed(value: Option<f64>) -> String {
    value.map_or("–".into(), |value| format!("{value:+.4}"))
}

fn print(found: &Evaluation) {
    println!("{}, `{}` on {}", found.source, found.label, found.on);
    println!("retention {} events or {} days", found.retention_events, found.retention_days);
    println!(
        "{:>9} {:>8} {:>9} {:>7} {:>7} {:>9} {:>11} {:>6}",
        "earlier", "rows", "positive", "AUC", "GAUC", "log-loss", "calibration", "error"
    );
    let line = |name: &str, m: &Metrics| {
        println!(
            "{name:>9} {:>8} {:>9} {:>7} {:>7} {:>9.4} {:>11} {:>6.4}",
            m.rows,
            m.positives,
            show(m.auc),
            show(m.gauc),
            m.log_loss,
            show(m.calibration),
            m.calibration_error
        );
    };
    for bucket in &found.by_earlier_events {
        line(bucket.earlier, &bucket.figures);
    }
    line("all", &found.all);
    line("no head", &found.without_head);
    let between =
        |name: &str, interval: Option<Interval>| interval.map(|i| format!("{name} {:.4} to {:.4}", i.low, i.high));
    let i = &found.intervals;
    let intervals = [between("AUC", i.auc), between("GAUC", i.gauc), between("log-loss", i.log_loss)];
    let intervals: Vec<String> = intervals.into_iter().flatten().collect();
    if !intervals.is_empty() {
        println!("95 % over users: {}", intervals.join(", "));
    }
    if let Some(against) = &found.against {
        println!("against {}:", against.name);
        for d in report::differences(found, against) {
            let between = d.interval.map_or(String::new(), |i| format!(", 95 % {:+.4} to {:+.4}", i.low, i.high));
            println!("{:>9} {} − {} = {}{between}", d.figure, show(d.this), show(d.other), show_signed(d.difference()));
        }
    }
    let Some(ranking) = &found.ranking else { return };
    println!(
        "\nthe whole catalogue of {} items ranked for {} of {} positive examples, @{}",
        ranking.items, ranking.rankings, ranking.positives, ranking.k
    );
    println!(
        "{:>13} {:>8} {:>7} {:>7} {:>9} {:>9} {:>8} {:>7}",
        "order", "hit rate", "NDCG", "MRR", "coverage", "diversity", "novelty", "Gini"
    );
    for (name, way) in [
        ("all", &ranking.all),
        ("no head", &ranking.without_head),
        ("popularity", &ranking.popularity),
        ("co-visitation", &ranking.co_visitation),
    ] {
        let f = &way.figures;
        let e = way.exposure.as_ref();
        println!(
            "{name:>13} {:>8.4} {:>7.4} {:>7.4} {:>9} {:>9} {:>8} {:>7}",
            f.hit_rate,
            f.ndcg,
            f.mrr,
            show(e.map(|e| e.coverage)),
            show(e.map(|e| e.diversity)),
            show(e.map(|e| e.novelty)),
            show(e.map(|e| e.gini))
        );
    }
}
