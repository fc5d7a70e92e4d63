//! One user's events through the engine's own log and fold, as on the phone.
//!
//! Retention is the phone's: when the log drops its oldest segment, the state is folded again from what is left, so an example never knows
//! more than a phone would have known.

use super::dataset::{LabEvent, Split, User};
use std::collections::VecDeque;
use std::rc::Rc;
use zhiji::consent::{Consent, Token};
use zhiji::event::{Event, recorded_volatiles};
use zhiji::features::Layout;
use zhiji::log::Log;
use zhiji::schema::{Rule, Schema};
use zhiji::state::{Example, Observe};
use zhiji::time::Timestamp;

/// A pause after which the next event opens a new session, as leaving and coming back does on the phone.
const SESSION_GAP_MS: i64 = 30 * zhiji::time::MINUTE_MS;

/// What the fold does not know of an example: which part of the data it belongs to, and how much went before it.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    /// The part of the data.
    pub split: Split,
    /// Events of this user before the one that made the example, dropped ones included.
    pub earlier: u32,
}

/// What a replay tells its listener.
pub enum Signal<'a> {
    /// An example has matured, at this time of the fold's clock.
    New(&'a Example<'a>, Origin, i64),
    /// The log has dropped its oldest segment: the state begins again, and what follows comes from events that were folded before.
    Reset,
    /// An example that was given before matures again from what is left.
    Again(&'a Example<'a>, i64),
    /// This event is about to be folded into this state.
    Next {
        /// What is remembered before it.
        state: &'a Observe,
        /// The event, as the log has it.
        event: &'a Event,
        /// Where it comes from.
        origin: Origin,
        /// The fold's time at the event.
        now_ms: i64,
    },
}

/// The phone of one user.
pub struct Replay {
    schema: Rc<Schema>,
    layout: Rc<Layout>,
    log: Log,
    state: Observe,
    token: Token,
    /// For each event in the log, in its order.
    origins: VecDeque<Origin>,
    /// For each label, the examples that have not matured, oldest first.
    waiting: Vec<VecDeque<Origin>>,
    last: Option<Timestamp>,
    events: u32,
}

/// The ledger of a user who agreed: the users of a data set have, by being in it lawfully (docs/training.md).
fn token() -> anyhow::Result<Token> {
    let mut consent = Consent::default();
    consent.apply_grant("lab".into(), vec!["lab".into()], Timestamp::EARLIEST);
    consent.token().ok_or_else(|| anyhow::anyhow!("a granted consent gives a token"))
}

impl Replay {
    /// A phone that has seen nothing.
    ///
    /// # Errors
    /// None that a caller can cause.
    pub fn new(schema: Rc<Schema>, layout: Rc<Layout>) -> anyhow::Result<Self> {
        let waiting = schema.labels.iter().map(|_| VecDeque::new()).collect();
        Ok(Self {
            log: Log::new(Rc::clone(&schema), 0, 0),
            state: Observe::new(Rc::clone(&schema), Rc::clone(&layout)),
            schema,
            layout,
            token: token()?,
            origins: VecDeque::new(),
            waiting,
            last: None,
            events: 0,
        })
    }

    /// What the phone remembers.
    pub const fn state(&self) -> &Observe {
        &self.state
    }

    /// Events so far, dropped ones included.
    pub const fn events(&self) -> u32 {
        self.events
    }

