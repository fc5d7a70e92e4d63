//! Simulated shoppers: seeded people with tastes of their own, in front of a server that does not know them.
//!
//! Nothing of it is measured on people. It serves the demo, the tests and first weights where no lawful record exists yet; a model trained on
//! it says so through the data set's `meta.json`. The behaviour, in full:
//!
//! **Utility** of item *i* for user *u* in a session, in logits:
//!
//! ```text
//! U = −2.2                                     base: about one impression in ten is opened
//!   + 1.8 favourite category, −0.5 any other   2 to 4 of the first category field's words are favourites
//!   + 0.7 each favourite word elsewhere        one word in eight of every other category or tags field (tags: mean over the item's)
//!   − 0.5 · min((z − level)², 4)               z: standardised log of the scaled number (price); level: the user's, normal
//!   + 0.8 this session's category              a person comes for something: one of the favourites
//!   + 0.6 · quality(i)                         the same for everybody, normal; the server's prior is a noisy view of it
//!   − 0.25 · earlier impressions without an opening       `weariness`
//! ```
//!
//! **Drift**: halfway, one user in four (`drift`) swaps one favourite category for another.
//! **Order**: the server shows its own order, by prior plus daily noise, in slates of ten; sold-out items are left out.
//! **Position bias**: a place `p` of a slate is looked at with probability `(1 + p)^(−0.35)` (`attention`); what is not looked at is not opened.
//! **Actions** after an opening: dwell (log-normal around 12 s, longer with utility), favourite, cart, purchase with probabilities that grow
//! with utility; with `U < −3.5` one look in fifty hides the item. Actions that the schema does not have are left out.
//! **Stress**: the three numbers in brackets are [`Behaviour`]'s, and can be raised until a ranker breaks.
//! **Time**: sessions by a daily habit (0.15 to 1.2 a day), mostly at noon and in the evening; 10 to 40 impressions, one every 1 to 4 s.

pub mod curves;
mod shopper;
mod stock;

use super::dataset::{Meta, Split, Writer};
use super::examples::progress;
use super::rows::Rows;
use super::schema_file::SchemaFile;
use anyhow::bail;
use shopper::Shopper;
use std::path::Path;
use stock::Stock;
use zhiji::rng::{Rng, seed_of};

/// 2025-06-02T00:00:00Z, a Monday: simulated time begins here, whatever the date is.
const START_MS: i64 = 1_748_822_400_000;

/// What of the behaviour can be made harder to follow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Behaviour {
    /// The share of people whose taste changes halfway, 0 to 1.
    pub drift: f32,
    /// Logits that an offer loses for every time that it was passed over, up to eight times.
    pub weariness: f32,
    /// How steeply attention falls with the place: `(1 + place)^(−attention)`.
    pub attention: f32,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self { drift: 0.25, weariness: 0.25, attention: 0.35 }
    }
}

impl Behaviour {
    /// # Errors
    /// Where a number is out of its range.
    fn check(&self) -> anyhow::Result<()> {
        let ranges =
            [("drift", self.drift, 1.0), ("weariness", self.weariness, 10.0), ("attention", self.attention, 10.0)];
        for (name, value, most) in ranges {
            if !(0.0..=most).contains(&value) {
                bail!("--{name} is {value}; it must be from 0 to {most}");
            }
        }
        Ok(())
    }
}

/// How many, how long, which.
#[derive(Clone, Copy, Debug)]
pub struct Crowd {
    /// Users.
    pub users: u32,
    /// Days.
    pub days: u32,
    /// The seed that decides everything.
    pub seed: u64,
    /// How they behave.
    pub behaviour: Behaviour,
}

/// Names of what the simulated people do, as far as the schema has them.
struct Actions {
    impression: String,
    open: String,
    has: Vec<String>,
}

impl Actions {
    fn new(file: &SchemaFile) -> anyhow::Result<Self> {
        let schema = &file.schema;
        let impression = schema.actions.get(usize::from(schema.impression()));
        let Some(impression) = impression else { bail!("the schema has no action with the role `impression`") };
        let positive = schema.labels.iter().find_map(|l| match l.rule {
            zhiji::schema::Rule::Follows { positive, .. } => Some(positive.trailing_zeros() as usize),
            zhiji::schema::Rule::Value { .. } => None,
        });
        let Some(open) = positive.and_then(|at| schema.actions.get(at)) else {
            bail!("the schema has no label that follows an impression (`positive`)")
        };
        let has = schema.actions.iter().map(|a| a.name.clone()).collect();
        Ok(Self { impression: impression.name.clone(), open: open.name.clone(), has })
    }

    fn find(&self, name: &str) -> Option<&str> {
        self.has.iter().find(|n| *n == name).map(String::as_str)
    }
}

/// A normal number: twelve uniform ones, less six.
fn normal(rng: &mut Rng) -> f32 {
    (0..12).map(|_| rng.uniform()).sum::<f32>() - 6.0
}

