//! Why an update was refused.

use alloc::string::String;
use core::fmt;

use super::EngineVersion;
use crate::bundle::BundleError;
use crate::error::Error;
use crate::json::Fault;
use crate::words::{Sentence, Words, words};

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
        part: Words,
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

    pub(super) fn malformed(part: Words, reason: Words) -> Self {
        Self::Malformed { part, reason: Sentence::new(reason).close() }
    }

    pub(super) fn unreadable(part: Words, fault: Fault) -> Self {
        Self::Malformed { part, reason: fault.told() }
    }

    /// The sentence, as [`Sentence::close`] gives it.
    pub(crate) fn told(&self) -> String {
        let say = Sentence::new;
        let sentence = match *self {
            Self::Oversized { bytes, most } => {
                say(words!("the file has {} bytes and may have {}")).count(bytes).count(most)
            }
            Self::Malformed { part, ref reason } => say(words!("{} cannot be read: {}")).words(part).text(reason),
            Self::Signature { valid, threshold } => {
                say(words!("{} of {} needed keys have signed: sign with the keys that the root names"))
                    .count(valid)
                    .count(threshold)
            }
            Self::Expired { expires_ms } => {
                say(words!("expired at {}: publish again with a later date")).number(expires_ms)
            }
            Self::Rollback { offered, floor } => {
                say(words!("version {} is not taken, {} is due: raise the version")).number(offered).number(floor)
            }
            Self::WrongSpace => say(words!("the manifest is for another space: check the address")),
            Self::EngineTooOld { needed: EngineVersion(major, minor, patch) } => {
                say(words!("engine {}.{}.{} is needed: release the mini-program with it first"))
                    .number((major).into())
                    .number((minor).into())
                    .number((patch).into())
            }
            Self::BundleOversized { bytes, most } => {
                say(words!("the bundle has {} bytes and may have {}")).number(bytes).count(most)
            }
            Self::BundleLength { expected, found } => {
                say(words!("the bundle has {} bytes instead of {}: fetch again")).count(found).number(expected)
            }
            Self::BundleHash => say(words!("the bundle is not the one that was signed: fetch again")),
            Self::NotAsked => say(words!("no manifest has asked for a bundle: give the manifest first")),
        };
        sentence.close()
    }
}

impl fmt::Display for SyncError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.told())
    }
}

impl core::error::Error for SyncError {}

impl From<SyncError> for Error {
    fn from(error: SyncError) -> Self {
        Self::Refused { code: error.code(), reason: error.told() }
    }
}

impl From<BundleError> for Error {
    fn from(error: BundleError) -> Self {
        Self::Refused { code: error.code(), reason: error.told() }
    }
}
