//! Why a bundle was refused.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::block::BlockError;

/// Why a bundle was refused. Nothing is kept of a refused bundle.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum BundleError {
    /// The file or its header is longer than the engine takes.
    Oversized {
        /// `bundle` or `header`.
        part: &'static str,
        /// How many bytes there are.
        bytes: u64,
        /// How many there may be.
        most: usize,
    },
    /// The container is damaged: the file is shorter than it says, or its tensors overlap or leave holes.
    Container {
        /// What is wrong.
        reason: &'static str,
    },
    /// The JSON header or the spec inside it cannot be read.
    Json {
        /// `header` or `spec`.
        part: &'static str,
        /// What the parser said.
        reason: String,
    },
    /// The spec can be read, but not followed.
    Spec {
        /// Path inside the spec, such as `ranker.blocks`.
        at: &'static str,
        /// What to change.
        reason: &'static str,
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
}

impl fmt::Display for BundleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Oversized { part, bytes, most } => {
                write!(f, "the {part} has {bytes} bytes and may have {most}: use fewer buckets or features")
            }
            Self::Container { reason } => write!(f, "not a whole safetensors file: {reason}"),
            Self::Json { part, reason } => write!(f, "the {part} cannot be read: {reason}"),
            Self::Spec { at, reason } => write!(f, "spec, at {at}: {reason}"),
            Self::Tensor { name, fault } => write!(f, "tensor `{name}` {fault}"),
            Self::WrongSpace => f.write_str("the bundle was made for another space: publish it under its own"),
            Self::Probe { index, expected, found } => write!(
                f,
                "probe {index} gave {found:08x} instead of {expected:08x}: pack the bundle again with this engine's version"
            ),
        }
    }
}

/// Writes a shape; where one is called for, 0 stands for any size.
fn write_shape(f: &mut fmt::Formatter<'_>, shape: &[usize], any: bool) -> fmt::Result {
    for (index, dim) in shape.iter().enumerate() {
        f.write_str(if index == 0 { "[" } else { ", " })?;
        if any && *dim == 0 { f.write_str("any")? } else { write!(f, "{dim}")? }
    }
    f.write_str(if shape.is_empty() { "[]" } else { "]" })
}

impl fmt::Display for TensorFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("is missing"),
            Self::Unexpected => f.write_str("is not part of any block: remove it"),
            Self::Duplicate => f.write_str("is named twice"),
            Self::NameTooLong => f.write_str("has a name of more than 64 bytes"),
            Self::TooManyDimensions => f.write_str("has more than 4 dimensions"),
            Self::TooLarge => f.write_str("has a shape too large for any bundle"),
            Self::Offsets => {
                f.write_str("has offsets that overlap, leave a hole, pass the end or disagree with its shape")
            }
            Self::Dtype => f.write_str("is not of a type that its block reads: convert it"),
            Self::Shape { expected, found } => {
                f.write_str("has the shape ")?;
                write_shape(f, found, false)?;
                f.write_str(" instead of ")?;
                write_shape(f, expected, true)
            }
            Self::NotFinite { at } => write!(f, "has a NaN or an infinity at index {at}"),
            Self::NotPositive { at } => {
                write!(f, "has a value at index {at} that divides and is not above zero, or too small to divide by")
            }
            Self::NotTriangular { at } => {
                write!(f, "has a value at index {at} above the diagonal: give the lower triangle L of L·Lᵀ")
            }
            Self::Buckets => f.write_str("has not as many rows for hashed words as a power of two"),
            Self::Block { error } => write!(f, "cannot be used: {error}"),
        }
    }
}

impl core::error::Error for BundleError {}
