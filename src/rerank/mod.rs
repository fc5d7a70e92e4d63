//! Reranking: pure stages over scored candidates, in one fixed order.
//!
//! [`filter`] takes out what may not be shown at all; pinned and ad places are set; the blended score loses its [`fatigue`]. Then, for each remaining
//! place in turn, windows decide who may stand there, maximal marginal relevance who does ([`diversity`]), and in the exploration place
//! a draw ([`explore`]).

pub mod diversity;
pub mod explore;
pub mod fatigue;
pub mod filter;
pub mod window;

use crate::bandit::best;
use crate::item::Item;
use crate::rng::Rng;
use crate::schema::Policy;
use alloc::vec;
use alloc::vec::Vec;
use explore::Doubt;

/// Why an item stands where it stands. The numbers are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Reason {
    /// The page's own order.
    PageOrder = 0,
    /// The page pinned it.
    Pinned = 1,
    /// The page sold the place.
    Ad = 2,
    /// The model's score.
    Model = 3,
    /// What the user did with items like it.
    Interest = 4,
    /// Drawn to learn something new.
    Explore = 5,
    /// Drawn from what the personal head believes; the propensity is an estimate.
    Sampled = 6,
}

/// A candidate that passed the filters.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// Its index in the page's list.
    pub index: usize,
    /// The item.
    pub item: &'a Item,
    /// Blended score in logits.
    pub score: f32,
    /// The place the page pinned it to, in this slate.
    pub pin: Option<usize>,
    /// Whether the page sold its place; it keeps the place it has in the page's list.
    pub ad: bool,
    /// Whether its score comes from what the user did.
    pub interest: bool,
}

/// An item in its place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Placed {
    /// Index in the page's list.
    pub index: usize,
    /// Its score.
    pub score: f32,
    /// Why it is there.
    pub reason: Reason,
    /// With which probability it was drawn; none where it was not a draw. An estimate where the reason is [`Reason::Sampled`], else exact.
    pub propensity: Option<f32>,
}

/// How to arrange.
pub struct Plan<'a> {
    /// The schema's policy.
    pub policy: &'a Policy,
    /// How many places.
    pub slots: usize,
    /// What the user has already been shown on this page, oldest first.
    pub shown: &'a [&'a Item],
    /// Whether the page's own order stands (no expressed behaviour, or personalisation off).
    pub page_order: bool,
    /// What the personal head does not know, for the exploration place.
    pub doubt: &'a Doubt,
    /// The generator for exploration; none where the host gave no seed.
    pub rng: Option<Rng>,
}

/// Fills the places.
///
/// The same entries, policy and generator give the same slate. Where no candidate satisfies every window, windows give way rather than
/// leave a place empty.
pub fn arrange(entries: &[Entry<'_>], mut plan: Plan<'_>) -> Vec<Placed> {
    let policy = plan.policy;
    let slots = plan.slots.min(entries.len());
    let mut taken = vec![false; entries.len()];
    let mut likeness = diversity::Likeness::new(policy.lambda, entries, plan.shown);
    let mut neighbours: Vec<&Item> = plan.shown.to_vec();
    let mut placed: Vec<Placed> = Vec::with_capacity(slots);
    // Candidates for a place, those of them that keep every window, and what these are worth: made once, as there may be thousands.
    let room = || Vec::with_capacity(entries.len());
    let (mut any, mut fits, mut values): (Vec<usize>, Vec<usize>, Vec<f32>) =
        (room(), room(), Vec::with_capacity(entries.len()));
    let explore_at = explore::place(policy, slots).filter(|_| !plan.page_order);
    for slot in 0..slots {
        any.clear();
        let (mut reserved, mut later) = (None, None);
        for (at, entry) in entries.iter().enumerate() {
            if taken[at] {
                continue;
            }
            match reserved_for(entry) {
                Some(place) if place == slot => {
                    reserved = Some(at);
                    break;
                }
                Some(place) if place > slot && place < slots => later = later.or(Some(at)),
                _ => any.push(at),
            }
        }
        if any.is_empty() {
            // Only reserved candidates for later places are left: the earliest of them moves up.
            reserved = reserved.or(later);
        }
        let (chosen, reason, propensity) = if let Some(at) = reserved {
            (at, if entries[at].ad { Reason::Ad } else { Reason::Pinned }, None)
        } else if plan.page_order {
            let Some(first) = any.first() else { break };
            (*first, Reason::PageOrder, None)
        } else {
            fits.clear();
            for &at in &any {
                if window::fits(policy, &neighbours, entries[at].item) {
                    fits.push(at);
                }
            }
            if fits.is_empty() {
                core::mem::swap(&mut fits, &mut any);
            }
            values.clear();
            for &at in &fits {
                values.push(likeness.value(at));
            }
            let Some(first) = best(&values) else { break };
            match &mut plan.rng {
                Some(rng) if explore_at == Some(slot) => {
                    let draw = explore::draw(policy, entries, &fits, &likeness, plan.doubt, rng);
                    let Some(draw) = draw else { break };
                    let at = fits[draw.index];
                    let reason = if plan.doubt.each > 1 {
                        Reason::Sampled
                    } else if draw.explored || draw.index != first {
                        Reason::Explore
                    } else {
                        earned(&entries[at])
                    };
                    (at, reason, Some(draw.propensity as f32))
                }
                _ => (fits[first], earned(&entries[fits[first]]), None),
            }
        };
        taken[chosen] = true;
        likeness.apply_placed(entries, chosen);
        neighbours.push(entries[chosen].item);
        placed.push(Placed { index: entries[chosen].index, score: entries[chosen].score, reason, propensity });
    }
    placed
}

fn reserved_for(entry: &Entry<'_>) -> Option<usize> {
    entry.pin.or(entry.ad.then_some(entry.index))
}

fn earned(entry: &Entry<'_>) -> Reason {
    if entry.interest { Reason::Interest } else { Reason::Model }
}
