//! Ranking: candidates in, a slate out.

use super::Engine;
use crate::error::{Error, Result};
use crate::features::{Candidate, Context};
use crate::head::Prior;
use crate::item::Item;
use crate::kernel::linear::PANEL;
use crate::kernel::math::ln_f64;
use crate::keyed::KeyMap;
use crate::rerank::explore::Doubt;
use crate::rerank::{Entry, Placed, Plan, Reason, arrange, fatigue, filter};
use crate::rng::Rng;
use crate::time::Timestamp;
use crate::words::words;
use alloc::rc::Rc;
use alloc::vec;
use alloc::vec::Vec;

/// The most candidates of one call.
pub const CANDIDATES_MOST: usize = 5_000;
/// The most items already shown that are looked at.
pub const SHOWN_MOST: usize = 5_000;

/// Flag bits of a candidate.
pub const FLAG_AD: u8 = 1;
/// The page pinned the candidate; its place is in `pins`.
pub const FLAG_PINNED: u8 = 2;

/// One call.
///
/// # Shapes
/// With `n` handles: `volatiles` has `n × v` numbers, `v` the volatile fields in the schema's order, NaN where absent, or none at all (the
/// numbers of the last upsert stand); `priors`, `flags` and `pins` have `n` each, or none.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The candidates, in the page's own order.
    pub handles: &'a [u32],
    /// Their volatile numbers.
    pub volatiles: &'a [f32],
    /// The server's own scores, NaN where absent.
    pub priors: &'a [f32],
    /// [`FLAG_AD`], [`FLAG_PINNED`].
    pub flags: &'a [u8],
    /// Places of the pinned ones, in this slate.
    pub pins: &'a [u32],
    /// What the user has already been shown on this page, oldest first.
    pub shown: &'a [u32],
    /// How many places to fill.
    pub slots: usize,
    /// Now.
    pub now: Timestamp,
    /// Index of the surface, or none.
    pub surface: Option<u8>,
    /// Which tier of the model is to score, the fullest is 0; the last where there are not so many.
    pub tier: usize,
}

impl<'a> Request<'a> {
    /// A request for `slots` of these candidates, of which nothing else is known, by the fullest tier.
    pub const fn new(handles: &'a [u32], slots: usize, now: Timestamp) -> Self {
        Request {
            handles,
            volatiles: &[],
            priors: &[],
            flags: &[],
            pins: &[],
            shown: &[],
            slots,
            now,
            surface: None,
            tier: 0,
        }
    }
}

/// The answer: parallel lists, best first.
#[derive(Clone, Debug, PartialEq)]
pub struct Slate {
    /// The slate's handle, for the impressions and actions that follow.
    pub id: u32,
    /// The places, best first.
    pub placed: Vec<Placed>,
    /// Whether the order is the user's own, or the page's.
    pub personalised: bool,
    /// The tier that scored; none where the page's own order stands.
    pub tier: Option<usize>,
}

