//! Checked little-endian reading and writing, and the frame that every stored record wears.
//!
//! A frame is `length: u16 | crc32: u32 | payload`; the checksum covers the length and the payload, so a flipped bit anywhere
//! in a frame is found.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::as_conversions)]

use alloc::string::String;
use alloc::vec::Vec;

/// Bytes before a frame's payload.
pub const FRAME_HEAD: usize = 6;
/// The longest payload of one frame.
pub const FRAME_MOST: usize = 65_535;

/// The bytes ended before the value did, or a value had an impossible form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Appends values to a growing buffer.
#[derive(Clone, Debug, Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// An empty buffer.
    pub fn new() -> Self {
        Self::default()
    }

    /// What was written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// One byte.
    pub fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    /// Two bytes.
    pub fn u16(&mut self, value: u16) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    /// Four bytes.
    pub fn u32(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    /// Eight bytes.
    pub fn u64(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    /// The bit pattern of a single.
    pub fn f32(&mut self, value: f32) {
        self.u32(value.to_bits());
    }

    /// The bit pattern of a double.
    pub fn f64(&mut self, value: f64) {
        self.u64(value.to_bits());
    }

    /// An unsigned integer, seven bits a byte, low ones first.
    pub fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value.to_le_bytes()[0] | 0x80);
            value >>= 7;
        }
        self.0.push(value.to_le_bytes()[0]);
    }

    /// A length or an index.
    pub fn count(&mut self, value: usize) {
        self.varint(u64::try_from(value).unwrap_or(u64::MAX));
    }

    /// A signed integer: small magnitudes take few bytes.
    pub fn zigzag(&mut self, value: i64) {
        self.varint(((value << 1) ^ (value >> 63)).cast_unsigned());
    }

    /// Raw bytes, with no length before them.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// UTF-8 text with its length before it.
    pub fn text(&mut self, text: &str) {
        self.count(text.len());
        self.raw(text.as_bytes());
    }
}

/// Wraps `payload` in a frame; `None` where it is longer than [`FRAME_MOST`].
pub fn frame(payload: &[u8]) -> Option<Vec<u8>> {
    let length = u16::try_from(payload.len()).ok()?.to_le_bytes();
    let mut out = Vec::with_capacity(FRAME_HEAD + payload.len());
    out.extend_from_slice(&length);
    out.extend_from_slice(&checksum(&length, payload).to_le_bytes());
    out.extend_from_slice(payload);
    Some(out)
}

fn checksum(length: &[u8], payload: &[u8]) -> u32 {
    !crc32_on(crc32_on(!0, length), payload)
}

/// CRC-32 of `bytes`, as of zip and PNG.
///
/// The table has 16 entries, one for each half of a byte: tables for whole bytes, of which the libraries have up to 16 kB, cannot be
/// compressed, and would be a tenth of what a phone downloads. A whole log is some 200 kB.
///
/// # Source
/// ISO 3309 (HDLC), the polynomial 0x04C11DB7 reflected.
pub fn crc32(bytes: &[u8]) -> u32 {
    !crc32_on(!0, bytes)
}

fn crc32_on(crc: u32, bytes: &[u8]) -> u32 {
    const TABLE: [u32; 16] = [
        0x0000_0000,
        0x1db7_1064,
        0x3b6e_20c8,
        0x26d9_30ac,
        0x76dc_4190,
        0x6b6b_51f4,
        0x4db2_6158,
        0x5005_713c,
        0xedb8_8320,
        0xf00f_9344,
        0xd6d6_a3e8,
        0xcb61_b38c,
        0x9b64_c2b0,
        0x86d3_d2d4,
        0xa00a_e278,
        0xbdbd_f21c,
    ];
    let half = |crc: u32| (crc >> 4) ^ TABLE.get(usize::from((crc & 15).to_le_bytes()[0])).copied().unwrap_or_default();
    bytes.iter().fold(crc, |crc, byte| half(half(crc ^ u32::from(*byte))))
}

/// The payload of the frame that starts at `at`, and where the next one starts; `None` where no whole, undamaged frame stands.
pub fn frame_at(bytes: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let length = bytes.get(at..at.checked_add(2)?)?;
    let stored = bytes.get(at.checked_add(2)?..at.checked_add(FRAME_HEAD)?)?;
    let start = at.checked_add(FRAME_HEAD)?;
    let end = start.checked_add(usize::from(u16::from_le_bytes(length.try_into().ok()?)))?;
    let payload = bytes.get(start..end)?;
    (checksum(length, payload) == u32::from_le_bytes(stored.try_into().ok()?)).then_some((payload, end))
}

/// Reads values from bytes that nobody has vouched for.
#[derive(Clone, Debug)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// A reader over `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether everything was read.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many bytes are left.
    pub const fn left(&self) -> usize {
        self.0.len()
    }

    /// The next `n` bytes.
    ///
    /// # Errors
    /// [`Malformed`] where fewer are left, as for every method below.
    pub fn raw(&mut self, n: usize) -> Result<&'a [u8], Malformed> {
        let (head, rest) = self.0.split_at_checked(n).ok_or(Malformed)?;
        self.0 = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.raw(N)?.try_into().map_err(|_| Malformed)
    }

    /// One byte.
    pub fn u8(&mut self) -> Result<u8, Malformed> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    /// Two bytes.
    pub fn u16(&mut self) -> Result<u16, Malformed> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    /// Four bytes.
    pub fn u32(&mut self) -> Result<u32, Malformed> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// Eight bytes.
    pub fn u64(&mut self) -> Result<u64, Malformed> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// A finite single.
    pub fn f32(&mut self) -> Result<f32, Malformed> {
        let value = f32::from_bits(self.u32()?);
        if value.is_finite() { Ok(value) } else { Err(Malformed) }
    }

    /// A finite double.
    pub fn f64(&mut self) -> Result<f64, Malformed> {
        let value = f64::from_bits(self.u64()?);
        if value.is_finite() { Ok(value) } else { Err(Malformed) }
    }

    /// An unsigned integer of at most ten bytes.
    pub fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let part = u64::from(byte & 0x7f);
            if shift == 63 && part > 1 {
                return Err(Malformed);
            }
            value |= part << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Malformed)
    }

    /// A length or an index.
    pub fn count(&mut self) -> Result<usize, Malformed> {
        usize::try_from(self.varint()?).map_err(|_| Malformed)
    }

    /// A signed integer.
    pub fn zigzag(&mut self) -> Result<i64, Malformed> {
        let raw = self.varint()?;
        Ok((raw >> 1).cast_signed() ^ -(raw & 1).cast_signed())
    }

    /// UTF-8 text.
    pub fn text(&mut self) -> Result<String, Malformed> {
        let n = self.count()?;
        core::str::from_utf8(self.raw(n)?).map(String::from).map_err(|_| Malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_zip() {
        // The check value of CRC-32/ISO-HDLC in the catalogue of parametrised CRC algorithms.
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(b""), 0);
        assert_eq!(checksum(b"1234", b"56789"), 0xcbf4_3926);
    }
}
