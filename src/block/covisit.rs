//! Co-visitation: who did this next did that.

use super::error::{BlockError, finite};
use alloc::vec::Vec;

/// The most neighbours in all rows together.
const MOST_ENTRIES: usize = 1 << 22;

/// A directed table from items to those that followed them, with recency decay.
///
/// ```text
/// score(c) = Σ_a decay^a · w(prev_a → c),     w = scale_prev · byte
/// ```
///
/// over the items `prev_0, prev_1 …` that the user met, the newest first. Nothing depends on the user alone but the powers of the decay, nothing on
/// an item but its row: the whole catalogue is scored by adding the rows of the recent items up ([`Covisit::score_all`]), one candidate by looking it
/// up in each row ([`Covisit::score`]). Both add the same terms in the same order, from the newest on, so they agree to the bit. An item that the
/// table does not have scores 0 and passes nothing on, but takes its step in time.
///
/// A table is checked when it is made; afterwards scoring cannot fail, allocates nothing and gives finite numbers, none negative.
///
/// # Examples
/// ```
/// use zhiji::block::{Covisit, Neighbours};
/// // 0 → 1 and 2; 1 → 2; 2 → nothing.
/// let table = Covisit::new(vec![0, 2, 3, 3], Neighbours::Short(vec![1, 2, 2]), vec![100, 50, 200], vec![0.01; 3], 0.5)?;
/// let mut scores = [0.0; 3];
/// table.score_all(&[1, 0], &mut scores);
/// assert_eq!(scores, [0.0, 0.5, 2.25]);
/// assert_eq!(table.score(&[1, 0], 2), 2.25);
/// # Ok::<(), zhiji::block::BlockError>(())
/// ```
///
/// # Source
/// Linden, Smith & York, "Amazon.com Recommendations: Item-to-Item Collaborative Filtering", IEEE Internet Computing 7, 2003; directed and
/// decayed by position.
#[derive(Clone, Debug, PartialEq)]
pub struct Covisit {
    offset: Vec<u32>,
    neighbour: Neighbours,
    byte: Vec<u8>,
    scale: Vec<f32>,
    decay: f32,
}

/// Neighbours as numbers of items in the bundle's list, in the narrowest form that fits.
#[derive(Clone, Debug, PartialEq)]
pub enum Neighbours {
    /// For up to 65,536 items.
    Short(Vec<u16>),
    /// For more.
    Long(Vec<u32>),
}

impl Neighbours {
    fn len(&self) -> usize {
        match self {
            Neighbours::Short(of) => of.len(),
            Neighbours::Long(of) => of.len(),
        }
    }

    /// The neighbour at a place; one that cannot be, beyond the end.
    #[inline(always)]
    fn at(&self, place: usize) -> u32 {
        match self {
            Neighbours::Short(of) => of.get(place).map_or(u32::MAX, |n| u32::from(*n)),
            Neighbours::Long(of) => of.get(place).copied().unwrap_or(u32::MAX),
        }
    }
}

impl Covisit {
    /// A table of these rows.
    ///
    /// # Shapes
    /// `offset`: `[items + 1]`, rising from 0 to the number of entries; row `i` has the entries `offset[i] .. offset[i + 1]`; `neighbour`, `byte`:
    /// `[entries]`, the neighbours of a row strictly rising; `scale`: `[items]`, what the bytes of a row are multiplied with.
    ///
    /// # Errors
    /// [`BlockError`] of the parts `offset`, `neighbour`, `byte`, `scale`, `decay`: `Size` for more than 2²² entries or no offset, `Shape`, `NotFinite`,
    /// and `Range` for offsets that fall, neighbours that do not rise or are no items, a scale that is negative or above 10⁹, a decay outside
    /// `(0, 1]`.
    pub fn new(
        offset: Vec<u32>,
        neighbour: Neighbours,
        byte: Vec<u8>,
        scale: Vec<f32>,
        decay: f32,
    ) -> Result<Self, BlockError> {
        let table = Covisit { offset, neighbour, byte, scale, decay };
        table.check()?;
        Ok(table)
    }

    fn check(&self) -> Result<(), BlockError> {
        let entries = self.byte.len();
        if entries > MOST_ENTRIES {
            return Err(BlockError::Size { part: "byte" });
        }
        if self.neighbour.len() != entries {
            return Err(BlockError::Shape { part: "neighbour" });
        }
        let Some((first, ends)) = self.offset.split_first() else { return Err(BlockError::Size { part: "offset" }) };
        let items = ends.len();
        if self.scale.len() != items {
            return Err(BlockError::Shape { part: "scale" });
        }
        finite("scale", &self.scale)?;
        for scale in &self.scale {
            if !(0.0..=1e9).contains(scale) {
                return Err(BlockError::Range { part: "scale" });
            }
        }
        if !(self.decay > 0.0 && self.decay <= 1.0) {
            return Err(BlockError::Range { part: "decay" });
        }
        let mut from = 0;
        if *first != 0 || *ends.last().unwrap_or(first) as usize != entries {
            return Err(BlockError::Shape { part: "offset" });
        }
        for end in ends {
            let end = *end as usize;
            if end < from || end > entries {
                return Err(BlockError::Range { part: "offset" });
            }
            let mut least = 0;
            for place in from..end {
                let neighbour = self.neighbour.at(place) as usize;
                if neighbour < least || neighbour >= items {
                    return Err(BlockError::Range { part: "neighbour" });
                }
                least = neighbour + 1;
            }
            from = end;
        }
        Ok(())
    }

