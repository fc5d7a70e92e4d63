//! Many vectors through one matrix, in integers of 16 bits: twice the products of singles in an instruction, and sums that are exact.
//!
//! Numbers stand in *pairs*, two of them in 32 bits, the first one in the low half. Vectors are filled up to a multiple of four numbers. Panels and groups
//! are those of [`linear`](super::linear), with a pair in the place of a number.

use super::lanes::Lanes as _;
use super::linear::{Around, PANEL, padded};
use super::{Quad, int8};
use alloc::vec;
use alloc::vec::Vec;
use forms::Sums;

/// Two numbers of 16 bits as a pair.
#[inline(always)]
pub const fn pair(first: i16, second: i16) -> i32 {
    (first as u16 as u32 | (second as u16 as u32) << 16) as i32
}

/// The largest number that vectors of this length may hold, if those that they are multiplied with are at most 32,767: no sum wraps.
pub const fn most(length: usize) -> i32 {
    let most = i32::MAX / 32_767 / if length < 2 { 2 } else { length as i32 };
    if most > 32_767 { 32_767 } else { most }
}

/// Packs a matrix in the order in which [`linear_words`] reads it, and gives the scale that all its numbers have: they are rounded to
/// 16 bits of the largest.
///
/// # Shapes
/// `weight`: `[outputs, inputs]`, row by row, with `stride` numbers from one row to the next; the result: `[outputs / 4, inputs / 2, 4]`
/// pairs, both padded.
pub fn pack(weight: &[f32], stride: usize, outputs: usize, inputs: usize) -> (Vec<i32>, f32) {
    let (groups, pairs) = (outputs.div_ceil(4), padded(inputs) / 2);
    let mut numbers = vec![0.0; groups * pairs * 8];
    for o in 0..outputs {
        for j in 0..inputs {
            numbers[(o / 4 * pairs + j / 2) * 8 + o % 4 * 2 + j % 2] =
                weight.get(o * stride + j).copied().unwrap_or(0.0);
        }
    }
    let mut words = vec![0; numbers.len()];
    let scale = int8::quantise_words(&numbers, &mut words);
    (words.as_chunks::<2>().0.iter().map(|[a, b]| pair(*a, *b)).collect(), scale)
}

/// Multiplies each row of a matrix with a vector, element by element: `out[o][j] = (matrix[o][j] · by[j] + 2¹⁴) / 2¹⁵`, rounded down.
///
/// # Shapes
/// `matrix`, `out`: `[outputs / 4, pairs, 4]`; `by`: `[pairs]`, numbers of at most 32,767.
#[cfg_attr(zhiji_phone, optimize(speed))]
pub fn scale_columns(matrix: &[i32], by: &[i32], out: &mut [i32]) {
    let (matrix, out) = (matrix.as_chunks::<4>().0, out.as_chunks_mut::<4>().0);
    for (matrix, out) in matrix.chunks(by.len().max(1)).zip(out.chunks_mut(by.len().max(1))) {
        for ((out, matrix), by) in out.iter_mut().zip(matrix).zip(by) {
            *out = forms::scaled(*matrix, *by);
        }
    }
}

/// [`linear`](super::linear::linear) of integers: `out[o] = (base[o] + bias[o]) + scale · Σ_j matrix[o][j] · x[j]` for every vector, which has a
/// scale of its own. The sum is exact.
///
/// # Shapes
/// `matrix`: `[outputs / 4, pairs, 4]`; `x`: panels of vectors of so many pairs, as many vectors as `scale` has numbers (padded).
#[cfg_attr(zhiji_phone, optimize(speed))]
pub fn linear_words(matrix: &[i32], pairs: usize, x: &[i32], scale: &[f32], around: Around<'_>, out: &mut [f32]) {
    let group = 4 * pairs.max(1);
    let outputs = matrix.len() / group * 4;
    let (biases, _) = around.bias.as_chunks::<4>();
    for (g, weights) in matrix.chunks_exact(group).enumerate() {
        let weights = weights.as_chunks::<4>().0;
        let bias = biases.get(g).copied().unwrap_or_default();
        let panels = x.chunks(PANEL * pairs.max(1)).zip(scale.chunks(PANEL));
        for (p, (x, scale)) in panels.enumerate() {
            let (from, width) = (p * PANEL * outputs + g * 4 * scale.len(), scale.len());
            let span = from..from + 4 * width;
            let Some(out) = out.get_mut(span.clone()) else { return };
            let base = around.base.get(span).unwrap_or_default();
            if width == PANEL {
                tile::eight(weights, x, scale, bias, base, around.relu, out);
            } else {
                tile::four(weights, x, scale, bias, base, around.relu, out);
            }
        }
    }
}

