//! A lab directory: schema, items, events by user, and where they come from.
//!
//! ```text
//! schema.json   what the page's schema.js says, as JSON
//! items.jsonl   one item per line: id and the schema's fields
//! events.csv    user, at_ms, action, item, value, surface, slate, position, propensity, dwell_ms, prior, split
//! meta.json     source, counts, bad rows
//! ```
//!
//! Events are read one user at a time, so a data set may be larger than memory; items are held.

use super::names;
use super::rows::{Rows, open_file};
use super::schema_file::{self, SchemaFile};
use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{BufRead as _, Read, Write as _};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use zhiji::event::Detail;
use zhiji::item::{Given, Item};
use zhiji::schema::{Schema, hash64};
use zhiji::time::Timestamp;

/// Which part of the data an event's example belongs to. All events are folded, whatever their part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// Weights are fitted to it.
    #[default]
    Train,
    /// Choices are made on it.
    Valid,
    /// Measured once, at the end.
    Test,
}

impl Split {
    /// The word in the files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Valid => "valid",
            Self::Test => "test",
        }
    }

    /// Reads the word; nothing at all means `train`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "" | "train" => Some(Self::Train),
            "valid" => Some(Self::Valid),
            "test" => Some(Self::Test),
            _ => None,
        }
    }
}

/// An event as a source gives it: names, not numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Whose.
    pub user: String,
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// The schema's name of the action.
    pub action: String,
    /// The item's id.
    pub item: String,
    /// An explicit value, such as a rating.
    pub value: Option<f32>,
    /// Where on the page.
    pub surface: Option<String>,
    /// The slate the item was shown in.
    pub slate: Option<u32>,
    /// Its place in that slate, from 0.
    pub position: Option<u16>,
    /// With which probability it was chosen for that place.
    pub propensity: Option<f32>,
    /// How long the user looked.
    pub dwell_ms: Option<u32>,
    /// The server's own score.
    pub prior: Option<f32>,
    /// Which part of the data it belongs to.
    pub split: Split,
}

/// An event ready for the engine.
#[derive(Clone, Debug)]
pub struct LabEvent {
    /// When.
    pub at: Timestamp,
    /// Index into the schema's actions.
    pub action: u8,
    /// The item, with its volatile fields.
    pub item: Rc<Item>,
    /// The rest.
    pub detail: Detail,
    /// Which part of the data it belongs to.
    pub split: Split,
}

impl LabEvent {
    /// The event of a row whose item is at hand.
    ///
    /// # Errors
    /// Where the schema does not know a name, or the engine refuses a number.
    pub fn of(schema: &Schema, item: &Rc<Item>, row: &Row) -> anyhow::Result<Self> {
        let refuse = |e: zhiji::error::Error| anyhow::anyhow!("{e}");
        let detail = Detail {
            surface: row.surface.as_deref().map(|name| schema.surface(name)).transpose().map_err(refuse)?,
            value: row.value,
            slate: row.slate,
            position: row.position,
            propensity: row.propensity,
            dwell_ms: row.dwell_ms,
            prior: row.prior,
            ..Detail::default()
        };
        detail.check().map_err(refuse)?;
        let at = Timestamp::from_ms(row.at_ms).map_err(refuse)?;
        let action = schema.action(&row.action).map_err(refuse)?;
        Ok(Self { at, action, item: Rc::clone(item), detail, split: row.split })
    }
}

/// All events of one user, in time order.
pub struct User {
    /// The source's name of the user.
    pub id: String,
    /// The events.
    pub events: Vec<LabEvent>,
}

/// What `meta.json` says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Meta {
    /// What was read, in words.
    pub source: String,
    /// Users.
    pub users: u64,
    /// Items.
    pub items: u64,
    /// Events.
    pub events: u64,
    /// Rows left out.
    pub bad_rows: u64,
    /// Weeks added to every time, where the source reaches back before the year 2000, which is as far as the engine's clock goes.
    pub shifted_weeks: i64,
    /// Events by split.
    pub splits: BTreeMap<String, u64>,
    /// Seed, where the data are simulated.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub seed: Option<u64>,
}

