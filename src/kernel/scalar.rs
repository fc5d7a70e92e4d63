//! Four numbers in plain `f32`.

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

    /// Four whole numbers, each rounded to the nearest single.
    #[inline(always)]
    pub fn of_whole(numbers: [i32; 4]) -> Self {
        let [a, b, c, d] = numbers;
        Quad([a as f32, b as f32, c as f32, d as f32])
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
