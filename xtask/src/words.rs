//! The words of errors, which no module for phones carries: a file of the package has them, under the numbers that the modules have.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use proc_macro2::{TokenStream, TokenTree};
use walkdir::WalkDir;

#[path = "../../src/words/number.rs"]
mod number;

/// Words by their numbers.
type Words = BTreeMap<u16, String>;

/// All that stands in `words!("…")` below a folder of Rust files, as JSON: an object from numbers to words.
///
/// # Errors
/// A file that cannot be read; words that are not one plain literal; two words of one number.
pub fn json(sources: &Path) -> Result<String> {
    let mut words = Words::new();
    for entry in WalkDir::new(sources).sort_by_file_name() {
        let path = entry?.into_path();
        if path.extension().is_some_and(|end| end == "rs") {
            let text = fs::read_to_string(&path)?;
            let tokens: TokenStream = text.parse().map_err(|problem| anyhow!("{}: {problem}", path.display()))?;
            collect(tokens, &mut words).with_context(|| path.display().to_string())?;
        }
    }
    Ok(serde_json::to_string(&words)?)
}

fn collect(tokens: TokenStream, words: &mut Words) -> Result<()> {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    for (at, token) in tokens.iter().enumerate() {
        let TokenTree::Group(group) = token else { continue };
        let called = matches!(&tokens[..at], [.., TokenTree::Ident(name), TokenTree::Punct(mark)] if name == "words" && mark.as_char() == '!');
        if called { add(&group.stream().to_string(), words)? } else { collect(group.stream(), words)? }
    }
    Ok(())
}

/// Adds what stands between the parentheses.
fn add(literal: &str, words: &mut Words) -> Result<()> {
    let text = literal.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let text = text.filter(|text| !text.contains(['"', '\\'])).with_context(|| format!("no plain words: {literal}"))?;
    if let Some(other) = words.insert(number::number(text), text.to_owned())
        && other != text
    {
        bail!("these have one number, say one of them otherwise: `{other}`, `{text}`");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(source: &str) -> Result<Words> {
        let mut words = Words::new();
        collect(source.parse().unwrap(), &mut words)?;
        Ok(words)
    }

    #[test]
    fn words_are_found_wherever_they_stand() {
        let words = found(
            r#"const A: Words = words!("one"); fn f() { if x { g(words!("two, {}"), "three") } } // words!("four")"#,
        );
        let words: Vec<String> = words.unwrap().into_values().collect();
        assert_eq!(words.len(), 2, "{words:?}");
        assert!(words.contains(&"one".to_owned()) && words.contains(&"two, {}".to_owned()));
    }

    #[test]
    fn words_that_cannot_be_told_apart_are_refused() {
        // The numbers of 70,000 texts cannot all differ.
        let mut seen = BTreeMap::new();
        let (one, other) = (0..70_000)
            .map(|n| n.to_string())
            .find_map(|text| seen.insert(number::number(&text), text.clone()).map(|before| (before, text)))
            .unwrap();
        let refused = found(&format!(r#"f(words!("{one}"), words!("{other}"))"#)).unwrap_err().to_string();
        assert!(refused.contains(&one) && refused.contains(&other), "{refused}");
        assert!(found(r#"f(words!("same"), words!("same"))"#).is_ok());
        assert!(found(r#"words!("a \"quoted\" word")"#).is_err() && found("words!(NAME)").is_err());
    }
}
