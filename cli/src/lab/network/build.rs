//! From a configuration to a network: blocks are looked up by their names, tensors get their first numbers.

use super::params::{Params, Tensor};
use super::pass::{Noise, Side};
use super::{Block, Layer};
use crate::lab::examples::{Catalogue, ID_FIELD, Standard};
use anyhow::{Context as _, bail};
use std::sync::Arc;
use toml::{Table, Value};
use zhiji::features::Layout;
use zhiji::schema::Schema;

/// The keys of one block in a configuration. What is asked for is ticked off; what is left over is refused by name.
pub struct Keys<'a> {
    table: &'a Table,
    place: String,
    asked: Vec<&'static str>,
}

impl<'a> Keys<'a> {
    /// The keys of `table`, which stands at `place`.
    pub fn new(table: &'a Table, place: String) -> Self {
        Self { table, place, asked: Vec::new() }
    }

    fn ask(&mut self, key: &'static str) -> Option<&'a Value> {
        self.asked.push(key);
        self.table.get(key)
    }

    /// What to say of a key.
    pub fn at(&self, key: &str) -> String {
        format!("{}.{key}", self.place)
    }

    /// A word.
    ///
    /// # Errors
    /// Where it is something else.
    pub fn text(&mut self, key: &'static str) -> anyhow::Result<Option<&'a str>> {
        let Some(value) = self.ask(key) else { return Ok(None) };
        value.as_str().map(Some).with_context(|| format!("{}: give a word in quotes", self.at(key)))
    }

    /// One of some words; the first, if not given.
    ///
    /// # Errors
    /// Where it is none of them.
    pub fn choice(&mut self, key: &'static str, words: &[&'static str]) -> anyhow::Result<&'static str> {
        let Some(text) = self.text(key)? else { return Ok(words[0]) };
        let found = words.iter().find(|word| **word == text);
        found.copied().with_context(|| format!("{}: give one of {}, not \"{text}\"", self.at(key), words.join(", ")))
    }

    /// Yes or no.
    ///
    /// # Errors
    /// Where it is something else.
    pub fn flag(&mut self, key: &'static str, otherwise: bool) -> anyhow::Result<bool> {
        let Some(value) = self.ask(key) else { return Ok(otherwise) };
        value.as_bool().with_context(|| format!("{}: give true or false", self.at(key)))
    }

    /// A whole number within bounds.
    ///
    /// # Errors
    /// Where it is something else.
    pub fn count(
        &mut self,
        key: &'static str,
        bounds: std::ops::RangeInclusive<usize>,
    ) -> anyhow::Result<Option<usize>> {
        let Some(value) = self.ask(key) else { return Ok(None) };
        let found = value.as_integer().and_then(|n| usize::try_from(n).ok()).filter(|n| bounds.contains(n));
        let asked = format!("{}: give a whole number from {} to {}", self.at(key), bounds.start(), bounds.end());
        found.map(Some).context(asked)
    }

    /// A number within bounds.
    ///
    /// # Errors
    /// Where it is something else.
    pub fn number(&mut self, key: &'static str, bounds: std::ops::RangeInclusive<f64>) -> anyhow::Result<Option<f32>> {
        let Some(value) = self.ask(key) else { return Ok(None) };
        let found = value.as_float().or_else(|| value.as_integer().map(|n| n as f64)).filter(|x| bounds.contains(x));
        let asked = format!("{}: give a number from {} to {}", self.at(key), bounds.start(), bounds.end());
        found.map(|x| Some(x as f32)).context(asked)
    }

    /// A list of numbers.
    ///
    /// # Errors
    /// Where it is something else.
    pub fn numbers(&mut self, key: &'static str) -> anyhow::Result<Option<Vec<f64>>> {
        let Some(value) = self.ask(key) else { return Ok(None) };
        list_of_numbers(value).map(Some).with_context(|| format!("{}: give a list of numbers", self.at(key)))
    }

