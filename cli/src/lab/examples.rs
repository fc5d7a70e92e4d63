//! The examples of a data set: what the fold gave, held as plain columns.

use super::dataset::{Dataset, Split};
use super::replay::{Replay, Signal};
use super::rows::Rows;
use anyhow::bail;
use indicatif::{ProgressBar, ProgressStyle};
use std::rc::Rc;
use zhiji::features::Layout;
use zhiji::schema::Schema;

/// The part of an example's hashes that is its item's id; fields of the schema count from 0.
pub const ID_FIELD: u16 = u16::MAX;

/// Examples in columns: `n × width` features, and one entry each of the rest.
#[derive(Debug, Default)]
pub struct Examples {
    /// Features of one example.
    pub width: usize,
    /// All features, row by row.
    pub dense: Vec<f32>,
    /// Where each example's hashes end.
    hash_ends: Vec<usize>,
    hashes: Vec<(u16, u64)>,
    /// What came of each.
    pub positive: Vec<bool>,
    /// Whose each is.
    pub user: Vec<u32>,
    /// Events of the user before it.
    pub earlier: Vec<u32>,
    /// Which part each belongs to.
    pub split: Vec<Split>,
}

impl Examples {
    /// No examples, of `width` features.
    pub fn new(width: usize) -> Self {
        Self { width, ..Self::default() }
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.positive.len()
    }

    /// The features of example `i`.
    pub fn dense(&self, i: usize) -> &[f32] {
        &self.dense[i * self.width..(i + 1) * self.width]
    }

    /// The item's id, then field and key of each of its words.
    fn hashes(&self, i: usize) -> &[(u16, u64)] {
        let start = if i == 0 { 0 } else { self.hash_ends[i - 1] };
        &self.hashes[start..self.hash_ends[i]]
    }

    /// The keys of example `i` that a model of `fields` reads, in the order in which the engine adds their weights: the id, then the words
    /// in the order of the schema.
    pub fn keys(&self, i: usize, fields: &[u16], out: &mut Vec<u64>) {
        out.clear();
        out.extend(self.hashes(i).iter().filter(|(field, _)| fields.contains(field)).map(|(_, key)| *key));
    }

    /// Places of the examples of one part.
    pub fn of(&self, split: Split) -> Vec<usize> {
        (0..self.len()).filter(|&i| self.split[i] == split).collect()
    }

    /// Adds one example.
    pub fn push(&mut self, example: &NewExample<'_>) {
        self.dense.extend_from_slice(example.dense);
        self.hashes.push((ID_FIELD, example.wire));
        self.hashes.extend_from_slice(example.words);
        self.hash_ends.push(self.hashes.len());
        self.positive.push(example.positive);
        self.user.push(example.user);
        self.earlier.push(example.earlier);
        self.split.push(example.split);
    }
}

/// One example to add.
#[derive(Clone, Copy, Debug)]
pub struct NewExample<'a> {
    /// The features, in the order of the layout.
    pub dense: &'a [f32],
    /// Field and key of each of the item's words.
    pub words: &'a [(u16, u64)],
    /// The item's wire id.
    pub wire: u64,
    /// What came of it.
    pub positive: bool,
    /// Whose.
    pub user: u32,
    /// Events of the user before it.
    pub earlier: u32,
    /// Which part it belongs to.
    pub split: Split,
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

/// Replays every user and keeps the examples of one label.
///
/// # Errors
/// Where the data cannot be read.
pub fn collect(data: &Dataset, layout: &Rc<Layout>, label: usize, rows: &mut Rows) -> anyhow::Result<Examples> {
    let mut examples = Examples::new(layout.len());
    let bar = progress(data.meta.users, "users folded");
    let mut number = 0u32;
    data.for_each_user(rows, |user| {
        let mut replay = Replay::new(Rc::clone(&data.schema), Rc::clone(layout))?;
        replay.run(&user, |signal| {
            if let Signal::New(example, origin, _) = signal
                && example.label == label
            {
                examples.push(&NewExample {
                    dense: example.dense,
                    words: example.words,
                    wire: example.wire,
                    positive: example.positive,
                    user: number,
                    earlier: origin.earlier,
                    split: origin.split,
                });
            }
        });
        number += 1;
        bar.inc(1);
        bar.set_message(format!("{} examples", examples.len()));
        Ok(())
    })?;
    bar.finish_and_clear();
    Ok(examples)
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
