//! The gradient of attention, for trainers: forward with everything kept, and back.
//!
//! The first layer's products are taken as when scoring, with one matrix of `dim` columns for each pair, and so are their gradients: with `E` the
//! product of what comes back to the sums and the history, and `e` what comes back summed over it,
//!
//! ```text
//! W_a: E,   W_b: e cᵀ,   W_c: E − e cᵀ,   W_d: E diag(c),   h_a: (W_a + W_c + W_d diag(c))ᵀ d_a,   c: (W_b − W_c)ᵀ e + Σ_o W_d[o] ∘ E[o]
//! ```
//!
//! so a pair costs three matrices of a quarter of the layer's columns. Written for singles and doubles alike, so that it is checked in doubles.

use crate::block::layer::Activation;
use crate::block::real::{Real, affine_back, affine_into, axpy, dot, softmax, softmax_back};
use alloc::vec::Vec;

/// One layer, or its gradient: weights in PyTorch's layout, a bias, and slopes for [`Activation::Prelu`].
///
/// # Shapes
/// `weight`: `[outputs, inputs]`; `bias`: `[outputs]` or none; `alpha`: `[outputs]`, `[1]` or none.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs, reason = "the shapes say it")]
pub struct Layer<R> {
    pub outputs: usize,
    pub weight: Vec<R>,
    pub bias: Vec<R>,
    pub alpha: Vec<R>,
}

impl<R: Real> Layer<R> {
    /// Zeros of the same shapes: where a gradient is added up.
    pub fn zeros(&self) -> Self {
        let zeros = |of: &[R]| vec![R::default(); of.len()];
        Layer { outputs: self.outputs, weight: zeros(&self.weight), bias: zeros(&self.bias), alpha: zeros(&self.alpha) }
    }

    fn inputs(&self) -> usize {
        self.weight.len() / self.outputs.max(1)
    }
}

/// How the weights are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Length of the vectors.
    pub dim: usize,
    /// Behind every layer but the last.
    pub activation: Activation,
    /// Whether the weights are made shares.
    pub softmax: bool,
}

/// What a pass forward keeps for the way back. Made once, used for any number of passes, which then allocate nothing.
#[derive(Clone, Debug, Default)]
pub struct Kept<R> {
    /// `W_a + W_c + W_d diag(c)`.
    mixed: Vec<R>,
    /// By hidden layer.
    hidden: Vec<Hidden<R>>,
    /// One for each item.
    weights: Vec<R>,
}

/// The sums of a layer, what its mask multiplies them with, and what activation and mask make of them: `[items, outputs]`.
#[derive(Clone, Debug, Default)]
struct Hidden<R> {
    sums: Vec<R>,
    mask: Vec<R>,
    activated: Vec<R>,
}

/// Room for what a pass forgets, forward and back. One serves any number of passes.
#[derive(Clone, Debug, Default)]
pub struct Room<R> {
    turned: Vec<R>,
    own: Vec<R>,
    slopes: Vec<R>,
    before: Vec<R>,
    mixed: Vec<R>,
}

/// Writes the weighted sum of the history and keeps what [`backward`] needs.
///
/// `mask` gets ones for the numbers of each hidden layer, and may put others in their place.
///
/// # Shapes
/// `history`: `[items, dim]`, those that are to be read; `candidate`, `out`: `[dim]`.
#[inline(always)]
pub fn forward<R: Real>(
    shape: Shape,
    layers: &[Layer<R>],
    (history, candidate): (&[R], &[R]),
    mask: &mut dyn FnMut(usize, &mut [R]),
    (kept, room): (&mut Kept<R>, &mut Room<R>),
    out: &mut [R],
) {
    let dim = shape.dim;
    out.fill(R::default());
    kept.mixed.clear();
    room.own.clear();
    let Some(first) = layers.first() else { return };
    // What depends on the candidate alone is one number for each sum, as a bias is.
    for (o, row) in first.weight.chunks_exact(4 * dim).enumerate() {
        let (mut part, bias) = (R::default(), first.bias.get(o).copied().unwrap_or_default());
        for (j, c) in candidate.iter().enumerate() {
            kept.mixed.push(row[j] + row[2 * dim + j] + row[3 * dim + j] * *c);
            part += (row[dim + j] - row[2 * dim + j]) * *c;
        }
        room.own.push(part + bias);
    }
    kept.hidden.resize(layers.len() - 1, Hidden::default());
    affine_into((&kept.mixed, &room.own), history, dim, &mut room.turned, &mut kept.weights);
    for (l, (now, next)) in kept.hidden.iter_mut().zip(&layers[1..]).enumerate() {
        core::mem::swap(&mut now.sums, &mut kept.weights);
        now.mask.clear();
        now.mask.resize(now.sums.len(), R::ONE);
        mask(l, &mut now.mask);
        now.activated.clear();
        for (at, (z, m)) in now.sums.iter().zip(&now.mask).enumerate() {
            now.activated.push(activate(shape.activation, slope(&layers[l].alpha, at % next.inputs()), *z).0 * *m);
        }
        let of = (&next.weight[..], &next.bias[..]);
        affine_into(of, &now.activated, next.inputs(), &mut room.turned, &mut kept.weights);
    }
    if shape.softmax {
        softmax(&mut kept.weights);
    }
    for (weight, h) in kept.weights.iter().zip(history.chunks_exact(dim)) {
        axpy(*weight, h, out);
    }
}

