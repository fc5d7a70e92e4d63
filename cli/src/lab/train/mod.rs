//! Training: examples and a configuration → weights → a bundle.
//!
//! Everything that is drawn is drawn from the seed, the epoch and the step, so a run that was stopped goes on as if it had not been, and the same data,
//! configuration and seed give the same bytes on one thread.

mod calibrate;
mod checkpoint;
pub mod encoder;
pub mod objective;
mod optimiser;
#[cfg(test)]
pub mod planted;
mod publish;
mod run;
mod settings;
mod shadow;
mod threads;

pub use calibrate::{calibrations, check as check_calibration};
pub use checkpoint::beside;
#[cfg(test)]
pub use publish::bundle_of;
pub use publish::{Naming, bundle};
pub use run::{Stop, Stopped, train};
pub use settings::{Config, Given};

/// Brings a list into a drawn order; `below(n)` draws uniformly from `0..n`.
///
/// # Source
/// Durstenfeld, "Algorithm 235: Random permutation", CACM 7(7), 1964.
fn shuffle<T>(list: &mut [T], mut below: impl FnMut(u32) -> u32) {
    for at in (1..list.len()).rev() {
        list.swap(at, below(at as u32 + 1) as usize);
    }
}
