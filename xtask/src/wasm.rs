//! What is changed in a linked module: exported globals are taken out, what only wasm-bindgen reads too, and imports get short names.
//!
//! Some iOS clients refuse a module that exports a global. The tool wasm-bindgen 0.2.129 exports two addresses
//! (`__abort_handler`, `__instance_terminated`) that the glue of a build that aborts on panic never reads.
//!
//! wasm-bindgen keeps the names of imports apart by hashes, which no compressor can shorten and which stand in the module and in its glue:
//! `__wbg_get_4848e350b40afc16` is shipped as `_get`, a second one as `_get1`. Functions that only the glue calls are exported under a letter.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, anyhow, ensure};
use wasm_encoder::reencode::{Error, Reencode};
use wasm_encoder::{ExportSection, ImportSection, Module};
use wasmparser::{ExportSectionReader, ExternalKind, ImportSectionReader, Parser, Payload};

/// Short names by the long ones.
pub type Names = BTreeMap<String, String>;

struct ForPhones<'a> {
    imports: &'a Names,
    exports: &'a Names,
}

impl Reencode for ForPhones<'_> {
    type Error = std::convert::Infallible;

    fn parse_import_section(
        &mut self,
        imports: &mut ImportSection,
        section: ImportSectionReader<'_>,
    ) -> Result<(), Error> {
        for import in section.into_imports() {
            let mut import = import?;
            import.name = self.imports.get(import.name).map_or(import.name, String::as_str);
            self.parse_import(imports, import)?;
        }
        Ok(())
    }

    fn parse_export_section(
        &mut self,
        exports: &mut ExportSection,
        section: ExportSectionReader<'_>,
    ) -> Result<(), Error> {
        for export in section {
            let mut export = export?;
            export.name = self.exports.get(export.name).map_or(export.name, String::as_str);
            // What tells wasm-bindgen of types stands in modules that it has not been over.
            if export.kind != ExternalKind::Global && !export.name.starts_with("__wbindgen_describe") {
                self.parse_export(exports, export)?;
            }
        }
        Ok(())
    }
}

/// Short names for the imports of a module, the same ones for every module with the same imports.
pub fn short_names(bytes: &[u8]) -> Result<Names> {
    let mut long = BTreeSet::new();
    for payload in Parser::new(0).parse_all(bytes) {
        if let Payload::ImportSection(section) = payload? {
            for import in section.into_imports() {
                long.insert(import?.name.to_owned());
            }
        }
    }
    let mut times = BTreeMap::new();
    let mut names = Names::new();
    for long in long {
        let word = word(&long);
        let time = times.entry(word.to_owned()).or_insert(0);
        let number = if *time == 0 { String::new() } else { time.to_string() };
        names.insert(long.clone(), format!("_{word}{number}"));
        *time += 1;
    }
    Ok(names)
}

/// One letter for each exported function that the glue calls, in the order of their names.
pub fn letters(bytes: &[u8], glue: &str) -> Result<Names> {
    let mut called = BTreeSet::new();
    for payload in Parser::new(0).parse_all(bytes) {
        if let Payload::ExportSection(section) = payload? {
            for export in section {
                let export = export?;
                if export.kind == ExternalKind::Func && calls(glue).any(|call| call == export.name) {
                    called.insert(export.name.to_owned());
                }
            }
        }
    }
    let letters = ('a'..='z').chain('A'..='Z').chain('À'..='ÿ');
    Ok(called.into_iter().zip(letters.map(String::from)).collect())
}

/// The exports that the glue reads.
fn calls(glue: &str) -> impl Iterator<Item = &str> {
    glue.split("wasm.").skip(1).map(|after| &after[..word_end(after)])
}

/// Where the identifier ends with which a text begins.
fn word_end(text: &str) -> usize {
    text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len())
}

/// An import's name without what wasm-bindgen adds to keep names apart: `__wbg_length_7f3c00c40364105e` is `length`, and
/// `__wbindgen_cast_0000000000000001` is `cast`.
fn word(name: &str) -> &str {
    let mut short = match name.rsplit_once('_') {
        Some((front, hash)) if hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) => front,
        _ => name,
    };
    for prefix in ["__wbg_", "__wbindgen_"] {
        short = short.strip_prefix(prefix).unwrap_or(short);
    }
    short
}

