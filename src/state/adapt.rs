//! `adapt`: matured labels → the personal head and how far it is trusted. Depends on the bundle; refolded when that changes.

use super::observe::Example;
use crate::bundle::Workspace;
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

/// The most labels that a forecast rests on. It rests on at least half as many, once there are so many.
pub const LABELS_MOST: u64 = 512;

/// Number of the first label that the head rests on, after `matured` labels: the labels are forgotten in halves.
pub const fn first_label(matured: u64) -> u64 {
    let half = LABELS_MOST / 2;
    (matured / half).saturating_sub(1) * half
}

/// One personal head and how far it is trusted.
#[derive(Clone, Debug)]
struct Head {
    model: Option<BayesLinear>,
    mixture: Option<Mixture>,
}

impl Head {
    fn new(width: usize) -> Self {
        Self { model: prior(width).map(BayesLinear::new), mixture: Mixture::new(&TRUST, 1.0).ok() }
    }

    /// The frozen and the personal forecast.
    fn forecasts(&self, logit_frozen: f32, input: &[f64]) -> [f64; 2] {
        let frozen = f64::from(logit_frozen);
        let shift = self.model.as_ref().map_or(0.0, |model| model.mean(input));
        [sigmoid_f64(frozen), sigmoid_f64(frozen + shift)]
    }

    fn learn(&mut self, logit_frozen: f32, input: &[f64], positive: bool) {
        let both = self.forecasts(logit_frozen, input);
        if let Some(mixture) = &mut self.mixture {
            mixture.observe(&both, positive);
        }
        if let Some(model) = &mut self.model {
            let p = both[1];
            let v = (p * (1.0 - p)).max(LEAST_CURVATURE);
            let label = if positive { 1.0 } else { 0.0 };
            let observed = model.mean(input) + (label - p) / v;
            let root = v.sqrt();
            let input: Vec<f64> = input.iter().map(|x| x * root).collect();
            model.update(&input, observed * root);
        }
    }
}

