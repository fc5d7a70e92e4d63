//! Co-visitation tables: what people did next, counted, weighed and cut to what a phone carries.

use std::collections::BTreeMap;
use zhiji::block::{BlockError, Covisit, Neighbours};
use zhiji::kernel::math::{exp_f64, ln_f64};

/// How followers are counted and weighed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Counting {
    /// How many later items of the same person count as following one.
    pub reach: usize,
    /// A follower at distance `d` counts for `d^−fade`.
    pub fade: f64,
    /// What an item that stood before one counts, in parts of one that stood as far behind it.
    pub back: f64,
    /// A row is divided by its sum to this power: 1 makes it shares.
    pub share: f64,
    /// A follower is divided by its number of people, plus one, to this power: what follows everything says little.
    pub popular: f64,
    /// What an item that is most like another counts, in parts of an average row's greatest weight.
    pub likeness: f64,
    /// How many neighbours all rows keep together: a row in proportion to its item's people, but [`NEIGHBOURS_LEAST`] where it has so many.
    pub entries: usize,
}

/// The parts of the engine's own table, as a bundle has them.
#[derive(Clone, Debug)]
pub struct Table {
    /// Where each row's entries end; one longer than the items.
    pub offset: Vec<u32>,
    /// Places of the neighbours, rising within a row.
    pub neighbour: Vec<u32>,
    /// Their weights in parts of the row's scale.
    pub byte: Vec<u8>,
    /// What the bytes of a row are multiplied with.
    pub scale: Vec<f32>,
}

/// What a row may keep, however few people met its item.
pub const NEIGHBOURS_LEAST: usize = 4;

fn power(base: f64, exponent: f64) -> f64 {
    if base <= 0.0 { 0.0 } else { exp_f64(exponent * ln_f64(base)) }
}

/// Followers of one item, with their weights; merged when they have doubled.
#[derive(Default)]
struct Row {
    entries: Vec<(u32, f32)>,
    merged: usize,
}

impl Row {
    fn add(&mut self, next: u32, weight: f32) {
        self.entries.push((next, weight));
        if self.entries.len() > 2 * self.merged + 64 {
            self.merge();
        }
    }

    /// Sums the weights of equal followers, in the order in which they came.
    fn merge(&mut self) {
        self.entries.sort_by_key(|(next, _)| *next);
        self.entries.dedup_by(|later, kept| {
            let same = later.0 == kept.0;
            if same {
                kept.1 += later.1;
            }
            same
        });
        self.merged = self.entries.len();
    }
}

/// Deals `entries` to rows of these sizes in proportion to their people.
///
/// A row of an item that many met has many followers that mean something; one of an item that few met has chance followers.
fn deal(sizes: &[usize], people: &[u32], entries: usize) -> Vec<usize> {
    if sizes.iter().sum::<usize>() <= entries {
        return sizes.to_vec();
    }
    let shares = |each: f64| -> Vec<usize> {
        let share = |(size, n): (&usize, &u32)| (*size).min(NEIGHBOURS_LEAST.max((each * f64::from(*n)) as usize));
        sizes.iter().zip(people).map(share).collect()
    };
    let (mut low, mut high) = (0.0, sizes.iter().max().copied().unwrap_or(0) as f64);
    if sizes.iter().sum::<usize>() <= entries {
        return sizes.to_vec();
    }
    for _ in 0..40 {
        let middle = (low + high) / 2.0;
        if shares(middle).iter().sum::<usize>() <= entries { low = middle } else { high = middle }
    }
    shares(low)
}

