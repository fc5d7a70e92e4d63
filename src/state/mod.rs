//! The folds from events to state.

mod clock;
mod observe;

pub use clock::Clock;
pub use observe::{Example, Observe, word_keys};
