//! Attention of a candidate over the recent items.

use super::error::BlockError;
use super::layer::{Finish, Weights};
use super::table::Table;
use crate::kernel::linear::{self, Around, Matrix, PANEL, add_weighted, linear, padded};
use crate::kernel::words::{self, linear_words, scale_columns};
use crate::kernel::{self, int8};
use alloc::vec;
use alloc::vec::Vec;

/// The most layers.
pub const MOST_LAYERS: usize = 4;
/// The most numbers of a layer.
pub const MOST_WIDTH: usize = 512;

/// How an attention is put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Length of the vectors.
    pub dim: usize,
    /// How many recent items are read, the newest of them.
    pub history: usize,
    /// Whether the weights are made shares.
    pub softmax: bool,
    /// Whether the product of history and candidate is taken in integers; for tables of bytes.
    pub words: bool,
}

/// The candidate's vector `c` weighs the vectors `h_a` of the recent items, and gives their weighted sum.
///
/// ```text
/// out = Σ_a w_a h_a,     w_a = perceptron([h_a, c, h_a − c, h_a ∘ c]),     or their softmax over a
/// ```
///
/// With the first layer's columns `W = [W_a, W_b, W_c, W_d]` its products are
///
/// ```text
/// W [h, c, h − c, h ∘ c] = (W_a + W_c) h + (W_b − W_c) c + (W_d diag(c)) h
/// ```
///
/// so the first term is computed once per request ([`Attention::score_user`]), the second once per item ([`Attention::score_item`]), and a pair
/// ([`Attention::score_pair`]) takes one matrix of `dim` columns through the history, not one of four times as many.
///
/// A block is checked when it is made; afterwards scoring cannot fail and allocates nothing.
///
/// # Source
/// Zhou et al., "Deep Interest Network for Click-Through Rate Prediction", KDD 2018, section 4.3.
#[derive(Clone, Debug, PartialEq)]
pub struct Attention {
    shape: Shape,
    /// `W_b − W_c`, row by row, and the bias of the first layer, padded.
    candidate: Vec<f32>,
    bias: Vec<f32>,
    /// `W_a + W_c`.
    recent: Matrix,
    product: Product,
    finish: Finish,
    /// The hidden layers behind the first.
    hidden: Vec<Hidden>,
    /// The one row of the last layer, padded, and its bias.
    last: Vec<f32>,
    last_bias: f32,
}

/// `W_d`.
#[derive(Clone, Debug, PartialEq)]
enum Product {
    Singles(Matrix),
    /// In pairs of 16 bits, and what all of them are multiplied with.
    Words(Vec<words::Pair>, f32),
}

#[derive(Clone, Debug, PartialEq)]
struct Hidden {
    matrix: Matrix,
    bias: Vec<f32>,
    finish: Finish,
}

/// The recent items as one attention reads them: made once, set once per request.
pub struct History {
    /// How many items there are, and that padded.
    count: usize,
    rows: usize,
    /// The vectors in panels of items, as singles, and as pairs of words with one scale an item.
    singles: Vec<f32>,
    words: Vec<words::Lane>,
    scale: Vec<f32>,
    /// The vectors in panels of dimensions.
    columns: Vec<f32>,
    /// `(W_a + W_c) h` in panels of items.
    part: Vec<f32>,
}

/// What an attention writes while it scores a pair.
pub struct Work {
    /// `W_d diag(c)`.
    mixed: Vec<f32>,
    /// The same, and the candidate, in words.
    mixed_words: Vec<i16>,
    query: Vec<i16>,
    hidden: [Vec<f32>; 2],
    weights: Vec<f32>,
    sums: Vec<f32>,
}

impl Attention {
    /// A block of these weights.
    ///
    /// # Shapes
    /// The first layer reads `4 · dim` numbers: `[h, c, h − c, h ∘ c]`; the last gives one.
    ///
    /// # Errors
    /// [`BlockError`] of the part `layers` (`Size`: none or more than 4), and as [`Weights::check`].
    pub fn new(shape: Shape, layers: &[Weights]) -> Result<Self, BlockError> {
        let (dim, mut inputs) = (shape.dim, 4 * shape.dim);
        let size = BlockError::Size { part: "layers" };
        let first = layers.first().ok_or(size)?;
        if layers.len() > MOST_LAYERS || dim == 0 || dim > int8::MOST_DIM {
            return Err(size);
        }
        for (at, layer) in layers.iter().enumerate() {
            layer.check()?;
            let last = at + 1 == layers.len();
            if layer.groups != 1 || layer.width > MOST_WIDTH || last && layer.width != 1 {
                return Err(BlockError::Size { part: "weight" });
            }
            if layer.inputs != inputs {
                return Err(BlockError::Shape { part: "weight" });
            }
            inputs = layer.width;
        }
        Ok(Self::packed(shape, first, layers))
    }

