//! The one change made to a linked module: exported globals are taken out.
//!
//! Some iOS clients refuse a module that exports a global. The tool wasm-bindgen 0.2.129 exports two addresses
//! (`__abort_handler`, `__instance_terminated`) that the glue of a build that aborts on panic never reads.

use anyhow::{Result, anyhow};
use wasm_encoder::reencode::{Error, Reencode};
use wasm_encoder::{ExportSection, Module};
use wasmparser::{ExportSectionReader, ExternalKind, Parser};

struct WithoutGlobalExports;

impl Reencode for WithoutGlobalExports {
    type Error = std::convert::Infallible;

    fn parse_export_section(
        &mut self,
        exports: &mut ExportSection,
        section: ExportSectionReader<'_>,
    ) -> Result<(), Error> {
        for export in section {
            let export = export?;
            if export.kind != ExternalKind::Global {
                self.parse_export(exports, export)?;
            }
        }
        Ok(())
    }
}

/// The same module with no exported global.
pub fn without_exported_globals(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut module = Module::new();
    WithoutGlobalExports
        .parse_core_module(&mut module, Parser::new(0), bytes)
        .map_err(|problem| anyhow!("the linked module cannot be read: {problem}"))?;
    Ok(module.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exported_globals_go_and_everything_else_stays() {
        let module = wat::parse_str(
            r#"(module (global (export "g") i32 (i32.const 7)) (memory (export "memory") 1)
                 (func (export "f") (result i32) (global.get 0)))"#,
        )
        .unwrap();
        let text = export_names(&without_exported_globals(&module).unwrap());
        assert_eq!(text, ["memory", "f"]);
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
