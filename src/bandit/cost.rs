//! A contextual bandit's model: the cost of an action, linear in hashed features, learnt one event after the other.

use crate::kernel::math;
use alloc::vec::Vec;

/// The most weights.
const MOST_WEIGHTS: usize = 1 << 24;
/// No event counts for more than this many: smaller propensities are taken for 1 in 100.
const LEAST_PROPENSITY: f32 = 0.01;

/// How far a step goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step {
    /// One rate for all weights, shared among the features of an event: a rate of 1 would take an event of importance 1 by `1 − 1/e` of the way
    /// to its cost.
    Sgd {
        /// Positive.
        rate: f32,
    },
    /// A rate for each weight, which falls with the slopes that it has met: `rate / √(1 + Σ slope²)`, shared in the same way.
    ///
    /// # Source
    /// Duchi et al., "Adaptive Subgradient Methods", JMLR 2011, the diagonal case.
    Adagrad {
        /// Positive.
        rate: f32,
    },
}

/// Why there cannot be a model of the given numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CostError {
    /// The weights are not a power of two, or more than 2²⁴.
    Size,
    /// A weight is infinite or not a number.
    NotFinite,
    /// The rate is not positive and finite.
    Rate,
}

impl core::fmt::Display for CostError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            CostError::Size => "linear costs: the weights must be a power of two, at most 2^24",
            CostError::NotFinite => "linear costs: a weight is not finite",
            CostError::Rate => "linear costs: the rate must be positive and finite",
        })
    }
}

impl core::error::Error for CostError {}

/// The cost of an action as the sum of the weights of its features, and its online regression.
///
/// ```text
/// cost(features) = Σ_i weight[feature_i mod n]
/// ```
///
/// An event says which action was taken, with which probability `p`, and what it cost. It counts `h = 1/p` times, so that the costs of rarely
/// taken actions are learnt as fast as those of the others: with `r = cost(features) − cost` and `S = Σ_i η_i` over its features,
///
/// ```text
/// weight_i ← weight_i − r · (1 − e^(−h S)) · η_i / S
/// ```
///
/// which is where infinitely many small steps of total length `h` lead. Whatever rate and probability are, it never goes past the event's cost,
/// so the weights stay within what was seen. Nothing is allocated after [`LinearCost::new`], and nothing can fail.
///
/// # Examples
/// ```
/// use zhiji::bandit::{EpsilonGreedy, LinearCost, Step};
/// let mut costs = LinearCost::new(vec![0.0; 8], Step::Sgd { rate: 1.0 })?;
/// for _ in 0..20 {
///     costs.learn(&[1, 2], -1.0, 0.5); // the first action was liked
///     costs.learn(&[3, 4], 0.0, 0.5);
/// }
/// let mut scores = [0.0; 2];
/// costs.score_each(&[1, 2, 3, 4], 2, &mut scores);
/// let mut propensities = [0.0; 2];
/// EpsilonGreedy::new(0.5).propensities(&scores, &mut propensities);
/// assert_eq!(propensities, [0.75, 0.25]);
/// # Ok::<(), zhiji::bandit::CostError>(())
/// ```
///
/// # Source
/// Karampatziakis & Langford, "Online Importance Weight Aware Updates", UAI 2011, table 1, squared loss; inverse propensities after Bietti et
/// al., "A Contextual Bandit Bake-off", JMLR 2021, section 2.3. Hashing as in the block `wide`.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearCost {
    weights: Vec<f32>,
    /// For [`Step::Adagrad`], the sum of the squares of the slopes of each weight.
    slopes: Vec<f32>,
    step: Step,
}

impl LinearCost {
    /// A model that begins with these weights.
    ///
    /// # Shapes
    /// `weights`: a power of two, at most 2²⁴.
    ///
    /// # Errors
    /// Every variant of [`CostError`].
    pub fn new(weights: Vec<f32>, step: Step) -> Result<Self, CostError> {
        if !weights.len().is_power_of_two() || weights.len() > MOST_WEIGHTS {
            return Err(CostError::Size);
        }
        if weights.iter().any(|x| !x.is_finite()) {
            return Err(CostError::NotFinite);
        }
        let (Step::Sgd { rate } | Step::Adagrad { rate }) = step;
        if !(rate > 0.0 && rate.is_finite()) {
            return Err(CostError::Rate);
        }
        let slopes = if let Step::Adagrad { .. } = step { vec![0.0; weights.len()] } else { Vec::new() };
        Ok(LinearCost { weights, slopes, step })
    }

