//! Reads Rust files as tokens, so that paths inside macros and attributes are seen and comments are not.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use walkdir::WalkDir;

/// Ranks of the modules, read from the table of ARCHITECTURE.md whose lines look like `| 3 | `log`, `tensor` | … |`.
pub fn ranks(architecture: &str) -> BTreeMap<String, u32> {
    let mut ranks = BTreeMap::new();
    for line in architecture.lines() {
        let mut cells = line.trim_matches('|').split('|').map(str::trim);
        if let (Some(Ok(rank)), Some(names)) = (cells.next().map(str::parse), cells.next()) {
            for name in names.split(',').map(|name| name.trim().trim_matches('`')) {
                assert!(ranks.insert(name.to_owned(), rank).is_none(), "ARCHITECTURE.md ranks `{name}` twice");
            }
        }
    }
    assert!(!ranks.is_empty(), "ARCHITECTURE.md has no table of ranks");
    ranks
}

/// A path such as `std::fs::read`, as the words of it that are written together, and the line it stands in.
struct Mention {
    words: Vec<String>,
    line: usize,
}

/// One Rust file of the engine.
pub struct Source {
    /// Its path below `src/`, such as `log/segment.rs`.
    name: String,
    mentions: Vec<Mention>,
}

impl Source {
    /// Every Rust file below a folder.
    pub fn all(folder: &Path) -> Vec<Self> {
        let entries = WalkDir::new(folder).sort_by_file_name().into_iter().map(Result::unwrap);
        let files = entries.filter(|entry| entry.path().extension().is_some_and(|end| end == "rs"));
        files
            .map(|entry| {
                let name = entry.path().strip_prefix(folder).unwrap().to_string_lossy().replace('\\', "/");
                Self::parse(&name, &fs::read_to_string(entry.path()).unwrap())
            })
            .collect()
    }

    /// A file with the name it has below `src/`.
    pub fn parse(name: &str, text: &str) -> Self {
        let tokens: TokenStream = text.parse().unwrap_or_else(|problem| panic!("src/{name}: {problem}"));
        let module: Vec<String> = match name.trim_end_matches(".rs").trim_end_matches("/mod") {
            "lib" => Vec::new(),
            path => path.split('/').map(str::to_owned).collect(),
        };
        let mut mentions = Vec::new();
        collect(tokens, &module, &[], &mut mentions);
        Self { name: name.to_owned(), mentions }
    }

    /// The module of the crate that the file belongs to, `lib` for the root itself.
    pub fn module(&self) -> &str {
        let first = self.name.split('/').next().unwrap_or_default();
        first.trim_end_matches(".rs")
    }

    /// Imports of a module that is not of a lower rank.
    pub fn climbing_imports(&self, ranks: &BTreeMap<String, u32>) -> Vec<String> {
        let Some(own) = ranks.get(self.module()) else { return Vec::new() };
        let mut findings = Vec::new();
        for mention in &self.mentions {
            let [root, other, ..] = mention.words.as_slice() else { continue };
            if root != "crate" || other == self.module() {
                continue;
            }
            // A name that is no module is an item of lib.rs, which is above everything.
            if ranks.get(other).is_none_or(|rank| rank >= own) {
                findings.push(format!(
                    "src/{}:{}: `{}` (rank {own}) may not import `{other}`",
                    self.name,
                    mention.line,
                    self.module()
                ));
            }
        }
        findings
    }

    /// Mentions of a clock, of files, of the network, of chance, or of the environment.
    pub fn ambient(&self) -> Vec<String> {
        const MODULES: [&str; 9] = ["time", "fs", "net", "env", "thread", "process", "io", "os", "collections"];
        const NAMES: [&str; 8] =
            ["SystemTime", "Instant", "thread_rng", "getrandom", "OsRng", "RandomState", "from_os_rng", "from_entropy"];
        self.findings("is not for the engine", |words| {
            let std = words.first().is_some_and(|word| word == "std")
                && words.get(1).is_some_and(|word| MODULES.contains(&word.as_str()));
            std || words.iter().any(|word| NAMES.contains(&word.as_str()))
        })
    }

    /// Mentions of the crates that speak with JavaScript, anywhere but in the boundary.
    pub fn javascript_outside_the_boundary(&self) -> Vec<String> {
        if self.module() == "wasm" {
            return Vec::new();
        }
        self.findings("is for src/wasm alone", |words| {
            words.iter().any(|word| matches!(word.as_str(), "wasm_bindgen" | "js_sys" | "web_sys"))
        })
    }

    fn findings(&self, what: &str, broken: impl Fn(&[String]) -> bool) -> Vec<String> {
        let bad = self.mentions.iter().filter(|mention| broken(&mention.words));
        bad.map(|mention| format!("src/{}:{}: `{}` {what}", self.name, mention.line, mention.words.join("::")))
            .collect()
    }
}

