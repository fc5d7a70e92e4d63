//! Tables of any shop or site, by a [`Mapping`] that says which column is what.

use super::super::dataset::{Row, Split, open_item};
use super::super::rows::Rows;
use super::mapping::{ActionColumn, FieldColumn, Mapping, Names};
use super::sorter::Sorter;
use super::table::{Cell, Columns, CsvForm, for_each_row};
use anyhow::{Context as _, bail};
use std::collections::HashSet;
use std::path::PathBuf;
use zhiji::schema::{Kind, Schema};

/// What stands between the texts of a name that several columns make.
const BETWEEN: &str = "/";

/// The files, and how they are to be read.
pub struct Source<'a> {
    /// Which column is what.
    pub mapping: &'a Mapping,
    /// The schema.
    pub schema: &'a Schema,
    /// Files of events.
    pub events: &'a [(PathBuf, Split)],
    /// Files of items; where there are none, the events' files tell of the items.
    pub items: &'a [PathBuf],
}

fn text(cell: &Cell) -> &str {
    if let Cell::Text(text) = cell { text } else { "" }
}

/// A name out of one column or several.
struct Name(Vec<usize>);

impl Name {
    fn find(columns: &mut Columns, names: &Names) -> Self {
        Self(names.as_slice().iter().map(|name| columns.slot(name)).collect())
    }

    /// Empty where all parts are.
    fn read(&self, cells: &[Cell]) -> String {
        let parts: Vec<&str> = self.0.iter().map(|&at| text(&cells[at])).collect();
        if parts.iter().all(|p| p.is_empty()) { String::new() } else { parts.join(BETWEEN) }
    }
}

/// A column that need not be there.
fn optional(columns: &mut Columns, name: Option<&String>) -> Option<usize> {
    name.map(|name| columns.slot(name))
}

fn maybe(cells: &[Cell], slot: Option<usize>) -> &str {
    slot.map_or("", |at| text(&cells[at]))
}

fn parse<T: std::str::FromStr>(text: &str, name: &str) -> Result<Option<T>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| format!("`{name}` is not a number that fits"))
}

/// Whole numbers may come as floats: tables that know missing values often write them so.
fn whole<T: TryFrom<i64>>(text: &str, name: &str) -> Result<Option<T>, String> {
    let Some(number) = parse::<f64>(text, name)? else { return Ok(None) };
    let fits = number.fract() == 0.0 && number.abs() < 9e15;
    fits.then(|| T::try_from(number as i64).ok())
        .flatten()
        .map(Some)
        .ok_or(format!("`{name}` is not a number that fits"))
}

