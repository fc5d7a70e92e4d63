//! `observe`: events → what is remembered, and labelled examples as they mature. It knows no bundle.

use super::clock::Clock;
use crate::codec::{Reader, Writer};
use crate::event::Event;
use crate::features::counters::Increment;
use crate::features::memory::{Memory, Recent};
use crate::features::{Candidate, Context, Layout, scaled};
use crate::schema::{Role, Rule, Schema};
use alloc::rc::Rc;
use alloc::vec::Vec;

/// A labelled example: what was known when the item was shown, and what came of it.
#[derive(Clone, Copy, Debug)]
pub struct Example<'a> {
    /// Index into the schema's labels.
    pub label: usize,
    /// What came of it.
    pub positive: bool,
    /// The features, in the order of [`Layout::names`].
    pub dense: &'a [f32],
    /// The item's wire id.
    pub wire: u64,
    /// Field and key of each of the item's words.
    pub words: &'a [(u16, u64)],
    /// What the user had chosen when the item was shown.
    pub recent: Recent<'a>,
    /// The fold's time when the item was shown.
    pub at_ms: i64,
    /// Events folded before the item was shown.
    pub earlier: u32,
    /// Place in the slate.
    pub position: Option<u16>,
}

/// What was known when an item was shown.
#[derive(Debug)]
struct Shown {
    slate: Option<u32>,
    wire: u64,
    at_ms: i64,
    earlier: u32,
    /// How many items had been chosen.
    chosen: u32,
    /// How many had been judged.
    judgements: u32,
    position: Option<u16>,
    words: Vec<(u16, u64)>,
    dense: Vec<f32>,
}

/// What may still come of an item that was shown.
#[derive(Clone, Debug)]
struct Pending {
    deadline_ms: i64,
    positive: bool,
    shown: Rc<Shown>,
}

/// What one label waits for; deadlines grow.
#[derive(Clone, Debug, Default)]
struct Queue {
    all: Vec<Pending>,
    /// How many of the first of them have matured.
    matured: usize,
}

impl Queue {
    /// What has not matured, oldest first.
    fn waiting(&self) -> &[Pending] {
        &self.all[self.matured..]
    }

    /// Takes out the oldest, where its time has come.
    fn mature(&mut self, now_ms: i64) -> Option<Pending> {
        let oldest = self.waiting().first().filter(|p| p.deadline_ms <= now_ms)?.clone();
        self.matured += 1;
        // Moved up so seldom that it costs less than the examples.
        if 2 * self.matured >= self.all.len() {
            self.all.drain(..self.matured);
            self.matured = 0;
        }
        Some(oldest)
    }

    /// The latest impression of the item, in the action's slate where it names one, is positive. Everything in the queue is still within
    /// its window: what was past it has matured.
    fn mark(&mut self, event: &Event) {
        let (wire, slate) = (event.item.wire(), event.detail.slate);
        for p in self.all[self.matured..].iter_mut().rev() {
            if p.shown.wire == wire && (slate.is_none() || p.shown.slate == slate) {
                p.positive = true;
                break;
            }
        }
    }
}

/// Examples that are counted and not read: their features, most of what a fold costs, are left out.
#[derive(Clone, Copy, Debug)]
pub struct Unread {
    /// Those that mature at this time of the fold or earlier.
    pub until_ms: i64,
    /// The first so many of the first label.
    pub first: u64,
    /// Those of every label but the first.
    pub others: bool,
}

impl Unread {
    /// None: every example is read.
    pub const NONE: Self = Self { until_ms: i64::MIN, first: 0, others: false };

    fn holds(&self, label: usize, earlier: u64, deadline_ms: i64) -> bool {
        deadline_ms <= self.until_ms || if label == 0 { earlier < self.first } else { self.others }
    }
}

/// The fold from events to memory.
#[derive(Clone, Debug)]
pub struct Observe {
    schema: Rc<Schema>,
    layout: Rc<Layout>,
    /// What is remembered.
    pub memory: Memory,
    clock: Clock,
    session: Option<u32>,
    /// One queue for each label.
    pending: Vec<Queue>,
    unread: Unread,
    /// Examples of the first label so far, those that have not matured included. No part of the state.
    begun: u64,
}

impl Observe {
    /// The fold of no events.
    pub fn new(schema: Rc<Schema>, layout: Rc<Layout>) -> Self {
        let memory = Memory::new(&schema);
        let pending = schema.labels.iter().map(|_| Queue::default()).collect();
        let (clock, unread) = (Clock::default(), Unread::NONE);
        Self { schema, layout, memory, clock, session: None, pending, unread, begun: 0 }
    }

    /// Leaves out the features of some of the examples to come; `sink` gets them without features and words. The state does not depend on it,
    /// as long as they mature while it holds.
    pub fn leave_out(&mut self, unread: Unread) {
        self.unread = unread;
    }

