//! What the engine can say about itself: reasons, interests, a report.

use super::Engine;
use crate::codec::cut;
use crate::error::Result;
use crate::features::Candidate;
use crate::item::{Item, Word};
use crate::keyed::falling;
use crate::schema::Role;
use crate::score::probability;
use crate::time::Timestamp;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

/// One reason for or against an item.
#[derive(Clone, Debug, PartialEq)]
pub struct Why {
    /// `interest`, `recent`, `fatigue`, `habit`, `model` or `page`.
    pub code: &'static str,
    /// The field it is about, or empty.
    pub field: String,
    /// The word it is about, or empty.
    pub value: String,
    /// Logits it adds.
    pub weight: f32,
}

impl Why {
    fn new(code: &'static str, field: &str, value: &str, weight: f32) -> Self {
        Self { code, field: field.to_string(), value: value.to_string(), weight }
    }
}

/// What the model predicts of one item: a label, and how likely it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// The label of the schema.
    pub label: String,
    /// Calibrated, and corrected by what this user's own labels taught where the personal head corrects that label.
    pub probability: f32,
}

/// One interest of the user: a word, and what speaks for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Interest {
    /// The field.
    pub field: String,
    /// The word.
    pub value: String,
    /// Sum of the schema's weights, decayed at the longest half-life.
    pub weight: f32,
    /// Events other than impressions.
    pub events: u32,
    /// The latest of them, in milliseconds since the Unix epoch.
    pub last_ms: i64,
}

/// Figures for the self-test and the inspector.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Events in the log.
    pub events: usize,
    /// Its segments.
    pub segments: usize,
    /// Their bytes.
    pub bytes: usize,
    /// Labels matured since the last fold from the start.
    pub matured: u64,
    /// Labels the personal head rests on; 0 while it is being made.
    pub learned: u64,
    /// Mixing weights of the frozen model and the head.
    pub trust: [f64; 2],
    /// Version of the live bundle; 0 is the starter.
    pub bundle: u64,
    /// How many tiers it has, the fullest first, and which of them ranked last.
    pub tiers: usize,
    /// See [`Report::tiers`].
    pub tier: usize,
    /// Items in memory.
    pub items: usize,
    /// Whether a jump of the phone's clock waits to be confirmed.
    pub quarantined: bool,
}

/// The most reasons given.
const WHY_MOST: usize = 5;
/// Reasons weaker than this are noise.
const WHY_LEAST: f32 = 0.02;

impl Engine {
    /// Why this item stands where it stands: what its words, the recent past, its own impressions and numbers add to the logit.
    ///
    /// Of a linear model the parts are exact, of any other they are what the logit would lose (see [`crate::score::Ranker::contributions`]);
    /// those of one field are told as one, with the word that the user did most with. They are those of the tier that ranked last.
    ///
    /// # Errors
    /// [`crate::error::Error::UnknownItem`].
    pub fn explain(&self, handle: u32, now: Timestamp) -> Result<Vec<Why>> {
        let known = self.known(handle)?;
        let mut whys = Vec::new();
        if !self.is_personal() {
            whys.push(Why::new("page", "", "", 0.0));
            return Ok(whys);
        }
        let (item, dense) = (&known.item, self.dense(&known.item, now));
        // Sorted by subject.
        let mut sums: Vec<(&str, f32)> = Vec::new();
        let memory = &self.observe.memory;
        let (recent, user) = (memory.recent(), self.layout.user_len());
        let (parts, past) = self.ranker.contributions(self.tier, self.fixed(handle), &dense, recent, user);
        let mut add = |subject, part| match sums.binary_search_by_key(&subject, |(known, _)| *known) {
            Ok(at) => sums[at].1 += part,
            Err(at) => sums.insert(at, (subject, part)),
        };
        if past != 0.0 {
            add("recent", past);
        }
        for (at, name) in self.layout.names().iter().enumerate().skip(user) {
            // A feature at rest says nothing about the user, whatever its mean in the training data.
            if dense[at] != 0.0 {
                add(cut(name, b'.').0, parts[at]);
            }
        }
        for at in falling(sums.len(), &|at| sums[at].1.abs()) {
            let (subject, weight) = sums[at];
            if weight.abs() >= WHY_LEAST && whys.len() < WHY_MOST {
                let (code, field, value) = match (subject, self.schema.field(subject)) {
                    ("recent", _) => ("recent", "", ""),
                    ("item", _) => ("fatigue", "", ""),
                    (_, Ok(field)) => match self.strongest(item.words(field)) {
                        Some(word) => ("interest", subject, word.text.as_str()),
                        None => ("habit", subject, ""),
                    },
                    _ => ("model", "", ""),
                };
                whys.push(Why::new(code, field, value, weight));
            }
        }
        if whys.is_empty() {
            whys.push(Why::new("model", "", "", 0.0));
        }
        Ok(whys)
    }

