//! Publishing: a static tree that any CDN or object store can serve.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use zhiji::bundle;
use zhiji::sync::manifest::{ManifestPayload, RawEntry};
use zhiji::sync::{Context as Signed, EngineVersion, open_manifest, verify_manifest};

use super::files::{RoleKey, envelope, now_ms, roots, write_atomically};

/// Options of `zhiji publish`.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  zhiji publish --bundle model.safetensors --space shop --keys keys --out site\n  \
    zhiji publish --bundle old.safetensors --share 875 --bundle new.safetensors --share 125 \\\n      --space shop --version 7 --keys keys --out site   # one device in eight takes the new one\n\n\
    Bundles are written first and manifest.json last, each moved into place whole: a phone never sees half a publication.")]
pub struct Args {
    /// A bundle made by `zhiji train`; give it several times for a rollout.
    #[arg(long, value_name = "FILE", required = true)]
    bundle: Vec<PathBuf>,
    /// Share of all devices for each --bundle, per mille: multiples of 125 that add up to 1000.
    #[arg(long, value_name = "PER_MILLE")]
    share: Vec<u16>,
    /// The space of the mini-program's schema.
    #[arg(long)]
    space: String,
    /// Version of the publication, above the one in the tree [default: the tree's and one more].
    #[arg(long)]
    version: Option<u64>,
    /// The folder with manifest.key.json and the roots.
    #[arg(long, value_name = "DIR")]
    keys: PathBuf,
    /// The tree to publish into.
    #[arg(long, value_name = "TREE")]
    out: PathBuf,
    /// Days until phones stop installing it; what they have stays in use.
    #[arg(long, default_value_t = 30)]
    expires_days: u64,
    /// The oldest engine that may install it [default: this one].
    #[arg(long, value_name = "VERSION")]
    min_engine: Option<String>,
    /// Take this as the present, in milliseconds since the epoch.
    #[arg(long, hide = true)]
    now_ms: Option<u64>,
}

/// Runs `zhiji publish`.
pub fn run(args: Args) -> Result<()> {
    let now = now_ms(args.now_ms)?;
    let floor = published_version(&args.out)?;
    let version = args.version.unwrap_or(floor + 1);
    if version <= floor {
        bail!("the tree holds version {floor} and phones never go back: give --version {} or more", floor + 1);
    }
    let shares = shares(&args)?;
    let engine = args.min_engine.unwrap_or_else(|| EngineVersion::current().to_string());
    let (root, root_files) = roots(&args.keys)?;
    let key = RoleKey::read(&args.keys, "manifest")?;

    let mut bundles = Vec::new();
    let mut contents = Vec::new();
    for (path, share) in args.bundle.iter().zip(shares) {
        let bytes = fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
        bundle::load(&bytes, &args.space).map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?;
        let sha256 = sha256(&bytes);
        bundles.push(RawEntry {
            path: format!("bundles/{sha256}.safetensors"),
            length: u64::try_from(bytes.len())?,
            sha256,
            share,
            min_engine: engine.clone(),
        });
        contents.push(bytes);
    }
    let payload = ManifestPayload {
        space: args.space.clone(),
        version,
        created_ms: now,
        expires_ms: args
            .expires_days
            .checked_mul(86_400_000)
            .and_then(|span| now.checked_add(span))
            .context("--expires-days is too large")?,
        min_engine: engine,
        bundles,
    };
    let manifest = envelope(Signed::Manifest, serde_json::to_string(&payload)?, &[&key])?;
    // What a phone would refuse is not published; an engine newer than this one is no reason.
    verify_manifest(&manifest, &root, &args.space, version, now, EngineVersion(u32::MAX, 0, 0))?;

    for (index, bytes) in root_files.iter().enumerate() {
        write_atomically(&args.out.join(format!("{}.root.json", index + 1)), bytes)?;
    }
    for (entry, bytes) in payload.bundles.iter().zip(&contents) {
        write_atomically(&args.out.join(&entry.path), bytes)?;
    }
    write_atomically(&args.out.join("manifest.json"), &manifest)?;
    println!("version {version}, {} bundle(s), {}", payload.bundles.len(), args.out.join("manifest.json").display());
    Ok(())
}

fn shares(args: &Args) -> Result<Vec<u16>> {
    if args.share.is_empty() && args.bundle.len() == 1 {
        return Ok(vec![1000]);
    }
    let total: u32 = args.share.iter().copied().map(u32::from).sum();
    if args.share.len() != args.bundle.len() || total != 1000 || args.share.iter().any(|share| share % 125 != 0) {
        bail!("give one --share for each --bundle, multiples of 125 that add up to 1000, such as 875 and 125");
    }
    Ok(args.share.clone())
}

fn published_version(tree: &Path) -> Result<u64> {
    let path = tree.join("manifest.json");
    if !path.exists() {
        return Ok(0);
    }
    let bytes = fs::read(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    let (_, payload) = open_manifest(&bytes).map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?;
    Ok(payload.version)
}

/// SHA-256 in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
