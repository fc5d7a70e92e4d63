//! The reference kernels: four accumulators in plain `f32`.

use super::lanes::{Lanes, sealed};
use core::ops::{Add, Div, Mul, Sub};

/// Four numbers that go through the same operations.
#[derive(Clone, Copy, Debug)]
pub struct Quad([f32; 4]);

impl Quad {
    /// The four numbers as a quad.
    #[inline(always)]
    pub fn new(lanes: [f32; 4]) -> Self {
        Quad(lanes)
    }

    /// Whether any is at least `bar`.
    #[inline(always)]
    pub fn reaches(self, bar: f32) -> bool {
        let [a, b, c, d] = self.0;
        a >= bar || b >= bar || c >= bar || d >= bar
    }

    /// The four numbers.
    #[inline(always)]
    pub fn to_array(self) -> [f32; 4] {
        self.0
    }

    /// The sums of the lanes of four quads, each `(lane 0 + lane 1) + (lane 2 + lane 3)`.
    #[inline(always)]
    pub fn totals(a: Self, b: Self, c: Self, d: Self) -> [f32; 4] {
        let total = |Quad(of): Quad| (of[0] + of[1]) + (of[2] + of[3]);
        [total(a), total(b), total(c), total(d)]
    }

    #[inline(always)]
    fn each(self, other: Self, f: impl Fn(f32, f32) -> f32) -> Self {
        let (a, b) = (self.0, other.0);
        Quad([f(a[0], b[0]), f(a[1], b[1]), f(a[2], b[2]), f(a[3], b[3])])
    }
}

impl Add for Quad {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.each(other, |a, b| a + b)
    }
}

impl Sub for Quad {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.each(other, |a, b| a - b)
    }
}

impl Mul for Quad {
    type Output = Self;
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        self.each(other, |a, b| a * b)
    }
}

impl Div for Quad {
    type Output = Self;
    #[inline(always)]
    fn div(self, other: Self) -> Self {
        self.each(other, |a, b| a / b)
    }
}

impl sealed::Sealed for Quad {}

impl Lanes for Quad {
    #[inline(always)]
    fn splat(value: f32) -> Self {
        // Not `[value; 4]`, which is a loop where size counts.
        Quad([value, value, value, value])
    }

    #[inline(always)]
    fn abs(self) -> Self {
        Quad(self.0.map(Lanes::abs))
    }

    #[inline(always)]
    fn copy_sign(self, of: Self) -> Self {
        self.each(of, Lanes::copy_sign)
    }

    #[inline(always)]
    fn relu(self) -> Self {
        self.each(self, |x, _| x.relu())
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        self.each(self, |x, _| x.sqrt())
    }

    #[inline(always)]
    fn if_less(left: Self, right: Self, yes: Self, no: Self) -> Self {
        let mut out = no.0;
        for (l, slot) in out.iter_mut().enumerate() {
            *slot = Lanes::if_less(left.0[l], right.0[l], yes.0[l], *slot);
        }
        Quad(out)
    }

    #[inline(always)]
    fn or_if_nan(self, neutral: Self) -> Self {
        self.each(neutral, Lanes::or_if_nan)
    }

    #[inline(always)]
    fn scale(self, rounded: Self) -> Self {
        self.each(rounded, Lanes::scale)
    }

    #[inline(always)]
    fn split(self) -> (Self, Self) {
        let halves = self.0.map(Lanes::split);
        (Quad(halves.map(|(m, _)| m)), Quad(halves.map(|(_, e)| e)))
    }
}

/// The inner product of two vectors in the order of [`kernel`](super).
///
/// # Shapes
/// Both of one length; of two lengths the shorter counts.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let n = a.len().min(b.len());
    let (a, b) = (&a[..n], &b[..n]);
    let mut lanes = [0.0f32; 4];
    let (heads, tail) = a.as_chunks::<4>();
    let (others, other_tail) = b.as_chunks::<4>();
    for (x, y) in heads.iter().zip(others) {
        for l in 0..4 {
            lanes[l] += x[l] * y[l];
        }
    }
    for (l, (x, y)) in tail.iter().zip(other_tail).enumerate() {
        lanes[l] += x * y;
    }
    (lanes[0] + lanes[1]) + (lanes[2] + lanes[3])
}

/// `Σ weight · ((x − mean) · inverse)` in the order of [`kernel`](super): the linear form over standardised features.
///
/// Each term is rounded as written, so [`sum`] over the terms has the same bits.
///
/// # Shapes
/// All four of one length; of several the shortest counts.
pub fn dot_standardised(x: &[f32], mean: &[f32], inverse: &[f32], weight: &[f32]) -> f32 {
    let mut lanes = [0.0f32; 4];
    let terms = x.iter().zip(mean).zip(inverse).zip(weight);
    for (i, (((x, mean), inverse), weight)) in terms.enumerate() {
        lanes[i % 4] += weight * ((x - mean) * inverse);
    }
    (lanes[0] + lanes[1]) + (lanes[2] + lanes[3])
}

/// The sum of a vector in the order of [`kernel`](super).
pub fn sum(a: &[f32]) -> f32 {
    let mut lanes = [0.0f32; 4];
    let (heads, tail) = a.as_chunks::<4>();
    for x in heads {
        for l in 0..4 {
            lanes[l] += x[l];
        }
    }
    for (l, x) in tail.iter().enumerate() {
        lanes[l] += x;
    }
    (lanes[0] + lanes[1]) + (lanes[2] + lanes[3])
}

/// `y ← y + alpha · x`, a product and then a sum, each rounded.
///
/// # Shapes
/// Both of one length; of two lengths the shorter counts.
pub fn axpy(alpha: f32, x: &[f32], y: &mut [f32]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y += alpha * x;
    }
}
