//! Bundles: model weights that arrive over the network, as bytes that nobody has vouched for yet.
//!
//! Three types tell how far a bundle has come. [`Parsed`] is a well-formed container with a readable spec, [`Verified`] has
//! every tensor the spec asks for and nothing else, [`Bundle`] has answered its own known-answer probes on this device. Only
//! the last one is given to the ranker. The format is normative in `docs/bundle.md`.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::as_conversions)]

mod container;
mod error;
mod load;
mod probe;
mod spec;
mod write;

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests;

use alloc::string::String;
use alloc::vec::Vec;

pub use error::{BundleError, TensorFault};
pub use load::{Bundle, Parsed, Verified, load, open};
pub use write::write;

/// The format this engine reads and writes.
pub const FORMAT: u32 = 1;
/// The longest bundle, in bytes.
pub const MOST_BYTES: usize = 4 << 20;
/// The longest JSON header, in bytes.
pub const MOST_HEADER_BYTES: usize = 256 << 10;
/// The most tensors in one bundle.
pub const MOST_TENSORS: usize = 256;
/// The longest name of a tensor, a feature, a field or a label, in bytes.
pub const MOST_NAME_BYTES: usize = 64;
/// The most dimensions of a tensor.
pub const MOST_RANK: usize = 4;
/// The largest single dimension.
pub const MOST_DIM: usize = 1 << 24;
/// The most dense features of a block.
pub const MOST_FEATURES: usize = 4096;
/// The most hashed fields of a block, and the most fields a bundle may ask of the schema.
pub const MOST_FIELDS: usize = 64;
/// The most known-answer probes, of which there is at least one.
pub const MOST_PROBES: usize = 64;
/// The most hashed values in one probe.
pub const MOST_PROBE_HASHES: usize = 256;

/// What a bundle holds, as plain data: what a trainer writes and the engine reads.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// The space whose items and actions the weights were trained on.
    pub space: String,
    /// The schema they were trained with, where the trainer insists on exactly that one.
    pub fingerprint: Option<u64>,
    /// The schema fields that must exist for the weights to mean anything.
    pub fields: Vec<String>,
    /// The linear block.
    pub wide: WideWeights,
    /// Inputs with the logit that the trainer's engine gave for them.
    pub probes: Vec<Probe>,
}

/// The weights of the linear block `wide`; the forward pass lives with the blocks.
///
/// # Shapes
/// `weight`, `mean` and `scale` have one number for each of `features`; `hashed` has one for each bucket, a power of two, and
/// is empty exactly where `hashed_fields` is.
#[derive(Clone, Debug, PartialEq)]
pub struct WideWeights {
    /// The action whose probability the logit stands for, such as `click`.
    pub label: String,
    /// Names of the dense features, in the order of the weights.
    pub features: Vec<String>,
    /// One weight for each feature.
    pub weight: Vec<f32>,
    /// What is subtracted from each feature.
    pub mean: Vec<f32>,
    /// What each feature is divided by after that; above zero.
    pub scale: Vec<f32>,
    /// The constant term.
    pub bias: f32,
    /// Fields whose values are hashed into `hashed`.
    pub hashed_fields: Vec<String>,
    /// One weight for each bucket.
    pub hashed: Vec<f32>,
}

/// One known answer: these inputs give exactly this logit.
#[derive(Clone, Debug, PartialEq)]
pub struct Probe {
    /// One value for each dense feature, before standardisation.
    pub dense: Vec<f32>,
    /// Hashes of the values of the hashed fields, in any number.
    pub hashed: Vec<u64>,
    /// The logit, compared bit for bit.
    pub logit: f32,
}
