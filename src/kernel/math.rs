//! Elementary functions with the same bits on every platform.
//!
//! Platform libraries round `exp`, `ln` and `tanh` differently, so these are our own: argument reduction in two constants,
//! then a short series, sums and products each rounded, no table and no fused multiply-add. The `f32` functions are written
//! once over [`Lanes`]; `exp`, `ln` … take one number, `exp_x4`, `ln_x4` … take four, with equal bits in each lane.
//!
//! They are total and never give NaN. **NaN in is read as the neutral argument** (0, and 1 for the logarithms), infinities and
//! overflow saturate at the ends that each function names. The error bounds are held by dense sweeps in the tests.
//!
//! # Source
//! Cody & Waite, "Software Manual for the Elementary Functions", 1980, chapters 5 and 6 (reduction in two constants);
//! the series are those of Taylor, of `artanh`, and Lambert's continued fraction of `tanh`.

use super::Quad;
pub use super::lanes::Lanes;
use super::lanes::MAGIC;

/// The least argument that [`exp`] does not send to 0; its exponential is still a normal number.
pub const EXP_MIN: f32 = -87.0;
/// The largest argument that [`exp`] does not saturate: beyond it the result stays at `exp(88.7)`, about 3.3 · 10³⁸.
pub const EXP_MAX: f32 = 88.7;
/// [`logit`] keeps probabilities at this distance from 0 and 1.
pub const LOGIT_MARGIN: f32 = 1.0 / 16_777_216.0;

const LOG2_E: f32 = core::f32::consts::LOG2_E;
/// High part of ln 2: nine bits, so that its products with exponents are exact.
const LN2_HIGH: f32 = 355.0 / 512.0;
/// What [`LN2_HIGH`] is too much.
const LN2_LOW: f32 = -2.121_944_4e-4;

