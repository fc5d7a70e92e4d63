//! Numbers that gradients are written in: singles to train in, doubles to check against finite differences in.

use super::matrix;
use crate::kernel::math;
use alloc::vec::Vec;
use core::ops::{Add, AddAssign, Div, Mul, Sub};

/// A number of either precision.
pub trait Real:
    Copy
    + PartialOrd
    + Default
    + AddAssign
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
{
    /// One.
    const ONE: Self;
    /// The nearest to a double.
    fn of(x: f64) -> Self;
    /// `eˣ`, as [`math`] has it.
    fn exp(self) -> Self;
    /// The square root.
    fn sqrt(self) -> Self;
}

impl Real for f32 {
    const ONE: Self = 1.0;
    fn of(x: f64) -> Self {
        x as f32
    }
    fn exp(self) -> Self {
        math::exp(self)
    }
    fn sqrt(self) -> Self {
        f32::sqrt(self)
    }
}

impl Real for f64 {
    const ONE: Self = 1.0;
    fn of(x: f64) -> Self {
        x
    }
    fn exp(self) -> Self {
        math::exp_f64(self)
    }
    fn sqrt(self) -> Self {
        f64::sqrt(self)
    }
}

/// `Σ a_i b_i` in four lanes, which compilers make a vector of.
#[inline(always)]
pub(super) fn dot<R: Real>(a: &[R], b: &[R]) -> R {
    let (fours, rest) = a.as_chunks::<4>();
    let (others, other_rest) = b.as_chunks::<4>();
    let mut lanes = [R::default(); 4];
    for (a, b) in fours.iter().zip(others) {
        for ((lane, a), b) in lanes.iter_mut().zip(a).zip(b) {
            *lane += *a * *b;
        }
    }
    for ((lane, a), b) in lanes.iter_mut().zip(rest).zip(other_rest) {
        *lane += *a * *b;
    }
    (lanes[0] + lanes[1]) + (lanes[2] + lanes[3])
}

/// `y ← y + alpha · x`.
#[inline(always)]
pub fn axpy<R: Real>(alpha: R, x: &[R], y: &mut [R]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y += alpha * *x;
    }
}

/// Writes `W x + b` of every row of `x`, or `W x` where there is no bias. `turned` is room for the weight's transpose.
///
/// # Shapes
/// `weight`: `[outputs, inputs]`; `bias`: `[outputs]` or none; `x`: `[rows, inputs]`; `y`: `[rows, outputs]`.
#[inline(always)]
pub(super) fn affine_into<R: Real>(
    (weight, bias): (&[R], &[R]),
    x: &[R],
    inputs: usize,
    turned: &mut Vec<R>,
    y: &mut Vec<R>,
) {
    let (outputs, rows) = (weight.len() / inputs, x.len() / inputs);
    matrix::transpose(weight, (outputs, inputs), turned);
    y.clear();
    for _ in 0..rows {
        y.extend_from_slice(bias);
    }
    y.resize(rows * outputs, R::default());
    matrix::add_product(x, turned, y, (rows, inputs, outputs));
}

/// The same, in new lists.
#[inline(always)]
pub(super) fn affine<R: Real>(weight: &[R], bias: &[R], x: &[R], inputs: usize) -> Vec<R> {
    let mut y = Vec::new();
    affine_into((weight, bias), x, inputs, &mut Vec::new(), &mut y);
    y
}

/// Adds the gradients of [`affine`] to those of its weight, its bias (where there is one) and its input.
///
/// # Shapes
/// `dy`: `[rows, outputs]`; the others as what they are gradients of.
#[inline(always)]
pub(super) fn affine_back<R: Real>(
    (weight, x, dy): (&[R], &[R], &[R]),
    inputs: usize,
    into_weight: &mut [R],
    into_bias: &mut [R],
    into_x: &mut [R],
) {
    let (outputs, rows) = (weight.len() / inputs, x.len() / inputs);
    matrix::add_transposed_product(dy, x, into_weight, (rows, outputs, inputs));
    matrix::add_product(dy, weight, into_x, (rows, outputs, inputs));
    for dy in dy.chunks_exact(outputs) {
        axpy(R::ONE, dy, into_bias);
    }
}

/// Turns numbers into their softmax.
#[inline(always)]
pub(super) fn softmax<R: Real>(x: &mut [R]) {
    let mut most = x.first().copied().unwrap_or_default();
    for x in x.iter() {
        if *x > most {
            most = *x;
        }
    }
    let mut total = R::default();
    for x in x.iter_mut() {
        *x = (*x - most).exp();
        total += *x;
    }
    for x in x {
        *x = *x / total;
    }
}

/// Turns a gradient by the shares of a softmax into one by its arguments: `p_i (d_i − Σ_j p_j d_j)`.
#[inline(always)]
pub(super) fn softmax_back<R: Real>(shares: &[R], d: &mut [R]) {
    let mean = dot(shares, d);
    for (d, share) in d.iter_mut().zip(shares) {
        *d = *share * (*d - mean);
    }
}