impl Engine {
    /// Ranks the candidates. The same log, seed, bundle and request, its tier included, give the same slate, bit for bit.
    ///
    /// A user who has shown no behaviour yet sees the page's own order, less what the filters take out, unless the schema's policy says
    /// otherwise; so does one who has switched personalisation off. An item that stands twice is taken once.
    ///
    /// # Errors
    /// [`Error::TooMany`], [`Error::UnknownItem`], [`Error::BadArgument`] for lists of unequal lengths.
    pub fn rank(&mut self, request: &Request<'_>) -> Result<Slate> {
        let n = request.handles.len();
        if n > CANDIDATES_MOST || request.shown.len() > SHOWN_MOST {
            return Err(Error::TooMany { what: words!("candidates"), most: CANDIDATES_MOST });
        }
        // For each volatile field its column in the request.
        let mut volatiles = Vec::new();
        for field in self.schema.volatiles() {
            volatiles.push(field);
        }
        let fits = |len: usize, width: usize| len == 0 || len == n * width;
        if !fits(request.volatiles.len(), volatiles.len())
            || !fits(request.priors.len(), 1)
            || !fits(request.flags.len(), 1)
            || !fits(request.pins.len(), 1)
        {
            return Err(Error::BadArgument { part: words!("candidates"), reason: words!("lists of one length") });
        }
        let items = self.candidates(request)?;
        let personalised = self.is_personal();
        let (scores, doubt) = if personalised {
            self.scores(request, &items, &volatiles)
        } else {
            (vec![(0.0, false); n], Doubt::default())
        };
        let mut shown = Vec::with_capacity(request.shown.len());
        for handle in request.shown {
            shown.push(&*self.known(*handle)?.item);
        }
        let memory = personalised.then_some(&self.observe.memory);
        // The page's own order stands as it is; an order of the user's own holds one variant of each thing.
        let group = |item: &Item| if personalised { item.group(&self.schema) } else { None };
        let (mut seen, mut groups) = (KeyMap::default(), KeyMap::default());
        for item in &shown {
            seen.insert(item.wire(), 0);
            if let Some(key) = group(item) {
                groups.insert(key, u32::MAX);
            }
        }
        let mut entries: Vec<Entry<'_>> = Vec::with_capacity(n);
        for (index, item) in items.iter().enumerate() {
            let twice = seen.insert(item.wire(), 0).is_some();
            let number = |field| number(request, &volatiles, index, item, field);
            if twice || !filter::passes(&self.schema, memory, &self.control.blocks, item, &number) {
                continue;
            }
            let flags = request.flags.get(index).copied().unwrap_or(0);
            let pin = (flags & FLAG_PINNED != 0).then(|| request.pins.get(index).map_or(0, |p| *p as usize));
            let (score, interest) = scores[index];
            let entry = Entry { index, item, score, pin, ad: flags & FLAG_AD != 0, interest };
            // What has a place of its own keeps it, whatever stands beside it.
            let key = group(item).filter(|_| !entry.ad && entry.pin.is_none());
            if let Some(place) = key.and_then(|key| groups.get(key)) {
                if let Some(other) = entries.get_mut(place as usize).filter(|other| other.score < score) {
                    *other = entry;
                }
                continue;
            }
            if let Some(key) = key {
                groups.insert(key, entries.len() as u32);
            }
            entries.push(entry);
        }
        let rng = self.seed.as_ref().filter(|_| personalised).map(|seed| {
            let mut data = Vec::new();
            data.extend_from_slice(&self.observe.memory.events.to_le_bytes());
            data.extend_from_slice(&self.observe.memory.now_ms.to_le_bytes());
            data.push(request.surface.map_or(255, |s| s));
            for entry in &entries {
                data.extend_from_slice(&entry.item.wire().to_le_bytes());
            }
            Rng::derive(seed, "explore", &data)
        });
        let policy = &self.schema.policy;
        let plan = Plan { policy, slots: request.slots, shown: &shown, page_order: !personalised, doubt: &doubt, rng };
        let placed = arrange(&entries, plan);
        let id = self.next_slate;
        self.next_slate = self.next_slate.wrapping_add(1);
        Ok(Slate { id, placed, personalised, tier: personalised.then_some(self.tier) })
    }

    /// How many tiers the live ranker has, the fullest first.
    pub fn tiers(&self) -> usize {
        self.ranker.tiers()
    }

    /// The candidates as they are known.
    fn candidates(&self, request: &Request<'_>) -> Result<Vec<Rc<Item>>> {
        let mut items = Vec::with_capacity(request.handles.len());
        for handle in request.handles {
            items.push(Rc::clone(&self.known(*handle)?.item));
        }
        Ok(items)
    }

    /// What the head will be asked of the candidates, and the draws from what it believes that this takes.
    #[inline(never)]
    fn doubt(&self) -> (Doubt, Vec<f64>) {
        let Some(seed) = self.seed.as_ref().filter(|_| self.replay.is_none()) else { return Default::default() };
        let (doubt, memory) = (Doubt::new(&self.schema.policy), &self.observe.memory);
        let mut drawn = Vec::new();
        if doubt.each > 1 {
            let moment = [u64::from(memory.events), memory.now_ms as u64].map(u64::to_le_bytes);
            let mut rng = Rng::derive(seed, "believe", moment.as_flattened());
            drawn = self.adapt.heads().deviate(&mut rng, doubt.each);
        }
        (doubt, drawn)
    }

