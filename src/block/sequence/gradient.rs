//! The gradient of the encoder, for trainers: forward with everything kept, and back.
//!
//! Written for singles and doubles alike, so that it is checked in doubles. It gives all positions, because each of them may be asked for what
//! came next; the last is what [`Sequence`](super::Sequence) gives.

use super::{Norm, Shape};
use crate::block::real::{Real, affine, affine_back, axpy, dot, softmax, softmax_back};
use alloc::string::String;
use alloc::vec::Vec;

/// Weight and bias.
pub type Affine<R> = [Vec<R>; 2];

/// The names of a layer's parts, as [`Parameters::layers`] has them, each followed by those of its weight and its bias.
const PARTS: [[&str; 2]; 6] = [
    ["self_attn.in_proj_weight", "self_attn.in_proj_bias"],
    ["self_attn.out_proj.weight", "self_attn.out_proj.bias"],
    ["linear1.weight", "linear1.bias"],
    ["linear2.weight", "linear2.bias"],
    ["norm1.weight", "norm1.bias"],
    ["norm2.weight", "norm2.bias"],
];

/// What is learnt, or its gradient.
///
/// # Shapes
/// Those of docs/bundle.md: `position` `[items, dim]`; of each layer the attention's input, its output, both halves of the feed-forward layer, and the two
/// norms; `norm` behind the last layer, where there is one.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameters<R> {
    /// `[items, dim]`.
    pub position: Vec<R>,
    /// In the order of the bundle's documentation.
    pub layers: Vec<[Affine<R>; 6]>,
    /// Behind the last layer.
    pub norm: Option<Affine<R>>,
}

impl<R: Real> Parameters<R> {
    /// Zeros of the same shapes: where a gradient is added up.
    pub fn zeros(&self) -> Self {
        let zeros = |of: &Affine<R>| of.each_ref().map(|of| vec![R::default(); of.len()]);
        Parameters {
            position: vec![R::default(); self.position.len()],
            layers: self.layers.iter().map(|layer| layer.each_ref().map(zeros)).collect(),
            norm: self.norm.as_ref().map(zeros),
        }
    }

    /// Every tensor by the name that it has in a bundle behind the block's.
    pub fn tensors_mut(&mut self) -> Vec<(String, &mut [R])> {
        let mut all: Vec<(String, &mut [R])> = vec![("position.weight".into(), &mut self.position)];
        for (l, layer) in self.layers.iter_mut().enumerate() {
            for (names, part) in PARTS.iter().zip(layer) {
                for (name, numbers) in names.iter().zip(part) {
                    all.push((alloc::format!("layers.{l}.{name}"), numbers));
                }
            }
        }
        for (name, numbers) in ["norm.weight", "norm.bias"].iter().zip(self.norm.iter_mut().flatten()) {
            all.push(((*name).into(), numbers));
        }
        all
    }
}

/// Where [`forward`] asks for a mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Masked {
    /// The vectors with their positions.
    Input,
    /// What the attention of a layer adds.
    Attention(usize),
    /// What the feed-forward half of a layer adds.
    Forward(usize),
}

/// What a pass forward keeps for the way back.
#[derive(Clone, Debug)]
pub struct Kept<R> {
    count: usize,
    mask: Vec<R>,
    layers: Vec<KeptLayer<R>>,
    last: Option<KeptNorm<R>>,
    /// What comes out: `[items, dim]`, the oldest first.
    pub out: Vec<R>,
}

#[derive(Clone, Debug, Default)]
struct KeptLayer<R> {
    /// What goes in, what is asked with, and what is read.
    asks: Vec<R>,
    read: Vec<R>,
    query: Vec<R>,
    /// Keys and values side by side: `[items, 2 · dim]`.
    kept: Vec<R>,
    /// By head and position, the shares of the positions up to it.
    shares: Vec<Vec<R>>,
    mixed: Vec<R>,
    masks: [Vec<R>; 2],
    /// What the feed-forward half reads, and what stands between its halves.
    fed: Vec<R>,
    inner: Vec<R>,
    norms: [KeptNorm<R>; 2],
}

#[derive(Clone, Debug, Default)]
struct KeptNorm<R> {
    /// Before weight and bias.
    plain: Vec<R>,
    /// By position, what it was multiplied with.
    inverse: Vec<R>,
}

