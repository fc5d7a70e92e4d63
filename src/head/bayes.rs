//! The Bayesian linear head.

use super::{HeadError, take_f64, take_u64};
use nalgebra::{DMatrix, DVector};

/// What is believed of a user before the first event: Gaussian weights and Gaussian noise.
#[derive(Clone, Debug, PartialEq)]
pub struct Prior {
    mean: DVector<f64>,
    covariance: DMatrix<f64>,
    noise: f64,
}

impl Prior {
    /// The most features a head may have.
    pub const MOST_FEATURES: usize = 64;

    /// Independent weights: `variance[j]` around `mean[j]`.
    ///
    /// # Units
    /// `noise` is the variance of one observation around the linear form, in the square of the unit of `y`.
    ///
    /// # Errors
    /// [`HeadError::Size`] for none or more than [`Prior::MOST_FEATURES`], [`HeadError::Shape`], and [`HeadError::Range`] for a
    /// number that is not finite, a negative variance, or a noise that is not positive.
    pub fn diagonal(mean: &[f64], variance: &[f64], noise: f64) -> Result<Self, HeadError> {
        if variance.len() != mean.len() {
            return Err(HeadError::Shape { given: variance.len(), expected: mean.len() });
        }
        Self::checked(mean, || DMatrix::from_diagonal(&DVector::from_column_slice(variance)), noise)
    }

    /// Correlated weights: `covariance` row by row, `d × d`. Only its lower triangle is read.
    ///
    /// # Errors
    /// As [`Prior::diagonal`]; [`HeadError::Range`] also for a covariance that is not positive definite.
    pub fn full(mean: &[f64], covariance: &[f64], noise: f64) -> Result<Self, HeadError> {
        let expected = mean.len().saturating_mul(mean.len());
        if covariance.len() != expected {
            return Err(HeadError::Shape { given: covariance.len(), expected });
        }
        let prior = Self::checked(
            mean,
            || {
                let mut matrix = DMatrix::from_row_slice(mean.len(), mean.len(), covariance);
                matrix.fill_upper_triangle_with_lower_triangle();
                matrix
            },
            noise,
        )?;
        if prior.covariance.clone().cholesky().is_none() {
            return Err(HeadError::Range);
        }
        Ok(prior)
    }

    fn checked(mean: &[f64], covariance: impl FnOnce() -> DMatrix<f64>, noise: f64) -> Result<Self, HeadError> {
        if mean.is_empty() || mean.len() > Self::MOST_FEATURES {
            return Err(HeadError::Size { size: mean.len(), most: Self::MOST_FEATURES });
        }
        let prior = Prior { mean: DVector::from_column_slice(mean), covariance: covariance(), noise };
        let sound = noise.is_finite() && noise > 0.0 && usable(&prior.mean, &prior.covariance);
        if sound { Ok(prior) } else { Err(HeadError::Range) }
    }
}

/// Finite throughout, and no negative variance.
#[cfg_attr(zhiji_phone, optimize(speed))]
fn usable(mean: &DVector<f64>, covariance: &DMatrix<f64>) -> bool {
    mean.iter().chain(covariance.iter()).all(|x| x.is_finite())
        && (0..covariance.nrows()).all(|j| covariance[(j, j)] >= 0.0)
}

#[derive(Clone, Debug, PartialEq)]
struct Posterior {
    mean: DVector<f64>,
    covariance: DMatrix<f64>,
}

/// A linear model `y = w · x + ε` of one user, as the exact posterior of `w` after every observation so far.
///
/// With the prior `w ~ N(m, Σ)` and `ε ~ N(0, noise)`, one observation `(x, y)` gives
///
/// ```text
/// v = Σ x,   s = noise + x · v,   m ← m + v · (y − m · x) / s,   Σ ← Σ − v vᵀ / s
/// ```
///
/// which costs `O(d²)` and is exact: any batch ridge regression on the same observations gives the same mean. `Σ` stays symmetric to the
/// bit. Before the first observation a head holds nothing and predicts with its prior; a prior mean of zeros predicts zero.
///
/// A head whose posterior ceases to be finite goes back to the prior and counts a [reset](BayesLinear::resets).
///
/// # Shapes
/// `x`: `[d]`, `d ≤ 64`; a shorter one counts as ending in zeros.
///
/// # Examples
/// ```
/// use zhiji::head::{BayesLinear, Prior};
/// let mut head = BayesLinear::new(Prior::diagonal(&[0.0], &[1.0], 1.0)?);
/// head.update(&[1.0], 1.0);
/// assert_eq!((head.mean(&[1.0]), head.variance(&[1.0])), (0.5, 0.5));
/// # Ok::<(), zhiji::head::HeadError>(())
/// ```
///
/// # Source
/// Bishop, "Pattern Recognition and Machine Learning", 2006, section 3.3.1, equations 3.50 and 3.51; the inverse by Sherman &
/// Morrison, Annals of Mathematical Statistics 21, 1950.
#[derive(Clone, Debug, PartialEq)]
pub struct BayesLinear {
    prior: Prior,
    posterior: Option<Posterior>,
    observations: u64,
    resets: u64,
}

