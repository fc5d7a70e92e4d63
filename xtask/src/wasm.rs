//! What is changed in a linked module: exported globals are taken out, what only wasm-bindgen reads too, and imports get short names.
//!
//! Some iOS clients refuse a module that exports a global. The tool wasm-bindgen 0.2.129 exports two addresses
//! (`__abort_handler`, `__instance_terminated`) that the glue of a build that aborts on panic never reads.
//!
//! wasm-bindgen keeps the names of imports apart by hashes, which no compressor can shorten and which stand in the module and in its glue:
//! `__wbg_get_4848e350b40afc16` is shipped as `_get`, a second one as `_get1`.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, anyhow, ensure};
use wasm_encoder::reencode::{Error, Reencode};
use wasm_encoder::{ExportSection, ImportSection, Module};
use wasmparser::{ExportSectionReader, ExternalKind, ImportSectionReader, Parser, Payload};

/// Short names by the long ones.
type Names = BTreeMap<String, String>;

struct ForPhones<'a>(&'a Names);

impl Reencode for ForPhones<'_> {
    type Error = std::convert::Infallible;

    fn parse_import_section(
        &mut self,
        imports: &mut ImportSection,
        section: ImportSectionReader<'_>,
    ) -> Result<(), Error> {
        for import in section.into_imports() {
            let mut import = import?;
            import.name = self.0.get(import.name).map_or(import.name, String::as_str);
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
            let export = export?;
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
pub fn renamed(glue: &str, names: &Names) -> Result<String> {
    let mut glue = glue.to_owned();
    for (long, short) in names {
        let (before, after) = (format!("export function {long}("), format!("export function {short}("));
        ensure!(glue.contains(&before), "the glue has no function {long}");
        glue = glue.replace(&before, &after);
    }
    Ok(glue)
}

/// The same module with no exported global, and with these names of imports.
pub fn for_phones(bytes: &[u8], names: &Names) -> Result<Vec<u8>> {
    let mut module = Module::new();
    ForPhones(names)
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
        let text = export_names(&for_phones(&module, &Names::new()).unwrap());
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
        let renamed_module = for_phones(&module, &names).unwrap();
        wasmparser::Validator::new().validate_all(&renamed_module).unwrap();
        let short: Vec<String> = short_names(&renamed_module).unwrap().into_keys().collect();
        assert_eq!(short, ["_get", "_get1", "_is_null", "_object_drop_ref"]);
        let glue = names.keys().map(|long| format!("export function {long}() {{}}\n")).collect::<String>();
        assert_eq!(
            renamed(&glue, &names).unwrap(),
            "export function _is_null() {}\nexport function _get() {}\nexport function _get1() {}\nexport function _object_drop_ref() {}\n"
        );
        assert!(renamed("", &names).is_err());
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