    fn packed(shape: Shape, first: &Weights, layers: &[Weights]) -> Self {
        let dim = shape.dim;
        let alone = layers.len() == 1;
        let (mut own, mut other) = (Vec::new(), Vec::new());
        for row in first.weight.chunks_exact(4 * dim) {
            for j in 0..dim {
                own.push(row[j] + row[2 * dim + j]);
                other.push(row[dim + j] - row[2 * dim + j]);
            }
        }
        let fourth = first.weight.get(3 * dim..).unwrap_or_default();
        let product = if shape.words {
            let (numbers, scale) = words::pack(fourth, 4 * dim, first.width, dim);
            Product::Words(numbers, scale)
        } else {
            let mut rows = Vec::with_capacity(first.width * dim);
            for row in fourth.chunks(4 * dim) {
                rows.extend_from_slice(&row[..dim]);
            }
            Product::Singles(Matrix::new(&rows, first.width, dim))
        };
        // A single layer is a hidden one of which the first number is taken as it is.
        let (hidden, last) = match layers {
            [_, hidden @ .., last] => (hidden, last.weight.clone()),
            _ => (&[][..], vec![1.0]),
        };
        let mut inputs = first.width;
        let mut made = Vec::with_capacity(hidden.len());
        for layer in hidden {
            let matrix = Matrix::new(&layer.weight, layer.width, inputs);
            inputs = layer.width;
            made.push(Hidden { matrix, bias: filled(&layer.bias, layer.width), finish: Finish::new(layer) });
        }
        let last_bias = layers.last().and_then(|layer| layer.bias.first()).filter(|_| !alone);
        Attention {
            candidate: other,
            bias: filled(&first.bias, first.width),
            recent: Matrix::new(&own, first.width, dim),
            product,
            finish: if alone { Finish::default() } else { Finish::new(first) },
            hidden: made,
            last: filled(&last, inputs),
            last_bias: last_bias.copied().unwrap_or(0.0),
            shape,
        }
    }

    /// How it is put together.
    pub const fn shape(&self) -> Shape {
        self.shape
    }

    /// How many numbers [`Attention::score_item`] writes.
    pub fn item_len(&self) -> usize {
        self.bias.len()
    }

    /// Room for a history, which is empty.
    pub fn history(&self) -> History {
        let (rows, length) = (padded(self.shape.history), padded(self.shape.dim));
        let words = if self.shape.words { rows } else { 0 };
        History {
            count: 0,
            rows: 0,
            singles: vec![0.0; length * rows],
            words: vec![words::Lane::default(); self.pairs() * words],
            scale: vec![0.0; words],
            columns: vec![0.0; length * rows],
            part: vec![0.0; self.bias.len() * rows],
        }
    }

    /// Room to score pairs in.
    pub fn work(&self) -> Work {
        let (rows, length) = (padded(self.shape.history), padded(self.shape.dim));
        let (mixed, pairs) = if self.shape.words { (0, self.pairs()) } else { (length, 0) };
        let widest = self.hidden.iter().fold(self.bias.len(), |most, layer| most.max(layer.matrix.outputs()));
        Work {
            mixed: vec![0.0; mixed * self.bias.len()],
            mixed_words: vec![0; 2 * pairs * self.bias.len()],
            query: vec![0; 2 * pairs],
            hidden: [vec![0.0; widest * rows], vec![0.0; widest * rows]],
            weights: vec![0.0; rows],
            sums: vec![0.0; length],
        }
    }

    fn pairs(&self) -> usize {
        padded(self.shape.dim) / 2
    }

    /// Takes the recent items. Once per request.
    ///
    /// # Shapes
    /// `vectors`: `[items, dim]`, the newest first; `rows`: their rows in `table`, for the bytes that some of the vectors stand for.
    pub fn score_user(&self, vectors: &[f32], rows: &[u32], table: &Table, history: &mut History) {
        let dim = self.shape.dim;
        let count = (vectors.len() / dim).min(self.shape.history);
        let (length, padded_rows) = (padded(dim), padded(count));
        (history.count, history.rows) = (count, padded_rows);
        history.singles.fill(0.0);
        history.words.fill(words::Lane::default());
        history.scale.fill(0.0);
        history.columns.fill(0.0);
        let pairs = self.pairs();
        let mut own = [0i16; int8::MOST_DIM];
        let own = &mut own[..2 * pairs];
        for (r, vector) in vectors.chunks_exact(dim).take(count).enumerate() {
            for (j, x) in vector.iter().enumerate() {
                history.columns[linear::place(r, j, count, length)] = *x;
                history.singles[linear::place(j, r, length, padded_rows)] = *x;
            }
            if self.shape.words {
                let row = rows.get(r).map_or(usize::MAX, |row| *row as usize);
                history.scale[r] = match table.row_of_bytes(row) {
                    Some((bytes, scale)) => {
                        for (slot, q) in own.iter_mut().zip(bytes) {
                            *slot = i16::from(*q);
                        }
                        scale
                    }
                    None => int8::quantise_to(vector, words::most(dim), own),
                };
                for (j, two) in own.as_chunks::<2>().0.iter().enumerate() {
                    words::put(&mut history.words, linear::place(j, r, pairs, padded_rows), *two);
                }
            }
        }
        let part = &mut history.part[..self.bias.len() * padded_rows];
        linear(self.recent.numbers(), length, &history.singles[..length * padded_rows], Around::default(), part);
    }

