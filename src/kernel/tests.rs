//! The kernels against plain double-precision oracles, and the elementary functions against the platform's library.
#![allow(clippy::disallowed_methods)]

use super::*;
use proptest::prelude::*;

/// Every `step`-th `f32` of `[from, to]`, subnormals left out, in both signs where the range has both.
fn sweep(from: f32, to: f32, step: usize) -> impl Iterator<Item = f32> {
    (0..=u32::MAX)
        .step_by(step)
        .map(f32::from_bits)
        .filter(move |x| *x >= from && *x <= to && (x.is_normal() || *x == 0.0))
        .chain([from, to])
}

/// The largest relative (`absolute` = false) or absolute difference over the sweep, in units of 2⁻²⁴, and where.
fn worst(points: impl Iterator<Item = f32>, ours: fn(f32) -> f32, exact: fn(f64) -> f64, absolute: bool) -> (f64, f32) {
    points.fold((0.0, 0.0), |worst, x| {
        let want = exact(f64::from(x));
        let error = (f64::from(ours(x)) - want).abs() / if absolute || want == 0.0 { 1.0 } else { want.abs() };
        let error = error * 16_777_216.0;
        if error > worst.0 { (error, x) } else { worst }
    })
}

const STEP: usize = 1_021;

#[test]
fn single_precision_errors_are_bounded_over_a_dense_sweep() {
    let softplus = |x: f64| if x > 0.0 { x + (-x).exp().ln_1p() } else { x.exp().ln_1p() };
    let sigmoid = |x: f64| if x < 0.0 { x.exp() / (1.0 + x.exp()) } else { 1.0 / (1.0 + (-x).exp()) };
    let silu = |x: f64| if x < 0.0 { x * x.exp() / (1.0 + x.exp()) } else { x / (1.0 + (-x).exp()) };
    let cases: [(&str, f64, (f64, f32)); 7] = [
        ("silu", 8.0, worst(sweep(math::EXP_MIN, 200.0, STEP), math::silu, silu, false)),
        ("exp", 2.0, worst(sweep(math::EXP_MIN, math::EXP_MAX, STEP), math::exp, f64::exp, false)),
        ("ln", 4.0, worst(sweep(f32::MIN_POSITIVE, f32::MAX, STEP), math::ln, f64::ln, false)),
        ("sigmoid", 4.0, worst(sweep(math::EXP_MIN, 200.0, STEP), math::sigmoid, sigmoid, false)),
        ("tanh", 4.0, worst(sweep(-30.0, 30.0, STEP), math::tanh, f64::tanh, false)),
        ("softplus", 8.0, worst(sweep(math::EXP_MIN, 1e6, STEP), math::softplus, softplus, false)),
        (
            "logit",
            32.0,
            worst(
                sweep(math::LOGIT_MARGIN, 1.0 - math::LOGIT_MARGIN, STEP),
                math::logit,
                |p| (p / (1.0 - p)).ln(),
                true,
            ),
        ),
    ];
    for (name, bound, (error, at)) in cases {
        assert!(error < bound, "{name}: {error} · 2⁻²⁴ at {at}, bound {bound}");
    }
}

#[test]
fn double_precision_errors_are_bounded_over_a_dense_sweep() {
    let check =
        |name: &str, bound: f64, ours: fn(f64) -> f64, exact: fn(f64) -> f64, points: &mut dyn Iterator<Item = f64>| {
            let (mut most, mut at) = (0.0f64, 0.0);
            for x in points {
                let want = exact(x);
                let ulp = f64::from_bits(want.abs().to_bits() + 1) - want.abs();
                let error = ((ours(x) - want) / ulp).abs();
                if error > most {
                    (most, at) = (error, x);
                }
            }
            assert!(most < bound, "{name}: {most} ulp at {at}, bound {bound}");
        };
    let line = |from: f64, to: f64| (0..200_000).map(move |i| from + (to - from) * f64::from(i) / 199_999.0);
    let normal = |t: f64| f64::from_bits((t * 2046.0 * 4_503_599_627_370_496.0) as u64);
    // Two doubles within one ulp of the truth, of which the platform's is nearly always the nearest, differ by one at most.
    check("exp", 1.5, math::exp_f64, f64::exp, &mut line(-708.0, 709.0).chain(line(-1.0, 1.0)));
    check("exp2", 1.5, math::exp2_f64, f64::exp2, &mut line(-1021.0, 1023.0).chain(line(-1.0, 1.0)));
    let positive = line(0.0, 1.0).map(normal).filter(|x| x.is_normal());
    check("ln", 1.5, math::ln_f64, f64::ln, &mut positive.chain(line(0.5, 2.0)));
    let sigmoid = |x: f64| if x < 0.0 { x.exp() / (1.0 + x.exp()) } else { 1.0 / (1.0 + (-x).exp()) };
    check("sigmoid", 4.0, math::sigmoid_f64, sigmoid, &mut line(-700.0, 50.0).chain(line(-4.0, 4.0)));
    let softplus = |x: f64| if x > 0.0 { x + (-x).exp().ln_1p() } else { x.exp().ln_1p() };
    check("softplus", 4.0, math::softplus_f64, softplus, &mut line(-700.0, 900.0).chain(line(-4.0, 4.0)));
}

