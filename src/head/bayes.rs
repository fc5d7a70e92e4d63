//! The Bayesian linear head, in square-root form.

use super::{HeadError, take_f64, take_u64};
use crate::kernel::math::sigmoid_f64;
use alloc::rc::Rc;
use alloc::vec::Vec;

/// What is believed of a user before the first event: Gaussian weights `w ~ N(m, L Lᵀ)`.
///
/// The covariance stands as its Cholesky factor `L`, so that it cannot fail to be one: every lower triangle with a positive diagonal is the
/// factor of a positive definite matrix, whatever was rounded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Prior {
    mean: Vec<f64>,
    /// The lower triangle, column by column: column `j` has the rows `j … d − 1`.
    factor: Vec<f64>,
}

impl Prior {
    /// The most features a head may have.
    pub const MOST_FEATURES: usize = 64;

    /// Weights around `mean`.
    ///
    /// # Shapes
    /// `mean`: `[d]`; `factor`: `[d, d]` row by row, of which only the lower triangle is read, or `[d]`: standard deviations of independent
    /// weights.
    ///
    /// # Errors
    /// [`HeadError::Size`] for no feature or more than [`Prior::MOST_FEATURES`], [`HeadError::Shape`], and [`HeadError::Range`] for a number
    /// that is not finite or a diagonal that is not positive.
    pub fn new(mean: &[f64], factor: &[f64]) -> Result<Self, HeadError> {
        let d = mean.len();
        if d == 0 || d > Self::MOST_FEATURES {
            return Err(HeadError::Size { size: d, most: Self::MOST_FEATURES });
        }
        let alone = factor.len() == d;
        if !alone && factor.len() != d * d {
            return Err(HeadError::Shape { given: factor.len(), expected: d * d });
        }
        let mut triangle = Vec::with_capacity(d * (d + 1) / 2);
        for column in 0..d {
            for row in column..d {
                triangle.push(match (alone, row == column) {
                    (false, _) => factor[row * d + column],
                    (true, true) => factor[row],
                    (true, false) => 0.0,
                });
            }
            if triangle[triangle.len() + column - d] <= 0.0 {
                return Err(HeadError::Range);
            }
        }
        if !(finite(mean) && finite(&triangle)) {
            return Err(HeadError::Range);
        }
        Ok(Prior { mean: mean.to_vec(), factor: triangle })
    }

    /// Number of features, `d`.
    pub fn features(&self) -> usize {
        self.mean.len()
    }
}

/// Least curvature of the likelihood that is used, so that a surprise moves the head by a bounded step.
const LEAST_CURVATURE: f64 = 0.02;

#[cfg_attr(zhiji_phone, optimize(speed))]
fn finite(numbers: &[f64]) -> bool {
    let mut finite = true;
    for x in numbers {
        finite &= x.is_finite();
    }
    finite
}

/// Sum of products in the order of the places.
#[cfg_attr(zhiji_phone, optimize(speed))]
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sum = 0.0;
    for (a, b) in a.iter().zip(b) {
        sum += a * b;
    }
    sum
}

