//! Maps with few compiled forms: by keys that are hashes already, and by numbers that mostly rise.
//!
//! The tree maps of the standard library are compiled anew for each pair of types, at 3 to 6 kB of the module that a phone loads.

use alloc::vec::Vec;
use core::hash::{BuildHasherDefault, Hasher};

/// Keys are already 64 well-spread bits, so they are their own hash; and nothing iterates a map without sorting first.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }
    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}

/// A map by key.
pub type KeyMap<V> = hashbrown::HashMap<u64, V, BuildHasherDefault<KeyHasher>>;

/// A map by numbers, in their order. Numbers that come in rising order are appended; others cost a move of those above them.
#[derive(Clone, Debug, PartialEq)]
pub struct Numbered<V>(Vec<(u32, V)>);

impl<V> Numbered<V> {
    /// An empty map.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    fn place(&self, number: u32) -> Result<usize, usize> {
        match self.0.last() {
            Some((last, _)) if *last >= number => self.0.binary_search_by_key(&number, |(known, _)| *known),
            _ => Err(self.0.len()),
        }
    }

    /// What stands under `number`.
    pub fn get(&self, number: u32) -> Option<&V> {
        self.0.get(self.place(number).ok()?).map(|(_, value)| value)
    }

    /// Puts `value` under `number`, in place of what stood there.
    pub fn insert(&mut self, number: u32, value: V) {
        match self.place(number) {
            Ok(at) => {
                if let Some((_, known)) = self.0.get_mut(at) {
                    *known = value;
                }
            }
            Err(at) => self.0.insert(at, (number, value)),
        }
    }

    /// All, in the order of the numbers.
    pub fn iter(&self) -> core::slice::Iter<'_, (u32, V)> {
        self.0.iter()
    }

    /// Takes everything out.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Keeps the numbers below `bound`.
    pub fn keep_below(&mut self, bound: u32) {
        self.0.truncate(self.place(bound).unwrap_or_else(|at| at));
    }
}

impl<V> Default for Numbered<V> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_replaced_and_kept_in_order() {
        let mut map = Numbered::new();
        for (number, value) in [(5, 'a'), (9, 'b'), (1, 'c'), (7, 'd'), (9, 'e'), (0, 'f')] {
            map.insert(number, value);
        }
        assert_eq!(map.iter().copied().collect::<Vec<_>>(), [(0, 'f'), (1, 'c'), (5, 'a'), (7, 'd'), (9, 'e')]);
        assert_eq!([1, 2, 9, 10].map(|number| map.get(number).copied()), [Some('c'), None, Some('e'), None]);
        map.keep_below(7);
        assert_eq!(map.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [0, 1, 5]);
        map.keep_below(6);
        assert_eq!(map.iter().count(), 3);
        map.clear();
        assert_eq!(map.get(0), None);
    }
}
