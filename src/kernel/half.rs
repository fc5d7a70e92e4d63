//! Half precision as a storage format: 16 bits in a file, single precision in memory.
//!
//! # Source
//! IEEE 754-2008, section 3.4, binary16.

/// `2¹¹²`: what the exponents of the two formats differ by.
const UP: f32 = f32::from_bits((127 + 112) << 23);

/// The number that 16 bits stand for; every half has its exact single. Infinities stay, and what is no number stays none.
pub fn widen(half: u16) -> f32 {
    let sign = u32::from(half & 0x8000) << 16;
    let bits = u32::from(half & 0x7fff) << 13;
    // The exponent is moved by a product, which takes subnormal halves to normal singles as well.
    let size = if half & 0x7c00 == 0x7c00 { f32::from_bits(bits | 0x7f80_0000) } else { f32::from_bits(bits) * UP };
    f32::from_bits(size.to_bits() | sign)
}

/// The half nearest to `x`, ties to even; beyond 65,504 an infinity, which no bundle may hold.
pub fn narrow(x: f32) -> u16 {
    let sign = (x.to_bits() >> 16) as u16 & 0x8000;
    let size = x.to_bits() & 0x7fff_ffff;
    let half = if size > 0x7f80_0000 {
        0x7e00
    } else if size >= 0x477f_f000 {
        // 65,520, the middle between the largest half and what would follow it.
        0x7c00
    } else if size < 0x3880_0000 {
        // Below the least normal half: adding ½ leaves multiples of 2⁻²⁴ in the low bits, rounded to even.
        (f32::from_bits(size) + 0.5).to_bits().wrapping_sub(0.5f32.to_bits())
    } else {
        let even = (size >> 13) & 1;
        (size - (112 << 23) + 0x0fff + even) >> 13
    };
    half as u16 | sign
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;

    /// What the 16 bits stand for, by the definition of the format.
    fn exact(half: u16) -> f64 {
        let (exponent, fraction) = (i32::from(half >> 10 & 31), f64::from(half & 1023));
        let power = |n: i32| f64::from_bits(((n + 1023) as u64) << 52);
        let size = if exponent == 0 { fraction * power(-24) } else { (1024.0 + fraction) * power(exponent - 25) };
        if half >> 15 == 1 { -size } else { size }
    }

    #[test]
    fn every_half_widens_to_its_number_and_back() {
        for half in 0..=u16::MAX {
            let single = widen(half);
            if half & 0x7c00 == 0x7c00 {
                assert_eq!(single.is_nan(), half & 0x03ff != 0, "{half:04x}");
                assert!(!single.is_finite());
                assert!(single.is_nan() || narrow(single) == half);
            } else {
                assert_eq!(f64::from(single), exact(half), "{half:04x}");
                assert_eq!(narrow(single), half);
            }
        }
    }

    #[test]
    fn the_nearest_half_is_taken_and_of_two_the_even_one() {
        for half in (0..0x7bff_u16).step_by(7) {
            let (low, high) = (widen(half), widen(half + 1));
            let middle = (low + high) / 2.0;
            let even = if half % 2 == 0 { half } else { half + 1 };
            assert_eq!([narrow(middle), narrow(-middle)], [even, even | 0x8000], "{half:04x}");
            assert_eq!(narrow(f32::from_bits(middle.to_bits() + 1)), half + 1);
            assert_eq!(narrow(f32::from_bits(middle.to_bits() - 1)), half);
        }
        assert_eq!([narrow(65_519.9), narrow(65_520.0), narrow(f32::MAX)], [0x7bff, 0x7c00, 0x7c00]);
        assert!(widen(narrow(f32::NAN)).is_nan());
    }
}
