//! The update: what is installed, what to fetch next, what to write.
//!
//! The ledger lies in two slots, each written in turn, so that a write cut off leaves the other; bundles likewise. A new bundle
//! goes into the slot that is not live and is complete before the ledger names it.

use alloc::string::String;
use alloc::vec::Vec;

use sha2::{Digest, Sha256};

use super::delta::apply_delta;
use super::manifest::{select_bundle, verify_manifest};
use super::root::Root;
use super::{ARMS, EngineVersion, MOST_INTEGER, SyncError};
use crate::bundle::MOST_BYTES;
use crate::codec::{Malformed, Reader, Writer, frame, frame_at, hex};

/// One of two places for a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// The file `bundle-0`.
    Zero,
    /// The file `bundle-1`.
    One,
}

impl Slot {
    /// Name of its file.
    pub const fn file(self) -> &'static str {
        match self {
            Self::Zero => "bundle-0",
            Self::One => "bundle-1",
        }
    }

    const fn other(self) -> Self {
        match self {
            Self::Zero => Self::One,
            Self::One => Self::Zero,
        }
    }
}

/// What a slot holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Where.
    pub slot: Slot,
    /// Version of the manifest that brought it.
    pub version: u64,
    /// Its bytes.
    pub length: u64,
    /// Its SHA-256.
    pub sha256: [u8; 32],
}

impl Stored {
    fn check(&self, bytes: &[u8]) -> Result<(), SyncError> {
        if u64::try_from(bytes.len()).ok() != Some(self.length) {
            return Err(SyncError::BundleLength { expected: self.length, found: bytes.len() });
        }
        if Sha256::digest(bytes).as_slice() == self.sha256 { Ok(()) } else { Err(SyncError::BundleHash) }
    }
}

/// Everything the update remembers between starts. It holds nothing about behaviour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ledger {
    sequence: u64,
    /// The lowest manifest version that is taken.
    pub floor: u64,
    /// The rollout arm of this device, 0 to 7.
    pub arm: u8,
    /// When the newest verified manifest expires, in milliseconds since the epoch; 0 before the first.
    pub expires_ms: u64,
    /// The bundle in use.
    pub live: Option<Stored>,
    /// The bundle that was in use before it.
    pub last_known_good: Option<Stored>,
    /// SHA-256 of the bundle whose contents were refused last; zeros before the first.
    pub refused: [u8; 32],
    /// Who refused it: another schema or engine may take it.
    pub refused_by: u64,
}

const MAGIC: &[u8; 4] = b"ZJU1";

impl Ledger {
    /// The ledger of a device that never synced. `draw` is random and decides the arm.
    pub const fn new(draw: u8) -> Self {
        Self {
            sequence: 0,
            floor: 0,
            arm: draw % ARMS,
            expires_ms: 0,
            live: None,
            last_known_good: None,
            refused: [0; 32],
            refused_by: 0,
        }
    }

    /// The newer of the two slots that are whole; `None` where none is.
    pub fn open(zero: Option<&[u8]>, one: Option<&[u8]>) -> Option<Self> {
        let read = |bytes: Option<&[u8]>| bytes.and_then(|bytes| Self::decode(bytes).ok());
        match (read(zero), read(one)) {
            (Some(a), Some(b)) => Some(if b.sequence > a.sequence { b } else { a }),
            (a, b) => a.or(b),
        }
    }

    /// The bytes of one slot: a frame, checksum included.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.raw(MAGIC);
        out.u64(self.sequence);
        out.u64(self.floor);
        out.u8(self.arm);
        out.u64(self.expires_ms);
        for stored in [&self.live, &self.last_known_good] {
            let Some(stored) = stored else {
                out.u8(0);
                continue;
            };
            out.u8(match stored.slot {
                Slot::Zero => 1,
                Slot::One => 2,
            });
            out.u64(stored.version);
            out.u64(stored.length);
            out.raw(&stored.sha256);
        }
        out.raw(&self.refused);
        out.u64(self.refused_by);
        frame(&out.into_bytes()).unwrap_or_default()
    }

    /// Reads one slot. Every ledger has one encoding and no other bytes decode to it.
    ///
    /// # Errors
    /// [`Malformed`] for anything else.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let (payload, end) = frame_at(bytes, 0).ok_or(Malformed)?;
        let mut input = Reader::new(payload);
        let magic = input.raw(4);
        input.expect(end == bytes.len() && magic == MAGIC);
        let ledger = Self {
            sequence: input.u64(),
            floor: input.u64(),
            arm: input.u8(),
            expires_ms: input.u64(),
            live: stored(&mut input),
            last_known_good: stored(&mut input),
            refused: digest(&mut input),
            refused_by: input.u64(),
        };
        let apart = match (&ledger.live, &ledger.last_known_good) {
            (Some(live), Some(last)) => live.slot != last.slot,
            (None, Some(_)) => false,
            _ => true,
        };
        input.expect(apart && ledger.arm < ARMS && ledger.floor <= MOST_INTEGER);
        input.close().map(|()| ledger)
    }
}

