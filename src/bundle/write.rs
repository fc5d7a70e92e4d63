//! The writer, for trainers.

use alloc::string::String;
use alloc::vec::Vec;

use safetensors::Dtype;
use safetensors::tensor::{TensorView, serialize};

use super::spec::Spec;
use super::{BundleError, Model, TensorFault, open};

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
    let bytes = |values: &[f32]| -> Vec<u8> { values.iter().flat_map(|value| value.to_le_bytes()).collect() };
    let tensors = [
        ("wide.weight", wide.weight.len(), bytes(&wide.weight)),
        ("wide.mean", wide.mean.len(), bytes(&wide.mean)),
        ("wide.scale", wide.scale.len(), bytes(&wide.scale)),
        ("wide.bias", 1, bytes(&[wide.bias])),
        ("wide.hashed", wide.hashed.len(), bytes(&wide.hashed)),
    ];
    let mut views = Vec::new();
    for (name, length, data) in tensors.iter().filter(|(_, length, _)| *length > 0) {
        let view = TensorView::new(Dtype::F32, Vec::from([*length]), data)
            .map_err(|_| BundleError::tensor(name, TensorFault::Offsets))?;
        views.push((*name, view));
    }
    let metadata = [(String::from("zhiji"), spec)].into_iter().collect();
    let out = serialize(views, Some(metadata))
        .map_err(|_| BundleError::Container { reason: "the tensors cannot be laid out" })?;
    open(&out)?.verify(&model.space)?;
    Ok(out)
}
