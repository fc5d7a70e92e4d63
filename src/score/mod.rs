//! Score: features × model → logits of the model's tasks, and what each feature contributed.
//!
//! What depends on the user alone is computed once per request, what depends on the item alone once per bundle and item, the rest per pair.

use crate::block::Wide;
use crate::bundle::stack::ID;
use crate::bundle::{Bundle, Head, Stack, Workspace};
use crate::features::Layout;
use crate::features::memory::Recent;
use crate::head::Prior;
use crate::kernel::math::{ln_f64, sigmoid, sigmoid_x4};
use crate::schema::Schema;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

/// A model bound to a schema's layout.
#[derive(Clone, Debug)]
pub struct Ranker {
    stack: Stack,
    /// For each field of the schema, its place among the stack's hashed fields; beyond them where it is none.
    fields: Vec<u16>,
    /// In each tier, which task the personal head corrects: that of the schema's first label, where it is predicted.
    led: Vec<usize>,
    head: Head,
    /// Places of the head's dense features in the layout.
    picks: Vec<u32>,
    version: u64,
}

/// Why a bundle does not fit the schema of this code package.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BindError {
    /// The bundle was made for exactly another schema.
    Fingerprint,
    /// It needs a field that the schema does not have.
    Field,
    /// It needs a feature that this schema's layout does not have, or that does not depend on the user alone.
    Feature,
    /// It predicts a label that the schema does not have.
    Label,
}

/// The most tasks of a tier, as room on the stack.
const TASKS: usize = crate::bundle::MOST_TASKS;

/// Weights of the starter ranker by the end of a feature's name. It needs no bundle; the personal head corrects it.
///
/// Chosen once, on simulated users over an invented catalogue (`zhiji evaluate --starter` gives its figures), for their order of
/// magnitude only: rates lead, recent likeness follows, unanswered impressions cost.
const STARTER: [(&str, f32); 7] = [
    (".rate@", 0.5),
    (".best", 0.3),
    (".weight", 0.6),
    ("item.unanswered", -0.4),
    ("item.acts", -0.1),
    (".distance", -0.2),
    ("recent.likeness", 1.0),
];

/// Prior standard deviation of each weight of the head that a bundle without a section `head` gets, its constant included, in logits per unit
/// of its feature.
///
/// A wide constant follows the last labels up and down, and what was shown after a lucky one stands above what was shown before: on
/// MovieLens, `colduser`, `valid`, a deviation of 1 for the constant cost .0015 GAUC, no constant at all cost nothing, and log-loss was the same
/// (docs/training.md).
const WEIGHT_DEVIATION: f64 = 0.1;
/// That of the constant for the starter, whose base rate is a guess.
const STARTER_INTERCEPT: f64 = 1.0;
/// The weight of that head at first.
const OWN_TRUST: f64 = 0.2;
/// Features are held within so much of zero where the head reads them.
const FEATURE_MOST: f32 = 4.0;

/// The head of a constant and the features of the pair, as many as there is room for.
fn own_head(layout: &Layout, intercept: f64) -> (Head, Vec<u32>) {
    let mut deviations = [WEIGHT_DEVIATION; Prior::MOST_FEATURES];
    deviations[0] = intercept;
    let width = (layout.len() - layout.user_len() + 1).min(Prior::MOST_FEATURES);
    let first = layout.user_len() as u32;
    let picks = (first..first + (width as u32 - 1)).collect();
    // Zeros and positive deviations, at most as many as there may be, always make a prior.
    let prior = Prior::new(&[0.0; Prior::MOST_FEATURES][..width], &deviations[..width]).unwrap_or_default();
    let head = Head {
        intercept: true,
        vector: (0, 0),
        features: Vec::new(),
        prior: Rc::new(prior),
        gain: 1.0,
        trust: OWN_TRUST,
    };
    (head, picks)
}

/// The places of features in a layout; `known` becomes false where it does not have one.
fn places(layout: &Layout, names: &[String], known: &mut bool) -> Vec<u32> {
    let mut places = Vec::new();
    for name in names {
        let place = layout.names().iter().position(|known| known == name);
        *known &= place.is_some();
        places.push(place.unwrap_or(0) as u32);
    }
    places
}

