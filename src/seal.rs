//! Encryption at rest: chunks of bytes, each sealed by itself.
//!
//! A chunk is `length: u32 | nonce: 24 bytes | ciphertext | tag: 16 bytes`, the length counting everything after itself.
//! Chunks stand one after another, so a file can grow by appending; a write that was cut off costs the last chunk only.
//! The length is not authenticated by itself. A flipped length makes the chunk that wears it fail, and what follows is read
//! only where the next frame can still be found.
//!
//! # Source
//! XChaCha20-Poly1305, draft-irtf-cfrg-xchacha-03, section 2.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::as_conversions)]

use alloc::vec::Vec;
use core::fmt;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

/// Bytes of a chunk besides its plain text: length, nonce and tag.
pub const OVERHEAD: usize = 4 + 24 + 16;
/// The longest plain text of one chunk, in bytes.
pub const MOST_PLAIN: usize = 16 << 20;

/// A secret key. It is never shown, not even by `Debug`.
#[derive(Clone)]
pub struct Key(XChaCha20Poly1305);

impl Key {
    /// A key of 32 secret bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(XChaCha20Poly1305::new(&bytes.into()))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// Why a chunk could not be sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SealError {
    /// The plain text is longer than [`MOST_PLAIN`].
    TooLong {
        /// How many bytes it has.
        bytes: usize,
    },
}

impl SealError {
    /// The stable code that JavaScript receives as `code`.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooLong { .. } => "TOO_MANY",
        }
    }
}

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { bytes } => write!(f, "a chunk of {bytes} bytes: seal at most {MOST_PLAIN} at a time"),
        }
    }
}

impl core::error::Error for SealError {}

/// Seals `plain` into one chunk. `aad` is bound to it but not stored: opening needs the same.
///
/// A nonce must never be used twice with one key; 24 random bytes are enough for any number of chunks a phone can write.
///
/// # Errors
/// [`SealError::TooLong`]; nothing is written then.
pub fn seal_chunk(key: &Key, nonce: [u8; 24], aad: &[u8], plain: &[u8]) -> Result<Vec<u8>, SealError> {
    let too_long = SealError::TooLong { bytes: plain.len() };
    if plain.len() > MOST_PLAIN {
        return Err(too_long);
    }
    let sealed = key.0.encrypt(&XNonce::from(nonce), Payload { msg: plain, aad }).map_err(|_| too_long)?;
    let length = u32::try_from(nonce.len() + sealed.len()).map_err(|_| too_long)?;
    let mut out = Vec::with_capacity(plain.len() + OVERHEAD);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&nonce);
    out.extend_from_slice(&sealed);
    Ok(out)
}

/// How a run of chunks ended, and what was lost on the way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tail {
    /// Chunks whose frame was whole and whose contents were not: wrong key, wrong `aad` or changed bytes.
    pub damaged: usize,
    /// Bytes at the end that hold no whole chunk: a write that was cut off. Cut them before appending.
    pub torn_bytes: usize,
}

/// Opens every chunk that can be opened, in order. `aad_of` gives the bytes that were bound to the chunk of that position,
/// damaged ones counted.
pub fn open_chunks<A: AsRef<[u8]>>(key: &Key, aad_of: impl Fn(usize) -> A, bytes: &[u8]) -> (Vec<Vec<u8>>, Tail) {
    let mut chunks = Vec::new();
    let mut tail = Tail::default();
    let mut rest = bytes;
    let mut position = 0;
    while let Some((nonce, sealed, after)) = next_frame(rest) {
        let aad = aad_of(position);
        match key.0.decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: aad.as_ref() }) {
            Ok(plain) => chunks.push(plain),
            Err(_) => tail.damaged += 1,
        }
        position += 1;
        rest = after;
    }
    tail.torn_bytes = rest.len();
    (chunks, tail)
}

/// Nonce, ciphertext with tag, and what follows; `None` where no whole frame stands.
fn next_frame(bytes: &[u8]) -> Option<(&[u8; 24], &[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (frame, after) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
    let (nonce, sealed) = frame.split_first_chunk::<24>()?;
    (sealed.len() >= 16).then_some((nonce, sealed, after))
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests;