/// Writes a lab directory. Rows must come sorted by user, then by time.
pub struct Writer {
    dir: PathBuf,
    events: csv::Writer<std::fs::File>,
    meta: Meta,
    last: Option<(String, i64)>,
}

fn optional<T: ToString>(value: &Option<T>) -> String {
    value.as_ref().map(ToString::to_string).unwrap_or_default()
}

impl Writer {
    /// Makes `dir` and writes schema and items. `items` are JSON objects with `id` and the schema's fields.
    ///
    /// # Errors
    /// Where a file cannot be written.
    pub fn create(dir: &Path, schema_json: &str, items: &[serde_json::Value]) -> anyhow::Result<Self> {
        std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
        std::fs::write(dir.join(names::SCHEMA), schema_json)?;
        let mut out = std::io::BufWriter::new(std::fs::File::create(dir.join(names::ITEMS))?);
        for item in items {
            serde_json::to_writer(&mut out, item)?;
            out.write_all(b"\n")?;
        }
        out.flush()?;
        let path = dir.join(names::EVENTS);
        let mut events = csv::Writer::from_path(&path).with_context(|| format!("cannot write {}", path.display()))?;
        events.write_record(names::COLUMNS)?;
        let meta = Meta { items: items.len() as u64, ..Meta::default() };
        Ok(Self { dir: dir.to_path_buf(), events, meta, last: None })
    }

    /// Adds one event.
    ///
    /// # Errors
    /// Where the rows do not come in order, or the file cannot be written.
    pub fn push(&mut self, row: &Row) -> anyhow::Result<()> {
        match &mut self.last {
            Some((user, at)) if *user == row.user => {
                if row.at_ms < *at {
                    bail!("events of user {user} are not in time order");
                }
                *at = row.at_ms;
            }
            last => {
                *last = Some((row.user.clone(), row.at_ms));
                self.meta.users += 1;
            }
        }
        self.meta.events += 1;
        *self.meta.splits.entry(row.split.as_str().to_string()).or_default() += 1;
        self.events.write_record([
            row.user.as_str(),
            &row.at_ms.to_string(),
            &row.action,
            &row.item,
            &optional(&row.value),
            row.surface.as_deref().unwrap_or_default(),
            &optional(&row.slate),
            &optional(&row.position),
            &optional(&row.propensity),
            &optional(&row.dwell_ms),
            &optional(&row.prior),
            row.split.as_str(),
        ])?;
        Ok(())
    }

    /// Writes `meta.json`.
    ///
    /// # Errors
    /// Where a file cannot be written.
    pub fn finish(mut self, rows: &Rows, describe: impl FnOnce(&mut Meta)) -> anyhow::Result<Meta> {
        self.events.flush()?;
        self.meta.bad_rows = rows.bad;
        describe(&mut self.meta);
        let text = serde_json::to_string_pretty(&self.meta)?;
        std::fs::write(self.dir.join(names::META), text + "\n")?;
        Ok(self.meta)
    }
}

/// Where events are read from.
#[derive(Clone, Debug)]
enum Events {
    /// A file.
    File(PathBuf),
    /// Standard input, once.
    Input,
}

/// One of `of` equal parts of the users, by a hash of their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    index: u64,
    of: u64,
}

impl std::str::FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
        match parts {
            Some((index, of)) if index < of => Ok(Self { index, of }),
            _ => Err("give i/n with i from 0 to n - 1, such as 0/8".into()),
        }
    }
}

impl Shard {
    fn has(self, user: &str) -> bool {
        hash64(user.as_bytes()) % self.of == self.index
    }
}

/// A lab directory, opened: schema and items in memory, events on disk.
pub struct Dataset {
    events: Events,
    shard: Option<Shard>,
    /// The schema.
    pub schema: Rc<Schema>,
    items: HashMap<String, Rc<Item>>,
    /// What `meta.json` says.
    pub meta: Meta,
}

