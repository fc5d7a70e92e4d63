//! Features: vectors from what the fold remembers and a candidate.
//!
//! One layout per schema, the same on the phone and in the lab. A bundle names features by [`Layout::names`].

pub mod counters;
pub mod memory;

use crate::item::{Item, shared_keys};
use crate::kernel::math::ln_f64;
use crate::keyed::KeyMap;
use crate::schema::{Kind, Schema};
use crate::time::{DAY_MS, HalfLife};
use crate::words::decimal;
use alloc::string::String;
use alloc::vec::Vec;
use counters::{Affinity, HALF_LIVES_MOST};
use memory::{LIKENESS_MOST, Memory};

/// Weight of the user's own rate against a word's few trials.
const WORD_SMOOTHING: f32 = 4.0;
/// Weight of one half against the user's few trials.
const USER_SMOOTHING: f32 = 2.0;
/// Choices that shared nothing, imagined beside the user's few last ones.
const LIKENESS_SMOOTHING: f32 = 8.0;

/// The moment of a ranking.
#[derive(Clone, Copy, Debug, Default)]
pub struct Context {
    /// The fold's time, in milliseconds since the Unix epoch.
    pub now_ms: i64,
    /// Minutes by which the phone's zone is ahead of UTC.
    pub utc_offset_minutes: i16,
}

/// Which features there are, and how they are computed.
#[derive(Clone, Debug)]
pub struct Layout {
    names: Vec<String>,
    user: usize,
    words: Vec<usize>,
    numbers: Vec<(usize, crate::schema::Scale)>,
}

/// What [`Layout::fill_pair`] needs of the user: how often chances are taken, as a share and as log-odds, at each half-life.
#[derive(Clone, Debug, Default)]
pub struct UserRates {
    rates: [(f32, f32); HALF_LIVES_MOST],
    /// How many of the last chosen items have a word, by its key; where there are many candidates to be compared with them.
    chosen: Option<KeyMap>,
}

impl UserRates {
    /// Prepares for many candidates: each is then compared with the last chosen items at once, and not with one after the other.
    pub fn for_many(mut self, memory: &Memory) -> Self {
        let mut chosen = KeyMap::default();
        for one in memory.recent.iter().rev().take(LIKENESS_MOST) {
            for key in &one.keys {
                *chosen.entry(*key, 0) += 1;
            }
        }
        self.chosen = Some(chosen);
        self
    }
}

/// The candidate's side of the features.
pub struct Candidate<'a> {
    /// The item.
    pub item: &'a Item,
    /// Its number fields at the moment.
    pub number: &'a dyn Fn(usize) -> Option<f32>,
    /// The server's own score.
    pub prior: Option<f32>,
}

fn ln(x: f32) -> f32 {
    ln_f64(f64::from(x)) as f32
}

fn log_odds(rate: f32) -> f32 {
    let rate = rate.clamp(0.001, 0.999);
    ln(rate / (1.0 - rate))
}

/// Share of chances taken, pulled towards `expected` by `smoothing` imagined chances.
fn rate(trials: f32, hits: f32, expected: f32, smoothing: f32) -> f32 {
    (hits + smoothing * expected) / (trials.max(hits) + smoothing)
}

/// A half-life as it stands in names: whole days as `30d`, others in milliseconds, as `864000ms`.
fn span(half_life: HalfLife) -> String {
    let ms = half_life.ms().round() as u64;
    let day = DAY_MS as u64;
    let (count, unit) = if ms.is_multiple_of(day) { (ms / day, "d") } else { (ms, "ms") };
    decimal(count) + unit
}

impl Layout {
    /// The layout of `schema`.
    pub fn new(schema: &Schema) -> Self {
        let mut layout = Self { names: Vec::new(), user: 0, words: Vec::new(), numbers: Vec::new() };
        layout.add_rates("user", schema);
        layout.add("user", &["events", "value", "lately5", "lately20", "streak", "depth", "gap"]);
        layout.add("time", &["night", "morning", "afternoon", "weekend"]);
        layout.user = layout.names.len();
        for at in schema.word_fields() {
            let field = &schema.fields[at];
            layout.words.push(at);
            layout.add_rates(&field.name, schema);
            if field.kind == Kind::Tags {
                layout.add(&field.name, &["best", "worst"]);
            }
            layout.add(&field.name, &["seen", "weight"]);
        }
        layout.add("item", &["unanswered", "acts", "weight"]);
        for (at, scale) in schema.scaled_numbers() {
            layout.numbers.push((at, scale));
            layout.add(&schema.fields[at].name, &["offset", "distance"]);
        }
        layout.add("recent", &["likeness"]);
        layout.add("prior", &["score", "given"]);
        layout
    }

