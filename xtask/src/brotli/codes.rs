//! The numbers of the format: how lengths, counts and distances become symbols with extra bits (RFC 7932, sections 4 to 6).

/// A symbol, and the extra bits behind it: how many, and their value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coded {
    pub symbol: usize,
    pub bits: u32,
    pub extra: u32,
}

/// Extra bits and least value for each code of the number of literals, section 5.
const INSERT: [(u32, u32); 24] = [
    (0, 0),
    (0, 1),
    (0, 2),
    (0, 3),
    (0, 4),
    (0, 5),
    (1, 6),
    (1, 8),
    (2, 10),
    (2, 14),
    (3, 18),
    (3, 26),
    (4, 34),
    (4, 50),
    (5, 66),
    (5, 98),
    (6, 130),
    (7, 194),
    (8, 322),
    (9, 578),
    (10, 1090),
    (12, 2114),
    (14, 6210),
    (24, 22594),
];

/// The same for the length of a copy, section 5.
const COPY: [(u32, u32); 24] = [
    (0, 2),
    (0, 3),
    (0, 4),
    (0, 5),
    (0, 6),
    (0, 7),
    (0, 8),
    (0, 9),
    (1, 10),
    (1, 12),
    (2, 14),
    (2, 18),
    (3, 22),
    (3, 30),
    (4, 38),
    (4, 54),
    (5, 70),
    (5, 102),
    (6, 134),
    (7, 198),
    (8, 326),
    (9, 582),
    (10, 1094),
    (24, 2118),
];

/// The same for the length of a block, section 6.
const BLOCK: [(u32, u32); BLOCK_LENGTHS] = [
    (2, 1),
    (2, 5),
    (2, 9),
    (2, 13),
    (3, 17),
    (3, 25),
    (3, 33),
    (3, 41),
    (4, 49),
    (4, 65),
    (4, 81),
    (4, 97),
    (5, 113),
    (5, 145),
    (5, 177),
    (5, 209),
    (6, 241),
    (6, 305),
    (7, 369),
    (8, 497),
    (9, 753),
    (10, 1265),
    (11, 2289),
    (12, 4337),
    (13, 8433),
    (24, 16625),
];

/// Symbols of the lengths of blocks.
pub const BLOCK_LENGTHS: usize = 26;
/// Symbols that say how many literals come and how much is copied behind them.
pub const COMMANDS: usize = 704;
/// Symbols of distances, where none has a code of its own and none of its bits stand behind the extra ones.
pub const DISTANCES: usize = NEAR + 48;
/// How many of them are near one of the last four distances.
pub const NEAR: usize = 16;

fn among(table: &[(u32, u32)], value: u32) -> Coded {
    let symbol = table.partition_point(|(_, least)| *least <= value) - 1;
    let (bits, least) = table[symbol];
    Coded { symbol, bits, extra: value - least }
}

pub fn insert(literals: u32) -> Coded {
    among(&INSERT, literals)
}

/// For a length of at least 2.
pub fn copy(length: u32) -> Coded {
    among(&COPY, length)
}

/// For a length of at least 1.
pub fn block(length: u32) -> Coded {
    among(&BLOCK, length)
}

/// The symbol for codes of both lengths; with `same` the one that says besides that the last distance is meant again, if there is one.
pub fn command(insert: usize, copy: usize, same: bool) -> Option<usize> {
    const CELLS: [[usize; 3]; 3] = [[128, 192, 384], [256, 320, 512], [448, 576, 640]];
    let low = (insert % 8) * 8 + copy % 8;
    if same {
        return (insert < 8 && copy < 16).then_some(low + 64 * (copy / 8));
    }
    Some(CELLS[insert / 8][copy / 8] + low)
}

/// A symbol of [`command`] by which no distance follows.
pub fn says_same(command: usize) -> bool {
    command < 128
}

/// A distance by itself.
pub fn distance(distance: u32) -> Coded {
    // Three more, and the first of each two symbols begins at a power of two.
    let raised = distance + 3;
    let bits = raised.ilog2() - 1;
    let upper = raised >> bits & 1;
    Coded { symbol: NEAR + 2 * (bits as usize - 1) + upper as usize, bits, extra: raised & ((1 << bits) - 1) }
}

/// The last four distances, the latest first.
pub type Ring = [u32; 4];

/// What a stream begins with.
pub const START: Ring = [4, 11, 15, 16];

/// The distances of the near symbols; 0 for none.
pub fn near(ring: Ring) -> [u32; NEAR] {
    let mut near = [0; NEAR];
    near[..4].copy_from_slice(&ring);
    for (first, of) in [(4, ring[0]), (10, ring[1])] {
        for step in 1..=3 {
            let at = first + 2 * (step as usize - 1);
            near[at] = of.saturating_sub(step);
            near[at + 1] = of + step;
        }
    }
    near
}

/// The last four behind a copy.
pub fn pushed(ring: Ring, distance: u32, symbol: usize) -> Ring {
    if symbol == 0 { ring } else { [distance, ring[0], ring[1], ring[2]] }
}

/// In which of the four contexts the distance of a copy stands.
pub fn distance_context(copy: u32) -> u8 {
    copy.clamp(2, 5) as u8 - 2
}
