//! Events of any order and number → sorted by user and time, in bounded memory.
//!
//! Rows wait in memory until there are [`RUN_ROWS`] of them; then they are sorted and written beside the data set as a run. At the end
//! the runs are merged. Events of one user at one time keep the order of the source.

use super::super::dataset::Row;
use anyhow::Context as _;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Lines, Seek as _, Write as _};
use std::path::PathBuf;

/// Rows of one run: about 100 MB of them.
const RUN_ROWS: usize = 400_000;

/// Numbers in their order, then words in theirs; then time.
type Key = (u64, String, i64);

fn key(row: &Row) -> Key {
    let number = row.user.parse().unwrap_or(u64::MAX);
    (number, row.user.clone(), row.at_ms)
}

/// Takes rows in any order.
pub struct Sorter {
    beside: PathBuf,
    run_rows: usize,
    rows: Vec<Row>,
    runs: Vec<File>,
    times: Vec<i64>,
    /// The first failure to write; it is reported at the end, so that readers need not know of files.
    failed: Option<anyhow::Error>,
}

impl Sorter {
    /// A sorter whose runs lie in the folder `beside`, without a name there.
    pub fn new(beside: PathBuf) -> Self {
        Self { beside, run_rows: RUN_ROWS, rows: Vec::new(), runs: Vec::new(), times: Vec::new(), failed: None }
    }

    /// Takes one row.
    pub fn push(&mut self, row: Row) {
        self.times.push(row.at_ms);
        self.rows.push(row);
        if self.rows.len() >= self.run_rows
            && self.failed.is_none()
            && let Err(error) = self.spill()
        {
            self.failed = Some(error);
        }
    }

    /// The times of all rows, in no order.
    pub fn times_mut(&mut self) -> &mut [i64] {
        &mut self.times
    }

    fn sort(&mut self) {
        self.rows.sort_by_cached_key(key);
    }

    fn spill(&mut self) -> anyhow::Result<()> {
        self.sort();
        let open = || -> std::io::Result<File> {
            std::fs::create_dir_all(&self.beside)?;
            tempfile::tempfile_in(&self.beside)
        };
        let file = open().with_context(|| format!("cannot write in {}", self.beside.display()))?;
        let mut out = BufWriter::with_capacity(1 << 18, file);
        for row in self.rows.drain(..) {
            serde_json::to_writer(&mut out, &row)?;
            out.write_all(b"\n")?;
        }
        let mut file = out.into_inner().map_err(|e| e.into_error())?;
        file.rewind()?;
        self.runs.push(file);
        Ok(())
    }

    /// Gives every row in order.
    ///
    /// # Errors
    /// Where a run could not be written or read, or `each` fails.
    pub fn finish(mut self, mut each: impl FnMut(Row) -> anyhow::Result<()>) -> anyhow::Result<()> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        if self.runs.is_empty() {
            self.sort();
            return self.rows.into_iter().try_for_each(each);
        }
        self.spill()?;
        let mut runs: Vec<Lines<BufReader<File>>> =
            self.runs.into_iter().map(|f| BufReader::with_capacity(1 << 18, f).lines()).collect();
        let mut heads: Vec<Option<Row>> = Vec::new();
        let mut next: BinaryHeap<Reverse<(Key, usize)>> = BinaryHeap::new();
        for (number, run) in runs.iter_mut().enumerate() {
            let row = read(run)?;
            next.extend(row.as_ref().map(|row| Reverse((key(row), number))));
            heads.push(row);
        }
        // Equal keys come from the earlier run first, so the order of the source stands.
        while let Some(Reverse((_, number))) = next.pop() {
            let row = std::mem::replace(&mut heads[number], read(&mut runs[number])?);
            next.extend(heads[number].as_ref().map(|row| Reverse((key(row), number))));
            if let Some(row) = row {
                each(row)?;
            }
        }
        Ok(())
    }
}

fn read(run: &mut Lines<BufReader<File>>) -> anyhow::Result<Option<Row>> {
    run.next().map(|line| Ok(serde_json::from_str(&line?)?)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(run_rows: usize) -> Vec<Row> {
        let dir = tempfile::tempdir().expect("a folder");
        let mut sorter = Sorter { run_rows, ..Sorter::new(dir.path().join("new")) };
        let users = ["9", "10", "b", "a"];
        for i in 0..100u32 {
            let user = users[(i * 7 % 4) as usize].to_string();
            let at_ms = i64::from(i * 13 % 5);
            // The slate tells which of the equal rows came first.
            sorter.push(Row { user, at_ms, slate: Some(i), value: Some(0.1), ..Row::default() });
        }
        assert_eq!(sorter.times_mut().len(), 100);
        let mut rows = Vec::new();
        sorter
            .finish(|row| {
                rows.push(row);
                Ok(())
            })
            .expect("sorted");
        rows
    }

    #[test]
    fn runs_on_disk_give_the_same_order_as_memory() {
        let whole = sorted(1_000);
        assert_eq!(whole.len(), 100);
        let order: Vec<&str> = whole.chunk_by(|a, b| a.user == b.user).map(|c| c[0].user.as_str()).collect();
        assert_eq!(order, ["9", "10", "a", "b"], "numbers in their order, then words");
        for pair in whole.windows(2).filter(|p| p[0].user == p[1].user) {
            assert!((pair[0].at_ms, pair[0].slate) < (pair[1].at_ms, pair[1].slate), "{pair:?}");
        }
        for run_rows in [1, 7, 50] {
            assert_eq!(sorted(run_rows), whole, "in runs of {run_rows}");
        }
    }
}
