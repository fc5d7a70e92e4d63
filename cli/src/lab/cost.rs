//! What fewer bytes cost: two bundles of one model on the same examples.

use super::dataset::Dataset;
use super::evaluation::{self, Plan};
use super::examples::label_index;
use super::model;
use super::rows::Rows;
use std::path::Path;
use std::rc::Rc;
use zhiji::features::Layout;

/// The largest share of bad rows that is put up with.
const BAD_ROWS: f64 = 0.01;
const LENGTH: usize = 10;
const SEED: u64 = 1;

/// Figures of one bundle, without personal heads: those would hide what the weights have lost.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    /// Its size.
    pub bytes: usize,
    /// Area under the curve.
    pub auc: Option<f64>,
    /// The same by user, weighted by rows.
    pub gauc: Option<f64>,
    /// Log-loss.
    pub log_loss: f64,
    /// NDCG of lists of ten, the whole catalogue ranked.
    pub ndcg: Option<f64>,
}

/// Both bundles.
#[derive(Clone, Debug, PartialEq)]
pub struct Costs {
    /// The label that is predicted.
    pub label: String,
    /// The part of the data.
    pub on: &'static str,
    /// Positive examples for which the catalogue was ranked.
    pub rankings: usize,
    /// Of the first and of the second bundle.
    pub figures: [Figures; 2],
}

/// Measures two bundles on the part of a lab directory that is for it.
///
/// # Errors
/// Where the data cannot be read, or a bundle does not fit them.
pub fn measure(dir: &Path, bundles: [&[u8]; 2], rankings: usize) -> anyhow::Result<Costs> {
    let mut rows = Rows::new(BAD_ROWS);
    let data = Dataset::open(dir, &mut rows)?;
    let layout = Rc::new(Layout::new(&data.schema));
    let part = evaluation::default_part(&data);
    let plan = Plan { part, k: LENGTH, rankings, draws: 0, seed: SEED, group: None };
    let mut found = Vec::new();
    for bytes in bundles {
        let ranker = model::open(bytes, &data.schema, &layout)?;
        let label = label_index(&data.schema, Some(ranker.label()))?;
        found.push(evaluation::evaluate(&data, &layout, &ranker, label, None, &plan, &mut rows)?);
    }
    let figures = |at: usize| {
        let of = &found[at].without_head;
        let ndcg = found[at].ranking.as_ref().map(|ranking| ranking.without_head.figures.ndcg);
        Figures { bytes: bundles[at].len(), auc: of.auc, gauc: of.gauc, log_loss: of.log_loss, ndcg }
    };
    Ok(Costs {
        label: found[0].label.clone(),
        on: found[0].on,
        rankings: found[0].ranking.as_ref().map_or(0, |ranking| ranking.rankings),
        figures: [figures(0), figures(1)],
    })
}
