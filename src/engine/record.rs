//! Recording what the user does.

use super::Engine;
use crate::error::Result;
use crate::event::{Detail, Event, recorded_volatiles};
use crate::time::Timestamp;
use alloc::rc::Rc;
use alloc::string::String;

/// One thing the user did.
#[derive(Clone, Debug)]
pub struct Track {
    /// Name of the action.
    pub action: String,
    /// The item's handle.
    pub handle: u32,
    /// When.
    pub at: Timestamp,
    /// The rest; its `numbers` are filled in here.
    pub detail: Detail,
}

impl Engine {
    /// Records one event. Returns whether it was recorded: without consent, or with personalisation off, nothing is.
    ///
    /// An action that names no slate belongs to the latest impression of that item within the label's window: the fold finds it, the log
    /// keeps what the page gave.
    ///
    /// # Errors
    /// [`crate::error::Error::UnknownAction`], [`crate::error::Error::UnknownItem`], [`crate::error::Error::BadEvent`]; nothing is recorded
    /// then.
    pub fn track(&mut self, track: Track) -> Result<bool> {
        let Track { action, handle, at, mut detail } = track;
        let action = self.schema.action(&action)?;
        let known = self.known(handle)?;
        let (item, full) = (Rc::clone(&known.recorded), Rc::clone(&known.item));
        if detail.numbers.is_empty() {
            for field in recorded_volatiles(&self.schema) {
                detail.numbers.push(full.number(field));
            }
        }
        detail.check()?;
        let Some(token) = self.control.consent.token() else { return Ok(false) };
        if !self.control.personalisation || self.log.is_none() {
            return Ok(false);
        }
        let event = Event { at, session: 0, utc_offset_minutes: 0, action, item, detail };
        let Some(log) = &mut self.log else { return Ok(false) };
        if log.append(token, event) {
            self.refold();
        } else {
            self.fold_newest();
        }
        self.collect();
        Ok(true)
    }
}
