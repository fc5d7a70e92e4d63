//! A mapping: a TOML file that says which column is what. docs/training.md has one written out.

use super::table::CsvForm;
use anyhow::Context as _;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// Which column is what.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// Columns of the events.
    pub events: EventColumns,
    /// Columns of the items; they stand in a file of their own, or in that of the events.
    pub items: ItemColumns,
}

/// Columns of the events.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventColumns {
    /// How the files are written, where they are CSV.
    #[serde(default)]
    pub csv: CsvForm,
    /// Whose; several columns together may tell users apart, and with none every row is a user of its own.
    pub user: Names,
    /// Which item.
    pub item: Names,
    /// When; not needed where `time_format` is `row`.
    pub time: Option<String>,
    /// How `time` is written.
    #[serde(default)]
    pub time_format: TimeFormat,
    /// What was done.
    pub action: ActionColumn,
    /// Words of the file → actions of the schema; nothing at all leaves such rows out.
    #[serde(default)]
    pub actions: BTreeMap<String, String>,
    /// What else a row says was done: a click column beside an impression.
    #[serde(default)]
    pub outcomes: Vec<Outcome>,
    /// An explicit value.
    pub value: Option<String>,
    /// Where on the page.
    pub surface: Option<String>,
    /// The slate that the item was shown in.
    pub slate: Option<String>,
    /// The place in it.
    pub position: Option<String>,
    /// The number of the first place.
    #[serde(default)]
    pub first_position: u16,
    /// With which probability the item was chosen for that place.
    pub propensity: Option<String>,
    /// How long the user looked.
    pub dwell_ms: Option<String>,
    /// The server's own score.
    pub prior: Option<String>,
    /// `train`, `valid` or `test`.
    pub split: Option<String>,
}

/// A further event that a row tells of.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// The column that tells it.
    pub column: String,
    /// What stands in the column when it happened; otherwise any number but 0, `true` or `yes`.
    pub is: Option<String>,
    /// The schema's action.
    pub action: String,
    /// How long after the row's own time.
    #[serde(default = "Outcome::default_after")]
    pub after_ms: u32,
    /// The column with how long the user looked.
    pub dwell_ms: Option<String>,
    /// The column with an explicit value.
    pub value: Option<String>,
}

impl Outcome {
    const fn default_after() -> u32 {
        1_000
    }

    /// Whether the column's text says that it happened.
    pub fn happened(&self, text: &str) -> Result<bool, String> {
        if let Some(is) = &self.is {
            return Ok(text == is);
        }
        match text {
            "" | "false" | "no" => Ok(false),
            "true" | "yes" => Ok(true),
            text => match text.parse::<f64>() {
                Ok(number) => Ok(number != 0.0),
                Err(_) => {
                    Err(format!("`{}` is neither a number nor true or false; `is` says what counts", self.column))
                }
            },
        }
    }
}

/// The action of a row.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum ActionColumn {
    /// It stands in a column.
    Column(String),
    /// It is the same everywhere.
    Same {
        /// The schema's action.
        always: String,
    },
}

/// One column, or several whose texts together are one name.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Names {
    /// One.
    One(String),
    /// Several.
    Several(Vec<String>),
}

impl Names {
    /// The names.
    pub fn as_slice(&self) -> &[String] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::Several(names) => names,
        }
    }
}

/// Columns of the items.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ItemColumns {
    /// How the file is written, where it is CSV.
    #[serde(default)]
    pub csv: CsvForm,
    /// The id, as the events name it.
    pub id: Names,
    /// Fields of the schema.
    #[serde(default)]
    pub fields: BTreeMap<String, FieldColumn>,
}

/// The column of a field.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum FieldColumn {
    /// It, as it stands.
    Plain(String),
    /// A text with several words in it.
    List {
        /// The column.
        column: String,
        /// What stands between the words.
        separator: String,
    },
}

/// How times are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TimeFormat {
    /// Seconds since the Unix epoch.
    Seconds,
    /// Milliseconds since the Unix epoch.
    #[default]
    Milliseconds,
    /// There are none: each row is a second after the one before it, from 2020-01-01 on.
    Row,
    /// A pattern as of `strftime`; without a zone in it, UTC.
    Pattern(String),
}

impl<'de> Deserialize<'de> for TimeFormat {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        Ok(match text.as_str() {
            "s" => Self::Seconds,
            "ms" => Self::Milliseconds,
            "row" => Self::Row,
            pattern if pattern.contains('%') => Self::Pattern(text),
            _ => {
                return Err(serde::de::Error::custom(
                    "a time format is \"s\", \"ms\", \"row\" or a pattern such as \"%Y-%m-%d %H:%M:%S\"",
                ));
            }
        })
    }
}

/// 2020-01-01T00:00:00Z.
const ROWS_FROM_MS: i64 = 1_577_836_800_000;
/// 2100-01-01T00:00:00Z.
const LATEST_MS: i64 = 4_102_444_800_000;

