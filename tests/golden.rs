//! The native build reproduces the golden vectors bit for bit.
#![cfg(not(target_arch = "wasm32"))]

#[path = "golden/bundle.rs"]
mod bundle;

use std::collections::BTreeSet;

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

#[test]
fn the_self_test_page_carries_the_golden_bundle_and_the_native_answers() {
    let page = std::fs::read_to_string("miniprogram/services/golden.js").unwrap();
    assert!(page == bundle::golden_page(), "run: cargo run --example golden -- page > miniprogram/services/golden.js");
}

#[test]
fn the_golden_bundle_has_every_block_and_each_has_a_say() {
    let bundle = zhiji::bundle::open(&bundle::golden_bundle()).unwrap();
    let known: BTreeSet<&str> = bundle.stack().blocks().map(|(kind, _)| kind).collect();
    let documented = include_str!("../docs/bundle.md");
    let table = documented.split("## Blocks").nth(1).unwrap().split("| tensor |").next().unwrap();
    let all: BTreeSet<&str> = table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    assert_eq!(known, all);
    // A block that gave nothing would leave the answers of tasks and tiers alike. Of the probes only the first has a history with companions.
    let answers = bundle.answers();
    let (each, rest) = (answers.len() / 4, answers.len() % 4);
    assert_eq!((rest, each > 5), (0, true));
    let first = &answers[..each];
    assert_eq!(first.len(), first.iter().collect::<BTreeSet<_>>().len());
}