impl Dataset {
    /// Opens `dir`; its schema is `schema.json` or `schema.js`.
    ///
    /// # Errors
    /// Where a file is missing or too many items are bad.
    pub fn open(dir: &Path, rows: &mut Rows) -> anyhow::Result<Self> {
        let json = dir.join(names::SCHEMA);
        let SchemaFile { schema, .. } = schema_file::open(&if json.exists() { json } else { dir.join("schema.js") })?;
        let items = read_items(&dir.join(names::ITEMS), &schema, rows)?;
        let meta = dir.join(names::META);
        let meta = match std::fs::read_to_string(&meta) {
            Ok(text) => serde_json::from_str(&text).with_context(|| format!("in {}", meta.display()))?,
            Err(_) => Meta::default(),
        };
        let events = Events::File(dir.join(names::EVENTS));
        Ok(Self { events, shard: None, schema: Rc::new(schema), items, meta })
    }

    /// The same schema and items, with events from another file; `-` is standard input, whose columns need no header where they are all
    /// there in the order of a lab directory.
    pub fn with_events(self, path: &Path) -> Self {
        let events = if path == Path::new("-") { Events::Input } else { Events::File(path.to_path_buf()) };
        Self { events, ..self }
    }

    /// The same data on phones that keep so many events for so many days.
    pub fn with_retention(self, events: usize, days: i64) -> Self {
        let mut schema = Schema::clone(&self.schema);
        schema.retention.events = events;
        schema.retention.age_ms = days.saturating_mul(zhiji::time::DAY_MS);
        Self { schema: Rc::new(schema), ..self }
    }

    /// Only the users of one shard.
    pub fn with_shard(self, shard: Option<Shard>) -> Self {
        Self { shard, ..self }
    }

    /// All items, in the order of their ids.
    pub fn catalogue(&self) -> Vec<Rc<Item>> {
        let mut items: Vec<Rc<Item>> = self.items.values().map(Rc::clone).collect();
        items.sort_unstable_by(|a, b| a.id().cmp(b.id()));
        items
    }

    /// Calls `each` with one user after the other.
    ///
    /// # Errors
    /// Where the file cannot be read, too many rows are bad, a user's events stand in two places, or `each` fails.
    pub fn for_each_user(
        &self,
        rows: &mut Rows,
        mut each: impl FnMut(User) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let (path, input): (PathBuf, Box<dyn Read>) = match &self.events {
            Events::File(path) => (path.clone(), Box::new(open_file(path)?)),
            Events::Input => ("standard input".into(), Box::new(std::io::stdin().lock())),
        };
        let mut reader = csv::ReaderBuilder::new().flexible(true).has_headers(false).from_reader(input);
        let mut record = csv::StringRecord::new();
        let mut waits = reader.read_record(&mut record)?;
        let columns = match Columns::find(&record) {
            Ok(columns) => {
                waits = false;
                columns
            }
            // Lines that another program pipes in come without their first one.
            Err(_) if matches!(self.events, Events::Input) && waits => Columns::all(),
            Err(error) if waits => return Err(error).with_context(|| format!("in {}", path.display())),
            Err(_) if matches!(self.events, Events::Input) => return Ok(()),
            Err(error) => return Err(error).with_context(|| format!("{} is empty", path.display())),
        };
        let mut user: Option<User> = None;
        let mut done: HashSet<String> = HashSet::new();
        loop {
            let line = if waits { 1 } else { reader.position().line() };
            let next = if waits { Ok(true) } else { reader.read_record(&mut record) };
            waits = false;
            match next {
                Ok(false) => break,
                Ok(true) => {}
                Err(e) if e.is_io_error() => return Err(e.into()),
                Err(e) => {
                    rows.report(&path, line, &e.to_string())?;
                    continue;
                }
            }
            let id = columns.get(&record, "user");
            if self.shard.is_some_and(|shard| !shard.has(id)) {
                continue;
            }
            if user.as_ref().is_none_or(|u| u.id != id) {
                if let Some(finished) = user.take() {
                    done.insert(finished.id.clone());
                    each(finished)?;
                }
                if done.contains(id) {
                    bail!("{}:{line}: user {id} was read before; sort the events by user", path.display());
                }
                user = Some(User { id: id.to_string(), events: Vec::new() });
            }
            match self.parse(&columns, &record) {
                Ok(event) => {
                    let Some(user) = user.as_mut() else { continue };
                    if user.events.last().is_some_and(|last| last.at > event.at) {
                        rows.report(&path, line, "at_ms is before the event above; sort each user by time")?;
                        continue;
                    }
                    rows.good();
                    user.events.push(event);
                }
                Err(reason) => rows.report(&path, line, &reason)?,
            }
        }
        if let Some(finished) = user {
            each(finished)?;
        }
        rows.check(&path)
    }

