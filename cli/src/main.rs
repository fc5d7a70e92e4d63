//! The command `zhiji`: models are trained, measured, signed and published with it.

mod commands;
mod lab;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// What a shell gives for a program that Ctrl-C ended; here the checkpoint is written by then.
const STOPPED: u8 = 130;

/// The lab of Zhiji: train, measure, sign and publish the models that run inside the mini-program.
#[derive(Parser)]
#[command(
    name = "zhiji",
    version,
    arg_required_else_help = true,
    after_help = "A model's way, from data to phones:\n  zhiji import movielens ml-latest-small --split time --out films\n  \
        zhiji train films --label like --out like.safetensors\n  zhiji evaluate films --bundle like.safetensors --html like.html\n  \
        zhiji keys new --out keys && zhiji root init --keys keys\n  \
        zhiji publish --bundle like.safetensors --space movielens --keys keys --out site\n  zhiji verify site\n\n\
        `zhiji help COMMAND` has examples of each."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Turn a public data set, or tables of any shop, into a lab directory.
    #[command(subcommand)]
    Import(commands::import::Command),
    /// Invent seeded shoppers over a catalogue and write what they do.
    Simulate(commands::simulate::Args),
    /// Train a ranker on a lab directory.
    Train(Box<commands::train::Args>),
    /// Give a bundle a personal head whose prior fits its users.
    Head(commands::head::Args),
    /// Measure a bundle: forecasts, rankings of the whole catalogue, exposure.
    Evaluate(commands::evaluate::Args),
    /// Estimate from a log with propensities what another policy would have earned.
    Estimate(commands::estimate::Args),
    /// Hold the product to its quality protocols, on any data set laid out as docs/quality.md says.
    Quality(commands::quality::Args),
    /// Write examples as safetensors, Parquet or JSON lines, for trainers of any kind.
    Features(commands::features::Args),
    /// Make a bundle out of weights that any trainer has written.
    Pack(commands::pack::Args),
    /// Make and list signing keys.
    #[command(subcommand)]
    Keys(commands::keys::Command),
    /// Write the root file, which says whose signatures count, or rotate it.
    #[command(subcommand)]
    Root(commands::root::Command),
    /// Sign a manifest payload.
    #[command(subcommand)]
    Sign(commands::sign::Command),
    /// Add a bundle to a static tree that any CDN can serve.
    Publish(commands::publish::Args),
    /// Serve a folder to phones and simulators during development.
    Serve(commands::serve::Args),
    /// Check a published tree as a phone would.
    Verify(commands::verify::Args),
    /// Say what is in a bundle, a log, a manifest, a root or a wasm module.
    Inspect(commands::inspect::Args),
}

fn main() -> ExitCode {
    let Err(error) = run(Cli::parse().command) else { return ExitCode::SUCCESS };
    eprintln!("Error: {error:?}");
    if error.is::<lab::train::Stopped>() { ExitCode::from(STOPPED) } else { ExitCode::FAILURE }
}

fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Import(command) => commands::import::run(command),
        Command::Simulate(args) => commands::simulate::run(args),
        Command::Train(args) => commands::train::run(*args),
        Command::Head(args) => commands::head::run(args),
        Command::Evaluate(args) => commands::evaluate::run(args),
        Command::Estimate(args) => commands::estimate::run(args),
        Command::Quality(args) => commands::quality::run(args),
        Command::Features(args) => commands::features::run(args),
        Command::Pack(args) => commands::pack::run(args),
        Command::Keys(command) => commands::keys::run(command),
        Command::Root(command) => commands::root::run(command),
        Command::Sign(command) => commands::sign::run(command),
        Command::Publish(args) => commands::publish::run(args),
        Command::Serve(args) => commands::serve::run(args),
        Command::Verify(args) => commands::verify::run(args),
        Command::Inspect(args) => commands::inspect::run(args),
    }
}
