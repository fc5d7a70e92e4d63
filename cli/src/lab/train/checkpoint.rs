//! What a run leaves behind so that another goes on from it: weights, what the optimiser keeps, the best weights so far, and where the run stood.
//!
//! It is a safetensors file, written beside its place and then renamed, so that one that is there is whole.

use super::optimiser::{Memory, Stepper};
use super::settings::{Config, Settings};
use super::shadow::Shadow;
use crate::lab::network::Setting;
use crate::lab::network::params::Params;
use anyhow::{Context as _, bail};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use zhiji::schema::hash64;

/// Where a run stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Epochs that are finished.
    pub epoch: usize,
    /// Buckets of this epoch that are finished.
    pub bucket: usize,
    /// Batches of this bucket that are finished.
    pub batch: usize,
    /// Steps.
    pub step: u64,
    /// Examples learnt from.
    pub seen: u64,
    /// Sum of the losses of this epoch.
    pub loss: f64,
    /// Examples of this epoch.
    pub count: u64,
    /// Mean loss of the last epoch.
    pub last_train: f64,
    /// Loss on `valid` after it.
    pub last_valid: Option<f64>,
    /// The epoch of the best weights.
    pub best_epoch: usize,
    /// Its mean loss.
    pub best_train: f64,
    /// Its loss on `valid`.
    pub best_valid: Option<f64>,
    /// Patience is at its end.
    pub done: bool,
}

/// All that changes during a run beside the weights.
pub struct State {
    /// Where it stands.
    pub progress: Progress,
    /// The optimiser.
    pub stepper: Stepper,
    /// Averaged weights.
    pub shadow: Shadow,
    /// The best weights so far.
    pub best: Vec<Vec<f32>>,
}

/// What a file holds.
pub struct Found {
    /// Of the member that was being trained.
    pub state: Saved,
    /// Weights of the members that are finished.
    pub members: Vec<Vec<Vec<f32>>>,
}

/// The saved state of one member.
pub struct Saved {
    progress: Progress,
    weights: Vec<Vec<f32>>,
    memory: Vec<Memory>,
    shadow: Shadow,
    best: Vec<Vec<f32>>,
}

#[derive(Serialize, Deserialize)]
struct About {
    fingerprint: String,
    progress: Progress,
    tensors: usize,
    members: usize,
}

impl State {
    /// The beginning.
    pub fn new(settings: &Settings, params: &Params, shadow: Shadow) -> Self {
        let best = params.iter().map(|tensor| tensor.numbers.clone()).collect();
        Self { progress: Progress::default(), stepper: Stepper::new(settings, params), shadow, best }
    }

    /// Goes on from what was saved.
    pub fn take(&mut self, params: &mut Params, saved: Saved) -> anyhow::Result<()> {
        put(params, saved.weights)?;
        let same = |a: &Memory, b: &Memory| {
            a.first.len() == b.first.len() && a.second.len() == b.second.len() && a.steps.len() == b.steps.len()
        };
        if !self.stepper.memory.iter().zip(&saved.memory).all(|(a, b)| same(a, b)) {
            bail!("the checkpoint is of another optimiser");
        }
        (self.progress, self.best, self.shadow) = (saved.progress, saved.best, saved.shadow);
        self.stepper.memory = saved.memory;
        Ok(())
    }
}

/// Puts saved numbers in the place of a model's.
pub fn put(params: &mut Params, numbers: Vec<Vec<f32>>) -> anyhow::Result<()> {
    if params.len() != numbers.len() || params.iter().zip(&numbers).any(|(a, b)| a.numbers.len() != b.len()) {
        bail!("the checkpoint is of another model");
    }
    params.iter_mut().zip(numbers).for_each(|(tensor, numbers)| tensor.numbers = numbers);
    Ok(())
}

/// What must be the same for a run to go on: data, model and all settings but `threads`, `pin-schema` and `ids`.
pub fn fingerprint(config: &Config, setting: &Setting<'_>, examples: usize) -> String {
    let mut settings = serde_json::to_value(&config.settings).unwrap_or_default();
    for key in ["threads", "pin-schema", "ids"] {
        settings[key] = serde_json::Value::Null;
    }
    let schema = setting.schema.fingerprint();
    let blocks = (&config.blocks, &config.tiers);
    format!(
        "{:016x}",
        hash64(format!("{settings} {blocks:?} {examples} {schema:016x} {:?}", setting.standard).as_bytes())
    )
}

/// A path with one more ending.
pub fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

