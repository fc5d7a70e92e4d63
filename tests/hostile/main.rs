//! Bytes that nobody should have made: what once broke, what is sound, and sound bytes with damage.
#![cfg(not(target_arch = "wasm32"))]
#![allow(missing_docs)]

mod seeds;
mod subjects;

use proptest::prelude::*;
use seeds::seeds;
use std::path::Path;
use subjects::{Draws, SUBJECTS, Subject};

fn subject(name: &str) -> Subject {
    SUBJECTS.iter().find(|(known, _)| *known == name).expect("a subject").1
}

#[test]
fn every_seed_is_sound() {
    for (name, seed, bytes) in seeds() {
        assert!(subject(name)(&bytes), "{name}: {seed}");
    }
    for (name, _) in SUBJECTS {
        assert!(seeds().iter().any(|(of, ..)| *of == name), "{name} has no seed");
    }
}

/// Inputs under which something once broke, by subject; a file's name says what.
#[test]
fn what_once_broke_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile/crashers");
    let mut found = 0;
    for (name, run) in SUBJECTS {
        let Ok(files) = std::fs::read_dir(folder.join(name)) else { continue };
        for file in files {
            let path = file.unwrap().path();
            println!("{}", path.display());
            run(&std::fs::read(path).unwrap());
            found += 1;
        }
    }
    assert!(found > 0, "the crashers are in {}", folder.display());
}

#[test]
fn empty_and_tiny_inputs_are_refused_everywhere() {
    for (name, run) in SUBJECTS {
        assert!(!run(&[]), "{name}");
        for byte in 0..=255 {
            assert!(!run(&[byte]), "{name}: {byte}");
        }
    }
}

/// One damage: what kind, where, and with what.
type Damage = (u8, prop::sample::Index, prop::sample::Index, u64);

/// Numbers that boundaries are made of.
const ODD: [&[u8]; 10] = [
    &[0xff],
    &[0],
    &[0x80],
    &[0xff; 4],
    &[0, 0, 0xc0, 0x7f],
    &[0, 0, 0x80, 0x7f],
    &[0, 0, 0, 0x80],
    &[0xff; 8],
    b"4294967296",
    b"-1",
];

fn damaged(bytes: &[u8], damages: &[Damage]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for (kind, at, other, value) in damages {
        if bytes.is_empty() {
            break;
        }
        let (at, other) = (at.index(bytes.len()), other.index(bytes.len()));
        let near = (at + (*value as usize & 15) + 1).min(bytes.len());
        let odd = ODD[*value as usize % ODD.len()];
        match kind % 8 {
            0 => bytes[at] ^= 1 << (value & 7),
            1 => bytes.swap(at, other),
            2 => bytes.truncate(bytes.len() - (value & 15).min(bytes.len() as u64) as usize),
            3 => drop(bytes.drain(at..near)),
            4 => drop(bytes.splice(at..at, odd.iter().copied())),
            5 => {
                let part = bytes[at..near].to_vec();
                drop(bytes.splice(other..other, part));
            }
            6 => {
                let end = (at + odd.len()).min(bytes.len());
                bytes[at..end].copy_from_slice(&odd[..end - at]);
            }
            _ => {
                // A digit for a digit: the JSON stays JSON.
                let digit =
                    bytes.iter().enumerate().cycle().skip(at).take(bytes.len()).find(|(_, b)| b.is_ascii_digit());
                if let Some((at, _)) = digit {
                    bytes[at] = b'0' + (value % 10) as u8;
                }
            }
        }
    }
    bytes
}

fn damages() -> impl Strategy<Value = Vec<Damage>> {
    prop::collection::vec((any::<u8>(), any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u64>()), 1..6)
}

/// Every seed under so many damages.
fn holds(name: &str, cases: u32) {
    let seeds: Vec<Vec<u8>> = seeds().into_iter().filter(|(of, ..)| *of == name).map(|(.., bytes)| bytes).collect();
    let run = subject(name);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(cases));
    let strategy = (any::<prop::sample::Index>(), damages());
    runner
        .run(&strategy, |(seed, damages)| {
            run(&damaged(&seeds[seed.index(seeds.len())], &damages));
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_damaged_bundle_is_refused_by_name_or_scores_finitely() {
    holds("bundle", 1_500);
}

#[test]
fn a_damaged_log_is_repaired_and_read_again() {
    holds("log", 60);
}

#[test]
fn a_damaged_snapshot_leaves_an_engine_that_works() {
    holds("snapshot", 60);
}

#[test]
fn a_damaged_journal_is_read_as_it_stands_or_not_at_all() {
    holds("control", 120);
}

#[test]
fn a_damaged_manifest_or_root_is_refused_by_name_or_sound() {
    holds("manifest", 120);
    holds("root", 60);
}

#[test]
fn a_damaged_schema_is_refused_by_name_or_an_engine_works_under_it() {
    holds("schema", 200);
}

/// Numbers inside the tensors alone: most of these bundles are read, and none may say anything but a number.
#[test]
fn any_weights_score_finitely() {
    let (mut taken, mut draws) = (0, Draws::of(b"weights"));
    for (_, seed, bytes) in seeds().into_iter().filter(|(of, ..)| *of == "bundle") {
        let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        for _ in 0..100 {
            let mut other = bytes.clone();
            for _ in 0..4 {
                let at = header + draws.below(other.len() - header);
                // The upper half of a single: sign, exponent and the first digits.
                other[at] = draws.next() as u8;
            }
            println!("{seed}");
            taken += usize::from(zhiji::bundle::open(&other).is_ok());
            subject("bundle")(&other);
        }
    }
    assert!(taken > 100, "{taken}");
}
