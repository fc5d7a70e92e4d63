//! Exploration: one place a slate where now and then another candidate stands, with its probability.

use super::Entry;
use super::diversity::Likeness;
use crate::bandit::{Draw, EpsilonGreedy, best};
use crate::rng::Rng;
use crate::schema::{Explore, Policy};
use alloc::vec::Vec;

/// How many draws from what the head believes Thompson's rule rests on.
pub const DRAWS: usize = 32;

/// What the personal head does not know of the candidates, in units of their scores and by the page's own order: of each the [`DRAWS`] deviations of
/// Thompson's rule, or the one bonus of an upper confidence bound. Empty where the head is not asked.
#[derive(Clone, Debug, Default)]
pub struct Doubt {
    /// Numbers of each candidate.
    pub each: usize,
    /// All of them.
    pub numbers: Vec<f32>,
}

impl Doubt {
    /// No doubt, of candidates about which `policy` would have it asked.
    pub fn new(policy: &Policy) -> Self {
        let each = match policy.explore_by {
            _ if place(policy, 1).is_none() => 0,
            Explore::Greedy => 0,
            Explore::Ucb => 1,
            Explore::Thompson => DRAWS,
        };
        Self { each, numbers: Vec::new() }
    }
}

/// Draws one of the entries `fits`, which keep every window valid: with `ε` uniformly, otherwise the best of them as the policy has it.
///
/// Under Thompson's rule a draw's propensity is estimated by the shares of [`DRAWS`] winners ([`EpsilonGreedy::choose_winner`]); under the others it is
/// exact.
pub fn draw(
    policy: &Policy,
    entries: &[Entry<'_>],
    fits: &[usize],
    likeness: &Likeness,
    doubt: &Doubt,
    rng: &mut Rng,
) -> Option<Draw> {
    let rule = EpsilonGreedy::new(f64::from(policy.epsilon));
    let (mut values, mut winners) = (Vec::with_capacity(fits.len()), Vec::new());
    for draw in 0..doubt.each.max(1) {
        values.clear();
        for &at in fits {
            let more = doubt.numbers.get(entries[at].index * doubt.each + draw).copied().unwrap_or(0.0);
            values.push(likeness.value_with(at, more));
        }
        winners.push(best(&values)?);
    }
    let plain = [rng.word(), rng.word()];
    rule.choose_winner(&winners, fits.len(), plain)
}

/// The place of a slate that explores: the fourth, or the last of a shorter slate; none where the policy has no such place.
///
/// The draw there is [`crate::bandit::EpsilonGreedy`] over the candidates that keep every window valid, so its propensity is exact, given the
/// slate so far.
pub fn place(policy: &Policy, slots: usize) -> Option<usize> {
    (policy.explore_slots > 0 && policy.epsilon > 0.0 && slots > 0).then(|| slots.min(4) - 1)
}