    /// A list of words.
    ///
    /// # Errors
    /// Where it is something else.
    pub fn texts(&mut self, key: &'static str) -> anyhow::Result<Option<Vec<&'a str>>> {
        let Some(value) = self.ask(key) else { return Ok(None) };
        let found = value.as_array().and_then(|list| list.iter().map(Value::as_str).collect::<Option<Vec<_>>>());
        found.map(Some).with_context(|| format!("{}: give a list of words", self.at(key)))
    }

    /// A list of whole numbers within bounds.
    ///
    /// # Errors
    /// Where it is something else.
    pub fn counts(
        &mut self,
        key: &'static str,
        bounds: std::ops::RangeInclusive<usize>,
    ) -> anyhow::Result<Option<Vec<usize>>> {
        let Some(value) = self.ask(key) else { return Ok(None) };
        let whole =
            |value: &Value| value.as_integer().and_then(|n| usize::try_from(n).ok()).filter(|n| bounds.contains(n));
        let found = value.as_array().and_then(|list| list.iter().map(whole).collect::<Option<Vec<_>>>());
        let asked =
            format!("{}: give a list of whole numbers from {} to {}", self.at(key), bounds.start(), bounds.end());
        found.map(Some).context(asked)
    }

    /// Refuses what nothing asked for.
    ///
    /// # Errors
    /// Where there is such a key.
    pub fn finish(&self) -> anyhow::Result<()> {
        match self.table.keys().find(|key| !self.asked.contains(&key.as_str())) {
            Some(key) => bail!("{}: there is no such key; there are: {}", self.at(key), self.asked.join(", ")),
            None => Ok(()),
        }
    }
}

/// The numbers of a list, all of them finite.
pub fn list_of_numbers(value: &Value) -> Option<Vec<f64>> {
    let number = |value: &Value| value.as_float().or_else(|| value.as_integer().map(|n| n as f64));
    let finite = |value: &Value| number(value).filter(|x| x.is_finite());
    value.as_array()?.iter().map(finite).collect()
}

/// What blocks are built from.
pub struct Builder<'a> {
    /// The schema.
    pub schema: &'a Schema,
    /// Names of the dense features.
    pub layout: &'a Layout,
    /// All items, and how often the training examples meet them.
    pub catalogue: &'a Arc<Catalogue>,
    /// Means and deviations of the features that vary.
    pub standard: &'a Standard,
    /// The blocks so far.
    pub blocks: Vec<Block>,
    /// The tensors so far.
    pub params: Params,
    /// How many labels are learnt.
    pub labels: usize,
    /// Draws first numbers.
    pub noise: Noise,
    /// Rows of items by place in the catalogue, once a block has asked for them; `u32::MAX` without one.
    pub rows: Option<(Arc<Vec<u32>>, u32)>,
    /// The name of the block that is being built.
    pub name: String,
    /// Whether that block stays as it is.
    pub frozen: bool,
}

impl Builder<'_> {
    /// The place of a block that stands before.
    ///
    /// # Errors
    /// Where there is none of the name.
    pub fn find(&self, keys: &Keys<'_>, name: &str) -> anyhow::Result<usize> {
        let found = self.blocks.iter().position(|block| block.name == name);
        found.with_context(|| format!("{}: there is no block \"{name}\" before this one", keys.at("of")))
    }

    /// The places of the blocks that a block reads.
    ///
    /// # Errors
    /// Where `of` is missing or names what is not there.
    pub fn of(&self, keys: &mut Keys<'_>) -> anyhow::Result<Vec<usize>> {
        let names = keys.texts("of")?.filter(|names| !names.is_empty());
        let names = names.with_context(|| format!("{}: name the blocks that it reads", keys.at("of")))?;
        names.into_iter().map(|name| self.find(keys, name)).collect()
    }

    /// The side of a block that reads these: theirs, where they agree.
    pub fn side(&self, of: &[usize]) -> Side {
        let first = of.first().map_or(Side::Pair, |block| self.blocks[*block].side);
        if of.iter().all(|block| self.blocks[*block].side == first) { first } else { Side::Pair }
    }

    /// Width of these blocks together.
    pub fn width(&self, of: &[usize]) -> usize {
        of.iter().map(|block| self.blocks[*block].width).sum()
    }

    /// The dense features that a block reads, as places in the standardised rows: all that vary, if none are named.
    ///
    /// # Errors
    /// Where a name is none of the layout's.
    pub fn features(&self, keys: &mut Keys<'_>, user: bool) -> anyhow::Result<Vec<u32>> {
        let Some(names) = keys.texts("features")? else {
            let of_user = |pick: &usize| !user || *pick < self.layout.user_len();
            let picks = (0u32..).zip(&self.standard.picks).filter(|(_, pick)| of_user(pick));
            return Ok(picks.map(|(place, _)| place).collect());
        };
        let mut places = Vec::new();
        for name in names {
            let pick = self.layout.names().iter().position(|known| known == name);
            let pick = pick.with_context(|| {
                format!(
                    "{}: there is no feature \"{name}\"; `zhiji features DIR --names` lists them",
                    keys.at("features")
                )
            })?;
            if user && pick >= self.layout.user_len() {
                bail!("{}: \"{name}\" depends on the item too, so it is none of the user's", keys.at("features"));
            }
            // A feature that never varies says nothing, and would be divided by zero.
            if let Some(place) = self.standard.picks.iter().position(|known| *known == pick) {
                places.push(place as u32);
            }
        }
        Ok(places)
    }

    /// Names of the dense features at these places.
    pub fn feature_names(&self, places: &[u32]) -> Vec<String> {
        places.iter().map(|place| self.layout.names()[self.standard.picks[*place as usize]].clone()).collect()
    }

    /// The hashed fields of a block, by name and by number; those of `otherwise`, if none are named.
    ///
    /// # Errors
    /// Where a name is no field of words.
    pub fn hashed(&self, keys: &mut Keys<'_>, otherwise: &[&str]) -> anyhow::Result<(Vec<String>, Vec<u16>)> {
        let names = keys.texts("hashed")?.unwrap_or_else(|| otherwise.to_vec());
        let names: Vec<String> = names.into_iter().filter(|name| !name.is_empty()).map(String::from).collect();
        let fields = crate::lab::model::hashed_fields(self.schema, &names).with_context(|| keys.at("hashed"))?;
        Ok((names, fields))
    }

    /// The rows of a hashed table of this width: a power of two; by default four for each item, as far as the table stays within 131,072 numbers,
    /// half a megabyte, and at least 1,024.
    ///
    /// # Errors
    /// Where it is none.
    pub fn buckets(&self, keys: &mut Keys<'_>, key: &'static str, width: usize) -> anyhow::Result<usize> {
        let most = (1usize << 17) / width.max(1).next_power_of_two();
        let usual = (4 * self.catalogue.items.len()).next_power_of_two().min(most).max(1 << 10);
        let buckets = keys.count(key, 1..=1 << 24)?.unwrap_or(usual);
        if !buckets.is_power_of_two() {
            bail!("{}: give a power of two, such as {}", keys.at(key), buckets.next_power_of_two());
        }
        Ok(buckets)
    }

    /// What the constant term of a block begins with: the log-odds of the first label, in the first block that asks.
    pub fn odds(&mut self) -> f32 {
        let first = self.params.iter().all(|tensor| tensor.penalised || tensor.numbers.len() != 1);
        if first { self.standard.log_odds } else { 0.0 }
    }

    /// Makes a tensor of the block that is being built; `first` draws its numbers.
    pub fn tensor(&mut self, part: &str, shape: &[usize], first: First) -> usize {
        let count = shape.iter().product();
        let noise = &mut self.noise;
        let numbers = match first {
            First::All(x) => vec![x; count],
            First::Normal(deviation) => (0..count).map(|_| deviation * noise.normal()).collect(),
            First::Uniform(bound) => (0..count).map(|_| bound * (2.0 * noise.uniform() - 1.0)).collect(),
        };
        self.params.push(Tensor {
            name: format!("{}.{part}", self.name),
            shape: shape.to_vec(),
            numbers,
            sparse: false,
            penalised: true,
            frozen: self.frozen,
            meetings: Vec::new(),
        });
        self.params.len() - 1
    }

    /// Makes a constant term, which no penalty holds.
    pub fn constant(&mut self, part: &str, shape: &[usize], x: f32) -> usize {
        let tensor = self.tensor(part, shape, First::All(x));
        self.params[tensor].penalised = false;
        tensor
    }

    /// Makes a table of which a batch meets only some rows. `meetings` says how often the training examples meet each.
    pub fn table(&mut self, part: &str, shape: &[usize], first: First, meetings: Vec<f32>) -> usize {
        let tensor = self.tensor(part, shape, first);
        self.params[tensor].sparse = true;
        self.params[tensor].meetings = meetings;
        tensor
    }
}