impl TimeFormat {
    /// Reads a time; `row` counts from 0.
    pub fn read(&self, text: &str, row: u64) -> Result<i64, String> {
        let number = || match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(number),
            _ => Err(format!("the time `{text}` is no number; is `time_format` right?")),
        };
        let at_ms = match self {
            Self::Seconds => (number()? * 1_000.0) as i64,
            Self::Milliseconds => number()? as i64,
            Self::Row => ROWS_FROM_MS.saturating_add_unsigned(row.saturating_mul(1_000)),
            Self::Pattern(pattern) => {
                by_pattern(text, pattern).ok_or_else(|| format!("the time `{text}` is not of the form {pattern}"))?
            }
        };
        if (0..LATEST_MS).contains(&at_ms) {
            Ok(at_ms)
        } else {
            Err("the time is not between 1970 and 2100; is `time_format` right?".into())
        }
    }
}

fn by_pattern(text: &str, pattern: &str) -> Option<i64> {
    use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime};
    if ["%z", "%:z", "%#z", "%+"].iter().any(|zone| pattern.contains(zone)) {
        return Some(DateTime::parse_from_str(text, pattern).ok()?.timestamp_millis());
    }
    let hours = ["%H", "%I", "%k", "%l", "%T", "%R", "%s"].iter().any(|hour| pattern.contains(hour));
    let local = if !hours {
        NaiveDate::parse_from_str(text, pattern).ok()?.and_time(NaiveTime::MIN)
    } else if ["%M", "%T", "%R", "%s"].iter().any(|minute| pattern.contains(minute)) {
        NaiveDateTime::parse_from_str(text, pattern).ok()?
    } else {
        // The parser wants minutes where there are hours.
        NaiveDateTime::parse_from_str(&format!("{text} 00"), &format!("{pattern} %M")).ok()?
    };
    Some(local.and_utc().timestamp_millis())
}

impl Mapping {
    /// Reads a mapping's file.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("in {}", path.display()))
    }

    /// Reads a mapping's text.
    ///
    /// # Errors
    /// Where it is no TOML, or names what no mapping has.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        Ok(toml::from_str(text)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_every_documented_form_are_read() {
        let read = |format: &str, text: &str| {
            #[derive(Deserialize)]
            struct Only {
                f: TimeFormat,
            }
            let format: Only = toml::from_str(&format!("f = {format:?}")).expect("a format");
            format.f.read(text, 2)
        };
        assert_eq!(read("s", "1574553617"), Ok(1_574_553_617_000));
        assert_eq!(read("s", "1574553617.5"), Ok(1_574_553_617_500));
        assert_eq!(read("ms", "1574553617004"), Ok(1_574_553_617_004));
        assert_eq!(read("row", ""), Ok(ROWS_FROM_MS + 2_000));
        assert_eq!(read("%Y-%m-%d %H:%M:%S%.f%:z", "2019-11-24 00:00:17.004101+00:00"), Ok(1_574_553_617_004));
        assert_eq!(read("%Y-%m-%d %H:%M:%S%.f%:z", "2019-11-24 08:00:17+08:00"), Ok(1_574_553_617_000));
        assert_eq!(read("%m/%d/%Y %I:%M:%S %p", "11/15/2019 8:55:22 AM"), Ok(1_573_808_122_000));
        assert_eq!(read("%y%m%d%H", "14102123"), Ok(1_413_932_400_000));
        assert_eq!(read("%Y-%m-%d", "2020-01-02"), Ok(ROWS_FROM_MS + 86_400_000));
        assert!(read("%y%m%d%H", "14132123").is_err(), "no thirteenth month");
        assert!(read("s", "1574553617004").is_err(), "milliseconds taken for seconds");
        assert!(read("ms", "soon").is_err());
        assert!(read("ms", "NaN").is_err());
    }

    #[test]
    fn an_outcome_happened_or_did_not() {
        let outcome: Outcome = toml::from_str("column = 'click'\naction = 'open'").expect("an outcome");
        for (text, happened) in [("1", true), ("0", false), ("0.0", false), ("", false), ("true", true), ("12", true)] {
            assert_eq!(outcome.happened(text), Ok(happened), "{text}");
        }
        assert!(outcome.happened("perhaps").is_err());
        let outcome: Outcome = toml::from_str("column = 'c'\nis = 'Y'\naction = 'open'").expect("an outcome");
        assert_eq!((outcome.happened("Y"), outcome.happened("1")), (Ok(true), Ok(false)));
    }

    #[test]
    fn what_no_mapping_has_is_refused() {
        let whole = "[events]\nuser = 'u'\nitem = 'i'\ntime = 't'\naction = 'a'\n[items]\nid = 'i'\n";
        assert!(Mapping::parse(whole).is_ok());
        assert!(Mapping::parse(&whole.replace("time = 't'", "time = 't'\ntimeUnit = 's'")).is_err());
        assert!(Mapping::parse(&whole.replace("time = 't'", "time = 't'\ntime_format = 'h'")).is_err());
    }
}
