//! Blocks over the sequence of recent items: their specs and tensors.

use alloc::vec::Vec;

use super::net::{ACTIVATION, WIDTHS, part};
use super::{Builder, Built, OF};
use crate::block::layer::Activation;
use crate::block::sequence::{self, LayerWeights, MOST_INNER, Norm, Pair, Sequence};
use crate::block::{Attention, attention};
use crate::bundle::TensorFault;
use crate::bundle::stack::HISTORY_MOST;
use crate::bundle::stack::kind::Kind;
use crate::bundle::stack::place::Side;
use crate::bundle::tensors::ANY;
use crate::json;

/// The parts of a layer of an encoder, as PyTorch names them.
const PARTS: [[&str; 2]; 6] = [
    [".self_attn.in_proj_weight", ".self_attn.in_proj_bias"],
    [".self_attn.out_proj.weight", ".self_attn.out_proj.bias"],
    [".linear1.weight", ".linear1.bias"],
    [".linear2.weight", ".linear2.bias"],
    [".norm1.weight", ".norm1.bias"],
    [".norm2.weight", ".norm2.bias"],
];

/// Weight and bias, as they were read.
type Read = (Vec<f32>, Vec<f32>);

impl Builder<'_, '_> {
    /// The one `item` block that it reads, whose vectors are looked up for the recent items, and their length.
    fn of_recent(&mut self, spec: json::Place<'_>) -> Option<(usize, usize)> {
        let (at, width) = self.item_block(spec, 0)?;
        self.unless(spec.key("of").len() == 1, OF, "name one block")?;
        self.history(at, width);
        Some((at, width))
    }

    /// How many blocks of a kind stand before.
    fn before(&self, same: fn(&Kind) -> bool) -> usize {
        self.stack.blocks.iter().filter(|block| same(&block.kind)).count()
    }

    #[inline(never)]
    pub(super) fn attention(&mut self, name: &str, spec: json::Place<'_>) -> Built {
        let ((at, dim), widths) = (self.of_recent(spec)?, self.widths(spec, "widths", WIDTHS)?);
        let mut sound = widths.len() <= attention::MOST_LAYERS && widths.last() == Some(&1);
        for width in &widths {
            sound &= *width <= attention::MOST_WIDTH;
        }
        self.unless(sound, WIDTHS, "give 1 to 4 layers of at most 512 numbers, the last of them of one")?;
        let history = spec.key("history").given().map_or(HISTORY_MOST, json::Place::count);
        let sound = (1..=HISTORY_MOST).contains(&history);
        self.unless(sound, "ranker.blocks.history", "read 1 to 50 recent items")?;
        let activation = self.activation(spec, "activation", ACTIVATION, Activation::Relu)?;
        let softmax = spec.key("softmax").given().is_some_and(json::Place::flag);
        let (mut layers, mut inputs) = (Vec::new(), dim.saturating_mul(4));
        for (number, width) in widths.iter().enumerate() {
            let inner = number + 1 < widths.len();
            let how = (if inner { activation } else { Activation::None }, false);
            layers.push(self.layer(name, ("", number), (None, *width, inputs), how)?);
            inputs = *width;
        }
        let words = self.stack.vectors(at)?.table().is_bytes();
        let shape = attention::Shape { dim, history, softmax, words };
        let attention = self.made(name, Attention::new(shape, &layers))?;
        let (past, of) = (self.before(|kind| matches!(kind, Kind::Attention { .. })), self.stack.blocks.get(at)?.out);
        Some((Kind::Attention { at, past, attention }, [of].to_vec(), Side::Pair, dim))
    }

