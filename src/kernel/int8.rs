//! Rows of signed bytes with one scale each: a quarter of the traffic of singles, and sums that are exact.
//!
//! A row `q` of scale `s` stands for the numbers `s · q_j`. Sums of its products with a vector of 16-bit integers are exact in 32 bits up to
//! [`MOST_DIM`] dimensions, whatever their order, so that each machine may use the widest instruction it has.

use super::Quad;
use super::lanes::MAGIC;

/// The most dimensions: `512 · 128 · 32,767 < 2³¹`.
pub const MOST_DIM: usize = 512;

/// Sixteen signed bytes, the lowest of each word first, as four quads of singles, each exact.
#[inline(always)]
pub fn widen(bytes: [u32; 4]) -> (Quad, Quad, Quad, Quad) {
    forms::widen(bytes)
}

/// `Σ row_j · x_j`, exact up to [`MOST_DIM`] dimensions; beyond, it wraps.
///
/// # Shapes
/// Both of one length; of two lengths the shorter counts.
#[inline]
pub fn dot(row: &[i8], x: &[i16]) -> i32 {
    let n = row.len().min(x.len());
    let (rows, row_tail) = row[..n].as_chunks::<16>();
    let (xs, x_tail) = x[..n].as_chunks::<16>();
    let mut sum = forms::dot(rows, xs);
    for (q, x) in row_tail.iter().zip(x_tail) {
        sum = sum.wrapping_add(i32::from(*q) * i32::from(*x));
    }
    sum
}

/// Rounds a row to signed bytes of at most 127 and returns its scale: each is within half a scale of its number.
///
/// Numbers that are not finite count as 0. A row of zeros, or of numbers below 10⁻³⁰, becomes zeros with scale 0.
///
/// # Shapes
/// Both of one length; of two lengths the shorter counts.
pub fn quantise(row: &[f32], out: &mut [i8]) -> f32 {
    let (scale, inverse) = scale(row, 127.0);
    for (slot, x) in out.iter_mut().zip(row) {
        *slot = round(*x, inverse) as i8;
    }
    scale
}

/// Rounds a vector to signed words of at most 32,767 and returns its scale, as [`quantise`] does to bytes.
///
/// # Shapes
/// Both of one length; of two lengths the shorter counts.
pub fn quantise_words(vector: &[f32], out: &mut [i16]) -> f32 {
    let (scale, inverse) = scale(vector, 32_767.0);
    for (slot, x) in out.iter_mut().zip(vector) {
        *slot = round(*x, inverse) as i16;
    }
    scale
}

/// The scale at which the largest number becomes `most`, and what to multiply with.
fn scale(numbers: &[f32], most: f32) -> (f32, f32) {
    let mut largest = 0.0f32;
    for x in numbers {
        let size = x.abs();
        if size > largest && size.is_finite() {
            largest = size;
        }
    }
    if largest < 1e-30 { (0.0, 0.0) } else { (largest / most, most / largest) }
}

/// `x · inverse` to the nearest integer, ties to even. `|x · inverse|` is at most a rounding above 32,767.
fn round(x: f32, inverse: f32) -> i32 {
    if !x.is_finite() {
        return 0;
    }
    ((x * inverse + MAGIC).to_bits() as i32).wrapping_sub(MAGIC.to_bits() as i32)
}

#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
mod forms {
    use super::Quad;

    #[inline(always)]
    pub fn widen(bytes: [u32; 4]) -> (Quad, Quad, Quad, Quad) {
        let byte = |word: u32, shift: u32| ((word << shift) as i32 >> 24) as f32;
        let quad = |word: u32| Quad::new([byte(word, 24), byte(word, 16), byte(word, 8), byte(word, 0)]);
        (quad(bytes[0]), quad(bytes[1]), quad(bytes[2]), quad(bytes[3]))
    }

    #[inline(always)]
    pub fn dot(rows: &[[i8; 16]], xs: &[[i16; 16]]) -> i32 {
        let mut sum = 0i32;
        for (row, x) in rows.iter().zip(xs) {
            for l in 0..16 {
                sum = sum.wrapping_add(i32::from(row[l]) * i32::from(x[l]));
            }
        }
        sum
    }
}

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod forms {
    use super::Quad;
    use core::arch::wasm32::*;

    #[inline(always)]
    pub fn widen(bytes: [u32; 4]) -> (Quad, Quad, Quad, Quad) {
        // SAFETY: both are sixteen bytes of which every pattern is a value.
        let bytes = unsafe { core::mem::transmute::<[u32; 4], v128>(bytes) };
        let (low, high) = (i16x8_extend_low_i8x16(bytes), i16x8_extend_high_i8x16(bytes));
        let quad = |integers| Quad(f32x4_convert_i32x4(integers));
        (
            quad(i32x4_extend_low_i16x8(low)),
            quad(i32x4_extend_high_i16x8(low)),
            quad(i32x4_extend_low_i16x8(high)),
            quad(i32x4_extend_high_i16x8(high)),
        )
    }

    #[inline(always)]
    pub fn dot(rows: &[[i8; 16]], xs: &[[i16; 16]]) -> i32 {
        let mut sum = i32x4_splat(0);
        for (row, x) in rows.iter().zip(xs) {
            let (lower, upper) = x.split_at(8);
            // SAFETY: sixteen bytes are read from a reference to sixteen, twice eight words from one to eight each; no alignment is
            // asked for.
            let (row, lower, upper) = unsafe {
                (v128_load(row.as_ptr().cast()), v128_load(lower.as_ptr().cast()), v128_load(upper.as_ptr().cast()))
            };
            sum = i32x4_add(sum, i32x4_dot_i16x8(i16x8_extend_low_i8x16(row), lower));
            sum = i32x4_add(sum, i32x4_dot_i16x8(i16x8_extend_high_i8x16(row), upper));
        }
        i32x4_extract_lane::<0>(sum)
            .wrapping_add(i32x4_extract_lane::<1>(sum))
            .wrapping_add(i32x4_extract_lane::<2>(sum))
            .wrapping_add(i32x4_extract_lane::<3>(sum))
    }
}
