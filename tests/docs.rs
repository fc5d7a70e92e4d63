//! The documents against the code: what one of them lists, the other has.
#![cfg(not(target_arch = "wasm32"))]
#![allow(missing_docs)]

use std::collections::BTreeSet;

const ERRORS: &str = include_str!("../docs/errors.md");
const TYPES: &str = include_str!("../js/types/zhiji.d.ts");
/// Every file of the project that makes an error code.
const RUST: [&str; 6] = [
    include_str!("../src/error.rs"),
    include_str!("../src/bundle/error.rs"),
    include_str!("../src/sync/error.rs"),
    include_str!("../src/engine/mod.rs"),
    include_str!("../src/engine/update.rs"),
    include_str!("../src/wasm.rs"),
];
const JAVASCRIPT: &str = include_str!("../js/src/words.js");

fn is_code(text: &str) -> bool {
    let plain = text.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
    plain && text.len() > 5 && !text.starts_with('_')
}

/// What stands between two of `quote` on one line and looks like a code.
fn quoted(text: &str, quote: char) -> BTreeSet<&str> {
    text.lines().flat_map(|line| line.split(quote).skip(1).step_by(2)).filter(|text| is_code(text)).collect()
}

/// First column of every table.
fn documented() -> BTreeSet<&'static str> {
    let cells = ERRORS.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    cells.filter(|text| is_code(text)).collect()
}

fn in_the_code() -> BTreeSet<&'static str> {
    let mut codes: BTreeSet<&str> = RUST.iter().flat_map(|text| quoted(text, '"')).collect();
    codes.remove("CARGO_PKG_VERSION");
    let table = JAVASCRIPT.split("const SENTENCES = {").nth(1).and_then(|rest| rest.split("\n}").next()).unwrap();
    codes.extend(table.lines().filter_map(|line| line.trim().split(':').next()).filter(|text| is_code(text)));
    codes
}

#[test]
fn every_error_code_is_documented_and_typed_and_no_other() {
    let code = in_the_code();
    assert!(code.contains("SIGNATURE") && code.contains("STORAGE_FULL") && code.contains("CONTROL_LOST"), "{code:?}");
    assert_eq!(documented(), code, "docs/errors.md (left) against the sources (right)");
    let typed = TYPES.split("export type Code =").nth(1).and_then(|rest| rest.split("\n\n").next()).unwrap();
    assert_eq!(quoted(typed, '\''), code, "js/types/zhiji.d.ts (left) against the sources (right)");
}
