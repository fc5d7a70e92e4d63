//! The public error: a stable code, and a sentence that says what to do.
//!
//! No variant carries an item id, a path or anything a person did: pages forward errors to their own monitoring.

use alloc::string::String;
use core::fmt;

use crate::words::{Sentence, Words, words};

/// Everything the engine can refuse. [`Error::code`] is stable; the sentence is not.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// The schema does not say what it must. `at` is the place in the schema, `reason` what to change.
    BadSchema {
        /// Path inside the schema, such as `fields.price.scale`.
        at: String,
        /// What to change.
        reason: Words,
    },
    /// A field that the schema does not have.
    UnknownField,
    /// An action that the schema does not have.
    UnknownAction,
    /// A surface that the schema does not have.
    UnknownSurface,
    /// An item whose field has the wrong type or size. `at` names the schema's field, never the item.
    BadItem {
        /// Position of the item in the list that was given.
        index: usize,
        /// The schema's name of the field, or `id`.
        field: String,
        /// What to change.
        reason: Words,
    },
    /// A handle or id that no `upsert` has given.
    UnknownItem,
    /// An event with an impossible part.
    BadEvent {
        /// The part of the event, such as `dwellMs`.
        part: Words,
        /// What to change.
        reason: Words,
    },
    /// More of something than the engine takes in one call.
    TooMany {
        /// What there was too much of.
        what: Words,
        /// The most that is taken.
        most: usize,
    },
    /// The bundle or the stored log was made for another schema.
    SchemaMismatch,
    /// An argument at the boundary that cannot be read.
    BadArgument {
        /// The argument.
        part: Words,
        /// What to change.
        reason: Words,
    },
    /// An update was refused: `code` is the stable code of the refusing module, `reason` its sentence.
    Refused {
        /// Stable code, such as `SIGNATURE`.
        code: &'static str,
        /// What happened and what to do.
        reason: String,
    },
}

impl Error {
    /// The stable code that JavaScript receives as `code`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::BadSchema { .. } => "BAD_SCHEMA",
            Self::UnknownField => "UNKNOWN_FIELD",
            Self::UnknownAction => "UNKNOWN_ACTION",
            Self::UnknownSurface => "UNKNOWN_SURFACE",
            Self::BadItem { .. } => "BAD_ITEM",
            Self::UnknownItem => "UNKNOWN_ITEM",
            Self::BadEvent { .. } => "BAD_EVENT",
            Self::TooMany { .. } => "TOO_MANY",
            Self::SchemaMismatch => "SCHEMA_MISMATCH",
            Self::BadArgument { .. } => "BAD_ARGUMENT",
            Self::Refused { code, .. } => code,
        }
    }

    /// The sentence, as [`Sentence::close`] gives it.
    pub fn told(&self) -> String {
        let say = Sentence::new;
        let sentence = match *self {
            Self::BadSchema { ref at, reason } => say(words!("schema, at {}: {}")).text(at).words(reason),
            Self::UnknownField => say(words!("no such field: add it to the schema's `fields`, or correct the name")),
            Self::UnknownAction => say(words!("no such action: add it to the schema's `actions`, or correct the name")),
            Self::UnknownSurface => {
                say(words!("no such surface: add it to the schema's `surfaces`, or correct the name"))
            }
            Self::BadItem { index, ref field, reason } => {
                say(words!("item {} of the list, field {}: {}")).count(index).text(field).words(reason)
            }
            Self::UnknownItem => {
                say(words!("this item was never given: pass it to `items.upsert` or `feed.push` first"))
            }
            Self::BadEvent { part, reason } => say(words!("event, {}: {}")).words(part).words(reason),
            Self::TooMany { what, most } => say(words!("too many {}: give at most {}")).words(what).count(most),
            Self::SchemaMismatch => {
                say(words!("made for another schema: train or publish it with the schema of this code package"))
            }
            Self::BadArgument { part, reason } => say(words!("argument {}: {}")).words(part).words(reason),
            Self::Refused { ref reason, .. } => return reason.clone(),
        };
        sentence.close()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.told())
    }
}

impl core::error::Error for Error {}

/// The engine's result.
pub type Result<T> = core::result::Result<T, Error>;