    /// Number of items.
    pub fn items(&self) -> usize {
        self.scale.len()
    }

    /// The places of a row's entries; none for an item that the table does not have.
    fn row(&self, item: u32) -> core::ops::Range<usize> {
        let item = item as usize;
        match (self.offset.get(item), self.offset.get(item.saturating_add(1))) {
            (Some(from), Some(to)) => *from as usize..*to as usize,
            _ => 0..0,
        }
    }

    /// `decay^age · scale`, what the bytes of a row are multiplied with.
    fn factor(&self, item: u32, power: f32) -> f32 {
        power * self.scale.get(item as usize).copied().unwrap_or(0.0)
    }

    /// Scores every item.
    ///
    /// # Shapes
    /// `recent`: any length, the newest first; `out`: `[items]`.
    #[cfg_attr(zhiji_phone, optimize(speed))]
    pub fn score_all(&self, recent: &[u32], out: &mut [f32]) {
        out.fill(0.0);
        let mut power = 1.0;
        for item in recent {
            let factor = self.factor(*item, power);
            for place in self.row(*item) {
                let byte = self.byte.get(place).copied().unwrap_or(0);
                if let Some(slot) = out.get_mut(self.neighbour.at(place) as usize) {
                    *slot += factor * f32::from(byte);
                }
            }
            power *= self.decay;
        }
    }

    /// What `item`, met at an age whose decay is `power`, passes on to `candidate`.
    fn term(&self, item: u32, power: f32, candidate: u32) -> f32 {
        let row = self.row(item);
        let (mut low, mut high) = (row.start, row.end);
        while low < high {
            let middle = (low + high) / 2;
            if self.neighbour.at(middle) < candidate { low = middle + 1 } else { high = middle }
        }
        if low < row.end && self.neighbour.at(low) == candidate {
            self.factor(item, power) * f32::from(self.byte.get(low).copied().unwrap_or(0))
        } else {
            0.0
        }
    }

    /// Scores one candidate, with the bits of [`Covisit::score_all`].
    #[cfg_attr(zhiji_phone, optimize(speed))]
    pub fn score(&self, recent: &[u32], candidate: u32) -> f32 {
        let (mut power, mut score) = (1.0, 0.0);
        for item in recent {
            score += self.term(*item, power, candidate);
            power *= self.decay;
        }
        score
    }

