//! Products of matrices, for trainers: whole batches at once. Nothing here is called on a phone.
//!
//! Every element of a product is summed in the rising order of the inner index, products and sums each rounded, whatever the width of the
//! registers: so machines with and without wide vectors give the same bits. All of it is compiled into its callers, which may be compiled for
//! registers that not every machine has.

use super::real::Real;
use alloc::vec::Vec;

/// `out[m × n] += a[m × k] · b[k × n]`, row-major.
#[inline(always)]
pub fn add_product<R: Real>(a: &[R], b: &[R], out: &mut [R], (m, k, n): (usize, usize, usize)) {
    product(Left { numbers: a, row: k, column: 1 }, b, out, (m, k, n));
}

/// `out[k × n] += aᵀ · b` for `a[m × k]` and `b[m × n]`, row-major: how a weight moves whose input was `a`.
#[inline(always)]
pub fn add_transposed_product<R: Real>(a: &[R], b: &[R], out: &mut [R], (m, k, n): (usize, usize, usize)) {
    product(Left { numbers: a, row: 1, column: k }, b, out, (k, m, n));
}

/// Writes `out[c × r]` from `a[r × c]`.
#[inline(always)]
pub fn transpose<R: Real>(a: &[R], (rows, columns): (usize, usize), out: &mut Vec<R>) {
    out.clear();
    out.resize(rows * columns, R::default());
    for (r, row) in a.chunks_exact(columns.max(1)).take(rows).enumerate() {
        for (c, x) in row.iter().enumerate() {
            out[c * rows + r] = *x;
        }
    }
}

/// The left matrix: element `(i, p)` stands at `i · row + p · column`.
#[derive(Clone, Copy)]
struct Left<'a, R> {
    numbers: &'a [R],
    row: usize,
    column: usize,
}

#[inline(always)]
fn product<R: Real>(a: Left<'_, R>, b: &[R], out: &mut [R], (m, k, n): (usize, usize, usize)) {
    let mut from = 0;
    while from + 16 <= n {
        columns::<R, 16>(a, b, out, (m, k, n), from);
        from += 16;
    }
    while from + 8 <= n {
        columns::<R, 8>(a, b, out, (m, k, n), from);
        from += 8;
    }
    while from + 4 <= n {
        columns::<R, 4>(a, b, out, (m, k, n), from);
        from += 4;
    }
    while from < n {
        columns::<R, 1>(a, b, out, (m, k, n), from);
        from += 1;
    }
}

/// `W` columns of the product, four rows at a time, so that sums stay in registers.
#[inline(always)]
fn columns<R: Real, const W: usize>(
    a: Left<'_, R>,
    b: &[R],
    out: &mut [R],
    (m, k, n): (usize, usize, usize),
    from: usize,
) {
    let mut row = 0;
    while row + 4 <= m {
        tile::<R, W, 4>(a, b, out, (k, n), (row, from));
        row += 4;
    }
    while row < m {
        tile::<R, W, 1>(a, b, out, (k, n), (row, from));
        row += 1;
    }
}

#[inline(always)]
fn tile<R: Real, const W: usize, const H: usize>(
    a: Left<'_, R>,
    b: &[R],
    out: &mut [R],
    (k, n): (usize, usize),
    (row, from): (usize, usize),
) {
    let mut sums = [[R::default(); W]; H];
    for (r, sums) in sums.iter_mut().enumerate() {
        sums.copy_from_slice(&out[(row + r) * n + from..][..W]);
    }
    let lefts: [&[R]; H] = std::array::from_fn(|r| &a.numbers[((row + r) * a.row).min(a.numbers.len())..]);
    for p in 0..k {
        let (right, _) = b[p * n + from..].split_at(W);
        for (sums, left) in sums.iter_mut().zip(lefts) {
            let x = left[p * a.column];
            for (sum, y) in sums.iter_mut().zip(right) {
                *sum += x * *y;
            }
        }
    }
    for (r, sums) in sums.iter().enumerate() {
        out[(row + r) * n + from..][..W].copy_from_slice(sums);
    }
}
