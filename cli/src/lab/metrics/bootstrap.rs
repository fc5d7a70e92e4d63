//! How far a figure would move with other users: intervals by resampling whole users.

use super::ranked::{Target, gains};
use super::{Scored, auc, log_loss};
use serde::Serialize;
use std::collections::BTreeMap;
use zhiji::rng::{Rng, Seed, seed_of};

/// The middle 95 % of a figure's resampled values.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

/// Intervals of the figures of scores.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Intervals {
    /// Of the area under the curve.
    pub auc: Option<Interval>,
    /// Of its mean over users.
    pub gauc: Option<Interval>,
    /// Of the log-loss.
    pub log_loss: Option<Interval>,
}

/// Intervals of the figures of rankings.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RankedIntervals {
    /// Of the hit rate.
    pub hit_rate: Option<Interval>,
    /// Of the NDCG.
    pub ndcg: Option<Interval>,
    /// Of the MRR.
    pub mrr: Option<Interval>,
}

/// Draws of units with replacement, the same for the same seed.
pub struct Resampler {
    seed: Seed,
    draws: u32,
}

impl Resampler {
    /// So many draws.
    pub fn new(seed: u64, draws: u32) -> Self {
        Self { seed: seed_of(seed), draws }
    }

    /// Calls `figure` for every draw with how often each of `units` was drawn, and gives its values.
    pub fn values(&self, units: usize, mut figure: impl FnMut(&[u32]) -> Option<f64>) -> Vec<Option<f64>> {
        let Ok(most) = u32::try_from(units) else { return Vec::new() };
        let mut times = vec![0u32; units];
        (0..self.draws)
            .map(|draw| {
                let mut rng = Rng::derive(&self.seed, "bootstrap", &draw.to_le_bytes());
                times.fill(0);
                for _ in 0..most {
                    times[rng.below(most) as usize] += 1;
                }
                figure(&times)
            })
            .collect()
    }

    /// AUC, GAUC and log-loss of every draw of users. Scores must be finite.
    pub fn draw_scores(&self, scored: &[Scored]) -> Draws {
        let users = by_user(scored.iter().map(|s| (s.user, *s)));
        let place: BTreeMap<u32, usize> = users.iter().enumerate().map(|(i, (user, _))| (*user, i)).collect();
        let mut sorted: Vec<(f32, bool, usize)> =
            scored.iter().map(|s| (s.logit, s.positive, place[&s.user])).collect();
        sorted.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let own: Vec<Option<(f64, f64)>> = users
            .iter()
            .map(|(_, rows)| {
                let mut pairs: Vec<_> = rows.iter().map(|s| (s.logit, s.positive)).collect();
                auc(&mut pairs).map(|value| (value, rows.len() as f64))
            })
            .collect();
        let losses: Vec<(f64, f64)> = users
            .iter()
            .map(|(_, rows)| (rows.iter().map(|s| log_loss(s.logit, s.positive)).sum(), rows.len() as f64))
            .collect();
        Draws {
            auc: self.values(users.len(), |times| weighted_auc(&sorted, times)),
            gauc: self.values(users.len(), |times| {
                let counted = own.iter().zip(times).filter_map(|(own, n)| own.map(|o| (o.0 * o.1, o.1, *n)));
                ratio(counted)
            }),
            log_loss: self.values(users.len(), |times| ratio(losses.iter().zip(times).map(|(l, n)| (l.0, l.1, *n)))),
        }
    }

    /// Intervals of hit rate, NDCG and MRR at `k`, by user.
    pub fn of_rankings(&self, targets: &[Target], k: usize) -> RankedIntervals {
        let users = by_user(targets.iter().map(|t| (t.user, t.rank)));
        let of = |which: usize| {
            let sums: Vec<(f64, f64)> = users
                .iter()
                .map(|(_, ranks)| (ranks.iter().map(|r| gains(*r, k)[which]).sum(), ranks.len() as f64))
                .collect();
            interval(&self.values(users.len(), |times| ratio(sums.iter().zip(times).map(|(s, n)| (s.0, s.1, *n)))))
        };
        RankedIntervals { hit_rate: of(0), ndcg: of(1), mrr: of(2) }
    }
}

