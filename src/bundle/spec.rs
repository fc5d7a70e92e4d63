//! The spec: the JSON text under the key `zhiji` of the container's metadata.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serde::Serialize;

use super::{
    BundleError, FORMAT, MOST_DIM, MOST_FEATURES, MOST_FIELDS, MOST_NAME_BYTES, MOST_PROBE_HASHES, MOST_PROBES, Model,
    Probe,
};
use crate::json::{Fault, Json};

#[derive(Serialize)]
pub(super) struct Spec {
    pub format: u32,
    pub space: String,
    pub schema: SchemaNeeds,
    pub ranker: Ranker,
    pub probes: Vec<RawProbe>,
}

#[derive(Serialize)]
pub(super) struct SchemaNeeds {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    pub fields: Vec<String>,
}

#[derive(Serialize)]
pub(super) struct Ranker {
    pub blocks: Vec<WideSpec>,
}

#[derive(Serialize)]
pub(super) struct WideSpec {
    pub block: String,
    pub label: String,
    pub features: Vec<String>,
    pub hashed: Vec<String>,
    pub buckets: usize,
}

/// Numbers travel as the hexadecimal digits of their bits, so that no decimal conversion stands between two machines.
#[derive(Serialize)]
pub(super) struct RawProbe {
    pub dense: Vec<String>,
    pub hashed: Vec<String>,
    pub logit: String,
}

/// A spec whose every count and name is within bounds.
pub(super) struct Checked {
    pub space: String,
    pub fingerprint: Option<u64>,
    pub fields: Vec<String>,
    pub wide: WideSpec,
    pub probes: Vec<Probe>,
}

impl WideSpec {
    fn open(value: Json) -> Result<Self, Fault> {
        let mut object = value.object()?;
        let spec = Self {
            block: object.text("block")?,
            label: object.text("label")?,
            features: object.texts("features")?,
            hashed: object.texts("hashed")?,
            buckets: object.count("buckets")?,
        };
        object.close()?;
        Ok(spec)
    }
}

impl RawProbe {
    fn open(value: Json) -> Result<Self, Fault> {
        let mut object = value.object()?;
        let probe =
            Self { dense: object.texts("dense")?, hashed: object.texts("hashed")?, logit: object.text("logit")? };
        object.close()?;
        Ok(probe)
    }
}

const fn wrong(at: &'static str, reason: &'static str) -> BundleError {
    BundleError::Spec { at, reason }
}

impl Spec {
    pub fn open(json: &str) -> Result<Self, Fault> {
        let mut object = Json::open(json.as_bytes())?.object()?;
        let mut schema = object.object("schema")?;
        let mut ranker = object.object("ranker")?;
        let mut blocks = Vec::new();
        for block in ranker.need("blocks")?.list()? {
            blocks.push(WideSpec::open(block)?);
        }
        let mut probes = Vec::new();
        for probe in object.need("probes")?.list()? {
            probes.push(RawProbe::open(probe)?);
        }
        let format = object.whole("format", u32::MAX.into())?;
        let spec = Self {
            format: u32::try_from(format).unwrap_or(u32::MAX),
            space: object.text("space")?,
            schema: SchemaNeeds { fingerprint: schema.maybe_text("fingerprint")?, fields: schema.texts("fields")? },
            ranker: Ranker { blocks },
            probes,
        };
        schema.close()?;
        ranker.close()?;
        object.close()?;
        Ok(spec)
    }

    pub fn of(model: &Model) -> Self {
        let hex = |value: &f32| format!("{:08x}", value.to_bits());
        Self {
            format: FORMAT,
            space: model.space.clone(),
            schema: SchemaNeeds {
                fingerprint: model.fingerprint.map(|value| format!("{value:016x}")),
                fields: model.fields.clone(),
            },
            ranker: Ranker {
                blocks: Vec::from([WideSpec {
                    block: String::from("wide"),
                    label: model.wide.label.clone(),
                    features: model.wide.features.clone(),
                    hashed: model.wide.hashed_fields.clone(),
                    buckets: model.wide.hashed.len(),
                }]),
            },
            probes: model
                .probes
                .iter()
                .map(|probe| RawProbe {
                    dense: probe.dense.iter().map(hex).collect(),
                    hashed: probe.hashed.iter().map(|value| format!("{value:016x}")).collect(),
                    logit: hex(&probe.logit),
                })
                .collect(),
        }
    }

