//! A graph as the importer sees it: nodes in order, constants as numbers.

use super::proto;
use anyhow::{Context as _, bail, ensure};
use prost::Message as _;
use std::collections::HashMap;

/// Numbers that the file holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Constant {
    /// Their shape; empty for one number.
    pub shape: Vec<usize>,
    /// Row by row.
    pub numbers: Vec<f64>,
}

/// A graph whose constants have been read.
pub struct Graph {
    /// Every node, each behind those that it reads.
    pub nodes: Vec<proto::Node>,
    /// Initialisers and `Constant` nodes by name.
    pub constants: HashMap<String, Constant>,
    /// Names of the inputs that are no constants.
    pub inputs: Vec<String>,
    /// Names of the outputs.
    pub outputs: Vec<String>,
}

fn constant(tensor: &proto::Tensor) -> anyhow::Result<Constant> {
    let name = &tensor.name;
    ensure!(
        tensor.data_location == 0,
        "`{name}` stands in another file: export with external_data=False, or save the model with its weights inside"
    );
    let shape: Vec<usize> =
        tensor.dims.iter().map(|dim| usize::try_from(*dim)).collect::<Result<_, _>>().context("a shape below 0")?;
    let raw = &tensor.raw_data;
    // Numbers of the enumeration `TensorProto.DataType`.
    let numbers: Vec<f64> = match tensor.data_type {
        1 if raw.is_empty() => tensor.float_data.iter().map(|x| f64::from(*x)).collect(),
        1 => raw.as_chunks::<4>().0.iter().map(|b| f64::from(f32::from_le_bytes(*b))).collect(),
        7 if raw.is_empty() => tensor.int64_data.iter().map(|x| *x as f64).collect(),
        7 => raw.as_chunks::<8>().0.iter().map(|b| i64::from_le_bytes(*b) as f64).collect(),
        11 if raw.is_empty() => tensor.double_data.clone(),
        11 => raw.as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b)).collect(),
        other => bail!("`{name}` has the data type {other}: export the model in float32"),
    };
    let count = shape.iter().try_fold(1usize, |product, dim| product.checked_mul(*dim));
    ensure!(count == Some(numbers.len()), "`{name}` has {} numbers for the shape {shape:?}", numbers.len());
    Ok(Constant { shape, numbers })
}

/// What a refusal calls a node.
pub fn called(node: &proto::Node) -> String {
    let name = if node.name.is_empty() { node.output.first().map_or("", String::as_str) } else { &node.name };
    format!("node `{name}` ({})", node.op_type)
}

impl Graph {
    /// Reads a file.
    ///
    /// # Errors
    /// Where it is no ONNX, or holds constants that cannot be read.
    pub fn open(bytes: &[u8]) -> anyhow::Result<Self> {
        let model = proto::Model::decode(bytes).context("this is no ONNX file")?;
        let graph = model.graph.context("this is no ONNX file: it has no graph")?;
        ensure!(!graph.node.is_empty(), "the graph has no nodes");
        let mut constants = HashMap::new();
        for tensor in &graph.initializer {
            constants.insert(tensor.name.clone(), constant(tensor)?);
        }
        let mut nodes = Vec::new();
        for node in graph.node {
            let own = node.domain.is_empty() || node.domain == "ai.onnx";
            if !own || model.functions.iter().any(|function| function.name == node.op_type) {
                bail!("{} is no operator of ONNX itself: export the model without custom operators", called(&node));
            }
            if node.op_type == "Constant" {
                let value = node.attribute.iter().find_map(|attribute| {
                    Some(match attribute.name.as_str() {
                        "value" => constant(attribute.t.as_ref()?),
                        "value_float" => Ok(Constant { shape: vec![], numbers: vec![attribute.f.into()] }),
                        "value_int" => Ok(Constant { shape: vec![], numbers: vec![attribute.i as f64] }),
                        "value_ints" => Ok(Constant {
                            shape: vec![attribute.ints.len()],
                            numbers: attribute.ints.iter().map(|i| *i as f64).collect(),
                        }),
                        "value_floats" => Ok(Constant {
                            shape: vec![attribute.floats.len()],
                            numbers: attribute.floats.iter().map(|x| f64::from(*x)).collect(),
                        }),
                        _ => return None,
                    })
                });
                let value = value.with_context(|| format!("{} holds no numbers", called(&node)))??;
                constants.insert(node.output.first().cloned().unwrap_or_default(), value);
            } else {
                nodes.push(node);
            }
        }
        let names = |all: &[proto::ValueInfo]| all.iter().map(|value| value.name.clone()).collect::<Vec<_>>();
        let inputs = names(&graph.input).into_iter().filter(|name| !constants.contains_key(name)).collect();
        Ok(Self { nodes, constants, inputs, outputs: names(&graph.output) })
    }

    /// How many nodes read a value.
    pub fn readers(&self, name: &str) -> usize {
        self.nodes.iter().filter(|node| node.input.iter().any(|input| input == name)).count()
    }
}

/// A whole number among a node's attributes.
pub fn whole(node: &proto::Node, name: &str, otherwise: i64) -> i64 {
    node.attribute.iter().find(|attribute| attribute.name == name).map_or(otherwise, |attribute| attribute.i)
}

/// A number among a node's attributes.
pub fn number(node: &proto::Node, name: &str, otherwise: f32) -> f64 {
    node.attribute.iter().find(|attribute| attribute.name == name).map_or(otherwise, |attribute| attribute.f).into()
}

/// What of its input a `Slice` along the last dimension gives: the first place and the one behind the last.
pub fn slice(
    node: &proto::Node,
    constants: &HashMap<String, Constant>,
    width: usize,
) -> anyhow::Result<(usize, usize)> {
    let read = |at: usize| node.input.get(at).and_then(|name| constants.get(name)).map(|c| c.numbers.as_slice());
    let (Some([from]), Some([to])) = (read(1), read(2)) else { bail!("{} slices more than columns", called(node)) };
    let (axes, steps) = (read(3).unwrap_or(&[0.0]), read(4).unwrap_or(&[1.0]));
    ensure!(
        matches!(axes, [axis] if *axis == 1.0 || *axis == -1.0) && steps == [1.0],
        "{} slices no columns",
        called(node)
    );
    let place = |x: f64| (if x < 0.0 { x + width as f64 } else { x }).clamp(0.0, width as f64) as usize;
    Ok((place(*from), place(*to)))
}
