//! What a wasm module may contain.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};
use wasmparser::{ExternalKind, Parser, Payload, Validator, WasmFeatures};

/// The features a module may use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Level {
    /// WebAssembly as it was in 2017.
    Mvp,
    /// The same, with 128-bit SIMD and nothing else.
    Simd,
}

impl Level {
    fn features(self) -> WasmFeatures {
        // `WASM1` also counts exported mutable globals in, which iOS refuses: the check of exports below covers them.
        let base = WasmFeatures::WASM1 - WasmFeatures::MUTABLE_GLOBAL - WasmFeatures::GC_TYPES;
        match self {
            Self::Mvp => base,
            Self::Simd => base | WasmFeatures::SIMD,
        }
    }
}

/// The imports a module may have, each with its reason.
pub struct AllowList {
    names: BTreeSet<String>,
}

impl AllowList {
    /// Reads lines of the form `name  # reason`.
    pub fn parse(text: &str) -> Result<Self> {
        let mut names = BTreeSet::new();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            match line.split_once('#') {
                Some((name, reason)) if !reason.trim().is_empty() => names.insert(name.trim().to_owned()),
                _ => bail!("the allow-list gives no reason for `{line}`"),
            };
        }
        Ok(Self { names })
    }

    fn permits(&self, name: &str) -> bool {
        self.names.contains(bare_name(name))
    }
}

/// An import's name without what the build adds: `_length1` is the second `length`.
fn bare_name(name: &str) -> &str {
    let short = name.trim_end_matches(|digit: char| digit.is_ascii_digit());
    short.strip_prefix('_').unwrap_or(short)
}

/// Everything in a module that breaks a rule, as sentences.
pub fn check(bytes: &[u8], level: Level, allowed: &AllowList) -> Vec<String> {
    let mut findings = Vec::new();
    if let Err(problem) = Validator::new_with_features(level.features()).validate_all(bytes) {
        findings.push(format!("uses what a {level:?} module may not: {problem}"));
    }
    if let Err(problem) = sections(bytes, allowed, &mut findings) {
        findings.push(format!("cannot be read: {problem}"));
    }
    findings
}

