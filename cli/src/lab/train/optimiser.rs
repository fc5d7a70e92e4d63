//! How steps are taken.
//!
//! A row, or a tensor that is moved whole, depends on nothing else of a step than its own gradients. So tensors are cut into pieces of some rows, each with
//! all that is kept of them, and threads take pieces: every piece adds up what all workers gathered of its rows, in their order, and moves them.

use super::settings::{Optimiser, Settings};
use super::shadow::{Means, Rows as MeanRows, Shadow};
use crate::lab::network::params::{Gradient, Gradients, Params, Rows, Tensor, cut};
use crate::lab::network::wide;
use crate::lab::prefetch::{AHEAD, prefetch};
use rayon::prelude::*;
use zhiji::block::real::axpy;

/// What an optimiser keeps of each number, and how often each row was moved.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Memory {
    /// Velocity, first moment, or the linear part of `ftrl`.
    pub first: Vec<f32>,
    /// Sum or mean of squares.
    pub second: Vec<f32>,
    /// By row; one for a tensor that is moved whole.
    pub steps: Vec<u32>,
}

/// The numbers of Adam that all weights of a step share.
#[derive(Clone, Copy)]
struct Adam {
    beta: (f32, f32),
    epsilon: f32,
    /// `1 − βᵗ` of the second beta.
    correction: f32,
    /// The rate over `1 − βᵗ` of the first.
    step: f32,
}

#[inline(always)]
fn adam(with: Adam, w: &mut [f32], slopes: &[f32], first: &mut [f32], second: &mut [f32]) {
    let (b1, b2) = with.beta;
    for (((w, slope), m), v) in w.iter_mut().zip(slopes).zip(first).zip(second) {
        *m = b1 * *m + (1.0 - b1) * slope;
        *v = b2 * *v + (1.0 - b2) * (slope * slope);
        *w -= with.step * *m / ((*v / with.correction).sqrt() + with.epsilon);
    }
}

/// Adds a penalty's derivative.
#[inline(always)]
fn penalise(slopes: &mut [f32], w: &[f32], l2: f32) {
    if l2 > 0.0 {
        slopes.iter_mut().zip(w).for_each(|(slope, w)| *slope += l2 * w);
    }
}

/// Pieces into which each thread's share of a table is cut, as rows of one range are met more often than those of another.
const PIECES: usize = 4;

/// Rows of one tensor, with all that a step changes of them.
struct Piece<'a> {
    /// The first of them.
    from: usize,
    /// Numbers of one.
    width: usize,
    w: &'a mut [f32],
    /// [`Memory`] of these rows: a list that is not kept is empty.
    first: &'a mut [f32],
    second: &'a mut [f32],
    steps: &'a mut [u32],
    means: Option<Means<MeanRows<'a>>>,
    /// As the tensor's own.
    penalised: bool,
    meetings: &'a [f32],
    /// What each worker gathered for the tensor.
    found: Vec<&'a Gradient>,
}

/// What the pieces of a step share.
#[derive(Clone, Copy)]
struct Step {
    rate: f32,
    /// The penalty of tensors that are moved whole, and of rows.
    l2: (f32, f32),
}

/// How weights are moved.
#[derive(Clone, Debug)]
struct Rule {
    optimiser: Optimiser,
    momentum: f32,
    beta: (f32, f32),
    epsilon: f32,
    l1: f32,
    decay: f32,
    /// `1 − βᵗ` for both betas, by t, as far as any row can have come.
    corrections: Vec<(f32, f32)>,
    powers: (f32, f32),
}

/// Moves weights.
#[derive(Clone, Debug)]
pub struct Stepper {
    rule: Rule,
    l2: f32,
    l2_rows: f32,
    clip: f32,
    /// What is kept, tensor by tensor.
    pub memory: Vec<Memory>,
}

impl Stepper {
    /// Steps for these tensors.
    pub fn new(settings: &Settings, params: &Params) -> Self {
        let optimiser = settings.optimiser;
        let first = optimiser == Optimiser::Adam || optimiser == Optimiser::Ftrl || settings.momentum > 0.0;
        let second = optimiser != Optimiser::Sgd;
        let keep = |tensor: &Tensor| {
            let count = if tensor.frozen { 0 } else { tensor.numbers.len() };
            let rows = if tensor.frozen { 0 } else { tensor.rows() };
            let list = |wanted: bool| vec![0.0; if wanted { count } else { 0 }];
            Memory { first: list(first), second: list(second), steps: vec![0; rows] }
        };
        let rule = Rule {
            optimiser,
            momentum: settings.momentum,
            beta: (settings.beta1, settings.beta2),
            epsilon: settings.epsilon,
            l1: settings.l1,
            decay: settings.weight_decay,
            corrections: Vec::new(),
            powers: (1.0, 1.0),
        };
        let memory = params.iter().map(keep).collect();
        Self { rule, l2: settings.l2, l2_rows: settings.l2_hashed, clip: settings.clip, memory }
    }