/// The personal head: a Bayesian linear model, in logits, of what the frozen model leaves unexplained, mixed with it by running log-loss.
///
/// With `z` the frozen logit, `x` the features of the pair and a constant, and `m` the head's mean, the personal forecast is
/// `p = σ(z + m·x)`. A label `y` is taken in as the observation `m·x + (y − p) / v` of the linear form, with variance `1 / v`, `v = p (1 − p)`: one
/// step of the extended Kalman filter for logistic regression, which [`BayesLinear`] does as one rank-one update over `√v · x`.
///
/// A head rests on the last 256 to 511 labels ([`first_label`]). Two are kept, the second begun 256 labels after the first: when the first
/// has seen 512 it goes, and the second takes its place. So a head that has lived through thousands of labels, and one that is made anew
/// from the last few hundred, are the same to the bit.
///
/// # Source
/// West, Harrison and Migon, "Dynamic Generalized Linear Models and Bayesian Forecasting", JASA 80, 1985, section 2 (linearised update).
pub struct Adapt {
    from: usize,
    /// The head in use, and the one that will follow it.
    heads: [Head; 2],
    /// Labels of this log so far, those passed over included.
    labels: u64,
    at: Workspace,
    item: Vec<f32>,
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
        Self::after(layout, ranker, 0)
    }

    /// The head of a log of which `passed` labels, a number that [`first_label`] gave, are passed over.
    pub fn after(layout: &Layout, ranker: &Ranker, passed: u64) -> Self {
        let width = (layout.len() - layout.user_len() + 1).min(Prior::MOST_FEATURES);
        Self {
            from: layout.user_len(),
            heads: [Head::new(width), Head::new(width)],
            labels: passed,
            at: ranker.workspace(),
            item: vec![0.0; ranker.item_len()],
            input: vec![0.0; width],
        }
    }

    /// Labels of this log so far, those passed over included.
    pub const fn labels(&self) -> u64 {
        self.labels
    }

    /// Labels that the head rests on.
    pub const fn learned(&self) -> u64 {
        self.labels - first_label(self.labels)
    }

    /// The mixing weights of the frozen model and of the head.
    pub fn trust(&self) -> [f64; 2] {
        let mut weights = [1.0, 0.0];
        if let Some(mixture) = &self.heads[0].mixture {
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

    /// The logit of a pair as this user's own history corrects it.
    pub fn score(&mut self, logit_frozen: f32, dense: &[f32]) -> f32 {
        if self.learned() == 0 {
            return logit_frozen;
        }
        self.read(dense);
        let both = self.heads[0].forecasts(logit_frozen, &self.input);
        self.heads[0].mixture.as_ref().map_or(logit_frozen, |mixture| logit(mixture.forecast(&both)))
    }

    /// Learns from one matured label of the schema's first kind; others are for the lab.
    pub fn learn(&mut self, ranker: &Ranker, example: &Example<'_>) {
        if example.label != 0 {
            return;
        }
        ranker.score_item(example.wire, &mut example.words.iter().copied(), &mut self.item);
        ranker.score_user(&mut self.at, example.dense, example.recent);
        let frozen = ranker.score_pair(&mut self.at, &self.item, example.dense);
        self.read(example.dense);
        let first = first_label(self.labels);
        let follows = self.labels >= first + LABELS_MOST / 2;
        let [head, next] = &mut self.heads;
        head.learn(frozen, &self.input, example.positive);
        if follows {
            next.learn(frozen, &self.input, example.positive);
        }
        self.labels += 1;
        if first_label(self.labels) != first {
            let fresh = Head::new(self.input.len());
            self.heads.swap(0, 1);
            self.heads[1] = fresh;
        }
    }

    /// Writes the heads in one form only.
    pub fn encode(&self, out: &mut Writer) {
        out.varint(self.labels);
        for head in &self.heads {
            for part in [head.model.as_ref().map(BayesLinear::encode), head.mixture.as_ref().map(Mixture::encode)] {
                let part = part.unwrap_or_default();
                out.count(part.len());
                out.raw(&part);
            }
        }
    }

    /// Reads what [`Adapt::encode`] wrote.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn decode(layout: &Layout, ranker: &Ranker, bytes: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut adapt = Self::after(layout, ranker, bytes.varint());
        let width = adapt.input.len();
        for head in &mut adapt.heads {
            let n = bytes.count();
            let part = bytes.raw(n);
            if let Some(prior) = prior(width) {
                head.model = Some(BayesLinear::decode(prior, part).map_err(|_| Malformed)?);
            }
            let n = bytes.count();
            let part = bytes.raw(n);
            if let Ok(fresh) = Mixture::new(&TRUST, 1.0) {
                head.mixture = Some(Mixture::decode(fresh, part).map_err(|_| Malformed)?);
            }
        }
        Ok(adapt)
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use crate::schema::Schema;

    #[test]
    fn the_labels_are_forgotten_in_halves() {
        let first: Vec<u64> = [0, 1, 255, 256, 511, 512, 767, 768, 4_096].map(first_label).to_vec();
        assert_eq!(first, [0, 0, 0, 0, 0, 256, 256, 512, 3_840]);
    }

    #[test]
    fn a_head_made_anew_from_the_last_labels_is_the_one_that_lived_through_all() {
        let schema = Schema::open(
            r#"{ "space": "shop", "fields": { "tags": { "kind": "tags" } },
                 "actions": { "impression": { "role": "impression" }, "open": { "weight": 1 } },
                 "labels": { "click": { "positive": ["open"] } } }"#,
        )
        .unwrap();
        let layout = Layout::new(&schema);
        let ranker = Ranker::starter(&layout);
        let dense: Vec<Vec<f32>> = (0..1_600u32)
            .map(|i| (0..layout.len() as u32).map(|j| ((i * 31 + j * 17) % 13) as f32 / 13.0).collect())
            .collect();
        let example = |i: usize| Example {
            label: 0,
            positive: i.is_multiple_of(3),
            dense: &dense[i],
            wire: 1,
            words: &[],
            recent: crate::features::memory::Recent::default(),
            at_ms: 0,
            earlier: 0,
            position: None,
        };
        let bytes = |adapt: &Adapt| {
            let mut out = Writer::new();
            adapt.encode(&mut out);
            out.into_bytes()
        };
        let mut live = Adapt::new(&layout, &ranker);
        for count in 0..=dense.len() {
            if [0, 1, 300, 511, 512, 513, 1_023, 1_024, 1_600].contains(&count) {
                let first = first_label(count as u64);
                let mut fresh = Adapt::after(&layout, &ranker, first);
                (first as usize..count).for_each(|i| fresh.learn(&ranker, &example(i)));
                assert_eq!(bytes(&fresh), bytes(&live), "after {count} labels");
                assert_eq!(fresh.learned(), (count as u64) - first);
            }
            if count < dense.len() {
                live.learn(&ranker, &example(count));
            }
        }
    }
}
