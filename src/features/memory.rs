//! What the fold remembers of one user: counters by word and item, habits, the recent sequence.

use super::counters::{Affinity, Habit, ItemMemory};
use crate::codec::{Reader, Writer};
use crate::keyed::Keyed;
use crate::schema::Schema;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// How many chosen items the recent sequence holds: what a model reads, and as many again as may follow before a label matures.
pub const RECENT_MOST: usize = 64;
/// How many of them a candidate's likeness is measured against.
pub const LIKENESS_MOST: usize = 32;

/// How many judgements are kept.
pub const JUDGED_MOST: usize = crate::bundle::stack::JUDGED_MOST;

/// What came of an item, by the schema's first label: the value that was given, or 1 and 0 where it is taken or not.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Judged {
    /// The item's wire id.
    pub wire: u64,
    /// What came of it.
    pub outcome: f32,
}

/// An item that the user chose.
#[derive(Clone, Debug, PartialEq)]
pub struct Chosen {
    /// The item's wire id.
    pub wire: u64,
    /// Keys of its words, ascending.
    pub keys: Vec<u64>,
}

/// What the user had chosen and judged by some moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Recent<'a> {
    older: &'a [Chosen],
    newer: &'a [Chosen],
    judged: [&'a [Judged]; 2],
}

/// A copy of a [`Recent`].
#[derive(Clone, Debug, Default)]
pub struct Kept(Vec<Chosen>, Vec<Judged>);

impl Kept {
    /// What was copied.
    pub fn recent(&self) -> Recent<'_> {
        Recent { older: &self.0, newer: &[], judged: [&self.1, &[]] }
    }
}

impl<'a> Recent<'a> {
    /// Chosen items alone, oldest first.
    pub const fn of(all: &'a [Chosen]) -> Self {
        Self { older: all, newer: &[], judged: [&[], &[]] }
    }

    /// A copy.
    pub fn keep(self) -> Kept {
        Kept([self.older, self.newer].concat(), self.judged.concat())
    }

    /// The judged items and what came of them, the newest first.
    pub fn judged(self) -> impl Iterator<Item = (u64, f32)> {
        let [older, newer] = self.judged;
        newer.iter().rev().chain(older.iter().rev()).map(|judged| (judged.wire, judged.outcome))
    }

    /// The chosen items, the newest first.
    pub fn iter(self) -> impl Iterator<Item = (u64, &'a [u64])> {
        self.newer.iter().rev().chain(self.older.iter().rev()).map(|chosen| (chosen.wire, chosen.keys.as_slice()))
    }
}

/// The state that behaviour alone decides. It knows no bundle.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// The fold's clock, in milliseconds since the Unix epoch; never runs backwards.
    pub now_ms: i64,
    /// Everything together.
    pub all: Affinity,
    /// By word of a field.
    pub words: Keyed<Affinity>,
    /// By item, and by group: keys of both are hashes of 64 bits.
    pub items: Keyed<ItemMemory>,
    /// One habit for each scaled number field, over what was chosen.
    pub habits: Vec<Habit>,
    /// Explicit values.
    pub values: Habit,
    /// Moving average of the last outcomes (1 taken, 0 not), over about five and about twenty.
    pub outcomes: [f32; 2],
    /// What was chosen lately, newest last.
    pub recent: VecDeque<Chosen>,
    /// What was judged lately, newest last.
    pub judged: VecDeque<Judged>,
    /// How many were ever judged, those that are no longer held included.
    pub judgements: u32,
    /// How many were ever chosen, those that the sequence no longer holds included.
    pub chosen: u32,
    /// Events so far.
    pub events: u32,
    /// Events other than impressions: behaviour that was expressed.
    pub acts: u32,
    /// Events in this session.
    pub depth: u32,
    /// Chances in a row that were not taken.
    pub streak: u32,
}

impl Memory {
    /// An empty memory for `schema`.
    pub fn new(schema: &Schema) -> Self {
        Self { habits: schema.scaled_numbers().map(|_| Habit::default()).collect(), ..Self::default() }
    }

