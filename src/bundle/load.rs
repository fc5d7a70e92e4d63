//! From bytes to a bundle in three steps, each a type of its own.

use alloc::vec::Vec;

use super::container::{Container, Tensor, json};
use super::spec::{Checked, Spec};
use super::{BundleError, Model, TensorFault, WideWeights, probe};
use crate::block::Wide;

/// A well-formed container with a readable spec; nothing is known about its tensors yet.
pub struct Parsed<'a> {
    spec: Checked,
    tensors: Vec<Tensor<'a>>,
}

/// Every tensor that the spec needs is there, of the right type and shape, finite; and no other.
#[derive(Clone, Debug)]
pub struct Verified(Model);

/// A bundle that answered its probes on this device. Scoring with it cannot fail.
#[derive(Clone, Debug)]
pub struct Bundle(Model);

impl Bundle {
    /// What the bundle holds.
    pub const fn model(&self) -> &Model {
        &self.0
    }
}

/// Parses untrusted bytes: sizes first, then the header, then the spec.
///
/// # Errors
/// [`BundleError::Oversized`] before anything is parsed; [`BundleError::Container`], [`BundleError::Json`],
/// [`BundleError::Spec`] and [`BundleError::Tensor`] for what is wrong inside.
pub fn open(bytes: &[u8]) -> Result<Parsed<'_>, BundleError> {
    let Container { spec, tensors } = Container::open(bytes)?;
    let spec = Spec::open(&spec).map_err(|fault| json("spec", fault))?;
    Ok(Parsed { spec: spec.check()?, tensors })
}

/// Takes a bundle all the way: parsed, verified for `space`, made into a block and probed with it.
///
/// # Errors
/// Every variant of [`BundleError`].
pub fn load(bytes: &[u8], space: &str) -> Result<(Bundle, Wide), BundleError> {
    let verified = open(bytes)?.verify(space)?;
    let weights = &verified.model().wide;
    let wide = Wide::new(
        weights.bias,
        weights.weight.clone(),
        weights.mean.clone(),
        weights.scale.clone(),
        weights.hashed.clone(),
    )
    .map_err(|_| BundleError::Spec { at: "ranker.blocks", reason: "the block refuses its weights" })?;
    let bundle = verified.run_probes(|_, dense, hashed| {
        wide.logit(wide.score_user(), wide.score_item(hashed), wide.score_pair(dense))
    })?;
    Ok((bundle, wide))
}

impl Parsed<'_> {
    /// The space the bundle says it is for.
    pub fn space(&self) -> &str {
        &self.spec.space
    }

    /// Name, type and shape of every tensor, in file order.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, &'static str, &[usize])> {
        self.tensors.iter().map(|tensor| (tensor.name.as_str(), tensor.dtype, tensor.shape.as_slice()))
    }

    /// Checks every tensor against the spec and copies the weights out.
    ///
    /// # Errors
    /// [`BundleError::WrongSpace`] where the bundle is not for `space`; [`BundleError::Tensor`] naming the first tensor that is
    /// missing, unexpected, of another type or shape, or not finite.
    pub fn verify(self, space: &str) -> Result<Verified, BundleError> {
        if self.spec.space != space {
            return Err(BundleError::WrongSpace);
        }
        let features = self.spec.wide.features.len();
        let buckets = self.spec.wide.buckets;
        let mut wanted = Vec::from([("wide.bias", 1)]);
        if features > 0 {
            wanted.extend([("wide.weight", features), ("wide.mean", features), ("wide.scale", features)]);
        }
        if buckets > 0 {
            wanted.push(("wide.hashed", buckets));
        }
        for tensor in &self.tensors {
            if wanted.iter().all(|(known, _)| *known != tensor.name) {
                return Err(BundleError::tensor(&tensor.name, TensorFault::Unexpected));
            }
        }
        let bias = self.values("wide.bias", 1)?;
        let scale = self.values("wide.scale", features)?;
        if let Some(at) = scale.iter().position(|value| *value <= 0.0 || !(1.0 / *value).is_finite()) {
            return Err(BundleError::tensor("wide.scale", TensorFault::NotPositive { at }));
        }
        let wide = WideWeights {
            weight: self.values("wide.weight", features)?,
            mean: self.values("wide.mean", features)?,
            scale,
            bias: bias.first().copied().unwrap_or_default(),
            hashed: self.values("wide.hashed", buckets)?,
            label: self.spec.wide.label,
            features: self.spec.wide.features,
            hashed_fields: self.spec.wide.hashed,
        };
        Ok(Verified(Model {
            space: self.spec.space,
            fingerprint: self.spec.fingerprint,
            fields: self.spec.fields,
            wide,
            probes: self.spec.probes,
        }))
    }

    fn values(&self, name: &str, length: usize) -> Result<Vec<f32>, BundleError> {
        let refuse = |fault| BundleError::tensor(name, fault);
        if length == 0 {
            return Ok(Vec::new());
        }
        let Some(tensor) = self.tensors.iter().find(|tensor| tensor.name == name) else {
            return Err(refuse(TensorFault::Missing));
        };
        if tensor.shape != [length] {
            return Err(refuse(TensorFault::Shape { expected: Vec::from([length]), found: tensor.shape.clone() }));
        }
        let mut values = Vec::with_capacity(length);
        for bytes in tensor.bytes.as_chunks::<4>().0 {
            let value = f32::from_le_bytes(*bytes);
            if !value.is_finite() {
                return Err(refuse(TensorFault::NotFinite { at: values.len() }));
            }
            values.push(value);
        }
        Ok(values)
    }
}

impl Verified {
    /// What the bundle holds, before its probes were run.
    pub const fn model(&self) -> &Model {
        &self.0
    }

    /// Runs the known-answer probes through `logit`, the forward pass of this device, given the weights, the dense features
    /// and the hashes.
    ///
    /// # Errors
    /// [`BundleError::Probe`] for the first answer whose bits differ.
    pub fn run_probes(self, logit: impl Fn(&WideWeights, &[f32], &[u64]) -> f32) -> Result<Bundle, BundleError> {
        probe::run(&self.0.probes, |dense, hashed| logit(&self.0.wide, dense, hashed))?;
        Ok(Bundle(self.0))
    }
}
