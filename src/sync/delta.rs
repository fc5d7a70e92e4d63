//! Deltas: a bundle told by what it shares with one that the phone has.
//!
//! A delta is worth nothing by itself: what it makes is checked by length and hash like a bundle that was fetched whole.

use alloc::vec::Vec;

use crate::codec::{Malformed, Reader};

/// The first bytes of a delta.
pub const MAGIC: &[u8; 4] = b"ZJD1";

/// Makes the bundle of a delta out of the one that it was made from.
///
/// After [`MAGIC`] come commands, each a varint `n`. Where `n` is even, `n / 2` bytes are copied out of `base`, from a place that a zigzag varint
/// tells as its distance from the end of the copy before it; where it is odd, `n / 2` bytes follow.
///
/// # Errors
/// [`Malformed`] where a command reads beyond an end, or the result would be longer than `most`.
pub fn apply_delta(base: &[u8], delta: &[u8], most: usize) -> Result<Vec<u8>, Malformed> {
    let mut input = Reader::new(delta);
    let magic = input.raw(MAGIC.len());
    input.expect(magic == MAGIC);
    let (mut out, mut at) = (Vec::new(), 0i64);
    while input.left() > 0 {
        let command = input.varint();
        let length = usize::try_from(command / 2).unwrap_or(usize::MAX);
        let piece = if command % 2 == 1 {
            input.raw(length)
        } else {
            at = at.saturating_add(input.zigzag());
            let from = usize::try_from(at).unwrap_or(usize::MAX);
            at = at.saturating_add(i64::try_from(length).unwrap_or(i64::MAX));
            base.get(from..from.saturating_add(length)).unwrap_or_default()
        };
        if piece.len() != length || length > most.saturating_sub(out.len()) {
            return Err(Malformed);
        }
        out.extend_from_slice(piece);
    }
    input.close().map(|()| out)
}
