//! What the user decides: consent, switch, blocks, forgetting, export, erasure.

use super::{BLOCKS_MOST, Engine, SNAPSHOT};
use crate::control::Block;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::item::{Value, WORD_BYTES_MOST};
use crate::json::Json;
use crate::log::StoreOp;
use crate::rerank::Reason;
use crate::schema::Schema;
use crate::time::Timestamp;
use crate::words::words;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

/// What to forget.
#[derive(Clone, Debug, PartialEq)]
pub enum Forget {
    /// Every event of one item, in all its versions.
    Item {
        /// The page's id.
        id: String,
    },
    /// Every event of an item that had this word when it happened: one interest.
    Interest {
        /// Name of the field.
        field: String,
        /// The word.
        value: String,
    },
    /// Every event of a span of time.
    Span {
        /// From, inclusive.
        since_ms: i64,
        /// Until, exclusive.
        until_ms: i64,
    },
    /// Every event.
    All,
}

impl Engine {
    /// The user agrees: from now on events are recorded.
    ///
    /// # Errors
    /// [`Error::BadArgument`] for a version over 64 bytes, or more than 16 purposes, or one over 64 bytes.
    pub fn grant(&mut self, policy_version: &str, purposes: &[String], now: Timestamp) -> Result<()> {
        if policy_version.len() > 64 || purposes.len() > 16 || purposes.iter().any(|p| p.len() > 64) {
            let reason = words!("a version of at most 64 bytes and at most 16 purposes of at most 64 bytes");
            return Err(Error::BadArgument { part: words!("consent"), reason });
        }
        self.control.consent.apply_grant(policy_version.to_string(), purposes.to_vec(), now);
        self.write_control();
        Ok(())
    }

    /// The user refuses, or takes the agreement back. With `erase` every file of the account goes; without, the log stays where it
    /// is, unread.
    pub fn withdraw(&mut self, erase: bool, now: Timestamp) {
        self.close_log();
        if erase {
            self.queue_clear();
            self.control.generation = 0;
            self.control.blocks.clear();
        }
        self.control.consent.apply_withdraw(now);
        self.write_control();
    }

    /// Erases everything of this account: log, snapshot, blocks, switch, consent.
    pub fn erase(&mut self) {
        self.close_log();
        self.queue_clear();
        let sequence = self.control.sequence;
        let epoch = self.control.epoch;
        self.control = crate::control::Control { sequence, epoch, ..Default::default() };
    }

    fn close_log(&mut self) {
        self.log = None;
        self.refold();
    }

    /// Switches personalisation. Off takes effect at once: the log is closed and stays as it is, unread. On: the host reads the files
    /// again with [`Engine::open_log`].
    pub fn set_personalisation(&mut self, on: bool) {
        if on == self.control.personalisation {
            return;
        }
        self.control.personalisation = on;
        if !on {
            self.collect();
            self.close_log();
        }
        self.write_control();
    }

    /// The user never wants to see this word of this field.
    ///
    /// # Errors
    /// [`Error::UnknownField`], [`Error::TooMany`], [`Error::BadArgument`] for a word that is too long.
    pub fn block(&mut self, field: &str, value: &str) -> Result<()> {
        self.schema.field(field)?;
        if value.is_empty() || value.len() > WORD_BYTES_MOST {
            return Err(Error::BadArgument { part: words!("value"), reason: words!("a word of 1 to 256 bytes") });
        }
        let block = Block { field: field.to_string(), value: value.to_string() };
        if let Err(at) = self.control.blocks.binary_search(&block) {
            if self.control.blocks.len() >= BLOCKS_MOST {
                return Err(Error::TooMany { what: words!("blocks"), most: BLOCKS_MOST });
            }
            self.control.blocks.insert(at, block);
            self.write_control();
        }
        Ok(())
    }

    /// Takes a block back.
    pub fn unblock(&mut self, field: &str, value: &str) {
        let block = Block { field: field.to_string(), value: value.to_string() };
        if let Ok(at) = self.control.blocks.binary_search(&block) {
            self.control.blocks.remove(at);
            self.write_control();
        }
    }

    /// Forgets, exactly: log bytes and state become those of an engine that never saw it. Returns how many events went.
    ///
    /// # Errors
    /// [`Error::UnknownField`].
    pub fn forget(&mut self, what: &Forget) -> Result<usize> {
        let interest = match what {
            Forget::Interest { field, .. } => self.schema.field(field)?,
            _ => 0,
        };
        Ok(self.forget_where(&mut |event| match what {
            Forget::Item { id } => event.item.id() == id,
            Forget::Interest { value, .. } => event.item.words(interest).iter().any(|w| w.text == *value),
            Forget::Span { since_ms, until_ms } => (*since_ms..*until_ms).contains(&event.at.ms()),
            Forget::All => true,
        }))
    }

    /// Takes back the newest event of this action on this item. Returns whether there was one.
    ///
    /// # Errors
    /// [`Error::UnknownAction`], [`Error::UnknownItem`].
    pub fn undo(&mut self, handle: u32, action: &str) -> Result<bool> {
        let action = self.schema.action(action)?;
        let wire = self.known(handle)?.item.wire();
        let matches = |e: &Event| e.action == action && e.item.wire() == wire;
        let Some(log) = &self.log else { return Ok(false) };
        let mut newest = None;
        for (at, event) in log.events().enumerate() {
            newest = if matches(event) { Some(at) } else { newest };
        }
        let Some(newest) = newest else { return Ok(false) };
        let mut at = 0;
        self.forget_where(&mut |_| {
            at += 1;
            at - 1 == newest
        });
        Ok(true)
    }

