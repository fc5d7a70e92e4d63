//! A folder of splits → lab directories, whatever its items are called.
//!
//! ```text
//! items.tsv                          item, and any other columns; several values of one are separated by |
//! splits/<name>/{train,valid,test}.tsv   user, item, rating, timestamp (seconds or milliseconds since 1970), in any order of the columns
//! ```
//!
//! Columns of the items become fields of a schema by what is in them, by one rule for every file; see [`Items::fields`].

use super::super::dataset::{Dataset, Row, Split};
use super::super::import::sorter::Sorter;
use super::super::import::{Cut, write};
use super::super::rows::Rows;
use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use zhiji::item::{ID_BYTES_MOST, TAGS_MOST, WORD_BYTES_MOST};
use zhiji::schema::{NAME_BYTES_MOST, NAMES_MOST};

/// Bands into which a number is cut, beside the number itself.
const BANDS: usize = 10;
/// Fewer distinct numbers than this are words.
const NUMBERS_LEAST: usize = 20;
/// A column with more distinct words than this share of the items is a text, which says nothing of other items.
const TEXT_SHARE: f64 = 0.5;
/// Numbers whose largest is so many times their median are measured by ratios.
const LOG_RATIO: f64 = 20.0;
/// Times above this are milliseconds.
const MILLISECONDS: i64 = 100_000_000_000;

/// A table of tabs, its header read.
struct Table {
    header: Vec<String>,
    lines: Vec<(u64, Vec<String>)>,
}

fn read(path: &Path, needed: &[&str]) -> anyhow::Result<Table> {
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(b'\t')
        .quoting(false)
        .flexible(true)
        .has_headers(false)
        .from_path(path)
        .with_context(|| format!("cannot read {}", path.display()))?;
    let mut records = reader.records();
    let header = match records.next() {
        Some(header) => header.with_context(|| path.display().to_string())?,
        None => bail!("{} is empty; its first line names the columns", path.display()),
    };
    let header: Vec<String> = header.iter().map(|name| name.trim().to_string()).collect();
    for name in needed {
        if !header.iter().any(|h| h == name) {
            bail!("{} has no column `{name}`; it has: {}", path.display(), header.join(", "));
        }
    }
    let mut lines = Vec::new();
    for record in records {
        let record = record.with_context(|| path.display().to_string())?;
        let line = record.position().map_or(0, csv::Position::line);
        lines.push((line, record.iter().map(|cell| cell.trim().to_string()).collect()));
    }
    Ok(Table { header, lines })
}

impl Table {
    fn column(&self, name: &str) -> usize {
        self.header.iter().position(|h| h == name).unwrap_or(usize::MAX)
    }
}

fn cell(line: &[String], at: usize) -> &str {
    line.get(at).map_or("", String::as_str)
}

/// What a column of the items is taken for.
#[derive(Clone, Debug, PartialEq)]
enum Column {
    Tags,
    Category,
    /// A number, and the upper ends of its bands.
    Number {
        log: bool,
        ends: Vec<f64>,
    },
}

/// The items of a folder.
pub struct Items {
    ids: Vec<String>,
    rows: Vec<Vec<String>>,
    /// Name of the field, column of the file, and what it is.
    columns: Vec<(String, usize, Column)>,
    /// Columns that are no fields, and why.
    pub left_out: Vec<String>,
}

