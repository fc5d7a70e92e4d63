//! Encryption at rest: the log's files and the snapshot, under a key that the host keeps in its encrypted storage.
//!
//! Without a key everything stands in the clear; without the host's randomness there is no key. A lost key is the end of what was sealed with it:
//! that is how deleting one small key shreds a whole log.

use super::{Engine, SNAPSHOT, snapshot};
use crate::log::{StoreOp, StoredFile, is_clear};
use crate::rng::Rng;
use crate::seal::{Key, open_chunks, seal_chunk};
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

/// A key and the nonces it is used with.
pub(super) struct Sealing {
    key: Key,
    nonces: Rng,
    /// Whether the key was made at this start, so that nothing older can have been sealed with it.
    fresh: bool,
}

/// The files in the clear, and what happened to them.
#[derive(Default)]
pub(super) struct Unsealed {
    files: Vec<(String, Vec<u8>)>,
    /// Chunks that a right key should have opened.
    pub damaged: usize,
    /// Whether a file ends inside a chunk.
    pub torn: bool,
    /// Whether files are there that no key opens.
    pub locked: bool,
    /// Whether files stand in the clear that are to be sealed.
    pub bare: bool,
}

impl Unsealed {
    pub(super) fn stored(&self) -> Vec<StoredFile<'_>> {
        self.files.iter().map(|(name, bytes)| StoredFile { name, bytes }).collect()
    }
}

fn is_behavioural(name: &str) -> bool {
    name.starts_with("log-") || name == SNAPSHOT
}

impl Engine {
    /// A new key for the host to keep, another one at each call; none without the host's randomness.
    pub fn new_key(&mut self) -> Option<[u8; 32]> {
        let mut key = [0; 32];
        self.keys_made += 1;
        Rng::derive(self.seed.as_ref()?, "key", &self.keys_made.to_le_bytes()).fill(&mut key);
        Some(key)
    }

    /// Seals from now on, and opens what was sealed before. `fresh` says that the key has just been made. Call it after
    /// [`Engine::open_control`] and before [`Engine::open_log`]. Returns whether there will be sealing: not without the host's randomness.
    pub fn set_key(&mut self, key: [u8; 32], fresh: bool) -> bool {
        // The epoch keeps nonces apart even where a host gave the same seed twice.
        let epoch = self.control.epoch.to_le_bytes();
        self.sealing = self.seed.as_ref().map(|seed| Sealing {
            key: Key::new(key),
            nonces: Rng::derive(seed, "nonces", &epoch),
            fresh,
        });
        self.sealing.is_some()
    }

    /// Whether the log's files are sealed.
    pub const fn is_sealing(&self) -> bool {
        self.sealing.is_some()
    }

    /// Seals what is about to be written.
    pub(super) fn seal(&mut self, op: &mut StoreOp) {
        if let Some(sealing) = &mut self.sealing
            && let StoreOp::Append { name, bytes } | StoreOp::Write { name, bytes } = op
            && is_behavioural(name)
        {
            let mut nonce = [0; 24];
            sealing.nonces.fill(&mut nonce);
            // A chunk is at most one whole segment, which is far below the limit of a chunk.
            *bytes = seal_chunk(&sealing.key, nonce, name.as_bytes(), bytes).unwrap_or_default();
        }
    }

    /// Opens the files of the log and the snapshot.
    pub(super) fn unseal(&self, files: &[StoredFile<'_>]) -> Unsealed {
        let mut unsealed = Unsealed::default();
        for file in files.iter().filter(|f| is_behavioural(f.name)) {
            let snapshot = file.name == SNAPSHOT;
            let mut bytes = file.bytes.to_vec();
            if is_clear(file.bytes) || snapshot && snapshot::is_clear(file.bytes) {
                unsealed.bare |= self.sealing.is_some() && !snapshot;
            } else if let Some(sealing) = self.sealing.as_ref().filter(|s| !s.fresh) {
                let (chunks, tail) = open_chunks(&sealing.key, |_| file.name.as_bytes(), file.bytes);
                bytes = chunks.concat();
                if !snapshot {
                    unsealed.damaged += tail.damaged;
                    unsealed.torn |= tail.torn_bytes > 0;
                }
            } else if snapshot {
                continue;
            } else {
                unsealed.locked |= !file.bytes.is_empty();
                bytes.clear();
            }
            unsealed.files.push((file.name.to_string(), bytes));
        }
        unsealed
    }
}
