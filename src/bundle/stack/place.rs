//! Where numbers stand: one buffer for each side, and how blocks read from them.

pub(super) use crate::block::Side;

/// Where a block's numbers stand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub side: Side,
    pub from: usize,
    pub width: usize,
}

impl Place {
    pub fn read<'a>(&self, [user, item, pair]: [&'a [f32]; 3]) -> &'a [f32] {
        let from = match self.side {
            Side::User => user,
            Side::Item => item,
            Side::Pair => pair,
        };
        part(from, self.from, self.width)
    }
}

pub(super) fn part<T>(of: &[T], from: usize, length: usize) -> &[T] {
    let rest = of.get(from.min(of.len())..).unwrap_or_default();
    rest.get(..length.min(rest.len())).unwrap_or_default()
}

pub(super) fn part_mut(of: &mut [f32], from: usize, length: usize) -> &mut [f32] {
    let (_, rest) = split(of, from);
    split(rest, length).0
}

pub(super) fn split(of: &mut [f32], at: usize) -> (&mut [f32], &mut [f32]) {
    let at = at.min(of.len());
    of.split_at_mut_checked(at).unwrap_or_default()
}

/// Writes the numbers of one candidate into a panel.
#[cfg_attr(zhiji_phone, optimize(speed))]
pub(super) fn interleave(numbers: &[f32], lane: usize, lanes: usize, panel: &mut [f32]) {
    let mut at = lane;
    for number in numbers {
        if let Some(slot) = panel.get_mut(at) {
            *slot = *number;
        }
        at += lanes;
    }
}

/// What a block reads, one behind the other; as it stands where that is one place.
pub(super) fn gather<'a>(of: &[Place], parts: [&'a [f32]; 3], input: &'a mut [f32]) -> &'a [f32] {
    if let [one] = of {
        return one.read(parts);
    }
    let mut from = 0;
    for place in of {
        let read = place.read(parts);
        part_mut(input, from, read.len()).copy_from_slice(read);
        from += read.len();
    }
    part(input, 0, from)
}

/// The dense features of these places; 0 for a place that there is not.
pub(super) fn pick<'a>(picks: &[u32], dense: &[f32], input: &'a mut [f32]) -> &'a [f32] {
    for (slot, pick) in input.iter_mut().zip(picks) {
        *slot = value(dense, *pick);
    }
    part(input, 0, picks.len())
}

/// The same, standardised.
pub(super) fn standardise(picks: &[u32], mean: &[f32], inverse: &[f32], dense: &[f32], out: &mut [f32]) {
    for (((slot, pick), mean), inverse) in out.iter_mut().zip(picks).zip(mean).zip(inverse) {
        *slot = (value(dense, *pick) - mean) * inverse;
    }
}

fn value(dense: &[f32], pick: u32) -> f32 {
    dense.get(index(pick)).copied().unwrap_or(0.0)
}

#[allow(clippy::as_conversions, reason = "the engine runs where addresses have 32 bits or more")]
pub(super) const fn index(of: u32) -> usize {
    of as usize
}

#[allow(clippy::as_conversions, reason = "rows are below 2^24, which singles hold exactly")]
pub(super) const fn single(row: u32) -> f32 {
    row as f32
}

#[allow(clippy::as_conversions, reason = "rows are below 2^24, which singles hold exactly")]
pub(super) const fn whole(row: f32) -> u32 {
    row as u32
}
