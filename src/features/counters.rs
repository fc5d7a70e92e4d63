//! The counters that the fold keeps: plain data, no policy.

use crate::codec::{Reader, Writer};
use crate::kernel::math::exp2_f64;
use crate::time::HalfLife;

/// The most half-lives of a schema.
pub const HALF_LIVES_MOST: usize = 4;

/// Decayed counts of one word, one item, or of everything, at each half-life.
///
/// With `c` a count at the counter's own time `t0`, an event at `t ≥ t0` gives `c ← c · 2^(−(t − t0) / half_life) + weight`, `t0 ← t`: a
/// count is two numbers whatever the length of the history. The fold's clock never runs backwards, so `t ≥ t0` always holds.
///
/// # Units
/// Counts have no unit (1.0 is one event); `at_ms` is the fold's time in milliseconds since the Unix epoch.
///
/// # Source
/// Cormode et al., "Forward Decay", ICDE 2009, the exponential case.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Affinity {
    /// Time to which the counts are decayed.
    pub at_ms: i64,
    /// Chances: impressions, or explicit values given.
    pub trials: [f32; HALF_LIVES_MOST],
    /// Chances that were taken.
    pub hits: [f32; HALF_LIVES_MOST],
    /// Sum of the schema's weights of what the user did.
    pub weight: [f32; HALF_LIVES_MOST],
    /// All trials, undecayed.
    pub seen: f32,
    /// All events other than impressions, undecayed.
    pub acts: f32,
}

/// What one event adds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Increment {
    /// 1 where it is a chance.
    pub trial: f32,
    /// 1 where a chance is taken.
    pub hit: f32,
    /// The schema's weight of the action.
    pub weight: f32,
    /// 1 where it is not an impression.
    pub act: f32,
}

/// Decay factors between two instants, one for each half-life.
pub fn decays(half_lives: &[HalfLife], from_ms: i64, to_ms: i64) -> [f32; HALF_LIVES_MOST] {
    let mut factors = [1.0f32; HALF_LIVES_MOST];
    if to_ms > from_ms {
        let elapsed = (to_ms - from_ms) as f64;
        for (factor, half_life) in factors.iter_mut().zip(half_lives) {
            *factor = exp2_f64(-elapsed / half_life.ms()) as f32;
        }
    }
    factors
}

impl Affinity {
    /// Adds an event at `at_ms`.
    #[cfg_attr(zhiji_phone, optimize(speed))]
    pub fn add(&mut self, half_lives: &[HalfLife], at_ms: i64, increment: Increment) {
        let factors = decays(half_lives, self.at_ms, at_ms);
        self.at_ms = self.at_ms.max(at_ms);
        for (i, factor) in factors.iter().enumerate() {
            self.trials[i] = self.trials[i] * factor + increment.trial;
            self.hits[i] = self.hits[i] * factor + increment.hit;
            self.weight[i] = self.weight[i] * factor + increment.weight;
        }
        self.seen += increment.trial;
        self.acts += increment.act;
    }

    /// Chances, chances taken and weight at half-life `h`, as they stand at `at_ms`.
    #[cfg_attr(zhiji_phone, optimize(speed))]
    pub fn at(&self, half_lives: &[HalfLife], h: usize, at_ms: i64) -> (f32, f32, f32) {
        let factor = if at_ms > self.at_ms {
            half_lives.get(h).map_or(1.0, |l| exp2_f64(-((at_ms - self.at_ms) as f64) / l.ms()) as f32)
        } else {
            1.0
        };
        (self.trials[h] * factor, self.hits[h] * factor, self.weight[h] * factor)
    }

    /// Writes the counter, bit for bit.
    pub fn encode(&self, out: &mut Writer) {
        out.zigzag(self.at_ms);
        for list in [&self.trials, &self.hits, &self.weight] {
            list.iter().for_each(|v| out.f32(*v));
        }
        out.f32(self.seen);
        out.f32(self.acts);
    }

    /// Reads what [`Affinity::encode`] wrote.
    pub fn decode(bytes: &mut Reader<'_>) -> Self {
        let mut counter = Self { at_ms: bytes.zigzag(), ..Self::default() };
        for list in [&mut counter.trials, &mut counter.hits, &mut counter.weight] {
            for value in list {
                *value = bytes.f32();
            }
        }
        counter.seen = bytes.f32();
        counter.acts = bytes.f32();
        counter
    }
}

/// Running mean and spread of a number over what the user chose.
///
/// # Source
/// Welford, "Note on a method for calculating corrected sums of squares and products", 1962; the weight of the past is capped, so
/// that the mean follows a habit that changes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Habit {
    /// How many numbers, capped.
    pub n: f32,
    /// Their mean.
    pub mean: f32,
    /// Their variance.
    pub variance: f32,
}

impl Habit {
    const MEMORY: f32 = 50.0;
    /// Numbers that lie where they are expected, imagined beside few.
    const SMOOTHING: f32 = 4.0;

    /// Adds a number.
    #[cfg_attr(zhiji_phone, optimize(speed))]
    pub fn add(&mut self, x: f32) {
        self.n = (self.n + 1.0).min(Self::MEMORY);
        let delta = x - self.mean;
        self.mean += delta / self.n;
        self.variance += (delta * (x - self.mean) - self.variance) / self.n;
    }

    /// Distance of `x` in standard deviations (at least 0.25 of the scale's unit each), less where the habit is of few numbers; 0 while there is none.
    pub fn offset(&self, x: f32) -> f32 {
        // A state that was tampered with may hold any bits.
        let share = if self.n >= 1.0 { self.n / (self.n + Self::SMOOTHING) } else { 0.0 };
        share * ((x - self.mean) / (self.variance.max(0.0) + 0.0625).sqrt()).clamp(-4.0, 4.0)
    }

    /// Writes the habit, bit for bit.
    pub fn encode(&self, out: &mut Writer) {
        out.f32(self.n);
        out.f32(self.mean);
        out.f32(self.variance);
    }

    /// Reads what [`Habit::encode`] wrote.
    pub fn decode(bytes: &mut Reader<'_>) -> Self {
        Self { n: bytes.f32(), mean: bytes.f32(), variance: bytes.f32() }
    }
}

/// What is remembered of one item.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ItemMemory {
    /// Impressions since the user last did something with it.
    pub unanswered: u32,
    /// All impressions.
    pub shown: u32,
    /// Everything else.
    pub acts: u32,
    /// Sum of the schema's weights.
    pub weight: f32,
    /// Whether the last thing that the user expressed about it was a dislike.
    pub turned_down: bool,
}
