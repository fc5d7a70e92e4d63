//! Softmax.

use super::math::{self, Lanes};
use super::{Quad, sum};

/// Turns numbers into shares: `exp(x_i − m) / Σ_j exp(x_j − m)` with `m` the largest.
///
/// The exponentials are [`math::exp`], their sum has the order of [`sum`]. Of up to 64 numbers, each share is within
/// `(24 + |x_i − m|) · 2⁻²⁴` of itself, relative; of a number more than 87 below the largest it is 0. What is no number counts as 0, an infinity
/// as the largest number of its sign.
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

/// Turns the numbers of four lanes, which stand `step` quads apart, into exponentials `exp(x − max x)`, and gives their sums in rising order.
/// The largest number of a lane gives 1.
#[inline(never)]
#[cfg_attr(zhiji_phone, optimize(speed))]
pub fn exponentials(quads: &mut [[f32; 4]], step: usize) -> [f32; 4] {
    let mut most = Quad::splat(f32::MIN);
    for x in quads.iter().step_by(step) {
        let x = Quad::new(*x);
        most = Quad::if_less(most, x, x, most);
    }
    let mut sum = Quad::splat(0.0);
    for x in quads.iter_mut().step_by(step) {
        *x = math::exp_x4((Quad::new(*x) - most).to_array());
        sum = sum + Quad::new(*x);
    }
    sum.to_array()
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn shares_are_within_their_bound(numbers in prop::collection::vec(-40.0f32..40.0, 1..64)) {
            let mut shares = numbers.clone();
            softmax(&mut shares);
            let most = numbers.iter().fold(f64::MIN, |most, x| most.max(f64::from(*x)));
            let exact: Vec<f64> = numbers.iter().map(|x| math::exp_f64(f64::from(*x) - most)).collect();
            let total: f64 = exact.iter().sum();
            for ((share, exact), x) in shares.iter().zip(exact).zip(&numbers) {
                let want = exact / total;
                let slack = (24.0 + most - f64::from(*x)) / 16_777_216.0;
                prop_assert!((f64::from(*share) - want).abs() <= want * slack, "{} instead of {}", share, want);
            }
        }

        #[test]
        fn any_numbers_give_shares(bits in prop::collection::vec(any::<u32>(), 0..9)) {
            let mut shares: Vec<f32> = bits.into_iter().map(f32::from_bits).collect();
            softmax(&mut shares);
            prop_assert!(shares.iter().all(|x| (0.0..=1.0).contains(x)));
            prop_assert!(shares.is_empty() || (sum(&shares) - 1.0).abs() < 1e-5);
        }
    }
}
