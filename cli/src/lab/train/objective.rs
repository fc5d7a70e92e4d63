//! What is minimised: losses of logits, the items that are drawn against those that were taken, and the place where an item was shown.

use super::settings::{Loss, Negatives, Settings};
use crate::lab::examples::{Catalogue, Chunk, NO_POSITION};
use crate::lab::network::Task;
use crate::lab::network::params::{Gradients, Tensor};
use crate::lab::network::pass::{Batch, Noise};
use crate::lab::network::wide;
use crate::lab::prefetch::AHEAD;
use anyhow::bail;
use zhiji::kernel::math;

/// Places of a slate that are told apart; those beyond count as the last.
pub const PLACES: usize = 64;

/// Draws items with given weights in constant time.
///
/// # Source
/// Walker, "An Efficient Method for Generating Discrete Random Variables with General Distributions", ACM TOMS 3, 1977; filled as in Vose 1991.
#[derive(Clone, Debug, Default)]
struct Alias {
    share: Vec<f32>,
    other: Vec<u32>,
    log_chance: Vec<f32>,
}

impl Alias {
    fn new(weights: &[f64]) -> Self {
        let (n, total) = (weights.len(), weights.iter().sum::<f64>());
        let log_chance = weights.iter().map(|w| math::ln_f64(w / total) as f32).collect();
        let mut scaled: Vec<f64> = weights.iter().map(|w| w * n as f64 / total).collect();
        let (mut share, mut other) = (vec![1.0; n], (0..n as u32).collect::<Vec<_>>());
        let (mut small, mut large): (Vec<usize>, Vec<usize>) = (0..n).partition(|at| scaled[*at] < 1.0);
        while let (Some(less), Some(more)) = (small.pop(), large.last().copied()) {
            share[less] = scaled[less] as f32;
            other[less] = more as u32;
            scaled[more] -= 1.0 - scaled[less];
            if scaled[more] < 1.0 {
                large.pop();
                small.push(more);
            }
        }
        Self { share, other, log_chance }
    }

    fn draw(&self, noise: &mut Noise) -> usize {
        let at = noise.below(self.share.len() as u32) as usize;
        if noise.uniform() < self.share[at] { at } else { self.other[at] as usize }
    }
}

/// A logit that is held against a target of its own.
struct Alone {
    at: usize,
    target: f32,
    weight: f32,
    /// Where among the offsets of places its own is, if it has one.
    place: Option<usize>,
}

wide! {
    /// Writes `ln(1 + eˣ)` and the logistic function of `x` for each of these logits.
    fn logistic(logits: &[f32], losses: &mut [f32], guesses: &mut [f32]) {
        let ((fours, rest), (losses, losses_rest)) = (logits.as_chunks::<4>(), losses.as_chunks_mut::<4>());
        let (guesses, guesses_rest) = guesses.as_chunks_mut::<4>();
        for ((x, loss), guess) in fours.iter().zip(losses).zip(guesses) {
            (*loss, *guess) = (math::softplus_x4(*x), math::sigmoid_x4(*x));
        }
        for ((x, loss), guess) in rest.iter().zip(losses_rest).zip(guesses_rest) {
            (*loss, *guess) = (math::softplus(*x), math::sigmoid(*x));
        }
    }
}

/// The loss of a batch and what it is made of.
#[derive(Clone, Debug)]
pub struct Objective {
    loss: Loss,
    negatives: Negatives,
    draws: usize,
    /// How many items there are.
    items: u32,
    drawn: Vec<u32>,
    alias: Alias,
    log_taken: Vec<f32>,
    weights: Vec<f32>,
    positive_weight: f32,
    /// Place of the tensor of offsets, where there are any.
    pub positions: Option<usize>,
    /// Shares of the places among the training examples.
    shares: Vec<f32>,
    tasks: Vec<usize>,
}

