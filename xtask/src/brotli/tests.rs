//! What is compressed comes back, whatever it is.

use super::compressed;

/// Bytes from a seed (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % most
    }
}

fn comes_back(text: &[u8], what: &str) -> usize {
    let written = compressed(text);
    let mut back = Vec::new();
    brotli_decompressor::BrotliDecompress(&mut &written[..], &mut back)
        .unwrap_or_else(|problem| panic!("{what} cannot be read: {problem}"));
    assert!(back == text, "{what} comes back as something else");
    written.len()
}

#[test]
fn short_texts() {
    comes_back(b"", "nothing");
    for byte in (0..=255).step_by(5) {
        comes_back(&[byte], &format!("one byte {byte}"));
        comes_back(&[byte; 2], &format!("two bytes {byte}"));
    }
    for length in (3..200).step_by(7) {
        comes_back(&vec![7; length], &format!("{length} equal bytes"));
        let rising: Vec<u8> = (0..length as u8).collect();
        comes_back(&rising, &format!("{length} rising bytes"));
    }
}

#[test]
fn lengths_of_every_code() {
    // Literals of one length, a copy of another, from a distance that the literals make.
    let mut random = Random(1);
    for length in [5, 6, 9, 10, 33, 66, 129, 193, 322, 578, 1090, 2114] {
        let fresh: Vec<u8> = (0..length).map(|_| random.below(256) as u8).collect();
        let both = [&fresh[..], &fresh[..], &fresh[..length / 2]].concat();
        let size = comes_back(&both, &format!("{length} random bytes twice and a half"));
        assert!(size < length + 60, "{size} bytes for {length} that come again");
    }
}

#[test]
fn random_texts() {
    for seed in 0..12 {
        let mut random = Random(seed);
        let (symbols, copies) = (1 + random.below(256), random.below(100));
        let mut text: Vec<u8> = Vec::new();
        while text.len() < 1500 {
            if random.below(100) < copies && !text.is_empty() {
                let from = random.below(text.len() as u64) as usize;
                for at in from..from + 1 + random.below(60) as usize {
                    text.push(text[at]);
                }
            } else {
                text.push(random.below(symbols) as u8);
            }
        }
        comes_back(&text, &format!("text of seed {seed}"));
    }
}

#[test]
fn blocks_of_different_kinds() {
    let mut random = Random(9);
    let mut text = Vec::new();
    for block in [0, 1, 2, 0, 2, 1, 3, 1] {
        for _ in 0..4000 {
            // What follows a byte depends on it, and on the block.
            let before = text.last().copied().unwrap_or(0u8);
            text.push((before >> 2).wrapping_mul(block * 2 + 1).wrapping_add(random.below(6) as u8));
        }
    }
    let size = comes_back(&text, "blocks of four kinds");
    // Each byte is one of six.
    let least = (text.len() as f64 * 2.585 / 8.0) as usize;
    assert!(size < least * 23 / 20, "{size} bytes, where {least} are the least");
}
