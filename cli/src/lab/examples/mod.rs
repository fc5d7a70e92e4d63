//! The examples of a data set: what the fold gave, in columns, in memory or on disk.
//!
//! Users fall into buckets by a hash of their numbers, as many as it takes for one bucket to stay within the memory that is allowed. While there is
//! room, buckets stay in memory; then they are written to temporary files, and read one at a time. An epoch walks the buckets in a drawn order and the
//! examples of a bucket in a drawn order, so where everything fits it is one whole shuffle.

mod chunk;

pub use chunk::{Chunk, NO_POSITION, NewExample};

use super::dataset::{Dataset, Split};
use super::replay::{Replay, Signal};
use super::rows::Rows;
use anyhow::{Context as _, bail};
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Seek as _, Write as _};
use std::rc::Rc;
use std::sync::Arc;
use zhiji::features::Layout;
use zhiji::rng::Rng;
use zhiji::schema::Schema;

/// The part of an example's hashes that is its item's id; fields of the schema count from 0.
pub const ID_FIELD: u16 = u16::MAX;
/// How many known answers a bundle carries.
const PROBES: usize = 8;
/// So many of the newest choices before a positive example are counted as followed by it.
const FOLLOWED: usize = 10;

/// An item of the catalogue.
#[derive(Clone, Debug)]
pub struct CatalogueItem {
    /// The shop's own id.
    pub id: String,
    /// Its wire id.
    pub wire: u64,
    /// Field and key of each of its words.
    pub words: Vec<(u16, u64)>,
}

/// All items, and how often the training examples met them.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    /// The items, by their ids.
    pub items: Vec<CatalogueItem>,
    /// Training examples of each.
    pub shown: Vec<f32>,
    /// Positive training examples of each.
    pub taken: Vec<f32>,
    /// Training examples before which each was among the recent items.
    pub before: Vec<f32>,
    /// What was taken after what, where that was asked for.
    pub follows: Option<Follows>,
}

/// What was taken after what.
#[derive(Clone, Debug, Default)]
pub struct Follows {
    /// Before, after, and how often, a choice that lies `a` choices back counting `1 / (1 + a)`; in a fixed order.
    pub counts: Vec<(u32, u32, f32)>,
    /// How often each item stood before a positive example, counted alike.
    pub seen: Vec<f32>,
}

impl Catalogue {
    /// Gives a row to each item that the training examples met at least so often, the `most` frequent ones; `u32::MAX` to the others.
    pub fn rows(&self, least: f32, most: usize) -> (Vec<u32>, u32) {
        let met = self.meetings();
        let mut order: Vec<usize> = (0..self.items.len()).filter(|at| met[*at] >= least).collect();
        order.sort_by(|a, b| met[*b].total_cmp(&met[*a]).then(a.cmp(b)));
        order.truncate(most);
        order.sort_unstable();
        let mut rows = vec![u32::MAX; self.items.len()];
        for (row, item) in (0u32..).zip(&order) {
            rows[*item] = row;
        }
        (rows, order.len() as u32)
    }

    /// How often each item is met, as the item at hand or as one of the recent ones.
    pub fn meetings(&self) -> Vec<f32> {
        self.shown.iter().zip(&self.before).map(|(shown, before)| shown + before).collect()
    }
}

/// Which features vary over the training examples, and how.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Standard {
    /// Their places in the layout.
    pub picks: Vec<usize>,
    /// Means.
    pub mean: Vec<f32>,
    /// Standard deviations.
    pub scale: Vec<f32>,
    /// Log-odds of the first label.
    pub log_odds: f32,
}

/// Sums from which means and deviations come, around the first example.
#[derive(Default)]
struct Moments {
    count: f64,
    first: Vec<f64>,
    sum: Vec<f64>,
    square: Vec<f64>,
}

impl Moments {
    fn add(&mut self, dense: &[f32]) {
        if self.first.is_empty() {
            self.first = dense.iter().map(|x| f64::from(*x)).collect();
            (self.sum, self.square) = (vec![0.0; dense.len()], vec![0.0; dense.len()]);
        }
        self.count += 1.0;
        for (((x, first), sum), square) in dense.iter().zip(&self.first).zip(&mut self.sum).zip(&mut self.square) {
            let by = f64::from(*x) - first;
            *sum += by;
            *square += by * by;
        }
    }

