//! Instants and half-lives. The host gives every instant; this crate reads no clock.

use crate::error::{Error, Result};
use crate::words::words;

/// Milliseconds in a minute.
pub const MINUTE_MS: i64 = 60_000;
/// Milliseconds in a day.
pub const DAY_MS: i64 = 86_400_000;

/// Milliseconds since the Unix epoch, between the years 2000 and 2100.
///
/// The range is what makes every difference of two instants exact in an `f64` and every sum safe in an `i64`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(i64);

impl Timestamp {
    /// 2000-01-01T00:00:00Z.
    pub const EARLIEST: Self = Self(946_684_800_000);
    /// 2100-01-01T00:00:00Z.
    pub const LATEST: Self = Self(4_102_444_800_000);

    /// Accepts an instant given in milliseconds.
    ///
    /// # Errors
    /// [`Error::BadEvent`] outside the years 2000 to 2100.
    pub fn from_ms(ms: i64) -> Result<Self> {
        if (Self::EARLIEST.0..=Self::LATEST.0).contains(&ms) {
            Ok(Self(ms))
        } else {
            Err(Error::BadEvent {
                part: words!("atMs"),
                reason: words!("give milliseconds since 1970, between the years 2000 and 2100"),
            })
        }
    }

    /// Milliseconds since the Unix epoch.
    pub const fn ms(self) -> i64 {
        self.0
    }
}

/// The time in which a decayed count halves; always positive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HalfLife {
    ms: f64,
}

impl HalfLife {
    /// Accepts a half-life in days, from one minute to ten years; `None` outside.
    pub fn from_days(days: f64) -> Option<Self> {
        (days.is_finite() && (0.000_694..=3_653.0).contains(&days)).then_some(Self { ms: days * 86_400_000.0 })
    }

    /// The half-life in milliseconds.
    pub const fn ms(self) -> f64 {
        self.ms
    }
}
