//! A stream of the format as it is written: one meta-block with everything (RFC 7932, section 9).

use super::Division;
use super::bits::Bits;
use super::blocks::Blocks;
use super::codes::{self, distance_context};
use super::parse::Command;
use super::prefix::Code;

/// The logarithm of the window: the longest that every decoder has.
const WINDOW: u32 = 22;
/// A literal's context is the upper six bits of the byte before it, in every block.
const CONTEXTS_BY_UPPER_BITS: u32 = 1;
/// Most bits that a run of zeros in a map may be longer by.
const RUNS: u32 = 6;

/// In which context a literal stands.
pub fn literal_context(text: &[u8], place: usize) -> u8 {
    place.checked_sub(1).map_or(0, |before| text[before] >> 2)
}

/// Writes a text that is not empty and shorter than 16 MiB.
pub fn write(text: &[u8], commands: &[Command], division: &Division) -> Vec<u8> {
    let mut bits = Bits::default();
    bits.put((WINDOW - 17) << 1 | 1, 4);
    // The last meta-block, and not an empty one.
    bits.put(0b01, 2);
    let nibbles = (text.len() as u32 - 1).max(1).ilog2() / 4 + 1;
    bits.put(nibbles.max(4) - 4, 2);
    bits.put(text.len() as u32 - 1, 4 * nibbles.max(4));
    let Division { literals, commands: lengths, distances } = division;
    let mut types = [literals, lengths, distances].map(|blocks| Types::new(&mut bits, blocks));
    // No distance has a code of its own, and no bits stand behind the extra ones.
    bits.put(0, 6);
    for _ in 0..literals.count {
        bits.put(CONTEXTS_BY_UPPER_BITS, 2);
    }
    for blocks in [literals, distances] {
        write_map(&mut bits, blocks);
    }
    let [literal, length, distance] = [literals, lengths, distances]
        .map(|blocks| blocks.codes.iter().map(|code| Code::written(&mut bits, &code.counts)).collect::<Vec<_>>());
    let [of_literals, of_commands, of_distances] = &mut types;
    let mut place = 0;
    for command in commands {
        length[of_commands.next(&mut bits)].put(&mut bits, command.symbol);
        let inserted = codes::insert(command.insert);
        bits.put(inserted.extra, inserted.bits);
        // A copy that begins behind the end of the text is of the least length of its code.
        if command.copy > 0 {
            let copied = codes::copy(command.copy);
            bits.put(copied.extra, copied.bits);
        }
        for at in place..place + command.insert as usize {
            let of = of_literals.next(&mut bits) * 64 + usize::from(literal_context(text, at));
            literal[literals.map[of]].put(&mut bits, usize::from(text[at]));
        }
        place += (command.insert + command.copy) as usize;
        if command.copy > 0 && !codes::says_same(command.symbol) {
            let of = of_distances.next(&mut bits) * 4 + usize::from(distance_context(command.copy));
            let code = &distance[distances.map[of]];
            let coded = codes::distance(command.distance);
            match command.near {
                Some(near) => code.put(&mut bits, near),
                None => {
                    code.put(&mut bits, coded.symbol);
                    bits.put(coded.extra, coded.bits);
                }
            }
        }
    }
    bits.bytes()
}

/// A number of types or codes: 1 to 256.
fn write_count(bits: &mut Bits, count: usize) {
    match (count as u32 - 1).checked_ilog2() {
        None => bits.put(0, 1),
        Some(width) => {
            bits.put(width << 1 | 1, 4);
            bits.put(count as u32 - 1 - (1 << width), width);
        }
    }
}

/// The types of a stream's blocks while it is written.
struct Types {
    /// Type and length of each block, the last first.
    blocks: Vec<(usize, u32)>,
    left: u32,
    /// The type of this block and of the one before it, and how many there are.
    kind: usize,
    before: usize,
    count: usize,
    /// The codes of types and of lengths, if there is more than one type.
    codes: Option<(Code, Code)>,
}

