//! Rows of signed bytes with one scale each: a quarter of the traffic of singles, and sums that are exact.
//!
//! A row `q` of scale `s` stands for the numbers `s · q_j`. Sums of its products with a vector of 16-bit integers are exact in 32 bits up to
//! [`MOST_DIM`] dimensions, whatever their order, so that each machine may use the widest instruction it has.

use super::Quad;
use super::lanes::MAGIC;

/// The most dimensions: `512 · 128 · 32,767 < 2³¹`.
pub const MOST_DIM: usize = 512;

/// A row in groups of sixteen.
pub type Row<'a> = &'a [[i8; 16]];

/// Sixteen signed bytes as four quads of singles, each exact.
#[inline(always)]
pub fn widen(bytes: &[i8; 16]) -> (Quad, Quad, Quad, Quad) {
    forms::widen(bytes)
}

/// `Σ row_j · x_j` of four rows at once, exact up to [`MOST_DIM`] dimensions; beyond, it wraps.
///
/// # Shapes
/// All of one length, in groups of sixteen; of several the shortest counts.
#[inline(always)]
pub fn dot_four(rows: (Row<'_>, Row<'_>, Row<'_>, Row<'_>), x: &[[i16; 16]]) -> [i32; 4] {
    forms::dot_four(rows, x)
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
    quantise_to(vector, 32_767, out)
}

