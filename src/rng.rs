//! The seeded generator. Randomness comes from the host as 32 bytes; nothing here is ambient.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng as _};
use sha2::{Digest as _, Sha256};

/// The host's 32 random bytes.
pub type Seed = [u8; 32];

/// A ChaCha8 stream bound to one purpose.
pub struct Rng(ChaCha8Rng);

impl Rng {
    /// The generator for `purpose`, given the host's seed and the data it may depend on.
    ///
    /// The same seed, purpose and data give the same stream, so that the same log ranks the same candidates the same way;
    /// different purposes give unrelated streams.
    pub fn derive(seed: &Seed, purpose: &str, data: &[u8]) -> Self {
        let mut hash = Sha256::new();
        hash.update(seed);
        hash.update(purpose.as_bytes());
        hash.update([0]);
        hash.update(data);
        Self(ChaCha8Rng::from_seed(hash.finalize().into()))
    }

    /// A uniform number in [0, 1) with 24 bits.
    pub fn uniform(&mut self) -> f32 {
        (self.0.next_u32() >> 8) as f32 * (1.0 / 16_777_216.0)
    }

    /// 64 uniform bits.
    pub fn word(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A uniform integer in `0..n`, or 0 where `n` is 0.
    ///
    /// # Source
    /// Lemire, "Fast Random Integer Generation in an Interval", 2019, section 4 (multiply and shift; the bias is under 2⁻³²·n,
    /// far below what a slate of at most 5,000 candidates can show).
    pub fn below(&mut self, n: u32) -> u32 {
        ((u64::from(self.0.next_u32()) * u64::from(n)) >> 32) as u32
    }

    /// Fills `bytes`.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }
}
