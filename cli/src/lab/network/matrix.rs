//! Products of matrices for whole batches: the engine's, compiled for the widest registers of the machine.

use zhiji::block::matrix;

pub use zhiji::block::matrix::transpose;

/// `out[m × n] += a[m × k] · b[k × n]`, row-major.
pub fn add_product(a: &[f32], b: &[f32], out: &mut [f32], shape: (usize, usize, usize)) {
    widest(|| matrix::add_product(a, b, out, shape));
}

/// `out[k × n] += aᵀ · b` for `a[m × k]` and `b[m × n]`, row-major: how a weight moves whose input was `a`.
pub fn add_transposed_product(a: &[f32], b: &[f32], out: &mut [f32], shape: (usize, usize, usize)) {
    widest(|| matrix::add_transposed_product(a, b, out, shape));
}

/// Does what is asked as code for the widest registers that this machine has, as far as that is compiled into its caller.
#[inline(always)]
pub fn widest<T>(of: impl FnOnce() -> T) -> T {
    #[cfg(target_arch = "x86_64")]
    if std::is_x86_feature_detected!("avx2") {
        // SAFETY: the machine has just said that it has these instructions.
        return unsafe { with_avx2(of) };
    }
    of()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn with_avx2<T>(of: impl FnOnce() -> T) -> T {
    of()
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
            let mut out = start;
            add_transposed_product(&turned, &b, &mut out, (k, m, n));
            assert_eq!(out, naive, "transposed, {m} × {k} × {n}");
        }
    }
}
