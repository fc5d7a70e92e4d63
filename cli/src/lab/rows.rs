//! Bad rows of an input: named, counted, and too many of them stop the command.

use anyhow::{Context as _, bail};
use std::path::Path;

/// How many bad rows are named in full.
const NAMED_MOST: u64 = 20;
/// Rows before which a share says nothing.
const ROWS_BEFORE_STOP: u64 = 1_000;

/// Counts the rows of all inputs of one command.
#[derive(Debug)]
pub struct Rows {
    most: f64,
    /// Rows read.
    pub read: u64,
    /// Rows left out.
    pub bad: u64,
}

impl Rows {
    /// Stops where more than `most` of the rows are bad.
    pub fn new(most: f64) -> Self {
        Self { most, read: 0, bad: 0 }
    }

    /// Counts a good row.
    pub fn good(&mut self) {
        self.read += 1;
    }

    /// Counts a bad row and names it on standard error.
    ///
    /// # Errors
    /// Where the share of bad rows can no longer be meant.
    pub fn report(&mut self, file: &Path, line: u64, reason: &str) -> anyhow::Result<()> {
        self.read += 1;
        self.bad += 1;
        if self.bad <= NAMED_MOST {
            eprintln!("{}:{line}: left out: {reason}", file.display());
        } else if self.bad == NAMED_MOST + 1 {
            eprintln!("further bad rows are only counted");
        }
        if self.read >= ROWS_BEFORE_STOP { self.check(file) } else { Ok(()) }
    }

    /// The last word on a file.
    ///
    /// # Errors
    /// Where more than the stated share of the rows so far was bad.
    pub fn check(&self, file: &Path) -> anyhow::Result<()> {
        if self.bad as f64 > self.most * self.read as f64 {
            bail!(
                "{}: {} of {} rows are bad, more than the allowed share of {}. Look at the rows named above; \
                 `--bad-rows` raises the share",
                file.display(),
                self.bad,
                self.read,
                self.most
            );
        }
        Ok(())
    }
}

/// Opens a file, with its name in the error.
pub fn open_file(path: &Path) -> anyhow::Result<std::io::BufReader<std::fs::File>> {
    let file = std::fs::File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(std::io::BufReader::with_capacity(1 << 18, file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_above_the_limit_stops() {
        let file = Path::new("events.csv");
        let mut rows = Rows::new(0.01);
        for _ in 0..99 {
            rows.good();
        }
        rows.report(file, 100, "no time").expect("one in a hundred is allowed");
        assert!(rows.check(file).is_ok());
        rows.report(file, 101, "no time").expect("too few rows to stop early");
        assert!(rows.check(file).is_err(), "two in 101 are more than one in a hundred");
    }

    #[test]
    fn a_hopeless_file_stops_early() {
        let mut rows = Rows::new(0.01);
        let stopped = (0..10_000).position(|line| rows.report(Path::new("x"), line, "bad").is_err());
        assert_eq!(stopped, Some(999));
    }
}
