//! What the fold remembers of one user: counters by word and item, habits, the recent sequence.

use super::counters::{Affinity, Habit, ItemMemory};
use crate::codec::{Reader, Writer};
use crate::keyed::Keyed;
use crate::schema::Schema;
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

/// What the user had chosen and judged by some moment, oldest first.
#[derive(Clone, Copy, Debug, Default)]
pub struct Recent<'a> {
    chosen: &'a [Chosen],
    judged: &'a [Judged],
}

/// A copy of a [`Recent`].
#[derive(Clone, Debug, Default)]
pub struct Kept(Vec<Chosen>, Vec<Judged>);

impl Kept {
    /// What was copied.
    pub fn recent(&self) -> Recent<'_> {
        Recent { chosen: &self.0, judged: &self.1 }
    }
}

impl<'a> Recent<'a> {
    /// Chosen items alone, oldest first.
    pub const fn of(all: &'a [Chosen]) -> Self {
        Self { chosen: all, judged: &[] }
    }

    /// A copy.
    pub fn keep(self) -> Kept {
        Kept(self.chosen.to_vec(), self.judged.to_vec())
    }

    /// The judged items and what came of them, the newest first.
    pub fn judged(self) -> impl Iterator<Item = (u64, f32)> {
        self.judged.iter().rev().map(|judged| (judged.wire, judged.outcome))
    }

    /// The chosen items, the newest first.
    pub fn iter(self) -> impl Iterator<Item = (u64, &'a [u64])> {
        self.chosen.iter().rev().map(|chosen| (chosen.wire, chosen.keys.as_slice()))
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
    /// What was chosen lately, newest last; of it the last [`RECENT_MOST`] count.
    pub recent: Vec<Chosen>,
    /// What was judged lately, newest last; of it the last [`JUDGED_MOST`] count.
    judged: Vec<Judged>,
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
        let mut memory = Self::default();
        for _ in schema.scaled_numbers() {
            memory.habits.push(Habit::default());
        }
        memory
    }

    /// Takes in a judgement.
    pub fn judge(&mut self, wire: u64, outcome: f32) {
        self.judgements = self.judgements.saturating_add(1);
        put(&mut self.judged, JUDGED_MOST, Judged { wire, outcome });
    }

    /// Takes in a choice.
    pub fn choose(&mut self, wire: u64, keys: &[u64]) {
        self.chosen = self.chosen.saturating_add(1);
        put(&mut self.recent, RECENT_MOST, Chosen { wire, keys: keys.to_vec() });
    }

    /// What has been chosen and judged.
    pub fn recent(&self) -> Recent<'_> {
        self.recent_at(self.chosen, self.judgements)
    }

    /// What had been chosen and judged when so many had been. What is no longer held is left out.
    pub fn recent_at(&self, chosen: u32, judgements: u32) -> Recent<'_> {
        Recent {
            chosen: held(&self.recent, RECENT_MOST, self.chosen.saturating_sub(chosen)),
            judged: held(&self.judged, JUDGED_MOST, self.judgements.saturating_sub(judgements)),
        }
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
        let Recent { chosen, judged } = self.recent();
        out.count(chosen.len());
        for chosen in chosen {
            out.u64(chosen.wire);
            out.count(chosen.keys.len());
            chosen.keys.iter().for_each(|k| out.u64(*k));
        }
        out.count(judged.len());
        for judged in judged {
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
            memory.recent.push(chosen);
        }
        for _ in 0..bytes.count() {
            memory.judged.push(Judged { wire: bytes.u64(), outcome: bytes.f32() });
        }
        let Memory { judgements, chosen, events, acts, depth, streak, .. } = &mut memory;
        for n in [judgements, chosen, events, acts, depth, streak] {
            *n = bytes.u32();
        }
        memory
    }
}

/// Adds to a list of which the last `most` count. What does not count any more goes now and then, many at once.
fn put<T>(list: &mut Vec<T>, most: usize, one: T) {
    if list.len() >= 2 * most {
        list.drain(..most);
    }
    list.push(one);
}

/// The last `most` of a list but the last `later` of it.
fn held<T>(list: &[T], most: usize, later: u32) -> &[T] {
    let end = list.len().saturating_sub(later as usize);
    list.get(list.len().saturating_sub(most)..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_was_judged_the_last_count_however_many_came_before() {
        let mut memory = Memory::default();
        for count in 1..=5 * JUDGED_MOST {
            memory.judge(count as u64, 0.0);
            let held = count.min(JUDGED_MOST);
            let expected = |later| (count - held + 1..=count - later).rev().map(|wire| (wire as u64, 0.0));
            assert!(memory.recent().judged().eq(expected(0)), "after {count}");
            for later in [1, held / 2, held] {
                let found = memory.recent_at(0, (count - later) as u32);
                assert!(found.judged().eq(expected(later)), "before the last {later} of {count}");
            }
        }
        assert_eq!(memory.recent_at(0, 0).judged().count(), 0);
    }
}