impl Ranker {
    /// The ranker that needs no bundle.
    pub fn starter(layout: &Layout) -> Self {
        let mut weight = vec![0.0f32; layout.len()];
        for (slot, name) in weight.iter_mut().zip(layout.names()) {
            if !name.starts_with("user.") && !name.starts_with("time.") {
                // Not `contains`: the search of the standard library, which is for long texts, is a kilobyte of the module.
                let has = |part: &str| name.as_bytes().windows(part.len()).any(|at| at == part.as_bytes());
                *slot = STARTER.iter().find(|(part, _)| has(part)).map_or(0.0, |(_, w)| *w);
            }
        }
        let n = weight.len();
        let wide = Wide::new(-1.5, weight, vec![0.0; n], vec![1.0; n], Vec::new());
        // Finite weights, equal lengths and scales of one always make a block; an empty stack scores 0.
        let stack = match wide {
            Ok(wide) => Stack::of_wide(wide),
            Err(_) => Stack::default(),
        };
        let (head, picks) = own_head(layout, STARTER_INTERCEPT);
        Self { stack, fields: Vec::new(), led: [0].to_vec(), head, picks, version: 0 }
    }

    /// Binds a bundle's model to the layout.
    ///
    /// # Errors
    /// [`BindError`] naming what does not fit.
    pub fn bind(schema: &Schema, layout: &Layout, bundle: Bundle) -> Result<Self, BindError> {
        let mut fault = None;
        let mut unless = |holds: bool, error: BindError| {
            if !holds && fault.is_none() {
                fault = Some(error);
            }
        };
        unless(bundle.fingerprint().is_none_or(|own| own == schema.fingerprint()), BindError::Fingerprint);
        for name in bundle.fields() {
            unless(schema.field(name).is_ok(), BindError::Field);
        }
        let (mut stack, head) = bundle.into_parts();
        let mut known = true;
        let places = places(layout, stack.features(), &mut known);
        let (head, picks) = match head {
            Some(head) => {
                let picks = self::places(layout, &head.features, &mut known);
                (head, picks)
            }
            None => own_head(layout, WEIGHT_DEVIATION),
        };
        unless(known, BindError::Feature);
        let mut fields = vec![u16::MAX; schema.fields.len()];
        for (at, name) in stack.fields().iter().enumerate() {
            let field = schema.field(name).ok().and_then(|field| fields.get_mut(field));
            unless(field.is_some() || name == ID, BindError::Field);
            if let Some(slot) = field {
                *slot = at as u16;
            }
        }
        let mut led = Vec::new();
        for tier in 0..stack.tiers() {
            let mut task = 0;
            for (at, label) in stack.labels(tier).enumerate() {
                let known = schema.labels.iter().position(|known| known.name == label);
                unless(known.is_some(), BindError::Label);
                if known == Some(0) {
                    task = at;
                }
            }
            led.push(task);
        }
        unless(stack.bind(&places, layout.user_len() as u32), BindError::Feature);
        let ranker = Self { stack, fields, led, head, picks, version: 0 };
        fault.map_or(Ok(ranker), Err)
    }

    /// The same ranker, known by the version of the manifest that brought it.
    pub fn with_version(self, version: u64) -> Self {
        Self { version, ..self }
    }

    /// The version of the bundle; 0 is the starter.
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// The label of the task which the personal head corrects; empty for the starter.
    pub fn label(&self) -> &str {
        self.led.first().and_then(|task| self.stack.labels(0).nth(*task)).unwrap_or("")
    }

    /// The personal head that goes with it.
    pub const fn head(&self) -> &Head {
        &self.head
    }

    /// What the personal head reads of a pair; gives its length.
    ///
    /// # Shapes
    /// `item`, `dense`: as for [`Ranker::score_pair`]; `out`: at least what the head's prior has features.
    #[cfg_attr(zhiji_phone, optimize(speed))]
    pub fn read_pair(&self, item: &[f32], dense: &[f32], out: &mut [f64]) -> usize {
        let (from, width) = self.head.vector;
        let vector = item.get(from..from + width).unwrap_or_default();
        let mut at = 0;
        let mut put = |x: f64| {
            if let Some(slot) = out.get_mut(at) {
                *slot = x;
                at += 1;
            }
        };
        if self.head.intercept {
            put(1.0);
        }
        for x in vector {
            put(f64::from(*x));
        }
        for pick in &self.picks {
            let x = dense.get(*pick as usize).copied().unwrap_or(0.0);
            put(f64::from(x.clamp(-FEATURE_MOST, FEATURE_MOST)));
        }
        at
    }