    /// The weights.
    pub fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// The expected cost of an action. Sums in four lanes, as [`kernel`](crate::kernel) does.
    #[cfg_attr(zhiji_phone, optimize(speed))]
    pub fn cost(&self, features: &[u32]) -> f32 {
        sum(&self.weights, features)
    }

    /// Writes the score of each action: its expected cost with the sign turned, as higher scores are better everywhere.
    ///
    /// # Shapes
    /// `features`: `[actions, active]`; `out`: `[actions]`. An action without its features costs nothing.
    #[cfg_attr(zhiji_phone, optimize(speed))]
    pub fn score_each(&self, features: &[u32], active: usize, out: &mut [f32]) {
        out.fill(0.0);
        for (slot, features) in out.iter_mut().zip(features.chunks_exact(active.max(1))) {
            *slot = -sum(&self.weights, features);
        }
    }

    /// Learns from one event: the features of the action that was taken, what it cost, and the probability with which it was taken.
    ///
    /// A cost that is not finite, and an action without features, teach nothing; propensities are held within `[0.01, 1]`.
    #[cfg_attr(zhiji_phone, optimize(speed))]
    pub fn learn(&mut self, features: &[u32], cost: f32, propensity: f32) {
        if !cost.is_finite() || features.is_empty() {
            return;
        }
        let importance = 1.0 / propensity.clamp(LEAST_PROPENSITY, 1.0);
        let residual = sum(&self.weights, features) - cost;
        let mask = self.weights.len() - 1;
        let share = 1.0 / features.len() as f32;
        match self.step {
            Step::Sgd { rate } => {
                let by = residual * (1.0 - math::exp(-importance * rate)) * share;
                let mut lower = |feature: u32| {
                    if let Some(weight) = self.weights.get_mut(feature as usize & mask) {
                        *weight -= by;
                    }
                };
                let (fours, rest) = features.as_chunks::<4>();
                for four in fours {
                    lower(four[0]);
                    lower(four[1]);
                    lower(four[2]);
                    lower(four[3]);
                }
                for feature in rest {
                    lower(*feature);
                }
            }
            Step::Adagrad { rate } => {
                let slope = importance * residual * residual;
                let mut total = 0.0;
                for feature in features {
                    if let Some(slopes) = self.slopes.get_mut(*feature as usize & mask) {
                        // Held where single precision still counts on.
                        *slopes = (*slopes + slope).min(1e30);
                        total += 1.0 / (1.0 + *slopes).sqrt();
                    }
                }
                let by = residual * (1.0 - math::exp(-importance * rate * share * total)) / total;
                for feature in features {
                    let at = *feature as usize & mask;
                    if let (Some(weight), Some(slopes)) = (self.weights.get_mut(at), self.slopes.get(at)) {
                        *weight -= by / (1.0 + *slopes).sqrt();
                    }
                }
            }
        }
    }
}