    /// Adds features of a subject.
    fn add(&mut self, subject: &str, features: &[&str]) {
        for feature in features {
            self.names.push([subject, ".", feature].concat());
        }
    }

    /// Adds the rates of a subject, one at each half-life.
    fn add_rates(&mut self, subject: &str, schema: &Schema) {
        for half_life in &schema.half_lives {
            self.names.push([subject, ".rate@", &span(*half_life)].concat());
        }
    }

    /// Names of the features, in their order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there are none; there always are some.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// How many of the first depend on the user alone.
    pub fn user_len(&self) -> usize {
        self.user
    }

    /// Fills what depends on the user alone: the first [`Layout::user_len`] numbers of `out`. Once per request; what it gives back is for
    /// [`Layout::fill_pair`].
    #[cfg_attr(zhiji_phone, optimize(speed))]
    pub fn fill_user(&self, schema: &Schema, memory: &Memory, context: Context, out: &mut [f32]) -> UserRates {
        let mut rates = UserRates::default();
        let mut out = out.iter_mut();
        let mut put = |value: f32| {
            if let Some(slot) = out.next() {
                *slot = value;
            }
        };
        for (h, own) in rates.rates.iter_mut().enumerate().take(schema.half_lives.len()) {
            let (trials, hits, _) = memory.all.at(&schema.half_lives, h, context.now_ms);
            let rate = rate(trials, hits, 0.5, USER_SMOOTHING);
            *own = (rate, log_odds(rate));
            put(own.1);
        }
        put(ln(1.0 + memory.events as f32));
        put(if memory.values.n > 0.0 { memory.values.mean } else { 0.0 });
        put(memory.outcomes[0]);
        put(memory.outcomes[1]);
        put(ln(1.0 + memory.streak as f32));
        put(ln(1.0 + memory.depth as f32));
        let gap = if memory.events == 0 { 0 } else { context.now_ms.saturating_sub(memory.now_ms).max(0) };
        put(ln(1.0 + gap as f32 / 60_000.0));
        let local = context.now_ms + i64::from(context.utc_offset_minutes) * 60_000;
        let hour = local.div_euclid(3_600_000).rem_euclid(24);
        // 1970-01-01 was a Thursday: days 2 and 3 after it are a weekend.
        let weekday = local.div_euclid(86_400_000).rem_euclid(7);
        let on = |yes: bool| if yes { 1.0 } else { 0.0 };
        put(on(hour < 6));
        put(on((6..12).contains(&hour)));
        put(on((12..18).contains(&hour)));
        put(on(weekday == 2 || weekday == 3));
        rates
    }

