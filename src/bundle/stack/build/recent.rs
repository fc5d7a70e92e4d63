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

/// The parts of a layer of an encoder, as PyTorch names them: weight and bias of each.
const PARTS: [&str; 12] = [
    ".self_attn.in_proj_weight",
    ".self_attn.in_proj_bias",
    ".self_attn.out_proj.weight",
    ".self_attn.out_proj.bias",
    ".linear1.weight",
    ".linear1.bias",
    ".linear2.weight",
    ".linear2.bias",
    ".norm1.weight",
    ".norm1.bias",
    ".norm2.weight",
    ".norm2.bias",
];
/// The one of them that says how many numbers stand between the halves of the feed-forward layer.
const BETWEEN: &str = ".linear1.weight";

impl<'a> Builder<'_, 'a> {
    /// How many blocks of a kind stand before.
    #[inline(never)]
    fn before(&self, kind: &str) -> usize {
        self.stack.blocks.iter().filter(|block| block.kind.name() == kind).count()
    }

    #[inline(never)]
    pub(super) fn attention(&mut self, spec: json::Place<'a>) {
        let ((at, dim), widths) = (self.of_recent(spec), self.widths(spec, "widths", WIDTHS));
        let mut sound = widths.len() <= attention::MOST_LAYERS && widths.last() == Some(&1);
        for width in &widths {
            sound &= *width <= attention::MOST_WIDTH;
        }
        self.unless(sound, WIDTHS, words!("give 1 to 4 layers of at most 512 numbers, the last of them of one"));
        let history = match spec.key("history").given() {
            Some(history) => {
                self.count(history, HISTORY_MOST, words!("ranker.blocks.history"), words!("read 1 to 50 recent items"))
            }
            None => HISTORY_MOST,
        };
        let how = [(self.inner(spec), false), (Activation::None, false)];
        let softmax = spec.key("softmax").given().is_some_and(json::Place::flag);
        let layers = self.layers("", None, (&widths, dim.saturating_mul(4)), how);
        let words = self.stack.vectors(at).is_some_and(|vectors| vectors.table().is_bytes());
        let shape = attention::Shape { dim, history, softmax, words };
        let (past, of) = (self.before("attention"), self.stack.blocks.get(at).map(|block| block.out));
        match Attention::new(shape, &layers) {
            Ok(attention) => {
                let of = of.into_iter().collect();
                self.push(Kind::Attention { at, past, attention }, of, Side::Pair, dim);
            }
            Err(error) => self.tensors.against(error),
        }
    }

    #[inline(never)]
    pub(super) fn sequence(&mut self, spec: json::Place<'a>) {
        let (at, dim) = self.of_recent(spec);
        self.unless(dim <= sequence::MOST_DIM, OF, words!("read vectors of at most 128 numbers"));
        let count = self.count(spec.key("layers"), sequence::MOST_LAYERS, LAYERS, words!("give 1 to 4 layers"));
        let heads = spec.key("heads").count();
        let sound = heads > 0 && dim.is_multiple_of(heads);
        self.unless(
            sound,
            words!("ranker.blocks.heads"),
            words!("give a number of heads that divides the length of the vectors"),
        );
        let norm = match spec.key("norm").one_of(&["pre", "post", "query"]) {
            0 => Norm::Pre,
            1 => Norm::Post,
            _ => Norm::Query,
        };
        let from_oldest = spec.key("positions").given().is_some_and(|at| at.one_of(&["newest", "oldest"]) == 1);
        let scale = spec.key("scale").given().map_or(1.0, json::Place::single);
        self.unless(scale.is_finite(), words!("ranker.blocks.scale"), words!("give a finite number"));
        let epsilon = spec.key("epsilon").given().map_or(1e-5, json::Place::single);
        let sound = (1e-12..=1.0).contains(&epsilon);
        self.unless(sound, words!("ranker.blocks.epsilon"), words!("give a number from 1e-12 to 1"));
        let items = self.tensors.size("position.weight", 0);
        let mut lists = Vec::from([self.tensors.numbers("position.weight", &[ANY, dim])]);
        if items > sequence::MOST_ITEMS {
            self.tensors.refuse("position.weight", TensorFault::TooLarge);
        }
        let behind = self.tensors.has("norm.weight");
        if behind {
            lists.extend(["norm.weight", "norm.bias"].map(|part| self.tensors.list(part, dim)));
        }
        let mut inner = ANY;
        for number in 0..count {
            self.tensors.layer("layers.", number);
            for (which, part) in PARTS.iter().enumerate() {
                if inner == ANY && *part == BETWEEN {
                    let between = self.tensors.size(part, 0);
                    if between > MOST_INNER {
                        self.tensors.refuse(part, TensorFault::TooLarge);
                    }
                    inner = between.max(1);
                }
                let (outputs, inputs) = match which {
                    0 | 1 => (dim.saturating_mul(3), dim),
                    4 | 5 => (inner, dim),
                    6 => (dim, inner),
                    _ => (dim, dim),
                };
                // Matrices are the weights of all but the norms.
                let matrix = which % 2 == 0 && which < 8;
                let shape = [outputs, inputs];
                lists
                    .push(self.tensors.numbers(part, if matrix { &shape } else { shape.get(..1).unwrap_or_default() }));
            }
        }
        let mut pairs = Vec::new();
        for two in lists.get(1..).unwrap_or_default().as_chunks::<2>().0 {
            let [weight, bias] = two;
            pairs.push(Pair { weight, bias });
        }
        let (behind, rest) = pairs.split_at_checked(usize::from(behind)).unwrap_or_default();
        let mut layers = Vec::new();
        for [attention, out, first, second, norm1, norm2] in rest.as_chunks::<6>().0 {
            let [attention, out, first, second] = [*attention, *out, *first, *second];
            layers.push(LayerWeights { attention, out, first, second, norms: [*norm1, *norm2] });
        }
        let position = lists.first().map_or(&[][..], |list| list);
        let shape = sequence::Shape { dim, heads, inner, items, norm, from_oldest, scale, epsilon };
        let past = self.before("sequence");
        match Sequence::new(shape, position, &layers, behind.first().copied()) {
            Ok(sequence) => self.push(Kind::Sequence { at, past, sequence }, Vec::new(), Side::User, dim),
            Err(error) => self.tensors.against(error),
        }
    }
}
