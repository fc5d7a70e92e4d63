//! Nets: their specs and tensors.

use alloc::string::String;
use alloc::vec::Vec;

use super::{Builder, Built, OF};
use crate::block::layer::{Activation, MOST_WIDTH, Weights};
use crate::block::net::{Cross, CrossWeights, Mlp, Mmoe, MmoeWeights};
use crate::block::{BlockError, Net};
use crate::bundle::stack::kind::Kind;
use crate::bundle::stack::place::{Place, Side};
use crate::bundle::{MOST_EXPERTS, MOST_LAYERS, MOST_TASKS};
use crate::json;

pub(super) const WIDTHS: &str = "ranker.blocks.widths";
pub(super) const ACTIVATION: &str = "ranker.blocks.activation";
const LAST: &str = "ranker.blocks.last";

/// What a net reads: the places, for each its side and how many numbers, all of them together, and the side of the block itself.
struct Input {
    of: Vec<Place>,
    sides: Vec<(Side, usize)>,
    width: usize,
    side: Side,
}

/// The name of a tensor of a layer.
pub(super) fn part(before: &str, layer: usize, after: &str) -> String {
    // There are fewer than ten layers.
    let digit = ["0", "1", "2", "3", "4", "5", "6", "7"].get(layer).copied().unwrap_or("");
    [before, digit, after].concat()
}

impl Builder<'_, '_> {
    fn input(&mut self, spec: json::Place<'_>) -> Option<Input> {
        let of = self.of(spec)?;
        let mut side = of.first()?.side;
        let mut width = 0usize;
        for place in &of {
            width = width.saturating_add(place.width);
            if place.side != side {
                side = Side::Pair;
            }
        }
        self.unless(width <= MOST_WIDTH, OF, "read at most 4096 numbers")?;
        // What depends on one side alone is computed there from its beginning to its end, so nothing of it is cut.
        let cut = |place: &Place| (if side == Side::Pair { place.side } else { Side::Pair }, place.width);
        let sides = of.iter().map(cut).collect();
        Some(Input { of, sides, width, side })
    }

    fn net(&mut self, name: &str, input: Input, net: Result<Net, BlockError>) -> Built {
        let net = self.made(name, net)?;
        let width = net.width();
        Some((Kind::Net(net), input.of, input.side, width))
    }

    pub(super) fn widths(&mut self, spec: json::Place<'_>, key: &'static str, at: &'static str) -> Option<Vec<usize>> {
        let list = spec.key(key);
        let count = list.len();
        self.unless((1..=MOST_LAYERS).contains(&count), at, "give 1 to 8 widths of layers")?;
        let mut widths = Vec::new();
        for index in 0..count {
            let width = list.at(index).count();
            self.unless((1..=MOST_WIDTH).contains(&width), at, "give widths of 1 to 4096")?;
            widths.push(width);
        }
        Some(widths)
    }

    /// A number of groups.
    fn groups(&mut self, spec: json::Place<'_>, key: &'static str, at: &'static str, most: usize) -> Option<usize> {
        let count = spec.key(key).count();
        self.unless((1..=most).contains(&count), at, "give 1 to 16 experts, 1 to 8 tasks")?;
        Some(count)
    }

    pub(super) fn activation(
        &mut self,
        spec: json::Place<'_>,
        key: &'static str,
        at: &'static str,
        otherwise: Activation,
    ) -> Option<Activation> {
        let Some(name) = spec.key(key).given() else { return Some(otherwise) };
        let known = match name.text() {
            "none" => Some(Activation::None),
            "relu" => Some(Activation::Relu),
            "prelu" => Some(Activation::Prelu),
            "silu" => Some(Activation::Silu),
            _ => None,
        };
        self.unless(known.is_some(), at, "name one of none, relu, prelu, silu")?;
        known
    }

    /// The tensors of one layer, of `groups` side by side where that is more than none.
    pub(super) fn layer(
        &mut self,
        name: &str,
        (before, number): (&str, usize),
        (groups, width, inputs): (Option<usize>, usize, usize),
        (activation, norm): (Activation, bool),
    ) -> Option<Weights> {
        let shape = [groups.unwrap_or(1), width, inputs];
        let shape = if groups.is_some() { &shape[..] } else { shape.get(1..)? };
        let short = shape.split_last()?.1;
        let weight = self.tensors.numbers(name, &part(before, number, ".weight"), shape)?.1;
        let bias = part(before, number, ".bias");
        let bias = if self.tensors.has(name, &bias) { self.tensors.numbers(name, &bias, short)?.1 } else { Vec::new() };
        let [mut gain, mut shift, mut alpha] = [const { Vec::new() }; 3];
        if norm {
            gain = self.tensors.numbers(name, &part(before, number, ".norm.weight"), short)?.1;
            shift = self.tensors.numbers(name, &part(before, number, ".norm.bias"), short)?.1;
        }
        if activation == Activation::Prelu {
            let part = part(before, number, ".alpha");
            let one = self.tensors.shape(name, &part) == Some(&[1]);
            alpha = self.tensors.numbers(name, &part, if one { &[1] } else { short })?.1;
        }
        let groups = groups.unwrap_or(1);
        let layer =
            Weights { groups, width, inputs, shared: false, activation, weight, bias, norm: [gain, shift], alpha };
        let sound = groups.saturating_mul(width) <= MOST_WIDTH;
        self.unless(sound, WIDTHS, "give layers of at most 4096 numbers, those of all experts or tasks together")?;
        Some(layer)
    }

