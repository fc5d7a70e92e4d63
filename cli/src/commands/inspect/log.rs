//! A log: how much it holds, and what it says about its user.

use super::bytes_of;
use crate::lab::schema_file;
use anyhow::{Context, Result, bail};
use chrono::DateTime;
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use zhiji::log::{self, Log, StoredFile};

/// The most lines of one list.
const LINES: usize = 10;

struct File {
    name: String,
    bytes: Vec<u8>,
}

fn read(path: &Path) -> Result<Vec<File>> {
    let mut paths = vec![path.to_path_buf()];
    if path.is_dir() {
        paths = std::fs::read_dir(path)?.map(|entry| entry.map(|e| e.path())).collect::<std::io::Result<_>>()?;
    }
    let mut files = Vec::new();
    for path in paths {
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default().to_string();
        if name.starts_with("log-") {
            let bytes = std::fs::read(&path).with_context(|| format!("{} cannot be read", path.display()))?;
            files.push(File { name, bytes });
        }
    }
    Ok(files)
}

fn date(ms: i64) -> String {
    DateTime::from_timestamp_millis(ms).map_or(ms.to_string(), |at| at.format("%Y-%m-%d %H:%M:%S UTC").to_string())
}

/// Explains the newest generation of the log.
pub fn explain(path: &Path, schema: Option<&Path>) -> Result<()> {
    let files = read(path)?;
    let Some(generation) = log::newest_generation(&mut files.iter().map(|f| f.name.as_str())) else {
        bail!("{} holds no segment of a log: their files are log-<generation>-<number>", path.display());
    };
    let Some(schema) = schema else { bail!("a log can only be read with its schema: give --schema schema.js") };
    let schema = Rc::new(schema_file::open(schema)?.schema);
    let stored: Vec<StoredFile<'_>> = files.iter().map(|f| StoredFile { name: &f.name, bytes: &f.bytes }).collect();
    let (log, opened) = Log::open(Rc::clone(&schema), 0, generation, &stored);
    let size: usize = files.iter().map(|f| f.bytes.len()).sum();
    println!(
        "log of the space {}, generation {generation}: {} files, {} bytes",
        schema.space,
        files.len(),
        bytes_of(size)
    );
    if opened.foreign > 0 {
        println!("{} segments were written with another schema and are not read", opened.foreign);
    }
    if opened.damaged > 0 || opened.torn {
        let torn = if opened.torn { "; the last write was cut off" } else { "" };
        println!("{} records are damaged{torn}", opened.damaged);
    }
    let (Some(first), Some(last)) = (log.events().next(), log.events().next_back()) else {
        println!("no events can be read: the log is empty, or sealed with a key that is on the phone alone");
        return Ok(());
    };
    println!(
        "{} events in {} sessions, {} to {}",
        log.len(),
        last.session - first.session + 1,
        date(first.at.ms()),
        date(last.at.ms())
    );
    let mut actions: BTreeMap<&str, usize> = BTreeMap::new();
    let mut items: BTreeMap<&str, usize> = BTreeMap::new();
    let mut words: BTreeMap<(usize, &str), usize> = BTreeMap::new();
    for event in log.events() {
        let name = schema.actions.get(usize::from(event.action)).map_or("?", |a| a.name.as_str());
        *actions.entry(name).or_default() += 1;
        if event.action == schema.impression() {
            continue;
        }
        *items.entry(event.item.id()).or_default() += 1;
        for (field, word) in event.item.all_words() {
            *words.entry((field, word.text.as_str())).or_default() += 1;
        }
    }
    list("actions", actions.into_iter().map(|(name, n)| (name.to_string(), n)));
    list("items with the most actions", items.into_iter().map(|(id, n)| (id.to_string(), n)));
    let named = |((field, word), n): ((usize, &str), usize)| (format!("{} = {word}", schema.fields[field].name), n);
    list("words with the most actions", words.into_iter().map(named));
    Ok(())
}

fn list(title: &str, counts: impl Iterator<Item = (String, usize)>) {
    let mut counts: Vec<(String, usize)> = counts.collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    println!("{title}:");
    for (name, n) in counts.iter().take(LINES) {
        println!("  {n:>7}  {name}");
    }
    if counts.len() > LINES {
        println!("           and {} more", counts.len() - LINES);
    }
}
