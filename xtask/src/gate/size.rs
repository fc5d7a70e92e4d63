//! What the shipped files may weigh.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use walkdir::WalkDir;

use crate::process::{Workspace, read, say};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Budgets {
    budget: Vec<Budget>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Budget {
    name: String,
    measure: Measure,
    files: Vec<String>,
    limit: u64,
    /// By how much the build is known to be over its limit. It is shown at every run, and a byte more than it is a finding.
    #[serde(default)]
    debt: u64,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Measure {
    Raw,
    Brotli,
}

/// Measures every budget, prints the figures, and gives what is over.
pub fn check(workspace: &Workspace) -> Result<Vec<String>> {
    let budgets: Budgets = toml::from_str(&fs::read_to_string(workspace.path("xtask/budgets.toml"))?)?;
    let mut findings = Vec::new();
    for budget in &budgets.budget {
        let size = weigh(workspace, budget)?;
        let over_by = size.saturating_sub(budget.limit);
        let debt = if over_by > 0 { format!(", OVER BY {over_by}") } else { String::new() };
        say(&format!("  {:<36} {size:>8} of {:>8} bytes {}{debt}", budget.name, budget.limit, shown(budget.measure)));
        findings.extend(over(budget, size));
    }
    Ok(findings)
}

fn shown(measure: Measure) -> &'static str {
    match measure {
        Measure::Raw => "raw",
        Measure::Brotli => "brotli",
    }
}

fn over(budget: &Budget, size: u64) -> Option<String> {
    let most = budget.limit + budget.debt;
    (size > most).then(|| {
        let known = if budget.debt > 0 { " and its known debt" } else { "" };
        format!("{}: {size} bytes {}, {} more than its budget{known}", budget.name, shown(budget.measure), size - most)
    })
}

fn weigh(workspace: &Workspace, budget: &Budget) -> Result<u64> {
    let mut files = Vec::new();
    for pattern in &budget.files {
        let found = matching(workspace, pattern)?;
        ensure!(!found.is_empty(), "budget `{}`: nothing matches {pattern}", budget.name);
        files.extend(found);
    }
    match budget.measure {
        Measure::Raw => files.iter().map(|file| Ok(fs::metadata(file)?.len())).sum(),
        Measure::Brotli => {
            let text = read(workspace.node("xtask/gate/brotli-size.mjs").args(&files))?;
            text.trim().parse().with_context(|| format!("the compressor answered `{text}`"))
        }
    }
}

/// The files a pattern names; `*` stands for any run of characters, folders included.
fn matching(workspace: &Workspace, pattern: &str) -> Result<Vec<PathBuf>> {
    let folder = pattern.split('*').next().unwrap_or_default().rsplit_once('/').map_or("", |(folder, _)| folder);
    let root = workspace.path("");
    let mut files = Vec::new();
    for entry in WalkDir::new(workspace.path(folder)).sort_by_file_name() {
        let entry = entry.with_context(|| format!("{folder} is not built: run `cargo xtask build`"))?;
        let name = entry.path().strip_prefix(&root)?.to_string_lossy().replace('\\', "/");
        if entry.file_type().is_file() && fits(pattern, &name) {
            files.push(entry.into_path());
        }
    }
    Ok(files)
}

fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((front, rest)) => name.strip_prefix(front).is_some_and(|tail| {
            tail.char_indices().map(|(at, _)| at).chain([tail.len()]).any(|at| fits(rest, &tail[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_over_the_limit_is_a_finding() {
        let budget = Budget { name: "wasm".into(), measure: Measure::Raw, files: Vec::new(), limit: 100, debt: 0 };
        assert_eq!(over(&budget, 100), None);
        assert_eq!(over(&budget, 101).unwrap(), "wasm: 101 bytes raw, 1 more than its budget");
        let indebted = Budget { debt: 20, ..budget };
        assert_eq!(over(&indebted, 120), None);
        assert_eq!(over(&indebted, 121).unwrap(), "wasm: 121 bytes raw, 1 more than its budget and its known debt");
    }

    #[test]
    fn patterns_match_as_documented() {
        assert!(
            fits("a/*.wasm", "a/b.wasm")
                && fits("a/*.wasm", "a/c/b.wasm")
                && fits("a/*", "a/x")
                && fits("a/*x*", "a/x")
        );
        assert!(!fits("a/*.wasm", "a/b.wasm.br") && !fits("a/*mvp*.wasm", "a/simd.wasm") && !fits("a/b", "a/bc"));
    }

    #[test]
    fn a_pattern_that_matches_nothing_is_an_error() {
        let budget = |files: &str| Budget {
            name: "x".into(),
            measure: Measure::Raw,
            files: vec![files.into()],
            limit: 1,
            debt: 0,
        };
        let workspace = Workspace::find().unwrap();
        assert!(weigh(&workspace, &budget("xtask/src/*.nothing")).is_err());
        let summed = Budget { files: vec!["xtask/src/main.rs".into(), "xtask/Cargo.t*ml".into()], ..budget("") };
        let wanted =
            ["xtask/src/main.rs", "xtask/Cargo.toml"].map(|file| fs::metadata(workspace.path(file)).unwrap().len());
        assert_eq!(weigh(&workspace, &summed).unwrap(), wanted.iter().sum::<u64>());
    }

    #[test]
    fn the_budgets_of_the_project_can_be_read() {
        let text = fs::read_to_string(Workspace::find().unwrap().path("xtask/budgets.toml")).unwrap();
        let budgets: Budgets = toml::from_str(&text).unwrap();
        assert!(budgets.budget.iter().any(|budget| budget.measure == Measure::Brotli && budget.limit <= 120_000));
    }
}
