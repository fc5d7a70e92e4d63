//! Zhiji (知己): a recommender that learns on the phone.
//!
//! The crate is sans-IO: it reads no clock, draws no randomness, opens no file and knows no network. Time, seed and bytes are
//! arguments; bytes to keep come back as values.
//!
//! The builds for phones are compiled for size. What they spend their time in is marked `optimize(speed)` under `zhiji_phone`, a flag that
//! those builds alone set, as the attribute is not stable yet.
#![cfg_attr(zhiji_phone, feature(optimize_attribute))]

extern crate alloc;

/// Where memory comes from on phones: a third of the size of what the standard library brings, and as fast.
#[cfg(zhiji_phone)]
#[global_allocator]
static ALLOCATOR: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();

pub mod bandit;
pub mod block;
pub mod bundle;
pub mod codec;
pub mod consent;
pub mod control;
pub mod engine;
pub mod error;
pub mod event;
pub mod features;
pub mod golden;
pub mod head;
pub mod item;
mod json;
pub mod kernel;
pub mod keyed;
pub mod log;
pub mod rerank;
pub mod rng;
pub mod schema;
pub mod score;
pub mod seal;
pub mod state;
pub mod sync;
pub mod time;
#[cfg(target_arch = "wasm32")]
pub mod wasm;
pub mod words;
