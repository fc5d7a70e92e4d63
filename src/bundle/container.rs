//! The container, safetensors: names, types, shapes and places of tensors, all checked before a byte of them is read.
//!
//! # Source
//! <https://github.com/huggingface/safetensors>, section "Format" of its README.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use super::{
    BundleError, MOST_BYTES, MOST_DIM, MOST_HEADER_BYTES, MOST_NAME_BYTES, MOST_RANK, MOST_TENSORS, TensorFault,
};
use crate::json::{Fault, Faults, Json, Place};

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
            return Err(oversized("bundle", u64::try_from(bytes.len()).unwrap_or(u64::MAX), MOST_BYTES));
        }
        let Some((length, rest)) = bytes.split_first_chunk::<8>() else {
            return Err(container("it ends before its header"));
        };
        let length = u64::from_le_bytes(*length);
        let Some(length) = usize::try_from(length).ok().filter(|length| *length <= MOST_HEADER_BYTES) else {
            return Err(oversized("header", length, MOST_HEADER_BYTES));
        };
        let Some((header, data)) = rest.split_at_checked(length) else {
            return Err(container("it ends inside its header"));
        };
        let header = Json::open(header).map_err(|fault| json("header", fault))?;
        let faults = Faults::default();
        let container = read(header.read(&faults), data);
        // What was read of a header that is no such thing counts for nothing, and neither does what was said about it.
        faults.close().map_err(|fault| json("header", fault))?;
        container
    }
}

fn read<'a>(header: Place<'_>, data: &'a [u8]) -> Result<Container<'a>, BundleError> {
    let metadata = header.key("__metadata__");
    if !metadata.is_given() {
        return Err(container("it has no __metadata__"));
    }
    if metadata.len() != 1 || metadata.at(0).name() != "zhiji" {
        return Err(container("__metadata__ must have the one key `zhiji`"));
    }
    let spec = metadata.at(0).text().to_string();
    if header.len() > MOST_TENSORS + 1 {
        return Err(json("header", Fault::More("256 tensors")));
    }
    let mut tensors: Vec<Tensor<'a>> = Vec::with_capacity(header.len());
    for at in 0..header.len() {
        let entry = header.at(at);
        for before in 0..at {
            if header.at(before).name() == entry.name() {
                return Err(BundleError::tensor(entry.name(), TensorFault::Duplicate));
            }
        }
        if entry.name() != "__metadata__" {
            let one = tensor(entry, data).map_err(|fault| BundleError::tensor(entry.name(), fault))?;
            // In order of their places, and those without bytes first.
            let mut place = tensors.len();
            while let Some(before) = place.checked_sub(1).and_then(|before| tensors.get(before)) {
                if (before.start, before.bytes.len()) <= (one.start, one.bytes.len()) {
                    break;
                }
                place -= 1;
            }
            tensors.insert(place, one);
        }
    }
    let mut end = 0u64;
    for tensor in &tensors {
        if tensor.start != end {
            return Err(BundleError::tensor(&tensor.name, TensorFault::Offsets));
        }
        end = end.saturating_add(long(tensor.bytes.len()));
    }
    if end != long(data.len()) {
        return Err(container("bytes follow that belong to no tensor"));
    }
    Ok(Container { spec, tensors })
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
        product = match product.checked_mul(dim) {
            Some(product) if dim <= long(MOST_DIM) && product <= long(MOST_BYTES) => product,
            _ => return Err(TensorFault::TooLarge),
        };
        shape.push(usize::try_from(dim).map_err(|_| TensorFault::TooLarge)?);
    }
    let dtype = entry.key("dtype").text();
    let Some((dtype, size)) = TYPES.iter().find(|(known, _)| *known == dtype).copied() else {
        return Err(TensorFault::Dtype);
    };
    let offsets = entry.key("data_offsets");
    let (start, end) = (offsets.at(0).whole(u64::MAX), offsets.at(1).whole(u64::MAX));
    if offsets.len() != 2 || end.checked_sub(start) != product.checked_mul(size) {
        return Err(TensorFault::Offsets);
    }
    let span = usize::try_from(start).ok().zip(usize::try_from(end).ok());
    let bytes = span.and_then(|(start, end)| data.get(start..end)).ok_or(TensorFault::Offsets)?;
    Ok(Tensor { name: entry.name().to_string(), dtype, shape, start, bytes })
}

/// A length as the number that it is in the file. Nothing in memory is longer than 64 bits can say.
fn long(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

const fn oversized(part: &'static str, bytes: u64, most: usize) -> BundleError {
    BundleError::Oversized { part, bytes, most }
}

const fn container(reason: &'static str) -> BundleError {
    BundleError::Container { reason }
}

pub(super) fn json(part: &'static str, fault: Fault) -> BundleError {
    BundleError::Json { part, reason: fault.to_string() }
}
