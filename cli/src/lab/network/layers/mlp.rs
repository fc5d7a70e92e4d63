//! Layers of a perceptron: `activation(norm(W x + b))`.

use super::super::Layer;
use super::super::build::{Builder, Keys, Made};
use super::super::pass::At;
use super::linear::{Activation, Stack};
use anyhow::Context as _;
use serde_json::{Value, json};

struct Mlp {
    of: Vec<usize>,
    widths: Vec<usize>,
    activation: Activation,
    last: Activation,
    norm: bool,
    stack: Stack,
}

/// What is read; what the derivatives by it are; the layers keep theirs behind.
const X: usize = 0;
const SLOPE: usize = 1;
const LAYERS: usize = 2;

/// Reads the keys of the block.
pub fn build(builder: &mut Builder<'_>, keys: &mut Keys<'_>) -> anyhow::Result<Made> {
    let of = builder.of(keys)?;
    let widths = keys.counts("widths", 1..=512)?.filter(|widths| !widths.is_empty() && widths.len() <= 5);
    let widths = widths.with_context(|| format!("{}: give the widths of one to five layers", keys.at("widths")))?;
    let activation = Activation::read(keys, "activation", Activation::Relu)?;
    let last = Activation::read(keys, "last", Activation::None)?;
    let (norm, dropped) = (keys.flag("norm", false)?, keys.flag("dropout", true)?);
    let (side, input) = (builder.side(&of), builder.width(&of));
    let stack = Stack::new(builder, (input, &widths), (activation, last), norm, dropped);
    let width = widths.last().copied().unwrap_or(1);
    Ok((Box::new(Mlp { of, widths, activation, last, norm, stack }), side, width))
}

impl Layer for Mlp {
    fn of(&self) -> &[usize] {
        &self.of
    }

    fn forward(&self, at: &mut At<'_>) {
        at.gather(&self.of, X);
        let rows = at.rows();
        let out = self.stack.forward(at.params, at.scratch, at.disturbance, (X, LAYERS), rows);
        at.own.out.copy_from_slice(&at.scratch[out]);
    }

    fn backward(&self, at: &mut At<'_>) {
        let (rows, wanted) = (at.rows(), at.learns(&self.of));
        let slope = &mut at.scratch[SLOPE];
        slope.clear();
        slope.extend_from_slice(&at.own.slope);
        self.stack.backward(at.params, at.gradients, at.scratch, (X, LAYERS, SLOPE), rows, wanted);
        if wanted {
            at.scatter(&self.of, SLOPE);
        }
    }

    fn spec(&self) -> Value {
        json!({
            "widths": self.widths,
            "activation": self.activation.name(),
            "last": self.last.name(),
            "norm": self.norm,
        })
    }
}