fn stored(input: &mut Reader<'_>) -> Option<Stored> {
    let slot = input.u8();
    input.expect(slot <= 2);
    let slot = match slot {
        1 => Slot::Zero,
        2 => Slot::One,
        _ => return None,
    };
    let (version, length) = (input.u64(), input.u64());
    Some(Stored { slot, version, length, sha256: digest(input) })
}

fn digest(input: &mut Reader<'_>) -> [u8; 32] {
    input.raw(32).try_into().unwrap_or_default()
}

/// A file to write whole, in the order given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Op {
    /// Name of the file.
    pub name: &'static str,
    /// Its new contents.
    pub bytes: Vec<u8>,
}

/// What to do after a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing: the bundle on offer is in use already, or its contents were refused before.
    Current,
    /// Fetch this and give it to [`Update::on_bundle`].
    Fetch {
        /// Where it is, relative to the manifest.
        path: String,
        /// Its bytes.
        length: u64,
        /// Its SHA-256, in hexadecimal.
        sha256: String,
        /// Version of the manifest that offers it.
        version: u64,
        /// A shorter way to it, where there is one.
        delta: Option<Delta>,
    },
}

/// A delta that makes a bundle out of the one in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delta {
    /// Where it is, relative to the manifest.
    pub path: String,
    /// The file of the bundle in use.
    pub base: &'static str,
}

/// A stored bundle that was loaded at start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened<T> {
    /// What the loader made of it.
    pub loaded: T,
    /// Version of the manifest that brought it.
    pub version: u64,
    /// Whether the live bundle was damaged and the one before it is used.
    pub fell_back: bool,
}

/// The state machine of one space.
#[derive(Clone, Debug)]
pub struct Update {
    ledger: Ledger,
    root: Root,
    /// The roots that were followed, framed one after the other: the file `root`.
    followed: Vec<u8>,
    space: String,
    engine: EngineVersion,
    reader: u64,
    /// What was asked for; its slot is chosen when it comes.
    wanted: Option<Stored>,
    ops: Vec<Op>,
}

impl Update {
    /// A state machine over what was stored. `reader` stands for all that decides about the contents of a bundle, the schema's text and
    /// the engine: what one reader refused, another may take. `embedded_floor` is the version of the bundle inside the code package, or 0.
    pub fn new(
        mut ledger: Ledger,
        root: Root,
        space: &str,
        engine: EngineVersion,
        reader: u64,
        embedded_floor: u64,
    ) -> Self {
        ledger.floor = ledger.floor.max(embedded_floor);
        let (space, followed, ops) = (String::from(space), Vec::new(), Vec::new());
        Self { ledger, root, followed, space, engine, reader, wanted: None, ops }
    }

    /// What is remembered now.
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Version of the bundle in use; 0 where there is none.
    pub fn version(&self) -> u64 {
        self.ledger.live.map_or(0, |live| live.version)
    }

    /// Whether the newest verified manifest has expired: no update has come through for long.
    pub const fn is_stale(&self, now_ms: u64) -> bool {
        self.ledger.expires_ms != 0 && now_ms >= self.ledger.expires_ms
    }

    /// Version of the root that is trusted now.
    pub const fn root_version(&self) -> u64 {
        self.root.version()
    }

    /// Files to write, in order, since the last call.
    pub fn take_ops(&mut self) -> Vec<Op> {
        core::mem::take(&mut self.ops)
    }

    /// Writes everything but the bundles again, after a write has failed.
    pub fn save_all(&mut self) {
        if self.ledger.sequence > 0 {
            self.save();
        }
        if !self.followed.is_empty() {
            self.save_root();
        }
    }

    fn save_root(&mut self) {
        self.ops.push(Op { name: "root", bytes: self.followed.clone() });
    }

    /// Writes the ledger although nothing changed: for the first start, so that the arm is kept.
    pub fn save(&mut self) {
        self.ledger.sequence = self.ledger.sequence.saturating_add(1);
        let name = if self.ledger.sequence.is_multiple_of(2) { "sync-0" } else { "sync-1" };
        self.ops.push(Op { name, bytes: self.ledger.encode() });
    }

    /// Loads the live bundle, or the last known good one where the live one is missing, damaged or refused by `load`.
    pub fn open_stored<T, E>(
        &mut self,
        zero: Option<&[u8]>,
        one: Option<&[u8]>,
        load: impl Fn(&[u8]) -> Result<T, E>,
    ) -> Option<Opened<T>> {
        let try_open = |stored: &Stored| {
            let bytes = match stored.slot {
                Slot::Zero => zero?,
                Slot::One => one?,
            };
            stored.check(bytes).ok()?;
            load(bytes).ok()
        };
        if let Some(live) = &self.ledger.live
            && let Some(loaded) = try_open(live)
        {
            return Some(Opened { loaded, version: live.version, fell_back: false });
        }
        // What cannot be opened is forgotten, so that the next manifest fetches it again.
        let last = self.ledger.last_known_good.take();
        let found = last.and_then(|stored| Some((stored, try_open(&stored)?)));
        let had_live = self.ledger.live.is_some();
        self.ledger.live = found.as_ref().map(|(stored, _)| *stored);
        if had_live {
            self.save();
        }
        found.map(|(stored, loaded)| Opened { loaded, version: stored.version, fell_back: true })
    }

