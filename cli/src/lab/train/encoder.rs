//! What comes next, by a causal encoder: the engine's `sequence` block over vectors of the items that a person met, whose products with the vectors of all
//! items are a softmax. Every place of a sequence asks for the one behind it, so one walk over fifty items learns from fifty examples, which the
//! walk over examples of [`super::train`] cannot.
//!
//! # Source
//! Kang & McAuley, "Self-Attentive Sequential Recommendation", ICDM 2018; with the whole softmax in the place of drawn items: Klenitskiy & Vasilev, "Turning
//! Dross Into Gold Loss: is BERT4Rec really better than SASRec?", RecSys 2023.

use super::optimiser::Stepper;
use super::settings::{Given, Optimiser, Schedule, Settings};
use super::shuffle;
use crate::lab::network::matrix::{add_product, add_rows, add_transposed_product, dot, transpose};
use crate::lab::network::params::{Gradients, Params, Tensor, fill_lists};
use crate::lab::network::pass::Noise;
use crate::lab::network::wide;
use rayon::prelude::*;
use zhiji::block::real::axpy;
use zhiji::block::sequence::gradient::{self, Kept, Parameters};
use zhiji::block::sequence::{Norm, Shape};
use zhiji::kernel::math;

/// Parts of a batch. They do not depend on the threads that take them, so neither do the sums.
const PARTS: usize = 4;
/// Share of each target that is spread over all items.
const SMOOTHING: f32 = 0.05;
/// Deviation of first vectors.
const FIRST: f32 = 0.05;
/// Deviation of first positions.
const FIRST_POSITION: f32 = 0.02;
/// How often an encoder is judged on its way.
const JUDGED: usize = 5;
/// Places of the first two tensors; those of the block follow.
const VECTORS: usize = 0;
const BIAS: usize = 1;

/// How an encoder is fitted where nothing else is asked for: one layer of two heads.
pub fn settings(width: usize, epochs: usize, seed: u64) -> Settings {
    Given {
        dim: Some(width),
        epochs: Some(epochs),
        batch: Some(16),
        optimiser: Some(Optimiser::Adam),
        learning_rate: Some(0.004),
        schedule: Some(Schedule::Cosine),
        warm_up: Some(0.02),
        clip: Some(1.0),
        l2: Some(0.0),
        weight_decay: Some(0.05),
        dropout: Some(0.2),
        seed: Some(seed),
        ..Given::default()
    }
    .settings()
}

/// A fitted encoder.
#[derive(Clone, Debug)]
pub struct Encoder {
    /// How the block is put together.
    pub shape: Shape,
    /// The block's weights.
    pub weights: Parameters<f32>,
    /// `[items, width]`, row by row.
    pub vectors: Vec<f32>,
    /// What each item's logit differs by, whoever asks.
    pub bias: Vec<f32>,
}

impl Encoder {
    /// Logits of all items, for a person whose items these are, the newest first; `None` where nothing was met. As on a phone, zeros stand for an item
    /// that is not in the table.
    pub fn logits(&self, recent: &[u32]) -> Option<Vec<f32>> {
        let width = self.shape.dim;
        let newest = &recent[..recent.len().min(self.shape.items)];
        let kept = gradient::forward(&self.shape, &self.weights, &self.read(newest.iter()), &mut |_, _| {});
        let last = kept.out.chunks_exact(width).next_back()?;
        let logit = |(vector, bias): (&[f32], &f32)| dot(vector, last) + bias;
        Some(self.vectors.chunks_exact(width).zip(&self.bias).map(logit).collect())
    }

    /// The vectors of these items, side by side.
    fn read<'i>(&self, items: impl Iterator<Item = &'i u32>) -> Vec<f32> {
        let width = self.shape.dim;
        let zeros = vec![0.0; width];
        let of = |item: &u32| self.vectors.get(*item as usize * width..).and_then(|rest| rest.get(..width));
        items.flat_map(|item| of(item).unwrap_or(&zeros)).copied().collect()
    }
}

