//! One simulated person.

use super::super::dataset::{Row, Split};
use super::stock::{Offer, Stock};
use super::{Actions, Behaviour, normal};
use std::collections::HashMap;
use zhiji::kernel::math::{exp_f64, ln_f64, sigmoid};
use zhiji::rng::{Rng, Seed};
use zhiji::schema::hash64;
use zhiji::time::{DAY_MS, MINUTE_MS};

/// Items in one slate.
const SLATE: u32 = 10;
/// The hours at which sessions begin, each as likely as the next.
const HOURS: [i64; 12] = [7, 8, 12, 12, 13, 18, 19, 20, 20, 21, 22, 23];

/// A person with tastes, in front of the stock.
pub struct Shopper<'a> {
    stock: &'a Stock,
    actions: &'a Actions,
    behaviour: Behaviour,
    name: String,
    rng: Rng,
    /// Decides about words: one in eight is a favourite.
    salt: u64,
    favourites: Vec<u32>,
    level: f32,
    sessions_per_day: f32,
    drifts: bool,
    /// Impressions of each item since it was last opened.
    unanswered: HashMap<u32, u32>,
    slate: u32,
}

impl<'a> Shopper<'a> {
    /// Draws the person number `user`.
    pub fn new(stock: &'a Stock, actions: &'a Actions, behaviour: Behaviour, seed: &Seed, user: u32) -> Self {
        let mut rng = Rng::derive(seed, "shopper", &user.to_le_bytes());
        let mut salt = [0u8; 8];
        rng.fill(&mut salt);
        let mut favourites = Vec::new();
        let wanted = (2 + rng.below(3)).min(stock.categories);
        while (favourites.len() as u32) < wanted {
            let category = rng.below(stock.categories);
            if !favourites.contains(&category) {
                favourites.push(category);
            }
        }
        let level = 0.8 * normal(&mut rng);
        let sessions_per_day = 0.15 + 1.05 * rng.uniform() * rng.uniform();
        let drifts = rng.uniform() < behaviour.drift;
        Self {
            stock,
            actions,
            behaviour,
            name: format!("u{user:06}"),
            rng,
            salt: u64::from_le_bytes(salt),
            favourites,
            level,
            sessions_per_day,
            drifts,
            unanswered: HashMap::new(),
            slate: 0,
        }
    }

    /// Whether the person's taste will change.
    pub const fn drifts(&self) -> bool {
        self.drifts
    }

    /// One favourite category gives way to another.
    pub fn change_taste(&mut self, slot: u32, category: u32) {
        let slots = self.favourites.len().max(1);
        if let Some(favourite) = self.favourites.get_mut(slot as usize % slots) {
            *favourite = category;
        }
    }

    /// What a session is for: the favourite that this number falls on.
    pub fn mood(&self, number: u32) -> Option<u32> {
        let slots = self.favourites.len().max(1);
        self.favourites.get(number as usize % slots).copied()
    }

    /// How probable it is that an offer, once looked at, is opened.
    pub fn chance(&self, index: u32, mood: Option<u32>) -> f32 {
        sigmoid(self.utility(&self.stock.offers[index as usize], index, mood))
    }

    /// Everything the person does, in time order.
    pub fn live(&mut self, orders: &[Vec<u32>], start_ms: i64, split: Split) -> Vec<Row> {
        let mut rows = Vec::new();
        let mut earliest = start_ms;
        for (day, order) in (0i64..).zip(orders) {
            if self.drifts && day as usize == orders.len() / 2 && self.stock.categories > 0 {
                let slot = self.rng.below(self.favourites.len() as u32);
                let category = self.rng.below(self.stock.categories);
                self.change_taste(slot, category);
            }
            let mut starts = Vec::new();
            while self.rng.uniform() < self.sessions_per_day / (1.0 + starts.len() as f32) {
                let hour = HOURS[self.rng.below(HOURS.len() as u32) as usize];
                starts.push(hour * 60 * MINUTE_MS + i64::from(self.rng.below(3_600_000)));
            }
            starts.sort_unstable();
            for at in starts {
                // A session does not begin before the one before it is over.
                let begin = (start_ms + day * DAY_MS + at).max(earliest);
                earliest = self.session(order, begin, split, &mut rows) + MINUTE_MS;
            }
        }
        rows
    }

