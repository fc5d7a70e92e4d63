//! Four numbers in one of WebAssembly's 128-bit vectors, with the bits of [`scalar`](super::scalar).

use super::lanes::{Lanes, MAGIC, SQRT_HALF_BITS, sealed};
use core::arch::wasm32::*;
use core::ops::{Add, Div, Mul, Sub};

/// Four numbers in one vector register.
#[derive(Clone, Copy, Debug)]
pub struct Quad(pub(super) v128);

impl Quad {
    /// The four numbers as a quad.
    #[inline(always)]
    pub fn new(lanes: [f32; 4]) -> Self {
        // SAFETY: both are sixteen bytes of which every pattern is a value. Written lane by lane, a group is loaded by four
        // instructions instead of one.
        Quad(unsafe { core::mem::transmute::<[f32; 4], v128>(lanes) })
    }

    /// Four whole numbers, each rounded to the nearest single.
    #[inline(always)]
    pub fn of_whole(numbers: [i32; 4]) -> Self {
        // SAFETY: as in `new`.
        Quad(f32x4_convert_i32x4(unsafe { core::mem::transmute::<[i32; 4], v128>(numbers) }))
    }

    /// Whether any is at least `bar`.
    #[inline(always)]
    pub fn reaches(self, bar: f32) -> bool {
        v128_any_true(f32x4_ge(self.0, f32x4_splat(bar)))
    }

    /// The four numbers.
    #[inline(always)]
    pub fn to_array(self) -> [f32; 4] {
        // SAFETY: as in `new`.
        unsafe { core::mem::transmute::<v128, [f32; 4]>(self.0) }
    }

    /// The sums of the lanes of four quads, each `(lane 0 + lane 1) + (lane 2 + lane 3)`.
    #[inline(always)]
    pub fn totals(a: Self, b: Self, c: Self, d: Self) -> [f32; 4] {
        let even_odd = |a, b| f32x4_add(i32x4_shuffle::<0, 4, 2, 6>(a, b), i32x4_shuffle::<1, 5, 3, 7>(a, b));
        let (ab, cd) = (even_odd(a.0, b.0), even_odd(c.0, d.0));
        Quad(f32x4_add(i32x4_shuffle::<0, 1, 4, 5>(ab, cd), i32x4_shuffle::<2, 3, 6, 7>(ab, cd))).to_array()
    }
}

impl Add for Quad {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Quad(f32x4_add(self.0, other.0))
    }
}

impl Sub for Quad {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Quad(f32x4_sub(self.0, other.0))
    }
}

impl Mul for Quad {
    type Output = Self;
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        Quad(f32x4_mul(self.0, other.0))
    }
}

impl Div for Quad {
    type Output = Self;
    #[inline(always)]
    fn div(self, other: Self) -> Self {
        Quad(f32x4_div(self.0, other.0))
    }
}

impl sealed::Sealed for Quad {}

impl Lanes for Quad {
    #[inline(always)]
    fn splat(value: f32) -> Self {
        Quad(f32x4_splat(value))
    }

    #[inline(always)]
    fn abs(self) -> Self {
        Quad(f32x4_abs(self.0))
    }

    #[inline(always)]
    fn copy_sign(self, of: Self) -> Self {
        Quad(v128_bitselect(of.0, self.0, u32x4_splat(0x8000_0000)))
    }

    #[inline(always)]
    fn relu(self) -> Self {
        // Gives its first argument where that is no number, as a comparison does.
        Quad(f32x4_pmax(self.0, f32x4_splat(0.0)))
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        Quad(f32x4_sqrt(self.0))
    }

    #[inline(always)]
    fn if_less(left: Self, right: Self, yes: Self, no: Self) -> Self {
        Quad(v128_bitselect(yes.0, no.0, f32x4_lt(left.0, right.0)))
    }

    #[inline(always)]
    fn or_if_nan(self, neutral: Self) -> Self {
        Quad(v128_bitselect(self.0, neutral.0, f32x4_eq(self.0, self.0)))
    }

    #[inline(always)]
    fn scale(self, rounded: Self) -> Self {
        let n = i32x4_sub(rounded.0, f32x4_splat(MAGIC));
        let half = i32x4_shr(n, 1);
        let power = |n: v128| Quad(i32x4_shl(i32x4_add(n, i32x4_splat(127)), 23));
        self * power(half) * power(i32x4_sub(n, half))
    }

    #[inline(always)]
    fn split(self) -> (Self, Self) {
        let shifted = i32x4_sub(self.0, i32x4_splat(SQRT_HALF_BITS));
        let mantissa = i32x4_add(v128_and(shifted, i32x4_splat(0x007f_ffff)), i32x4_splat(SQRT_HALF_BITS));
        (Quad(mantissa), Quad(f32x4_convert_i32x4(i32x4_shr(shifted, 23))))
    }
}
