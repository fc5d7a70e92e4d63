//! The parser of JSON documents.
//!
//! Ours is a page; that of the library weighs 5 kB in the module that a phone loads, half of it a table of powers of ten. The tests hold
//! it to the library's answers.
//!
//! # Source
//! RFC 8259.

use super::Json;
use alloc::string::String;
use alloc::vec::Vec;

/// Values may lie in one another less deep than this.
const DEEPEST: u32 = 128;
/// The largest power of ten that a double holds exactly, and all below it.
const EXACT_POWERS: u32 = 22;

/// Reads a whole document of untrusted bytes.
///
/// # Errors
/// Where it is none, the index of the byte from which on it cannot be one.
pub(super) fn parse(bytes: &[u8]) -> Result<Json, usize> {
    let mut parser = Parser { bytes, at: 0 };
    match parser.value(DEEPEST) {
        Some(value) if parser.next() == 0 && parser.at >= bytes.len() => Ok(value),
        _ => Err(parser.at),
    }
}

struct Parser<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Parser<'_> {
    /// The byte at hand. After the end it is 0, which no document has.
    #[inline(never)]
    fn peek(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or_default()
    }

    /// Takes the byte at hand.
    #[inline(never)]
    fn take(&mut self) -> u8 {
        let byte = self.peek();
        self.at = self.at.saturating_add(1);
        byte
    }

    /// The first byte that is no white space.
    #[inline(never)]
    fn next(&mut self) -> u8 {
        while matches!(self.peek(), b' ' | b'\t' | b'\n' | b'\r') {
            self.take();
        }
        self.peek()
    }

    /// Takes this byte, if it is the one at hand.
    #[inline(never)]
    fn takes(&mut self, byte: u8) -> bool {
        let is = self.peek() == byte;
        if is {
            self.take();
        }
        is
    }

    #[inline(never)]
    fn word(&mut self, word: &[u8], value: Json) -> Option<Json> {
        for byte in word {
            if !self.takes(*byte) {
                return None;
            }
        }
        Some(value)
    }

    fn value(&mut self, depth: u32) -> Option<Json> {
        match self.next() {
            b'n' => self.word(b"null", Json::Null),
            b't' => self.word(b"true", Json::Flag(true)),
            b'f' => self.word(b"false", Json::Flag(false)),
            b'"' => self.text().map(Json::Text),
            open @ (b'[' | b'{') => self.all(open, depth.checked_sub(1).filter(|left| *left > 0)?),
            _ => self.number(),
        }
    }

    /// A list or an object, whose first byte is at hand.
    fn all(&mut self, open: u8, depth: u32) -> Option<Json> {
        self.take();
        let close = if open == b'[' { b']' } else { b'}' };
        let (mut list, mut entries) = (Vec::new(), Vec::new());
        let mut first = true;
        while self.next() != close || !first {
            if open == b'[' {
                list.push(self.value(depth)?);
            } else {
                let key = if self.next() == b'"' { self.text()? } else { return None };
                self.next();
                if !self.takes(b':') {
                    return None;
                }
                entries.push((key, self.value(depth)?));
            }
            first = false;
            if self.next() == close {
                break;
            }
            if !self.takes(b',') {
                return None;
            }
        }
        self.take();
        Some(if open == b'[' { Json::List(list) } else { Json::Object(entries) })
    }

    /// A text, whose first quotation mark is at hand.
    fn text(&mut self) -> Option<String> {
        self.take();
        let mut bytes = Vec::new();
        loop {
            let mut letter = char::from(match self.take() {
                b'"' => return String::from_utf8(bytes).ok(),
                b'\\' => self.take(),
                0..32 => return None,
                byte => {
                    bytes.push(byte);
                    continue;
                }
            });
            letter = match letter {
                '"' | '\\' | '/' => letter,
                'b' => '\u{8}',
                'f' => '\u{c}',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'u' => self.escaped()?,
                _ => return None,
            };
            bytes.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }

    /// A character written as one or two numbers of UTF-16; the mark before the first is taken.
    fn escaped(&mut self) -> Option<char> {
        let mut point = self.four()?;
        if point & 0xfc00 == 0xd800 {
            if !(self.takes(b'\\') && self.takes(b'u')) {
                return None;
            }
            let low = self.four()?;
            if low & 0xfc00 != 0xdc00 {
                return None;
            }
            point = 0x1_0000 + ((point & 0x3ff) << 10) + (low & 0x3ff);
        }
        char::from_u32(point)
    }

    /// Four hexadecimal digits.
    fn four(&mut self) -> Option<u32> {
        let mut number = 0;
        for _ in 0..4 {
            number = number << 4 | char::from(self.peek()).to_digit(16)?;
            self.take();
        }
        Some(number)
    }

    /// A decimal digit, if one is at hand.
    #[inline(never)]
    fn digit(&mut self) -> Option<u32> {
        let digit = char::from(self.peek()).to_digit(10)?;
        self.take();
        Some(digit)
    }

    /// A number: whole where it is written so and 64 bits hold it, and otherwise the double made of the digits that 64 bits hold.
    #[allow(clippy::as_conversions, reason = "the nearest double is what is meant")]
    fn number(&mut self) -> Option<Json> {
        let negative = self.takes(b'-');
        let (mut digits, mut exponent, mut whole) = (0u64, 0i32, true);
        if self.peek() == b'0' {
            self.take();
        } else {
            exponent = exponent.saturating_add(self.digits(&mut digits)?.1);
        }
        if self.takes(b'.') {
            whole = false;
            let (all, left_out) = self.digits(&mut digits)?;
            exponent = exponent.saturating_sub(all).saturating_add(left_out);
        }
        if matches!(self.peek(), b'e' | b'E') {
            self.take();
            whole = false;
            let down = self.peek() == b'-';
            if down || self.peek() == b'+' {
                self.take();
            }
            let mut power = 0u64;
            let (_, left_out) = self.digits(&mut power)?;
            let power = if left_out > 0 { i32::MAX } else { i32::try_from(power).unwrap_or(i32::MAX) };
            exponent = if down { exponent.saturating_sub(power) } else { exponent.saturating_add(power) };
        }
        let below = 0i64.wrapping_sub_unsigned(digits);
        if whole && exponent == 0 && !negative {
            return Some(Json::Whole(digits));
        }
        if whole && exponent == 0 && below < 0 {
            return Some(Json::Negative(below));
        }
        let mut number = digits as f64;
        let mut left = exponent.unsigned_abs();
        // No more steps than it takes to run from one end of the doubles to the other.
        while left > 0 && number != 0.0 && number.is_finite() {
            let step = left.min(EXACT_POWERS);
            let mut power = 1.0;
            for _ in 0..step {
                power *= 10.0;
            }
            number = if exponent < 0 { number / power } else { number * power };
            left -= step;
        }
        number.is_finite().then_some(Json::Real(if negative { -number } else { number }))
    }

    /// Appends the digits that follow, one at least, as far as 64 bits hold them. Gives how many there were, and how many were left out.
    fn digits(&mut self, number: &mut u64) -> Option<(i32, i32)> {
        let (mut all, mut left_out) = (0i32, 0i32);
        while let Some(digit) = self.digit() {
            all = all.saturating_add(1);
            let more = number.checked_mul(10).and_then(|tens| tens.checked_add(digit.into()));
            match more.filter(|_| left_out == 0) {
                Some(more) => *number = more,
                None => left_out = left_out.saturating_add(1),
            }
        }
        (all > 0).then_some((all, left_out))
    }
}
