//! JSON documents as data: one parser for all of them, and the few checks their readers share.
//!
//! A derived reader for each type of document would be compiled for each; together they would be a fifth of the module that a phone loads.
//! For the same reason nothing here is compiled into its callers: reading is called once in a start.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::as_conversions)]

mod parse;

use crate::words::{Sentence, Words, words};
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::Cell;
use serde::ser::{Serialize, SerializeMap as _, Serializer};

/// Why a document cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is no JSON, from this line and column on.
    Syntax { line: u64, column: u64 },
    /// An object lacks this key.
    Missing(&'static str),
    /// An object has a key that it may not have.
    Unknown,
    /// An object has a key twice.
    Twice,
    /// Something is not what stands here.
    Not(Words),
    /// There are more than this.
    More(Words),
    /// Something else is wrong, and whoever found it says what: no more faults are remembered.
    Other,
}

impl Fault {
    /// The sentence, as [`Sentence::close`] gives it.
    pub fn told(self) -> String {
        let sentence = Sentence::new(match self {
            Self::Syntax { .. } => words!("no JSON, at line {} column {}"),
            Self::Missing(_) => words!("`{}` is missing"),
            Self::Unknown => words!("a key is not known"),
            Self::Twice => words!("a key stands there twice"),
            Self::Not(_) => words!("a value is not {}"),
            Self::More(_) => words!("there are more than {}"),
            Self::Other => words!("it is wrong"),
        });
        let sentence = match self {
            Self::Syntax { line, column } => sentence.number(line).number(column),
            Self::Missing(key) => sentence.text(key),
            Self::Not(what) | Self::More(what) => sentence.words(what),
            Self::Unknown | Self::Twice | Self::Other => sentence,
        };
        sentence.close()
    }
}

type Read<T> = core::result::Result<T, Fault>;

/// A JSON value. Objects keep the order of the document, and every key of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json {
    Null,
    Flag(bool),
    Whole(u64),
    Negative(i64),
    Real(f64),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Parses a whole document of untrusted bytes; nesting deeper than 128 is refused.
    #[inline(never)]
    pub fn open(bytes: &[u8]) -> Read<Self> {
        parse::parse(bytes).map_err(|at| {
            let before = bytes.get(..at).unwrap_or(bytes);
            let (mut line, mut column) = (1, 1);
            for byte in before {
                (line, column) = if *byte == b'\n' { (line + 1, 1) } else { (line, column + 1) };
            }
            Fault::Syntax { line, column }
        })
    }

    /// The document as text. Numbers that JSON has not become null.
    #[inline(never)]
    pub fn write(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// A number, or null where there is none.
    pub fn number_or_null(number: Option<impl Into<f64>>) -> Self {
        number.map_or(Self::Null, |number| Self::Real(number.into()))
    }

    /// A whole number, or null where there is none.
    pub fn whole_or_null(number: Option<impl Into<u64>>) -> Self {
        number.map_or(Self::Null, |number| Self::Whole(number.into()))
    }

    /// A text, or null where there is none.
    #[inline(never)]
    pub fn text_or_null(text: Option<&str>) -> Self {
        text.map_or(Self::Null, |text| Self::Text(text.into()))
    }

    /// Where reading begins; `faults` remembers what is wrong.
    pub fn read<'a>(&'a self, faults: &'a Faults) -> Place<'a> {
        Place { value: Some(self), name: "", key: "the document", faults }
    }
}

/// The first thing that was found wrong in a document.
#[derive(Debug, Default)]
pub(crate) struct Faults(Cell<Option<Fault>>);

impl Faults {
    /// Says that something is wrong; what was said first stays.
    #[inline(never)]
    pub fn add(&self, fault: Fault) {
        if self.0.get().is_none() {
            self.0.set(Some(fault));
        }
    }

    /// Whether the document was as its reader expected.
    #[inline(never)]
    pub fn close(&self) -> Read<()> {
        self.0.get().map_or(Ok(()), Err)
    }
}

/// A value of a document that is being read, or the place where one is missing.
///
/// Reading goes on whatever it meets: something of another type reads as empty, zero or false, and [`Faults`] remembers it. What was read
/// counts for nothing before [`Faults::close`] has been asked. So a reader is a straight line, and a tenth of the code that a way out
/// behind every value would be.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    value: Option<&'a Json>,
    /// The key under which it stands, in an object whose keys are names.
    name: &'a str,
    key: &'static str,
    faults: &'a Faults,
}

impl<'a> Place<'a> {
    #[inline(never)]
    fn refuse(self, kind: Words) {
        self.faults.add(if self.value.is_some() { Fault::Not(kind) } else { Fault::Missing(self.key) });
    }

    /// Whether something other than null stands here.
    #[inline(never)]
    pub fn is_given(self) -> bool {
        self.value.is_some_and(|value| *value != Json::Null)
    }

