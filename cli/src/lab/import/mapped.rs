//! CSV files of any shop or site, by a mapping that says which column is what.
//!
//! ```json5
//! {
//!   events: {
//!     user: 'uid', item: 'sku', time: 'ts', timeUnit: 's',     // 's' or 'ms' since 1970
//!     action: 'type', actions: { view: 'impression', click: 'open' },   // words of the file → actions of the schema
//!     value: 'stars', surface: 'page', slate: 'req', position: 'pos', propensity: 'p', dwellMs: 'dwell', prior: 'score', split: 'part',
//!   },
//!   items: { id: 'sku', fields: { category: 'cat', tags: { column: 'tags', separator: '|' }, price: 'price_cny' } },
//! }
//! ```
//!
//! Only `user`, `item`, `time` and `action` are needed. Where every row is the same action, `action: { always: 'rate' }` says so. Rows whose
//! action is not in `actions` are left out and counted as bad, unless `actions` maps them to `null`.

use super::super::dataset::{Row, Split, open_item};
use super::super::rows::{Rows, open_file};
use anyhow::Context as _;
use serde::Deserialize;
use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use zhiji::schema::{Kind, Schema};

/// Which column is what.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    events: EventColumns,
    items: ItemColumns,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct EventColumns {
    user: String,
    item: String,
    time: String,
    #[serde(default)]
    time_unit: Unit,
    action: ActionColumn,
    #[serde(default)]
    actions: BTreeMap<String, Option<String>>,
    value: Option<String>,
    surface: Option<String>,
    slate: Option<String>,
    position: Option<String>,
    propensity: Option<String>,
    dwell_ms: Option<String>,
    prior: Option<String>,
    split: Option<String>,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Unit {
    S,
    #[default]
    Ms,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ActionColumn {
    Column(String),
    Same { always: String },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ItemColumns {
    id: String,
    #[serde(default)]
    fields: BTreeMap<String, FieldColumn>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum FieldColumn {
    Plain(String),
    List { column: String, separator: String },
}

impl Mapping {
    /// Reads a mapping, in JSON or JSON5.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        json5::from_str(&text).with_context(|| format!("in {}", path.display()))
    }
}

/// A CSV file whose columns are found by name.
struct Table {
    reader: csv::Reader<std::io::BufReader<std::fs::File>>,
    header: csv::StringRecord,
}

impl Table {
    fn open(path: &Path) -> anyhow::Result<Self> {
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(open_file(path)?);
        let header = reader.headers()?.clone();
        Ok(Self { reader, header })
    }

    fn column(&self, path: &Path, name: &str) -> anyhow::Result<usize> {
        let at = self.header.iter().position(|h| h.trim() == name);
        at.with_context(|| format!("{} has no column `{name}`", path.display()))
    }

    fn each(
        &mut self,
        path: &Path,
        rows: &mut Rows,
        mut each: impl FnMut(&csv::StringRecord) -> Result<(), String>,
    ) -> anyhow::Result<()> {
        let mut record = csv::StringRecord::new();
        loop {
            let line = self.reader.position().line();
            let result = match self.reader.read_record(&mut record) {
                Ok(false) => break,
                Ok(true) => each(&record),
                Err(e) if e.is_io_error() => return Err(e.into()),
                Err(e) => Err(e.to_string()),
            };
            match result {
                Ok(()) => rows.good(),
                Err(reason) => rows.report(path, line, &reason)?,
            }
        }
        rows.check(path)
    }
}

/// Reads the items' file.
///
/// # Errors
/// Where a mapped column is missing, a field is not in the schema, or too many rows are bad.
pub fn read_items(
    path: &Path,
    mapping: &Mapping,
    schema: &Schema,
    rows: &mut Rows,
) -> anyhow::Result<Vec<serde_json::Value>> {
    let mut table = Table::open(path)?;
    let id = table.column(path, &mapping.items.id)?;
    let mut fields = Vec::new();
    for (name, source) in &mapping.items.fields {
        let field = schema.field(name).ok().and_then(|i| schema.fields.get(i));
        let kind = field.with_context(|| format!("the schema has no field `{name}`"))?.kind;
        let (column, separator) = match source {
            FieldColumn::Plain(column) => (column, None),
            FieldColumn::List { column, separator } => (column, Some(separator.as_str())),
        };
        fields.push((name, kind, table.column(path, column)?, separator));
    }
    let (mut items, mut known) = (Vec::new(), HashSet::new());
    table.each(path, rows, |record| {
        let get = |at: usize| record.get(at).unwrap_or("").trim();
        let mut item = serde_json::Map::from_iter([("id".to_string(), get(id).into())]);
        for (name, kind, at, separator) in &fields {
            let text = get(*at);
            if text.is_empty() {
                continue;
            }
            let value = match kind {
                Kind::Number { .. } => text.parse::<f64>().map_err(|_| format!("`{name}` is no number"))?.into(),
                Kind::Tags => text.split(separator.unwrap_or("|")).map(str::trim).collect::<Vec<_>>().into(),
                Kind::Category | Kind::Group => text.into(),
            };
            item.insert((*name).clone(), value);
        }
        let item = serde_json::Value::Object(item);
        open_item(schema, &item)?;
        if !known.insert(get(id).to_string()) {
            return Err("this id stands twice".into());
        }
        items.push(item);
        Ok(())
    })?;
    Ok(items)
}

/// Reads the events' file; every event must be about one of `items`.
///
/// # Errors
/// Where a mapped column is missing or too many rows are bad.
pub fn read_events(
    path: &Path,
    mapping: &Mapping,
    schema: &Schema,
    items: &[serde_json::Value],
    rows: &mut Rows,
) -> anyhow::Result<Vec<Row>> {
    let mut table = Table::open(path)?;
    let columns = &mapping.events;
    let find = |name: &String| table.column(path, name);
    let optional = |name: &Option<String>| name.as_ref().map(find).transpose();
    let (user, item, time) = (find(&columns.user)?, find(&columns.item)?, find(&columns.time)?);
    let action = match &columns.action {
        ActionColumn::Column(name) => Some(find(name)?),
        ActionColumn::Same { .. } => None,
    };
    let (value, surface, slate) = (optional(&columns.value)?, optional(&columns.surface)?, optional(&columns.slate)?);
    let (position, propensity) = (optional(&columns.position)?, optional(&columns.propensity)?);
    let (dwell, prior, split) = (optional(&columns.dwell_ms)?, optional(&columns.prior)?, optional(&columns.split)?);
    let known: HashSet<&str> = items.iter().filter_map(|i| i["id"].as_str()).collect();
    let mut events = Vec::new();
    table.each(path, rows, |record| {
        let get = |at: Option<usize>| at.and_then(|at| record.get(at)).unwrap_or("").trim();
        let named = match &columns.action {
            ActionColumn::Same { always } => always.clone(),
            ActionColumn::Column(_) => match columns.actions.get(get(action)) {
                Some(Some(name)) => name.clone(),
                Some(None) => return Ok(()),
                None if columns.actions.is_empty() => get(action).to_string(),
                None => return Err(format!("`actions` does not say what `{}` is", get(action))),
            },
        };
        schema.action(&named).map_err(|_| format!("the schema has no action `{named}`"))?;
        let at: f64 = get(Some(time)).parse().map_err(|_| "the time is no number")?;
        let at = match columns.time_unit {
            Unit::S => at * 1_000.0,
            Unit::Ms => at,
        };
        if !(0.0..4_102_444_800_000.0).contains(&at) {
            return Err("the time is not between 1970 and 2100; is `timeUnit` right?".into());
        }
        let item = get(Some(item));
        if !known.contains(item) {
            return Err(format!("no item `{item}`"));
        }
        if get(Some(user)).is_empty() {
            return Err("there is no user".into());
        }
        events.push(Row {
            user: get(Some(user)).to_string(),
            at_ms: at as i64,
            action: named,
            item: item.to_string(),
            value: parse(get(value), "value")?,
            surface: Some(get(surface).to_string()).filter(|s| !s.is_empty()),
            slate: parse(get(slate), "slate")?,
            position: parse(get(position), "position")?,
            propensity: parse(get(propensity), "propensity")?,
            dwell_ms: parse(get(dwell), "dwellMs")?,
            prior: parse(get(prior), "prior")?,
            split: Split::parse(get(split)).ok_or("split is train, valid or test")?,
        });
        Ok(())
    })?;
    Ok(events)
}

fn parse<T: std::str::FromStr>(text: &str, name: &str) -> Result<Option<T>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| format!("`{name}` is not a number that fits"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = r#"{ "space": "shop", "fields": { "category": { "kind": "category" }, "tags": { "kind": "tags" },
          "price": { "kind": "number", "scale": "log" } },
        "actions": { "impression": { "role": "impression" }, "open": { "weight": 1 } },
        "labels": { "click": { "positive": ["open"], "windowMinutes": 30 } } }"#;
    const MAPPING: &str = "{ events: { user: 'uid', item: 'sku', time: 'ts', timeUnit: 's', action: 'type',
          actions: { view: 'impression', click: 'open', scroll: null }, position: 'pos' },
        items: { id: 'sku', fields: { category: 'cat', tags: { column: 'labels', separator: ';' }, price: 'cny' } } }";

    fn read(items: &str, events: &str, most: f64) -> anyhow::Result<(Vec<serde_json::Value>, Vec<Row>, Rows)> {
        let dir = tempfile::tempdir()?;
        let (i, e) = (dir.path().join("items.csv"), dir.path().join("events.csv"));
        std::fs::write(&i, items)?;
        std::fs::write(&e, events)?;
        let mapping: Mapping = json5::from_str(MAPPING)?;
        let schema = Schema::open(SCHEMA).expect("a schema");
        let mut rows = Rows::new(most);
        let items = read_items(&i, &mapping, &schema, &mut rows)?;
        let events = read_events(&e, &mapping, &schema, &items, &mut rows)?;
        Ok((items, events, rows))
    }

    const ITEMS: &str = "sku,cat,labels,cny\na,女装,新品; 包邮,129\nb,鞋,,\n";

    #[test]
    fn columns_become_fields_and_events() {
        let events = "ts,uid,sku,type,pos\n1700000000,1,a,view,3\n1700000001,1,a,scroll,\n1700000002,1,a,click,\n";
        let (items, events, rows) = read(ITEMS, events, 0.0).expect("a data set");
        assert_eq!(items[0]["tags"], serde_json::json!(["新品", "包邮"]));
        assert_eq!(items[0]["price"], serde_json::json!(129.0));
        assert!(items[1].get("price").is_none());
        assert_eq!(events.len(), 2, "what is mapped to null is left out");
        assert_eq!((events[0].at_ms, events[0].position), (1_700_000_000_000, Some(3)));
        assert_eq!((events[0].action.as_str(), events[1].action.as_str()), ("impression", "open"));
        assert_eq!(rows.bad, 0);
    }

    #[test]
    fn rows_that_say_nothing_usable_are_bad() {
        let events = "ts,uid,sku,type,pos\n1700000000,1,zz,view,\nsoon,1,a,view,\n1700000000,1,a,buy,\n1700000000,1,a,view,-1\n\
            1700000000000,1,a,view,\n1700000000,,a,view,\n1700000000,1,a,view,\n";
        let (_, kept, rows) = read(ITEMS, events, 0.9).expect("most may be bad");
        assert_eq!((kept.len(), rows.bad), (1, 6));
        assert!(read(ITEMS, events, 0.01).is_err());
    }

    #[test]
    fn a_missing_column_is_named() {
        let refusal = read(ITEMS, "ts,uid,type,pos\n", 0.0).map(|_| ()).expect_err("it is refused").to_string();
        assert!(refusal.contains("`sku`"), "{refusal}");
    }
}
