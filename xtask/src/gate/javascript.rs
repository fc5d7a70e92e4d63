//! What JavaScript may name; the reading is done by `xtask/gate/identifiers.mjs` and `xtask/gate/globals.mjs` with a real parser.

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::process::Workspace;

/// Everything in shipped files that a phone does not have, as sentences.
pub fn check(workspace: &Workspace, files: &[PathBuf]) -> Result<Vec<String>> {
    findings_of(workspace, "xtask/gate/identifiers.mjs", files)
}

/// Every global in wasm-bindgen's glue that could lead out of the module, as sentences.
pub fn check_glue(workspace: &Workspace, files: &[PathBuf]) -> Result<Vec<String>> {
    findings_of(workspace, "xtask/gate/globals.mjs", files)
}

fn findings_of(workspace: &Workspace, script: &str, files: &[PathBuf]) -> Result<Vec<String>> {
    let output = workspace.node(script).args(files).output()?;
    let lines: Vec<String> = String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
    match (output.status.code(), lines.is_empty()) {
        (Some(0), true) | (Some(1), false) => Ok(lines),
        _ => bail!("{script} did not work: {}", String::from_utf8_lossy(&output.stderr)),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn findings(text: &str) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("planted.js");
        fs::write(&file, text).unwrap();
        let prefix = format!("{}:1: ", file.display());
        let found = check(&Workspace::find().unwrap(), &[file]).unwrap();
        found.into_iter().map(|line| line.strip_prefix(&prefix).unwrap_or(&line).to_owned()).collect()
    }

    #[test]
    fn allowed_names_texts_and_comments_pass() {
        assert_eq!(
            findings(
                "'use strict'; // WebAssembly, fetch\n\
                 const text = 'fetch eval TextDecoder [object Function] import.meta'\n\
                 module.exports = async (a) => WXWebAssembly.instantiate(a.path, { [text]: `BigInt` })"
            ),
            [""; 0]
        );
    }

    #[test]
    fn every_forbidden_name_is_found() {
        let names = [
            "WebAssembly",
            "TextDecoder",
            "TextEncoder",
            "fetch",
            "BigInt",
            "FinalizationRegistry",
            "XMLHttpRequest",
            "WeakRef",
            "eval",
        ];
        let folder = tempfile::tempdir().unwrap();
        let mut planted = Vec::new();
        for name in names {
            for text in [
                format!("{name}('x')"),
                format!("var f = typeof {name}"),
                format!("globalThis.{name}"),
                format!("globalThis['{name}']"),
                format!("globalThis['{}' + '{}']", &name[..2], &name[2..]),
                format!("globalThis[`{name}`]"),
                format!("const {{ {name}: g }} = globalThis"),
                format!("const {{ {name} }} = globalThis"),
            ] {
                let file = folder.path().join(format!("{}.js", planted.len()));
                fs::write(&file, &text).unwrap();
                planted.push((file, text, name));
            }
        }
        let files: Vec<PathBuf> = planted.iter().map(|(file, ..)| file.clone()).collect();
        let found = check(&Workspace::find().unwrap(), &files).unwrap();
        for (file, text, name) in &planted {
            let file = format!("{}:", file.display());
            assert!(found.iter().any(|line| line.starts_with(&file) && line.ends_with(name)), "{text} was let through");
        }
    }

    #[test]
    fn glue_that_reaches_beyond_its_arguments_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("glue.js");
        let look = |text: &str| {
            fs::write(&file, text).unwrap();
            check_glue(&Workspace::find().unwrap(), std::slice::from_ref(&file)).unwrap()
        };
        let fine = "let wasm; export function __wbg_new_1() { const ret = new Object(); return [ret, wasm] }";
        assert_eq!(look(fine), [""; 0]);
        for name in [
            "Date",
            "Math",
            "Function",
            "globalThis",
            "self",
            "window",
            "crypto",
            "performance",
            "fetch",
            "Promise",
            "wx",
        ] {
            assert_eq!(
                look(&format!("export function __wbg_new_1() {{ return {name}.x }}")).len(),
                1,
                "{name} was let through"
            );
        }
    }

    #[test]
    fn code_made_from_text_is_found() {
        for text in [
            "new Function('return this')()",
            "Function('x')",
            "(function () {}).constructor('x')",
            "f['constructor']('x')",
        ] {
            assert!(!findings(text).is_empty(), "{text} was let through");
        }
    }

    #[test]
    fn syntax_after_es2017_and_module_syntax_are_found() {
        for text in [
            "import.meta.url",
            "import('x')",
            "import x from 'x'",
            "export default 1",
            "const a = { ...b }",
            "a?.b",
            "a ?? b",
            "1n",
            "try {} catch {}",
            "async function* f() {}",
            "/(?<=a)b/",
            "/a/s",
        ] {
            let found = findings(text);
            assert!(found.len() == 1 && found[0].starts_with("does not parse"), "{text}: {found:?}");
        }
    }
}
