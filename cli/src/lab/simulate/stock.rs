//! What is on offer, as the simulated server and its visitors see it.

use super::super::dataset::open_item;
use super::normal;
use anyhow::bail;
use std::collections::BTreeMap;
use std::rc::Rc;
use zhiji::item::Item;
use zhiji::kernel::math::ln_f64;
use zhiji::rng::{Rng, Seed};
use zhiji::schema::{Kind, Schema};

/// One item on offer.
pub struct Offer {
    /// Its id.
    pub id: String,
    /// The item, as a phone has it.
    pub item: Rc<Item>,
    /// Its word of the first category field, as an index.
    pub category: Option<u32>,
    /// Field and index of its words in the other fields.
    pub words: Vec<(u16, u32)>,
    /// Standardised scaled number.
    pub z: f32,
    /// What everybody likes about it.
    pub quality: f32,
    /// The server's own score, where it has one.
    pub prior: Option<f32>,
    /// By what the server sorts, before the daily noise.
    pub rank: f32,
}

/// All of them.
pub struct Stock {
    /// The items that pass the schema's filters.
    pub offers: Vec<Offer>,
    /// How many words the first category field has.
    pub categories: u32,
    /// The name of the first surface.
    pub surface: Option<String>,
}

/// Words of one field, numbered in the order of their first use.
type Vocabulary = BTreeMap<String, u32>;

fn number(words: &mut Vocabulary, word: &str) -> u32 {
    let next = words.len() as u32;
    *words.entry(word.to_string()).or_insert(next)
}

impl Stock {
    /// Reads the items. What fails a filter of the policy is not on offer.
    ///
    /// # Errors
    /// Where an item does not fit the schema or nothing is left.
    pub fn new(schema: &Schema, json: &[serde_json::Value], seed: &Seed) -> anyhow::Result<Self> {
        let category = schema.fields.iter().position(|f| f.kind == Kind::Category);
        let scaled = schema.scaled_numbers().next();
        let mut vocabularies: Vec<Vocabulary> = schema.fields.iter().map(|_| Vocabulary::new()).collect();
        let mut rng = Rng::derive(seed, "quality", &[]);
        let mut offers = Vec::new();
        for json in json {
            let item = open_item(schema, json).map_err(|reason| anyhow::anyhow!("{}: {reason}", json["id"]))?;
            let quality = normal(&mut rng);
            let passes = |f: &zhiji::schema::Filter| item.number(f.field).is_none_or(|x| x >= f.at_least);
            if !schema.policy.filters.iter().all(passes) {
                continue;
            }
            let mut words = Vec::new();
            let mut own = None;
            for (field, word) in item.all_words() {
                let index = number(&mut vocabularies[field], &word.text);
                if Some(field) == category {
                    own = Some(index);
                } else if schema.fields[field].kind != Kind::Group {
                    words.push((field as u16, index));
                }
            }
            let z = scaled.map_or(0.0, |(field, _)| ln1p(number_of(&item, field)));
            let prior = json.get("prior").and_then(serde_json::Value::as_f64).map(|p| p as f32);
            let id = item.id().to_string();
            offers.push(Offer { id, item: Rc::new(item), category: own, words, z, quality, prior, rank: 0.0 });
        }
        if offers.is_empty() {
            bail!("no item passes the filters of the schema's policy");
        }
        standardise(&mut offers, |o| &mut o.z);
        // Where the catalogue has priors they are what everybody likes, seen by the server; the rest of the quality is hidden from it.
        let mut priors: Vec<f32> = offers.iter().map(|o| o.prior.unwrap_or(o.quality)).collect();
        spread(&mut priors);
        for (offer, prior) in offers.iter_mut().zip(priors) {
            offer.quality = 0.8 * prior + 0.6 * offer.quality;
            offer.rank = prior;
        }
        let categories = category.map_or(0, |c| vocabularies[c].len() as u32);
        Ok(Self { offers, categories, surface: schema.surfaces.first().cloned() })
    }

    /// The server's order on one day.
    pub fn order(&self, seed: &Seed, day: u32) -> Vec<u32> {
        let mut rng = Rng::derive(seed, "server order", &day.to_le_bytes());
        let mut keyed: Vec<(f32, u32)> =
            (0..).zip(&self.offers).map(|(i, o)| (o.rank + 1.5 * normal(&mut rng), i)).collect();
        keyed.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        keyed.into_iter().map(|(_, i)| i).collect()
    }
}

fn number_of(item: &Item, field: usize) -> f32 {
    item.number(field).unwrap_or(0.0)
}

fn ln1p(x: f32) -> f32 {
    ln_f64(1.0 + f64::from(x.max(0.0))) as f32
}

fn standardise(offers: &mut [Offer], get: impl Fn(&mut Offer) -> &mut f32) {
    let mut values: Vec<f32> = offers.iter_mut().map(|o| *get(o)).collect();
    spread(&mut values);
    for (offer, value) in offers.iter_mut().zip(values) {
        *get(offer) = value;
    }
}

/// Mean 0, deviation 1; all 0 where they are all equal.
fn spread(values: &mut [f32]) {
    let n = values.len().max(1) as f32;
    let mean = values.iter().sum::<f32>() / n;
    let deviation = (values.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / n).sqrt();
    for x in values {
        *x = if deviation > 1e-6 { (*x - mean) / deviation } else { 0.0 };
    }
}
