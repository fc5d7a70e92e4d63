//! Updates: which bundle is live, and how a new one becomes so.

use super::Engine;
use crate::error::{Error, Result};
use crate::log::{StoreOp, StoredFile};
use crate::rng::Seed;
use alloc::vec::Vec;

/// What is live, and how fresh it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SyncState {
    /// Version of the live bundle; 0 is the starter ranker.
    pub version: u64,
    /// The rollout arm of this phone.
    pub arm: u8,
    /// Whether the manifest that made it live has expired.
    pub stale: bool,
}

/// The update state of one space.
#[derive(Debug, Default)]
pub(super) struct Updates {
    state: SyncState,
}

impl Updates {
    pub(super) fn new(_space: &str, _root: Option<&[u8]>, _seed: Option<&Seed>) -> Result<Self> {
        Ok(Self::default())
    }

    pub(super) fn queue_all(&self, _ops: &mut Vec<StoreOp>) {}
}

impl Engine {
    /// Reads the ledger of updates.
    pub fn open_ledger(&mut self, _files: &[StoredFile<'_>]) -> SyncState {
        self.update.state
    }

    /// Loads the live bundle.
    ///
    /// # Errors
    /// [`Error`] of a refusal.
    pub fn open_bundle(&mut self, _files: &[StoredFile<'_>]) -> core::result::Result<u64, Error> {
        Ok(self.ranker.version())
    }
}
