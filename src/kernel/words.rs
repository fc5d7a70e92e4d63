//! Many vectors through one matrix, in integers of 16 bits: twice the products of singles in an instruction, and sums that are exact.
//!
//! Numbers stand in *pairs*. Vectors are filled up to a multiple of four numbers. Panels and groups are those of [`linear`](super::linear), with a pair
//! in the place of a number.

use super::int8;
use super::linear::{Around, PANEL, padded};
use alloc::vec;
use alloc::vec::Vec;

/// Two numbers that are multiplied with two others.
pub type Pair = [i16; 2];

pub use tile::Lane;

/// Writes a pair into panels that held zeros there, at its [`place`](super::linear::place).
pub fn put(panels: &mut [Lane], place: usize, pair: Pair) {
    tile::put(panels, place, pair);
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
pub fn pack(weight: &[f32], stride: usize, outputs: usize, inputs: usize) -> (Vec<Pair>, f32) {
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
    (words.as_chunks::<2>().0.to_vec(), scale)
}

/// Multiplies each row of a matrix with a vector, element by element: `out[o][j] = (matrix[o][j] · by[j] + 2¹⁴) / 2¹⁵`, rounded down.
///
/// # Shapes
/// `matrix`, `out`: `[outputs / 4, pairs, 4]`; `by`: `[pairs]`, numbers of at most 32,767.
#[cfg_attr(zhiji_phone, optimize(speed))]
pub fn scale_columns(matrix: &[Pair], by: &[Pair], out: &mut [Pair]) {
    let (matrix, out) = (matrix.as_chunks::<4>().0, out.as_chunks_mut::<4>().0);
    for (matrix, out) in matrix.chunks(by.len().max(1)).zip(out.chunks_mut(by.len().max(1))) {
        for ((out, matrix), by) in out.iter_mut().zip(matrix).zip(by) {
            *out = forms::scaled(matrix, by);
        }
    }
}

/// [`linear`](super::linear::linear) of integers: `out[o] = (base[o] + bias[o]) + scale · Σ_j matrix[o][j] · x[j]` for every vector, which has a
/// scale of its own. The sum is exact.
///
/// # Shapes
/// `matrix`: `[outputs / 4, pairs, 4]`; `x`: panels of vectors of so many pairs, as many vectors as `scale` has numbers (padded).
#[cfg_attr(zhiji_phone, optimize(speed))]
pub fn linear_words(matrix: &[Pair], pairs: usize, x: &[Lane], scale: &[f32], around: Around<'_>, out: &mut [f32]) {
    walk(matrix, pairs, x, scale, around, out, tile::panel);
}

#[inline(always)]
fn walk<L>(
    matrix: &[Pair],
    pairs: usize,
    x: &[L],
    scale: &[f32],
    around: Around<'_>,
    out: &mut [f32],
    panel: impl Fn(&[[Pair; 4]], &[L], &[f32], Rest<'_>, &mut [f32]),
) {
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
            panel(weights, x, scale, (bias, base, around.relu), out);
        }
    }
}

/// What is added to the sums of a panel, and whether what is below 0 becomes 0.
type Rest<'a> = ([f32; 4], &'a [f32], bool);

/// As in [`linear`](super::linear), written out.
#[cfg(not(all(target_arch = "wasm32", not(target_feature = "simd128"))))]
mod tile {
    use super::forms::Sums;
    use super::{PANEL, Pair, Rest, finish};

    /// What the panels of [`linear_words`](super::linear_words) hold; the default is a pair of zeros.
    pub type Lane = Pair;

    pub fn put(panels: &mut [Lane], place: usize, pair: Pair) {
        panels[place] = pair;
    }

    #[inline(always)]
    pub fn panel(weights: &[[Pair; 4]], x: &[Pair], scale: &[f32], rest: Rest<'_>, out: &mut [f32]) {
        if scale.len() == PANEL { eight(weights, x, scale, rest, out) } else { four(weights, x, scale, rest, out) }
    }

