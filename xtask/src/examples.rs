//! The Python jobs under `examples/`, run small: what they make must be a bundle that a phone takes, and the same examples.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::process::{Workspace, path_with, read, run, step};
use crate::{catalogue, python};

/// What the jobs import, as they were checked with. None of it is a dependency of the project.
const PACKAGES: [&str; 5] = ["numpy", "safetensors", "torch", "pyspark==4.0.1", "pyarrow"];
const USERS: &str = "40";

/// Installs the packages where they are missing, and runs every job on invented shoppers.
pub fn check(workspace: &Workspace) -> Result<()> {
    let python = python::with(workspace, "examples-python", &PACKAGES)?;
    run(workspace.command("cargo").args(["build", "--quiet", "--package", "zhiji-cli"]))?;
    let folder = workspace.path("target/examples");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;
    let zhiji = workspace.path("target/debug").join(format!("zhiji{}", std::env::consts::EXE_SUFFIX));
    let bin = zhiji.parent().context("a folder")?.to_path_buf();
    let lab = |arguments: &[&str]| read(Command::new(&zhiji).args(arguments).current_dir(&folder));
    let job = |program: &Path, arguments: &[&str]| {
        let mut command = Command::new(program);
        run(command.args(arguments).current_dir(&folder).env("PATH", path_with(&bin)?))
    };
    let script = |name: &str| workspace.path("examples").join(name).display().to_string();

    catalogue::write_catalogue(&folder.join("goods"), catalogue::SEED)?;
    let schema = workspace.path("miniprogram/schema.js").display().to_string();
    lab(&[
        "simulate",
        "--items",
        "goods/items.jsonl",
        "--schema",
        &schema,
        "--users",
        USERS,
        "--days",
        "15",
        "--out",
        "shop",
    ])?;

    step("examples/train_elsewhere.py", || {
        lab(&["features", "shop", "--label", "click", "--out", "all.safetensors"])?;
        job(&python, &[&script("train_elsewhere.py"), "all.safetensors", "alone.safetensors"])?;
        lab(&["pack", "alone.safetensors", "--probes", "all.safetensors", "--out", "alone-bundle.safetensors"])?;
        lab(&["evaluate", "shop", "--bundle", "alone-bundle.safetensors", "--rankings", "0"]).map(drop)
    })?;
    step("examples/torchrun_train.py, two processes", || {
        for shard in ["0/2", "1/2"] {
            let part = format!("part-{}.safetensors", &shard[..1]);
            lab(&["features", "shop", "--label", "click", "--shard", shard, "--out", &part])?;
        }
        let torchrun = python.with_file_name("torchrun");
        let script = script("torchrun_train.py");
        job(&torchrun, &["--nproc-per-node", "2", &script, "part-*.safetensors", "several.safetensors"])?;
        lab(&["pack", "several.safetensors", "--probes", "part-0.safetensors", "--out", "several-bundle.safetensors"])?;
        lab(&["evaluate", "shop", "--bundle", "several-bundle.safetensors", "--rankings", "0"]).map(drop)
    })?;
    step("examples/spark_features.py, three partitions", || {
        job(&python, &[&script("spark_features.py"), "shop/events.csv", "shop", "spark", "3"])?;
        lab(&["features", "shop", "--out", "all.parquet"])?;
        let count = "import sys, pyarrow.parquet as p; print(*(p.read_table(path).num_rows for path in sys.argv[1:]))";
        let counts = read(Command::new(&python).args(["-c", count, "all.parquet", "spark"]).current_dir(&folder))?;
        let counts: Vec<&str> = counts.split_whitespace().collect();
        ensure!(counts.len() == 2 && counts[0] == counts[1], "one command and Spark made {counts:?} examples");
        Ok(())
    })
}