impl Objective {
    /// The objective of these settings.
    ///
    /// # Errors
    /// Where the settings contradict one another: the key is named.
    pub fn new(
        settings: &Settings,
        catalogue: &Catalogue,
        tasks: &[Task],
        (labels, reads_pairs): (usize, bool),
    ) -> anyhow::Result<Self> {
        let drawn = matches!(settings.loss, Loss::Bpr | Loss::Softmax);
        if drawn && reads_pairs {
            bail!(
                "loss: `bpr` and `softmax` draw items of which the log says nothing, so no block may read features of the pair: set `features = []`, or `side = \"user\"`"
            );
        }
        let mut weights = settings.task_weights.clone();
        if weights.is_empty() {
            weights = vec![1.0; labels];
        }
        if weights.len() != labels {
            bail!("task-weights: give one number for each of the {labels} labels");
        }
        let candidates: Vec<u32> = (0u32..).take(catalogue.items.len()).collect();
        let drawn: Vec<u32> = candidates.into_iter().filter(|item| catalogue.shown[*item as usize] > 0.0).collect();
        let alpha = if settings.negatives == Negatives::Uniform { 0.0 } else { f64::from(settings.alpha) };
        let weight = |item: &u32| {
            let taken = f64::from(catalogue.taken[*item as usize].max(0.5));
            math::exp_f64(alpha * math::ln_f64(taken))
        };
        let alias = Alias::new(&drawn.iter().map(weight).collect::<Vec<_>>());
        let all: f64 = catalogue.taken.iter().map(|x| f64::from(x.max(0.5))).sum();
        let log_taken = catalogue.taken.iter().map(|x| math::ln_f64(f64::from(x.max(0.5)) / all) as f32).collect();
        Ok(Self {
            loss: settings.loss,
            negatives: settings.negatives,
            draws: settings.draws,
            items: catalogue.items.len() as u32,
            drawn,
            alias,
            log_taken,
            weights,
            positive_weight: settings.positive_weight,
            positions: None,
            shares: Vec::new(),
            tasks: tasks.iter().map(|task| task.label).collect(),
        })
    }

    /// Learns offsets for the places of slates, those of the training examples being `counts`.
    pub fn with_positions(mut self, tensor: usize, counts: &[f32]) -> Self {
        let total = counts.iter().sum::<f32>().max(1.0);
        (self.positions, self.shares) = (Some(tensor), counts.iter().map(|count| count / total).collect());
        self
    }

    /// Whether examples that were not taken teach nothing by themselves.
    pub const fn draws(&self) -> bool {
        matches!(self.loss, Loss::Bpr | Loss::Softmax)
    }

    fn in_batch(&self) -> bool {
        self.draws() && self.negatives == Negatives::Batch
    }

    fn whole(&self) -> bool {
        self.draws() && self.negatives == Negatives::All
    }

    /// Whether the examples of a batch meet the same items: one another's, or all.
    pub fn shares_items(&self) -> bool {
        self.in_batch() || self.whole()
    }

    /// Writes who meets what for these examples.
    pub fn gather(&self, chunk: &Chunk, examples: &[u32], noise: &mut Noise, batch: &mut Batch) {
        batch.clear();
        batch.users.extend_from_slice(examples);
        if self.whole() {
            batch.items.extend(0..self.items);
            batch
                .pairs
                .extend((0u32..).take(examples.len()).flat_map(|at| (0..self.items).map(move |item| (at, item))));
            return;
        }
        for (at, example) in (0u32..).zip(examples) {
            if let Some(next) = examples.get(at as usize + AHEAD) {
                chunk.prefetch(*next as usize);
            }
            let first = batch.items.len() as u32;
            batch.items.push(chunk.item[*example as usize]);
            if self.in_batch() {
                batch.pairs.extend((0..examples.len() as u32).map(|other| (at, other)));
            } else {
                batch.pairs.push((at, first));
                if self.draws() {
                    for draw in 1..=self.draws as u32 {
                        batch.items.push(self.drawn[self.alias.draw(noise)]);
                        batch.pairs.push((at, first + draw));
                    }
                }
            }
        }
    }

