//! Many vectors through one matrix.
//!
//! The vectors lie side by side, so that a lane is a vector and no sum crosses lanes. They lie in *panels* of eight: a panel holds the first
//! number of each of its vectors, then the second of each, and so on; the last panel is one of four where four are enough. Vectors are filled
//! up to a multiple of four, and so are their lengths, with zeros. Every sum starts from what it is added to and takes its terms in rising
//! order, whatever the number of vectors, so a vector has the same bits beside any others.

use super::Quad;
use super::lanes::Lanes;
use alloc::vec;
use alloc::vec::Vec;

/// Vectors in a panel.
pub const PANEL: usize = 8;

/// So many, rounded up to a multiple of four: what stands in panels. By bits, as it is asked for in many places.
pub const fn padded(n: usize) -> usize {
    (n + 3) & !3
}

/// The place of number `j` of vector `r` in panels of vectors of length `length` (padded), of which there are `rows` (padded).
pub const fn place(j: usize, r: usize, length: usize, rows: usize) -> usize {
    let first = r - r % PANEL;
    let width = if rows - first < PANEL { rows - first } else { PANEL };
    first * length + j * width + r % PANEL
}

/// A matrix in the order in which [`linear`] reads it: by groups of four outputs, in a group by inputs.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    inputs: usize,
    outputs: usize,
    numbers: Vec<f32>,
}

impl Matrix {
    /// Packs the matrix of these numbers.
    ///
    /// # Shapes
    /// `weight`: `[outputs, inputs]`, row by row; what is missing is 0.
    pub fn new(weight: &[f32], outputs: usize, inputs: usize) -> Self {
        let mut matrix = Matrix::zeros(outputs, inputs);
        for (o, row) in weight.chunks(inputs.max(1)).take(outputs).enumerate() {
            for (j, w) in row.iter().enumerate() {
                matrix.numbers[(o - o % 4) * matrix.inputs + j * 4 + o % 4] = *w;
            }
        }
        matrix
    }

    /// A matrix of zeros, to be filled by [`Matrix::numbers_mut`].
    pub fn zeros(outputs: usize, inputs: usize) -> Self {
        let (outputs, inputs) = (padded(outputs), padded(inputs));
        Matrix { inputs, outputs, numbers: vec![0.0; outputs * inputs] }
    }

    /// Length of the vectors that go in, padded.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Length of the vectors that come out, padded.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// The numbers: `[outputs / 4, inputs, 4]`.
    pub fn numbers(&self) -> &[f32] {
        &self.numbers
    }

    /// The numbers, to be written: `[outputs / 4, inputs, 4]`.
    pub fn numbers_mut(&mut self) -> &mut [f32] {
        &mut self.numbers
    }
}

/// What [`linear`] adds its products to, and what it does with the sum.
#[derive(Clone, Copy, Debug, Default)]
pub struct Around<'a> {
    /// One number for each output, or none.
    pub bias: &'a [f32],
    /// Numbers in the panels of the result, or none.
    pub base: &'a [f32],
    /// Whether what is below 0 becomes 0.
    pub relu: bool,
}