/// Fits an encoder to what each person met, in time order, with the settings' width, epochs, steps and dropout; a batch is so many sequences. Now and then
/// `worth` judges it, and the best stays.
///
/// # Shapes
/// `people`: of each the items, below `items`; `places`: how many of the newest are read.
pub fn fit(
    people: &[Vec<u32>],
    (items, places): (usize, usize),
    settings: &Settings,
    worth: &mut dyn FnMut(&Encoder) -> f64,
) -> Encoder {
    let mut noise = Noise::new(settings.seed);
    let mut encoder = first(items, places, settings.dim, &mut noise);
    let mut params = tensors(&mut encoder);
    let own: Vec<usize> = (BIAS + 1..params.len()).collect();
    let mut stepper = Stepper::new(settings, &params);
    let mut workers: Vec<Gradients> = (0..PARTS).map(|_| Gradients::new(&params)).collect();
    let mut best: Option<(f64, Encoder)> = None;
    for epoch in 0..settings.epochs {
        let pieces = cut(people, places, &mut noise);
        for (number, batch) in pieces.chunks(settings.batch).enumerate() {
            let targets: usize = batch.iter().map(|piece| piece.len() - 1).sum();
            let mut turned = Vec::new();
            transpose(&encoder.vectors, (items, settings.dim), &mut turned);
            let walk = noise.word();
            let size = batch.len().div_ceil(PARTS);
            let parts: Vec<_> = (0u64..).zip(batch.chunks(size).zip(&mut workers)).collect();
            let used = parts.len();
            parts.into_par_iter().with_max_len(1).for_each(|(part, (pieces, gradients))| {
                let mut noise = Noise::new(walk ^ part.wrapping_mul(0x9e37_79b9_7f4a_7c15));
                gradients.clear();
                for piece in pieces {
                    encoder.learn(piece, (&turned, targets, settings.dropout), &mut noise, (gradients, &own));
                }
            });
            let done = (epoch as f32 + (number * settings.batch) as f32 / pieces.len() as f32) / settings.epochs as f32;
            let mut gathered: Vec<&mut Gradients> = workers.iter_mut().take(used).collect();
            stepper.step(&mut params, &mut gathered, settings.rate(done), (targets, targets), None);
            encoder.take(&params, &own);
        }
        if (epoch + 1) % settings.epochs.div_ceil(JUDGED) == 0 || epoch + 1 == settings.epochs {
            let found = worth(&encoder);
            if best.as_ref().is_none_or(|(most, _)| found > *most) {
                best = Some((found, encoder.clone()));
            }
        }
    }
    best.map_or(encoder, |(_, best)| best)
}

/// Cuts what people met into sequences of at most `places` items and one more, each beginning with the last of the one before, in a drawn order. Where
/// the first cut falls is drawn too, so that no item is always asked for without what stands before it.
fn cut<'a>(people: &'a [Vec<u32>], places: usize, noise: &mut Noise) -> Vec<&'a [u32]> {
    let mut pieces = Vec::new();
    for own in people {
        let (mut from, mut to) = (0, places);
        if own.len() > places + 1 {
            to = 1 + noise.below(places as u32) as usize;
        }
        while from + 1 < own.len() {
            to = to.min(own.len() - 1);
            pieces.push(&own[from..=to]);
            (from, to) = (to, to + places);
        }
    }
    shuffle(&mut pieces, |n| noise.below(n));
    pieces
}

/// An encoder that has learnt nothing.
fn first(items: usize, places: usize, dim: usize, noise: &mut Noise) -> Encoder {
    let shape = Shape {
        dim,
        heads: if dim.is_multiple_of(2) { 2 } else { 1 },
        inner: dim,
        items: places,
        norm: Norm::Pre,
        from_oldest: false,
        scale: 1.0,
        epsilon: 1e-5,
    };
    let mut drawn =
        |count: usize, deviation: f32| -> Vec<f32> { (0..count).map(|_| deviation * noise.normal()).collect() };
    // Glorot and Bengio, "Understanding the Difficulty of Training Deep Feedforward Neural Networks", AISTATS 2010, equation 16: all matrices have
    // `dim` inputs and `dim` outputs, or stand for three that have.
    let deviation = (1.0 / dim as f32).sqrt();
    let mut matrix = |outputs: usize| [drawn(outputs * dim, deviation), vec![0.0; outputs]];
    let layer = [matrix(3 * dim), matrix(dim), matrix(dim), matrix(dim), norm(dim), norm(dim)];
    let position = drawn(places * dim, FIRST_POSITION);
    let weights = Parameters { position, layers: vec![layer], norm: Some(norm(dim)) };
    Encoder { shape, weights, vectors: drawn(items * dim, FIRST), bias: vec![0.0; items] }
}