    /// Takes a manifest. Once it is verified its version is the floor, whatever becomes of the bundle.
    ///
    /// # Errors
    /// As [`verify_manifest`], and [`SyncError::EngineTooOld`] where the bundle of this arm needs a newer engine.
    pub fn on_manifest(&mut self, bytes: &[u8], now_ms: u64) -> Result<Next, SyncError> {
        self.wanted = None;
        let manifest = verify_manifest(bytes, &self.root, &self.space, self.ledger.floor, now_ms, self.engine)?;
        let version = manifest.version();
        let entry = select_bundle(&manifest, self.ledger.arm);
        let mut news = (self.ledger.floor, self.ledger.expires_ms) != (version, manifest.expires_ms());
        (self.ledger.floor, self.ledger.expires_ms) = (version, manifest.expires_ms());
        let mut current = false;
        if let Some(live) = self.ledger.live.as_mut().filter(|live| live.sha256 == entry.sha256) {
            news |= live.version != version;
            live.version = version;
            current = true;
        }
        if news {
            self.save();
        }
        let known_bad = self.ledger.refused == entry.sha256 && self.ledger.refused_by == self.reader;
        if current || known_bad {
            return Ok(Next::Current);
        }
        if entry.min_engine > self.engine {
            return Err(SyncError::EngineTooOld { needed: entry.min_engine });
        }
        let sha256 = hex(&entry.sha256);
        let live = self.ledger.live.filter(|live| entry.deltas.contains(&live.sha256));
        let delta = live.map(|live| Delta {
            path: ["deltas/", &hex(&live.sha256), "-", &sha256, ".delta"].concat(),
            base: live.slot.file(),
        });
        self.wanted = Some(Stored { slot: Slot::Zero, version, length: entry.length, sha256: entry.sha256 });
        Ok(Next::Fetch { path: entry.path.clone(), length: entry.length, sha256, version, delta })
    }

    /// Takes the delta that [`Next::Fetch`] told of, and the bytes of its base, and goes on as [`Update::on_bundle`].
    ///
    /// # Errors
    /// [`SyncError::BundleHash`] where the delta makes nothing, or as [`Update::on_bundle`]. Unless `load` refused, the whole bundle may
    /// still be given.
    pub fn on_delta<T, E: From<SyncError>>(
        &mut self,
        base: &[u8],
        delta: &[u8],
        load: impl FnOnce(&[u8]) -> Result<T, E>,
    ) -> Result<T, E> {
        let made = apply_delta(base, delta, MOST_BYTES).map_err(|_| SyncError::BundleHash)?;
        self.on_bundle(&made, load)
    }

    /// Takes the bundle that [`Next::Fetch`] asked for. Length and hash are checked before `load` sees a byte; `load` opens,
    /// verifies and probes it, and whatever it refuses is not installed and not asked for again.
    ///
    /// # Errors
    /// [`SyncError::NotAsked`], [`SyncError::BundleLength`], [`SyncError::BundleHash`], or what `load` says. The live bundle stays.
    pub fn on_bundle<T, E: From<SyncError>>(
        &mut self,
        bytes: &[u8],
        load: impl FnOnce(&[u8]) -> Result<T, E>,
    ) -> Result<T, E> {
        let wanted = self.wanted.ok_or(SyncError::NotAsked)?;
        wanted.check(bytes)?;
        let loaded = match load(bytes) {
            Ok(loaded) => loaded,
            Err(refusal) => {
                self.ledger.refused = wanted.sha256;
                self.ledger.refused_by = self.reader;
                self.wanted = None;
                self.save();
                return Err(refusal);
            }
        };
        let live = self.ledger.live.take();
        let slot = live.map_or(Slot::Zero, |live| live.slot.other());
        self.ops.push(Op { name: slot.file(), bytes: bytes.to_vec() });
        self.ledger.live = Some(Stored { slot, ..wanted });
        self.ledger.last_known_good = live;
        self.wanted = None;
        self.save();
        Ok(loaded)
    }

    /// Follows the root by one; gives its version.
    ///
    /// # Errors
    /// As [`Root::next`]. The root that was trusted stays.
    pub fn on_root(&mut self, bytes: &[u8]) -> Result<u64, SyncError> {
        self.follow(bytes)?;
        self.save_root();
        Ok(self.root.version())
    }

    /// Follows what [`Update::on_root`] had stored, as strictly as if it came from the network. What does not follow is passed over: the
    /// code package may have come to a later root itself, and a file that was cut short is fetched again.
    pub fn open_root(&mut self, stored: &[u8]) {
        let mut at = 0;
        while let Some((root, end)) = frame_at(stored, at) {
            let _ = self.follow(root);
            at = end;
        }
    }

    fn follow(&mut self, bytes: &[u8]) -> Result<(), SyncError> {
        self.root = self.root.next(bytes)?;
        self.followed.extend(frame(bytes).unwrap_or_default());
        Ok(())
    }
}