/// Writes `out[o] = (base[o] + bias[o]) + Σ_j matrix[o][j] · x[j]` for every vector.
///
/// # Shapes
/// `numbers`: `[outputs / 4, inputs, 4]`, as [`Matrix::numbers`]; `x`: panels of vectors of length `inputs`; `out`: as many panels of vectors of
/// length `outputs`; `around`: `bias` `[outputs]`, `base` as `out`. All lengths padded; of several the shortest counts.
#[cfg_attr(zhiji_phone, optimize(speed))]
pub fn linear(numbers: &[f32], inputs: usize, x: &[f32], around: Around<'_>, out: &mut [f32]) {
    let group = 4 * inputs.max(1);
    let outputs = numbers.len() / group * 4;
    let (biases, _) = around.bias.as_chunks::<4>();
    for (g, weights) in numbers.chunks_exact(group).enumerate() {
        let weights = weights.as_chunks::<4>().0;
        let bias = biases.get(g).copied().unwrap_or_default();
        let mut base = around.base;
        let mut rest = &mut *out;
        for panel in x.chunks(PANEL * inputs.max(1)) {
            let width = panel.len() / inputs.max(1);
            let length = (width * outputs).min(rest.len());
            let (out, after) = core::mem::take(&mut rest).split_at_mut(length);
            rest = after;
            let (own, after) = base.split_at(length.min(base.len()));
            base = after;
            let (from, to) = (g * 4 * width, (g + 1) * 4 * width);
            let (Some(out), own) = (out.get_mut(from..to), own.get(from..to).unwrap_or_default()) else { continue };
            if width == PANEL {
                let (x, own) = (pairs(panel), pairs(own));
                if let Some(out) = out.as_chunks_mut::<4>().0.as_chunks_mut::<2>().0.first_chunk_mut::<4>() {
                    tile::eight(weights, x, bias, own.first_chunk::<4>(), around.relu, out);
                }
            } else if let Some(out) = out.as_chunks_mut::<4>().0.first_chunk_mut::<4>() {
                let (x, own) = (panel.as_chunks::<4>().0, own.as_chunks::<4>().0);
                tile::four(weights, x, bias, own.first_chunk::<4>(), around.relu, out);
            }
        }
    }
}

fn pairs(of: &[f32]) -> &[[[f32; 4]; 2]] {
    of.as_chunks::<4>().0.as_chunks::<2>().0
}

/// Four outputs of the vectors of one panel. Written out: loops over four are not unrolled where size counts, and what they keep in memory
/// stalls the vectors read from there.
#[cfg(not(all(target_arch = "wasm32", not(target_feature = "simd128"))))]
mod tile {
    use super::{Lanes as _, Quad};

    /// Eight sums at once, as many as an addition takes cycles on two units, and they fit in the registers beside what they read.
    #[inline(always)]
    pub fn eight(
        weights: &[[f32; 4]],
        x: &[[[f32; 4]; 2]],
        bias: [f32; 4],
        base: Option<&[[[f32; 4]; 2]; 4]>,
        relu: bool,
        out: &mut [[[f32; 4]; 2]; 4],
    ) {
        let [a, b, c, d] = bias;
        let (a, b, c, d) = (Quad::splat(a), Quad::splat(b), Quad::splat(c), Quad::splat(d));
        let (mut a0, mut a1, mut b0, mut b1, mut c0, mut c1, mut d0, mut d1) = (a, a, b, b, c, c, d, d);
        if let Some([a, b, c, d]) = base {
            (a0, a1) = (a0 + Quad::new(a[0]), a1 + Quad::new(a[1]));
            (b0, b1) = (b0 + Quad::new(b[0]), b1 + Quad::new(b[1]));
            (c0, c1) = (c0 + Quad::new(c[0]), c1 + Quad::new(c[1]));
            (d0, d1) = (d0 + Quad::new(d[0]), d1 + Quad::new(d[1]));
        }
        for (w, x) in weights.iter().zip(x) {
            let (left, right) = (Quad::new(x[0]), Quad::new(x[1]));
            let a = Quad::splat(w[0]);
            (a0, a1) = (a0 + a * left, a1 + a * right);
            let b = Quad::splat(w[1]);
            (b0, b1) = (b0 + b * left, b1 + b * right);
            let c = Quad::splat(w[2]);
            (c0, c1) = (c0 + c * left, c1 + c * right);
            let d = Quad::splat(w[3]);
            (d0, d1) = (d0 + d * left, d1 + d * right);
        }
        if relu {
            (a0, a1, b0, b1) = (a0.relu(), a1.relu(), b0.relu(), b1.relu());
            (c0, c1, d0, d1) = (c0.relu(), c1.relu(), d0.relu(), d1.relu());
        }
        out[0] = [a0.to_array(), a1.to_array()];
        out[1] = [b0.to_array(), b1.to_array()];
        out[2] = [c0.to_array(), c1.to_array()];
        out[3] = [d0.to_array(), d1.to_array()];
    }