/// As in [`linear`](super::linear), written out.
#[cfg(not(all(target_arch = "wasm32", not(target_feature = "simd128"))))]
mod tile {
    use super::{Sums, finish};

    #[inline(always)]
    pub fn eight(
        weights: &[[i32; 4]],
        x: &[i32],
        scale: &[f32],
        bias: [f32; 4],
        base: &[f32],
        relu: bool,
        out: &mut [f32],
    ) {
        let zero = Sums::zero();
        let (mut a0, mut a1, mut b0, mut b1, mut c0, mut c1, mut d0, mut d1) =
            (zero, zero, zero, zero, zero, zero, zero, zero);
        for (w, x) in weights.iter().zip(x.as_chunks::<4>().0.as_chunks::<2>().0) {
            let [left, right] = x;
            (a0, a1) = (a0.plus(w[0], left), a1.plus(w[0], right));
            (b0, b1) = (b0.plus(w[1], left), b1.plus(w[1], right));
            (c0, c1) = (c0.plus(w[2], left), c1.plus(w[2], right));
            (d0, d1) = (d0.plus(w[3], left), d1.plus(w[3], right));
        }
        let ([s0, s1], base) = (scale.as_chunks::<4>().0, base.as_chunks::<4>().0) else { return };
        let [o0, o1, o2, o3, o4, o5, o6, o7] = out.as_chunks_mut::<4>().0 else { return };
        (*o0, *o1) = (finish(a0, s0, bias[0], base.first(), relu), finish(a1, s1, bias[0], base.get(1), relu));
        (*o2, *o3) = (finish(b0, s0, bias[1], base.get(2), relu), finish(b1, s1, bias[1], base.get(3), relu));
        (*o4, *o5) = (finish(c0, s0, bias[2], base.get(4), relu), finish(c1, s1, bias[2], base.get(5), relu));
        (*o6, *o7) = (finish(d0, s0, bias[3], base.get(6), relu), finish(d1, s1, bias[3], base.get(7), relu));
    }

    #[inline(always)]
    pub fn four(
        weights: &[[i32; 4]],
        x: &[i32],
        scale: &[f32],
        bias: [f32; 4],
        base: &[f32],
        relu: bool,
        out: &mut [f32],
    ) {
        let zero = Sums::zero();
        let (mut a, mut b, mut c, mut d) = (zero, zero, zero, zero);
        for (w, x) in weights.iter().zip(x.as_chunks::<4>().0) {
            (a, b, c, d) = (a.plus(w[0], x), b.plus(w[1], x), c.plus(w[2], x), d.plus(w[3], x));
        }
        let ([scale], base) = (scale.as_chunks::<4>().0, base.as_chunks::<4>().0) else { return };
        let [o0, o1, o2, o3] = out.as_chunks_mut::<4>().0 else { return };
        (*o0, *o1) = (finish(a, scale, bias[0], base.first(), relu), finish(b, scale, bias[1], base.get(1), relu));
        (*o2, *o3) = (finish(c, scale, bias[2], base.get(2), relu), finish(d, scale, bias[3], base.get(3), relu));
    }
}

#[cfg(all(target_arch = "wasm32", not(target_feature = "simd128")))]
mod tile {
    use super::{Sums, finish};

    pub fn eight(
        weights: &[[i32; 4]],
        x: &[i32],
        scale: &[f32],
        bias: [f32; 4],
        base: &[f32],
        relu: bool,
        out: &mut [f32],
    ) {
        any(weights, x, scale, bias, base, relu, out);
    }

