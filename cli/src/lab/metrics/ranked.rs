//! How high what was wanted stands in a ranking of the whole catalogue.

use super::{EARLIER, bucket};
use serde::Serialize;
use zhiji::kernel::math::ln_f64;

/// One wanted item in one ranking.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Target {
    /// Whose, by any numbering.
    pub user: u32,
    /// Events of the user before it.
    pub earlier: u32,
    /// Its place, from 1. Of items with equal scores, half stand before it.
    pub rank: f64,
}

/// The figures of one set of rankings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Ranked {
    /// Rankings.
    pub targets: usize,
    /// Share of them with the wanted item among the first `k`.
    pub hit_rate: f64,
    /// Mean of `1 / log₂(1 + rank)`, 0 past `k`.
    pub ndcg: f64,
    /// Mean of `1 / rank`, 0 past `k`.
    pub mrr: f64,
}

/// What one ranking adds to hit rate, NDCG and MRR.
///
/// # Source
/// Järvelin and Kekäläinen, "Cumulated gain-based evaluation of IR techniques", TOIS 2002, with one relevant item, whose ideal gain is 1.
pub fn gains(rank: f64, k: usize) -> [f64; 3] {
    if rank > k as f64 { [0.0; 3] } else { [1.0, std::f64::consts::LN_2 / ln_f64(1.0 + rank), 1.0 / rank] }
}

/// The figures at `k`.
pub fn measure(targets: &[Target], k: usize) -> Ranked {
    let mut sums = [0.0; 3];
    for target in targets {
        for (sum, gain) in sums.iter_mut().zip(gains(target.rank, k)) {
            *sum += gain;
        }
    }
    let [hit_rate, ndcg, mrr] = sums.map(|sum| sum / targets.len().max(1) as f64);
    Ranked { targets: targets.len(), hit_rate, ndcg, mrr }
}

/// The figures by number of earlier events; buckets without rankings are left out.
pub fn by_earlier(targets: &[Target], k: usize) -> Vec<(&'static str, Ranked)> {
    let mut buckets: Vec<Vec<Target>> = EARLIER.iter().map(|_| Vec::new()).collect();
    for target in targets {
        buckets[bucket(target.earlier)].push(*target);
    }
    let filled = EARLIER.iter().zip(&buckets).filter(|(_, bucket)| !bucket.is_empty());
    filled.map(|((_, name), bucket)| (*name, measure(bucket, k))).collect()
}