    /// What it computes.
    pub const fn stack(&self) -> &Stack {
        &self.stack
    }

    /// What it writes while it scores: made once, used for any number of requests, of the fullest tier until another is chosen.
    pub fn workspace(&self) -> Workspace {
        let mut at = self.stack.workspace();
        self.choose_tier(&mut at, 0);
        at
    }

    /// How many tiers there are, the fullest first; at least one.
    pub fn tiers(&self) -> usize {
        self.stack.tiers().max(1)
    }

    /// Lets a workspace be used for one tier, or for the last where there are not so many; gives its number. What only other tiers read is
    /// not computed from the next [`Ranker::score_user`] on.
    pub fn choose_tier(&self, at: &mut Workspace, tier: usize) -> usize {
        let tier = tier.min(self.tiers() - 1);
        self.stack.choose_tier(at, tier);
        tier
    }

    /// How many numbers [`Ranker::score_item`] writes.
    pub fn item_len(&self) -> usize {
        self.stack.item_len()
    }

    /// What depends on the item alone. Once per bundle and item.
    ///
    /// # Shapes
    /// `words`: field of the schema and key of each word; `out`: [`Ranker::item_len`].
    pub fn score_item(&self, wire: u64, words: &[(u16, u64)], out: &mut [f32]) {
        let mut known = words.to_vec();
        for (field, _) in &mut known {
            *field = self.fields.get(usize::from(*field)).copied().unwrap_or(u16::MAX);
        }
        self.stack.score_item(wire, &known, out);
    }

    /// What depends on the user alone. Once per request.
    ///
    /// # Shapes
    /// `dense`: the whole layout, of which the user's part is read.
    pub fn score_user(&self, at: &mut Workspace, dense: &[f32], recent: Recent<'_>) {
        self.stack.judge(at, &mut recent.judged());
        self.stack.score_user(at, dense, &mut recent.iter());
    }

    /// Chooses the fullest tier whose task that the personal head corrects adds up a block `vector` or `covisit`, and makes the workspace ready for
    /// [`Ranker::score_row`]. Whether there is one.
    ///
    /// # Shapes
    /// `dense`: the whole layout, of which the user's part is read.
    pub fn choose_catalogue(&self, at: &mut Workspace, dense: &[f32], recent: Recent<'_>) -> bool {
        for tier in 0..self.tiers() {
            self.choose_tier(at, tier);
            self.score_user(at, dense, recent);
            if self.score_row(at, 0).is_some() {
                return true;
            }
        }
        false
    }

    /// The score of the item of a row of the bundle's catalogue: see [`Stack::score_row`].
    pub fn score_row(&self, at: &Workspace, row: u32) -> Option<f32> {
        self.stack.score_row(at, at.tier(), self.led(at), row)
    }

    /// The logit of one pair: that of the task which the personal head corrects, in the tier that was chosen, or in the fullest.
    ///
    /// # Shapes
    /// `item`: what [`Ranker::score_item`] wrote; `dense`: the whole layout.
    pub fn score_pair(&self, at: &mut Workspace, item: &[f32], dense: &[f32]) -> f32 {
        let mut logits = [0.0; TASKS];
        self.stack.score_pair(at, item, dense, at.tier(), &mut logits);
        self.led.get(at.tier()).and_then(|task| logits.get(*task)).copied().unwrap_or(0.0)
    }

    /// Which task the personal head corrects, in the tier that was chosen.
    pub fn led(&self, at: &Workspace) -> usize {
        self.led.get(at.tier()).copied().unwrap_or(0)
    }

    /// How many tasks the tier that was chosen has.
    pub fn tasks(&self, at: &Workspace) -> usize {
        self.stack.labels(at.tier()).count()
    }

    /// The logits of all tasks of up to eight pairs, in the tier that was chosen.
    ///
    /// # Shapes
    /// `items`, `dense`: for each pair what [`Ranker::score_pair`] takes; `logits`: for each pair one for each task.
    pub fn score_panel(&self, at: &mut Workspace, items: &[&[f32]], dense: &[&[f32]], logits: &mut [f32]) {
        self.stack.score_panel(at, items, dense, at.tier(), logits);
    }