    fn parse(&self, columns: &Columns, record: &csv::StringRecord) -> Result<LabEvent, String> {
        let get = |name| columns.get(record, name);
        let refuse = |e: zhiji::error::Error| e.to_string();
        let at_ms = get("at_ms").parse().map_err(|_| "at_ms is not a whole number".to_string())?;
        let at = Timestamp::from_ms(at_ms).map_err(refuse)?;
        let action = self.schema.action(get("action")).map_err(|_| format!("no action `{}`", get("action")))?;
        let item = self.items.get(get("item")).ok_or_else(|| format!("no item `{}`", get("item")))?;
        let surface = match get("surface") {
            "" => None,
            name => Some(self.schema.surface(name).map_err(|_| format!("no surface `{name}`"))?),
        };
        let detail = Detail {
            surface,
            value: number(get("value"), "value")?,
            slate: number(get("slate"), "slate")?,
            position: number(get("position"), "position")?,
            propensity: number(get("propensity"), "propensity")?,
            dwell_ms: number(get("dwell_ms"), "dwell_ms")?,
            prior: number(get("prior"), "prior")?,
            ..Detail::default()
        };
        detail.check().map_err(refuse)?;
        let split = Split::parse(get("split")).ok_or("split is train, valid or test".to_string())?;
        Ok(LabEvent { at, action, item: Rc::clone(item), detail, split })
    }
}

fn number<T: std::str::FromStr>(text: &str, name: &str) -> Result<Option<T>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| format!("{name} is not a number that fits"))
}

/// Where each known column stands.
struct Columns(HashMap<&'static str, usize>);

impl Columns {
    fn find(header: &csv::StringRecord) -> anyhow::Result<Self> {
        let mut found = HashMap::new();
        for name in names::COLUMNS {
            if let Some(at) = header.iter().position(|h| h == name) {
                found.insert(name, at);
            }
        }
        for name in ["user", "at_ms", "action", "item"] {
            if !found.contains_key(name) {
                bail!("there is no column `{name}`");
            }
        }
        Ok(Self(found))
    }

    /// The columns of a lab directory, in their order.
    fn all() -> Self {
        Self(names::COLUMNS.into_iter().enumerate().map(|(at, name)| (name, at)).collect())
    }

    fn get<'r>(&self, record: &'r csv::StringRecord, name: &str) -> &'r str {
        self.0.get(name).and_then(|&at| record.get(at)).unwrap_or("")
    }
}

/// Reads `items.jsonl`.
fn read_items(path: &Path, schema: &Schema, rows: &mut Rows) -> anyhow::Result<HashMap<String, Rc<Item>>> {
    let mut items = HashMap::new();
    for_each_item(path, rows, |json| {
        let item = open_item(schema, &json)?;
        if items.insert(item.id().to_string(), Rc::new(item)).is_some() {
            return Err("this id stands twice".to_string());
        }
        Ok(())
    })?;
    Ok(items)
}

/// Calls `each` with every line of a JSONL file; what `each` refuses is a bad row.
///
/// # Errors
/// Where the file cannot be read or too many lines are bad.
pub fn for_each_item(
    path: &Path,
    rows: &mut Rows,
    mut each: impl FnMut(serde_json::Value) -> Result<(), String>,
) -> anyhow::Result<()> {
    for (line, text) in (1u64..).zip(open_file(path)?.lines()) {
        let text = text.with_context(|| format!("cannot read {}", path.display()))?;
        if text.trim().is_empty() {
            continue;
        }
        let result = serde_json::from_str(&text).map_err(|e| e.to_string()).and_then(&mut each);
        match result {
            Ok(()) => rows.good(),
            Err(reason) => rows.report(path, line, &reason)?,
        }
    }
    rows.check(path)
}