fn norm<R: Real>([weight, bias]: &Affine<R>, epsilon: R, x: &[R]) -> (Vec<R>, KeptNorm<R>) {
    let count = R::of(weight.len() as f64);
    let (mut out, mut kept) = (Vec::new(), KeptNorm { plain: Vec::new(), inverse: Vec::new() });
    for x in x.chunks_exact(weight.len()) {
        let mut mean = R::default();
        x.iter().for_each(|x| mean += *x);
        mean = mean / count;
        let mut variance = R::default();
        x.iter().for_each(|x| variance += (*x - mean) * (*x - mean));
        let inverse = R::ONE / (variance / count + epsilon).sqrt();
        for ((x, weight), bias) in x.iter().zip(weight).zip(bias) {
            kept.plain.push((*x - mean) * inverse);
            out.push((*x - mean) * inverse * *weight + *bias);
        }
        kept.inverse.push(inverse);
    }
    (out, kept)
}

/// Adds the gradient of a norm to that of its weights, and gives that of its input.
fn norm_back<R: Real>([weight, _]: &Affine<R>, kept: &KeptNorm<R>, dy: &[R], into: &mut Affine<R>) -> Vec<R> {
    let count = R::of(weight.len() as f64);
    let mut dx = Vec::with_capacity(dy.len());
    let rows = dy.chunks_exact(weight.len()).zip(kept.plain.chunks_exact(weight.len())).zip(&kept.inverse);
    let [into_weight, into_bias] = into;
    for ((dy, plain), inverse) in rows {
        let scaled: Vec<R> = dy.iter().zip(weight).map(|(d, w)| *d * *w).collect();
        let mut mean = R::default();
        scaled.iter().for_each(|d| mean += *d);
        mean = mean / count;
        let along = dot(&scaled, plain) / count;
        dx.extend(scaled.iter().zip(plain).map(|(d, x)| *inverse * (*d - mean - *x * along)));
        for ((into, d), x) in into_weight.iter_mut().zip(dy).zip(plain) {
            *into += *d * *x;
        }
        axpy(R::ONE, dy, into_bias);
    }
    dx
}

fn sum<R: Real>(a: &[R], b: &[R]) -> Vec<R> {
    a.iter().zip(b).map(|(a, b)| *a + *b).collect()
}

fn product<R: Real>(a: &[R], b: &[R]) -> Vec<R> {
    a.iter().zip(b).map(|(a, b)| *a * *b).collect()
}

/// Computes every position and keeps what [`backward`] needs.
///
/// `mask` gets ones and may put others in their place: what is dropped becomes 0, and what stays is scaled. The same mask counts on the way back.
///
/// # Shapes
/// `vectors`: `[items, dim]`, the newest first; those beyond the positions are not read.
pub fn forward<R: Real>(
    shape: &Shape,
    of: &Parameters<R>,
    vectors: &[R],
    mask: &mut dyn FnMut(Masked, &mut [R]),
) -> Kept<R> {
    let (dim, count) = (shape.dim, (vectors.len() / shape.dim).min(shape.items));
    let (scale, epsilon) = (R::of(shape.scale.into()), R::of(shape.epsilon.into()));
    let mut masked = |at, length| {
        let mut ones = vec![R::ONE; length];
        mask(at, &mut ones);
        ones
    };
    let mut x = Vec::with_capacity(count * dim);
    for r in 0..count {
        let (age, place) = (count - 1 - r, if shape.from_oldest { r } else { count - 1 - r });
        let position = &of.position[place * dim..][..dim];
        x.extend(vectors[age * dim..][..dim].iter().zip(position).map(|(x, p)| *x * scale + *p));
    }
    let input = masked(Masked::Input, x.len());
    x = product(&x, &input);
    let mut kept = Kept { count, mask: input, layers: Vec::new(), last: None, out: Vec::new() };
    for (l, layer) in of.layers.iter().enumerate() {
        let mut at = KeptLayer::default();
        let [attention, out, first, second, norm1, norm2] = layer;
        (at.asks, at.read) = (x.clone(), x.clone());
        if shape.norm != Norm::Post {
            (at.asks, at.norms[0]) = norm(norm1, epsilon, &x);
        }
        if shape.norm == Norm::Pre {
            at.read.clone_from(&at.asks);
        }
        attend(shape, attention, &mut at);
        let added = affine(&out[0], &out[1], &at.mixed, dim);
        at.masks = [masked(Masked::Attention(l), added.len()), masked(Masked::Forward(l), added.len())];
        let stays = if shape.norm == Norm::Query { &at.asks } else { &x };
        let mut t = sum(stays, &product(&added, &at.masks[0]));
        match shape.norm {
            Norm::Pre => (at.fed, at.norms[1]) = norm(norm2, epsilon, &t),
            Norm::Post => {
                (t, at.norms[0]) = norm(norm1, epsilon, &t);
                at.fed.clone_from(&t);
            }
            Norm::Query => {
                (t, at.norms[1]) = norm(norm2, epsilon, &t);
                at.fed.clone_from(&t);
            }
        }
        at.inner = affine(&first[0], &first[1], &at.fed, dim);
        for x in &mut at.inner {
            if *x < R::default() {
                *x = R::default();
            }
        }
        let added = affine(&second[0], &second[1], &at.inner, shape.inner);
        x = sum(&t, &product(&added, &at.masks[1]));
        if shape.norm == Norm::Post {
            (x, at.norms[1]) = norm(norm2, epsilon, &x);
        }
        kept.layers.push(at);
    }
    if let Some(last) = &of.norm {
        let (y, last) = norm(last, epsilon, &x);
        (x, kept.last) = (y, Some(last));
    }
    kept.out = x;
    kept
}

