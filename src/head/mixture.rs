//! Expert weights by running log-loss.

use super::{HeadError, take_f64, take_u64};
use crate::kernel::math;
use alloc::vec::Vec;

/// A mixture of probability forecasters, each weighted by how well it has done so far, and lately above all.
///
/// With the prior weights `π` and a share `α`, the mixture forecasts `p = Σ wᵢ pᵢ`; a label `y`, to which expert `i` had given the probability
/// `pᵢ(y)`, changes the weights by Bayes' rule, and a share of all weight is dealt out anew:
///
/// ```text
/// wᵢ ← (1 − α) · wᵢ pᵢ(y) / Σⱼ wⱼ pⱼ(y) + α · πᵢ,       w = π at first
/// ```
///
/// On **every** sequence of labels, whoever chose it, over any stretch of `n` labels, for every expert `i`, in nats,
///
/// ```text
/// loss of the mixture ≤ loss of i + ln(1 / wᵢ) + n · ln(1 / (1 − α))
/// ```
///
/// with `wᵢ` the weight at the start of the stretch, which is `πᵢ` at the beginning and at least `α πᵢ` ever after
/// ([`regret_bound`](Mixture::regret_bound)). For, the normalisers `Σ wⱼ pⱼ(y)` multiply to the probability that the mixture gave to the
/// labels, and no step leaves expert `i` less than `(1 − α) wᵢ pᵢ(y)` over the normaliser. So an expert that was right for long and turns
/// bad at the worst moment is left within a few labels, and with the frozen model as one expert learning can cost no more than that constant.
///
/// Forecasts are first brought into `[2⁻²⁰, 1 − 2⁻²⁰]`, as seen by the bound too, so that one wrong certainty costs at most 13.9; a
/// forecast that is not a number counts as ½. The weights are finite and positive whatever happens.
///
/// # Examples
/// ```
/// use zhiji::head::Mixture;
/// let mut mixture = Mixture::new(&[0.5, 0.5], 0.0)?;
/// assert_eq!(mixture.forecast(&[0.2, 0.8]), 0.5);
/// mixture.observe(&[0.2, 0.8], true);
/// assert!((mixture.forecast(&[0.2, 0.8]) - 0.68).abs() < 1e-12);
/// # Ok::<(), zhiji::head::HeadError>(())
/// ```
///
/// # Source
/// Herbster & Warmuth, "Tracking the Best Expert", Machine Learning 32, 1998, sections 4 and 5 (fixed share); for `α = 0` the mixture is that of
/// Vovk, "Aggregating Strategies", COLT 1990, for log-loss, and the bound Cesa-Bianchi & Lugosi's, "Prediction, Learning, and Games", 2006,
/// proposition 3.1.
#[derive(Clone, Debug, PartialEq)]
pub struct Mixture {
    prior: Vec<f64>,
    share: f64,
    weights: Vec<f64>,
}

/// Forecasts keep this distance from 0 and 1.
const MARGIN: f64 = 1.0 / 1_048_576.0;

/// A forecast as the mixture takes it.
pub(crate) fn inside(forecast: f64) -> f64 {
    if forecast.is_nan() { 0.5 } else { forecast.clamp(MARGIN, 1.0 - MARGIN) }
}

impl Mixture {
    /// The most experts a mixture may have.
    pub const MOST_EXPERTS: usize = 16;

    /// A mixture of `prior.len()` experts; `prior` is brought to sum 1, `share` is `α`.
    ///
    /// # Errors
    /// [`HeadError::Size`] for none or more than [`Mixture::MOST_EXPERTS`]; [`HeadError::Range`] for a prior weight that is not
    /// positive and finite, or a share outside `[0, 1)`.
    pub fn new(prior: &[f64], share: f64) -> Result<Self, HeadError> {
        if prior.is_empty() || prior.len() > Self::MOST_EXPERTS {
            return Err(HeadError::Size { size: prior.len(), most: Self::MOST_EXPERTS });
        }
        let mut total = 0.0;
        for weight in prior {
            total += weight;
        }
        let mut shares = Vec::with_capacity(prior.len());
        let mut sound = (0.0..1.0).contains(&share);
        for weight in prior {
            let weight = weight / total;
            sound &= weight > 0.0 && weight <= 1.0;
            shares.push(weight);
        }
        if sound { Ok(Mixture { weights: shares.clone(), prior: shares, share }) } else { Err(HeadError::Range) }
    }

    /// Number of experts.
    pub fn experts(&self) -> usize {
        self.prior.len()
    }

    /// The present weight of each expert; they sum to 1, to rounding.
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// What the mixture's loss over `labels` labels can be above that of `expert` at most, in nats. The stretch begins with the first label, or,
    /// where `anywhere`, with any: without a share that is infinite. For an expert it does not have, 0.
    pub fn regret_bound(&self, expert: usize, labels: u32, anywhere: bool) -> f64 {
        let Some(prior) = self.prior.get(expert) else { return 0.0 };
        let weight = if anywhere { prior * self.share } else { *prior };
        if weight == 0.0 {
            return f64::INFINITY;
        }
        0.0 - math::ln_f64(weight) - f64::from(labels) * math::ln_f64(1.0 - self.share)
    }

