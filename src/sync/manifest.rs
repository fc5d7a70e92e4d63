//! The manifest: what is on offer for one space.

use alloc::string::String;
use alloc::vec::Vec;

use serde::Serialize;

use super::root::Root;
use super::signature::{Context, Envelope};
use super::{ARMS, DELTAS_MOST, EngineVersion, MOST_INTEGER, SyncError};
use crate::bundle::MOST_BYTES;
use crate::codec::unhex;
use crate::json::{Fault, Faults, Json, Place};
use crate::words::{Words, words};

/// The payload of a manifest file.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ManifestPayload {
    /// The space it is for.
    pub space: String,
    /// Never goes back.
    pub version: u64,
    /// When it was made, in milliseconds since the epoch.
    pub created_ms: u64,
    /// When it stops being installed, in milliseconds since the epoch.
    pub expires_ms: u64,
    /// The oldest engine that may read on, as `major.minor.patch`.
    pub min_engine: String,
    /// One to eight bundles, whose shares are multiples of 125 and add up to 1000.
    pub bundles: Vec<RawEntry>,
}

impl ManifestPayload {
    /// Reads a payload. Keys that a later engine may know are passed over.
    ///
    /// # Errors
    /// [`SyncError::Malformed`].
    pub fn open(json: &str) -> Result<Self, SyncError> {
        Self::read(json).map_err(|fault| SyncError::unreadable(words!("payload"), fault))
    }

    fn read(json: &str) -> Result<Self, Fault> {
        let document = Json::open(json.as_bytes())?;
        let faults = Faults::default();
        let place = document.read(&faults);
        let listed = place.key("bundles");
        let mut bundles = Vec::new();
        for at in 0..listed.len() {
            bundles.push(RawEntry::read(listed.at(at)));
        }
        let payload = Self {
            space: place.key("space").text().into(),
            version: place.key("version").whole(u64::MAX),
            created_ms: place.key("createdMs").whole(u64::MAX),
            expires_ms: place.key("expiresMs").whole(u64::MAX),
            min_engine: place.key("minEngine").text().into(),
            bundles,
        };
        faults.close().map(|()| payload)
    }
}

/// One bundle of a manifest.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RawEntry {
    /// `bundles/<sha256>.safetensors`, relative to the manifest.
    pub path: String,
    /// Its bytes.
    pub length: u64,
    /// Its SHA-256, 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// Its share of all devices, per mille.
    pub share: u16,
    /// The oldest engine that can load it.
    pub min_engine: String,
    /// SHA-256 of older bundles from which `deltas/<older>-<sha256>.delta` makes this one; may be left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deltas: Vec<String>,
}

impl RawEntry {
    fn read(place: Place<'_>) -> Self {
        Self {
            path: place.key("path").text().into(),
            length: place.key("length").whole(u64::MAX),
            sha256: place.key("sha256").text().into(),
            share: u16::try_from(place.key("share").whole(u16::MAX.into())).unwrap_or(u16::MAX),
            min_engine: place.key("minEngine").text().into(),
            deltas: place.key("deltas").given().map(Place::texts).unwrap_or_default(),
        }
    }
}

/// A bundle on offer, by a manifest that was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundleEntry {
    /// Where it is, relative to the manifest.
    pub path: String,
    /// Its bytes.
    pub length: u64,
    /// Its SHA-256.
    pub sha256: [u8; 32],
    /// Its share of all devices, per mille.
    pub share: u16,
    /// The oldest engine that can load it.
    pub min_engine: EngineVersion,
    /// SHA-256 of the bundles from which a delta makes it.
    pub deltas: Vec<[u8; 32]>,
}

/// A manifest that its role has signed, for this space, of no older version, and not expired when it was verified.
#[derive(Clone, Debug)]
pub struct VerifiedManifest {
    version: u64,
    expires_ms: u64,
    /// At least one, as their shares add up to 1000.
    bundles: Vec<BundleEntry>,
}

impl VerifiedManifest {
    /// Its version.
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// When it stops being installed, in milliseconds since the epoch.
    pub const fn expires_ms(&self) -> u64 {
        self.expires_ms
    }

    /// All bundles, in order.
    pub fn bundles(&self) -> impl Iterator<Item = &BundleEntry> {
        self.bundles.iter()
    }
}

/// Reads an untrusted manifest and its payload, for looking at only.
///
/// # Errors
/// [`SyncError::Oversized`], [`SyncError::Malformed`].
pub fn open_manifest(bytes: &[u8]) -> Result<(Envelope, ManifestPayload), SyncError> {
    let envelope = Envelope::open(bytes)?;
    let payload = payload_of(&envelope)?;
    Ok((envelope, payload))
}

