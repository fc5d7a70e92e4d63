//! A causal transformer encoder over the recent items.

pub mod gradient;

use super::error::{BlockError, finite};
use super::layer::normalise;
use crate::kernel::linear::{self, Around, Matrix, PANEL, add_weighted, linear, padded};
use crate::kernel::math::Lanes;
use crate::kernel::{self, Quad};
use alloc::vec;
use alloc::vec::Vec;

/// The most layers.
pub const MOST_LAYERS: usize = 4;
/// The longest vectors.
pub const MOST_DIM: usize = 128;
/// The most numbers between the two halves of a feed-forward layer.
pub const MOST_INNER: usize = 512;
/// The most items.
pub const MOST_ITEMS: usize = 50;

/// Where the norms of a layer stand. `N` are the layer norms, `A` is the attention, `F` the feed-forward layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Norm {
    /// `x + A(N₁(x))`, then `x + F(N₂(x))`.
    Pre,
    /// `N₁(x + A(x))`, then `N₂(x + F(x))`.
    Post,
    /// `y = N₁(x)`, `N₂(y + A(queries of y, keys and values of x))`, then `x + F(x)`.
    Query,
}

/// How an encoder is put together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shape {
    /// Length of the vectors.
    pub dim: usize,
    /// Heads of the attention; they divide `dim`.
    pub heads: usize,
    /// Numbers between the two halves of the feed-forward layer.
    pub inner: usize,
    /// How many items are read, the newest of them: the rows of the table of positions.
    pub items: usize,
    /// Where the norms stand.
    pub norm: Norm,
    /// Whether row 0 of the positions belongs to the oldest item that is read, not to the newest.
    pub from_oldest: bool,
    /// What the items' vectors are multiplied with.
    pub scale: f32,
    /// What is added to the variance under the root of a norm.
    pub epsilon: f32,
}

/// Weight and bias of a layer norm, or of a linear layer: `[outputs, inputs]` row by row, and `[outputs]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pair {
    /// The weight.
    pub weight: Vec<f32>,
    /// The bias.
    pub bias: Vec<f32>,
}

impl Pair {
    /// Whether there are so many of both, all finite.
    #[inline(never)]
    fn check(&self, weight: usize, bias: usize) -> Result<(), BlockError> {
        for (part, numbers, length) in [("weight", &self.weight, weight), ("bias", &self.bias, bias)] {
            if numbers.len() != length {
                return Err(BlockError::Shape { part });
            }
            finite(part, numbers)?;
        }
        Ok(())
    }
}

/// The weights of a layer, as PyTorch's `TransformerEncoderLayer` has them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LayerWeights {
    /// `[3 · dim, dim]`: rows of queries, of keys, of values.
    pub attention: Pair,
    /// `[dim, dim]`.
    pub out: Pair,
    /// `[inner, dim]`.
    pub first: Pair,
    /// `[dim, inner]`.
    pub second: Pair,
    /// The two norms, `[dim]` each.
    pub norms: [Pair; 2],
}

/// The vectors of the recent items, in their order, become the user's vector: what a causal transformer gives at the newest of them.
///
/// An item attends to itself and to older ones, so nothing reads the last layer but at the newest: there it is computed for that one alone, and
/// with one query `q` keys and values need not be made either:
///
/// ```text
/// q · (K y_b + k) = (Kᵀ q) · y_b + q · k,     Σ_b p_b (V y_b + v) = V (Σ_b p_b y_b) + v,     Σ_b p_b = 1
/// ```
///
/// of which the shares `p` do not see `q · k`, as it is the same for all.
/// Nothing is padded; a history of three is a sequence of three. All of it depends on the user alone and is computed once per request, in four
/// or eight positions at once: a lane is a position, and no sum crosses lanes.
///
/// A block is checked when it is made; afterwards scoring cannot fail and allocates nothing.
///
/// # Source
/// Kang & McAuley, "Self-Attentive Sequential Recommendation", ICDM 2018, section III; Vaswani et al., "Attention Is All You Need", 2017,
/// section 3.2.
#[derive(Clone, Debug, PartialEq)]
pub struct Sequence {
    shape: Shape,
    /// `[items, dim]`.
    position: Vec<f32>,
    layers: Vec<Layer>,
    newest: Newest,
    norm: Option<Pair>,
}

/// A linear layer, its bias padded.
#[derive(Clone, Debug, PartialEq)]
struct Linear {
    matrix: Matrix,
    bias: Vec<f32>,
}

