//! The publication that phones find now, and how the next one differs from it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use zhiji::bundle;
use zhiji::sync::manifest::{ManifestPayload, RawEntry};
use zhiji::sync::{ARMS, open_manifest};

const DAY_MS: u64 = 86_400_000;

/// Where the tree keeps the manifest of a version.
pub fn manifest_copy(tree: &Path, version: u64) -> PathBuf {
    tree.join("manifests").join(format!("{version}.json"))
}

/// What a tree offers now.
pub struct Live {
    tree: PathBuf,
    payload: Option<ManifestPayload>,
}

/// What it is to offer.
pub struct Next<'a> {
    /// The payload.
    pub payload: &'a ManifestPayload,
    /// The tree.
    pub tree: &'a Path,
    /// For each bundle of the payload its bytes, where they are not in the tree.
    pub new: Vec<Option<&'a [u8]>>,
}

fn read(path: &Path) -> Result<ManifestPayload> {
    let bytes = fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
    Ok(open_manifest(&bytes).map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?.1)
}

/// The first digits of a hash: enough for a person to tell bundles apart.
fn short(sha256: &str) -> &str {
    sha256.get(..12).unwrap_or(sha256)
}

/// Which bundle each of the eight arms takes.
fn arms(bundles: &[RawEntry]) -> Vec<Option<&str>> {
    (0..u32::from(ARMS))
        .map(|arm| {
            let mut end = 0;
            let found = bundles.iter().find(|entry| {
                end += u32::from(entry.share);
                arm * 125 < end
            });
            found.map(|entry| entry.sha256.as_str())
        })
        .collect()
}

impl Live {
    /// Reads the tree's manifest; there may be none yet.
    ///
    /// # Errors
    /// Where there is one that cannot be read.
    pub fn open(tree: &Path) -> Result<Self> {
        let path = tree.join("manifest.json");
        let payload = if path.exists() { Some(read(&path)?) } else { None };
        Ok(Self { tree: tree.to_path_buf(), payload })
    }

    /// Its version; 0 where nothing was published.
    pub fn version(&self) -> u64 {
        self.payload.as_ref().map_or(0, |p| p.version)
    }

    /// Its bundles.
    pub fn entries(&self) -> impl Iterator<Item = &RawEntry> {
        self.payload.iter().flat_map(|p| &p.bundles)
    }

    /// The bundles of an older version.
    ///
    /// # Errors
    /// Where the tree has no copy of it, or it is of another space.
    pub fn older(&self, version: u64, space: &str) -> Result<Vec<RawEntry>> {
        let path = manifest_copy(&self.tree, version);
        if !path.exists() {
            let mut known: Vec<u64> = fs::read_dir(self.tree.join("manifests"))
                .map(|entries| entries.flatten().filter_map(|e| e.path().file_stem()?.to_str()?.parse().ok()).collect())
                .unwrap_or_default();
            known.sort_unstable();
            let known: Vec<String> = known.iter().map(u64::to_string).collect();
            bail!("the tree keeps no copy of version {version}; it has: {}", known.join(", "));
        }
        let payload = read(&path)?;
        if payload.space != space {
            bail!("version {version} was for the space {}", payload.space);
        }
        Ok(payload.bundles)
    }

    /// What would change for phones, in words.
    ///
    /// # Errors
    /// Where a bundle of the tree cannot be read.
    pub fn difference(&self, next: &Next<'_>, now_ms: u64) -> Result<String> {
        let mut text = String::new();
        let to = next.payload;
        match &self.payload {
            None => writeln!(text, "nothing is live; next is version {}", to.version)?,
            Some(live) => {
                let left = live.expires_ms.saturating_sub(now_ms) / DAY_MS;
                writeln!(text, "live is version {} ({left} days left); next is version {}", live.version, to.version)?;
                if live.space != to.space {
                    writeln!(
                        text,
                        "  space {} → {}: phones of {} find nothing here any more",
                        live.space, to.space, live.space
                    )?;
                }
                if live.min_engine != to.min_engine {
                    writeln!(text, "  oldest engine {} → {}", live.min_engine, to.min_engine)?;
                }
            }
        }
        let shares = |bundles: &[RawEntry]| {
            let mut sums: BTreeMap<String, u16> = BTreeMap::new();
            bundles.iter().for_each(|b| *sums.entry(b.sha256.clone()).or_default() += b.share);
            sums
        };
        let live = self.payload.as_ref().map_or(&[][..], |p| &p.bundles);
        let (before, after) = (shares(live), shares(&to.bundles));
        for (entry, new) in to.bundles.iter().zip(&next.new) {
            let was = before.get(&entry.sha256).copied().unwrap_or(0);
            let upload = new.is_some() && !next.tree.join(&entry.path).exists();
            let note = if upload { format!(", {} bytes to upload", entry.length) } else { String::new() };
            writeln!(text, "  {}  {was} ‰ → {} ‰{note}", short(&entry.sha256), entry.share)?;
        }
        for (sha256, was) in &before {
            if !after.contains_key(sha256) {
                writeln!(text, "  {}  {was} ‰ → withdrawn", short(sha256))?;
            }
        }
        let changed = arms(live).iter().zip(arms(&to.bundles)).filter(|(a, b)| *a != b).count() * 125;
        writeln!(text, "  {changed} ‰ of the devices get another bundle")?;
        if let (Some(old), Some(new)) = (live.first(), to.bundles.last())
            && old.sha256 != new.sha256
        {
            text += &self.models(old, new, next)?;
        }
        Ok(text)
    }

    /// What differs between the first bundle that is live and the last of the next ones.
    fn models(&self, old: &RawEntry, new: &RawEntry, next: &Next<'_>) -> Result<String> {
        let bytes_of = |entry: &RawEntry| {
            let given = next.payload.bundles.iter().zip(&next.new).find(|(e, _)| e.sha256 == entry.sha256);
            match given.and_then(|(_, bytes)| *bytes) {
                Some(bytes) => Ok(bytes.to_vec()),
                None => {
                    let path = self.tree.join(&entry.path);
                    fs::read(&path).with_context(|| format!("{} cannot be read", path.display()))
                }
            }
        };
        let (a, b) = (bytes_of(old)?, bytes_of(new)?);
        let mut text = format!("  from {} to {}:\n", short(&old.sha256), short(&new.sha256));
        writeln!(text, "    {} bytes → {}", a.len(), b.len())?;
        let tensors = |bytes: &[u8]| -> Result<BTreeMap<String, String>> {
            let tensors = bundle::tensors(bytes).map_err(|error| anyhow::anyhow!("{error}"))?;
            Ok(tensors.into_iter().map(|(name, dtype, shape)| (name, format!("{dtype} {shape:?}"))).collect())
        };
        let (a, b) = (tensors(&a)?, tensors(&b)?);
        for (name, shape) in &b {
            match a.get(name) {
                None => writeln!(text, "    {name}: new, {shape}")?,
                Some(was) if was != shape => writeln!(text, "    {name}: {was} → {shape}")?,
                Some(_) => {}
            }
        }
        for name in a.keys().filter(|name| !b.contains_key(*name)) {
            writeln!(text, "    {name}: no longer there")?;
        }
        Ok(text)
    }
}