macro_rules! forms {
    ($($(#[$doc:meta])* $name:ident, $four:ident, $generic:ident;)*) => {$(
        $(#[$doc])*
        #[inline]
        pub fn $name(x: f32) -> f32 {
            $generic(x)
        }

        #[doc = concat!("[`", stringify!($name), "`] of four numbers at once, with the same bits in each lane.")]
        #[inline]
        pub fn $four(x: [f32; 4]) -> [f32; 4] {
            // Without vector instructions four lanes would be four times the code, and no faster than four calls.
            if cfg!(all(target_arch = "wasm32", not(target_feature = "simd128"))) {
                x.map($name)
            } else {
                $generic(Quad::new(x)).to_array()
            }
        }
    )*};
}

forms! {
    /// `eˣ`, relative error below 2⁻²³.
    ///
    /// 0 for `x <` [`EXP_MIN`], so that no result is subnormal; constant from [`EXP_MAX`] on; `exp(NaN) = 1`.
    exp, exp_x4, exp_lanes;
    /// `ln x`, relative error below 2⁻²².
    ///
    /// Arguments below the least positive normal number, 0 and negative ones included, give its logarithm, −87.336…;
    /// `+∞` gives that of the largest number, 88.722…; `ln(NaN) = 0`.
    ln, ln_x4, ln_lanes;
    /// The logistic function `1 / (1 + e⁻ˣ)`, relative error below 2⁻²² on both sides.
    ///
    /// 0 for `x <` [`EXP_MIN`]; `sigmoid(NaN) = ½`.
    sigmoid, sigmoid_x4, sigmoid_lanes;
    /// The hyperbolic tangent, relative error below 2⁻²²; odd, to the bit; ±1 from ±10 on; `tanh(NaN) = 0`.
    tanh, tanh_x4, tanh_lanes;
    /// `x / (1 + e⁻ˣ)`, the activation SiLU; relative error below 2⁻²¹.
    ///
    /// 0 for `x <` [`EXP_MIN`], `x` itself for large `x`, finite for `+∞`; `silu(NaN) = 0`.
    silu, silu_x4, silu_lanes;
    /// `ln(1 + eˣ)`, the logistic loss of a wrong answer with margin `x`; relative error below 2⁻²¹.
    ///
    /// 0 for `x <` [`EXP_MIN`], `x` itself for large `x`, finite for `+∞`; `softplus(NaN) = ln 2`.
    softplus, softplus_x4, softplus_lanes;
    /// `ln(p / (1 − p))`, absolute error below 2⁻¹⁹, one unit in the last place of 16.
    ///
    /// Probabilities are first brought into `[2⁻²⁴, 1 − 2⁻²⁴]` ([`LOGIT_MARGIN`]), so the result stays within ±16.7;
    /// `logit(NaN) = 0`.
    logit, logit_x4, logit_lanes;
}

/// The larger of two numbers that are both numbers.
#[inline(always)]
fn max<L: Lanes>(a: L, b: L) -> L {
    L::if_less(a, b, b, a)
}

/// The smaller of two numbers that are both numbers.
#[inline(always)]
fn min<L: Lanes>(a: L, b: L) -> L {
    L::if_less(b, a, b, a)
}

/// `c[0] + c[1]·x + c[2]·x² + …` by Horner's rule, the highest power first.
#[inline(always)]
fn series<L: Lanes>(x: L, coefficients: &[f32]) -> L {
    let [rest @ .., last] = coefficients else { return L::splat(0.0) };
    let mut sum = L::splat(*last);
    for &c in rest.iter().rev() {
        sum = sum * x + L::splat(c);
    }
    sum
}

#[inline(always)]
fn exp_lanes<L: Lanes>(x: L) -> L {
    let x = x.or_if_nan(L::splat(0.0));
    let inside = min(max(x, L::splat(EXP_MIN)), L::splat(EXP_MAX));
    let rounded = inside * L::splat(LOG2_E) + L::splat(MAGIC);
    let n = rounded - L::splat(MAGIC);
    // |r| ≤ ½ ln 2, where the eighth power of the series is below a tenth of the last bit.
    let r = inside - n * L::splat(LN2_HIGH) - n * L::splat(LN2_LOW);
    let tail = series(r, &[0.5, 1.0 / 6.0, 1.0 / 24.0, 1.0 / 120.0, 1.0 / 720.0, 1.0 / 5040.0]);
    let power = (r * r * tail + r) + L::splat(1.0);
    L::if_less(x, L::splat(EXP_MIN), L::splat(0.0), power.scale(rounded))
}

#[inline(always)]
fn ln_lanes<L: Lanes>(x: L) -> L {
    let x = x.or_if_nan(L::splat(1.0));
    let (m, e) = min(max(x, L::splat(f32::MIN_POSITIVE)), L::splat(f32::MAX)).split();
    // ln m = 2 artanh s = 2s + s·tail with s = f / (2 + f), and 2s = f − s·f: so the leading term f is exact.
    let f = m - L::splat(1.0);
    let s = f / (L::splat(2.0) + f);
    let z = s * s;
    let tail = z * series(z, &[2.0 / 3.0, 2.0 / 5.0, 2.0 / 7.0, 2.0 / 9.0]);
    let low = e * L::splat(LN2_LOW) - s * (f - tail);
    e * L::splat(LN2_HIGH) + (f + low)
}

#[inline(always)]
fn sigmoid_lanes<L: Lanes>(x: L) -> L {
    let x = x.or_if_nan(L::splat(0.0));
    // e ≤ 1 on both sides: neither form cancels, neither overflows.
    let e = exp_lanes(L::splat(0.0) - x.abs());
    L::if_less(x, L::splat(0.0), e, L::splat(1.0)) / (L::splat(1.0) + e)
}

#[inline(always)]
fn silu_lanes<L: Lanes>(x: L) -> L {
    let x = min(max(x.or_if_nan(L::splat(0.0)), L::splat(f32::MIN)), L::splat(f32::MAX));
    x * sigmoid_lanes(x)
}

#[inline(always)]
fn tanh_lanes<L: Lanes>(x: L) -> L {
    let x = x.or_if_nan(L::splat(0.0));
    let a = x.abs();
    // Near 0 Lambert's fraction, cut after the ninth denominator; elsewhere by the exponential, where nothing cancels.
    let near = min(a, L::splat(0.625));
    let z = near * near;
    let small = near * series(z, &[945.0, 105.0, 1.0]) / series(z, &[945.0, 420.0, 15.0]);
    let far = min(a, L::splat(10.0));
    let large = L::splat(1.0) - L::splat(2.0) / (exp_lanes(far + far) + L::splat(1.0));
    L::if_less(a, L::splat(0.625), small, large).copy_sign(x)
}

#[inline(always)]
fn softplus_lanes<L: Lanes>(x: L) -> L {
    let x = x.or_if_nan(L::splat(0.0));
    let e = exp_lanes(L::splat(0.0) - x.abs());
    // u − 1 is exact, so the second term gives back what rounding 1 + e took away.
    let u = L::splat(1.0) + e;
    let ln_1p = ln_lanes(u) + (e - (u - L::splat(1.0))) / u;
    min(max(x, L::splat(0.0)), L::splat(f32::MAX)) + ln_1p
}

#[inline(always)]
fn logit_lanes<L: Lanes>(p: L) -> L {
    let p = p.or_if_nan(L::splat(0.5));
    let p = min(max(p, L::splat(LOGIT_MARGIN)), L::splat(1.0 - LOGIT_MARGIN));
    ln_lanes(p / (L::splat(1.0) - p))
}

const MAGIC_F64: f64 = 6_755_399_441_055_744.0;
const LN2_HIGH_F64: f64 = f64::from_bits(0x3fe6_2e42_fee0_0000);
const LN2_LOW_F64: f64 = f64::from_bits(0x3dea_39ef_3579_3c76);

/// Taylor coefficients `1/2!, 1/3! … 1/13!` of the exponential, in two interleaved series.
const EXP_EVEN: [f64; 6] = [1.0 / 2.0, 1.0 / 24.0, 1.0 / 720.0, 1.0 / 40_320.0, 1.0 / 3_628_800.0, 1.0 / 479_001_600.0];
const EXP_ODD: [f64; 6] =
    [1.0 / 6.0, 1.0 / 120.0, 1.0 / 5_040.0, 1.0 / 362_880.0, 1.0 / 39_916_800.0, 1.0 / 6_227_020_800.0];

fn series_f64(x: f64, coefficients: &[f64]) -> f64 {
    coefficients.iter().rev().fold(0.0, |sum, &c| sum * x + c)
}

/// `e^(high + low) · 2ⁿ` for `|high + low| ≤ ½ ln 2` and `n` in the low bits of `rounded = n + MAGIC`.
#[cfg_attr(zhiji_phone, optimize(speed))]
fn exp_reduced(high: f64, low: f64, rounded: f64) -> f64 {
    let r = high + low;
    let lost = low - (r - high);
    let z = r * r;
    let tail = z * (series_f64(z, &EXP_EVEN) + r * series_f64(z, &EXP_ODD));
    let power = 1.0 + (r + (tail + lost));
    let n = (rounded.to_bits() as i64).wrapping_sub(MAGIC_F64.to_bits() as i64);
    let half = n >> 1;
    let scale = |n: i64| f64::from_bits((n.wrapping_add(1023) as u64) << 52);
    power * scale(half) * scale(n.wrapping_sub(half))
}

/// `eˣ` in double precision, error below 1 ulp.
///
/// 0 for `x < −708`, so that no result is subnormal; constant from 709 on, about 8.2 · 10³⁰⁷; `exp_f64(NaN) = 1`.
pub fn exp_f64(x: f64) -> f64 {
    if x.is_nan() {
        return 1.0;
    }
    if x < -708.0 {
        return 0.0;
    }
    let x = if x > 709.0 { 709.0 } else { x };
    let rounded = x * core::f64::consts::LOG2_E + MAGIC_F64;
    let n = rounded - MAGIC_F64;
    exp_reduced(x - n * LN2_HIGH_F64, -n * LN2_LOW_F64, rounded)
}

/// `2ˣ` in double precision, error below 1 ulp; exact for integers. The decay of the counters.
///
/// 0 for `x < −1022`, so that no result is subnormal; constant from 1023 on; `exp2_f64(NaN) = 1`.
#[cfg_attr(zhiji_phone, optimize(speed))]
pub fn exp2_f64(x: f64) -> f64 {
    if x.is_nan() {
        return 1.0;
    }
    if x < -1022.0 {
        return 0.0;
    }
    let x = if x > 1023.0 { 1023.0 } else { x };
    let rounded = x + MAGIC_F64;
    let f = x - (rounded - MAGIC_F64);
    // f · ln 2 in two parts: the 21 upper bits of f times the 32 bits of the high constant are exact.
    let upper = f64::from_bits(f.to_bits() & 0xffff_ffff_0000_0000);
    let high = upper * LN2_HIGH_F64;
    exp_reduced(high, (f - upper) * LN2_HIGH_F64 + f * LN2_LOW_F64, rounded)
}

/// `ln x` in double precision, error below 1 ulp. Log-losses and odds.
///
/// Arguments below the least positive normal number, 0 and negative ones included, give its logarithm, −708.396…;
/// `+∞` gives that of the largest number, 709.78…; `ln_f64(NaN) = 0`.
#[cfg_attr(zhiji_phone, optimize(speed))]
pub fn ln_f64(x: f64) -> f64 {
    if x.is_nan() {
        return 0.0;
    }
    let x = if x < f64::MIN_POSITIVE { f64::MIN_POSITIVE } else { x };
    let x = if x > f64::MAX { f64::MAX } else { x };
    const SQRT_HALF_BITS: i64 = 0x3fe6_a09e_667f_3bcd;
    let shifted = (x.to_bits() as i64).wrapping_sub(SQRT_HALF_BITS);
    let m = f64::from_bits((shifted & 0x000f_ffff_ffff_ffff).wrapping_add(SQRT_HALF_BITS) as u64);
    // The exponent fits in 32 bits, and only that conversion is one instruction everywhere.
    let e = f64::from((shifted >> 52) as i32);
    let f = m - 1.0;
    let s = f / (2.0 + f);
    let z = s * s;
    const ARTANH: [f64; 10] = [
        2.0 / 3.0,
        2.0 / 5.0,
        2.0 / 7.0,
        2.0 / 9.0,
        2.0 / 11.0,
        2.0 / 13.0,
        2.0 / 15.0,
        2.0 / 17.0,
        2.0 / 19.0,
        2.0 / 21.0,
    ];
    let tail = z * series_f64(z, &ARTANH);
    // As in the single-precision form, with ½f² taken out so that the correction stays small.
    let half = 0.5 * f * f;
    let low = s * (half + tail) + e * LN2_LOW_F64;
    e * LN2_HIGH_F64 - ((half - low) - f)
}

/// The logistic function in double precision, `1 / (1 + e⁻ˣ)`, error below 4 ulp; 0 for `x < −708`, `sigmoid_f64(NaN) = ½`.
pub fn sigmoid_f64(x: f64) -> f64 {
    if x < 0.0 {
        let e = exp_f64(x);
        e / (1.0 + e)
    } else {
        1.0 / (1.0 + exp_f64(-x))
    }
}

/// `ln(1 + eˣ)` in double precision: the logistic loss from a logit, error below 4 ulp.
///
/// 0 for `x < −708`; `softplus_f64(NaN) = ln 2`.
pub fn softplus_f64(x: f64) -> f64 {
    let x = if x.is_nan() { 0.0 } else { x };
    let x = if x > f64::MAX { f64::MAX } else { x };
    let above = if x > 0.0 { x } else { 0.0 };
    let e = exp_f64(if x > 0.0 { -x } else { x });
    let u = 1.0 + e;
    above + (ln_f64(u) + (e - (u - 1.0)) / u)
}