impl Items {
    /// Reads `items.tsv`.
    ///
    /// # Errors
    /// Where it is missing, has no column `item`, or an item stands twice.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let table = read(path, &["item"])?;
        let id = table.column("item");
        let (mut ids, mut rows, mut known) = (Vec::new(), Vec::new(), HashSet::new());
        for (line, cells) in table.lines {
            let name = cell(&cells, id).to_string();
            if name.is_empty() || name.len() > ID_BYTES_MOST {
                bail!("{}:{line}: an item is named in 1 to {ID_BYTES_MOST} bytes", path.display());
            }
            if !known.insert(name.clone()) {
                bail!("{}:{line}: item {name} stands twice", path.display());
            }
            ids.push(name);
            rows.push(cells);
        }
        let mut items = Self { ids, rows, columns: Vec::new(), left_out: Vec::new() };
        items.fields(&table.header, id);
        Ok(items)
    }

    /// Decides what each column is: words between bars are tags; finite numbers, if there are [`NUMBERS_LEAST`] different ones, are a number
    /// and, as words, its ten bands; words that mostly stand once are a text and left out; all others are a category.
    fn fields(&mut self, header: &[String], id: usize) {
        let mut names: HashSet<String> = ["id", "prior", "pinned", "ad"].map(String::from).into();
        for (at, title) in header.iter().enumerate() {
            if at == id {
                continue;
            }
            let cells: Vec<&str> = self.rows.iter().map(|row| cell(row, at)).filter(|c| !c.is_empty()).collect();
            let distinct: HashSet<&str> = cells.iter().copied().collect();
            let numbers: Option<Vec<f64>> =
                cells.iter().map(|c| c.parse::<f64>().ok().filter(|x| x.is_finite() && x.abs() < 1e30)).collect();
            let column = if distinct.is_empty() {
                Err("it is empty")
            } else if cells.iter().any(|c| c.contains('|')) {
                Ok(Column::Tags)
            } else if let Some(numbers) = numbers.filter(|_| distinct.len() >= NUMBERS_LEAST) {
                Ok(number(numbers))
            } else if distinct.len() as f64 > TEXT_SHARE * cells.len() as f64 && distinct.len() > NUMBERS_LEAST {
                Err("its words mostly stand once")
            } else {
                Ok(Column::Category)
            };
            let room = if matches!(column, Ok(Column::Number { .. })) { 2 } else { 1 };
            let taken: usize = self.columns.iter().map(|(_, _, c)| c.fields()).sum();
            match column {
                Ok(column) if taken + room <= NAMES_MOST => {
                    let name = field_name(title, at, &mut names);
                    self.columns.push((name, at, column));
                }
                Ok(_) => self.left_out.push(format!("{title}: a schema has at most {NAMES_MOST} fields")),
                Err(why) => self.left_out.push(format!("{title}: {why}")),
            }
        }
    }

    /// The schema for a label that is positive from a value on.
    fn schema(&self, label: &str, at_least: f32, weight: f32) -> Value {
        let mut fields = serde_json::Map::new();
        for (name, _, column) in &self.columns {
            match column {
                Column::Tags => fields.insert(name.clone(), json!({ "kind": "tags" })),
                Column::Category => fields.insert(name.clone(), json!({ "kind": "category" })),
                Column::Number { log, .. } => {
                    fields.insert(band_name(name), json!({ "kind": "category" }));
                    let scale = if *log { "log" } else { "linear" };
                    fields.insert(name.clone(), json!({ "kind": "number", "scale": scale }))
                }
            };
        }
        json!({
            "space": "quality",
            "fields": fields,
            "actions": { "rate": { "weight": weight } },
            "labels": { label: { "action": "rate", "atLeast": at_least } },
            // An hour and less matters where people rate in long sittings.
            "halfLifeDays": [0.01, 1, 30, 365],
            "retention": { "events": 4096, "days": 3653 },
        })
    }

    fn json(&self) -> Vec<Value> {
        let mut counts: HashMap<&str, u32> = HashMap::new();
        for (_, at, column) in &self.columns {
            if *column == Column::Tags {
                self.rows
                    .iter()
                    .flat_map(|row| cell(row, *at).split('|'))
                    .for_each(|w| *counts.entry(w).or_default() += 1);
            }
        }
        let one = |(id, row): (&String, &Vec<String>)| {
            let mut item = serde_json::Map::new();
            item.insert("id".into(), id.as_str().into());
            for (name, at, column) in &self.columns {
                let text = cell(row, *at);
                if text.is_empty() {
                    continue;
                }
                match column {
                    Column::Tags => {
                        let mut words: Vec<&str> = text
                            .split('|')
                            .map(str::trim)
                            .filter(|w| !w.is_empty() && w.len() <= WORD_BYTES_MOST)
                            .collect();
                        words.sort_by_key(|w| (u32::MAX - counts.get(w).copied().unwrap_or(0), *w));
                        words.dedup();
                        words.truncate(TAGS_MOST);
                        item.insert(name.clone(), words.into());
                    }
                    Column::Category if text.len() <= WORD_BYTES_MOST => {
                        item.insert(name.clone(), text.into());
                    }
                    Column::Category => {}
                    Column::Number { ends, .. } => {
                        let x: f64 = text.parse().unwrap_or(0.0);
                        let band = ends.partition_point(|end| *end < x);
                        item.insert(name.clone(), x.into());
                        item.insert(band_name(name), format!("{band}").into());
                    }
                }
            }
            Value::Object(item)
        };
        self.ids.iter().zip(&self.rows).map(one).collect()
    }

    /// Names of the fields with what they are, for the record.
    pub fn describe(&self) -> Vec<String> {
        let kind = |column: &Column| match column {
            Column::Tags => "tags",
            Column::Category => "category",
            Column::Number { log: false, .. } => "number",
            Column::Number { log: true, .. } => "number, by ratios",
        };
        self.columns.iter().map(|(name, _, column)| format!("{name} ({})", kind(column))).collect()
    }
}