    /// The clock.
    pub const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Folds one event. Every example that matures with it goes to `sink`, in the order in which the items were shown.
    ///
    /// A label matures only when an event at or past the end of its window is folded, so a live state and a replayed one agree.
    #[cfg_attr(zhiji_phone, optimize(speed))]
    pub fn step(&mut self, event: &Event, sink: &mut dyn FnMut(Example<'_>)) {
        let now_ms = self.clock.apply_reading(event.session, event.at.ms());
        if self.session != Some(event.session) {
            self.session = Some(event.session);
            self.memory.depth = 0;
        }
        for (label, queue) in self.pending.iter_mut().enumerate() {
            while let Some(p) = queue.mature(now_ms) {
                sink(p.example(label, &self.memory));
                if label == 0 {
                    self.memory.judge(p.shown.wire, if p.positive { 1.0 } else { 0.0 });
                }
            }
        }
        let mut read: Option<Rc<Shown>> = None;
        let mut judged = None;
        for label in 0..self.schema.labels.len() {
            let (value, deadline_ms) = match self.schema.labels[label].rule {
                Rule::Follows { window_ms, .. } if self.role(event.action) == Role::Impression => {
                    (None, now_ms + window_ms)
                }
                Rule::Follows { positive, .. } => {
                    if positive & (1 << event.action) != 0 {
                        self.pending[label].mark(event);
                    }
                    continue;
                }
                Rule::Value { action, at_least } => match event.detail.value {
                    Some(value) if action == event.action => (Some(value >= at_least), now_ms),
                    _ => continue,
                },
            };
            let unread = self.unread.holds(label, self.begun, deadline_ms);
            self.begun += u64::from(label == 0);
            let shown = if unread {
                self.shown(event, now_ms, Vec::new(), Vec::new())
            } else {
                Rc::clone(read.get_or_insert_with(|| self.show(event, now_ms)))
            };
            let pending = Pending { deadline_ms, positive: value == Some(true), shown };
            if value.is_some() {
                sink(pending.example(label, &self.memory));
                judged = if label == 0 { event.detail.value } else { judged };
            } else {
                self.pending[label].all.push(pending);
            }
        }
        if let Some(value) = judged {
            self.memory.judge(event.item.wire(), value);
        }
        self.remember(event, now_ms);
    }

    fn role(&self, action: u8) -> Role {
        self.schema.actions.get(usize::from(action)).map_or(Role::Act { weight: 0.0 }, |a| a.role)
    }

    /// The features of the event's item as they stand before it is folded.
    fn show(&self, event: &Event, now_ms: i64) -> Rc<Shown> {
        let mut dense = alloc::vec![0.0; self.layout.len()];
        let context = Context { now_ms, utc_offset_minutes: event.utc_offset_minutes };
        let rates = self.layout.fill_user(&self.schema, &self.memory, context, &mut dense);
        let number = |field| event.number(&self.schema, field);
        let candidate = Candidate { item: &event.item, number: &number, prior: event.detail.prior };
        self.layout.fill_pair(&self.schema, &self.memory, context, &rates, &candidate, &mut dense);
        self.shown(event, now_ms, event.item.word_keys(), dense)
    }

    fn shown(&self, event: &Event, now_ms: i64, words: Vec<(u16, u64)>, dense: Vec<f32>) -> Rc<Shown> {
        Rc::new(Shown {
            slate: event.detail.slate,
            wire: event.item.wire(),
            at_ms: now_ms,
            earlier: self.memory.events,
            chosen: self.memory.chosen,
            judgements: self.memory.judgements,
            position: event.detail.position,
            words,
            dense,
        })
    }

    fn remember(&mut self, event: &Event, now_ms: i64) {
        let increment = self.increment(event);
        let half_lives = &self.schema.half_lives;
        let memory = &mut self.memory;
        memory.now_ms = now_ms;
        memory.events = memory.events.saturating_add(1);
        memory.depth = memory.depth.saturating_add(1);
        memory.acts = memory.acts.saturating_add(increment.act as u32);
        memory.all.add(half_lives, now_ms, increment);
        for value in event.item.values() {
            for word in value.words() {
                memory.words.entry(word.key).add(half_lives, now_ms, increment);
            }
        }
        if increment.trial > 0.0 || increment.hit > 0.0 {
            for (average, share) in memory.outcomes.iter_mut().zip([0.2, 0.05]) {
                *average += share * (increment.hit - *average);
            }
            memory.streak = if increment.hit > 0.0 { 0 } else { memory.streak.saturating_add(1) };
        }
        if let Some(value) = event.detail.value {
            memory.values.add(value);
        }
        // Variants of one thing share what was shown of it and what was said to it.
        for key in [Some(event.item.wire()), event.item.group(&self.schema)].into_iter().flatten() {
            let item = memory.items.entry(key);
            if increment.act > 0.0 {
                item.acts = item.acts.saturating_add(1);
                item.unanswered = 0;
                item.weight += increment.weight;
                if increment.weight != 0.0 {
                    item.turned_down = increment.weight < 0.0;
                }
            } else {
                item.shown = item.shown.saturating_add(1);
                item.unanswered = item.unanswered.saturating_add(1);
            }
        }
        if increment.hit > 0.0 || increment.weight > 0.0 {
            for ((field, scale), habit) in self.schema.scaled_numbers().zip(&mut memory.habits) {
                if let Some(x) = event.number(&self.schema, field) {
                    habit.add(scaled(scale, x));
                }
            }
            if memory.recent.last().is_none_or(|c| c.wire != event.item.wire()) {
                memory.choose(event.item.wire(), event.item.keys());
            }
        }
    }

    /// What the event adds to the counters. A chance that is taken twice counts once; an action on an item that was never shown (a visit
    /// from search or a deep link) is a chance that was taken, so it makes no negative.
    fn increment(&self, event: &Event) -> Increment {
        let role = self.role(event.action);
        let weight = if let Role::Act { weight } = role { weight } else { 0.0 };
        let act = if role == Role::Impression { 0.0 } else { 1.0 };
        let (mut trial, mut hit) = (0.0, 0.0);
        match self.schema.labels.first().map(|l| &l.rule) {
            Some(Rule::Value { action, at_least }) => {
                if let Some(value) = event.detail.value.filter(|_| *action == event.action) {
                    trial = 1.0;
                    hit = if value >= *at_least { 1.0 } else { 0.0 };
                }
            }
            rule => {
                let positive = match rule {
                    Some(Rule::Follows { positive, .. }) => positive & (1 << event.action) != 0,
                    _ => weight > 0.0,
                };
                let item = self.memory.items.get(event.item.wire()).copied().unwrap_or_default();
                if role == Role::Impression {
                    trial = 1.0;
                } else if positive && (item.acts == 0 || item.unanswered > 0) {
                    hit = 1.0;
                    trial = if item.shown == 0 { 1.0 } else { 0.0 };
                }
            }
        }
        Increment { trial, hit, weight, act }
    }

    /// Writes the state in one form only.
    pub fn encode(&self, out: &mut Writer) {
        self.memory.encode(out);
        self.clock.encode(out);
        out.zigzag(self.session.map_or(-1, i64::from));
        for queue in &self.pending {
            out.count(queue.waiting().len());
            for pending in queue.waiting() {
                pending.encode(out);
            }
        }
    }

    /// Reads what [`Observe::encode`] wrote.
    pub fn decode(schema: Rc<Schema>, layout: Rc<Layout>, bytes: &mut Reader<'_>) -> Self {
        let mut state = Self::new(schema, layout);
        state.memory = Memory::decode(bytes);
        state.clock = Clock::decode(bytes);
        state.session = u32::try_from(bytes.zigzag()).ok();
        for queue in &mut state.pending {
            for _ in 0..bytes.count() {
                queue.all.push(Pending::decode(state.layout.len(), bytes));
            }
        }
        bytes.expect(state.memory.habits.len() == state.schema.scaled_numbers().count());
        state
    }
}

impl Pending {
    fn example<'a>(&'a self, label: usize, memory: &'a Memory) -> Example<'a> {
        let shown = &*self.shown;
        Example {
            label,
            positive: self.positive,
            dense: &shown.dense,
            wire: shown.wire,
            words: &shown.words,
            recent: memory.recent_at(shown.chosen, shown.judgements),
            at_ms: shown.at_ms,
            earlier: shown.earlier,
            position: shown.position,
        }
    }

