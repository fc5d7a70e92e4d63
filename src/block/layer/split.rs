//! A first layer, cut by what its inputs depend on.

use crate::block::Side;
use crate::kernel::Quad;
use crate::kernel::linear::{Around, Matrix, linear};
use crate::kernel::math::Lanes;
use alloc::vec::Vec;

/// `W x + b` where `x` is of the user, of the item and of the pair in parts.
///
/// ```text
/// W x + b = (b + W_user x_user) + W_item x_item + W_pair x_pair
/// ```
///
/// The first term is kept once per request ([`Split::keep_user`]), the second once per bundle and item ([`Split::keep_item`]), and a pair costs
/// what is left: `(kept_item + kept_user) + W_pair x_pair`, in this order.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    bias: Vec<f32>,
    user: Matrix,
    item: Matrix,
    pair: Matrix,
}

impl Split {
    /// Cuts a matrix by its columns.
    ///
    /// # Shapes
    /// `weight`: `[outputs, inputs]`, rows missing at the end are zeros; `bias`: `[outputs]`, a multiple of four; `sides`: for consecutive columns their side and how many they are, of
    /// all inputs together.
    pub fn new(weight: &[f32], bias: Vec<f32>, sides: &[(Side, usize)]) -> Self {
        let inputs = inputs(sides);
        let of = |side: Side| {
            let (mut columns, mut own) = (Vec::new(), 0);
            for row in weight.chunks(inputs.max(1)).take(bias.len()) {
                let mut rest = row;
                for (its, count) in sides {
                    let (part, after) = rest.split_at(*count);
                    if *its == side {
                        columns.extend_from_slice(part);
                    }
                    rest = after;
                }
            }
            for (its, count) in sides {
                own += if *its == side { *count } else { 0 };
            }
            Matrix::new(&columns, bias.len(), own)
        };
        Split { user: of(Side::User), item: of(Side::Item), pair: of(Side::Pair), bias }
    }

    /// Numbers that it gives.
    pub fn outputs(&self) -> usize {
        self.bias.len()
    }

    /// Numbers that are kept of the user, or 0 where none of the inputs is the user's.
    pub fn keeps_user(&self) -> usize {
        if self.user.inputs() == 0 { 0 } else { self.bias.len() }
    }

    /// Numbers that are kept of the item, or 0 where none of the inputs is the item's.
    pub fn keeps_item(&self) -> usize {
        if self.item.inputs() == 0 { 0 } else { self.bias.len() }
    }

    /// What the user's inputs make, with the bias.
    ///
    /// # Shapes
    /// `x`: the user's inputs, in order; `out`: [`Split::keeps_user`].
    pub fn keep_user(&self, x: &[f32], out: &mut [f32]) {
        out.copy_from_slice(&self.bias[..out.len()]);
        add(&self.user, x, out);
    }

    /// What the item's inputs make.
    ///
    /// # Shapes
    /// `x`: the item's inputs, in order; `out`: [`Split::keeps_item`].
    pub fn keep_item(&self, x: &[f32], out: &mut [f32]) {
        out.fill(0.0);
        add(&self.item, x, out);
    }

    /// The sums of one panel of pairs.
    ///
    /// # Shapes
    /// `user`: what was kept of the user, or empty; `item`: what was kept of each item, as a panel, or empty; `x`: the pair's inputs as a
    /// panel; `out`: a panel of [`Split::outputs`] numbers of each of `lanes` candidates.
    pub fn pair(&self, user: &[f32], item: &[f32], x: &[f32], lanes: usize, relu: bool, out: &mut [f32]) {
        let bias = if user.is_empty() { &self.bias } else { user };
        let around = Around { bias, base: item, relu };
        let inputs = self.pair.inputs();
        if inputs > 0 {
            linear(self.pair.numbers(), inputs, &x[..inputs * lanes], around, out);
            return;
        }
        for (row, (out, bias)) in out.chunks_mut(lanes).zip(bias).enumerate() {
            for (lane, slot) in out.iter_mut().enumerate() {
                let sum = item.get(row * lanes + lane).map_or(*bias, |item| item + bias);
                *slot = if relu && sum < 0.0 { 0.0 } else { sum };
            }
        }
    }
}

/// How many numbers all sides have together.
#[inline(never)]
pub fn inputs(sides: &[(Side, usize)]) -> usize {
    let mut inputs = 0;
    for (_, count) in sides {
        inputs += count;
    }
    inputs
}

/// Adds `matrix · x` in the order of [`linear`].
#[cfg_attr(zhiji_phone, optimize(speed))]
fn add(matrix: &Matrix, x: &[f32], out: &mut [f32]) {
    let groups = matrix.numbers().chunks_exact((4 * matrix.inputs()).max(1));
    for (weights, slots) in groups.zip(out.as_chunks_mut::<4>().0) {
        let mut sum = Quad::new(*slots);
        for (w, x) in weights.as_chunks::<4>().0.iter().zip(x) {
            sum = sum + Quad::new(*w) * Quad::splat(*x);
        }
        *slots = sum.to_array();
    }
}