/// The sum of the weights of some features, in four lanes.
#[inline(always)]
fn sum(weights: &[f32], features: &[u32]) -> f32 {
    let mask = weights.len().wrapping_sub(1);
    let weight = |feature: u32| weights.get(feature as usize & mask).copied().unwrap_or(0.0);
    let (fours, rest) = features.as_chunks::<4>();
    let (mut a, mut b, mut c, mut d) = (0.0, 0.0, 0.0, 0.0);
    for four in fours {
        a += weight(four[0]);
        b += weight(four[1]);
        c += weight(four[2]);
        d += weight(four[3]);
    }
    if let [first, rest @ ..] = rest {
        a += weight(*first);
        if let [second, rest @ ..] = rest {
            b += weight(*second);
            if let [third] = rest {
                c += weight(*third);
            }
        }
    }
    (a + b) + (c + d)
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn steps() -> impl Strategy<Value = Step> {
        (0.001f32..4.0, any::<bool>())
            .prop_map(|(rate, adaptive)| if adaptive { Step::Adagrad { rate } } else { Step::Sgd { rate } })
    }

    proptest! {
        #[test]
        fn the_cost_is_the_sum_of_its_weights(
            weights in prop::collection::vec(-2.0f32..2.0, 32), features in prop::collection::vec(any::<u32>(), 0..30),
        ) {
            let model = LinearCost::new(weights.clone(), Step::Sgd { rate: 1.0 }).expect("sound weights");
            let exact: f64 = features.iter().map(|f| f64::from(weights[*f as usize % 32])).sum();
            prop_assert!((f64::from(model.cost(&features)) - exact).abs() < 1e-4);
            let mut scores = [f32::NAN; 3];
            model.score_each(&features, 7, &mut scores);
            for (at, score) in scores.iter().enumerate() {
                let own = features.get(at * 7..(at + 1) * 7).unwrap_or_default();
                prop_assert_eq!(*score, -model.cost(own));
            }
        }

        /// A step goes towards the cost, never past it, and only weights of the event's features move.
        #[test]
        fn a_step_never_goes_past_the_cost(
            weights in prop::collection::vec(-2.0f32..2.0, 32), from in 0u32..32, count in 1u32..12, cost in -3.0f32..3.0,
            propensity in 0.0f32..1.0, step in steps(),
        ) {
            // Distinct features: one that stands twice is moved twice.
            let features: Vec<u32> = (0..count).map(|i| (from + i) % 32).collect();
            let mut model = LinearCost::new(weights.clone(), step).expect("sound weights");
            let before = model.cost(&features);
            model.learn(&features, cost, propensity);
            let after = model.cost(&features);
            prop_assert!((after - cost).abs() <= (before - cost).abs() + 1e-4, "{} {} {}", before, after, cost);
            prop_assert!((after - cost) * (before - cost) >= -1e-3);
            for (at, (new, old)) in model.weights().iter().zip(&weights).enumerate() {
                prop_assert!(features.contains(&(at as u32)) || new == old);
            }
        }

        /// One step of importance two is two steps of importance one: the defining property of the update.
        #[test]
        fn importance_is_repetition(cost in -3.0f32..3.0, rate in 0.01f32..2.0, weights in prop::collection::vec(-2.0f32..2.0, 8)) {
            let features = [0, 3, 5];
            let mut once = LinearCost::new(weights, Step::Sgd { rate }).expect("sound weights");
            let mut twice = once.clone();
            once.learn(&features, cost, 0.5);
            twice.learn(&features, cost, 1.0);
            twice.learn(&features, cost, 1.0);
            for (a, b) in once.weights().iter().zip(twice.weights()) {
                prop_assert!((a - b).abs() < 1e-5, "{} {}", a, b);
            }
        }
    }

    #[test]
    fn the_cheaper_action_is_found_although_it_is_taken_rarely() {
        for step in [Step::Sgd { rate: 0.1 }, Step::Adagrad { rate: 0.5 }] {
            let mut model = LinearCost::new(vec![0.0; 64], step).expect("sound weights");
            for event in 0..200u32 {
                // Of twenty draws one takes the second action, which is liked.
                let (features, cost, propensity) =
                    if event % 20 == 7 { ([10, 11], -1.0, 0.05) } else { ([20, 21], -0.2, 0.95) };
                model.learn(&features, cost, propensity);
            }
            let [rare, usual] = [[10, 11], [20, 21]].map(|features| model.cost(&features));
            assert!((rare + 1.0).abs() < 0.1 && (usual + 0.2).abs() < 0.1, "{step:?}: {rare} {usual}");
        }
    }

    #[test]
    fn hostile_numbers_are_refused_or_pass_without_harm() {
        let sgd = Step::Sgd { rate: 1.0 };
        let refused = |weights: Vec<f32>, step| LinearCost::new(weights, step).map(|_| ());
        assert_eq!(refused(vec![0.0; 3], sgd), Err(CostError::Size));
        assert_eq!(refused(vec![], sgd), Err(CostError::Size));
        assert_eq!(refused(vec![f32::NAN], sgd), Err(CostError::NotFinite));
        for rate in [0.0, -1.0, f32::NAN, f32::INFINITY] {
            assert_eq!(refused(vec![0.0], Step::Sgd { rate }), Err(CostError::Rate));
            assert_eq!(refused(vec![0.0], Step::Adagrad { rate }), Err(CostError::Rate));
        }
        for step in [sgd, Step::Adagrad { rate: f32::MAX }] {
            let mut model = LinearCost::new(vec![1.0; 4], step).expect("sound weights");
            let before = model.clone();
            model.learn(&[0], f32::NAN, 1.0);
            model.learn(&[0], f32::INFINITY, 1.0);
            model.learn(&[], 1.0, 1.0);
            assert_eq!(model, before);
            model.learn(&[0, u32::MAX], 3.0, f32::NAN);
            model.learn(&[0, u32::MAX], 3.0, 0.0);
            assert!(model.weights().iter().all(|x| x.is_finite()), "{step:?}: {:?}", model.weights());
        }
    }
}
