//! The MovieLens data sets, in the three forms in which they have been published.
//!
//! | form | films | ratings |
//! |---|---|---|
//! | csv (latest, 20M, 25M, 32M) | `movies.csv` | `ratings.csv` |
//! | dat (1M, 10M) | `movies.dat` | `ratings.dat` (`::` between fields, Latin-1) |
//! | 100k | `u.item` | `u.data` (tabs) |
//!
//! A folder `splits/<name>/{train,valid,test}.tsv` beside them (user, item, rating, timestamp, with a header) says which rows are for
//! training, for choices and for the final measure; it then replaces the ratings file.

use super::super::dataset::{Row, Split, open_item};
use super::super::rows::{Rows, open_file};
use super::sorter::Sorter;
use anyhow::{Context as _, bail};
use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use zhiji::schema::Schema;

/// The schema of the films. Half-lives of an hour and less matter because people rate in long sittings.
pub const SCHEMA: &str = include_str!("movielens.schema.json");

/// The genres of `u.item`, in the order of its columns.
const GENRES_100K: [&str; 19] = [
    "unknown",
    "Action",
    "Adventure",
    "Animation",
    "Children's",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Fantasy",
    "Film-Noir",
    "Horror",
    "Musical",
    "Mystery",
    "Romance",
    "Sci-Fi",
    "Thriller",
    "War",
    "Western",
];

/// What was read.
pub struct Films {
    /// Items, as JSON.
    pub items: Vec<serde_json::Value>,
    /// The form, in words.
    pub form: String,
}

/// Reads the folder, one event per rating into `out`; `split` names a folder under `splits/`.
///
/// # Errors
/// Where no known form is found or too many rows are bad.
pub fn read(dir: &Path, split: Option<&str>, rows: &mut Rows, out: &mut Sorter) -> anyhow::Result<Films> {
    let (form, films, ratings) = find(dir)?;
    let schema = Schema::open(SCHEMA).map_err(|e| anyhow::anyhow!("{e}"))?;
    let mut items = Vec::new();
    let mut known = HashSet::new();
    for_each_line(
        &dir.join(films),
        form.skip(),
        rows,
        |fields| {
            let item = form.film(fields)?;
            open_item(&schema, &item)?;
            if !known.insert(item["id"].as_str().unwrap_or_default().to_string()) {
                return Err("this film stands twice".into());
            }
            items.push(item);
            Ok(())
        },
        form.film_format(),
    )?;
    let mut parts: Vec<(PathBuf, Split, Format, usize)> = Vec::new();
    match split {
        None => parts.push((dir.join(ratings), Split::Train, form.rating_format(), form.skip())),
        Some(name) => {
            let folder = dir.join("splits").join(name);
            for split in [Split::Train, Split::Valid, Split::Test] {
                let path = folder.join(format!("{}.tsv", split.as_str()));
                parts.push((path, split, Format::Separated("\t"), 1));
            }
        }
    }
    for (path, part, format, skip) in parts {
        for_each_line(
            &path,
            skip,
            rows,
            |fields| {
                let row = rating(fields, part)?;
                if !known.contains(&row.item) {
                    return Err(format!("no film `{}`", row.item));
                }
                out.push(row);
                Ok(())
            },
            format,
        )?;
    }
    let form = match split {
        None => form.as_str().to_string(),
        Some(name) => format!("{}, split {name}", form.as_str()),
    };
    Ok(Films { items, form })
}

#[derive(Clone, Copy)]
enum Form {
    Csv,
    Dat,
    Tabs,
}