    #[inline(never)]
    pub(super) fn sequence(&mut self, name: &str, spec: json::Place<'_>) -> Built {
        let (at, dim) = self.of_recent(spec)?;
        self.unless(dim <= sequence::MOST_DIM, OF, "read vectors of at most 128 numbers")?;
        let (count, heads) = (spec.key("layers").count(), spec.key("heads").count());
        let sound = (1..=sequence::MOST_LAYERS).contains(&count);
        self.unless(sound, "ranker.blocks.layers", "give 1 to 4 layers")?;
        let sound = heads > 0 && dim.is_multiple_of(heads);
        self.unless(sound, "ranker.blocks.heads", "give a number of heads that divides the length of the vectors")?;
        let norm = match spec.key("norm").one_of(&["pre", "post", "query"]) {
            0 => Norm::Pre,
            1 => Norm::Post,
            _ => Norm::Query,
        };
        let from_oldest = spec.key("positions").given().is_some_and(|at| at.one_of(&["newest", "oldest"]) == 1);
        let scale = spec.key("scale").given().map_or(1.0, json::Place::single);
        self.unless(scale.is_finite(), "ranker.blocks.scale", "give a finite number")?;
        let epsilon = spec.key("epsilon").given().map_or(1e-5, json::Place::single);
        let sound = (1e-12..=1.0).contains(&epsilon);
        self.unless(sound, "ranker.blocks.epsilon", "give a number from 1e-12 to 1")?;
        let (shape, position) = self.tensors.numbers(name, "position.weight", &[ANY, dim])?;
        let items = shape.first().copied()?;
        if items > sequence::MOST_ITEMS {
            return self.refuse(name, "position.weight", TensorFault::TooLarge);
        }
        let (mut layers, mut inner) = (Vec::new(), 0);
        for number in 0..count {
            let layer: [Read; 6];
            (layer, inner) = self.encoder_layer(name, (number, inner), dim)?;
            layers.push(layer);
        }
        let norm_behind = if self.tensors.has(name, "norm.weight") {
            Some((self.tensors.list(name, "norm.weight", dim)?, self.tensors.list(name, "norm.bias", dim)?))
        } else {
            None
        };
        let mut weights = Vec::new();
        for [attention, out, first, second, norm1, norm2] in &layers {
            weights.push(LayerWeights {
                attention: pair(attention),
                out: pair(out),
                first: pair(first),
                second: pair(second),
                norms: [pair(norm1), pair(norm2)],
            });
        }
        let shape = sequence::Shape { dim, heads, inner, items, norm, from_oldest, scale, epsilon };
        let sequence = self.made(name, Sequence::new(shape, &position, &weights, norm_behind.as_ref().map(pair)))?;
        let past = self.before(|kind| matches!(kind, Kind::Sequence { .. }));
        Some((Kind::Sequence { at, past, sequence }, Vec::new(), Side::User, dim))
    }

    /// The tensors of one layer of an encoder, and how many numbers stand between the halves of its feed-forward layer: `inner`, as in the
    /// layers before it, if there were any.
    fn encoder_layer(&mut self, name: &str, (number, inner): (usize, usize), dim: usize) -> Option<([Read; 6], usize)> {
        let mut inner = if number == 0 { ANY } else { inner };
        let mut read: [Read; 6] = [const { (Vec::new(), Vec::new()) }; 6];
        for (which, ([weight, bias], slot)) in PARTS.iter().zip(&mut read).enumerate() {
            let (weight, bias) = (part("layers.", number, weight), part("layers.", number, bias));
            let (outputs, inputs) = match which {
                0 => (dim.saturating_mul(3), dim),
                1 => (dim, dim),
                2 => (inner, dim),
                3 => (dim, inner),
                _ => (dim, 0),
            };
            let expected = [outputs, inputs];
            let expected = if inputs == 0 { expected.get(..1)? } else { &expected[..] };
            let (shape, numbers) = self.tensors.numbers(name, &weight, expected)?;
            let outputs = shape.first().copied()?;
            if which == 2 {
                if outputs > MOST_INNER {
                    return self.refuse(name, &weight, TensorFault::TooLarge);
                }
                inner = outputs;
            }
            *slot = (numbers, self.tensors.list(name, &bias, outputs)?);
        }
        Some((read, inner))
    }
}

fn pair((weight, bias): &Read) -> Pair<'_> {
    Pair { weight, bias }
}