    /// Fills what depends on user and candidate: the numbers of `out` from [`Layout::user_len`] on.
    #[cfg_attr(zhiji_phone, optimize(speed))]
    pub fn fill_pair(
        &self,
        schema: &Schema,
        memory: &Memory,
        context: Context,
        rates: &UserRates,
        candidate: &Candidate<'_>,
        out: &mut [f32],
    ) {
        let mut out = out.get_mut(self.user..).unwrap_or_default().iter_mut();
        let mut put = |value: f32| {
            if let Some(slot) = out.next() {
                *slot = value;
            }
        };
        let none = Affinity::default();
        for &field in &self.words {
            let words = candidate.item.words(field);
            let share = 1.0 / words.len().max(1) as f32;
            let longest = schema.half_lives.len().saturating_sub(1);
            let (mut best, mut worst, mut seen, mut weight) = (f32::MIN, f32::MAX, 0.0, 0.0);
            for h in 0..schema.half_lives.len() {
                let (user, odds) = rates.rates[h];
                let mut sum = 0.0;
                for word in words {
                    let counter = memory.words.get(word.key).unwrap_or(&none);
                    let (trials, hits, acted) = counter.at(&schema.half_lives, h, context.now_ms);
                    let lift = log_odds(rate(trials, hits, user, WORD_SMOOTHING)) - odds;
                    sum += lift;
                    if h == longest {
                        best = best.max(lift);
                        worst = worst.min(lift);
                        seen += counter.seen;
                        weight += acted;
                    }
                }
                put(sum * share);
            }
            if schema.fields[field].kind == Kind::Tags {
                put(if words.is_empty() { 0.0 } else { best });
                put(if words.is_empty() { 0.0 } else { worst });
            }
            put(ln(1.0 + seen * share));
            put(squash(weight * share));
        }
        let item = memory.items.get(candidate.item.wire()).copied().unwrap_or_default();
        put(ln(1.0 + item.unanswered as f32));
        put(ln(1.0 + item.acts as f32));
        put(squash(item.weight));
        for ((field, scale), habit) in self.numbers.iter().zip(&memory.habits) {
            let offset = (candidate.number)(*field).map_or(0.0, |x| habit.offset(scaled(*scale, x)));
            put(offset);
            put(offset.abs());
        }
        put(likeness(memory, rates.chosen.as_ref(), candidate.item));
        put(candidate.prior.unwrap_or(0.0).clamp(-100.0, 100.0));
        put(if candidate.prior.is_some() { 1.0 } else { 0.0 });
    }
}

/// A number on the scale on which its distances are measured.
pub fn scaled(scale: crate::schema::Scale, x: f32) -> f32 {
    match scale {
        crate::schema::Scale::Linear => x,
        crate::schema::Scale::Log => ln(1.0 + x.max(0.0)),
    }
}

/// Signed logarithm: large sums of weights saturate gently.
fn squash(x: f32) -> f32 {
    if x < 0.0 { -ln(1.0 - x) } else { ln(1.0 + x) }
}

/// Mean share of the candidate's words that each of the last chosen items has, pulled towards none where few were chosen.
fn likeness(memory: &Memory, all: Option<&KeyMap>, item: &Item) -> f32 {
    let last = memory.recent.len().min(LIKENESS_MOST);
    if last == 0 {
        return 0.0;
    }
    let mut shared = 0u32;
    if let Some(all) = all {
        // No word stands twice among the keys of an item, so both ways count the same.
        for key in item.keys() {
            shared += all.get(*key).unwrap_or(0);
        }
    } else {
        for chosen in memory.recent.iter().rev().take(last) {
            shared += shared_keys(item.keys(), &chosen.keys);
        }
    }
    let words = item.keys().len();
    if words == 0 { 0.0 } else { shared as f32 / (words as f32 * (last as f32 + LIKENESS_SMOOTHING)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_lives_stand_in_names_as_whole_numbers() {
        let name = |days| span(HalfLife::from_days(days).unwrap());
        assert_eq!([name(1.0), name(30.0), name(0.01), name(1.5)], ["1d", "30d", "864000ms", "129600000ms"]);
    }

    #[test]
    fn likeness_is_the_same_for_one_candidate_and_for_many() {
        let schema = Schema::open(
            r#"{ "space": "s", "fields": { "tags": { "kind": "tags" } }, "surfaces": ["home"], "actions": { "see": { "role": "impression" }, "open": { "weight": 1 } },
                 "labels": { "click": { "positive": ["open"], "windowMinutes": 1 } } }"#,
        )
        .unwrap();
        let item = |n: u32| {
            let tags = [n % 3, n % 5, n % 7, 9].map(|tag| format!("tag {tag}")).to_vec();
            Item::open(&schema, 0, &format!("sku{n}"), |_| crate::item::Given::Texts(tags.clone())).unwrap()
        };
        let mut memory = Memory::new(&schema);
        for n in 0..40 {
            let item = item(n);
            memory.choose(item.wire(), item.keys());
        }
        let rates = UserRates::default().for_many(&memory);
        let both = |n| [likeness(&memory, None, &item(n)), likeness(&memory, rates.chosen.as_ref(), &item(n))];
        let bits = |n| both(n).map(f32::to_bits);
        assert!((0..60).all(|n| bits(n)[0] == bits(n)[1]));
        let values: alloc::collections::BTreeSet<u32> = (0..60).map(|n| bits(n)[0]).collect();
        assert!(values.len() > 5 && !values.contains(&0), "the items are alike to different degrees");
    }
}
