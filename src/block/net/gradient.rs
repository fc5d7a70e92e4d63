//! Crosses and mixtures of experts forward and backward over a batch, for trainers. Nothing here is called on a phone; of layers see
//! [`layer::gradient`](crate::block::layer::gradient).

use super::{CrossWeights, MmoeWeights};
use crate::block::layer::gradient::{Kept, Passed, backward, forward};
use crate::kernel::{self, softmax};
use alloc::vec;
use alloc::vec::Vec;

/// What a cross keeps of a batch for the way back.
#[derive(Clone, Debug, Default)]
pub struct Crossed {
    /// What goes into each layer, and what the last one gives.
    numbers: Vec<Vec<f32>>,
    /// `V x`, or nothing where there is no rank.
    low: Vec<Vec<f32>>,
    /// `W x + b`.
    product: Vec<Vec<f32>>,
}

impl Crossed {
    /// What the cross gave, row by row.
    pub fn numbers(&self) -> &[f32] {
        self.numbers.last().map_or(&[], |last| last)
    }
}

impl CrossWeights {
    /// The same shape with zeros.
    pub fn zeros(&self) -> Self {
        let zero = |of: &Vec<f32>| vec![0.0; of.len()];
        CrossWeights { u: zero(&self.u), v: zero(&self.v), bias: zero(&self.bias), ..*self }
    }

    /// What crosses, one on the other, give of a batch.
    ///
    /// # Shapes
    /// `x`: rows of as many numbers as the crosses are wide.
    pub fn forward(layers: &[Self], x: &[f32]) -> Crossed {
        let mut kept = Crossed { numbers: vec![x.to_vec()], ..Crossed::default() };
        for layer in layers {
            let width = layer.width.max(1);
            let (mut next, mut low, mut product) = (kept.numbers().to_vec(), Vec::new(), Vec::new());
            for (now, zero) in next.chunks_exact_mut(width).zip(x.chunks_exact(width)) {
                let from = low.len();
                low.extend(layer.v.chunks_exact(width).map(|row| kernel::dot(row, now)));
                let inner = if layer.rank == 0 { &*now } else { &low[from..] };
                let rows = layer.u.chunks_exact(inner.len().max(1)).zip(&layer.bias);
                let sums: Vec<f32> = rows.map(|(row, bias)| bias + kernel::dot(row, inner)).collect();
                for ((now, zero), sum) in now.iter_mut().zip(zero).zip(&sums) {
                    *now += zero * sum;
                }
                product.extend(sums);
            }
            kept.numbers.push(next);
            kept.low.push(low);
            kept.product.push(product);
        }
        kept
    }

    /// The way back: adds to `into`, one for each layer, and to `slopes_in`.
    ///
    /// # Shapes
    /// `slopes`, `slopes_in`: rows as of `x`: the derivatives by what the last layer gave, and by `x`.
    pub fn backward(
        layers: &[Self],
        x: &[f32],
        kept: &Crossed,
        slopes: &[f32],
        into: &mut [Self],
        slopes_in: &mut [f32],
    ) {
        let mut slopes = slopes.to_vec();
        for (at, (layer, into)) in layers.iter().zip(into).enumerate().rev() {
            let (width, rank) = (layer.width.max(1), layer.rank);
            for (row, slopes) in slopes.chunks_exact_mut(width).enumerate() {
                let span = row * width..(row + 1) * width;
                let (now, zero) = (&kept.numbers[at][span.clone()], &x[span.clone()]);
                let low = &kept.low[at][row * rank..(row + 1) * rank];
                let inner = if rank == 0 { now } else { low };
                let mut by_inner = vec![0.0; inner.len()];
                for (o, slope) in slopes.iter().enumerate() {
                    slopes_in[row * width + o] += slope * kept.product[at][row * width + o];
                    let by_sum = slope * zero[o];
                    into.bias[o] += by_sum;
                    let columns = o * inner.len()..(o + 1) * inner.len();
                    kernel::axpy(by_sum, inner, &mut into.u[columns.clone()]);
                    kernel::axpy(by_sum, &layer.u[columns], &mut by_inner);
                }
                if rank == 0 {
                    kernel::axpy(1.0, &by_inner, slopes);
                    continue;
                }
                for (k, slope) in by_inner.iter().enumerate() {
                    let columns = k * width..(k + 1) * width;
                    kernel::axpy(*slope, now, &mut into.v[columns.clone()]);
                    kernel::axpy(*slope, &layer.v[columns], slopes);
                }
            }
        }
        kernel::axpy(1.0, &slopes, slopes_in);
    }
}