#[derive(Clone, Debug, PartialEq)]
struct Layer {
    /// Already divided by the root of a head's length.
    query: Linear,
    /// Keys, then values; of no numbers in the last layer.
    kept: Linear,
    out: Linear,
    first: Linear,
    second: Linear,
    norms: [Pair; 2],
}

/// Keys and values of the last layer, as the newest item alone asks for them.
#[derive(Clone, Debug, PartialEq)]
struct Newest {
    /// `Kᵀ` of each head: `[heads, dim, dim / heads]`.
    keys: Vec<f32>,
    /// `[dim, dim]`.
    values: Vec<f32>,
    bias: Vec<f32>,
}

/// What an encoder writes while it works: made once, used for any number of requests.
pub struct Passage {
    /// In panels of positions, `[dim]` each: what goes through the layers, and three more of its kind.
    x: Vec<f32>,
    y: Vec<f32>,
    z: Vec<f32>,
    mixed: Vec<f32>,
    /// Keys and values; then what stands between the halves of the feed-forward layer.
    inner: Vec<f32>,
    /// Of one head: keys and values as matrices, scores and outputs of one panel.
    keys: Vec<f32>,
    values: Vec<f32>,
    scores: Vec<f32>,
    head: Vec<f32>,
}

impl Linear {
    fn new(of: &Pair, from: usize, outputs: usize, inputs: usize, factor: f32) -> Self {
        let mut weight = of.weight[from * inputs..(from + outputs) * inputs].to_vec();
        let mut bias = of.bias[from..from + outputs].to_vec();
        for x in weight.iter_mut().chain(&mut bias) {
            *x *= factor;
        }
        bias.resize(padded(outputs), 0.0);
        Linear { matrix: Matrix::new(&weight, outputs, inputs), bias }
    }

    /// # Shapes
    /// `x`, `base`, `out`: panels of `rows` vectors; `base` may be empty.
    fn apply(&self, x: &[f32], base: &[f32], relu: bool, rows: usize, out: &mut [f32]) {
        let (inputs, outputs) = (self.matrix.inputs() * rows, self.matrix.outputs() * rows);
        let around = Around { bias: &self.bias, base: base.get(..outputs).unwrap_or_default(), relu };
        linear(self.matrix.numbers(), self.matrix.inputs(), &x[..inputs], around, &mut out[..outputs]);
    }
}

impl Newest {
    fn new(attention: &Pair, dim: usize, heads: usize) -> Self {
        // Rows of queries come first, then those of keys, then those of values.
        let (rows, size) = (&attention.weight[dim * dim..], dim / heads);
        let mut keys = Vec::with_capacity(dim * dim);
        for head in 0..heads {
            for j in 0..dim {
                for row in head * size..(head + 1) * size {
                    keys.push(rows[row * dim + j]);
                }
            }
        }
        Newest { keys, values: rows[dim * dim..].to_vec(), bias: attention.bias[2 * dim..].to_vec() }
    }
}

impl Pair {
    /// Norms every vector as a layer of [`layer`](super::layer) does.
    ///
    /// # Shapes
    /// `x`, `out`: panels of `rows` vectors of `length` (padded) numbers, of which those of the norm count.
    #[cfg_attr(zhiji_phone, optimize(speed))]
    fn apply(&self, epsilon: f32, x: &[f32], length: usize, rows: usize, out: &mut [f32]) {
        let out = &mut out[..length * rows];
        out.copy_from_slice(&x[..length * rows]);
        for panel in out.chunks_mut(PANEL * length) {
            let quads = panel.as_chunks_mut::<4>().0;
            let step = quads.len() / length;
            for lane in 0..step {
                normalise(&mut quads[lane..], step, (&self.weight, &self.bias), epsilon);
            }
        }
    }
}