#[inline(always)]
fn slope<R: Real>(alpha: &[R], at: usize) -> R {
    alpha.get(if alpha.len() == 1 { 0 } else { at }).copied().unwrap_or_default()
}

/// What an activation gives, and its derivative.
#[inline(always)]
fn activate<R: Real>(activation: Activation, alpha: R, z: R) -> (R, R) {
    let below = z < R::default();
    match activation {
        Activation::None => (z, R::ONE),
        Activation::Relu if below => (R::default(), R::default()),
        Activation::Prelu if below => (alpha * z, alpha),
        Activation::Relu | Activation::Prelu => (z, R::ONE),
        Activation::Silu => {
            let gate = R::ONE / (R::ONE + (R::default() - z).exp());
            (z * gate, gate * (R::ONE + z * (R::ONE - gate)))
        }
    }
}

/// Adds the gradient of one pass to `into`, and to those of its history and its candidate.
///
/// # Shapes
/// `d_out`: `[dim]`; the others as what they are gradients of.
#[inline(always)]
pub fn backward<R: Real>(
    shape: Shape,
    layers: &[Layer<R>],
    (kept, room): (&Kept<R>, &mut Room<R>),
    (history, candidate, d_out): (&[R], &[R], &[R]),
    into: &mut [Layer<R>],
    (into_history, into_candidate): (&mut [R], &mut [R]),
) {
    let dim = shape.dim;
    room.slopes.clear();
    let rows = history.chunks_exact(dim).zip(into_history.chunks_exact_mut(dim));
    for (weight, (h, into)) in kept.weights.iter().zip(rows) {
        room.slopes.push(dot(h, d_out));
        axpy(*weight, d_out, into);
    }
    if shape.softmax {
        softmax_back(&kept.weights, &mut room.slopes);
    }
    for (l, hidden) in kept.hidden.iter().enumerate().rev() {
        let (next, into_next) = (&layers[l + 1], &mut into[l + 1]);
        let width = next.inputs();
        room.before.clear();
        room.before.resize(hidden.sums.len(), R::default());
        let of = (&next.weight[..], &hidden.activated[..], &room.slopes[..]);
        affine_back(of, width, &mut into_next.weight, &mut into_next.bias, &mut room.before);
        let (alpha, into_alpha) = (&layers[l].alpha, &mut into[l].alpha);
        for (at, ((d, z), m)) in room.before.iter_mut().zip(&hidden.sums).zip(&hidden.mask).enumerate() {
            *d = *d * *m;
            if shape.activation == Activation::Prelu && *z < R::default() {
                let place = if into_alpha.len() == 1 { 0 } else { at % width };
                if let Some(into) = into_alpha.get_mut(place) {
                    *into += *d * *z;
                }
            }
            *d = *d * activate(shape.activation, slope(alpha, at % width), *z).1;
        }
        core::mem::swap(&mut room.slopes, &mut room.before);
    }
    let (Some(first), Some(into)) = (layers.first(), into.first_mut()) else { return };
    room.mixed.clear();
    room.mixed.resize(kept.mixed.len(), R::default());
    room.own.clear();
    room.own.resize(first.outputs, R::default());
    affine_back((&kept.mixed, history, &room.slopes), dim, &mut room.mixed, &mut room.own, into_history);
    axpy(R::ONE, &room.own, &mut into.bias);
    let rows = first.weight.chunks_exact(4 * dim).zip(into.weight.chunks_exact_mut(4 * dim));
    for (((row, into), back), sum) in rows.zip(room.mixed.chunks_exact(dim)).zip(&room.own) {
        for (j, c) in candidate.iter().enumerate() {
            into[j] += back[j];
            into[dim + j] += *sum * *c;
            into[2 * dim + j] += back[j] - *sum * *c;
            into[3 * dim + j] += back[j] * *c;
            into_candidate[j] += *sum * (row[dim + j] - row[2 * dim + j]) + back[j] * row[3 * dim + j];
        }
    }
}
