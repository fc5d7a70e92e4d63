//! The container, safetensors: names, types, shapes and places of tensors, all checked before a byte of them is read.
//!
//! # Source
//! <https://github.com/huggingface/safetensors>, section "Format" of its README.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use super::notes::Notes;
use super::{
    BundleError, MOST_BYTES, MOST_DIM, MOST_HEADER_BYTES, MOST_NAME_BYTES, MOST_RANK, MOST_TENSORS, TensorFault,
};
use crate::json::{Fault, Faults, Json, Place};
use crate::words::{Words, words};

/// The types of tensors that are read, and the bytes of one number.
const TYPES: [(&str, u64); 10] = [
    ("F32", 4),
    ("F16", 2),
    ("I8", 1),
    ("U8", 1),
    ("I16", 2),
    ("U16", 2),
    ("I32", 4),
    ("U32", 4),
    ("I64", 8),
    ("U64", 8),
];

/// One tensor: its bytes are as many as its type and shape call for, and no other tensor's.
pub(super) struct Tensor<'a> {
    pub name: String,
    pub dtype: &'static str,
    pub shape: Vec<usize>,
    /// Where its bytes begin in the file, after the header; tensors stand in this order.
    start: u64,
    pub bytes: &'a [u8],
    /// Whether a block has asked for it.
    pub taken: bool,
}

/// A sound container: its tensors, in the order of the file, and the text of the spec.
pub(super) struct Container<'a> {
    pub spec: String,
    pub tensors: Vec<Tensor<'a>>,
}

impl<'a> Container<'a> {
    /// Parses untrusted bytes: sizes first, then the header, then every offset.
    pub fn open(bytes: &'a [u8]) -> Result<Self, BundleError> {
        if bytes.len() > MOST_BYTES {
            return Err(oversized(words!("bundle"), long(bytes.len()), MOST_BYTES));
        }
        let Some((length, rest)) = bytes.split_first_chunk::<8>() else {
            return Err(container(words!("it ends before its header")));
        };
        let length = u64::from_le_bytes(*length);
        if length > long(MOST_HEADER_BYTES) {
            return Err(oversized(words!("header"), length, MOST_HEADER_BYTES));
        }
        let Some((header, data)) = usize::try_from(length).ok().and_then(|length| rest.split_at_checked(length)) else {
            return Err(container(words!("it ends inside its header")));
        };
        let header = Json::open(header).map_err(|fault| json(words!("header"), fault))?;
        let faults = Faults::default();
        let mut notes = Notes::new(&faults);
        let container = read(header.read(&faults), data, &mut notes);
        notes.close(words!("header"))?;
        Ok(container)
    }
}

/// Reads the header; what is wrong is noted.
fn read<'a>(header: Place<'_>, data: &'a [u8], notes: &mut Notes<'_>) -> Container<'a> {
    let (metadata, mut tensors) = (header.key("__metadata__"), Vec::with_capacity(header.len()));
    if !metadata.is_given() {
        notes.add(container(words!("it has no __metadata__")));
    }
    if metadata.len() != 1 || metadata.at(0).name() != "zhiji" {
        notes.add(container(words!("__metadata__ must have the one key `zhiji`")));
    }
    if header.len() > MOST_TENSORS + 1 {
        notes.add(json(words!("header"), Fault::More(words!("256 tensors"))));
    }
    for at in 0..header.len() {
        if !notes.none() {
            break;
        }
        let entry = header.at(at);
        let name = entry.name();
        for before in 0..at {
            if header.at(before).name() == name {
                notes.tensor(&[name], TensorFault::Duplicate);
            }
        }
        if name == "__metadata__" {
            continue;
        }
        match tensor(entry, data) {
            Err(fault) => {
                let name: String = name.chars().take(MOST_NAME_BYTES).collect();
                notes.tensor(&[&name], fault);
            }
            Ok(one) => {
                // In order of their places, and those without bytes first.
                let mut place = tensors.len();
                while let Some(before) = place.checked_sub(1).and_then(|before| tensors.get(before)) {
                    let before: &Tensor<'_> = before;
                    if (before.start, before.bytes.len()) <= (one.start, one.bytes.len()) {
                        break;
                    }
                    place -= 1;
                }
                tensors.insert(place, one);
            }
        }
    }
    let mut end = 0;
    for tensor in &tensors {
        if tensor.start != end {
            notes.tensor(&[&tensor.name], TensorFault::Offsets);
        }
        end = tensor.start.saturating_add(long(tensor.bytes.len()));
    }
    if end != long(data.len()) {
        notes.add(container(words!("bytes follow that belong to no tensor")));
    }
    Container { spec: metadata.at(0).text().to_string(), tensors }
}

/// Reads what the header says of one tensor. Keys that the format may get later are passed over.
fn tensor<'a>(entry: Place<'_>, data: &'a [u8]) -> Result<Tensor<'a>, TensorFault> {
    if entry.name().len() > MOST_NAME_BYTES {
        return Err(TensorFault::NameTooLong);
    }
    let dims = entry.key("shape");
    if dims.len() > MOST_RANK {
        return Err(TensorFault::TooManyDimensions);
    }
    let (mut shape, mut product) = (Vec::new(), 1u64);
    for at in 0..dims.len() {
        let dim = dims.at(at).whole(u64::MAX);
        product = product.saturating_mul(dim);
        if dim > long(MOST_DIM) || product > long(MOST_BYTES) {
            return Err(TensorFault::TooLarge);
        }
        shape.push(usize::try_from(dim).unwrap_or(0));
    }
    let dtype = entry.key("dtype").text();
    let Some((dtype, size)) = TYPES.iter().find(|(known, _)| *known == dtype).copied() else {
        return Err(TensorFault::Dtype);
    };
    let offsets = entry.key("data_offsets");
    let (start, end) = (offsets.at(0).whole(u64::MAX), offsets.at(1).whole(u64::MAX));
    if offsets.len() != 2 || end.checked_sub(start) != Some(product.saturating_mul(size)) {
        return Err(TensorFault::Offsets);
    }
    let span = usize::try_from(start).ok().zip(usize::try_from(end).ok());
    let bytes = span.and_then(|(start, end)| data.get(start..end)).ok_or(TensorFault::Offsets)?;
    Ok(Tensor { name: entry.name().to_string(), dtype, shape, start, bytes, taken: false })
}

/// A length as the number that it is in the file. Nothing in memory is longer than 64 bits can say.
fn long(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

const fn oversized(part: Words, bytes: u64, most: usize) -> BundleError {
    BundleError::Oversized { part, bytes, most }
}

const fn container(reason: Words) -> BundleError {
    BundleError::Container { reason }
}

pub(super) fn json(part: Words, fault: Fault) -> BundleError {
    BundleError::Json { part, reason: fault.told() }
}
