//! Exploration: one place a slate where now and then another candidate stands, with its exact probability.

use crate::rng::Rng;
use crate::schema::Policy;

/// The place of a slate that explores: the fourth, or the last of a shorter slate; none where the policy has no such place.
pub fn place(policy: &Policy, slots: usize) -> Option<usize> {
    (policy.explore_slots > 0 && policy.epsilon > 0.0 && slots > 0).then(|| slots.min(4) - 1)
}

/// Outcome of a draw.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Draw {
    /// Which of the candidates.
    pub place: usize,
    /// With which probability it was this one.
    pub propensity: f32,
    /// Whether it was not the best.
    pub explored: bool,
}

/// Draws among `n` candidates of which `best` is the best: uniformly with probability `epsilon`, else the best.
///
/// The propensity of the best is `1 − ε + ε/n`, of every other `ε/n`: exact for this draw, given the slate so far.
///
/// # Source
/// Sutton and Barto, "Reinforcement Learning", 2nd edition, section 2.2 (ε-greedy).
pub fn draw(rng: &mut Rng, epsilon: f32, n: usize, best: usize) -> Draw {
    let share = epsilon / n.max(1) as f32;
    let place = if rng.uniform() < epsilon { rng.below(n as u32) as usize } else { best };
    let propensity = if place == best { 1.0 - epsilon + share } else { share };
    Draw { place, propensity: propensity.min(1.0), explored: place != best }
}
