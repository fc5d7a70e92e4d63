//! The `k` best of many scores, without sorting the rest.

use super::Quad;
use alloc::vec::Vec;

/// Keeps the highest scores that it is offered; of equal ones those of lower index.
///
/// Which are kept, and their order, does not depend on the order of the offers. Most offers cost one comparison: a heap is only touched by a
/// score that belongs among the best so far. Nothing is allocated after [`Best::new`].
///
/// # Examples
/// ```
/// use zhiji::kernel::Best;
/// let mut best = Best::new(2);
/// for (index, score) in [0.5, 2.0, -1.0, 2.0].into_iter().enumerate() {
///     best.offer(index as u32, score);
/// }
/// assert_eq!(best.ranked().collect::<Vec<_>>(), [(1, 2.0), (3, 2.0)]);
/// ```
///
/// # Source
/// Williams, "Algorithm 232: Heapsort", CACM 7, 1964.
pub struct Best {
    /// A heap with the worst at its root. A key is the score in an order-preserving code, then the index, turned over: so that one
    /// comparison of integers decides, ties included.
    keys: Vec<u64>,
    most: usize,
    /// No score up to this one gets in any more, except by its index.
    bar: f32,
}

fn key(index: u32, score: f32) -> u64 {
    // Adding 0 makes −0 and 0 one score.
    let bits = (score + 0.0).to_bits();
    let ordered = if bits >> 31 == 0 { bits | 0x8000_0000 } else { !bits };
    u64::from(ordered) << 32 | u64::from(!index)
}

fn entry(key: u64) -> (u32, f32) {
    let ordered = (key >> 32) as u32;
    let bits = if ordered >> 31 == 0 { !ordered } else { ordered & 0x7fff_ffff };
    (!(key as u32), f32::from_bits(bits))
}

impl Best {
    /// Room for the `most` best.
    pub fn new(most: usize) -> Self {
        Best { keys: Vec::with_capacity(most), most, bar: f32::NEG_INFINITY }
    }

    /// Forgets every offer.
    pub fn clear(&mut self) {
        self.keys.clear();
        self.bar = f32::NEG_INFINITY;
    }

    /// How many are kept.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Takes a score into account. One that is not a number, or minus infinity, is passed over.
    #[inline]
    pub fn offer(&mut self, index: u32, score: f32) {
        if score >= self.bar && score > f32::NEG_INFINITY {
            self.take(key(index, score));
        }
    }

    /// Takes the scores of the items `0, 1, 2 …` into account.
    #[cfg_attr(zhiji_phone, optimize(speed))]
    pub fn offer_all(&mut self, scores: &[f32]) {
        self.offer_from(0, scores);
    }

    /// Takes the scores of the items `first, first + 1 …` into account. Four that do not reach the worst of the best so far cost one comparison.
    #[cfg_attr(zhiji_phone, optimize(speed))]
    pub fn offer_from(&mut self, first: u32, scores: &[f32]) {
        let (fours, rest) = scores.as_chunks::<4>();
        let mut index = first;
        for four in fours {
            if Quad::new(*four).reaches(self.bar) {
                for (index, score) in (index..).zip(four) {
                    self.offer(index, *score);
                }
            }
            index = index.wrapping_add(4);
        }
        for (index, score) in (index..).zip(rest) {
            self.offer(index, *score);
        }
    }

    #[inline(never)]
    #[cfg_attr(zhiji_phone, optimize(speed))]
    fn take(&mut self, key: u64) {
        if self.keys.len() < self.most {
            let mut at = self.keys.len();
            self.keys.push(key);
            while at > 0 && self.keys[(at - 1) / 2] > key {
                self.keys.swap(at, (at - 1) / 2);
                at = (at - 1) / 2;
            }
        } else if self.keys.first().is_some_and(|worst| *worst < key) {
            self.keys[0] = key;
            sink(&mut self.keys);
        }
        if self.keys.len() == self.most {
            self.bar = self.keys.first().map_or(f32::INFINITY, |worst| entry(*worst).1);
        }
    }

    /// The kept ones, best first, with their scores. Offers may go on afterwards.
    pub fn ranked(&mut self) -> impl Iterator<Item = (u32, f32)> {
        for end in (1..self.keys.len()).rev() {
            self.keys.swap(0, end);
            sink(&mut self.keys[..end]);
        }
        // Best first is a heap with the best at its root; turned over, it is again one with the worst there.
        self.keys.reverse();
        self.keys.iter().rev().map(|key| entry(*key))
    }
}

/// Lets the root of a heap sink to its place.
#[cfg_attr(zhiji_phone, optimize(speed))]
fn sink(keys: &mut [u64]) {
    let mut at = 0;
    loop {
        let mut child = 2 * at + 1;
        if child + 1 < keys.len() && keys[child + 1] < keys[child] {
            child += 1;
        }
        if child >= keys.len() || keys[at] <= keys[child] {
            return;
        }
        keys.swap(at, child);
        at = child;
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_best_are_those_of_a_full_sort(
            // Few distinct scores, so that ties decide.
            scores in prop::collection::vec(prop::sample::select(vec![-1e30f32, -1.0, -0.0, 0.0, 0.25, 3.0, f32::MAX, f32::NAN, f32::NEG_INFINITY]), 0..80),
            most in prop::sample::select(vec![0usize, 1, 3, 4, 5, 17, 100]), again in 0usize..80,
        ) {
            let mut order: Vec<u32> = (0..scores.len() as u32).filter(|i| scores[*i as usize] > f32::NEG_INFINITY).collect();
            order.sort_by(|a, b| scores[*b as usize].partial_cmp(&scores[*a as usize]).expect("numbers").then(a.cmp(b)));
            order.truncate(most);
            let mut best = Best::new(most);
            for turn in 0..2 {
                let offer = |best: &mut Best, i: usize| best.offer(i as u32, scores[i]);
                if turn == 0 {
                    best.offer_all(&scores);
                } else {
                    // Backwards, with a look at what there is so far in between.
                    best.clear();
                    (0..scores.len()).rev().filter(|i| *i >= again).for_each(|i| offer(&mut best, i));
                    let seen = best.ranked().count();
                    prop_assert_eq!(seen, best.len());
                    (0..scores.len().min(again)).for_each(|i| offer(&mut best, i));
                }
                let found: Vec<(u32, f32)> = best.ranked().collect();
                prop_assert_eq!(found.iter().map(|(i, _)| *i).collect::<Vec<_>>(), order.clone());
                prop_assert!(found.iter().all(|(i, score)| *score == scores[*i as usize]));
            }
        }
    }

    #[test]
    fn a_hundred_of_ten_thousand() {
        let scores: Vec<f32> = (0..10_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 16) as f32).collect();
        let mut best = Best::new(100);
        best.offer_all(&scores);
        let mut sorted = scores.clone();
        sorted.sort_by(|a, b| b.total_cmp(a));
        assert_eq!(best.ranked().map(|(_, score)| score).collect::<Vec<_>>(), sorted[..100]);
        assert!(!best.is_empty());
    }
}
