//! The words of errors: sentences, and what is named in them.
//!
//! In the builds for phones [`Words`] is a number. The words themselves are a file of the package then, which is read when the first error
//! is told (docs/adr/0013); `cargo xtask build` writes it from every `words!` of these sources.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use alloc::string::String;

#[cfg(zhiji_phone)]
mod number;

/// Words that stand in the sources.
#[cfg(not(zhiji_phone))]
pub type Words = &'static str;

/// Words that stand in the sources, as the number under which the package finds them.
#[cfg(zhiji_phone)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Words(u16);

#[cfg(zhiji_phone)]
impl Words {
    /// The number of these words.
    pub const fn of(words: &str) -> Self {
        Self(number::number(words))
    }

    /// A character of a private plane of Unicode, which no text of a person has.
    fn letter(self) -> char {
        char::from_u32(0xf_0000 + u32::from(self.0)).unwrap_or_default()
    }
}

/// The words of an error, as [`Words`]. What a sentence needs besides goes where it has `{}`, see [`Sentence`].
#[cfg(not(zhiji_phone))]
macro_rules! words {
    ($words:literal) => {
        $words
    };
}

/// The words of an error, as [`Words`]: computed while compiling, so that they themselves are no part of the module.
#[cfg(zhiji_phone)]
macro_rules! words {
    ($words:literal) => {
        const { $crate::words::Words::of($words) }
    };
}

pub(crate) use words;

/// A sentence that is being filled: every value goes where the next `{}` is.
///
/// On a phone it is the number of the words, and behind it the values, each closed by a zero; the package puts them together.
pub struct Sentence {
    text: String,
    /// Up to where the text has no `{}` left.
    #[cfg(not(zhiji_phone))]
    filled: usize,
}

impl Sentence {
    /// A sentence of these words.
    #[cfg(not(zhiji_phone))]
    pub fn new(words: Words) -> Self {
        Self { text: words.into(), filled: 0 }
    }

    /// A sentence of these words.
    #[cfg(zhiji_phone)]
    #[inline(never)]
    pub fn new(words: Words) -> Self {
        Self { text: words.letter().into() }
    }

    /// Puts a text in.
    #[cfg(not(zhiji_phone))]
    pub fn text(mut self, value: &str) -> Self {
        let hole = self.text.get(self.filled..).and_then(|rest| rest.find("{}"));
        debug_assert!(hole.is_some(), "`{}` has no place for `{value}`", self.text);
        let from = self.filled + hole.unwrap_or_default();
        self.text.replace_range(from..from + 2, value);
        self.filled = from + value.len();
        self
    }

    /// Puts a text in.
    #[cfg(zhiji_phone)]
    #[inline(never)]
    pub fn text(mut self, value: &str) -> Self {
        self.text.push_str(value);
        self.text.push('\0');
        self
    }

    /// Puts a number in.
    #[inline(never)]
    pub fn number(self, value: u64) -> Self {
        self.text(&decimal(value))
    }

    /// Puts a count in.
    #[inline(never)]
    pub fn count(self, value: usize) -> Self {
        self.number(value as u64)
    }

    /// Puts words in.
    #[inline(never)]
    pub fn words(self, value: Words) -> Self {
        self.text(&Self::new(value).text)
    }

    /// The sentence.
    pub fn close(self) -> String {
        self.text
    }
}

/// A number in decimal digits. The formatting of the standard library, which can much more, is thus no part of a phone's module.
#[inline(never)]
pub fn decimal(number: u64) -> String {
    let mut text = if number < 10 { String::new() } else { decimal(number / 10) };
    text.extend(char::from_digit((number % 10) as u32, 10));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_go_where_the_words_have_room_from_left_to_right() {
        let sentence = Sentence::new(words!("{} of {} keys, {}"));
        let sentence = sentence.number(1).text("{}").words(words!("and {} more"));
        assert_eq!(sentence.close(), "1 of {} keys, and {} more");
    }

    #[test]
    fn numbers_are_written_as_the_standard_library_writes_them() {
        for number in [0, 9, 10, 907, u64::MAX] {
            assert_eq!(decimal(number), number.to_string());
        }
    }
}
