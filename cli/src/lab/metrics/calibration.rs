//! Whether a forecast of 0.2 comes true one time in five.

use super::Scored;
use serde::Serialize;
use zhiji::kernel::math::sigmoid_f64;

/// How many bins there are.
pub const BINS: usize = 10;

/// One point of a reliability plot.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Bin {
    /// Examples.
    pub rows: usize,
    /// Mean forecast probability.
    pub expected: f64,
    /// Share that was positive.
    pub observed: f64,
}

/// Forecasts against outcomes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reliability {
    /// The bins that hold examples, by forecast.
    pub bins: Vec<Bin>,
    /// Expected calibration error: mean of |expected − observed| over the bins, weighted by rows.
    pub error: f64,
}

/// Groups by forecast into bins of equal size; equal forecasts stay in one bin. Scores must be finite.
///
/// The edges are the tenths of the forecasts, interpolated linearly between neighbours; a forecast on an edge belongs below it.
///
/// # Source
/// Naeini, Cooper and Hauskrecht, "Obtaining Well Calibrated Probabilities Using Bayesian Binning", AAAI 2015, equation 1; the bins are those of
/// scikit-learn's `calibration_curve(strategy="quantile")`.
pub fn reliability(scored: &[Scored]) -> Reliability {
    let mut forecasts: Vec<(f64, bool)> =
        scored.iter().map(|s| (sigmoid_f64(f64::from(s.logit)), s.positive)).collect();
    forecasts.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let Some(last) = forecasts.len().checked_sub(1) else { return Reliability { bins: Vec::new(), error: 0.0 } };
    let edge = |tenth: usize| {
        let place = last as f64 * tenth as f64 / BINS as f64;
        let below = place.floor();
        let (a, b) = (forecasts[below as usize].0, forecasts[last.min(below as usize + 1)].0);
        a + (b - a) * (place - below)
    };
    let mut sums = [(0usize, 0.0, 0usize); BINS];
    let edges: Vec<f64> = (1..BINS).map(edge).collect();
    let mut bin = 0;
    for (forecast, positive) in &forecasts {
        while edges.get(bin).is_some_and(|e| forecast > e) {
            bin += 1;
        }
        let (rows, expected, observed) = &mut sums[bin];
        *rows += 1;
        *expected += forecast;
        *observed += usize::from(*positive);
    }
    let bins: Vec<Bin> = sums
        .iter()
        .filter(|s| s.0 > 0)
        .map(|&(rows, expected, positives)| {
            let n = rows as f64;
            Bin { rows, expected: expected / n, observed: positives as f64 / n }
        })
        .collect();
    let apart: f64 = bins.iter().map(|b| b.rows as f64 * (b.expected - b.observed).abs()).sum();
    Reliability { bins, error: apart / forecasts.len() as f64 }
}