    fn forget_where(&mut self, gone: &mut dyn FnMut(&Event) -> bool) -> usize {
        let Some(log) = &mut self.log else { return 0 };
        let (generation, numbers) = (log.generation(), log.file_numbers());
        // What is queued of the old generation must not be written after the removal of its files.
        self.ops.retain(|op| !matches!(op, StoreOp::Append { .. }));
        let removed = log.forget(&mut |event| !gone(event));
        self.control.generation = log.generation();
        // The snapshot holds what is being forgotten, so it goes first.
        self.ops.push(StoreOp::Remove { name: SNAPSHOT.to_string() });
        self.collect();
        self.write_control();
        self.remove_files(generation, &numbers, &[]);
        self.refold();
        removed
    }

    /// Everything that is known of the user, as JSON that a person can read.
    pub fn export(&self) -> String {
        self.export_document().write()
    }

    pub(crate) fn export_document(&self) -> Json {
        let schema = &self.schema;
        let consent = &self.control.consent;
        let mut events = Vec::new();
        if let Some(log) = &self.log {
            for event in log.events() {
                events.push(export_event(schema, event));
            }
        }
        let mut blocks = Vec::new();
        for block in &self.control.blocks {
            let mut out = Object::default();
            out.text("field", Some(&block.field)).text("value", Some(&block.value));
            blocks.push(out.close());
        }
        let mut purposes = Vec::new();
        for purpose in &consent.purposes {
            purposes.push(Json::Text(purpose.clone()));
        }
        let mut agreed = Object::default();
        agreed
            .text("status", Some(consent.status.as_str()))
            .text("policyVersion", Some(&consent.policy_version))
            .put("purposes", Json::List(purposes))
            .put("atMs", instant(consent.at_ms));
        let mut out = Object::default();
        out.text("space", Some(&schema.space))
            .put("consent", agreed.close())
            .put("personalisation", Json::Flag(self.control.personalisation))
            .put("blocks", Json::List(blocks))
            .put("events", Json::List(events));
        out.close()
    }
}

/// An object that goes out, key by key.
#[derive(Default)]
struct Object(Vec<(String, Json)>);

impl Object {
    #[inline(never)]
    fn put(&mut self, key: &str, value: Json) -> &mut Self {
        self.0.push((key.to_string(), value));
        self
    }

    #[inline(never)]
    fn text(&mut self, key: &str, text: Option<&str>) -> &mut Self {
        self.put(key, Json::text_or_null(text))
    }

    #[inline(never)]
    fn whole(&mut self, key: &str, number: Option<u32>) -> &mut Self {
        self.put(key, Json::whole_or_null(number))
    }

    #[inline(never)]
    fn number(&mut self, key: &str, number: Option<f32>) -> &mut Self {
        self.put(key, Json::number_or_null(number))
    }

    fn close(self) -> Json {
        Json::Object(self.0)
    }
}

fn instant(ms: i64) -> Json {
    u64::try_from(ms).map_or(Json::Negative(ms), Json::Whole)
}

/// The reason that says of a propensity that it is an estimate.
const SAMPLED: u16 = Reason::Sampled as u16;

fn export_event(schema: &Schema, event: &Event) -> Json {
    let mut fields = Object::default();
    for (field, value) in schema.fields.iter().zip(event.item.values()) {
        let value = match value {
            Value::Absent => continue,
            Value::Number(number) => Json::number_or_null(Some(*number)),
            Value::Words(words) => {
                let mut texts = Vec::new();
                for word in words {
                    texts.push(Json::Text(word.text.clone()));
                }
                Json::List(texts)
            }
        };
        fields.put(&field.name, value);
    }
    let d = &event.detail;
    let mut numbers = Vec::new();
    for number in &d.numbers {
        numbers.push(Json::number_or_null(*number));
    }
    let surface = d.surface.and_then(|i| schema.surfaces.get(usize::from(i)));
    let action = schema.actions.get(usize::from(event.action));
    let choice = match (d.propensity, d.reason) {
        (None, _) => "deterministic",
        (_, Some(SAMPLED)) => "estimated",
        _ => "exact",
    };
    let mut out = Object::default();
    out.put("atMs", instant(event.at.ms()))
        .whole("session", Some(event.session))
        .text("action", action.map(|a| a.name.as_str()))
        .text("id", Some(event.item.id()))
        .put("item", fields.close())
        .text("surface", surface.map(String::as_str))
        .whole("scene", d.scene.map(u32::from))
        .whole("slate", d.slate)
        .whole("position", d.position.map(u32::from))
        .number("propensity", d.propensity)
        .text("choice", Some(choice))
        .whole("reason", d.reason.map(u32::from))
        .number("value", d.value)
        .whole("dwellMs", d.dwell_ms)
        .number("difficulty", d.difficulty)
        .whole("riskLevel", d.risk_level.map(u32::from))
        .whole("groupId", d.group_id)
        .number("prior", d.prior)
        .put("numbers", Json::List(numbers));
    out.close()
}
