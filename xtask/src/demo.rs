//! The demo: everything from an empty checkout to a shop in the browser that learns.
//!
//! ```text
//! catalogue ─▶ simulated shoppers ─▶ two trained models ─▶ signed, published ─▶ target/demo/cdn     what a CDN would hold
//! miniprogram/ + the demo's root keys ─▶ target/demo/miniprogram ─▶ browser host ─▶ target/demo/site  what a phone would hold
//! ```

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use walkdir::WalkDir;

use crate::catalogue;
use crate::process::{Workspace, run, step};
use crate::setup;
use crate::stamp::Stamp;
use crate::test::with_browser;
use crate::{build, process};

/// Where the mini-program's pages look for shelves and models; the host maps it to a folder.
const ORIGIN: &str = "https://cdn.example.com";
const SPACE: &str = "shop";
/// Enough shoppers for weights that make sense, few enough for a minute of a small machine.
const SHOPPERS: &str = "1200";
const DAYS: &str = "20";

struct Demo<'w> {
    workspace: &'w Workspace,
    folder: PathBuf,
}

/// Sets up, builds, trains, publishes, and serves the shop; `headless` drives it instead of serving it to a person.
pub fn run_demo(workspace: &Workspace, headless: bool, port: u16) -> Result<()> {
    let (tools, browser) = setup::all(workspace)?;
    build::all(workspace, &tools)?;
    let demo = Demo { workspace, folder: workspace.path("target/demo") };
    fs::create_dir_all(&demo.folder)?;
    demo.lab_command()?;
    demo.shelves()?;
    demo.models()?;
    demo.publication()?;
    demo.mini_program()?;
    if headless {
        let mut command = workspace.node("tests/e2e/demo.mjs");
        command.arg("--demo").arg(&demo.folder).arg("--zhiji").arg(demo.zhiji());
        return run(with_browser(&mut command, &browser));
    }
    demo.serve(port)
}

