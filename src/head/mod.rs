//! Personal heads: small models of one person, learned on the phone, in double precision.
//!
//! A head never fails and never gives a number that is not one. An observation it cannot use is passed over; a head whose
//! numbers cease to be finite returns to its prior, and counts that.

mod bayes;
mod mixture;

pub use bayes::{BayesLinear, Prior};
pub use mixture::Mixture;
#[cfg(all(test, not(target_arch = "wasm32")))]
pub(crate) use mixture::inside;

/// Why a head cannot be made or read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeadError {
    /// The head would have more features or experts than a phone should carry, or none.
    Size {
        /// How many were asked for.
        size: usize,
        /// How many there may be.
        most: usize,
    },
    /// Two parts that describe the same features are of different lengths.
    Shape {
        /// The length given.
        given: usize,
        /// The length expected.
        expected: usize,
    },
    /// A number is outside the range that the constructor names, or is not one.
    Range,
    /// The bytes are not those of such a head under this prior.
    Malformed,
}

impl core::fmt::Display for HeadError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            HeadError::Size { size, most } => write!(f, "head: size {size}; it must be from 1 to {most}"),
            HeadError::Shape { given, expected } => write!(f, "head: {given} numbers where {expected} are needed"),
            HeadError::Range => f.write_str("head: a number is out of range"),
            HeadError::Malformed => f.write_str("head: the stored bytes do not belong to this head"),
        }
    }
}

impl core::error::Error for HeadError {}

/// Takes the next little-endian `u64`.
fn take_u64(bytes: &mut &[u8]) -> Result<u64, HeadError> {
    let (word, rest) = bytes.split_first_chunk::<8>().ok_or(HeadError::Malformed)?;
    *bytes = rest;
    Ok(u64::from_le_bytes(*word))
}

/// Takes the next finite little-endian `f64`.
fn take_f64(bytes: &mut &[u8]) -> Result<f64, HeadError> {
    let number = f64::from_bits(take_u64(bytes)?);
    if number.is_finite() { Ok(number) } else { Err(HeadError::Malformed) }
}
