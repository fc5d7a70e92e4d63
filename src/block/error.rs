//! Why a block cannot be made.

use alloc::string::String;

use crate::words::{Sentence, words};

/// Why a block cannot be made of the given numbers. `part` is the part's name, as in the bundle's documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BlockError {
    /// A part has not the length that the other parts call for.
    Shape {
        /// Which.
        part: &'static str,
    },
    /// A part is empty, or larger than a phone should carry.
    Size {
        /// Which.
        part: &'static str,
    },
    /// A number is infinite or not one.
    NotFinite {
        /// In which part.
        part: &'static str,
    },
    /// A number is outside the range that the constructor names.
    Range {
        /// In which part.
        part: &'static str,
    },
}

impl BlockError {
    /// The part that is at fault.
    pub const fn part(&self) -> &'static str {
        match self {
            BlockError::Shape { part }
            | BlockError::Size { part }
            | BlockError::NotFinite { part }
            | BlockError::Range { part } => part,
        }
    }

    /// The sentence, as [`Sentence::close`] gives it.
    pub(crate) fn told(&self) -> String {
        let words = match self {
            BlockError::Shape { .. } => words!("{}: its length does not fit the other parts"),
            BlockError::Size { .. } => words!("{}: it is empty or too large"),
            BlockError::NotFinite { .. } => words!("{}: a number is not finite"),
            BlockError::Range { .. } => words!("{}: a number is out of range"),
        };
        Sentence::new(words).text(self.part()).close()
    }
}

impl core::fmt::Display for BlockError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&self.told())
    }
}

impl core::error::Error for BlockError {}

/// Refuses numbers that are not finite.
pub(super) fn finite(part: &'static str, numbers: &[f32]) -> Result<(), BlockError> {
    let mut sound = true;
    for x in numbers {
        sound &= x.is_finite();
    }
    if sound { Ok(()) } else { Err(BlockError::NotFinite { part }) }
}
