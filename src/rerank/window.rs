//! Windows: at most so many with one value among so many neighbours.

use crate::item::Item;
use crate::schema::Policy;

/// Whether `item` may follow `before` (oldest first) without breaking a window.
pub fn fits(policy: &Policy, before: &[&Item], item: &Item) -> bool {
    policy.windows.iter().all(|window| {
        let near = &before[before.len().saturating_sub(window.within.saturating_sub(1))..];
        item.words(window.field).iter().all(|word| {
            let same = near.iter().filter(|b| b.words(window.field).iter().any(|w| w.key == word.key)).count();
            same < window.most
        })
    })
}