impl BayesLinear {
    /// The head of a user of whom nothing is known yet.
    pub fn new(prior: Prior) -> Self {
        BayesLinear { prior, posterior: None, observations: 0, resets: 0 }
    }

    /// Number of features, `d`.
    pub fn features(&self) -> usize {
        self.prior.mean.len()
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
        self.believed().0.as_slice()
    }

    fn believed(&self) -> (&DVector<f64>, &DMatrix<f64>) {
        match &self.posterior {
            Some(posterior) => (&posterior.mean, &posterior.covariance),
            None => (&self.prior.mean, &self.prior.covariance),
        }
    }

    fn vector(&self, x: &[f64]) -> DVector<f64> {
        DVector::from_iterator(self.features(), x.iter().copied().chain(core::iter::repeat(0.0)).take(self.features()))
    }

    /// The expected `y` at `x`. Zero where that is not a number.
    #[cfg_attr(zhiji_phone, optimize(speed))]
    pub fn mean(&self, x: &[f64]) -> f64 {
        let mean = self.believed().0.iter().zip(x).fold(0.0, |sum, (w, x)| sum + w * x);
        if mean.is_finite() { mean } else { 0.0 }
    }

    /// The variance of the linear form at `x`, without the noise of an observation: how little is known there.
    ///
    /// It never rises with an observation. Zero where it is not a number.
    pub fn variance(&self, x: &[f64]) -> f64 {
        let covariance = self.believed().1;
        let x = self.vector(x);
        let variance = (covariance * &x).dot(&x);
        if variance.is_finite() && variance > 0.0 { variance } else { 0.0 }
    }

    /// Takes in one observation; `false` if it was passed over, because `x` or `y` is not finite or `x` is too long.
    #[cfg_attr(zhiji_phone, optimize(speed))]
    pub fn update(&mut self, x: &[f64], y: f64) -> bool {
        if x.len() > self.features() || !y.is_finite() || x.iter().any(|x| !x.is_finite()) {
            return false;
        }
        let x = self.vector(x);
        let prior = &self.prior;
        let Posterior { mean, covariance } = self
            .posterior
            .get_or_insert_with(|| Posterior { mean: prior.mean.clone(), covariance: prior.covariance.clone() });
        let v = &*covariance * &x;
        // Where nothing is left to learn, rounding may leave a spread a little below zero.
        let spread = v.dot(&x);
        let s = if spread < 0.0 { prior.noise } else { prior.noise + spread };
        let error = y - mean.dot(&x);
        mean.axpy(error / s, &v, 1.0);
        covariance.syger(-1.0 / s, &v, &v, 1.0);
        covariance.fill_upper_triangle_with_lower_triangle();
        self.observations += 1;
        if !(s.is_finite() && usable(mean, covariance)) {
            self.posterior = None;
            self.observations = 0;
            self.resets += 1;
        }
        true
    }

