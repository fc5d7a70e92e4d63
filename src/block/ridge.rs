//! The closed-form taste: ridge regression of one user's judgements on the vectors of the judged items.

use super::error::{BlockError, finite};
use alloc::vec::Vec;
use nalgebra::{Cholesky, DMatrix, DVectorViewMut};

/// The equations of one user: made once, used for any number of requests.
#[derive(Debug, Default)]
pub struct Equations {
    /// The lower triangle of the left side, column by column; what stands above it is not read.
    left: Vec<f64>,
    right: Vec<f64>,
}

impl Equations {
    /// Room for vectors of up to `d` numbers.
    pub fn for_vectors(d: usize) -> Self {
        Self { left: Vec::with_capacity(d.saturating_mul(d)), right: Vec::with_capacity(d) }
    }

    /// Sets up the equations of a user who judged nothing: the unit matrix, and zeros on the right.
    pub fn begin(&mut self, d: usize) {
        self.left.clear();
        self.left.resize(d.saturating_mul(d), 0.0);
        for row in 0..d {
            self.left[row * d + row] = 1.0;
        }
        self.right.clear();
        self.right.resize(d, 0.0);
    }
}

/// The posterior mean of a user's vector, given what the user judged and the frozen vectors of the items.
///
/// With `w ~ N(0, I)` and a judgement `y_j = base + bias_j + w · v_j + ε`, `ε ~ N(0, noise)`, of age `a_j` in judgements,
///
/// ```text
/// (I + Σ_j decay^a_j · v_j v_jᵀ / noise) · w = Σ_j decay^a_j · v_j (y_j − base − bias_j) / noise
/// ```
///
/// so a user without judgements is the vector of zeros, and the more there are the further it goes. It is solved by Cholesky's method in double precision;
/// where rounding has left no factor, or a number that is none, the taste is zeros. It costs `d² / 2` products a judgement and `d³ / 6` in all, once
/// per request.
///
/// # Examples
/// ```
/// use zhiji::block::{Equations, Ridge};
/// let ridge = Ridge::new(3.0, 1.0, 1.0)?;
/// let mut work = Equations::for_vectors(1);
/// work.begin(1);
/// ridge.add(&[1.0], 5.0, 0.0, 1.0, &mut work);
/// let mut taste = [0.0];
/// ridge.solve(&mut work, &mut taste);
/// assert_eq!(taste, [1.0], "half of the way from 3 to 5, for noise and prior are alike");
/// # Ok::<(), zhiji::block::BlockError>(())
/// ```
///
/// # Source
/// Bishop, "Pattern Recognition and Machine Learning", 2006, section 3.3.1, equations 3.50 and 3.51; for one user given the items: Salakhutdinov & Mnih,
/// "Bayesian Probabilistic Matrix Factorization using Markov Chain Monte Carlo", ICML 2008, section 3.2.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ridge {
    base: f32,
    /// `1 / noise`.
    precision: f64,
    decay: f32,
}

impl Ridge {
    /// The regression around `base`.
    ///
    /// # Errors
    /// [`BlockError`] of the parts `base`, `noise` and `decay`: `NotFinite`, and `Range` for a noise outside `[10⁻⁶, 10⁶]` or a decay outside
    /// `(0, 1]`.
    pub fn new(base: f32, noise: f32, decay: f32) -> Result<Self, BlockError> {
        finite("base", &[base])?;
        if !(1e-6..=1e6).contains(&noise) {
            return Err(BlockError::Range { part: "noise" });
        }
        if !(decay > 0.0 && decay <= 1.0) {
            return Err(BlockError::Range { part: "decay" });
        }
        Ok(Self { base, precision: 1.0 / f64::from(noise), decay })
    }

    /// What each judgement counts against the one after it.
    pub const fn decay(&self) -> f32 {
        self.decay
    }