    /// Replays a user's events, behind those that were replayed before.
    pub fn run(&mut self, user: &User, mut sink: impl FnMut(Signal<'_>)) {
        for event in &user.events {
            self.step(event, &mut sink);
        }
    }

    /// Records and folds one event.
    fn step(&mut self, event: &LabEvent, sink: &mut impl FnMut(Signal<'_>)) {
        let mut evicted = false;
        if self.last.is_none_or(|last| event.at.ms() - last.ms() > SESSION_GAP_MS) {
            self.log.begin_session(0);
            // The phone looks for what has grown too old when the log is opened.
            evicted = self.log.maintain();
        }
        self.last = Some(event.at);
        let mut detail = event.detail.clone();
        detail.numbers = recorded_volatiles(&self.schema).map(|field| event.item.number(field)).collect();
        let raw = Event {
            at: event.at,
            session: 0,
            utc_offset_minutes: 0,
            action: event.action,
            item: Rc::new(event.item.recorded(&self.schema)),
            detail,
        };
        evicted |= self.log.append(self.token, raw);
        self.log.take_ops();
        self.origins.push_back(Origin { split: event.split, earlier: self.events });
        self.events += 1;
        while self.origins.len() > self.log.len() {
            self.origins.pop_front();
        }
        if evicted {
            sink(Signal::Reset);
            self.refold(sink);
        }
        let Self { log, state, schema, waiting, origins, .. } = self;
        if let (Some(newest), Some(origin)) = (log.events().next_back(), origins.back()) {
            let now_ms = state.clock().score_reading(newest.session, newest.at.ms());
            sink(Signal::Next { state, event: newest, origin: *origin, now_ms });
            fold(schema, state, waiting, newest, *origin, &mut |e, o, at| sink(Signal::New(e, o, at)));
        }
    }

    /// Folds again all but the newest event. Their examples have been given to the sink before.
    fn refold(&mut self, sink: &mut impl FnMut(Signal<'_>)) {
        self.state = Observe::new(Rc::clone(&self.schema), Rc::clone(&self.layout));
        self.waiting.iter_mut().for_each(VecDeque::clear);
        let older = self.log.len().saturating_sub(1);
        let Self { log, state, schema, waiting, origins, .. } = self;
        for (event, origin) in log.events().zip(origins.iter()).take(older) {
            fold(schema, state, waiting, event, *origin, &mut |e, _, at| sink(Signal::Again(e, at)));
        }
    }
}

/// Folds one event and puts an origin to every example that matures. Within a label, examples mature in the order in which their items
/// were shown, so the origins wait in a queue.
fn fold(
    schema: &Schema,
    state: &mut Observe,
    waiting: &mut [VecDeque<Origin>],
    event: &Event,
    origin: Origin,
    sink: &mut impl FnMut(&Example<'_>, Origin, i64),
) {
    let matured_ms = state.clock().score_reading(event.session, event.at.ms());
    state.step(event, &mut |example| match schema.labels[example.label].rule {
        Rule::Value { .. } => sink(&example, origin, matured_ms),
        Rule::Follows { .. } => {
            if let Some(origin) = waiting[example.label].pop_front() {
                sink(&example, origin, matured_ms);
            }
        }
    });
    if event.action == schema.impression() {
        for (label, queue) in schema.labels.iter().zip(waiting) {
            if matches!(label.rule, Rule::Follows { .. }) {
                queue.push_back(origin);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zhiji::event::Detail;
    use zhiji::item::{Given, Item};

    fn schema(retention: usize) -> Rc<Schema> {
        let json = format!(
            r#"{{ "space": "shop", "fields": {{ "category": {{ "kind": "category" }},
                 "price": {{ "kind": "number", "scale": "log", "volatile": true }} }},
                 "actions": {{ "impression": {{ "role": "impression" }}, "open": {{ "weight": 1 }} }},
                 "labels": {{ "click": {{ "positive": ["open"], "windowMinutes": 30 }} }},
                 "retention": {{ "events": {retention}, "days": 180 }} }}"#
        );
        Rc::new(Schema::open(&json).expect("a schema"))
    }

    fn events(schema: &Schema, n: i64) -> Vec<LabEvent> {
        (0..n)
            .map(|i| {
                let shown = i / 2;
                let action = u8::from(i % 2 == 1 && shown % 3 == 0);
                let item = Item::open(schema, 0, &format!("{}", shown % 40), |field| match field {
                    "category" => Given::Text(format!("c{}", shown % 3)),
                    _ => Given::Number(10.0 + (shown % 7) as f64),
                });
                LabEvent {
                    at: Timestamp::from_ms(1_700_000_000_000 + i * 60_000).expect("a time"),
                    action,
                    item: Rc::new(item.expect("an item")),
                    detail: Detail::default(),
                    split: if i < n / 2 { Split::Train } else { Split::Test },
                }
            })
            .collect()
    }

    type Seen = (u32, Split, bool, Vec<f32>);

    fn run(schema: &Rc<Schema>, events: Vec<LabEvent>) -> Vec<Seen> {
        let layout = Rc::new(Layout::new(schema));
        let mut replay = Replay::new(Rc::clone(schema), layout).expect("a phone");
        let mut seen = Vec::new();
        replay.run(&User { id: "u".into(), events }, |signal| {
            if let Signal::New(e, o, matured_ms) = signal {
                assert!(matured_ms >= e.at_ms + 30 * 60_000, "it matured within its window");
                seen.push((o.earlier, o.split, e.positive, e.dense.to_vec()));
            }
        });
        seen
    }

    #[test]
    fn an_example_knows_the_event_it_came_from() {
        let schema = schema(4_096);
        let events = events(&schema, 400);
        let seen = run(&schema, events.clone());
        // Every impression whose window has passed gives one example.
        let end = events.last().expect("events").at.ms() - 30 * 60_000;
        let shown = |e: &&LabEvent| e.action == 0 && e.at.ms() <= end;
        assert_eq!(seen.len(), events.iter().filter(shown).count());
        for (earlier, split, _, dense) in &seen {
            let event = &events[*earlier as usize];
            assert_eq!((event.action, event.split), (0, *split));
            assert!(dense.iter().all(|x| x.is_finite()));
        }
        assert!(seen.iter().any(|s| s.2) && seen.iter().any(|s| !s.2));
        assert!(seen.windows(2).all(|w| w[0].0 < w[1].0));
    }

    #[test]
    fn eviction_gives_each_example_once_and_from_what_is_left() {
        let (long, short) = (schema(4_096), schema(256));
        let events = events(&long, 1_500);
        let (whole, kept) = (run(&long, events.clone()), run(&short, events));
        // A window that was open at an eviction may lose its impression; nothing else may be lost, and nothing comes twice.
        assert!(kept.windows(2).all(|w| w[0].0 < w[1].0));
        assert!(kept.len() > whole.len() - 200 && kept.len() <= whole.len(), "{} of {}", kept.len(), whole.len());
        assert_eq!(whole[..80], kept[..80]);
        assert_ne!(whole.last().map(|s| &s.3), kept.last().map(|s| &s.3), "the phone with the short log has forgotten");
    }
}
