//! Layers: what the dense neural blocks are made of.
//!
//! Numbers pass through them in the panels of [`kernel::linear`](crate::kernel::linear): up to eight candidates side by side, so that a lane is a
//! candidate and no sum crosses lanes. A candidate has the same bits beside any others.

pub mod gradient;
mod split;

pub use split::{Split, inputs};

use super::error::{BlockError, finite};
use crate::kernel::Quad;
use crate::kernel::linear::{Around, Matrix, linear, padded};
use crate::kernel::math::{self, Lanes};
use alloc::vec::Vec;

/// The most numbers that a layer reads or gives, those of all groups together.
pub const MOST_WIDTH: usize = 4096;
/// What is added to the variance before its root divides.
pub const EPSILON: f32 = 1e-5;

/// What a layer does with each of its sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Activation {
    /// Nothing.
    #[default]
    None,
    /// `max(x, 0)`.
    Relu,
    /// `x` where `x ≥ 0`, else `alpha · x`.
    Prelu,
    /// `x / (1 + e⁻ˣ)`.
    Silu,
}

/// The numbers of one layer, `activation(norm(W x + b))`, as a trainer has them: weights in PyTorch's layout.
///
/// A layer may be several side by side, its groups: the experts of a mixture, or the towers of its tasks. They read the same numbers where
/// `shared`, else each the numbers of its own, one behind the other.
///
/// # Shapes
/// `weight`: `[groups, width, inputs]`; `bias`: `[groups, width]`, or empty for none; `norm`: gain and shift of the layer norm, each
/// `[groups, width]`, or both empty for none; `alpha`: `[1]` or `[groups, width]` for [`Activation::Prelu`], else empty.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs, reason = "the shapes say it")]
pub struct Weights {
    pub groups: usize,
    pub width: usize,
    pub inputs: usize,
    pub shared: bool,
    pub activation: Activation,
    pub weight: Vec<f32>,
    pub bias: Vec<f32>,
    pub norm: [Vec<f32>; 2],
    pub alpha: Vec<f32>,
}

impl Weights {
    /// Numbers that it reads.
    pub fn reads(&self) -> usize {
        if self.shared { self.inputs } else { self.groups * self.inputs }
    }

    /// Numbers that it gives.
    pub fn gives(&self) -> usize {
        self.groups * self.width
    }

    /// Checks that the parts fit one another.
    ///
    /// # Errors
    /// [`BlockError`] of the parts `weight`, `bias`, `norm` and `alpha`: `Size` for more than [`MOST_WIDTH`] numbers in or out, or none;
    /// `Shape`; `NotFinite`.
    pub fn check(&self) -> Result<(), BlockError> {
        let gives = self.groups.saturating_mul(self.width);
        let sound = |n: usize| (1..=MOST_WIDTH).contains(&n);
        let reads = if self.shared { self.inputs } else { self.groups.saturating_mul(self.inputs) };
        if !sound(gives) || !sound(reads) {
            return Err(BlockError::Size { part: "weight" });
        }
        let maybe = |of: &[f32]| of.is_empty() || of.len() == gives;
        let [gain, shift] = &self.norm;
        let alpha = match self.activation {
            Activation::Prelu => self.alpha.len() == 1 || self.alpha.len() == gives,
            _ => self.alpha.is_empty(),
        };
        for (part, fits, numbers) in [
            ("weight", self.weight.len() == gives * self.inputs, &self.weight),
            ("bias", maybe(&self.bias), &self.bias),
            ("norm", maybe(gain) && gain.len() == shift.len(), gain),
            ("norm", true, shift),
            ("alpha", alpha, &self.alpha),
        ] {
            if !fits {
                return Err(BlockError::Shape { part });
            }
            finite(part, numbers)?;
        }
        Ok(())
    }

    /// Adds its rows to a matrix of `inputs` columns and to the bias: those of each group, and zeros up to a multiple of four.
    pub(in crate::block) fn stack(&self, rows: &mut Vec<f32>, bias: &mut Vec<f32>) {
        for group in 0..self.groups {
            let size = self.width * self.inputs;
            rows.extend_from_slice(&self.weight[group * size..][..size]);
            rows.resize(rows.len() + (padded(self.width) - self.width) * self.inputs, 0.0);
        }
        spread(&self.bias, self.groups, self.width, bias);
    }
}

/// Adds one number for each of the numbers that a layer gives, with zeros up to a multiple of four in each group.
fn spread(of: &[f32], groups: usize, width: usize, out: &mut Vec<f32>) {
    for group in 0..groups {
        let from = out.len();
        out.resize(from + padded(width), 0.0);
        for (at, slot) in out[from..from + width].iter_mut().enumerate() {
            // One number stands for all.
            *slot = match of {
                [one] => *one,
                of => of.get(group * width + at).copied().unwrap_or(0.0),
            };
        }
    }
}

/// What a layer does with its sums: norm and activation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Finish {
    width: usize,
    activation: Activation,
    /// Gain and shift, `[groups, padded width]`, or empty.
    gain: Vec<f32>,
    shift: Vec<f32>,
    alpha: Vec<f32>,
}

impl Finish {
    /// That of a layer.
    pub fn new(of: &Weights) -> Self {
        let [mut gain, mut shift, mut alpha] = [const { Vec::new() }; 3];
        if !of.norm[0].is_empty() {
            spread(&of.norm[0], of.groups, of.width, &mut gain);
            spread(&of.norm[1], of.groups, of.width, &mut shift);
        }
        if of.activation == Activation::Prelu {
            spread(&of.alpha, of.groups, of.width, &mut alpha);
        }
        Finish { width: of.width, activation: of.activation, gain, shift, alpha }
    }