/// A linear model `y = w · x + ε` of one user, as the exact posterior `N(m, L Lᵀ)` of `w` after every observation so far.
///
/// In terms of `Σ = L Lᵀ` one observation `(x, y)` whose noise has the variance `r` gives
///
/// ```text
/// v = Σ x,   s = r + x · v,   m ← m + v · (y − m · x) / s,   Σ ← Σ − v vᵀ / s
/// ```
///
/// which is exact: any batch ridge regression on the same observations gives the same mean. Kept is `L`, and one walk over its columns, the
/// last first, takes it to that of the new `Σ`: `2 d²` products, `d` square roots, no allocation. So the variance of nothing can become
/// negative, however long the history and however small the noise, and a draw from the posterior is `m + L ε`. Before the first observation a
/// head predicts with its prior.
///
/// A head whose posterior ceases to be finite goes back to the prior and counts a [reset](BayesLinear::resets).
///
/// # Shapes
/// `x`: `[d]`, `d ≤ 64`; a shorter one counts as ending in zeros.
///
/// # Examples
/// ```
/// use std::rc::Rc;
/// use zhiji::head::{BayesLinear, Prior};
/// let mut head = BayesLinear::new(Rc::new(Prior::new(&[0.0], &[1.0])?));
/// head.update(&[1.0], 1.0, 1.0);
/// assert_eq!(head.mean(&[1.0]), 0.5);
/// assert!((head.variance(&[1.0]) - 0.5).abs() < 1e-15);
/// # Ok::<(), zhiji::head::HeadError>(())
/// ```
///
/// # Source
/// Bishop, "Pattern Recognition and Machine Learning", 2006, section 3.3.1, equations 3.50 and 3.51; Carlson, "Fast Triangular Formulation of
/// the Square Root Filter", AIAA Journal 11(9), 1973 (the walk over the columns, there of an upper triangle).
#[derive(Clone, Debug, PartialEq)]
pub struct BayesLinear {
    prior: Rc<Prior>,
    mean: Vec<f64>,
    factor: Vec<f64>,
    observations: u64,
    resets: u64,
}

impl BayesLinear {
    /// The head of a user of whom nothing is known yet.
    pub fn new(prior: Rc<Prior>) -> Self {
        let (mean, factor) = (prior.mean.clone(), prior.factor.clone());
        BayesLinear { prior, mean, factor, observations: 0, resets: 0 }
    }

    /// Number of features, `d`.
    pub fn features(&self) -> usize {
        self.mean.len()
    }

    /// Observations taken in since the prior, or since the last reset.
    pub fn observations(&self) -> u64 {
        self.observations
    }

    /// How often the head went back to its prior because a number was no longer finite.
    pub fn resets(&self) -> u64 {
        self.resets
    }

    /// The posterior mean of the weights.
    pub fn weights(&self) -> &[f64] {
        &self.mean
    }

    /// The expected `y` at `x`. Zero where that is not a number.
    pub fn mean(&self, x: &[f64]) -> f64 {
        let mean = dot(&self.mean, x);
        if mean.is_finite() { mean } else { 0.0 }
    }

    /// The variance of the linear form at `x`, without the noise of an observation: how little is known there. `|Lᵀ x|²`.
    ///
    /// It never rises with an observation. Zero where it is not a number.
    #[cfg_attr(zhiji_phone, optimize(speed))]
    pub fn variance(&self, x: &[f64]) -> f64 {
        let (mut variance, mut from) = (0.0, 0);
        for j in 0..x.len().min(self.features()) {
            let along = dot(&self.factor[from..], &x[j..]);
            variance += along * along;
            from += self.features() - j;
        }
        if variance.is_finite() { variance } else { 0.0 }
    }

    /// Writes what a draw of the weights has more than their mean: `L ε`, for independent standard normals `ε`.
    ///
    /// # Shapes
    /// `normals`, `out`: `[d]`.
    #[cfg_attr(zhiji_phone, optimize(speed))]
    pub fn deviate(&self, normals: &[f64], out: &mut [f64]) {
        out.fill(0.0);
        let mut from = 0;
        for (j, normal) in normals.iter().enumerate().take(self.features().min(out.len())) {
            for (slot, l) in out[j..].iter_mut().zip(&self.factor[from..]) {
                *slot += l * normal;
            }
            from += self.features() - j;
        }
    }

    /// Learns one label of a logistic model `σ(offset + w · x)`.
    ///
    /// With `m` the mean so far, `p = σ(offset + m·x)` and `v = p (1 − p)`, the label `y` is taken in as the observation `m·x + (y − p) / v` of
    /// the linear form, with the variance `1 / v`: one step of the extended Kalman filter for logistic regression.
    ///
    /// # Source
    /// West, Harrison and Migon, "Dynamic Generalized Linear Models and Bayesian Forecasting", JASA 80, 1985, section 2 (linearised update).
    pub fn learn(&mut self, offset: f64, x: &[f64], positive: bool) {
        let shift = self.mean(x);
        let p = sigmoid_f64(offset + shift);
        let v = (p * (1.0 - p)).max(LEAST_CURVATURE);
        let label = if positive { 1.0 } else { 0.0 };
        self.update(x, shift + (label - p) / v, 1.0 / v);
    }

