//! Products of matrices, for whole batches at once.
//!
//! Every element of a product is summed in the rising order of the inner index, products and sums each rounded, whatever the width of the
//! registers: so machines with and without AVX give the same bits.

/// `out[m × n] += a[m × k] · b[k × n]`, row-major.
pub fn add_product(a: &[f32], b: &[f32], out: &mut [f32], (m, k, n): (usize, usize, usize)) {
    run(Left { numbers: a, row: k, column: 1 }, b, out, (m, k, n));
}

/// `out[k × n] += aᵀ · b` for `a[m × k]` and `b[m × n]`, row-major: how a weight moves whose input was `a`.
pub fn add_transposed_product(a: &[f32], b: &[f32], out: &mut [f32], (m, k, n): (usize, usize, usize)) {
    run(Left { numbers: a, row: 1, column: k }, b, out, (k, m, n));
}

/// Writes `out[c × r]` from `a[r × c]`.
pub fn transpose(a: &[f32], (rows, columns): (usize, usize), out: &mut Vec<f32>) {
    out.clear();
    out.resize(rows * columns, 0.0);
    for (r, row) in a.chunks_exact(columns.max(1)).take(rows).enumerate() {
        for (c, x) in row.iter().enumerate() {
            out[c * rows + r] = *x;
        }
    }
}

/// The left matrix: element `(i, p)` stands at `i · row + p · column`.
#[derive(Clone, Copy)]
struct Left<'a> {
    numbers: &'a [f32],
    row: usize,
    column: usize,
}

fn run(a: Left<'_>, b: &[f32], out: &mut [f32], shape: (usize, usize, usize)) {
    #[cfg(target_arch = "x86_64")]
    if std::is_x86_feature_detected!("avx2") {
        // SAFETY: the machine has just said that it has these instructions.
        unsafe { product_avx2(a, b, out, shape) };
        return;
    }
    product(a, b, out, shape);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn product_avx2(a: Left<'_>, b: &[f32], out: &mut [f32], shape: (usize, usize, usize)) {
    product(a, b, out, shape);
}

#[inline(always)]
fn product(a: Left<'_>, b: &[f32], out: &mut [f32], (m, k, n): (usize, usize, usize)) {
    let mut from = 0;
    while from + 16 <= n {
        columns::<16>(a, b, out, (m, k, n), from);
        from += 16;
    }
    while from + 8 <= n {
        columns::<8>(a, b, out, (m, k, n), from);
        from += 8;
    }
    while from + 4 <= n {
        columns::<4>(a, b, out, (m, k, n), from);
        from += 4;
    }
    while from < n {
        columns::<1>(a, b, out, (m, k, n), from);
        from += 1;
    }
}

/// `W` columns of the product, four rows at a time, so that sums stay in registers.
#[inline(always)]
fn columns<const W: usize>(a: Left<'_>, b: &[f32], out: &mut [f32], (m, k, n): (usize, usize, usize), from: usize) {
    let mut row = 0;
    while row + 4 <= m {
        tile::<W, 4>(a, b, out, (k, n), (row, from));
        row += 4;
    }
    while row < m {
        tile::<W, 1>(a, b, out, (k, n), (row, from));
        row += 1;
    }
}

#[inline(always)]
fn tile<const W: usize, const R: usize>(
    a: Left<'_>,
    b: &[f32],
    out: &mut [f32],
    (k, n): (usize, usize),
    (row, from): (usize, usize),
) {
    let mut sums = [[0.0f32; W]; R];
    for (r, sums) in sums.iter_mut().enumerate() {
        sums.copy_from_slice(&out[(row + r) * n + from..][..W]);
    }
    let lefts: [&[f32]; R] = std::array::from_fn(|r| &a.numbers[((row + r) * a.row).min(a.numbers.len())..]);
    for p in 0..k {
        let (right, _) = b[p * n + from..].split_at(W);
        for (sums, left) in sums.iter_mut().zip(lefts) {
            let x = left[p * a.column];
            for (sum, y) in sums.iter_mut().zip(right) {
                *sum += x * y;
            }
        }
    }
    for (r, sums) in sums.iter().enumerate() {
        out[(row + r) * n + from..][..W].copy_from_slice(sums);
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