/// Rounds a vector to whole numbers of at most `most` and returns its scale, as [`quantise_words`] does for 32,767. What `out` has beyond
/// becomes 0.
///
/// # Shapes
/// `out` at least as long as `vector`.
pub fn quantise_to(vector: &[f32], most: i32, out: &mut [i16]) -> f32 {
    let (scale, inverse) = scale(vector, most as f32);
    out.fill(0);
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
    use super::{Quad, Row};

    #[inline(always)]
    pub fn widen(bytes: &[i8; 16]) -> (Quad, Quad, Quad, Quad) {
        let byte = |at: usize| f32::from(bytes[at]);
        let quad = |at: usize| Quad::new([byte(at), byte(at + 1), byte(at + 2), byte(at + 3)]);
        (quad(0), quad(4), quad(8), quad(12))
    }

    #[inline(never)]
    #[cfg_attr(zhiji_phone, optimize(speed))]
    pub fn dot_four((a, b, c, d): (Row<'_>, Row<'_>, Row<'_>, Row<'_>), x: &[[i16; 16]]) -> [i32; 4] {
        fn fours<T>(of: &[[T; 16]]) -> &[[T; 4]] {
            of.as_flattened().as_chunks::<4>().0
        }
        let (mut sum_a, mut sum_b, mut sum_c, mut sum_d) = (0i32, 0i32, 0i32, 0i32);
        for ((((x, a), b), c), d) in fours(x).iter().zip(fours(a)).zip(fours(b)).zip(fours(c)).zip(fours(d)) {
            let part = |row: &[i8; 4], at: usize| i32::from(row[at]) * i32::from(x[at]);
            let add = |sum: i32, row: &[i8; 4]| {
                let (left, right) = (part(row, 0) + part(row, 1), part(row, 2) + part(row, 3));
                sum.wrapping_add(left + right)
            };
            (sum_a, sum_b, sum_c, sum_d) = (add(sum_a, a), add(sum_b, b), add(sum_c, c), add(sum_d, d));
        }
        [sum_a, sum_b, sum_c, sum_d]
    }
}

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod forms {
    use super::{Quad, Row};
    use core::arch::wasm32::*;

    #[inline(always)]
    pub fn widen(bytes: &[i8; 16]) -> (Quad, Quad, Quad, Quad) {
        // SAFETY: both are sixteen bytes of which every pattern is a value.
        let bytes = unsafe { core::mem::transmute::<[i8; 16], v128>(*bytes) };
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
    pub fn dot_four((a, b, c, d): (Row<'_>, Row<'_>, Row<'_>, Row<'_>), x: &[[i16; 16]]) -> [i32; 4] {
        let zero = i32x4_splat(0);
        let (mut sum_a, mut sum_b, mut sum_c, mut sum_d) = (zero, zero, zero, zero);
        for ((((x, a), b), c), d) in x.iter().zip(a).zip(b).zip(c).zip(d) {
            // SAFETY: both are as many bytes of which every pattern is a value.
            let [low, high] = unsafe { core::mem::transmute::<[i16; 16], [v128; 2]>(*x) };
            let add = |sum, row: &[i8; 16]| {
                // SAFETY: of the sixteen bytes eight are read from the first, and eight from the ninth.
                let (left, right) =
                    unsafe { (i16x8_load_extend_i8x8(row.as_ptr()), i16x8_load_extend_i8x8(row.as_ptr().add(8))) };
                i32x4_add(sum, i32x4_add(i32x4_dot_i16x8(left, low), i32x4_dot_i16x8(right, high)))
            };
            (sum_a, sum_b, sum_c, sum_d) = (add(sum_a, a), add(sum_b, b), add(sum_c, c), add(sum_d, d));
        }
        let even_odd = |a, b| i32x4_add(i32x4_shuffle::<0, 4, 2, 6>(a, b), i32x4_shuffle::<1, 5, 3, 7>(a, b));
        let (ab, cd) = (even_odd(sum_a, sum_b), even_odd(sum_c, sum_d));
        let all = i32x4_add(i32x4_shuffle::<0, 1, 4, 5>(ab, cd), i32x4_shuffle::<2, 3, 6, 7>(ab, cd));
        // SAFETY: as in `widen`.
        unsafe { core::mem::transmute::<v128, [i32; 4]>(all) }
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn sums_are_exact(groups in 0usize..33, seed in any::<u32>()) {
            let word = |i: usize| (i as u32).wrapping_add(seed).wrapping_mul(2_654_435_761) >> 8;
            let row = |r: usize| (0..groups).map(|g| core::array::from_fn(|l| word(r * 512 + g * 16 + l) as i8)).collect::<Vec<[i8; 16]>>();
            let x: Vec<[i16; 16]> = (0..groups).map(|g| core::array::from_fn(|l| word(9_999 + g * 16 + l) as i16)).collect();
            let rows = [row(0), row(1), row(2), row(3)];
            let exact = rows.each_ref().map(|row| {
                let pairs = row.as_flattened().iter().zip(x.as_flattened());
                pairs.map(|(q, x)| i64::from(*q) * i64::from(*x)).sum::<i64>()
            });
            prop_assert_eq!(dot_four((&rows[0], &rows[1], &rows[2], &rows[3]), &x).map(i64::from), exact);
        }

        #[test]
        fn quantised_numbers_are_within_half_a_scale(numbers in prop::collection::vec(-1e4f32..1e4, 0..40), bits in any::<u32>()) {
            let mut numbers = numbers;
            numbers.extend([f32::NAN, f32::INFINITY, 0.0]);
            let wild = f32::from_bits(bits);
            numbers.push(if wild.abs() < 1e4 { wild } else { 1.0 });
            let (mut bytes, mut words) = (vec![0i8; numbers.len()], vec![0i16; numbers.len()]);
            let (scale, fine) = (quantise(&numbers, &mut bytes), quantise_words(&numbers, &mut words));
            for ((x, q), w) in numbers.iter().zip(&bytes).zip(&words) {
                let x = if x.is_finite() { *x } else { 0.0 };
                prop_assert!((f64::from(x) - f64::from(scale) * f64::from(*q)).abs() <= 0.501 * f64::from(scale) + 1e-30);
                prop_assert!((f64::from(x) - f64::from(fine) * f64::from(*w)).abs() <= 0.51 * f64::from(fine) + 1e-30);
                prop_assert!(*q >= -127 && *w >= -32_767);
            }
        }

        #[test]
        fn bytes_widen_in_their_order(bytes in prop::array::uniform16(any::<i8>())) {
            let (a, b, c, d) = widen(&bytes);
            let quads = [a, b, c, d].map(Quad::to_array);
            prop_assert_eq!(quads.as_flattened(), &bytes.map(f32::from)[..]);
        }
    }

    #[test]
    fn the_largest_sum_does_not_wrap() {
        let (row, x) = (vec![[-128i8; 16]; MOST_DIM / 16], vec![[32_767i16; 16]; MOST_DIM / 16]);
        let exact = -128 * 32_767 * MOST_DIM as i64;
        assert_eq!(dot_four((&row, &row, &row, &row), &x).map(i64::from), [exact; 4]);
    }

    #[test]
    fn numbers_too_small_or_too_large_have_a_scale() {
        let mut bytes = [9; 2];
        assert_eq!((quantise(&[1e-31, -1e-38], &mut bytes), bytes), (0.0, [0, 0]));
        let scale = quantise(&[f32::MAX, f32::MIN], &mut bytes);
        assert!(scale.is_finite() && bytes == [127, -127]);
    }
}
