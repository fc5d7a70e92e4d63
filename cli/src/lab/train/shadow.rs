//! Weights that are averaged beside those that move.

use crate::lab::network::params::{Params, Tensor, cut};

/// The averages.
#[derive(Clone, Debug, Default)]
pub struct Shadow {
    /// Numbers, tensor by tensor.
    pub numbers: Vec<Vec<f32>>,
    /// By row, the step up to which the average has gone.
    pub stamps: Vec<Vec<u32>>,
}

/// Moving averages on their way to one step: of all tensors, or of some rows of one.
pub struct Means<T> {
    /// The step, counted from 1.
    now: u32,
    /// What a step leaves of what stood before.
    decay: f32,
    of: T,
}

/// Some rows of one tensor: their numbers and their stamps.
pub type Rows<'a> = (&'a mut [f32], &'a mut [u32]);

/// `decay^steps`.
fn power(decay: f32, steps: u32) -> f32 {
    zhiji::kernel::math::exp_f64(f64::from(steps) * zhiji::kernel::math::ln_f64(f64::from(decay).max(1e-300))) as f32
}

impl Shadow {
    /// The averages of weights that never moved.
    pub fn new(params: &Params) -> Self {
        let stamps = |tensor: &Tensor| vec![0; tensor.rows()];
        Self {
            numbers: params.iter().map(|tensor| tensor.numbers.clone()).collect(),
            stamps: params.iter().map(stamps).collect(),
        }
    }

    /// The averages on their way to step `now`.
    pub const fn at(&mut self, now: u32, decay: f32) -> Means<&mut Self> {
        Means { now, decay, of: self }
    }

    /// Brings all rows up to step `now`.
    pub fn settle(&mut self, params: &Params, now: u32, decay: f32) {
        for ((numbers, stamps), tensor) in self.numbers.iter_mut().zip(&mut self.stamps).zip(params) {
            let width = tensor.width().max(1);
            let rows = numbers.chunks_exact_mut(width).zip(tensor.numbers.chunks_exact(width));
            for ((shadow, stands), stamp) in rows.zip(stamps) {
                let rest = power(decay, now.saturating_sub(*stamp));
                shadow.iter_mut().zip(stands).for_each(|(shadow, w)| *shadow = w + rest * (*shadow - w));
                *stamp = now;
            }
        }
    }
}

impl<'a> Means<&'a mut Shadow> {
    /// Those of each tensor.
    pub fn tensors(self) -> impl Iterator<Item = Means<Rows<'a>>> {
        let Self { now, decay, of } = self;
        let each = of.numbers.iter_mut().zip(&mut of.stamps);
        each.map(move |(numbers, stamps)| Means { now, decay, of: (&mut numbers[..], &mut stamps[..]) })
    }
}

impl<'a> Means<Rows<'a>> {
    /// `rows` rows of `width` numbers at a time, and then empty ones.
    pub fn cut(self, rows: usize, width: usize) -> impl Iterator<Item = Self> {
        let Self { now, decay, of: (numbers, stamps) } = self;
        cut(numbers, rows * width).zip(cut(stamps, rows)).map(move |of| Self { now, decay, of })
    }

    /// Takes the step for one row, counted from the first of these, that was moved.
    pub fn moved(&mut self, row: usize, before: &[f32], after: &[f32]) {
        let (numbers, stamps) = &mut self.of;
        let (shadow, stamp) = (&mut numbers[row * before.len()..][..before.len()], &mut stamps[row]);
        // Until this step the row stood still, and the average drew near to it.
        let rest = power(self.decay, self.now.saturating_sub(*stamp + 1));
        for ((shadow, before), after) in shadow.iter_mut().zip(before).zip(after) {
            let stood = before + rest * (*shadow - before);
            *shadow = after + self.decay * (stood - after);
        }
        *stamp = self.now;
    }
}
