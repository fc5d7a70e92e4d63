//! The cheapest way to write a text as literals and copies, by what symbols cost.

use super::codes::{self, Ring};
use super::matches::{Matches, common};

/// From how many places literals may begin that lead to a copy: the cheapest are kept.
const STARTS: usize = 24;

/// Up to which length a copy may end early: of longer ones only the longest is tried.
const SHORT: usize = 64;

/// Literals, and the copy behind them. The last command of a text may end with its literals: its copy is of length 0.
#[derive(Clone, Copy)]
pub struct Command {
    pub insert: u32,
    pub copy: u32,
    /// The symbol of both lengths.
    pub symbol: usize,
    pub distance: u32,
    /// Which of the near distances it is.
    pub near: Option<usize>,
}

/// What everything costs, in bits.
pub struct Prices {
    /// The literals before each place together.
    pub literals: Vec<f64>,
    pub commands: Table,
    /// Prices of a type are those of its four contexts.
    pub distances: Table,
}

/// Prices by type, and which type holds at each place.
pub struct Table {
    pub prices: Vec<Vec<f64>>,
    pub types: Vec<u8>,
}

/// The cheapest way to a place that ends with a copy.
#[derive(Clone, Copy)]
struct Way {
    bits: f64,
    command: Command,
    ring: Ring,
}

/// The commands that cost least. What a copy costs depends on the distances before it, of which only those of the cheapest way are known: it is
/// nearly the best.
pub fn parse(text: &[u8], matches: &Matches, prices: &Prices) -> Vec<Command> {
    let n = text.len();
    let none = Command { insert: 0, copy: 0, symbol: 0, distance: 0, near: None };
    let mut ways = vec![Way { bits: f64::INFINITY, command: none, ring: codes::START }; n + 1];
    ways[0].bits = 0.0;
    // By what they cost less the literals before them, the cheapest first.
    let mut starts: Vec<(f64, usize)> = Vec::new();
    let mut far = Vec::new();
    for place in 0..n {
        begin(&mut starts, &ways, prices, place);
        cheapest_distances(&mut far, matches, prices, place);
        for (_, start) in &starts {
            let copies = Copies::behind(&ways[*start], *start, place, prices);
            copies.relax(text, &mut ways, &far);
        }
    }
    begin(&mut starts, &ways, prices, n);
    let (end, last) = ending(&starts, &ways, prices, n);
    let mut commands = Vec::from_iter(last);
    let mut at = end;
    while at > 0 {
        let command = ways[at].command;
        commands.push(command);
        at -= (command.insert + command.copy) as usize;
    }
    commands.reverse();
    commands
}

/// Literals may begin where a copy has ended.
fn begin(starts: &mut Vec<(f64, usize)>, ways: &[Way], prices: &Prices, place: usize) {
    if ways[place].bits < f64::INFINITY {
        let key = ways[place].bits - prices.literals[place];
        let at = starts.partition_point(|(other, _)| *other <= key);
        starts.insert(at, (key, place));
        starts.truncate(STARTS);
    }
}

/// For each length what its cheapest distance costs, and which that is; none is infinitely dear.
fn cheapest_distances(far: &mut Vec<(f64, u32)>, matches: &Matches, prices: &Prices, place: usize) {
    let longest = matches.at(place).last().map_or(0, |longest| longest.length as usize);
    far.clear();
    far.resize(longest + 1, (f64::INFINITY, 0));
    for one in matches.at(place) {
        let coded = codes::distance(one.distance);
        for length in [2, 3, 4, one.length.min(SHORT as u32), one.length] {
            let bits = prices.distances.of(place, length, coded.symbol) + f64::from(coded.bits);
            if length <= one.length && bits < far[length as usize].0 {
                far[length as usize] = (bits, one.distance);
            }
        }
    }
    // A copy may end early, and from 5 on all lengths have one context.
    for length in (5..longest.min(SHORT)).rev() {
        if far[length + 1].0 < far[length].0 {
            far[length] = far[length + 1];
        }
    }
}

/// The copies behind the literals from a start to a place.
struct Copies<'a> {
    prices: &'a Prices,
    place: usize,
    insert: u32,
    /// The code of the literals' number, and what everything up to the place costs.
    inserted: usize,
    bits: f64,
    ring: Ring,
}

impl<'a> Copies<'a> {
    fn behind(way: &Way, start: usize, place: usize, prices: &'a Prices) -> Self {
        let insert = (place - start) as u32;
        let inserted = codes::insert(insert);
        let literals = prices.literals[place] - prices.literals[start];
        let bits = way.bits + literals + f64::from(inserted.bits);
        Self { prices, place, insert, inserted: inserted.symbol, bits, ring: way.ring }
    }

    /// Makes the ways cheaper that are cheaper by one of these copies.
    fn relax(&self, text: &[u8], ways: &mut [Way], far: &[(f64, u32)]) {
        let place = self.place;
        for (near, distance) in codes::near(self.ring).into_iter().enumerate() {
            if distance == 0 || distance as usize > place {
                continue;
            }
            let longest = common(text, place - distance as usize, place);
            for length in (2..=longest.min(SHORT)).chain((longest > SHORT).then_some(longest)) {
                let bits = self.prices.distances.of(place, length as u32, near);
                self.reach(ways, length, (bits, distance), Some(near), false);
                if near == 0 {
                    self.reach(ways, length, (0.0, distance), Some(near), true);
                }
            }
        }
        for (length, far) in far.iter().enumerate().skip(2) {
            if far.1 > 0 {
                self.reach(ways, length, *far, None, false);
            }
        }
    }

    fn reach(&self, ways: &mut [Way], length: usize, by: (f64, u32), near: Option<usize>, same: bool) {
        let copied = codes::copy(length as u32);
        let Some(symbol) = codes::command(self.inserted, copied.symbol, same) else { return };
        let bits = self.bits + f64::from(copied.bits) + self.prices.commands.at(self.place)[symbol] + by.0;
        let way = &mut ways[self.place + length];
        if bits < way.bits {
            let ring = codes::pushed(self.ring, by.1, near.unwrap_or(codes::NEAR));
            let command = Command { insert: self.insert, copy: length as u32, symbol, distance: by.1, near };
            *way = Way { bits, command, ring };
        }
    }
}

/// Where the last copy ends, and the command for the literals behind it.
fn ending(starts: &[(f64, usize)], ways: &[Way], prices: &Prices, n: usize) -> (usize, Option<Command>) {
    let mut best = (ways[n].bits, n, None);
    for (_, start) in starts.iter().filter(|(_, start)| *start < n) {
        let inserted = codes::insert((n - start) as u32);
        // What is copied behind the end of the text is never read.
        for (copy, same) in (0..8).flat_map(|copy| [(copy, false), (copy, true)]) {
            let Some(symbol) = codes::command(inserted.symbol, copy, same) else { continue };
            let literals = prices.literals[n] - prices.literals[*start];
            let bits = ways[*start].bits + literals + f64::from(inserted.bits) + prices.commands.at(n)[symbol];
            if bits < best.0 {
                let last = Command { insert: (n - start) as u32, copy: 0, symbol, distance: 0, near: None };
                best = (bits, *start, Some(last));
            }
        }
    }
    (best.1, best.2)
}

impl Table {
    fn at(&self, place: usize) -> &[f64] {
        &self.prices[usize::from(self.types[place])]
    }

    /// Of a distance's symbol behind a copy of some length.
    fn of(&self, place: usize, copy: u32, symbol: usize) -> f64 {
        self.at(place)[usize::from(codes::distance_context(copy)) * codes::DISTANCES + symbol]
    }
}
