//! Python environments of jobs and benchmarks, under `target/`. Nothing in them is a dependency of the project.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::process::{Workspace, run, step};

/// The interpreter of an environment that has some packages: what `PYTHON` names, or one of our own, made on first use.
pub fn with(workspace: &Workspace, name: &str, packages: &[&str]) -> Result<PathBuf> {
    if let Some(named) = std::env::var_os("PYTHON").filter(|value| !value.is_empty()) {
        return Ok(PathBuf::from(named));
    }
    let folder = workspace.path("target").join(name);
    let python = folder.join("bin/python");
    if !folder.join(".installed").exists() {
        step(&format!("python3 -m venv, pip install {} (gigabytes with PyTorch)", packages.join(" ")), || {
            run(workspace.command("python3").args(["-m", "venv"]).arg(&folder))
                .context("install Python 3 with venv")?;
            run(Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args(packages))?;
            Ok(fs::write(folder.join(".installed"), "")?)
        })?;
    }
    Ok(python)
}
