//! Blocks over the sequence of recent items: their specs and tensors.

use alloc::vec::Vec;

use super::net::{LAYERS, WIDTHS};
use super::{Builder, OF};
use crate::block::layer::Activation;
use crate::block::sequence::{self, LayerWeights, MOST_INNER, Norm, Pair, Sequence};
use crate::block::{Attention, attention};
use crate::bundle::TensorFault;
use crate::bundle::stack::HISTORY_MOST;
use crate::bundle::stack::kind::Kind;
use crate::bundle::stack::place::Side;
use crate::bundle::tensors::ANY;
use crate::json;
use crate::words::words;

/// The tensor of an encoder that says how many numbers stand between the halves of a feed-forward layer.
const BETWEEN: &str = ".linear1.weight";

impl<'a> Builder<'_, 'a> {
    /// How many blocks of a kind stand before.
    #[inline(never)]
    fn before(&self, kind: &str) -> usize {
        self.stack.blocks.iter().filter(|block| block.kind.name() == kind).count()
    }

    /// Takes a weight and its bias: a matrix and as many numbers as it has rows, or both as many where there are no columns.
    #[inline(never)]
    fn two(&mut self, [weight, bias]: [&str; 2], outputs: usize, inputs: Option<usize>) -> Pair {
        let weight = match inputs {
            Some(inputs) => self.tensors.numbers(weight, &[outputs, inputs]),
            None => self.tensors.numbers(weight, &[outputs]),
        };
        Pair { weight, bias: self.tensors.numbers(bias, &[outputs]) }
    }

    #[inline(never)]
    pub(super) fn attention(&mut self) {
        let ((at, dim), widths) = (self.of_recent(), self.widths("widths", WIDTHS));
        let mut sound = widths.len() <= attention::MOST_LAYERS && widths.last() == Some(&1);
        for width in &widths {
            sound &= *width <= attention::MOST_WIDTH;
        }
        self.unless(sound, WIDTHS, words!("give 1 to 4 layers of at most 512 numbers, the last of them of one"));
        let history = match self.maybe_key("history") {
            Some(history) => {
                self.count(history, HISTORY_MOST, words!("ranker.blocks.history"), words!("read 1 to 50 recent items"))
            }
            None => HISTORY_MOST,
        };
        let how = [(self.inner(), false), (Activation::None, false)];
        let softmax = self.maybe_key("softmax").is_some_and(json::Place::flag);
        let layers = self.layers("", None, (&widths, dim.saturating_mul(4)), how);
        let words = self.stack.vectors(at).is_some_and(|vectors| vectors.table().is_bytes());
        let shape = attention::Shape { dim, history, softmax, words };
        let (past, mut of) = (self.before("attention"), Vec::new());
        if let Some(items) = self.stack.blocks.get(at) {
            of.push(items.out);
        }
        match Attention::new(shape, &layers) {
            Ok(attention) => self.push(Kind::Attention { at, past, attention }, of, Side::Pair, dim),
            Err(error) => self.tensors.against(error),
        }
    }

    #[inline(never)]
    pub(super) fn sequence(&mut self) {
        let (at, dim) = self.of_recent();
        self.unless(dim <= sequence::MOST_DIM, OF, words!("read vectors of at most 128 numbers"));
        let count = self.count(self.key("layers"), sequence::MOST_LAYERS, LAYERS, words!("give 1 to 4 layers"));
        let heads = self.key("heads").count();
        let sound = heads > 0 && dim.is_multiple_of(heads);
        self.unless(
            sound,
            words!("ranker.blocks.heads"),
            words!("give a number of heads that divides the length of the vectors"),
        );
        let norm = match self.key("norm").one_of(&["pre", "post", "query"]) {
            0 => Norm::Pre,
            1 => Norm::Post,
            _ => Norm::Query,
        };
        let from_oldest = self.maybe_key("positions").is_some_and(|at| at.one_of(&["newest", "oldest"]) == 1);
        let scale = self.maybe_key("scale").map_or(1.0, json::Place::single);
        self.unless(scale.is_finite(), words!("ranker.blocks.scale"), words!("give a finite number"));
        let epsilon = self.maybe_key("epsilon").map_or(1e-5, json::Place::single);
        let sound = (1e-12..=1.0).contains(&epsilon);
        self.unless(sound, words!("ranker.blocks.epsilon"), words!("give a number from 1e-12 to 1"));
        let items = self.tensors.size("position.weight", 0);
        let position = self.tensors.numbers("position.weight", &[ANY, dim]);
        if items > sequence::MOST_ITEMS {
            self.tensors.refuse("position.weight", TensorFault::TooLarge);
        }
        let behind = self.tensors.has("norm.weight").then(|| self.two(["norm.weight", "norm.bias"], dim, None));
        let (mut inner, mut layers) = (1, Vec::new());
        for number in 0..count {
            self.tensors.layer("layers.", number);
            if number == 0 {
                inner = self.tensors.size(BETWEEN, 0).max(1);
                if inner > MOST_INNER {
                    self.tensors.refuse(BETWEEN, TensorFault::TooLarge);
                }
            }
            // The names are PyTorch's.
            let (rows, of_dim) = (dim.saturating_mul(3), Some(dim));
            layers.push(LayerWeights {
                attention: self.two([".self_attn.in_proj_weight", ".self_attn.in_proj_bias"], rows, of_dim),
                out: self.two([".self_attn.out_proj.weight", ".self_attn.out_proj.bias"], dim, of_dim),
                first: self.two([BETWEEN, ".linear1.bias"], inner, of_dim),
                second: self.two([".linear2.weight", ".linear2.bias"], dim, Some(inner)),
                norms: [
                    self.two([".norm1.weight", ".norm1.bias"], dim, None),
                    self.two([".norm2.weight", ".norm2.bias"], dim, None),
                ],
            });
        }
        let shape = sequence::Shape { dim, heads, inner, items, norm, from_oldest, scale, epsilon };
        let past = self.before("sequence");
        match Sequence::new(shape, position, layers, behind) {
            Ok(sequence) => self.push(Kind::Sequence { at, past, sequence }, Vec::new(), Side::User, dim),
            Err(error) => self.tensors.against(error),
        }
    }
}
