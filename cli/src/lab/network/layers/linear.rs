//! Stacks of linear layers with norms, activations and dropout, over whole batches; what `mlp` is, and what `attention` weighs with.

use super::super::build::{Builder, First, Keys};
use super::super::matrix;
use super::super::params::{Gradients, Params};
use super::super::pass::{Disturbance, Scratch};
use zhiji::block::layer;
use zhiji::kernel::math;

/// What stands behind a linear layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// `x`.
    None,
    /// `max(x, 0)`.
    Relu,
    /// `x` where it is not below 0, else `alpha · x`.
    Prelu,
    /// `x / (1 + exp(−x))`.
    Silu,
}

/// The variance to which a norm adds this before it divides.
const EPSILON: f32 = 1e-5;

impl Activation {
    /// Reads a key.
    ///
    /// # Errors
    /// Where the word is unknown.
    pub fn read(keys: &mut Keys<'_>, key: &'static str, otherwise: Self) -> anyhow::Result<Self> {
        let words: &[&'static str] = if otherwise == Self::None {
            &["none", "relu", "prelu", "silu"]
        } else {
            &["relu", "prelu", "silu", "none"]
        };
        Ok(match keys.choice(key, words)? {
            "relu" => Self::Relu,
            "prelu" => Self::Prelu,
            "silu" => Self::Silu,
            _ => Self::None,
        })
    }

    /// The engine's own.
    pub const fn engine(self) -> layer::Activation {
        match self {
            Self::None => layer::Activation::None,
            Self::Relu => layer::Activation::Relu,
            Self::Prelu => layer::Activation::Prelu,
            Self::Silu => layer::Activation::Silu,
        }
    }

    /// Its word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Relu => "relu",
            Self::Prelu => "prelu",
            Self::Silu => "silu",
        }
    }
}

struct One {
    input: usize,
    output: usize,
    weight: usize,
    bias: usize,
    norm: Option<(usize, usize)>,
    alpha: Option<usize>,
    activation: Activation,
    dropped: bool,
}

/// Layers on layers. Each keeps five lists: what stands before its norm, what before its activation, what it gives, one over the deviations, and the
/// shares that dropout left.
pub struct Stack {
    layers: Vec<One>,
}

const LISTS: usize = 5;
const BEFORE: usize = 0;
const OUT: usize = 1;
const NORMED: usize = 2;
const INVERSE: usize = 3;
const KEPT: usize = 4;
/// Room for the derivatives by what a layer read; the last list, where no layer has its own.
const BACK: usize = 31;

impl Stack {
    /// Makes the tensors of a stack of layers of these widths.
    pub fn new(
        builder: &mut Builder<'_>,
        (mut input, widths): (usize, &[usize]),
        (activation, last): (Activation, Activation),
        norm: bool,
        dropped: bool,
    ) -> Self {
        let mut layers = Vec::new();
        for (at, output) in widths.iter().enumerate() {
            let ends = at + 1 == widths.len();
            let activation = if ends { last } else { activation };
            // He et al., "Delving Deep into Rectifiers", ICCV 2015, section 2.2, as a uniform draw; a last layer begins smaller.
            let bound = (if ends { 1.0f32 } else { 6.0 } / input as f32).sqrt();
            let weight = builder.tensor(&format!("{at}.weight"), &[*output, input], First::Uniform(bound));
            let bias = builder.constant(&format!("{at}.bias"), &[*output], 0.0);
            let norm = (norm && !ends).then(|| {
                let weight = builder.constant(&format!("{at}.norm.weight"), &[*output], 1.0);
                (weight, builder.constant(&format!("{at}.norm.bias"), &[*output], 0.0))
            });
            let prelu = activation == Activation::Prelu;
            let alpha = prelu.then(|| builder.constant(&format!("{at}.alpha"), &[*output], 0.25));
            let dropped = dropped && !ends;
            layers.push(One { input, output: *output, weight, bias, norm, alpha, activation, dropped });
            input = *output;
        }
        Self { layers }
    }

    /// Walks forward over `rows` rows in the list `x`; the layers keep theirs from the list `first` on. Returns the list of what the last one gives.
    pub fn forward(
        &self,
        params: &Params,
        scratch: &mut Scratch,
        disturbance: &mut Disturbance,
        (x, first): (usize, usize),
        rows: usize,
    ) -> usize {
        self.layers[0].multiply(params, scratch, (x, first), rows);
        self.forward_from_sums(params, scratch, disturbance, first, rows)
    }

