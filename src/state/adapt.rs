//! `adapt`: matured labels → the personal head and how far it is trusted. Depends on the bundle; refolded when that changes.

use super::observe::Example;
use crate::bandit::normals;
use crate::bundle::{Head as Form, Workspace};
use crate::codec::{Malformed, Reader, Writer};
use crate::head::{BayesLinear, Mixture, Prior};
use crate::kernel::math::sigmoid_f64;
use crate::rng::Rng;
use crate::score::{Ranker, logit};
use alloc::rc::Rc;
use alloc::vec;
use alloc::vec::Vec;

/// The most labels that a forecast rests on. It rests on at least half as many, once there are so many.
pub const LABELS_MOST: u64 = 512;

/// The share of all trust that is dealt out anew with every label: over the labels of one head's life that costs one nat at most, and
/// whoever was trusted wholly and turns is left after ln(512) nats.
const SHARE: f64 = 1.0 / LABELS_MOST as f64;

/// Number of the first label that the head rests on, after `matured` labels: the labels are forgotten in halves.
pub const fn first_label(matured: u64) -> u64 {
    let half = LABELS_MOST / 2;
    (matured / half).saturating_sub(1) * half
}

/// Room for what a head reads of a pair.
type Input = [f64; Prior::MOST_FEATURES];

/// One personal head and how far it is trusted.
#[derive(Clone, Debug)]
struct Head {
    model: BayesLinear,
    /// Of the frozen and the personal forecast.
    mixture: Mixture,
    /// See [`crate::bundle::Head::gain`].
    gain: f64,
}

impl Head {
    fn new(form: &Form) -> Option<Self> {
        // A trust of 0 is no weight of a mixture: then there is no head.
        let mixture = Mixture::new(&[1.0 - form.trust, form.trust], SHARE).ok()?;
        Some(Self { model: BayesLinear::new(Rc::clone(&form.prior)), mixture, gain: form.gain })
    }

    /// The frozen and the personal forecast, by what the head adds to the logit.
    fn forecasts(&self, logit_frozen: f32, shift: f64) -> [f64; 2] {
        let frozen = f64::from(logit_frozen);
        [sigmoid_f64(frozen), sigmoid_f64(frozen + self.gain * shift)]
    }

    fn learn(&mut self, logit_frozen: f32, input: &[f64], positive: bool) {
        let forecasts = self.forecasts(logit_frozen, self.model.mean(input));
        self.mixture.observe(&forecasts, positive);
        self.model.learn(logit_frozen.into(), input, positive);
    }
}

/// The personal heads: Bayesian linear models, in logits, of what the frozen model leaves unexplained, mixed with it by running log-loss.
///
/// With `z` the frozen logit, `x` what the head reads of the pair ([`Ranker::read_pair`]: a constant, the item's vector, features) and `m` the
/// head's mean, a label is one step on the offset `z` ([`BayesLinear::learn`]). Ranked is by
/// `σ(z + gain · m·x)`, mixed with `σ(z)` ([`Mixture`]): over the life of a head, the first 512 labels or any 512 that follow on a multiple of
/// 256, the log-loss is above that of the frozen model by `ln(1 / (1 − trust)) + 1` nats at most, whatever the labels; over the labels of any
/// stretch within it, by `ln(512)` more.
///
/// A head rests on the last 256 to 511 labels ([`first_label`]). Two are kept, the second begun 256 labels after the first: when the first
/// has seen 512 it goes, and the second takes its place. So a head that has lived through thousands of labels, and one that is made anew
/// from the last few hundred, are the same to the bit.
#[derive(Clone, Debug)]
pub struct Heads {
    /// The head in use, and the one that will follow it; none where the bundle trusts none.
    both: Option<[Head; 2]>,
    /// Labels of this log so far, those passed over included.
    labels: u64,
}

impl Heads {
    /// The heads of a log of which `passed` labels, a number that [`first_label`] gave, are passed over.
    pub fn after(form: &Form, passed: u64) -> Self {
        Self { both: Head::new(form).map(|head| [head.clone(), head]), labels: passed }
    }

