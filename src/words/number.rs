//! The number that stands for words on a phone. `xtask` includes this file to write the words beside their numbers.

/// A number for these words: FNV-1a of 32 bits, its halves laid over each other.
///
/// The build refuses two words of one number.
pub const fn number(words: &str) -> u16 {
    let (bytes, mut hash, mut at) = (words.as_bytes(), 0x811c_9dc5_u32, 0);
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u32).wrapping_mul(0x0100_0193);
        at += 1;
    }
    (hash >> 16) as u16 ^ hash as u16
}
