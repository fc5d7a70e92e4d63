//! Why a bundle was refused.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::block::BlockError;
use crate::codec::hex;
use crate::words::{Sentence, Words, decimal, words};

/// Why a bundle was refused. Nothing is kept of a refused bundle.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum BundleError {
    /// The file or its header is longer than the engine takes.
    Oversized {
        /// `bundle` or `header`.
        part: Words,
        /// How many bytes there are.
        bytes: u64,
        /// How many there may be.
        most: usize,
    },
    /// The container is damaged: the file is shorter than it says, or its tensors overlap or leave holes.
    Container {
        /// What is wrong.
        reason: Words,
    },
    /// The JSON header or the spec inside it cannot be read.
    Json {
        /// `header` or `spec`.
        part: Words,
        /// What the parser said.
        reason: String,
    },
    /// The spec can be read, but not followed.
    Spec {
        /// Path inside the spec, such as `ranker.blocks`.
        at: Words,
        /// What to change.
        reason: Words,
    },
    /// A tensor is missing, unexpected or not as the spec needs it.
    Tensor {
        /// Name of the tensor, cut to 64 characters.
        name: String,
        /// What is wrong with it.
        fault: TensorFault,
    },
    /// The bundle was made for another space.
    WrongSpace,
    /// A known-answer probe gave another answer on this device.
    Probe {
        /// Which probe, counted from 0.
        index: usize,
        /// The bits of the logit that the bundle promises.
        expected: u32,
        /// The bits that came out.
        found: u32,
    },
}

/// What is wrong with a tensor.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum TensorFault {
    /// The spec needs it and the file has it not.
    Missing,
    /// The file has it and the spec does not know it.
    Unexpected,
    /// The header names it twice.
    Duplicate,
    /// Its name is longer than 64 bytes.
    NameTooLong,
    /// It has more than four dimensions.
    TooManyDimensions,
    /// A dimension is above 2²⁴, or the product of all is more than a file can hold.
    TooLarge,
    /// Its offsets are not its own: they overlap another tensor, leave a hole, pass the end or disagree with the shape.
    Offsets,
    /// It is not of a type that its block reads.
    Dtype,
    /// It has another shape than the spec needs.
    Shape {
        /// What the spec needs; 0 for any size.
        expected: Vec<usize>,
        /// What the file has.
        found: Vec<usize>,
    },
    /// The value at this index is a NaN or an infinity.
    NotFinite {
        /// Index of the value.
        at: usize,
    },
    /// The value at this index divides, so it must be above zero and its inverse finite; or it is the scale of a row and negative.
    NotPositive {
        /// Index of the value.
        at: usize,
    },
    /// It is a lower triangle, and the value at this index stands above its diagonal and is not zero.
    NotTriangular {
        /// Index of the value.
        at: usize,
    },
    /// It holds hashed words, and its rows (less the dense features) are not as many as a power of two.
    Buckets,
    /// Its block refuses it.
    Block {
        /// What the block says.
        error: BlockError,
    },
}

impl BundleError {
    /// The stable code that JavaScript receives as `code`.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Oversized { .. } => "BUNDLE_OVERSIZED",
            Self::Container { .. } | Self::Json { .. } | Self::Spec { .. } | Self::Tensor { .. } => "BUNDLE_MALFORMED",
            Self::WrongSpace => "WRONG_SPACE",
            Self::Probe { .. } => "BUNDLE_PROBE",
        }
    }

    /// The sentence, as [`Sentence::close`] gives it.
    pub(crate) fn told(&self) -> String {
        let say = Sentence::new;
        let sentence = match *self {
            Self::Oversized { part, bytes, most } => {
                say(words!("the {} has {} bytes and may have {}: use fewer buckets or features"))
                    .words(part)
                    .number(bytes)
                    .count(most)
            }
            Self::Container { reason } => say(words!("not a whole safetensors file: {}")).words(reason),
            Self::Json { part, ref reason } => say(words!("the {} cannot be read: {}")).words(part).text(reason),
            Self::Spec { at, reason } => say(words!("spec, at {}: {}")).words(at).words(reason),
            Self::Tensor { ref name, ref fault } => say(words!("tensor `{}` {}")).text(name).text(&fault.told()),
            Self::WrongSpace => say(words!("the bundle was made for another space: publish it under its own")),
            Self::Probe { index, expected, found } => {
                say(words!("probe {} gave {} instead of {}: pack the bundle again with this engine's version"))
                    .count(index)
                    .text(&hex(&found.to_be_bytes()))
                    .text(&hex(&expected.to_be_bytes()))
            }
        };
        sentence.close()
    }
}

impl fmt::Display for BundleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.told())
    }
}

/// A shape in brackets; where one is called for, 0 stands for any size.
fn shape(dims: &[usize], any: bool) -> String {
    let mut text = String::from("[");
    for (index, dim) in dims.iter().enumerate() {
        if index > 0 {
            text.push_str(", ");
        }
        if any && *dim == 0 {
            text.push_str("any");
        } else {
            text.push_str(&decimal(u64::try_from(*dim).unwrap_or(u64::MAX)));
        }
    }
    text.push(']');
    text
}

impl TensorFault {
    /// What is to be said of the tensor after its name, as [`Sentence::close`] gives it.
    fn told(&self) -> String {
        let say = Sentence::new;
        let at = |words, index: &usize| Sentence::new(words).count(*index);
        let sentence = match self {
            Self::Missing => say(words!("is missing")),
            Self::Unexpected => say(words!("is not part of any block: remove it")),
            Self::Duplicate => say(words!("is named twice")),
            Self::NameTooLong => say(words!("has a name of more than 64 bytes")),
            Self::TooManyDimensions => say(words!("has more than 4 dimensions")),
            Self::TooLarge => say(words!("has a shape too large for any bundle")),
            Self::Offsets => {
                say(words!("has offsets that overlap, leave a hole, pass the end or disagree with its shape"))
            }
            Self::Dtype => say(words!("is not of a type that its block reads: convert it")),
            Self::Shape { expected, found } => {
                say(words!("has the shape {} instead of {}")).text(&shape(found, false)).text(&shape(expected, true))
            }
            Self::NotFinite { at: index } => at(words!("has a NaN or an infinity at index {}"), index),
            Self::NotPositive { at: index } => at(
                words!("has a value at index {} that divides and is not above zero, or too small to divide by"),
                index,
            ),
            Self::NotTriangular { at: index } => {
                at(words!("has a value at index {} above the diagonal: give the lower triangle L of L·Lᵀ"), index)
            }
            Self::Buckets => say(words!("has not as many rows for hashed words as a power of two")),
            Self::Block { error } => say(words!("cannot be used: {}")).text(&error.told()),
        };
        sentence.close()
    }
}

impl fmt::Display for TensorFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.told())
    }
}

impl core::error::Error for BundleError {}