    #[inline(always)]
    fn eight(weights: &[[Pair; 4]], x: &[Pair], scale: &[f32], (bias, base, relu): Rest<'_>, out: &mut [f32]) {
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
    fn four(weights: &[[Pair; 4]], x: &[Pair], scale: &[f32], (bias, base, relu): Rest<'_>, out: &mut [f32]) {
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

/// Without vector instructions: two vectors stand in one word of 64 bits, so that one product is two. Tested natively.
///
/// The sum of the lower one stays below 2³¹, so it is the lower half as it stands, and what it took from the upper half is known.
#[cfg(any(all(target_arch = "wasm32", not(target_feature = "simd128")), all(test, not(target_arch = "wasm32"))))]
mod doubled {
    use super::{PANEL, Pair, Rest};
    use crate::kernel::math::Lanes as _;

    /// What the panels of [`linear_words`](super::linear_words) hold: at the place of an even vector the first numbers of it and of the next one, at that of
    /// the next one the second numbers of both.
    pub type Lane = i64;

    pub fn put(panels: &mut [Lane], place: usize, pair: Pair) {
        let even = place & !1;
        panels[even] += i64::from(pair[0]) << (32 * (place - even));
        panels[even + 1] += i64::from(pair[1]) << (32 * (place - even));
    }

    #[inline(always)]
    pub fn panel(weights: &[[Pair; 4]], x: &[Lane], scale: &[f32], rest: Rest<'_>, out: &mut [f32]) {
        if scale.len() == PANEL {
            twos::<4>(weights, x, scale, rest, out);
        } else {
            twos::<2>(weights, x, scale, rest, out);
        }
    }

    /// As many numbers of four outputs as there are vectors, which stand two by two.
    #[inline(always)]
    fn outputs<const N: usize>(of: &[f32]) -> Option<&[[[f32; 2]; N]; 4]> {
        of.as_chunks::<2>().0.as_chunks::<N>().0.first_chunk()
    }

    #[inline(never)]
    #[cfg_attr(zhiji_phone, optimize(speed))]
    fn twos<const N: usize>(weights: &[[Pair; 4]], x: &[Lane], scale: &[f32], rest: Rest<'_>, out: &mut [f32]) {
        let (bias, base, relu) = rest;
        let (x, base) = (x.as_chunks::<2>().0.as_chunks::<N>().0, outputs::<N>(base));
        let Some(out) = out.as_chunks_mut::<2>().0.as_chunks_mut::<N>().0.first_chunk_mut::<4>() else { return };
        for (at, scale) in scale.as_chunks::<2>().0.iter().enumerate().take(N) {
            let (mut a, mut b, mut c, mut d) = (0i64, 0i64, 0i64, 0i64);
            for ([p, q, r, s], x) in weights.iter().zip(x) {
                let [first, second] = x[at];
                a += i64::from(p[0]) * first + i64::from(p[1]) * second;
                b += i64::from(q[0]) * first + i64::from(q[1]) * second;
                c += i64::from(r[0]) * first + i64::from(r[1]) * second;
                d += i64::from(s[0]) * first + i64::from(s[1]) * second;
            }
            let finish = |o: usize, sum: i64| {
                let (left, right) = match base {
                    Some(base) => (bias[o] + base[o][at][0], bias[o] + base[o][at][1]),
                    None => (bias[o], bias[o]),
                };
                let low = sum as i32;
                let high = ((sum - i64::from(low)) >> 32) as i32;
                let (low, high) = (left + low as f32 * scale[0], right + high as f32 * scale[1]);
                if relu { [low.relu(), high.relu()] } else { [low, high] }
            };
            (out[0][at], out[1][at]) = (finish(0, a), finish(1, b));
            (out[2][at], out[3][at]) = (finish(2, c), finish(3, d));
        }
    }
}

#[cfg(all(target_arch = "wasm32", not(target_feature = "simd128")))]
use doubled as tile;

#[cfg(not(all(target_arch = "wasm32", not(target_feature = "simd128"))))]
#[inline(always)]
fn finish(sums: forms::Sums, scale: &[f32; 4], bias: f32, base: Option<&[f32; 4]>, relu: bool) -> [f32; 4] {
    use super::{Quad, lanes::Lanes as _};
    let from = base.map_or(Quad::splat(bias), |base| Quad::splat(bias) + Quad::new(*base));
    let sum = from + sums.to_quad() * Quad::new(*scale);
    if relu { sum.relu().to_array() } else { sum.to_array() }
}

#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
mod forms {
    use super::Pair;
    #[cfg(not(target_arch = "wasm32"))]
    use crate::kernel::Quad;

    #[inline(always)]
    pub fn scaled(matrix: &[Pair; 4], by: &Pair) -> [Pair; 4] {
        let round = |number: i16, by: i16| ((i32::from(number) * i32::from(by) + 0x4000) >> 15) as i16;
        matrix.map(|[first, second]| [round(first, by[0]), round(second, by[1])])
    }

    /// Four sums.
    #[cfg(not(target_arch = "wasm32"))]
    #[derive(Clone, Copy)]
    pub struct Sums([i32; 4]);

    #[cfg(not(target_arch = "wasm32"))]
    impl Sums {
        #[inline(always)]
        pub fn zero() -> Self {
            Sums([0; 4])
        }

        /// Adds the products of a pair with four others.
        #[inline(always)]
        pub fn plus(self, [first, second]: Pair, x: &[Pair; 4]) -> Self {
            let one = |sum: i32, x: Pair| {
                sum.wrapping_add(i32::from(first) * i32::from(x[0])).wrapping_add(i32::from(second) * i32::from(x[1]))
            };
            let [a, b, c, d] = self.0;
            Sums([one(a, x[0]), one(b, x[1]), one(c, x[2]), one(d, x[3])])
        }

        #[inline(always)]
        pub fn to_quad(self) -> Quad {
            Quad::of_whole(self.0)
        }
    }
}

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod forms {
    use super::super::Quad;
    use super::Pair;
    use core::arch::wasm32::*;

    #[inline(always)]
    fn load(of: &[Pair; 4]) -> v128 {
        // SAFETY: both are sixteen bytes of which every pattern is a value.
        unsafe { core::mem::transmute::<[Pair; 4], v128>(*of) }
    }

    /// The pair, four times.
    #[inline(always)]
    fn splat(of: Pair) -> v128 {
        // SAFETY: both are four bytes of which every pattern is a value.
        i32x4_splat(unsafe { core::mem::transmute::<Pair, i32>(of) })
    }

    #[inline(always)]
    pub fn scaled(matrix: &[Pair; 4], by: &Pair) -> [Pair; 4] {
        let product = i16x8_q15mulr_sat(load(matrix), splat(*by));
        // SAFETY: as in `load`.
        unsafe { core::mem::transmute::<v128, [Pair; 4]>(product) }
    }

    #[derive(Clone, Copy)]
    pub struct Sums(v128);

    impl Sums {
        #[inline(always)]
        pub fn zero() -> Self {
            Sums(i32x4_splat(0))
        }

        #[inline(always)]
        pub fn plus(self, weight: Pair, x: &[Pair; 4]) -> Self {
            Sums(i32x4_add(self.0, i32x4_dot_i16x8(splat(weight), load(x))))
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
            let mut matrix = vec![[0; 2]; groups * pairs * 4];
            for o in 0..outputs {
                for j in 0..pairs {
                    matrix[(o / 4 * pairs + j) * 4 + o % 4] = [weight(o, 2 * j), weight(o, 2 * j + 1)];
                }
            }
            let (mut x, mut double) = (vec![Lane::default(); pairs * padded_rows], vec![0; pairs * padded_rows]);
            for r in 0..rows {
                for j in 0..pairs {
                    let (at, pair) = (place(j, r, pairs, padded_rows), [number(r, 2 * j), number(r, 2 * j + 1)]);
                    put(&mut x, at, pair);
                    doubled::put(&mut double, at, pair);
                }
            }
            let scale: Vec<f32> = (0..padded_rows).map(|r| 1e-6 * (1.0 + r as f32)).collect();
            let bias: Vec<f32> = (0..4 * groups).map(|o| o as f32 - 3.0).collect();
            let base: Vec<f32> = (0..4 * groups * padded_rows).map(|i| i as f32 / 7.0 - 5.0).collect();
            let mut out = vec![f32::NAN; 4 * groups * padded_rows];
            let around = Around { bias: &bias, base: &base, relu };
            linear_words(&matrix, pairs, &x, &scale, around, &mut out);
            let mut doubled = vec![f32::NAN; out.len()];
            walk(&matrix, pairs, &double, &scale, around, &mut doubled, doubled::panel);
            prop_assert_eq!(&out, &doubled);
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
            let mut out = [[0; 2]; 4];
            scale_columns(&[[a, b]; 4], &[[first, second]], &mut out);
            let want = |a: i16, by: i16| (f64::from(a) * f64::from(by) / 32_768.0 + 0.5).floor() as i16;
            prop_assert_eq!(out, [[want(a, first), want(b, second)]; 4]);
        }
    }

    #[test]
    fn a_matrix_is_packed_with_one_scale() {
        let (words, scale) = pack(&[1.0, -2.0, 9.0, 0.5, 4.0, 9.0], 3, 2, 2);
        assert_eq!(scale, 4.0 / 32_767.0);
        assert_eq!(words, [[8_192, -16_384], [4_096, 32_767], [0; 2], [0; 2], [0; 2], [0; 2], [0; 2], [0; 2]]);
        assert_eq!((most(1), most(2), most(32), most(512)), (32_767, 32_767, 2_048, 128));
    }
}
