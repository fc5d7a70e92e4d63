//! The root: which keys may sign what. Root 1 travels inside the reviewed code package; each later one must be signed by the
//! threshold of its predecessor and by its own.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use ed25519_dalek::VerifyingKey;
use serde::Serialize;

use super::signature::{Context, Envelope, key_id};
use super::{MOST_INTEGER, MOST_SIGNATURES, SyncError};
use crate::codec::unhex;
use crate::json::{Fault, Faults, Json, Place};
use crate::words::words;

/// The payload of a root file, unverified.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RootPayload {
    /// Counts up from 1.
    pub version: u64,
    /// Public keys in hexadecimal, by their [`key_id`].
    pub keys: BTreeMap<String, String>,
    /// Whose signatures count for what.
    pub roles: RawRoles,
}

/// The two roles, unverified.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RawRoles {
    /// Who may replace the root.
    pub root: RawRole,
    /// Who may publish manifests.
    pub manifest: RawRole,
}

/// One role, unverified.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RawRole {
    /// Ids of its keys.
    pub keys: Vec<String>,
    /// How many of them must sign.
    pub threshold: usize,
}

/// What a [`RootPayload`] holds, as it is read.
struct Payload {
    version: u64,
    keys: Vec<(String, String)>,
    root: RawRole,
    manifest: RawRole,
}

impl Payload {
    fn open(json: &str) -> Result<Self, Fault> {
        let document = Json::open(json.as_bytes())?;
        let faults = Faults::default();
        let place = document.read(&faults).only(&["version", "keys", "roles"]);
        let (listed, roles) = (place.key("keys"), place.key("roles").only(&["root", "manifest"]));
        let mut keys: Vec<(String, String)> = Vec::new();
        for at in 0..listed.len() {
            let key = listed.at(at);
            if keys.iter().any(|(known, _)| known == key.name()) {
                faults.add(Fault::Twice);
            }
            keys.push((key.name().into(), key.text().into()));
        }
        let payload = Self {
            version: place.key("version").whole(u64::MAX),
            keys,
            root: RawRole::open(roles.key("root")),
            manifest: RawRole::open(roles.key("manifest")),
        };
        faults.close().map(|()| payload)
    }
}

impl RawRole {
    fn open(place: Place<'_>) -> Self {
        place.only(&["keys", "threshold"]);
        Self { keys: place.key("keys").texts(), threshold: place.key("threshold").count() }
    }
}

/// A role whose keys are distinct, sound and at least as many as its threshold.
#[derive(Clone, Debug)]
pub(super) struct Role {
    pub keys: Vec<VerifyingKey>,
    pub threshold: usize,
}

/// A root that is trusted: it came with the code package, or follows one that did.
#[derive(Clone, Debug)]
pub struct Root {
    version: u64,
    root: Role,
    manifest: Role,
}

impl Root {
    /// Takes the root that is inside the reviewed code package. It must be signed by its own threshold, so that a damaged or
    /// half-made file is noticed.
    ///
    /// # Errors
    /// [`SyncError::Oversized`], [`SyncError::Malformed`], [`SyncError::Signature`].
    pub fn embedded(bytes: &[u8]) -> Result<Self, SyncError> {
        let (envelope, root) = Self::open(bytes)?;
        envelope.verify(Context::Root, &root.root)?;
        Ok(root)
    }

    /// Follows the chain by one: `bytes` must be the very next version, signed by the threshold of this root and of its own.
    ///
    /// # Errors
    /// As [`Root::embedded`], and [`SyncError::Rollback`] where it is not the next version. `self` stays as it is.
    pub fn next(&self, bytes: &[u8]) -> Result<Self, SyncError> {
        let (envelope, root) = Self::open(bytes)?;
        envelope.verify(Context::Root, &self.root)?;
        envelope.verify(Context::Root, &root.root)?;
        let due = self.version.saturating_add(1);
        if root.version != due {
            return Err(SyncError::Rollback { offered: root.version, floor: due });
        }
        Ok(root)
    }

    /// Its version.
    pub const fn version(&self) -> u64 {
        self.version
    }

    pub(super) const fn manifest_role(&self) -> &Role {
        &self.manifest
    }

    fn open(bytes: &[u8]) -> Result<(Envelope, Self), SyncError> {
        let envelope = Envelope::open(bytes)?;
        let payload =
            Payload::open(&envelope.payload).map_err(|fault| SyncError::unreadable(words!("payload"), fault))?;
        if payload.version == 0 || payload.version > MOST_INTEGER {
            return Err(SyncError::malformed(words!("version"), words!("it counts up from 1")));
        }
        let mut keys = Vec::new();
        for (id, text) in &payload.keys {
            keys.push(public_key(id, text)?);
        }
        let root = Self {
            version: payload.version,
            root: role(&payload.root, &keys)?,
            manifest: role(&payload.manifest, &keys)?,
        };
        Ok((envelope, root))
    }
}

fn public_key(id: &str, text: &str) -> Result<VerifyingKey, SyncError> {
    let bad = |reason| SyncError::malformed(words!("keys"), reason);
    let mut bytes = [0; 32];
    if !unhex(text, &mut bytes) {
        return Err(bad(words!("a key has 64 lower-case hexadecimal digits")));
    }
    if key_id(&bytes) != id {
        return Err(bad(words!("an id is not the hash of its key")));
    }
    let key = VerifyingKey::from_bytes(&bytes).map_err(|_| bad(words!("a key is no point of the curve")))?;
    if key.is_weak() { Err(bad(words!("a key is of small order: anyone can sign for it"))) } else { Ok(key) }
}

fn role(raw: &RawRole, keys: &[VerifyingKey]) -> Result<Role, SyncError> {
    let bad = |reason| Err(SyncError::malformed(words!("roles"), reason));
    let mut found = Vec::new();
    for id in &raw.keys {
        let Some(key) = keys.iter().find(|key| key_id(key.as_bytes()) == *id) else {
            return bad(words!("a role names a key that is not listed"));
        };
        if found.contains(key) {
            return bad(words!("a role names a key twice"));
        }
        found.push(*key);
    }
    if raw.threshold == 0 || raw.threshold > found.len() || found.len() > MOST_SIGNATURES {
        return bad(words!("a threshold is between 1 and the number of keys, of which there are at most 16"));
    }
    Ok(Role { keys: found, threshold: raw.threshold })
}
