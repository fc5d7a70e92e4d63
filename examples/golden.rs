//! Prints the expected golden vectors: `cargo run --example golden > tests/golden/bits.txt`.

fn main() {
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
