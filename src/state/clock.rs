//! The fold's clock: never backwards, and not ahead on one session's word.

use crate::codec::{Reader, Writer};

/// A step forward that needs a second session to be believed.
const JUMP_MS: i64 = 7 * crate::time::DAY_MS;

/// Turns the phone's clock readings into a time that only grows.
///
/// A reading behind the clock is held at the clock. A reading more than seven days ahead is held at the clock too, until a second session
/// reads a time that is as far ahead; then the clock follows. So a phone whose clock was a year ahead for an afternoon
/// does not age the user's history by a year.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Clock {
    now_ms: i64,
    started: bool,
    /// Session and reading that wait for a second session.
    ahead: Option<(u32, i64)>,
}

impl Clock {
    /// The clock.
    pub const fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// Whether a jump waits for a second session.
    pub const fn is_quarantined(&self) -> bool {
        self.ahead.is_some()
    }

    /// Takes a reading made in `session` and returns the clock.
    pub fn apply_reading(&mut self, session: u32, at_ms: i64) -> i64 {
        if !self.started {
            self.started = true;
            self.now_ms = at_ms;
        } else if at_ms.saturating_sub(self.now_ms) <= JUMP_MS {
            self.ahead = None;
            self.now_ms = self.now_ms.max(at_ms);
        } else {
            match self.ahead {
                Some((first, reading)) if first != session => {
                    // Believed only where the second session stands at or after the first reading, less the same tolerance.
                    if at_ms >= reading.saturating_sub(JUMP_MS) {
                        self.now_ms = at_ms;
                        self.ahead = None;
                    } else {
                        self.ahead = Some((session, at_ms));
                    }
                }
                _ => self.ahead = Some((session, at_ms)),
            }
        }
        self.now_ms
    }

    /// What the clock would say at a reading in `session`, without taking it.
    pub fn score_reading(&self, session: u32, at_ms: i64) -> i64 {
        let mut copy = *self;
        copy.apply_reading(session, at_ms)
    }

    /// Writes the clock.
    pub fn encode(&self, out: &mut Writer) {
        out.zigzag(self.now_ms);
        out.u8(u8::from(self.started) | u8::from(self.ahead.is_some()) << 1);
        let (session, at) = self.ahead.unwrap_or_default();
        out.u32(session);
        out.zigzag(at);
    }

    /// Reads what [`Clock::encode`] wrote.
    pub fn decode(bytes: &mut Reader<'_>) -> Self {
        let now_ms = bytes.zigzag();
        let flags = bytes.u8();
        let ahead = (bytes.u32(), bytes.zigzag());
        Self { now_ms, started: flags & 1 != 0, ahead: (flags & 2 != 0).then_some(ahead) }
    }
}
