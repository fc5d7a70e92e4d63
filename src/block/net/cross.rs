//! Crosses: products of the input with linear forms of itself.

use crate::block::Side;
use crate::block::error::{BlockError, finite};
use crate::block::layer::{MOST_WIDTH, Split, inputs};
use crate::kernel::linear::{Around, Matrix, linear, padded};
use alloc::vec::Vec;

/// The numbers of one cross of an input of `d`, as a trainer has them.
///
/// # Shapes
/// `rank` is `r`, or 0 for a whole matrix. `u`: `[d, r]`, or `[d, d]` where there is no rank; `v`: `[r, d]`, or empty; `bias`: `[d]`.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs, reason = "the shapes say it")]
pub struct CrossWeights {
    pub width: usize,
    pub rank: usize,
    pub u: Vec<f32>,
    pub v: Vec<f32>,
    pub bias: Vec<f32>,
}

impl CrossWeights {
    /// Checks that the parts fit one another.
    ///
    /// # Errors
    /// [`BlockError`] of the parts `u`, `v` and `bias`: `Size`, `Shape`, `NotFinite`.
    pub fn check(&self) -> Result<(), BlockError> {
        let (d, r) = (self.width, self.rank);
        if d == 0 || d > MOST_WIDTH || r > MOST_WIDTH {
            return Err(BlockError::Size { part: "u" });
        }
        let columns = if r == 0 { d } else { r };
        for (part, length, numbers) in [("u", d * columns, &self.u), ("v", r * d, &self.v), ("bias", d, &self.bias)] {
            if numbers.len() != length {
                return Err(BlockError::Shape { part });
            }
            finite(part, numbers)?;
        }
        Ok(())
    }
}

/// DCN-v2: `x_{l+1} = x_0 ∘ (W_l x_l + b_l) + x_l`, with `W_l = U_l V_l` of low rank or a whole matrix.
///
/// What the first matrix makes of the user's and the item's numbers is computed once on their sides. The products need the whole input for each
/// pair.
///
/// # Source
/// Wang et al., "DCN V2: Improved Deep & Cross Network", WWW 2021, equations 1 and 2.
#[derive(Clone, Debug, PartialEq)]
pub struct Cross {
    /// `V_0`, or `W_0` with its bias.
    first: Split,
    layers: Vec<Step>,
    width: usize,
}

/// The rest of a layer, and the beginning of the next one: from `x` on.
#[derive(Clone, Debug, PartialEq)]
struct Step {
    /// `V_l`, or `W_l`; of the first layer of no rows, because [`Cross::first`] is it.
    before: Matrix,
    /// `U_l`; of no rows where there is no rank.
    after: Matrix,
    bias: Vec<f32>,
}

impl Cross {
    /// A block of these layers.
    ///
    /// # Shapes
    /// `sides`: for consecutive numbers of the input their side and how many they are.
    ///
    /// # Errors
    /// As [`CrossWeights::check`]; `Shape` of the part `u` where a layer has not the width of the input.
    pub fn new(layers: &[CrossWeights], sides: &[(Side, usize)]) -> Result<Self, BlockError> {
        let shape = BlockError::Shape { part: "u" };
        let (first, _) = layers.split_first().ok_or(shape)?;
        let width = inputs(sides);
        let mut steps = Vec::new();
        for layer in layers {
            layer.check()?;
            if layer.width != width {
                return Err(shape);
            }
            // A matrix that is not there has no rows.
            let (rows, outputs) = if layer.rank > 0 { (&layer.v, layer.rank) } else { (&layer.u, width) };
            let before = Matrix::new(rows, if steps.is_empty() { 0 } else { outputs }, width);
            let after = Matrix::new(&layer.u, if layer.rank > 0 { width } else { 0 }, layer.rank);
            let mut bias = layer.bias.clone();
            bias.resize(padded(width), 0.0);
            steps.push(Step { before, after, bias });
        }
        let (rows, mut bias, outputs) =
            if first.rank > 0 { (&first.v, Vec::new(), first.rank) } else { (&first.u, first.bias.clone(), width) };
        bias.resize(padded(outputs), 0.0);
        // `rows` has as many rows as the matrix; those up to a multiple of four are not there and count as zeros.
        Ok(Cross { first: Split::new(rows, bias, sides), layers: steps, width })
    }

    pub(super) fn first(&self) -> &Split {
        &self.first
    }

    pub(super) fn width(&self) -> usize {
        self.width
    }

    pub(super) fn room(&self) -> usize {
        let mut low = self.first.outputs();
        for step in &self.layers {
            low = low.max(step.before.outputs());
        }
        low + 2 * padded(self.width)
    }

    pub(super) fn score_pair(
        &self,
        (user, item): (&[f32], &[f32]),
        (own, whole): (&[f32], &[f32]),
        lanes: usize,
        room: &mut [f32],
        out: &mut [f32],
    ) {
        let size = padded(self.width) * lanes;
        let (x, room) = room.split_at_mut(size);
        let (product, low) = room.split_at_mut(size);
        let zero = &whole[..size];
        x.copy_from_slice(zero);
        for step in &self.layers {
            // A matrix of no low rank writes the product at once.
            let rank = step.after.outputs() > 0;
            let (target, bias) = if rank { (&mut *low, &[][..]) } else { (&mut *product, &step.bias[..]) };
            let written = match step.before.outputs() {
                0 => {
                    let length = self.first.outputs() * lanes;
                    self.first.pair(user, item, own, lanes, false, &mut target[..length]);
                    length
                }
                outputs => {
                    let length = outputs * lanes;
                    let around = Around { bias, ..Around::default() };
                    linear(step.before.numbers(), step.before.inputs(), x, around, &mut target[..length]);
                    length
                }
            };
            if rank {
                let around = Around { bias: &step.bias, ..Around::default() };
                linear(step.after.numbers(), step.after.inputs(), &low[..written], around, product);
            }
            for ((x, zero), product) in x.iter_mut().zip(zero).zip(&*product) {
                *x += zero * product;
            }
        }
        out.copy_from_slice(&x[..out.len()]);
    }
}