/// First numbers of a tensor.
#[derive(Clone, Copy, Debug)]
pub enum First {
    /// The same everywhere.
    All(f32),
    /// Of mean 0 and this deviation.
    Normal(f32),
    /// From `-bound` to `bound`.
    Uniform(f32),
}

/// For each item of the catalogue, the rows of a hashed table in which its words fall.
#[derive(Debug)]
pub struct Words {
    ends: Vec<u32>,
    rows: Vec<u32>,
}

impl Words {
    /// The rows of the words of these fields; of all words where `fields` is `None`. The id comes first, then the words in the order of the schema, as
    /// the engine adds them.
    pub fn new(catalogue: &Catalogue, fields: Option<&[u16]>, buckets: usize) -> Self {
        let bucket = |key: u64| (key >> 32) as u32 & (buckets as u32).wrapping_sub(1);
        let (mut ends, mut rows) = (Vec::new(), Vec::new());
        for item in &catalogue.items {
            if fields.is_some_and(|fields| fields.contains(&ID_FIELD)) {
                rows.push(bucket(item.wire));
            }
            let wanted = item.words.iter().filter(|(field, _)| fields.is_none_or(|fields| fields.contains(field)));
            rows.extend(wanted.map(|(_, key)| bucket(*key)));
            ends.push(rows.len() as u32);
        }
        Self { ends, rows }
    }

    /// The rows of one item's words.
    #[inline]
    pub fn of(&self, item: u32) -> &[u32] {
        let at = item as usize;
        let from = if at == 0 { 0 } else { self.ends[at - 1] };
        &self.rows[from as usize..self.ends[at] as usize]
    }

    /// How often each row is met, where each item is met so often.
    pub fn meetings(&self, items: &[f32], buckets: usize) -> Vec<f32> {
        let mut meetings = vec![0.0; buckets];
        for (item, times) in (0u32..).zip(items) {
            self.of(item).iter().for_each(|row| meetings[*row as usize] += times);
        }
        meetings
    }
}

/// A block that was built.
pub type Made = (Box<dyn Layer>, Side, usize);