fn sections(bytes: &[u8], allowed: &AllowList, findings: &mut Vec<String>) -> wasmparser::Result<()> {
    for payload in Parser::new(0).parse_all(bytes) {
        match payload? {
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import?;
                    if !allowed.permits(import.name) {
                        findings.push(format!("imports `{}`, which the allow-list does not name", import.name));
                    }
                    if !matches!(import.ty, wasmparser::TypeRef::Func(_)) {
                        findings.push(format!("imports `{}`, which is no function", import.name));
                    }
                }
            }
            Payload::ExportSection(section) => {
                let mut times: BTreeMap<u32, Vec<&str>> = BTreeMap::new();
                for export in section {
                    let export = export?;
                    match export.kind {
                        ExternalKind::Global => findings.push(format!("exports the global `{}`", export.name)),
                        ExternalKind::Func => times.entry(export.index).or_default().push(export.name),
                        _ => {}
                    }
                }
                for names in times.values().filter(|names| names.len() > 3) {
                    findings.push(format!("exports one function {} times: {}", names.len(), names.join(", ")));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FINE: &str = r#"(module
        (import "./zhiji_bg.js" "_length" (func $length (param i32) (result i32)))
        (import "./zhiji_bg.js" "_cast1" (func (param i32)))
        (memory (export "memory") 1)
        (global (mut i32) (i32.const 0))
        (func $f (param i32) (result i32) (call $length (local.get 0)))
        (export "a" (func $f)) (export "b" (func $f)) (export "c" (func $f)))"#;

    fn allowed() -> AllowList {
        AllowList::parse("# head\nlength  # the length of an array\n\ncast # makes a string").unwrap()
    }

    fn findings(text: &str, level: Level) -> Vec<String> {
        check(&wat::parse_str(text).unwrap(), level, &allowed())
    }

    #[test]
    fn a_clean_module_passes_at_both_levels() {
        assert_eq!(findings(FINE, Level::Mvp), [""; 0]);
        assert_eq!(findings(FINE, Level::Simd), [""; 0]);
    }

    /// Features planted one by one, each with the smallest module that uses it.
    const PLANTED: [(&str, &str); 14] = [
        ("SIMD", "(module (func (result i32) (i32x4.extract_lane 0 (v128.const i32x4 1 2 3 4))))"),
        ("sign extension", "(module (func (param i32) (result i32) (i32.extend8_s (local.get 0))))"),
        ("bulk memory", "(module (memory 1) (func (memory.copy (i32.const 0) (i32.const 8) (i32.const 4))))"),
        ("passive data", r#"(module (memory 1) (data "x"))"#),
        ("saturating conversion", "(module (func (param f32) (result i32) (i32.trunc_sat_f32_s (local.get 0))))"),
        ("multi-value", "(module (func (result i32 i32) (i32.const 1) (i32.const 2)))"),
        ("reference types", "(module (func (result externref) (ref.null extern)))"),
        ("two tables", "(module (table 1 funcref) (table 1 funcref))"),
        ("threads", "(module (memory 1 1 shared) (func (result i32) (i32.atomic.load (i32.const 0))))"),
        ("tail call", "(module (func $f (return_call $f)))"),
        ("exceptions", "(module (tag) (func (throw 0)))"),
        ("64-bit memory", "(module (memory i64 1))"),
        ("extended constants", "(module (global i32 (i32.add (i32.const 1) (i32.const 2))))"),
        ("imported mutable global", r#"(module (import "m" "length" (global (mut i32))))"#),
    ];

    #[test]
    fn every_feature_beyond_the_mvp_is_found() {
        for (name, text) in PLANTED {
            assert!(
                findings(text, Level::Mvp).iter().any(|line| line.starts_with("uses what")),
                "{name} was let through"
            );
        }
    }

    #[test]
    fn the_simd_level_adds_simd_and_nothing_else() {
        for (name, text) in PLANTED {
            assert_eq!(findings(text, Level::Simd).is_empty(), name == "SIMD", "{name}");
        }
        let relaxed =
            "(module (func (param v128 v128) (result v128) (i8x16.relaxed_swizzle (local.get 0) (local.get 1))))";
        assert!(!findings(relaxed, Level::Simd).is_empty());
    }

    #[test]
    fn exported_globals_are_found_mutable_or_not() {
        for global in ["i32", "(mut i32)"] {
            let text = format!(r#"(module (global (export "g") {global} (i32.const 1)))"#);
            assert!(findings(&text, Level::Mvp).contains(&"exports the global `g`".to_owned()), "{global}");
        }
    }

    #[test]
    fn a_function_exported_a_fourth_time_is_found() {
        let text = FINE.replace(r#"(export "a""#, r#"(export "d" (func $f)) (export "a""#);
        assert_eq!(findings(&text, Level::Mvp), ["exports one function 4 times: d, a, b, c"]);
    }

    #[test]
    fn an_import_that_is_not_on_the_list_is_found() {
        for name in ["_fetch", "fetch", "_static_accessor_GLOBAL_THIS", "_now1"] {
            let text = format!(r#"(module (import "./zhiji_bg.js" "{name}" (func)))"#);
            assert_eq!(findings(&text, Level::Mvp), [format!("imports `{name}`, which the allow-list does not name")]);
        }
        let memory = r#"(module (import "m" "length" (memory 1)))"#;
        assert_eq!(findings(memory, Level::Mvp), ["imports `length`, which is no function"]);
    }

    #[test]
    fn bytes_that_are_no_module_are_a_finding() {
        assert!(!check(b"\0asm\x01\0\0\0\x07", Level::Mvp, &allowed()).is_empty());
        assert!(!check(b"not wasm", Level::Simd, &allowed()).is_empty());
    }

    #[test]
    fn the_allow_list_wants_a_reason_for_each_name() {
        assert!(AllowList::parse("length").is_err());
        assert!(AllowList::parse("length #  ").is_err());
    }
}
