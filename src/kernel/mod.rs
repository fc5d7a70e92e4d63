//! Arithmetic: the hot loops, in one fixed order of operations on every platform.
//!
//! [`dot`], [`sum`] and [`matvec`] run four accumulators. Lane `l` adds the elements `i ≡ l (mod 4)` in rising order, the
//! elements past the last whole group of four go on into their lanes in the same way, and the result is
//! `(lane 0 + lane 1) + (lane 2 + lane 3)`. [`scalar`] holds them as four numbers and is the reference; `simd128` holds them
//! in one vector register and is a *build* of its own, because WebAssembly validates a whole module when it is loaded.
//! Nothing here fuses a product with a sum, so the same inputs give the same bits natively, in both WebAssembly builds
//! and in the JavaScript translation of them.
//!
//! Slices of different lengths are read up to the shorter one: scoring must not be able to fail. Shapes are checked once,
//! where a bundle is loaded.

mod best;
pub mod half;
pub mod int8;
mod lanes;
pub mod linear;
pub mod math;
mod rows;
pub mod scalar;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub mod simd128;
mod softmax;
mod sums;
pub mod words;

pub use best::Best;
pub use rows::{Rows, dot_rows, dot_rows_standardised};
#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
pub use scalar::Quad;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub use simd128::Quad;
pub use softmax::{exponentials, softmax};
pub use sums::{axpy, dot, dot_standardised, sum};

/// Whether a quad is four registers: then two of them are what fits beside what they are made of.
pub(crate) const NARROW: bool = cfg!(all(target_arch = "wasm32", not(target_feature = "simd128")));

/// Writes `out[r] = matrix[r] · x` for a row-major `matrix` of `out.len()` rows.
///
/// Each row is one [`dot`], so the order of summation does not depend on the number of rows.
///
/// # Shapes
/// `matrix`: `out.len() × cols`; `x`: `cols`. Rows that the matrix does not have are 0.
pub fn matvec(matrix: &[f32], cols: usize, x: &[f32], out: &mut [f32]) {
    for (row, slot) in out.iter_mut().enumerate() {
        let from = row.saturating_mul(cols).min(matrix.len());
        let to = from.saturating_add(cols).min(matrix.len());
        *slot = dot(&matrix[from..to], x);
    }
}

/// The number itself where it is finite; else the largest of its sign, and 0 for what is no number. Scores pass through it last.
#[inline]
pub fn saturate(x: f32) -> f32 {
    if x.is_nan() { 0.0 } else { x.clamp(f32::MIN, f32::MAX) }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests;
