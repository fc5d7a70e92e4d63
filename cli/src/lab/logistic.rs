//! Logistic regression over the fold's features, with the engine's own forward pass.
//!
//! Minimised is the penalised negative log-likelihood of the training rows,
//!
//! ```text
//! Σ_i loss(logit_i, label_i) + l2 / 2 · |weight|² + l2_hashed / 2 · |hashed|²
//! ```
//!
//! so a bucket with few examples stays near zero, and the penalties do not change their meaning with the size of a batch.

use super::dataset::Split;
use super::examples::{Examples, progress};
use super::metrics::log_loss;
use anyhow::{Context as _, bail};
use zhiji::block::Wide;
use zhiji::rng::Rng;

/// How steps are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Optimiser {
    /// Plain stochastic gradient descent.
    Sgd,
    /// Steps divided by the root of the summed squares of the gradients (Duchi, Hazan and Singer 2011).
    Adagrad,
    /// Moving averages of gradient and square, corrected for their start (Kingma and Ba 2015); sparse weights are moved when they occur.
    Adam,
}

/// What a training is asked to do.
#[derive(Clone, Debug)]
pub struct Options {
    /// Fields whose values get a weight each; see [`super::examples::ID_FIELD`].
    pub hashed: Vec<u16>,
    /// Buckets of the hashed table, a power of two; unused without hashed fields.
    pub buckets: usize,
    /// Passes over the training rows, at most.
    pub epochs: usize,
    /// Rows in one step.
    pub batch: usize,
    /// Length of a step; falls linearly to a tenth over the epochs.
    pub rate: f32,
    /// Penalty of the dense weights.
    pub l2: f32,
    /// Penalty of the hashed weights.
    pub l2_hashed: f32,
    /// Epochs without a better validation loss before training stops.
    pub patience: usize,
    /// How steps are taken.
    pub optimiser: Optimiser,
    /// The seed of the order of the rows.
    pub seed: u64,
}

/// A trained model: which features it reads, and the block.
#[derive(Clone, Debug)]
pub struct Trained {
    /// Places in the layout of the features that vary; the others would only divide by zero.
    pub picks: Vec<usize>,
    /// The weights.
    pub wide: Wide,
    /// The epoch they were taken from, counted from 1.
    pub epoch: usize,
    /// Mean loss of the training rows, penalties aside.
    pub train_loss: f64,
    /// Mean loss of the validation rows, where there are any.
    pub valid_loss: Option<f64>,
}

impl Trained {
    /// The features of example `i` that the model reads.
    pub fn gather(&self, examples: &Examples, i: usize, out: &mut Vec<f32>) {
        gather(&self.picks, examples, i, out);
    }
}

fn gather(picks: &[usize], examples: &Examples, i: usize, out: &mut Vec<f32>) {
    let dense = examples.dense(i);
    out.clear();
    out.extend(picks.iter().map(|&p| dense[p]));
}

/// Moments of one weight.
#[derive(Clone, Copy, Debug, Default)]
struct Moments {
    first: f32,
    second: f32,
    steps: f32,
    /// Decays of the two moments, raised to `steps`.
    powers: (f32, f32),
}

impl Optimiser {
    /// What is to be subtracted from a weight with this gradient.
    fn delta(self, moments: &mut Moments, gradient: f32, rate: f32) -> f32 {
        const FIRST: f32 = 0.9;
        const SECOND: f32 = 0.999;
        match self {
            Self::Sgd => rate * gradient,
            Self::Adagrad => {
                moments.second += gradient * gradient;
                rate * gradient / (moments.second.sqrt() + 1e-6)
            }
            Self::Adam => {
                if moments.steps == 0.0 {
                    moments.powers = (1.0, 1.0);
                }
                moments.steps += 1.0;
                moments.powers = (moments.powers.0 * FIRST, moments.powers.1 * SECOND);
                moments.first = FIRST * moments.first + (1.0 - FIRST) * gradient;
                moments.second = SECOND * moments.second + (1.0 - SECOND) * gradient * gradient;
                let first = moments.first / (1.0 - moments.powers.0);
                let second = moments.second / (1.0 - moments.powers.1);
                rate * first / (second.sqrt() + 1e-6)
            }
        }
    }
}

