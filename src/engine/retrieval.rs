//! Retrieval: out of the whole catalogue that a bundle knows, what a page may want to rank.

use super::Engine;
use crate::rerank::filter;
use crate::time::Timestamp;
use alloc::vec;
use alloc::vec::Vec;

impl Engine {
    /// The ids of the `count` items of the live bundle that suit the user best, best first, by its blocks `vector` and `covisit`
    /// ([`crate::bundle::Stack::score_row`]); fewer or none where there are not so many, where the bundle has no such block or does not tell its ids, and where
    /// [`Engine::rank`] would give the page's own order.
    ///
    /// Left out is what the user turned down and, unless `seen`, all that the user has done anything with; of items that the page has given also
    /// what the filters and blocks take out.
    pub fn retrieve(&mut self, count: usize, seen: bool, now: Timestamp) -> Vec<&str> {
        let mut best: Vec<(f32, &[u8])> = Vec::new();
        let (memory, context) = (&self.observe.memory, self.context(now));
        let mut dense = vec![0.0; self.layout.len()];
        self.layout.fill_user(&self.schema, memory, context, &mut dense);
        let found = self.is_personal() && self.ranker.choose_catalogue(&mut self.workspace, &dense, memory.recent());
        for (id, wire, row) in self.ranker.stack().named().filter(|_| found) {
            if memory.items.get(wire).is_some_and(|met| met.turned_down || met.acts > 0 && !seen) {
                continue;
            }
            if let Some(known) = self.handles.get(wire).and_then(|handle| self.items.get(handle as usize)) {
                let number = |field| known.item.number(field);
                if !filter::passes(&self.schema, Some(memory), &self.control.blocks, &known.item, &number) {
                    continue;
                }
            }
            let Some(score) = self.ranker.score_row(&self.workspace, row) else { continue };
            // Of equal scores the first id's stands first.
            let place = best.partition_point(|(other, _)| *other >= score);
            if place < count {
                best.insert(place, (score, id));
                best.truncate(count);
            }
        }
        best.into_iter().filter_map(|(_, id)| core::str::from_utf8(id).ok()).collect()
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests;
