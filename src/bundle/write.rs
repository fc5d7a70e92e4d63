//! The writer, for trainers.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::spec::Spec;
use super::{BundleError, Model, open};
use crate::json::Json;

/// Writes a bundle. The same model gives the same bytes.
///
/// What is written is opened and verified again, so that a trainer never publishes what a phone would refuse; the probes are
/// the caller's, and `Verified::run_probes` checks them.
///
/// # Errors
/// What a phone would say: see [`open`] and [`super::Parsed::verify`].
pub fn write(model: &Model) -> Result<Vec<u8>, BundleError> {
    let spec = serde_json::to_string(&Spec::of(model))
        .map_err(|_| BundleError::Spec { at: "spec", reason: "cannot be written as JSON" })?;
    let wide = &model.wide;
    let bias = [wide.bias];
    let tensors: [(&str, &[f32]); 5] = [
        ("wide.weight", &wide.weight),
        ("wide.mean", &wide.mean),
        ("wide.scale", &wide.scale),
        ("wide.bias", &bias),
        ("wide.hashed", &wide.hashed),
    ];
    let mut header = format!("{{\"__metadata__\":{{\"zhiji\":{}}}", Json::Text(spec).write());
    let mut data = Vec::new();
    for (name, values) in tensors {
        if !values.is_empty() {
            let start = data.len();
            for value in values {
                data.extend_from_slice(&value.to_le_bytes());
            }
            let (length, end) = (values.len(), data.len());
            header +=
                &format!(",\"{name}\":{{\"dtype\":\"F32\",\"shape\":[{length}],\"data_offsets\":[{start},{end}]}}");
        }
    }
    header.push('}');
    let out = join(header, &data);
    open(&out)?.verify(&model.space)?;
    Ok(out)
}

/// A file of this header and these bytes. The header ends in spaces, so that the bytes begin at a multiple of eight.
fn join(mut header: String, data: &[u8]) -> Vec<u8> {
    while !header.len().is_multiple_of(8) {
        header.push(' ');
    }
    let length = u64::try_from(header.len()).unwrap_or(u64::MAX).to_le_bytes();
    [&length, header.as_bytes(), data].concat()
}