impl Sequence {
    /// An encoder of these weights.
    ///
    /// # Shapes
    /// `position`: `[items, dim]`; the norm behind the last layer: `[dim]`.
    ///
    /// # Errors
    /// [`BlockError`] of the parts `layers` (`Size`: none, more than 4, vectors of no or more than 128 numbers, no or more than 512 between), `heads`
    /// (`Range`: none, or they do not divide), `scale` and `epsilon` (`Range`), `position`, `weight`, `bias` (`Size`, `Shape`, `NotFinite`).
    pub fn new(
        shape: Shape,
        position: Vec<f32>,
        layers: Vec<LayerWeights>,
        norm: Option<Pair>,
    ) -> Result<Self, BlockError> {
        let Shape { dim, heads, inner, items, scale, epsilon, .. } = shape;
        let sizes = (1..=MOST_LAYERS).contains(&layers.len())
            && (1..=MOST_DIM).contains(&dim)
            && (1..=MOST_INNER).contains(&inner);
        if !sizes {
            return Err(BlockError::Size { part: "layers" });
        }
        if heads == 0 || !dim.is_multiple_of(heads) {
            return Err(BlockError::Range { part: "heads" });
        }
        if !scale.is_finite() {
            return Err(BlockError::Range { part: "scale" });
        }
        if !(1e-12..=1.0).contains(&epsilon) {
            return Err(BlockError::Range { part: "epsilon" });
        }
        if items == 0 || items > MOST_ITEMS {
            return Err(BlockError::Size { part: "position" });
        }
        if position.len() != items * dim {
            return Err(BlockError::Shape { part: "position" });
        }
        finite("position", &position)?;
        for layer in &layers {
            layer.attention.check(3 * dim * dim, 3 * dim)?;
            layer.out.check(dim * dim, dim)?;
            layer.first.check(inner * dim, inner)?;
            layer.second.check(dim * inner, dim)?;
            for norm in &layer.norms {
                norm.check(dim, dim)?;
            }
        }
        if let Some(norm) = &norm {
            norm.check(dim, dim)?;
        }
        let per_head = 1.0 / ((dim / heads) as f32).sqrt();
        let behind = layers.len() - 1;
        let newest = Newest::new(&layers[behind].attention, dim, heads);
        let mut made = Vec::with_capacity(layers.len());
        for (l, layer) in layers.into_iter().enumerate() {
            made.push(Layer {
                query: Linear::new(&layer.attention, 0, dim, dim, per_head),
                kept: Linear::new(&layer.attention, dim, if l < behind { 2 * dim } else { 0 }, dim, 1.0),
                out: Linear::new(&layer.out, 0, dim, dim, 1.0),
                first: Linear::new(&layer.first, 0, inner, dim, 1.0),
                second: Linear::new(&layer.second, 0, dim, inner, 1.0),
                norms: layer.norms,
            });
        }
        Ok(Sequence { shape, position, layers: made, newest, norm })
    }

    /// How it is put together.
    pub const fn shape(&self) -> Shape {
        self.shape
    }

    /// Room to work in.
    pub fn room(&self) -> Passage {
        let Shape { dim, heads, inner, items, .. } = self.shape;
        let (rows, length, head) = (padded(items), padded(dim), padded(dim / heads));
        let panels = |length: usize| vec![0.0; length * rows];
        Passage {
            x: panels(length),
            y: panels(length),
            z: panels(length),
            mixed: panels(length),
            inner: panels(padded(inner.max(2 * dim))),
            keys: panels(head),
            values: panels(head),
            scores: vec![0.0; PANEL * rows],
            head: vec![0.0; PANEL * head],
        }
    }

    /// Writes the user's vector; zeros where there is no item. Always finite. Once per request.
    ///
    /// # Shapes
    /// `vectors`: `[items, dim]`, the newest first; `out`: `[dim]`.
    pub fn score_user(&self, vectors: &[f32], at: &mut Passage, out: &mut [f32]) {
        let Shape { dim, items, from_oldest, scale, epsilon, .. } = self.shape;
        let count = (vectors.len() / dim).min(items);
        let (mut rows, length) = (padded(count), padded(dim));
        out.fill(0.0);
        if count == 0 {
            return;
        }
        at.x.fill(0.0);
        for age in 0..count {
            let r = count - 1 - age;
            let row = if from_oldest { r } else { age };
            let (vector, position) = (&vectors[age * dim..], &self.position[row * dim..][..dim]);
            for (j, (x, position)) in vector.iter().zip(position).enumerate() {
                at.x[linear::place(j, r, length, rows)] = x * scale + position;
            }
        }
        for (l, layer) in self.layers.iter().enumerate() {
            let (keys, last) = (rows, l + 1 == self.layers.len());
            // What keys and values are made of; what queries are made of, and what is added to their answers.
            if self.shape.norm != Norm::Post {
                layer.norms[0].apply(epsilon, &at.x, length, rows, &mut at.y);
            }
            let source = if self.shape.norm == Norm::Pre { &at.y } else { &at.x };
            if last {
                // Only the newest is asked for: it becomes a panel of its own.
                at.inner[..length * keys].copy_from_slice(&source[..length * keys]);
                rows = 4;
                alone(&mut at.x, count - 1, length, keys);
                alone(&mut at.y, count - 1, length, keys);
            } else {
                layer.kept.apply(source, &[], false, rows, &mut at.inner);
            }
            let (asks, stays) = match self.shape.norm {
                Norm::Pre => (&at.y, &at.x),
                Norm::Post => (&at.x, &at.x),
                Norm::Query => (&at.y, &at.y),
            };
            layer.query.apply(asks, &[], false, rows, &mut at.z);
            let head = Head { keys: &mut at.keys, values: &mut at.values, scores: &mut at.scores, head: &mut at.head };
            if last {
                self.ask(count, keys, (&at.z, &at.inner), head, &mut at.mixed);
            } else {
                self.attend(rows, (&at.z, &at.inner), head, &mut at.mixed);
            }
            layer.out.apply(&at.mixed, stays, false, rows, &mut at.z);
            let post = self.shape.norm == Norm::Post;
            layer.norms[usize::from(!post)].apply(epsilon, &at.z, length, rows, &mut at.y);
            layer.first.apply(&at.y, &[], true, rows, &mut at.inner);
            let stays = if self.shape.norm == Norm::Pre { &at.z } else { &at.y };
            layer.second.apply(&at.inner, stays, false, rows, &mut at.x);
            if post {
                layer.norms[1].apply(epsilon, &at.x, length, rows, &mut at.y);
                core::mem::swap(&mut at.x, &mut at.y);
            }
        }
        if let Some(norm) = &self.norm {
            norm.apply(epsilon, &at.x, length, rows, &mut at.y);
            core::mem::swap(&mut at.x, &mut at.y);
        }
        for (slot, lanes) in out.iter_mut().zip(at.x.as_chunks::<4>().0) {
            *slot = kernel::saturate(lanes[0]);
        }
    }

