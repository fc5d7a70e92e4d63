//! Signing a payload that was written by hand or by another tool.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Subcommand;
use zhiji::sync::Context as Signed;
use zhiji::sync::manifest::ManifestPayload;

use super::files::{RoleKey, envelope, write_atomically};

/// What `zhiji sign` does.
#[derive(Subcommand)]
pub enum Command {
    /// Sign the exact text of a manifest payload.
    #[command(
        after_help = "Example:\n  zhiji sign manifest payload.json --keys keys --out site/manifest.json\n\nGive --keys once for each signer where the root asks for more than one."
    )]
    Manifest {
        /// The payload: JSON with space, version, createdMs, expiresMs, minEngine and bundles.
        payload: PathBuf,
        /// A folder with manifest.key.json.
        #[arg(long, value_name = "DIR", required = true)]
        keys: Vec<PathBuf>,
        /// The signed file.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

/// Runs `zhiji sign`.
pub fn run(command: Command) -> Result<()> {
    let Command::Manifest { payload, keys, out } = command;
    let text = fs::read_to_string(&payload).with_context(|| format!("{} cannot be read", payload.display()))?;
    ManifestPayload::open(&text)
        .with_context(|| format!("{} is no manifest payload: see docs/bundle.md", payload.display()))?;
    let keys = keys.iter().map(|dir| RoleKey::read(dir, "manifest")).collect::<Result<Vec<_>>>()?;
    write_atomically(&out, &envelope(Signed::Manifest, text, &keys.iter().collect::<Vec<_>>())?)?;
    println!("{}", out.display());
    Ok(())
}