    /// Moves all weights that the workers' gradients, together those of a mean loss over `batch` of `total` examples, speak of, and `means` with them.
    pub fn step(
        &mut self,
        params: &mut Params,
        gradients: &mut [&mut Gradients],
        rate: f32,
        (batch, total): (usize, usize),
        means: Option<Means<&mut Shadow>>,
    ) {
        let gradients = self.clip(gradients);
        self.rule.reach(&self.memory);
        let step = Step { rate, l2: (self.l2 / total.max(1) as f32, self.l2_rows / batch.max(1) as f32) };
        let parts = if gradients.len() > 1 { PIECES * gradients.len() } else { 1 };
        let mut pieces = Vec::new();
        let mut means = means.into_iter().flat_map(Means::tensors);
        for (at, (tensor, memory)) in params.iter_mut().zip(&mut self.memory).enumerate() {
            let (width, rows) = (tensor.width().max(1), tensor.rows().div_ceil(parts).max(1));
            let mut w = cut(&mut tensor.numbers, rows * width);
            let mut first = cut(&mut memory.first, rows * width);
            let mut second = cut(&mut memory.second, rows * width);
            let mut means = means.next().map(|means| means.cut(rows, width));
            for (number, steps) in memory.steps.chunks_mut(rows).enumerate() {
                pieces.push(Piece {
                    from: number * rows,
                    width,
                    w: w.next().unwrap_or_default(),
                    first: first.next().unwrap_or_default(),
                    second: second.next().unwrap_or_default(),
                    steps,
                    means: means.as_mut().and_then(Iterator::next),
                    penalised: tensor.penalised,
                    meetings: &tensor.meetings,
                    found: gradients.iter().map(|gradients| &gradients.0[at]).collect(),
                });
            }
        }
        let rule = &self.rule;
        pieces.into_par_iter().with_max_len(1).for_each(|mut piece| take(&mut piece, rule, step));
    }

    /// Cuts a gradient that is too long. Its length is that of the sum over all workers, which the first then has alone.
    fn clip<'g>(&self, gradients: &'g mut [&mut Gradients]) -> &'g [&'g mut Gradients] {
        let [sum, others @ ..] = &mut *gradients else { return gradients };
        if self.clip <= 0.0 {
            return gradients;
        }
        others.iter().for_each(|other| sum.add(other));
        let squares = sum.numbers_mut().map(|list| list.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>());
        let norm = squares.sum::<f64>().sqrt() as f32;
        if norm > self.clip {
            let share = self.clip / norm;
            sum.numbers_mut().flatten().for_each(|x| *x *= share);
        }
        &gradients[..1]
    }
}

wide! {
    /// Moves the rows of a piece, as far as they were met.
    fn take(piece: &mut Piece<'_>, rule: &Rule, step: Step) {
        let found = std::mem::take(&mut piece.found);
        match found.first() {
            Some(Gradient::Whole(sums)) => piece.whole(rule, step, (sums, &found[1..])),
            Some(Gradient::Rows(_)) => piece.rows(rule, step, &found),
            None => {}
        }
    }
}

