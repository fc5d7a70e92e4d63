//! What depends on the pair.

use super::kind::{Block, Kind};
use super::place::{Side, gather, part, part_mut, pick, split, standardise, whole};
use super::{Past, Scratch, Stack, Workspace, reads};
use crate::kernel;

/// What a block may read for one pair: what stands in the three buffers, the layout's features, the item's row, and the user's past.
#[derive(Clone, Copy)]
struct Reading<'a> {
    parts: [&'a [f32]; 3],
    dense: &'a [f32],
    row: u32,
    past: &'a Past,
}

impl Stack {
    /// Writes the logits of one pair, one for each task of the tier. Always finite. Only what the tier reads is computed.
    ///
    /// # Shapes
    /// `item`: what [`Stack::score_item`] wrote; `dense`: the features of the layout; `logits`: one for each task of the tier.
    pub fn score_pair(&self, at: &mut Workspace, item: &[f32], dense: &[f32], tier: usize, logits: &mut [f32]) {
        let row = match item.first() {
            Some(row) if !self.items.is_empty() && *row >= 0.0 => whole(*row),
            _ => u32::MAX,
        };
        let of_tier = self.reads_of(tier);
        for (number, block) in self.blocks.iter().enumerate() {
            if block.out.side == Side::Pair && reads(of_tier, number) {
                let (before, rest) = split(&mut at.pair, block.out.from);
                let from = Reading { parts: [&at.user, item, before], dense, row, past: &at.past };
                self.pair(block, from, &mut at.scratch, part_mut(rest, 0, block.out.width));
            }
        }
        let parts = [at.user.as_slice(), item, &at.pair];
        let tasks = self.tiers.get(tier).map_or(&[][..], |tasks| tasks);
        for (task, slot) in tasks.iter().zip(logits) {
            let mut logit = 0.0;
            for (place, gain) in &task.of {
                logit += place.read(parts).first().copied().unwrap_or(0.0) * gain;
            }
            at.overflowed |= !logit.is_finite();
            *slot = kernel::saturate(logit);
        }
    }

    /// What one block gives for one pair.
    fn pair(&self, block: &Block, from: Reading<'_>, scratch: &mut Scratch, out: &mut [f32]) {
        let item = |length| part(from.parts[1], block.kept_item, length);
        let score = match &block.kind {
            Kind::Dense { picks, mean, inverse } => return standardise(picks, mean, inverse, from.dense, out),
            Kind::Wide { picks, wide, .. } => {
                let x = pick(picks, from.dense, &mut scratch.input);
                wide.logit(wide.score_user(), item(1).first().copied().unwrap_or(0.0), wide.score_pair(x))
            }
            Kind::Fm { picks, fm, .. } => {
                let x = pick(picks, from.dense, &mut scratch.input);
                let sum = part_mut(&mut scratch.sum, 0, fm.width());
                let own = fm.part(part(&scratch.places, 0, x.len()), x, sum);
                let (first, rest) = item(1 + fm.width()).split_first().unwrap_or((&0.0, &[]));
                fm.logit((own, sum), (*first, rest))
            }
            Kind::Covisit(table) => table.score(&from.past.rows, from.row),
            Kind::Vector { at: items, query } => {
                let known = self.vectors(*items).zip(from.past.queries.get(*query)).filter(|_| from.row != u32::MAX);
                match known {
                    Some((vectors, query)) => vectors.score(query, from.row),
                    None => {
                        let [user, item] = [0, 1].map(|i| block.of.get(i).map_or(&[][..], |of| of.read(from.parts)));
                        kernel::dot(user, item)
                    }
                }
            }
            kind => return kind.apply(gather(&block.of, from.parts, &mut scratch.input), out),
        };
        if let Some(slot) = out.first_mut() {
            *slot = score;
        }
    }
}
