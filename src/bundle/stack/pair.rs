//! What depends on the pair.
//!
//! Pairs are scored in panels: up to eight candidates of one request side by side, so that the buffer holds the first number of each, then the
//! second of each, and so on. A candidate has the same bits beside any others.

use super::kind::{Block, Kind};
use super::net;
use super::place::{Side, part, part_mut, pick, split, standardise, whole};
use super::{Past, Scratch, Stack, Workspace, reads};
use crate::kernel;
use crate::kernel::linear::PANEL;

/// What a block may read: what stands in the three buffers, the layout's features, and the user's past. Of the candidates there are `count`.
#[derive(Clone, Copy)]
pub(super) struct Reading<'a> {
    pub user: &'a [f32],
    pub items: &'a [&'a [f32]],
    /// Panels of the blocks that stand before.
    pub pair: &'a [f32],
    pub dense: &'a [&'a [f32]],
    pub past: &'a Past,
    /// How many numbers stand side by side: 4 or 8.
    pub lanes: usize,
}

impl Stack {
    /// Writes the logits of one pair, one for each task of the tier. Always finite. Only what the tier reads is computed.
    ///
    /// # Shapes
    /// `item`: what [`Stack::score_item`] wrote; `dense`: the features of the layout; `logits`: one for each task of the tier.
    pub fn score_pair(&self, at: &mut Workspace, item: &[f32], dense: &[f32], tier: usize, logits: &mut [f32]) {
        self.score_panel(at, &[item], &[dense], tier, logits);
    }

    /// Writes the logits of up to eight pairs, each with the bits of [`Stack::score_pair`].
    ///
    /// # Shapes
    /// `items`, `dense`: for each candidate what [`Stack::score_pair`] takes; `logits`: for each candidate one for each task of the tier.
    pub fn score_panel(&self, at: &mut Workspace, items: &[&[f32]], dense: &[&[f32]], tier: usize, logits: &mut [f32]) {
        let count = items.len().min(dense.len()).min(PANEL);
        let lanes = if count > PANEL / 2 { PANEL } else { PANEL / 2 };
        let (items, dense) = (part(items, 0, count), part(dense, 0, count));
        let of_tier = self.reads_of(tier);
        for (number, block) in self.blocks.iter().enumerate() {
            if block.out.side == Side::Pair && reads(of_tier, number) {
                let (before, rest) = split(&mut at.pair, block.out.from * lanes);
                let from = Reading { user: &at.user, items, pair: before, dense, past: &at.past, lanes };
                self.pair(block, from, &mut at.scratch, part_mut(rest, 0, block.out.width * lanes));
            }
        }
        let tasks = self.tasks(tier);
        for ((lane, item), logits) in items.iter().enumerate().zip(logits.chunks_mut(tasks.len().max(1))) {
            for (task, slot) in tasks.iter().zip(logits) {
                let mut logit = 0.0;
                for (place, gain) in &task.of {
                    let number = match place.side {
                        Side::User => at.user.get(place.from),
                        Side::Item => item.get(place.from),
                        Side::Pair => at.pair.get(place.from * lanes + lane),
                    };
                    logit += number.copied().unwrap_or(0.0) * gain;
                }
                at.overflowed |= !logit.is_finite();
                logit = kernel::saturate(logit);
                *slot = task.calibration.as_ref().map_or(logit, |calibration| calibration.apply(logit));
            }
        }
    }

    /// The item's row in the tables; of an item that has none, one that they do not have.
    pub(super) fn row(&self, item: &[f32]) -> u32 {
        match item.first() {
            Some(row) if !self.items.is_empty() && *row >= 0.0 => whole(*row),
            _ => u32::MAX,
        }
    }

    /// What one block gives for one panel of pairs.
    fn pair(&self, block: &Block, from: Reading<'_>, scratch: &mut Scratch, out: &mut [f32]) {
        let dense = &mut from.dense.iter();
        match &block.kind {
            Kind::Dense { picks, mean, inverse } => {
                for (lane, dense) in dense.enumerate() {
                    let row = part_mut(&mut scratch.sum, 0, picks.len());
                    standardise(picks, mean, inverse, dense, row);
                    for (slot, x) in out.iter_mut().skip(lane).step_by(from.lanes).zip(row) {
                        *slot = *x;
                    }
                }
            }
            Kind::Wide { picks, wide, .. } => {
                for ((dense, item), slot) in dense.zip(from.items).zip(out) {
                    let x = pick(picks, dense, &mut scratch.input);
                    let of_item = item.get(block.kept_item).copied().unwrap_or(0.0);
                    *slot = wide.logit(wide.score_user(), of_item, wide.score_pair(x));
                }
            }
            Kind::Fm { picks, fm, .. } => {
                for ((dense, item), slot) in dense.zip(from.items).zip(out) {
                    let x = pick(picks, dense, &mut scratch.input);
                    let sum = part_mut(&mut scratch.sum, 0, fm.width());
                    let own = fm.part(part(&scratch.places, 0, x.len()), x, sum);
                    let of_item = part(item, block.kept_item, 1 + fm.width());
                    let (first, rest) = of_item.split_first().unwrap_or((&0.0, &[]));
                    *slot = fm.logit((own, sum), (*first, rest));
                }
            }
            Kind::Covisit(table) => {
                for (item, slot) in from.items.iter().zip(out) {
                    *slot = table.score(&from.past.rows, self.row(item));
                }
            }
            Kind::Vector { at: items, query } => {
                let known = self.vectors(*items).zip(from.past.queries.get(*query));
                for (item, slot) in from.items.iter().zip(out) {
                    let row = self.row(item);
                    *slot = match known {
                        Some((vectors, query)) if row != u32::MAX => vectors.score(query, row),
                        _ => {
                            let parts = [from.user, item, &[]];
                            let [user, item] = [0, 1].map(|i| block.of.get(i).map_or(&[][..], |of| of.read(parts)));
                            kernel::dot(user, item)
                        }
                    };
                }
            }
            Kind::Attention { past, attention, .. } => {
                let (known, work) = (from.past.histories.get(*past), scratch.works.get_mut(*past));
                if let (Some(history), Some(work), Some(of)) = (known, work, block.of.first()) {
                    for (lane, item) in from.items.iter().enumerate() {
                        let candidate = part(item, of.from, of.width);
                        let own = part(item, block.kept_item, attention.item_len());
                        let row = part_mut(&mut scratch.sum, 0, of.width);
                        attention.score_pair(history, candidate, own, work, row);
                        for (slot, x) in out.iter_mut().skip(lane).step_by(from.lanes).zip(row) {
                            *slot = *x;
                        }
                    }
                }
            }
            Kind::Net(net) => net::pair(net, block, from, scratch, out),
            kind => kind.apply(net::panel(&block.of, |_| true, from, &mut scratch.input).0, out),
        }
    }
}