    #[inline(never)]
    pub(super) fn mlp(&mut self, name: &str, spec: json::Place<'_>) -> Built {
        let (input, widths) = (self.input(spec)?, self.widths(spec, "widths", WIDTHS)?);
        let activation = self.activation(spec, "activation", ACTIVATION, Activation::Relu)?;
        let last = self.activation(spec, "last", LAST, Activation::None)?;
        let norm = spec.key("norm").given().is_some_and(json::Place::flag);
        let (mut layers, mut inputs) = (Vec::new(), input.width);
        for (number, width) in widths.iter().enumerate() {
            let inner = number + 1 < widths.len();
            let how = if inner { (activation, norm) } else { (last, false) };
            layers.push(self.layer(name, ("", number), (None, *width, inputs), how)?);
            inputs = *width;
        }
        let net = Mlp::new(&layers, &input.sides).map(Net::Mlp);
        self.net(name, input, net)
    }

    #[inline(never)]
    pub(super) fn cross(&mut self, name: &str, spec: json::Place<'_>) -> Built {
        let input = self.input(spec)?;
        let (count, width) = (spec.key("layers").count(), input.width);
        self.unless((1..=MOST_LAYERS).contains(&count), "ranker.blocks.layers", "give 1 to 8 layers")?;
        let rank = spec.key("rank").given().map(json::Place::count);
        let sound = rank.is_none_or(|rank| (1..=MOST_WIDTH).contains(&rank));
        self.unless(sound, "ranker.blocks.rank", "give a rank of 1 to 4096")?;
        let mut layers = Vec::new();
        for number in 0..count {
            let (u, v) = match rank {
                Some(rank) => (
                    self.tensors.numbers(name, &part("", number, ".u"), &[width, rank])?.1,
                    self.tensors.numbers(name, &part("", number, ".v"), &[rank, width])?.1,
                ),
                None => (self.tensors.numbers(name, &part("", number, ".weight"), &[width, width])?.1, Vec::new()),
            };
            let bias = self.tensors.list(name, &part("", number, ".bias"), width)?;
            layers.push(CrossWeights { width, rank: rank.unwrap_or(0), u, v, bias });
        }
        let net = Cross::new(&layers, &input.sides).map(Net::Cross);
        self.net(name, input, net)
    }

    #[inline(never)]
    pub(super) fn mmoe(&mut self, name: &str, spec: json::Place<'_>) -> Built {
        const TOWERS: &str = "ranker.blocks.towers";
        let input = self.input(spec)?;
        let experts = self.groups(spec, "experts", "ranker.blocks.experts", MOST_EXPERTS)?;
        let tasks = self.groups(spec, "tasks", "ranker.blocks.tasks", MOST_TASKS)?;
        let (widths, towers) = (self.widths(spec, "widths", WIDTHS)?, self.widths(spec, "towers", TOWERS)?);
        self.unless(towers.last() == Some(&1), TOWERS, "a tower ends in one number")?;
        let activation = self.activation(spec, "activation", ACTIVATION, Activation::Relu)?;
        let (mut of, mut inputs) = (MmoeWeights::default(), input.width);
        for (number, width) in widths.iter().enumerate() {
            let shape = (Some(experts), *width, inputs);
            let mut layer = self.layer(name, ("expert.", number), shape, (activation, false))?;
            layer.shared = number == 0;
            of.experts.push(layer);
            inputs = *width;
        }
        let weight = self.tensors.numbers(name, "gate.weight", &[tasks, experts, input.width])?.1;
        let bias = if self.tensors.has(name, "gate.bias") {
            self.tensors.numbers(name, "gate.bias", &[tasks, experts])?.1
        } else {
            Vec::new()
        };
        of.gate = Weights {
            groups: tasks,
            width: experts,
            inputs: input.width,
            shared: true,
            weight,
            bias,
            ..Weights::default()
        };
        for (number, width) in towers.iter().enumerate() {
            let inner = number + 1 < towers.len();
            let how = (if inner { activation } else { Activation::None }, false);
            of.towers.push(self.layer(name, ("tower.", number), (Some(tasks), *width, inputs), how)?);
            inputs = *width;
        }
        let net = Mmoe::new(&of, &input.sides).map(Net::Mmoe);
        self.net(name, input, net)
    }
}