fn norm(dim: usize) -> [Vec<f32>; 2] {
    [vec![1.0; dim], vec![0.0; dim]]
}

/// What is learnt, as the optimiser takes it.
fn tensors(encoder: &mut Encoder) -> Params {
    let tensor = |name: &str, numbers: &[f32]| Tensor {
        name: name.into(),
        shape: vec![numbers.len()],
        numbers: numbers.to_vec(),
        sparse: false,
        penalised: !name.ends_with("bias") && !name.contains("norm"),
        frozen: false,
        meetings: Vec::new(),
    };
    let mut all = vec![tensor("vectors", &encoder.vectors), tensor("bias", &encoder.bias)];
    all.extend(encoder.weights.tensors_mut().into_iter().map(|(name, numbers)| tensor(&name, numbers)));
    all
}

impl Encoder {
    /// Takes the weights after a step.
    fn take(&mut self, params: &Params, own: &[usize]) {
        self.vectors.copy_from_slice(&params[VECTORS].numbers);
        self.bias.copy_from_slice(&params[BIAS].numbers);
        fill_lists(params, own, self.weights.tensors_mut().into_iter().map(|(_, list)| list));
    }

    /// Adds the gradient of one sequence's losses, in parts of so many targets; `turned` are the vectors, `[width, items]`.
    fn learn(
        &self,
        piece: &[u32],
        (turned, targets, dropout): (&[f32], usize, f32),
        noise: &mut Noise,
        (gradients, own): (&mut Gradients, &[usize]),
    ) {
        let (width, items) = (self.shape.dim, self.bias.len());
        let asked = piece.len() - 1;
        let read = &piece[..asked];
        let keep = 1.0 - dropout;
        let kept: Kept<f32> =
            gradient::forward(&self.shape, &self.weights, &self.read(read.iter().rev()), &mut |_, mask| {
                if keep < 1.0 {
                    mask.fill_with(|| if noise.uniform() < keep { 1.0 / keep } else { 0.0 });
                }
            });
        let mut slopes = self.bias.repeat(asked);
        add_product(&kept.out, turned, &mut slopes, (asked, width, items));
        foretell(&mut slopes, &piece[1..], 1.0 / targets as f32);
        let mut by_out = vec![0.0; kept.out.len()];
        add_product(&slopes, &self.vectors, &mut by_out, (asked, items, width));
        add_transposed_product(&slopes, &kept.out, gradients.whole(VECTORS), (asked, items, width));
        add_rows(&slopes, gradients.whole(BIAS));
        let (mut into, mut by_vectors) = (self.weights.zeros(), vec![0.0; kept.out.len()]);
        gradient::backward(&self.shape, &self.weights, &kept, &by_out, &mut into, &mut by_vectors);
        let table = gradients.whole(VECTORS);
        for (item, slope) in read.iter().rev().zip(by_vectors.chunks_exact(width)) {
            axpy(1.0, slope, &mut table[*item as usize * width..][..width]);
        }
        gradients.add_lists(own, into.tensors_mut().into_iter().map(|(_, list)| list));
    }
}

