//! Products of matrices for whole batches: the engine's, compiled for the widest registers of the machine.

use zhiji::block::matrix;

pub use zhiji::block::matrix::transpose;
pub use zhiji::block::real::axpy;

/// Makes of one body a function that is compiled twice, once for AVX2, and takes the form that the machine has. What the body calls is compiled with it
/// where it is marked `inline(always)`.
macro_rules! wide {
    ($(#[$doc:meta])* $visible:vis fn $name:ident($($argument:ident: $kind:ty),* $(,)?) $body:block) => {
        $(#[$doc])*
        $visible fn $name($($argument: $kind),*) {
            #[inline(always)]
            fn plain($($argument: $kind),*) $body

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2")]
            fn with_avx2($($argument: $kind),*) {
                plain($($argument),*);
            }

            #[cfg(target_arch = "x86_64")]
            if std::is_x86_feature_detected!("avx2") {
                // SAFETY: the machine has just said that it has these instructions.
                return unsafe { with_avx2($($argument),*) };
            }
            plain($($argument),*);
        }
    };
}
pub(crate) use wide;

wide! {
    /// `out[m × n] += a[m × k] · b[k × n]`, row-major.
    pub fn add_product(a: &[f32], b: &[f32], out: &mut [f32], shape: (usize, usize, usize)) {
        matrix::add_product(a, b, out, shape);
    }
}

wide! {
    /// `out[k × n] += aᵀ · b` for `a[m × k]` and `b[m × n]`, row-major: how a weight moves whose input was `a`.
    pub fn add_transposed_product(a: &[f32], b: &[f32], out: &mut [f32], shape: (usize, usize, usize)) {
        matrix::add_transposed_product(a, b, out, shape);
    }
}

wide! {
    /// `out[m × n] += a[m × k] · bᵀ` for `b[n × k]`, row-major: what a linear layer with the weight `b` makes of `a`.
    pub fn add_product_turned(a: &[f32], b: &[f32], out: &mut [f32], shape: (usize, usize, usize)) {
        let (_, k, n) = shape;
        if n == 1 {
            out.iter_mut().zip(a.chunks_exact(k)).for_each(|(out, row)| *out += dot(row, b));
            return;
        }
        let mut turned = Vec::new();
        matrix::transpose(b, (n, k), &mut turned);
        matrix::add_product(a, &turned, out, shape);
    }
}

/// Writes `row` so many times.
#[inline(always)]
pub fn repeat(row: &[f32], times: usize, out: &mut Vec<f32>) {
    let from = out.len();
    out.resize(from + times * row.len(), row.first().copied().unwrap_or_default());
    if row.len() > 1 {
        out[from..]
            .chunks_exact_mut(row.len())
            .for_each(|slots| slots.iter_mut().zip(row).for_each(|(slot, x)| *slot = *x));
    }
}

wide! {
    /// Adds all rows of `a` to `into`, which is as long as one.
    pub fn add_rows(a: &[f32], into: &mut [f32]) {
        for row in a.chunks_exact(into.len()) {
            axpy(1.0, row, into);
        }
    }
}

/// The inner product, in eight lanes.
#[inline(always)]
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (mut lanes, mut rest) = ([0.0; 8], 0.0);
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    for (a, b) in a.iter().zip(b) {
        for ((lane, a), b) in lanes.iter_mut().zip(a).zip(b) {
            *lane += a * b;
        }
    }
    a_rest.iter().zip(b_rest).for_each(|(a, b)| rest += a * b);
    sum(lanes) + rest
}

/// The sum of eight lanes: halves, quarters, and so on.
#[inline(always)]
pub fn sum(lanes: [f32; 8]) -> f32 {
    let [a, b, c, d, e, f, g, h] = lanes;
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}

#[cfg(test)]
mod tests {
    use super::*;
    use zhiji::rng::Rng;

    #[test]
    fn products_are_their_sums_in_order_to_the_bit() {
        let mut rng = Rng::derive(&[3; 32], "matrices", &[]);
        for (m, k, n) in [(1, 1, 1), (5, 3, 7), (8, 16, 16), (13, 9, 31), (4, 2, 45)] {
            let mut draw = |count: usize| -> Vec<f32> { (0..count).map(|_| rng.uniform() - 0.5).collect() };
            let (a, b, start) = (draw(m * k), draw(k * n), draw(m * n));
            let mut naive = start.clone();
            for i in 0..m {
                for j in 0..n {
                    for p in 0..k {
                        naive[i * n + j] += a[i * k + p] * b[p * n + j];
                    }
                }
            }
            let mut out = start.clone();
            add_product(&a, &b, &mut out, (m, k, n));
            assert_eq!(out, naive, "{m} × {k} × {n}");
            let mut turned = Vec::new();
            transpose(&a, (m, k), &mut turned);
            let mut out = start.clone();
            add_transposed_product(&turned, &b, &mut out, (k, m, n));
            assert_eq!(out, naive, "transposed, {m} × {k} × {n}");
            transpose(&b, (k, n), &mut turned);
            let mut out = start.clone();
            add_product_turned(&a, &turned, &mut out, (m, k, n));
            if n > 1 {
                assert_eq!(out, naive, "turned, {m} × {k} × {n}");
            }
            let mut sums = start[..n].to_vec();
            add_rows(&out, &mut sums);
            for (j, sum) in sums.iter().enumerate() {
                assert_eq!(*sum, (0..m).fold(start[j], |sum, i| sum + out[i * n + j]), "rows, {m} × {n}");
            }
        }
    }

    #[test]
    fn one_column_and_repeated_rows_are_as_written() {
        for k in [1, 8, 21] {
            let a: Vec<f32> = (0..3 * k).map(|at| at as f32 - 4.0).collect();
            let b: Vec<f32> = (0..k).map(|at| 2.0 - at as f32).collect();
            let mut out = vec![1.0, 2.0, 3.0];
            add_product_turned(&a, &b, &mut out, (3, k, 1));
            for (i, found) in out.iter().enumerate() {
                // Whole numbers, so that no order of summation rounds.
                let product: f32 = a[i * k..(i + 1) * k].iter().zip(&b).map(|(a, b)| a * b).sum();
                assert_eq!(*found, (i + 1) as f32 + product, "row {i} of {k}");
            }
        }
        let mut out = vec![9.0];
        repeat(&[1.0, 2.0], 2, &mut out);
        repeat(&[3.0], 2, &mut out);
        assert_eq!(out, [9.0, 1.0, 2.0, 1.0, 2.0, 3.0, 3.0]);
    }
}