    pub fn four(
        weights: &[[i32; 4]],
        x: &[i32],
        scale: &[f32],
        bias: [f32; 4],
        base: &[f32],
        relu: bool,
        out: &mut [f32],
    ) {
        any(weights, x, scale, bias, base, relu, out);
    }

    #[inline(never)]
    #[cfg_attr(zhiji_phone, optimize(speed))]
    fn any(weights: &[[i32; 4]], x: &[i32], scale: &[f32], bias: [f32; 4], base: &[f32], relu: bool, out: &mut [f32]) {
        let (x, scale, base) = (x.as_chunks::<4>().0, scale.as_chunks::<4>().0, base.as_chunks::<4>().0);
        for (at, out) in out.as_chunks_mut::<4>().0.iter_mut().enumerate() {
            let (o, half) = (at / scale.len(), at % scale.len());
            let mut sums = Sums::zero();
            for (w, x) in weights.iter().zip(x.iter().skip(half).step_by(scale.len())) {
                sums = sums.plus(w[o & 3], x);
            }
            *out = finish(sums, &scale[half], bias[o & 3], base.get(at), relu);
        }
    }
}

#[inline(always)]
fn finish(sums: Sums, scale: &[f32; 4], bias: f32, base: Option<&[f32; 4]>, relu: bool) -> [f32; 4] {
    let from = base.map_or(Quad::splat(bias), |base| Quad::splat(bias) + Quad::new(*base));
    let sum = from + sums.to_quad() * Quad::new(*scale);
    if relu { sum.relu().to_array() } else { sum.to_array() }
}

#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
mod forms {
    use super::{Quad, pair};

    /// Both numbers of a pair.
    #[inline(always)]
    fn halves(pair: i32) -> [i32; 2] {
        [(pair << 16) >> 16, pair >> 16]
    }

    #[inline(always)]
    pub fn scaled(matrix: [i32; 4], by: i32) -> [i32; 4] {
        let by = halves(by);
        matrix.map(|numbers| {
            let numbers = halves(numbers);
            let round = |at: usize| ((numbers[at] * by[at] + 0x4000) >> 15) as i16;
            pair(round(0), round(1))
        })
    }

    /// Four sums.
    #[derive(Clone, Copy)]
    pub struct Sums([i32; 4]);

    impl Sums {
        #[inline(always)]
        pub fn zero() -> Self {
            Sums([0; 4])
        }

        /// Adds the products of a pair with four others.
        #[inline(always)]
        pub fn plus(self, weight: i32, x: &[i32; 4]) -> Self {
            let [first, second] = halves(weight);
            let one = |sum: i32, x: i32| {
                let x = halves(x);
                sum.wrapping_add(first * x[0]).wrapping_add(second * x[1])
            };
            let [a, b, c, d] = self.0;
            Sums([one(a, x[0]), one(b, x[1]), one(c, x[2]), one(d, x[3])])
        }

