//! From trained weights to a bundle, and from a bundle to scores.

use super::examples::{Examples, ID_FIELD};
use super::logistic::Trained;
use super::metrics::Scored;
use anyhow::{Context as _, bail};
use zhiji::block::Wide;
use zhiji::bundle::{self, Model, Probe, WideWeights};
use zhiji::features::Layout;
use zhiji::schema::Schema;

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
    Scorer::open(&bytes, naming.schema, naming.layout).context("the bundle that was written does not score")?;
    Ok(bytes)
}

fn logit(wide: &Wide, dense: &[f32], keys: &[u64]) -> f32 {
    wide.logit(wide.score_user(), wide.score_item(keys), wide.score_pair(dense))
}

fn block(w: &WideWeights) -> anyhow::Result<Wide> {
    Ok(Wide::new(w.bias, w.weight.clone(), w.mean.clone(), w.scale.clone(), w.hashed.clone())?)
}

/// A bundle, opened as a phone opens it and bound to a layout.
pub struct Scorer {
    wide: Wide,
    picks: Vec<usize>,
    hashed: Vec<u16>,
    /// The label whose probability it gives.
    pub label: String,
}

impl Scorer {
    /// Parses, verifies and probes the bytes.
    ///
    /// # Errors
    /// Whatever a phone would say, or a feature that this schema does not give.
    pub fn open(bytes: &[u8], schema: &Schema, layout: &Layout) -> anyhow::Result<Self> {
        let verified = bundle::open(bytes)?.verify(&schema.space)?;
        let wide = block(&verified.model().wide)?;
        let bundle = verified.run_probes(|_, dense, keys| logit(&wide, dense, keys))?;
        let model = bundle.model();
        if model.fingerprint.is_some_and(|f| f != schema.fingerprint()) {
            bail!("the bundle was made for exactly another schema");
        }
        let place = |name: &String| {
            let at = layout.names().iter().position(|n| n == name);
            at.with_context(|| format!("this schema gives no feature `{name}`"))
        };
        let picks = model.wide.features.iter().map(place).collect::<anyhow::Result<_>>()?;
        let hashed = hashed_fields(schema, &model.wide.hashed_fields)?;
        Ok(Self { wide, picks, hashed, label: model.wide.label.clone() })
    }

    /// Scores the examples at `rows`.
    pub fn score(&self, examples: &Examples, rows: &[usize]) -> Vec<Scored> {
        let (mut dense, mut keys) = (Vec::new(), Vec::new());
        rows.iter()
            .map(|&i| {
                let all = examples.dense(i);
                dense.clear();
                dense.extend(self.picks.iter().map(|&p| all[p]));
                examples.keys(i, &self.hashed, &mut keys);
                Scored {
                    user: examples.user[i],
                    earlier: examples.earlier[i],
                    positive: examples.positive[i],
                    logit: logit(&self.wide, &dense, &keys),
                }
            })
            .collect()
    }
}
