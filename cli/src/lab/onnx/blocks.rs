//! From nodes to blocks: what a graph computes, told as `dense`, `wide`, `mlp` and `product` blocks.
//!
//! A value is an input with what is done to each of its columns, a run of layers that is still growing, numbers of finished blocks one behind the
//! other, or a sum of blocks that only a task can read.

use super::graph::{Constant, Graph, called, number, slice, whole};
use super::proto::Node;
use anyhow::{Context as _, bail, ensure};
use serde_json::{Value as Json, json};
use std::collections::HashMap;

/// The norm that layers of bundles have: docs/bundle.md.
const EPSILON: f64 = 1e-5;

/// Names of blocks with their widths.
type Blocks = Vec<(String, usize)>;

/// A tensor of the bundle.
pub struct Made {
    /// Its name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its numbers, row by row.
    pub numbers: Vec<f32>,
}

#[derive(Clone, Debug, PartialEq)]
enum Activation {
    None,
    Relu,
    Silu,
    Prelu(Vec<f64>),
}

impl Activation {
    const fn name(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Relu => "relu",
            Self::Silu => "silu",
            Self::Prelu(_) => "prelu",
        }
    }
}

/// `activation(norm(W x + b))`; a row of `weight` for each output.
#[derive(Clone, Debug)]
struct Layer {
    weight: Vec<Vec<f64>>,
    bias: Vec<f64>,
    norm: Option<(Vec<f64>, Vec<f64>)>,
    activation: Activation,
}

#[derive(Clone, Debug)]
enum Value {
    /// Column j is `x_j · factor_j + shift_j`.
    Input { number: usize, factor: Vec<f64>, shift: Vec<f64> },
    /// Layers on blocks.
    Layers { of: Blocks, layers: Vec<Layer> },
    /// Blocks with their widths, one behind the other.
    Blocks(Blocks),
    /// Values of one width that are added up, and the columns of them that are meant.
    Sum { terms: Blocks, columns: Vec<usize> },
    /// The logistic function of another value.
    Sigmoid { of: String },
}

/// Where the numbers of a graph come from and go to.
pub struct Naming<'a> {
    /// For each input of the graph the features that are its columns.
    pub inputs: &'a [(String, Vec<String>)],
    /// The label of each column of the outputs, in order.
    pub labels: &'a [String],
}

/// What was read of a graph.
pub struct Read {
    /// `ranker` of the spec.
    pub ranker: Json,
    /// The tensors.
    pub tensors: Vec<Made>,
    /// The values of the graph whose columns are the logits of the tasks, in order.
    pub logits: Vec<String>,
}

struct Reader<'a> {
    graph: &'a Graph,
    naming: &'a Naming<'a>,
    values: HashMap<String, Value>,
    /// Finished blocks by the value that they stand for.
    finished: HashMap<String, Blocks>,
    blocks: Vec<Json>,
    tensors: Vec<Made>,
}

/// Reads a graph.
///
/// # Errors
/// The node that no block of bundles stands for, by operator and name, and what to do about it.
pub fn read(graph: &Graph, naming: &Naming<'_>) -> anyhow::Result<Read> {
    let mut reader = Reader {
        graph,
        naming,
        values: HashMap::new(),
        finished: HashMap::new(),
        blocks: Vec::new(),
        tensors: Vec::new(),
    };
    for (number, (name, features)) in naming.inputs.iter().enumerate() {
        let (factor, shift) = (vec![1.0; features.len()], vec![0.0; features.len()]);
        reader.values.insert(name.clone(), Value::Input { number, factor, shift });
    }
    for node in &graph.nodes {
        let value = reader.node(node).with_context(|| called(node))?;
        reader.values.insert(node.output.first().context("a node gives nothing")?.clone(), value);
    }
    let mut tasks: Vec<(Blocks, usize)> = Vec::new();
    let mut logits = Vec::new();
    for output in &graph.outputs {
        let name = match reader.values.get(output) {
            Some(Value::Sigmoid { of }) => of.clone(),
            Some(_) => output.clone(),
            None => bail!("nothing gives the output `{output}`"),
        };
        let (terms, columns) = reader.terms(&name)?;
        tasks.extend(columns.into_iter().map(|column| (terms.clone(), column)));
        logits.push(name);
    }
    let labels = naming.labels;
    ensure!(tasks.len() == labels.len(), "the graph gives {} numbers: name as many labels", tasks.len());
    let mut listed = Vec::new();
    for (number, ((terms, column), label)) in tasks.iter().zip(labels).enumerate() {
        // A block of one number serves every task, one of as many as there are tasks gives each its own.
        let sound = terms.iter().all(|(_, width)| *width == 1 || *width == tasks.len() && *column == number);
        ensure!(
            sound,
            "`{label}` would read one of several numbers of a block: give one output for each label, in order"
        );
        listed.push(json!({ "label": label, "of": terms.iter().map(|(name, _)| name).collect::<Vec<_>>() }));
    }
    let ranker = json!({ "blocks": reader.blocks, "tiers": [{ "tasks": listed }] });
    Ok(Read { ranker, tensors: reader.tensors, logits })
}