/// Writes a checkpoint whole, or not at all.
///
/// # Errors
/// Where the file cannot be written.
pub fn write(path: &Path, fingerprint: &str, params: &Params, state: &State, members: &[Params]) -> anyhow::Result<()> {
    let mut lists: Vec<(String, Vec<u8>, Dtype)> = Vec::new();
    let mut singles = |name: String, list: &[f32]| {
        lists.push((name, list.iter().flat_map(|x| x.to_le_bytes()).collect(), Dtype::F32));
    };
    for (at, tensor) in params.iter().enumerate() {
        singles(format!("{at}.weights"), &tensor.numbers);
        singles(format!("{at}.first"), &state.stepper.memory[at].first);
        singles(format!("{at}.second"), &state.stepper.memory[at].second);
        singles(format!("{at}.shadow"), &state.shadow.numbers[at]);
        singles(format!("{at}.best"), &state.best[at]);
        for (member, weights) in members.iter().enumerate() {
            singles(format!("{at}.member.{member}"), &weights[at].numbers);
        }
    }
    for at in 0..params.len() {
        let mut words = |name: &str, list: &[u32]| {
            lists.push((format!("{at}.{name}"), list.iter().flat_map(|x| x.to_le_bytes()).collect(), Dtype::U32));
        };
        words("steps", &state.stepper.memory[at].steps);
        words("stamps", &state.shadow.stamps[at]);
    }
    let about = About {
        fingerprint: fingerprint.into(),
        progress: state.progress,
        tensors: params.len(),
        members: members.len(),
    };
    let metadata = HashMap::from([("zhiji.checkpoint".to_string(), serde_json::to_string(&about)?)]);
    let views = lists.iter().map(|(name, bytes, dtype)| {
        TensorView::new(*dtype, vec![bytes.len() / 4], bytes).map(|view| (name.as_str(), view))
    });
    let views = views.collect::<Result<Vec<_>, _>>()?;
    let bytes = safetensors::serialize(views, Some(metadata))?;
    let beside = beside(path, "writing");
    std::fs::write(&beside, bytes).with_context(|| format!("cannot write {}", beside.display()))?;
    std::fs::rename(&beside, path).with_context(|| format!("cannot write {}", path.display()))
}

/// Reads a checkpoint.
///
/// # Errors
/// Where there is none, or it is of another model, other settings or other data.
pub fn read(path: &Path, fingerprint: &str) -> anyhow::Result<Found> {
    let bytes = std::fs::read(path).with_context(|| format!("there is no checkpoint {}", path.display()))?;
    let whole = || format!("{} is no checkpoint of `zhiji train`", path.display());
    let (_, metadata) = SafeTensors::read_metadata(&bytes).with_context(whole)?;
    let about = metadata.metadata().as_ref().and_then(|map| map.get("zhiji.checkpoint")).with_context(whole)?;
    let about: About = serde_json::from_str(about).with_context(whole)?;
    if about.fingerprint != fingerprint {
        bail!("{} was left by a run with another configuration, or over other data", path.display());
    }
    let file = SafeTensors::deserialize(&bytes).with_context(whole)?;
    let words = |at: usize, name: &str| -> anyhow::Result<Vec<u32>> {
        let view = file.tensor(&format!("{at}.{name}")).with_context(whole)?;
        Ok(view.data().as_chunks::<4>().0.iter().map(|four| u32::from_le_bytes(*four)).collect())
    };
    let singles = |at: usize, name: &str| -> anyhow::Result<Vec<f32>> {
        Ok(words(at, name)?.into_iter().map(f32::from_bits).collect())
    };
    let all = |name: &str| (0..about.tensors).map(|at| singles(at, name)).collect::<anyhow::Result<Vec<_>>>();
    let whole_numbers = |name: &str| (0..about.tensors).map(|at| words(at, name)).collect::<anyhow::Result<Vec<_>>>();
    let (first, second, steps) = (all("first")?, all("second")?, whole_numbers("steps")?);
    let parts = first.into_iter().zip(second).zip(steps);
    let memory = parts.map(|((first, second), steps)| Memory { first, second, steps }).collect();
    let shadow = Shadow { numbers: all("shadow")?, stamps: whole_numbers("stamps")? };
    let state = Saved { progress: about.progress, weights: all("weights")?, memory, shadow, best: all("best")? };
    let members = (0..about.members).map(|member| all(&format!("member.{member}"))).collect::<anyhow::Result<_>>()?;
    Ok(Found { state, members })
}