/// How the fields of a line are told apart.
#[derive(Clone, Copy)]
enum Format {
    Csv,
    Separated(&'static str),
}

fn find(dir: &Path) -> anyhow::Result<(Form, &'static str, &'static str)> {
    let forms = [
        (Form::Csv, "movies.csv", "ratings.csv"),
        (Form::Dat, "movies.dat", "ratings.dat"),
        (Form::Tabs, "u.item", "u.data"),
    ];
    for (form, films, ratings) in forms {
        if dir.join(films).exists() {
            return Ok((form, films, ratings));
        }
    }
    bail!(
        "{} holds no movies.csv, movies.dat or u.item; give the folder of an unpacked MovieLens data set",
        dir.display()
    )
}

impl Form {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "MovieLens, csv form",
            Self::Dat => "MovieLens, dat form",
            Self::Tabs => "MovieLens 100k form",
        }
    }

    const fn skip(self) -> usize {
        match self {
            Self::Csv => 1,
            Self::Dat | Self::Tabs => 0,
        }
    }

    const fn film_format(self) -> Format {
        match self {
            Self::Csv => Format::Csv,
            Self::Dat => Format::Separated("::"),
            Self::Tabs => Format::Separated("|"),
        }
    }

    const fn rating_format(self) -> Format {
        match self {
            Self::Csv => Format::Csv,
            Self::Dat => Format::Separated("::"),
            Self::Tabs => Format::Separated("\t"),
        }
    }

    fn film(self, fields: &[&str]) -> Result<serde_json::Value, String> {
        let [id, title, rest @ ..] = fields else { return Err("give id, title and genres".into()) };
        let genres: Vec<&str> = match self {
            Self::Csv | Self::Dat => {
                let [genres] = rest else { return Err("give id, title and genres".into()) };
                genres.split('|').filter(|g| !g.is_empty() && *g != "(no genres listed)").collect()
            }
            Self::Tabs => {
                let flags = rest.get(3..).filter(|f| f.len() == GENRES_100K.len());
                let flags = flags.ok_or("give 24 fields between bars")?;
                GENRES_100K.iter().zip(flags).filter(|(_, f)| **f == "1").map(|(g, _)| *g).collect()
            }
        };
        let (title, year) = title_year(title);
        let mut item = serde_json::json!({ "id": id, "title": title, "genres": genres });
        if let (Some(year), Some(object)) = (year, item.as_object_mut()) {
            object.insert("year".into(), year.into());
            object.insert("decade".into(), format!("{}s", year / 10 * 10).into());
        }
        Ok(item)
    }
}

/// `Toy Story (1995)` → the title and the year.
fn title_year(title: &str) -> (&str, Option<u32>) {
    let title = title.trim();
    let parts = title.strip_suffix(')').and_then(|t| t.rsplit_once('('));
    match parts.and_then(|(name, year)| Some((name.trim_end(), year.parse().ok()?))) {
        Some((name, year)) if (1870..2100).contains(&year) => (name, Some(year)),
        _ => (title, None),
    }
}

fn rating(fields: &[&str], split: Split) -> Result<Row, String> {
    let [user, item, value, seconds] = fields else { return Err("give user, film, rating and time".into()) };
    let value: f32 = value.parse().map_err(|_| "the rating is no number")?;
    if !(0.0..=10.0).contains(&value) {
        return Err("the rating is not between 0 and 10".into());
    }
    let seconds: i64 = seconds.trim().parse().map_err(|_| "the time is no whole number")?;
    if user.is_empty() || !(0..4_102_444_800).contains(&seconds) {
        return Err("there is no user, or the time is not between 1970 and 2100".into());
    }
    Ok(Row {
        user: (*user).to_string(),
        at_ms: seconds * 1_000,
        action: "rate".into(),
        item: (*item).to_string(),
        value: Some(value),
        split,
        ..Row::default()
    })
}

/// Calls `each` with the fields of every line after the first `skip`.
fn for_each_line(
    path: &Path,
    skip: usize,
    rows: &mut Rows,
    mut each: impl FnMut(&[&str]) -> Result<(), String>,
    format: Format,
) -> anyhow::Result<()> {
    let mut reader: BufReader<_> = open_file(path)?;
    match format {
        Format::Csv => {
            let mut csv = csv::ReaderBuilder::new().has_headers(skip > 0).flexible(true).from_reader(reader);
            let mut record = csv::StringRecord::new();
            loop {
                let line = csv.position().line();
                match csv.read_record(&mut record) {
                    Ok(false) => break,
                    Ok(true) => match each(&record.iter().collect::<Vec<_>>()) {
                        Ok(()) => rows.good(),
                        Err(reason) => rows.report(path, line, &reason)?,
                    },
                    Err(e) if e.is_io_error() => return Err(e.into()),
                    Err(e) => rows.report(path, line, &e.to_string())?,
                }
            }
        }
        Format::Separated(separator) => {
            let mut bytes = Vec::new();
            for line in 1u64.. {
                bytes.clear();
                if reader.by_ref().read_until(b'\n', &mut bytes).with_context(|| path.display().to_string())? == 0 {
                    break;
                }
                let text = latin1_or_utf8(&bytes);
                let text = text.trim_end_matches(['\n', '\r']);
                if line <= skip as u64 || text.is_empty() {
                    continue;
                }
                match each(&text.split(separator).collect::<Vec<_>>()) {
                    Ok(()) => rows.good(),
                    Err(reason) => rows.report(path, line, &reason)?,
                }
            }
        }
    }
    rows.check(path)
}

