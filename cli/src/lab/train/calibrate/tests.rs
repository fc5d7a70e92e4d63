//! Planted distortions are found, and what is fitted is what a bundle takes.

use super::*;
use crate::lab::network::pass::Noise;
use zhiji::block::Calibration;

/// Logits and outcomes whose odds are those of `truth(logit)`, sorted.
fn outcomes(count: usize, truth: impl Fn(f32) -> f32) -> Vec<(f32, bool)> {
    let mut noise = Noise::new(5);
    let each = |_| {
        let z = 1.5 * noise.normal();
        (z, f64::from(noise.uniform()) < sigmoid_f64(f64::from(truth(z))))
    };
    let mut all: Vec<(f32, bool)> = (0..count).map(each).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    all
}

#[test]
fn a_planted_line_is_found() {
    let [a, b] = platt(&outcomes(40_000, |z| 0.6 * z - 1.0)).expect("a line");
    assert!((a - 0.6).abs() < 0.03 && (b + 1.0).abs() < 0.04, "{a} {b}");
}

#[test]
fn a_planted_bend_is_followed_and_no_order_changes() {
    // Overconfident above zero, right below.
    let truth = |z: f32| if z > 0.0 { 0.3 * z } else { z };
    let knots = isotonic(&outcomes(80_000, truth), 0.5);
    assert!(knots.len() > 20 && knots.len() <= MOST_KNOTS, "{}", knots.len());
    let table = Calibration::knots(knots.clone(), true).expect("a table that bundles take");
    for z in [-2.0, -1.0, 0.0, 1.0, 2.0, 3.0] {
        assert!((table.apply(z) - truth(z)).abs() < 0.25, "at {z}: {}, not {}", table.apply(z), truth(z));
    }
    let rising = |z: &f32| table.apply(z - 0.05) < table.apply(*z);
    assert!((-120..120).map(|at| at as f32 * 0.1).all(|z| rising(&z)), "{knots:?}");
}

/// Four groups of twenty examples each: the second and third are out of order, so they are pooled.
#[test]
fn groups_out_of_order_are_pooled() {
    let group = |z: f32, positives: usize| (0..20).map(move |at| (z, at < positives));
    let groups = [(-1.0, 4), (0.0, 12), (1.0, 8), (2.0, 16)];
    let outcomes: Vec<(f32, bool)> = groups.into_iter().flat_map(|(z, positives)| group(z, positives)).collect();
    let knots = isotonic(&outcomes, 2.0);
    let logit = |share: f64| ln_f64(share / (1.0 - share)) as f32;
    // One example of the whole's share, a half, stands in each group; a line of the slope given goes on beyond them.
    let expected = [[-1.0, logit(4.5 / 21.0)], [0.5, logit(20.5 / 41.0)], [2.0, logit(16.5 / 21.0)]];
    assert!((knots[4][1] - knots[3][1] - 2.0 * BEYOND).abs() < 1e-4, "{knots:?}");
    assert_eq!(knots.len(), 5, "{knots:?}");
    for (found, expected) in knots[1..4].iter().zip(expected) {
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?}, not {expected:?}");
    }
}

#[test]
fn what_is_upside_down_or_equal_is_refused_or_kept() {
    assert_eq!(platt(&outcomes(4_000, |z| -z)), None);
    // One logit for all: no line can be told, so it stays near what it was.
    let flat: Vec<(f32, bool)> = (0..100).map(|at| (0.5, at % 4 == 0)).collect();
    assert!(platt(&flat).is_some_and(|[a, b]| a > 0.0 && (0.5 * a + b - ln_f64(1.0 / 3.0) as f32).abs() < 0.1));
}