impl Column {
    const fn fields(&self) -> usize {
        if matches!(self, Self::Number { .. }) { 2 } else { 1 }
    }
}

fn number(mut numbers: Vec<f64>) -> Column {
    numbers.sort_unstable_by(f64::total_cmp);
    let at = |share: usize| numbers.get(numbers.len() * share / BANDS).copied().unwrap_or(0.0);
    let mut ends: Vec<f64> = (1..BANDS).map(at).collect();
    ends.dedup();
    let least = numbers.first().copied().unwrap_or(0.0);
    let most = numbers.last().copied().unwrap_or(0.0);
    Column::Number { log: least >= 0.0 && most > LOG_RATIO * at(BANDS / 2).max(f64::MIN_POSITIVE), ends }
}

fn band_name(name: &str) -> String {
    format!("{name}_band")
}

/// A name that a schema takes: short enough, with room for `_band`, no whole number, not the item's own, and not taken.
fn field_name(title: &str, at: usize, taken: &mut HashSet<String>) -> String {
    let plain = !title.is_empty() && title.len() + 5 <= NAME_BYTES_MOST && title.parse::<f64>().is_err();
    let free = plain && !taken.contains(title) && !taken.contains(&band_name(title));
    let name = if free { title.to_string() } else { format!("column{at}") };
    taken.insert(name.clone());
    taken.insert(band_name(&name));
    name
}

/// The rows of one split, as they stand in its files.
pub struct Ratings {
    rows: Vec<Row>,
    /// Rows by part.
    pub parts: BTreeMap<&'static str, usize>,
}

impl Ratings {
    /// Reads `train.tsv`, `valid.tsv` and `test.tsv` of a folder.
    ///
    /// # Errors
    /// Where a file or a column is missing, or a cell is not what its column says.
    pub fn open(folder: &Path, items: &Items) -> anyhow::Result<Self> {
        let known: HashSet<&str> = items.ids.iter().map(String::as_str).collect();
        let (mut rows, mut parts) = (Vec::new(), BTreeMap::new());
        for split in [Split::Train, Split::Valid, Split::Test] {
            let path = folder.join(format!("{}.tsv", split.as_str()));
            let table = read(&path, &["user", "item", "rating", "timestamp"])?;
            let [user, item, rating, time] = ["user", "item", "rating", "timestamp"].map(|name| table.column(name));
            parts.insert(split.as_str(), table.lines.len());
            for (line, cells) in &table.lines {
                let at = |what: &str| format!("{}:{line}: {what}", path.display());
                let value: f32 = cell(cells, rating).parse().with_context(|| at("the rating is no number"))?;
                if !(value.is_finite() && value.abs() < 1e6) {
                    bail!(at("the rating is out of range"));
                }
                let stamp: f64 = cell(cells, time).parse().with_context(|| at("the timestamp is no number"))?;
                let stamp = stamp as i64;
                let at_ms = if stamp > MILLISECONDS { stamp } else { stamp.saturating_mul(1_000) };
                if !(0..4_102_444_800_000).contains(&at_ms) {
                    bail!(at("the timestamp is not between 1970 and 2100"));
                }
                let (user, item) = (cell(cells, user), cell(cells, item));
                if user.is_empty() || !known.contains(item) {
                    bail!(at(&format!("there is no user, or items.tsv has no item `{item}`")));
                }
                let (user, item) = (user.to_string(), item.to_string());
                rows.push(Row {
                    user,
                    at_ms,
                    action: "rate".into(),
                    item,
                    value: Some(value),
                    split,
                    ..Row::default()
                });
            }
        }
        for (part, count) in &parts {
            if *count == 0 {
                bail!("{} has no rows", folder.join(format!("{part}.tsv")).display());
            }
        }
        Ok(Self { rows, parts })
    }

    /// The least rating there is.
    pub fn least(&self) -> f32 {
        self.rows.iter().filter_map(|row| row.value).fold(f32::INFINITY, f32::min)
    }

    /// Writes the lab directory `out` and opens it. Events of the label are those whose rating is at least `at_least`; `weight` is what an
    /// event says about an item: above 0 every event is a choice, with 0 only those of the label.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn write(
        &self,
        items: &Items,
        label: &str,
        at_least: f32,
        weight: f32,
        out: &Path,
        source: &str,
    ) -> anyhow::Result<Dataset> {
        let mut sorter = Sorter::new(out.to_path_buf());
        self.rows.iter().for_each(|row| sorter.push(row.clone()));
        let schema = items.schema(label, at_least, weight).to_string();
        let mut rows = Rows::new(0.0);
        write(out, &schema, &items.json(), sorter, Cut::AsGiven, &rows, source.to_string())?;
        Dataset::open(out, &mut rows)
    }
}
