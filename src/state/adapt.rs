//! `adapt`: matured labels → the personal head and how far it is trusted. Depends on the bundle; refolded when that changes.

use super::observe::Example;
use crate::codec::{Malformed, Reader, Writer};
use crate::features::Layout;
use crate::head::{BayesLinear, Mixture, Prior};
use crate::kernel::math::sigmoid_f64;
use crate::score::{Ranker, logit};
use alloc::vec;
use alloc::vec::Vec;

/// Prior variance of each personal weight, in squared logits per unit of its feature.
const WEIGHT_VARIANCE: f64 = 0.01;
/// Prior variance of the personal intercept: how far off the frozen model's base rate may be for one user.
const INTERCEPT_VARIANCE: f64 = 1.0;
/// Least curvature of the likelihood that is used, so that a surprise moves the head by a bounded step.
const LEAST_CURVATURE: f64 = 0.02;
/// How much more the frozen model is believed at first.
const TRUST: [f64; 2] = [0.8, 0.2];

/// The personal head: a Bayesian linear model, in logits, of what the frozen model leaves unexplained, mixed with it by running log-loss.
///
/// With `z` the frozen logit, `x` the features of the pair and a constant, and `m` the head's mean, the personal forecast is
/// `p = σ(z + m·x)`. A label `y` is taken in as the observation `m·x + (y − p) / v` of the linear form, with variance `1 / v`, `v = p (1 − p)`: one
/// step of the extended Kalman filter for logistic regression, which [`BayesLinear`] does as one rank-one update over `√v · x`.
///
/// # Source
/// West, Harrison and Migon, "Dynamic Generalized Linear Models and Bayesian Forecasting", JASA 80, 1985, section 2 (linearised update).
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
    let mut variance = vec![WEIGHT_VARIANCE; width];
    if let Some(first) = variance.first_mut() {
        *first = INTERCEPT_VARIANCE;
    }
    Prior::diagonal(&vec![0.0; width], &variance, 1.0).ok()
}

impl Adapt {
    /// The head before the first label.
    pub fn new(layout: &Layout, ranker: &Ranker) -> Self {
        let width = (layout.len() - layout.user_len() + 1).min(Prior::MOST_FEATURES);
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

    /// The head's input: a constant, then the features of the pair.
    fn read(&mut self, dense: &[f32]) {
        let pair = dense.iter().skip(self.from).map(|x| f64::from(x.clamp(-4.0, 4.0)));
        for (slot, x) in self.input.iter_mut().zip(core::iter::once(1.0).chain(pair)) {
            *slot = x;
        }
    }

    /// The frozen and the personal forecast.
    fn forecasts(&mut self, logit_frozen: f32, dense: &[f32]) -> [f64; 2] {
        self.read(dense);
        let frozen = f64::from(logit_frozen);
        let shift = self.head.as_ref().map_or(0.0, |head| head.mean(&self.input));
        [sigmoid_f64(frozen), sigmoid_f64(frozen + shift)]
    }

    /// The logit of a pair as this user's own history corrects it.
    pub fn score(&mut self, logit_frozen: f32, dense: &[f32]) -> f32 {
        if self.learned == 0 {
            return logit_frozen;
        }
        let both = self.forecasts(logit_frozen, dense);
        self.mixture.as_ref().map_or(logit_frozen, |mixture| logit(mixture.forecast(&both)))
    }

    /// Learns from one matured label of the schema's first kind; others are for the lab.
    pub fn learn(&mut self, ranker: &Ranker, example: &Example<'_>) {
        if example.label != 0 {
            return;
        }
        let item = ranker.score_item(example.wire, example.words.iter().copied());
        let frozen = ranker.score_pair(item, example.dense, &mut self.gathered);
        let both = self.forecasts(frozen, example.dense);
        if let Some(mixture) = &mut self.mixture {
            mixture.observe(&both, example.positive);
        }
        if let Some(head) = &mut self.head {
            let p = both[1];
            let v = (p * (1.0 - p)).max(LEAST_CURVATURE);
            let label = if example.positive { 1.0 } else { 0.0 };
            let observed = head.mean(&self.input) + (label - p) / v;
            let root = v.sqrt();
            self.input.iter_mut().for_each(|x| *x *= root);
            head.update(&self.input, observed * root);
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
        adapt.learned = bytes.u32();
        let n = bytes.count();
        let part = bytes.raw(n);
        if let Some(prior) = prior(adapt.input.len()) {
            adapt.head = Some(BayesLinear::decode(prior, part).map_err(|_| Malformed)?);
        }
        let n = bytes.count();
        let part = bytes.raw(n);
        if let Ok(fresh) = Mixture::new(&TRUST, 1.0) {
            adapt.mixture = Some(Mixture::decode(fresh, part).map_err(|_| Malformed)?);
        }
        Ok(adapt)
    }
}