    /// Takes in one observation whose noise has this variance; `false` if it was passed over, because a number is not finite, the noise not
    /// positive, or `x` too long.
    #[cfg_attr(zhiji_phone, optimize(speed))]
    pub fn update(&mut self, x: &[f64], y: f64, noise: f64) -> bool {
        let d = self.features();
        let sound = x.len() <= d && finite(x) && y.is_finite() && noise > 0.0 && noise.is_finite();
        if !sound {
            return false;
        }
        let mut gain = [0.0; Prior::MOST_FEATURES];
        let (mut s, mut end) = (noise, self.factor.len());
        let error = y - dot(&self.mean, x);
        for j in (0..d).rev() {
            let from = end - (d - j);
            let column = &mut self.factor[from..end];
            let along = dot(column, x.get(j..).unwrap_or_default());
            let before = s;
            s += along * along;
            let root = (before * s).sqrt();
            let (kept, taken) = (before / root, along / root);
            for (l, gain) in column.iter_mut().zip(&mut gain[j..d]) {
                let was = *l;
                *l = kept * was - taken * *gain;
                *gain += was * along;
            }
            end = from;
        }
        for (mean, gain) in self.mean.iter_mut().zip(gain) {
            *mean += gain * (error / s);
        }
        self.observations += 1;
        if !(finite(&self.mean) && finite(&self.factor)) {
            self.mean.copy_from_slice(&self.prior.mean);
            self.factor.copy_from_slice(&self.prior.factor);
            self.observations = 0;
            self.resets += 1;
        }
        true
    }