fn payload_of(envelope: &Envelope) -> Result<ManifestPayload, SyncError> {
    ManifestPayload::open(&envelope.payload)
}

/// Verifies a manifest. Nothing of the payload is read before its signatures hold.
///
/// `floor` is the larger of the stored and the embedded version floor; a manifest of exactly that version is taken.
///
/// # Errors
/// In this order: [`SyncError::Oversized`], [`SyncError::Malformed`], [`SyncError::Signature`], [`SyncError::WrongSpace`],
/// [`SyncError::EngineTooOld`], [`SyncError::Rollback`], [`SyncError::Expired`], [`SyncError::BundleOversized`].
pub fn verify_manifest(
    bytes: &[u8],
    root: &Root,
    space: &str,
    floor: u64,
    now_ms: u64,
    engine: EngineVersion,
) -> Result<VerifiedManifest, SyncError> {
    let envelope = Envelope::open(bytes)?;
    envelope.verify(Context::Manifest, root.manifest_role())?;
    let payload = payload_of(&envelope)?;
    if payload.space != space {
        return Err(SyncError::WrongSpace);
    }
    let needed = engine_version(words!("minEngine"), &payload.min_engine)?;
    if needed > engine {
        return Err(SyncError::EngineTooOld { needed });
    }
    if payload.version < floor {
        return Err(SyncError::Rollback { offered: payload.version, floor });
    }
    if payload.version == 0 || payload.version > MOST_INTEGER || payload.expires_ms > MOST_INTEGER {
        return Err(SyncError::malformed(words!("version"), words!("versions and times are between 1 and 2^53 - 1")));
    }
    if now_ms >= payload.expires_ms {
        return Err(SyncError::Expired { expires_ms: payload.expires_ms });
    }
    let (mut bundles, mut shares) = (Vec::new(), 0u32);
    for raw in &payload.bundles {
        bundles.push(entry(raw)?);
        shares += u32::from(raw.share);
    }
    if bundles.len() > usize::from(ARMS) || shares != 1000 {
        return Err(SyncError::malformed(
            words!("bundles"),
            words!("there are at most 8, whose shares add up to 1000"),
        ));
    }
    Ok(VerifiedManifest { version: payload.version, expires_ms: payload.expires_ms, bundles })
}

fn entry(raw: &RawEntry) -> Result<BundleEntry, SyncError> {
    let bad = |reason| Err(SyncError::malformed(words!("bundles"), reason));
    let mut sha256 = [0; 32];
    let mut whole = unhex(&raw.sha256, &mut sha256);
    let mut deltas = Vec::new();
    // What is beyond them is fetched whole.
    for from in raw.deltas.iter().take(DELTAS_MOST) {
        let mut base = [0; 32];
        whole &= unhex(from, &mut base);
        deltas.push(base);
    }
    if !whole {
        return bad(words!("sha256 has 64 lower-case hexadecimal digits"));
    }
    if raw.path != ["bundles/", &raw.sha256, ".safetensors"].concat() {
        return bad(words!("a path is bundles/<sha256>.safetensors"));
    }
    if raw.length == 0 || raw.length > u64::try_from(MOST_BYTES).unwrap_or(u64::MAX) {
        return Err(SyncError::BundleOversized { bytes: raw.length, most: MOST_BYTES });
    }
    if raw.share > 1000 || !raw.share.is_multiple_of(125) {
        return bad(words!("a share is a multiple of 125: there are eight arms"));
    }
    Ok(BundleEntry {
        path: raw.path.clone(),
        length: raw.length,
        sha256,
        share: raw.share,
        min_engine: engine_version(words!("bundles"), &raw.min_engine)?,
        deltas,
    })
}

fn engine_version(part: Words, text: &str) -> Result<EngineVersion, SyncError> {
    EngineVersion::parse(text).ok_or(SyncError::malformed(part, words!("an engine version is major.minor.patch")))
}

/// The bundle for a device of this arm.
///
/// The eight arms hold 125 per mille each, in the order of the list: with shares 875 and 125, arms 0 to 6 take the first bundle
/// and arm 7 the second. The arm is drawn once and kept, so whatever is rolled out over the years, fetching tells one of eight.
#[expect(clippy::indexing_slicing, reason = "a manifest that was verified has a bundle")]
pub fn select_bundle(manifest: &VerifiedManifest, arm: u8) -> &BundleEntry {
    let point = u32::from(arm % ARMS) * 125;
    let (mut at, mut end) = (0, 0);
    for (next, entry) in manifest.bundles.iter().enumerate() {
        if point >= end {
            at = next;
        }
        end += u32::from(entry.share);
    }
    &manifest.bundles[at]
}
