//! From bytes to a bundle in three steps, each a type of its own.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use safetensors::Dtype;
use safetensors::tensor::{Metadata, SafeTensorError, TensorInfo};

use super::spec::{Checked, Spec};
use super::{
    BundleError, MOST_BYTES, MOST_DIM, MOST_HEADER_BYTES, MOST_NAME_BYTES, MOST_RANK, MOST_TENSORS, Model, TensorFault,
    WideWeights, probe,
};
use crate::block::Wide;
use crate::json::{Fault, Json};

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
    let header = Header::open(header).map_err(|fault| json("header", fault))?;
    let tensors = check_tensors(header.tensors, data)?;

    let mut metadata = header.metadata.ok_or(container("it has no __metadata__"))?;
    let spec = match metadata.pop() {
        Some((key, spec)) if key == "zhiji" && metadata.is_empty() => spec,
        _ => return Err(container("__metadata__ must have the one key `zhiji`")),
    };
    let spec = Spec::open(&spec).map_err(|fault| json("spec", fault))?;
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

impl Header {
    fn open(bytes: &[u8]) -> Result<Self, Fault> {
        let mut header = Self { metadata: None, tensors: Vec::new() };
        for (name, value) in Json::open(bytes)?.entries()? {
            if name == "__metadata__" {
                let mut metadata = Vec::new();
                for (key, value) in value.entries()? {
                    metadata.push((key, value.text()?));
                }
                if header.metadata.replace(metadata).is_some() {
                    return Err(Fault::Twice);
                }
            } else if header.tensors.len() < MOST_TENSORS {
                header.tensors.push((name, tensor_info(value)?));
            } else {
                return Err(Fault::More("256 tensors"));
            }
        }
        Ok(header)
    }
}

/// Keys that the format may get later are passed over, as the container library does.
fn tensor_info(value: Json) -> Result<TensorInfo, Fault> {
    let mut object = value.object()?;
    let dtype = dtype(&object.text("dtype")?).ok_or(Fault::Not("a type of tensors"))?;
    let mut shape = Vec::new();
    for dim in object.need("shape")?.list()? {
        shape.push(dim.count()?);
    }
    let offsets = object.need("data_offsets")?.list()?;
    let [start, end] = <[Json; 2]>::try_from(offsets).map_err(|_| Fault::Not("a pair of offsets"))?;
    Ok(TensorInfo { dtype, shape, data_offsets: (start.count()?, end.count()?) })
}

fn dtype(name: &str) -> Option<Dtype> {
    use Dtype::{
        BF16, BOOL, C64, F4, F6_E2M3, F6_E3M2, F8_E4M3, F8_E4M3FNUZ, F8_E5M2, F8_E5M2FNUZ, F8_E8M0, F16, F32, F64, I8,
        I16, I32, I64, U8, U16, U32, U64,
    };
    const NAMES: [(&str, Dtype); 22] = [
        ("BOOL", BOOL),
        ("F4", F4),
        ("F6_E2M3", F6_E2M3),
        ("F6_E3M2", F6_E3M2),
        ("U8", U8),
        ("I8", I8),
        ("F8_E5M2", F8_E5M2),
        ("F8_E4M3", F8_E4M3),
        ("F8_E8M0", F8_E8M0),
        ("F8_E4M3FNUZ", F8_E4M3FNUZ),
        ("F8_E5M2FNUZ", F8_E5M2FNUZ),
        ("I16", I16),
        ("U16", U16),
        ("F16", F16),
        ("BF16", BF16),
        ("I32", I32),
        ("U32", U32),
        ("F32", F32),
        ("C64", C64),
        ("F64", F64),
        ("I64", I64),
        ("U64", U64),
    ];
    NAMES.iter().find(|(known, _)| *known == name).map(|(_, dtype)| *dtype)
}

const fn oversized(part: &'static str, bytes: u64, most: usize) -> BundleError {
    BundleError::Oversized { part, bytes, most }
}

const fn container(reason: &'static str) -> BundleError {
    BundleError::Container { reason }
}

fn json(part: &'static str, fault: Fault) -> BundleError {
    BundleError::Json { part, reason: fault.to_string() }
}