/// Counts who did what next. `people` are the items that each met, in time order; the same item twice in a row is one. `alike` are of each item others
/// that are like it, rising, each with a share of 1.
///
/// With `c(i, j) = Σ d^−fade` over all pairs of one person in which `j` stands `d ≤ reach` places behind `i`, and `back · d^−fade` more where it stands
/// so many before, the weight is
/// `w(i, j) = c(i, j) / (Σ_j c(i, j))^share / (1 + people of j)^popular`. The weights are scaled so that a row's greatest is 1 on average; then
/// `likeness` times the share of what is like `i` is added.
///
/// # Source
/// Linden, Smith & York, IEEE Internet Computing 7, 2003, for the idea; Deshpande & Karypis, "Item-Based Top-N Recommendation Algorithms",
/// ACM TOIS 22(1), 2004, section 4.2, for dividing by a power of the popularity.
pub fn count(people: &[Vec<u32>], items: usize, how: &Counting, alike: &[Vec<(u32, f32)>]) -> Table {
    let fades: Vec<f32> = (1..=how.reach).map(|d| power(d as f64, -how.fade) as f32).collect();
    let mut rows: Vec<Row> = (0..items).map(|_| Row::default()).collect();
    let mut popularity = vec![0u32; items];
    for own in people {
        let mut own = own.clone();
        own.dedup();
        for (i, item) in own.iter().enumerate() {
            for (next, fade) in own[i + 1..].iter().zip(&fades) {
                if next != item {
                    rows[*item as usize].add(*next, *fade);
                    if how.back > 0.0 {
                        rows[*next as usize].add(*item, *fade * how.back as f32);
                    }
                }
            }
        }
        own.sort_unstable();
        own.dedup();
        own.iter().for_each(|item| popularity[*item as usize] += 1);
    }
    let held: Vec<f32> = popularity.iter().map(|n| power(1.0 + f64::from(*n), -how.popular) as f32).collect();
    let (mut tops, mut filled) = (0.0f64, 0u32);
    for row in &mut rows {
        row.merge();
        let sum: f64 = row.entries.iter().map(|(_, c)| f64::from(*c)).sum();
        let share = power(sum, -how.share) as f32;
        row.entries.iter_mut().for_each(|(next, c)| *c *= share * held[*next as usize]);
        tops += f64::from(row.entries.iter().fold(0.0f32, |top, (_, w)| top.max(*w)));
        filled += u32::from(!row.entries.is_empty());
    }
    let unit = (tops / f64::from(filled.max(1))) as f32;
    if how.likeness > 0.0 {
        for (row, alike) in rows.iter_mut().zip(alike) {
            row.entries.extend(alike.iter().map(|(other, share)| (*other, share * unit * how.likeness as f32)));
            row.merge();
        }
    }
    let sizes: Vec<usize> = rows.iter().map(|row| row.entries.len()).collect();
    let shares = deal(&sizes, &popularity, how.entries);
    let mut kept: Vec<Vec<(u32, f32)>> = Vec::with_capacity(items);
    for (row, most) in rows.into_iter().zip(shares) {
        let mut list = row.entries;
        list.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        list.truncate(most);
        list.shrink_to_fit();
        kept.push(list);
    }
    let mut table = Table { offset: vec![0], neighbour: Vec::new(), byte: Vec::new(), scale: Vec::new() };
    for mut list in kept {
        let scale = list.first().map_or(0.0, |(_, w)| w / unit / 255.0);
        list.sort_by_key(|(next, _)| *next);
        for (next, weight) in list {
            let byte = (weight / unit / scale).round().clamp(0.0, 255.0) as u8;
            if byte > 0 {
                table.neighbour.push(next);
                table.byte.push(byte);
            }
        }
        table.offset.push(table.byte.len() as u32);
        table.scale.push(scale);
    }
    table
}

impl Table {
    /// The engine's block.
    ///
    /// # Errors
    /// Where the engine refuses it.
    pub fn block(&self, decay: f32) -> Result<Covisit, BlockError> {
        let neighbour = Neighbours::Long(self.neighbour.clone());
        Covisit::new(self.offset.clone(), neighbour, self.byte.clone(), self.scale.clone(), decay)
    }
}