#[test]
fn special_values_are_the_documented_ones() {
    let (inf, nan, least) = (f32::INFINITY, f32::NAN, f32::MIN_POSITIVE);
    assert_eq!([math::exp(nan), math::exp(0.0), math::exp(-87.1), math::exp(-inf)], [1.0, 1.0, 0.0, 0.0]);
    assert_eq!(math::exp(inf), math::exp(math::EXP_MAX));
    assert!(math::exp(inf) > 3.3e38 && math::exp(inf).is_finite() && math::exp(math::EXP_MIN).is_normal());
    assert_eq!([math::ln(nan), math::ln(1.0)], [0.0, 0.0]);
    assert_eq!([math::ln(0.0), math::ln(-3.0), math::ln(-inf), math::ln(1e-45)], [math::ln(least); 4]);
    assert_eq!(math::ln(inf), math::ln(f32::MAX));
    assert_eq!(
        [math::sigmoid(nan), math::sigmoid(-100.0), math::sigmoid(-inf), math::sigmoid(inf)],
        [0.5, 0.0, 0.0, 1.0]
    );
    assert_eq!([math::tanh(nan), math::tanh(-inf), math::tanh(10.0), math::tanh(inf)], [0.0, -1.0, 1.0, 1.0]);
    assert_eq!([math::silu(nan), math::silu(0.0), math::silu(-100.0), math::silu(-inf)], [0.0, 0.0, 0.0, 0.0]);
    assert_eq!([math::silu(inf), math::silu(1e9)], [f32::MAX, 1e9]);
    assert_eq!([math::softplus(-inf), math::softplus(inf), math::softplus(1e9)], [0.0, f32::MAX, 1e9]);
    assert!((math::softplus(nan) - core::f32::consts::LN_2).abs() < 1e-7);
    assert_eq!([math::logit(nan), math::logit(0.5)], [0.0, 0.0]);
    assert_eq!([math::logit(-1.0), math::logit(2.0)], [math::logit(0.0), math::logit(1.0)]);
    assert_eq!(math::logit(0.0), -math::logit(1.0));
    let (inf, nan) = (f64::INFINITY, f64::NAN);
    assert_eq!(
        [math::exp_f64(nan), math::exp_f64(0.0), math::exp_f64(-708.5), math::exp_f64(-inf)],
        [1.0, 1.0, 0.0, 0.0]
    );
    assert!(math::exp_f64(inf) == math::exp_f64(709.0) && math::exp_f64(inf).is_finite());
    assert_eq!([math::exp2_f64(nan), math::exp2_f64(-1023.0), math::exp2_f64(-inf)], [1.0, 0.0, 0.0]);
    assert_eq!(math::exp2_f64(inf), f64::from_bits(2046 << 52));
    assert_eq!([math::ln_f64(nan), math::ln_f64(1.0)], [0.0, 0.0]);
    assert_eq!([math::ln_f64(-1.0), math::ln_f64(0.0)], [math::ln_f64(f64::MIN_POSITIVE); 2]);
    assert_eq!(math::ln_f64(inf), math::ln_f64(f64::MAX));
    assert_eq!([math::sigmoid_f64(nan), math::sigmoid_f64(-inf), math::sigmoid_f64(inf)], [0.5, 0.0, 1.0]);
    assert_eq!([math::softplus_f64(-inf), math::softplus_f64(inf), math::softplus_f64(1e9)], [0.0, f64::MAX, 1e9]);
    assert!((math::softplus_f64(nan) - core::f64::consts::LN_2).abs() < 1e-15);
}

#[test]
fn exp2_of_an_integer_is_exact() {
    for n in -1022..=1023i32 {
        assert_eq!(math::exp2_f64(f64::from(n)).to_bits(), ((n + 1023) as u64) << 52, "2^{n}");
    }
}

