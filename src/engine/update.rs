//! Updates: which bundle is live, and how a new one becomes so. The last good model stays through every refusal.

use super::Engine;
use crate::bundle;
use crate::error::{Error, Result};
use crate::features::Layout;
use crate::log::{StoreOp, StoredFile, bytes_of};
use crate::rng::{Rng, Seed};
use crate::schema::{Schema, hash64};
use crate::score::{BindError, Ranker};
use crate::sync::{EngineVersion, Ledger, Next, Root, Update};
use crate::time::Timestamp;
use crate::words::{Sentence, words};
use alloc::string::ToString as _;
use alloc::vec::Vec;

/// What is live, and how fresh it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SyncState {
    /// Version of the live bundle; 0 is the starter ranker.
    pub version: u64,
    /// The rollout arm of this phone.
    pub arm: u8,
    /// Version of the root that is trusted; 0 without one.
    pub root: u64,
    /// Whether the newest verified manifest has expired.
    pub stale: bool,
}

/// The update state of one space; without a root there are no updates.
#[derive(Debug)]
pub(super) struct Updates {
    root: Option<Root>,
    arm: u8,
    update: Option<Update>,
}

impl From<BindError> for Error {
    fn from(_: BindError) -> Self {
        Self::SchemaMismatch
    }
}

impl Updates {
    pub(super) fn new(root: Option<&[u8]>, seed: Option<&Seed>) -> Result<Self> {
        let root = root.map(Root::embedded).transpose()?;
        // Drawn from the host's randomness alone, so the arm says nothing about behaviour.
        let arm = seed.map_or(0, |seed| Rng::derive(seed, "arm", &[]).below(8) as u8);
        Ok(Self { root, arm, update: None })
    }

