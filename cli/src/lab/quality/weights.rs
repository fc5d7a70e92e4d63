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

    /// Adds a table of vectors as bytes with a scale a row.
    ///
    /// # Shapes
    /// `numbers`: `[rows, width]`, row by row.
    pub fn rows(&mut self, name: &str, width: usize, numbers: &[f32]) {
        let (mut bytes, mut scales) = (Vec::with_capacity(numbers.len()), Vec::new());
        for row in numbers.chunks(width.max(1)) {
            let scale = row.iter().fold(0.0f32, |most, x| most.max(x.abs())) / 127.0;
            scales.push(scale);
            let byte = |x: &f32| if scale > 0.0 { (x / scale).round().clamp(-127.0, 127.0) as i8 } else { 0 };
            bytes.extend(row.iter().map(byte));
        }
        self.add(name, &[scales.len(), width], Held::Signed(bytes));
        self.add(&format!("{name}.scale"), &[scales.len()], Held::Singles(scales));
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
