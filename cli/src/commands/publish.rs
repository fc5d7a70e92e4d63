//! Publishing: a static tree that any CDN or object store can serve.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use zhiji::bundle;
use zhiji::sync::manifest::{ManifestPayload, RawEntry};
use zhiji::sync::{Context as Signed, DELTAS_MOST, EngineVersion, verify_manifest};

use super::delta::make_delta;
use super::files::{RoleKey, envelope, now_ms, roots, write_atomically};
use super::live::{Live, Next, manifest_copy};

/// Options of `zhiji publish`.
#[derive(clap::Args)]
#[command(
    group = clap::ArgGroup::new("what").required(true),
    after_help = "Examples:\n  zhiji publish --bundle model.safetensors --space shop --keys keys --out site --dry-run\n  \
    zhiji publish --bundle model.safetensors --space shop --keys keys --out site\n  \
    zhiji publish --bundle new.safetensors --stage 125 --space shop --keys keys --out site    # one device in eight takes it\n  \
    zhiji publish --bundle new.safetensors --stage 500 --space shop --keys keys --out site    # then half of them\n  \
    zhiji publish --bundle a.safetensors --share 500 --bundle b.safetensors --share 500 --space shop --keys keys --out site\n  \
    zhiji publish --rollback-to 6 --space shop --keys keys --out site    # version 6's bundles, as a new version\n\n\
    Bundles are written first and manifest.json last, each moved into place whole: a phone never sees half a publication.\n\
    Phones never go back to an older version: a rollback publishes what an older one held under the next number."
)]
pub struct Args {
    /// A bundle made by `zhiji train`; give it several times for arms.
    #[arg(long, value_name = "FILE", group = "what")]
    bundle: Vec<PathBuf>,
    /// Share of all devices for each --bundle, per mille: multiples of 125 that add up to 1000.
    #[arg(long, value_name = "PER_MILLE", requires = "bundle")]
    share: Vec<u16>,
    /// Give the one --bundle this share and leave the rest to what is live.
    #[arg(long, value_name = "PER_MILLE", requires = "bundle", conflicts_with = "share")]
    stage: Option<u16>,
    /// Publish the bundles and shares of this older version again, as a new one.
    #[arg(long, value_name = "VERSION", group = "what")]
    rollback_to: Option<u64>,
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
    /// Make deltas from the bundles of so many versions before; phones that have one of those fetch less.
    #[arg(long, default_value_t = 3, value_name = "VERSIONS")]
    deltas: u64,
    /// Days until phones stop installing it; what they have stays in use.
    #[arg(long, default_value_t = 30, value_name = "DAYS")]
    expires_days: u64,
    /// The oldest engine that may install it [default: this one].
    #[arg(long, value_name = "VERSION")]
    min_engine: Option<String>,
    /// Say what would change for phones, and write nothing.
    #[arg(long)]
    dry_run: bool,
    /// Take this as the present, in milliseconds since the epoch.
    #[arg(long, hide = true)]
    now_ms: Option<u64>,
}

/// A bundle to publish, with its bytes where they are not in the tree already.
struct Offer {
    entry: RawEntry,
    bytes: Option<Vec<u8>>,
}

/// Runs `zhiji publish`.
pub fn run(args: Args) -> Result<()> {
    let now = now_ms(args.now_ms)?;
    let live = Live::open(&args.out)?;
    let floor = live.version();
    let version = args.version.unwrap_or(floor + 1);
    if version <= floor {
        bail!("the tree holds version {floor} and phones never go back: give --version {} or more", floor + 1);
    }
    let engine = args.min_engine.clone().unwrap_or_else(|| EngineVersion::current().to_string());
    let (root, root_files) = roots(&args.keys)?;
    let key = RoleKey::read(&args.keys, "manifest")?;
    let mut offers = offers(&args, &live, &engine)?;
    let deltas = deltas(&args, &live, &mut offers)?;
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
        bundles: offers.iter().map(|offer| offer.entry.clone()).collect(),
    };
    let manifest = envelope(Signed::Manifest, serde_json::to_string(&payload)?, &[&key])?;
    // What a phone would refuse is not published; an engine newer than this one is no reason.
    verify_manifest(&manifest, &root, &args.space, version, now, EngineVersion(u32::MAX, 0, 0))?;

    let next = Next { payload: &payload, tree: &args.out, new: offers.iter().map(|o| o.bytes.as_deref()).collect() };
    print!("{}", live.difference(&next, now)?);
    for delta in &deltas {
        println!("  {} bytes instead of {}: {}", delta.bytes.len(), delta.instead_of, delta.path);
    }
    if args.dry_run {
        println!("nothing was written: leave out --dry-run to publish");
        return Ok(());
    }
    for (index, bytes) in root_files.iter().enumerate() {
        write_atomically(&args.out.join(format!("{}.root.json", index + 1)), bytes)?;
    }
    for offer in &offers {
        if let Some(bytes) = &offer.bytes {
            write_atomically(&args.out.join(&offer.entry.path), bytes)?;
        }
    }
    for delta in &deltas {
        write_atomically(&args.out.join(&delta.path), &delta.bytes)?;
    }
    // A copy under its number is what a later rollback reads; phones do not ask for it.
    write_atomically(&manifest_copy(&args.out, version), &manifest)?;
    write_atomically(&args.out.join("manifest.json"), &manifest)?;
    println!("version {version}, {} bundle(s), {}", payload.bundles.len(), args.out.join("manifest.json").display());
    Ok(())
}

