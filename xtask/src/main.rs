//! `cargo xtask`: the project's own commands.
//!
//! A newcomer needs two of them, `demo` and `test`; each does whatever set-up is missing first.

mod bench;
mod brotli;
mod build;
mod catalogue;
mod demo;
mod examples;
mod gate;
mod locals;
mod order;
mod pack_npm;
mod process;
mod python;
mod setup;
mod stamp;
mod steps;
mod test;
mod wasm;
mod words;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use process::Workspace;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Set-up, builds, gates, tests and the demo of Zhiji")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Installs what is missing: Rust target, wasm tools, npm packages, Chromium.
    Setup,
    /// Builds the wasm modules and assembles pkg/ and miniprogram/miniprogram_npm/.
    Build,
    /// Checks the built files: wasm features, imports, exports, JavaScript identifiers, sizes.
    Gate,
    /// Runs every test: formatting, lints, native, browser, package, host, end to end.
    Test {
        /// Only the steps with this text in their names, on what was built last; may be given several times
        #[arg(long, value_name = "TEXT")]
        only: Vec<String>,
    },
    /// Builds everything, trains and signs a model, and opens the shop in a browser.
    Demo {
        /// Drive the shop in headless Chromium, print a transcript, and fail where it does not show what it should.
        #[arg(long)]
        headless: bool,
        /// Port of the local server.
        #[arg(long, default_value_t = 8123)]
        port: u16,
    },
    /// Measures what docs/benchmarks.md speaks of, beside other libraries, and writes a dated record.
    Bench(bench::Arguments),
    /// Runs the Python jobs of examples/ small, with Spark and PyTorch; installs those on first use, into target/.
    CheckExamples,
    /// Packs the built packages with WeChat's own "build npm"; installs it (over a thousand npm packages) on first use.
    CheckPacknpm,
    /// Holds the product to its quality protocols on a data set (docs/quality.md).
    Quality {
        /// Folder with items.tsv and splits/.
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
        /// Protocols, comma-separated: A, B, C, C2, D, E; all that the data have, if not given.
        #[arg(long, value_name = "NAMES")]
        protocol: Option<String>,
        /// Decides every draw.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Where results, bundles and lab directories are written.
        #[arg(long, value_name = "DIR", default_value = "target/quality")]
        out: PathBuf,
        /// Further options of `zhiji quality`, after `--`.
        #[arg(last = true)]
        options: Vec<String>,
    },
    /// Writes the demo shop's catalogue: shards, their index, and items.jsonl for the lab.
    Catalogue {
        /// Folder to write into.
        dir: PathBuf,
        /// The same seed gives the same goods on every machine.
        #[arg(long, default_value_t = catalogue::SEED)]
        seed: u64,
    },
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("\nerror: {problem:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let workspace = Workspace::find()?;
    match &arguments.command {
        Command::Setup => setup::all(&workspace).map(drop),
        Command::Build => {
            let tools = setup::for_build(&workspace)?;
            build::all(&workspace, &tools)
        }
        Command::Test { only } => test::all(&workspace, only),
        Command::Gate => {
            setup::for_build(&workspace)?;
            gate::all(&workspace)
        }
        Command::Demo { headless, port } => demo::run_demo(&workspace, *headless, *port),
        Command::Bench(arguments) => bench::all(&workspace, arguments),
        Command::CheckExamples => examples::check(&workspace),
        Command::CheckPacknpm => pack_npm::check(&workspace),
        Command::Quality { data, protocol, seed, out, options } => {
            // Cargo runs in the root of the checkout; paths were typed where the caller is.
            let here = std::env::current_dir()?;
            let mut zhiji = workspace.command("cargo");
            zhiji.args(["run", "--release", "--quiet", "-p", "zhiji-cli", "--", "quality"]);
            zhiji.arg(here.join(data)).arg("--out").arg(here.join(out)).arg("--seed").arg(seed.to_string());
            if let Some(protocol) = protocol {
                zhiji.arg("--protocol").arg(protocol);
            }
            process::run(zhiji.args(options))
        }
        Command::Catalogue { dir, seed } => {
            let written = catalogue::write_catalogue(dir, *seed)?;
            println!(
                "{} goods of {} categories in {} shards, {} bytes",
                written.items, written.categories, written.shards, written.bytes
            );
            Ok(())
        }
    }
}
