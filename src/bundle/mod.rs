//! Bundles: model weights that arrive over the network, as bytes that nobody has vouched for yet.
//!
//! Two types tell how far a bundle has come. [`Verified`] is a sound container with a spec that can be followed, every tensor that the spec asks
//! for, and nothing else; [`Bundle`] has answered its own known-answer probes on this device. Only the last one is given to the ranker. The
//! format is normative in `docs/bundle.md`.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::as_conversions)]

mod container;
mod error;
mod head;
mod notes;
mod probe;
mod spec;
pub mod stack;
mod tensors;
mod write;

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests;

use alloc::string::String;
use alloc::vec::Vec;

use crate::json::{Faults, Json};
use crate::words::words;
use container::{Container, json};
pub use error::{BundleError, TensorFault};
pub use head::Head;
use notes::Notes;
use spec::Parts;
pub use stack::{Stack, Workspace};
use tensors::Tensors;
pub use write::{Numbers, Writing, write};

/// The format this engine reads and writes.
pub const FORMAT: u32 = 1;
/// The longest bundle, in bytes.
pub const MOST_BYTES: usize = 4 << 20;
/// The longest JSON header, in bytes.
pub const MOST_HEADER_BYTES: usize = 256 << 10;
/// The most tensors in one bundle.
pub const MOST_TENSORS: usize = 256;
/// The longest name of a tensor, a block, a feature, a field or a label, in bytes.
pub const MOST_NAME_BYTES: usize = 64;
/// The most dimensions of a tensor.
pub const MOST_RANK: usize = 4;
/// The largest single dimension.
pub const MOST_DIM: usize = 1 << 24;
/// The most dense features of a bundle.
pub const MOST_FEATURES: usize = 4096;
/// The most hashed fields of a bundle, and the most fields that it may ask of the schema.
pub const MOST_FIELDS: usize = 64;
/// The most blocks.
pub const MOST_BLOCKS: usize = 32;
/// The most layers of a net.
pub const MOST_LAYERS: usize = 8;
/// The most experts of a mixture.
pub const MOST_EXPERTS: usize = 16;
/// The most tiers.
pub const MOST_TIERS: usize = 3;
/// The most tasks of a tier.
pub const MOST_TASKS: usize = 8;
/// The most known-answer probes, of which there is at least one.
pub const MOST_PROBES: usize = 64;
/// The most words of an item in a probe.
pub const MOST_PROBE_WORDS: usize = 256;

/// Every tensor that the spec needs is there, of the right type and shape, finite; and no other.
#[derive(Clone, Debug)]
pub struct Verified(Parts);

/// A bundle that answered its probes on this device. Scoring with it cannot fail.
#[derive(Clone, Debug)]
pub struct Bundle(Parts);

/// Reads untrusted bytes: sizes first, then the header, then the spec and its tensors.
///
/// # Errors
/// [`BundleError::Oversized`] before anything is parsed; [`BundleError::Container`], [`BundleError::Json`], [`BundleError::Spec`] and
/// [`BundleError::Tensor`] for what is wrong inside.
pub fn open(bytes: &[u8]) -> Result<Verified, BundleError> {
    let Container { spec, tensors } = Container::open(bytes)?;
    let spec = Json::open(spec.as_bytes()).map_err(|fault| json(words!("spec"), fault))?;
    let faults = Faults::default();
    let mut tensors = Tensors::new(tensors, Notes::new(&faults));
    let parts = spec::read(spec.read(&faults), &mut tensors);
    // What was read of a spec that is no such thing counts for nothing, and neither does what was said about it.
    tensors.close()?;
    Ok(Verified(parts))
}

/// Takes a bundle all the way: read, verified for `space`, and probed.
///
/// # Errors
/// Every variant of [`BundleError`].
pub fn load(bytes: &[u8], space: &str) -> Result<Bundle, BundleError> {
    let verified = open(bytes)?;
    if verified.space() == space { verified.run_probes() } else { Err(BundleError::WrongSpace) }
}

/// Name, type and shape of a tensor.
pub type Listed = (String, &'static str, Vec<usize>);

/// Every tensor in a file, in its order.
///
/// # Errors
/// As [`open`], of the container alone.
pub fn tensors(bytes: &[u8]) -> Result<Vec<Listed>, BundleError> {
    let tensors = Container::open(bytes)?.tensors;
    Ok(tensors.into_iter().map(|tensor| (tensor.name, tensor.dtype, tensor.shape)).collect())
}

impl Verified {
    /// The space that the bundle says it is for.
    pub fn space(&self) -> &str {
        &self.0.space
    }

    /// What it computes.
    pub const fn stack(&self) -> &Stack {
        &self.0.stack
    }

    /// The personal head that goes with it; none where the built-in one does.
    pub const fn head(&self) -> Option<&Head> {
        self.0.head.as_ref()
    }

    /// The schema it was trained with, where its trainer insists on exactly that one.
    pub const fn fingerprint(&self) -> Option<u64> {
        self.0.fingerprint
    }

    /// The schema fields that must exist for the weights to mean anything.
    pub fn fields(&self) -> &[String] {
        &self.0.fields
    }

    /// What this build answers to the probes, as bit patterns: the same in every build.
    pub fn answers(&self) -> Vec<u32> {
        let mut bits = Vec::new();
        for probe in &self.0.probes {
            for answer in probe.answers(&self.0.stack) {
                bits.push(answer.to_bits());
            }
        }
        bits
    }

    /// Runs the known-answer probes through the forward pass of this device.
    ///
    /// # Errors
    /// [`BundleError::Probe`] for the first answer that differs.
    pub fn run_probes(self) -> Result<Bundle, BundleError> {
        probe::run(&self.0.probes, &self.0.stack)?;
        Ok(Bundle(self.0))
    }
}

impl Bundle {
    /// The schema it was trained with, where its trainer insists on exactly that one.
    pub const fn fingerprint(&self) -> Option<u64> {
        self.0.fingerprint
    }

    /// The schema fields that must exist for the weights to mean anything.
    pub fn fields(&self) -> &[String] {
        &self.0.fields
    }

    /// What it computes.
    pub const fn stack(&self) -> &Stack {
        &self.0.stack
    }

    /// How many probes it answered.
    pub fn probes(&self) -> usize {
        self.0.probes.len()
    }

    /// The personal head that goes with it; none where the built-in one does.
    pub const fn head(&self) -> Option<&Head> {
        self.0.head.as_ref()
    }

    /// The stack itself, and the head that goes with it, for a ranker.
    pub(crate) fn into_parts(self) -> (Stack, Option<Head>) {
        (self.0.stack, self.0.head)
    }
}
