//! A browser's WebAssembly reproduces the golden vectors bit for bit.
#![cfg(target_arch = "wasm32")]

use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_browser);

#[wasm_bindgen_test]
fn browser_bits_are_the_committed_ones() {
    let want: Vec<u32> = include_str!("golden/bits.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| u32::from_str_radix(line, 16).expect("a bit pattern in hex"))
        .collect();
    let got = zhiji::golden::golden_bits();
    let differs = got.iter().zip(&want).position(|(got, want)| got != want);
    assert_eq!(differs, None, "first difference at this index of src/golden.rs' list");
    assert_eq!(got.len(), want.len());
}
