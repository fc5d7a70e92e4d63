//! Score: features × model → a logit, and what each feature contributed to it.
//!
//! What depends on the item alone is computed once per bundle and item, what depends on user and item per pair.

use crate::block::Wide;
use crate::bundle::Model;
use crate::features::Layout;
use crate::item::Item;
use crate::kernel::math::{ln_f64, sigmoid};
use crate::schema::Schema;
use alloc::vec;
use alloc::vec::Vec;

/// A field whose values are hashed: one of the schema, or the item's own id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashedField {
    /// The item's id.
    Id,
    /// A field of the schema.
    Field(u16),
}

/// A model bound to a schema's layout.
#[derive(Clone, Debug)]
pub struct Ranker {
    wide: Wide,
    /// For each weight, the place of its feature in the layout.
    picks: Vec<usize>,
    hashed: Vec<HashedField>,
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
    /// It needs a feature that this schema's layout does not have.
    Feature,
    /// It predicts a label that the schema does not have.
    Label,
    /// Its weights cannot make a block.
    Weights,
}

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

impl Ranker {
    /// The ranker that needs no bundle.
    pub fn starter(layout: &Layout) -> Self {
        let mut weight = vec![0.0f32; layout.len()];
        for (slot, name) in weight.iter_mut().zip(layout.names()) {
            if !name.starts_with("user.") && !name.starts_with("time.") {
                let found = STARTER.iter().find(|(part, _)| name.contains(part));
                *slot = found.map_or(0.0, |(_, w)| *w);
            }
        }
        let n = weight.len();
        let wide = Wide::new(-1.5, weight, vec![0.0; n], vec![1.0; n], Vec::new());
        // Finite weights, equal lengths and scales of one always make a block; an empty one scores 0.
        let wide = wide.unwrap_or_else(|_| empty());
        Self { picks: (0..wide.features()).collect(), wide, hashed: Vec::new(), version: 0 }
    }

    /// Binds a bundle's model to the layout.
    ///
    /// # Errors
    /// [`BindError`] naming what does not fit.
    pub fn bind(schema: &Schema, layout: &Layout, model: &Model, version: u64) -> Result<Self, BindError> {
        if model.fingerprint.is_some_and(|f| f != schema.fingerprint()) {
            return Err(BindError::Fingerprint);
        }
        if model.fields.iter().any(|f| schema.field(f).is_err()) {
            return Err(BindError::Field);
        }
        if !schema.labels.iter().any(|l| l.name == model.wide.label) {
            return Err(BindError::Label);
        }
        let place = |name: &str| layout.names().iter().position(|n| n == name).ok_or(BindError::Feature);
        let picks = model.wide.features.iter().map(|n| place(n)).collect::<Result<_, _>>()?;
        let hashed = model.wide.hashed_fields.iter().map(|n| hashed_field(schema, n)).collect::<Result<_, _>>()?;
        Ok(Self { wide: block(model)?, picks, hashed, version })
    }

    /// The same ranker, known by the version of the manifest that brought it.
    pub fn with_version(self, version: u64) -> Self {
        Self { version, ..self }
    }

    /// The version of the bundle; 0 is the starter.
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// Which fields of an item are hashed.
    pub fn hashed_fields(&self) -> &[HashedField] {
        &self.hashed
    }

    /// What of the logit depends on the item alone. Once per bundle and item.
    pub fn score_item(&self, wire: u64, words: impl Iterator<Item = (u16, u64)>) -> f32 {
        if self.hashed.is_empty() {
            return 0.0;
        }
        self.wide.score_item(&self.hashes(wire, words))
    }

    /// The hashed keys of an item, in the order in which their weights are added.
    pub fn hashes(&self, wire: u64, words: impl Iterator<Item = (u16, u64)>) -> Vec<u64> {
        hashes(&self.hashed, wire, words)
    }

    /// The logit of one pair.
    ///
    /// # Shapes
    /// `dense`: the whole layout; `gathered`: scratch of at least [`Ranker::width`].
    pub fn score_pair(&self, item: f32, dense: &[f32], gathered: &mut [f32]) -> f32 {
        for (slot, &pick) in gathered.iter_mut().zip(&self.picks) {
            *slot = dense.get(pick).copied().unwrap_or(0.0);
        }
        let n = self.picks.len().min(gathered.len());
        self.wide.logit(self.wide.score_user(), item, self.wide.score_pair(&gathered[..n]))
    }

    /// How many features the model reads.
    pub fn width(&self) -> usize {
        self.picks.len()
    }

    /// What each feature of the layout adds to the logit, exactly: the block is additive.
    pub fn contributions(&self, dense: &[f32]) -> Vec<f32> {
        let gathered: Vec<f32> = self.picks.iter().map(|&p| dense.get(p).copied().unwrap_or(0.0)).collect();
        let mut parts = vec![0.0; gathered.len()];
        self.wide.contributions(&gathered, &mut parts);
        let mut out = vec![0.0; dense.len()];
        for (&pick, part) in self.picks.iter().zip(parts) {
            if let Some(slot) = out.get_mut(pick) {
                *slot += part;
            }
        }
        out
    }
}

fn empty() -> Wide {
    match Wide::new(0.0, Vec::new(), Vec::new(), Vec::new(), Vec::new()) {
        Ok(wide) => wide,
        Err(_) => unreachable!("a block of no weights is a block"),
    }
}

/// The block of a bundle's weights, for scoring and for its probes.
///
/// # Errors
/// [`BindError::Weights`].
pub fn block(model: &Model) -> Result<Wide, BindError> {
    let w = &model.wide;
    Wide::new(w.bias, w.weight.clone(), w.mean.clone(), w.scale.clone(), w.hashed.clone())
        .map_err(|_| BindError::Weights)
}

/// Resolves the name of a hashed field.
///
/// # Errors
/// [`BindError::Field`].
pub fn hashed_field(schema: &Schema, name: &str) -> Result<HashedField, BindError> {
    if name == "id" {
        return Ok(HashedField::Id);
    }
    let index = schema.field(name).map_err(|_| BindError::Field)?;
    u16::try_from(index).map(HashedField::Field).map_err(|_| BindError::Field)
}

/// The hashed keys of an item: the id's where it is asked for, then those of its words, in the order of the schema.
pub fn hashes(fields: &[HashedField], wire: u64, words: impl Iterator<Item = (u16, u64)>) -> Vec<u64> {
    let mut keys = Vec::new();
    if fields.contains(&HashedField::Id) {
        keys.push(wire);
    }
    keys.extend(words.filter(|(f, _)| fields.contains(&HashedField::Field(*f))).map(|(_, key)| key));
    keys
}

/// The hashed keys of an item.
pub fn item_hashes(ranker: &Ranker, item: &Item) -> Vec<u64> {
    ranker.hashes(item.wire(), item.all_words().map(|(f, w)| (f as u16, w.key)))
}

/// Probability of a logit.
pub fn probability(logit: f32) -> f32 {
    sigmoid(logit)
}

/// Logit of a probability, which is kept away from 0 and 1.
pub fn logit(p: f64) -> f32 {
    let p = p.clamp(1e-6, 1.0 - 1e-6);
    ln_f64(p / (1.0 - p)) as f32
}
