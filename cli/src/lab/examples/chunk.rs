//! Examples in columns: features row by row, items by their places, the past as a place in the user's own sequence.

use crate::lab::prefetch::prefetch;
use std::io::{self, Read, Write};

/// Stands where no position is known.
pub const NO_POSITION: u16 = u16::MAX;

/// Examples of some users.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Chunk {
    /// Features of one example.
    width: usize,
    dense: Vec<f32>,
    /// Places of the items in the catalogue.
    pub item: Vec<u32>,
    /// Places among the labels that are learnt.
    pub label: Vec<u8>,
    /// What came of each.
    pub positive: Vec<bool>,
    /// Where each was shown; [`NO_POSITION`] where that is not known.
    pub position: Vec<u16>,
    /// Whose each is.
    pub user: Vec<u32>,
    /// Where in `past` the user's recent items begin and end.
    span: Vec<(u32, u32)>,
    /// What users chose, oldest first, one user after the other: examples of one user share it.
    past: Vec<u32>,
    /// Where in `past` the last user begins.
    begin: usize,
}

/// One example to add.
#[derive(Clone, Copy, Debug)]
pub struct NewExample<'a> {
    /// The features.
    pub dense: &'a [f32],
    /// Place of the item in the catalogue.
    pub item: u32,
    /// Place among the labels that are learnt.
    pub label: u8,
    /// What came of it.
    pub positive: bool,
    /// Where it was shown.
    pub position: Option<u16>,
    /// Whose.
    pub user: u32,
    /// What the user had chosen lately, oldest first.
    pub past: &'a [u32],
}

impl Chunk {
    /// No examples, of `width` features.
    pub fn new(width: usize) -> Self {
        Self { width, ..Self::default() }
    }

    /// How many features an example has.
    pub const fn width(&self) -> usize {
        self.width
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.positive.len()
    }

    /// The features of an example.
    #[inline]
    pub fn dense(&self, example: usize) -> &[f32] {
        &self.dense[example * self.width..][..self.width]
    }

    /// Asks for what is soon to be read of an example: all but its features and its user's past.
    #[inline]
    pub fn prefetch(&self, example: usize) {
        prefetch(&self.item, example, 1);
        prefetch(&self.label, example, 1);
        prefetch(&self.positive, example, 1);
        prefetch(&self.position, example, 1);
    }

    /// Asks for its features.
    #[inline]
    pub fn prefetch_dense(&self, example: usize) {
        prefetch(&self.dense, example * self.width, self.width);
    }

    /// What the user had chosen lately, oldest first.
    #[inline]
    pub fn history(&self, example: usize) -> &[u32] {
        let (from, to) = self.span[example];
        &self.past[from as usize..to as usize]
    }

    /// Bytes in memory, nearly.
    pub fn bytes(&self) -> usize {
        4 * (self.dense.len() + self.past.len()) + 24 * self.len()
    }

    /// Adds one example. Examples of one user come together.
    pub fn push(&mut self, example: &NewExample<'_>) {
        if self.user.last() != Some(&example.user) {
            self.begin = self.past.len();
        }
        let span = self.remember(example.past);
        self.span.push(span);
        self.dense.extend_from_slice(example.dense);
        self.item.push(example.item);
        self.label.push(example.label);
        self.positive.push(example.positive);
        self.position.push(example.position.unwrap_or(NO_POSITION));
        self.user.push(example.user);
    }

    /// The place of a list in the last user's sequence, which is lengthened by what is new.
    fn remember(&mut self, list: &[u32]) -> (u32, u32) {
        let place = |from: usize, to: usize| (from as u32, to as u32);
        let earliest = (self.begin + list.len()).max(self.past.len().saturating_sub(list.len()));
        for end in (earliest..=self.past.len()).rev() {
            if self.past[end - list.len()..end] == *list {
                return place(end - list.len(), end);
            }
        }
        let known = &self.past[self.begin..];
        let shared = (0..=list.len()).rev().find(|shared| known.ends_with(&list[..*shared])).unwrap_or(0);
        let from = self.past.len() - shared;
        self.past.extend_from_slice(&list[shared..]);
        place(from, self.past.len())
    }

    /// Keeps the features at `picks`, standardised.
    pub fn standardise(&mut self, picks: &[usize], mean: &[f32], scale: &[f32]) {
        let inverse: Vec<f32> = scale.iter().map(|scale| 1.0 / scale).collect();
        let mut out = Vec::with_capacity(self.len() * picks.len());
        for row in self.dense.chunks_exact(self.width.max(1)) {
            out.extend(picks.iter().zip(mean).zip(&inverse).map(|((at, mean), inverse)| (row[*at] - mean) * inverse));
        }
        (self.width, self.dense) = (picks.len(), out);
    }

