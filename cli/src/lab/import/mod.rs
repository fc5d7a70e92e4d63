//! Readers of other people's data.

pub mod mapped;
pub mod mapping;
pub mod mind;
pub mod movielens;
pub mod presets;
pub mod sorter;
pub mod table;
#[cfg(test)]
mod tests;

use super::dataset::{Meta, Split, Writer};
use super::rows::Rows;
use sorter::Sorter;
use std::path::Path;
use zhiji::schema::hash64;
use zhiji::time::Timestamp;

const WEEK_MS: i64 = 7 * zhiji::time::DAY_MS;

/// How events are given to the parts `train`, `valid` and `test`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cut {
    /// As the source says.
    AsGiven,
    /// The first events by time are for training, the last for the final measure.
    ByTime(Shares),
    /// Every user belongs to one part, by a hash of the name.
    ByUser(Shares),
}

/// Shares of the three parts in per cent; they add up to 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shares([u8; 3]);

impl std::str::FromStr for Shares {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Option<Vec<u8>> = text.split('/').map(|part| part.trim().parse().ok()).collect();
        match parts.as_deref() {
            Some(&[train, valid, test]) if u32::from(train) + u32::from(valid) + u32::from(test) == 100 => {
                Ok(Self([train, valid, test]))
            }
            _ => Err("give three whole numbers that add up to 100, such as 80/10/10".into()),
        }
    }
}

impl Shares {
    /// The part of something at `percent` of the way, from 0 to below 100.
    const fn part(self, percent: u8) -> Split {
        let [train, valid, _] = self.0;
        if percent < train {
            Split::Train
        } else if percent < train + valid {
            Split::Valid
        } else {
            Split::Test
        }
    }

    /// The first times of `valid` and `test`. Reorders `times`.
    fn bounds(self, times: &mut [i64]) -> [i64; 2] {
        let [train, valid, _] = self.0.map(usize::from);
        let n = times.len();
        [train, train + valid].map(|percent| {
            let place = n * percent / 100;
            if place < n { *times.select_nth_unstable(place).1 } else { i64::MAX }
        })
    }
}

/// Writes the directory from sorted events, old times moved forward.
///
/// Times before the year 2000 lie outside the engine's clock. Then every time moves forward by the same whole number of weeks, which keeps
/// order, distances, hours and weekdays.
///
/// # Errors
/// Where a file cannot be written.
pub fn write(
    out: &Path,
    schema_json: &str,
    items: &[serde_json::Value],
    mut events: Sorter,
    cut: Cut,
    rows: &Rows,
    source: String,
) -> anyhow::Result<Meta> {
    let earliest = events.times_mut().iter().min().copied().unwrap_or(Timestamp::EARLIEST.ms());
    let missing = Timestamp::EARLIEST.ms().saturating_sub(earliest).max(0);
    let weeks = missing.saturating_add(WEEK_MS - 1) / WEEK_MS;
    let [valid_ms, test_ms] = match cut {
        Cut::ByTime(shares) => shares.bounds(events.times_mut()),
        Cut::AsGiven | Cut::ByUser(_) => [i64::MAX; 2],
    };
    let mut writer = Writer::create(out, schema_json, items)?;
    events.finish(|mut event| {
        event.split = match cut {
            Cut::AsGiven => event.split,
            Cut::ByTime(_) if event.at_ms >= test_ms => Split::Test,
            Cut::ByTime(_) if event.at_ms >= valid_ms => Split::Valid,
            Cut::ByTime(_) => Split::Train,
            Cut::ByUser(shares) => shares.part((hash64(event.user.as_bytes()) % 100) as u8),
        };
        event.at_ms += weeks * WEEK_MS;
        writer.push(&event)
    })?;
    writer.finish(rows, |meta| {
        meta.source = source;
        meta.shifted_weeks = weeks;
    })
}