/// How many people met each item, and how many among their first `first` items.
pub fn popularity(people: &[Vec<u32>], items: usize, first: usize) -> (Vec<u32>, Vec<u32>) {
    let (mut all, mut early) = (vec![0u32; items], vec![0u32; items]);
    for own in people {
        let mut seen: BTreeMap<u32, usize> = BTreeMap::new();
        for (place, item) in own.iter().enumerate() {
            seen.entry(*item).or_insert(place);
        }
        for (item, place) in seen {
            all[item as usize] += 1;
            early[item as usize] += u32::from(place < first);
        }
    }
    (all, early)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOW: Counting =
        Counting { reach: 2, fade: 1.0, back: 0.0, share: 1.0, popular: 0.0, likeness: 0.0, entries: 8 };

    #[test]
    fn followers_are_counted_by_distance_and_cut() {
        let people = [vec![0, 1, 2], vec![0, 0, 1, 3], vec![0, 2]];
        let table = count(&people, 4, &HOW, &[]);
        // After item 0: 1 + 1 for item 1, ½ + 1 for item 2, ½ for item 3.
        assert_eq!(&table.neighbour[..3], [1, 2, 3]);
        let block = table.block(1.0).expect("sound");
        let (one, two) = (block.score(&[0], 1), block.score(&[0], 2));
        assert!((two / one - 0.75).abs() < 0.01, "{two} / {one}");
        assert_eq!(block.score(&[2], 0), 0.0, "nothing follows item 2");
    }

    #[test]
    fn what_stood_before_counts_in_part() {
        let block = count(&[vec![0, 1]], 2, &Counting { back: 0.25, ..HOW }, &[]).block(1.0).expect("sound");
        let [there, back] = [block.score(&[0], 1), block.score(&[1], 0)];
        // Rows are shares and hold one item each, so both are 1 until the sum is left as it is.
        assert_eq!((there, back), (1.0, 1.0));
        let how = Counting { back: 0.25, share: 0.0, ..HOW };
        let block = count(&[vec![0, 1]], 2, &how, &[]).block(1.0).expect("sound");
        assert!((block.score(&[1], 0) / block.score(&[0], 1) - 0.25).abs() < 0.01);
    }

    #[test]
    fn what_follows_everything_is_held_back() {
        let people = [vec![0, 1], vec![0, 1], vec![0, 2], vec![3, 1], vec![4, 1], vec![5, 1]];
        let plain = count(&people, 6, &HOW, &[]).block(1.0).expect("sound");
        let held = count(&people, 6, &Counting { popular: 1.0, ..HOW }, &[]).block(1.0).expect("sound");
        assert!(plain.score(&[0], 1) > plain.score(&[0], 2));
        assert!(held.score(&[0], 1) < held.score(&[0], 2));
    }

    #[test]
    fn what_is_alike_stands_beside_what_followed() {
        let people = [vec![0, 1], vec![0, 1], vec![2, 3]];
        let alike = [vec![(1, 0.5), (2, 1.0)], vec![], vec![], vec![(0, 1.0)]];
        let how = Counting { likeness: 0.5, ..HOW };
        let block = count(&people, 4, &how, &alike).block(1.0).expect("sound");
        // Rows are shares, so the greatest of both is 1.
        for (from, to, weight) in [(0, 1, 1.25), (0, 2, 0.5), (2, 3, 1.0), (3, 0, 0.5), (1, 0, 0.0)] {
            assert!((block.score(&[from], to) - weight).abs() < 0.01, "{from} {to}");
        }
    }

    #[test]
    fn room_goes_to_items_that_many_met() {
        assert_eq!(deal(&[100, 100, 100, 2], &[60, 30, 1, 90], 96), [60, 30, 4, 2]);
        assert_eq!(deal(&[3, 5], &[1, 1], 100), [3, 5], "there is room for all");
    }

    #[test]
    fn popularity_counts_people_once() {
        assert_eq!(popularity(&[vec![0, 1, 0], vec![1]], 2, 1), (vec![1, 2], vec![1, 1]));
    }
}
