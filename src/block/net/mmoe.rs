//! Mixtures of experts, one for each of several tasks.

use super::mlp::{through, widest};
use crate::block::Side;
use crate::block::error::BlockError;
use crate::block::layer::{Activation, Finish, Layer, Split, Weights, inputs};
use crate::kernel::linear::padded;
use crate::kernel::{self, Quad};
use alloc::vec::Vec;

/// The numbers of a mixture of experts, as a trainer has them.
///
/// # Shapes
/// `experts`: layers of E groups each, of which the first reads the input, shared; `gate`: one layer of T groups, each E wide, on the input,
/// shared, without an activation; `towers`: layers of T groups, of which the last is one number wide.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs, reason = "the shapes say it")]
pub struct MmoeWeights {
    pub experts: Vec<Weights>,
    pub gate: Weights,
    pub towers: Vec<Weights>,
}

impl MmoeWeights {
    /// Checks that the parts fit one another.
    ///
    /// # Errors
    /// As [`Weights::check`]; `Shape` of the parts `expert`, `gate` and `tower` where a layer does not read what the one before it gives.
    pub fn check(&self) -> Result<(), BlockError> {
        let (Some(first), Some(last)) = (self.experts.first(), self.experts.last()) else {
            return Err(BlockError::Shape { part: "expert" });
        };
        let (groups, tasks) = (first.groups, self.gate.groups);
        let chain = |part, layers: &[Weights], groups, shared, mut width| {
            for (at, layer) in layers.iter().enumerate() {
                layer.check()?;
                let sound = layer.groups == groups && layer.shared == (at == 0 && shared) && layer.inputs == width;
                if !sound {
                    return Err(BlockError::Shape { part });
                }
                width = layer.width;
            }
            Ok(width)
        };
        chain("expert", &self.experts, groups, true, first.inputs)?;
        self.gate.check()?;
        let gate = &self.gate;
        let plain = gate.norm[0].is_empty() && gate.activation == Activation::None;
        if !plain || !gate.shared || gate.inputs != first.inputs || gate.width != groups {
            return Err(BlockError::Shape { part: "gate" });
        }
        match chain("tower", &self.towers, tasks, false, last.width)? {
            1 if !self.towers.is_empty() => Ok(()),
            _ => Err(BlockError::Shape { part: "tower" }),
        }
    }
}

/// Experts that all tasks share, mixed anew for each: one number for each task.
///
/// ```text
/// y_t = tower_t(Σ_e softmax(G_t x + c_t)_e · expert_e(x))
/// ```
///
/// The first layer of the experts and the gates are rows of one matrix, which is cut by what its inputs depend on.
///
/// # Source
/// Ma et al., "Modeling Task Relationships in Multi-task Learning with Multi-gate Mixture-of-Experts", KDD 2018, equations 5 to 7.
#[derive(Clone, Debug, PartialEq)]
pub struct Mmoe {
    first: Split,
    start: Finish,
    experts: Vec<Layer>,
    towers: Vec<Layer>,
    tasks: usize,
    /// How many experts, and how wide each is, filled up to a multiple of four.
    count: usize,
    each: usize,
    /// How many of the first sums are the experts'.
    gates_from: usize,
}

impl Mmoe {
    /// A block of these numbers.
    ///
    /// # Shapes
    /// `sides`: for consecutive numbers of the input their side and how many they are.
    ///
    /// # Errors
    /// As [`MmoeWeights::check`].
    pub fn new(of: &MmoeWeights, sides: &[(Side, usize)]) -> Result<Self, BlockError> {
        of.check()?;
        let shape = BlockError::Shape { part: "expert" };
        let ((first, rest), last) = (of.experts.split_first().ok_or(shape)?, of.experts.last().ok_or(shape)?);
        if inputs(sides) != first.inputs {
            return Err(shape);
        }
        let (mut rows, mut bias) = (Vec::new(), Vec::new());
        first.stack(&mut rows, &mut bias);
        let gates_from = bias.len();
        of.gate.stack(&mut rows, &mut bias);
        Ok(Mmoe {
            first: Split::new(&rows, bias, sides),
            start: Finish::new(first),
            experts: Layer::each(rest)?,
            towers: Layer::each(&of.towers)?,
            tasks: of.gate.groups,
            count: first.groups,
            each: padded(last.width),
            gates_from,
        })
    }

    pub(super) fn first(&self) -> &Split {
        &self.first
    }

    pub(super) fn width(&self) -> usize {
        self.tasks
    }

    fn widest(&self) -> usize {
        let mixed = self.tasks * self.each;
        widest(self.gates_from, &self.experts).max(widest(mixed, &self.towers))
    }

    pub(super) fn room(&self) -> usize {
        self.first.outputs() + 3 * self.widest()
    }

    pub(super) fn score_pair(
        &self,
        (user, item): (&[f32], &[f32]),
        x: &[f32],
        lanes: usize,
        room: &mut [f32],
        out: &mut [f32],
    ) {
        let most = self.widest() * lanes;
        let (sums, room) = room.split_at_mut(self.first.outputs() * lanes);
        self.first.pair(user, item, x, lanes, false, sums);
        let (now, gates) = sums.split_at_mut(self.gates_from * lanes);
        self.start.apply(now, lanes);
        let (one, room) = room.split_at_mut(most);
        let (other, mixed) = room.split_at_mut(most);
        one[..now.len()].copy_from_slice(now);
        let experts = through(&self.experts, &mut *one, &mut *other, lanes);
        let size = self.each * lanes;
        for (gate, mixed) in gates.chunks_mut(padded(self.count) * lanes).zip(mixed.chunks_mut(size)) {
            softmax(&mut gate[..self.count * lanes], lanes);
            mixed.fill(0.0);
            for (shares, expert) in gate.chunks(lanes).zip(experts.chunks(size)).take(self.count) {
                for (mixed, expert) in mixed.chunks_mut(lanes).zip(expert.chunks(lanes)) {
                    for ((slot, x), share) in mixed.iter_mut().zip(expert).zip(shares) {
                        *slot += share * x;
                    }
                }
            }
        }
        // A tower is one number wide, filled up to four.
        let towers = through(&self.towers, mixed, one, lanes);
        for (slots, tower) in out.chunks_mut(lanes).zip(towers.chunks(4 * lanes)) {
            slots.copy_from_slice(&tower[..lanes]);
        }
    }
}

/// Shares that add up to 1 for each lane: `exp(x_e − max x) / Σ exp(x − max x)`, sums in rising order.
#[cfg_attr(zhiji_phone, optimize(speed))]
fn softmax(of: &mut [f32], lanes: usize) {
    let (quads, step) = (of.as_chunks_mut::<4>().0, lanes / 4);
    for lane in 0..step {
        let sum = Quad::new(kernel::exponentials(&mut quads[lane..], step));
        for x in quads.iter_mut().skip(lane).step_by(step) {
            *x = (Quad::new(*x) / sum).to_array();
        }
    }
}