    /// Whether it is nothing but what [`linear`] can do in passing.
    pub(in crate::block) fn relu(&self) -> bool {
        self.activation == Activation::Relu && self.gain.is_empty()
    }

    /// Works on one panel of sums.
    ///
    /// # Shapes
    /// `z`: `[groups, padded width]` numbers of each of `lanes` candidates.
    #[cfg_attr(zhiji_phone, optimize(speed))]
    pub fn apply(&self, z: &mut [f32], lanes: usize) {
        let (quads, step) = (z.as_chunks_mut::<4>().0, lanes / 4);
        if !self.gain.is_empty() {
            let stride = padded(self.width);
            for (group, quads) in quads.chunks_mut((stride * step).max(1)).enumerate() {
                let (gain, shift) = (&self.gain[group * stride..], &self.shift[group * stride..]);
                for lane in 0..step {
                    normalise(&mut quads[lane..], step, (&gain[..self.width], &shift[..self.width]), EPSILON);
                }
            }
        }
        match self.activation {
            Activation::None => {}
            Activation::Relu => {
                for quad in quads {
                    *quad = Quad::new(*quad).relu().to_array();
                }
            }
            Activation::Prelu => {
                for (row, alpha) in quads.chunks_mut(step.max(1)).zip(&self.alpha) {
                    for quad in row {
                        let x = Quad::new(*quad);
                        let below = Quad::splat(*alpha) * x;
                        *quad = Lanes::if_less(x, Quad::splat(0.0), below, x).to_array();
                    }
                }
            }
            Activation::Silu => {
                for quad in quads {
                    *quad = math::silu_x4(*quad);
                }
            }
        }
    }
}

/// `(x − m) / sqrt(v + ε) · gain + shift` of four candidates, whose numbers stand `step` quads apart; sums in rising order.
#[inline(never)]
#[cfg_attr(zhiji_phone, optimize(speed))]
pub(in crate::block) fn normalise(quads: &mut [[f32; 4]], step: usize, (gain, shift): (&[f32], &[f32]), epsilon: f32) {
    let share = Quad::splat(1.0 / gain.len().max(1) as f32);
    let (mut mean, mut square) = (Quad::splat(0.0), Quad::splat(0.0));
    for (x, _) in quads.iter().step_by(step).zip(gain) {
        mean = mean + Quad::new(*x);
    }
    mean = mean * share;
    for (x, _) in quads.iter().step_by(step).zip(gain) {
        let x = Quad::new(*x) - mean;
        square = square + x * x;
    }
    let root = (square * share + Quad::splat(epsilon)).sqrt();
    for ((x, gain), shift) in quads.iter_mut().step_by(step).zip(gain).zip(shift) {
        *x = ((Quad::new(*x) - mean) / root * Quad::splat(*gain) + Quad::splat(*shift)).to_array();
    }
}

/// A layer as it is computed. Checked when it is made; scoring cannot fail and allocates nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    shared: bool,
    /// One for each group.
    matrices: Vec<Matrix>,
    bias: Vec<f32>,
    finish: Finish,
}

impl Layer {
    /// A layer of these numbers.
    ///
    /// # Errors
    /// As [`Weights::check`].
    pub fn new(of: &Weights) -> Result<Self, BlockError> {
        of.check()?;
        let mut bias = Vec::new();
        spread(&of.bias, of.groups, of.width, &mut bias);
        let mut matrices = Vec::with_capacity(of.groups);
        for rows in of.weight.chunks(of.width * of.inputs) {
            matrices.push(Matrix::new(rows, of.width, of.inputs));
        }
        Ok(Layer { shared: of.shared, matrices, bias, finish: Finish::new(of) })
    }

    /// Layers of these numbers.
    ///
    /// # Errors
    /// As [`Layer::new`].
    pub(in crate::block) fn each(of: &[Weights]) -> Result<Vec<Self>, BlockError> {
        let mut layers = Vec::with_capacity(of.len());
        for of in of {
            layers.push(Self::new(of)?);
        }
        Ok(layers)
    }

    /// Numbers that it gives, those of each group filled up to a multiple of four.
    pub fn gives(&self) -> usize {
        self.bias.len()
    }

    /// Computes one panel.
    ///
    /// # Shapes
    /// `x`: `[groups, padded inputs]` numbers of each of `lanes` candidates, or `[padded inputs]` where they are shared; `out`:
    /// `[groups, padded width]` of each. `lanes` is 4 or 8.
    pub fn apply(&self, x: &[f32], lanes: usize, out: &mut [f32]) {
        let (mut x, mut rest, mut bias) = (x, &mut out[..], &self.bias[..]);
        for matrix in &self.matrices {
            let (of_bias, after) = bias.split_at(matrix.outputs().min(bias.len()));
            let (own, behind) = core::mem::take(&mut rest).split_at_mut(matrix.outputs() * lanes);
            let (input, next) = x.split_at(matrix.inputs() * lanes);
            let around = Around { bias: of_bias, base: &[], relu: self.finish.relu() };
            linear(matrix.numbers(), matrix.inputs(), input, around, own);
            (bias, rest) = (after, behind);
            if !self.shared {
                x = next;
            }
        }
        if !self.finish.relu() {
            self.finish.apply(&mut out[..self.bias.len() * lanes], lanes);
        }
    }
}
