//! How good scores are: AUC, GAUC, log-loss, also by how much of the user was known.

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
}

/// The buckets by number of earlier events, as first number and name.
const EARLIER: [(u32, &str); 8] =
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
    })
}

/// The figures by number of earlier events; buckets without examples are left out.
///
/// # Errors
/// [`NotFinite`].
pub fn by_earlier(scored: &[Scored]) -> Result<Vec<(&'static str, Metrics)>, NotFinite> {
    let mut buckets: Vec<Vec<Scored>> = EARLIER.iter().map(|_| Vec::new()).collect();
    for s in scored {
        let bucket = EARLIER.iter().rposition(|(first, _)| s.earlier >= *first).unwrap_or(0);
        buckets[bucket].push(*s);
    }
    let filled = EARLIER.iter().zip(&buckets).filter(|(_, bucket)| !bucket.is_empty());
    filled.map(|((_, name), bucket)| Ok((*name, measure(bucket)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scored(rows: &[(u32, u32, bool, f32)]) -> Vec<Scored> {
        rows.iter().map(|&(user, earlier, positive, logit)| Scored { user, earlier, positive, logit }).collect()
    }

    #[test]
    fn auc_counts_pairs_in_order_and_ties_as_half() {
        // Positives 0.4 and 0.8, negatives 0.1 and 0.35: every pair in order.
        assert_eq!(auc(&mut [(0.1, false), (0.4, true), (0.35, false), (0.8, true)]), Some(1.0));
        // Positives 0.35, 0.8 against negatives 0.1, 0.4: three of four pairs.
        assert_eq!(auc(&mut [(0.1, false), (0.4, false), (0.35, true), (0.8, true)]), Some(0.75));
        // Positives 1, 2 against negatives 1, 0: 1 = 1 is half, the other three are in order.
        assert_eq!(auc(&mut [(1.0, true), (2.0, true), (1.0, false), (0.0, false)]), Some(3.5 / 4.0));
        // Everything equal, zeros of both signs: nothing is known.
        assert_eq!(auc(&mut [(0.0, true), (-0.0, false), (0.0, false), (-0.0, true), (0.0, true)]), Some(0.5));
        assert_eq!(auc(&mut [(1.0, true), (2.0, true)]), None);
        assert_eq!(auc(&mut []), None);
    }

    #[test]
    fn auc_agrees_with_counting_all_pairs() {
        let mut pairs: Vec<(f32, bool)> =
            (0u32..200).map(|i| ((i.wrapping_mul(2_654_435_761) >> 27) as f32, i % 3 == 0)).collect();
        let mut sum = 0.0;
        let mut count = 0.0;
        for p in pairs.iter().filter(|p| p.1) {
            for n in pairs.iter().filter(|n| !n.1) {
                count += 1.0;
                sum += if p.0 > n.0 {
                    1.0
                } else if p.0 == n.0 {
                    0.5
                } else {
                    0.0
                };
            }
        }
        let found = auc(&mut pairs).expect("two classes");
        assert!((found - sum / count).abs() < 1e-12, "{found} is not {}", sum / count);
    }

    #[test]
    fn gauc_weighs_users_by_rows_and_leaves_out_one_class() {
        let rows = scored(&[
            (1, 0, true, 2.0),
            (1, 0, false, 1.0), // user 1: AUC 1, two rows
            (2, 0, true, 0.0),
            (2, 0, false, 1.0),
            (2, 0, false, -1.0), // user 2: AUC ½, three rows
            (3, 0, true, -9.0),  // user 3: one class
        ]);
        let (value, rows) = gauc(&rows);
        assert_eq!(rows, 5);
        assert!((value.expect("two users count") - (1.0 * 2.0 + 0.5 * 3.0) / 5.0).abs() < 1e-12);
    }

    #[test]
    fn log_loss_and_calibration_by_hand() {
        // σ(0) = ½ and σ(ln 3) = ¾.
        let ln3 = 1.098_612_3;
        let found = measure(&scored(&[(1, 0, true, ln3), (1, 0, false, 0.0)])).expect("finite");
        // −(ln ¾ + ln ½) / 2
        let expected = (0.287_682_072_451_780_9 + std::f64::consts::LN_2) / 2.0;
        assert!((found.log_loss - expected).abs() < 1e-7, "{}", found.log_loss);
        assert!((found.calibration.expect("a positive") - 1.25).abs() < 1e-6);
    }

    #[test]
    fn a_score_that_is_not_finite_stops_everything() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let rows = scored(&[(1, 0, true, 1.0), (1, 5, false, bad)]);
            assert_eq!(measure(&rows), Err(NotFinite { index: 1 }));
            assert!(by_earlier(&rows).is_err());
        }
    }

    #[test]
    fn buckets_hold_their_bounds() {
        let at = |earlier| (1, earlier, earlier % 2 == 0, 0.0);
        let rows = scored(&[at(0), at(1), at(2), at(3), at(5), at(6), at(100), at(101), at(9_999)]);
        let found = by_earlier(&rows).expect("finite");
        let counts: Vec<_> = found.iter().map(|(name, m)| (*name, m.rows)).collect();
        assert_eq!(counts, [("0", 1), ("1-2", 2), ("3-5", 2), ("6-10", 1), ("51-100", 1), ("101+", 2)]);
    }
}
