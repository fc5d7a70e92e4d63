//! From trained weights to a bundle, and from a bundle to a ranker.

use super::examples::{Examples, ID_FIELD};
use super::logistic::Trained;
use anyhow::{Context as _, bail};
use zhiji::block::Wide;
use zhiji::bundle::{self, Model, Probe, WideWeights};
use zhiji::features::Layout;
use zhiji::schema::Schema;
use zhiji::score::{self, BindError, Ranker};

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
    let mut model = Model {
        space: naming.schema.space.clone(),
        fingerprint: naming.pin_schema.then(|| naming.schema.fingerprint()),
        fields: naming.schema.fields.iter().filter(needed).map(|f| f.name.clone()).collect(),
        wide: WideWeights {
            label: naming.label.to_string(),
            weight: wide.weight().to_vec(),
            mean: wide.mean().to_vec(),
            scale: wide.scale().to_vec(),
            bias: wide.bias(),
            hashed_fields: naming.hashed.to_vec(),
            hashed: wide.hashed().to_vec(),
            features,
        },
        probes: Vec::new(),
    };
    let fields = hashed_fields(naming.schema, naming.hashed)?;
    let (mut dense, mut keys) = (Vec::new(), Vec::new());
    let stride = (examples.len() / PROBES).max(1);
    for i in (0..examples.len()).step_by(stride).take(PROBES) {
        trained.gather(examples, i, &mut dense);
        examples.keys(i, &fields, &mut keys);
        model.probes.push(Probe { dense: dense.clone(), hashed: keys.clone(), logit: logit(wide, &dense, &keys) });
    }
    let bytes = bundle::write(&model)?;
    open(&bytes, naming.schema, naming.layout).context("the bundle that was written cannot be used")?;
    Ok(bytes)
}

fn logit(wide: &Wide, dense: &[f32], keys: &[u64]) -> f32 {
    wide.logit(wide.score_user(), wide.score_item(keys), wide.score_pair(dense))
}

/// Opens a bundle as a phone does: parsed, verified, probed, bound to the schema's features. Gives the ranker and its label's name.
///
/// # Errors
/// Whatever a phone would say.
pub fn open(bytes: &[u8], schema: &Schema, layout: &Layout) -> anyhow::Result<(Ranker, String)> {
    let verified = bundle::open(bytes)?.verify(&schema.space)?;
    let unfit = |e: BindError| anyhow::anyhow!("the bundle does not fit the schema: {e:?}");
    let wide = score::block(verified.model()).map_err(unfit)?;
    let bundle = verified.run_probes(|_, dense, keys| logit(&wide, dense, keys))?;
    let ranker = Ranker::bind(schema, layout, bundle.model(), 1).map_err(unfit)?;
    Ok((ranker, bundle.model().wide.label.clone()))
}
