//! A batch on its way through a network: what each block gave, and what the loss says of it.

use super::params::{Gradients, Params};
use crate::lab::examples::Chunk;
use zhiji::rng::SplitMix;

/// What a block's numbers depend on, as in a bundle: they are computed once for each user, item or pair of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The user and their past.
    User,
    /// The item.
    Item,
    /// Both.
    Pair,
}

/// Which users and items meet.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Examples of the chunk: each is a user at a moment, with the dense features of that moment.
    pub users: Vec<u32>,
    /// Items, by their places in the catalogue.
    pub items: Vec<u32>,
    /// A place in `users` and one in `items`.
    pub pairs: Vec<(u32, u32)>,
}

impl Batch {
    /// How many rows a side has.
    pub fn rows(&self, side: Side) -> usize {
        match side {
            Side::User => self.users.len(),
            Side::Item => self.items.len(),
            Side::Pair => self.pairs.len(),
        }
    }

    /// The row of side `of` that row `at` of side `from` reads. A pair reads its user and its item; any other side only itself.
    #[inline(always)]
    pub fn read(&self, from: Side, at: usize, of: Side) -> usize {
        match (from, of) {
            (Side::Pair, Side::User) => self.pairs[at].0 as usize,
            (Side::Pair, Side::Item) => self.pairs[at].1 as usize,
            _ => at,
        }
    }

    /// Empties it.
    pub fn clear(&mut self) {
        self.users.clear();
        self.items.clear();
        self.pairs.clear();
    }
}

/// What one block gave for a batch, and the derivative of the loss by it.
#[derive(Clone, Debug)]
pub struct Numbers {
    /// What they depend on.
    pub side: Side,
    /// Numbers of one row.
    pub width: usize,
    /// Whether anything before them learns, so that their derivative is needed.
    pub learns: bool,
    /// Row by row.
    pub out: Vec<f32>,
    /// Of the same shape.
    pub slope: Vec<f32>,
}

/// What a block keeps from its forward to its backward walk that is no list of numbers.
pub type Kept = Option<Box<dyn std::any::Any + Send>>;

/// Numbers that a block keeps from its forward to its backward walk.
pub type Scratch = [Vec<f32>; 32];

/// Masks of dropout, noise.
#[derive(Clone, Debug)]
pub struct Noise(SplitMix);

impl Noise {
    /// What follows from a seed.
    pub const fn new(seed: u64) -> Self {
        Self(SplitMix(seed))
    }

    /// 64 bits.
    pub fn word(&mut self) -> u64 {
        self.0.word()
    }

    /// Uniform in [0, 1).
    pub fn uniform(&mut self) -> f32 {
        (self.word() >> 40) as f32 * (1.0 / 16_777_216.0)
    }

    /// Of mean 0 and variance 1: the sum of twelve uniform numbers, less six.
    pub fn normal(&mut self) -> f32 {
        (0..12).map(|_| self.uniform()).sum::<f32>() - 6.0
    }

    /// Uniform in `0..n`.
    pub fn below(&mut self, n: u32) -> u32 {
        (((self.word() >> 32) * u64::from(n)) >> 32) as u32
    }
}

/// What is random while a model learns, and off while it is measured.
#[derive(Clone, Debug)]
pub struct Disturbance {
    /// Where the draws come from.
    pub noise: Noise,
    /// Share of hidden numbers that are dropped.
    pub dropout: f32,
    /// Deviation of what is added to each standardised feature.
    pub input: f32,
    /// Share of items whose own row is hidden, so that the vectors of their words learn to stand in for it.
    pub hide: f32,
}

impl Disturbance {
    /// None.
    pub const OFF: Self = Self { noise: Noise::new(0), dropout: 0.0, input: 0.0, hide: 0.0 };
}

/// What a block sees of a batch.
pub struct At<'a> {
    /// Which users and items meet.
    pub batch: &'a Batch,
    /// Where the examples stand.
    pub chunk: &'a Chunk,
    /// All tensors.
    pub params: &'a Params,
    /// Where gradients are gathered; nothing is gathered while a model is measured.
    pub gradients: &'a mut Gradients,
    /// The blocks before.
    pub before: &'a mut [Numbers],
    /// The block's own numbers.
    pub own: &'a mut Numbers,
    /// What it keeps.
    pub scratch: &'a mut Scratch,
    /// What else it keeps.
    pub kept: &'a mut Kept,
    /// What is random.
    pub disturbance: &'a mut Disturbance,
}

impl At<'_> {
    /// How many rows the block writes.
    pub fn rows(&self) -> usize {
        self.batch.rows(self.own.side)
    }

    /// Writes what a block reads of several others, side by side, into a list of its scratch.
    pub fn gather(&mut self, of: &[usize], into: usize) -> usize {
        let (rows, side) = (self.rows(), self.own.side);
        let total: usize = of.iter().map(|block| self.before[*block].width).sum();
        let out = &mut self.scratch[into];
        out.clear();
        out.resize(rows * total, 0.0);
        let mut from = 0;
        for block in of {
            let numbers = &self.before[*block];
            let width = numbers.width;
            for (at, slots) in out.chunks_exact_mut(total).enumerate() {
                let read = self.batch.read(side, at, numbers.side);
                slots[from..from + width].copy_from_slice(&numbers.out[read * width..][..width]);
            }
            from += width;
        }
        total
    }

    /// Whether anything learns behind these blocks.
    pub fn learns(&self, of: &[usize]) -> bool {
        of.iter().any(|block| self.before[*block].learns)
    }

    /// Gives the derivatives in a list of the scratch back to the blocks that were gathered.
    pub fn scatter(&mut self, of: &[usize], from_list: usize) {
        let side = self.own.side;
        let total: usize = of.iter().map(|block| self.before[*block].width).sum();
        let slopes = &self.scratch[from_list];
        let mut from = 0;
        for block in of {
            let numbers = &mut self.before[*block];
            let width = numbers.width;
            if numbers.learns {
                for (at, slots) in slopes.chunks_exact(total).enumerate() {
                    let read = self.batch.read(side, at, numbers.side);
                    let into = &mut numbers.slope[read * width..][..width];
                    into.iter_mut().zip(&slots[from..from + width]).for_each(|(x, y)| *x += y);
                }
            }
            from += width;
        }
    }
}
