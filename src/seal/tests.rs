#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use proptest::prelude::*;

fn hex(text: &str) -> Vec<u8> {
    text.as_bytes().chunks(2).map(|pair| u8::from_str_radix(core::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// draft-irtf-cfrg-xchacha-03, appendix A.3.1.
#[test]
fn the_drafts_example_seals_to_the_drafts_bytes() {
    let key: [u8; 32] = core::array::from_fn(|i| 0x80 + u8::try_from(i).unwrap());
    let nonce: [u8; 24] = core::array::from_fn(|i| 0x40 + u8::try_from(i).unwrap());
    let aad = hex("50515253c0c1c2c3c4c5c6c7");
    let plain = b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.";
    let expected = hex(concat!(
        "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb",
        "731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216cb96b72e1213b452",
        "2f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9",
        "21f9664c97637da9768812f615c68b13b52e",
        "c0875924c1c7987947deafd8780acf49"
    ));
    let chunk = seal_chunk(&Key::new(key), nonce, &aad, plain).unwrap();
    assert_eq!(&chunk[28..], expected);
    assert_eq!(&chunk[4..28], nonce);
    assert_eq!(&chunk[..4], u32::try_from(24 + expected.len()).unwrap().to_le_bytes());
}

fn three() -> (Key, Vec<u8>, [usize; 3]) {
    let key = Key::new([7; 32]);
    let mut file = Vec::new();
    let mut ends = [0; 3];
    for (i, end) in ends.iter_mut().enumerate() {
        let n = u8::try_from(i).unwrap();
        file.extend(seal_chunk(&key, [n; 24], &[n], &[n; 10]).unwrap());
        *end = file.len();
    }
    (key, file, ends)
}

fn aad(position: usize) -> [u8; 1] {
    [u8::try_from(position).unwrap()]
}

#[test]
fn a_cut_at_every_byte_leaves_the_whole_chunks_before_it() {
    let (key, file, ends) = three();
    for cut in 0..=file.len() {
        let (chunks, tail) = open_chunks(&key, aad, &file[..cut]);
        let whole = ends.iter().filter(|end| **end <= cut).count();
        assert_eq!(chunks.len(), whole);
        let start = if whole == 0 { 0 } else { ends[whole - 1] };
        assert_eq!(tail, Tail { damaged: 0, torn_bytes: cut - start });
    }
}

#[test]
fn a_changed_byte_costs_its_own_chunk() {
    let (key, file, ends) = three();
    for at in (ends[0] + 4)..ends[1] {
        let mut file = file.clone();
        file[at] ^= 1;
        let (chunks, tail) = open_chunks(&key, aad, &file);
        assert_eq!((chunks, tail), (vec![vec![0; 10], vec![2; 10]], Tail { damaged: 1, torn_bytes: 0 }));
    }
}

#[test]
fn another_key_or_another_place_opens_nothing() {
    let (key, file, _) = three();
    assert_eq!(open_chunks(&Key::new([8; 32]), aad, &file).1.damaged, 3);
    assert_eq!(open_chunks(&key, |_| [9], &file).1.damaged, 3);
}

#[test]
fn a_key_does_not_print_itself() {
    assert_eq!(format!("{:?}", Key::new([7; 32])), "Key(..)");
}

proptest! {
    #[test]
    fn what_is_sealed_opens(plain in any::<Vec<u8>>(), aad in any::<Vec<u8>>(), nonce: [u8; 24], key: [u8; 32]) {
        let key = Key::new(key);
        let chunk = seal_chunk(&key, nonce, &aad, &plain).unwrap();
        prop_assert_eq!(chunk.len(), plain.len() + OVERHEAD);
        prop_assert_eq!(open_chunks(&key, |_| &aad, &chunk), (vec![plain], Tail::default()));
    }

    #[test]
    fn arbitrary_bytes_open_to_nothing(bytes in any::<Vec<u8>>()) {
        prop_assert!(open_chunks(&Key::new([7; 32]), |_| [], &bytes).0.is_empty());
    }
}