    fn standard(&self, log_odds: f32) -> Standard {
        let mut standard = Standard { log_odds, ..Standard::default() };
        for (at, (sum, square)) in self.sum.iter().zip(&self.square).enumerate() {
            let by = sum / self.count;
            let scale = (square / self.count - by * by).max(0.0).sqrt();
            if scale > 1e-6 {
                standard.picks.push(at);
                standard.mean.push((self.first[at] + by) as f32);
                standard.scale.push(scale as f32);
            }
        }
        standard
    }
}

/// A question that a bundle answers about itself: an example as the fold gave it.
#[derive(Clone, Debug)]
pub struct Probe {
    /// The whole layout.
    pub dense: Vec<f32>,
    /// The item.
    pub item: u32,
    /// Recent items, oldest first.
    pub past: Vec<u32>,
}

/// A chunk that is in memory, on disk, or partly both.
#[derive(Default)]
struct Bucket {
    held: Chunk,
    spilt: Option<File>,
}

/// The examples of one part of the data.
#[derive(Default)]
pub struct Part {
    buckets: Vec<Bucket>,
    /// How many there are.
    pub len: usize,
    /// Positive ones, by label.
    pub positives: Vec<usize>,
    /// All, by label.
    pub counts: Vec<usize>,
}

impl Part {
    fn new(buckets: usize, width: usize, labels: usize) -> Self {
        let bucket = || Bucket { held: Chunk::new(width), spilt: None };
        let buckets = (0..buckets).map(|_| bucket()).collect();
        Self { buckets, len: 0, positives: vec![0; labels], counts: vec![0; labels] }
    }

    /// How many buckets there are.
    pub fn buckets(&self) -> usize {
        self.buckets.len()
    }

    fn push(&mut self, bucket: usize, example: &NewExample<'_>) {
        self.len += 1;
        self.counts[usize::from(example.label)] += 1;
        self.positives[usize::from(example.label)] += usize::from(example.positive);
        self.buckets[bucket].held.push(example);
    }

    fn bytes(&self) -> usize {
        self.buckets.iter().map(|bucket| bucket.held.bytes()).sum()
    }

    fn spill(&mut self) -> anyhow::Result<()> {
        for bucket in &mut self.buckets {
            let file = match &mut bucket.spilt {
                Some(file) => file,
                none => none.insert(tempfile::tempfile().context("cannot make a temporary file")?),
            };
            let width = bucket.held.width();
            let mut out = BufWriter::new(file);
            std::mem::replace(&mut bucket.held, Chunk::new(width)).write(&mut out)?;
            out.flush()?;
        }
        Ok(())
    }

    fn standardise(&mut self, standard: &Standard) {
        for bucket in &mut self.buckets {
            if bucket.spilt.is_none() {
                bucket.held.standardise(&standard.picks, &standard.mean, &standard.scale);
            }
        }
    }

    /// Lets `each` see one bucket, standardised.
    ///
    /// # Errors
    /// Where it cannot be read, or with what `each` says.
    pub fn with<T>(
        &self,
        bucket: usize,
        standard: &Standard,
        each: impl FnOnce(&Chunk) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let Bucket { held, spilt } = &self.buckets[bucket];
        let Some(file) = spilt else { return each(held) };
        let mut file = file;
        file.rewind()?;
        let mut from = BufReader::new(file);
        let mut chunk = Chunk::new(0);
        while chunk.read(&mut from).context("a temporary file of examples is damaged")? {}
        chunk.standardise(&standard.picks, &standard.mean, &standard.scale);
        each(&chunk)
    }
}

/// The examples of a data set.
pub struct Examples {
    /// What is learnt from.
    pub train: Part,
    /// What chooses the epoch.
    pub valid: Part,
    /// All items.
    pub catalogue: Arc<Catalogue>,
    /// Which features vary, and how.
    pub standard: Standard,
    /// Questions for the bundle.
    pub probes: Vec<Probe>,
}

