//! Root files: whose signatures count.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use zhiji::sync::Context as Signed;
use zhiji::sync::root::{RawRole, RawRoles, Root, RootPayload};

use super::files::{RoleKey, envelope, roots, write_atomically};

/// What `zhiji root` does.
#[derive(Subcommand)]
pub enum Command {
    /// Write and sign 1.root.json, which goes into the code package.
    #[command(after_help = "Example:\n  zhiji keys new --out keys\n  zhiji root init --keys keys")]
    Init {
        /// The folder with the keys; 1.root.json is written there.
        #[arg(long, value_name = "DIR")]
        keys: PathBuf,
    },
    /// Replace keys: the next root is signed by the old and by the new root key.
    #[command(
        after_help = "Examples:\n  zhiji root rotate --keys keys              # a new manifest key\n  zhiji root rotate --keys keys --root-key   # a new root key as well\n\nThe old key files stay beside the new ones, named by the root they served."
    )]
    Rotate {
        /// The folder with the keys and roots.
        #[arg(long, value_name = "DIR")]
        keys: PathBuf,
        /// Replace the root key as well.
        #[arg(long)]
        root_key: bool,
    },
}

/// Runs `zhiji root`.
pub fn run(command: Command) -> Result<()> {
    match command {
        Command::Init { keys } => {
            let path = keys.join("1.root.json");
            if path.exists() {
                bail!("{} exists: use `zhiji root rotate` to replace keys", path.display());
            }
            let (root, manifest) = (RoleKey::read(&keys, "root")?, RoleKey::read(&keys, "manifest")?);
            let bytes = root_file(1, &root, &manifest, &[&root])?;
            Root::embedded(&bytes)?;
            write_atomically(&path, &bytes)?;
            println!("{}", path.display());
        }
        Command::Rotate { keys, root_key } => {
            let (trusted, files) = roots(&keys)?;
            let version = files.len();
            let old_root = RoleKey::read(&keys, "root")?;
            let new_manifest = RoleKey::random()?;
            let new_root = if root_key { Some(RoleKey::random()?) } else { None };
            let signer = new_root.as_ref().unwrap_or(&old_root);
            let mut signers = vec![&old_root];
            signers.extend(&new_root);
            let bytes = root_file(trusted.version() + 1, signer, &new_manifest, &signers)?;
            trusted.next(&bytes)?;
            replace(&keys, "manifest", version, &new_manifest)?;
            if let Some(key) = &new_root {
                replace(&keys, "root", version, key)?;
            }
            let path = keys.join(format!("{}.root.json", version + 1));
            write_atomically(&path, &bytes)?;
            println!("{}", path.display());
        }
    }
    Ok(())
}

fn replace(dir: &Path, role: &str, version: usize, key: &RoleKey) -> Result<()> {
    let current = dir.join(format!("{role}.key.json"));
    let kept = dir.join(format!("{role}.{version}.key.json"));
    fs::rename(&current, &kept).with_context(|| format!("{} cannot be moved", current.display()))?;
    key.write(dir, role)
}

fn root_file(version: u64, root: &RoleKey, manifest: &RoleKey, signers: &[&RoleKey]) -> Result<Vec<u8>> {
    let role = |key: &RoleKey| RawRole { keys: vec![key.id.clone()], threshold: 1 };
    let payload = RootPayload {
        version,
        keys: [root, manifest].into_iter().map(|key| (key.id.clone(), key.public.clone())).collect(),
        roles: RawRoles { root: role(root), manifest: role(manifest) },
    };
    envelope(Signed::Root, serde_json::to_string(&payload)?, signers)
}
