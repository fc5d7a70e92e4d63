//! Signing keys.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use sha2::{Digest, Sha256};

use super::files::RoleKey;

/// What `zhiji keys` does.
#[derive(Subcommand)]
pub enum Command {
    /// Make a root key and a manifest key.
    #[command(after_help = "Example:\n  zhiji keys new --out keys\n  zhiji root init --keys keys\n\n\
        Keep the folder out of version control. The root key signs roots only: move root.key.json to a machine without a network.")]
    New {
        /// The folder for root.key.json and manifest.key.json.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Derive the keys from this text. Anyone who knows it can sign: for tests and demonstrations only.
        #[arg(long, value_name = "TEXT")]
        insecure_seed: Option<String>,
    },
    /// Show the ids and public keys of a folder.
    List {
        /// The folder with the keys.
        #[arg(long, value_name = "DIR")]
        keys: PathBuf,
    },
}

/// Runs `zhiji keys`.
pub fn run(command: Command) -> Result<()> {
    match command {
        Command::New { out, insecure_seed } => {
            fs::create_dir_all(&out).with_context(|| format!("{} cannot be made", out.display()))?;
            for role in ["root", "manifest"] {
                if out.join(format!("{role}.key.json")).exists() {
                    bail!("{} holds a {role} key already: give another folder, or move it away", out.display());
                }
            }
            for role in ["root", "manifest"] {
                let key = match &insecure_seed {
                    Some(seed) => RoleKey::of(Sha256::digest(format!("zhiji test key\n{role}\n{seed}")).into()),
                    None => RoleKey::random()?,
                };
                key.write(&out, role)?;
                println!("{role}: {}", key.id);
            }
            if insecure_seed.is_some() {
                eprintln!("these keys follow from a text and protect nothing: never publish with them");
            }
        }
        Command::List { keys } => {
            for role in ["root", "manifest"] {
                let key = RoleKey::read(&keys, role)?;
                println!("{role}: {} {}", key.id, key.public);
            }
        }
    }
    Ok(())
}
