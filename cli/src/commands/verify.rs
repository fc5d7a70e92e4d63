//! Checks a tree as a phone would.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use zhiji::bundle;
use zhiji::codec::hex;
use zhiji::sync::delta::apply_delta;
use zhiji::sync::{EngineVersion, open_manifest, verify_manifest};

use super::files::{now_ms, roots};
use super::publish::sha256;

/// Options of `zhiji verify`.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  zhiji verify site\n  zhiji verify site --space shop")]
pub struct Args {
    /// The published tree.
    tree: PathBuf,
    /// The space it must be for [default: what its manifest says].
    #[arg(long)]
    space: Option<String>,
    /// Take this as the present, in milliseconds since the epoch.
    #[arg(long, hide = true)]
    now_ms: Option<u64>,
}

/// Runs `zhiji verify`.
pub fn run(args: Args) -> Result<()> {
    let (root, _) = roots(&args.tree)?;
    let path = args.tree.join("manifest.json");
    let bytes = fs::read(&path).with_context(|| format!("{} cannot be read: publish first", path.display()))?;
    let named = |code: &str, text: String| anyhow::anyhow!("{code}: {text}");
    let (_, payload) = open_manifest(&bytes).map_err(|error| named(error.code(), error.to_string()))?;
    let space = args.space.unwrap_or(payload.space);
    let manifest = verify_manifest(&bytes, &root, &space, 0, now_ms(args.now_ms)?, EngineVersion::current())
        .map_err(|error| named(error.code(), error.to_string()))?;
    println!("root {}, manifest {} for {space}: signed, current", root.version(), manifest.version());
    for entry in manifest.bundles() {
        let path = args.tree.join(&entry.path);
        let bytes = fs::read(&path).with_context(|| format!("{} cannot be read: publish again", path.display()))?;
        if u64::try_from(bytes.len())? != entry.length {
            bail!(
                "BUNDLE_LENGTH: {} has {} bytes instead of {}: publish again",
                path.display(),
                bytes.len(),
                entry.length
            );
        }
        if !entry.path.contains(&sha256(&bytes)) {
            bail!("BUNDLE_HASH: {} is not what was signed: publish again", path.display());
        }
        let bundle = bundle::load(&bytes, &space).map_err(|error| named(error.code(), error.to_string()))?;
        println!("{} ‰  {}  {} probes answered", entry.share, entry.path, bundle.probes());
        for from in &entry.deltas {
            let (from, to) = (hex(from), hex(&entry.sha256));
            let path = args.tree.join(format!("deltas/{from}-{to}.delta"));
            let delta = fs::read(&path).with_context(|| format!("{} cannot be read: publish again", path.display()))?;
            // The bundle that it builds on may have left the tree; phones have it.
            let Ok(base) = fs::read(args.tree.join(format!("bundles/{from}.safetensors"))) else { continue };
            if apply_delta(&base, &delta, bytes.len()).ok().as_ref() != Some(&bytes) {
                bail!("BUNDLE_HASH: {} does not make what was signed: publish again", path.display());
            }
            println!("        {} bytes from {from}", delta.len());
        }
    }
    Ok(())
}