/// Means and deviations of the features that vary over `rows`.
fn standardise(examples: &Examples, rows: &[usize]) -> (Vec<usize>, Vec<f32>, Vec<f32>) {
    let n = rows.len().max(1) as f64;
    let (mut picks, mut means, mut scales) = (Vec::new(), Vec::new(), Vec::new());
    for j in 0..examples.width {
        let value = |&i: &usize| f64::from(examples.dense(i)[j]);
        let mean = rows.iter().map(value).sum::<f64>() / n;
        let variance = rows.iter().map(|i| (value(i) - mean) * (value(i) - mean)).sum::<f64>() / n;
        let scale = variance.sqrt();
        if scale > 1e-6 {
            picks.push(j);
            means.push(mean as f32);
            scales.push(scale as f32);
        }
    }
    (picks, means, scales)
}

struct Trainer<'a> {
    examples: &'a Examples,
    options: &'a Options,
    picks: Vec<usize>,
    wide: Wide,
    dense: Vec<Moments>,
    bias: Moments,
    hashed: Vec<Moments>,
    /// How many training rows meet each bucket.
    counts: Vec<f32>,
}

/// Fits the weights to the rows of [`Split::Train`]; where there are rows of [`Split::Valid`], the epoch that did best on them is taken.
///
/// Single-threaded and seeded: the same examples and options give the same bits.
///
/// # Errors
/// Where there is nothing to learn from, or the loss leaves the finite numbers (lower the learning rate).
pub fn train(examples: &Examples, options: &Options) -> anyhow::Result<Trained> {
    let rows = examples.of(Split::Train);
    let valid = examples.of(Split::Valid);
    let positives = rows.iter().filter(|&&i| examples.positive[i]).count();
    if positives == 0 || positives == rows.len() {
        bail!("{} training examples, {positives} of them positive: there is nothing to tell apart", rows.len());
    }
    if let Some(i) = (0..examples.len()).find(|&i| examples.dense(i).iter().any(|x| !x.is_finite())) {
        bail!("a feature of example {i} is not a finite number; this is a fault of the fold");
    }
    let mut trainer = Trainer::new(examples, options, &rows, positives)?;
    let mut order = rows.clone();
    let bar = progress((order.len() * options.epochs) as u64, "examples");
    let mut best: Option<Trained> = None;
    let mut seed = [0u8; 32];
    seed[..8].copy_from_slice(&options.seed.to_le_bytes());
    let mut rng = Rng::derive(&seed, "training order", &[]);
    for epoch in 1..=options.epochs {
        for i in (1..order.len()).rev() {
            order.swap(i, rng.below(i as u32 + 1) as usize);
        }
        let progress = (epoch - 1) as f32 / options.epochs.max(1) as f32;
        let rate = options.rate * (1.0 - 0.9 * progress);
        for batch in order.chunks(options.batch.max(1)) {
            trainer.step(batch, rate, rows.len());
            bar.inc(batch.len() as u64);
        }
        let train_loss = trainer.mean_loss(&rows);
        let valid_loss = (!valid.is_empty()).then(|| trainer.mean_loss(&valid));
        if !train_loss.is_finite() {
            bail!("the loss is not finite after epoch {epoch}; lower --learning-rate");
        }
        bar.set_message(match valid_loss {
            Some(valid) => format!("epoch {epoch}: loss {train_loss:.4}, valid {valid:.4}"),
            None => format!("epoch {epoch}: loss {train_loss:.4}"),
        });
        let better = match (&best, valid_loss) {
            (Some(best), Some(now)) => best.valid_loss.is_none_or(|before| now < before),
            _ => true,
        };
        if better {
            let (picks, wide) = (trainer.picks.clone(), trainer.wide.clone());
            best = Some(Trained { picks, wide, epoch, train_loss, valid_loss });
        } else if best.as_ref().is_some_and(|b| epoch - b.epoch >= options.patience) {
            break;
        }
    }
    bar.finish_and_clear();
    best.context("there must be at least one epoch")
}

