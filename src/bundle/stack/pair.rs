//! What depends on the pair.
//!
//! Pairs are scored in panels: up to eight candidates of one request side by side, so that the buffer holds the first number of each, then the
//! second of each, and so on. A candidate has the same bits beside any others.

use super::kind::{Block, Kind};
use super::net;
use super::place::{Side, interleave, part, part_mut, pick, split, standardise, whole};
use super::{Past, Scratch, Stack, Workspace, reads};
use crate::kernel;
use crate::kernel::linear::PANEL;

/// What a block may read: what stands in the three buffers, and the layout's features.
#[derive(Clone, Copy)]
pub(super) struct Reading<'a> {
    pub user: &'a [f32],
    pub items: &'a [&'a [f32]],
    /// Panels of the blocks that stand before.
    pub pair: &'a [f32],
    pub dense: &'a [&'a [f32]],
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
                let from = Reading { user: &at.user, items, pair: before, dense, lanes };
                self.pair(block, from, &at.past, &mut at.scratch, part_mut(rest, 0, block.out.width * lanes));
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
    #[inline(never)]
    fn row(&self, item: &[f32]) -> u32 {
        match item.first() {
            Some(row) if !self.items.is_empty() && *row >= 0.0 => whole(*row),
            _ => u32::MAX,
        }
    }

    /// What one block gives for one panel of pairs.
    fn pair(&self, block: &Block, from: Reading<'_>, past: &Past, scratch: &mut Scratch, out: &mut [f32]) {
        match &block.kind {
            Kind::Net(net) => net::pair(net, block, from, scratch, out),
            kind @ (Kind::Mean(_) | Kind::Product) => {
                kind.apply(net::panel(&block.of, |_| true, from, &mut scratch.input).0, out);
            }
            _ => {
                for (lane, (item, dense)) in from.items.iter().zip(from.dense).enumerate() {
                    self.candidate(block, from.user, item, dense, past, scratch);
                    interleave(part(&scratch.own, 0, block.out.width), lane, from.lanes, out);
                }
            }
        }
    }

    /// What one block gives for one pair.
    fn candidate(&self, block: &Block, user: &[f32], item: &[f32], dense: &[f32], past: &Past, scratch: &mut Scratch) {
        let Scratch { input, sum, own, places, works, .. } = scratch;
        let own = part_mut(own, 0, block.out.width);
        let number = match &block.kind {
            Kind::Dense { picks, mean, inverse } => return standardise(picks, mean, inverse, dense, own),
            Kind::Attention { past: at, attention, .. } => {
                let (known, work) = (past.histories.get(*at), works.get_mut(*at));
                if let (Some(history), Some(work), Some(of)) = (known, work, block.of.first()) {
                    let kept = part(item, block.kept_item, attention.item_len());
                    attention.score_pair(history, part(item, of.from, of.width), kept, work, own);
                }
                return;
            }
            Kind::Wide { picks, wide, .. } => {
                let x = pick(picks, dense, input);
                let of_item = item.get(block.kept_item).copied().unwrap_or(0.0);
                wide.logit(wide.score_user(), of_item, wide.score_pair(x))
            }
            Kind::Fm { picks, fm, .. } => {
                let x = pick(picks, dense, input);
                let sum = part_mut(sum, 0, fm.width());
                let of_pair = fm.part(part(places, 0, x.len()), x, sum);
                let of_item = part(item, block.kept_item, 1 + fm.width());
                let (first, rest) = of_item.split_first().unwrap_or((&0.0, &[]));
                fm.logit((of_pair, sum), (*first, rest))
            }
            Kind::Covisit(table) => table.score(&past.rows, self.row(item)),
            Kind::Vector { at: items, query } => {
                let (row, known) = (self.row(item), self.vectors(*items).zip(past.queries.get(*query)));
                match (known, block.of.as_slice()) {
                    (Some((vectors, query)), _) if row != u32::MAX => vectors.score(query, row),
                    (_, [of_user, of_item]) => {
                        kernel::dot(part(user, of_user.from, of_user.width), part(item, of_item.from, of_item.width))
                    }
                    _ => 0.0,
                }
            }
            _ => return,
        };
        own.fill(number);
    }
}
