//! The schema: what one space records, for how long, and what its rankings must respect.
//!
//! The schema stands in the reviewed code package. It alone decides what is recorded; a bundle can only name fields of it.

mod read;
#[cfg(test)]
mod tests;

use crate::error::{Error, Result};
use crate::time::{DAY_MS, HalfLife, MINUTE_MS};
use alloc::string::String;
use alloc::vec::Vec;
use sha2::{Digest as _, Sha256};

/// The most fields, actions or surfaces of one schema.
pub const NAMES_MOST: usize = 32;
/// The most bytes of one name in a schema.
pub const NAME_BYTES_MOST: usize = 32;

/// How a number field is spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Differences matter (a year, a level).
    Linear,
    /// Ratios matter (a price).
    Log,
}

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One word of a vocabulary.
    Category,
    /// Several words.
    Tags,
    /// A finite number; `scale` where the distance from the user's habit is a feature.
    Number {
        /// How distances are measured; none where the number only serves filters.
        scale: Option<Scale>,
    },
    /// A word that makes several items one (SKU → SPU).
    Group,
}

/// One field of the items.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
    /// Whether it is read from the candidate at hand only (price, stock).
    pub volatile: bool,
}

/// What an action says about an item.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Role {
    /// The item was seen.
    Impression,
    /// The user did something; the sign of the weight is the direction.
    Act {
        /// 1.0 is one plain opening.
        weight: f32,
    },
}

/// One action.
#[derive(Clone, Debug, PartialEq)]
pub struct Action {
    /// Its name.
    pub name: String,
    /// What it says.
    pub role: Role,
}

/// How examples are labelled.
#[derive(Clone, Debug, PartialEq)]
pub enum Rule {
    /// An impression is positive if one of these actions follows on the same item within the window.
    Follows {
        /// Bit `i` is action `i`.
        positive: u32,
        /// Length of the window in milliseconds.
        window_ms: i64,
    },
    /// Each event of the action is an example; positive where its value reaches the bound.
    Value {
        /// Index of the action.
        action: u8,
        /// The bound.
        at_least: f32,
    },
}

/// One label.
#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    /// Its name.
    pub name: String,
    /// How it is decided.
    pub rule: Rule,
}

/// A hard filter over a number field of the candidate. A candidate without the field passes.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter {
    /// Index of the field.
    pub field: usize,
    /// Lowest value that passes.
    pub at_least: f32,
}

/// At most `most` items with one value of the field in any `within` neighbours.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// Index of the field.
    pub field: usize,
    /// How many of one value.
    pub most: usize,
    /// In how many neighbours.
    pub within: usize,
}

/// Who takes the exploration place, where the draw is not uniform.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Explore {
    /// The best by score.
    #[default]
    Greedy,
    /// The best by score and what the personal head does not know of it: an upper confidence bound.
    Ucb,
    /// The best under a draw from what the personal head believes: Thompson's rule.
    Thompson,
}

/// What every ranking respects.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Hard filters.
    pub filters: Vec<Filter>,
    /// Weight of the score against likeness in maximal marginal relevance; 1 is score alone.
    pub lambda: f32,
    /// Windows.
    pub windows: Vec<Window>,
    /// Impressions without an action that cost nothing yet.
    pub fatigue_after: u32,
    /// What each further one costs, in logits.
    pub fatigue_penalty: f32,
    /// Exploration slots in one slate.
    pub explore_slots: usize,
    /// Share of exploration draws that are uniform.
    pub epsilon: f32,
    /// Who takes the exploration place otherwise.
    pub explore_by: Explore,
    /// How many standard deviations of the head's belief count there.
    pub explore_width: f32,
    /// How far the page's own order weighs, in logits per e-fold of position.
    pub page_order: f32,
    /// Whether a user who has shown no behaviour yet is ranked by the model, or keeps the page's own order.
    pub cold_model: bool,
}

/// What is kept of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// The most events.
    pub events: usize,
    /// The longest age in milliseconds.
    pub age_ms: i64,
}

/// A schema that has been checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Schema {
    /// Name of the space.
    pub space: String,
    /// Fields, in the order of the document.
    pub fields: Vec<Field>,
    /// Actions, in the order of the document.
    pub actions: Vec<Action>,
    /// Labels, in the order of the document; the first is what the personal head learns.
    pub labels: Vec<Label>,
    /// Surfaces, in the order of the document.
    pub surfaces: Vec<String>,
    /// Half-lives of the affinity counters.
    pub half_lives: Vec<HalfLife>,
    /// What is kept.
    pub retention: Retention,
    /// What rankings respect.
    pub policy: Policy,
    fingerprint: u64,
}

