//! The multilayer perceptron.

use crate::block::Side;
use crate::block::error::BlockError;
use crate::block::layer::{Finish, Layer, Split, Weights, inputs};
use alloc::vec::Vec;

/// Layers, one on the other: `x ← activation(norm(W x + b))`.
///
/// The first is cut by what its inputs depend on; the others are computed for each pair.
///
/// # Source
/// Rumelhart, Hinton and Williams, "Learning representations by back-propagating errors", Nature 323, 1986; Ba, Kiros and Hinton, "Layer
/// Normalization", arXiv 1607.06450, equations 3 and 4; He et al., "Delving Deep into Rectifiers", ICCV 2015, equation 1 (PReLU).
#[derive(Clone, Debug, PartialEq)]
pub struct Mlp {
    first: Split,
    start: Finish,
    rest: Vec<Layer>,
    width: usize,
}

impl Mlp {
    /// A block of these layers.
    ///
    /// # Shapes
    /// `sides`: for consecutive numbers of the input their side and how many they are.
    ///
    /// # Errors
    /// As [`Weights::check`]; `Shape` of the part `weight` where a layer does not read what the one before it gives.
    pub fn new(layers: &[Weights], sides: &[(Side, usize)]) -> Result<Self, BlockError> {
        let shape = BlockError::Shape { part: "weight" };
        let (first, others) = layers.split_first().ok_or(shape)?;
        first.check()?;
        let (mut rest, mut width) = (Vec::new(), first.gives());
        if first.groups != 1 || first.reads() != inputs(sides) {
            return Err(shape);
        }
        for layer in others {
            rest.push(Layer::new(layer)?);
            if layer.groups != 1 || layer.reads() != width {
                return Err(shape);
            }
            width = layer.gives();
        }
        let (mut rows, mut bias) = (Vec::new(), Vec::new());
        first.stack(&mut rows, &mut bias);
        Ok(Mlp { first: Split::new(&rows, bias, sides), start: Finish::new(first), rest, width })
    }

    pub(super) fn first(&self) -> &Split {
        &self.first
    }

    pub(super) fn width(&self) -> usize {
        self.width
    }

    pub(super) fn room(&self) -> usize {
        2 * widest(self.first.outputs(), &self.rest)
    }

    pub(super) fn score_pair(
        &self,
        (user, item): (&[f32], &[f32]),
        x: &[f32],
        lanes: usize,
        room: &mut [f32],
        out: &mut [f32],
    ) {
        let (now, next) = room.split_at_mut(room.len() / 2);
        let sums = &mut now[..self.first.outputs() * lanes];
        self.first.pair(user, item, x, lanes, self.start.relu(), sums);
        if !self.start.relu() {
            self.start.apply(sums, lanes);
        }
        let last = through(&self.rest, now, next, lanes);
        out.copy_from_slice(&last[..out.len()]);
    }
}

/// The most numbers that any of these layers gives, or what goes in.
pub(super) fn widest(input: usize, layers: &[Layer]) -> usize {
    layers.iter().fold(input, |most, layer| most.max(layer.gives()))
}

/// Passes what stands in `now` through all layers; gives where the last one wrote.
pub(super) fn through<'a>(
    layers: &[Layer],
    mut now: &'a mut [f32],
    mut next: &'a mut [f32],
    lanes: usize,
) -> &'a mut [f32] {
    for layer in layers {
        layer.apply(now, lanes, &mut next[..layer.gives() * lanes]);
        (now, next) = (next, now);
    }
    now
}
