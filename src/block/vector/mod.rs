//! Retrieval: the user's vector against the vectors of a whole catalogue.

mod gradient;

pub use gradient::{add_bpr, add_logistic};

use super::error::{BlockError, finite};
use super::table::{Numbers, Table};
use crate::kernel::math::Lanes;
use crate::kernel::{Best, Quad, int8};
use alloc::vec::Vec;

/// Item vectors and their biases: the item tower of a two-tower model, or the factors of a matrix factorisation.
///
/// ```text
/// score = u · v_item + bias_item
/// ```
///
/// Item vectors and biases are frozen in the bundle, the user's vector is prepared once per request ([`Query`]), and a pair, or an item of the
/// catalogue, is one inner product. Vectors are singles, summed in the order of [`kernel::dot`], or bytes with one scale a row: then the user's
/// vector is rounded to 16 bits, the inner product is exact in integers, and only its product with the two scales is rounded.
///
/// A block is checked when it is made; afterwards scoring cannot fail and allocates nothing.
///
/// # Examples
/// ```
/// use zhiji::block::{Query, Table, Vectors};
/// use zhiji::kernel::Best;
/// let items = Vectors::new(Table::singles(3, 2, vec![1.0, 0.0, 0.0, 1.0, 2.0, 2.0])?, vec![0.0, 0.5, 0.0])?;
/// let mut query = Query::new(&items);
/// query.set(&[1.0, 2.0]);
/// let mut scores = [0.0; 3];
/// items.score_all(&query, &mut scores);
/// assert_eq!((scores, items.score(&query, 1)), ([1.0, 2.5, 6.0], 2.5));
/// let mut best = Best::new(2);
/// best.offer_all(&scores);
/// assert_eq!(best.ranked().map(|(item, _)| item).collect::<Vec<_>>(), [2, 1]);
/// # Ok::<(), zhiji::block::BlockError>(())
/// ```
///
/// # Source
/// Covington et al., "Deep Neural Networks for YouTube Recommendations", RecSys 2016, section 3.
#[derive(Clone, Debug, PartialEq)]
pub struct Vectors {
    table: Table,
    bias: Vec<f32>,
}

/// A user's vector, prepared for one [`Vectors`]. Made once, set once per request.
pub struct Query {
    /// With zeros up to the table's width.
    singles: Vec<f32>,
    /// The same in 16 bits, for tables of bytes.
    words: Vec<i16>,
    scale: f32,
}

impl Query {
    /// The query of zeros for these items.
    pub fn new(items: &Vectors) -> Self {
        let width = items.table.width();
        let words = if let Numbers::Bytes(..) = items.table.numbers() { width } else { 0 };
        Query { singles: vec![0.0; width], words: vec![0; words], scale: 0.0 }
    }

    /// Takes a user's vector. A shorter one counts as ending in zeros; what is not finite counts as 0.
    ///
    /// # Shapes
    /// `user`: `[dim]`.
    pub fn set(&mut self, user: &[f32]) {
        self.singles.fill(0.0);
        for (slot, x) in self.singles.iter_mut().zip(user) {
            *slot = if x.is_finite() { *x } else { 0.0 };
        }
        if !self.words.is_empty() {
            self.scale = int8::quantise_words(&self.singles, &mut self.words);
        }
    }
}

impl Vectors {
    /// A block of these numbers.
    ///
    /// # Shapes
    /// `table`: `[items, dim]`; `bias`: `[items]`, or empty for none.
    ///
    /// # Errors
    /// [`BlockError::Shape`] and [`BlockError::NotFinite`] of the part `bias`.
    pub fn new(table: Table, bias: Vec<f32>) -> Result<Self, BlockError> {
        finite("bias", &bias)?;
        if !bias.is_empty() && bias.len() != table.rows() {
            return Err(BlockError::Shape { part: "bias" });
        }
        Ok(Vectors { table, bias })
    }

    /// Number of items.
    pub fn items(&self) -> usize {
        self.table.rows()
    }

    /// The vectors.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// The bias of an item, or 0.
    pub fn bias(&self, item: usize) -> f32 {
        self.bias.get(item).copied().unwrap_or(0.0)
    }

    /// The score of one item; 0 for an item that the table does not have. Always finite.
    pub fn score(&self, query: &Query, item: u32) -> f32 {
        self.score_four(query, [item; 4])[0]
    }

    /// The scores of some items, each with the bits of [`Vectors::score`].
    ///
    /// # Shapes
    /// `items`, `out`: as many.
    pub fn score_each(&self, query: &Query, items: &[u32], out: &mut [f32]) {
        let n = out.len().min(items.len());
        let (fours, rest) = out[..n].as_chunks_mut::<4>();
        let (of, of_rest) = items[..n].as_chunks::<4>();
        for (slots, items) in fours.iter_mut().zip(of) {
            *slots = self.score_four(query, *items);
        }
        for (slot, item) in rest.iter_mut().zip(of_rest) {
            *slot = self.score(query, *item);
        }
    }

    /// The scores of the whole catalogue, each with the bits of [`Vectors::score`].
    ///
    /// # Shapes
    /// `out`: `[items]`; beyond, 0.
    pub fn score_all(&self, query: &Query, out: &mut [f32]) {
        self.score_from(query, 0, out);
    }

