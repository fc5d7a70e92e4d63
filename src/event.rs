//! Events: what the user did, checked before anything is kept.

use crate::error::{Error, Result};
use crate::item::Item;
use crate::schema::Schema;
use crate::time::Timestamp;
use crate::words::words;
use alloc::rc::Rc;
use alloc::vec::Vec;

/// Everything an event may say beside what, when and on which item. All of it is optional.
///
/// # Units
/// `dwell_ms` milliseconds; `propensity` a probability in (0, 1]; `difficulty` in the page's own scale.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Detail {
    /// Where on the page: index into the schema's surfaces.
    pub surface: Option<u8>,
    /// How the user entered WeChat's mini-program.
    pub scene: Option<u16>,
    /// The slate the item was shown in.
    pub slate: Option<u32>,
    /// Its place in that slate, from 0.
    pub position: Option<u16>,
    /// With which probability it was chosen for that place; none where the choice was deterministic.
    pub propensity: Option<f32>,
    /// Why it was there, or why the user disliked it: a code.
    pub reason: Option<u16>,
    /// An explicit value, such as a rating.
    pub value: Option<f32>,
    /// How long the user looked.
    pub dwell_ms: Option<u32>,
    /// How hard the item was at the time.
    pub difficulty: Option<f32>,
    /// How risky the item was at the time.
    pub risk_level: Option<u8>,
    /// The group the item was shown for.
    pub group_id: Option<u32>,
    /// The server's own score of the item, where it gave one.
    pub prior: Option<f32>,
    /// The volatile numbers whose distance from habit is a feature, in the schema's order.
    pub numbers: Vec<Option<f32>>,
}

impl Detail {
    /// Refuses impossible parts.
    ///
    /// # Errors
    /// [`Error::BadEvent`] naming the part.
    pub fn check(&self) -> Result<()> {
        let bad = |part, reason| Err(Error::BadEvent { part, reason });
        if self.propensity.is_some_and(|p| !(p > 0.0 && p <= 1.0)) {
            return bad(words!("propensity"), words!("a probability above 0 and at most 1"));
        }
        if self.value.is_some_and(|v| !v.is_finite()) {
            return bad(words!("value"), words!("give a finite number"));
        }
        if self.difficulty.is_some_and(|v| !v.is_finite()) {
            return bad(words!("difficulty"), words!("give a finite number"));
        }
        if self.prior.is_some_and(|v| !v.is_finite()) {
            return bad(words!("prior"), words!("give a finite number"));
        }
        if self.dwell_ms.is_some_and(|ms| ms > 86_400_000) {
            return bad(words!("dwellMs"), words!("at most one day; stop the timer when the page hides"));
        }
        if self.numbers.iter().flatten().any(|v| !v.is_finite()) {
            return bad(words!("numbers"), words!("give finite numbers"));
        }
        Ok(())
    }
}

/// An event as the log holds it.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// When, by the phone's clock as it stood.
    pub at: Timestamp,
    /// Which use of the mini-program: counts from 0 at the log's first event.
    pub session: u32,
    /// Minutes by which the phone's zone is ahead of UTC.
    pub utc_offset_minutes: i16,
    /// Index into the schema's actions.
    pub action: u8,
    /// The item, in the version that was current.
    pub item: Rc<Item>,
    /// The rest.
    pub detail: Detail,
}

impl Event {
    /// The event's number field, from the item or, where it is volatile, from the event itself.
    pub fn number(&self, schema: &Schema, field: usize) -> Option<f32> {
        if schema.fields.get(field).is_some_and(|f| f.volatile) {
            let place = recorded_volatiles(schema).position(|i| i == field)?;
            self.detail.numbers.get(place).copied().flatten()
        } else {
            self.item.number(field)
        }
    }
}

/// The volatile fields that events carry: those whose distance from habit is a feature.
pub fn recorded_volatiles(schema: &Schema) -> impl Iterator<Item = usize> + '_ {
    schema.scaled_numbers().map(|(i, _)| i).filter(|&i| schema.fields.get(i).is_some_and(|f| f.volatile))
}
