//! The seeded generator. Randomness comes from the host as 32 bytes; nothing here is ambient.

use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit as _, StreamCipher as _};
use sha2::{Digest as _, Sha256};

/// The host's 32 random bytes.
pub type Seed = [u8; 32];

/// A seed that a person gives as a number: for the lab and for tests, no source of anything secret.
pub fn seed_of(number: u64) -> Seed {
    let mut seed: Seed = [0; 32];
    seed[..8].copy_from_slice(&number.to_le_bytes());
    seed
}

/// A ChaCha20 key stream bound to one purpose.
///
/// Encryption at rest needs ChaCha20 anyway, so a generator with fewer rounds would be larger, not smaller.
///
/// # Source
/// RFC 8439, section 2.4, with a nonce of zeros: each key is used for one stream.
pub struct Rng {
    stream: ChaCha20,
    block: [u8; 64],
    /// Where in the block the next number stands.
    at: usize,
}

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
        let key: [u8; 32] = hash.finalize().into();
        Self { stream: ChaCha20::new(&key.into(), &[0; 12].into()), block: [0; 64], at: 64 }
    }

    /// 32 uniform bits. The key stream is 256 GiB long; nothing here draws a millionth of that.
    fn next(&mut self) -> u32 {
        if self.at >= self.block.len() {
            self.block = [0; 64];
            // The only error is the end of the key stream; the zeros that would follow are as harmless as any other draw.
            let _ = self.stream.try_apply_keystream(&mut self.block);
            self.at = 0;
        }
        let mut word = [0; 4];
        word.iter_mut().zip(self.block.iter().skip(self.at)).for_each(|(to, from)| *to = *from);
        self.at += 4;
        u32::from_le_bytes(word)
    }

    /// A uniform number in [0, 1) with 24 bits.
    pub fn uniform(&mut self) -> f32 {
        (self.next() >> 8) as f32 * (1.0 / 16_777_216.0)
    }

    /// 64 uniform bits.
    pub fn word(&mut self) -> u64 {
        u64::from(self.next()) | u64::from(self.next()) << 32
    }

    /// A uniform integer in `0..n`, or 0 where `n` is 0.
    ///
    /// # Source
    /// Lemire, "Fast Random Integer Generation in an Interval", 2019, section 4 (multiply and shift; the bias is under 2⁻³²·n,
    /// far below what a slate of at most 5,000 candidates can show).
    pub fn below(&mut self, n: u32) -> u32 {
        ((u64::from(self.next()) * u64::from(n)) >> 32) as u32
    }

    /// Fills `bytes`.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(4) {
            chunk.copy_from_slice(&self.next().to_le_bytes()[..chunk.len()]);
        }
    }
}

/// Numbers that are the same everywhere and need not be unpredictable: of vectors that are compared, of tests, of a trainer's noise.
///
/// # Source
/// SplitMix64: Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014, figure 16.
#[derive(Clone, Debug)]
pub struct SplitMix(pub u64);

impl SplitMix {
    /// 64 bits.
    pub fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
