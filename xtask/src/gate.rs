//! Checks of the built files: what a phone cannot run, or the promise of privacy forbids, never leaves the build.

mod javascript;
mod module;
mod size;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use walkdir::WalkDir;

use crate::process::{Workspace, run, step};
use module::{AllowList, Level};

/// Folders whose content is uploaded with a mini-program.
const SHIPPED: [&str; 2] = ["pkg/miniprogram_dist", "pkg/fallback/miniprogram_dist"];

/// Runs every check and reports all findings together.
pub fn all(workspace: &Workspace) -> Result<()> {
    let mut findings = step("gate: wasm modules", || modules(workspace))?;
    findings.extend(step("gate: identifiers of the shipped JavaScript", || scripts(workspace))?);
    findings.extend(step("gate: globals of the wasm glue", || {
        // Which module the glue came from does not matter: the build insists that both have the same.
        javascript::check_glue(workspace, &[workspace.path("target/mini/mvp/zhiji_bg.js")])
    })?);
    findings.extend(step("gate: sizes", || size::check(workspace))?);
    if findings.is_empty() {
        return Ok(());
    }
    bail!("the built files break {} rule(s):\n  {}", findings.len(), findings.join("\n  "));
}

fn modules(workspace: &Workspace) -> Result<Vec<String>> {
    let allowed = AllowList::parse(&fs::read_to_string(workspace.path("xtask/allow/imports.txt"))?)?;
    let mut levels = Vec::new();
    let mut findings = Vec::new();
    for file in shipped(workspace, "br")? {
        // Only a file that says so may use SIMD; anything else is held to the oldest phones.
        let level = if file_name(&file).contains("simd") { Level::Simd } else { Level::Mvp };
        levels.push(level);
        for finding in module::check(&inflated(workspace, &file)?, level, &allowed) {
            findings.push(format!("{}: {finding}", file.display()));
        }
    }
    ensure!(
        levels.contains(&Level::Mvp) && levels.contains(&Level::Simd),
        "an MVP and a SIMD module should be in {}: run `cargo xtask build`",
        SHIPPED[0]
    );
    Ok(findings)
}

/// A shipped module as the client will see it: every module is shipped compressed.
fn inflated(workspace: &Workspace, file: &Path) -> Result<Vec<u8>> {
    let plain = workspace.path("target/mini").join(file_name(file)).with_extension("");
    run(workspace.node("xtask/gate/inflate.mjs").arg(file).arg(&plain))?;
    Ok(fs::read(&plain)?)
}

fn scripts(workspace: &Workspace) -> Result<Vec<String>> {
    let files = shipped(workspace, "js")?;
    ensure!(!files.is_empty(), "no JavaScript in {}: run `cargo xtask build`", SHIPPED[0]);
    javascript::check(workspace, &files)
}

/// The shipped files with one extension, in a fixed order.
fn shipped(workspace: &Workspace, extension: &str) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for folder in SHIPPED {
        for entry in WalkDir::new(workspace.path(folder)).sort_by_file_name() {
            let entry = entry.with_context(|| format!("{folder} is not built: run `cargo xtask build`"))?;
            if entry.file_type().is_file() && entry.path().extension().is_some_and(|found| found == extension) {
                files.push(entry.into_path());
            }
        }
    }
    Ok(files)
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