impl Reader<'_> {
    fn value(&self, node: &Node, at: usize) -> anyhow::Result<&Value> {
        let name = node.input.get(at).context("an input is missing")?;
        self.values.get(name).with_context(|| format!("`{name}` is no result of another node"))
    }

    fn constant(&self, node: &Node, at: usize) -> Option<&Constant> {
        self.graph.constants.get(node.input.get(at)?)
    }

    fn node(&mut self, node: &Node) -> anyhow::Result<Value> {
        match node.op_type.as_str() {
            "Gemm" | "MatMul" => self.linear(node),
            "Add" | "Sub" | "Mul" | "Div" => self.arithmetic(node),
            "BatchNormalization" => {
                let part =
                    |at: usize| self.constant(node, at).map(|c| c.numbers.clone()).context("a number is no constant");
                let [scale, bias, mean, variance] = [part(1)?, part(2)?, part(3)?, part(4)?];
                let epsilon = number(node, "epsilon", 1e-5);
                let factor: Vec<f64> = scale.iter().zip(variance).map(|(s, v)| s / (v + epsilon).sqrt()).collect();
                let shift = bias.iter().zip(&mean).zip(&factor).map(|((b, m), f)| b - m * f).collect();
                self.column_wise(node, 0, factor, shift)
            }
            "Relu" => self.activate(node, Activation::Relu),
            "Swish" => {
                ensure!(number(node, "alpha", 1.0) == 1.0, "a bundle has no such activation: use SiLU");
                self.activate(node, Activation::Silu)
            }
            "PRelu" => {
                let slope = self.constant(node, 1).context("its slope is no constant")?.numbers.clone();
                self.activate(node, Activation::Prelu(slope))
            }
            "Sigmoid" => {
                self.value(node, 0)?;
                Ok(Value::Sigmoid { of: node.input[0].clone() })
            }
            "LayerNormalization" => self.normalise(node),
            "Concat" => {
                let axis = whole(node, "axis", 0);
                ensure!(axis == 1 || axis == -1, "it joins rows: only columns may be joined");
                let mut all = Vec::new();
                for name in node.input.clone() {
                    all.extend(self.finish(&name)?);
                }
                Ok(Value::Blocks(all))
            }
            "Slice" => {
                let (terms, columns) = self.terms(&node.input[0].clone())?;
                let (from, to) = slice(node, &self.graph.constants, columns.len())?;
                Ok(Value::Sum { terms, columns: columns[from.min(to)..to].to_vec() })
            }
            "Identity" | "Dropout" | "Cast" => self.value(node, 0).cloned(),
            "Squeeze" | "Unsqueeze" | "Flatten" | "Reshape" => {
                let last = node.output.iter().any(|name| self.graph.outputs.contains(name));
                ensure!(last || node.op_type == "Flatten", "it stands in the middle: only an output may be reshaped");
                self.value(node, 0).cloned()
            }
            _ => bail!(
                "no block of a bundle does this: leave it to the features, or write the model with tools/torch, whose modules have every block"
            ),
        }
    }

    /// Layers on what a value gives: those that it is, or new ones on its blocks.
    fn layers(&mut self, name: &str) -> anyhow::Result<(Blocks, Vec<Layer>)> {
        match self.values.get(name) {
            // What others read too becomes a block of its own.
            Some(Value::Layers { of, layers }) if self.graph.readers(name) == 1 => Ok((of.clone(), layers.clone())),
            _ => Ok((self.finish(name)?, Vec::new())),
        }
    }

    fn linear(&mut self, node: &Node) -> anyhow::Result<Value> {
        self.value(node, 0)?;
        let weight =
            self.constant(node, 1).context("its weights are no constant: a product of two results is no layer")?;
        let &[rows, columns] = weight.shape.as_slice() else { bail!("its weights have the shape {:?}", weight.shape) };
        let gemm = node.op_type == "Gemm";
        ensure!(!gemm || whole(node, "transA", 0) == 0, "it turns its input over");
        let across = gemm && whole(node, "transB", 0) == 1;
        let (alpha, beta) = if gemm { (number(node, "alpha", 1.0), number(node, "beta", 1.0)) } else { (1.0, 1.0) };
        let (inputs, outputs) = if across { (columns, rows) } else { (rows, columns) };
        let at = |o: usize, i: usize| alpha * weight.numbers[if across { o * columns + i } else { i * columns + o }];
        let rows: Vec<Vec<f64>> = (0..outputs).map(|o| (0..inputs).map(|i| at(o, i)).collect()).collect();
        let bias = match self.constant(node, 2) {
            Some(bias) => broadcast(&bias.numbers, outputs)?.iter().map(|b| beta * b).collect(),
            None => vec![0.0; outputs],
        };
        let (of, mut layers) = self.layers(&node.input[0].clone())?;
        let read = layers.last().map_or(of.iter().map(|(_, width)| width).sum(), |layer| layer.bias.len());
        ensure!(read == inputs, "it reads {inputs} numbers, and is given {read}");
        layers.push(Layer { weight: rows, bias, norm: None, activation: Activation::None });
        Ok(Value::Layers { of, layers })
    }

    /// A factor and a shift for each column.
    fn column_wise(&mut self, node: &Node, at: usize, factor: Vec<f64>, shift: Vec<f64>) -> anyhow::Result<Value> {
        let mut value = self.value(node, at)?.clone();
        match &mut value {
            Value::Input { factor: f, shift: s, .. } => {
                let (factor, shift) = (broadcast(&factor, f.len())?, broadcast(&shift, f.len())?);
                for i in 0..f.len() {
                    f[i] *= factor[i];
                    s[i] = s[i] * factor[i] + shift[i];
                }
            }
            Value::Layers { layers, .. } if layers.last().is_some_and(Layer::is_bare) => {
                let layer = layers.last_mut().context("there is no layer")?;
                let (factor, shift) = (broadcast(&factor, layer.bias.len())?, broadcast(&shift, layer.bias.len())?);
                for (i, row) in layer.weight.iter_mut().enumerate() {
                    row.iter_mut().for_each(|w| *w *= factor[i]);
                    layer.bias[i] = layer.bias[i] * factor[i] + shift[i];
                }
            }
            _ => bail!("numbers of its own may only stand behind an input or a linear layer"),
        }
        Ok(value)
    }

    fn arithmetic(&mut self, node: &Node) -> anyhow::Result<Value> {
        let [left, right] = [0, 1].map(|at| self.constant(node, at).map(|c| c.numbers.clone()));
        let op = node.op_type.as_str();
        let one = |of: &[f64]| vec![1.0; of.len()];
        let none = |of: &[f64]| vec![0.0; of.len()];
        let inverse = |of: &[f64]| of.iter().map(|x| 1.0 / x).collect::<Vec<_>>();
        let negative = |of: &[f64]| of.iter().map(|x| -x).collect::<Vec<_>>();
        match (op, left, right) {
            ("Add", None, Some(c)) => self.column_wise(node, 0, one(&c), c),
            ("Add", Some(c), None) => self.column_wise(node, 1, one(&c), c),
            ("Sub", None, Some(c)) => self.column_wise(node, 0, one(&c), negative(&c)),
            ("Sub", Some(c), None) => self.column_wise(node, 1, negative(&one(&c)), c),
            ("Mul", None, Some(c)) => self.column_wise(node, 0, c.clone(), none(&c)),
            ("Mul", Some(c), None) => self.column_wise(node, 1, c.clone(), none(&c)),
            ("Div", None, Some(c)) => self.column_wise(node, 0, inverse(&c), none(&c)),
            ("Mul", None, None) => {
                for (own, other) in [(0, 1), (1, 0)] {
                    // x · σ(x): how exporters write SiLU.
                    if matches!(self.value(node, other)?, Value::Sigmoid { of } if *of == node.input[own]) {
                        let name = node.input[own].clone();
                        return self.activated(&name, Activation::Silu);
                    }
                }
                let sides = [self.finish(&node.input[0].clone())?, self.finish(&node.input[1].clone())?];
                let (Some([(a, width)]), Some([(b, other)])) = (sides[0].get(..1), sides[1].get(..1)) else {
                    bail!("there is nothing to multiply")
                };
                ensure!(
                    sides.iter().all(|side| side.len() == 1) && width == other,
                    "both sides must be one block of one width"
                );
                let name = self.new_name("product");
                self.blocks.push(json!({ "block": "product", "name": name, "of": [a, b] }));
                Ok(Value::Blocks(vec![(name, *width)]))
            }
            ("Add", None, None) => {
                let (mut terms, columns) = self.terms(&node.input[0].clone())?;
                let (more, others) = self.terms(&node.input[1].clone())?;
                ensure!(columns == others, "both sides must have one width");
                terms.extend(more);
                Ok(Value::Sum { terms, columns })
            }
            _ => bail!("a bundle adds up blocks and multiplies them, and nothing else"),
        }
    }

    fn activate(&mut self, node: &Node, activation: Activation) -> anyhow::Result<Value> {
        self.value(node, 0)?;
        let name = node.input[0].clone();
        self.activated(&name, activation)
    }

    fn activated(&self, name: &str, activation: Activation) -> anyhow::Result<Value> {
        let mut value = self.values.get(name).cloned();
        match &mut value {
            Some(Value::Layers { layers, .. }) if layers.last().is_some_and(|l| l.activation == Activation::None) => {
                let layer = layers.last_mut().context("there is no layer")?;
                if let Activation::Prelu(slope) = &activation {
                    ensure!(slope.len() == 1 || slope.len() == layer.bias.len(), "it has {} slopes", slope.len());
                }
                layer.activation = activation;
            }
            _ => bail!("an activation stands behind a linear layer, or behind the norm of one"),
        }
        value.context("it reads nothing")
    }

    fn normalise(&mut self, node: &Node) -> anyhow::Result<Value> {
        let axis = whole(node, "axis", -1);
        ensure!(axis == 1 || axis == -1, "it norms other than the last dimension");
        let epsilon = number(node, "epsilon", 1e-5);
        ensure!((epsilon - EPSILON).abs() < 1e-9, "its epsilon is {epsilon}, and that of a bundle 1e-5");
        let scale = self.constant(node, 1).context("its scale is no constant")?.numbers.clone();
        let bias = self.constant(node, 2).map_or_else(|| vec![0.0; scale.len()], |c| c.numbers.clone());
        let mut value = self.value(node, 0)?.clone();
        match &mut value {
            Value::Layers { layers, .. } if layers.last().is_some_and(Layer::is_bare) => {
                let layer = layers.last_mut().context("there is no layer")?;
                ensure!(scale.len() == layer.bias.len() && bias.len() == scale.len(), "its numbers do not fit");
                layer.norm = Some((scale, bias));
            }
            _ => bail!("a norm stands between a linear layer and its activation"),
        }
        Ok(value)
    }

    /// Blocks of one width whose numbers a task adds up, and the columns that are meant.
    fn terms(&mut self, name: &str) -> anyhow::Result<(Blocks, Vec<usize>)> {
        if let Some(Value::Sum { terms, columns }) = self.values.get(name) {
            return Ok((terms.clone(), columns.clone()));
        }
        match self.finish(name)?.as_slice() {
            [one] => Ok((vec![one.clone()], (0..one.1).collect())),
            _ => bail!("`{name}` is several blocks one behind the other: a task reads one"),
        }
    }

    /// The blocks that a value is, written down where they have not been.
    fn finish(&mut self, name: &str) -> anyhow::Result<Blocks> {
        if let Some(known) = self.finished.get(name) {
            return Ok(known.clone());
        }
        let value = self.values.get(name).with_context(|| format!("`{name}` is no result of another node"))?.clone();
        let made = match value {
            Value::Blocks(blocks) => blocks,
            Value::Input { number, factor, shift } => vec![self.dense(number, &factor, &shift)?],
            Value::Layers { of, layers } => vec![self.perceptron(of, &layers)?],
            Value::Sum { .. } => {
                bail!("`{name}` is a sum of layers: only a task reads such a sum, no further layer does")
            }
            Value::Sigmoid { .. } => {
                bail!("`{name}` is a sigmoid inside the graph: only outputs may have one, or SiLU")
            }
        };
        self.finished.insert(name.into(), made.clone());
        Ok(made)
    }

    fn new_name(&self, like: &str) -> String {
        let taken = |name: &str| self.blocks.iter().any(|block| block["name"] == name);
        let mut names = std::iter::once(like.to_string()).chain((2..).map(|n| format!("{like}{n}")));
        names.find(|name| !taken(name)).unwrap_or_default()
    }

    fn tensor(&mut self, name: String, shape: &[usize], numbers: impl IntoIterator<Item = f64>) {
        let numbers = numbers.into_iter().map(|x| x as f32).collect();
        self.tensors.push(Made { name, shape: shape.to_vec(), numbers });
    }

    fn standardised(&mut self, name: &str, factor: &[f64], shift: &[f64]) -> anyhow::Result<()> {
        ensure!(factor.iter().all(|f| *f > 0.0), "an input is divided by what is not above 0");
        let n = factor.len();
        self.tensor(format!("{name}.mean"), &[n], factor.iter().zip(shift).map(|(f, s)| -s / f));
        self.tensor(format!("{name}.scale"), &[n], factor.iter().map(|f| 1.0 / f));
        Ok(())
    }

    fn dense(&mut self, number: usize, factor: &[f64], shift: &[f64]) -> anyhow::Result<(String, usize)> {
        let features = &self.naming.inputs[number].1;
        let of_user = features.iter().all(|name| name.starts_with("user.") || name.starts_with("time."));
        let name = self.new_name(if of_user { "user" } else { "pair" });
        let side = if of_user { "user" } else { "pair" };
        self.blocks.push(json!({ "block": "dense", "name": name, "features": features, "side": side }));
        self.standardised(&name, factor, shift)?;
        Ok((name, factor.len()))
    }

    /// One `mlp` where the layers are alike, and several, one behind the other, where they are not.
    fn perceptron(&mut self, mut of: Blocks, layers: &[Layer]) -> anyhow::Result<(String, usize)> {
        let mut rest = layers;
        while !rest.is_empty() {
            let count = (1..=rest.len()).rev().find(|count| alike(&rest[..*count]));
            let count = count.context("a norm stands behind the last layer: put a linear layer behind it")?;
            let (run, after) = rest.split_at(count);
            of = vec![self.mlp(&of, run)];
            rest = after;
        }
        of.pop().context("there are no layers")
    }

    fn mlp(&mut self, of: &[(String, usize)], run: &[Layer]) -> (String, usize) {
        let name = self.new_name("mlp");
        let widths: Vec<usize> = run.iter().map(|layer| layer.bias.len()).collect();
        let (first, last) = (&run[0], &run[run.len() - 1]);
        let mut spec = json!({ "block": "mlp", "name": name, "of": of.iter().map(|(name, _)| name).collect::<Vec<_>>(),
            "widths": widths, "activation": first.activation.name(), "last": last.activation.name() });
        if run.len() == 1 {
            spec["activation"] = "none".into();
        } else if first.norm.is_some() {
            spec["norm"] = true.into();
        }
        self.blocks.push(spec);
        for (at, layer) in run.iter().enumerate() {
            let (outputs, inputs) = (layer.bias.len(), layer.weight[0].len());
            self.tensor(format!("{name}.{at}.weight"), &[outputs, inputs], layer.weight.iter().flatten().copied());
            self.tensor(format!("{name}.{at}.bias"), &[outputs], layer.bias.iter().copied());
            if let Some((scale, bias)) = &layer.norm {
                self.tensor(format!("{name}.{at}.norm.weight"), &[outputs], scale.iter().copied());
                self.tensor(format!("{name}.{at}.norm.bias"), &[outputs], bias.iter().copied());
            }
            if let Activation::Prelu(slope) = &layer.activation {
                self.tensor(format!("{name}.{at}.alpha"), &[slope.len()], slope.iter().copied());
            }
        }
        (name, last.bias.len())
    }
}

impl Layer {
    fn is_bare(&self) -> bool {
        self.norm.is_none() && self.activation == Activation::None
    }
}

/// Whether one `mlp` can be these layers: all but the last alike, and no norm behind the last.
fn alike(run: &[Layer]) -> bool {
    let Some((last, before)) = run.split_last() else { return false };
    let same =
        |a: &Layer, b: &Layer| a.norm.is_some() == b.norm.is_some() && a.activation.name() == b.activation.name();
    last.norm.is_none() && before.windows(2).all(|pair| same(&pair[0], &pair[1]))
}

fn broadcast(numbers: &[f64], width: usize) -> anyhow::Result<Vec<f64>> {
    match numbers {
        [one] => Ok(vec![*one; width]),
        all if all.len() == width => Ok(all.to_vec()),
        all => bail!("{} numbers meet {width} columns", all.len()),
    }
}