    fn open(&mut self, space: &str, reader: u64, files: &[StoredFile<'_>]) {
        let Some(root) = self.root.clone() else { return };
        let ledger =
            Ledger::open(bytes_of(files, "sync-0"), bytes_of(files, "sync-1")).unwrap_or_else(|| Ledger::new(self.arm));
        let mut update = Update::new(ledger, root, space, EngineVersion::current(), reader, 0);
        update.open_root(bytes_of(files, "root").unwrap_or_default());
        self.update = Some(update);
    }

    fn collect(&mut self, ops: &mut Vec<StoreOp>) {
        for op in self.update.as_mut().map(Update::take_ops).unwrap_or_default() {
            ops.push(StoreOp::Write { name: op.name.to_string(), bytes: op.bytes });
        }
    }

    /// Queues ledger and root again after a failed write. A bundle whose own write failed is missing at the next start, and the last good one
    /// is used.
    pub(super) fn queue_all(&mut self, ops: &mut Vec<StoreOp>) {
        if let Some(update) = &mut self.update {
            update.save_all();
        }
        self.collect(ops);
    }
}

fn without_root() -> Error {
    Error::BadArgument { part: words!("root"), reason: words!("give a root to `open` to receive updates") }
}

/// Reads, probes and binds a bundle: what comes out can score, and scoring cannot fail.
///
/// # Errors
/// The [`Error`] of the first check that fails; `SCHEMA_MISMATCH` where it needs what the schema does not have.
pub fn load(schema: &Schema, layout: &Layout, bytes: &[u8]) -> Result<Ranker> {
    Ok(Ranker::bind(schema, layout, bundle::load(bytes, &schema.space)?)?)
}

impl Engine {
    /// Reads the ledger of updates. Without a root there are none.
    pub fn open_ledger(&mut self, files: &[StoredFile<'_>]) -> SyncState {
        let reader = self.schema_text ^ hash64(env!("CARGO_PKG_VERSION").as_bytes());
        self.update.open(&self.schema.space, reader, files);
        SyncState { stale: false, ..self.sync_ledger() }
    }

    fn sync_ledger(&self) -> SyncState {
        let update = self.update.update.as_ref();
        SyncState {
            version: update.map_or(0, Update::version),
            arm: update.map_or(self.update.arm, |u| u.ledger().arm),
            root: update.map_or(0, Update::root_version),
            stale: false,
        }
    }

    /// What is live, and whether the newest manifest has expired.
    pub fn sync_state(&self, now: Timestamp) -> SyncState {
        let stale = self.update.update.as_ref().is_some_and(|u| u.is_stale(now.ms().unsigned_abs()));
        SyncState { stale, version: self.ranker.version(), ..self.sync_ledger() }
    }

    /// Loads the live bundle, or the last good one where it cannot be used. Returns the version; 0 is the starter ranker.
    ///
    /// # Errors
    /// [`Error::Refused`] with `BUNDLE_MALFORMED` where a bundle was live and neither slot can be used; the starter ranker serves then.
    pub fn open_bundle(&mut self, files: &[StoredFile<'_>]) -> Result<u64> {
        let Some(update) = &mut self.update.update else { return Ok(0) };
        let had_live = update.version() > 0;
        let (schema, layout) = (&self.schema, &self.layout);
        let opened = update
            .open_stored(bytes_of(files, "bundle-0"), bytes_of(files, "bundle-1"), |bytes| load(schema, layout, bytes));
        self.update.collect(&mut self.ops);
        match opened {
            Some(opened) => {
                self.rebind(opened.loaded.with_version(opened.version));
                Ok(opened.version)
            }
            None if had_live => {
                let reason = Sentence::new(words!(
                    "the stored model cannot be used; the starter ranker serves until the next update"
                ))
                .close();
                Err(Error::Refused { code: "BUNDLE_MALFORMED", reason })
            }
            None => Ok(0),
        }
    }

    /// Takes a manifest and says what to fetch.
    ///
    /// # Errors
    /// [`Error::Refused`] with the code of the check that failed. The live bundle stays.
    pub fn sync_manifest(&mut self, bytes: &[u8], now: Timestamp) -> Result<Next> {
        let Some(update) = &mut self.update.update else {
            return Err(without_root());
        };
        let next = update.on_manifest(bytes, now.ms().unsigned_abs());
        self.update.collect(&mut self.ops);
        Ok(next?)
    }

    /// Takes the bundle that was asked for. It is live when this returns.
    ///
    /// # Errors
    /// [`Error::Refused`] with the code of the check that failed, [`Error::SchemaMismatch`]. The live bundle stays.
    pub fn sync_bundle(&mut self, bytes: &[u8]) -> Result<u64> {
        self.take_bundle(&[], bytes)
    }

    /// Takes the delta that was offered, and the bundle file that it builds on. The new bundle is live when this returns.
    ///
    /// # Errors
    /// As [`Engine::sync_bundle`]; after `BUNDLE_HASH` and `BUNDLE_LENGTH` the whole bundle may still be given.
    pub fn sync_delta(&mut self, base: &[u8], delta: &[u8]) -> Result<u64> {
        self.take_bundle(base, delta)
    }

    /// No bundle is empty: an empty base says that the bundle comes whole.
    fn take_bundle(&mut self, base: &[u8], bytes: &[u8]) -> Result<u64> {
        let Some(update) = &mut self.update.update else {
            return Err(without_root());
        };
        let (schema, layout) = (&self.schema, &self.layout);
        let load = |bytes: &[u8]| load(schema, layout, bytes);
        let ranker = if base.is_empty() { update.on_bundle(bytes, load) } else { update.on_delta(base, bytes, load) };
        let version = update.version();
        // A refusal is kept too.
        self.update.collect(&mut self.ops);
        self.rebind(ranker?.with_version(version));
        Ok(version)
    }

    /// Follows the root of trust by one.
    ///
    /// # Errors
    /// [`Error::Refused`] where the next root is not signed by the threshold of this one and of itself.
    pub fn sync_root(&mut self, bytes: &[u8]) -> Result<u64> {
        let Some(update) = &mut self.update.update else {
            return Err(without_root());
        };
        let version = update.on_root(bytes)?;
        self.update.collect(&mut self.ops);
        Ok(version)
    }
}
