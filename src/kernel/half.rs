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