/// What is to be offered: files, files beside what is live, or what an older version offered.
fn offers(args: &Args, live: &Live, engine: &str) -> Result<Vec<Offer>> {
    if let Some(version) = args.rollback_to {
        return live.older(version, &args.space)?.into_iter().map(|entry| in_tree(args, entry)).collect();
    }
    let mut own = Vec::new();
    for path in &args.bundle {
        let bytes = fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
        bundle::load(&bytes, &args.space).map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?;
        let sha256 = sha256(&bytes);
        let entry = RawEntry {
            path: format!("bundles/{sha256}.safetensors"),
            length: u64::try_from(bytes.len())?,
            sha256,
            share: 1000,
            min_engine: engine.to_string(),
            deltas: Vec::new(),
        };
        own.push(Offer { entry, bytes: Some(bytes) });
    }
    let Some(stage) = args.stage else {
        for (offer, share) in own.iter_mut().zip(shares(args)?) {
            offer.entry.share = share;
        }
        return Ok(own);
    };
    let (Some(mut staged), true) = (own.pop(), own.is_empty()) else { bail!("--stage goes with one --bundle") };
    if stage == 0 || stage > 1000 || !stage.is_multiple_of(125) {
        bail!("a stage is a multiple of 125 between 125 and 1000");
    }
    staged.entry.share = stage;
    if stage == 1000 {
        return Ok(vec![staged]);
    }
    let mut rest: Vec<RawEntry> = live.entries().filter(|entry| entry.sha256 != staged.entry.sha256).cloned().collect();
    let (Some(mut before), true) = (rest.pop(), rest.is_empty()) else {
        bail!("a stage needs exactly one other bundle that is live: give every --bundle with its --share")
    };
    before.share = 1000 - stage;
    // Arms are given out in the order of the list: what grows from the end takes no device back.
    Ok(vec![in_tree(args, before)?, staged])
}

/// A shorter way to a bundle.
struct Delta {
    path: String,
    bytes: Vec<u8>,
    instead_of: u64,
}

/// Makes deltas from what phones may have to what is offered, and names them in the offers. One that saves less than a third is not worth a request
/// that may be in vain.
fn deltas(args: &Args, live: &Live, offers: &mut [Offer]) -> Result<Vec<Delta>> {
    let mut older: Vec<String> = Vec::new();
    for version in (live.version().saturating_sub(args.deltas.saturating_sub(1))..=live.version()).rev() {
        // A tree need not keep every version.
        let entries = live.older(version, &args.space).unwrap_or_default();
        for entry in entries.into_iter().filter(|_| args.deltas > 0) {
            if !older.contains(&entry.sha256) {
                older.push(entry.sha256);
            }
        }
    }
    let mut made = Vec::new();
    for offer in offers {
        offer.entry.deltas.clear();
        let read = |sha256: &str| fs::read(args.out.join(format!("bundles/{sha256}.safetensors")));
        let target = match &offer.bytes {
            Some(bytes) => bytes.clone(),
            None => read(&offer.entry.sha256)?,
        };
        for from in older.iter().filter(|from| **from != offer.entry.sha256).take(DELTAS_MOST) {
            let Ok(base) = read(from) else { continue };
            let bytes = make_delta(&base, &target);
            if sha256(&base) == *from && bytes.len() * 3 <= target.len() * 2 {
                let path = format!("deltas/{from}-{}.delta", offer.entry.sha256);
                made.push(Delta { path, bytes, instead_of: offer.entry.length });
                offer.entry.deltas.push(from.clone());
            }
        }
    }
    Ok(made)
}

/// A bundle that the tree holds, checked as a phone would.
fn in_tree(args: &Args, entry: RawEntry) -> Result<Offer> {
    let path = args.out.join(&entry.path);
    let bytes = fs::read(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    if sha256(&bytes) != entry.sha256 {
        bail!("{} is not what its name says: publish it again from its file", path.display());
    }
    bundle::load(&bytes, &args.space).map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?;
    Ok(Offer { entry, bytes: None })
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

/// SHA-256 in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
