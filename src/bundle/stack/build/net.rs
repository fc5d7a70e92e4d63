//! Nets: their specs and tensors.

use alloc::vec::Vec;

use super::{Builder, MOST_WIDTH, OF, side_of};
use crate::block::layer::{Activation, Weights};
use crate::block::net::{Cross, CrossWeights, Mlp, Mmoe, MmoeWeights};
use crate::block::{BlockError, Net};
use crate::bundle::stack::kind::Kind;
use crate::bundle::stack::place::{Place, Side};
use crate::bundle::{MOST_EXPERTS, MOST_LAYERS, MOST_TASKS};
use crate::json;
use crate::words::{Words, words};

pub(super) const WIDTHS: Words = words!("ranker.blocks.widths");
pub(super) const LAYERS: Words = words!("ranker.blocks.layers");
const GROUPS: Words = words!("give 1 to 16 experts, 1 to 8 tasks");

/// What a net reads: the places, for each its side and how many numbers, and all of them together.
struct Input {
    of: Vec<Place>,
    sides: Vec<(Side, usize)>,
    width: usize,
}

/// What follows the sums of a layer: the activation, and whether there is a norm before it.
pub(super) type How = (Activation, bool);

impl<'a> Builder<'_, 'a> {
    #[inline(never)]
    fn input(&mut self) -> Input {
        let of = self.of();
        let side = side_of(&of);
        let (mut sides, mut width) = (Vec::new(), 0usize);
        for place in &of {
            width = width.saturating_add(place.width);
            // What depends on one side alone is computed there from its beginning to its end, so nothing of it is cut.
            sides.push((if side == Side::Pair { place.side } else { Side::Pair }, place.width));
        }
        self.unless(width <= MOST_WIDTH, OF, words!("read at most 4096 numbers"));
        Input { of, sides, width }
    }

    #[inline(never)]
    fn net(&mut self, input: Input, net: Result<Net, BlockError>) {
        match net {
            Ok(net) => {
                let (width, side) = (net.width(), side_of(&input.of));
                self.push(Kind::Net(net), input.of, side, width);
            }
            Err(error) => self.tensors.against(error),
        }
    }

    #[inline(never)]
    pub(super) fn widths(&mut self, key: &'static str, at: Words) -> Vec<usize> {
        let list = self.key(key);
        let count = list.len();
        self.unless((1..=MOST_LAYERS).contains(&count), at, words!("give 1 to 8 widths of layers"));
        let mut widths = Vec::new();
        for index in 0..count {
            widths.push(self.count(list.at(index), MOST_WIDTH, at, words!("give widths of 1 to 4096")));
        }
        widths
    }

    #[inline(never)]
    pub(super) fn activation(&mut self, key: &'static str, at: Words, otherwise: Activation) -> Activation {
        let Some(name) = self.maybe_key(key) else { return otherwise };
        match name.text() {
            "none" => Activation::None,
            "prelu" => Activation::Prelu,
            "silu" => Activation::Silu,
            other => {
                self.unless(other == "relu", at, words!("name one of none, relu, prelu, silu"));
                Activation::Relu
            }
        }
    }

    /// The activation of all layers but the last.
    pub(super) fn inner(&mut self) -> Activation {
        self.activation("activation", words!("ranker.blocks.activation"), Activation::Relu)
    }

    /// Takes a tensor that may be left out.
    #[inline(never)]
    fn maybe(&mut self, part: &str, shape: &[usize]) -> Vec<f32> {
        if self.tensors.has(part) { self.tensors.numbers(part, shape) } else { Vec::new() }
    }

    /// The tensors of layers, each of `groups` side by side where that is more than none: those under a name, of these widths over so many inputs.
    #[inline(never)]
    pub(super) fn layers(
        &mut self,
        before: &'static str,
        groups: Option<usize>,
        (widths, inputs): (&[usize], usize),
        [inner, last]: [How; 2],
    ) -> Vec<Weights> {
        let (mut layers, mut inputs) = (Vec::new(), inputs);
        for (number, width) in widths.iter().enumerate() {
            let (activation, norm) = if number + 1 < widths.len() { inner } else { last };
            self.tensors.layer(before, number);
            let shape = [groups.unwrap_or(1), *width, inputs];
            let shape = if groups.is_some() { &shape[..] } else { shape.get(1..).unwrap_or_default() };
            let short = shape.get(..shape.len().saturating_sub(1)).unwrap_or_default();
            let mut layer = Weights {
                groups: groups.unwrap_or(1),
                width: *width,
                inputs,
                activation,
                weight: self.tensors.numbers(".weight", shape),
                bias: self.maybe(".bias", short),
                ..Weights::default()
            };
            if norm {
                layer.norm = [self.tensors.numbers(".norm.weight", short), self.tensors.numbers(".norm.bias", short)];
            }
            if activation == Activation::Prelu {
                let one = self.tensors.size(".alpha", 0) == 1 && self.tensors.size(".alpha", 1) == 0;
                layer.alpha = self.tensors.numbers(".alpha", if one { &[1] } else { short });
            }
            let sound = layer.groups.saturating_mul(*width) <= MOST_WIDTH;
            self.unless(
                sound,
                WIDTHS,
                words!("give layers of at most 4096 numbers, those of all experts or tasks together"),
            );
            inputs = *width;
            layers.push(layer);
        }
        layers
    }

    #[inline(never)]
    pub(super) fn mlp(&mut self) {
        let (input, widths) = (self.input(), self.widths("widths", WIDTHS));
        let activation = self.inner();
        let last = self.activation("last", words!("ranker.blocks.last"), Activation::None);
        let norm = self.maybe_key("norm").is_some_and(json::Place::flag);
        let layers = self.layers("", None, (&widths, input.width), [(activation, norm), (last, false)]);
        let net = Mlp::new(&layers, &input.sides).map(Net::Mlp);
        self.net(input, net);
    }

    #[inline(never)]
    pub(super) fn cross(&mut self) {
        let input = self.input();
        let width = input.width;
        let count = self.count(self.key("layers"), MOST_LAYERS, LAYERS, words!("give 1 to 8 layers"));
        let rank = match self.maybe_key("rank") {
            Some(rank) => {
                self.count(rank, MOST_WIDTH, words!("ranker.blocks.rank"), words!("give a rank of 1 to 4096"))
            }
            None => 0,
        };
        let mut layers = Vec::new();
        for number in 0..count {
            self.tensors.layer("", number);
            let (u, v) = if rank > 0 {
                (self.tensors.numbers(".u", &[width, rank]), self.tensors.numbers(".v", &[rank, width]))
            } else {
                (self.tensors.numbers(".weight", &[width, width]), Vec::new())
            };
            layers.push(CrossWeights { width, rank, u, v, bias: self.tensors.numbers(".bias", &[width]) });
        }
        let net = Cross::new(&layers, &input.sides).map(Net::Cross);
        self.net(input, net);
    }

    #[inline(never)]
    pub(super) fn mmoe(&mut self) {
        const TOWERS: Words = words!("ranker.blocks.towers");
        let input = self.input();
        let experts = self.count(self.key("experts"), MOST_EXPERTS, words!("ranker.blocks.experts"), GROUPS);
        let tasks = self.count(self.key("tasks"), MOST_TASKS, words!("ranker.blocks.tasks"), GROUPS);
        let (widths, towers) = (self.widths("widths", WIDTHS), self.widths("towers", TOWERS));
        self.unless(towers.last() == Some(&1), TOWERS, words!("a tower ends in one number"));
        let (how, none) = ((self.inner(), false), (Activation::None, false));
        let mut layers = self.layers("expert.", Some(experts), (&widths, input.width), [how, how]);
        if let Some(first) = layers.first_mut() {
            first.shared = true;
        }
        self.tensors.block(self.name);
        let gate = Weights {
            groups: tasks,
            width: experts,
            inputs: input.width,
            shared: true,
            weight: self.tensors.numbers("gate.weight", &[tasks, experts, input.width]),
            bias: self.maybe("gate.bias", &[tasks, experts]),
            ..Weights::default()
        };
        let inputs = widths.last().copied().unwrap_or(0);
        let towers = self.layers("tower.", Some(tasks), (&towers, inputs), [how, none]);
        let of = MmoeWeights { experts: layers, gate, towers };
        let net = Mmoe::new(&of, &input.sides).map(Net::Mmoe);
        self.net(input, net);
    }
}