/// The figures of every draw of users.
#[derive(Clone, Debug, PartialEq)]
pub struct Draws {
    auc: Vec<Option<f64>>,
    gauc: Vec<Option<f64>>,
    log_loss: Vec<Option<f64>>,
}

impl Draws {
    /// The intervals of the figures.
    pub fn intervals(&self) -> Intervals {
        Intervals { auc: interval(&self.auc), gauc: interval(&self.gauc), log_loss: interval(&self.log_loss) }
    }

    /// The intervals of the differences to other scores of the same examples: each draw has the same users in both, so that what
    /// users have in common falls out.
    pub fn intervals_over(&self, other: &Self) -> Intervals {
        let less = |a: &[Option<f64>], b: &[Option<f64>]| {
            let pairs = a.iter().zip(b);
            interval(&pairs.map(|(a, b)| Some((*a)? - (*b)?)).collect::<Vec<_>>())
        };
        Intervals {
            auc: less(&self.auc, &other.auc),
            gauc: less(&self.gauc, &other.gauc),
            log_loss: less(&self.log_loss, &other.log_loss),
        }
    }
}

/// The interval of a figure's drawn values; none without values.
///
/// # Source
/// Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, section 13.3 (percentile interval); users rather than rows are drawn
/// because the rows of one user depend on each other.
fn interval(values: &[Option<f64>]) -> Option<Interval> {
    let mut values: Vec<f64> = values.iter().flatten().copied().collect();
    values.sort_unstable_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    let at = |share: f64| values[(share * last as f64).round() as usize];
    Some(Interval { low: at(0.025), high: at(0.975) })
}

fn by_user<T>(rows: impl Iterator<Item = (u32, T)>) -> Vec<(u32, Vec<T>)> {
    let mut users: BTreeMap<u32, Vec<T>> = BTreeMap::new();
    for (user, row) in rows {
        users.entry(user).or_default().push(row);
    }
    users.into_iter().collect()
}

/// Sum over sum, each part counted as often as it was drawn.
fn ratio(parts: impl Iterator<Item = (f64, f64, u32)>) -> Option<f64> {
    let (mut above, mut below) = (0.0, 0.0);
    for (a, b, times) in parts {
        above += a * f64::from(times);
        below += b * f64::from(times);
    }
    (below > 0.0).then(|| above / below)
}

/// AUC of rows sorted by score, each counted as often as its unit was drawn.
fn weighted_auc(sorted: &[(f32, bool, usize)], times: &[u32]) -> Option<f64> {
    let (mut positives, mut negatives, mut pairs) = (0.0, 0.0, 0.0);
    let mut start = 0;
    while start < sorted.len() {
        let (mut p, mut n) = (0.0, 0.0);
        let mut end = start;
        while end < sorted.len() && sorted[end].0 == sorted[start].0 {
            let weight = f64::from(times[sorted[end].2]);
            if sorted[end].1 {
                p += weight
            } else {
                n += weight
            }
            end += 1;
        }
        pairs += p * (negatives + n / 2.0);
        positives += p;
        negatives += n;
        start = end;
    }
    (positives > 0.0 && negatives > 0.0).then(|| pairs / (positives * negatives))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawing_everybody_once_gives_the_figure_itself() {
        let mut pairs: Vec<(f32, bool)> = (0..40u32).map(|i| ((i * 7 % 11) as f32, i % 3 == 0)).collect();
        let mut sorted: Vec<(f32, bool, usize)> = pairs.iter().enumerate().map(|(i, p)| (p.0, p.1, i % 5)).collect();
        sorted.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let (once, expected) = (weighted_auc(&sorted, &[1; 5]), auc(&mut pairs));
        assert!((once.expect("two classes") - expected.expect("two classes")).abs() < 1e-12, "ties count half");
        assert_eq!(weighted_auc(&sorted, &[0; 5]), None);
    }
}