    /// The mixing weights of the frozen model and of the head.
    pub fn trust(&self) -> [f64; 2] {
        match &self.both {
            Some([Head { mixture, .. }, _]) => <[f64; 2]>::try_from(mixture.weights()).unwrap_or([1.0, 0.0]),
            None => [1.0, 0.0],
        }
    }

    /// The logit of a pair, of which the head reads `input`.
    pub fn score(&self, logit_frozen: f32, input: &[f64]) -> f32 {
        let Some([head, _]) = &self.both else { return logit_frozen };
        let shift = head.model.mean(input);
        // Nothing to add leaves the bits as they are.
        if shift == 0.0 { logit_frozen } else { logit(head.mixture.forecast(&head.forecasts(logit_frozen, shift))) }
    }

    /// Writes `draws` draws of the weights of the head in use, less their mean, one behind the other.
    pub fn deviate(&self, rng: &mut Rng, draws: usize) -> Vec<f64> {
        let mut all = Vec::new();
        if let Some([head, _]) = &self.both {
            let d = head.model.features();
            let mut drawn = vec![0.0; d];
            all.resize(draws * d, 0.0);
            for out in all.chunks_mut(d) {
                normals(rng, &mut drawn);
                head.model.deviate(&drawn, out);
            }
        }
        all
    }

    /// By how much the logit of a pair, of which the head reads `input`, may be off for want of labels. Writes the standard deviation of what
    /// the head adds or, given draws of [`Heads::deviate`], what each of them adds more; both as far as the head is trusted.
    ///
    /// # Shapes
    /// `out`: one for each draw, or one.
    #[cfg_attr(zhiji_phone, optimize(speed))]
    pub fn spread(&self, input: &[f64], drawn: &[f64], out: &mut [f32]) {
        let Some([head, _]) = &self.both else { return };
        let by = self.trust()[1] * head.gain;
        if drawn.is_empty() {
            out.fill((head.model.variance(input).sqrt() * by.abs()) as f32);
        }
        for (slot, weights) in out.iter_mut().zip(drawn.chunks(head.model.features())) {
            let mut sum = 0.0;
            for (w, x) in weights.iter().zip(input) {
                sum += w * x;
            }
            *slot = (sum * by) as f32;
        }
    }

    /// Learns one label, or counts it where there is no head.
    pub fn learn(&mut self, form: &Form, logit_frozen: f32, input: &[f64], positive: bool) {
        let first = first_label(self.labels);
        self.labels += 1;
        let Some([head, next]) = &mut self.both else { return };
        head.learn(logit_frozen, input, positive);
        if self.labels > first + LABELS_MOST / 2 {
            next.learn(logit_frozen, input, positive);
        }
        if first_label(self.labels) != first {
            core::mem::swap(head, next);
            if let Some(fresh) = Head::new(form) {
                *next = fresh;
            }
        }
    }
}

fn write_part(part: &[u8], out: &mut Writer) {
    out.count(part.len());
    out.raw(part);
}

/// The fold from matured labels to the personal heads.
pub struct Adapt {
    heads: Heads,
    at: Workspace,
    item: Vec<f32>,
}

impl Adapt {
    /// The head before the first label.
    pub fn new(ranker: &Ranker) -> Self {
        Self::after(ranker, 0)
    }

    /// The head of a log of which `passed` labels, a number that [`first_label`] gave, are passed over.
    pub fn after(ranker: &Ranker, passed: u64) -> Self {
        let heads = Heads::after(ranker.head(), passed);
        Self { heads, at: ranker.workspace(), item: vec![0.0; ranker.item_len()] }
    }

    /// Labels of this log so far, those passed over included.
    pub const fn labels(&self) -> u64 {
        self.heads.labels
    }

    /// Labels that the head rests on.
    pub const fn learned(&self) -> u64 {
        self.labels() - first_label(self.labels())
    }

    /// The mixing weights of the frozen model and of the head.
    pub fn trust(&self) -> [f64; 2] {
        self.heads.trust()
    }

    /// The heads.
    pub const fn heads(&self) -> &Heads {
        &self.heads
    }