/// What a mixture keeps of a batch for the way back.
#[derive(Clone, Debug, Default)]
pub struct Mixed {
    experts: Passed,
    gate: Kept,
    /// The shares of the experts, for each task.
    shares: Vec<f32>,
    /// What goes into the towers.
    mixed: Vec<f32>,
    towers: Passed,
}

impl Mixed {
    /// What the mixture gave: one number for each task, row by row.
    pub fn numbers(&self) -> &[f32] {
        self.towers.numbers.last().map_or(&[], |last| last)
    }
}

impl MmoeWeights {
    /// The same shape with zeros.
    pub fn zeros(&self) -> Self {
        let all = |of: &[crate::block::layer::Weights]| of.iter().map(|layer| layer.zeros()).collect();
        MmoeWeights { experts: all(&self.experts), gate: self.gate.zeros(), towers: all(&self.towers) }
    }

    /// How many experts, and how many numbers each gives.
    fn shape(&self) -> (usize, usize) {
        (self.gate.width.max(1), self.experts.last().map_or(1, |last| last.width).max(1))
    }

    /// What the mixture gives of a batch.
    ///
    /// # Shapes
    /// `x`: rows of as many numbers as the experts read.
    pub fn forward(&self, x: &[f32]) -> Mixed {
        let (count, width) = self.shape();
        let mut kept = Mixed { experts: forward(&self.experts, x), ..Mixed::default() };
        kept.shares = self.gate.forward(x, &mut kept.gate);
        let experts = kept.experts.numbers.last().map_or(&[][..], |last| last);
        let tasks = self.gate.gives().max(1);
        for (shares, experts) in kept.shares.chunks_exact_mut(tasks).zip(experts.chunks_exact(count * width)) {
            for shares in shares.chunks_exact_mut(count) {
                softmax(shares);
                let from = kept.mixed.len();
                kept.mixed.resize(from + width, 0.0);
                for (share, expert) in shares.iter().zip(experts.chunks_exact(width)) {
                    kernel::axpy(*share, expert, &mut kept.mixed[from..]);
                }
            }
        }
        kept.towers = forward(&self.towers, &kept.mixed);
        kept
    }

    /// The way back: adds to `into` and to `slopes_in`.
    ///
    /// # Shapes
    /// `slopes`: the derivatives by what the mixture gave; `slopes_in`: those by `x`.
    pub fn backward(&self, x: &[f32], kept: &Mixed, slopes: &[f32], into: &mut Self, slopes_in: &mut [f32]) {
        let (count, width) = self.shape();
        let mut by_mixed = vec![0.0; kept.mixed.len()];
        backward(&self.towers, &kept.mixed, &kept.towers, slopes, &mut into.towers, &mut by_mixed);
        let experts = kept.experts.numbers.last().map_or(&[][..], |last| last);
        let (mut by_experts, mut by_gate) = (vec![0.0; experts.len()], Vec::with_capacity(kept.shares.len()));
        let tasks = self.gate.groups.max(1);
        for (at, (by_mixed, shares)) in by_mixed.chunks_exact(width).zip(kept.shares.chunks_exact(count)).enumerate() {
            let from = at / tasks * count * width;
            let own = from..from + count * width;
            let by_share: Vec<f32> =
                experts[own.clone()].chunks_exact(width).map(|expert| kernel::dot(expert, by_mixed)).collect();
            for (share, by_expert) in shares.iter().zip(by_experts[own].chunks_exact_mut(width)) {
                kernel::axpy(*share, by_mixed, by_expert);
            }
            let mean = kernel::dot(shares, &by_share);
            by_gate.extend(shares.iter().zip(by_share).map(|(share, slope)| share * (slope - mean)));
        }
        self.gate.backward(x, &kept.gate, &by_gate, &mut into.gate, slopes_in);
        backward(&self.experts, x, &kept.experts, &by_experts, &mut into.experts, slopes_in);
    }
}
