//! Four rows against one vector: what is read of the vector is read once for four sums, which wait for their additions together.

use super::lanes::Lanes as _;
use super::sums::{close, dot_standardised};
use super::{NARROW, Quad};

/// Four rows.
pub type Rows<'a> = (&'a [f32], &'a [f32], &'a [f32], &'a [f32]);

/// [`dot`](super::dot) of four rows with `x`, with its bits.
///
/// # Shapes
/// All five of one length; of several the shortest counts.
#[cfg_attr(zhiji_phone, optimize(speed))]
pub fn dot_rows(rows: Rows<'_>, x: &[f32]) -> [f32; 4] {
    let n = rows.0.len().min(rows.1.len()).min(rows.2.len()).min(rows.3.len()).min(x.len());
    let ((a, a_tail), (b, b_tail)) = (rows.0[..n].as_chunks::<4>(), rows.1[..n].as_chunks::<4>());
    let ((c, c_tail), (d, d_tail)) = (rows.2[..n].as_chunks::<4>(), rows.3[..n].as_chunks::<4>());
    let (x, x_tail) = x[..n].as_chunks::<4>();
    let zero = Quad::splat(0.0);
    // Four names, because loops over arrays are not unrolled where size counts.
    let (mut sum_a, mut sum_b, mut sum_c, mut sum_d) = (zero, zero, zero, zero);
    for (((x, a), b), (c, d)) in x.iter().zip(a).zip(b).zip(c.iter().zip(d)) {
        let x = Quad::new(*x);
        (sum_a, sum_b) = (sum_a + Quad::new(*a) * x, sum_b + Quad::new(*b) * x);
        if !NARROW {
            (sum_c, sum_d) = (sum_c + Quad::new(*c) * x, sum_d + Quad::new(*d) * x);
        }
    }
    if NARROW {
        for ((x, c), d) in x.iter().zip(c).zip(d) {
            let x = Quad::new(*x);
            (sum_c, sum_d) = (sum_c + Quad::new(*c) * x, sum_d + Quad::new(*d) * x);
        }
    }
    if x_tail.is_empty() {
        return Quad::totals(sum_a, sum_b, sum_c, sum_d);
    }
    let close = |sum: Quad, tail: &[f32]| close(sum, tail.iter().zip(x_tail).map(|(y, x)| y * x));
    [close(sum_a, a_tail), close(sum_b, b_tail), close(sum_c, c_tail), close(sum_d, d_tail)]
}

/// [`dot_standardised`](super::dot_standardised) of four rows, with its bits.
///
/// # Shapes
/// All seven of one length; of several the shortest counts.
#[cfg_attr(zhiji_phone, optimize(speed))]
pub fn dot_rows_standardised(rows: Rows<'_>, mean: &[f32], inverse: &[f32], weight: &[f32]) -> [f32; 4] {
    let n = rows.0.len().min(rows.1.len()).min(rows.2.len()).min(rows.3.len());
    let n = n.min(mean.len()).min(inverse.len()).min(weight.len());
    if NARROW {
        let one = |row: &[f32]| dot_standardised(&row[..n], mean, inverse, weight);
        return [one(rows.0), one(rows.1), one(rows.2), one(rows.3)];
    }
    let ((a, a_tail), (b, b_tail)) = (rows.0[..n].as_chunks::<4>(), rows.1[..n].as_chunks::<4>());
    let ((c, c_tail), (d, d_tail)) = (rows.2[..n].as_chunks::<4>(), rows.3[..n].as_chunks::<4>());
    let (means, mean_tail) = mean[..n].as_chunks::<4>();
    let (inverses, inverse_tail) = inverse[..n].as_chunks::<4>();
    let (weights, weight_tail) = weight[..n].as_chunks::<4>();
    let zero = Quad::splat(0.0);
    let (mut sum_a, mut sum_b, mut sum_c, mut sum_d) = (zero, zero, zero, zero);
    let columns = means.iter().zip(inverses).zip(weights);
    for (((((mean, inverse), weight), a), b), (c, d)) in columns.zip(a).zip(b).zip(c.iter().zip(d)) {
        let (mean, inverse, weight) = (Quad::new(*mean), Quad::new(*inverse), Quad::new(*weight));
        sum_a = sum_a + weight * ((Quad::new(*a) - mean) * inverse);
        sum_b = sum_b + weight * ((Quad::new(*b) - mean) * inverse);
        sum_c = sum_c + weight * ((Quad::new(*c) - mean) * inverse);
        sum_d = sum_d + weight * ((Quad::new(*d) - mean) * inverse);
    }
    if weight_tail.is_empty() {
        return Quad::totals(sum_a, sum_b, sum_c, sum_d);
    }
    let close = |sum: Quad, tail: &[f32]| {
        let terms = tail.iter().zip(mean_tail).zip(inverse_tail).zip(weight_tail);
        close(sum, terms.map(|(((x, mean), inverse), weight)| weight * ((x - mean) * inverse)))
    };
    [close(sum_a, a_tail), close(sum_b, b_tail), close(sum_c, c_tail), close(sum_d, d_tail)]
}
