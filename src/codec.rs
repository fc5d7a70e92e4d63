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

#[cfg_attr(zhiji_phone, optimize(speed))]
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

/// What stands before and behind the first `mark` of a text, a character of ASCII; the whole and nothing where there is none.
///
/// The splits of the standard library search for any pattern, and weigh six times as much.
pub fn cut(text: &str, mark: u8) -> (&str, Option<&str>) {
    match text.bytes().position(|byte| byte == mark) {
        Some(at) => (text.get(..at).unwrap_or_default(), text.get(at + 1..)),
        None => (text, None),
    }
}

/// A whole number of 32 bits, in decimal digits alone.
#[inline(never)]
pub fn whole(text: &str) -> Option<u32> {
    let mut number = if text.is_empty() { None } else { Some(0u32) };
    for byte in text.bytes() {
        let digit = char::from(byte).to_digit(10)?;
        number = number?.checked_mul(10)?.checked_add(digit);
    }
    number
}

/// Lower-case hexadecimal digits, two for each byte.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from(if half < 10 { b'0' + half } else { b'a' + half - 10 });
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        text.push(digit(byte >> 4));
        text.push(digit(byte & 15));
    }
    text
}

/// Fills `out` from exactly as many lower-case hexadecimal digits as it takes; `false`, and `out` is of no use, for any other text.
///
/// One text for each value: neither upper case nor signs nor white space are taken.
pub fn unhex(text: &str, out: &mut [u8]) -> bool {
    let digits = text.as_bytes();
    if digits.len() != 2 * out.len() {
        return false;
    }
    let mut plain = true;
    for (byte, pair) in out.iter_mut().zip(digits.as_chunks::<2>().0) {
        for digit in pair {
            let half = match digit {
                b'0'..=b'9' => digit - b'0',
                b'a'..=b'f' => digit - b'a' + 10,
                _ => 16,
            };
            plain &= half < 16;
            *byte = *byte << 4 | half & 15;
        }
    }
    plain
}

/// Reads values from bytes that nobody has vouched for.
///
/// Reading goes on whatever it meets: what is missing or impossible reads as zero or empty, and [`Reader::close`] tells in the end. What
/// was read counts for nothing before. So a reader is a straight line, without a way out behind every value.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    malformed: bool,
}

impl<'a> Reader<'a> {
    /// A reader over `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, malformed: false }
    }

    /// Whether everything so far was there and possible.
    pub const fn is_whole(&self) -> bool {
        !self.malformed
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// [`Malformed`] where anything was missing or refused, or where bytes are left.
    #[inline(never)]
    pub fn close(&self) -> Result<(), Malformed> {
        if self.malformed || !self.rest.is_empty() { Err(Malformed) } else { Ok(()) }
    }

    /// Says that what was read is impossible, unless it `holds`.
    #[inline(never)]
    pub fn expect(&mut self, holds: bool) {
        if !holds {
            self.malformed = true;
            self.rest = &[];
        }
    }

    /// How many bytes are left.
    pub const fn left(&self) -> usize {
        self.rest.len()
    }

    /// The next `n` bytes; none where fewer are left.
    #[inline(never)]
    pub fn raw(&mut self, n: usize) -> &'a [u8] {
        let Some((head, rest)) = self.rest.split_at_checked(n) else {
            self.expect(false);
            return &[];
        };
        self.rest = rest;
        head
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        self.raw(N).try_into().unwrap_or([0; N])
    }

    /// One byte.
    #[inline(never)]
    pub fn u8(&mut self) -> u8 {
        let [byte] = self.array();
        byte
    }

    /// Two bytes.
    #[inline(never)]
    pub fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.array())
    }

    /// Four bytes.
    #[inline(never)]
    pub fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.array())
    }

    /// Eight bytes.
    #[inline(never)]
    pub fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.array())
    }

    /// A finite single.
    #[inline(never)]
    pub fn f32(&mut self) -> f32 {
        let value = f32::from_bits(self.u32());
        self.expect(value.is_finite());
        value
    }

    /// A finite double.
    #[inline(never)]
    pub fn f64(&mut self) -> f64 {
        let value = f64::from_bits(self.u64());
        self.expect(value.is_finite());
        value
    }

    /// An unsigned integer of at most ten bytes.
    #[inline(never)]
    pub fn varint(&mut self) -> u64 {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8();
            let part = u64::from(byte & 0x7f);
            self.expect(shift < 63 || part <= 1);
            value |= part << shift;
            if byte & 0x80 == 0 {
                return value;
            }
        }
        self.expect(false);
        0
    }

    /// An unsigned integer of the width of `T`.
    pub fn narrow<T: TryFrom<u64> + Default>(&mut self) -> T {
        let value = T::try_from(self.varint());
        self.expect(value.is_ok());
        value.unwrap_or_default()
    }

    /// How many values follow. Each takes at least one byte, so that no count is larger than what is left.
    #[inline(never)]
    pub fn count(&mut self) -> usize {
        let count = usize::try_from(self.varint()).unwrap_or(usize::MAX);
        self.expect(count <= self.rest.len());
        if self.malformed { 0 } else { count }
    }

    /// A signed integer.
    #[inline(never)]
    pub fn zigzag(&mut self) -> i64 {
        let raw = self.varint();
        (raw >> 1).cast_signed() ^ -(raw & 1).cast_signed()
    }

    /// The next `n` bytes as UTF-8.
    #[inline(never)]
    pub fn utf8(&mut self, n: usize) -> String {
        let text = core::str::from_utf8(self.raw(n));
        self.expect(text.is_ok());
        text.unwrap_or_default().into()
    }

    /// UTF-8 text with its length before it.
    #[inline(never)]
    pub fn text(&mut self) -> String {
        let n = self.count();
        self.utf8(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_digits_have_one_form() {
        let mut out = [0; 3];
        assert_eq!(hex(&[0x00, 0x9a, 0xff]), "009aff");
        assert!(unhex("009aff", &mut out));
        assert_eq!(out, [0x00, 0x9a, 0xff]);
        for text in ["009AFF", "009af", "009aff0", "+09aff", "00 aff", "知99"] {
            assert!(!unhex(text, &mut [0; 3]), "{text}");
        }
    }

    #[test]
    fn texts_are_cut_at_the_first_mark() {
        assert_eq!(cut("知.a.b", b'.'), ("知", Some("a.b")));
        assert_eq!(cut(".", b'.'), ("", Some("")));
        assert_eq!(cut("知", b'.'), ("知", None));
    }

    #[test]
    fn whole_numbers_have_digits_alone() {
        assert_eq!(["0", "007", "4294967295"].map(whole), [Some(0), Some(7), Some(u32::MAX)]);
        assert_eq!(["", "+1", "-1", " 1", "1.0", "4294967296", "99999999999", "١"].map(whole), [None; 8]);
    }

    #[test]
    fn the_checksum_is_that_of_zip() {
        // The check value of CRC-32/ISO-HDLC in the catalogue of parametrised CRC algorithms.
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(b""), 0);
        assert_eq!(checksum(b"1234", b"56789"), 0xcbf4_3926);
    }
}
