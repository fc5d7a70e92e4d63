//! Blocks: stretches of symbols of one type, by which their prefix codes are chosen.

use super::histogram::{Histogram, Logs, shared};

/// About how many bits a change of type takes.
const SWITCH: f64 = 14.0;
/// By how many bits a further type must pay.
const WORTH: f64 = 4.0;

/// Symbols one after another.
pub struct Stream {
    pub symbols: Vec<Symbol>,
    /// How many contexts a type has, and how many symbols there are.
    pub contexts: usize,
    pub alphabet: usize,
}

/// A symbol: where in the text it is read, and in which context.
pub struct Symbol {
    pub symbol: usize,
    pub context: u8,
    pub place: usize,
}

/// How a stream is divided.
#[derive(Clone)]
pub struct Blocks {
    /// The type of each symbol, and how many there are.
    pub types: Vec<u8>,
    pub count: usize,
    /// The number of the code by type and context, and what each code is for.
    pub map: Vec<usize>,
    pub codes: Vec<Histogram>,
    /// About how many bits everything takes.
    bits: f64,
}

impl Stream {
    pub fn new(contexts: usize, alphabet: usize) -> Self {
        Self { symbols: Vec::new(), contexts, alphabet }
    }

    pub fn push(&mut self, symbol: usize, context: u8, place: usize) {
        self.symbols.push(Symbol { symbol, context, place });
    }

    /// All of one type.
    pub fn whole(&self, logs: &Logs) -> Blocks {
        self.blocks(vec![0; self.symbols.len()], logs)
    }

    /// One type more than there is, if that pays: half of one type is taken out and all symbols choose anew.
    pub fn grown(&self, from: Blocks, logs: &Logs) -> Blocks {
        let mut best: Option<Blocks> = None;
        for kind in 0..from.count as u8 {
            let size = from.types.iter().filter(|other| **other == kind).count();
            for first in [size / 4, size / 2, size / 4 * 3] {
                let (mut types, mut seen) = (from.types.clone(), 0);
                for other in types.iter_mut().filter(|other| **other == kind) {
                    seen += 1;
                    if seen > first {
                        *other = from.count as u8;
                    }
                }
                let trial = self.settled(self.blocks(types, logs), 4, logs);
                if best.as_ref().is_none_or(|best| trial.bits < best.bits) {
                    best = Some(trial);
                }
            }
        }
        let grown = best.map(|best| self.settled(best, 4, logs));
        grown.filter(|grown| grown.bits + WORTH < from.bits).unwrap_or(from)
    }

    /// The same division of another stream of this text, and what becomes of it when all symbols choose anew.
    pub fn carried(&self, types: &[u8], logs: &Logs) -> Blocks {
        let types = self.symbols.iter().map(|symbol| types[symbol.place]).collect();
        self.settled(self.blocks(types, logs), 2, logs)
    }

    /// The best of some rounds in which every symbol goes to the type in which it takes least, and the codes are made anew.
    fn settled(&self, mut blocks: Blocks, rounds: usize, logs: &Logs) -> Blocks {
        let mut best = blocks.clone();
        for _ in 0..rounds {
            blocks = self.blocks(self.cheapest(&blocks, logs), logs);
            if blocks.bits < best.bits {
                best = blocks.clone();
            }
        }
        best
    }

    fn blocks(&self, mut types: Vec<u8>, logs: &Logs) -> Blocks {
        let (mut numbers, mut count) = ([None; 256], 0);
        for kind in &mut types {
            *kind = *numbers[usize::from(*kind)].get_or_insert_with(|| {
                count += 1;
                count - 1
            });
        }
        let count = usize::from(count.max(1));
        let mut histograms = vec![Histogram::new(self.alphabet); count * self.contexts];
        for (symbol, kind) in self.symbols.iter().zip(&types) {
            histograms[usize::from(*kind) * self.contexts + usize::from(symbol.context)].add(symbol.symbol);
        }
        // Where there are no contexts, each type has a code of its own.
        let (map, codes) = if self.contexts == 1 {
            ((0..count).collect(), histograms)
        } else {
            shared(&histograms, self.contexts, logs)
        };
        let switches = types.windows(2).filter(|two| two[0] != two[1]).count();
        // A symbol of the map takes a bit or two.
        let bits =
            codes.iter().map(|code| code.bits(logs)).sum::<f64>() + SWITCH * switches as f64 + 1.5 * map.len() as f64;
        Blocks { types, count, map, codes, bits }
    }

    /// The types by which the symbols and the changes of type take least.
    fn cheapest(&self, blocks: &Blocks, logs: &Logs) -> Vec<u8> {
        let count = blocks.count;
        let prices: Vec<_> = blocks.codes.iter().map(|code| code.prices(logs)).collect();
        let best = |sums: &[f64]| (0..count).min_by(|a, b| sums[*a].total_cmp(&sums[*b])).unwrap_or(0);
        // What it takes to end in each type, and from which it is come to there.
        let (mut sums, mut from) = (vec![0.0; count], Vec::with_capacity(self.symbols.len() * count));
        for symbol in &self.symbols {
            let least = best(&sums);
            let changed = sums[least] + SWITCH;
            for (kind, sum) in sums.iter_mut().enumerate() {
                let stays = *sum <= changed;
                from.push(if stays { kind as u8 } else { least as u8 });
                let code = blocks.map[kind * self.contexts + usize::from(symbol.context)];
                *sum = if stays { *sum } else { changed } + prices[code][symbol.symbol];
            }
        }
        let mut kind = best(&sums) as u8;
        let mut types = vec![0; self.symbols.len()];
        for (kinds, from) in types.iter_mut().zip(from.chunks(count)).rev() {
            *kinds = kind;
            kind = from[usize::from(kind)];
        }
        types
    }

    /// The type that holds at each place of a text, its end included.
    pub fn spread(&self, blocks: &Blocks, places: usize) -> Vec<u8> {
        let mut spread = vec![0; places + 1];
        let ends = self.symbols.iter().skip(1).map(|next| next.place).chain([places + 1]);
        let mut from = 0;
        for (to, kind) in ends.zip(&blocks.types) {
            spread[from..to].fill(*kind);
            from = to;
        }
        spread
    }
}
