//! The native build reproduces the golden vectors bit for bit.
#![cfg(not(target_arch = "wasm32"))]

/// The committed expectation, without its comments.
fn expected() -> Vec<u32> {
    include_str!("golden/bits.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| u32::from_str_radix(line, 16).expect("a bit pattern in hex"))
        .collect()
}

#[test]
fn native_bits_are_the_committed_ones() {
    let (got, want) = (zhiji::golden::golden_bits(), expected());
    let differs = got.iter().zip(&want).position(|(got, want)| got != want);
    assert_eq!(differs, None, "first difference at this index of src/golden.rs' list");
    assert_eq!(got.len(), want.len());
}