    /// Blended logits, and whether what the user did is what speaks for the item; and what the head does not know.
    #[cfg_attr(zhiji_phone, optimize(speed))]
    fn scores(&mut self, request: &Request<'_>, items: &[Rc<Item>], volatiles: &[usize]) -> (Vec<(f32, bool)>, Doubt) {
        let context = self.context(request.now);
        let width = self.layout.len();
        let mut dense = vec![0.0f32; PANEL * width];
        let mut at = core::mem::take(&mut self.workspace);
        let rates = self.layout.fill_user(&self.schema, &self.observe.memory, context, &mut dense[..width]);
        for row in 1..PANEL {
            dense.copy_within(..self.layout.user_len(), row * width);
        }
        let memory = &self.observe.memory;
        self.tier = self.ranker.choose_tier(&mut at, request.tier);
        self.ranker.score_user(&mut at, &dense[..width], memory.recent());
        let (led, tasks) = (self.ranker.led(&at), self.ranker.tasks(&at).max(1));
        let likeness = self.layout.names().iter().position(|n| n == "recent.likeness");
        let adapted = self.replay.is_none();
        let (mut doubt, drawn) = self.doubt();
        let mut scores = Vec::with_capacity(items.len());
        let mut logits = vec![0.0; PANEL * tasks];
        for (items, handles) in items.chunks(PANEL).zip(request.handles.chunks(PANEL)) {
            let first = scores.len();
            for ((index, item), dense) in items.iter().enumerate().zip(dense.chunks_mut(width)) {
                let number = |field| number(request, volatiles, first + index, item, field);
                let prior = request.priors.get(first + index).copied().filter(|p| p.is_finite());
                let candidate = Candidate { item, number: &number, prior };
                self.layout.fill_pair(&self.schema, &self.observe.memory, context, &rates, &candidate, dense);
            }
            let (mut fixed, mut rows) = ([&[][..]; PANEL], [&[][..]; PANEL]);
            for (lane, (handle, dense)) in handles.iter().zip(dense.chunks(width)).enumerate() {
                (fixed[lane], rows[lane]) = (self.fixed(*handle), dense);
            }
            self.ranker.score_panel(&mut at, &fixed[..items.len()], &rows[..items.len()], &mut logits);
            for ((lane, item), logits) in items.iter().enumerate().zip(logits.chunks_mut(tasks)) {
                if adapted && let Some(logit) = logits.get_mut(led) {
                    let mut input = [0.0; Prior::MOST_FEATURES];
                    let read = self.ranker.read_pair(fixed[lane], rows[lane], &mut input);
                    *logit = self.adapt.heads().score(*logit, &input[..read]);
                    if doubt.each > 0 {
                        let from = doubt.numbers.len();
                        doubt.numbers.resize(from + doubt.each, 0.0);
                        let doubts = &mut doubt.numbers[from..];
                        self.adapt.heads().spread(&input[..read], &drawn, doubts);
                        self.ranker.blend_each(&at, logits, self.schema.policy.explore_width, doubts);
                    }
                }
                let policy = &self.schema.policy;
                let order = policy.page_order * ln_f64(1.0 + (first + lane) as f64 / 10.0) as f32;
                let penalty = fatigue::penalty(&self.schema, &self.observe.memory, item);
                let score = self.ranker.blend(&at, logits) - order - penalty;
                let interest = likeness.and_then(|at| rows[lane].get(at)).is_some_and(|x| *x > 0.0);
                scores.push((if score.is_finite() { score } else { 0.0 }, interest));
            }
        }
        self.workspace = at;
        (scores, doubt)
    }

    pub(super) fn context(&self, now: Timestamp) -> Context {
        let session = self.log.as_ref().map_or(0, |l| l.current_session());
        let now_ms = self.observe.clock().score_reading(session, now.ms());
        Context { now_ms, utc_offset_minutes: self.utc_offset_minutes }
    }
}

/// A number of a candidate as it is now: a volatile one is what the request says, where it says anything.
fn number(request: &Request<'_>, volatiles: &[usize], index: usize, item: &Item, field: usize) -> Option<f32> {
    let column = volatiles.iter().position(|volatile| *volatile == field).filter(|_| !request.volatiles.is_empty());
    match column {
        None => item.number(field),
        Some(column) => request.volatiles.get(index * volatiles.len() + column).copied().filter(|x| x.is_finite()),
    }
}

/// The stable number of a reason.
pub const fn reason_code(reason: Reason) -> u32 {
    reason as u32
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod exploring;
#[cfg(all(test, not(target_arch = "wasm32")))]
pub(in crate::engine) mod tests;
