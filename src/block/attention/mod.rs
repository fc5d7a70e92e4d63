//! Attention of a candidate over the recent items.

use super::error::{BlockError, finite};
use super::table::Table;
use crate::kernel::linear::{self, Around, Matrix, PANEL, add_weighted, linear, padded};
use crate::kernel::words::{self, linear_words, scale_columns};
use crate::kernel::{self, int8, math};
use alloc::vec;
use alloc::vec::Vec;

/// The most layers.
pub const MOST_LAYERS: usize = 4;
/// The most numbers of a layer.
pub const MOST_WIDTH: usize = 512;

/// What stands behind a hidden layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// `x`.
    None,
    /// `max(x, 0)`.
    Relu,
    /// `x` where it is not below 0, else `alpha · x`.
    Prelu,
    /// `x / (1 + e⁻ˣ)`.
    Silu,
}

/// The weights of one layer, as PyTorch has them.
#[derive(Clone, Copy, Debug, Default)]
pub struct LayerWeights<'a> {
    /// `[outputs, inputs]`, row by row.
    pub weight: &'a [f32],
    /// `[outputs]`, or none.
    pub bias: &'a [f32],
    /// `[outputs]`, or one number for all; read by [`Activation::Prelu`] alone.
    pub alpha: &'a [f32],
    /// How many numbers it gives.
    pub outputs: usize,
}

/// How an attention is put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Length of the vectors.
    pub dim: usize,
    /// How many recent items are read, the newest of them.
    pub history: usize,
    /// Behind every layer but the last.
    pub activation: Activation,
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
    alpha: Vec<f32>,
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
    Words(Vec<i32>, f32),
}

#[derive(Clone, Debug, PartialEq)]
struct Hidden {
    matrix: Matrix,
    bias: Vec<f32>,
    alpha: Vec<f32>,
}