/// The older files are Latin-1.
fn latin1_or_utf8(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_string(),
        Err(_) => bytes.iter().map(|&b| char::from(b)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a folder");
        for (name, bytes) in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            std::fs::write(path, bytes).expect("written");
        }
        dir
    }

    fn take(dir: &tempfile::TempDir, split: Option<&str>, rows: &mut Rows) -> anyhow::Result<(Films, Vec<Row>)> {
        let mut sorter = Sorter::new(dir.path().to_path_buf());
        let films = read(dir.path(), split, rows, &mut sorter)?;
        let mut events = Vec::new();
        sorter.finish(|row| {
            events.push(row);
            Ok(())
        })?;
        Ok((films, events))
    }

    fn check(dir: &tempfile::TempDir, split: Option<&str>) -> Vec<Row> {
        let (films, events) = take(dir, split, &mut Rows::new(0.0)).expect("a data set");
        assert_eq!(films.items.len(), 2);
        assert_eq!(films.items[0]["genres"], serde_json::json!(["Animation", "Comedy"]));
        assert_eq!((&films.items[0]["year"], &films.items[0]["decade"]), (&1995.into(), &"1990s".into()));
        assert_eq!((&films.items[1]["title"], &films.items[1]["year"]), (&"Amélie".into(), &2001.into()));
        events
    }

    const CSV: &[u8] =
        "movieId,title,genres\n1,Toy Story (1995),Animation|Comedy\n2,\"Amélie (2001)\",(no genres listed)\n"
            .as_bytes();

    #[test]
    fn the_three_forms_say_the_same() {
        let csv = folder(&[
            ("movies.csv", CSV),
            ("ratings.csv", b"userId,movieId,rating,timestamp\n1,1,4.0,964982703\n1,2,3.5,964982704\n"),
        ]);
        let dat = folder(&[
            ("movies.dat", b"1::Toy Story (1995)::Animation|Comedy\n2::Am\xe9lie (2001)::\n"),
            ("ratings.dat", b"1::1::4::964982703\n1::2::3.5::964982704\n"),
        ]);
        let flags = |on: &[usize]| (0..19).map(|i| if on.contains(&i) { "|1" } else { "|0" }).collect::<String>();
        let film = format!("1|Toy Story (1995)|01-Jan-1995||url{}\n", flags(&[3, 5]));
        let mut u_item = film.into_bytes();
        u_item.extend(b"2|Am\xe9lie (2001)|01-Jan-2001||url");
        u_item.extend(flags(&[]).into_bytes());
        let tabs = folder(&[("u.item", &u_item), ("u.data", b"1\t1\t4\t964982703\n1\t2\t3.5\t964982704\n")]);
        let events = check(&csv, None);
        assert_eq!(events.len(), 2);
        assert_eq!((events[1].at_ms, events[1].value), (964_982_704_000, Some(3.5)));
        assert_eq!(check(&dat, None), events);
        assert_eq!(check(&tabs, None), events);
    }

    #[test]
    fn a_split_says_which_part_a_row_belongs_to() {
        let dir = folder(&[
            ("movies.csv", CSV),
            ("splits/time/train.tsv", b"user\titem\trating\ttimestamp\n1\t1\t4\t964982703\n"),
            ("splits/time/valid.tsv", b"user\titem\trating\ttimestamp\n1\t2\t4\t964982704\n"),
            ("splits/time/test.tsv", b"user\titem\trating\ttimestamp\n2\t2\t4\t964982705\n"),
        ]);
        let parts: Vec<_> = check(&dir, Some("time")).iter().map(|e| e.split).collect();
        assert_eq!(parts, [Split::Train, Split::Valid, Split::Test]);
    }

    #[test]
    fn bad_rows_are_left_out_and_too_many_stop() {
        let ratings =
            b"userId,movieId,rating,timestamp\n1,1,4.0,964982703\n1,9,4,964982704\n1,2,NaN,964982704\n1,2,4\n";
        let dir = folder(&[("movies.csv", CSV), ("ratings.csv", ratings)]);
        let mut rows = Rows::new(0.5);
        assert_eq!(take(&dir, None, &mut rows).expect("half may be bad").1.len(), 1);
        assert_eq!((rows.read, rows.bad), (6, 3));
        assert!(take(&dir, None, &mut Rows::new(0.01)).is_err());
    }

    #[test]
    fn an_empty_folder_is_refused_by_name() {
        let dir = folder(&[]);
        let refusal = take(&dir, None, &mut Rows::new(0.0)).map(|_| ()).expect_err("it is refused").to_string();
        assert!(refusal.contains("movies.csv"), "{refusal}");
    }
}