/// Checks a JSON item as the engine checks what a page gives.
///
/// # Errors
/// The engine's own sentence.
pub fn open_item(schema: &Schema, json: &serde_json::Value) -> Result<Item, String> {
    let id = json.get("id").and_then(serde_json::Value::as_str).ok_or("there is no string `id`")?;
    Item::open(schema, 0, id, |field| match json.get(field) {
        None | Some(serde_json::Value::Null) => Given::Nothing,
        Some(serde_json::Value::String(text)) => Given::Text(text.clone()),
        Some(serde_json::Value::Number(number)) => number.as_f64().map_or(Given::Other, Given::Number),
        Some(serde_json::Value::Array(list)) => {
            let texts: Option<Vec<String>> = list.iter().map(|v| v.as_str().map(str::to_string)).collect();
            texts.map_or(Given::Other, Given::Texts)
        }
        Some(_) => Given::Other,
    })
    .map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = r#"{ "space": "films", "fields": { "genres": { "kind": "tags" } },
        "actions": { "rate": { "weight": 0 } }, "labels": { "like": { "action": "rate", "atLeast": 4 } } }"#;

    fn write(rows: &[Row]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a folder");
        let items = [serde_json::json!({ "id": "a", "genres": ["Drama"] }), serde_json::json!({ "id": "b" })];
        let mut writer = Writer::create(dir.path(), SCHEMA, &items).expect("a data set");
        rows.iter().for_each(|row| writer.push(row).expect("a row in order"));
        writer.finish(&Rows::new(0.0), |meta| meta.source = "a test".into()).expect("meta");
        dir
    }

    fn row(user: &str, at_ms: i64, item: &str) -> Row {
        let (user, item) = (user.to_string(), item.to_string());
        Row { user, at_ms, action: "rate".into(), item, value: Some(4.5), split: Split::Valid, ..Row::default() }
    }

    const T: i64 = 1_700_000_000_000;

    #[test]
    fn what_was_written_is_read_one_user_at_a_time() {
        let dir = write(&[row("1", T, "a"), row("1", T, "b"), row("2", T - 5, "a")]);
        let mut rows = Rows::new(0.0);
        let data = Dataset::open(dir.path(), &mut rows).expect("a data set");
        assert_eq!((data.catalogue().len(), data.meta.users, data.meta.events), (2, 2, 3));
        let mut seen = Vec::new();
        let each = |user: User| {
            seen.push((user.id, user.events.iter().map(|e| e.item.id().to_string()).collect::<Vec<_>>()));
            assert!(user.events.iter().all(|e| e.detail.value == Some(4.5) && e.split == Split::Valid));
            Ok(())
        };
        data.for_each_user(&mut rows, each).expect("events");
        assert_eq!(seen, [("1".into(), vec!["a".into(), "b".into()]), ("2".into(), vec!["a".to_string()])]);
    }

    #[test]
    fn bad_rows_are_counted_and_the_rest_is_kept() {
        let dir = write(&[row("1", T, "a")]);
        let path = dir.path().join(names::EVENTS);
        let mut text = std::fs::read_to_string(&path).expect("events");
        text += "1,soon,rate,a,1\n1,1700000000001,watch,a\n1,1700000000001,rate,zz,1\n1,1700000000001,rate,a,NaN\n";
        text += "1,1600000000001,rate,a,1\n1,1700000000002,rate,b,2\n";
        std::fs::write(&path, text).expect("written");
        let mut rows = Rows::new(0.9);
        let data = Dataset::open(dir.path(), &mut rows).expect("a data set");
        let mut kept = 0;
        data.for_each_user(&mut rows, |user| {
            kept += user.events.len();
            Ok(())
        })
        .expect("fewer than nine in ten are bad");
        assert_eq!((kept, rows.bad), (2, 5));
        assert!(data.for_each_user(&mut Rows::new(0.01), |_| Ok(())).is_err());
    }

    #[test]
    fn a_user_in_two_places_is_refused() {
        let dir = write(&[row("1", T, "a"), row("2", T, "a")]);
        let path = dir.path().join(names::EVENTS);
        let text = std::fs::read_to_string(&path).expect("events") + "1,1700000000001,rate,a,1\n";
        std::fs::write(&path, text).expect("written");
        let data = Dataset::open(dir.path(), &mut Rows::new(0.0)).expect("a data set");
        assert!(data.for_each_user(&mut Rows::new(1.0), |_| Ok(())).is_err());
    }
}