/// The recent items as one attention reads them, and what it writes while it scores. Made once, set once per request.
pub struct History {
    /// How many items there are, and that padded.
    count: usize,
    rows: usize,
    /// The vectors in panels of items, as singles, and as pairs of words with one scale an item.
    singles: Vec<f32>,
    words: Vec<i32>,
    scale: Vec<f32>,
    /// The vectors in panels of dimensions.
    columns: Vec<f32>,
    /// `(W_a + W_c) h` in panels of items.
    part: Vec<f32>,
    /// `W_d diag(c)` of one candidate.
    mixed: Vec<f32>,
    mixed_words: Vec<i32>,
    query: Vec<i16>,
    query_pairs: Vec<i32>,
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
    /// [`BlockError`] of the parts `layers` (`Size`: none or more than 4), `weight`, `bias`, `alpha` (`Size`, `Shape`, `NotFinite`).
    pub fn new(shape: Shape, layers: &[LayerWeights<'_>]) -> Result<Self, BlockError> {
        let Shape { dim, activation, .. } = shape;
        if layers.is_empty() || layers.len() > MOST_LAYERS || dim == 0 || dim > int8::MOST_DIM {
            return Err(BlockError::Size { part: "layers" });
        }
        let mut inputs = 4 * dim;
        for (at, layer) in layers.iter().enumerate() {
            let LayerWeights { weight, bias, alpha, outputs } = *layer;
            let (last, slopes) = (at + 1 == layers.len(), activation == Activation::Prelu);
            if outputs == 0 || outputs > MOST_WIDTH || last && outputs != 1 {
                return Err(BlockError::Size { part: "weight" });
            }
            if weight.len() != outputs * inputs {
                return Err(BlockError::Shape { part: "weight" });
            }
            if !bias.is_empty() && bias.len() != outputs {
                return Err(BlockError::Shape { part: "bias" });
            }
            if slopes && !last && alpha.len() != 1 && alpha.len() != outputs {
                return Err(BlockError::Shape { part: "alpha" });
            }
            finite("weight", weight)?;
            finite("bias", bias)?;
            finite("alpha", alpha)?;
            inputs = outputs;
        }
        Ok(Self::packed(shape, layers))
    }

    fn packed(mut shape: Shape, layers: &[LayerWeights<'_>]) -> Self {
        let dim = shape.dim;
        let first = layers.first().copied().unwrap_or_default();
        let (mut own, mut other) = (Vec::new(), Vec::new());
        for row in first.weight.chunks_exact(4 * dim) {
            for j in 0..dim {
                own.push(row[j] + row[2 * dim + j]);
                other.push(row[dim + j] - row[2 * dim + j]);
            }
        }
        let fourth = first.weight.get(3 * dim..).unwrap_or_default();
        let product = if shape.words {
            let (numbers, scale) = words::pack(fourth, 4 * dim, first.outputs, dim);
            Product::Words(numbers, scale)
        } else {
            let rows: Vec<f32> = fourth.chunks(4 * dim).flat_map(|row| row.iter().take(dim).copied()).collect();
            Product::Singles(Matrix::new(&rows, first.outputs, dim))
        };
        // A single layer is a hidden one of which the first number is taken as it is.
        let (hidden, last) = match layers {
            [_, hidden @ .., last] => (hidden, last.weight.to_vec()),
            _ => (&[][..], vec![1.0]),
        };
        if layers.len() == 1 {
            shape.activation = Activation::None;
        }
        let mut inputs = first.outputs;
        let hidden = hidden.iter().map(|layer| {
            let matrix = Matrix::new(layer.weight, layer.outputs, inputs);
            inputs = layer.outputs;
            Hidden { matrix, bias: filled(layer.bias, layer.outputs), alpha: layer.alpha.to_vec() }
        });
        let hidden = hidden.collect();
        let last_bias = if layers.len() == 1 { None } else { layers.last().and_then(|layer| layer.bias.first()) };
        Attention {
            candidate: other,
            bias: filled(first.bias, first.outputs),
            recent: Matrix::new(&own, first.outputs, dim),
            product,
            alpha: first.alpha.to_vec(),
            hidden,
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
    pub fn room(&self) -> History {
        let (rows, dim) = (padded(self.shape.history), padded(self.shape.dim));
        let (mixed, pairs) = if self.shape.words { (0, self.pairs()) } else { (dim, 0) };
        let widest = self.hidden.iter().fold(self.bias.len(), |most, layer| most.max(layer.matrix.outputs()));
        History {
            count: 0,
            rows: 0,
            singles: vec![0.0; dim * rows],
            words: vec![0; pairs * rows],
            scale: vec![0.0; if pairs > 0 { rows } else { 0 }],
            columns: vec![0.0; dim * rows],
            part: vec![0.0; self.bias.len() * rows],
            mixed: vec![0.0; mixed * self.bias.len()],
            mixed_words: vec![0; pairs * self.bias.len()],
            query: vec![0; 2 * pairs],
            query_pairs: vec![0; pairs],
            hidden: [vec![0.0; widest * rows], vec![0.0; widest * rows]],
            weights: vec![0.0; rows],
            sums: vec![0.0; dim],
        }
    }

    fn pairs(&self) -> usize {
        self.shape.dim.div_ceil(2)
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
        history.words.fill(0);
        history.scale.fill(0.0);
        history.columns.fill(0.0);
        let panels = history.columns.get_mut(..length * count).unwrap_or_default();
        for (r, vector) in vectors.chunks_exact(dim).take(count).enumerate() {
            for (j, x) in vector.iter().enumerate() {
                panels[linear::place(r, j, count, length)] = *x;
            }
        }
        let part = history.part.get_mut(..self.bias.len() * padded_rows).unwrap_or_default();
        let around = Around::default();
        let into = &mut history.singles[..length * padded_rows];
        for (r, vector) in vectors.chunks_exact(dim).take(count).enumerate() {
            for (j, x) in vector.iter().enumerate() {
                into[linear::place(j, r, length, padded_rows)] = *x;
            }
        }
        linear(self.recent.numbers(), length, into, around, part);
        if self.shape.words {
            let pairs = self.pairs();
            for (r, vector) in vectors.chunks_exact(dim).take(count).enumerate() {
                let row = rows.get(r).map_or(usize::MAX, |row| *row as usize);
                history.scale[r] = match table.row_of_bytes(row) {
                    Some((bytes, scale)) => {
                        history.query.fill(0);
                        for (slot, q) in history.query.iter_mut().zip(bytes) {
                            *slot = i16::from(*q);
                        }
                        scale
                    }
                    None => int8::quantise_to(vector, words::most(dim), &mut history.query),
                };
                for (j, two) in history.query.as_chunks::<2>().0.iter().enumerate() {
                    history.words[linear::place(j, r, pairs, padded_rows)] = words::pair(two[0], two[1]);
                }
            }
        }
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
    pub fn score_pair(&self, history: &mut History, candidate: &[f32], part: &[f32], out: &mut [f32]) {
        let (count, rows, dim) = (history.count, history.rows, padded(self.shape.dim));
        if count == 0 || candidate.len() < self.shape.dim || part.len() < self.bias.len() {
            out.fill(0.0);
            return;
        }
        let relu = self.shape.activation == Activation::Relu;
        let mut outputs = self.bias.len();
        let [hidden, other] = &mut history.hidden;
        let (mut from, mut to) = (hidden, other);
        let around = Around { bias: part, base: &history.part[..outputs * rows], relu };
        match &self.product {
            Product::Singles(matrix) => {
                mix(matrix.numbers(), candidate, dim, &mut history.mixed);
                linear(&history.mixed, dim, &history.singles[..dim * rows], around, &mut from[..outputs * rows]);
            }
            Product::Words(numbers, scale) => {
                let scale = scale * int8::quantise_words(candidate, &mut history.query) * ROUNDING;
                for (slot, two) in history.query_pairs.iter_mut().zip(history.query.as_chunks::<2>().0) {
                    *slot = words::pair(two[0], two[1]);
                }
                scale_columns(numbers, &history.query_pairs, &mut history.mixed_words);
                for (slot, own) in history.weights.iter_mut().zip(&history.scale) {
                    *slot = own * scale;
                }
                let (pairs, scales) = (self.pairs(), &history.weights[..rows]);
                let out = &mut from[..outputs * rows];
                linear_words(&history.mixed_words, pairs, &history.words[..pairs * rows], scales, around, out);
            }
        }
        activate(self.shape.activation, &self.alpha, outputs, rows, from);
        for layer in &self.hidden {
            let inputs = outputs;
            outputs = layer.matrix.outputs();
            let around = Around { bias: &layer.bias, base: &[], relu };
            linear(layer.matrix.numbers(), inputs, &from[..inputs * rows], around, &mut to[..outputs * rows]);
            activate(self.shape.activation, &layer.alpha, outputs, rows, to);
            core::mem::swap(&mut from, &mut to);
        }
        let weights = &mut history.weights[..rows];
        weights.fill(self.last_bias);
        add_weighted(&self.last, &from[..outputs * rows], weights);
        let weights = &mut weights[..count];
        if self.shape.softmax {
            kernel::softmax(weights);
        }
        history.sums.fill(0.0);
        add_weighted(weights, &history.columns[..dim * count], &mut history.sums);
        for (slot, sum) in out.iter_mut().zip(&history.sums) {
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

/// The hidden layers' function but for `relu`, which the kernel applies.
fn activate(activation: Activation, alpha: &[f32], outputs: usize, rows: usize, x: &mut [f32]) {
    let x = x.get_mut(..outputs * rows).unwrap_or_default();
    match activation {
        Activation::None | Activation::Relu => {}
        Activation::Silu => {
            for four in x.as_chunks_mut::<4>().0 {
                let gate = math::sigmoid_x4(*four);
                for (x, gate) in four.iter_mut().zip(gate) {
                    *x *= gate;
                }
            }
        }
        Activation::Prelu => {
            for panel in x.chunks_mut(PANEL * outputs.max(1)) {
                let width = panel.len() / outputs.max(1);
                for (o, row) in panel.chunks_mut(width.max(1)).enumerate() {
                    let alpha = if alpha.len() == 1 { alpha[0] } else { alpha.get(o).copied().unwrap_or(0.0) };
                    for x in row {
                        *x = if *x < 0.0 { alpha * *x } else { *x };
                    }
                }
            }
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
