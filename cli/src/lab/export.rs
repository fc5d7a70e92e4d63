//! Examples as files that other programs train on: what the fold gave, with nothing added.
//!
//! | column | what it is | safetensors | Parquet, JSON lines |
//! |---|---|---|---|
//! | `label` | 1 where it was positive | U8 `[n]` | 0 or 1 |
//! | `dense` | the features, in the order of their names | F32 `[n, f]` | a column for each, by its name |
//! | `keys`, `key_fields` | hashes of the item's words, and the field of each; the id's field is 65535 | I64, I32 `[m]`, where `key_ends` I64 `[n]` says where each example's end | two lists |
//! | `recent` | where asked for: hashes of the items chosen lately, the newest first | I64 `[r]`, with `recent_ends` I64 `[n]` | a list |
//! | `user` | a hash of the user's name | I64 `[n]` | a number |
//! | `at_ms` | when the item was shown | I64 `[n]` | a number |
//! | `earlier` | events of the user before it | I32 `[n]` | a number |
//! | `position` | the place it was shown at, −1 where none is known | I32 `[n]` | a number |
//! | `split` | 0 `train`, 1 `valid`, 2 `test` | U8 `[n]` | the word |
//!
//! Names and sources stand in the metadata under `zhiji.examples`, as JSON.

use super::dataset::{Dataset, Split};
use super::examples::{ID_FIELD, progress};
use super::replay::{Replay, Signal};
use super::rows::Rows;
use anyhow::{Context as _, bail};
use parquet::data_type::{ByteArrayType, FloatType, Int32Type, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use safetensors::tensor::{Dtype, TensorView};
use std::collections::HashMap;
use std::io::Write;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use zhiji::features::Layout;
use zhiji::schema::hash64;

/// Examples of one row group of Parquet.
const GROUP_ROWS: usize = 50_000;

/// Examples in columns.
#[derive(Debug, Default)]
struct Columns {
    label: Vec<u8>,
    dense: Vec<f32>,
    keys: Vec<i64>,
    key_fields: Vec<i32>,
    key_ends: Vec<i64>,
    recent: Vec<i64>,
    recent_ends: Vec<i64>,
    user: Vec<i64>,
    at_ms: Vec<i64>,
    earlier: Vec<i32>,
    position: Vec<i32>,
    split: Vec<u8>,
}

/// Where examples go.
pub enum Form {
    /// One file of tensors, written at the end.
    Safetensors,
    /// Row groups, written as they fill.
    Parquet,
    /// A line for each, written at once.
    JsonLines,
}

impl Form {
    /// The form that a file's name asks for; `-` is standard output.
    ///
    /// # Errors
    /// Where the name ends in none of them.
    pub fn of(path: &Path) -> anyhow::Result<Self> {
        match path.extension().and_then(|e| e.to_str()) {
            _ if path == Path::new("-") => Ok(Self::JsonLines),
            Some("safetensors") => Ok(Self::Safetensors),
            Some("parquet") => Ok(Self::Parquet),
            Some("jsonl") => Ok(Self::JsonLines),
            _ => bail!("{} is to end in .safetensors, .parquet or .jsonl", path.display()),
        }
    }
}

enum Sink {
    Safetensors,
    Parquet(SerializedFileWriter<Box<dyn Write + Send>>),
    JsonLines(Box<dyn Write + Send>),
}

/// Which examples are written, and with what beside them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked {
    /// Index of the label in the schema.
    pub label: usize,
    /// Examples of this part alone.
    pub only: Option<Split>,
    /// So many of the items chosen lately; without any there is no such column.
    pub recent: usize,
}