impl<'a> Trainer<'a> {
    fn new(examples: &'a Examples, options: &'a Options, rows: &[usize], positives: usize) -> anyhow::Result<Self> {
        let (picks, means, scales) = standardise(examples, rows);
        let odds = positives as f64 / (rows.len() - positives) as f64;
        let n = picks.len();
        let buckets = if options.hashed.is_empty() { 0 } else { options.buckets };
        let bias = zhiji::kernel::math::ln_f64(odds) as f32;
        let wide = Wide::new(bias, vec![0.0; n], means, scales, vec![0.0; buckets])?;
        let mut counts = vec![0.0; buckets];
        let mut keys = Vec::new();
        if buckets > 0 {
            for &i in rows {
                examples.keys(i, &options.hashed, &mut keys);
                keys.iter().for_each(|key| counts[wide.bucket(*key)] += 1.0);
            }
        }
        Ok(Self {
            examples,
            options,
            picks,
            wide,
            dense: vec![Moments::default(); n],
            bias: Moments::default(),
            hashed: vec![Moments::default(); buckets],
            counts,
        })
    }

    fn step(&mut self, batch: &[usize], rate: f32, rows: usize) {
        let mut gradient = vec![0.0f32; self.picks.len()];
        let mut by_bucket: Vec<(usize, f32)> = Vec::new();
        let (mut residuals, mut dense, mut keys) = (0.0f32, Vec::new(), Vec::new());
        for &i in batch {
            gather(&self.picks, self.examples, i, &mut dense);
            self.examples.keys(i, &self.options.hashed, &mut keys);
            let label = if self.examples.positive[i] { 1.0 } else { 0.0 };
            let residual = self.wide.gradient(&dense, &keys, label, &mut gradient);
            residuals += residual;
            by_bucket.extend(keys.iter().map(|key| (self.wide.bucket(*key), residual)));
        }
        let (n, options) = (batch.len() as f32, self.options);
        let counts = &self.counts;
        let weights = self.wide.weights_mut();
        *weights.bias -= options.optimiser.delta(&mut self.bias, residuals / n, rate);
        for ((weight, moments), sum) in weights.weight.iter_mut().zip(&mut self.dense).zip(&gradient) {
            let slope = sum / n + options.l2 * *weight / rows as f32;
            *weight -= options.optimiser.delta(moments, slope, rate);
        }
        // Stable: the residuals of one bucket are summed in the order of the rows.
        by_bucket.sort_by_key(|(bucket, _)| *bucket);
        for group in by_bucket.chunk_by(|a, b| a.0 == b.0) {
            let bucket = group[0].0;
            let weight = &mut weights.hashed[bucket];
            // The penalty of a bucket is spread over the rows that meet it.
            let penalty = options.l2_hashed * *weight * group.len() as f32 / counts[bucket].max(1.0);
            let slope = group.iter().map(|(_, residual)| residual).sum::<f32>() + penalty;
            *weight -= options.optimiser.delta(&mut self.hashed[bucket], slope, rate);
        }
    }