    /// Writes the derivatives of the mean loss over `total` examples by the logits, and returns the sum of the losses.
    pub fn slopes(
        &self,
        (chunk, batch): (&Chunk, &Batch),
        logits: &mut [f32],
        slopes: &mut Vec<f32>,
        (offsets, gradients): (&[Tensor], Option<&mut Gradients>),
        total: usize,
    ) -> f64 {
        slopes.clear();
        slopes.resize(logits.len(), 0.0);
        let (tasks, users) = (self.tasks.len(), batch.users.len());
        let group = batch.pairs.len() / users.max(1);
        let share = 1.0 / total.max(1) as f32;
        let mean = self.positions.map(|tensor| self.mean_offsets(&offsets[tensor]));
        let mut by_place = vec![0.0f32; mean.as_ref().map_or(0, |mean| mean.len() * PLACES)];
        let mut sum = 0.0;
        let mut scratch = Vec::new();
        let (mut alone, mut read) = (Vec::new(), Vec::new());
        for (user, example) in batch.users.iter().enumerate() {
            let example = *example as usize;
            let label = usize::from(chunk.label[example]);
            let positive = chunk.positive[example];
            let weight = self.weights[label] * if positive { self.positive_weight } else { 1.0 };
            let place = chunk.position[example];
            for task in (0..tasks).filter(|task| self.tasks[*task] == label) {
                let at = user * group * tasks + task;
                if self.draws() {
                    let own = match self.negatives {
                        Negatives::All => chunk.item[example] as usize,
                        Negatives::Batch => user,
                        Negatives::Uniform | Negatives::Popularity => 0,
                    };
                    let found = self.ranked(batch, (user, own), group, |pair| logits[at + pair * tasks], &mut scratch);
                    sum += f64::from(weight * found);
                    for (pair, slope) in scratch.iter().enumerate() {
                        slopes[at + pair * tasks] = weight * share * slope;
                    }
                    continue;
                }
                let mut logit = logits[at];
                let mut by = None;
                if let (Some(tensor), Some(mean), true) = (self.positions, &mean, place != NO_POSITION) {
                    let place = label * PLACES + usize::from(place).min(PLACES - 1);
                    logit += offsets[tensor].numbers[place] - mean[label];
                    by = Some(place);
                }
                alone.push(Alone { at, target: f32::from(u8::from(positive)), weight, place: by });
                read.push(logit);
            }
        }
        let (mut losses, mut guesses) = (vec![0.0; read.len()], vec![0.0; read.len()]);
        if self.loss == Loss::Squared {
            guesses.copy_from_slice(&read);
        } else {
            logistic(&read, &mut losses, &mut guesses);
        }
        for ((Alone { at, target, weight, place }, logit), (loss, guess)) in
            alone.iter().zip(&read).zip(losses.iter().zip(&guesses))
        {
            let slope = guess - target;
            let loss = if self.loss == Loss::Squared { 0.5 * slope * slope } else { loss - target * logit };
            sum += f64::from(weight * loss);
            slopes[*at] = weight * share * slope;
            if let Some(place) = place {
                by_place[*place] += slopes[*at];
            }
        }
        if let (Some(tensor), Some(gradients)) = (self.positions, gradients) {
            let into = gradients.whole(tensor).chunks_exact_mut(PLACES);
            for (into, slopes) in into.zip(by_place.chunks_exact(PLACES)) {
                // Offsets are told from their mean, so each draws on all.
                let all = slopes.iter().sum::<f32>();
                for ((into, slope), share) in into.iter_mut().zip(slopes).zip(&self.shares) {
                    *into += slope - share * all;
                }
            }
        }
        sum
    }

    fn mean_offsets(&self, tensor: &Tensor) -> Vec<f32> {
        let of = |row: &[f32]| row.iter().zip(&self.shares).map(|(offset, share)| offset * share).sum();
        tensor.numbers.chunks_exact(PLACES).map(of).collect()
    }

    /// The loss of one example against what was drawn, and its derivatives by the logits.
    fn ranked(
        &self,
        batch: &Batch,
        (user, own): (usize, usize),
        group: usize,
        logit: impl Fn(usize) -> f32,
        slopes: &mut Vec<f32>,
    ) -> f32 {
        slopes.clear();
        slopes.resize(group, 0.0);
        let item = |pair: usize| batch.items[batch.pairs[user * group + pair].1 as usize];
        let taken = item(own);
        // What was drawn by chance though it was taken is no example against itself.
        let against = |pair: &usize| *pair != own && item(*pair) != taken;
        if self.loss == Loss::Bpr {
            let count = (0..group).filter(against).count().max(1) as f32;
            let mut sum = 0.0;
            for pair in (0..group).filter(against) {
                let margin = logit(own) - logit(pair);
                sum += math::softplus(-margin) / count;
                let slope = math::sigmoid(-margin) / count;
                slopes[own] -= slope;
                slopes[pair] += slope;
            }
            return sum;
        }
        let corrected = |pair: usize| {
            if self.in_batch() {
                logit(pair) - self.log_taken[item(pair) as usize]
            } else if pair == own || self.whole() {
                logit(pair)
            } else {
                // `drawn` rises, so an item is found by halves.
                let at = self.drawn.binary_search(&item(pair)).unwrap_or(0);
                logit(pair) - self.alias.log_chance[at] - math::ln(self.draws as f32)
            }
        };
        let own_logit = corrected(own);
        let most = (0..group).filter(against).map(corrected).fold(own_logit, f32::max);
        let mut total = 0.0;
        for pair in (0..group).filter(|pair| *pair == own || against(pair)) {
            slopes[pair] = math::exp(corrected(pair) - most);
            total += slopes[pair];
        }
        slopes.iter_mut().for_each(|x| *x /= total);
        slopes[own] -= 1.0;
        math::ln(total) + most - own_logit
    }
}

#[cfg(test)]
mod tests;
