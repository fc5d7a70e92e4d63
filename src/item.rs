//! Items: what a page gives, checked and hashed once.

use crate::codec::{Reader, Writer};
use crate::error::{Error, Result};
use crate::schema::{Field, Kind, Schema, hash64, word_key};
use crate::words::{Words, words};
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

/// The most bytes of an id.
pub const ID_BYTES_MOST: usize = 128;
/// The most bytes of one word.
pub const WORD_BYTES_MOST: usize = 256;
/// The most words of one tags field.
pub const TAGS_MOST: usize = 16;

/// A word of a field, with the key under which its counters stand.
#[derive(Clone, Debug, PartialEq)]
pub struct Word {
    /// The text, as a person reads it.
    pub text: String,
    /// [`word_key`] of the field and the text.
    pub key: u64,
}

impl Word {
    /// Hashes `text` as a value of `field`.
    pub fn new(field: &str, text: String) -> Self {
        let key = word_key(field, &text);
        Self { text, key }
    }
}

/// The value of one field.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// The page gave none.
    Absent,
    /// One word, or several.
    Words(Vec<Word>),
    /// A finite number.
    Number(f32),
}

impl Value {
    /// Checks what a page gave for `field`.
    ///
    /// # Errors
    /// What to give instead.
    fn open(field: &Field, given: Given) -> core::result::Result<Self, Words> {
        let word = |text: String| {
            if text.len() > WORD_BYTES_MOST {
                return Err(words!("a word has at most 256 bytes; give a shorter name or an id"));
            }
            Ok(Word::new(&field.name, text))
        };
        Ok(match (field.kind, given) {
            (_, Given::Nothing) => Self::Absent,
            (Kind::Category | Kind::Group, Given::Text(text)) if text.is_empty() => Self::Absent,
            (Kind::Category | Kind::Group, Given::Text(text)) => Self::Words([word(text)?].to_vec()),
            (Kind::Tags, Given::Texts(texts)) => {
                if texts.len() > TAGS_MOST {
                    return Err(words!("at most 16 words"));
                }
                // The same set of tags is the same item whatever the order it came in.
                let mut words: Vec<Word> = Vec::with_capacity(texts.len());
                for text in texts {
                    if let Err(at) = words.binary_search_by(|known| known.text.cmp(&text))
                        && !text.is_empty()
                    {
                        words.insert(at, word(text)?);
                    }
                }
                Self::Words(words)
            }
            (Kind::Number { .. }, Given::Number(number)) if number.is_finite() && number.abs() < 1e30 => {
                Self::Number(number as f32)
            }
            (Kind::Category | Kind::Group, _) => return Err(words!("give a string")),
            (Kind::Tags, _) => return Err(words!("give a list of strings")),
            (Kind::Number { .. }, _) => return Err(words!("give a finite number")),
        })
    }

    /// Its words; none where it is a number or absent.
    pub fn words(&self) -> &[Word] {
        if let Self::Words(words) = self { words } else { &[] }
    }
}

/// One item: its id and one value per field of the schema.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    id: String,
    wire: u64,
    values: Vec<Value>,
    /// Keys of all words, ascending.
    keys: Vec<u64>,
}

/// What a page gives for one field, before it is checked.
#[derive(Clone, Debug)]
pub enum Given {
    /// Nothing, `null` or `undefined`.
    Nothing,
    /// A string.
    Text(String),
    /// A number.
    Number(f64),
    /// A list of strings.
    Texts(Vec<String>),
    /// Anything else.
    Other,
}

impl Item {
    /// Checks what a page gave. `given` is asked once for each field of the schema.
    ///
    /// # Errors
    /// [`Error::BadItem`] naming the field and `index`, the item's place in the page's list.
    pub fn open(schema: &Schema, index: usize, id: &str, mut given: impl FnMut(&str) -> Given) -> Result<Self> {
        let bad = |field: &str, reason| Err(Error::BadItem { index, field: field.to_string(), reason });
        if id.is_empty() || id.len() > ID_BYTES_MOST {
            return bad("id", words!("an id is a string of 1 to 128 bytes"));
        }
        let mut values = Vec::with_capacity(schema.fields.len());
        for field in &schema.fields {
            match Value::open(field, given(&field.name)) {
                Ok(value) => values.push(value),
                Err(reason) => return bad(&field.name, reason),
            }
        }
        Ok(Self::of(id.to_string(), values))
    }