proptest! {
    #[test]
    fn four_lanes_have_the_bits_of_four_scalars(bits in prop::array::uniform4(any::<u32>())) {
        type Forms = (fn(f32) -> f32, fn([f32; 4]) -> [f32; 4]);
        let forms: [Forms; 7] = [
            (math::silu, math::silu_x4),
            (math::exp, math::exp_x4), (math::ln, math::ln_x4), (math::sigmoid, math::sigmoid_x4),
            (math::tanh, math::tanh_x4), (math::softplus, math::softplus_x4), (math::logit, math::logit_x4),
        ];
        let x = bits.map(f32::from_bits);
        for (one, four) in forms {
            prop_assert_eq!(four(x).map(f32::to_bits), x.map(|x| one(x).to_bits()));
            prop_assert!(x.iter().all(|x| one(*x).is_finite()));
        }
    }

    #[test]
    fn tanh_is_odd_and_sigmoid_complements(x in -40.0f32..40.0) {
        prop_assert_eq!(math::tanh(-x), -math::tanh(x));
        prop_assert!((math::sigmoid(x) + math::sigmoid(-x) - 1.0).abs() <= 2.0 * f32::EPSILON);
        prop_assert!((math::softplus(x) - math::softplus(-x) - x).abs() <= 4.0 * f32::EPSILON * x.abs().max(1.0));
    }

    #[test]
    fn functions_are_monotone_across_wide_steps(x in -80.0f32..80.0, step in 1e-3f32..8.0) {
        prop_assert!(math::exp(x) < math::exp(x + step));
        prop_assert!(math::sigmoid(x) <= math::sigmoid(x + step));
        prop_assert!(math::ln(x.abs()) < math::ln(x.abs() + step));
    }

    #[test]
    fn dot_is_within_the_bound_of_its_summation(pairs in prop::collection::vec((-8.0f32..8.0, -8.0f32..8.0), 0..300)) {
        let (a, b): (Vec<f32>, Vec<f32>) = pairs.iter().copied().unzip();
        let exact: f64 = pairs.iter().map(|(x, y)| f64::from(*x) * f64::from(*y)).sum();
        let size: f64 = pairs.iter().map(|(x, y)| (f64::from(*x) * f64::from(*y)).abs()).sum();
        let roundings = (pairs.len() / 4 + 4) as f64;
        prop_assert!((f64::from(dot(&a, &b)) - exact).abs() <= roundings * f64::from(f32::EPSILON) * size);
        let ones = vec![1.0; a.len()];
        prop_assert_eq!(sum(&a).to_bits(), dot(&a, &ones).to_bits());
        prop_assert_eq!(dot(&a, &b).to_bits(), dot(&b, &a).to_bits());
    }

    #[test]
    fn four_rows_have_the_bits_of_each(lengths in prop::array::uniform4(0usize..40), seed in any::<u32>()) {
        let value = |i: usize| ((i as u32).wrapping_mul(2_654_435_761).wrapping_add(seed) >> 8) as f32 / 1e6 - 8.0;
        let vector = |at: usize, length: usize| (0..length).map(|i| value(at * 64 + i)).collect::<Vec<f32>>();
        let rows: Vec<Vec<f32>> = (0..4).map(|r| vector(r, lengths[r])).collect();
        let n = lengths.iter().copied().min().unwrap_or(0);
        let (x, mean, inverse) = (vector(4, 40), vector(5, 40), vector(6, 40));
        let four = (&rows[0][..], &rows[1][..], &rows[2][..], &rows[3][..]);
        let (plain, standardised) = (dot_rows(four, &x), dot_rows_standardised(four, &mean, &inverse, &x));
        for (r, row) in rows.iter().enumerate() {
            prop_assert_eq!(plain[r].to_bits(), dot(&row[..n], &x).to_bits());
            prop_assert_eq!(standardised[r].to_bits(), dot_standardised(&row[..n], &mean, &inverse, &x).to_bits());
        }
    }

    #[test]
    fn whole_groups_can_be_reordered_lane_by_lane(a in prop::collection::vec(-8.0f32..8.0, 0..200)) {
        // The order is the documented one: an oracle that sums lane by lane has the same bits.
        let lane = |l: usize| a.iter().skip(l).step_by(4).fold(0.0f32, |sum, x| sum + x);
        prop_assert_eq!(sum(&a).to_bits(), ((lane(0) + lane(1)) + (lane(2) + lane(3))).to_bits());
    }

    #[test]
    fn axpy_and_matvec_are_their_definitions(cols in 0usize..9, rows in 0usize..7, alpha in -3.0f32..3.0, seed in any::<u32>()) {
        let value = |i: usize| ((i as u32).wrapping_mul(2_654_435_761).wrapping_add(seed) >> 8) as f32 / 1e6 - 8.0;
        let matrix: Vec<f32> = (0..rows * cols).map(value).collect();
        let x: Vec<f32> = (0..cols).map(|i| value(i + 1000)).collect();
        let mut out = vec![f32::NAN; rows];
        matvec(&matrix, cols, &x, &mut out);
        for (r, got) in out.iter().enumerate() {
            prop_assert_eq!(got.to_bits(), dot(&matrix[r * cols..(r + 1) * cols], &x).to_bits());
        }
        let mut y: Vec<f32> = (0..cols).map(|i| value(i + 2000)).collect();
        let before = y.clone();
        axpy(alpha, &x, &mut y);
        for ((y, before), x) in y.iter().zip(before).zip(&x) {
            prop_assert_eq!(y.to_bits(), (before + alpha * x).to_bits());
        }
    }
}

#[test]
fn unequal_lengths_are_read_up_to_the_shorter() {
    let a: Vec<f32> = (0..11u8).map(f32::from).collect();
    assert_eq!(dot(&a, &a[..6]), dot(&a[..6], &a[..6]));
    let mut y = [1.0; 3];
    axpy(2.0, &a, &mut y);
    assert_eq!(y, [1.0, 3.0, 5.0]);
    let mut out = [9.0; 3];
    matvec(&a[..5], 2, &[1.0, 1.0], &mut out);
    assert_eq!(out, [1.0, 5.0, 4.0]);
    matvec(&a, usize::MAX, &[1.0], &mut out);
    assert_eq!(out, [0.0; 3]);
}