impl Piece<'_> {
    /// Moves a tensor that is moved whole.
    #[inline(always)]
    fn whole(&mut self, rule: &Rule, step: Step, (sums, others): (&[f32], &[&Gradient])) {
        let mut slopes = sums.to_vec();
        for other in others {
            if let Gradient::Whole(sums) = other {
                axpy(1.0, sums, &mut slopes);
            }
        }
        let l2 = if self.penalised { step.l2.0 } else { 0.0 };
        self.row(rule, 0, &mut slopes, (step.rate, l2));
    }

    /// Moves those rows that any worker met.
    #[inline(always)]
    fn rows(&mut self, rule: &Rule, step: Step, found: &[&Gradient]) {
        let rows = found.iter().filter_map(|gradient| match gradient {
            Gradient::Rows(rows) => Some(rows),
            Gradient::Whole(_) => None,
        });
        let found: Vec<&Rows> = rows.collect();
        let mut slopes = vec![0.0; self.width];
        for (number, own) in found.iter().enumerate() {
            let places = self.places(own);
            for (next, at) in places.iter().enumerate() {
                if let Some(later) = places.get(next + AHEAD) {
                    self.prefetch(own.met[*later]);
                }
                let row = own.met[*at];
                if found[..number].iter().any(|earlier| earlier.get(row).is_some()) {
                    continue;
                }
                slopes.copy_from_slice(&own.sums[*at * self.width..][..self.width]);
                let mut times = own.times[*at];
                for (sums, more) in found[number + 1..].iter().filter_map(|later| later.get(row)) {
                    axpy(1.0, sums, &mut slopes);
                    times += more;
                }
                // The penalty of a row is spread over the examples that meet it.
                let meetings = self.meetings.get(row as usize).map_or(1.0, |met| met.max(1.0));
                let l2 = if self.penalised { step.l2.1 * (times / meetings).min(1.0) } else { 0.0 };
                self.row(rule, row as usize - self.from, &mut slopes, (step.rate, l2));
            }
        }
    }

    /// Asks for a row and what is kept of it.
    #[inline(always)]
    fn prefetch(&self, row: u32) {
        let row = row as usize - self.from;
        for list in [&self.w, &self.first, &self.second] {
            prefetch(list, row * self.width, self.width);
        }
        prefetch(self.steps, row, 1);
    }

    /// Where among the met rows those of the piece are.
    #[inline(always)]
    fn places(&self, rows: &Rows) -> Vec<usize> {
        let (from, count) = (self.from as u32, self.steps.len() as u32);
        let mut places = vec![0; rows.met.len()];
        let mut next = 0;
        for (at, row) in rows.met.iter().enumerate() {
            // Written always, kept where it belongs here: a branch would be guessed wrong half the time.
            places[next] = at;
            next += usize::from(row.wrapping_sub(from) < count);
        }
        places.truncate(next);
        places
    }

    /// Moves one row, counted from the first of the piece.
    #[inline(always)]
    fn row(&mut self, rule: &Rule, row: usize, slopes: &mut [f32], (rate, l2): (f32, f32)) {
        let (from, to) = (row * self.width, row * self.width + slopes.len());
        let w = &mut self.w[from..to];
        penalise(slopes, w, l2);
        let before = if self.means.is_some() { w.to_vec() } else { Vec::new() };
        self.steps[row] += 1;
        let kept =
            (self.first.get_mut(from..to).unwrap_or_default(), self.second.get_mut(from..to).unwrap_or_default());
        rule.apply(self.steps[row], w, slopes, kept, (rate, self.penalised));
        if let Some(means) = &mut self.means {
            means.moved(row, &before, w);
        }
    }
}

impl Rule {
    /// Makes the corrections that the next step can need: no row was moved more often than there were steps.
    fn reach(&mut self, memory: &[Memory]) {
        if self.optimiser != Optimiser::Adam {
            return;
        }
        let most = if self.corrections.is_empty() {
            memory.iter().flat_map(|memory| &memory.steps).copied().max().unwrap_or(0) as usize
        } else {
            self.corrections.len()
        };
        while self.corrections.len() <= most {
            self.powers = (self.powers.0 * self.beta.0, self.powers.1 * self.beta.1);
            self.corrections.push((1.0 - self.powers.0, 1.0 - self.powers.1));
        }
    }

    /// Moves the weights `w`, for the `t`th time, by these derivatives.
    #[inline(always)]
    fn apply(
        &self,
        t: u32,
        w: &mut [f32],
        slopes: &[f32],
        (first, second): (&mut [f32], &mut [f32]),
        (rate, penalised): (f32, bool),
    ) {
        let (l1, decay) = if penalised { (self.l1, self.decay) } else { (0.0, 0.0) };
        if decay > 0.0 {
            w.iter_mut().for_each(|w| *w -= rate * decay * *w);
        }
        match self.optimiser {
            Optimiser::Sgd if first.is_empty() => {
                w.iter_mut().zip(slopes).for_each(|(w, slope)| *w -= rate * slope);
            }
            Optimiser::Sgd => {
                for ((w, slope), velocity) in w.iter_mut().zip(slopes).zip(first) {
                    *velocity = self.momentum * *velocity + slope;
                    *w -= rate * *velocity;
                }
            }
            Optimiser::Adagrad => {
                for ((w, slope), sum) in w.iter_mut().zip(slopes).zip(second) {
                    *sum += slope * slope;
                    *w -= rate * slope / (sum.sqrt() + self.epsilon);
                }
            }
            Optimiser::Adam => {
                let correction = self.corrections[t as usize - 1];
                let step = rate / correction.0;
                let with = Adam { beta: self.beta, epsilon: self.epsilon, correction: correction.1, step };
                adam(with, w, slopes, first, second);
            }
            Optimiser::Ftrl => {
                for (((w, slope), z), n) in w.iter_mut().zip(slopes).zip(first).zip(second) {
                    if t == 1 {
                        // So that the first weights are where the leader stands.
                        *z = -*w * self.epsilon / rate;
                    }
                    let next = *n + slope * slope;
                    *z += slope - (next.sqrt() - n.sqrt()) / rate * *w;
                    *n = next;
                    let over = (z.abs() - l1).max(0.0);
                    *w = -over.copysign(*z) / ((self.epsilon + n.sqrt()) / rate);
                }
                return;
            }
        }
        if l1 > 0.0 {
            w.iter_mut().for_each(|w| *w = (w.abs() - rate * l1).max(0.0).copysign(*w));
        }
    }
}

#[cfg(test)]
mod tests;