    /// The same from the first layer's `W x + b` on, which the list `first` holds: for who multiplies in another way.
    pub fn forward_from_sums(
        &self,
        params: &Params,
        scratch: &mut Scratch,
        disturbance: &mut Disturbance,
        first: usize,
        rows: usize,
    ) -> usize {
        let mut lists = first;
        for (at, layer) in self.layers.iter().enumerate() {
            if at > 0 {
                layer.multiply(params, scratch, (lists + OUT, lists + LISTS), rows);
                lists += LISTS;
            }
            layer.activate(params, scratch, disturbance, lists);
        }
        lists + OUT
    }

    /// Walks backward. The list `slope` holds the derivatives by what the last layer gave, and then those by `x`, where they are `wanted`.
    pub fn backward(
        &self,
        params: &Params,
        gradients: &mut Gradients,
        scratch: &mut Scratch,
        (x, first, slope): (usize, usize, usize),
        rows: usize,
        wanted: bool,
    ) {
        self.backward_to_sums(params, gradients, scratch, (first, slope), rows);
        self.layers[0].multiply_back(params, gradients, scratch, (x, slope), rows, wanted);
    }

    /// The same up to the derivatives by the first layer's `W x + b`.
    pub fn backward_to_sums(
        &self,
        params: &Params,
        gradients: &mut Gradients,
        scratch: &mut Scratch,
        (first, slope): (usize, usize),
        rows: usize,
    ) {
        for (at, layer) in self.layers.iter().enumerate().rev() {
            let lists = first + at * LISTS;
            layer.activate_back(params, gradients, scratch, (lists, slope));
            if at > 0 {
                layer.multiply_back(params, gradients, scratch, (lists - LISTS + OUT, slope), rows, true);
            }
        }
    }

    /// The tensors of the first layer: its weights and its constant terms.
    pub fn first(&self) -> (usize, usize) {
        (self.layers[0].weight, self.layers[0].bias)
    }
}

impl One {
    /// Writes `W x + b` of the rows of the list `x` into the first of the layer's own `lists`.
    fn multiply(&self, params: &Params, scratch: &mut Scratch, (x, lists): (usize, usize), rows: usize) {
        let mut sums = std::mem::take(&mut scratch[lists + BEFORE]);
        sums.clear();
        matrix::repeat(&params[self.bias].numbers, rows, &mut sums);
        let weight = &params[self.weight].numbers;
        matrix::add_product_turned(&scratch[x], weight, &mut sums, (rows, self.input, self.output));
        scratch[lists + BEFORE] = sums;
    }

    /// Norm, activation and dropout of what [`One::multiply`] gave.
    fn activate(&self, params: &Params, scratch: &mut Scratch, disturbance: &mut Disturbance, lists: usize) {
        let output = self.output;
        let mut before = std::mem::take(&mut scratch[lists + BEFORE]);
        if let Some((weight, bias)) = self.norm {
            let (weight, bias) = (&params[weight].numbers, &params[bias].numbers);
            let mut normed = std::mem::take(&mut scratch[lists + NORMED]);
            let mut inverse = std::mem::take(&mut scratch[lists + INVERSE]);
            normed.clear();
            inverse.clear();
            for row in before.chunks_exact_mut(output) {
                let mean = row.iter().sum::<f32>() / output as f32;
                let variance = row.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / output as f32;
                let by = 1.0 / (variance + EPSILON).sqrt();
                inverse.push(by);
                for ((x, weight), bias) in row.iter_mut().zip(weight).zip(bias) {
                    let standard = (*x - mean) * by;
                    normed.push(standard);
                    *x = standard * weight + bias;
                }
            }
            (scratch[lists + NORMED], scratch[lists + INVERSE]) = (normed, inverse);
        }
        let mut out = std::mem::take(&mut scratch[lists + OUT]);
        out.clear();
        match self.activation {
            Activation::None => out.extend_from_slice(&before),
            Activation::Relu => out.extend(before.iter().map(|x| x.max(0.0))),
            Activation::Silu => out.extend(before.iter().map(|x| x * math::sigmoid(*x))),
            Activation::Prelu => {
                let alpha = self.alpha.map_or(&[][..], |alpha| &params[alpha].numbers);
                for row in before.chunks_exact(output) {
                    out.extend(row.iter().zip(alpha).map(|(x, alpha)| if *x >= 0.0 { *x } else { alpha * x }));
                }
            }
        }
        let kept = &mut scratch[lists + KEPT];
        kept.clear();
        if self.dropped && disturbance.dropout > 0.0 {
            let keep = 1.0 - disturbance.dropout;
            for x in &mut out {
                let share = if disturbance.noise.uniform() < keep { 1.0 / keep } else { 0.0 };
                kept.push(share);
                *x *= share;
            }
        }
        (scratch[lists + BEFORE], scratch[lists + OUT]) = (before, out);
    }

