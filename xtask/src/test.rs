//! Every test of the project, in an order in which the cheap ones speak first.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use walkdir::WalkDir;

use crate::process::{Workspace, read, run, seconds};
use crate::setup::{self, Browser, Tools};
use crate::{build, gate};

const WASM: &str = "wasm32-unknown-unknown";

/// The steps that were run, and how each ended.
struct Report {
    /// Parts of the names of the steps that are wanted; every step is where there are none.
    only: Vec<String>,
    lines: Vec<String>,
    failed: usize,
}

impl Report {
    /// Runs a step if it is wanted; a failure is shown at once, counted, and does not keep the next step from running. Gives whether
    /// what builds on the step can go on.
    fn step(&mut self, name: &str, work: impl FnOnce() -> Result<()>) -> bool {
        if !self.only.is_empty() && !self.only.iter().any(|part| name.contains(part.as_str())) {
            return true;
        }
        eprintln!("\n▶ {name}");
        let start = Instant::now();
        let outcome = work();
        let time = seconds(start.elapsed());
        match &outcome {
            Ok(()) => self.lines.push(format!("✓ {name} ({time})")),
            Err(problem) => {
                eprintln!("{problem:#}");
                self.failed += 1;
                self.lines.push(format!("✗ {name} ({time})"));
            }
        }
        eprintln!("{}", self.lines.last().map_or("", String::as_str));
        outcome.is_ok()
    }

    fn finish(self) -> Result<()> {
        ensure!(!self.lines.is_empty(), "no step has a name with {} in it", self.only.join(" or "));
        let passed = self.lines.len() - self.failed;
        eprintln!("\n{}", self.lines.join("\n"));
        println!("{passed} passed, {} failed", self.failed);
        ensure!(self.failed == 0, "{} of {} steps failed", self.failed, self.lines.len());
        Ok(())
    }
}

/// Sets up, then runs every step, or those with one of these texts in their names.
pub fn all(workspace: &Workspace, only: Vec<String>) -> Result<()> {
    let (tools, browser) = setup::all(workspace)?;
    let mut report = Report { only, lines: Vec::new(), failed: 0 };

    report.step("formatting", || run(workspace.command("cargo").args(["fmt", "--all", "--check"])));
    report.step("lints", || clippy(workspace));
    report.step("licences, bans and sources of the crates", || deny(workspace));
    report.step("native tests", || native(workspace));
    report.step("examples in the documentation", || {
        run(workspace.command("cargo").args(["test", "--quiet", "--workspace", "--doc"]))
    });
    if report.step("builds", || build::all(workspace, &tools)) {
        report.step("gate", || gate::all(workspace));
        report.step("the engine in a browser", || browser_tests(workspace, &tools, &browser));
        report.step("the package", || node_tests(workspace, &browser, "tests/js"));
        report.step("types: the package", || types(workspace, "tests/ts"));
        report.step("types: the mini-program", || types(workspace, "miniprogram"));
        report.step("templates and styles, by WeChat's compilers", || {
            run(workspace.node("host/official/compile.mjs").arg("miniprogram"))
        });
        report.step("the browser host", || node_tests(workspace, &browser, "host/test"));
        report.step("the mini-program, end to end", || node_tests(workspace, &browser, "tests/e2e"));
    }
    report.finish()
}

fn clippy(workspace: &Workspace) -> Result<()> {
    let clippy = |arguments: &[&str]| {
        let mut command = workspace.command("cargo");
        run(command.args(["clippy", "--quiet"]).args(arguments).args(["--", "-D", "warnings"]))
    };
    clippy(&["--workspace", "--all-targets"])?;
    // The boundary and the SIMD kernels exist only there.
    clippy(&["--package", "zhiji", "--lib", "--target", WASM])
}

/// `cargo deny`, where it is installed; a continuous integration (`CI` is set) installs it.
fn deny(workspace: &Workspace) -> Result<()> {
    let root = setup::Tools::cache()?.join("tools");
    let found =
        || which::which("cargo-deny").ok().or_else(|| Some(root.join("bin/cargo-deny")).filter(|path| path.exists()));
    if found().is_none() && std::env::var_os("CI").is_some() {
        setup::install(workspace, &root, "cargo-deny", None)?;
    }
    let Some(program) = found() else {
        eprintln!("  cargo-deny is not installed; to run this check too: cargo install --locked cargo-deny");
        return Ok(());
    };
    run(workspace.command(&program).args(["--log-level", "error", "check", "licenses", "bans", "sources"]))?;
    // Advisories come from a data base that has to be downloaded.
    match read(workspace.command(&program).args(["fetch", "db"])) {
        Ok(_) => {
            run(workspace.command(&program).args(["--log-level", "error", "check", "--disable-fetch", "advisories"]))
        }
        Err(_) => {
            eprintln!("  the advisory data base cannot be reached: advisories are not checked");
            Ok(())
        }
    }
}

