//! The spec: the JSON text under the key `zhiji` of the container's metadata.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use super::head::{self, Head};
use super::probe::{self, Probe};
use super::stack::{self, Stack, named, names};
use super::tensors::Tensors;
use super::{FORMAT, MOST_FIELDS};
use crate::codec::unhex;
use crate::json::Place;
use crate::words::words;

/// What a bundle says and holds.
#[derive(Clone, Debug)]
pub(super) struct Parts {
    pub space: String,
    pub fingerprint: Option<u64>,
    pub fields: Vec<String>,
    pub stack: Stack,
    pub head: Option<Head>,
    pub probes: Vec<Probe>,
}

/// Reads the spec and takes every tensor that it needs; what is wrong is noted with the tensors.
pub(super) fn read<'a>(spec: Place<'a>, tensors: &mut Tensors<'a>) -> Parts {
    spec.only(&["format", "space", "schema", "ranker", "head", "probes"]);
    let notes = &mut tensors.notes;
    let known = spec.key("format").whole(u32::MAX.into()) == u64::from(FORMAT);
    notes.unless(
        known,
        words!("format"),
        words!("this engine reads format 1: publish the bundle with a higher minEngine"),
    );
    let space = named(spec.key("space"), words!("space"), notes).to_string();
    let schema = spec.key("schema").only(&["fingerprint", "fields"]);
    let given = schema.key("fingerprint").given();
    let fingerprint = given.and_then(|text| hex(text.text(), 16));
    notes.unless(
        given.is_none() || fingerprint.is_some(),
        words!("schema.fingerprint"),
        words!("give 16 hexadecimal digits"),
    );
    let reason = words!("name at most 64 fields, each once");
    let fields = names(schema.key("fields"), MOST_FIELDS, words!("schema.fields"), reason, notes);
    let stack = stack::read(spec.key("ranker"), tensors);
    let (mut head, mut probes) = (None, Vec::new());
    // What is read of a stack that is wrong would say no more than that.
    if tensors.notes.none() {
        head = head::read(spec.key("head"), &stack, tensors);
        probes = probe::read(spec.key("probes"), &stack, &mut tensors.notes);
    }
    Parts { space, fingerprint, fields, stack, head, probes }
}

/// A number of so many lower-case hexadecimal digits.
pub(super) fn hex(text: &str, digits: usize) -> Option<u64> {
    let mut bytes = [0; 8];
    let last = bytes.len().checked_sub(digits / 2).and_then(|from| bytes.get_mut(from..))?;
    unhex(text, last).then(|| u64::from_be_bytes(bytes))
}
