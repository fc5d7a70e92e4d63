//! The signed envelope that manifests and roots share.

use alloc::string::String;
use alloc::vec::Vec;

use ed25519_dalek::{Signature, VerifyingKey};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::root::Role;
use super::{MOST_FILE_BYTES, MOST_SIGNATURES, SyncError};
use crate::codec::{hex, unhex};
use crate::json::{Fault, Faults, Json};
use crate::words::words;

/// What a signature is for. Its text stands before the payload when it is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Context {
    /// A manifest.
    Manifest,
    /// A root.
    Root,
}

impl Context {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Manifest => "zhiji-manifest-v1\n",
            Self::Root => "zhiji-root-v1\n",
        }
    }
}

/// A payload, as the exact text that was signed, with its signatures. Nothing in it has been verified.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Envelope {
    /// The JSON text that was signed.
    pub payload: String,
    /// At most [`MOST_SIGNATURES`].
    pub signatures: Vec<RawSignature>,
}

/// One signature, unverified.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RawSignature {
    /// Id of the key, see [`key_id`].
    pub key: String,
    /// The 64 bytes of the signature, in hexadecimal.
    pub sig: String,
}

impl Envelope {
    /// Reads an envelope from untrusted bytes.
    ///
    /// # Errors
    /// [`SyncError::Oversized`] before anything is parsed, [`SyncError::Malformed`].
    pub fn open(bytes: &[u8]) -> Result<Self, SyncError> {
        if bytes.len() > MOST_FILE_BYTES {
            return Err(SyncError::Oversized { bytes: bytes.len(), most: MOST_FILE_BYTES });
        }
        let envelope = Self::read(bytes).map_err(|fault| SyncError::unreadable(words!("the file"), fault))?;
        if envelope.signatures.len() > MOST_SIGNATURES {
            return Err(SyncError::malformed(words!("signatures"), words!("there are more than 16")));
        }
        Ok(envelope)
    }

    fn read(bytes: &[u8]) -> Result<Self, Fault> {
        let document = Json::open(bytes)?;
        let faults = Faults::default();
        let place = document.read(&faults).only(&["payload", "signatures"]);
        let listed = place.key("signatures");
        let mut signatures = Vec::new();
        for at in 0..listed.len() {
            let entry = listed.at(at).only(&["key", "sig"]);
            signatures.push(RawSignature { key: entry.key("key").text().into(), sig: entry.key("sig").text().into() });
        }
        let envelope = Self { payload: place.key("payload").text().into(), signatures };
        faults.close().map(|()| envelope)
    }

    /// Counts the distinct keys of `role` that have signed this payload in this context. Signatures by other keys and
    /// signatures that do not verify are passed over.
    pub(super) fn verify(&self, context: Context, role: &Role) -> Result<(), SyncError> {
        let message = signed_bytes(context, &self.payload);
        let mut valid = 0;
        for key in &role.keys {
            let id = key_id(key.as_bytes());
            let signed = self.signatures.iter().any(|entry| entry.key == id && is_valid(key, &message, &entry.sig));
            valid += usize::from(signed);
        }
        if valid >= role.threshold { Ok(()) } else { Err(SyncError::Signature { valid, threshold: role.threshold }) }
    }
}

fn is_valid(key: &VerifyingKey, message: &[u8], sig: &str) -> bool {
    let mut bytes = [0; 64];
    if !unhex(sig, &mut bytes) {
        return false;
    }
    key.verify_strict(message, &Signature::from_bytes(&bytes)).is_ok()
}

/// The bytes that are signed: the context, then the payload.
pub fn signed_bytes(context: Context, payload: &str) -> Vec<u8> {
    [context.prefix().as_bytes(), payload.as_bytes()].concat()
}

/// The id of a public key: the first 16 bytes of its SHA-256, in hexadecimal. An id so bound to its key cannot be given twice.
pub fn key_id(public: &[u8; 32]) -> String {
    hex(Sha256::digest(public).get(..16).unwrap_or_default())
}