    /// Takes in one judgement `y` of an item of this vector and bias; `power` is the decay to the power of its age.
    ///
    /// # Shapes
    /// `v`: `[d]`, as the equations were begun with.
    #[cfg_attr(zhiji_phone, optimize(speed))]
    pub fn add(&self, v: &[f32], y: f32, bias: f32, power: f32, work: &mut Equations) {
        let counts = self.precision * f64::from(power);
        let surprise = f64::from(y) - f64::from(self.base) - f64::from(bias);
        let columns = work.left.chunks_exact_mut(v.len().max(1)).zip(&mut work.right);
        for (at, (x, (column, slot))) in v.iter().zip(columns).enumerate() {
            let x = counts * f64::from(*x);
            *slot += x * surprise;
            for (slot, other) in column.iter_mut().zip(v).skip(at) {
                *slot += x * f64::from(*other);
            }
        }
    }

    /// Solves the equations, which are used up.
    ///
    /// # Shapes
    /// `out`: `[d]`, as the equations were begun with.
    pub fn solve(&self, work: &mut Equations, out: &mut [f32]) {
        let d = work.right.len();
        out.fill(0.0);
        if work.left.len() != d.saturating_mul(d) {
            return;
        }
        let Some(factor) = Cholesky::new(DMatrix::from_vec(d, d, core::mem::take(&mut work.left))) else { return };
        factor.solve_mut(&mut DVectorViewMut::from_slice(&mut work.right, d));
        work.left = factor.unpack_dirty().data.into();
        for (slot, x) in out.iter_mut().zip(&work.right) {
            *slot = narrow(*x);
        }
    }
}

/// The nearest single; what is beyond them, or no number, is 0.
#[allow(clippy::as_conversions, reason = "what no single can hold has been taken out")]
fn narrow(x: f64) -> f32 {
    if x.abs() <= f64::from(f32::MAX) { x as f32 } else { 0.0 }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use nalgebra::DVector;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_the_solution_of_its_equations(
            d in 1usize..9, numbers in prop::collection::vec(-3.0f32..3.0, 120), count in 0usize..12,
            noise in 0.1f32..4.0, decay in 0.5f32..=1.0,
        ) {
            let ridge = Ridge::new(0.5, noise, decay).expect("in range");
            let mut work = Equations::for_vectors(d);
            work.begin(d);
            let (mut left, mut right) = (DMatrix::identity(d, d), DVector::zeros(d));
            let mut power = 1.0f32;
            for judged in 0..count {
                let v = &numbers[judged * d..(judged + 1) * d];
                let (y, bias) = (numbers[100 + judged % 10], numbers[110 + judged % 10]);
                ridge.add(v, y, bias, power, &mut work);
                let v = DVector::from_iterator(d, v.iter().map(|x| f64::from(*x)));
                let counts = f64::from(power) / f64::from(noise);
                left += &v * v.transpose() * counts;
                right += &v * (f64::from(y) - 0.5 - f64::from(bias)) * counts;
                power *= decay;
            }
            let mut taste = vec![f32::NAN; d];
            ridge.solve(&mut work, &mut taste);
            let exact = left.lu().solve(&right).expect("definite");
            for (found, exact) in taste.iter().zip(exact.iter()) {
                prop_assert!((f64::from(*found) - exact).abs() < 1e-4 * (1.0 + exact.abs()), "{found} {exact}");
            }
        }
    }

    #[test]
    fn no_input_makes_a_number_that_is_not_finite() {
        let ridge = Ridge::new(0.0, 1e-6, 1.0).expect("in range");
        let mut work = Equations::default();
        for v in [[f32::MAX; 3], [f32::MAX, -f32::MAX, 1e-30], [1e-40; 3]] {
            work.begin(3);
            for _ in 0..256 {
                ridge.add(&v, f32::MAX, -f32::MAX, 1.0, &mut work);
            }
            let mut taste = [f32::NAN; 3];
            ridge.solve(&mut work, &mut taste);
            assert!(taste.iter().all(|x| x.is_finite()), "{taste:?}");
        }
    }

    #[test]
    fn unsound_parts_are_refused() {
        assert_eq!(Ridge::new(f32::NAN, 1.0, 1.0), Err(BlockError::NotFinite { part: "base" }));
        for noise in [0.0, -1.0, f32::NAN, f32::INFINITY] {
            assert_eq!(Ridge::new(0.0, noise, 1.0), Err(BlockError::Range { part: "noise" }));
        }
        for decay in [0.0, 1.5, f32::NAN] {
            assert_eq!(Ridge::new(0.0, 1.0, decay), Err(BlockError::Range { part: "decay" }));
        }
    }
}
