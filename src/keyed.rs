//! Maps and orders with few compiled forms: by keys that are hashes or numbers already, and by falling value.
//!
//! The tree maps of the standard library are compiled anew for each pair of types, at 3 to 6 kB of the module that a phone loads.

use alloc::vec;
use alloc::vec::Vec;

/// A map from keys to numbers. Nothing is ever taken out.
///
/// Keys are already 64 well-spread bits, so they are their own hash. Entries stand in the order in which their keys came, and places of entries in a
/// table that is searched from the key's own slot on. A table that can do more weighs three times as much.
#[derive(Clone, Debug, Default)]
pub struct KeyMap {
    /// 0, or one more than the place of an entry. As many as a power of two, or none.
    slots: Vec<u32>,
    entries: Vec<(u64, u32)>,
}

impl KeyMap {
    /// The place of the entry of a key.
    #[cfg_attr(zhiji_phone, optimize(speed))]
    fn find(&self, key: u64) -> Option<usize> {
        let last = self.slots.len().checked_sub(1)?;
        let mut at = key as usize & last;
        loop {
            let place = self.slots.get(at)?.checked_sub(1)? as usize;
            if self.entries.get(place)?.0 == key {
                return Some(place);
            }
            at = (at + 1) & last;
        }
    }

    /// What stands under `key`.
    pub fn get(&self, key: u64) -> Option<u32> {
        Some(self.entries.get(self.find(key)?)?.1)
    }

    /// What stands under `key`, made where nothing does.
    pub fn entry(&mut self, key: u64, new: u32) -> &mut u32 {
        let place = self.find(key).unwrap_or_else(|| self.add(key, new));
        &mut self.entries[place].1
    }

    /// Puts `value` under `key`; gives what stood there.
    pub fn insert(&mut self, key: u64, value: u32) -> Option<u32> {
        let before = self.get(key);
        *self.entry(key, value) = value;
        before
    }

    #[inline(never)]
    fn add(&mut self, key: u64, value: u32) -> usize {
        let place = self.entries.len();
        self.entries.push((key, value));
        // At most three quarters of the slots are taken.
        if 4 * place < 3 * self.slots.len() {
            self.link(place);
        } else {
            self.slots = vec![0; (2 * self.slots.len()).max(8)];
            (0..=place).for_each(|place| self.link(place));
        }
        place
    }

    /// Gives an entry the first free slot.
    fn link(&mut self, place: usize) {
        let last = self.slots.len() - 1;
        let mut at = self.entries[place].0 as usize & last;
        while self.slots[at] != 0 {
            at = (at + 1) & last;
        }
        self.slots[at] = place as u32 + 1;
    }

    /// All keys with their values, in the order in which the keys came.
    pub fn iter(&self) -> core::slice::Iter<'_, (u64, u32)> {
        self.entries.iter()
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// A map by key whose values stand in a list, in the order in which their keys came.
///
/// A table is compiled anew for each type of value, and a list is not much: all of these maps share the one table of places.
#[derive(Clone, Debug)]
pub struct Keyed<V> {
    places: KeyMap,
    values: Vec<V>,
}

impl<V> Default for Keyed<V> {
    fn default() -> Self {
        Self { places: KeyMap::default(), values: Vec::new() }
    }
}

impl<V> Keyed<V> {
    /// What stands under `key`.
    #[cfg_attr(zhiji_phone, optimize(speed))]
    pub fn get(&self, key: u64) -> Option<&V> {
        self.values.get(self.places.get(key)? as usize)
    }

    /// Puts `value` under `key`, in place of what stood there.
    pub fn insert(&mut self, key: u64, value: V) {
        let next = self.values.len();
        match self.values.get_mut(*self.places.entry(key, next as u32) as usize) {
            Some(known) => *known = value,
            None => self.values.push(value),
        }
    }

    /// What stands under `key`, made where nothing does.
    #[cfg_attr(zhiji_phone, optimize(speed))]
    pub fn entry(&mut self, key: u64) -> &mut V
    where
        V: Default,
    {
        let next = self.values.len();
        let at = *self.places.entry(key, next as u32) as usize;
        if at >= next {
            self.values.push(V::default());
        }
        &mut self.values[at]
    }

    /// All, by rising key.
    pub fn sorted(&self) -> impl ExactSizeIterator<Item = (u64, &V)> {
        sorted(&self.places).into_iter().map(|(key, at)| (key, &self.values[at as usize]))
    }
}

#[inline(never)]
fn sorted(places: &KeyMap) -> Vec<(u64, u32)> {
    let mut all = places.entries.clone();
    all.sort_unstable();
    all
}

/// The places of so many values by falling value; of equal ones the first stands first.
///
/// Lists of any type are put in order by it: a sort is compiled anew for each, and this one is that of the maps.
#[inline(never)]
pub fn falling(count: usize, value: &dyn Fn(usize) -> f32) -> Vec<usize> {
    let mut all = Vec::with_capacity(count);
    for at in 0..count {
        // The bits of a float rise with it, those of a negative one fall.
        let bits = value(at).to_bits();
        let falling = if bits >> 31 == 0 { !bits & 0x7fff_ffff } else { bits };
        all.push((u64::from(falling), at as u32));
    }
    all.sort_unstable();
    all.into_iter().map(|(_, at)| at as usize).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_and_come_out_in_their_order() {
        let mut map = Keyed::default();
        for (key, more) in [(7, 1), (3, 2), (7, 4), (u64::MAX, 8), (3, 16)] {
            *map.entry(key) += more;
        }
        assert_eq!(map.sorted().collect::<Vec<_>>(), [(3, &18), (7, &5), (u64::MAX, &8)]);
        map.insert(7, 9);
        map.insert(0, 6);
        assert_eq!(map.sorted().collect::<Vec<_>>(), [(0, &6), (3, &18), (7, &9), (u64::MAX, &8)]);
        assert_eq!([3, 4].map(|key| map.get(key)), [Some(&18), None]);
    }

    #[test]
    fn places_come_by_falling_value_and_equal_ones_in_their_order() {
        let values = [0.5, -1.0, f32::INFINITY, 0.0, -3.0, 0.5, -0.0, f32::NEG_INFINITY];
        assert_eq!(falling(values.len(), &|at| values[at]), [2, 0, 5, 3, 6, 1, 4, 7]);
    }

    #[test]
    fn a_table_of_any_size_finds_its_keys_and_no_others() {
        let mut map = KeyMap::default();
        assert_eq!((map.get(0), map.is_empty()), (None, true));
        // Every other key has the slot of all others of its kind; among them are 0 and the largest.
        let key = |n: u64| if n & 1 == 0 { n << 32 } else { n.wrapping_mul(u64::MAX / 999) };
        for n in 0..1000 {
            assert_eq!(map.insert(key(n), n as u32), None, "{n}");
            for other in 0..1000 {
                assert_eq!(map.get(key(other)), (other <= n).then_some(other as u32), "{other} after {n}");
            }
        }
        assert_eq!((map.insert(key(7), 70), map.insert(key(7), 71), map.len()), (Some(7), Some(70), 1000));
        *map.entry(key(8), 0) += 1;
        assert_eq!([7, 8, 9].map(|n| map.get(key(n))), [Some(71), Some(9), Some(9)]);
    }
}
