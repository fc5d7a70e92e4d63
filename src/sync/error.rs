//! Why an update was refused.

use alloc::string::{String, ToString};
use core::fmt;

use super::EngineVersion;
use crate::bundle::BundleError;
use crate::error::Error;

/// Why an update was refused. The last good model stays in every case.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum SyncError {
    /// A manifest or root file is longer than the engine takes.
    Oversized {
        /// How many bytes there are.
        bytes: usize,
        /// How many there may be.
        most: usize,
    },
    /// A manifest or root file cannot be read.
    Malformed {
        /// Part of the file, such as `payload`.
        part: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// Fewer keys of the role have signed than must.
    Signature {
        /// How many distinct keys of the role have a valid signature.
        valid: usize,
        /// How many must.
        threshold: usize,
    },
    /// The manifest has expired.
    Expired {
        /// When it did, in milliseconds since the epoch.
        expires_ms: u64,
    },
    /// The version is older than one already seen, or a root does not follow its predecessor.
    Rollback {
        /// The version on offer.
        offered: u64,
        /// The lowest version that is taken.
        floor: u64,
    },
    /// The manifest is for another space.
    WrongSpace,
    /// The manifest or the bundle of this device's arm needs a newer engine.
    EngineTooOld {
        /// The oldest engine that will do.
        needed: EngineVersion,
    },
    /// The manifest offers a bundle longer than the engine takes.
    BundleOversized {
        /// How many bytes it has.
        bytes: u64,
        /// How many it may have.
        most: usize,
    },
    /// The bytes are not as many as the manifest says.
    BundleLength {
        /// How many the manifest says.
        expected: u64,
        /// How many came.
        found: usize,
    },
    /// The bytes have another SHA-256 than the manifest says.
    BundleHash,
    /// A bundle came that no manifest had asked for.
    NotAsked,
}

impl SyncError {
    /// The stable code that JavaScript receives as `code`.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Oversized { .. } => "MANIFEST_OVERSIZED",
            Self::Malformed { .. } => "MANIFEST_MALFORMED",
            Self::Signature { .. } => "SIGNATURE",
            Self::Expired { .. } => "EXPIRED",
            Self::Rollback { .. } => "ROLLBACK",
            Self::WrongSpace => "WRONG_SPACE",
            Self::EngineTooOld { .. } => "ENGINE_TOO_OLD",
            Self::BundleOversized { .. } => "BUNDLE_OVERSIZED",
            Self::BundleLength { .. } => "BUNDLE_LENGTH",
            Self::BundleHash => "BUNDLE_HASH",
            Self::NotAsked => "BAD_ARGUMENT",
        }
    }

    pub(super) fn malformed(part: &'static str, reason: impl ToString) -> Self {
        Self::Malformed { part, reason: reason.to_string() }
    }
}

impl fmt::Display for SyncError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Oversized { bytes, most } => write!(f, "the file has {bytes} bytes and may have {most}"),
            Self::Malformed { part, reason } => write!(f, "{part} cannot be read: {reason}"),
            Self::Signature { valid, threshold } => {
                write!(f, "{valid} of {threshold} needed keys have signed: sign with the keys that the root names")
            }
            Self::Expired { expires_ms } => write!(f, "expired at {expires_ms}: publish again with a later date"),
            Self::Rollback { offered, floor } => {
                write!(f, "version {offered} is not taken, {floor} is due: raise the version")
            }
            Self::WrongSpace => f.write_str("the manifest is for another space: check the address"),
            Self::EngineTooOld { needed } => {
                write!(f, "engine {needed} is needed: release the mini-program with it first")
            }
            Self::BundleOversized { bytes, most } => write!(f, "the bundle has {bytes} bytes and may have {most}"),
            Self::BundleLength { expected, found } => {
                write!(f, "the bundle has {found} bytes instead of {expected}: fetch again")
            }
            Self::BundleHash => f.write_str("the bundle is not the one that was signed: fetch again"),
            Self::NotAsked => f.write_str("no manifest has asked for a bundle: give the manifest first"),
        }
    }
}

impl core::error::Error for SyncError {}

impl From<SyncError> for Error {
    fn from(error: SyncError) -> Self {
        Self::Refused { code: error.code(), reason: error.to_string() }
    }
}

impl From<BundleError> for Error {
    fn from(error: BundleError) -> Self {
        Self::Refused { code: error.code(), reason: error.to_string() }
    }
}