    #[inline(never)]
    #[cfg_attr(zhiji_phone, optimize(speed))]
    fn score_from(&self, query: &Query, first: usize, out: &mut [f32]) {
        let (known, beyond) = out.split_at_mut(self.items().saturating_sub(first).min(out.len()));
        beyond.fill(0.0);
        let (fours, rest) = known.as_chunks_mut::<4>();
        let mut item = first as u32;
        if let Numbers::Bytes(numbers, scale) = self.table.numbers() {
            let x = query.words.as_chunks::<16>().0;
            let rows = numbers.as_chunks::<16>().0.get(first * x.len()..).unwrap_or_default();
            let own = Quad::splat(query.scale);
            let bias = self.bias.get(first..).unwrap_or_default().as_chunks::<4>().0;
            let scale = scale.get(first..).unwrap_or_default().as_chunks::<4>().0;
            for ((at, slots), (rows, scale)) in
                fours.iter_mut().enumerate().zip(rows.chunks_exact(4 * x.len().max(1)).zip(scale))
            {
                let (left, right) = rows.split_at(2 * x.len());
                let ((a, b), (c, d)) = (left.split_at(x.len()), right.split_at(x.len()));
                let sums = Quad::of_whole(int8::dot_four((a, b, c, d), x)) * (Quad::new(*scale) * own);
                *slots = finish(sums, bias.get(at).copied().unwrap_or_default());
                item += 4;
            }
        } else {
            for slots in fours {
                *slots = self.score_four(query, [item, item + 1, item + 2, item + 3]);
                item += 4;
            }
        }
        for slot in rest {
            *slot = self.score(query, item);
            item += 1;
        }
    }

    /// Offers the scores of the whole catalogue, each with the bits of [`Vectors::score`], to those who look for the best. Allocates nothing.
    pub fn offer_all(&self, query: &Query, best: &mut Best) {
        let mut scores = [0.0; 64];
        for first in (0..self.items()).step_by(64) {
            let scores = &mut scores[..(self.items() - first).min(64)];
            self.score_from(query, first, scores);
            best.offer_from(first as u32, scores);
        }
    }

    #[inline(never)]
    #[cfg_attr(zhiji_phone, optimize(speed))]
    fn score_four(&self, query: &Query, items: [u32; 4]) -> [f32; 4] {
        let sums = match self.table.numbers() {
            Numbers::Singles(numbers) => {
                let x = query.singles.as_chunks::<4>().0;
                let row = |at: usize| self.row(numbers.as_chunks::<4>().0, x.len(), items[at]);
                dot_four((row(0), row(1), row(2), row(3)), x)
            }
            Numbers::Bytes(numbers, scale) => {
                let x = query.words.as_chunks::<16>().0;
                let row = |at: usize| self.row(numbers.as_chunks::<16>().0, x.len(), items[at]);
                let scale = |at: usize| scale.get(items[at] as usize).copied().unwrap_or(0.0);
                let scale = Quad::new([scale(0), scale(1), scale(2), scale(3)]) * Quad::splat(query.scale);
                Quad::of_whole(int8::dot_four((row(0), row(1), row(2), row(3)), x)) * scale
            }
        };
        let bias = |at: usize| self.bias(items[at] as usize);
        let [a, b, c, d] = finish(sums, [bias(0), bias(1), bias(2), bias(3)]);
        let known = |score: f32, at: usize| if items[at] as usize >= self.items() { 0.0 } else { score };
        [known(a, 0), known(b, 1), known(c, 2), known(d, 3)]
    }

    /// A row in its groups; for an item that is not there the last one, so that the others find four.
    #[inline(always)]
    fn row<'a, T>(&self, groups: &'a [T], len: usize, item: u32) -> &'a [T] {
        let place = (item as usize).min(self.items().saturating_sub(1));
        groups.get(place * len..).unwrap_or_default()
    }
}

/// Four rows in their groups.
type Four<'a, T> = (&'a [T], &'a [T], &'a [T], &'a [T]);

/// Four inner products, so that four sums wait for their additions together.
///
/// Written out: loops over four are not unrolled where size counts, and what they keep in memory stalls the vectors read from there.
#[inline(always)]
fn dot_four((a, b, c, d): Four<'_, [f32; 4]>, x: &[[f32; 4]]) -> Quad {
    let zero = Quad::splat(0.0);
    let (mut sum_a, mut sum_b, mut sum_c, mut sum_d) = (zero, zero, zero, zero);
    for ((((x, a), b), c), d) in x.iter().zip(a).zip(b).zip(c).zip(d) {
        let x = Quad::new(*x);
        sum_a = sum_a + Quad::new(*a) * x;
        sum_b = sum_b + Quad::new(*b) * x;
        sum_c = sum_c + Quad::new(*c) * x;
        sum_d = sum_d + Quad::new(*d) * x;
    }
    Quad::new(Quad::totals(sum_a, sum_b, sum_c, sum_d))
}

/// Adds the biases, and holds what is beyond single precision at its ends.
#[inline(always)]
fn finish(sums: Quad, bias: [f32; 4]) -> [f32; 4] {
    let sums = (sums + Quad::new(bias)).or_if_nan(Quad::splat(0.0));
    let (least, most) = (Quad::splat(f32::MIN), Quad::splat(f32::MAX));
    let sums = Quad::if_less(sums, least, least, sums);
    Quad::if_less(most, sums, most, sums).to_array()
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests;
