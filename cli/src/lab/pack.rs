//! Weights that any trainer has written → a bundle: numbers brought to the types that phones read, tables to bytes, probes answered.

mod ensemble;

pub use ensemble::Over;

use anyhow::{Context as _, bail};
use safetensors::SafeTensors;
use safetensors::tensor::Dtype;
use serde_json::{Value, json};
use std::collections::HashMap;
use zhiji::bundle::{self, Numbers, Writing};
use zhiji::kernel::half;
use zhiji::schema::hash64;

/// How many known answers are made out of examples.
const PROBES: usize = 8;
/// The tensor of the items' ids.
const NAMES: &str = "items.names";

/// The numbers of a tensor, as a bundle has them.
#[derive(PartialEq)]
pub(super) enum Held {
    Singles(Vec<f32>),
    Halves(Vec<u16>),
    Signed(Vec<i8>),
    Bytes(Vec<u8>),
    Shorts(Vec<u16>),
    Words(Vec<u32>),
    Longs(Vec<u64>),
}

impl Held {
    /// As the bundle's writer takes them.
    pub(super) fn numbers(&self) -> Numbers<'_> {
        match self {
            Self::Singles(of) => Numbers::Singles(of),
            Self::Halves(of) => Numbers::Halves(of),
            Self::Signed(of) => Numbers::Signed(of),
            Self::Bytes(of) => Numbers::Bytes(of),
            Self::Shorts(of) => Numbers::Shorts(of),
            Self::Words(of) => Numbers::Words(of),
            Self::Longs(of) => Numbers::Longs(of),
        }
    }
}

struct Tensor {
    name: String,
    shape: Vec<usize>,
    held: Held,
}

/// What became of a tensor that was written smaller.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantised {
    /// Its name.
    pub name: String,
    /// The greatest error of any number, as a share of the greatest number of its row; of a list, of the greatest at all.
    pub worst: f32,
}

/// Where the weights and the spec come from.
#[derive(Clone, Copy, Debug)]
pub enum Source<'a> {
    /// Files that together hold the weights of one model, and its spec where that is not in the metadata of the first.
    Model(&'a [Vec<u8>], Option<&'a str>),
    /// Bundles that become an ensemble.
    Ensemble(&'a [Vec<u8>], Over),
}

impl Source<'_> {
    fn read(self) -> anyhow::Result<(Value, Vec<Tensor>)> {
        let (files, spec) = match self {
            Self::Ensemble(files, over) => return ensemble::merge(files, over),
            Self::Model(files, spec) => (files, spec),
        };
        let own = files.first().map(|first| own_spec(first)).transpose()?.flatten();
        let spec = spec.map(String::from).or(own).context("the weights say no spec in their metadata: give --spec")?;
        let mut all = Vec::new();
        for bytes in files {
            all.extend(tensors(bytes)?);
        }
        Ok((serde_json::from_str(&spec).context("the spec is no JSON")?, all))
    }
}

/// What is to be written in fewer bytes than a single has, by the names of tensors.
#[derive(Clone, Copy, Debug, Default)]
pub struct Smaller<'a> {
    /// Tables to write as bytes with a scale for each row; `all` for every table of singles.
    pub quantised: &'a [String],
    /// Tensors to write as halves; `all` for every table of singles that is not quantised, and every list of hashed weights.
    pub halved: &'a [String],
}

/// A packed bundle.
pub struct Packed {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The tables that became bytes.
    pub quantised: Vec<Quantised>,
    /// The tensors that became halves.
    pub halved: Vec<Quantised>,
    /// Known answers in it.
    pub probes: usize,
}

fn each<const N: usize, T>(bytes: &[u8], read: fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks::<N>().0.iter().map(|chunk| read(*chunk)).collect()
}

