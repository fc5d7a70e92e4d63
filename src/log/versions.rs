//! Versions of items, each kept once and numbered in the order of their first appearance.

use crate::item::Item;
use crate::keyed::KeyMap;
use alloc::rc::Rc;
use alloc::vec::Vec;

/// Item versions by number; found by wire id first, then from the newest version of that item to the oldest.
#[derive(Clone, Debug, Default)]
pub struct Versions {
    newest: KeyMap,
    all: Vec<(Rc<Item>, Option<u32>)>,
}

impl Versions {
    fn at(&self, number: u32) -> Option<&(Rc<Item>, Option<u32>)> {
        self.all.get(usize::try_from(number).ok()?)
    }

    /// The number of this version, and whether it is new.
    pub fn number(&mut self, item: &Rc<Item>) -> (u32, bool) {
        let newest = self.newest.get(item.wire());
        let mut place = newest;
        while let Some(number) = place {
            let Some((known, older)) = self.at(number) else { break };
            if Rc::ptr_eq(known, item) || known == item {
                return (number, false);
            }
            place = *older;
        }
        let number = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        self.all.push((Rc::clone(item), newest));
        self.newest.insert(item.wire(), number);
        (number, true)
    }

    /// The one copy of this version.
    pub fn share(&mut self, item: &Rc<Item>) -> Rc<Item> {
        let (number, _) = self.number(item);
        Rc::clone(self.at(number).map_or(item, |(known, _)| known))
    }
}