impl Demo<'_> {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The command `zhiji`, compiled.
    fn zhiji(&self) -> PathBuf {
        self.workspace.path("target/lab/release").join(format!("zhiji{}", std::env::consts::EXE_SUFFIX))
    }

    fn lab_command(&self) -> Result<()> {
        let mut command = self.workspace.command("cargo");
        command
            .args(["build", "--release", "--package", "zhiji-cli", "--target-dir"])
            .arg(self.workspace.path("target/lab"));
        // The release profile is for small modules; the lab wants to be fast, and to be compiled fast.
        command.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "3").env("CARGO_PROFILE_RELEASE_LTO", "off");
        command.env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
        step("the command zhiji", || run(&mut command))
    }

    fn shelves(&self) -> Result<()> {
        let shop = self.path("cdn").join(SPACE);
        step("shelves: the catalogue in fixed shards", || {
            fs::create_dir_all(&shop)?;
            let written = catalogue::write_catalogue(&shop, catalogue::SEED)?;
            eprintln!("  {} goods of {} categories in {} shards", written.items, written.categories, written.shards);
            // The lab's copy is no file of a CDN.
            Ok(fs::rename(shop.join("items.jsonl"), self.path("items.jsonl"))?)
        })
    }

    /// Two models, so that a second one can arrive while the shop is open.
    fn models(&self) -> Result<()> {
        let models = ["model-1.safetensors", "model-2.safetensors"].map(|name| self.path(name));
        Stamp::new(self.path(".models"))
            .text(include_str!("demo.rs"))
            .tree(&self.workspace.path("src"))?
            .tree(&self.workspace.path("cli/src"))?
            .tree(&self.workspace.path("miniprogram/schema.js"))?
            .tree(&self.path("items.jsonl"))?
            .unless_fresh(&models, || {
                step("simulated shoppers (invented people, seeded)", || {
                    let schema = self.workspace.path("miniprogram/schema.js");
                    remove(&self.path("lab"))?;
                    let mut command = self.workspace.command(self.zhiji());
                    command.arg("simulate").arg("--items").arg(self.path("items.jsonl")).arg("--schema").arg(schema);
                    run(command
                        .args(["--users", SHOPPERS, "--days", DAYS, "--seed", "7", "--out"])
                        .arg(self.path("lab")))
                })?;
                for (model, hashed) in models.iter().zip(["category", "category,brand"]) {
                    let name = model.file_name().unwrap_or_default().to_string_lossy();
                    step(&format!("training {name}"), || {
                        let mut command = self.workspace.command(self.zhiji());
                        command
                            .arg("train")
                            .arg(self.path("lab"))
                            .args(["--label", "click", "--hashed", hashed, "--epochs", "6", "--out"]);
                        run(command.arg(model))
                    })?;
                }
                Ok(())
            })?;
        Ok(())
    }

    /// Fresh keys, the first root, and version 1 in the tree of the CDN.
    fn publication(&self) -> Result<()> {
        let keys = self.path("keys");
        let tree = self.path("cdn").join(SPACE);
        step("keys, signatures, publication of model 1", || {
            // The second run must begin where the first began: with one version published.
            for old in [keys.clone(), tree.join("manifest.json"), tree.join("bundles")] {
                remove(&old)?;
            }
            run(self.workspace.command(self.zhiji()).args(["keys", "new", "--out"]).arg(&keys))?;
            run(self.workspace.command(self.zhiji()).args(["root", "init", "--keys"]).arg(&keys))?;
            run(&mut self.publish("model-1.safetensors"))
        })
    }

    fn publish(&self, model: &str) -> Command {
        let mut command = self.workspace.command(self.zhiji());
        command.arg("publish").arg("--bundle").arg(self.path(model)).args(["--space", SPACE]);
        command.arg("--keys").arg(self.path("keys")).arg("--out").arg(self.path("cdn").join(SPACE));
        command
    }

    /// The shop with the demo's root of trust, as the browser host shows it.
    fn mini_program(&self) -> Result<()> {
        let copy = self.path("miniprogram");
        step("the mini-program in the browser host", || {
            remove(&copy)?;
            copy_tree(&self.workspace.path("miniprogram"), &copy)?;
            let root = fs::read_to_string(self.path("keys/1.root.json"))?;
            let text = serde_json::to_string(&root)?;
            fs::write(copy.join("root.js"), format!("// Written by `cargo xtask demo`.\nmodule.exports = {text}\n"))?;
            run(self.workspace.node("host/cli.mjs").arg("build").arg(&copy).arg(self.path("site")))
        })
    }

    fn serve(&self, port: u16) -> Result<()> {
        eprintln!("\nThe shop opens at the address below, in any browser; Ctrl-C ends it.");
        eprintln!(
            "While it is open, publish another model; it is taken at the next start:\n  {}\n",
            process::shown(&self.publish("model-2.safetensors"))
        );
        let mut command = self.workspace.node("host/cli.mjs");
        command.arg("serve").arg(self.path("site")).args(["--port", &port.to_string()]);
        command.arg("--origin").arg(format!("{ORIGIN}={}", self.path("cdn").display()));
        run(&mut command)
    }
}

fn remove(path: &Path) -> Result<()> {
    if path.is_dir() {
        fs::remove_dir_all(path).with_context(|| format!("removing {}", path.display()))?;
    } else if path.exists() {
        fs::remove_file(path).with_context(|| format!("removing {}", path.display()))?;
    }
    Ok(())
}

fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    for entry in WalkDir::new(from) {
        let entry = entry?;
        let target = to.join(entry.path().strip_prefix(from)?);
        if entry.file_type().is_dir() {
            fs::create_dir_all(&target)?;
        } else {
            fs::copy(entry.path(), &target).with_context(|| format!("copying {}", entry.path().display()))?;
        }
    }
    Ok(())
}
