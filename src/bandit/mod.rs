//! Exploration with exact propensities, and what is learnt from it.

mod cost;

pub use cost::{CostError, LinearCost, Step};

use crate::kernel::math::ln_f64;
use crate::rng::Rng;

/// What an [`EpsilonGreedy`] rule drew.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Draw {
    /// Index of the chosen candidate.
    pub index: usize,
    /// The probability with which just this candidate would be chosen, over all draws.
    pub propensity: f64,
    /// Whether the candidate came by exploration. It may then still be the best one.
    pub explored: bool,
}

/// The best candidate with probability `1 − ε`, and with `ε` one of all candidates at random, the best one included.
///
/// Of `n` candidates the best has the propensity `1 − ε + ε / n`, every other one `ε / n`. All are positive for `ε > 0`, so that
/// inverse propensity estimates over the draws are unbiased for any policy.
///
/// # Examples
/// ```
/// use zhiji::bandit::EpsilonGreedy;
/// let rule = EpsilonGreedy::new(0.5);
/// let mut propensities = [0.0; 2];
/// rule.propensities(&[0.1, 0.9], &mut propensities);
/// assert_eq!(propensities, [0.25, 0.75]);
/// assert_eq!(rule.choose(&[0.1, 0.9], [u64::MAX, 0]).map(|draw| draw.index), Some(1));
/// assert_eq!(rule.choose(&[], [0, 0]), None);
/// ```
///
/// # Source
/// Sutton & Barto, "Reinforcement Learning", 2nd edition, 2018, section 2.2.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EpsilonGreedy {
    epsilon: f64,
}

/// `2⁵³`: random numbers are the 53 upper bits of a word, which a double holds exactly.
const GRAINS: f64 = 9_007_199_254_740_992.0;

impl EpsilonGreedy {
    /// The rule for `epsilon`, brought into `[0, 1]` and rounded up to a multiple of 2⁻⁵³, so that a draw of 53 bits meets it exactly.
    /// Not a number means 0: no exploration.
    pub fn new(epsilon: f64) -> Self {
        let epsilon = if epsilon.is_nan() { 0.0 } else { epsilon.clamp(0.0, 1.0) };
        EpsilonGreedy { epsilon: (epsilon * GRAINS).ceil() / GRAINS }
    }

    /// The probability of exploring.
    pub fn epsilon(&self) -> f64 {
        self.epsilon
    }

    /// Writes the probability of each candidate. They sum to 1, to rounding.
    ///
    /// # Shapes
    /// `scores`, `out`: `[n]`.
    #[cfg_attr(zhiji_phone, optimize(speed))]
    pub fn propensities(&self, scores: &[f32], out: &mut [f64]) {
        let n = out.len().min(scores.len());
        out[..n].fill(self.propensity(scores.len(), false));
        if let Some(slot) = best(scores).and_then(|best| out[..n].get_mut(best)) {
            *slot = self.propensity(scores.len(), true);
        }
    }

    fn propensity(&self, candidates: usize, is_best: bool) -> f64 {
        let share = self.epsilon / candidates as f64;
        if is_best { (1.0 - self.epsilon) + share } else { share }
    }

    /// Chooses by two random words, the first for whether to explore, the second for what. `None` without candidates.
    ///
    /// The second word is scaled by multiplication, so that a candidate's share is exact to 2⁻⁶⁴.
    pub fn choose(&self, scores: &[f32], words: [u64; 2]) -> Option<Draw> {
        let best = best(scores)?;
        let explored = (((words[0] >> 11) as f64) / GRAINS) < self.epsilon;
        let index = if explored { ((u128::from(words[1]) * scores.len() as u128) >> 64) as usize } else { best };
        Some(Draw { index, propensity: self.propensity(scores.len(), index == best), explored })
    }

    /// As [`EpsilonGreedy::choose`] of so many candidates, but with `1 − ε` one of the `winners` takes the place, each alike.
    ///
    /// Winners of draws from a posterior make this Thompson's rule over the floor of `ε / n`. How often a candidate would win is then
    /// estimated by its share of the winners; given the winners, the propensity is that of the draw itself, so that inverse propensity
    /// estimates stay unbiased whatever the number of winners, and vary the less the more there are.
    ///
    /// # Source
    /// Chapelle & Li, "An Empirical Evaluation of Thompson Sampling", NIPS 2011, section 2.
    pub fn choose_winner(&self, winners: &[usize], candidates: usize, words: [u64; 2]) -> Option<Draw> {
        let at = |n: usize| ((u128::from(words[1]) * n as u128) >> 64) as usize;
        let explored = (((words[0] >> 11) as f64) / GRAINS) < self.epsilon;
        let winner = *winners.get(at(winners.len()))?;
        let index = if explored { at(candidates) } else { winner };
        let mut wins = 0u32;
        for winner in winners {
            wins += u32::from(*winner == index);
        }
        let share = f64::from(wins) / winners.len() as f64;
        Some(Draw { index, propensity: (1.0 - self.epsilon) * share + self.epsilon / candidates as f64, explored })
    }
}