    #[inline(always)]
    pub fn four(
        weights: &[[f32; 4]],
        x: &[[f32; 4]],
        bias: [f32; 4],
        base: Option<&[[f32; 4]; 4]>,
        relu: bool,
        out: &mut [[f32; 4]; 4],
    ) {
        let [a, b, c, d] = bias;
        let (mut a, mut b, mut c, mut d) = (Quad::splat(a), Quad::splat(b), Quad::splat(c), Quad::splat(d));
        if let Some(base) = base {
            (a, b) = (a + Quad::new(base[0]), b + Quad::new(base[1]));
            (c, d) = (c + Quad::new(base[2]), d + Quad::new(base[3]));
        }
        for (w, x) in weights.iter().zip(x) {
            let x = Quad::new(*x);
            (a, b) = (a + Quad::splat(w[0]) * x, b + Quad::splat(w[1]) * x);
            (c, d) = (c + Quad::splat(w[2]) * x, d + Quad::splat(w[3]) * x);
        }
        if relu {
            (a, b, c, d) = (a.relu(), b.relu(), c.relu(), d.relu());
        }
        *out = [a.to_array(), b.to_array(), c.to_array(), d.to_array()];
    }
}

/// Without vector instructions a quad is four registers, and two sums of a quad are what fits. Places are constants, so that no address is
/// computed among the products.
#[cfg(all(target_arch = "wasm32", not(target_feature = "simd128")))]
mod tile {
    use super::{Lanes as _, Quad};

    #[inline(always)]
    pub fn eight(
        weights: &[[f32; 4]],
        x: &[[[f32; 4]; 2]],
        bias: [f32; 4],
        base: Option<&[[[f32; 4]; 2]; 4]>,
        relu: bool,
        out: &mut [[[f32; 4]; 2]; 4],
    ) {
        two::<2, 0, 0>(weights, x, bias, base, relu, out);
        two::<2, 0, 1>(weights, x, bias, base, relu, out);
        two::<2, 2, 0>(weights, x, bias, base, relu, out);
        two::<2, 2, 1>(weights, x, bias, base, relu, out);
    }

    #[inline(always)]
    pub fn four(
        weights: &[[f32; 4]],
        x: &[[f32; 4]],
        bias: [f32; 4],
        base: Option<&[[f32; 4]; 4]>,
        relu: bool,
        out: &mut [[f32; 4]; 4],
    ) {
        let base = base.map(|base| base.each_ref().map(|quad| [*quad]));
        let mut wide = [[[0.0; 4]; 1]; 4];
        two::<1, 0, 0>(weights, x.as_chunks::<1>().0, bias, base.as_ref(), relu, &mut wide);
        two::<1, 2, 0>(weights, x.as_chunks::<1>().0, bias, base.as_ref(), relu, &mut wide);
        *out = wide.map(|[quad]| quad);
    }

    #[inline(never)]
    #[cfg_attr(zhiji_phone, optimize(speed))]
    fn two<const N: usize, const O: usize, const HALF: usize>(
        weights: &[[f32; 4]],
        x: &[[[f32; 4]; N]],
        bias: [f32; 4],
        base: Option<&[[[f32; 4]; N]; 4]>,
        relu: bool,
        out: &mut [[[f32; 4]; N]; 4],
    ) {
        let (mut a, mut b) = (Quad::splat(bias[O]), Quad::splat(bias[O + 1]));
        if let Some(base) = base {
            (a, b) = (a + Quad::new(base[O][HALF]), b + Quad::new(base[O + 1][HALF]));
        }
        for (w, x) in weights.iter().zip(x) {
            let x = Quad::new(x[HALF]);
            (a, b) = (a + Quad::splat(w[O]) * x, b + Quad::splat(w[O + 1]) * x);
        }
        if relu {
            (a, b) = (a.relu(), b.relu());
        }
        (out[O][HALF], out[O + 1][HALF]) = (a.to_array(), b.to_array());
    }
}