    /// Every head's answers to the query of the newest of `count` positions, `rows` when padded, which stands in a panel of its own as the answers
    /// do. `source`: panels of what keys and values would be made of.
    fn ask(&self, count: usize, rows: usize, (query, source): (&[f32], &[f32]), work: Head<'_>, out: &mut [f32]) {
        let Shape { dim, heads, .. } = self.shape;
        let (length, size) = (padded(dim), dim / heads);
        let (mut ask, mut seen) = ([0.0; MOST_DIM], [0.0; MOST_DIM]);
        let shares = &mut work.scores[..rows];
        for head in 0..heads {
            let span = head * size..(head + 1) * size;
            for (slot, lanes) in ask.iter_mut().zip(&query.as_chunks::<4>().0[span.clone()]) {
                *slot = lanes[0];
            }
            seen.fill(0.0);
            kernel::matvec(&self.newest.keys[head * size * dim..], size, &ask[..size], &mut seen[..dim]);
            shares.fill(0.0);
            add_weighted(&seen[..length], &source[..length * rows], shares);
            kernel::softmax(&mut shares[..count]);
            shares[count..].fill(0.0);
            weigh(source, length, shares, &mut seen);
            kernel::matvec(&self.newest.values[head * size * dim..], dim, &seen[..dim], &mut ask[..size]);
            for ((slot, answer), bias) in
                out.as_chunks_mut::<4>().0[span.clone()].iter_mut().zip(&ask).zip(&self.newest.bias[span])
            {
                *slot = [answer + bias, 0.0, 0.0, 0.0];
            }
        }
        out[4 * dim..4 * length].fill(0.0);
    }

    /// Every head's answers to the queries of `rows` positions (padded), over themselves.
    #[cfg_attr(zhiji_phone, optimize(speed))]
    fn attend(&self, rows: usize, (query, kept): (&[f32], &[f32]), work: Head<'_>, out: &mut [f32]) {
        let Shape { dim, heads, .. } = self.shape;
        let (length, kept_length, size) = (padded(dim), padded(2 * dim), dim / heads);
        let head_length = padded(size);
        if dim < length {
            out[..length * rows].fill(0.0);
        }
        for head in 0..heads {
            let from = head * size;
            pack_keys(kept, kept_length, from, size, rows, work.keys);
            pack_values(kept, kept_length, dim + from, size, rows, work.values);
            let panels =
                query[..length * rows].chunks(PANEL * length).zip(out[..length * rows].chunks_mut(PANEL * length));
            for (panel, (query, out)) in panels.enumerate() {
                let width = query.len() / length;
                let first = panel * PANEL;
                // No lane of the panel looks further than its last position.
                let seen = padded(first + width).min(rows);
                let scores = &mut work.scores[..seen * width];
                let asks = &query[from * width..(from + size) * width];
                linear(&work.keys[..seen * size], size, asks, Around::default(), scores);
                let inverse = causal_softmax(scores, width, first);
                let answers = &mut work.head[..head_length * width];
                for (group, answers) in
                    work.values[..head_length * rows].chunks(4 * rows).zip(answers.chunks_mut(4 * width))
                {
                    linear(&group[..4 * seen], seen, scores, Around::default(), answers);
                }
                let slots = &mut out[from * width..(from + size) * width];
                for (slots, answers) in slots.chunks_mut(width).zip(answers.chunks(width)) {
                    for ((slot, answer), inverse) in slots.iter_mut().zip(answers).zip(inverse) {
                        *slot = answer * inverse;
                    }
                }
            }
        }
    }
}

