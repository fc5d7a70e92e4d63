//! From trained weights to a bundle, and from a bundle to a ranker.

use super::examples::{Examples, ID_FIELD};
use super::logistic::Trained;
use anyhow::{Context as _, bail};
use serde_json::json;
use zhiji::bundle::{self, Numbers, Writing};
use zhiji::features::Layout;
use zhiji::schema::Schema;
use zhiji::score::Ranker;

/// How many known answers a bundle carries.
const PROBES: usize = 8;

/// Resolves the names of hashed fields: `id`, or a field of the schema whose values are words.
///
/// # Errors
/// Where a name is neither.
pub fn hashed_fields(schema: &Schema, names: &[String]) -> anyhow::Result<Vec<u16>> {
    let words: Vec<usize> = schema.word_fields().collect();
    names
        .iter()
        .map(|name| {
            if name == "id" {
                return Ok(ID_FIELD);
            }
            match schema.field(name) {
                Ok(field) if words.contains(&field) => Ok(u16::try_from(field)?),
                Ok(_) => bail!("`{name}` is a number; only words can be hashed"),
                Err(_) => bail!("the schema has no field `{name}`"),
            }
        })
        .collect()
}

/// What a bundle is to be called and hold beside the weights.
pub struct Naming<'a> {
    /// The schema.
    pub schema: &'a Schema,
    /// The layout that the examples came from.
    pub layout: &'a Layout,
    /// The label that was learnt.
    pub label: &'a str,
    /// The hashed fields, by name.
    pub hashed: &'a [String],
    /// Whether phones with any other schema must refuse it.
    pub pin_schema: bool,
}

/// The bundle of a trained model, with a few of its examples as known answers.
///
/// # Errors
/// Where the engine would refuse it.
pub fn pack(trained: &Trained, examples: &Examples, naming: &Naming<'_>) -> anyhow::Result<Vec<u8>> {
    let wide = &trained.wide;
    let names = naming.layout.names();
    let features: Vec<String> = trained.picks.iter().map(|&p| names[p].clone()).collect();
    let needed = |field: &&zhiji::schema::Field| {
        let prefix = format!("{}.", field.name);
        features.iter().any(|f| f.starts_with(&prefix)) || naming.hashed.contains(&field.name)
    };
    let fields: Vec<&str> = naming.schema.fields.iter().filter(needed).map(|field| field.name.as_str()).collect();
    let hashed = hashed_fields(naming.schema, naming.hashed)?;
    let (mut dense, mut keys, mut probes) = (Vec::new(), Vec::new(), Vec::new());
    let stride = (examples.len() / PROBES).max(1);
    for i in (0..examples.len()).step_by(stride).take(PROBES) {
        trained.gather(examples, i, &mut dense);
        let bits: Vec<String> = dense.iter().map(|x| format!("{:08x}", x.to_bits())).collect();
        let (mut item, mut words) = (0, Vec::new());
        for (name, field) in naming.hashed.iter().zip(&hashed) {
            examples.keys(i, &[*field], &mut keys);
            if *field == ID_FIELD {
                item = keys.first().copied().unwrap_or_default();
            } else {
                words.extend(keys.iter().map(|key| (name, format!("{key:016x}"))));
            }
        }
        probes.push(json!({ "dense": bits, "item": format!("{item:016x}"), "words": words }));
    }
    let mut schema = json!({ "fields": fields });
    if naming.pin_schema {
        schema["fingerprint"] = json!(format!("{:016x}", naming.schema.fingerprint()));
    }
    let spec = json!({
        "format": bundle::FORMAT,
        "space": naming.schema.space,
        "schema": schema,
        "ranker": {
            "blocks": [{ "block": "wide", "features": features, "hashed": naming.hashed }],
            "tiers": [{ "tasks": [{ "label": naming.label, "of": ["wide"] }] }],
        },
        "probes": probes,
    });
    let bias = [wide.bias()];
    let tensors: [(&str, &[f32]); 5] = [
        ("wide.weight", wide.weight()),
        ("wide.mean", wide.mean()),
        ("wide.scale", wide.scale()),
        ("wide.bias", &bias),
        ("wide.hashed", wide.hashed()),
    ];
    let shapes = tensors.map(|(_, numbers)| [numbers.len()]);
    let writing = tensors.iter().zip(&shapes).filter(|((_, numbers), _)| !numbers.is_empty());
    let writing: Vec<Writing<'_>> =
        writing.map(|((name, numbers), shape)| Writing { name, shape, numbers: Numbers::Singles(numbers) }).collect();
    let bytes = bundle::write(&spec.to_string(), &writing)?;
    open(&bytes, naming.schema, naming.layout).context("the bundle that was written cannot be used")?;
    Ok(bytes)
}

/// Opens a bundle as a phone does: read, verified, probed, bound to the schema's features.
///
/// # Errors
/// Whatever a phone would say.
pub fn open(bytes: &[u8], schema: &Schema, layout: &Layout) -> anyhow::Result<Ranker> {
    let bundle = bundle::load(bytes, &schema.space)?;
    Ranker::bind(schema, layout, bundle)
        .map_err(|unfit| anyhow::anyhow!("the bundle does not fit the schema: {unfit:?}"))
}
