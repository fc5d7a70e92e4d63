//! Softmax.

use super::{math, sum};

/// Turns numbers into shares: `exp(x_i − m) / Σ_j exp(x_j − m)` with `m` the largest.
///
/// The exponentials are [`math::exp`], their sum has the order of [`sum`]. Each share is within 2⁻¹⁹ of itself, relative, for up to 64 numbers that
/// are no more than 80 below the largest; further below it is 0. What is no number counts as 0; an infinity takes all.
pub fn softmax(x: &mut [f32]) {
    let mut most = f32::MIN;
    for x in x.iter_mut() {
        *x = super::saturate(*x);
        if *x > most {
            most = *x;
        }
    }
    let (fours, rest) = x.as_chunks_mut::<4>();
    for four in fours {
        *four = math::exp_x4(four.map(|x| x - most));
    }
    for x in rest {
        *x = math::exp(*x - most);
    }
    // The largest gives 1, so this divides.
    let total = sum(x);
    for x in x {
        *x /= total;
    }
}
