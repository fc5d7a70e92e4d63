//! Rows with named columns out of CSV, JSON lines or Parquet.

use super::super::rows::{Rows, open_file};
use anyhow::{Context as _, bail};
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::Field;
use serde::Deserialize;
use std::io::BufRead as _;
use std::path::Path;
use std::sync::Arc;

/// What stands in one column of one row.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Cell {
    /// Nothing, or an empty text.
    #[default]
    Empty,
    /// A text, or a number or truth value as text.
    Text(String),
    /// An instant, where the file itself says that it is one: milliseconds since the Unix epoch.
    Instant(i64),
    /// A list.
    List(Vec<String>),
}

impl Cell {
    fn text(text: &str) -> Self {
        match text.trim() {
            "" => Self::Empty,
            text => Self::Text(text.to_string()),
        }
    }
}

/// How a CSV file is written. Others say it themselves.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CsvForm {
    /// What stands between fields: one character of ASCII; a comma, if not given, a tab in `.tsv`.
    separator: Option<String>,
    /// Names of the columns, where the file has no line with them.
    header: Option<Vec<String>>,
}

/// The columns that are asked for, each once.
#[derive(Debug, Default)]
pub struct Columns(Vec<String>);

impl Columns {
    /// The place of the column `name` among those asked for.
    pub fn slot(&mut self, name: &str) -> usize {
        self.0.iter().position(|n| n == name).unwrap_or_else(|| {
            self.0.push(name.to_string());
            self.0.len() - 1
        })
    }
}

/// Calls `each` with every row of the file, whose kind its name tells. What `each` refuses is a bad row.
///
/// # Shapes
/// A row has one cell for each of `columns`, in their order.
///
/// # Errors
/// Where the file cannot be read, has no such column, or too many rows are bad.
pub fn for_each_row(
    path: &Path,
    form: &CsvForm,
    columns: &Columns,
    rows: &mut Rows,
    mut each: impl FnMut(&[Cell]) -> Result<(), String>,
) -> anyhow::Result<()> {
    let kind = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
    let each = &mut each;
    match kind.as_str() {
        "parquet" => parquet_rows(path, columns, rows, each)?,
        "json" | "jsonl" | "ndjson" => json_rows(path, columns, rows, each)?,
        kind => csv_rows(path, kind, form, columns, rows, each)?,
    }
    rows.check(path)
}

type Each<'a> = &'a mut dyn FnMut(&[Cell]) -> Result<(), String>;

fn judge(result: Result<(), String>, path: &Path, line: u64, rows: &mut Rows) -> anyhow::Result<()> {
    match result {
        Ok(()) => {
            rows.good();
            Ok(())
        }
        Err(reason) => rows.report(path, line, &reason),
    }
}

fn csv_rows(
    path: &Path,
    kind: &str,
    form: &CsvForm,
    columns: &Columns,
    rows: &mut Rows,
    each: Each<'_>,
) -> anyhow::Result<()> {
    let separator = match form.separator.as_deref().map(str::as_bytes) {
        None if kind == "tsv" => b'\t',
        None => b',',
        Some(&[one]) => one,
        Some(_) => bail!("`separator` is one character, such as \",\" or \"\\t\""),
    };
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .delimiter(separator)
        .has_headers(form.header.is_none())
        .from_reader(open_file(path)?);
    let header = match &form.header {
        Some(names) => names.clone(),
        None => reader.headers()?.iter().map(|h| h.trim_start_matches('\u{feff}').trim().to_string()).collect(),
    };
    let places = columns
        .0
        .iter()
        .map(|name| {
            let at = header.iter().position(|h| h == name);
            at.with_context(|| format!("{} has no column `{name}`; it has: {}", path.display(), header.join(", ")))
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    let mut record = csv::StringRecord::new();
    let mut cells = vec![Cell::Empty; places.len()];
    loop {
        let line = reader.position().line();
        let result = match reader.read_record(&mut record) {
            Ok(false) => return Ok(()),
            Ok(true) if record.len() < header.len() => {
                Err(format!("{} fields instead of {}", record.len(), header.len()))
            }
            Ok(true) => {
                for (cell, &at) in cells.iter_mut().zip(&places) {
                    *cell = Cell::text(record.get(at).unwrap_or_default());
                }
                each(&cells)
            }
            Err(e) if e.is_io_error() => return Err(e.into()),
            Err(e) => Err(e.to_string()),
        };
        judge(result, path, line, rows)?;
    }
}

fn json_rows(path: &Path, columns: &Columns, rows: &mut Rows, each: Each<'_>) -> anyhow::Result<()> {
    let mut reader = open_file(path)?;
    let mut text = Vec::new();
    for line in 1u64.. {
        text.clear();
        if reader.read_until(b'\n', &mut text).with_context(|| path.display().to_string())? == 0 {
            break;
        }
        if text.trim_ascii().is_empty() {
            continue;
        }
        let read = || -> Result<Vec<Cell>, String> {
            let json: serde_json::Value = serde_json::from_slice(&text).map_err(|e| e.to_string())?;
            if !json.is_object() {
                return Err("a line is one JSON object".into());
            }
            columns.0.iter().map(|name| json_cell(named(&json, name), name)).collect()
        };
        let result = read().and_then(|cells| each(&cells));
        judge(result, path, line, rows)?;
    }
    Ok(())
}

/// A key of the object; where there is none, a path of keys with points between them.
fn named<'a>(json: &'a serde_json::Value, name: &str) -> Option<&'a serde_json::Value> {
    json.get(name).or_else(|| name.split('.').try_fold(json, |at, key| at.get(key)))
}

