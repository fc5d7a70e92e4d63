//! WeChat's own "build npm" over the built packages: it must copy them unchanged.

use std::fs;

use anyhow::Result;

use crate::build;
use crate::process::{Workspace, run, step};
use crate::setup::{self, Tools};

/// WeChat's build tool as it was checked against. It is no dependency: it brings over a thousand packages.
const TOOL: &str = "miniprogram-ci@2.1.42";

/// Builds, installs the tool where it is missing, and packs both packages.
pub fn check(workspace: &Workspace) -> Result<()> {
    let tools = setup::for_build(workspace)?;
    build::all(workspace, &tools)?;
    let folder = Tools::cache()?.join(TOOL.replace('@', "-"));
    if !folder.join("node_modules/miniprogram-ci/package.json").exists() {
        step(&format!("npm install {TOOL} into {}", folder.display()), || {
            fs::create_dir_all(&folder)?;
            let mut command = workspace.command("npm");
            command.args([
                "install",
                "--no-save",
                "--ignore-scripts",
                "--no-audit",
                "--no-fund",
                "--loglevel=error",
                "--prefix",
            ]);
            run(command.arg(&folder).arg(TOOL))
        })?;
    }
    for package in ["pkg", "pkg/fallback"] {
        step(&format!("WeChat's packNpm: {package}"), || {
            run(workspace.node("host/official/pack-npm.mjs").arg(package).arg(&folder))
        })?;
    }
    Ok(())
}
