//! From bytes to a bundle in three steps, each a type of its own.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use safetensors::Dtype;
use safetensors::tensor::{Metadata, SafeTensorError, TensorInfo};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};

use super::spec::{Checked, Spec};
use super::{
    BundleError, MOST_BYTES, MOST_DIM, MOST_HEADER_BYTES, MOST_NAME_BYTES, MOST_RANK, MOST_TENSORS, Model, TensorFault,
    WideWeights, probe,
};
use crate::block::Wide;

/// A well-formed container with a readable spec; nothing is known about its tensors yet.
pub struct Parsed<'a> {
    spec: Checked,
    tensors: Vec<(String, TensorInfo)>,
    data: &'a [u8],
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
    if bytes.len() > MOST_BYTES {
        return Err(oversized("bundle", u64::try_from(bytes.len()).unwrap_or(u64::MAX), MOST_BYTES));
    }
    let (length, rest) = bytes.split_first_chunk::<8>().ok_or(container("it ends before its header"))?;
    let length = u64::from_le_bytes(*length);
    let header_length = match usize::try_from(length) {
        Ok(n) if n <= MOST_HEADER_BYTES => n,
        _ => return Err(oversized("header", length, MOST_HEADER_BYTES)),
    };
    let (header, data) = rest.split_at_checked(header_length).ok_or(container("it ends inside its header"))?;
    let header: Header = serde_json::from_slice(header).map_err(|error| json("header", &error))?;
    let tensors = check_tensors(header.tensors, data)?;

    let mut metadata = header.metadata.ok_or(container("it has no __metadata__"))?;
    let spec = match metadata.pop() {
        Some((key, spec)) if key == "zhiji" && metadata.is_empty() => spec,
        _ => return Err(container("__metadata__ must have the one key `zhiji`")),
    };
    let spec: Spec = serde_json::from_str(&spec).map_err(|error| json("spec", &error))?;
    Ok(Parsed { spec: spec.check()?, tensors, data })
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

/// Bounds every number before the container library adds any of them up; that library then refuses holes and overlaps.
fn check_tensors(
    mut tensors: Vec<(String, TensorInfo)>,
    data: &[u8],
) -> Result<Vec<(String, TensorInfo)>, BundleError> {
    for (index, (name, info)) in tensors.iter().enumerate() {
        let refuse = |fault| Err(BundleError::tensor(name, fault));
        if name.len() > MOST_NAME_BYTES {
            return refuse(TensorFault::NameTooLong);
        }
        if tensors.iter().take(index).any(|(other, _)| other == name) {
            return refuse(TensorFault::Duplicate);
        }
        if info.shape.len() > MOST_RANK {
            return refuse(TensorFault::TooManyDimensions);
        }
        let product = info.shape.iter().try_fold(1usize, |product, dim| product.checked_mul(*dim));
        if info.shape.iter().any(|dim| *dim > MOST_DIM) || product.is_none_or(|n| n > MOST_BYTES) {
            return refuse(TensorFault::TooLarge);
        }
        if info.data_offsets.0 > info.data_offsets.1 || info.data_offsets.1 > data.len() {
            return refuse(TensorFault::Offsets);
        }
    }
    tensors.sort_by_key(|(_, info)| info.data_offsets);
    let container_of = Metadata::new(None, tensors.clone()).map_err(|error| match error {
        SafeTensorError::InvalidOffset(name) => BundleError::tensor(&name, TensorFault::Offsets),
        _ => container("a shape, a type and its offsets disagree"),
    })?;
    if container_of.data_len() != data.len() {
        return Err(container("bytes follow that belong to no tensor"));
    }
    Ok(tensors)
}

impl Parsed<'_> {
    /// The space the bundle says it is for.
    pub fn space(&self) -> &str {
        &self.spec.space
    }

    /// Name, type and shape of every tensor, in file order.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, String, &[usize])> {
        self.tensors.iter().map(|(name, info)| (name.as_str(), info.dtype.to_string(), info.shape.as_slice()))
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
        if let Some((name, _)) = self.tensors.iter().find(|(name, _)| wanted.iter().all(|(known, _)| known != name)) {
            return Err(BundleError::tensor(name, TensorFault::Unexpected));
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
        let (_, info) = self.tensors.iter().find(|(known, _)| known == name).ok_or(refuse(TensorFault::Missing))?;
        if info.dtype != Dtype::F32 {
            return Err(refuse(TensorFault::Dtype));
        }
        if info.shape != [length] {
            return Err(refuse(TensorFault::Shape { expected: Vec::from([length]), found: info.shape.clone() }));
        }
        let bytes = self.data.get(info.data_offsets.0..info.data_offsets.1).ok_or(refuse(TensorFault::Offsets))?;
        let (values, _) = bytes.as_chunks::<4>();
        let values: Vec<f32> = values.iter().map(|value| f32::from_le_bytes(*value)).collect();
        match values.iter().position(|value| !value.is_finite()) {
            Some(at) => Err(refuse(TensorFault::NotFinite { at })),
            None => Ok(values),
        }
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

struct Header {
    metadata: Option<Vec<(String, String)>>,
    tensors: Vec<(String, TensorInfo)>,
}

/// A JSON object as pairs, so that a key that stands there twice is seen, not overwritten.
struct Pairs(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(HeaderVisitor)
    }
}

struct HeaderVisitor;

impl<'de> Visitor<'de> for HeaderVisitor {
    type Value = Header;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
        let mut header = Header { metadata: None, tensors: Vec::new() };
        while let Some(name) = map.next_key::<String>()? {
            if name == "__metadata__" {
                let Pairs(pairs) = map.next_value()?;
                if header.metadata.replace(pairs).is_some() {
                    return Err(A::Error::custom("__metadata__ stands there twice"));
                }
            } else if header.tensors.len() < MOST_TENSORS {
                header.tensors.push((name, map.next_value()?));
            } else {
                return Err(A::Error::custom("there are more than 256 tensors"));
            }
        }
        Ok(header)
    }
}

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PairsVisitor)
    }
}

struct PairsVisitor;

impl<'de> Visitor<'de> for PairsVisitor {
    type Value = Pairs;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of texts")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(Pairs(pairs))
    }
}

const fn oversized(part: &'static str, bytes: u64, most: usize) -> BundleError {
    BundleError::Oversized { part, bytes, most }
}

const fn container(reason: &'static str) -> BundleError {
    BundleError::Container { reason }
}

fn json(part: &'static str, error: &serde_json::Error) -> BundleError {
    BundleError::Json { part, reason: error.to_string() }
}
