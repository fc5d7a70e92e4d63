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

impl Stack {
    /// Makes the tensors of a stack of layers of these widths, `prefix` before their names.
    pub fn new(
        builder: &mut Builder<'_>,
        prefix: &str,
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
            let weight = builder.tensor(&format!("{prefix}{at}.weight"), &[*output, input], First::Uniform(bound));
            let bias = builder.constant(&format!("{prefix}{at}.bias"), &[*output], 0.0);
            let norm = (norm && !ends).then(|| {
                let weight = builder.constant(&format!("{prefix}{at}.norm.weight"), &[*output], 1.0);
                (weight, builder.constant(&format!("{prefix}{at}.norm.bias"), &[*output], 0.0))
            });
            let prelu = activation == Activation::Prelu;
            let alpha = prelu.then(|| builder.constant(&format!("{prefix}{at}.alpha"), &[*output], 0.25));
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
        (mut x, mut first): (usize, usize),
        rows: usize,
    ) -> usize {
        let mut turned = Vec::new();
        for layer in &self.layers {
            let (input, output) = (layer.input, layer.output);
            let mut before = std::mem::take(&mut scratch[first + BEFORE]);
            before.clear();
            (0..rows).for_each(|_| before.extend_from_slice(&params[layer.bias].numbers));
            matrix::transpose(&params[layer.weight].numbers, (output, input), &mut turned);
            matrix::add_product(&scratch[x], &turned, &mut before, (rows, input, output));
            if let Some((weight, bias)) = layer.norm {
                let (weight, bias) = (&params[weight].numbers, &params[bias].numbers);
                let mut normed = std::mem::take(&mut scratch[first + NORMED]);
                let mut inverse = std::mem::take(&mut scratch[first + INVERSE]);
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
                (scratch[first + NORMED], scratch[first + INVERSE]) = (normed, inverse);
            }
            let mut out = std::mem::take(&mut scratch[first + OUT]);
            out.clear();
            match layer.activation {
                Activation::None => out.extend_from_slice(&before),
                Activation::Relu => out.extend(before.iter().map(|x| x.max(0.0))),
                Activation::Silu => out.extend(before.iter().map(|x| x * math::sigmoid(*x))),
                Activation::Prelu => {
                    let alpha = layer.alpha.map_or(&[][..], |alpha| &params[alpha].numbers);
                    for row in before.chunks_exact(output) {
                        out.extend(row.iter().zip(alpha).map(|(x, alpha)| if *x >= 0.0 { *x } else { alpha * x }));
                    }
                }
            }
            let kept = &mut scratch[first + KEPT];
            kept.clear();
            if layer.dropped && disturbance.dropout > 0.0 {
                let keep = 1.0 - disturbance.dropout;
                for x in &mut out {
                    let share = if disturbance.noise.uniform() < keep { 1.0 / keep } else { 0.0 };
                    kept.push(share);
                    *x *= share;
                }
            }
            (scratch[first + BEFORE], scratch[first + OUT]) = (before, out);
            x = first + OUT;
            first += LISTS;
        }
        x
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
        for (at, layer) in self.layers.iter().enumerate().rev() {
            let (input, output) = (layer.input, layer.output);
            let lists = first + at * LISTS;
            let x = if at == 0 { x } else { lists - LISTS + OUT };
            let mut slopes = std::mem::take(&mut scratch[slope]);
            let before = &scratch[lists + BEFORE];
            slopes.iter_mut().zip(&scratch[lists + KEPT]).for_each(|(slope, share)| *slope *= share);
            match layer.activation {
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
                    if let Some(alpha) = layer.alpha {
                        let numbers = &params[alpha].numbers;
                        let into = gradients.whole(alpha);
                        for (slopes, row) in slopes.chunks_exact_mut(output).zip(before.chunks_exact(output)) {
                            for (((slope, x), alpha), into) in
                                slopes.iter_mut().zip(row).zip(numbers).zip(into.iter_mut())
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
            if let Some((weight, bias)) = layer.norm {
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
            let into = gradients.whole(layer.bias);
            for row in slopes.chunks_exact(output) {
                into.iter_mut().zip(row).for_each(|(into, slope)| *into += slope);
            }
            matrix::add_transposed_product(&slopes, &scratch[x], gradients.whole(layer.weight), (rows, output, input));
            if at > 0 || wanted {
                let mut back = vec![0.0; rows * input];
                matrix::add_product(&slopes, &params[layer.weight].numbers, &mut back, (rows, output, input));
                slopes = back;
            }
            scratch[slope] = slopes;
        }
    }
}
