//! The golden vectors as a bare wasm module.
//!
//! The builds for phones are too dear to carry them, so `cargo xtask build` compiles them apart, with the same profile, flags and passes, and
//! `tests/js/golden.test.mjs` reads them there. What is shipped is held to the same bits by the bundle of `tests/golden/bundle.rs`.

/// Works the vectors out, and gives the address of their number, behind which they stand.
#[unsafe(no_mangle)]
pub extern "C" fn golden() -> *const u32 {
    let mut words = zhiji::golden::golden_bits();
    words.insert(0, words.len() as u32);
    words.leak().as_ptr()
}
