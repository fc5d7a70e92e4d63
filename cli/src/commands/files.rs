//! What several commands share: reading keys, writing files so that no reader ever sees half of one.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use ed25519_dalek::{Signer, SigningKey};
use serde::{Deserialize, Serialize};
use zhiji::codec::{hex, unhex};
use zhiji::sync::{self, Envelope, RawSignature, Root, key_id, signed_bytes};

/// A key file. It holds the secret and is readable by its owner alone.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    role: String,
    id: String,
    public: String,
    secret: String,
}

/// A key that signs for one role.
pub struct RoleKey {
    pub id: String,
    pub public: String,
    secret: SigningKey,
}

impl RoleKey {
    pub fn of(secret: [u8; 32]) -> Self {
        let secret = SigningKey::from_bytes(&secret);
        let public = secret.verifying_key().to_bytes();
        Self { id: key_id(&public), public: hex(&public), secret }
    }

    /// A key of the system's randomness.
    pub fn random() -> Result<Self> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(|error| anyhow::anyhow!("the system gives no randomness: {error}"))?;
        Ok(Self::of(secret))
    }

    pub fn read(dir: &Path, role: &str) -> Result<Self> {
        let path = dir.join(format!("{role}.key.json"));
        let text = fs::read_to_string(&path).with_context(|| {
            format!("{} cannot be read: make keys with `zhiji keys new --out {}`", path.display(), dir.display())
        })?;
        let file: KeyFile =
            serde_json::from_str(&text).with_context(|| format!("{} is no key file", path.display()))?;
        let mut secret = [0; 32];
        if !unhex(&file.secret, &mut secret) {
            bail!("{}: `secret` is not 64 hexadecimal digits", path.display());
        }
        let key = Self::of(secret);
        if file.role != role || file.id != key.id || file.public != key.public {
            bail!("{} contradicts itself: restore it from a copy", path.display());
        }
        Ok(key)
    }

    /// Writes the key file. An existing one is never overwritten.
    pub fn write(&self, dir: &Path, role: &str) -> Result<()> {
        let path = dir.join(format!("{role}.key.json"));
        let text = serde_json::to_string_pretty(&KeyFile {
            role: role.into(),
            id: self.id.clone(),
            public: self.public.clone(),
            secret: hex(&self.secret.to_bytes()),
        })?;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = match options.open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                bail!("{} exists and is not overwritten: give another folder, or move it away", path.display())
            }
            Err(error) => return Err(error).with_context(|| format!("{} cannot be written", path.display())),
        };
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        Ok(())
    }

    pub fn sign(&self, context: sync::Context, payload: &str) -> RawSignature {
        let signature = self.secret.sign(&signed_bytes(context, payload));
        RawSignature { key: self.id.clone(), sig: hex(&signature.to_bytes()) }
    }
}

/// Signs `payload` with every key and gives the file's bytes.
pub fn envelope(context: sync::Context, payload: String, keys: &[&RoleKey]) -> Result<Vec<u8>> {
    let signatures = keys.iter().map(|key| key.sign(context, &payload)).collect();
    Ok(serde_json::to_vec_pretty(&Envelope { payload, signatures })?)
}

/// Writes a file beside its place, to the disk, and moves it there.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().with_context(|| format!("{} names no file", path.display()))?);
    name.push(format!(".{}.tmp", std::process::id()));
    let beside = parent.join(name);
    let write = || -> std::io::Result<()> {
        fs::create_dir_all(parent)?;
        let mut file = File::create(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    write().with_context(|| format!("{} cannot be written", path.display()))
}

/// All roots of a folder, from `1.root.json` on, with the newest one trusted through the chain.
pub fn roots(dir: &Path) -> Result<(Root, Vec<Vec<u8>>)> {
    let path = |version: usize| dir.join(format!("{version}.root.json"));
    let first = fs::read(path(1)).with_context(|| {
        format!("{} cannot be read: make it with `zhiji root init --keys {}`", path(1).display(), dir.display())
    })?;
    let mut root = Root::embedded(&first).map_err(|error| anyhow::anyhow!("{}: {error}", path(1).display()))?;
    let mut files = vec![first];
    while path(files.len() + 1).exists() {
        let next = path(files.len() + 1);
        let bytes = fs::read(&next).with_context(|| format!("{} cannot be read", next.display()))?;
        root = root.next(&bytes).map_err(|error| anyhow::anyhow!("{}: {error}", next.display()))?;
        files.push(bytes);
    }
    Ok((root, files))
}

/// The time given, or this machine's clock, in milliseconds since the epoch.
pub fn now_ms(given: Option<u64>) -> Result<u64> {
    match given {
        Some(now) => Ok(now),
        None => Ok(u64::try_from(
            SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?.as_millis(),
        )?),
    }
}