fn native(workspace: &Workspace) -> Result<()> {
    if which::which("cargo-nextest").is_ok() {
        let arguments = ["nextest", "run", "--workspace", "--status-level", "fail", "--final-status-level", "fail"];
        return run(workspace.command("cargo").args(arguments));
    }
    run(workspace.command("cargo").args(["test", "--workspace", "--lib", "--bins", "--tests"]))
}

/// Tests of the crate inside headless Chromium.
fn browser_tests(workspace: &Workspace, tools: &Tools, browser: &Browser) -> Result<()> {
    let mut command = workspace.command("wasm-pack");
    command
        .args(["test", "--headless", "--chrome", "--mode", "no-install", "--chromedriver"])
        .arg(&browser.chromedriver);
    command.arg("--");
    let mut found = 0;
    for entry in fs::read_dir(workspace.path("tests"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if let Some(name) = name.strip_suffix(".rs").filter(|name| name.starts_with("browser")) {
            command.args(["--test", name]);
            found += 1;
        }
    }
    ensure!(found > 0, "there is no tests/browser*.rs");

    // The runner takes the browser and its switches from a file in the folder of the crate.
    let capabilities = serde_json::json!({
        "goog:chromeOptions": {
            "binary": browser.chromium,
            "args": [
                "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
                "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
            ],
        },
    });
    fs::write(workspace.path("webdriver.json"), serde_json::to_string_pretty(&capabilities)?)?;
    command.env("CARGO_TARGET_DIR", workspace.path("target/wasm")).env("WASM_BINDGEN_TEST_TIMEOUT", "180");
    run(tools.on_path(&mut command)?)
}

/// The tests (`*.test.mjs`, `*.test.js`) below a folder, with Node's own runner.
fn node_tests(workspace: &Workspace, browser: &Browser, folder: &str) -> Result<()> {
    let files = files_ending(workspace, folder, &[".test.mjs", ".test.js", ".test.cjs"]);
    ensure!(!files.is_empty(), "there is no test in {folder}/");
    let mut command = workspace.command("node");
    command.args(["--test", "--test-reporter=spec"]).args(&files);
    run(with_browser(&mut command, browser))
}

/// Lets a Node script find the browser that set-up found.
pub fn with_browser<'c>(command: &'c mut Command, browser: &Browser) -> &'c mut Command {
    command.env("CHROMIUM", &browser.chromium).env("CHROMEDRIVER", &browser.chromedriver)
}

fn files_ending(workspace: &Workspace, folder: &str, endings: &[&str]) -> Vec<PathBuf> {
    let entries = WalkDir::new(workspace.path(folder)).sort_by_file_name().into_iter().filter_map(Result::ok);
    let paths = entries.map(walkdir::DirEntry::into_path);
    paths.filter(|path| endings.iter().any(|ending| path.to_string_lossy().ends_with(ending))).collect()
}

fn types(workspace: &Workspace, folder: &str) -> Result<()> {
    let project = workspace.path(folder).join("tsconfig.json");
    if !project.exists() {
        bail!("there is no {folder}/tsconfig.json");
    }
    run(workspace.npm_bin("tsc").args(["--noEmit", "-p"]).arg(project)).context("the type checker found something")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_step_is_counted_and_the_next_still_runs() {
        let mut report = Report { only: Vec::new(), lines: Vec::new(), failed: 0 };
        assert!(!report.step("bad", || bail!("no")));
        assert!(report.step("good", || Ok(())));
        assert_eq!((report.lines.len(), report.failed), (2, 1));
        assert!(report.finish().is_err());
        assert!(Report { only: Vec::new(), lines: vec!["✓".to_owned()], failed: 0 }.finish().is_ok());
    }

    #[test]
    fn a_folder_without_tests_is_a_failure() {
        let workspace = Workspace::find().unwrap();
        let browser = Browser { chromium: "none".into(), chromedriver: "none".into() };
        assert!(node_tests(&workspace, &browser, "xtask/allow").is_err());
        assert!(types(&workspace, "xtask/allow").is_err());
    }
}
