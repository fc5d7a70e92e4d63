//! Diversity: maximal marginal relevance over the words of the items.

use super::Entry;
use crate::item::{Item, shared_keys};
use crate::kernel::math::sigmoid;
use alloc::vec::Vec;

/// Of the items already shown on the page, how many of the newest count.
const REMEMBERED: usize = 10;

/// What every candidate is worth for the next place: `λ · σ(score) − (1 − λ) · likeness`, the likeness being the greatest to anything
/// placed so far; at λ = 1 the score itself.
///
/// # Source
/// Carbonell and Goldstein, "The Use of MMR, Diversity-Based Reranking", SIGIR 1998, section 2.
pub struct Likeness {
    lambda: f32,
    worth: Vec<Worth>,
}

/// What the worth of one candidate is made of.
struct Worth {
    score: f32,
    /// What does not change: `λ · σ(score)`.
    relevance: f32,
    likeness: f32,
}

impl Likeness {
    /// Before the first place: likeness to what was shown before.
    #[cfg_attr(zhiji_phone, optimize(speed))]
    pub fn new(lambda: f32, entries: &[Entry<'_>], shown: &[&Item]) -> Self {
        let recent = &shown[shown.len().saturating_sub(REMEMBERED)..];
        let mut worth = Vec::with_capacity(entries.len());
        for Entry { item, score, .. } in entries {
            let mut likeness = 0.0f32;
            if lambda < 1.0 {
                for before in recent {
                    likeness = likeness.max(jaccard(item, before));
                }
            }
            worth.push(Worth { score: *score, relevance: relevant(lambda, *score), likeness });
        }
        Self { lambda, worth }
    }

    /// The worth that candidate `i` would have with so much more of a score.
    pub fn value_with(&self, i: usize, more: f32) -> f32 {
        let Worth { score, likeness, .. } = &self.worth[i];
        relevant(self.lambda, score + more) - (1.0 - self.lambda) * likeness
    }

    /// The worth of candidate `i`.
    pub fn value(&self, i: usize) -> f32 {
        let Worth { relevance, likeness, .. } = &self.worth[i];
        relevance - (1.0 - self.lambda) * likeness
    }

    /// Takes the candidate at `chosen` into account.
    #[cfg_attr(zhiji_phone, optimize(speed))]
    pub fn apply_placed(&mut self, entries: &[Entry<'_>], chosen: usize) {
        if self.lambda < 1.0 {
            for (worth, entry) in self.worth.iter_mut().zip(entries) {
                worth.likeness = worth.likeness.max(jaccard(entry.item, entries[chosen].item));
            }
        }
    }
}

fn relevant(lambda: f32, score: f32) -> f32 {
    if lambda < 1.0 { lambda * sigmoid(score) } else { score }
}

/// Shared words over all words.
pub fn jaccard(a: &Item, b: &Item) -> f32 {
    let shared = shared_keys(a.keys(), b.keys());
    let all = (a.keys().len() + b.keys().len()) as u32 - shared;
    if all == 0 { 0.0 } else { shared as f32 / all as f32 }
}