/// Fills in queries, keys, values, shares and what they mix.
fn attend<R: Real>(shape: &Shape, [weight, bias]: &Affine<R>, at: &mut KeptLayer<R>) {
    let (dim, size) = (shape.dim, shape.dim / shape.heads);
    let (own, rest) = weight.split_at(dim * dim);
    let (own_bias, rest_bias) = bias.split_at(dim);
    at.query = affine(own, own_bias, &at.asks, dim);
    at.kept = affine(rest, rest_bias, &at.read, dim);
    at.mixed = vec![R::default(); at.query.len()];
    let root = R::of(size as f64).sqrt();
    for head in 0..shape.heads {
        let from = head * size;
        for (a, mixed) in at.mixed.chunks_exact_mut(dim).enumerate() {
            let query = &at.query[a * dim + from..][..size];
            let key = |b: usize| &at.kept[2 * b * dim + from..][..size];
            let mut shares: Vec<R> = (0..=a).map(|b| dot(query, key(b)) / root).collect();
            softmax(&mut shares);
            for (b, share) in shares.iter().enumerate() {
                axpy(*share, &at.kept[(2 * b + 1) * dim + from..][..size], &mut mixed[from..][..size]);
            }
            at.shares.push(shares);
        }
    }
}

/// Adds the gradient of what a layer's attention mixed to those of its weights, of what was asked with, and of what was read.
fn attend_back<R: Real>(
    shape: &Shape,
    weight: &[R],
    at: &KeptLayer<R>,
    d_mixed: &[R],
    [into_weight, into_bias]: &mut Affine<R>,
    d_asks: &mut [R],
    d_read: &mut [R],
) {
    let (dim, size) = (shape.dim, shape.dim / shape.heads);
    let count = d_mixed.len() / dim;
    let (mut d_query, mut d_kept) = (vec![R::default(); count * dim], vec![R::default(); 2 * count * dim]);
    let inverse = R::ONE / R::of(size as f64).sqrt();
    for head in 0..shape.heads {
        let from = head * size;
        for a in 0..count {
            let shares = &at.shares[head * count + a];
            let d_out = &d_mixed[a * dim + from..][..size];
            let mut d_scores = Vec::with_capacity(a + 1);
            for (b, share) in shares.iter().enumerate() {
                let value = (2 * b + 1) * dim + from;
                d_scores.push(dot(d_out, &at.kept[value..][..size]));
                axpy(*share, d_out, &mut d_kept[value..][..size]);
            }
            softmax_back(shares, &mut d_scores);
            for (b, d) in d_scores.iter().enumerate() {
                let (query, key) = (a * dim + from, 2 * b * dim + from);
                axpy(*d * inverse, &at.kept[key..][..size], &mut d_query[query..][..size]);
                axpy(*d * inverse, &at.query[query..][..size], &mut d_kept[key..][..size]);
            }
        }
    }
    let (own, rest) = weight.split_at(dim * dim);
    let (into_own, into_rest) = into_weight.split_at_mut(dim * dim);
    let (own_bias, rest_bias) = into_bias.split_at_mut(dim);
    affine_back((own, &at.asks, &d_query), dim, into_own, own_bias, d_asks);
    affine_back((rest, &at.read, &d_kept), dim, into_rest, rest_bias, d_read);
}

