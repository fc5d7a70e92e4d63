use super::*;
use proptest::prelude::*;

/// Weights and factors of `n` features.
fn numbers(n: usize, k: usize) -> impl Strategy<Value = (Vec<f32>, Vec<f32>)> {
    (prop::collection::vec(-1.0f32..1.0, n), prop::collection::vec(-0.5f32..0.5, n * k))
}

/// Active features, some of them unknown, with their values.
fn active(n: u32, most: usize) -> impl Strategy<Value = (Vec<u32>, Vec<f32>)> {
    prop::collection::vec((0..n + 3, -2.0f32..2.0), 0..most).prop_map(|pairs| pairs.into_iter().unzip())
}

/// The definition, pair by pair, in double precision.
fn naive(fm: &Fm, features: &[u32], values: &[f32]) -> f64 {
    let rows: Vec<(f64, Vec<f64>, f64)> = features
        .iter()
        .zip(values)
        .map(|(feature, x)| {
            let mut row = vec![0.0; fm.width()];
            let [weight, _] = fm.read(*feature, &mut row);
            (f64::from(weight), row.iter().map(|v| f64::from(*v)).collect(), f64::from(*x))
        })
        .collect();
    let mut logit = f64::from(fm.bias());
    for (i, (weight, row, x)) in rows.iter().enumerate() {
        logit += weight * x;
        for (_, other, y) in &rows[..i] {
            logit += row.iter().zip(other).map(|(a, b)| a * b).sum::<f64>() * x * y;
        }
    }
    logit
}

fn whole(fm: &Fm, features: &[u32], values: &[f32]) -> f32 {
    let mut sum = vec![f32::NAN; fm.width()];
    let own = fm.part(features, values, &mut sum);
    fm.logit((own, &sum), (0.0, &[]))
}

fn sized() -> impl Strategy<Value = (usize, usize)> {
    (prop::sample::select(vec![1usize, 2, 5, 40]), prop::sample::select(vec![1usize, 3, 4, 5, 16, 17, 33]))
}

proptest! {
    #[test]
    fn the_logit_is_its_definition(
        (fm, (features, values)) in sized().prop_flat_map(|(n, k)| (numbers(n, k), active(n as u32, 25), any::<bool>()).prop_map(
            move |((weight, factors), active, bytes)| {
                let table = Table::singles(n, k, factors).expect("a sound table");
                let table = if bytes { table.quantised() } else { table };
                (Fm::new(0.25, &weight, &table).expect("a sound block"), active)
            }
        ))
    ) {
        let (got, want) = (whole(&fm, &features, &values), naive(&fm, &features, &values));
        prop_assert!((f64::from(got) - want).abs() < 1e-3, "{} {}", got, want);
        // Candidates in one call have the same bits.
        let active = features.len();
        let (features, values) = ([&features[..], &features].concat(), [&values[..], &values].concat());
        let (mut sum, mut out) = (vec![0.0; fm.width()], [0.0; 3]);
        fm.score_each((0.0, &[]), (&features, &values, active), &mut sum, &mut out);
        prop_assert_eq!(out[0].to_bits(), got.to_bits());
        prop_assert_eq!(out[1].to_bits(), got.to_bits());
        if active > 0 {
            prop_assert_eq!(out[2].to_bits(), fm.bias().to_bits());
        }
    }

    #[test]
    fn sets_make_one_logit_however_they_are_split((weight, factors) in numbers(40, 16), (features, values) in active(40, 25), cuts in prop::array::uniform2(0usize..25)) {
        let fm = Fm::new(-0.5, &weight, &Table::singles(40, 16, factors).expect("a sound table")).expect("a sound block");
        let mut cuts = cuts.map(|cut| cut.min(features.len()));
        cuts.sort_unstable();
        let mut sums = [[0.0; 16]; 3];
        let spans = [0..cuts[0], cuts[0]..cuts[1], cuts[1]..features.len()];
        let owns: Vec<f32> =
            spans.into_iter().zip(&mut sums).map(|(of, sum)| fm.part(&features[of.clone()], &values[of], sum)).collect();
        let [mut user, item, pair] = sums;
        let joined = fm.join((owns[0], &mut user), (owns[2], &pair));
        let got = f64::from(fm.logit((joined, &user), (owns[1], &item)));
        prop_assert!((got - naive(&fm, &features, &values)).abs() < 1e-3);
    }

    #[test]
    fn contributions_add_up_to_the_logit((weight, factors) in numbers(40, 5), (features, values) in active(40, 25)) {
        let fm = Fm::new(0.75, &weight, &Table::singles(40, 5, factors).expect("a sound table")).expect("a sound block");
        let (mut sum, mut parts) = (vec![0.0; fm.width()], vec![f32::NAN; features.len()]);
        let own = fm.part(&features, &values, &mut sum);
        fm.contributions(&features, &values, &sum, &mut parts);
        let total: f64 = parts.iter().map(|part| f64::from(*part)).sum::<f64>() + 0.75;
        prop_assert!((total - f64::from(fm.logit((own, &sum), (0.0, &[])))).abs() < 1e-3);
    }

    #[test]
    fn the_gradient_is_the_slope_of_the_loss((weight, factors) in numbers(6, 5), (features, values) in active(6, 6), positive in any::<bool>()) {
        let fm = Fm::new(0.1, &weight, &Table::singles(6, 5, factors).expect("a sound table")).expect("a sound block");
        let label = f32::from(u8::from(positive));
        let (mut sum, mut row) = (vec![0.0; fm.width()], vec![0.0; fm.width()]);
        let (mut by_weight, mut by_factors) = (vec![0.0; features.len()], vec![0.0; features.len() * fm.width()]);
        let residual = fm.gradient((&features, &values, label), &mut sum, &mut by_weight, &mut by_factors);
        let step = 1.0 / 128.0;
        let mut slope = |nudge: &dyn Fn(&mut Fm, &mut [f32], f32)| {
            let mut losses = [step, -step].map(|by| {
                let mut moved = fm.clone();
                nudge(&mut moved, &mut row, by);
                let z = naive(&moved, &features, &values);
                math::softplus_f64(z) - f64::from(label) * z
            });
            losses[0] -= losses[1];
            losses[0] / (2.0 * f64::from(step))
        };
        let by_bias = slope(&|fm, _, by| fm.apply_bias(by));
        prop_assert!((by_bias - f64::from(residual)).abs() < 2e-3);
        for feature in 0..6u32 {
            let all = || features.iter().enumerate().filter(|(_, f)| **f == feature).map(|(i, _)| i);
            let want: f64 = all().map(|i| f64::from(by_weight[i])).sum();
            let got = slope(&|fm, row, by| fm.apply(feature, row, &mut |weight, _| *weight += by));
            prop_assert!((got - want).abs() < 5e-3, "weight {}: {} {}", feature, got, want);
            for column in 0..5 {
                // A feature that stands twice interacts with itself, which the gradient of each of its places sees in part.
                if all().count() > 1 {
                    continue;
                }
                let want: f64 = all().map(|i| f64::from(by_factors[i * fm.width() + column])).sum();
                let got = slope(&|fm, row, by| fm.apply(feature, row, &mut |_, factors| factors[column] += by));
                prop_assert!((got - want).abs() < 5e-3, "factor {} {}: {} {}", feature, column, got, want);
            }
        }
    }
}

