//! What an elementary function needs of a number or of four numbers at once.

use core::ops::{Add, Div, Mul, Sub};

/// `1.5 · 2²³`: a small float added to it loses its fraction, rounded to even, and its integer stays in the low bits. So
/// rounding needs no conversion instruction, whose out-of-range results differ between machines.
pub(super) const MAGIC: f32 = 12_582_912.0;
/// Bits of `√½`: subtracted from the bits of a number they leave its exponent, counted for a mantissa in `[√½, √2)`.
pub(super) const SQRT_HALF_BITS: i32 = 0x3f35_04f3;

/// The operations that [`math`](super::math) is written in, for one `f32` and for four.
///
/// The functions are generic over this trait, so that the scalar and the four-lane forms cannot drift apart.
pub trait Lanes:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self> + sealed::Sealed
{
    /// The same number in every lane.
    fn splat(value: f32) -> Self;
    /// Without the sign bit.
    fn abs(self) -> Self;
    /// With the sign bit of `of`.
    fn copy_sign(self, of: Self) -> Self;
    /// 0 for what is below 0.
    fn relu(self) -> Self;
    /// The square root, rounded to nearest as IEEE 754 has it; not a number below 0.
    fn sqrt(self) -> Self;
    /// `yes` where `left < right`, else `no` (so `no` where one is not a number).
    fn if_less(left: Self, right: Self, yes: Self, no: Self) -> Self;
    /// The number itself, or `neutral` where it is not one.
    fn or_if_nan(self, neutral: Self) -> Self;
    /// `self · 2ⁿ` for `rounded = n + MAGIC`, `−252 ≤ n ≤ 254`, in two exact steps.
    fn scale(self, rounded: Self) -> Self;
    /// Mantissa in `[√½, √2)` and exponent of a positive normal number.
    fn split(self) -> (Self, Self);
}

pub(super) mod sealed {
    /// Keeps the set of number types closed: their equality of bits is tested here.
    pub trait Sealed {}
}

impl sealed::Sealed for f32 {}

impl Lanes for f32 {
    #[inline(always)]
    fn splat(value: f32) -> Self {
        value
    }

    #[inline(always)]
    fn abs(self) -> Self {
        f32::from_bits(self.to_bits() & 0x7fff_ffff)
    }

    #[inline(always)]
    fn copy_sign(self, of: Self) -> Self {
        f32::from_bits((self.to_bits() & 0x7fff_ffff) | (of.to_bits() & 0x8000_0000))
    }

    #[inline(always)]
    fn relu(self) -> Self {
        // As integers: a choice between floats is a branch, and the sign of a sum cannot be foretold.
        f32::from_bits(self.to_bits() & u32::from(self < 0.0).wrapping_sub(1))
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        f32::sqrt(self)
    }

    #[inline(always)]
    fn if_less(left: Self, right: Self, yes: Self, no: Self) -> Self {
        if left < right { yes } else { no }
    }

    #[inline(always)]
    fn or_if_nan(self, neutral: Self) -> Self {
        if self.is_nan() { neutral } else { self }
    }

    #[inline(always)]
    fn scale(self, rounded: Self) -> Self {
        let n = (rounded.to_bits() as i32).wrapping_sub(MAGIC.to_bits() as i32);
        let half = n >> 1;
        let power = |n: i32| f32::from_bits((n.wrapping_add(127) as u32) << 23);
        self * power(half) * power(n.wrapping_sub(half))
    }

    #[inline(always)]
    fn split(self) -> (Self, Self) {
        let shifted = (self.to_bits() as i32).wrapping_sub(SQRT_HALF_BITS);
        let mantissa = (shifted & 0x007f_ffff).wrapping_add(SQRT_HALF_BITS);
        (f32::from_bits(mantissa as u32), (shifted >> 23) as f32)
    }
}
