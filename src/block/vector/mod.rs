//! Retrieval: the user's vector against the vectors of a whole catalogue.

mod gradient;

pub use gradient::{add_bpr, add_logistic};

use super::error::{BlockError, finite};
use super::table::{Numbers, Table};
use crate::kernel::{self, int8};
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
    pub fn score(&self, query: &Query, item: usize) -> f32 {
        if item >= self.items() {
            return 0.0;
        }
        let mut score = [0.0];
        self.score_from(query, item, &mut score);
        score[0]
    }

    /// The scores of the whole catalogue, each with the bits of [`Vectors::score`].
    ///
    /// # Shapes
    /// `out`: `[items]`; beyond, 0.
    pub fn score_all(&self, query: &Query, out: &mut [f32]) {
        self.score_from(query, 0, out);
    }

    /// The scores of the items `from, from + 1 …`.
    fn score_from(&self, query: &Query, from: usize, out: &mut [f32]) {
        let width = self.table.width();
        match self.table.numbers() {
            Numbers::Singles(numbers) => {
                kernel::matvec(numbers.get(from * width..).unwrap_or_default(), width, &query.singles, out);
            }
            Numbers::Bytes(numbers, scale) => {
                out.fill(0.0);
                let rows = numbers.get(from * width..).unwrap_or_default().chunks_exact(width);
                for ((slot, row), scale) in out.iter_mut().zip(rows).zip(scale.get(from..).unwrap_or_default()) {
                    *slot = int8::dot(row, &query.words) as f32 * (scale * query.scale);
                }
            }
        }
        let biases = self.bias.get(from..).unwrap_or_default();
        for (slot, bias) in out.iter_mut().zip(biases.iter().chain(core::iter::repeat(&0.0))) {
            *slot = kernel::saturate(*slot + bias);
        }
    }
}