/// Reads the tensors of one file. Numbers of more precision than phones have are rounded to singles; whole numbers keep their bits.
fn tensors(bytes: &[u8]) -> anyhow::Result<Vec<Tensor>> {
    let file = SafeTensors::deserialize(bytes).context("this is no safetensors file")?;
    let mut all = Vec::new();
    for (name, view) in file.iter() {
        let data = view.data();
        let held = match view.dtype() {
            Dtype::F32 => Held::Singles(each(data, f32::from_le_bytes)),
            Dtype::F64 => Held::Singles(each(data, |b| f64::from_le_bytes(b) as f32)),
            Dtype::BF16 => Held::Singles(each(data, |b| f32::from_bits(u32::from(u16::from_le_bytes(b)) << 16))),
            Dtype::F16 => Held::Halves(each(data, u16::from_le_bytes)),
            Dtype::I8 => Held::Signed(each(data, i8::from_le_bytes)),
            Dtype::U8 => Held::Bytes(data.to_vec()),
            Dtype::I16 | Dtype::U16 => Held::Shorts(each(data, u16::from_le_bytes)),
            Dtype::I32 | Dtype::U32 => Held::Words(each(data, u32::from_le_bytes)),
            Dtype::I64 | Dtype::U64 => Held::Longs(each(data, u64::from_le_bytes)),
            other => bail!("`{name}` has the type {other:?}, which no bundle has: convert it to F32"),
        };
        all.push(Tensor { name: name.to_string(), shape: view.shape().to_vec(), held });
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(all)
}

/// The spec that stands in a file's own metadata.
pub(super) fn own_spec(bytes: &[u8]) -> anyhow::Result<Option<String>> {
    let (_, metadata) = SafeTensors::read_metadata(bytes).context("this is no safetensors file")?;
    Ok(metadata.metadata().as_ref().and_then(|m| m.get("zhiji").cloned()))
}

/// Rows of singles → one scale and signed bytes for each row.
///
/// With `m` the greatest size in a row, its scale is `m / 127` and a number `x` becomes the byte nearest to `x / scale`.
fn quantise(tensor: &mut Tensor, all: &mut Vec<Tensor>) -> anyhow::Result<Quantised> {
    let (&[rows, width], Held::Singles(numbers)) = (&tensor.shape[..], &tensor.held) else {
        bail!("`{}` is no table of singles: only such can become bytes", tensor.name)
    };
    let (mut scales, mut bytes, mut worst) = (Vec::with_capacity(rows), Vec::with_capacity(numbers.len()), 0.0f32);
    for row in numbers.chunks(width.max(1)) {
        let most = row.iter().fold(0.0f32, |most, x| most.max(x.abs()));
        let scale = most / 127.0;
        scales.push(scale);
        for x in row {
            let byte = if scale > 0.0 { (x / scale).round().clamp(-127.0, 127.0) } else { 0.0 };
            bytes.push(byte as i8);
            if most > 0.0 {
                worst = worst.max((x - byte * scale).abs() / most);
            }
        }
    }
    let name = format!("{}.scale", tensor.name);
    all.push(Tensor { name, shape: vec![rows], held: Held::Singles(scales) });
    tensor.held = Held::Signed(bytes);
    Ok(Quantised { name: tensor.name.clone(), worst })
}

/// Singles → the halves nearest to them.
fn halve(tensor: &mut Tensor) -> anyhow::Result<Quantised> {
    let Held::Singles(numbers) = &tensor.held else {
        bail!("`{}` holds no singles: only such can become halves", tensor.name)
    };
    let width = if tensor.shape.len() > 1 { tensor.shape.last().copied().unwrap_or(1) } else { numbers.len() };
    let mut worst = 0.0f32;
    for row in numbers.chunks(width.max(1)) {
        let most = row.iter().fold(0.0f32, |most, x| most.max(x.abs()));
        for x in row {
            let half = half::widen(half::narrow(*x));
            if !half.is_finite() {
                bail!("`{}` holds {x}, and a half ends at 65,504", tensor.name);
            }
            if most > 0.0 {
                worst = worst.max((x - half).abs() / most);
            }
        }
    }
    tensor.held = Held::Halves(numbers.iter().map(|x| half::narrow(*x)).collect());
    Ok(Quantised { name: tensor.name.clone(), worst })
}

/// The names of a spec's dense features, each once, in the order in which blocks first name them; that is the order of a probe's.
fn features(spec: &Value) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for block in spec["ranker"]["blocks"].as_array().into_iter().flatten() {
        for name in block["features"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !names.iter().any(|known| known == name) {
                names.push(name.to_string());
            }
        }
    }
    names
}

