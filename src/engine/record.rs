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
        if detail.numbers.is_empty() {
            for field in recorded_volatiles(&self.schema) {
                detail.numbers.push(known.item.number(field));
            }
        }
        detail.check()?;
        let item = Rc::clone(&known.recorded);
        let (Some(token), Some(log), true) =
            (self.control.consent.token(), &mut self.log, self.control.personalisation)
        else {
            return Ok(false);
        };
        let event = Event { at, session: 0, utc_offset_minutes: 0, action, item, detail };
        if log.append(token, event) {
            self.refold();
        } else {
            self.fold_newest();
        }
        self.collect();
        Ok(true)
    }
}
