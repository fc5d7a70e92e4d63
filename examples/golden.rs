//! Prints what every build of the engine is held to.
//!
//! - `cargo run --example golden > tests/golden/bits.txt`: the golden vectors;
//! - `cargo run --example golden -- page > miniprogram/services/golden.js`: the golden bundle of the self-test page.

#[path = "../tests/golden/bundle.rs"]
mod bundle;

fn main() {
    if std::env::args().nth(1).as_deref() == Some("page") {
        print!("{}", bundle::golden_page());
        return;
    }
    println!(
        "# Golden vectors of the engine's arithmetic: bit patterns in hex, one a line, in the order of src/golden.rs."
    );
    println!(
        "# Regenerate after a reviewed change of the arithmetic: cargo run --example golden > tests/golden/bits.txt"
    );
    for bits in zhiji::golden::golden_bits() {
        println!("{bits:08x}");
    }
}
