//! From the probabilities of several tasks to one score.

use super::error::BlockError;
use crate::kernel::math::{exp_f64, ln_f64, sigmoid_f64, softplus_f64};
use alloc::vec::Vec;

/// A mean of the tasks' probabilities, as a logit.
///
/// With shares `s_t = w_t / Σw` and probabilities `p_t`, the mean `m` is `Π p_t^s_t` or `Σ s_t p_t`, and the score `ln(m / (1 − m))`. It has the order of
/// `Π p_t^w_t` or `Σ w_t p_t`, the score of one task is its own logit, and what is added to logits may be added to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Blend {
    powers: bool,
    shares: Vec<f64>,
}

impl Blend {
    /// A mean with these weights: of logarithms where `powers`, else of probabilities.
    ///
    /// # Errors
    /// [`BlockError::Range`] of the part `blend`: a weight is negative or not finite, or all are 0.
    pub fn new(powers: bool, weights: &[f32]) -> Result<Self, BlockError> {
        let (mut shares, mut total, mut sound) = (Vec::new(), 0.0, true);
        for weight in weights {
            sound &= weight.is_finite() && *weight >= 0.0;
            total += f64::from(*weight);
            shares.push(f64::from(*weight));
        }
        if !sound || total <= 0.0 {
            return Err(BlockError::Range { part: "blend" });
        }
        for share in &mut shares {
            *share /= total;
        }
        Ok(Blend { powers, shares })
    }

    /// The plain mean of probabilities of so many models.
    pub fn mean(count: usize) -> Self {
        Blend { powers: false, shares: alloc::vec![1.0 / count.max(1) as f64; count] }
    }

    /// What it is called in a spec.
    pub const fn name(&self) -> &'static str {
        if self.powers { "powers" } else { "sum" }
    }

    /// The share of each task.
    pub fn shares(&self) -> &[f64] {
        &self.shares
    }

    /// The score of these logits. Always finite.
    ///
    /// # Shapes
    /// `logits`: one for each task.
    pub fn score(&self, logits: &mut dyn Iterator<Item = f32>) -> f32 {
        // Of powers the logarithm of the mean, with its sign turned; of sums the mean, and what it lacks to 1.
        let (mut yes, mut no) = (0.0, 0.0);
        for (share, z) in self.shares.iter().zip(logits) {
            let z = f64::from(z);
            if self.powers {
                yes += share * softplus_f64(0.0 - z);
            } else {
                yes += share * sigmoid_f64(z);
                no += share * sigmoid_f64(0.0 - z);
            }
        }
        let logit = if self.powers {
            // 1 − e^(−y), which loses its digits where y is small.
            let rest = if yes < 1e-4 { yes * (1.0 - yes * (0.5 - yes / 6.0)) } else { 1.0 - exp_f64(0.0 - yes) };
            0.0 - yes - ln_f64(rest)
        } else {
            ln_f64(yes) - ln_f64(no)
        };
        crate::kernel::saturate(logit as f32)
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn score(powers: bool, weights: &[f32], logits: &[f32]) -> f32 {
        Blend::new(powers, weights).expect("sound weights").score(&mut logits.iter().copied())
    }

    proptest! {
        #[test]
        fn a_blend_is_its_formula(of in prop::collection::vec((0.1f32..4.0, -8.0f32..8.0), 1..9)) {
            let (weights, logits): (Vec<f32>, Vec<f32>) = of.iter().copied().unzip();
            let total: f64 = weights.iter().map(|w| f64::from(*w)).sum();
            let each = || of.iter().map(|(w, z)| (f64::from(*w) / total, sigmoid_f64(f64::from(*z))));
            let logit = |m: f64| ln_f64(m / (1.0 - m));
            let sum = logit(each().map(|(s, p)| s * p).sum());
            let product = logit(exp_f64(each().map(|(s, p)| s * ln_f64(p)).sum()));
            prop_assert!((f64::from(score(false, &weights, &logits)) - sum).abs() < 1e-5);
            prop_assert!((f64::from(score(true, &weights, &logits)) - product).abs() < 1e-5);
        }

        #[test]
        fn of_one_task_it_is_its_logit(z in -60.0f32..60.0, weight in 0.01f32..9.0, powers in any::<bool>()) {
            let got = score(powers, &[weight, 0.0], &[z, 3.0]);
            prop_assert!((got - z).abs() <= 1e-5 * (1.0 + z.abs()), "{} {}", got, z);
        }

        #[test]
        fn any_logits_give_finite_scores(logits in prop::collection::vec(prop::num::f32::ANY, 3), powers in any::<bool>()) {
            prop_assert!(score(powers, &[1.0, 2.0, 0.5], &logits).is_finite());
        }
    }

    #[test]
    fn weights_that_weigh_nothing_are_refused() {
        for weights in [&[][..], &[0.0, 0.0], &[1.0, -0.5], &[f32::NAN], &[f32::INFINITY]] {
            assert_eq!(Blend::new(true, weights), Err(BlockError::Range { part: "blend" }), "{weights:?}");
        }
    }
}
