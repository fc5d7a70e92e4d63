//! The two folds: [`Observe`] from events to memory, [`Adapt`] from matured labels to the personal head.

mod adapt;
mod clock;
mod observe;

pub use adapt::{Adapt, Heads, LABELS_MOST, first_label};
pub use clock::Clock;
pub use observe::{Example, Observe, Unread};
