//! Tensors on their way into a bundle.

pub(super) use crate::lab::pack::Held;
use zhiji::bundle::{self, Writing};

/// Names, shapes and numbers of all tensors of a bundle.
#[derive(Default)]
pub(super) struct Weights(Vec<(String, Vec<usize>, Held)>);

impl Weights {
    /// Adds a tensor.
    pub fn add(&mut self, name: &str, shape: &[usize], held: Held) {
        self.0.push((name.into(), shape.to_vec(), held));
    }

    /// The bundle, which the engine has read and answered.
    ///
    /// # Errors
    /// Where a phone would refuse it.
    pub fn write(&self, spec: &serde_json::Value) -> anyhow::Result<Vec<u8>> {
        let writing = self.0.iter().map(|(name, shape, held)| Writing { name, shape, numbers: held.numbers() });
        Ok(bundle::write(&spec.to_string(), &writing.collect::<Vec<_>>())?)
    }
}

/// The ids of a catalogue as places among other rows: as few bytes as fit.
pub(super) fn places(of: &[u32], items: usize) -> Held {
    if items <= 1 << 16 { Held::Shorts(of.iter().map(|p| *p as u16).collect()) } else { Held::Words(of.to_vec()) }
}
