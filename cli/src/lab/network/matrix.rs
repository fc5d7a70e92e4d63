//! Products of matrices for whole batches: the engine's, compiled for the widest registers of the machine.

use zhiji::block::matrix;

pub use zhiji::block::matrix::transpose;

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