impl Types {
    /// Writes how many types there are, how they are coded, and how long the first block is.
    fn new(bits: &mut Bits, of: &Blocks) -> Self {
        let mut blocks: Vec<_> =
            of.types.chunk_by(|a, b| a == b).map(|block| (usize::from(block[0]), block.len() as u32)).collect();
        blocks.reverse();
        let (_, left) = blocks.pop().unwrap_or((0, 1));
        let mut this = Self { blocks, left, kind: 0, before: 1, count: of.count, codes: None };
        write_count(bits, of.count);
        if of.count > 1 {
            let (mut kinds, mut lengths) = (vec![0; of.count + 2], vec![0; codes::BLOCK_LENGTHS]);
            lengths[codes::block(left).symbol] += 1;
            for at in (0..this.blocks.len()).rev() {
                let (kind, length) = this.blocks[at];
                kinds[this.change(kind)] += 1;
                lengths[codes::block(length).symbol] += 1;
            }
            (this.kind, this.before) = (0, 1);
            let codes = (Code::written(bits, &kinds), Code::written(bits, &lengths));
            write_length(bits, &codes.1, left);
            this.codes = Some(codes);
        }
        this
    }

    /// The symbol for a change to a type.
    fn change(&mut self, kind: usize) -> usize {
        let symbol = if kind == self.before {
            0
        } else if kind == (self.kind + 1) % self.count {
            1
        } else {
            kind + 2
        };
        (self.before, self.kind) = (self.kind, kind);
        symbol
    }

    /// The type of the next symbol; where a block begins, that is written.
    fn next(&mut self, bits: &mut Bits) -> usize {
        if let Some((kinds, lengths)) = self.codes.take() {
            if self.left == 0
                && let Some((kind, length)) = self.blocks.pop()
            {
                kinds.put(bits, self.change(kind));
                write_length(bits, &lengths, length);
                self.left = length;
            }
            self.left -= 1;
            self.codes = Some((kinds, lengths));
        }
        self.kind
    }
}

fn write_length(bits: &mut Bits, code: &Code, length: u32) {
    let coded = codes::block(length);
    code.put(bits, coded.symbol);
    bits.put(coded.extra, coded.bits);
}

/// Which code holds for each type and context, in the way that takes least.
fn write_map(bits: &mut Bits, blocks: &Blocks) {
    write_count(bits, blocks.codes.len());
    if blocks.codes.len() == 1 {
        return;
    }
    let ways = (0..=RUNS).flat_map(|most| [(most, false), (most, true)]);
    let all = ways.map(|(most, to_front)| {
        let mut written = Bits::default();
        write_map_by(&mut written, blocks, most, to_front);
        written
    });
    if let Some(least) = all.min_by_key(|written| written.len()) {
        bits.append(&least);
    }
}

/// The map with runs of zeros up to some length, and with `to_front` by how long ago each code was named.
fn write_map_by(bits: &mut Bits, blocks: &Blocks, most: u32, to_front: bool) {
    let mut recent: Vec<usize> = (0..blocks.codes.len()).collect();
    let values = blocks.map.iter().map(|code| {
        let at = recent.iter().position(|other| other == code).unwrap_or(0);
        if to_front {
            recent[..=at].rotate_right(1);
        }
        at
    });
    let values: Vec<usize> = values.collect();
    let mut symbols = Vec::new();
    for run in values.chunk_by(|a, b| a == b) {
        if run[0] > 0 {
            symbols.extend(run.iter().map(|value| (value + most as usize, 0, 0)));
            continue;
        }
        let mut left = run.len() as u32;
        while left > 0 {
            let width = left.ilog2().min(most);
            let taken = left.min((2 << width) - 1);
            symbols.push((width as usize, taken - (1 << width), width));
            left -= taken;
        }
    }
    if most == 0 {
        bits.put(0, 1)
    } else {
        bits.put((most - 1) << 1 | 1, 5)
    }
    let mut counts = vec![0; blocks.codes.len() + most as usize];
    for (symbol, ..) in &symbols {
        counts[*symbol] += 1;
    }
    let code = Code::written(bits, &counts);
    for (symbol, extra, width) in symbols {
        code.put(bits, symbol);
        bits.put(extra, width);
    }
    bits.put(u32::from(to_front), 1);
}
