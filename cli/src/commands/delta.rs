//! Making deltas: what two bundles share is copied, the rest is told. Phones apply them by [`zhiji::sync::delta`].

use std::collections::HashMap;

use zhiji::codec::Writer;
use zhiji::sync::delta::MAGIC;

/// The least that is worth copying, in bytes: a command takes two to six.
const BLOCK: usize = 16;
/// Every so many bytes of the base can be found again; what lies between is met by growing backwards.
const STEP: usize = 4;

/// Bytes that make `target` out of `base`.
pub fn make_delta(base: &[u8], target: &[u8]) -> Vec<u8> {
    let mut places: HashMap<&[u8], usize> = HashMap::new();
    for (block, at) in base.windows(BLOCK).zip(0..).step_by(STEP) {
        places.entry(block).or_insert(at);
    }
    let mut out = Writer::new();
    out.raw(MAGIC);
    // So much of the target is told, and the last copy ended here in the base.
    let (mut told, mut end, mut at) = (0, 0, 0);
    while let Some(block) = target.get(at..at + BLOCK) {
        // Where a table changed here and there, what follows stands at the same distance as before.
        let along = end + (at - told);
        let same = base.get(along..along + BLOCK) == Some(block);
        let found = if same { Some(along) } else { places.get(block).copied() };
        let Some(from) = found else {
            at += 1;
            continue;
        };
        let before = target[told..at].iter().rev().zip(base[..from].iter().rev());
        let back = before.take_while(|(a, b)| a == b).count();
        let (from, start) = (from - back, at - back);
        let length = target[start..].iter().zip(&base[from..]).take_while(|(a, b)| a == b).count();
        tell(&mut out, &target[told..start]);
        out.varint(length as u64 * 2);
        out.zigzag(from as i64 - end as i64);
        (told, end, at) = (start + length, from + length, start + length);
    }
    tell(&mut out, &target[told..]);
    out.into_bytes()
}

fn tell(out: &mut Writer, bytes: &[u8]) {
    if !bytes.is_empty() {
        out.varint(bytes.len() as u64 * 2 + 1);
        out.raw(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zhiji::rng::Rng;
    use zhiji::sync::delta::apply_delta;

    fn check(base: &[u8], target: &[u8]) -> usize {
        let delta = make_delta(base, target);
        assert_eq!(apply_delta(base, &delta, target.len()).expect("it applies"), target);
        delta.len()
    }

    #[test]
    fn what_was_copied_and_told_is_the_target() {
        let mut rng = Rng::derive(&[3; 32], "delta", &[]);
        let mut base = vec![0; 20_000];
        rng.fill(&mut base);
        assert!(check(&base, &base) < 12);
        assert!(check(&[], &base) < base.len() + 8);
        check(&base, &[]);
        check(&base, &base[..BLOCK - 1]);
        // Single numbers changed in place.
        let mut target = base.clone();
        (0..100).for_each(|i| target[i * 200..i * 200 + 4].fill(7));
        assert!(check(&base, &target) < 100 * 12);
        // A header that became longer, and halves that changed places.
        let moved = [b"a longer header, of no length in particular", &base[9_000..], &base[..9_000]].concat();
        assert!(check(&base, &moved) < 100);
        // Zeros are alike wherever they stand.
        check(&vec![0; 5_000], &vec![0; 9_000]);
    }
}