/// Adds `Σ_i v[i] · x[i]` to every vector of `out`: a row times a matrix of columns, or a weighted sum of vectors.
///
/// # Shapes
/// `out`: one number for each of as many columns as there are, padded; `x`: panels of columns of length `v.len()`.
#[cfg_attr(zhiji_phone, optimize(speed))]
pub fn add_weighted(v: &[f32], x: &[f32], out: &mut [f32]) {
    let panel = PANEL * v.len().max(1);
    let (mut x, mut out) = (x, out);
    // Four panels at once, so that eight sums wait for their additions together; without vector instructions they would not fit.
    while cfg!(not(all(target_arch = "wasm32", not(target_feature = "simd128")))) && out.len() >= 4 * PANEL {
        let (Some((these, x_rest)), Some((sums, out_rest))) =
            (x.split_at_checked(4 * panel), out.split_first_chunk_mut::<{ 4 * PANEL }>())
        else {
            return;
        };
        let (left, right) = these.split_at(2 * panel);
        let ((a, b), (c, d)) = (left.split_at(panel), right.split_at(panel));
        thirty_two(v, (pairs(a), pairs(b), pairs(c), pairs(d)), sums);
        (x, out) = (x_rest, out_rest);
    }
    for (sums, x) in out.chunks_mut(PANEL).zip(x.chunks(panel)) {
        if let [[left, right]] = sums.as_chunks_mut::<4>().0.as_chunks_mut::<2>().0 {
            let (mut a, mut b) = (Quad::new(*left), Quad::new(*right));
            for (v, x) in v.iter().zip(pairs(x)) {
                let v = Quad::splat(*v);
                (a, b) = (a + v * Quad::new(x[0]), b + v * Quad::new(x[1]));
            }
            (*left, *right) = (a.to_array(), b.to_array());
        } else if let [four] = sums.as_chunks_mut::<4>().0 {
            let mut a = Quad::new(*four);
            for (v, x) in v.iter().zip(x.as_chunks::<4>().0) {
                a = a + Quad::splat(*v) * Quad::new(*x);
            }
            *four = a.to_array();
        }
    }
}

type Pairs<'a> = &'a [[[f32; 4]; 2]];