fn json_cell(value: Option<&serde_json::Value>, name: &str) -> Result<Cell, String> {
    use serde_json::Value;
    let plain = |value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(yes) => Ok(yes.to_string()),
        _ => Err(format!("`{name}` is neither text nor a number, nor a list of them")),
    };
    match value {
        None | Some(Value::Null) => Ok(Cell::Empty),
        Some(Value::Array(list)) => Ok(Cell::List(list.iter().map(plain).collect::<Result<_, _>>()?)),
        Some(value) => Ok(Cell::text(&plain(value)?)),
    }
}

fn parquet_rows(path: &Path, columns: &Columns, rows: &mut Rows, each: Each<'_>) -> anyhow::Result<()> {
    let named = || format!("cannot read {}", path.display());
    let file = std::fs::File::open(path).with_context(named)?;
    let reader = SerializedFileReader::new(file).with_context(named)?;
    let schema = reader.metadata().file_metadata().schema();
    let mut wanted = Vec::new();
    for name in &columns.0 {
        let found = schema.get_fields().iter().find(|f| f.name() == name);
        let Some(found) = found else {
            let known: Vec<&str> = schema.get_fields().iter().map(|f| f.name()).collect();
            bail!("{} has no column `{name}`; it has: {}", path.display(), known.join(", "))
        };
        wanted.push(Arc::clone(found));
    }
    let projection = parquet::schema::types::Type::group_type_builder(schema.name())
        .with_fields(wanted)
        .build()
        .with_context(named)?;
    let mut cells = vec![Cell::Empty; columns.0.len()];
    for (number, row) in (1u64..).zip(reader.get_row_iter(Some(projection)).with_context(named)?) {
        let row = row.with_context(|| format!("{}, row {number}", path.display()))?;
        let mut result = Ok(());
        // The columns of the projection are found by name: a file may hold them in another order.
        for (name, field) in row.get_column_iter() {
            if let Some(at) = columns.0.iter().position(|n| n == name) {
                match parquet_cell(field, name) {
                    Ok(cell) => cells[at] = cell,
                    Err(reason) => result = Err(reason),
                }
            }
        }
        judge(result.and_then(|()| each(&cells)), path, number, rows)?;
    }
    Ok(())
}

fn parquet_cell(field: &Field, name: &str) -> Result<Cell, String> {
    const DAY_MS: i64 = zhiji::time::DAY_MS;
    Ok(match field {
        Field::Null => Cell::Empty,
        Field::Str(text) => Cell::text(text),
        Field::Bytes(bytes) => {
            Cell::text(std::str::from_utf8(bytes.data()).map_err(|_| format!("`{name}` is not UTF-8"))?)
        }
        Field::Bool(yes) => Cell::Text(yes.to_string()),
        Field::Float(x) => Cell::Text(x.to_string()),
        Field::Double(x) => Cell::Text(x.to_string()),
        Field::Date(days) => Cell::Instant(i64::from(*days) * DAY_MS),
        Field::TimestampMillis(ms) => Cell::Instant(*ms),
        Field::TimestampMicros(us) => Cell::Instant(us.div_euclid(1_000)),
        Field::ListInternal(list) => {
            let mut texts = Vec::new();
            for element in list.elements() {
                match parquet_cell(element, name)? {
                    Cell::Text(text) => texts.push(text),
                    Cell::Empty => {}
                    Cell::List(_) | Cell::Instant(_) => return Err(format!("`{name}` is no list of texts")),
                }
            }
            Cell::List(texts)
        }
        Field::Group(_) | Field::MapInternal(_) => return Err(format!("`{name}` is a group: give its parts columns")),
        // Whole numbers and decimals of every width print as plain numbers.
        number => Cell::Text(number.to_string()),
    })
}