    /// Writes what each recent item passes on to a candidate: the terms of its score, in their order.
    ///
    /// # Shapes
    /// `recent`, `out`: as many.
    pub fn contributions(&self, recent: &[u32], candidate: u32, out: &mut [f32]) {
        let mut power = 1.0;
        for (item, slot) in recent.iter().zip(out) {
            *slot = self.term(*item, power, candidate);
            power *= self.decay;
        }
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Rows of neighbours with their bytes, as a table in either form of the ids.
    fn table(rows: &[Vec<(u16, u8)>], long: bool, decay: f32) -> Covisit {
        let mut offset = vec![0];
        let (mut neighbour, mut byte) = (vec![], vec![]);
        for row in rows {
            neighbour.extend(row.iter().map(|(n, _)| *n));
            byte.extend(row.iter().map(|(_, b)| *b));
            offset.push(byte.len() as u32);
        }
        let scale = (0..rows.len()).map(|i| 0.01 + i as f32 / 64.0).collect();
        let neighbour = if long {
            Neighbours::Long(neighbour.into_iter().map(u32::from).collect())
        } else {
            Neighbours::Short(neighbour)
        };
        Covisit::new(offset, neighbour, byte, scale, decay).expect("a sound table")
    }

    fn rows() -> impl Strategy<Value = Vec<Vec<(u16, u8)>>> {
        prop::sample::select(vec![0u16, 1, 3, 4, 5, 40]).prop_flat_map(|items| {
            let row = prop::collection::btree_map(0..items.max(1), any::<u8>(), 0..usize::from(items) + 1);
            let row = row.prop_map(|row| row.into_iter().collect::<Vec<_>>());
            prop::collection::vec(row, usize::from(items))
        })
    }

    proptest! {
        #[test]
        fn both_forms_are_the_definition(
            rows in rows(), recent in prop::collection::vec(0u32..45, 0..60), decay in 0.1f32..=1.0, long in any::<bool>(),
        ) {
            let table = table(&rows, long, decay);
            let mut all = vec![f32::NAN; rows.len()];
            table.score_all(&recent, &mut all);
            let mut parts = vec![f32::NAN; recent.len()];
            for (candidate, got) in all.iter().enumerate() {
                let mut exact = 0.0;
                let mut power = 1.0;
                for prev in &recent {
                    let row = rows.get(*prev as usize).map_or(&[][..], Vec::as_slice);
                    for (_, byte) in row.iter().filter(|(n, _)| usize::from(*n) == candidate) {
                        let scale = 0.01 + f64::from(*prev) / 64.0;
                        exact += power * scale * f64::from(*byte);
                    }
                    power *= f64::from(decay);
                }
                prop_assert!((f64::from(*got) - exact).abs() <= 1e-5 * exact + 1e-6, "{} {}", got, exact);
                prop_assert_eq!(got.to_bits(), table.score(&recent, candidate as u32).to_bits());
                table.contributions(&recent, candidate as u32, &mut parts);
                prop_assert_eq!(got.to_bits(), parts.iter().fold(0.0, |sum, part| sum + part).to_bits());
            }
            prop_assert_eq!(table.score(&recent, rows.len() as u32 + 3), 0.0);
        }
    }

    /// Ten thousand items with 32 neighbours each, ids of both widths.
    #[test]
    fn a_whole_catalogue_in_both_forms() {
        let rows: Vec<Vec<(u16, u8)>> =
            (0..10_000u32).map(|i| (0..32u32).map(|j| ((i % 31 + j * 311) as u16, (i + j) as u8)).collect()).collect();
        let recent: Vec<u32> = (0..50).map(|i| i * 197 % 10_000).collect();
        let mut scores = [vec![0.0; 10_000], vec![0.0; 10_000]];
        for (long, out) in [false, true].into_iter().zip(&mut scores) {
            let table = table(&rows, long, 0.8);
            table.score_all(&recent, out);
            assert!((0..10_000).all(|c| table.score(&recent, c).to_bits() == out[c as usize].to_bits()));
        }
        assert!(scores[0] == scores[1] && scores[0].iter().any(|score| *score > 0.0));
    }

    #[test]
    fn unsound_tables_are_refused() {
        let new = |offset: &[u32], neighbour: &[u16], byte: &[u8], scale: &[f32], decay: f32| {
            let neighbour = Neighbours::Short(neighbour.to_vec());
            Covisit::new(offset.to_vec(), neighbour, byte.to_vec(), scale.to_vec(), decay).map(|_| ())
        };
        assert_eq!(new(&[0], &[], &[], &[], 1.0), Ok(()));
        assert_eq!(new(&[], &[], &[], &[], 1.0), Err(BlockError::Size { part: "offset" }));
        assert_eq!(new(&[0, 1], &[0], &[1], &[1.0], 1.0), Ok(()));
        assert_eq!(new(&[0, 1], &[0, 0], &[1], &[1.0], 1.0), Err(BlockError::Shape { part: "neighbour" }));
        assert_eq!(new(&[0, 1], &[0], &[1], &[], 1.0), Err(BlockError::Shape { part: "scale" }));
        assert_eq!(new(&[0, 1], &[0], &[1], &[f32::NAN], 1.0), Err(BlockError::NotFinite { part: "scale" }));
        assert_eq!(new(&[0, 1], &[0], &[1], &[-1.0], 1.0), Err(BlockError::Range { part: "scale" }));
        assert_eq!(new(&[0, 2], &[0], &[1], &[1.0], 1.0), Err(BlockError::Shape { part: "offset" }));
        assert_eq!(new(&[1, 1], &[0], &[1], &[1.0], 1.0), Err(BlockError::Shape { part: "offset" }));
        assert_eq!(new(&[0, 2, 1], &[0], &[1], &[1.0; 2], 1.0), Err(BlockError::Range { part: "offset" }));
        assert_eq!(new(&[0, 1, 0, 1], &[0], &[1], &[1.0; 3], 1.0), Err(BlockError::Range { part: "offset" }));
        assert_eq!(new(&[0, 1], &[1], &[1], &[1.0], 1.0), Err(BlockError::Range { part: "neighbour" }));
        assert_eq!(new(&[0, 2, 2], &[1, 1], &[1; 2], &[1.0; 2], 1.0), Err(BlockError::Range { part: "neighbour" }));
        for decay in [0.0, -0.5, 1.5, f32::NAN] {
            assert_eq!(new(&[0], &[], &[], &[], decay), Err(BlockError::Range { part: "decay" }));
        }
    }
}