    /// Writes what the first layer makes of the candidate alone. Once per bundle and item.
    ///
    /// # Shapes
    /// `candidate`: `[dim]`; `out`: [`Attention::item_len`].
    pub fn score_item(&self, candidate: &[f32], out: &mut [f32]) {
        kernel::matvec(&self.candidate, self.shape.dim, candidate, out);
        for (slot, bias) in out.iter_mut().zip(&self.bias) {
            *slot += bias;
        }
    }

    /// Writes the weighted sum of the history; zeros where it is empty. Once per pair.
    ///
    /// # Shapes
    /// `candidate`, `out`: `[dim]`; `part`: what [`Attention::score_item`] wrote.
    #[cfg_attr(zhiji_phone, optimize(speed))]
    pub fn score_pair(&self, history: &History, candidate: &[f32], part: &[f32], work: &mut Work, out: &mut [f32]) {
        let (count, rows, dim) = (history.count, history.rows, padded(self.shape.dim));
        if count == 0 || candidate.len() < self.shape.dim || part.len() < self.bias.len() {
            out.fill(0.0);
            return;
        }
        let mut outputs = self.bias.len();
        let [hidden, other] = &mut work.hidden;
        let (mut from, mut to) = (hidden, other);
        let around = Around { bias: part, base: &history.part[..outputs * rows], relu: self.finish.relu() };
        let sums = &mut from[..outputs * rows];
        match &self.product {
            Product::Singles(matrix) => {
                mix(matrix.numbers(), candidate, dim, &mut work.mixed);
                linear(&work.mixed, dim, &history.singles[..dim * rows], around, sums);
            }
            Product::Words(numbers, scale) => {
                let scale = scale * int8::quantise_to(candidate, 32_767, &mut work.query) * ROUNDING;
                let mixed = work.mixed_words.as_chunks_mut::<2>().0;
                scale_columns(numbers, work.query.as_chunks::<2>().0, mixed);
                for (slot, own) in work.weights.iter_mut().zip(&history.scale) {
                    *slot = own * scale;
                }
                let (pairs, scales) = (self.pairs(), &work.weights[..rows]);
                linear_words(mixed, pairs, &history.words[..pairs * rows], scales, around, sums);
            }
        }
        finish(&self.finish, outputs, sums);
        for layer in &self.hidden {
            let (inputs, x) = (outputs, &from[..outputs * rows]);
            outputs = layer.matrix.outputs();
            let sums = &mut to[..outputs * rows];
            let around = Around { bias: &layer.bias, base: &[], relu: layer.finish.relu() };
            linear(layer.matrix.numbers(), inputs, x, around, sums);
            finish(&layer.finish, outputs, sums);
            core::mem::swap(&mut from, &mut to);
        }
        let weights = &mut work.weights[..rows];
        weights.fill(self.last_bias);
        add_weighted(&self.last, &from[..outputs * rows], weights);
        let weights = &mut weights[..count];
        if self.shape.softmax {
            kernel::softmax(weights);
        }
        work.sums.fill(0.0);
        add_weighted(weights, &history.columns[..dim * count], &mut work.sums);
        for (slot, sum) in out.iter_mut().zip(&work.sums) {
            *slot = *sum;
        }
    }
}

/// What products with rounded columns are too small by: `2¹⁵` for the shift.
const ROUNDING: f32 = 32_768.0;

/// `W_d diag(c)`.
#[inline(never)]
#[cfg_attr(zhiji_phone, optimize(speed))]
fn mix(numbers: &[f32], candidate: &[f32], dim: usize, out: &mut [f32]) {
    for (group, out) in numbers.chunks_exact(4 * dim).zip(out.chunks_exact_mut(4 * dim)) {
        let (group, out) = (group.as_chunks::<4>().0, out.as_chunks_mut::<4>().0);
        for ((four, out), c) in group.iter().zip(out).zip(candidate) {
            let [a, b, d, e] = *four;
            *out = [a * c, b * c, d * c, e * c];
        }
    }
}

/// What a layer does with its sums, where the kernel has not done it.
fn finish(finish: &Finish, outputs: usize, sums: &mut [f32]) {
    if !finish.relu() {
        for panel in sums.chunks_mut(PANEL * outputs) {
            let lanes = panel.len() / outputs;
            finish.apply(panel, lanes);
        }
    }
}

/// Numbers with zeros up to a padded length; all zeros where there are none.
fn filled(numbers: &[f32], length: usize) -> Vec<f32> {
    let mut out = numbers.to_vec();
    out.resize(padded(length), 0.0);
    out
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests;