    /// The head as canonical bytes, without its prior: equal heads give equal bytes.
    ///
    /// Little-endian: `u64` features, `u64` observations, `u64` resets, and if there are observations `f64` means `[d]` and the
    /// lower triangle of the covariance row by row `[d (d + 1) / 2]`.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for number in [self.features() as u64, self.observations, self.resets] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        if let Some(Posterior { mean, covariance }) = &self.posterior {
            let triangle = (0..mean.len()).flat_map(|row| (0..=row).map(move |column| covariance[(row, column)]));
            for number in mean.iter().copied().chain(triangle) {
                bytes.extend_from_slice(&number.to_le_bytes());
            }
        }
        bytes
    }

    /// The head that [`encode`](BayesLinear::encode) wrote, over the prior it then had.
    ///
    /// # Errors
    /// [`HeadError::Malformed`] for any bytes that `encode` cannot have written for this number of features.
    pub fn decode(prior: Prior, mut bytes: &[u8]) -> Result<Self, HeadError> {
        let bytes = &mut bytes;
        let d = prior.mean.len();
        if take_u64(bytes)? != d as u64 {
            return Err(HeadError::Malformed);
        }
        let mut head =
            BayesLinear { observations: take_u64(bytes)?, resets: take_u64(bytes)?, ..BayesLinear::new(prior) };
        if head.observations > 0 {
            let mut mean = DVector::zeros(d);
            let mut covariance = DMatrix::zeros(d, d);
            for slot in mean.iter_mut() {
                *slot = take_f64(bytes)?;
            }
            for row in 0..d {
                for column in 0..=row {
                    covariance[(row, column)] = take_f64(bytes)?;
                }
            }
            covariance.fill_upper_triangle_with_lower_triangle();
            if !usable(&mean, &covariance) {
                return Err(HeadError::Malformed);
            }
            head.posterior = Some(Posterior { mean, covariance });
        }
        if bytes.is_empty() { Ok(head) } else { Err(HeadError::Malformed) }
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn observations(d: usize) -> impl Strategy<Value = Vec<(Vec<f64>, f64)>> {
        prop::collection::vec((prop::collection::vec(-2.0f64..2.0, d), -3.0f64..3.0), 1..60)
    }

    /// Ridge regression around a prior mean, by the normal equations of the whole batch.
    fn batch(prior: &Prior, seen: &[(Vec<f64>, f64)]) -> (DVector<f64>, DMatrix<f64>) {
        let mut precision = prior.covariance.clone().try_inverse().expect("a definite prior");
        let mut target = &precision * &prior.mean;
        for (x, y) in seen {
            let x = DVector::from_column_slice(x);
            precision += &x * x.transpose() / prior.noise;
            target += &x * (*y / prior.noise);
        }
        let covariance = precision.try_inverse().expect("a definite posterior");
        (&covariance * target, covariance)
    }

    fn correlated(d: usize) -> Prior {
        let covariance: Vec<f64> =
            (0..d * d).map(|i| if i / d == i % d { 1.5 } else { 0.5 / (1 + (i / d).abs_diff(i % d)) as f64 }).collect();
        let mean: Vec<f64> = (0..d).map(|j| j as f64 / 10.0).collect();
        Prior::full(&mean, &covariance, 0.7).expect("a definite prior")
    }

    proptest! {
        #[test]
        fn the_posterior_is_the_batch_ridge_solution(seen in observations(5), full in any::<bool>(), at in prop::array::uniform5(-2.0f64..2.0)) {
            let prior = if full { correlated(5) } else { Prior::diagonal(&[0.0; 5], &[2.0; 5], 0.5).expect("sound") };
            let mut head = BayesLinear::new(prior.clone());
            for (x, y) in &seen {
                prop_assert!(head.update(x, *y));
            }
            let (mean, covariance) = batch(&prior, &seen);
            for (got, want) in head.weights().iter().zip(mean.iter()) {
                prop_assert!((got - want).abs() < 1e-9, "{} {}", got, want);
            }
            let x = DVector::from_column_slice(&at);
            prop_assert!((head.mean(&at) - mean.dot(&x)).abs() < 1e-8);
            prop_assert!((head.variance(&at) - (covariance * &x).dot(&x)).abs() < 1e-8);
            let kept = head.believed().1;
            prop_assert_eq!(kept, &kept.transpose());
            prop_assert_eq!(head.observations(), seen.len() as u64);
        }

        #[test]
        fn the_order_of_observations_does_not_matter(seen in observations(4)) {
            let prior = correlated(4);
            let (mut forth, mut back) = (BayesLinear::new(prior.clone()), BayesLinear::new(prior));
            for (x, y) in &seen {
                forth.update(x, *y);
            }
            for (x, y) in seen.iter().rev() {
                back.update(x, *y);
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
                head.update(x, *y);
                let after = head.variance(&at);
                prop_assert!(after <= before + 1e-12);
                before = after;
            }
        }

        #[test]
        fn bytes_come_back_and_nothing_else_is_read(seen in observations(3), cut in 0usize..96) {
            let prior = correlated(3);
            let mut head = BayesLinear::new(prior.clone());
            for (x, y) in &seen {
                head.update(x, *y);
            }
            let bytes = head.encode();
            prop_assert_eq!(bytes.len(), 24 + 8 * (3 + 6));
            prop_assert_eq!(&BayesLinear::decode(prior.clone(), &bytes).expect("its own bytes"), &head);
            prop_assert_eq!(BayesLinear::decode(prior.clone(), &bytes[..cut]), Err(HeadError::Malformed));
            let longer = [&bytes[..], &[0]].concat();
            prop_assert_eq!(BayesLinear::decode(prior, &longer), Err(HeadError::Malformed));
            prop_assert_eq!(BayesLinear::decode(correlated(4), &bytes), Err(HeadError::Malformed));
        }
    }

    #[test]
    fn an_empty_head_is_its_prior_and_holds_nothing() {
        let mut head = BayesLinear::new(Prior::diagonal(&[0.0, 0.0], &[4.0, 1.0], 1.0).expect("sound"));
        assert_eq!((head.mean(&[3.0, 1.0]), head.variance(&[1.0, 2.0])), (0.0, 8.0));
        assert_eq!(head.encode().len(), 24);
        assert_eq!(BayesLinear::decode(head.prior.clone(), &head.encode()).as_ref(), Ok(&head));
        for (x, y) in [(&[f64::NAN, 1.0][..], 1.0), (&[1.0, 1.0], f64::INFINITY), (&[1.0; 3], 1.0)] {
            assert!(!head.update(x, y));
        }
        assert_eq!((head.observations(), head.resets(), head.encode().len()), (0, 0, 24));
        assert_eq!([head.mean(&[f64::NAN]), head.mean(&[f64::INFINITY]), head.variance(&[f64::NAN])], [0.0; 3]);
    }

    #[test]
    fn a_head_that_diverges_returns_to_its_prior() {
        let mut head = BayesLinear::new(Prior::diagonal(&[0.25, 0.0], &[1.0, 1.0], 1.0).expect("sound"));
        head.update(&[1.0, 0.5], 1.0);
        assert!(head.update(&[1e200, 1e200], 1.0), "the squares overflow");
        assert_eq!((head.observations(), head.resets(), head.mean(&[1.0, 0.0])), (0, 1, 0.25));
        assert!(head.update(&[1.0, 0.5], 1.0));
        assert_eq!((head.observations(), head.resets()), (1, 1));
    }

    #[test]
    fn ten_thousand_repeats_stay_sound() {
        let mut head = BayesLinear::new(Prior::diagonal(&[0.0; 2], &[1.0; 2], 1e-6).expect("sound"));
        for _ in 0..10_000 {
            head.update(&[1.0, 1.0 + 1e-9], 0.5);
        }
        assert_eq!(head.resets(), 0);
        assert!((head.mean(&[1.0, 1.0]) - 0.5).abs() < 1e-6);
        assert!(head.variance(&[1.0, 1.0]) < 1e-9);
        assert!((head.variance(&[1.0, -1.0]) - 2.0).abs() < 1e-6, "nothing was learned across");
    }

    #[test]
    fn unsound_priors_are_refused() {
        assert_eq!(Prior::diagonal(&[], &[], 1.0), Err(HeadError::Size { size: 0, most: 64 }));
        assert_eq!(Prior::diagonal(&[0.0; 65], &[1.0; 65], 1.0), Err(HeadError::Size { size: 65, most: 64 }));
        assert_eq!(Prior::diagonal(&[0.0], &[1.0; 2], 1.0), Err(HeadError::Shape { given: 2, expected: 1 }));
        assert_eq!(Prior::full(&[0.0], &[1.0; 2], 1.0), Err(HeadError::Shape { given: 2, expected: 1 }));
        for (mean, variance, noise) in
            [(f64::NAN, 1.0, 1.0), (0.0, -1.0, 1.0), (0.0, f64::INFINITY, 1.0), (0.0, 1.0, 0.0), (0.0, 1.0, f64::NAN)]
        {
            assert_eq!(Prior::diagonal(&[mean], &[variance], noise), Err(HeadError::Range));
        }
        assert_eq!(Prior::full(&[0.0; 2], &[1.0, 0.0, 2.0, 1.0], 1.0), Err(HeadError::Range), "not definite");
    }
}