/// What is asked of [`collect`].
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Indices of the labels in the schema.
    pub labels: Vec<usize>,
    /// Bytes of examples that may be held.
    pub memory: usize,
    /// Whether it is counted what was taken after what.
    pub follows: bool,
}

/// Index of a label by name; without a name, the schema's first.
///
/// # Errors
/// Where the schema has no such label.
pub fn label_index(schema: &Schema, name: Option<&str>) -> anyhow::Result<usize> {
    let known = || schema.labels.iter().map(|l| l.name.as_str()).collect::<Vec<_>>().join(", ");
    match name {
        None if schema.labels.is_empty() => bail!("the schema has no labels; add one (docs/training.md)"),
        None => Ok(0),
        Some(name) => match schema.labels.iter().position(|l| l.name == name) {
            Some(at) => Ok(at),
            None => bail!("the schema has no label `{name}`; it has: {}", known()),
        },
    }
}

/// Takes examples in, one after the other, and counts what is to be known of all.
struct Collector {
    catalogue: Catalogue,
    train: Part,
    valid: Part,
    moments: Moments,
    probes: Vec<Probe>,
    lot: Rng,
    all: u32,
    unsound: Option<u32>,
    follows: Option<Following>,
}

/// [`Follows`] while they are counted: by the pair, and by the one before.
type Following = (HashMap<(u32, u32), f32>, Vec<f32>);

impl Collector {
    fn new(items: Vec<CatalogueItem>, (buckets, width, labels): (usize, usize, usize), follows: bool) -> Self {
        let none = vec![0.0; items.len()];
        Self {
            follows: follows.then(|| (HashMap::new(), none.clone())),
            catalogue: Catalogue { items, shown: none.clone(), taken: none.clone(), before: none, follows: None },
            train: Part::new(buckets, width, labels),
            valid: Part::new(buckets, width, labels),
            moments: Moments::default(),
            probes: Vec::new(),
            lot: Rng::derive(&[0; 32], "probes", &[]),
            all: 0,
            unsound: None,
        }
    }

    fn add(&mut self, split: Split, bucket: usize, example: &NewExample<'_>) {
        let (item, past) = (example.item, example.past);
        if example.dense.iter().any(|x| !x.is_finite()) {
            self.unsound = Some(self.all);
        }
        self.all += 1;
        let probe = || Probe { dense: example.dense.to_vec(), item, past: past.to_vec() };
        if self.probes.len() < PROBES {
            self.probes.push(probe());
        } else if let Some(slot) = self.probes.get_mut(self.lot.below(self.all) as usize) {
            *slot = probe();
        }
        match split {
            Split::Train => {
                self.moments.add(example.dense);
                let catalogue = &mut self.catalogue;
                catalogue.shown[item as usize] += 1.0;
                catalogue.taken[item as usize] += f32::from(u8::from(example.positive));
                past.iter().for_each(|item| catalogue.before[*item as usize] += 1.0);
                if let (Some((counts, seen)), true) = (&mut self.follows, example.positive) {
                    for (age, before) in past.iter().rev().take(FOLLOWED).enumerate() {
                        let weight = 1.0 / (1.0 + age as f32);
                        *counts.entry((*before, item)).or_insert(0.0) += weight;
                        seen[*before as usize] += weight;
                    }
                }
                self.train.push(bucket, example);
            }
            Split::Valid => self.valid.push(bucket, example),
            Split::Test => {}
        }
    }

    fn spill(&mut self) -> anyhow::Result<()> {
        self.train.spill()?;
        self.valid.spill()
    }