impl Source<'_> {
    /// Reads the items.
    ///
    /// # Errors
    /// Where a mapped column is missing, a field is not in the schema, or too many rows are bad.
    pub fn read_items(&self, rows: &mut Rows) -> anyhow::Result<Vec<serde_json::Value>> {
        let mapping = &self.mapping.items;
        let mut columns = Columns::default();
        let id = Name::find(&mut columns, &mapping.id);
        if id.0.is_empty() {
            bail!("`items.id` names no column");
        }
        let mut fields = Vec::new();
        for (name, source) in &mapping.fields {
            let field = self.schema.field(name).ok().and_then(|i| self.schema.fields.get(i));
            let kind = field.with_context(|| format!("the schema has no field `{name}`"))?.kind;
            let (column, separator) = match source {
                FieldColumn::Plain(column) => (column, None),
                FieldColumn::List { column, separator } => (column, Some(separator.as_str())),
            };
            fields.push((name, kind, columns.slot(column), separator));
        }
        let (mut items, mut known) = (Vec::new(), HashSet::new());
        let own_file = !self.items.is_empty();
        let mut read = |cells: &[Cell]| {
            let id = id.read(cells);
            if known.contains(&id) {
                // In a file of events an item stands as often as something is done with it.
                return if own_file { Err(format!("item `{id}` stands twice")) } else { Ok(()) };
            }
            let mut item = serde_json::Map::from_iter([("id".to_string(), id.as_str().into())]);
            for (name, kind, at, separator) in &fields {
                if let Some(value) = field_value(&cells[*at], *kind, *separator, name)? {
                    item.insert((*name).clone(), value);
                }
            }
            let item = serde_json::Value::Object(item);
            open_item(self.schema, &item)?;
            known.insert(id);
            items.push(item);
            Ok(())
        };
        if own_file {
            for path in self.items {
                for_each_row(path, &mapping.csv, &columns, rows, &mut read)?;
            }
        } else {
            for (path, _) in self.events {
                for_each_row(path, &self.mapping.events.csv, &columns, rows, &mut read)?;
            }
        }
        Ok(items)
    }

    /// Reads the events into `out`; every event must be about one of `items`.
    ///
    /// # Errors
    /// Where a mapped column is missing or too many rows are bad.
    pub fn read_events(&self, items: &[serde_json::Value], rows: &mut Rows, out: &mut Sorter) -> anyhow::Result<()> {
        let known: HashSet<&str> = items.iter().filter_map(|i| i["id"].as_str()).collect();
        let mut reader = EventReader::new(self.mapping, self.schema)?;
        let form: &CsvForm = &self.mapping.events.csv;
        let columns = std::mem::take(&mut reader.columns);
        for (path, split) in self.events {
            for_each_row(path, form, &columns, rows, |cells| {
                let events = reader.read(cells, *split)?;
                if let Some(first) = events.first()
                    && !known.contains(first.item.as_str())
                {
                    return Err(format!("no item `{}`", first.item));
                }
                events.into_iter().for_each(|row| out.push(row));
                Ok(())
            })?;
        }
        Ok(())
    }
}

fn field_value(
    cell: &Cell,
    kind: Kind,
    separator: Option<&str>,
    name: &str,
) -> Result<Option<serde_json::Value>, String> {
    Ok(match (kind, cell) {
        (_, Cell::Empty) => None,
        (Kind::Number { .. }, Cell::Text(text)) => {
            Some(text.parse::<f64>().map_err(|_| format!("`{name}` is no number"))?.into())
        }
        (Kind::Tags, Cell::Text(text)) => {
            let words: Vec<&str> = text.split(separator.unwrap_or("|")).map(str::trim).collect();
            Some(words.into())
        }
        (Kind::Tags, Cell::List(words)) => Some(words.clone().into()),
        (Kind::Category | Kind::Group, Cell::Text(text)) => Some(text.as_str().into()),
        (_, Cell::List(_) | Cell::Instant(_)) => return Err(format!("`{name}` is not one text or number")),
    })
}

/// The mapping's columns of the events, found.
struct EventReader<'a> {
    mapping: &'a Mapping,
    schema: &'a Schema,
    columns: Columns,
    user: Name,
    item: Name,
    time: Option<usize>,
    action: Option<usize>,
    /// Column, dwell and value of each outcome.
    outcomes: Vec<(usize, Option<usize>, Option<usize>)>,
    value: Option<usize>,
    surface: Option<usize>,
    slate: Option<usize>,
    position: Option<usize>,
    propensity: Option<usize>,
    dwell_ms: Option<usize>,
    prior: Option<usize>,
    split: Option<usize>,
    row: u64,
}

impl<'a> EventReader<'a> {
    fn new(mapping: &'a Mapping, schema: &'a Schema) -> anyhow::Result<Self> {
        let events = &mapping.events;
        let always = match &events.action {
            ActionColumn::Same { always } => Some(always),
            ActionColumn::Column(_) => None,
        };
        let named = events.actions.values().filter(|a| !a.is_empty()).chain(always);
        for name in named.chain(events.outcomes.iter().map(|o| &o.action)) {
            if schema.action(name).is_err() {
                let known: Vec<&str> = schema.actions.iter().map(|a| a.name.as_str()).collect();
                bail!("the schema has no action `{name}`; it has: {}", known.join(", "));
            }
        }
        if events.time.is_none() && events.time_format != super::mapping::TimeFormat::Row {
            bail!("`events.time` names no column; where there is none, write time_format = \"row\"");
        }
        let mut columns = Columns::default();
        let all = &mut columns;
        let outcomes = events
            .outcomes
            .iter()
            .map(|o| (all.slot(&o.column), optional(all, o.dwell_ms.as_ref()), optional(all, o.value.as_ref())))
            .collect();
        Ok(Self {
            user: Name::find(all, &events.user),
            item: Name::find(all, &events.item),
            time: optional(all, events.time.as_ref()),
            action: match &events.action {
                ActionColumn::Column(name) => Some(all.slot(name)),
                ActionColumn::Same { .. } => None,
            },
            outcomes,
            value: optional(all, events.value.as_ref()),
            surface: optional(all, events.surface.as_ref()),
            slate: optional(all, events.slate.as_ref()),
            position: optional(all, events.position.as_ref()),
            propensity: optional(all, events.propensity.as_ref()),
            dwell_ms: optional(all, events.dwell_ms.as_ref()),
            prior: optional(all, events.prior.as_ref()),
            split: optional(all, events.split.as_ref()),
            mapping,
            schema,
            columns,
            row: 0,
        })
    }

