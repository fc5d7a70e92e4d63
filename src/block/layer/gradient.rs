//! Layers forward and backward over a batch, for trainers. Nothing here is called on a phone.

use super::{Activation, EPSILON, Weights};
use crate::kernel::{self, math};
use alloc::vec;
use alloc::vec::Vec;

/// What a layer keeps of a batch for the way back.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// The normalised sums, before gain and shift; where there is no norm nothing.
    normed: Vec<f32>,
    /// One over the root of the variance, of each row and group.
    inverse: Vec<f32>,
    /// What went into the activation.
    before: Vec<f32>,
}

/// What layers, one on the other, gave of a batch, and what they keep.
#[derive(Clone, Debug, Default)]
pub struct Passed {
    /// What each layer gave: rows of [`Weights::gives`] numbers.
    pub numbers: Vec<Vec<f32>>,
    kept: Vec<Kept>,
}

impl Weights {
    /// The same shape with zeros: the gradient of a layer before anything is added.
    pub fn zeros(&self) -> Self {
        let mut zeros = self.clone();
        for (_, numbers) in zeros.tensors_mut() {
            numbers.fill(0.0);
        }
        zeros
    }

    /// The parameters by the ends of their names in a bundle; one that is not there is empty.
    pub fn tensors_mut(&mut self) -> [(&'static str, &mut Vec<f32>); 5] {
        let [gain, shift] = &mut self.norm;
        [
            ("weight", &mut self.weight),
            ("bias", &mut self.bias),
            ("norm.weight", gain),
            ("norm.bias", shift),
            ("alpha", &mut self.alpha),
        ]
    }

    fn alpha(&self, at: usize) -> usize {
        if self.alpha.len() == 1 { 0 } else { at }
    }

    /// What the layer gives of a batch.
    ///
    /// # Shapes
    /// `x`: rows of [`Weights::reads`] numbers; the result: as many rows of [`Weights::gives`] numbers.
    pub fn forward(&self, x: &[f32], kept: &mut Kept) -> Vec<f32> {
        let gives = self.gives();
        let mut before = Vec::with_capacity(x.len() / self.reads().max(1) * gives);
        for x in x.chunks_exact(self.reads().max(1)) {
            for (at, weight) in self.weight.chunks_exact(self.inputs.max(1)).enumerate() {
                let from = if self.shared { 0 } else { at / self.width * self.inputs };
                let bias = self.bias.get(at).copied().unwrap_or(0.0);
                before.push(bias + kernel::dot(weight, &x[from..from + self.inputs]));
            }
        }
        (kept.normed, kept.inverse) = (Vec::new(), Vec::new());
        if !self.norm[0].is_empty() {
            let share = 1.0 / self.width.max(1) as f32;
            for z in before.chunks_exact_mut(self.width.max(1)) {
                let mean = kernel::sum(z) * share;
                z.iter_mut().for_each(|z| *z -= mean);
                let inverse = 1.0 / (kernel::dot(z, z) * share + EPSILON).sqrt();
                z.iter_mut().for_each(|z| *z *= inverse);
                kept.inverse.push(inverse);
            }
            kept.normed.clone_from(&before);
            for z in before.chunks_exact_mut(gives.max(1)) {
                for (z, (gain, shift)) in z.iter_mut().zip(self.norm[0].iter().zip(&self.norm[1])) {
                    *z = *z * gain + shift;
                }
            }
        }
        let active = |(place, x): (usize, &f32)| match self.activation {
            Activation::None => *x,
            Activation::Relu => x.max(0.0),
            Activation::Prelu if *x < 0.0 => self.alpha[self.alpha(place % gives)] * x,
            Activation::Prelu => *x,
            Activation::Silu => math::silu(*x),
        };
        let out = before.iter().enumerate().map(active).collect();
        kept.before = before;
        out
    }

    /// Adds to `into` the derivatives by the parameters, and to `slopes_in` those by the input.
    ///
    /// # Shapes
    /// `x`, `slopes_in`: rows of [`Weights::reads`] numbers; `kept`: what [`Weights::forward`] kept of `x`; `slopes`: the derivatives by what it
    /// gave; `into`: [`Weights::zeros`], or a gradient so far.
    pub fn backward(&self, x: &[f32], kept: &Kept, slopes: &[f32], into: &mut Weights, slopes_in: &mut [f32]) {
        let (gives, reads) = (self.gives().max(1), self.reads().max(1));
        let share = 1.0 / self.width.max(1) as f32;
        let mut own = vec![0.0; gives];
        for (row, (x, slopes_in)) in x.chunks_exact(reads).zip(slopes_in.chunks_exact_mut(reads)).enumerate() {
            let span = row * gives..(row + 1) * gives;
            own.copy_from_slice(&slopes[span.clone()]);
            for (place, (slope, before)) in own.iter_mut().zip(&kept.before[span.clone()]).enumerate() {
                match self.activation {
                    Activation::Relu if *before <= 0.0 => *slope = 0.0,
                    Activation::Prelu if *before < 0.0 => {
                        let alpha = self.alpha(place);
                        into.alpha[alpha] += *slope * before;
                        *slope *= self.alpha[alpha];
                    }
                    Activation::Silu => {
                        let s = math::sigmoid(*before);
                        *slope *= s * (1.0 + before * (1.0 - s));
                    }
                    _ => {}
                }
            }
            if !self.norm[0].is_empty() {
                let normed = &kept.normed[span];
                for (place, slope) in own.iter_mut().enumerate() {
                    into.norm[0][place] += *slope * normed[place];
                    into.norm[1][place] += *slope;
                    *slope *= self.norm[0][place];
                }
                for (group, (own, normed)) in own.chunks_mut(self.width).zip(normed.chunks(self.width)).enumerate() {
                    let (mean, along) = (kernel::sum(own) * share, kernel::dot(own, normed) * share);
                    let inverse = kept.inverse[row * self.groups + group];
                    for (slope, normed) in own.iter_mut().zip(normed) {
                        *slope = inverse * (*slope - mean - normed * along);
                    }
                }
            }
            for (bias, slope) in into.bias.iter_mut().zip(&own) {
                *bias += slope;
            }
            for (at, slope) in own.iter().enumerate() {
                let from = if self.shared { 0 } else { at / self.width * self.inputs };
                let columns = at * self.inputs..(at + 1) * self.inputs;
                kernel::axpy(*slope, &x[from..from + self.inputs], &mut into.weight[columns.clone()]);
                kernel::axpy(*slope, &self.weight[columns], &mut slopes_in[from..from + self.inputs]);
            }
        }
    }
}

/// What layers, one on the other, give of a batch: the last of [`Passed::numbers`] is the last one's.
///
/// # Shapes
/// As for [`Weights::forward`], of the first layer.
pub fn forward(layers: &[Weights], x: &[f32]) -> Passed {
    let mut passed = Passed::default();
    for layer in layers {
        let mut kept = Kept::default();
        let out = layer.forward(passed.numbers.last().map_or(x, |x| x), &mut kept);
        passed.numbers.push(out);
        passed.kept.push(kept);
    }
    passed
}

/// The way back of [`forward`]: adds to `into`, one for each layer, and to `slopes_in`.
///
/// # Shapes
/// As for [`Weights::backward`]: `slopes` are those by what the last layer gave, `slopes_in` those by `x`.
pub fn backward(
    layers: &[Weights],
    x: &[f32],
    passed: &Passed,
    slopes: &[f32],
    into: &mut [Weights],
    slopes_in: &mut [f32],
) {
    let mut slopes = slopes.to_vec();
    for (at, (layer, into)) in layers.iter().zip(into).enumerate().rev() {
        let Some(before) = at.checked_sub(1) else {
            layer.backward(x, &passed.kept[at], &slopes, into, slopes_in);
            return;
        };
        let input = &passed.numbers[before];
        let mut own = vec![0.0; input.len()];
        layer.backward(input, &passed.kept[at], &slopes, into, &mut own);
        slopes = own;
    }
}