    /// The logit of a pair as this user's own history corrects it.
    ///
    /// # Shapes
    /// `item`, `dense`: as for [`Ranker::score_pair`].
    #[cfg_attr(zhiji_phone, optimize(speed))]
    pub fn score(&self, ranker: &Ranker, logit_frozen: f32, item: &[f32], dense: &[f32]) -> f32 {
        let mut input: Input = [0.0; Prior::MOST_FEATURES];
        let read = ranker.read_pair(item, dense, &mut input);
        self.heads.score(logit_frozen, &input[..read])
    }

    /// Learns from one matured label of the schema's first kind; others are for the lab.
    #[cfg_attr(zhiji_phone, optimize(speed))]
    pub fn learn(&mut self, ranker: &Ranker, example: &Example<'_>) {
        if example.label != 0 {
            return;
        }
        ranker.score_item(example.wire, example.words, &mut self.item);
        ranker.score_user(&mut self.at, example.dense, example.recent);
        let frozen = ranker.score_pair(&mut self.at, &self.item, example.dense);
        let mut input: Input = [0.0; Prior::MOST_FEATURES];
        let read = ranker.read_pair(&self.item, example.dense, &mut input);
        self.heads.learn(ranker.head(), frozen, &input[..read], example.positive);
    }

    /// Writes the heads in one form only.
    pub fn encode(&self, out: &mut Writer) {
        out.varint(self.labels());
        for head in self.heads.both.iter().flatten() {
            write_part(&head.model.encode(), out);
            write_part(&head.mixture.encode(), out);
        }
    }

