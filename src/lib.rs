//! Zhiji (知己): a recommender that learns on the phone.
//!
//! The crate is sans-IO: it reads no clock, draws no randomness, opens no file and knows no network. Time, seed and bytes are
//! arguments; bytes to keep come back as values.

pub mod kernel;