/// Simulates the crowd over the items and writes a lab directory. Four users in five are `train`, the rest `valid` and `test` in halves.
///
/// # Errors
/// Where the schema or the items do not fit, or a file cannot be written.
pub fn run(
    file: &SchemaFile,
    items: Vec<serde_json::Value>,
    crowd: Crowd,
    out: &Path,
    rows: &Rows,
) -> anyhow::Result<Meta> {
    if crowd.users == 0 || crowd.days == 0 || items.is_empty() {
        bail!("give at least one user, one day and one item");
    }
    crowd.behaviour.check()?;
    let seed = seed_of(crowd.seed);
    let actions = Actions::new(file)?;
    let stock = Stock::new(&file.schema, &items, &seed)?;
    let mut writer = Writer::create(out, &file.json, &items)?;
    let bar = progress(u64::from(crowd.users), "users simulated");
    let orders: Vec<Vec<u32>> = (0..crowd.days).map(|day| stock.order(&seed, day)).collect();
    for user in 0..crowd.users {
        let mut shopper = Shopper::new(&stock, &actions, crowd.behaviour, &seed, user);
        let split = match user % 10 {
            8 => Split::Valid,
            9 => Split::Test,
            _ => Split::Train,
        };
        for row in shopper.live(&orders, START_MS, split) {
            writer.push(&row)?;
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    writer.finish(rows, |meta| {
        meta.source = format!("{} simulated users, {} days, seed {}", crowd.users, crowd.days, crowd.seed);
        meta.seed = Some(crowd.seed);
    })
}

#[cfg(test)]
mod tests {
    use super::super::dataset::{Dataset, LabEvent};
    use super::*;
    use std::collections::BTreeMap;

    const SCHEMA: &str = r#"{ "space": "shop",
        "fields": { "category": { "kind": "category" }, "tags": { "kind": "tags" },
          "price": { "kind": "number", "scale": "log", "volatile": true }, "stock": { "kind": "number", "volatile": true } },
        "actions": { "impression": { "role": "impression" }, "open": { "weight": 1 }, "cart": { "weight": 3 } },
        "labels": { "click": { "positive": ["open", "cart"], "windowMinutes": 30 } },
        "surfaces": ["home"], "policy": { "filters": [{ "field": "stock", "atLeast": 1 }] } }"#;

    fn items() -> Vec<serde_json::Value> {
        (0..200)
            .map(|i| {
                serde_json::json!({ "id": format!("i{i}"), "category": format!("c{}", i % 10), "tags": [format!("t{}", i % 16)],
                    "price": 10 + i, "stock": i % 20, "prior": 0.1 + 0.001 * f64::from(i) })
            })
            .collect()
    }

    fn simulate(seed: u64) -> (tempfile::TempDir, Vec<Vec<LabEvent>>) {
        let dir = tempfile::tempdir().expect("a folder");
        let file = super::super::schema_file::parse(SCHEMA).expect("a schema");
        let crowd = Crowd { users: 60, days: 20, seed, behaviour: Behaviour::default() };
        run(&file, items(), crowd, dir.path(), &Rows::new(0.0)).expect("simulated");
        let mut rows = Rows::new(0.0);
        let data = Dataset::open(dir.path(), &mut rows).expect("a data set");
        let mut users = Vec::new();
        data.for_each_user(&mut rows, |user| {
            users.push(user.events);
            Ok(())
        })
        .expect("no bad row");
        (dir, users)
    }

    #[test]
    fn the_seed_decides_every_byte() {
        let read = |dir: &tempfile::TempDir| std::fs::read(dir.path().join("events.csv")).expect("events");
        let (one, two, other) = (simulate(3).0, simulate(3).0, simulate(4).0);
        assert_eq!(read(&one), read(&two));
        assert_ne!(read(&one), read(&other));
    }

    #[test]
    fn people_differ_and_look_at_the_top_first() {
        let (_dir, users) = simulate(3);
        let (mut shown_top, mut open_top, mut shown_low, mut open_low) = (0.0, 0.0, 0.0, 0.0);
        let mut concentrated = 0;
        let mut active = 0;
        for events in &users {
            let mut opens: BTreeMap<String, u32> = BTreeMap::new();
            for pair in events.windows(2) {
                let (event, opened) = (&pair[0], pair[1].action == 1 && pair[1].item == pair[0].item);
                if event.action != 0 {
                    continue;
                }
                assert!(event.item.number(3).expect("a stock") >= 1.0, "a sold-out item was shown");
                let top = event.detail.position.expect("a position") < 3;
                *(if top { &mut shown_top } else { &mut shown_low }) += 1.0;
                if opened {
                    *(if top { &mut open_top } else { &mut open_low }) += 1.0;
                    *opens.entry(event.item.words(0)[0].text.clone()).or_default() += 1;
                }
            }
            let total: u32 = opens.values().sum();
            if total >= 10 {
                active += 1;
                let mut counts: Vec<u32> = opens.into_values().collect();
                counts.sort_unstable_by(|a, b| b.cmp(a));
                concentrated += u32::from(counts.iter().take(4).sum::<u32>() * 10 > total * 6);
            }
        }
        assert!(open_top / shown_top > 1.2 * (open_low / shown_low), "position bias");
        assert!(active > 20 && concentrated * 10 > active * 7, "{concentrated} of {active} have favourite categories");
    }

    #[test]
    fn a_schema_without_impressions_is_refused() {
        let file = super::super::schema_file::parse(super::super::import::movielens::SCHEMA).expect("a schema");
        let dir = tempfile::tempdir().expect("a folder");
        let crowd = Crowd { users: 1, days: 1, seed: 1, behaviour: Behaviour::default() };
        assert!(run(&file, items(), crowd, dir.path(), &Rows::new(0.0)).is_err());
    }
}
