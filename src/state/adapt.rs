//! `adapt`: matured labels → the personal head and how far it is trusted. Depends on the bundle; refolded when that changes.

use super::observe::Example;
use crate::codec::{Malformed, Reader, Writer};
use crate::features::Layout;
use crate::head::{BayesLinear, Mixture, Prior};
use crate::score::{Ranker, logit, probability};
use alloc::vec;
use alloc::vec::Vec;

/// Prior variance of each personal weight: a matured label moves a prediction by a few hundredths.
const WEIGHT_VARIANCE: f64 = 0.02;
/// Variance of a binary label around an even chance.
const LABEL_VARIANCE: f64 = 0.25;
/// How much more the frozen model is believed at first.
const TRUST: [f64; 2] = [0.8, 0.2];

/// The personal head: a Bayesian linear model of what the frozen model leaves unexplained, mixed with it by running log-loss.
#[derive(Clone, Debug)]
pub struct Adapt {
    from: usize,
    head: Option<BayesLinear>,
    mixture: Option<Mixture>,
    learned: u32,
    gathered: Vec<f32>,
    input: Vec<f64>,
}

fn prior(width: usize) -> Option<Prior> {
    Prior::diagonal(&vec![0.0; width], &vec![WEIGHT_VARIANCE; width], LABEL_VARIANCE).ok()
}

impl Adapt {
    /// The head before the first label.
    pub fn new(layout: &Layout, ranker: &Ranker) -> Self {
        let width = (layout.len() - layout.user_len()).min(Prior::MOST_FEATURES);
        Self {
            from: layout.user_len(),
            head: prior(width).map(BayesLinear::new),
            mixture: Mixture::new(&TRUST, 1.0).ok(),
            learned: 0,
            gathered: vec![0.0; ranker.width()],
            input: vec![0.0; width],
        }
    }

    /// Labels learned from.
    pub const fn learned(&self) -> u32 {
        self.learned
    }

    /// The mixing weights of the frozen model and of the head.
    pub fn trust(&self) -> [f64; 2] {
        let mut weights = [1.0, 0.0];
        if let Some(mixture) = &self.mixture {
            mixture.weights(&mut weights);
        }
        weights
    }

    fn read(&mut self, dense: &[f32]) {
        for (slot, x) in self.input.iter_mut().zip(dense.iter().skip(self.from)) {
            *slot = f64::from(x.clamp(-4.0, 4.0));
        }
    }

    /// Both predictions, and the one that is used.
    fn predict(&mut self, frozen: f32, dense: &[f32]) -> ([f64; 2], f64) {
        self.read(dense);
        let frozen = f64::from(frozen);
        let Some((head, mixture)) = self.head.as_ref().zip(self.mixture.as_ref()) else { return ([frozen; 2], frozen) };
        let personal = (frozen + head.mean(&self.input)).clamp(0.005, 0.995);
        let both = [frozen, personal];
        (both, mixture.forecast(&both))
    }

    /// The logit of a pair as this user's own history corrects it.
    pub fn score(&mut self, logit_frozen: f32, dense: &[f32]) -> f32 {
        if self.learned == 0 {
            return logit_frozen;
        }
        let (_, mixed) = self.predict(probability(logit_frozen), dense);
        logit(mixed)
    }

    /// Learns from one matured label of the schema's first kind; others are for the lab.
    pub fn learn(&mut self, ranker: &Ranker, example: &Example<'_>) {
        if example.label != 0 {
            return;
        }
        let item = ranker.score_item(example.wire, example.words.iter().copied());
        let frozen = probability(ranker.score_pair(item, example.dense, &mut self.gathered));
        let (both, _) = self.predict(frozen, example.dense);
        let label = if example.positive { 1.0 } else { 0.0 };
        if let Some(mixture) = &mut self.mixture {
            mixture.observe(&both, example.positive);
        }
        if let Some(head) = &mut self.head {
            head.update(&self.input, label - both[0]);
        }
        self.learned = self.learned.saturating_add(1);
    }

    /// Writes the head in one form only.
    pub fn encode(&self, out: &mut Writer) {
        out.u32(self.learned);
        for part in [self.head.as_ref().map(BayesLinear::encode), self.mixture.as_ref().map(Mixture::encode)] {
            let part = part.unwrap_or_default();
            out.count(part.len());
            out.raw(&part);
        }
    }

    /// Reads what [`Adapt::encode`] wrote.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn decode(layout: &Layout, ranker: &Ranker, bytes: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut adapt = Self::new(layout, ranker);
        adapt.learned = bytes.u32()?;
        let n = bytes.count()?;
        let part = bytes.raw(n)?;
        if let Some(prior) = prior(adapt.input.len()) {
            adapt.head = Some(BayesLinear::decode(prior, part).map_err(|_| Malformed)?);
        }
        let n = bytes.count()?;
        let part = bytes.raw(n)?;
        if let Ok(fresh) = Mixture::new(&TRUST, 1.0) {
            adapt.mixture = Some(Mixture::decode(fresh, part).map_err(|_| Malformed)?);
        }
        Ok(adapt)
    }
}