#[inline(always)]
fn thirty_two(v: &[f32], (a, b, c, d): (Pairs<'_>, Pairs<'_>, Pairs<'_>, Pairs<'_>), out: &mut [f32; 4 * PANEL]) {
    let [s0, s1, s2, s3, s4, s5, s6, s7] = out.as_chunks_mut::<4>().0 else { return };
    let (mut a0, mut a1, mut b0, mut b1) = (Quad::new(*s0), Quad::new(*s1), Quad::new(*s2), Quad::new(*s3));
    let (mut c0, mut c1, mut d0, mut d1) = (Quad::new(*s4), Quad::new(*s5), Quad::new(*s6), Quad::new(*s7));
    for ((((v, a), b), c), d) in v.iter().zip(a).zip(b).zip(c).zip(d) {
        let v = Quad::splat(*v);
        (a0, a1) = (a0 + v * Quad::new(a[0]), a1 + v * Quad::new(a[1]));
        (b0, b1) = (b0 + v * Quad::new(b[0]), b1 + v * Quad::new(b[1]));
        (c0, c1) = (c0 + v * Quad::new(c[0]), c1 + v * Quad::new(c[1]));
        (d0, d1) = (d0 + v * Quad::new(d[0]), d1 + v * Quad::new(d[1]));
    }
    (*s0, *s1, *s2, *s3) = (a0.to_array(), a1.to_array(), b0.to_array(), b1.to_array());
    (*s4, *s5, *s6, *s7) = (c0.to_array(), c1.to_array(), d0.to_array(), d1.to_array());
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value(seed: u32, i: usize) -> f32 {
        ((i as u32).wrapping_add(seed).wrapping_mul(2_654_435_761) >> 8) as f32 / 8_388_608.0 - 1.0
    }

    proptest! {
        #[test]
        fn every_sum_is_taken_in_rising_order_from_what_it_is_added_to(
            inputs in 1usize..20, outputs in 1usize..14, rows in 1usize..30, parts in 0u8..8, seed in any::<u32>(),
        ) {
            let (biased, based, relu) = (parts & 1 != 0, parts & 2 != 0, parts & 4 != 0);
            let weight: Vec<f32> = (0..outputs * inputs).map(|i| value(seed, i)).collect();
            let matrix = Matrix::new(&weight, outputs, inputs);
            let (length, padded_rows, wide) = (matrix.inputs(), padded(rows), matrix.outputs());
            let number = |r: usize, j: usize| value(seed ^ 1, 31 * r + j);
            let mut x = vec![0.0; length * padded_rows];
            for r in 0..rows {
                (0..inputs).for_each(|j| x[place(j, r, length, padded_rows)] = number(r, j));
            }
            let bias: Vec<f32> = (0..if biased { wide } else { 0 }).map(|o| value(seed ^ 2, o)).collect();
            let base: Vec<f32> = (0..if based { wide * padded_rows } else { 0 }).map(|i| value(seed ^ 3, i)).collect();
            let mut out = vec![f32::NAN; wide * padded_rows];
            linear(matrix.numbers(), length, &x, Around { bias: &bias, base: &base, relu }, &mut out);
            prop_assert!(out.iter().all(|x| x.is_finite()), "all of it is written");
            for r in 0..rows {
                for o in 0..outputs {
                    let at = place(o, r, wide, padded_rows);
                    let mut sum = bias.get(o).copied().unwrap_or(0.0) + base.get(at).copied().unwrap_or(0.0);
                    (0..inputs).for_each(|j| sum += weight[o * inputs + j] * number(r, j));
                    // The padding adds zeros, which turn −0 into 0 and nothing else.
                    let want = if relu && sum < 0.0 { 0.0 } else { sum };
                    prop_assert_eq!((out[at] + 0.0).to_bits(), (want + 0.0).to_bits());
                }
            }
        }

        #[test]
        fn weighted_sums_add_to_what_is_there(count in 0usize..20, columns in 1usize..80, seed in any::<u32>()) {
            let width = padded(columns);
            let v: Vec<f32> = (0..count).map(|i| value(seed, i)).collect();
            let mut x = vec![0.0; count * width];
            for c in 0..columns {
                (0..count).for_each(|i| x[place(i, c, count, width)] = value(seed ^ 5, 91 * c + i));
            }
            let mut out: Vec<f32> = (0..width).map(|c| value(seed ^ 6, c)).collect();
            let before = out.clone();
            add_weighted(&v, &x, &mut out);
            for c in 0..columns {
                let want = v.iter().enumerate().fold(before[c], |sum, (i, v)| sum + v * value(seed ^ 5, 91 * c + i));
                prop_assert_eq!(out[c].to_bits(), want.to_bits());
            }
        }
    }

    #[test]
    fn lengths_that_do_not_fit_are_read_up_to_the_shorter() {
        let matrix = Matrix::new(&[1.0; 15], 3, 5);
        let mut out = [9.0; 40];
        for (x, room) in [(0, 40), (8, 40), (64, 0), (64, 3), (200, 40), (17, 40)] {
            linear(
                matrix.numbers(),
                matrix.inputs(),
                &vec![1.0; x],
                Around { bias: &[1.0], base: &[1.0; 3], relu: true },
                &mut out[..room],
            );
            linear(&[1.0; 7], 0, &vec![1.0; x], Around::default(), &mut out[..room]);
            add_weighted(&[1.0; 3], &vec![1.0; x], &mut out[..room]);
            add_weighted(&[], &vec![1.0; x], &mut out[..room]);
        }
    }
}