    /// The same place, where something stands there.
    #[inline(never)]
    pub fn given(self) -> Option<Self> {
        self.is_given().then_some(self)
    }

    /// Refuses everything but an object with some of these keys, each once.
    #[inline(never)]
    pub fn only(self, keys: &[&'static str]) -> Self {
        let Some(Json::Object(entries)) = self.value else {
            self.refuse(words!("an object"));
            return self;
        };
        for (at, (name, _)) in entries.iter().enumerate() {
            if !keys.contains(&name.as_str()) {
                self.faults.add(Fault::Unknown);
            }
            if entries.iter().take(at).any(|(before, _)| before == name) {
                self.faults.add(Fault::Twice);
            }
        }
        self
    }

    /// The value of a key of an object.
    #[inline(never)]
    pub fn key(self, key: &'static str) -> Self {
        let Some(Json::Object(entries)) = self.value else {
            self.refuse(words!("an object"));
            return Self { value: None, key, ..self };
        };
        let value = entries.iter().find(|(name, _)| name == key).map(|(_, value)| value);
        Self { value, key, ..self }
    }

    #[inline(never)]
    pub fn text(self) -> &'a str {
        if let Some(Json::Text(text)) = self.value {
            return text;
        }
        self.refuse(words!("a text"));
        ""
    }

    /// The text, where that is what stands here.
    #[inline(never)]
    pub fn maybe_text(self) -> Option<&'a str> {
        if let Some(Json::Text(text)) = self.value { Some(text) } else { None }
    }

    /// The place of a text in a list of them.
    #[inline(never)]
    pub fn one_of(self, texts: &[&str]) -> usize {
        let text = self.text();
        texts.iter().position(|one| *one == text).unwrap_or_else(|| {
            self.refuse(words!("one of the words that may stand there"));
            0
        })
    }

    #[inline(never)]
    pub fn flag(self) -> bool {
        if let Some(Json::Flag(flag)) = self.value {
            return *flag;
        }
        self.refuse(words!("true or false"));
        false
    }

    /// A whole number from 0 to `most`.
    #[inline(never)]
    pub fn whole(self, most: u64) -> u64 {
        match self.value {
            Some(Json::Whole(number)) if *number <= most => *number,
            _ => {
                self.refuse(words!("a whole number of 0 or more, in its range"));
                0
            }
        }
    }

    /// A whole number that counts something in memory.
    #[inline(never)]
    pub fn count(self) -> usize {
        usize::try_from(self.whole(u32::MAX.into())).unwrap_or(usize::MAX)
    }

    #[allow(clippy::as_conversions, reason = "the nearest number of the type is what is meant")]
    #[inline(never)]
    pub fn number(self) -> f64 {
        match self.value {
            Some(Json::Whole(number)) => *number as f64,
            Some(Json::Negative(number)) => *number as f64,
            Some(Json::Real(number)) => *number,
            _ => {
                self.refuse(words!("a number"));
                0.0
            }
        }
    }

    #[allow(clippy::as_conversions, reason = "the nearest number of the type is what is meant")]
    #[inline(never)]
    pub fn single(self) -> f32 {
        match self.value {
            // Not by way of a double, which would round twice.
            Some(Json::Whole(number)) => *number as f32,
            Some(Json::Negative(number)) => *number as f32,
            _ => self.number() as f32,
        }
    }

    /// How many values stand in a list, or under the keys of an object.
    #[inline(never)]
    pub fn len(self) -> usize {
        match self.value {
            Some(Json::List(list)) => list.len(),
            Some(Json::Object(entries)) => entries.len(),
            _ => {
                self.refuse(words!("a list"));
                0
            }
        }
    }

    /// The values of a list, or of an object whose keys are names.
    #[inline(never)]
    pub fn at(self, index: usize) -> Self {
        match self.value {
            Some(Json::List(list)) => Self { value: list.get(index), ..self },
            Some(Json::Object(entries)) => {
                let entry = entries.get(index);
                Self { value: entry.map(|(_, value)| value), name: entry.map_or("", |(name, _)| name), ..self }
            }
            _ => Self { value: None, ..self },
        }
    }

    /// The key under which the value stands, where it came from [`Place::at`] of an object.
    pub const fn name(self) -> &'a str {
        self.name
    }

    /// All texts of a list.
    #[inline(never)]
    pub fn texts(self) -> Vec<String> {
        let mut texts = Vec::new();
        for at in 0..self.len() {
            texts.push(self.at(at).text().into());
        }
        texts
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Flag(flag) => serializer.serialize_bool(*flag),
            Self::Whole(number) => serializer.serialize_u64(*number),
            Self::Negative(number) => serializer.serialize_i64(*number),
            Self::Real(number) => serializer.serialize_f64(*number),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(list) => serializer.collect_seq(list),
            Self::Object(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    map.serialize_entry(key.as_str(), value)?;
                }
                map.end()
            }
        }
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests;