/// The room of one head.
struct Head<'a> {
    keys: &'a mut [f32],
    values: &'a mut [f32],
    scores: &'a mut [f32],
    head: &'a mut [f32],
}

/// Writes the weighted sum of the vectors, each number summed over the positions in the order of [`kernel::sum`].
///
/// # Shapes
/// `x`: panels of as many vectors as there are shares (padded), of `length` numbers; `out`: at least `[length]`.
#[inline(never)]
#[cfg_attr(zhiji_phone, optimize(speed))]
fn weigh(x: &[f32], length: usize, shares: &[f32], out: &mut [f32]) {
    let zero = Quad::splat(0.0);
    for (j, out) in out[..length].as_chunks_mut::<4>().0.iter_mut().enumerate() {
        let (mut a, mut b, mut c, mut d) = (zero, zero, zero, zero);
        for (panel, shares) in x.chunks(PANEL * length).zip(shares.chunks(PANEL)) {
            let (shares, panel) = (shares.as_chunks::<4>().0, panel.as_chunks::<4>().0);
            let width = shares.len();
            let [of_a, of_b, of_c, of_d] = [0, 1, 2, 3].map(|k| &panel[(4 * j + k) * width..][..width]);
            for (at, share) in shares.iter().enumerate() {
                let share = Quad::new(*share);
                a = a + share * Quad::new(of_a[at]);
                b = b + share * Quad::new(of_b[at]);
                c = c + share * Quad::new(of_c[at]);
                d = d + share * Quad::new(of_d[at]);
            }
        }
        *out = Quad::totals(a, b, c, d);
    }
}

/// Moves one vector to the front, as the first of a panel of four; the others there are zeros.
fn alone(panels: &mut [f32], row: usize, length: usize, rows: usize) {
    for j in 0..length {
        // Never behind what is read next: four lanes end before the eight or four of the next number begin, and the first panel is read first.
        let x = panels[linear::place(j, row, length, rows)];
        panels[4 * j..4 * j + 4].copy_from_slice(&[x, 0.0, 0.0, 0.0]);
    }
}

/// A head's keys as a matrix of `rows` outputs.
fn pack_keys(kept: &[f32], length: usize, from: usize, size: usize, rows: usize, out: &mut [f32]) {
    for (group, out) in out[..rows * size].chunks_mut(4 * size).enumerate() {
        for (d, four) in out.chunks_mut(4).enumerate() {
            let place = linear::place(from + d, 4 * group, length, rows);
            four.copy_from_slice(&kept[place..place + 4]);
        }
    }
}

/// A head's values as a matrix of `rows` inputs.
fn pack_values(kept: &[f32], length: usize, from: usize, size: usize, rows: usize, out: &mut [f32]) {
    for d in 0..size {
        let out = &mut out[(d - d % 4) * rows..];
        for b in (0..rows).step_by(4) {
            let place = linear::place(from + d, b, length, rows);
            for (lane, x) in kept[place..place + 4].iter().enumerate() {
                out[4 * (b + lane) + d % 4] = *x;
            }
        }
    }
}

/// Turns the scores of positions `0, 1, 2 …` into exponentials, lane by lane, and gives the inverses of their sums. The lane of position `a` sees
/// none behind `a`. The largest of a lane gives 1, and further than 87 below it is 0; shares are as exact as those of
/// [`softmax`](kernel::softmax).
///
/// # Shapes
/// `scores`: `[positions, width]`; lane `l` is of position `first + l`.
#[cfg_attr(zhiji_phone, optimize(speed))]
fn causal_softmax(scores: &mut [f32], width: usize, first: usize) -> [f32; PANEL] {
    for (b, row) in scores.chunks_mut(width).enumerate().skip(first) {
        for (lane, x) in row.iter_mut().enumerate() {
            if b > first + lane {
                *x = f32::MIN;
            }
        }
    }
    let mut inverse = [0.0; PANEL];
    let scores = scores.as_chunks_mut::<4>().0;
    let quads = width / 4;
    for (at, inverse) in inverse.as_chunks_mut::<4>().0.iter_mut().enumerate().take(quads) {
        let sums = kernel::exponentials(&mut scores[at..], quads);
        *inverse = (Quad::splat(1.0) / Quad::new(sums)).to_array();
    }
    inverse
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests;