wide! {
    /// Makes of the logits of all items, row by row, the derivatives of the cross-entropy of each row's target, `share` of them.
    fn foretell(logits: &mut [f32], targets: &[u32], share: f32) {
        let items = logits.len() / targets.len().max(1);
        for (row, target) in logits.chunks_exact_mut(items.max(1)).zip(targets) {
            let most = row.iter().fold(f32::MIN, |most, x| most.max(*x));
            let (fours, rest) = row.as_chunks_mut::<4>();
            let mut sums = [0.0f32; 4];
            for four in fours {
                *four = math::exp_x4(four.map(|x| x - most));
                sums.iter_mut().zip(&*four).for_each(|(sum, x)| *sum += x);
            }
            let mut sum: f32 = sums.iter().sum();
            for x in rest {
                *x = math::exp(*x - most);
                sum += *x;
            }
            let (scale, spread) = (share / sum, share * SMOOTHING / items as f32);
            row.iter_mut().for_each(|x| *x = *x * scale - spread);
            row[*target as usize] -= share * (1.0 - SMOOTHING);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mean loss of the places of a sequence, each asked for by itself.
    fn loss(encoder: &Encoder, piece: &[u32]) -> f64 {
        let asked = piece.len() - 1;
        let each = (1..=asked).map(|place| {
            let recent: Vec<u32> = piece[..place].iter().rev().copied().collect();
            let logits = encoder.logits(&recent).expect("a past");
            let all: f64 = logits.iter().map(|x| math::exp_f64(f64::from(*x))).sum();
            let own = f64::from(1.0 - SMOOTHING) * f64::from(logits[piece[place] as usize]);
            let spread = f64::from(SMOOTHING) * logits.iter().map(|x| f64::from(*x)).sum::<f64>() / logits.len() as f64;
            math::ln_f64(all) - own - spread
        });
        each.sum::<f64>() / asked as f64
    }

    #[test]
    fn one_walk_has_the_slopes_of_every_place_asked_by_itself() {
        let mut noise = Noise::new(3);
        let mut encoder = first(7, 5, 4, &mut noise);
        encoder.vectors.iter_mut().for_each(|x| *x *= 20.0);
        // An item's place is counted from the newest, which is another one for each place that asks; so all places are alike here.
        let [like, rest @ ..] = encoder.weights.position.as_chunks_mut::<4>().0 else { panic!("no places") };
        rest.iter_mut().for_each(|row| *row = *like);
        let mut params = tensors(&mut encoder);
        let own: Vec<usize> = (BIAS + 1..params.len()).collect();
        let piece = [2, 5, 1, 2, 6];
        let mut gradients = Gradients::new(&params);
        let mut turned = Vec::new();
        transpose(&encoder.vectors, (7, 4), &mut turned);
        encoder.learn(&piece, (&turned, piece.len() - 1, 0.0), &mut noise, (&mut gradients, &own));
        let step = 2e-3;
        for at in (0..params.len()).filter(|at| *at != BIAS + 1) {
            for number in (0..params[at].numbers.len()).step_by(3) {
                let before = params[at].numbers[number];
                let mut moved = |by: f32| {
                    params[at].numbers[number] = before + by;
                    encoder.take(&params, &own);
                    loss(&encoder, &piece)
                };
                let expected = ((moved(step) - moved(-step)) / f64::from(2.0 * step)) as f32;
                moved(0.0);
                let (found, name) = (gradients.whole(at)[number], &params[at].name);
                assert!(
                    (found - expected).abs() < 2e-3 + 0.02 * expected.abs(),
                    "{name} {number}: {found} is not {expected}"
                );
            }
        }
    }

    #[test]
    fn what_follows_is_learnt_by_order_not_by_frequency() {
        // Half of the people go on by one, half by two: the last item alone does not tell which.
        let people: Vec<Vec<u32>> =
            (0..60).map(|n| (0..30).map(|at| (n / 2 + at * (1 + n % 2)) % 12).collect()).collect();
        let mut judged = 0;
        let settings = Settings { learning_rate: 0.02, dropout: 0.1, ..settings(8, 15, 1) };
        let mut fit = |seed| {
            fit(&people, (12, 6), &Settings { seed, ..settings.clone() }, &mut |_| {
                judged += 1;
                f64::from(judged)
            })
        };
        let encoder = fit(1);
        assert_eq!(encoder.vectors, fit(1).vectors, "the same seed");
        for (recent, next) in [([5, 4, 3, 2, 1, 0], 6), ([10, 8, 6, 4, 2, 0], 0), ([0, 11, 10, 9, 8, 7], 1)] {
            let logits = encoder.logits(&recent).expect("a past");
            let best = (0u32..12).max_by(|a, b| logits[*a as usize].total_cmp(&logits[*b as usize]));
            assert_eq!(best, Some(next), "after {recent:?}: {logits:?}");
        }
        assert!(encoder.logits(&[]).is_none());
        assert_eq!(judged, 2 * JUDGED as i32);
    }

    #[test]
    fn sequences_share_their_ends_and_ask_for_every_item_but_the_first() {
        let people = [(0..40).collect::<Vec<u32>>(), vec![7], vec![1, 2, 3]];
        let pieces = cut(&people, 10, &mut Noise::new(4));
        let mut asked: Vec<u32> = pieces
            .iter()
            .filter(|piece| piece.len() > 3 || piece[0] > 3)
            .flat_map(|piece| &piece[1..])
            .copied()
            .collect();
        asked.sort_unstable();
        assert_eq!(asked, (1..40).collect::<Vec<u32>>());
        assert!(pieces.contains(&&people[2][..]) && pieces.iter().all(|piece| (2..=11).contains(&piece.len())));
    }
}