    pub fn check(self) -> Result<Checked, BundleError> {
        if self.format != FORMAT {
            return Err(wrong("format", "this engine reads format 1: publish the bundle with a higher minEngine"));
        }
        if self.space.is_empty() || self.space.len() > MOST_NAME_BYTES {
            return Err(wrong("space", "give a name of 1 to 64 bytes"));
        }
        let fingerprint = match &self.schema.fingerprint {
            Some(text) => Some(hex_u64(text, 16).ok_or(wrong("schema.fingerprint", "give 16 hexadecimal digits"))?),
            None => None,
        };
        names("schema.fields", &self.schema.fields, MOST_FIELDS)?;
        let wide: [WideSpec; 1] = self
            .ranker
            .blocks
            .try_into()
            .map_err(|_| wrong("ranker.blocks", "this engine reads exactly one block, `wide`"))?;
        let [wide] = wide;
        check_wide(&wide)?;
        let probes = check_probes(&self.probes, wide.features.len())?;
        Ok(Checked { space: self.space, fingerprint, fields: self.schema.fields, wide, probes })
    }
}

fn check_wide(wide: &WideSpec) -> Result<(), BundleError> {
    if wide.block != "wide" {
        return Err(wrong("ranker.blocks.block", "this engine reads the block `wide` only"));
    }
    if wide.label.is_empty() || wide.label.len() > MOST_NAME_BYTES {
        return Err(wrong("ranker.blocks.label", "give a label of 1 to 64 bytes"));
    }
    names("ranker.blocks.features", &wide.features, MOST_FEATURES)?;
    names("ranker.blocks.hashed", &wide.hashed, MOST_FIELDS)?;
    if wide.hashed.is_empty() != (wide.buckets == 0) {
        return Err(wrong("ranker.blocks.buckets", "give buckets where fields are hashed, and 0 where none is"));
    }
    if wide.buckets > 0 && (!wide.buckets.is_power_of_two() || wide.buckets > MOST_DIM) {
        return Err(wrong("ranker.blocks.buckets", "give a power of two"));
    }
    if wide.features.is_empty() && wide.hashed.is_empty() {
        return Err(wrong("ranker.blocks", "a block without features predicts nothing"));
    }
    Ok(())
}

fn check_probes(raw: &[RawProbe], features: usize) -> Result<Vec<Probe>, BundleError> {
    if raw.is_empty() || raw.len() > MOST_PROBES {
        return Err(wrong("probes", "give 1 to 64 of them"));
    }
    raw.iter()
        .map(|probe| {
            if probe.dense.len() != features {
                return Err(wrong("probes.dense", "give one value for each feature"));
            }
            if probe.hashed.len() > MOST_PROBE_HASHES {
                return Err(wrong("probes.hashed", "give at most 256 of them"));
            }
            let dense = probe.dense.iter().map(|text| finite(text).ok_or(wrong("probes.dense", BITS)));
            let hashed = probe
                .hashed
                .iter()
                .map(|text| hex_u64(text, 16).ok_or(wrong("probes.hashed", "give 16 hexadecimal digits")));
            Ok(Probe {
                dense: dense.collect::<Result<_, _>>()?,
                hashed: hashed.collect::<Result<_, _>>()?,
                logit: finite(&probe.logit).ok_or(wrong("probes.logit", BITS))?,
            })
        })
        .collect()
}

const BITS: &str = "give the 8 hexadecimal digits of a finite single's bits";

fn names(at: &'static str, names: &[String], most: usize) -> Result<(), BundleError> {
    if names.len() > most {
        return Err(wrong(at, "there are more than the engine takes"));
    }
    if names.iter().any(|name| name.is_empty() || name.len() > MOST_NAME_BYTES) {
        return Err(wrong(at, "give names of 1 to 64 bytes"));
    }
    let mut sorted: Vec<&String> = names.iter().collect();
    sorted.sort_unstable();
    let before = sorted.len();
    sorted.dedup();
    if sorted.len() == before { Ok(()) } else { Err(wrong(at, "a name stands there twice")) }
}

fn hex_u64(text: &str, digits: usize) -> Option<u64> {
    // `from_str_radix` would take a sign.
    let plain = text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if plain { u64::from_str_radix(text, 16).ok() } else { None }
}

fn finite(text: &str) -> Option<f32> {
    let value = f32::from_bits(u32::try_from(hex_u64(text, 8)?).ok()?);
    value.is_finite().then_some(value)
}