    /// Writes it, to be read by [`Chunk::read`].
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        for count in [self.len(), self.past.len(), self.width] {
            out.write_all(&(count as u64).to_le_bytes())?;
        }
        let mut words = |list: &mut dyn Iterator<Item = u32>| -> io::Result<()> {
            let bytes: Vec<u8> = list.flat_map(u32::to_le_bytes).collect();
            out.write_all(&bytes)
        };
        words(&mut self.dense.iter().map(|x| x.to_bits()))?;
        words(&mut self.item.iter().copied())?;
        let flags = self.label.iter().zip(&self.positive).zip(&self.position);
        let pack = |((label, positive), position): ((&u8, &bool), &u16)| {
            u32::from(*position) | u32::from(*label) << 16 | u32::from(*positive) << 24
        };
        words(&mut flags.map(pack))?;
        words(&mut self.user.iter().copied())?;
        words(&mut self.span.iter().flat_map(|(from, to)| [*from, *to]))?;
        words(&mut self.past.iter().copied())
    }

    /// Adds what [`Chunk::write`] wrote. Whether there was anything.
    ///
    /// # Errors
    /// Where the file cannot be read, or ends within.
    pub fn read(&mut self, from: &mut impl Read) -> io::Result<bool> {
        let mut counts = [0u8; 24];
        if from.read(&mut counts[..1])? == 0 {
            return Ok(false);
        }
        from.read_exact(&mut counts[1..])?;
        let counts: Vec<usize> =
            counts.as_chunks::<8>().0.iter().map(|bytes| u64::from_le_bytes(*bytes) as usize).collect();
        let (count, past, width) = (counts[0], counts[1], counts[2]);
        let mut words = |length: usize| -> io::Result<Vec<u32>> {
            let mut bytes = vec![0; 4 * length];
            from.read_exact(&mut bytes)?;
            Ok(bytes.as_chunks::<4>().0.iter().map(|four| u32::from_le_bytes(*four)).collect())
        };
        self.width = width;
        self.dense.extend(words(count * width)?.into_iter().map(f32::from_bits));
        self.item.extend(words(count)?);
        for packed in words(count)? {
            self.position.push(packed as u16);
            self.label.push((packed >> 16) as u8);
            self.positive.push(packed >> 24 != 0);
        }
        self.user.extend(words(count)?);
        let offset = self.past.len() as u32;
        self.span.extend(words(2 * count)?.as_chunks::<2>().0.iter().map(|[a, b]| (a + offset, b + offset)));
        self.past.extend(words(past)?);
        self.begin = self.past.len();
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(user: u32, past: &[u32]) -> NewExample<'_> {
        NewExample { dense: &[1.0, 2.0], item: 7, label: 1, positive: user == 0, position: None, user, past }
    }

    #[test]
    fn examples_of_one_user_share_the_past_and_those_of_two_do_not() {
        let pasts: [&[u32]; 6] = [&[], &[1], &[1, 2, 3], &[2, 3, 4], &[1, 2, 3], &[3, 4, 5, 6]];
        let mut chunk = Chunk::new(2);
        pasts.iter().for_each(|past| chunk.push(&example(0, past)));
        pasts.iter().for_each(|past| chunk.push(&example(1, past)));
        for (at, past) in pasts.iter().chain(&pasts).enumerate() {
            assert_eq!(chunk.history(at), *past);
        }
        assert_eq!(chunk.past, [1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn what_is_written_is_read() {
        let mut chunk = Chunk::new(2);
        chunk.push(&example(0, &[1, 2]));
        chunk.push(&NewExample { position: Some(3), ..example(4, &[2, 9]) });
        let mut bytes = Vec::new();
        chunk.write(&mut bytes).expect("written");
        chunk.write(&mut bytes).expect("written");
        let (mut read, mut from) = (Chunk::new(2), bytes.as_slice());
        assert!(read.read(&mut from).expect("read") && read.read(&mut from).expect("read"));
        assert!(!read.read(&mut from).expect("the end"));
        assert_eq!((read.len(), read.history(3), read.position[3]), (4, &[2, 9][..], 3));
        assert_eq!((read.dense(2), read.positive[2], read.label[2], read.user[3]), (&[1.0, 2.0][..], true, 1, 4));
    }
}