    /// Turns the derivatives in the list `slope` by what the layer gave into those by its `W x + b`.
    fn activate_back(
        &self,
        params: &Params,
        gradients: &mut Gradients,
        scratch: &mut Scratch,
        (lists, slope): (usize, usize),
    ) {
        let output = self.output;
        let mut slopes = std::mem::take(&mut scratch[slope]);
        let before = &scratch[lists + BEFORE];
        slopes.iter_mut().zip(&scratch[lists + KEPT]).for_each(|(slope, share)| *slope *= share);
        match self.activation {
            Activation::None => {}
            Activation::Relu => {
                for (slope, x) in slopes.iter_mut().zip(before) {
                    *slope = if *x > 0.0 { *slope } else { 0.0 };
                }
            }
            Activation::Silu => {
                for (slope, x) in slopes.iter_mut().zip(before) {
                    let s = math::sigmoid(*x);
                    *slope *= s * (1.0 + x * (1.0 - s));
                }
            }
            Activation::Prelu => {
                if let Some(alpha) = self.alpha {
                    let numbers = &params[alpha].numbers;
                    let into = gradients.whole(alpha);
                    for (slopes, row) in slopes.chunks_exact_mut(output).zip(before.chunks_exact(output)) {
                        for (((slope, x), alpha), into) in slopes.iter_mut().zip(row).zip(numbers).zip(into.iter_mut())
                        {
                            if *x < 0.0 {
                                *into += *slope * x;
                                *slope *= alpha;
                            }
                        }
                    }
                }
            }
        }
        if let Some((weight, bias)) = self.norm {
            let (normed, inverse) = (&scratch[lists + NORMED], &scratch[lists + INVERSE]);
            let into = gradients.whole(bias);
            for row in slopes.chunks_exact(output) {
                into.iter_mut().zip(row).for_each(|(into, slope)| *into += slope);
            }
            let into = gradients.whole(weight);
            for (row, normed) in slopes.chunks_exact(output).zip(normed.chunks_exact(output)) {
                into.iter_mut().zip(row).zip(normed).for_each(|((into, slope), x)| *into += slope * x);
            }
            let weight = &params[weight].numbers;
            let each = slopes.chunks_exact_mut(output).zip(normed.chunks_exact(output)).zip(inverse);
            for ((row, normed), by) in each {
                row.iter_mut().zip(weight).for_each(|(slope, weight)| *slope *= weight);
                let mean = row.iter().sum::<f32>() / output as f32;
                let along = row.iter().zip(normed).map(|(slope, x)| slope * x).sum::<f32>() / output as f32;
                for (slope, x) in row.iter_mut().zip(normed) {
                    *slope = by * (*slope - mean - x * along);
                }
            }
        }
        scratch[slope] = slopes;
    }

    /// Adds to the gradients of `W` and `b` what the derivatives in the list `slope` by `W x + b` say, and turns these into those by `x`, where they
    /// are `wanted`.
    fn multiply_back(
        &self,
        params: &Params,
        gradients: &mut Gradients,
        scratch: &mut Scratch,
        (x, slope): (usize, usize),
        rows: usize,
        wanted: bool,
    ) {
        let (input, output) = (self.input, self.output);
        let slopes = std::mem::take(&mut scratch[slope]);
        matrix::add_rows(&slopes, gradients.whole(self.bias));
        matrix::add_transposed_product(&slopes, &scratch[x], gradients.whole(self.weight), (rows, output, input));
        scratch[slope] = slopes;
        if wanted {
            let mut back = std::mem::take(&mut scratch[BACK]);
            back.clear();
            back.resize(rows * input, 0.0);
            let weight = &params[self.weight].numbers;
            matrix::add_product(&scratch[slope], weight, &mut back, (rows, output, input));
            scratch[BACK] = std::mem::replace(&mut scratch[slope], back);
        }
    }
}
