//! Sums of vectors and of their products, in the order of [`kernel`](super).

use super::Quad;
use super::lanes::Lanes as _;

/// Adds the last, incomplete group into its lanes and closes the sum.
#[inline(always)]
pub(super) fn close(lanes: Quad, tail: impl Iterator<Item = f32>) -> f32 {
    let mut lanes = lanes.to_array();
    for (slot, x) in lanes.iter_mut().zip(tail) {
        *slot += x;
    }
    (lanes[0] + lanes[1]) + (lanes[2] + lanes[3])
}

/// The inner product of two vectors in the order of [`kernel`](super).
///
/// # Shapes
/// Both of one length; of two lengths the shorter counts.
#[cfg_attr(zhiji_phone, optimize(speed))]
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let n = a.len().min(b.len());
    let (heads, tail) = a[..n].as_chunks::<4>();
    let (others, other_tail) = b[..n].as_chunks::<4>();
    let mut lanes = Quad::splat(0.0);
    for (x, y) in heads.iter().zip(others) {
        lanes = lanes + Quad::new(*x) * Quad::new(*y);
    }
    close(lanes, tail.iter().zip(other_tail).map(|(x, y)| x * y))
}

/// `Σ weight · ((x − mean) · inverse)` in the order of [`kernel`](super): the linear form over standardised features.
///
/// Each term is rounded as written, so [`sum`] over the terms has the same bits.
///
/// # Shapes
/// All four of one length; of several the shortest counts.
#[cfg_attr(zhiji_phone, optimize(speed))]
pub fn dot_standardised(x: &[f32], mean: &[f32], inverse: &[f32], weight: &[f32]) -> f32 {
    let n = x.len().min(mean.len()).min(inverse.len()).min(weight.len());
    let (xs, x_tail) = x[..n].as_chunks::<4>();
    let (means, mean_tail) = mean[..n].as_chunks::<4>();
    let (inverses, inverse_tail) = inverse[..n].as_chunks::<4>();
    let (weights, weight_tail) = weight[..n].as_chunks::<4>();
    let mut lanes = Quad::splat(0.0);
    for (((x, mean), inverse), weight) in xs.iter().zip(means).zip(inverses).zip(weights) {
        lanes = lanes + Quad::new(*weight) * ((Quad::new(*x) - Quad::new(*mean)) * Quad::new(*inverse));
    }
    let tail = x_tail.iter().zip(mean_tail).zip(inverse_tail).zip(weight_tail);
    close(lanes, tail.map(|(((x, mean), inverse), weight)| weight * ((x - mean) * inverse)))
}

/// The sum of a vector in the order of [`kernel`](super).
pub fn sum(a: &[f32]) -> f32 {
    let (heads, tail) = a.as_chunks::<4>();
    let mut lanes = Quad::splat(0.0);
    for x in heads {
        lanes = lanes + Quad::new(*x);
    }
    close(lanes, tail.iter().copied())
}

/// `y ← y + alpha · x`, a product and then a sum, each rounded.
///
/// # Shapes
/// Both of one length; of two lengths the shorter counts.
pub fn axpy(alpha: f32, x: &[f32], y: &mut [f32]) {
    let n = x.len().min(y.len());
    let (heads, tail) = y[..n].as_chunks_mut::<4>();
    let (others, other_tail) = x[..n].as_chunks::<4>();
    let alphas = Quad::splat(alpha);
    for (y, x) in heads.iter_mut().zip(others) {
        *y = (Quad::new(*y) + alphas * Quad::new(*x)).to_array();
    }
    for (y, x) in tail.iter_mut().zip(other_tail) {
        *y += alpha * x;
    }
}
