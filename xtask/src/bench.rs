//! `cargo xtask bench`: what is built for it, what is installed for it, and what runs.
//!
//! The measuring itself is JavaScript, in `benches/`, because that is where the engine is called from. Other libraries are installed on the first
//! run, from a lock file of their own: neither test nor demo needs them. The trainer's part is Python, in `benches/train/`, because that is where the
//! other trainers are called from.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};

use crate::process::{Workspace, read, run, step};
use crate::stamp::Stamp;
use crate::test::with_browser;
use crate::{build, catalogue, python, setup};

/// What to measure, and where.
#[derive(Args)]
pub struct Arguments {
    /// What to measure; everything but `train` where none is named
    #[arg(value_enum)]
    sections: Vec<Section>,
    /// Where to measure; both where none is named
    #[arg(long, value_enum)]
    environment: Vec<Environment>,
    /// Only the workloads with this text in their names
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Rounds of each contender [default: 400; of `train` 5]
    #[arg(long)]
    rounds: Option<u32>,
    /// Prints the figures and leaves the records as they are
    #[arg(long)]
    dry_run: bool,
}

/// A part of the benchmarks.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Section {
    /// The five workloads beside other libraries.
    Score,
    /// The fold, the personal head, a recorded event.
    Fold,
    /// A ranking through the package's own interface, in Node; sizes.
    Page,
    /// A cold start in Chromium, beside other libraries; memory.
    Start,
    /// How costs grow with candidates, events, items and the history, and a plot of it.
    Growth,
    /// The trainer beside Vowpal Wabbit and PyTorch. Installs both on first use, which may be gigabytes.
    Train,
}

impl Section {
    /// What is measured where nothing is named.
    const ALL: [Section; 5] = [Section::Score, Section::Fold, Section::Page, Section::Start, Section::Growth];

    const fn name(self) -> &'static str {
        match self {
            Section::Score => "score",
            Section::Fold => "fold",
            Section::Page => "page",
            Section::Start => "start",
            Section::Growth => "growth",
            Section::Train => "train",
        }
    }
}

/// Where JavaScript runs.
#[derive(Clone, Copy, ValueEnum)]
enum Environment {
    /// Headless Chromium.
    Chromium,
    /// Node.
    Node,
}

/// Builds, installs and measures.
pub fn all(workspace: &Workspace, arguments: &Arguments) -> Result<()> {
    let sections = if arguments.sections.is_empty() { &Section::ALL[..] } else { &arguments.sections };
    if sections.contains(&Section::Train) {
        train(workspace, arguments)?;
    }
    let sections: Vec<&Section> = sections.iter().filter(|section| **section != Section::Train).collect();
    if sections.is_empty() {
        return Ok(());
    }
    let (tools, browser) = setup::all(workspace)?;
    let module = build::for_benches(workspace)?;
    peers(workspace)?;
    let kernels = kernels(workspace)?;
    for section in sections {
        if *section == Section::Page {
            build::all(workspace, &tools)?;
        }
        for environment in environments(arguments) {
            // The phone of the package's tests is Node's, and a page that is opened is a browser's.
            let other = match section {
                Section::Page => "chromium",
                Section::Start | Section::Growth => "node",
                Section::Score | Section::Fold | Section::Train => "",
            };
            if environment == other {
                continue;
            }
            let mut command = workspace.node("benches/score/run.mjs");
            command.args(["--section", section.name(), "--environment", environment]);
            command.args(["--rounds", &arguments.rounds.unwrap_or(400).to_string()]).arg("--module").arg(&module);
            if let Some(kernels) = &kernels {
                command.arg("--kernels").arg(kernels);
            }
            if let Some(only) = &arguments.only {
                command.args(["--only", only]);
            }
            if !arguments.dry_run {
                command.arg("--record").arg(workspace.path("benches/record"));
            }
            step(&format!("{}, {environment}", section.name()), || run(with_browser(&mut command, &browser)))?;
            if *section == Section::Growth && !arguments.dry_run {
                plot(workspace)?;
            }
        }
    }
    Ok(())
}