    /// The head as canonical bytes, without its prior: equal heads give equal bytes.
    ///
    /// Little-endian: `u64` features, `u64` observations, `u64` resets, and if there are observations `f64` means `[d]` and the
    /// factor column by column `[d (d + 1) / 2]`.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for number in [self.features() as u64, self.observations, self.resets] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        if self.observations > 0 {
            for numbers in [&self.mean, &self.factor] {
                for number in numbers {
                    bytes.extend_from_slice(&number.to_le_bytes());
                }
            }
        }
        bytes
    }

    /// The head that [`encode`](BayesLinear::encode) wrote, over the prior it then had.
    ///
    /// # Errors
    /// [`HeadError::Malformed`] for any bytes that `encode` cannot have written for this number of features.
    pub fn decode(prior: Rc<Prior>, mut bytes: &[u8]) -> Result<Self, HeadError> {
        let bytes = &mut bytes;
        let mut head = BayesLinear::new(prior);
        if take_u64(bytes)? != head.features() as u64 {
            return Err(HeadError::Malformed);
        }
        (head.observations, head.resets) = (take_u64(bytes)?, take_u64(bytes)?);
        if head.observations > 0 {
            for numbers in [&mut head.mean, &mut head.factor] {
                for slot in numbers {
                    *slot = take_f64(bytes)?;
                }
            }
        }
        if bytes.is_empty() { Ok(head) } else { Err(HeadError::Malformed) }
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use nalgebra::{DMatrix, DVector};
    use proptest::prelude::*;

    const NOISE: f64 = 0.7;

    fn observations(d: usize) -> impl Strategy<Value = Vec<(Vec<f64>, f64)>> {
        prop::collection::vec((prop::collection::vec(-2.0f64..2.0, d), -3.0f64..3.0), 1..60)
    }

    fn covariance(d: usize) -> DMatrix<f64> {
        DMatrix::from_fn(d, d, |i, j| if i == j { 1.5 } else { 0.5 / (1 + i.abs_diff(j)) as f64 })
    }

    fn correlated(d: usize) -> Rc<Prior> {
        let factor = covariance(d).cholesky().expect("a definite prior").l().transpose();
        let mean: Vec<f64> = (0..d).map(|j| j as f64 / 10.0).collect();
        // nalgebra stores by columns, so the transpose stands row by row.
        Rc::new(Prior::new(&mean, factor.as_slice()).expect("sound"))
    }

    /// Ridge regression around a prior mean, by the normal equations of the whole batch.
    fn batch(mean: &[f64], covariance: DMatrix<f64>, seen: &[(Vec<f64>, f64)]) -> (DVector<f64>, DMatrix<f64>) {
        let mut precision = covariance.try_inverse().expect("a definite prior");
        let mut target = &precision * DVector::from_column_slice(mean);
        for (x, y) in seen {
            let x = DVector::from_column_slice(x);
            precision += &x * x.transpose() / NOISE;
            target += &x * (*y / NOISE);
        }
        let covariance = precision.try_inverse().expect("a definite posterior");
        (&covariance * target, covariance)
    }

    proptest! {
        #[test]
        fn the_posterior_is_the_batch_ridge_solution(seen in observations(5), full in any::<bool>(), at in prop::array::uniform5(-2.0f64..2.0)) {
            let (prior, before) = if full {
                (correlated(5), covariance(5))
            } else {
                (Rc::new(Prior::new(&[0.0; 5], &[1.5; 5]).expect("sound")), DMatrix::identity(5, 5) * 2.25)
            };
            let mut head = BayesLinear::new(Rc::clone(&prior));
            for (x, y) in &seen {
                prop_assert!(head.update(x, *y, NOISE));
            }
            let (mean, covariance) = batch(&prior.mean, before, &seen);
            for (got, want) in head.weights().iter().zip(mean.iter()) {
                prop_assert!((got - want).abs() < 1e-9, "{} {}", got, want);
            }
            let x = DVector::from_column_slice(&at);
            prop_assert!((head.mean(&at) - mean.dot(&x)).abs() < 1e-8);
            prop_assert!((head.variance(&at) - (&covariance * &x).dot(&x)).abs() < 1e-8);
            // The columns that `deviate` gives for unit vectors are the factor of the posterior covariance, in its one form.
            let mut factor = DMatrix::zeros(5, 5);
            for j in 0..5 {
                let unit: [f64; 5] = core::array::from_fn(|i| f64::from(u8::from(i == j)));
                head.deviate(&unit, factor.column_mut(j).as_mut_slice());
            }
            let expected = covariance.cholesky().expect("definite").l();
            prop_assert!((factor - expected).abs().max() < 1e-8);
            prop_assert_eq!(head.observations(), seen.len() as u64);
        }

        #[test]
        fn the_order_of_observations_does_not_matter(seen in observations(4)) {
            let (mut forth, mut back) = (BayesLinear::new(correlated(4)), BayesLinear::new(correlated(4)));
            for (x, y) in &seen {
                forth.update(x, *y, NOISE);
            }
            for (x, y) in seen.iter().rev() {
                back.update(x, *y, NOISE);
            }
            for (a, b) in forth.weights().iter().zip(back.weights()) {
                prop_assert!((a - b).abs() < 1e-9);
            }
        }

        #[test]
        fn knowing_more_never_raises_the_variance(seen in observations(4), at in prop::array::uniform4(-2.0f64..2.0)) {
            let mut head = BayesLinear::new(correlated(4));
            let mut before = head.variance(&at);
            for (x, y) in &seen {
                head.update(x, *y, NOISE);
                let after = head.variance(&at);
                prop_assert!(after <= before + 1e-12);
                before = after;
            }
        }

        #[test]
        fn bytes_come_back_and_nothing_else_is_read(seen in observations(3), cut in 0usize..96) {
            let mut head = BayesLinear::new(correlated(3));
            for (x, y) in &seen {
                head.update(x, *y, NOISE);
            }
            let bytes = head.encode();
            prop_assert_eq!(bytes.len(), 24 + 8 * (3 + 6));
            prop_assert_eq!(&BayesLinear::decode(correlated(3), &bytes).expect("its own bytes"), &head);
            prop_assert_eq!(BayesLinear::decode(correlated(3), &bytes[..cut]), Err(HeadError::Malformed));
            let longer = [&bytes[..], &[0]].concat();
            prop_assert_eq!(BayesLinear::decode(correlated(3), &longer), Err(HeadError::Malformed));
            prop_assert_eq!(BayesLinear::decode(correlated(4), &bytes), Err(HeadError::Malformed));
        }
    }

    #[test]
    fn an_empty_head_is_its_prior() {
        let head = BayesLinear::new(Rc::new(Prior::new(&[0.5, 0.0], &[2.0, 1.0]).expect("sound")));
        assert_eq!((head.mean(&[3.0, 1.0]), head.variance(&[1.0, 2.0])), (1.5, 8.0));
        assert_eq!((head.mean(&[3.0]), head.variance(&[1.0])), (1.5, 4.0), "a shorter input ends in zeros");
        assert_eq!(head.encode().len(), 24);
    }

    #[test]
    fn what_is_not_a_number_is_passed_over() {
        let mut head = BayesLinear::new(correlated(2));
        let before = head.clone();
        for (x, y, noise) in [
            (&[f64::NAN, 1.0][..], 1.0, 1.0),
            (&[1.0, f64::INFINITY], 1.0, 1.0),
            (&[1.0, 1.0], f64::NAN, 1.0),
            (&[1.0, 1.0, 1.0], 1.0, 1.0),
            (&[1.0, 1.0], 1.0, 0.0),
            (&[1.0, 1.0], 1.0, f64::NAN),
        ] {
            assert!(!head.update(x, y, noise));
        }
        assert_eq!(head, before);
        assert_eq!(head.mean(&[f64::INFINITY, 1.0]), 0.0);
    }

    #[test]
    fn a_head_that_diverges_returns_to_its_prior() {
        let prior = correlated(2);
        let mut head = BayesLinear::new(Rc::clone(&prior));
        head.update(&[1.0, -1.0], 2.0, 1.0);
        assert!(head.update(&[1e200, 1e200], -1.0, 1.0));
        assert_eq!((head.observations(), head.resets()), (0, 1));
        assert_eq!((head.weights(), &head.factor), (&prior.mean[..], &prior.factor));
        assert!(head.update(&[1.0, 0.0], 1.0, 1.0), "and goes on learning");
        assert!(head.mean(&[1.0, 0.0]) > 0.4);
    }

    /// What the form `Σ − v vᵀ / s` loses: after many observations with next to no noise it has negative variances.
    #[test]
    fn no_variance_becomes_negative_however_sure_the_head_is() {
        let mut head = BayesLinear::new(Rc::new(Prior::new(&[0.0; 8], &[1e6; 8]).expect("sound")));
        for step in 0..2_000u32 {
            let x: [f64; 8] = core::array::from_fn(|j| f64::from((step * 7 + j as u32 * 13) % 5) - 2.0);
            head.update(&x, 1.0, 1e-12);
            assert!(head.factor.iter().all(|l| l.is_finite()));
            let diagonal = (0..8).map(|j| j * (17 - j) / 2);
            assert!(diagonal.map(|at| head.factor[at]).all(|l| l >= 0.0), "after {step}");
        }
        assert_eq!(head.resets(), 0);
    }

    #[test]
    fn unsound_priors_are_refused() {
        let most = Prior::MOST_FEATURES;
        assert_eq!(Prior::new(&[], &[]), Err(HeadError::Size { size: 0, most }));
        assert_eq!(Prior::new(&[0.0; 65], &[1.0; 65]), Err(HeadError::Size { size: 65, most }));
        assert_eq!(Prior::new(&[0.0; 2], &[1.0; 3]), Err(HeadError::Shape { given: 3, expected: 4 }));
        for (mean, factor) in [(f64::NAN, 1.0), (0.0, -1.0), (0.0, 0.0), (0.0, f64::INFINITY), (0.0, f64::NAN)] {
            assert_eq!(Prior::new(&[mean], &[factor]), Err(HeadError::Range));
        }
        assert_eq!(Prior::new(&[0.0; 2], &[1.0, 0.0, 0.5, 0.0]), Err(HeadError::Range), "not definite");
        assert!(Prior::new(&[0.0; 2], &[1.0, f64::NAN, 0.5, 1.0]).is_ok(), "above the diagonal nothing is read");
    }
}
