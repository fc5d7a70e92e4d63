//! How good scores are: AUC, GAUC, log-loss, also by how much of the user was known.

pub mod bootstrap;
pub mod calibration;
pub mod exposure;
pub mod ranked;
#[cfg(test)]
mod tests;

use serde::Serialize;
use std::collections::BTreeMap;
use zhiji::kernel::math::softplus_f64;

/// One scored example.
#[derive(Clone, Copy, Debug)]
pub struct Scored {
    /// Whose, by any numbering.
    pub user: u32,
    /// Events of the user before it.
    pub earlier: u32,
    /// What came of it.
    pub positive: bool,
    /// The model's logit.
    pub logit: f32,
}

/// A score that is no finite number. An evaluation that met one and went on would flatter the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotFinite {
    /// The place of the example.
    pub index: usize,
}

impl std::fmt::Display for NotFinite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the score of example {} is not a finite number; nothing is reported", self.index)
    }
}

impl std::error::Error for NotFinite {}

/// The figures of one set of examples.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Metrics {
    /// Examples.
    pub rows: usize,
    /// Of them, positive.
    pub positives: usize,
    /// Area under the ROC curve; none where there is one class only.
    pub auc: Option<f64>,
    /// AUC of each user, weighted by the user's examples, users with one class left out; none where no user has both.
    pub gauc: Option<f64>,
    /// Examples of the users that count in `gauc`.
    pub gauc_rows: usize,
    /// Mean negative log-likelihood, in nats.
    pub log_loss: f64,
    /// Mean probability over mean label: 1 is calibrated in the large; none without positives.
    pub calibration: Option<f64>,
    /// How far forecasts and outcomes lie apart on average over [`calibration::BINS`] bins of equal size.
    pub calibration_error: f64,
}

/// The buckets by number of earlier events, as first number and name.
pub const EARLIER: [(u32, &str); 8] =
    [(0, "0"), (1, "1-2"), (3, "3-5"), (6, "6-10"), (11, "11-20"), (21, "21-50"), (51, "51-100"), (101, "101+")];

/// Area under the ROC curve: the probability that a positive is scored above a negative, ties counting half.
///
/// `None` where there is one class only. Reorders `pairs`.
///
/// # Source
/// Mann and Whitney 1947: with mid-ranks `r` of the positives, `(Σ r − P (P + 1) / 2) / (P · N)`.
pub fn auc(pairs: &mut [(f32, bool)]) -> Option<f64> {
    pairs.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let positives = pairs.iter().filter(|p| p.1).count();
    let negatives = pairs.len() - positives;
    if positives == 0 || negatives == 0 {
        return None;
    }
    let mut ranks = 0.0;
    let mut start = 0;
    while start < pairs.len() {
        let mut end = start + 1;
        // `==` rather than bits: −0 and +0 are one score.
        while end < pairs.len() && pairs[end].0 == pairs[start].0 {
            end += 1;
        }
        let middle = (start + 1 + end) as f64 / 2.0;
        ranks += middle * pairs[start..end].iter().filter(|p| p.1).count() as f64;
        start = end;
    }
    let (p, n) = (positives as f64, negatives as f64);
    Some((ranks - p * (p + 1.0) / 2.0) / (p * n))
}

/// Per-user AUC weighted by rows, and the rows that counted.
pub fn gauc(scored: &[Scored]) -> (Option<f64>, usize) {
    let mut users: BTreeMap<u32, Vec<(f32, bool)>> = BTreeMap::new();
    for s in scored {
        users.entry(s.user).or_default().push((s.logit, s.positive));
    }
    let (mut sum, mut rows) = (0.0, 0usize);
    for pairs in users.values_mut() {
        if let Some(value) = auc(pairs) {
            sum += value * pairs.len() as f64;
            rows += pairs.len();
        }
    }
    ((rows > 0).then(|| sum / rows as f64), rows)
}

/// Log-loss of one logit: `softplus(logit) − label · logit`.
pub fn log_loss(logit: f32, positive: bool) -> f64 {
    let logit = f64::from(logit);
    softplus_f64(logit) - if positive { logit } else { 0.0 }
}

/// All figures of `scored`.
///
/// # Errors
/// [`NotFinite`] for the first score that is not finite.
pub fn measure(scored: &[Scored]) -> Result<Metrics, NotFinite> {
    if let Some(index) = scored.iter().position(|s| !s.logit.is_finite()) {
        return Err(NotFinite { index });
    }
    let positives = scored.iter().filter(|s| s.positive).count();
    let mut pairs: Vec<_> = scored.iter().map(|s| (s.logit, s.positive)).collect();
    let (gauc, gauc_rows) = gauc(scored);
    let rows = scored.len();
    let expected: f64 = scored.iter().map(|s| zhiji::kernel::math::sigmoid_f64(f64::from(s.logit))).sum();
    Ok(Metrics {
        rows,
        positives,
        auc: auc(&mut pairs),
        gauc,
        gauc_rows,
        log_loss: scored.iter().map(|s| log_loss(s.logit, s.positive)).sum::<f64>() / rows.max(1) as f64,
        calibration: (positives > 0).then(|| expected / positives as f64),
        calibration_error: calibration::reliability(scored).error,
    })
}

/// The place in [`EARLIER`] of so many earlier events.
pub fn bucket(earlier: u32) -> usize {
    EARLIER.iter().rposition(|(first, _)| earlier >= *first).unwrap_or(0)
}

/// The figures by number of earlier events; buckets without examples are left out.
///
/// # Errors
/// [`NotFinite`].
pub fn by_earlier(scored: &[Scored]) -> Result<Vec<(&'static str, Metrics)>, NotFinite> {
    split_by_earlier(scored).into_iter().map(|(name, bucket)| Ok((name, measure(&bucket)?))).collect()
}

/// The scores of each bucket of earlier events that has any.
pub fn split_by_earlier(scored: &[Scored]) -> Vec<(&'static str, Vec<Scored>)> {
    let mut buckets: Vec<(&'static str, Vec<Scored>)> = EARLIER.iter().map(|(_, name)| (*name, Vec::new())).collect();
    for s in scored {
        buckets[bucket(s.earlier)].1.push(*s);
    }
    buckets.retain(|(_, bucket)| !bucket.is_empty());
    buckets
}
