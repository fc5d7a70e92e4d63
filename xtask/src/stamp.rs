//! Skipping work whose inputs are the same as last time.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use walkdir::WalkDir;

/// A digest of everything that some piece of work depends on.
pub struct Stamp {
    file: PathBuf,
    digest: Sha256,
}

impl Stamp {
    /// A stamp kept in `file`.
    pub fn new(file: PathBuf) -> Self {
        Self { file, digest: Sha256::new() }
    }

    /// Adds a piece of text, such as a command line or a tool's version.
    pub fn text(mut self, text: &str) -> Self {
        self.digest.update((text.len() as u64).to_le_bytes());
        self.digest.update(text);
        self
    }

    /// Adds a file, or every file below a folder, with their names. Something that does not exist counts as empty.
    pub fn tree(mut self, path: &Path) -> Result<Self> {
        let entries = WalkDir::new(path)
            .sort_by_file_name()
            .into_iter()
            .filter_entry(|entry| entry.file_name() != "node_modules" && entry.file_name() != "target")
            .filter_map(Result::ok)
            .filter(|entry| entry.file_type().is_file());
        for entry in entries {
            let bytes = fs::read(entry.path()).with_context(|| format!("reading {}", entry.path().display()))?;
            self = self.text(&entry.path().strip_prefix(path)?.to_string_lossy());
            self.digest.update((bytes.len() as u64).to_le_bytes());
            self.digest.update(&bytes);
        }
        Ok(self)
    }

    /// Does the work unless the stamp is unchanged and every output is there. Returns whether it was done.
    pub fn unless_fresh(self, outputs: &[PathBuf], work: impl FnOnce() -> Result<()>) -> Result<bool> {
        let digest: String = self.digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        let unchanged = fs::read_to_string(&self.file).is_ok_and(|kept| kept == digest);
        if unchanged && outputs.iter().all(|output| output.exists()) {
            return Ok(false);
        }
        // A stamp must never outlive a failed run.
        if self.file.exists() {
            fs::remove_file(&self.file)?;
        }
        work()?;
        if let Some(folder) = self.file.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&self.file, digest)?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(folder: &Path, text: &str, output: &Path) -> bool {
        Stamp::new(folder.join("stamp"))
            .text(text)
            .tree(&folder.join("in"))
            .unwrap()
            .unless_fresh(&[output.to_owned()], || Ok(fs::write(output, "made")?))
            .unwrap()
    }

    #[test]
    fn work_is_done_again_only_when_an_input_changed_or_an_output_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("out");
        fs::create_dir(folder.path().join("in")).unwrap();
        fs::write(folder.path().join("in/a"), "1").unwrap();

        assert!(run(folder.path(), "v1", &output));
        assert!(!run(folder.path(), "v1", &output));
        fs::write(folder.path().join("in/a"), "2").unwrap();
        assert!(run(folder.path(), "v1", &output));
        assert!(run(folder.path(), "v2", &output));
        fs::remove_file(&output).unwrap();
        assert!(run(folder.path(), "v2", &output));
    }

    #[test]
    fn a_failed_run_leaves_no_stamp() {
        let folder = tempfile::tempdir().unwrap();
        let stamp = || Stamp::new(folder.path().join("stamp")).text("x");
        assert!(stamp().unless_fresh(&[], || Ok(())).unwrap());
        assert!(Stamp::new(folder.path().join("stamp")).text("y").unless_fresh(&[], || anyhow::bail!("no")).is_err());
        assert!(stamp().unless_fresh(&[], || Ok(())).unwrap());
    }
}