        #[inline(always)]
        pub fn to_quad(self) -> Quad {
            Quad::new(self.0.map(|sum| sum as f32))
        }
    }
}

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod forms {
    use super::Quad;
    use core::arch::wasm32::*;

    #[inline(always)]
    fn load(of: [i32; 4]) -> v128 {
        // SAFETY: both are sixteen bytes of which every pattern is a value.
        unsafe { core::mem::transmute::<[i32; 4], v128>(of) }
    }

    #[inline(always)]
    pub fn scaled(matrix: [i32; 4], by: i32) -> [i32; 4] {
        let product = i16x8_q15mulr_sat(load(matrix), i32x4_splat(by));
        // SAFETY: as in `load`.
        unsafe { core::mem::transmute::<v128, [i32; 4]>(product) }
    }

    #[derive(Clone, Copy)]
    pub struct Sums(v128);

    impl Sums {
        #[inline(always)]
        pub fn zero() -> Self {
            Sums(i32x4_splat(0))
        }

        #[inline(always)]
        pub fn plus(self, weight: i32, x: &[i32; 4]) -> Self {
            Sums(i32x4_add(self.0, i32x4_dot_i16x8(i32x4_splat(weight), load(*x))))
        }

        #[inline(always)]
        pub fn to_quad(self) -> Quad {
            Quad(f32x4_convert_i32x4(self.0))
        }
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::super::linear::{padded, place};
    use super::*;
    use proptest::prelude::*;

    fn word(seed: u32, i: usize, most: i32) -> i16 {
        let mixed = (i as u32).wrapping_add(seed).wrapping_mul(2_654_435_761) >> 8;
        (mixed as i32 % (2 * most + 1) - most) as i16
    }

    proptest! {
        #[test]
        fn sums_are_exact_before_they_are_scaled(
            length in 1usize..40, outputs in 1usize..14, rows in 1usize..30, relu in any::<bool>(), seed in any::<u32>(),
        ) {
            let (pairs, groups, padded_rows, limit) = (length.div_ceil(2), outputs.div_ceil(4), padded(rows), most(length));
            let weight = |o: usize, j: usize| if j < length && o < outputs { word(seed, 50 * o + j, 32_767) } else { 0 };
            let number = |r: usize, j: usize| if j < length { word(seed ^ 1, 50 * r + j, limit) } else { 0 };
            let mut matrix = vec![0; groups * pairs * 4];
            for o in 0..outputs {
                for j in 0..pairs {
                    matrix[(o / 4 * pairs + j) * 4 + o % 4] = pair(weight(o, 2 * j), weight(o, 2 * j + 1));
                }
            }
            let mut x = vec![0; pairs * padded_rows];
            for r in 0..rows {
                (0..pairs).for_each(|j| x[place(j, r, pairs, padded_rows)] = pair(number(r, 2 * j), number(r, 2 * j + 1)));
            }
            let scale: Vec<f32> = (0..padded_rows).map(|r| 1e-6 * (1.0 + r as f32)).collect();
            let bias: Vec<f32> = (0..4 * groups).map(|o| o as f32 - 3.0).collect();
            let base: Vec<f32> = (0..4 * groups * padded_rows).map(|i| i as f32 / 7.0 - 5.0).collect();
            let mut out = vec![f32::NAN; 4 * groups * padded_rows];
            linear_words(&matrix, pairs, &x, &scale, Around { bias: &bias, base: &base, relu }, &mut out);
            for (r, scale) in scale.iter().enumerate().take(rows) {
                for (o, bias) in bias.iter().enumerate().take(outputs) {
                    let exact: i64 = (0..length).map(|j| i64::from(weight(o, j)) * i64::from(number(r, j))).sum();
                    prop_assert_eq!(exact, i64::from(exact as i32), "it does not wrap");
                    let at = place(o, r, 4 * groups, padded_rows);
                    let sum = (bias + base[at]) + exact as i32 as f32 * scale;
                    prop_assert_eq!(out[at].to_bits(), if relu && sum < 0.0 { 0 } else { sum.to_bits() });
                }
            }
        }

        #[test]
        fn a_scaled_column_is_rounded_to_nearest(a in -32_767i32..=32_767, b in -32_767i32..=32_767, by in prop::array::uniform2(-32_767i32..=32_767)) {
            let (a, b, first, second) = (a as i16, b as i16, by[0] as i16, by[1] as i16);
            let mut out = [0; 4];
            scale_columns(&[pair(a, b); 4], &[pair(first, second)], &mut out);
            let want = |a: i16, by: i16| (f64::from(a) * f64::from(by) / 32_768.0 + 0.5).floor() as i16;
            prop_assert_eq!(out, [pair(want(a, first), want(b, second)); 4]);
        }
    }

    #[test]
    fn a_matrix_is_packed_with_one_scale() {
        let (words, scale) = pack(&[1.0, -2.0, 9.0, 0.5, 4.0, 9.0], 3, 2, 2);
        assert_eq!(scale, 4.0 / 32_767.0);
        assert_eq!(words, [pair(8_192, -16_384), pair(4_096, 32_767), 0, 0, 0, 0, 0, 0]);
        assert_eq!((most(1), most(2), most(32), most(512)), (32_767, 32_767, 2_048, 128));
    }
}