impl Schema {
    /// Reads and checks the JSON of a schema.
    ///
    /// # Errors
    /// [`Error::BadSchema`] with the place and what to change.
    ///
    /// # Examples
    /// ```
    /// let schema = zhiji::schema::Schema::open(
    ///     r#"{ "space": "shop", "fields": { "category": { "kind": "category" } },
    ///          "actions": { "impression": { "role": "impression" }, "open": { "weight": 1 } },
    ///          "labels": { "click": { "positive": ["open"], "windowMinutes": 30 } } }"#,
    /// )?;
    /// assert_eq!(schema.fields[0].name, "category");
    /// # Ok::<(), zhiji::error::Error>(())
    /// ```
    pub fn open(json: &str) -> Result<Self> {
        let mut schema = read::read(json)?;
        schema.fingerprint = schema.compute_fingerprint();
        Ok(schema)
    }

    /// 64 bits that change with anything that changes the meaning of a stored log: fields, actions, surfaces.
    pub const fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    fn compute_fingerprint(&self) -> u64 {
        let mut hash = Sha256::new();
        let mut part = |text: &str| {
            hash.update(text.as_bytes());
            hash.update([0]);
        };
        part(&self.space);
        for field in &self.fields {
            part(&field.name);
            part(match (field.kind, field.volatile) {
                (Kind::Category, _) => "category",
                (Kind::Tags, _) => "tags",
                (Kind::Group, _) => "group",
                (Kind::Number { scale: None }, false) => "number",
                (Kind::Number { scale: None }, true) => "number volatile",
                (Kind::Number { scale: Some(Scale::Linear) }, false) => "number linear",
                (Kind::Number { scale: Some(Scale::Linear) }, true) => "number linear volatile",
                (Kind::Number { scale: Some(Scale::Log) }, false) => "number log",
                (Kind::Number { scale: Some(Scale::Log) }, true) => "number log volatile",
            });
        }
        part("actions");
        for action in &self.actions {
            part(&action.name);
        }
        part("surfaces");
        for surface in &self.surfaces {
            part(surface);
        }
        let digest: [u8; 32] = hash.finalize().into();
        let [a, b, c, d, e, f, g, h, ..] = digest;
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }

    /// Index of a field.
    ///
    /// # Errors
    /// [`Error::UnknownField`].
    pub fn field(&self, name: &str) -> Result<usize> {
        self.fields.iter().position(|f| f.name == name).ok_or(Error::UnknownField)
    }

    /// Index of an action.
    ///
    /// # Errors
    /// [`Error::UnknownAction`].
    pub fn action(&self, name: &str) -> Result<u8> {
        let at = self.actions.iter().position(|a| a.name == name).ok_or(Error::UnknownAction)?;
        u8::try_from(at).map_err(|_| Error::UnknownAction)
    }

    /// Index of a surface.
    ///
    /// # Errors
    /// [`Error::UnknownSurface`].
    pub fn surface(&self, name: &str) -> Result<u8> {
        let at = self.surfaces.iter().position(|s| s == name).ok_or(Error::UnknownSurface)?;
        u8::try_from(at).map_err(|_| Error::UnknownSurface)
    }

    /// The action that means "was seen".
    pub fn impression(&self) -> u8 {
        let at = self.actions.iter().position(|a| a.role == Role::Impression);
        at.and_then(|i| u8::try_from(i).ok()).unwrap_or(u8::MAX)
    }

    /// Indices of the volatile number fields: the columns that `rank` takes with each candidate.
    pub fn volatiles(&self) -> impl Iterator<Item = usize> + '_ {
        self.fields.iter().enumerate().filter(|(_, f)| f.volatile).map(|(i, _)| i)
    }

    /// Indices and scales of the number fields whose distance from habit is a feature.
    pub fn scaled_numbers(&self) -> impl Iterator<Item = (usize, Scale)> + '_ {
        self.fields.iter().enumerate().filter_map(|(i, f)| match f.kind {
            Kind::Number { scale: Some(scale) } => Some((i, scale)),
            _ => None,
        })
    }

    /// Indices of the fields whose values are words.
    pub fn word_fields(&self) -> impl Iterator<Item = usize> + '_ {
        self.fields.iter().enumerate().filter(|(_, f)| !matches!(f.kind, Kind::Number { .. })).map(|(i, _)| i)
    }
}

/// 64 bits of `bytes`, the same on every machine: an item's wire id, a word's key.
///
/// # Source
/// FNV-1a with the 64-bit offset basis and prime of Fowler, Noll and Vo (draft-eastlake-fnv, section 5), closed by the 64-bit finaliser of
/// MurmurHash3 (Appleby, 2011), which spreads the last bytes over all bits.
pub fn hash64(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    for &byte in bytes {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

/// The key of one word of one field.
pub fn word_key(field: &str, word: &str) -> u64 {
    let mut bytes = Vec::with_capacity(field.len() + 1 + word.len());
    bytes.extend_from_slice(field.as_bytes());
    bytes.push(0x1f);
    bytes.extend_from_slice(word.as_bytes());
    hash64(&bytes)
}

/// Milliseconds in `minutes`, saturating.
fn minutes_ms(minutes: f64) -> i64 {
    (minutes * MINUTE_MS as f64) as i64
}

/// Milliseconds in `days`, saturating.
fn days_ms(days: f64) -> i64 {
    (days * DAY_MS as f64) as i64
}