    /// Takes in a judgement.
    pub fn judge(&mut self, wire: u64, outcome: f32) {
        if self.judged.len() >= JUDGED_MOST {
            self.judged.pop_front();
        }
        self.judgements = self.judgements.saturating_add(1);
        self.judged.push_back(Judged { wire, outcome });
    }

    /// What has been chosen and judged.
    pub fn recent(&self) -> Recent<'_> {
        self.recent_at(self.chosen, self.judgements)
    }

    /// What had been chosen and judged when so many had been. What is no longer held is left out.
    pub fn recent_at(&self, chosen: u32, judgements: u32) -> Recent<'_> {
        let [older, newer] = first(self.recent.as_slices(), self.chosen.saturating_sub(chosen));
        Recent { older, newer, judged: first(self.judged.as_slices(), self.judgements.saturating_sub(judgements)) }
    }

    /// Writes the memory in one form only: maps by ascending key.
    pub fn encode(&self, out: &mut Writer) {
        out.zigzag(self.now_ms);
        self.all.encode(out);
        let words = self.words.sorted();
        out.count(words.len());
        for (key, counter) in words {
            out.u64(key);
            counter.encode(out);
        }
        let items = self.items.sorted();
        out.count(items.len());
        for (key, item) in items {
            out.u64(key);
            out.u32(item.unanswered);
            out.u32(item.shown);
            out.u32(item.acts);
            out.f32(item.weight);
            out.u8(u8::from(item.turned_down));
        }
        out.count(self.habits.len());
        self.habits.iter().for_each(|h| h.encode(out));
        self.values.encode(out);
        self.outcomes.iter().for_each(|v| out.f32(*v));
        out.count(self.recent.len());
        for chosen in &self.recent {
            out.u64(chosen.wire);
            out.count(chosen.keys.len());
            chosen.keys.iter().for_each(|k| out.u64(*k));
        }
        out.count(self.judged.len());
        for judged in &self.judged {
            out.u64(judged.wire);
            out.f32(judged.outcome);
        }
        for n in [self.judgements, self.chosen, self.events, self.acts, self.depth, self.streak] {
            out.u32(n);
        }
    }

    /// Reads what [`Memory::encode`] wrote.
    pub fn decode(bytes: &mut Reader<'_>) -> Self {
        let mut memory = Self { now_ms: bytes.zigzag(), all: Affinity::decode(bytes), ..Self::default() };
        for _ in 0..bytes.count() {
            let key = bytes.u64();
            *memory.words.entry(key) = Affinity::decode(bytes);
        }
        for _ in 0..bytes.count() {
            let key = bytes.u64();
            *memory.items.entry(key) = ItemMemory {
                unanswered: bytes.u32(),
                shown: bytes.u32(),
                acts: bytes.u32(),
                weight: bytes.f32(),
                turned_down: bytes.u8() != 0,
            };
        }
        for _ in 0..bytes.count() {
            memory.habits.push(Habit::decode(bytes));
        }
        memory.values = Habit::decode(bytes);
        for value in &mut memory.outcomes {
            *value = bytes.f32();
        }
        for _ in 0..bytes.count() {
            let mut chosen = Chosen { wire: bytes.u64(), keys: Vec::new() };
            for _ in 0..bytes.count() {
                chosen.keys.push(bytes.u64());
            }
            memory.recent.push_back(chosen);
        }
        for _ in 0..bytes.count() {
            memory.judged.push_back(Judged { wire: bytes.u64(), outcome: bytes.f32() });
        }
        let Memory { judgements, chosen, events, acts, depth, streak, .. } = &mut memory;
        for n in [judgements, chosen, events, acts, depth, streak] {
            *n = bytes.u32();
        }
        memory
    }
}

/// All but the last `later` of what stands in two parts.
fn first<'a, T>((older, newer): (&'a [T], &'a [T]), later: u32) -> [&'a [T]; 2] {
    let kept = (older.len() + newer.len()).saturating_sub(later as usize);
    let older_kept = kept.min(older.len());
    [older.get(..older_kept).unwrap_or_default(), newer.get(..kept - older_kept).unwrap_or_default()]
}
