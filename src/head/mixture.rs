//! Expert weights by running log-loss.

use super::{HeadError, take_f64, take_u64};
use crate::kernel::math;

/// A mixture of probability forecasters, each weighted by how well it has done so far.
///
/// Expert `i` with prior weight `πᵢ` and running log-loss `Lᵢ` has the weight `wᵢ ∝ πᵢ · exp(−η Lᵢ)`; the mixture forecasts `Σ wᵢ pᵢ`.
///
/// Log-loss is exp-concave for `η ≤ 1`, hence on **every** sequence of labels, whoever chose it,
///
/// ```text
/// loss of the mixture ≤ Lᵢ + ln(1 / πᵢ) / η       for every expert i
/// ```
///
/// With the frozen model as one expert, learning on the phone can cost at most that constant over a user's whole life. With `η = 1`
/// the mixture is Bayes' rule over the experts.
///
/// Forecasts are first brought into `[2⁻²⁰, 1 − 2⁻²⁰]`, for the experts' own losses too, so that one wrong certainty costs at most
/// 13.9; a forecast that is not a number counts as ½. A mixture whose losses cease to be finite starts anew and counts a reset.
///
/// # Examples
/// ```
/// use zhiji::head::Mixture;
/// let mut mixture = Mixture::new(&[0.5, 0.5], 1.0)?;
/// assert_eq!(mixture.forecast(&[0.2, 0.8]), 0.5);
/// mixture.observe(&[0.2, 0.8], true);
/// assert!((mixture.forecast(&[0.2, 0.8]) - 0.68).abs() < 1e-12);
/// # Ok::<(), zhiji::head::HeadError>(())
/// ```
///
/// # Source
/// Cesa-Bianchi & Lugosi, "Prediction, Learning, and Games", 2006, section 3.3, proposition 3.1 (exp-concave losses); Freund &
/// Schapire, "A Decision-Theoretic Generalization of On-Line Learning", JCSS 55, 1997 (Hedge).
#[derive(Clone, Debug, PartialEq)]
pub struct Mixture {
    prior: Vec<f64>,
    rate: f64,
    /// Running log-loss of each expert.
    losses: Vec<f64>,
    /// Running log-loss of the mixture itself.
    own: f64,
    observations: u64,
    resets: u64,
}

/// Forecasts keep this distance from 0 and 1.
const MARGIN: f64 = 1.0 / 1_048_576.0;

fn inside(forecast: f64) -> f64 {
    if forecast.is_nan() { 0.5 } else { forecast.clamp(MARGIN, 1.0 - MARGIN) }
}

fn log_loss(forecast: f64, label: bool) -> f64 {
    0.0 - math::ln_f64(if label { forecast } else { 1.0 - forecast })
}

impl Mixture {
    /// The most experts a mixture may have.
    pub const MOST_EXPERTS: usize = 16;

    /// A mixture of `prior.len()` experts; `prior` is brought to sum 1, `rate` is `η`.
    ///
    /// # Errors
    /// [`HeadError::Size`] for none or more than [`Mixture::MOST_EXPERTS`]; [`HeadError::Range`] for a prior weight that is not
    /// positive and finite, or a rate outside `(0, 1]`.
    pub fn new(prior: &[f64], rate: f64) -> Result<Self, HeadError> {
        if prior.is_empty() || prior.len() > Self::MOST_EXPERTS {
            return Err(HeadError::Size { size: prior.len(), most: Self::MOST_EXPERTS });
        }
        let total = prior.iter().fold(0.0, |sum, p| sum + p);
        let prior: Vec<f64> = prior.iter().map(|p| p / total).collect();
        if !total.is_finite() || prior.iter().any(|p| !(*p > 0.0 && *p <= 1.0)) || !(rate > 0.0 && rate <= 1.0) {
            return Err(HeadError::Range);
        }
        let losses = vec![0.0; prior.len()];
        Ok(Mixture { prior, rate, losses, own: 0.0, observations: 0, resets: 0 })
    }

    /// Number of experts.
    pub fn experts(&self) -> usize {
        self.prior.len()
    }

    /// Labels seen since the beginning, or since the last reset.
    pub fn observations(&self) -> u64 {
        self.observations
    }

    /// How often the mixture started anew because a number was no longer finite.
    pub fn resets(&self) -> u64 {
        self.resets
    }

    /// Running log-loss of each expert, in nats.
    pub fn losses(&self) -> &[f64] {
        &self.losses
    }