/// Collects the paths of a token stream. `module` is where the tokens stand, `front` what a group such as `{a, b}` continues.
fn collect(tokens: TokenStream, module: &[String], front: &[String], into: &mut Vec<Mention>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        match token {
            TokenTree::Ident(_) => {
                let (words, line, next) = path(&tokens, at);
                // Inside the braces of an import every path continues the one before the braces.
                let words = resolve(front.iter().cloned().chain(words.clone()).collect(), module);
                if let (Some(TokenTree::Group(group)), true) = (tokens.get(next), ends_open(&tokens, next)) {
                    collect(group.stream(), module, &words, into);
                    at = next + 1;
                    continue;
                }
                into.push(Mention { words: words.clone(), line });
                if let ([keyword], Some(TokenTree::Ident(name)), Some(TokenTree::Group(body))) =
                    (&words[front.len().min(words.len())..], tokens.get(at + 1), tokens.get(at + 2))
                    && keyword == "mod"
                    && body.delimiter() == Delimiter::Brace
                {
                    let inner: Vec<String> = module.iter().cloned().chain([name.to_string()]).collect();
                    collect(body.stream(), &inner, &[], into);
                    at += 3;
                    continue;
                }
                at = next;
            }
            TokenTree::Group(group) => {
                collect(group.stream(), module, &[], into);
                at += 1;
            }
            _ => at += 1,
        }
    }
}

/// The words of a path that begins at `at`, its line, and where it ends.
fn path(tokens: &[TokenTree], at: usize) -> (Vec<String>, usize, usize) {
    let mut words = Vec::new();
    let line = tokens[at].span().start().line;
    let mut next = at;
    while let Some(TokenTree::Ident(ident)) = tokens.get(next) {
        words.push(ident.to_string());
        next += 1;
        if !is_separator(tokens, next) {
            break;
        }
        next += 2;
    }
    (words, line, next)
}

fn is_separator(tokens: &[TokenTree], at: usize) -> bool {
    let colon = |at: usize| matches!(tokens.get(at), Some(TokenTree::Punct(punct)) if punct.as_char() == ':');
    colon(at) && colon(at + 1)
}

/// Whether the tokens before `at` are `::`, so that a group there continues a path.
fn ends_open(tokens: &[TokenTree], at: usize) -> bool {
    at >= 2 && is_separator(tokens, at - 2)
}

/// Writes `self::` and `super::` paths from the root of the crate.
fn resolve(words: Vec<String>, module: &[String]) -> Vec<String> {
    let ups = words.iter().take_while(|word| *word == "super").count();
    let here = words.first().is_some_and(|word| word == "self") && words.len() > 1;
    if ups == 0 && !here {
        return words;
    }
    let kept = &module[..module.len().saturating_sub(ups)];
    let rest = if here { &words[1..] } else { &words[ups..] };
    ["crate".to_owned()].into_iter().chain(kept.iter().cloned()).chain(rest.iter().cloned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "| rank | module | holds |\n|---|---|---|\n| 0 | `error`, `time` | a |\n| 1 | `schema` | b |\n| 2 | `log` | c |";

    fn climbing(name: &str, text: &str) -> Vec<String> {
        Source::parse(name, text).climbing_imports(&ranks(TABLE))
    }

    #[test]
    fn imports_downwards_and_within_a_module_pass() {
        let text = "use crate::{error::Error, schema::{self, Field}}; // use crate::engine\n\
                    use crate::log::Segment; use super::Log; fn f() -> crate::time::Timestamp { todo!() }";
        assert_eq!(climbing("log/segment.rs", text), [""; 0]);
        assert_eq!(climbing("log/mod.rs", "mod tests { use super::*; use super::super::schema; }"), [""; 0]);
    }

    #[test]
    fn every_way_to_write_an_import_upwards_or_sideways_is_found() {
        for text in [
            "use crate::log::Log;",
            "use crate::{error::Error, log::{Log, Segment}};",
            "fn f() { let x = crate::log::Log::new(); }",
            "fn f() { vec![crate::log::Log::new()] }",
            "use super::log;",
            "use super::{log, error};",
            "mod tests { use super::super::log; }",
            "use crate::wasm::Engine;",
        ] {
            assert!(!climbing("schema.rs", text).is_empty(), "{text}");
        }
        assert_eq!(climbing("time.rs", "use crate::error::Error;").len(), 1, "sideways");
        assert_eq!(climbing("schema/raw.rs", "use super::super::log;").len(), 1);
    }

    #[test]
    fn ambient_reads_are_found() {
        for text in [
            "use std::time::Instant;",
            "use std::{fmt, fs};",
            "fn f() { std::env::var(\"x\"); }",
            "fn f() { rand::thread_rng() }",
        ] {
            assert_eq!(Source::parse("log.rs", text).ambient().len(), 1, "{text}");
        }
        assert_eq!(
            Source::parse("log.rs", "use core::time::Duration; use crate::time::Timestamp; // std::fs").ambient(),
            [""; 0]
        );
    }

    #[test]
    fn javascript_is_found_outside_the_boundary() {
        let text = "#[wasm_bindgen::prelude::wasm_bindgen] fn f() {}";
        assert_eq!(Source::parse("engine.rs", text).javascript_outside_the_boundary().len(), 1);
        assert_eq!(Source::parse("wasm.rs", text).javascript_outside_the_boundary(), [""; 0]);
        assert_eq!(Source::parse("wasm/error.rs", text).javascript_outside_the_boundary(), [""; 0]);
    }
}
