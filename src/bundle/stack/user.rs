//! What depends on the user alone.

use super::kind::Kind;
use super::net;
use super::place::{Side, gather, index, part, part_mut, split, standardise};
use super::words::{decayed_mean, item_vector};
use super::{HISTORY_MOST, JUDGED_MOST, Met, Stack, Workspace, reads};

impl Stack {
    /// Takes in what the user judged, before [`Stack::score_user`]. Once per request.
    ///
    /// # Shapes
    /// `judged`: wire id of the item and what came of it, the newest first; [`JUDGED_MOST`] are read. Items without rows say nothing, but grow old.
    pub fn judge(&self, at: &mut Workspace, judged: &mut dyn Iterator<Item = (u64, f32)>) {
        if !self.reads_judged {
            return;
        }
        let Workspace { user, past, scratch, reads: chosen, .. } = at;
        past.judged.clear();
        for (wire, outcome) in judged.take(JUDGED_MOST) {
            past.judged.push((self.items.get(wire).unwrap_or(u32::MAX), outcome));
        }
        for (number, block) in self.blocks.iter().enumerate() {
            let Kind::Ridge { at: items, ridge } = &block.kind else { continue };
            let Some(vectors) = self.vectors(*items).filter(|_| reads(*chosen, number)) else { continue };
            let d = block.out.width;
            let work = &mut past.equations;
            work.begin(d);
            let mut power = 1.0;
            for (row, outcome) in &past.judged {
                if *row != u32::MAX {
                    let vector = part_mut(&mut scratch.sum, 0, d);
                    vectors.table().read(index(*row), vector);
                    ridge.add(vector, *outcome, vectors.bias(index(*row)), power, work);
                }
                power *= ridge.decay();
            }
            ridge.solve(work, part_mut(user, block.out.from, d));
        }
    }

    /// Computes what depends on the user alone, for the tier that was chosen or for all of them. Once per request.
    ///
    /// # Shapes
    /// `dense`: the features of the layout, of which those of the user are read; `recent`: what the user met lately, the newest first;
    /// [`HISTORY_MOST`] are read.
    pub fn score_user<'m>(&self, at: &mut Workspace, dense: &[f32], recent: &mut dyn Iterator<Item = Met<'m>>) {
        at.past.rows.clear();
        if self.reads_history {
            for (wire, keys) in recent.take(HISTORY_MOST) {
                let row = self.items.get(wire).unwrap_or(u32::MAX);
                for (number, block) in self.blocks.iter().enumerate() {
                    if let Kind::Item { vectors, words, history: true } = &block.kind
                        && reads(at.reads, number)
                    {
                        let from = block.kept_user + at.past.rows.len() * block.out.width;
                        let out = part_mut(&mut at.user, from, block.out.width);
                        item_vector(vectors, words.as_ref(), row, &mut keys.iter().copied(), &mut at.scratch.sum, out);
                    }
                }
                at.past.rows.push(row);
            }
        }
        for (number, block) in self.blocks.iter().enumerate() {
            if !reads(at.reads, number) {
                continue;
            }
            if let Kind::Net(net) = &block.kind
                && block.out.side == Side::Pair
            {
                net::keep(net, block, Side::User, &mut at.user, &mut at.scratch);
            }
            if block.out.side == Side::User {
                let (before, rest) = split(&mut at.user, block.out.from);
                let out = part_mut(rest, 0, block.out.width);
                match &block.kind {
                    Kind::Dense { picks, mean, inverse } => standardise(picks, mean, inverse, dense, out),
                    Kind::Recent { at: items, decay } => {
                        let (from, _) = self.history_of(*items);
                        decayed_mean(part(before, from, before.len()), at.past.rows.len(), *decay, out);
                    }
                    Kind::Sequence { at: items, past, sequence } => {
                        let (from, width) = self.history_of(*items);
                        if let Some(passage) = at.scratch.passages.get_mut(*past) {
                            let length = at.past.rows.len() * width;
                            sequence.score_user(part(before, from, length), passage, out);
                        }
                    }
                    Kind::Net(net) => net::alone(net, block, before, &mut at.scratch, out),
                    // What was judged has been taken in before.
                    Kind::Ridge { .. } => {}
                    kind => kind.apply(gather(&block.of, [before, &[], &[]], &mut at.scratch.input), out),
                }
            }
            if let Kind::Attention { at: items, past, attention } = &block.kind
                && let Some(history) = at.past.histories.get_mut(*past)
                && let Some(vectors) = self.vectors(*items)
            {
                let (from, width) = self.history_of(*items);
                let known = part(&at.user, from, at.past.rows.len() * width);
                attention.score_user(known, &at.past.rows, vectors.table(), history);
            }
            if let Kind::Vector { query, .. } = block.kind
                && let Some(query) = at.past.queries.get_mut(query)
                && let Some(of) = block.of.first()
            {
                query.set(part(&at.user, of.from, of.width));
            }
        }
    }

    /// Where the vectors of the recent items stand that an `item` block looked up, and how long they are.
    fn history_of(&self, items: usize) -> (usize, usize) {
        self.blocks.get(items).map_or((0, 0), |items| (items.kept_user, items.out.width))
    }
}