/// Fills `out` with independent standard normals.
///
/// # Source
/// Marsaglia & Bray, "A Convenient Method for Generating Normal Variables", SIAM Review 6, 1964 (the polar method).
pub fn normals(rng: &mut Rng, out: &mut [f64]) {
    for pair in out.chunks_mut(2) {
        let (mut x, mut y, mut square) = (0.0, 0.0, 0.0);
        while !(square > 0.0 && square < 1.0) {
            (x, y) = (f64::from(rng.uniform()) * 2.0 - 1.0, f64::from(rng.uniform()) * 2.0 - 1.0);
            square = x * x + y * y;
        }
        let length = (-2.0 * ln_f64(square) / square).sqrt();
        for (slot, along) in pair.iter_mut().zip([x, y]) {
            *slot = along * length;
        }
    }
}

/// The first of the highest scores; one that is not a number ranks below all.
#[inline]
pub fn best(scores: &[f32]) -> Option<usize> {
    let (mut best, mut highest) = (0, f32::NEG_INFINITY);
    for (index, score) in scores.iter().enumerate() {
        if *score > highest {
            (best, highest) = (index, *score);
        }
    }
    (!scores.is_empty()).then_some(best)
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use crate::rng::Rng;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn propensities_are_a_distribution_with_a_floor(scores in prop::collection::vec(-5.0f32..5.0, 1..40), epsilon in 0.0f64..=1.0) {
            let rule = EpsilonGreedy::new(epsilon);
            let mut propensities = vec![f64::NAN; scores.len()];
            rule.propensities(&scores, &mut propensities);
            prop_assert!((propensities.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            prop_assert!(propensities.iter().all(|p| *p >= rule.epsilon() / scores.len() as f64));
        }

        #[test]
        fn a_draw_carries_the_propensity_of_its_candidate(scores in prop::collection::vec(-5.0f32..5.0, 1..40), words in any::<[u64; 2]>()) {
            let rule = EpsilonGreedy::new(0.3);
            let draw = rule.choose(&scores, words).expect("there are candidates");
            let mut propensities = vec![f64::NAN; scores.len()];
            rule.propensities(&scores, &mut propensities);
            prop_assert_eq!(draw.propensity, propensities[draw.index]);
        }
    }

    /// Counts over a grid of all draws: the shares are those promised, exactly.
    #[test]
    fn shares_over_all_draws_are_the_propensities() {
        let scores = [0.5, 2.0, f32::NAN, 2.0, -1.0];
        let rule = EpsilonGreedy::new(0.25);
        let mut counts = [0u32; 5];
        for first in 0..100u64 {
            for second in 0..100u64 {
                let words = [first, second].map(|n| (2 * n + 1) * (u64::MAX / 200));
                counts[rule.choose(&scores, words).expect("there are candidates").index] += 1;
            }
        }
        assert_eq!(counts, [500, 8_000, 500, 500, 500], "of 10,000; ties go to the first");
        let mut propensities = [0.0; 5];
        rule.propensities(&scores, &mut propensities);
        assert_eq!(propensities.map(|p| (p * 10_000.0 + 0.5) as u32), counts);
    }

    /// Winners that won more often are drawn more often, each with its propensity, and everybody keeps the floor.
    #[test]
    fn shares_of_winners_are_the_propensities() {
        let rule = EpsilonGreedy::new(0.2);
        let winners = [3, 0, 3, 3];
        let (mut counts, mut promised) = ([0u32; 5], [0.0; 5]);
        for first in 0..100u64 {
            for second in 0..100u64 {
                let words = [first, second].map(|n| (2 * n + 1) * (u64::MAX / 200));
                let draw = rule.choose_winner(&winners, 5, words).expect("there are winners");
                counts[draw.index] += 1;
                promised[draw.index] = draw.propensity;
            }
        }
        assert_eq!(counts, [2_400, 400, 400, 6_400, 400], "of 10,000");
        assert_eq!(promised.map(|p| (p * 10_000.0 + 0.5) as u32), counts);
        assert!((promised.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        assert_eq!(rule.choose_winner(&[], 5, [0, 0]), None);
    }

    #[test]
    fn normals_are_normal() {
        let mut rng = Rng::derive(&[5; 32], "normals", &[]);
        let mut drawn = vec![0.0; 40_001];
        normals(&mut rng, &mut drawn);
        let n = drawn.len() as f64;
        let moment = |power: i32| drawn.iter().map(|x| (0..power).fold(1.0, |p, _| p * x)).sum::<f64>() / n;
        // Four standard errors of each moment: 1, √2, √15 and √96 over √n.
        assert!(moment(1).abs() < 0.02 && (moment(2) - 1.0).abs() < 0.029, "{} {}", moment(1), moment(2));
        assert!(moment(3).abs() < 0.078 && (moment(4) - 3.0).abs() < 0.2, "{} {}", moment(3), moment(4));
        let beyond = drawn.iter().filter(|x| x.abs() > 1.959_964).count() as f64 / n;
        assert!((beyond - 0.05).abs() < 0.0044, "{beyond}");
    }

    #[test]
    fn bounds_of_epsilon() {
        assert_eq!([f64::NAN, -1.0, 7.0].map(|e| EpsilonGreedy::new(e).epsilon()), [0.0, 0.0, 1.0]);
        let never = EpsilonGreedy::new(0.0);
        assert_eq!(never.choose(&[1.0, 3.0], [0, 0]), Some(Draw { index: 1, propensity: 1.0, explored: false }));
        let always = EpsilonGreedy::new(1.0);
        assert_eq!(always.choose(&[1.0, 3.0], [u64::MAX, 0]), Some(Draw { index: 0, propensity: 0.5, explored: true }));
        assert_eq!(always.choose(&[1.0, 3.0], [u64::MAX; 2]).map(|d| d.index), Some(1));
    }
}
