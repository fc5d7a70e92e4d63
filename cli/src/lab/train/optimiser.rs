//! How steps are taken.

use super::settings::{Optimiser, Settings};
use crate::lab::network::params::{Gradient, Gradients, Params, Tensor};
use crate::lab::network::wide;

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

wide! {
    fn adam(with: Adam, w: &mut [f32], slopes: &[f32], first: &mut [f32], second: &mut [f32]) {
        let (b1, b2) = with.beta;
        for (((w, slope), m), v) in w.iter_mut().zip(slopes).zip(first).zip(second) {
            *m = b1 * *m + (1.0 - b1) * slope;
            *v = b2 * *v + (1.0 - b2) * (slope * slope);
            *w -= with.step * *m / ((*v / with.correction).sqrt() + with.epsilon);
        }
    }
}

/// Adds a penalty's derivative.
fn penalise(slopes: &mut [f32], w: &[f32], l2: f32) {
    if l2 > 0.0 {
        slopes.iter_mut().zip(w).for_each(|(slope, w)| *slope += l2 * w);
    }
}

/// Is told which row of which tensor was moved, from what to what.
pub type Moved<'a> = dyn FnMut(usize, u32, &[f32], &[f32]) + 'a;

/// Moves weights.
#[derive(Clone, Debug)]
pub struct Stepper {
    optimiser: Optimiser,
    momentum: f32,
    beta: (f32, f32),
    epsilon: f32,
    l1: f32,
    l2: f32,
    l2_rows: f32,
    decay: f32,
    clip: f32,
    /// What is kept, tensor by tensor.
    pub memory: Vec<Memory>,
    /// `1 − βᵗ` for both betas, by t, as far as it was needed.
    corrections: Vec<(f32, f32)>,
    powers: (f32, f32),
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
        Self {
            optimiser,
            momentum: settings.momentum,
            beta: (settings.beta1, settings.beta2),
            epsilon: settings.epsilon,
            l1: settings.l1,
            l2: settings.l2,
            l2_rows: settings.l2_hashed,
            decay: settings.weight_decay,
            clip: settings.clip,
            memory: params.iter().map(keep).collect(),
            corrections: Vec::new(),
            powers: (1.0, 1.0),
        }
    }

    /// Moves all weights that the gradients, those of a mean loss over `batch` of `total` examples, speak of, and tells `moved` where it wants to know.
    pub fn step(
        &mut self,
        params: &mut Params,
        gradients: &mut Gradients,
        rate: f32,
        (batch, total): (usize, usize),
        mut moved: Option<&mut Moved<'_>>,
    ) {
        self.clip(gradients);
        let (mut before, tells) = (Vec::new(), moved.is_some());
        for (at, (tensor, gradient)) in params.iter_mut().zip(&mut gradients.0).enumerate() {
            if tensor.frozen {
                continue;
            }
            match gradient {
                Gradient::Whole(slopes) => {
                    let l2 = if tensor.penalised { self.l2 / total.max(1) as f32 } else { 0.0 };
                    penalise(slopes, &tensor.numbers, l2);
                    if tells {
                        before.clone_from(&tensor.numbers);
                    }
                    self.apply(at, 0, (&mut tensor.numbers, slopes), rate, tensor.penalised);
                    if let Some(moved) = &mut moved {
                        moved(at, 0, &before, &tensor.numbers);
                    }
                }
                Gradient::Rows(rows) => {
                    let width = tensor.width().max(1);
                    let penalty = if tensor.penalised { self.l2_rows / batch.max(1) as f32 } else { 0.0 };
                    let each = rows.met.iter().zip(&rows.times).zip(rows.sums.chunks_exact_mut(width));
                    for ((row, times), slopes) in each {
                        let numbers = &mut tensor.numbers[*row as usize * width..][..width];
                        // The penalty of a row is spread over the examples that meet it.
                        let meetings = tensor.meetings.get(*row as usize).map_or(1.0, |met| met.max(1.0));
                        let l2 = penalty * (times / meetings).min(1.0);
                        penalise(slopes, numbers, l2);
                        if tells {
                            before.clear();
                            before.extend_from_slice(numbers);
                        }
                        self.apply(at, *row, (numbers, slopes), rate, tensor.penalised);
                        if let Some(moved) = &mut moved {
                            moved(at, *row, &before, numbers);
                        }
                    }
                }
            }
        }
    }

    fn clip(&self, gradients: &mut Gradients) {
        if self.clip <= 0.0 {
            return;
        }
        let squares =
            gradients.numbers_mut().map(|list| list.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>());
        let norm = squares.sum::<f64>().sqrt() as f32;
        if norm > self.clip {
            let share = self.clip / norm;
            gradients.numbers_mut().flatten().for_each(|x| *x *= share);
        }
    }

    /// `1 − βᵗ` for both betas.
    fn correction(&mut self, t: u32) -> (f32, f32) {
        let at = t as usize - 1;
        while self.corrections.len() <= at {
            self.powers = (self.powers.0 * self.beta.0, self.powers.1 * self.beta.1);
            self.corrections.push((1.0 - self.powers.0, 1.0 - self.powers.1));
        }
        self.corrections[at]
    }

    fn apply(&mut self, at: usize, row: u32, (w, slopes): (&mut [f32], &[f32]), rate: f32, penalised: bool) {
        let from = row as usize * w.len();
        let t = self.memory[at].steps[row as usize] + 1;
        self.memory[at].steps[row as usize] = t;
        let correction = if self.optimiser == Optimiser::Adam { self.correction(t) } else { (1.0, 1.0) };
        let memory = &mut self.memory[at];
        let kept = |list: &mut [f32]| if list.is_empty() { 0 } else { from };
        let (first_from, second_from) = (kept(&mut memory.first), kept(&mut memory.second));
        let count = w.len();
        let first = memory.first.get_mut(first_from..first_from + count).unwrap_or_default();
        let second = memory.second.get_mut(second_from..second_from + count).unwrap_or_default();
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
