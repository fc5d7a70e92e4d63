//! Protocol E: what a policy is worth, estimated from the log of another.
//!
//! A folder `random/` and a folder `bts/`, each with one campaign of the Open Bandit Dataset, stand for the two policies; each one's own log is the truth for
//! what the other's says of it.

use super::super::dataset::{Dataset, Split};
use super::super::import::mapped::Source;
use super::super::import::presets::OPEN_BANDIT;
use super::super::import::sorter::Sorter;
use super::super::import::{Cut, write};
use super::super::off_policy::Estimator;
use super::super::off_policy::log::{Log, Policy, estimate};
use super::super::rows::Rows;
use super::record::Record;
use super::{Plan, Protocol};
use anyhow::{Context as _, bail};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use zhiji::features::Layout;
use zhiji::schema::Schema;

/// Resampled logs behind every error.
const BOOTSTRAPS: u32 = 30;
const ESTIMATORS: [Estimator; 6] = [
    Estimator::Ips,
    Estimator::Snips,
    Estimator::Dm,
    Estimator::Dr,
    Estimator::SwitchDr { tau: 10.0 },
    Estimator::DrOs { lambda: 100.0 },
];

/// The folder of the first campaign of a policy, by name; `None` where there is none.
pub(super) fn campaign(dir: &Path, policy: &str) -> Option<PathBuf> {
    let mut found: Vec<PathBuf> =
        std::fs::read_dir(dir.join(policy)).ok()?.filter_map(|e| Some(e.ok()?.path())).filter(|p| p.is_dir()).collect();
    found.sort();
    found.into_iter().find(|campaign| campaign.join("item_context.csv").exists())
}

fn import(folder: &Path, out: &Path) -> anyhow::Result<Dataset> {
    let items = folder.join("item_context.csv");
    let mut logs: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "csv") && path != items {
            logs.push(path);
        }
    }
    let [log] = logs.as_slice() else {
        bail!("{} is to hold item_context.csv and one other CSV file", folder.display())
    };
    let schema = Schema::open(OPEN_BANDIT.schema).map_err(|e| anyhow::anyhow!("{e}"))?;
    let mapping = OPEN_BANDIT.mapping()?;
    let (events, items) = ([(log.clone(), Split::Train)], [items]);
    let source = Source { mapping: &mapping, schema: &schema, events: &events, items: &items };
    let mut rows = Rows::new(0.0);
    let items = source.read_items(&mut rows)?;
    let mut sorter = Sorter::new(out.to_path_buf());
    source.read_events(&items, &mut rows, &mut sorter)?;
    write(out, OPEN_BANDIT.schema, &items, sorter, Cut::AsGiven, &rows, OPEN_BANDIT.name.to_string())?;
    Dataset::open(out, &mut rows)
}

/// Estimates each policy from the other's log.
pub(super) fn run(plan: &Plan, folders: [PathBuf; 2], record: &mut Record) -> anyhow::Result<()> {
    let names = ["random", "bts"];
    let mut logs = Vec::new();
    for (name, folder) in names.iter().zip(&folders) {
        let data = import(folder, &plan.out.join(Protocol::E.name()).join(name))?;
        let layout = Rc::new(Layout::new(&data.schema));
        logs.push(Log::read(&data, &layout, 0, None, &mut Rows::new(0.0))?);
    }
    for (from, to) in [(0, 1), (1, 0)] {
        let (policy, truth) = (Policy::Like(&logs[to]), logs[to].value());
        let (overlap, estimates) = estimate(&logs[from], &policy, &ESTIMATORS, Some(truth.0), BOOTSTRAPS, plan.seed);
        record.note(format!(
            "E: {} from {}'s log: {:.5} ± {:.5} in its own log, {:.0} effective rounds",
            names[to], names[from], truth.0, truth.1, overlap.effective_rounds
        ));
        for found in estimates {
            let model = format!("{} of {} from {}", found.estimator, names[to], names[from]);
            for (metric, value) in [("value", found.value), ("relative_error", found.relative_error)] {
                if let Some(value) = value {
                    record.push(Protocol::E, (&model, 0), metric, "all", value)?;
                }
            }
        }
    }
    Ok(())
}
