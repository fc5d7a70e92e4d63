//! The mini-program's self-test knows the golden vectors by a fingerprint; it must be that of the file that every build is held against.

use std::fs;
use std::path::Path;

/// FNV-1a, 32 bits, over the bytes of the words, lowest byte first.
fn fingerprint(words: &[u32]) -> u32 {
    let mut hash = 0x811c_9dc5_u32;
    for byte in words.iter().flat_map(|word| word.to_le_bytes()) {
        hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    }
    hash
}

#[test]
fn the_self_test_expects_the_golden_vectors_of_this_commit() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let bits = fs::read_to_string(root.join("tests/golden/bits.txt")).unwrap();
    let words: Vec<u32> = bits
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(|line| u32::from_str_radix(line, 16).unwrap())
        .collect();
    let expected = format!("{{ words: {}, fingerprint: '{:08x}' }}", words.len(), fingerprint(&words));
    let page = fs::read_to_string(root.join("miniprogram/services/golden.js")).unwrap();
    assert!(page.contains(&expected), "miniprogram/services/golden.js must export {expected}");
}