    /// One session from `at`; returns its end.
    fn session(&mut self, order: &[u32], mut at: i64, split: Split, rows: &mut Vec<Row>) -> i64 {
        let mood = if self.favourites.is_empty() {
            None
        } else {
            Some(self.favourites[self.rng.below(self.favourites.len() as u32) as usize])
        };
        let shown = (10 + self.rng.below(31)).min(order.len() as u32);
        // Feeds go on where the server thinks the visitor has not been: somewhere in the first half of its order.
        let first = self.rng.below((order.len() as u32 / 2).max(1));
        for place in 0..shown {
            let index = order[(first + place) as usize % order.len()];
            at = self.meet(index, place % SLATE, at, mood, split, rows);
        }
        at
    }

    /// The person meets an offer at a place of a slate; place 0 begins a new slate. Returns when they are done with it.
    pub fn meet(
        &mut self,
        index: u32,
        position: u32,
        mut at: i64,
        mood: Option<u32>,
        split: Split,
        rows: &mut Vec<Row>,
    ) -> i64 {
        if position == 0 {
            self.slate += 1;
        }
        let offer = &self.stock.offers[index as usize];
        let (name, slate) = (self.name.clone(), self.slate);
        let row = |action: &str, at_ms: i64| Row {
            user: name.clone(),
            at_ms,
            action: action.to_string(),
            item: offer.id.clone(),
            surface: self.stock.surface.clone(),
            slate: Some(slate),
            position: Some(position as u16),
            split,
            ..Row::default()
        };
        rows.push(Row { prior: offer.prior, ..row(&self.actions.impression, at) });
        at += 1_000 + i64::from(self.rng.below(3_000));
        let utility = self.utility(offer, index, mood);
        let looked = exp_f64(-f64::from(self.behaviour.attention) * ln_f64(1.0 + f64::from(position))) as f32;
        if self.rng.uniform() >= looked {
            return at;
        }
        if self.rng.uniform() >= sigmoid(utility) {
            *self.unanswered.entry(index).or_default() += 1;
            let annoyed = utility < -3.5 && self.rng.uniform() < 0.02;
            if let (true, Some(action)) = (annoyed, self.actions.find("hide")) {
                rows.push(row(action, at));
            }
            return at;
        }
        self.unanswered.remove(&index);
        rows.push(row(&self.actions.open, at));
        let seconds = exp_f64(f64::from(2.5 + 0.3 * utility.clamp(-3.0, 3.0) + 0.6 * normal(&mut self.rng)));
        let dwell = (seconds * 1_000.0).clamp(500.0, 600_000.0) as u32;
        at += i64::from(dwell);
        if let Some(action) = self.actions.find("dwell") {
            rows.push(Row { dwell_ms: Some(dwell), ..row(action, at) });
        }
        let mut last = true;
        for (name, bias) in [("favourite", -2.5), ("cart", -1.5), ("purchase", -1.0)] {
            // A purchase comes after a cart only.
            let asked = name != "purchase" || last;
            last = asked && self.rng.uniform() < sigmoid(bias + 0.7 * utility);
            if let (true, Some(action)) = (last, self.actions.find(name)) {
                at += 2_000 + i64::from(self.rng.below(4_000));
                rows.push(row(action, at));
            }
        }
        at + 1_000
    }

    /// How much the person wants the item now, in logits; the formula stands at the top of the module.
    fn utility(&self, offer: &Offer, index: u32, mood: Option<u32>) -> f32 {
        let mut utility = -2.2 + 0.6 * offer.quality;
        if let Some(category) = offer.category {
            utility += if self.favourites.contains(&category) { 1.8 } else { -0.5 };
            if mood == Some(category) {
                utility += 0.8;
            }
        }
        let mut by_field: Vec<(u16, f32, f32)> = Vec::new();
        for &(field, word) in &offer.words {
            let mut bytes = self.salt.to_le_bytes().to_vec();
            bytes.extend(field.to_le_bytes());
            bytes.extend(word.to_le_bytes());
            let liked = if hash64(&bytes).is_multiple_of(8) { 0.7 } else { 0.0 };
            match by_field.last_mut() {
                Some((last, sum, n)) if *last == field => {
                    *sum += liked;
                    *n += 1.0;
                }
                _ => by_field.push((field, liked, 1.0)),
            }
        }
        utility += by_field.iter().map(|(_, sum, n)| sum / n).sum::<f32>();
        let distance = offer.z - self.level;
        utility -= 0.5 * (distance * distance).min(4.0);
        utility - self.behaviour.weariness * self.unanswered.get(&index).copied().unwrap_or(0).min(8) as f32
    }
}
