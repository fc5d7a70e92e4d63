//! Signed updates: which keys count ([`root`]), what is on offer ([`manifest`]), what is installed ([`update`]),
//! and how little of it has to be fetched ([`delta`]).
//!
//! Files come from any static server and are worth nothing until a threshold of known keys has signed them. Signatures are
//! over the exact bytes of the payload with a context before them, so a file of one kind never passes for another.
//! Refusing an update changes nothing: the last good model stays.
//!
//! # Source
//! The roles, thresholds and chained roots follow The Update Framework specification 1.0.33, sections 5.3 and 5.4, cut down to
//! two roles; signatures are Ed25519 (RFC 8032) under the strict rules of `ed25519-dalek`.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::as_conversions)]

pub mod delta;
mod error;
pub mod manifest;
pub mod root;
mod signature;
pub mod update;

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests;

pub use error::SyncError;
pub use manifest::{BundleEntry, VerifiedManifest, open_manifest, select_bundle, verify_manifest};
pub use root::Root;
pub use signature::{Context, Envelope, RawSignature, key_id, signed_bytes};
pub use update::{Delta, Ledger, Next, Op, Update};

use core::fmt;

use crate::codec::{cut, whole};

/// The longest manifest or root file, in bytes.
pub const MOST_FILE_BYTES: usize = 64 << 10;
/// The most signatures on one file.
pub const MOST_SIGNATURES: usize = 16;
/// The most rollout arms, and the most bundles in one manifest.
pub const ARMS: u8 = 8;
/// The most deltas of one bundle.
pub const DELTAS_MOST: usize = 8;
/// The largest integer that JavaScript holds exactly: no version and no time may pass it.
pub const MOST_INTEGER: u64 = (1 << 53) - 1;

/// Version of an engine: `major.minor.patch`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EngineVersion(pub u32, pub u32, pub u32);

impl EngineVersion {
    /// Reads `major.minor.patch`; `None` where it is anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let (major, rest) = cut(text, b'.');
        let (minor, patch) = cut(rest?, b'.');
        // A fourth part would be no number.
        Some(Self(whole(major)?, whole(minor)?, whole(patch?)?))
    }

    /// The version of this engine.
    pub fn current() -> Self {
        Self::parse(env!("CARGO_PKG_VERSION")).unwrap_or(Self(0, 0, 0))
    }
}

impl fmt::Display for EngineVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}