/// Simulated shoppers, and everyone that learns from them.
fn train(workspace: &Workspace, arguments: &Arguments) -> Result<()> {
    let python = python::with(workspace, "bench-python", &["numpy", "torch", "safetensors", "vowpalwabbit"])?;
    run(workspace.command("cargo").args(["build", "--quiet", "--release", "--package", "zhiji-cli"]))?;
    let zhiji = workspace.path("target/release").join(format!("zhiji{}", std::env::consts::EXE_SUFFIX));
    let folder = workspace.path("target/bench/train");
    step("simulated shoppers and their examples", || {
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder)?;
        catalogue::write_catalogue(&folder.join("goods"), catalogue::SEED)?;
        let schema = workspace.path("miniprogram/schema.js").display().to_string();
        let lab = |words: &[&str]| read(Command::new(&zhiji).args(words).current_dir(&folder)).map(drop);
        for (name, users) in [("shop", "600"), ("shop-4", "2400")] {
            let of = ["simulate", "--items", "goods/items.jsonl", "--schema", &schema];
            lab(&[&of[..], &["--users", users, "--days", "20", "--out", name]].concat())?;
            // What is measured on the way would be timed: no part is kept for it.
            let events = folder.join(name).join("events.csv");
            fs::write(&events, fs::read_to_string(&events)?.replace(",valid\n", ",test\n"))?;
        }
        lab(&[
            "features",
            "shop",
            "--label",
            "click",
            "--on",
            "train",
            "--recent",
            "20",
            "--out",
            "examples.safetensors",
        ])
    })?;
    let mut command = workspace.command(&python);
    command.arg("benches/train/run.py").arg("--zhiji").arg(&zhiji).arg("--data").arg(&folder);
    command.args(["--rounds", &arguments.rounds.unwrap_or(5).to_string()]);
    if let Some(only) = &arguments.only {
        command.args(["--only", only]);
    }
    if !arguments.dry_run {
        command.arg("--record").arg(workspace.path("benches/record"));
    }
    step("train, native", || run(&mut command))
}

fn environments(arguments: &Arguments) -> Vec<&'static str> {
    let both = [Environment::Node, Environment::Chromium];
    let wanted = if arguments.environment.is_empty() { &both[..] } else { &arguments.environment };
    wanted
        .iter()
        .map(|environment| match environment {
            Environment::Node => "node",
            Environment::Chromium => "chromium",
        })
        .collect()
}

/// Draws the newest record of growth beside it.
fn plot(workspace: &Workspace) -> Result<()> {
    let folder = workspace.path("benches/record");
    let mut records = Vec::new();
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if name.ends_with("-growth-chromium.jsonl") {
            records.push(path);
        }
    }
    let newest = records.into_iter().max().context("there is no record of growth")?;
    let mut cargo = workspace.command("cargo");
    cargo.args(["run", "--quiet", "--package", "zhiji-benches", "--bin", "plot-growth", "--"]);
    run(cargo.arg(&newest).arg(newest.with_extension("svg")))
}

/// Installs the libraries that are compared with.
fn peers(workspace: &Workspace) -> Result<()> {
    let folder = workspace.path("benches");
    let modules = folder.join("node_modules");
    Stamp::new(modules.join(".zhiji-stamp")).tree(&folder.join("package-lock.json"))?.unless_fresh(
        &[modules.join("onnxruntime-web")],
        || {
            step("npm ci in benches/ (other libraries, once)", || {
                let mut npm = workspace.command("npm");
                npm.args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(&folder);
                run(&mut npm).context("npm could not install what the benchmarks compare with")
            })
        },
    )?;
    Ok(())
}

/// Compiles the hand-written kernels in C, without and with vectors; none where there is no clang for WebAssembly.
fn kernels(workspace: &Workspace) -> Result<Option<PathBuf>> {
    if which::which("clang").is_err() || which::which("wasm-ld").is_err() {
        eprintln!("  no clang with wasm-ld: the C kernels are left out (Debian: apt-get install clang lld)");
        return Ok(None);
    }
    let (folder, source) = (workspace.path("target/bench/kernels"), workspace.path("benches/kernels/kernels.c"));
    fs::create_dir_all(&folder)?;
    for (name, vectors) in [("mvp", None), ("simd", Some("-msimd128"))] {
        let wasm = folder.join(name).with_extension("wasm");
        Stamp::new(folder.join(format!(".stamp-{name}")))
            .text(include_str!("bench.rs"))
            .tree(&source)?
            .unless_fresh(std::slice::from_ref(&wasm), || clang(workspace, &source, vectors, &wasm))?;
    }
    Ok(Some(folder))
}

fn clang(workspace: &Workspace, source: &Path, vectors: Option<&str>, wasm: &Path) -> Result<()> {
    let mut clang = workspace.command("clang");
    clang.args(["--target=wasm32", "-O3", "-fno-math-errno", "-nostdlib", "-mno-bulk-memory", "-mno-sign-ext"]);
    clang.args(vectors).args(["-Wl,--no-entry", "-Wl,--export-all", "-o"]).arg(wasm).arg(source);
    run(&mut clang)
}
