//! The Microsoft News Dataset (MIND).
//!
//! A folder holds `behaviors.tsv` (impression, user, time, history, impressions) and `news.tsv` (id, category, subcategory, title and more),
//! neither with a header. One line of `behaviors.tsv` is a slate: its articles become impressions in the order of the file, and what was clicked an
//! opening a second later. The files do not say at which place an article stood, and give the same history with every line of a user: it becomes
//! openings, one a minute, before the week of the first impressions.
//!
//! # Source
//! Wu et al., "MIND: A Large-scale Dataset for News Recommendation", ACL 2020, and the data set's own description of its files.

use super::super::dataset::{Row, Split, open_item};
use super::super::rows::{Rows, open_file};
use super::mapping::TimeFormat;
use super::sorter::Sorter;
use anyhow::Context as _;
use std::collections::HashSet;
use std::io::BufRead as _;
use std::path::Path;
use zhiji::schema::Schema;

/// The schema of the news.
pub const SCHEMA: &str = include_str!("mind.schema.json");

/// 2019-11-09T00:00:00Z: the published impressions begin in this week, and the histories end before it.
const HISTORY_ENDS_MS: i64 = 1_573_257_600_000;
const PATTERN: &str = "%m/%d/%Y %I:%M:%S %p";

/// Calls `each` with the fields of every line.
fn for_each_line(
    path: &Path,
    rows: &mut Rows,
    mut each: impl FnMut(&[&str]) -> Result<(), String>,
) -> anyhow::Result<()> {
    let mut reader = open_file(path)?;
    let mut text = String::new();
    for line in 1u64.. {
        text.clear();
        if reader.read_line(&mut text).with_context(|| format!("cannot read {}", path.display()))? == 0 {
            break;
        }
        let fields: Vec<&str> = text.trim_end_matches(['\n', '\r']).split('\t').collect();
        match each(&fields) {
            Ok(()) => rows.good(),
            Err(reason) => rows.report(path, line, &reason)?,
        }
    }
    rows.check(path)
}

/// Reads the articles of all folders; one that stands in several is taken once.
///
/// # Errors
/// Where a file is missing or too many rows are bad.
pub fn read_items(dirs: &[&Path], rows: &mut Rows) -> anyhow::Result<Vec<serde_json::Value>> {
    let schema = Schema::open(SCHEMA).map_err(|e| anyhow::anyhow!("{e}"))?;
    let (mut items, mut known) = (Vec::new(), HashSet::new());
    for dir in dirs {
        for_each_line(&dir.join("news.tsv"), rows, |fields| {
            let [id, category, subcategory, title, ..] = fields else {
                return Err("give at least id, category, subcategory and title".into());
            };
            if known.contains(*id) {
                return Ok(());
            }
            let item =
                serde_json::json!({ "id": id, "category": category, "subcategory": subcategory, "title": title });
            open_item(&schema, &item)?;
            known.insert((*id).to_string());
            items.push(item);
            Ok(())
        })?;
    }
    Ok(items)
}

/// Reads the impressions of every folder into `out`; `items` are all that may be named.
///
/// # Errors
/// Where a file is missing or too many rows are bad.
pub fn read_events(
    dirs: &[(&Path, Split)],
    items: &[serde_json::Value],
    rows: &mut Rows,
    out: &mut Sorter,
) -> anyhow::Result<()> {
    let known: HashSet<&str> = items.iter().filter_map(|i| i["id"].as_str()).collect();
    let time = TimeFormat::Pattern(PATTERN.into());
    let mut with_history = HashSet::new();
    let mut slate = 0u32;
    for (dir, split) in dirs {
        for_each_line(&dir.join("behaviors.tsv"), rows, |fields| {
            let [_, user, at, history, shown] = fields else { return Err("give five fields between tabs".into()) };
            if user.is_empty() {
                return Err("there is no user".into());
            }
            let at_ms = time.read(at, 0)?;
            let clicked = shown.split_whitespace().map(clicked).collect::<Result<Vec<_>, _>>()?;
            let history: Vec<&str> = history.split_whitespace().collect();
            let named = clicked.iter().map(|(id, _)| id).chain(&history);
            if let Some(id) = named.into_iter().find(|id| !known.contains(**id)) {
                return Err(format!("no article `{id}`"));
            }
            let row = |action: &str, item: &str, at_ms: i64| Row {
                user: (*user).to_string(),
                at_ms,
                action: action.into(),
                item: item.into(),
                split: *split,
                ..Row::default()
            };
            if with_history.insert((*user).to_string()) {
                let first = HISTORY_ENDS_MS - history.len() as i64 * zhiji::time::MINUTE_MS;
                for (minute, id) in (0i64..).zip(&history) {
                    out.push(row("open", id, first + minute * zhiji::time::MINUTE_MS));
                }
            }
            for (id, _) in &clicked {
                out.push(Row { slate: Some(slate), ..row("impression", id, at_ms) });
            }
            for (id, _) in clicked.iter().filter(|c| c.1) {
                out.push(Row { slate: Some(slate), ..row("open", id, at_ms + 1_000) });
            }
            slate += 1;
            Ok(())
        })?;
    }
    Ok(())
}

/// `N55689-1` → the article, and whether it was clicked. Ids hold hyphens themselves, perhaps.
fn clicked(text: &str) -> Result<(&str, bool), String> {
    match text.rsplit_once('-') {
        Some((id, "1")) => Ok((id, true)),
        Some((id, "0")) => Ok((id, false)),
        _ => Err(format!("`{text}` does not end in -0 or -1; the parts without clicks cannot be used")),
    }
}