    fn encode(&self, out: &mut Writer) {
        let shown = &*self.shown;
        out.zigzag(self.deadline_ms);
        out.u8(u8::from(self.positive));
        out.zigzag(shown.slate.map_or(-1, i64::from));
        out.u64(shown.wire);
        out.zigzag(shown.at_ms);
        out.u32(shown.earlier);
        out.u32(shown.chosen);
        out.u32(shown.judgements);
        out.zigzag(shown.position.map_or(-1, i64::from));
        out.count(shown.words.len());
        for (field, key) in &shown.words {
            out.u16(*field);
            out.u64(*key);
        }
        shown.dense.iter().for_each(|v| out.f32(*v));
    }

    fn decode(width: usize, bytes: &mut Reader<'_>) -> Self {
        let (deadline_ms, positive) = (bytes.zigzag(), bytes.u8() != 0);
        let mut shown = Shown {
            slate: u32::try_from(bytes.zigzag()).ok(),
            wire: bytes.u64(),
            at_ms: bytes.zigzag(),
            earlier: bytes.u32(),
            chosen: bytes.u32(),
            judgements: bytes.u32(),
            position: u16::try_from(bytes.zigzag()).ok(),
            words: Vec::new(),
            dense: Vec::with_capacity(width),
        };
        for _ in 0..bytes.count() {
            shown.words.push((bytes.u16(), bytes.u64()));
        }
        for _ in 0..width {
            shown.dense.push(bytes.f32());
        }
        Self { deadline_ms, positive, shown: Rc::new(shown) }
    }
}
