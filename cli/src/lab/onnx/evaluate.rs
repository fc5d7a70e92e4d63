//! A graph computed as it stands, for one example in double precision: the answers that an imported bundle must give.

use super::graph::{Constant, Graph, called, number, slice, whole};
use super::proto::Node;
use anyhow::{Context as _, bail, ensure};
use std::collections::HashMap;
use zhiji::kernel::math::sigmoid_f64;

/// The numbers of every value of the graph, for inputs by their names.
///
/// # Errors
/// An operator that is not known, or shapes that do not fit.
pub fn evaluate(graph: &Graph, inputs: &HashMap<String, Vec<f64>>) -> anyhow::Result<HashMap<String, Vec<f64>>> {
    let mut values = inputs.clone();
    for node in &graph.nodes {
        let out = one(graph, node, &values).with_context(|| called(node))?;
        values.insert(node.output.first().context("it gives nothing")?.clone(), out);
    }
    Ok(values)
}

fn one(graph: &Graph, node: &Node, values: &HashMap<String, Vec<f64>>) -> anyhow::Result<Vec<f64>> {
    let constant = |at: usize| node.input.get(at).and_then(|name| graph.constants.get(name));
    let read = |at: usize| -> anyhow::Result<&[f64]> {
        let name = node.input.get(at).context("an input is missing")?;
        let found = values.get(name).or_else(|| graph.constants.get(name).map(|c| &c.numbers));
        found.map(Vec::as_slice).with_context(|| format!("`{name}` is not known"))
    };
    let each = |f: &dyn Fn(f64) -> f64| Ok(read(0)?.iter().map(|x| f(*x)).collect());
    let pairs = |f: &dyn Fn(f64, f64) -> f64| {
        let (a, b) = (read(0)?, read(1)?);
        ensure!(a.len() == b.len() || a.len() == 1 || b.len() == 1, "{} numbers meet {}", a.len(), b.len());
        let at = |of: &[f64], i: usize| if of.len() == 1 { of[0] } else { of[i] };
        Ok((0..a.len().max(b.len())).map(|i| f(at(a, i), at(b, i))).collect())
    };
    match node.op_type.as_str() {
        "Gemm" | "MatMul" => {
            let weight = constant(1).context("its weights are no constant")?;
            let across = node.op_type == "Gemm" && whole(node, "transB", 0) == 1;
            let mut out = product(weight, across, read(0)?)?;
            if node.op_type == "Gemm" {
                let (alpha, beta) = (number(node, "alpha", 1.0), number(node, "beta", 1.0));
                out.iter_mut().for_each(|x| *x *= alpha);
                if node.input.len() > 2 {
                    let bias = read(2)?;
                    ensure!(bias.len() == out.len() || bias.len() == 1, "its bias does not fit");
                    out.iter_mut().enumerate().for_each(|(i, x)| *x += beta * bias[i % bias.len()]);
                }
            }
            Ok(out)
        }
        "Add" => pairs(&|a, b| a + b),
        "Sub" => pairs(&|a, b| a - b),
        "Mul" => pairs(&|a, b| a * b),
        "Div" => pairs(&|a, b| a / b),
        "PRelu" => pairs(&|x, slope| if x < 0.0 { slope * x } else { x }),
        "Relu" => each(&|x| x.max(0.0)),
        "Sigmoid" => each(&sigmoid_f64),
        "Swish" => each(&|x| x * sigmoid_f64(number(node, "alpha", 1.0) * x)),
        "Concat" => (0..node.input.len())
            .map(|at| read(at).map(<[f64]>::to_vec))
            .collect::<Result<Vec<_>, _>>()
            .map(|a| a.concat()),
        "LayerNormalization" => {
            let (x, scale) = (read(0)?, read(1)?);
            let n = x.len() as f64;
            let mean = x.iter().sum::<f64>() / n;
            let variance = x.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n;
            let root = (variance + number(node, "epsilon", 1e-5)).sqrt();
            let bias = if node.input.len() > 2 { read(2)?.to_vec() } else { vec![0.0; x.len()] };
            ensure!(scale.len() == x.len() && bias.len() == x.len(), "its numbers do not fit");
            Ok(x.iter().zip(scale).zip(bias).map(|((x, scale), bias)| (x - mean) / root * scale + bias).collect())
        }
        "BatchNormalization" => {
            let [x, scale, bias, mean, variance] = [read(0)?, read(1)?, read(2)?, read(3)?, read(4)?];
            ensure!([scale, bias, mean, variance].iter().all(|of| of.len() == x.len()), "its numbers do not fit");
            let epsilon = number(node, "epsilon", 1e-5);
            Ok((0..x.len()).map(|i| (x[i] - mean[i]) / (variance[i] + epsilon).sqrt() * scale[i] + bias[i]).collect())
        }
        "Slice" => {
            let x = read(0)?;
            let (from, to) = slice(node, &graph.constants, x.len())?;
            Ok(x[from.min(to)..to].to_vec())
        }
        "Identity" | "Dropout" | "Cast" | "Squeeze" | "Unsqueeze" | "Flatten" | "Reshape" => Ok(read(0)?.to_vec()),
        _ => bail!("it is not known"),
    }
}

/// `x · W`, or `x · Wᵀ`.
pub fn product(weight: &Constant, across: bool, x: &[f64]) -> anyhow::Result<Vec<f64>> {
    let &[rows, columns] = weight.shape.as_slice() else { bail!("its weights have the shape {:?}", weight.shape) };
    let (inputs, outputs) = if across { (columns, rows) } else { (rows, columns) };
    ensure!(x.len() == inputs, "{} numbers meet weights for {inputs}", x.len());
    let at = |i: usize, o: usize| weight.numbers[if across { o * columns + i } else { i * columns + o }];
    Ok((0..outputs).map(|o| x.iter().enumerate().map(|(i, x)| x * at(i, o)).sum()).collect())
}