/// Adds the gradient of one pass to `into`, and to the gradient of its vectors.
///
/// # Shapes
/// `d_out`: `[items, dim]`, the oldest first, as [`Kept::out`]; `into_vectors`: as the vectors that went in, the newest first.
pub fn backward<R: Real>(
    shape: &Shape,
    of: &Parameters<R>,
    kept: &Kept<R>,
    d_out: &[R],
    into: &mut Parameters<R>,
    into_vectors: &mut [R],
) {
    let dim = shape.dim;
    let mut dx = d_out.to_vec();
    if let (Some(norm), Some(last), Some(into)) = (&of.norm, &kept.last, &mut into.norm) {
        dx = norm_back(norm, last, &dx, into);
    }
    for ((layer, at), into) in of.layers.iter().zip(&kept.layers).zip(&mut into.layers).rev() {
        let [attention, out, first, second, norm1, norm2] = layer;
        let [into_attention, into_out, into_first, into_second, into_norm1, into_norm2] = into;
        if shape.norm == Norm::Post {
            dx = norm_back(norm2, &at.norms[1], &dx, into_norm2);
        }
        // The feed-forward half.
        let added = product(&dx, &at.masks[1]);
        let mut d_inner = vec![R::default(); at.inner.len()];
        let [into_weight, into_bias] = into_second;
        affine_back((&second[0], &at.inner, &added), shape.inner, into_weight, into_bias, &mut d_inner);
        for (d, x) in d_inner.iter_mut().zip(&at.inner) {
            if *x <= R::default() {
                *d = R::default();
            }
        }
        let mut d_fed = vec![R::default(); dx.len()];
        let [into_weight, into_bias] = into_first;
        affine_back((&first[0], &at.fed, &d_inner), dim, into_weight, into_bias, &mut d_fed);
        let mut dt = match shape.norm {
            Norm::Pre => sum(&dx, &norm_back(norm2, &at.norms[1], &d_fed, into_norm2)),
            Norm::Post => norm_back(norm1, &at.norms[0], &sum(&dx, &d_fed), into_norm1),
            Norm::Query => norm_back(norm2, &at.norms[1], &sum(&dx, &d_fed), into_norm2),
        };
        // The attention half; `dt` is by what stays as well.
        let added = product(&dt, &at.masks[0]);
        let mut d_mixed = vec![R::default(); dt.len()];
        let [into_weight, into_bias] = into_out;
        affine_back((&out[0], &at.mixed, &added), dim, into_weight, into_bias, &mut d_mixed);
        let (mut d_asks, mut d_read) = (vec![R::default(); dt.len()], vec![R::default(); dt.len()]);
        attend_back(shape, &attention[0], at, &d_mixed, into_attention, &mut d_asks, &mut d_read);
        dx = match shape.norm {
            Norm::Pre => sum(&dt, &norm_back(norm1, &at.norms[0], &sum(&d_asks, &d_read), into_norm1)),
            Norm::Post => sum(&dt, &sum(&d_asks, &d_read)),
            Norm::Query => {
                axpy(R::ONE, &d_asks, &mut dt);
                sum(&d_read, &norm_back(norm1, &at.norms[0], &dt, into_norm1))
            }
        };
    }
    dx = product(&dx, &kept.mask);
    let scale = R::of(shape.scale.into());
    for (r, dx) in dx.chunks_exact(dim).enumerate() {
        let age = kept.count - 1 - r;
        let place = if shape.from_oldest { r } else { age };
        axpy(R::ONE, dx, &mut into.position[place * dim..][..dim]);
        axpy(scale, dx, &mut into_vectors[age * dim..][..dim]);
    }
}