/// Writes the examples of one label to `out`, and says how many there were.
///
/// # Errors
/// Where the data cannot be read or the file cannot be written.
pub fn export(data: &Dataset, asked: Asked, out: &Path, rows: &mut Rows) -> anyhow::Result<usize> {
    let Asked { label, only, recent } = asked;
    let layout = Rc::new(Layout::new(&data.schema));
    let mut writer = Writer::create(out, data, &layout, asked)?;
    let bar = progress(data.meta.users, "users folded");
    data.for_each_user(rows, |user| {
        let name = hash64(user.id.as_bytes()).cast_signed();
        let mut replay = Replay::new(Rc::clone(&data.schema), Rc::clone(&layout))?;
        replay.run(&user, |signal| {
            let Signal::New(example, origin, _) = signal else { return };
            if example.label != label || only.is_some_and(|part| part != origin.split) {
                return;
            }
            let columns = &mut writer.columns;
            columns.label.push(u8::from(example.positive));
            columns.dense.extend_from_slice(example.dense);
            let words = example.words.iter().copied();
            for (field, key) in std::iter::once((ID_FIELD, example.wire)).chain(words) {
                columns.keys.push(key.cast_signed());
                columns.key_fields.push(i32::from(field));
            }
            columns.key_ends.push(columns.keys.len() as i64);
            columns.recent.extend(example.recent.iter().take(recent).map(|(wire, _)| wire.cast_signed()));
            columns.recent_ends.push(columns.recent.len() as i64);
            columns.user.push(name);
            columns.at_ms.push(example.at_ms);
            columns.earlier.push(i32::try_from(origin.earlier).unwrap_or(i32::MAX));
            columns.position.push(example.position.map_or(-1, i32::from));
            columns.split.push(match origin.split {
                Split::Train => 0,
                Split::Valid => 1,
                Split::Test => 2,
            });
        });
        bar.inc(1);
        writer.flush(false)
    })?;
    bar.finish_and_clear();
    writer.finish()
}

struct Writer<'a> {
    out: &'a Path,
    features: &'a [String],
    about: String,
    columns: Columns,
    /// Whether the column `recent` is wanted.
    recent: bool,
    sink: Sink,
    written: usize,
}

const SPLITS: [Split; 3] = [Split::Train, Split::Valid, Split::Test];

impl<'a> Writer<'a> {
    fn create(out: &'a Path, data: &Dataset, layout: &'a Layout, asked: Asked) -> anyhow::Result<Self> {
        let recent = asked.recent > 0;
        let fields: Vec<&str> = data.schema.fields.iter().map(|f| f.name.as_str()).collect();
        let about = serde_json::json!({
            "space": data.schema.space,
            "label": data.schema.labels[asked.label].name,
            "schemaFingerprint": format!("{:016x}", data.schema.fingerprint()),
            "source": data.meta.source,
            "features": layout.names(),
            "fields": fields,
            "idField": ID_FIELD,
        })
        .to_string();
        let open = || -> anyhow::Result<Box<dyn Write + Send>> {
            if out == Path::new("-") {
                return Ok(Box::new(std::io::stdout()));
            }
            let file = std::fs::File::create(out).with_context(|| format!("cannot write {}", out.display()))?;
            Ok(Box::new(std::io::BufWriter::with_capacity(1 << 18, file)))
        };
        let sink = match Form::of(out)? {
            Form::Safetensors => Sink::Safetensors,
            Form::JsonLines => Sink::JsonLines(open()?),
            Form::Parquet => Sink::Parquet(parquet_writer(open()?, layout.names(), recent, &about)?),
        };
        Ok(Self { out, features: layout.names(), about, columns: Columns::default(), recent, sink, written: 0 })
    }

    /// Writes what waits, where there is enough of it or it is the last.
    fn flush(&mut self, last: bool) -> anyhow::Result<()> {
        let n = self.columns.label.len();
        let enough = match self.sink {
            Sink::Safetensors => last,
            Sink::Parquet(_) => n > 0 && (last || n >= GROUP_ROWS),
            Sink::JsonLines(_) => n > 0,
        };
        if !enough {
            return Ok(());
        }
        let columns = std::mem::take(&mut self.columns);
        self.written += n;
        match &mut self.sink {
            Sink::Safetensors => write_safetensors(self.out, &columns, (self.features.len(), self.recent), &self.about),
            Sink::Parquet(writer) => write_group(writer, &columns, self.features.len()),
            Sink::JsonLines(out) => write_lines(out.as_mut(), &columns, self.features, self.recent),
        }
    }

    fn finish(mut self) -> anyhow::Result<usize> {
        self.flush(true)?;
        match self.sink {
            Sink::Safetensors => {}
            Sink::Parquet(writer) => drop(writer.close()?),
            Sink::JsonLines(mut out) => out.flush()?,
        }
        Ok(self.written)
    }
}

fn le<const N: usize, T: Copy>(values: &[T], bytes: fn(T) -> [u8; N]) -> Vec<u8> {
    values.iter().flat_map(|v| bytes(*v)).collect()
}

