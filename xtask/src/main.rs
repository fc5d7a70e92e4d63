//! `cargo xtask`: the project's own commands.

#[allow(dead_code)]
mod catalogue;

fn main() {}
