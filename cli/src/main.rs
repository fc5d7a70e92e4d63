//! The command `zhiji`.

fn main() {}