    /// Reads what [`Adapt::encode`] wrote.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn decode(ranker: &Ranker, bytes: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut adapt = Self::after(ranker, bytes.varint());
        for head in adapt.heads.both.iter_mut().flatten() {
            let n = bytes.count();
            let model = BayesLinear::decode(Rc::clone(&ranker.head().prior), bytes.raw(n));
            head.model = model.map_err(|_| Malformed)?;
            let n = bytes.count();
            head.mixture = Mixture::decode(head.mixture.clone(), bytes.raw(n)).map_err(|_| Malformed)?;
        }
        Ok(adapt)
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use crate::features::Layout;
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
        let mut live = Adapt::new(&ranker);
        for count in 0..=dense.len() {
            if [0, 1, 300, 511, 512, 513, 1_023, 1_024, 1_600].contains(&count) {
                let first = first_label(count as u64);
                let mut fresh = Adapt::after(&ranker, first);
                (first as usize..count).for_each(|i| fresh.learn(&ranker, &example(i)));
                assert_eq!(bytes(&fresh), bytes(&live), "after {count} labels");
                assert_eq!(fresh.learned(), (count as u64) - first);
            }
            if count < dense.len() {
                live.learn(&ranker, &example(count));
            }
        }
    }

    /// A head of a constant and two numbers.
    fn form(trust: f64) -> Form {
        let prior = Prior::new(&[0.1, 0.0, -0.2], &[0.5, 0.0, 0.0, 0.2, 1.0, 0.0, 0.0, -0.3, 0.8]).unwrap();
        let (features, prior) = (Vec::new(), Rc::new(prior));
        Form { intercept: true, vector: (0, 2), features, prior, gain: 1.5, trust }
    }

    fn input(step: u64) -> [f64; 3] {
        [1.0, ((step * 7) % 11) as f64 / 5.0 - 1.0, ((step * 5) % 13) as f64 / 6.0 - 1.0]
    }

    fn loss(logit: f32, positive: bool) -> f64 {
        let p = crate::head::inside(sigmoid_f64(logit.into()));
        0.0 - crate::kernel::math::ln_f64(if positive { p } else { 1.0 - p })
    }

    /// Whoever chooses the labels: against what is ranked by, against the head, the opposite of what was true so far from the moment at
    /// which the head is trusted most, or lies throughout.
    #[test]
    fn no_labels_make_the_head_cost_more_than_its_bound() {
        type Adversary = fn(step: u64, frozen: f32, personal: f32) -> bool;
        let adversaries: [Adversary; 4] = [
            |_, _, personal| personal < 0.0,
            |_, frozen, personal| personal < frozen,
            |step, _, _| (step % 11 < 6) != (step % 512 >= 250),
            |step, frozen, _| (frozen > 0.0) == step.is_multiple_of(2),
        ];
        for (who, adversary) in adversaries.iter().enumerate() {
            for trust in [0.2, 0.95] {
                let form = form(trust);
                let mut heads = Heads::after(&form, 0);
                let bound = |anywhere, labels| {
                    Mixture::new(&[1.0 - trust, trust], SHARE).unwrap().regret_bound(0, labels, anywhere)
                };
                assert!(bound(false, 512) < 1.01 - crate::kernel::math::ln_f64(1.0 - trust));
                // What is served of one head: the first 512 labels, then 256 of each.
                let (mut cost, mut from) = (0.0, 0);
                for step in 0..2_048u64 {
                    let x = input(step);
                    let frozen = ((step * 3) % 7) as f32 / 2.0 - 1.5;
                    let personal = heads.score(frozen, &x);
                    let positive = adversary(step, frozen, personal);
                    cost += loss(personal, positive) - loss(frozen, positive);
                    heads.learn(&form, frozen, &x, positive);
                    let most = bound(from > 0, (step + 1 - from) as u32);
                    // Ranked is by a logit in single precision.
                    assert!(cost < most + 1e-3, "adversary {who}, trust {trust}: {cost} at {step}, at most {most}");
                    if step >= 511 && (step + 1).is_multiple_of(256) {
                        (cost, from) = (0.0, step + 1);
                    }
                }
            }
        }
    }

    #[test]
    fn a_head_without_trust_is_none_and_counts_its_labels() {
        let form = form(0.0);
        let mut heads = Heads::after(&form, 256);
        (0..300u64).for_each(|step| heads.learn(&form, 0.25, &input(step), true));
        assert_eq!((heads.labels, heads.trust()), (556, [1.0, 0.0]));
        for logit in [0.3f32, 40.0, -1e9] {
            assert_eq!(heads.score(logit, &input(3)).to_bits(), logit.to_bits());
        }
        let (mut spread, drawn) = ([0.0], heads.deviate(&mut Rng::derive(&[1; 32], "none", &[]), 2));
        heads.spread(&input(3), &drawn, &mut spread);
        assert_eq!((drawn.len(), spread), (0, [0.0]), "there is nothing to explore");
    }

    #[test]
    fn draws_spread_as_far_as_the_head_does_not_know() {
        let form = form(0.6);
        let mut heads = Heads::after(&form, 0);
        (0..20).for_each(|step| heads.learn(&form, 0.25, &input(step), step.is_multiple_of(3)));
        let mut rng = Rng::derive(&[1; 32], "spread", &[]);
        let weights = heads.deviate(&mut rng, 8_000);
        for step in [0, 4, 9] {
            let (mut deviation, mut drawn) = ([0.0], vec![0.0; 8_000]);
            heads.spread(&input(step), &[], &mut deviation);
            heads.spread(&input(step), &weights, &mut drawn);
            let square = drawn.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>() / 8_000.0;
            let ratio = square.sqrt() / f64::from(deviation[0]);
            // Five standard errors of a standard deviation: 5 / √(2 n).
            assert!((ratio - 1.0).abs() < 0.04, "{ratio}");
        }
        // What labels have told is known; what stands across it is as it was.
        let deviation = |heads: &Heads, x: &[f64]| {
            let mut out = [0.0];
            heads.spread(x, &[], &mut out);
            f64::from(out[0]) / heads.trust()[1]
        };
        let (along, across) = ([0.0, 1.0, 0.0], [0.0, 0.0, 1.0]);
        let prior = Prior::new(&[0.0; 3], &[0.5, 1.0, 0.8]).unwrap();
        let form = Form { prior: Rc::new(prior), ..form };
        let fresh = Heads::after(&form, 0);
        let mut taught = fresh.clone();
        (0..60u64).for_each(|step| taught.learn(&form, 0.0, &along, step.is_multiple_of(2)));
        assert!(deviation(&taught, &along) < 0.4 * deviation(&fresh, &along));
        let left = deviation(&taught, &across) / deviation(&fresh, &across);
        assert!((left - 1.0).abs() < 1e-6, "{left}");
    }
}