    fn finish(mut self) -> anyhow::Result<Examples> {
        if let Some(at) = self.unsound {
            bail!("a feature of example {at} is not a finite number; this is a fault of the fold");
        }
        // What was written once is written whole.
        if [&self.train, &self.valid].iter().any(|part| part.buckets.iter().any(|bucket| bucket.spilt.is_some())) {
            self.spill()?;
        }
        if let Some((counts, seen)) = self.follows {
            let mut counts: Vec<(u32, u32, f32)> = counts.into_iter().map(|((a, b), weight)| (a, b, weight)).collect();
            counts.sort_unstable_by_key(|(a, b, _)| (*a, *b));
            self.catalogue.follows = Some(Follows { counts, seen });
        }
        let (count, positives) = (self.train.counts[0] as f64, self.train.positives[0] as f64);
        let odds = (positives + 0.5) / (count - positives + 0.5);
        let standard = self.moments.standard(zhiji::kernel::math::ln_f64(odds) as f32);
        self.train.standardise(&standard);
        self.valid.standardise(&standard);
        let (train, valid, probes) = (self.train, self.valid, self.probes);
        Ok(Examples { train, valid, catalogue: Arc::new(self.catalogue), standard, probes })
    }
}

/// Examples that a test makes: each with its part, all in as many buckets as asked for, on disk where there are several.
#[cfg(test)]
pub fn made(
    items: Vec<CatalogueItem>,
    (buckets, width, labels): (usize, usize, usize),
    rows: &[(Split, NewExample<'_>)],
) -> Examples {
    let mut collector = Collector::new(items, (buckets, width, labels), true);
    for (split, example) in rows {
        collector.add(*split, example.user as usize % buckets, example);
    }
    if buckets > 1 {
        collector.spill().expect("spilt");
    }
    collector.finish().expect("sound examples")
}

/// Replays every user and keeps the examples of some labels.
///
/// # Errors
/// Where the data cannot be read, or a temporary file not be written.
pub fn collect(data: &Dataset, layout: &Rc<Layout>, wanted: &Wanted, rows: &mut Rows) -> anyhow::Result<Examples> {
    let mut items = Vec::new();
    let mut place: HashMap<u64, u32> = HashMap::new();
    for item in data.catalogue() {
        place.insert(item.wire(), items.len() as u32);
        let words = item.word_keys();
        items.push(CatalogueItem { id: item.id().into(), wire: item.wire(), words });
    }
    // As many buckets as keep one of them, standardised and as it was read, within the allowance.
    let expected = data.meta.events as usize * wanted.labels.len() * (4 * layout.len() + 40);
    let buckets = (4 * expected / wanted.memory.max(1) + 1).min(512);
    let mut collector = Collector::new(items, (buckets, layout.len(), wanted.labels.len()), wanted.follows);
    let bar = progress(data.meta.users, "users folded");
    let (mut number, mut past) = (0u32, Vec::new());
    data.for_each_user(rows, |user| {
        let bucket = (u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize % buckets;
        let mut replay = Replay::new(Rc::clone(&data.schema), Rc::clone(layout))?;
        replay.run(&user, |signal| {
            let Signal::New(example, origin, _) = signal else { return };
            let Some(label) = wanted.labels.iter().position(|label| *label == example.label) else { return };
            let Some(&item) = place.get(&example.wire) else { return };
            past.clear();
            past.extend(example.recent.iter().filter_map(|(wire, _)| place.get(&wire).copied()));
            past.reverse();
            let new = NewExample {
                dense: example.dense,
                item,
                label: label as u8,
                positive: example.positive,
                position: example.position,
                user: number,
                past: &past,
            };
            collector.add(origin.split, bucket, &new);
        });
        number += 1;
        if buckets > 1
            && number.is_multiple_of(16)
            && collector.train.bytes() + collector.valid.bytes() > wanted.memory / 2
        {
            collector.spill()?;
        }
        bar.inc(1);
        bar.set_message(format!("{} examples", collector.all));
        Ok(())
    })?;
    bar.finish_and_clear();
    collector.finish()
}

/// A progress bar on standard error; silent where that is no terminal.
pub fn progress(total: u64, what: &str) -> ProgressBar {
    let bar = ProgressBar::new(total);
    let template = format!("{{bar:30}} {{pos}}/{{len}} {what} ({{per_sec}}, {{eta}} left) {{msg}}");
    if let Ok(style) = ProgressStyle::with_template(&template) {
        bar.set_style(style);
    }
    bar
}
