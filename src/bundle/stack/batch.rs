//! Many candidates in one call.

use super::kind::{Block, Kind};
use super::place::{Side, index, part};
use super::{Stack, Workspace};
use crate::block::{Fm, Wide};
use crate::kernel;
use crate::kernel::linear::PANEL;

/// A tier that is one `wide` block for one task, over features that stand side by side.
struct Line<'a> {
    wide: &'a Wide,
    /// The first of its features.
    from: usize,
    /// Where the item's part stands.
    kept: usize,
    gain: f32,
}

impl Line<'_> {
    /// Makes logits of what the features of each pair give. Whether all of them are finite; those that are not are held at the ends.
    #[cfg_attr(zhiji_phone, optimize(speed))]
    fn finish(&self, items: &[f32], item_len: usize, logits: &mut [f32]) -> bool {
        let (mut sound, mut item) = (true, 0);
        for slot in &mut *logits {
            let of_item = items.get(item).copied().unwrap_or(0.0);
            let logit = 0.0 + self.wide.logit(self.wide.score_user(), of_item, *slot) * self.gain;
            sound &= logit.is_finite();
            *slot = logit;
            item += item_len;
        }
        if !sound {
            for slot in logits {
                *slot = kernel::saturate(*slot);
            }
        }
        sound
    }
}

impl Stack {
    /// Writes the logits of many pairs, each with the bits of [`Stack::score_pair`]. What a call and a walk over the blocks cost is paid once where
    /// a tier is linear, else once for eight of them.
    ///
    /// # Shapes
    /// `items`: what [`Stack::score_item`] wrote for each candidate, one behind the other, or nothing for items that have no part; `dense`: the features
    /// of the layout, `stride` numbers for each candidate; `logits`: for each candidate one for each task of the tier.
    pub fn score_pairs(
        &self,
        at: &mut Workspace,
        items: &[f32],
        (dense, stride): (&[f32], usize),
        tier: usize,
        logits: &mut [f32],
    ) {
        let item_len = self.item_len();
        if let Some(line) = self.line(tier) {
            line.wide.score_rows(dense.get(line.from..).unwrap_or_default(), stride, logits);
            let sound = line.finish(items.get(line.kept..).unwrap_or_default(), item_len, logits);
            at.overflowed |= !sound;
            return;
        }
        let tasks = self.labels(tier).count().max(1);
        let mut candidate = 0;
        for logits in logits.chunks_mut(tasks.saturating_mul(PANEL)) {
            let (mut own, mut features) = ([&[][..]; PANEL], [&[][..]; PANEL]);
            for (item, row) in own.iter_mut().zip(&mut features) {
                *item = part(items, item_len.saturating_mul(candidate), item_len);
                *row = part(dense, stride.saturating_mul(candidate), stride);
                candidate += 1;
            }
            let count = logits.len() / tasks;
            self.score_panel(at, part(&own, 0, count), part(&features, 0, count), tier, logits);
        }
    }

    /// The tier as a line, where it is one.
    fn line(&self, tier: usize) -> Option<Line<'_>> {
        let [task] = self.tasks(tier) else { return None };
        let [(place, gain)] = task.of.as_slice() else { return None };
        if task.calibration.is_some() {
            return None;
        }
        for Block { kind, out, kept_item, .. } in &self.blocks {
            if let Kind::Wide { picks, wide, .. } = kind
                && (place.side, place.from) == (Side::Pair, out.from)
            {
                let first = picks.first().copied().unwrap_or(0);
                for (pick, expected) in picks.iter().zip(first..) {
                    if *pick != expected {
                        return None;
                    }
                }
                return Some(Line { wide, from: index(first), kept: *kept_item, gain: *gain });
            }
        }
        None
    }

    /// The factorisation machine of a name, for callers that bring sets of features of their own.
    pub fn machine(&self, name: &str) -> Option<&Fm> {
        self.blocks.iter().find_map(|block| match &block.kind {
            Kind::Fm { fm, .. } if block.name == name => Some(fm),
            _ => None,
        })
    }
}