/// The glue with the short names in place of the long ones.
pub fn renamed(glue: &str, imports: &Names, exports: &Names) -> Result<String> {
    let mut parts = glue.split("wasm.");
    let mut glue = parts.next().unwrap_or_default().to_owned();
    for after in parts {
        let (word, rest) = after.split_at(word_end(after));
        glue.extend(["wasm.", exports.get(word).map_or(word, String::as_str), rest]);
    }
    for (long, short) in imports {
        let (before, after) = (format!("export function {long}("), format!("export function {short}("));
        ensure!(glue.contains(&before), "the glue has no function {long}");
        glue = glue.replace(&before, &after);
    }
    Ok(glue)
}

/// The same module with no exported global, and with these names of imports and exports.
pub fn for_phones(bytes: &[u8], imports: &Names, exports: &Names) -> Result<Vec<u8>> {
    let mut module = Module::new();
    ForPhones { imports, exports }
        .parse_core_module(&mut module, Parser::new(0), bytes)
        .map_err(|problem| anyhow!("the linked module cannot be read: {problem}"))?;
    Ok(module.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exported_globals_and_descriptions_go_and_everything_else_stays() {
        let module = wat::parse_str(
            r#"(module (global (export "g") i32 (i32.const 7)) (memory (export "memory") 1)
                 (func (export "f") (result i32) (global.get 0))
                 (func (export "__wbindgen_describe_f")))"#,
        )
        .unwrap();
        let text = export_names(&for_phones(&module, &Names::new(), &Names::new()).unwrap());
        assert_eq!(text, ["memory", "f"]);
    }

    #[test]
    fn imports_and_glue_get_the_same_short_names() {
        let module = wat::parse_str(
            r#"(module (import "./m.js" "__wbg_get_4848e350b40afc16" (func)) (import "./m.js" "__wbg_get_1234567890abcdef" (func))
                 (import "./m.js" "__wbg___wbindgen_is_null_0123456789abcdef" (func)) (import "./m.js" "__wbindgen_object_drop_ref" (func)))"#,
        )
        .unwrap();
        let names = short_names(&module).unwrap();
        let renamed_module = for_phones(&module, &names, &Names::new()).unwrap();
        wasmparser::Validator::new().validate_all(&renamed_module).unwrap();
        let short: Vec<String> = short_names(&renamed_module).unwrap().into_keys().collect();
        assert_eq!(short, ["_get", "_get1", "_is_null", "_object_drop_ref"]);
        let glue = names.keys().map(|long| format!("export function {long}() {{}}\n")).collect::<String>();
        assert_eq!(
            renamed(&glue, &names, &Names::new()).unwrap(),
            "export function _is_null() {}\nexport function _get() {}\nexport function _get1() {}\nexport function _object_drop_ref() {}\n"
        );
        assert!(renamed("", &names, &Names::new()).is_err());
    }

    #[test]
    fn exports_and_their_calls_get_the_same_letters() {
        let module = wat::parse_str(
            r#"(module (memory (export "memory") 1) (func (export "engine_rank")) (func (export "engine_rankAll")) (func (export "alone")))"#,
        )
        .unwrap();
        let glue = "wasm.engine_rankAll(1); f(wasm.engine_rank, wasm.memory); wasm = exports";
        let letters = letters(&module, glue).unwrap();
        assert_eq!(export_names(&for_phones(&module, &Names::new(), &letters).unwrap()), ["memory", "a", "b", "alone"]);
        assert_eq!(
            renamed(glue, &Names::new(), &letters).unwrap(),
            "wasm.b(1); f(wasm.a, wasm.memory); wasm = exports"
        );
    }

    fn export_names(bytes: &[u8]) -> Vec<String> {
        wasmparser::Validator::new().validate_all(bytes).unwrap();
        let mut names = Vec::new();
        for payload in Parser::new(0).parse_all(bytes) {
            if let wasmparser::Payload::ExportSection(section) = payload.unwrap() {
                names.extend(section.into_iter().map(|export| export.unwrap().name.to_owned()));
            }
        }
        names
    }
}