    fn mean_loss(&self, rows: &[usize]) -> f64 {
        let (mut dense, mut keys) = (Vec::new(), Vec::new());
        let mut sum = 0.0;
        for &i in rows {
            gather(&self.picks, self.examples, i, &mut dense);
            self.examples.keys(i, &self.options.hashed, &mut keys);
            let wide = &self.wide;
            let logit = wide.logit(wide.score_user(), wide.score_item(&keys), wide.score_pair(&dense));
            sum += log_loss(logit, self.examples.positive[i]);
        }
        sum / rows.len().max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::super::examples::{ID_FIELD, NewExample};
    use super::*;

    /// Labels drawn from a known model: `logit = 1.5 · z0 − z1 + (item even: 0.8, odd: −0.8) − 0.5`, and a third feature that says nothing.
    fn planted(n: usize) -> Examples {
        let mut rng = Rng::derive(&[7; 32], "planted", &[]);
        let mut examples = Examples::new(4);
        for i in 0..n {
            let z: Vec<f32> = (0..3).map(|_| (0..12).map(|_| rng.uniform()).sum::<f32>() - 6.0).collect();
            let item = u64::from(rng.below(20));
            let own = if item.is_multiple_of(2) { 0.8 } else { -0.8 };
            let logit = 1.5 * z[0] - z[1] + own - 0.5;
            let positive = rng.uniform() < zhiji::kernel::math::sigmoid(logit);
            // The features come in other units, and one is constant.
            let dense = [10.0 + 4.0 * z[0], -3.0 + 0.5 * z[1], z[2], 7.0];
            let split = if i % 5 == 0 { Split::Valid } else { Split::Train };
            let wire = zhiji::schema::hash64(&item.to_le_bytes());
            examples.push(&NewExample { dense: &dense, words: &[], wire, positive, user: 0, earlier: 0, split });
        }
        examples
    }

    fn options(optimiser: Optimiser, rate: f32) -> Options {
        Options {
            hashed: vec![ID_FIELD],
            buckets: 1024,
            epochs: 12,
            batch: 64,
            rate,
            l2: 1.0,
            l2_hashed: 1.0,
            patience: 3,
            optimiser,
            seed: 1,
        }
    }

    #[test]
    fn planted_weights_are_recovered_by_every_optimiser() {
        let examples = planted(20_000);
        for (optimiser, rate) in [(Optimiser::Sgd, 0.05), (Optimiser::Adagrad, 0.1), (Optimiser::Adam, 0.01)] {
            let model = train(&examples, &options(optimiser, rate)).expect("trained");
            assert_eq!(model.picks, [0, 1, 2], "{optimiser:?}: the constant feature is left out");
            for (found, planted) in model.wide.weight().iter().zip([1.5, -1.0, 0.0]) {
                assert!((found - planted).abs() < 0.15, "{optimiser:?}: {found} is not {planted}");
            }
            let own = |item: u64| model.wide.score_item(&[zhiji::schema::hash64(&item.to_le_bytes())]);
            let even: f32 = (0..20).step_by(2).map(own).sum::<f32>() / 10.0;
            let odd: f32 = (1..20).step_by(2).map(own).sum::<f32>() / 10.0;
            assert!((even - odd - 1.6).abs() < 0.3, "{optimiser:?}: items differ by {}", even - odd);
        }
    }

    #[test]
    fn the_seed_decides_every_bit() {
        let examples = planted(2_000);
        let one = train(&examples, &options(Optimiser::Adam, 0.01)).expect("trained");
        let two = train(&examples, &options(Optimiser::Adam, 0.01)).expect("trained");
        assert_eq!(one.wide, two.wide);
        let other = train(&examples, &Options { seed: 2, ..options(Optimiser::Adam, 0.01) }).expect("trained");
        assert_ne!(one.wide, other.wide);
    }

    #[test]
    fn a_strong_penalty_shrinks() {
        let examples = planted(4_000);
        let options = options(Optimiser::Adam, 0.01);
        let free = train(&examples, &options).expect("trained");
        let held = train(&examples, &Options { l2: 3_000.0, ..options.clone() }).expect("trained");
        assert!(held.wide.weight()[0] < 0.5 * free.wide.weight()[0]);
        let size = |model: &Trained| model.wide.hashed().iter().map(|w| w * w).sum::<f32>();
        let held = train(&examples, &Options { l2_hashed: 1_000.0, ..options }).expect("trained");
        assert!(size(&held) < 0.25 * size(&free), "{} is not far below {}", size(&held), size(&free));
    }

    #[test]
    fn one_class_is_nothing_to_learn_from() {
        let mut examples = planted(100);
        examples.positive.fill(true);
        assert!(train(&examples, &options(Optimiser::Adam, 0.01)).is_err());
    }

    #[test]
    fn a_feature_that_is_not_finite_is_refused() {
        let mut examples = planted(100);
        examples.dense[5] = f32::NAN;
        assert!(train(&examples, &options(Optimiser::Adam, 0.01)).is_err());
    }
}