/// Questions for a spec out of the examples that `zhiji features` wrote; their answers are the engine's own.
fn probes(spec: &Value, examples: &[u8]) -> anyhow::Result<Vec<Value>> {
    let file = SafeTensors::deserialize(examples).context("the examples are no safetensors file")?;
    let (_, metadata) = SafeTensors::read_metadata(examples)?;
    let about = metadata.metadata().as_ref().and_then(|m| m.get("zhiji.examples"));
    let about: Value = serde_json::from_str(about.context("the examples are not of `zhiji features`")?)?;
    let texts =
        |name: &str| -> Vec<&str> { about[name].as_array().into_iter().flatten().filter_map(Value::as_str).collect() };
    let (known, fields) = (texts("features"), texts("fields"));
    let id_field = about["idField"].as_i64().unwrap_or(-1);
    let mut places = Vec::new();
    for name in features(spec) {
        let place = known.iter().position(|k| *k == name);
        places.push(place.with_context(|| format!("the examples have no feature `{name}`"))?);
    }
    let dense = each(file.tensor("dense")?.data(), f32::from_le_bytes);
    let keys = each(file.tensor("keys")?.data(), u64::from_le_bytes);
    let key_fields = each(file.tensor("key_fields")?.data(), i32::from_le_bytes);
    let ends = each(file.tensor("key_ends")?.data(), u64::from_le_bytes);
    let stride = (ends.len() / PROBES).max(1);
    let mut all = Vec::new();
    for i in (0..ends.len()).step_by(stride).take(PROBES) {
        let row = dense.get(i * known.len()..(i + 1) * known.len()).context("the examples are cut short")?;
        let start = if i == 0 { 0 } else { ends[i - 1] as usize };
        let (mut item, mut words) = (String::new(), Vec::new());
        for (key, field) in keys.iter().zip(&key_fields).take(ends[i] as usize).skip(start) {
            let key = format!("{key:016x}");
            match usize::try_from(*field).ok().and_then(|f| fields.get(f)) {
                Some(name) => words.push(json!([name, key])),
                None if i64::from(*field) == id_field => item = key,
                None => {}
            }
        }
        let bits: Vec<String> = places.iter().map(|&at| format!("{:08x}", row[at].to_bits())).collect();
        all.push(json!({ "dense": bits, "item": item, "words": words }));
    }
    Ok(all)
}

/// The ids of the items, a line for each in the order of their hashes.
fn names(all: &[Tensor], ids: &str) -> anyhow::Result<Tensor> {
    let known: HashMap<u64, &str> = ids.lines().map(|id| (hash64(id.as_bytes()), id)).collect();
    let rows = all.iter().find(|tensor| tensor.name == "items.ids").map(|tensor| &tensor.held);
    let Some(Held::Longs(rows)) = rows else { bail!("there are no items: the bundle has no `items.ids`") };
    let name = |row: &u64| known.get(row).copied();
    let missing = rows.iter().filter(|row| name(row).is_none()).count();
    if missing > 0 {
        bail!("{missing} of the bundle's {} items are not among the ids: give one id a line", rows.len());
    }
    let text = rows.iter().filter_map(name).collect::<Vec<_>>().join("\n");
    Ok(Tensor { name: NAMES.into(), shape: vec![text.len()], held: Held::Bytes(text.into_bytes()) })
}

/// Packs weights. `ids` are the items' ids in any order, for a bundle that is to tell them.
///
/// # Errors
/// Where a file cannot be read, or with what a phone would say of the bundle.
pub fn pack(
    source: Source<'_>,
    examples: Option<&[u8]>,
    ids: Option<&str>,
    smaller: Smaller<'_>,
) -> anyhow::Result<Packed> {
    let Smaller { quantised, halved } = smaller;
    let (mut spec, mut all) = source.read()?;
    if let Some(ids) = ids {
        let names = names(&all, ids)?;
        all.retain(|tensor| tensor.name != NAMES);
        all.push(names);
    }
    if let Some(examples) = examples {
        let made = probes(&spec, examples)?;
        spec["probes"] = made.into();
    }
    let table = |t: &Tensor| t.shape.len() == 2 && matches!(t.held, Held::Singles(_));
    let wanted = |names: &[String], t: &Tensor, by_all: bool| {
        names.contains(&t.name) || by_all && names.iter().any(|name| name == "all")
    };
    for name in quantised.iter().chain(halved).filter(|name| *name != "all") {
        if !all.iter().any(|t| t.name == *name) {
            bail!("there is no tensor `{name}`");
        }
    }
    let (mut scales, mut changed, mut halves) = (Vec::new(), Vec::new(), Vec::new());
    for tensor in &mut all {
        let hashed = tensor.name.ends_with(".hashed") && matches!(tensor.held, Held::Singles(_));
        let (small, half) = (table(tensor), table(tensor) || hashed);
        if wanted(quantised, tensor, small) {
            changed.push(quantise(tensor, &mut scales)?);
        } else if wanted(halved, tensor, half) {
            halves.push(halve(tensor)?);
        }
    }
    all.extend(scales);
    if !changed.is_empty() || !halves.is_empty() {
        // What the singles answered is no answer of the bytes.
        for probe in spec["probes"].as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
            probe.remove("logits");
        }
    }
    let writing: Vec<Writing<'_>> =
        all.iter().map(|t| Writing { name: &t.name, shape: &t.shape, numbers: t.held.numbers() }).collect();
    let probes = spec["probes"].as_array().map_or(0, Vec::len);
    let bytes = bundle::write(&spec.to_string(), &writing).map_err(|e| anyhow::anyhow!("{}: {e}", e.code()))?;
    Ok(Packed { bytes, quantised: changed, halved: halves, probes })
}

#[cfg(test)]
mod tests;
