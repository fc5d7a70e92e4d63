//! What depends on the item alone.

use alloc::vec;
use alloc::vec::Vec;

use super::kind::Kind;
use super::net;
use super::place::{Side, gather, index, part_mut, single, split};
use super::words::{bucket, has, item_vector, word_mean};
use super::{ID, NO_ROW, Scratch, Stack, Workspace};

impl Stack {
    /// Computes what depends on the item alone. Once per bundle and item.
    ///
    /// # Shapes
    /// `words`: for each word of the item the place of its field among [`Stack::fields`], or any other number where that is none of
    /// them, and its key; `out`: [`Stack::item_len`].
    pub fn score_item(&self, wire: u64, words: &[(u16, u64)], out: &mut [f32]) {
        self.item(wire, words, &mut self.scratch(), out);
    }

    /// The same for many items without words, one behind the other, in a workspace's room.
    ///
    /// # Shapes
    /// `out`: for each wire id [`Stack::item_len`].
    pub fn score_items(&self, at: &mut Workspace, wires: &mut dyn Iterator<Item = u64>, out: &mut [f32]) {
        for (wire, out) in wires.zip(out.chunks_exact_mut(self.item_len().max(1))) {
            self.item(wire, &[], &mut at.scratch, out);
        }
    }

    #[cfg_attr(zhiji_phone, optimize(speed))]
    fn item(&self, wire: u64, words: &[(u16, u64)], scratch: &mut Scratch, out: &mut [f32]) {
        out.fill(0.0);
        let row = self.items.get(wire);
        if !self.items.is_empty()
            && let Some(slot) = out.first_mut()
        {
            // The rows of a table are fewer than the whole numbers that a single holds exactly.
            *slot = row.map_or(NO_ROW, single);
        }
        let mut keys = Vec::new();
        for block in &self.blocks {
            match &block.kind {
                Kind::Wide { fields, wide, .. } => {
                    self.keys(*fields, wire, words, &mut keys);
                    if let Some(slot) = out.get_mut(block.kept_item) {
                        *slot = wide.score_item(&keys);
                    }
                }
                Kind::Fm { picks, fields, buckets, fm } => {
                    self.keys(*fields, wire, words, &mut keys);
                    let first = u32::try_from(picks.len()).unwrap_or(0);
                    let buckets: Vec<u32> = keys.iter().map(|key| first + bucket(*key, *buckets)).collect();
                    if let [own, sum @ ..] = part_mut(out, block.kept_item, 1 + fm.width()) {
                        *own = fm.part(&buckets, &vec![1.0; buckets.len()], sum);
                    }
                }
                Kind::Attention { attention, .. } => {
                    let (before, rest) = split(out, block.kept_item);
                    let candidate = block.of.first().map_or(&[][..], |of| of.read([&[], before, &[]]));
                    attention.score_item(candidate, part_mut(rest, 0, attention.item_len()));
                }
                Kind::Net(net) if block.out.side == Side::Pair => {
                    net::keep(net, block, Side::Item, out, scratch);
                }
                _ => {}
            }
            if block.out.side == Side::Item {
                let (before, rest) = split(out, block.out.from);
                let slots = part_mut(rest, 0, block.out.width);
                match &block.kind {
                    Kind::Embed { fields, table } => {
                        self.keys(*fields, wire, words, &mut keys);
                        word_mean(table, &mut keys.iter().copied(), &mut scratch.input, slots);
                    }
                    Kind::Item { vectors, words: table, .. } => {
                        let mut keys = words.iter().map(|(_, key)| *key);
                        item_vector(
                            vectors,
                            table.as_ref(),
                            row.unwrap_or(u32::MAX),
                            &mut keys,
                            &mut scratch.input,
                            slots,
                        );
                    }
                    Kind::Net(net) => net::alone(net, block, before, scratch, slots),
                    Kind::Bias { at } => {
                        if let (Some(vectors), Some(row), [slot]) = (self.vectors(*at), row, &mut *slots) {
                            *slot = vectors.bias(index(row));
                        }
                    }
                    kind => kind.apply(gather(&block.of, [&[], before, &[]], &mut scratch.input), slots),
                }
            }
        }
    }

    /// The hashed keys of an item that a block reads: the id's where it is asked for, then those of its words in their order.
    fn keys(&self, fields: u64, wire: u64, words: &[(u16, u64)], out: &mut Vec<u64>) {
        out.clear();
        for (at, field) in self.fields.iter().enumerate() {
            if field == ID && has(fields, at) {
                out.push(wire);
            }
        }
        for (field, key) in words {
            if has(fields, usize::from(*field)) {
                out.push(*key);
            }
        }
    }
}
