//! Bundles that tests make: tensors by their shapes, of numbers that a generator gives.

use serde_json::Value;
use zhiji::bundle::{Numbers, Writing, write};

/// What a tensor is filled with.
pub enum Of {
    /// Multiples of 2⁻⁸ in `[−1, 1)`.
    Weights,
    /// From 0.5 to 1.5: what divides, and scales of rows.
    Scales,
    /// Signed bytes.
    Signed,
    /// Bytes without a sign.
    Unsigned,
    /// These.
    Shorts(Vec<u16>),
    Words(Vec<u32>),
    Longs(Vec<u64>),
    #[allow(dead_code)] // One of the two users of this file needs it.
    Text(&'static str),
}

/// Numbers as they are held until they are written.
enum Held<'a> {
    Singles(Vec<f32>),
    Signed(Vec<i8>),
    Bytes(Vec<u8>),
    Given(Numbers<'a>),
}

/// The bundle of a spec and of tensors by name and shape. What is drawn comes from `next`, tensor by tensor.
pub fn made<N: AsRef<str>, S: AsRef<[usize]>>(
    spec: &Value,
    tensors: &[(N, S, Of)],
    next: &mut dyn FnMut() -> u64,
) -> Vec<u8> {
    let weight = |next: &mut dyn FnMut() -> u64| f32::from((next() >> 55) as i16 - 256) / 256.0;
    let held: Vec<Held<'_>> = (tensors.iter())
        .map(|(_, shape, of)| {
            let count = shape.as_ref().iter().product();
            match of {
                Of::Weights => Held::Singles((0..count).map(|_| weight(next)).collect()),
                Of::Scales => Held::Singles((0..count).map(|_| 1.0 + weight(next) / 2.0).collect()),
                Of::Signed => Held::Signed((0..count).map(|_| next() as i8).collect()),
                Of::Unsigned => Held::Bytes((0..count).map(|_| next() as u8).collect()),
                Of::Shorts(of) => Held::Given(Numbers::Shorts(of)),
                Of::Words(of) => Held::Given(Numbers::Words(of)),
                Of::Longs(of) => Held::Given(Numbers::Longs(of)),
                Of::Text(of) => Held::Given(Numbers::Bytes(of.as_bytes())),
            }
        })
        .collect();
    let writings: Vec<Writing<'_>> = (tensors.iter().zip(&held))
        .map(|((name, shape, _), held)| {
            let numbers = match held {
                Held::Singles(of) => Numbers::Singles(of),
                Held::Signed(of) => Numbers::Signed(of),
                Held::Bytes(of) => Numbers::Bytes(of),
                Held::Given(of) => *of,
            };
            Writing { name: name.as_ref(), shape: shape.as_ref(), numbers }
        })
        .collect();
    write(&spec.to_string(), &writings).expect("a sound bundle")
}