    /// The row's own event, then its outcomes; none where its action is left out.
    fn read(&mut self, cells: &[Cell], split: Split) -> Result<Vec<Row>, String> {
        let events = &self.mapping.events;
        let number = self.row;
        self.row += 1;
        let action = match &events.action {
            ActionColumn::Same { always } => always.as_str(),
            ActionColumn::Column(_) => {
                let word = maybe(cells, self.action);
                match events.actions.get(word) {
                    Some(name) if name.is_empty() => return Ok(Vec::new()),
                    Some(name) => name,
                    None if events.actions.is_empty() => word,
                    None => return Err(format!("`actions` does not say what `{word}` is")),
                }
            }
        };
        self.schema.action(action).map_err(|_| format!("the schema has no action `{action}`"))?;
        let at_ms = match self.time.map(|at| &cells[at]) {
            Some(Cell::Instant(ms)) if (0..4_102_444_800_000).contains(ms) => *ms,
            Some(cell) => events.time_format.read(text(cell), number)?,
            None => events.time_format.read("", number)?,
        };
        let user = if self.user.0.is_empty() { format!("row {number}") } else { self.user.read(cells) };
        if user.is_empty() {
            return Err("there is no user".into());
        }
        let item = self.item.read(cells);
        if item.is_empty() {
            return Err("there is no item".into());
        }
        let position: Option<u16> = whole(maybe(cells, self.position), "position")?;
        let position = match position {
            None => None,
            Some(place) => {
                Some(place.checked_sub(events.first_position).ok_or("`position` is before the first place")?)
            }
        };
        let surface = Some(maybe(cells, self.surface).to_string()).filter(|s| !s.is_empty());
        if let Some(name) = &surface {
            self.schema.surface(name).map_err(|_| format!("the schema has no surface `{name}`"))?;
        }
        let split = match self.split {
            None => split,
            Some(_) => Split::parse(maybe(cells, self.split)).ok_or("split is train, valid or test")?,
        };
        let own = Row {
            user,
            at_ms,
            action: action.to_string(),
            item,
            value: parse(maybe(cells, self.value), "value")?,
            surface,
            slate: whole(maybe(cells, self.slate), "slate")?,
            position,
            propensity: parse(maybe(cells, self.propensity), "propensity")?,
            dwell_ms: whole(maybe(cells, self.dwell_ms), "dwell_ms")?,
            prior: parse(maybe(cells, self.prior), "prior")?,
            split,
        };
        let mut all = Vec::with_capacity(1);
        for (outcome, (column, dwell, value)) in events.outcomes.iter().zip(&self.outcomes) {
            if outcome.happened(text(&cells[*column]))? {
                all.push(Row {
                    user: own.user.clone(),
                    at_ms: own.at_ms + i64::from(outcome.after_ms),
                    action: outcome.action.clone(),
                    item: own.item.clone(),
                    dwell_ms: whole(maybe(cells, *dwell), "dwell_ms")?,
                    value: parse(maybe(cells, *value), "value")?,
                    surface: own.surface.clone(),
                    slate: own.slate,
                    split: own.split,
                    ..Row::default()
                });
            }
        }
        all.insert(0, own);
        Ok(all)
    }
}