    /// The features of an item now.
    fn dense(&self, item: &Item, now: Timestamp) -> Vec<f32> {
        let context = self.context(now);
        let mut dense = alloc::vec![0.0; self.layout.len()];
        let rates = self.layout.fill_user(&self.schema, &self.observe.memory, context, &mut dense);
        let number = |field| item.number(field);
        let candidate = Candidate { item, number: &number, prior: None };
        self.layout.fill_pair(&self.schema, &self.observe.memory, context, &rates, &candidate, &mut dense);
        dense
    }

    /// What the tier that ranked last predicts of an item: each of its tasks.
    ///
    /// # Errors
    /// [`crate::error::Error::UnknownItem`].
    pub fn predictions(&self, handle: u32, now: Timestamp) -> Result<Vec<Prediction>> {
        let dense = self.dense(&self.known(handle)?.item, now);
        let (memory, fixed, mut at) = (&self.observe.memory, self.fixed(handle), self.ranker.workspace());
        self.ranker.choose_tier(&mut at, self.tier);
        self.ranker.score_user(&mut at, &dense, memory.recent());
        let mut logits = alloc::vec![0.0; self.ranker.tasks(&at)];
        self.ranker.score_panel(&mut at, &[fixed], &[&dense], &mut logits);
        if let Some(logit) = logits.get_mut(self.ranker.led(&at)).filter(|_| self.replay.is_none()) {
            *logit = self.adapt.score(&self.ranker, *logit, fixed, &dense);
        }
        let mut predictions = Vec::new();
        for (label, z) in self.ranker.stack().labels(at.tier()).zip(logits) {
            predictions.push(Prediction { label: label.to_string(), probability: probability(z) });
        }
        Ok(predictions)
    }

    fn strongest<'a>(&self, words: &'a [Word]) -> Option<&'a Word> {
        let weight = |w: &Word| self.observe.memory.words.get(w.key).map_or(0.0, |c| c.weight[0].abs());
        words.iter().max_by(|a, b| weight(a).total_cmp(&weight(b)))
    }

    /// What the user is held to be interested in, strongest first: every word of an item that the user did something with.
    pub fn interests(&self, now: Timestamp) -> Vec<Interest> {
        let Some(log) = &self.log else { return Vec::new() };
        let now_ms = self.context(now).now_ms;
        let longest = self.schema.half_lives.len().saturating_sub(1);
        // Fields and words, in their order; their weight, how many events, and the time of the latest.
        let mut found: Vec<(usize, &Word, f32, u32, i64)> = Vec::new();
        for event in log.events() {
            let acts = self.schema.actions.get(usize::from(event.action)).is_some_and(|a| a.role != Role::Impression);
            if !acts {
                continue;
            }
            for (field, value) in event.item.values().iter().enumerate() {
                for word in value.words() {
                    let name = (field, &word.text);
                    let place = found.binary_search_by(|(field, word, ..)| (*field, &word.text).cmp(&name));
                    let place = place.unwrap_or_else(|place| {
                        let counter = self.observe.memory.words.get(word.key).copied().unwrap_or_default();
                        let (_, _, weight) = counter.at(&self.schema.half_lives, longest, now_ms);
                        found.insert(place, (field, word, weight, 0, 0));
                        place
                    });
                    let (_, _, _, events, last_ms) = &mut found[place];
                    *events += 1;
                    *last_ms = event.at.ms().max(*last_ms);
                }
            }
        }
        let mut interests = Vec::with_capacity(found.len());
        for at in falling(found.len(), &|at| found[at].2) {
            let (field, word, weight, events, last_ms) = found[at];
            let field = self.schema.fields.get(field).map(|f| f.name.clone()).unwrap_or_default();
            interests.push(Interest { field, value: word.text.clone(), weight, events, last_ms });
        }
        interests
    }

    /// Figures for the self-test and the inspector.
    pub fn report(&self) -> Report {
        let (segments, bytes) = self.log.as_ref().map_or((0, 0), |l| l.size());
        Report {
            events: self.log.as_ref().map_or(0, |l| l.len()),
            segments,
            bytes,
            matured: self.matured,
            learned: if self.replay.is_none() { self.adapt.learned() } else { 0 },
            trust: self.adapt.trust(),
            bundle: self.ranker.version(),
            tiers: self.ranker.tiers(),
            tier: self.tier,
            items: self.items.len(),
            quarantined: self.observe.clock().is_quarantined(),
        }
    }
}