    /// Running log-loss of the mixture itself, in nats.
    pub fn loss(&self) -> f64 {
        self.own
    }

    /// What the mixture's loss can be above that of `expert` at most: `ln(1 / πᵢ) / η`. For an expert it does not have, 0.
    pub fn regret_bound(&self, expert: usize) -> f64 {
        self.prior.get(expert).map_or(0.0, |p| (0.0 - math::ln_f64(*p)) / self.rate)
    }

    /// Unnormalised weights relative to the best expert, and their sum. No weight can overflow, the sum cannot vanish.
    fn raw_weights(&self) -> ([f64; Self::MOST_EXPERTS], f64) {
        let best = self.losses.iter().fold(f64::INFINITY, |best, loss| if *loss < best { *loss } else { best });
        let mut weights = [0.0; Self::MOST_EXPERTS];
        let mut sum = 0.0;
        for (slot, (prior, loss)) in weights.iter_mut().zip(self.prior.iter().zip(&self.losses)) {
            *slot = prior * math::exp_f64(self.rate * (best - loss));
            sum += *slot;
        }
        (weights, sum)
    }

    /// Writes the present weight of each expert; they sum to 1.
    pub fn weights(&self, out: &mut [f64]) {
        let (weights, sum) = self.raw_weights();
        for (slot, weight) in out.iter_mut().zip(&weights[..self.experts()]) {
            *slot = weight / sum;
        }
    }

    /// The mixture's probability of a positive label, from one forecast per expert; a missing one counts as ½.
    pub fn forecast(&self, forecasts: &[f64]) -> f64 {
        let (weights, sum) = self.raw_weights();
        let forecasts = forecasts.iter().copied().chain(core::iter::repeat(0.5));
        let mixed = weights[..self.experts()].iter().zip(forecasts).fold(0.0, |mixed, (w, p)| mixed + w * inside(p));
        inside(mixed / sum)
    }

    /// Takes in the label that followed these forecasts.
    pub fn observe(&mut self, forecasts: &[f64], label: bool) {
        self.own += log_loss(self.forecast(forecasts), label);
        let forecasts = forecasts.iter().copied().chain(core::iter::repeat(0.5));
        for (loss, forecast) in self.losses.iter_mut().zip(forecasts) {
            *loss += log_loss(inside(forecast), label);
        }
        self.observations += 1;
        if !(self.own.is_finite() && self.losses.iter().all(|loss| loss.is_finite())) {
            self.losses.fill(0.0);
            self.own = 0.0;
            self.observations = 0;
            self.resets += 1;
        }
    }

