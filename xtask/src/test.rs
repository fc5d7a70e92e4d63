//! Every test of the project, in an order in which the cheap ones speak first.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use walkdir::WalkDir;

use crate::process::{Workspace, read, run, say};
use crate::setup::{self, Browser, Tools};
use crate::steps::{Step, run_steps};
use crate::{build, gate};

const WASM: &str = "wasm32-unknown-unknown";

/// What the steps that run cargo in `target/` share: it is locked by the first.
const TARGET: &str = "target/";

/// Sets up, then runs every step, or those with one of these texts in their names.
///
/// Three run side by side: what cargo does natively, and what is done with the built packages; most of the latter wait for a browser or use one
/// core.
pub fn all(workspace: &Workspace, only: &[String]) -> Result<()> {
    let (tools, browser) = setup::all(workspace)?;
    let (tools, browser) = (&tools, &browser);
    let cargo = |name, work: fn(&Workspace) -> Result<()>| Step::new(name, move || work(workspace)).uses(TARGET);
    let built = |name, work: fn(&Workspace, &Browser) -> Result<()>| {
        Step::new(name, move || work(workspace, browser)).after("builds")
    };
    let steps = vec![
        cargo("formatting", |workspace| run(workspace.command("cargo").args(["fmt", "--all", "--check"]))),
        Step::new("builds", || build::for_tests(workspace, tools)),
        cargo("lints", clippy),
        cargo("licences, bans and sources of the crates", deny),
        cargo("native tests", native),
        built("gate", |workspace, _| gate::all(workspace)),
        Step::new("the engine in a browser", || browser_tests(workspace, tools, browser)).after("builds"),
        built("the mini-program, end to end", |workspace, browser| node_tests(workspace, browser, "tests/e2e")),
        built("the package", |workspace, browser| node_tests(workspace, browser, "tests/js")),
        built("the browser host", |workspace, browser| node_tests(workspace, browser, "host/test")),
        built("types: the package", |workspace, _| types(workspace, "tests/ts")),
        built("types: the mini-program", |workspace, _| types(workspace, "miniprogram")),
        built("templates and styles, by WeChat's compilers", |workspace, _| {
            run(workspace.node("host/official/compile.mjs").arg("miniprogram"))
        }),
        cargo("examples in the documentation", |workspace| {
            run(workspace.command("cargo").args(["test", "--quiet", "--workspace", "--doc"]))
        }),
    ];
    run_steps(steps, only, 3)
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
        say("  cargo-deny is not installed; to run this check too: cargo install --locked cargo-deny");
        return Ok(());
    };
    run(workspace.command(&program).args(["--log-level", "error", "check", "licenses", "bans", "sources"]))?;
    // Advisories come from a data base that has to be downloaded.
    match read(workspace.command(&program).args(["fetch", "db"])) {
        Ok(_) => {
            run(workspace.command(&program).args(["--log-level", "error", "check", "--disable-fetch", "advisories"]))
        }
        Err(_) => {
            say("  the advisory data base cannot be reached: advisories are not checked");
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
    fn a_folder_without_tests_is_a_failure() {
        let workspace = Workspace::find().unwrap();
        let browser = Browser { chromium: "none".into(), chromedriver: "none".into() };
        assert!(node_tests(&workspace, &browser, "xtask/allow").is_err());
        assert!(types(&workspace, "xtask/allow").is_err());
    }
}
