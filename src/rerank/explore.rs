//! Exploration: one place a slate where now and then another candidate stands, with its exact probability.

use crate::schema::Policy;

/// The place of a slate that explores: the fourth, or the last of a shorter slate; none where the policy has no such place.
///
/// The draw there is [`crate::bandit::EpsilonGreedy`] over the candidates that keep every window valid, so its propensity is exact, given the
/// slate so far.
pub fn place(policy: &Policy, slots: usize) -> Option<usize> {
    (policy.explore_slots > 0 && policy.epsilon > 0.0 && slots > 0).then(|| slots.min(4) - 1)
}
