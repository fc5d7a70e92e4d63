//! The closed-form taste: ridge regression of one user's judgements on the vectors of the judged items.

use super::error::{BlockError, finite};

/// The posterior mean of a user's vector, given what the user judged and the frozen vectors of the items.
///
/// With `w ~ N(0, I)` and a judgement `y_j = base + bias_j + w · v_j + ε`, `ε ~ N(0, noise)`, of age `a_j` in judgements,
///
/// ```text
/// (I + Σ_j decay^a_j · v_j v_jᵀ / noise) · w = Σ_j decay^a_j · v_j (y_j − base − bias_j) / noise
/// ```
///
/// so a user without judgements is the vector of zeros, and the more there are the further it goes. It is solved by Cholesky's method in double precision,
/// with pivots held at 1 or above, where they are but for rounding: no input makes a number that is not finite. It costs `d² / 2` products a judgement
/// and `d³ / 6` in all, once per request.
///
/// # Examples
/// ```
/// use zhiji::block::Ridge;
/// let ridge = Ridge::new(3.0, 1.0, 1.0)?;
/// let mut work = vec![0.0; Ridge::room(1)];
/// ridge.begin(1, &mut work);
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

    /// How many doubles the work on vectors of `d` numbers needs.
    pub const fn room(d: usize) -> usize {
        d * (d + 1) / 2 + d
    }

    /// Sets up the equations of a user who judged nothing: the unit matrix, whose lower triangle stands row by row, and zeros on the right, which stand
    /// behind it.
    ///
    /// # Shapes
    /// `work`: [`Ridge::room`] of `d`.
    pub fn begin(&self, d: usize, work: &mut [f64]) {
        work.fill(0.0);
        for row in 0..d {
            if let Some(slot) = work.get_mut(row * (row + 3) / 2) {
                *slot = 1.0;
            }
        }
    }

    /// Takes in one judgement `y` of an item of this vector and bias; `power` is the decay to the power of its age.
    ///
    /// # Shapes
    /// `v`: `[d]`; `work`: [`Ridge::room`] of `d`.
    #[cfg_attr(zhiji_phone, optimize(speed))]
    pub fn add(&self, v: &[f32], y: f32, bias: f32, power: f32, work: &mut [f64]) {
        let d = v.len();
        let counts = self.precision * f64::from(power);
        let surprise = f64::from(y) - f64::from(self.base) - f64::from(bias);
        let (triangle, right) = work.split_at_mut_checked(d * (d + 1) / 2).unwrap_or_default();
        let mut rest = triangle;
        for (row, (x, slot)) in v.iter().zip(right).enumerate() {
            let x = counts * f64::from(*x);
            *slot += x * surprise;
            let (own, below) = rest.split_at_mut_checked(row + 1).unwrap_or_default();
            for (slot, other) in own.iter_mut().zip(v) {
                *slot += x * f64::from(*other);
            }
            rest = below;
        }
    }

    /// Solves the equations, which are used up.
    ///
    /// # Shapes
    /// `work`: [`Ridge::room`] of `d`; `out`: `[d]`.
    #[cfg_attr(zhiji_phone, optimize(speed))]
    pub fn solve(&self, work: &mut [f64], out: &mut [f32]) {
        let d = out.len();
        let (triangle, right) = work.split_at_mut_checked(d * (d + 1) / 2).unwrap_or_default();
        // The lower factor takes the place of the triangle, and what solves with it that of the right side.
        for row in 0..d {
            let (above, rest) = triangle.split_at_mut_checked(row * (row + 1) / 2).unwrap_or_default();
            let own = rest.get_mut(..row + 1).unwrap_or_default();
            for column in 0..row {
                let (done, here) = own.split_at_mut_checked(column).unwrap_or_default();
                let from = column * (column + 1) / 2;
                let other = above.get(from..from + column + 1).unwrap_or_default();
                let (Some(slot), Some(pivot)) = (here.first_mut(), other.last()) else { return };
                let mut sum = *slot;
                for (a, b) in done.iter().zip(other) {
                    sum -= a * b;
                }
                *slot = sum / pivot;
            }
            let Some((slot, done)) = own.split_last_mut() else { return };
            let mut sum = *slot;
            for a in done {
                sum -= *a * *a;
            }
            *slot = sum.max(1.0).sqrt();
            let mut sum = right.get(row).copied().unwrap_or(0.0);
            for (a, x) in own.iter().zip(right.iter().take(row)) {
                sum -= a * x;
            }
            if let (Some(slot), Some(pivot)) = (right.get_mut(row), own.last()) {
                *slot = sum / pivot;
            }
        }
        for row in (0..d).rev() {
            let own = triangle.get(row * (row + 1) / 2..(row + 1) * (row + 2) / 2).unwrap_or_default();
            let (before, rest) = right.split_at_mut_checked(row).unwrap_or_default();
            let (Some(slot), Some((pivot, own))) = (rest.first_mut(), own.split_last()) else { return };
            *slot /= pivot;
            for (other, a) in before.iter_mut().zip(own) {
                *other -= a * *slot;
            }
        }
        for (slot, x) in out.iter_mut().zip(right) {
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
    use nalgebra::{DMatrix, DVector};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_the_solution_of_its_equations(
            d in 1usize..9, numbers in prop::collection::vec(-3.0f32..3.0, 120), count in 0usize..12,
            noise in 0.1f32..4.0, decay in 0.5f32..=1.0,
        ) {
            let ridge = Ridge::new(0.5, noise, decay).expect("in range");
            let mut work = vec![f64::NAN; Ridge::room(d)];
            ridge.begin(d, &mut work);
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
        let mut work = vec![0.0; Ridge::room(3)];
        for v in [[f32::MAX; 3], [f32::MAX, -f32::MAX, 1e-30], [1e-40; 3]] {
            ridge.begin(3, &mut work);
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
