//! Readers of other people's data.

pub mod mapped;
pub mod movielens;

use super::dataset::{Meta, Row, Writer};
use super::rows::Rows;
use std::path::Path;
use zhiji::time::Timestamp;

const WEEK_MS: i64 = 7 * zhiji::time::DAY_MS;

/// Sorts by user and time, moves old times forward and writes the directory.
///
/// Times before the year 2000 lie outside the engine's clock. Then every time moves forward by the same whole number of weeks, which keeps
/// order, distances, hours and weekdays.
pub fn write(
    out: &Path,
    schema_json: &str,
    items: &[serde_json::Value],
    mut events: Vec<Row>,
    rows: &Rows,
    source: String,
) -> anyhow::Result<Meta> {
    let earliest = events.iter().map(|e| e.at_ms).min().unwrap_or(Timestamp::EARLIEST.ms());
    let missing = Timestamp::EARLIEST.ms().saturating_sub(earliest).max(0);
    let weeks = missing.saturating_add(WEEK_MS - 1) / WEEK_MS;
    // Stable: events of one user at one time keep the order of the source.
    events.sort_by(|a, b| user_order(&a.user).cmp(&user_order(&b.user)).then(a.at_ms.cmp(&b.at_ms)));
    let mut writer = Writer::create(out, schema_json, items)?;
    for event in &mut events {
        event.at_ms += weeks * WEEK_MS;
        writer.push(event)?;
    }
    writer.finish(rows, |meta| {
        meta.source = source;
        meta.shifted_weeks = weeks;
    })
}

/// Numbers in their order, then words in theirs.
fn user_order(user: &str) -> (u64, &str) {
    (user.parse().unwrap_or(u64::MAX), user)
}