    /// The mixture as canonical bytes, without prior and rate: equal mixtures give equal bytes.
    ///
    /// Little-endian: `u64` experts, `u64` observations, `u64` resets, `f64` own loss, `f64` losses `[experts]`.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for number in [self.experts() as u64, self.observations, self.resets] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        for number in core::iter::once(self.own).chain(self.losses.iter().copied()) {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes
    }

    /// The mixture that [`encode`](Mixture::encode) wrote, over the prior and rate of `fresh`.
    ///
    /// # Errors
    /// [`HeadError::Malformed`] for any bytes that `encode` cannot have written for this number of experts.
    pub fn decode(fresh: Mixture, mut bytes: &[u8]) -> Result<Self, HeadError> {
        let bytes = &mut bytes;
        let mut mixture = fresh;
        if take_u64(bytes)? != mixture.experts() as u64 {
            return Err(HeadError::Malformed);
        }
        mixture.observations = take_u64(bytes)?;
        mixture.resets = take_u64(bytes)?;
        mixture.own = take_f64(bytes)?;
        for loss in &mut mixture.losses {
            *loss = take_f64(bytes)?;
        }
        let negative = mixture.own < 0.0 || mixture.losses.iter().any(|loss| *loss < 0.0);
        if bytes.is_empty() && !negative { Ok(mixture) } else { Err(HeadError::Malformed) }
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn holds_its_bound(mixture: &Mixture) {
        for (i, loss) in mixture.losses().iter().enumerate() {
            let most = loss + mixture.regret_bound(i);
            assert!(mixture.loss() <= most + 1e-9 * most, "{} against expert {i}: {most}", mixture.loss());
        }
    }

    proptest! {
        #[test]
        fn no_sequence_costs_more_than_the_bound(
            prior in prop::collection::vec(0.01f64..1.0, 4),
            rate in 0.1f64..=1.0,
            steps in prop::collection::vec((prop::array::uniform4(0.0f64..=1.0), any::<bool>()), 1..200),
        ) {
            let mut mixture = Mixture::new(&prior, rate).expect("positive weights");
            for (forecasts, label) in &steps {
                mixture.observe(forecasts, *label);
                holds_its_bound(&mixture);
            }
            let mut weights = [0.0; 4];
            mixture.weights(&mut weights);
            prop_assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        }

        #[test]
        fn bytes_come_back_and_nothing_else_is_read(steps in prop::collection::vec((prop::array::uniform2(0.0f64..=1.0), any::<bool>()), 0..20), cut in 0usize..48) {
            let fresh = Mixture::new(&[1.0, 3.0], 0.5).expect("positive weights");
            let mut mixture = fresh.clone();
            for (forecasts, label) in &steps {
                mixture.observe(forecasts, *label);
            }
            let bytes = mixture.encode();
            prop_assert_eq!(&Mixture::decode(fresh.clone(), &bytes).expect("its own bytes"), &mixture);
            prop_assert_eq!(Mixture::decode(fresh.clone(), &bytes[..cut]), Err(HeadError::Malformed));
            let other = Mixture::new(&[1.0; 3], 0.5).expect("positive weights");
            prop_assert_eq!(Mixture::decode(other, &bytes), Err(HeadError::Malformed));
        }
    }

    /// An adversary who sees the mixture's weights and always picks the label that hurts it most, while the experts take turns
    /// in being right.
    #[test]
    fn an_adversary_gains_no_more_than_the_bound() {
        for rate in [0.25, 1.0] {
            let mut mixture = Mixture::new(&[0.7, 0.1, 0.1, 0.1], rate).expect("positive weights");
            for step in 0..4_000u32 {
                let sure = [0.02, 0.98, 0.35, 0.999_999];
                let turn = (step / 7) as usize;
                let forecasts: [f64; 4] = core::array::from_fn(|i| sure[(i + turn) % 4]);
                let label = mixture.forecast(&forecasts) < 0.5;
                mixture.observe(&forecasts, label);
                holds_its_bound(&mixture);
            }
        }
    }

    #[test]
    fn the_weight_moves_to_the_expert_that_is_right() {
        let mut mixture = Mixture::new(&[0.99, 0.01], 1.0).expect("positive weights");
        for step in 0..100 {
            let label = step % 3 == 0;
            mixture.observe(&[0.5, if label { 0.9 } else { 0.1 }], label);
        }
        let mut weights = [0.0; 2];
        mixture.weights(&mut weights);
        assert!(weights[1] > 0.999, "{weights:?}");
        assert!((mixture.regret_bound(1) - 4.605_170_185_988_091).abs() < 1e-12);
    }

    #[test]
    fn impossible_forecasts_and_numbers_do_no_harm() {
        let mut mixture = Mixture::new(&[1.0, 1.0], 1.0).expect("positive weights");
        for _ in 0..1_000 {
            mixture.observe(&[f64::NAN, f64::INFINITY], false);
        }
        assert!((mixture.losses()[0] - 1_000.0 * core::f64::consts::LN_2).abs() < 1e-9, "not a number counts as ½");
        assert!(mixture.losses()[1] < 13.9 * 1_000.0);
        holds_its_bound(&mixture);
        assert_eq!(mixture.forecast(&[]), 0.5);
        let fresh = Mixture::new(&[1.0, 1.0], 1.0).expect("positive weights");
        assert!((fresh.forecast(&[f64::NAN, 0.9]) - 0.7).abs() < 1e-12, "one bad expert leaves the other its say");
        assert!(fresh.forecast(&[9.0, 0.5]) < 0.75);
        mixture.losses[0] = f64::MAX;
        mixture.own = f64::INFINITY;
        mixture.observe(&[0.5, 0.5], true);
        assert_eq!((mixture.observations(), mixture.resets(), mixture.losses()), (0, 1, &[0.0, 0.0][..]));
    }

    #[test]
    fn unsound_mixtures_are_refused() {
        assert_eq!(Mixture::new(&[], 1.0), Err(HeadError::Size { size: 0, most: 16 }));
        for (prior, rate) in
            [([1.0, 0.0], 1.0), ([1.0, f64::NAN], 1.0), ([1.0, -0.5], 1.0), ([1.0; 2], 1.5), ([1.0; 2], 0.0)]
        {
            assert_eq!(Mixture::new(&prior, rate), Err(HeadError::Range), "{prior:?} {rate}");
        }
    }
}