fn write_safetensors(out: &Path, columns: &Columns, (width, recent): (usize, bool), about: &str) -> anyhow::Result<()> {
    let (n, m) = (columns.label.len(), columns.keys.len());
    let wide = |values: &[i64]| le(values, i64::to_le_bytes);
    let narrow = |values: &[i32]| le(values, i32::to_le_bytes);
    let mut data = vec![
        ("label", Dtype::U8, vec![n], columns.label.clone()),
        ("dense", Dtype::F32, vec![n, width], le(&columns.dense, f32::to_le_bytes)),
        ("keys", Dtype::I64, vec![m], wide(&columns.keys)),
        ("key_fields", Dtype::I32, vec![m], narrow(&columns.key_fields)),
        ("key_ends", Dtype::I64, vec![n], wide(&columns.key_ends)),
        ("user", Dtype::I64, vec![n], wide(&columns.user)),
        ("at_ms", Dtype::I64, vec![n], wide(&columns.at_ms)),
        ("earlier", Dtype::I32, vec![n], narrow(&columns.earlier)),
        ("position", Dtype::I32, vec![n], narrow(&columns.position)),
        ("split", Dtype::U8, vec![n], columns.split.clone()),
    ];
    if recent {
        data.push(("recent", Dtype::I64, vec![columns.recent.len()], wide(&columns.recent)));
        data.push(("recent_ends", Dtype::I64, vec![n], wide(&columns.recent_ends)));
    }
    let views: Vec<(&str, TensorView<'_>)> = data
        .iter()
        .map(|(name, dtype, shape, bytes)| Ok((*name, TensorView::new(*dtype, shape.clone(), bytes)?)))
        .collect::<Result<_, safetensors::SafeTensorError>>()?;
    let about = HashMap::from([("zhiji.examples".to_string(), about.to_string())]);
    let bytes = safetensors::serialize(views, Some(about))?;
    std::fs::write(out, bytes).with_context(|| format!("cannot write {}", out.display()))
}

/// The text of `name` inside a schema's own notation, which knows no quotes: what would end a name becomes `_`.
fn plain(name: &str) -> String {
    name.chars().map(|c| if c.is_whitespace() || "(){};=".contains(c) { '_' } else { c }).collect()
}

fn parquet_writer(
    out: Box<dyn Write + Send>,
    features: &[String],
    recent: bool,
    about: &str,
) -> anyhow::Result<SerializedFileWriter<Box<dyn Write + Send>>> {
    let mut message = String::from(
        "message examples { required int32 label; required int64 user; required int64 at_ms; required int32 earlier; \
         required int32 position; required binary split (UTF8); ",
    );
    for name in features {
        message += &format!("required float {}; ", plain(name));
    }
    message += "required group keys (LIST) { repeated group list { required int64 element; } } \
         required group key_fields (LIST) { repeated group list { required int32 element; } }";
    message += if recent {
        " required group recent (LIST) { repeated group list { required int64 element; } } }"
    } else {
        " }"
    };
    let schema = parquet::schema::parser::parse_message_type(&message)?;
    let about = parquet::file::metadata::KeyValue::new("zhiji.examples".to_string(), about.to_string());
    let properties = WriterProperties::builder()
        .set_compression(parquet::basic::Compression::SNAPPY)
        .set_key_value_metadata(Some(vec![about]))
        .build();
    Ok(SerializedFileWriter::new(out, Arc::new(schema), Arc::new(properties))?)
}

fn write_group(
    writer: &mut SerializedFileWriter<Box<dyn Write + Send>>,
    columns: &Columns,
    width: usize,
) -> anyhow::Result<()> {
    let labels: Vec<i32> = columns.label.iter().map(|l| i32::from(*l)).collect();
    let (definition, repetition) = levels(&columns.key_ends);
    let lists = Some(&definition[..]);
    let (recent_definition, recent_repetition) = levels(&columns.recent_ends);
    let mut group = writer.next_row_group()?;
    let mut number = 0;
    while let Some(mut column) = group.next_column()? {
        match number {
            0 => column.typed::<Int32Type>().write_batch(&labels, None, None)?,
            1 => column.typed::<Int64Type>().write_batch(&columns.user, None, None)?,
            2 => column.typed::<Int64Type>().write_batch(&columns.at_ms, None, None)?,
            3 => column.typed::<Int32Type>().write_batch(&columns.earlier, None, None)?,
            4 => column.typed::<Int32Type>().write_batch(&columns.position, None, None)?,
            5 => {
                let words: Vec<_> =
                    columns.split.iter().map(|s| SPLITS[usize::from(*s)].as_str().as_bytes().to_vec().into()).collect();
                column.typed::<ByteArrayType>().write_batch(&words, None, None)?
            }
            at if at < 6 + width => {
                let values: Vec<f32> = columns.dense.iter().skip(at - 6).step_by(width).copied().collect();
                column.typed::<FloatType>().write_batch(&values, None, None)?
            }
            at if at == 6 + width => {
                column.typed::<Int64Type>().write_batch(&columns.keys, lists, Some(&repetition))?
            }
            at if at == 7 + width => {
                column.typed::<Int32Type>().write_batch(&columns.key_fields, lists, Some(&repetition))?
            }
            _ => column.typed::<Int64Type>().write_batch(
                &columns.recent,
                Some(&recent_definition),
                Some(&recent_repetition),
            )?,
        };
        column.close()?;
        number += 1;
    }
    group.close()?;
    Ok(())
}

/// The levels of lists that end at `ends`: an empty one is a single element that is not defined.
fn levels(ends: &[i64]) -> (Vec<i16>, Vec<i16>) {
    let (mut definition, mut repetition, mut from) = (Vec::new(), Vec::new(), 0);
    for end in ends {
        let count = (end - from) as usize;
        definition.extend(std::iter::repeat_n(i16::from(count > 0), count.max(1)));
        repetition.extend((0..count.max(1)).map(|at| i16::from(at > 0)));
        from = *end;
    }
    (definition, repetition)
}

fn write_lines(out: &mut dyn Write, columns: &Columns, features: &[String], recent: bool) -> anyhow::Result<()> {
    let (mut start, mut recent_start) = (0, 0);
    for i in 0..columns.label.len() {
        let end = columns.key_ends[i] as usize;
        let dense = &columns.dense[i * features.len()..(i + 1) * features.len()];
        let mut line = serde_json::json!({
            "label": columns.label[i],
            "user": columns.user[i],
            "at_ms": columns.at_ms[i],
            "earlier": columns.earlier[i],
            "position": columns.position[i],
            "split": SPLITS[usize::from(columns.split[i])].as_str(),
            "dense": features.iter().zip(dense).collect::<std::collections::BTreeMap<_, _>>(),
            "keys": &columns.keys[start..end],
            "key_fields": &columns.key_fields[start..end],
        });
        let recent_end = columns.recent_ends[i] as usize;
        if recent {
            line["recent"] = serde_json::json!(&columns.recent[recent_start..recent_end]);
        }
        recent_start = recent_end;
        serde_json::to_writer(&mut *out, &line)?;
        out.write_all(b"\n")?;
        start = end;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::dataset::{Row, Writer as DatasetWriter};
    use super::*;
    use crate::lab::import::movielens;
    use parquet::file::reader::{FileReader as _, SerializedFileReader};

    fn films() -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a folder");
        let items: Vec<_> = (0..5)
            .map(|i| serde_json::json!({ "id": format!("{i}"), "genres": (&["War", "Drama"][..1 + i % 2]), "decade": "1990s", "year": 1990 + i }))
            .collect();
        let mut writer = DatasetWriter::create(dir.path(), movielens::SCHEMA, &items).expect("a directory");
        for user in 0..12i64 {
            for step in 0..7i64 {
                let row = Row {
                    user: format!("{user:02}"),
                    at_ms: 1_700_000_000_000 + step * 60_000,
                    action: "rate".into(),
                    item: format!("{}", (user + step) % 5),
                    value: Some((step % 6) as f32),
                    split: if step > 5 { Split::Test } else { Split::Train },
                    ..Row::default()
                };
                writer.push(&row).expect("written");
            }
        }
        writer.finish(&Rows::new(0.0), |_| ()).expect("written");
        dir
    }

    fn write(dir: &Path, name: &str, shard: Option<&str>, only: Option<Split>) -> (usize, std::path::PathBuf) {
        let mut rows = Rows::new(0.0);
        let shard = shard.map(|s| s.parse().expect("a shard"));
        let data = Dataset::open(dir, &mut rows).expect("a data set").with_shard(shard);
        let out = dir.join(name);
        let asked = Asked { label: 0, only, recent: 3 };
        (export(&data, asked, &out, &mut rows).expect("written"), out)
    }

    type Example = (i64, i64, u8, Vec<f32>, [Vec<i64>; 2]);

    fn from_lines(path: &Path, features: &[String]) -> Vec<Example> {
        let text = std::fs::read_to_string(path).expect("lines");
        text.lines()
            .map(|line| {
                let json: serde_json::Value = serde_json::from_str(line).expect("JSON");
                let dense = features.iter().map(|f| json["dense"][f].as_f64().expect("a number") as f32).collect();
                let list = |name: &str| {
                    json[name].as_array().expect("a list").iter().map(|k| k.as_i64().expect("a key")).collect()
                };
                let number = |name: &str| json[name].as_i64().expect("a number");
                (number("user"), number("at_ms"), number("label") as u8, dense, [list("keys"), list("recent")])
            })
            .collect()
    }

    fn from_tensors(path: &Path) -> Vec<Example> {
        let bytes = std::fs::read(path).expect("a file");
        let file = safetensors::SafeTensors::deserialize(&bytes).expect("tensors");
        let wide = |name: &str| -> Vec<i64> {
            let (chunks, _) = file.tensor(name).expect("a tensor").data().as_chunks::<8>();
            chunks.iter().map(|c| i64::from_le_bytes(*c)).collect()
        };
        let dense = file.tensor("dense").expect("a tensor");
        let width = dense.shape()[1];
        let (chunks, _) = dense.data().as_chunks::<4>();
        let dense: Vec<f32> = chunks.iter().map(|c| f32::from_le_bytes(*c)).collect();
        let (user, at, keys, ends) = (wide("user"), wide("at_ms"), wide("keys"), wide("key_ends"));
        let (recent, recent_ends) = (wide("recent"), wide("recent_ends"));
        let label = file.tensor("label").expect("a tensor").data();
        (0..user.len())
            .map(|i| {
                let part = |list: &[i64], ends: &[i64]| {
                    let start = if i == 0 { 0 } else { ends[i - 1] as usize };
                    list[start..ends[i] as usize].to_vec()
                };
                let lists = [part(&keys, &ends), part(&recent, &recent_ends)];
                (user[i], at[i], label[i], dense[i * width..(i + 1) * width].to_vec(), lists)
            })
            .collect()
    }

    fn from_parquet(path: &Path, features: &[String]) -> Vec<Example> {
        use parquet::record::{ListAccessor as _, RowAccessor as _};
        let reader = SerializedFileReader::new(std::fs::File::open(path).expect("a file")).expect("Parquet");
        let rows = reader.get_row_iter(None).expect("rows").map(|row| row.expect("a row"));
        rows.map(|row| {
            let list = |at: usize| {
                let list = row.get_list(at + features.len()).expect("a list");
                (0..list.len()).map(|i| list.get_long(i).expect("a key")).collect()
            };
            let dense = (0..features.len()).map(|f| row.get_float(6 + f).expect("a feature")).collect();
            let (user, at) = (row.get_long(1).expect("a user"), row.get_long(2).expect("a time"));
            (user, at, row.get_int(0).expect("a label") as u8, dense, [list(6), list(8)])
        })
        .collect()
    }

    #[test]
    fn the_three_forms_hold_the_same_examples() {
        let dir = films();
        let schema = zhiji::schema::Schema::open(movielens::SCHEMA).expect("a schema");
        let layout = Layout::new(&schema);
        let features = layout.names();
        let lines = write(dir.path(), "e.jsonl", None, None);
        assert_eq!(lines.0, 84);
        let lines = from_lines(&lines.1, features);
        assert_eq!(lines.len(), 84);
        assert!(lines.iter().any(|e| e.2 == 1) && lines.iter().any(|e| e.4[0].len() == 4));
        assert!(lines.iter().any(|e| e.4[1].is_empty()) && lines.iter().any(|e| e.4[1].len() == 2));
        assert!(lines.iter().all(|e| e.3.len() == features.len()));
        assert_eq!(from_tensors(&write(dir.path(), "e.safetensors", None, None).1), lines);
        assert_eq!(from_parquet(&write(dir.path(), "e.parquet", None, None).1, features), lines);
        assert_eq!(write(dir.path(), "t.jsonl", None, Some(Split::Test)).0, 12);
        assert!(Form::of(Path::new("e.csv")).is_err());
    }

    #[test]
    fn shards_divide_the_users() {
        let dir = films();
        let whole = from_tensors(&write(dir.path(), "all.safetensors", None, None).1);
        let mut parts = Vec::new();
        for shard in ["0/3", "1/3", "2/3"] {
            let part = from_tensors(&write(dir.path(), "part.safetensors", Some(shard), None).1);
            assert!(part.len() < whole.len() && part.len().is_multiple_of(7), "users are whole");
            parts.extend(part);
        }
        parts.sort_by_key(|e| (e.0, e.1));
        let mut sorted = whole;
        sorted.sort_by_key(|e| (e.0, e.1));
        assert_eq!(parts, sorted);
        for wrong in ["3/3", "1", "-1/2", "0/0"] {
            assert!(wrong.parse::<super::super::dataset::Shard>().is_err(), "{wrong}");
        }
    }
}