use crate::kernel::math;

#[test]
fn what_is_moved_scores_as_if_it_were_made_so() {
    let table = Table::singles(3, 17, (0..51u8).map(|i| f32::from(i) / 64.0).collect()).expect("a sound table");
    let mut moved =
        Fm::new(0.0, &[0.0, 1.0, 2.0], &Table::singles(3, 17, vec![0.0; 51]).expect("zeros")).expect("sound");
    let mut row = vec![0.0; moved.width()];
    for feature in 0..3 {
        moved.apply(feature, &mut row, &mut |_, factors| {
            assert_eq!(factors.len(), 17);
            table.read(feature as usize, factors);
        });
    }
    moved.apply(9, &mut row, &mut |_, _| panic!("there is no such feature"));
    assert_eq!(moved, Fm::new(0.0, &[0.0, 1.0, 2.0], &table).expect("sound"));
}

#[test]
fn ten_thousand_features_and_unknown_ones() {
    let factors = (0..160_000u32).map(|i| (i % 97) as f32 / 512.0 - 0.1).collect();
    let weight: Vec<f32> = (0..10_000u32).map(|i| (i % 13) as f32 / 16.0).collect();
    let fm =
        Fm::new(0.0, &weight, &Table::singles(10_000, 16, factors).expect("a sound table")).expect("a sound block");
    let features: Vec<u32> = (0..20).map(|i| i * 523 % 10_000).collect();
    let values = [0.5; 20];
    assert!((f64::from(whole(&fm, &features, &values)) - naive(&fm, &features, &values)).abs() < 1e-3);
    let unknown = [10_000, 10_001, u32::MAX, 1 << 31, 1 << 28];
    assert_eq!(whole(&fm, &unknown, &[1.0; 5]), 0.0);
}

#[test]
fn numbers_that_overflow_give_the_largest_score() {
    let fm = Fm::new(0.0, &[3e38, -3e38], &Table::singles(2, 1, vec![1e19, 0.0]).expect("finite")).expect("finite");
    assert_eq!(whole(&fm, &[1, 1], &[2.0, 2.0]), f32::MIN);
    assert!(whole(&fm, &[0, 0], &[1e19, 1e19]).is_finite());
    assert_eq!(fm.logit((f32::INFINITY, &[]), (f32::NEG_INFINITY, &[])), 0.0);
}

#[test]
fn unsound_blocks_are_refused() {
    let table = Table::singles(2, 1, vec![1.0, 2.0]).expect("sound");
    assert_eq!(Fm::new(f32::NAN, &[0.0; 2], &table), Err(BlockError::NotFinite { part: "bias" }));
    assert_eq!(Fm::new(0.0, &[0.0, f32::INFINITY], &table), Err(BlockError::NotFinite { part: "weight" }));
    assert_eq!(Fm::new(0.0, &[0.0; 3], &table), Err(BlockError::Shape { part: "weight" }));
    let empty = Fm::new(0.5, &[], &Table::singles(0, 4, vec![]).expect("no rows")).expect("no features");
    assert_eq!(whole(&empty, &[0, 7], &[1.0, 1.0]), 0.5);
}