    /// The score by which a pair is ranked: the blend of its tasks, or the logit of the one which the personal head corrects where there is no
    /// blend. In logits.
    ///
    /// # Shapes
    /// `logits`: one for each task, as the head has corrected them.
    pub fn blend(&self, at: &Workspace, logits: &[f32]) -> f32 {
        match self.stack.blend(at.tier()) {
            Some(blend) => blend.score(&mut logits.iter().copied()),
            None => logits.get(self.led(at)).copied().unwrap_or(0.0),
        }
    }

    /// Makes of what may be added to the logit that the personal head corrects, each `by` times, what that adds to the score.
    ///
    /// # Shapes
    /// `logits`: one for each task, as the head has corrected them; they are left as they were.
    pub fn blend_each(&self, at: &Workspace, logits: &mut [f32], by: f32, more: &mut [f32]) {
        let (led, score) = (self.led(at), self.blend(at, logits));
        let Some(plain) = logits.get(led).copied() else { return };
        for more in more {
            logits[led] = plain + *more * by;
            *more = self.blend(at, logits) - score;
        }
        logits[led] = plain;
    }

    /// The score of one pair before any personal head.
    ///
    /// # Shapes
    /// As for [`Ranker::score_pair`].
    fn score(&self, at: &mut Workspace, item: &[f32], dense: &[f32]) -> f32 {
        let mut logits = [0.0; TASKS];
        let logits = &mut logits[..self.tasks(at).min(TASKS)];
        self.stack.score_pair(at, item, dense, at.tier(), logits);
        self.blend(at, logits)
    }

    /// What each feature of the pair adds to the score of a tier, and what the recent past does.
    ///
    /// Of a sum of linear blocks the parts are exact. Of anything else they are what the score loses without the feature, or without the past:
    /// where blocks multiply, and where tasks are blended, such parts do not add up to it.
    ///
    /// # Shapes
    /// `item`, `dense`: as for [`Ranker::score_pair`]; the first result: the whole layout, zeros in the user's part where the parts are not exact.
    pub fn contributions(
        &self,
        tier: usize,
        item: &[f32],
        dense: &[f32],
        recent: Recent<'_>,
        user: usize,
    ) -> (Vec<f32>, f32) {
        let mut out = vec![0.0; dense.len()];
        let mut at = self.workspace();
        let tier = self.choose_tier(&mut at, tier);
        let led = self.led(&at);
        if self.stack.blend(tier).is_none()
            && let Some(blocks) = self.stack.additive(tier, led)
        {
            for (picks, wide, gain) in &blocks {
                let mut gathered = Vec::with_capacity(picks.len());
                for pick in *picks {
                    gathered.push(dense.get(*pick as usize).copied().unwrap_or(0.0));
                }
                let mut parts = vec![0.0; gathered.len()];
                wide.contributions(&gathered, &mut parts);
                for (pick, part) in picks.iter().zip(&parts) {
                    if let Some(slot) = out.get_mut(*pick as usize) {
                        *slot += gain * part;
                    }
                }
            }
            return (out, 0.0);
        }
        let mut without = dense.to_vec();
        self.score_user(&mut at, dense, recent);
        let whole = self.score(&mut at, item, dense);
        for place in user..out.len() {
            let x = core::mem::take(&mut without[place]);
            if x != 0.0 {
                out[place] = whole - self.score(&mut at, item, &without);
                without[place] = x;
            }
        }
        let mut past = 0.0;
        if self.stack.reads_history() {
            self.score_user(&mut at, dense, Recent::default());
            past = whole - self.score(&mut at, item, dense);
        }
        (out, past)
    }
}

/// Probability of a logit.
pub fn probability(logit: f32) -> f32 {
    sigmoid(logit)
}

/// Probabilities in place of logits, each with the bits of [`probability`].
#[cfg_attr(zhiji_phone, optimize(speed))]
pub fn probabilities(logits: &mut [f32]) {
    let (fours, rest) = logits.as_chunks_mut::<4>();
    for four in fours {
        *four = sigmoid_x4(*four);
    }
    for one in rest {
        *one = sigmoid(*one);
    }
}

/// Logit of a probability, which is kept away from 0 and 1.
pub fn logit(p: f64) -> f32 {
    let p = p.clamp(1e-6, 1.0 - 1e-6);
    ln_f64(p / (1.0 - p)) as f32
}