    fn of(id: String, values: Vec<Value>) -> Self {
        let mut keys = Vec::new();
        for value in &values {
            for word in value.words() {
                let at = keys.partition_point(|key| *key < word.key);
                keys.insert(at, word.key);
            }
        }
        Self { wire: hash64(id.as_bytes()), id, values, keys }
    }

    /// The page's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// 64 bits of the id, the same on every machine.
    pub const fn wire(&self) -> u64 {
        self.wire
    }

    /// One value for each field of the schema.
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// The value of field `index` of the schema.
    pub fn value(&self, index: usize) -> &Value {
        self.values.get(index).unwrap_or(&Value::Absent)
    }

    /// The words of field `index`; none where it is a number or absent.
    pub fn words(&self, index: usize) -> &[Word] {
        self.value(index).words()
    }

    /// The number of field `index`.
    pub fn number(&self, index: usize) -> Option<f32> {
        match self.value(index) {
            Value::Number(number) => Some(*number),
            Value::Absent | Value::Words(_) => None,
        }
    }

    /// The keys of all words, ascending; no word stands twice.
    pub fn keys(&self) -> &[u64] {
        &self.keys
    }

    /// The key of what the item is a variant of: its word in the schema's first field of the kind `group`.
    pub fn group(&self, schema: &Schema) -> Option<u64> {
        let field = schema.fields.iter().position(|f| f.kind == Kind::Group)?;
        self.words(field).first().map(|word| word.key)
    }

    /// Every word, with the index of its field.
    pub fn all_words(&self) -> impl Iterator<Item = (usize, &Word)> {
        self.values.iter().enumerate().flat_map(|(i, v)| v.words().iter().map(move |w| (i, w)))
    }

    /// Field and key of each word.
    pub fn word_keys(&self) -> Vec<(u16, u64)> {
        let mut keys = Vec::with_capacity(self.keys.len());
        for (field, value) in (0u16..).zip(&self.values) {
            for word in value.words() {
                keys.push((field, word.key));
            }
        }
        keys
    }

    /// The same item as the log keeps it: without the volatile fields.
    pub fn recorded(&self, schema: &Schema) -> Self {
        let values = schema.fields.iter().zip(&self.values);
        let values = values.map(|(f, v)| if f.volatile { Value::Absent } else { v.clone() }).collect();
        Self { id: self.id.clone(), wire: self.wire, values, keys: self.keys.clone() }
    }

    /// Writes the item with its words given as numbers by `intern`.
    pub(crate) fn write(&self, out: &mut Writer, intern: &mut dyn FnMut(&str) -> u32) {
        out.text(&self.id);
        for value in &self.values {
            match value {
                Value::Absent => out.u8(0),
                Value::Words(words) => {
                    out.u8(1);
                    out.count(words.len());
                    for word in words {
                        out.varint(u64::from(intern(&word.text)));
                    }
                }
                Value::Number(number) => {
                    out.u8(2);
                    out.f32(*number);
                }
            }
        }
    }

    /// Reads what [`Item::write`] wrote; `text` gives back the words.
    pub(crate) fn read(schema: &Schema, bytes: &mut Reader<'_>, text: &dyn Fn(u32) -> Option<String>) -> Self {
        let id = bytes.text();
        let mut values = Vec::with_capacity(schema.fields.len());
        for field in &schema.fields {
            let kind = bytes.u8();
            bytes.expect(kind <= 2);
            values.push(match kind {
                1 => {
                    let n = bytes.count();
                    bytes.expect(n <= TAGS_MOST);
                    let mut words = Vec::new();
                    for _ in 0..n.min(TAGS_MOST) {
                        let word = text(bytes.narrow());
                        bytes.expect(word.is_some());
                        words.push(Word::new(&field.name, word.unwrap_or_default()));
                    }
                    Value::Words(words)
                }
                2 => Value::Number(bytes.f32()),
                _ => Value::Absent,
            });
        }
        Self::of(id, values)
    }
}

/// How many keys two ascending lists share.
#[cfg_attr(zhiji_phone, optimize(speed))]
pub fn shared_keys(a: &[u64], b: &[u64]) -> u32 {
    let (mut i, mut j, mut shared) = (0, 0, 0);
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        shared += u32::from(x == y);
        i += usize::from(x <= y);
        j += usize::from(y <= x);
    }
    shared
}
