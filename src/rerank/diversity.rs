//! Diversity: maximal marginal relevance over the words of the items.

use super::Entry;
use crate::item::Item;
use crate::kernel::math::sigmoid;
use alloc::vec::Vec;

/// Of the items already shown on the page, how many of the newest count.
const REMEMBERED: usize = 10;

/// What a candidate is worth for the next place: `λ · σ(score) − (1 − λ) · likeness`.
///
/// # Source
/// Carbonell and Goldstein, "The Use of MMR, Diversity-Based Reranking", SIGIR 1998, section 2.
pub fn value(lambda: f32, score: f32, likeness: f32) -> f32 {
    if lambda >= 1.0 { score } else { lambda * sigmoid(score) - (1.0 - lambda) * likeness }
}

/// For every candidate, its greatest likeness to anything placed so far.
pub struct Likeness(Vec<f32>);

impl Likeness {
    /// Likeness to what was shown before.
    pub fn new(entries: &[Entry<'_>], shown: &[&Item]) -> Self {
        let recent = &shown[shown.len().saturating_sub(REMEMBERED)..];
        Self(entries.iter().map(|e| recent.iter().map(|s| jaccard(e.item, s)).fold(0.0, f32::max)).collect())
    }

    /// Of candidate `i`.
    pub fn of(&self, i: usize) -> f32 {
        self.0.get(i).copied().unwrap_or(0.0)
    }

    /// Takes the candidate at `chosen` into account.
    pub fn apply_placed(&mut self, entries: &[Entry<'_>], chosen: usize) {
        for (likeness, entry) in self.0.iter_mut().zip(entries) {
            *likeness = likeness.max(jaccard(entry.item, entries[chosen].item));
        }
    }
}

/// Shared words over all words.
#[cfg_attr(zhiji_phone, optimize(speed))]
pub fn jaccard(a: &Item, b: &Item) -> f32 {
    let (mut shared, mut of_a, mut of_b) = (0u32, 0u32, 0u32);
    for (_, word) in a.all_words() {
        of_a += 1;
        shared += u32::from(b.all_words().any(|(_, w)| w.key == word.key));
    }
    of_b += b.all_words().count() as u32;
    let all = of_a + of_b - shared;
    if all == 0 { 0.0 } else { shared as f32 / all as f32 }
}
