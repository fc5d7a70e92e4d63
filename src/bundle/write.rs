//! The writer, for trainers.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::container::json;
use super::{BundleError, open};
use crate::json::Json;
use crate::words::words;

/// The numbers of a tensor that is to be written.
#[derive(Clone, Copy, Debug)]
pub enum Numbers<'a> {
    /// Singles: `F32`.
    Singles(&'a [f32]),
    /// Halves, as their bits: `F16`.
    Halves(&'a [u16]),
    /// Signed bytes: `I8`.
    Signed(&'a [i8]),
    /// Bytes: `U8`.
    Bytes(&'a [u8]),
    /// Whole numbers of 16 bits: `U16`.
    Shorts(&'a [u16]),
    /// Whole numbers of 32 bits: `U32`.
    Words(&'a [u32]),
    /// Whole numbers of 64 bits: `U64`.
    Longs(&'a [u64]),
}

/// A tensor that is to be written.
#[derive(Clone, Copy, Debug)]
pub struct Writing<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its shape.
    pub shape: &'a [usize],
    /// Its numbers, row by row.
    pub numbers: Numbers<'a>,
}

impl Numbers<'_> {
    /// Type, and size of one number, as an alignment.
    const fn dtype(&self) -> (&'static str, usize) {
        match self {
            Self::Singles(_) => ("F32", 4),
            Self::Halves(_) => ("F16", 2),
            Self::Signed(_) => ("I8", 1),
            Self::Bytes(_) => ("U8", 1),
            Self::Shorts(_) => ("U16", 2),
            Self::Words(_) => ("U32", 4),
            Self::Longs(_) => ("U64", 8),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Singles(of) => of.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Self::Halves(of) | Self::Shorts(of) => of.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Self::Signed(of) => of.iter().map(|x| x.cast_unsigned()).collect(),
            Self::Bytes(of) => of.to_vec(),
            Self::Words(of) => of.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Self::Longs(of) => of.iter().flat_map(|x| x.to_le_bytes()).collect(),
        }
    }
}

/// Writes a bundle: a spec as docs/bundle.md has it, and its tensors. The same arguments give the same bytes.
///
/// A probe that has no `logits` is answered here, by the forward pass of the phone. What is written is read again, so that a trainer never
/// publishes what a phone would refuse.
///
/// # Errors
/// What a phone would say: see [`super::load`].
pub fn write(spec: &str, tensors: &[Writing<'_>]) -> Result<Vec<u8>, BundleError> {
    let mut spec = Json::open(spec.as_bytes()).map_err(|fault| json(words!("spec"), fault))?;
    let draft = open(&join(&spec, tensors))?;
    if let Json::Object(entries) = &mut spec {
        for (name, value) in entries {
            if let (true, Json::List(probes)) = (name == "probes", value) {
                for (probe, spec) in draft.0.probes.iter().zip(probes) {
                    if let Json::Object(entries) = spec
                        && entries.iter().all(|(name, _)| name != "logits")
                    {
                        let answers = probe.answers(&draft.0.stack);
                        let answers = answers.iter().map(|x| Json::Text(format!("{:08x}", x.to_bits()))).collect();
                        entries.push((String::from("logits"), Json::List(answers)));
                    }
                }
            }
        }
    }
    let out = join(&spec, tensors);
    open(&out)?.run_probes()?;
    Ok(out)
}

/// A file of this spec and these tensors, those of the widest numbers first, so that all of them are aligned.
fn join(spec: &Json, tensors: &[Writing<'_>]) -> Vec<u8> {
    let mut header = format!("{{\"__metadata__\":{{\"zhiji\":{}}}", Json::Text(spec.write()).write());
    let mut data = Vec::new();
    let mut sorted: Vec<&Writing<'_>> = tensors.iter().collect();
    sorted.sort_by_key(|tensor| core::cmp::Reverse(tensor.numbers.dtype().1));
    for tensor in sorted {
        let start = data.len();
        data.extend(tensor.numbers.bytes());
        let (name, end) = (Json::Text(tensor.name.into()).write(), data.len());
        let (dtype, _) = tensor.numbers.dtype();
        let shape = tensor.shape;
        header += &format!(",{name}:{{\"dtype\":\"{dtype}\",\"shape\":{shape:?},\"data_offsets\":[{start},{end}]}}");
    }
    header.push('}');
    while !header.len().is_multiple_of(8) {
        header.push(' ');
    }
    let length = u64::try_from(header.len()).unwrap_or(u64::MAX).to_le_bytes();
    [&length, header.as_bytes(), &data].concat()
}
