//! The engine's scoring as a bare wasm module, for the benchmarks.
//!
//! `cargo xtask bench` compiles this with the profile and the flags of the builds for phones. A bundle is loaded by [`zhiji::bundle::load`] and
//! scored by the public functions of the stack and its blocks, which is what the engine does; what is left out is what stands before them,
//! the fold and the features. The caller writes numbers into the module's memory and reads them there.
//!
//! Addresses are taken on trust: the only caller is the benchmark, and what it got from [`room`] it may use.
#![allow(clippy::missing_safety_doc, reason = "the module's head says it once")]

mod deep;
mod fold;

use std::slice::{from_raw_parts as slice, from_raw_parts_mut as slice_mut};

use zhiji::bandit::{EpsilonGreedy, LinearCost, Step};
use zhiji::block::Fm;
use zhiji::bundle::{self, Stack, Workspace};
use zhiji::kernel::Best;
use zhiji::score::probabilities;

/// The space that the benchmarks' bundles are for.
const SPACE: &str = "bench";

/// A loaded bundle and what it writes while it scores.
pub struct Model {
    stack: Stack,
    at: Workspace,
    scratch: Vec<f32>,
    /// What depends on the candidates alone, one behind the other.
    items: Vec<f32>,
    /// The same of the whole catalogue, where it is kept.
    kept: Vec<f32>,
    best: Option<Best>,
}

/// A bandit and what it writes while it predicts.
pub struct Bandit {
    costs: LinearCost,
    rule: EpsilonGreedy,
    scores: Vec<f32>,
}

/// Room for so many bytes, aligned for every number; it is never given back.
#[unsafe(no_mangle)]
pub extern "C" fn room(bytes: usize) -> *mut u64 {
    vec![0u64; bytes.div_ceil(8)].leak().as_mut_ptr()
}

/// Loads a bundle; null where the engine refuses it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn load(bytes: *const u8, length: usize) -> *mut Model {
    // SAFETY: see the head of the module.
    match bundle::load(unsafe { slice(bytes, length) }, SPACE) {
        Ok(bundle) => {
            let stack = bundle.stack().clone();
            let at = stack.workspace();
            Box::leak(Box::new(Model {
                stack,
                at,
                scratch: vec![0.0; 512],
                items: Vec::new(),
                kept: Vec::new(),
                best: None,
            }))
        }
        Err(_) => core::ptr::null_mut(),
    }
}

/// Probabilities of candidates that are rows of dense features.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dense(model: *mut Model, rows: *const f32, candidates: usize, width: usize, out: *mut f32) {
    // SAFETY: see the head of the module.
    let (model, rows, out) = unsafe { (&mut *model, slice(rows, candidates * width), slice_mut(out, candidates)) };
    model.stack.score_user(&mut model.at, &[], &mut core::iter::empty());
    model.stack.score_pairs(&mut model.at, &[], (rows, width), 0, out);
    probabilities(out);
}

/// Logits of candidates that are sets of features with values, by the bundle's factorisation machine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sparse(
    model: *mut Model,
    features: *const u32,
    values: *const f32,
    candidates: usize,
    active: usize,
    out: *mut f32,
) {
    // SAFETY: see the head of the module.
    let (model, features, values, out) = unsafe {
        let length = candidates * active;
        (&mut *model, slice(features, length), slice(values, length), slice_mut(out, candidates))
    };
    let Some(fm) = model.stack.machine("fm") else { return };
    let scratch = &mut model.scratch[..fm.width()];
    Fm::score_each(fm, (0.0, &[]), (features, values, active), scratch, out);
}

/// A bandit of `weights`, a power of two.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bandit(weights: *const f32, length: usize, rate: f32, epsilon: f64) -> *mut Bandit {
    // SAFETY: see the head of the module.
    let weights = unsafe { slice(weights, length) }.to_vec();
    let rule = EpsilonGreedy::new(epsilon);
    match LinearCost::new(weights, Step::Sgd { rate }) {
        Ok(costs) => Box::leak(Box::new(Bandit { costs, rule, scores: Vec::new() })),
        Err(_) => core::ptr::null_mut(),
    }
}

/// Probabilities of the actions.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn predict(
    bandit: *mut Bandit,
    features: *const u32,
    actions: usize,
    active: usize,
    out: *mut f64,
) {
    // SAFETY: see the head of the module.
    let (bandit, features, out) = unsafe { (&mut *bandit, slice(features, actions * active), slice_mut(out, actions)) };
    bandit.scores.resize(actions, 0.0);
    bandit.costs.score_each(features, active, &mut bandit.scores);
    bandit.rule.propensities(&bandit.scores, out);
}

/// Learns from one event.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn learn(bandit: *mut Bandit, features: *const u32, active: usize, cost: f32, propensity: f32) {
    // SAFETY: see the head of the module.
    let (bandit, features) = unsafe { (&mut *bandit, slice(features, active)) };
    bandit.costs.learn(features, cost, propensity);
}

/// Where the bandit's weights stand.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weights(bandit: *const Bandit) -> *const f32 {
    // SAFETY: see the head of the module.
    unsafe { &*bandit }.costs.weights().as_ptr()
}