    /// The mixture's probability of a positive label, from one forecast per expert; a missing one counts as ½.
    pub fn forecast(&self, forecasts: &[f64]) -> f64 {
        let mut mixed = 0.0;
        for (at, weight) in self.weights.iter().enumerate() {
            mixed += weight * inside(forecasts.get(at).copied().unwrap_or(0.5));
        }
        inside(mixed)
    }

    /// Takes in the label that followed these forecasts.
    pub fn observe(&mut self, forecasts: &[f64], label: bool) {
        let mut sum = 0.0;
        for (at, weight) in self.weights.iter_mut().enumerate() {
            let forecast = inside(forecasts.get(at).copied().unwrap_or(0.5));
            *weight *= if label { forecast } else { 1.0 - forecast };
            sum += *weight;
        }
        for (weight, prior) in self.weights.iter_mut().zip(&self.prior) {
            *weight = (1.0 - self.share) * (*weight / sum) + self.share * prior;
        }
    }

    /// The mixture as canonical bytes, without prior and share: equal mixtures give equal bytes.
    ///
    /// Little-endian: `u64` experts, `f64` weights `[experts]`.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = (self.experts() as u64).to_le_bytes().to_vec();
        for number in &self.weights {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes
    }

    /// The mixture that [`encode`](Mixture::encode) wrote, over the prior and share of `fresh`.
    ///
    /// # Errors
    /// [`HeadError::Malformed`] for any bytes that `encode` cannot have written for this number of experts.
    pub fn decode(fresh: Mixture, mut bytes: &[u8]) -> Result<Self, HeadError> {
        let bytes = &mut bytes;
        let mut mixture = fresh;
        let mut sound = take_u64(bytes)? == mixture.experts() as u64;
        for weight in &mut mixture.weights {
            *weight = take_f64(bytes)?;
            sound &= *weight >= 0.0 && *weight <= 1.0 + 1e-9;
        }
        if bytes.is_empty() && sound { Ok(mixture) } else { Err(HeadError::Malformed) }
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A mixture, its loss and the losses of its experts after every label.
    struct Played {
        mixture: Mixture,
        /// By label; the mixture's own stands last.
        losses: Vec<Vec<f64>>,
    }

    impl Played {
        fn new(prior: &[f64], share: f64) -> Self {
            let mixture = Mixture::new(prior, share).expect("sound");
            Played { losses: vec![vec![0.0; prior.len() + 1]], mixture }
        }

        fn observe(&mut self, forecasts: &[f64], label: bool) {
            let own = self.mixture.forecast(forecasts);
            let mut now = self.losses.last().expect("the zeros").clone();
            for (sum, p) in now.iter_mut().zip(forecasts.iter().copied().chain([own])) {
                let p = inside(p);
                *sum -= math::ln_f64(if label { p } else { 1.0 - p });
            }
            self.losses.push(now);
            self.mixture.observe(forecasts, label);
        }

        /// Over every stretch that begins at one of these labels and ends with the last.
        fn holds_its_bound(&self, from: impl IntoIterator<Item = usize>) {
            let last = self.losses.last().expect("the zeros");
            for from in from {
                let first = &self.losses[from];
                let own = last[last.len() - 1] - first[last.len() - 1];
                for expert in 0..self.mixture.experts() {
                    let labels = (self.losses.len() - 1 - from) as u32;
                    let most = last[expert] - first[expert] + self.mixture.regret_bound(expert, labels, from > 0);
                    assert!(
                        own <= most + 1e-9 * (1.0 + most.abs()),
                        "{own} against expert {expert} from {from}: {most}"
                    );
                }
            }
        }
    }

    proptest! {
        #[test]
        fn no_sequence_costs_more_than_the_bound(
            prior in prop::collection::vec(0.01f64..1.0, 4),
            share in prop::sample::select(vec![0.0, 0.002, 0.1]),
            steps in prop::collection::vec((prop::array::uniform4(0.0f64..=1.0), any::<bool>()), 1..200),
        ) {
            let mut played = Played::new(&prior, share);
            for (forecasts, label) in &steps {
                played.observe(forecasts, *label);
                played.holds_its_bound([0]);
            }
            played.holds_its_bound(0..steps.len());
            prop_assert!((played.mixture.weights().iter().sum::<f64>() - 1.0).abs() < 1e-12);
        }

        #[test]
        fn bytes_come_back_and_nothing_else_is_read(steps in prop::collection::vec((prop::array::uniform2(0.0f64..=1.0), any::<bool>()), 0..20), cut in 0usize..24) {
            let fresh = Mixture::new(&[1.0, 3.0], 0.01).expect("positive weights");
            let mut mixture = fresh.clone();
            for (forecasts, label) in &steps {
                mixture.observe(forecasts, *label);
            }
            let bytes = mixture.encode();
            prop_assert_eq!(&Mixture::decode(fresh.clone(), &bytes).expect("its own bytes"), &mixture);
            prop_assert_eq!(Mixture::decode(fresh.clone(), &bytes[..cut]), Err(HeadError::Malformed));
            let other = Mixture::new(&[1.0; 3], 0.01).expect("positive weights");
            prop_assert_eq!(Mixture::decode(other, &bytes), Err(HeadError::Malformed));
        }
    }

    /// An adversary who sees the mixture's weights and always picks the label that hurts it most, while the experts take turns
    /// in being right.
    #[test]
    fn an_adversary_gains_no_more_than_the_bound() {
        for share in [0.0, 1.0 / 512.0] {
            let mut played = Played::new(&[0.7, 0.1, 0.1, 0.1], share);
            for step in 0..2_000u32 {
                let sure = [0.02, 0.98, 0.35, 0.999_999];
                let turn = (step / 7) as usize;
                let forecasts: [f64; 4] = core::array::from_fn(|i| sure[(i + turn) % 4]);
                let label = played.mixture.forecast(&forecasts) < 0.5;
                played.observe(&forecasts, label);
                played.holds_its_bound([0]);
            }
            played.holds_its_bound((0..2_000).step_by(37));
        }
    }

    /// The worst moment: the second expert is right for as long as it takes to be trusted wholly, and wrong from then on.
    #[test]
    fn an_expert_that_turns_is_left_within_a_few_labels() {
        let mut played = Played::new(&[0.8, 0.2], 1.0 / 512.0);
        (0..1_000).for_each(|_| played.observe(&[0.5, 0.99], true));
        assert!(played.mixture.weights()[1] > 0.99);
        (0..100).for_each(|_| played.observe(&[0.5, 0.99], false));
        played.holds_its_bound([0, 500, 999, 1_000, 1_001, 1_050]);
        let losses = &played.losses;
        let cost = losses[1_100][2] - losses[1_000][2] - (losses[1_100][0] - losses[1_000][0]);
        assert!(cost < 7.0, "{cost} nats lost to one who turned");
    }

    /// One who says each time the opposite of what will be.
    #[test]
    fn a_constant_liar_costs_what_its_prior_is_worth() {
        let mut played = Played::new(&[0.2, 0.8], 1.0 / 512.0);
        for step in 0..512u32 {
            let label = step % 3 == 0;
            played.observe(&[0.5, if label { 0.0 } else { 1.0 }], label);
        }
        played.holds_its_bound([0]);
        let last = &played.losses[512];
        assert!(last[2] - last[0] < 2.62, "ln 5 and one nat for the shares: {}", last[2] - last[0]);
    }

    #[test]
    fn the_weight_moves_to_the_expert_that_is_right() {
        let mut mixture = Mixture::new(&[0.99, 0.01], 0.0).expect("positive weights");
        for step in 0..100 {
            let label = step % 3 == 0;
            mixture.observe(&[0.5, if label { 0.9 } else { 0.1 }], label);
        }
        assert!(mixture.weights()[1] > 0.999, "{:?}", mixture.weights());
        assert!((mixture.regret_bound(1, 100, false) - 4.605_170_185_988_091).abs() < 1e-12);
        assert_eq!(mixture.regret_bound(1, 100, true), f64::INFINITY);
    }

    #[test]
    fn impossible_forecasts_and_numbers_do_no_harm() {
        let mut played = Played::new(&[1.0, 1.0], 0.002);
        for _ in 0..1_000 {
            played.observe(&[f64::NAN, f64::INFINITY], false);
        }
        played.holds_its_bound([0, 17]);
        let fresh = Mixture::new(&[1.0, 1.0], 0.0).expect("positive weights");
        assert_eq!(fresh.forecast(&[]), 0.5);
        assert!((fresh.forecast(&[f64::NAN, 0.9]) - 0.7).abs() < 1e-12, "one bad expert leaves the other its say");
        assert!(fresh.forecast(&[9.0, 0.5]) < 0.75);
    }

    #[test]
    fn unsound_mixtures_are_refused() {
        assert_eq!(Mixture::new(&[], 0.0), Err(HeadError::Size { size: 0, most: 16 }));
        for (prior, share) in
            [([1.0, 0.0], 0.0), ([1.0, f64::NAN], 0.0), ([1.0, -0.5], 0.0), ([1.0; 2], 1.0), ([1.0; 2], -0.1)]
        {
            assert_eq!(Mixture::new(&prior, share), Err(HeadError::Range), "{prior:?} {share}");
        }
        assert_eq!(Mixture::new(&[1.0; 2], f64::NAN), Err(HeadError::Range));
    }
}
