//! Prefix codes: lengths from counts, words from lengths, and how a code itself is written (RFC 7932, section 3).

use super::bits::Bits;

/// How long a word may be.
pub const LONGEST: usize = 15;

/// How long a word of the code may be by which lengths are written.
const LONGEST_OF_LENGTHS: usize = 5;
/// In which order those lengths stand.
const ORDER: [usize; 18] = [1, 2, 3, 4, 0, 5, 17, 6, 16, 7, 8, 9, 10, 11, 12, 13, 14, 15];
/// The words for those lengths: value, and width.
const WORDS: [(u32, u32); 6] = [(0, 2), (7, 4), (3, 3), (2, 2), (1, 2), (15, 4)];
/// Symbols of that code for a length that comes again, and for the length 0.
const AGAIN: usize = 16;
const ZEROS: usize = 17;
/// The length that counts as the last one before the first.
const FIRST: u8 = 8;

/// A code: of each symbol how long its word is, 0 for one that does not occur, and the word with its first bit lowest.
pub struct Code {
    lengths: Vec<u8>,
    words: Vec<u16>,
}

impl Code {
    fn new(lengths: Vec<u8>) -> Self {
        let (mut words, mut next) = (vec![0; lengths.len()], 0u16);
        for length in 1..=LONGEST as u8 {
            for (word, _) in words.iter_mut().zip(&lengths).filter(|(_, other)| **other == length) {
                *word = next.reverse_bits() >> (16 - length);
                next = next.wrapping_add(1);
            }
            next = next.wrapping_mul(2);
        }
        Self { lengths, words }
    }

    /// The code that takes least for these counts together with what the code itself takes, which is written.
    pub fn written(bits: &mut Bits, counts: &[u32]) -> Self {
        if counts.iter().filter(|count| **count > 0).count() <= 4 {
            return few(bits, counts);
        }
        let all = candidates(counts).into_iter().map(|lengths| {
            let mut written = Bits::default();
            write(&mut written, &lengths);
            let data = counts.iter().zip(&lengths).map(|(count, length)| *count as usize * usize::from(*length));
            (written.len() + data.sum::<usize>(), written, lengths)
        });
        let (_, written, lengths) = all.min_by_key(|(size, ..)| *size).expect("there are candidates");
        bits.append(&written);
        Self::new(lengths)
    }

    /// The word of a symbol.
    pub fn put(&self, bits: &mut Bits, symbol: usize) {
        bits.put(u32::from(self.words[symbol]), u32::from(self.lengths[symbol]));
    }
}

/// A code of at most four symbols, which are written one by one.
fn few(bits: &mut Bits, counts: &[u32]) -> Code {
    let lengths = lengths(counts, LONGEST);
    let mut symbols: Vec<usize> = (0..counts.len()).filter(|symbol| counts[*symbol] > 0).collect();
    if symbols.is_empty() {
        symbols.push(0);
    }
    symbols.sort_by_key(|symbol| lengths[*symbol]);
    bits.put(1, 2);
    bits.put(symbols.len() as u32 - 1, 2);
    for symbol in &symbols {
        bits.put(*symbol as u32, (counts.len() - 1).ilog2() + 1);
    }
    if symbols.len() == 4 {
        bits.put(u32::from(lengths[symbols[0]] == 1), 1);
    }
    Code::new(lengths)
}

/// Lengths that are best for the data, and others that take less to write.
fn candidates(counts: &[u32]) -> Vec<Vec<u8>> {
    let used = counts.iter().filter(|count| **count > 0).count();
    let mut all: Vec<_> = [LONGEST, 12, 11, 10, 9, 8]
        .into_iter()
        .filter(|most| used <= 1 << most)
        .map(|most| lengths(counts, most))
        .collect();
    all.extend([2, 4].map(|times| lengths(&evened(counts, times), LONGEST)));
    all
}

/// Counts where neighbours that differ by no more than some times have the mean of them.
fn evened(counts: &[u32], times: u32) -> Vec<u32> {
    let mut even = Vec::with_capacity(counts.len());
    while let Some(first) = counts.get(even.len()) {
        let (mut least, mut most) = (*first, *first);
        let like = counts[even.len()..].iter().take_while(|count| {
            (least, most) = (least.min(**count), most.max(**count));
            (**count > 0) == (*first > 0) && most <= least * times + 1
        });
        let (size, sum) = like.fold((0, 0), |(size, sum), count| (size + 1, sum + count));
        even.extend(std::iter::repeat_n((sum + size / 2) / size, size as usize));
    }
    even
}

/// The lengths by which the data take least, and next to that where one would be longer than `most`: then rare symbols count for more.
/// A single symbol needs no word.
fn lengths(counts: &[u32], most: usize) -> Vec<u8> {
    let mut least = 1;
    loop {
        let lengths = unlimited_lengths(counts, least);
        if lengths.iter().all(|length| usize::from(*length) <= most) {
            return lengths;
        }
        least *= 2;
    }
}

/// Huffman's lengths (1952), where what occurs counts at least so much.
fn unlimited_lengths(counts: &[u32], least: u32) -> Vec<u8> {
    let mut symbols: Vec<usize> = (0..counts.len()).filter(|symbol| counts[*symbol] > 0).collect();
    symbols.sort_by_key(|symbol| counts[*symbol].max(least));
    let n = symbols.len();
    // Leaves by rising weight, and behind them the nodes, whose weights rise as they are made.
    let mut weights: Vec<u32> = symbols.iter().map(|symbol| counts[*symbol].max(least)).collect();
    let mut parents = vec![0; (2 * n).saturating_sub(1)];
    let (mut leaf, mut node) = (0, n);
    for made in n..parents.len() {
        let mut lightest = || {
            let from = if leaf < n && (node == made || weights[leaf] <= weights[node]) { &mut leaf } else { &mut node };
            *from += 1;
            parents[*from - 1] = made;
            weights[*from - 1]
        };
        let weight = lightest() + lightest();
        weights.push(weight);
    }
    let mut depths = vec![0; parents.len()];
    for at in (0..parents.len().saturating_sub(1)).rev() {
        depths[at] = depths[parents[at]] + 1;
    }
    let mut lengths = vec![0; counts.len()];
    for (symbol, depth) in symbols.into_iter().zip(depths) {
        lengths[symbol] = depth;
    }
    lengths
}

/// Writes lengths, with runs of equal ones as repetitions where that takes less.
fn write(bits: &mut Bits, lengths: &[u8]) {
    let all = [(true, true), (false, true), (true, false), (false, false)].map(|(again, zeros)| {
        let mut written = Bits::default();
        write_symbols(&mut written, &symbols(lengths, again, zeros));
        written
    });
    if let Some(least) = all.iter().min_by_key(|written| written.len()) {
        bits.append(least);
    }
}

fn write_symbols(bits: &mut Bits, symbols: &[(usize, u32)]) {
    let mut counts = [0; ORDER.len()];
    for (symbol, _) in symbols {
        counts[*symbol] += 1;
    }
    let mut code = lengths(&counts, LONGEST_OF_LENGTHS);
    let one = code.iter().all(|length| *length == 0);
    if one {
        // Any length says which it is.
        code[symbols[0].0] = 3;
    }
    let end =
        if one { ORDER.len() } else { ORDER.iter().rposition(|symbol| code[*symbol] > 0).map_or(0, |last| last + 1) };
    let skipped = match ORDER.iter().take_while(|symbol| code[**symbol] == 0).count() {
        0 | 1 => 0,
        2 => 2,
        _ => 3,
    };
    bits.put(skipped as u32, 2);
    for symbol in &ORDER[skipped..end] {
        let (word, width) = WORDS[usize::from(code[*symbol])];
        bits.put(word, width);
    }
    if one {
        code.fill(0);
    }
    let code = Code::new(code);
    for (symbol, extra) in symbols {
        code.put(bits, *symbol);
        match *symbol {
            AGAIN => bits.put(*extra, 2),
            ZEROS => bits.put(*extra, 3),
            _ => {}
        }
    }
}

/// Lengths as symbols with extra bits, up to the last that is not 0.
fn symbols(lengths: &[u8], again: bool, zeros: bool) -> Vec<(usize, u32)> {
    let end = lengths.iter().rposition(|length| *length > 0).map_or(0, |last| last + 1);
    let (mut symbols, mut last) = (Vec::new(), FIRST);
    for run in lengths[..end].chunk_by(|a, b| a == b) {
        let (length, mut left) = (run[0], run.len());
        if length > 0 && length != last {
            symbols.push((usize::from(length), 0));
            (left, last) = (left - 1, length);
        }
        let (symbol, base, may) = if length == 0 { (ZEROS, 8, zeros) } else { (AGAIN, 4, again) };
        if left < 3 || !may {
            symbols.extend(std::iter::repeat_n((usize::from(length), 0), left));
        } else {
            repeated(&mut symbols, symbol, left, base);
        }
    }
    symbols
}

/// A run of at least 3 as one or more symbols, each of which multiplies what those before it say.
fn repeated(symbols: &mut Vec<(usize, u32)>, symbol: usize, run: usize, base: usize) {
    let (from, mut left) = (symbols.len(), run - 2);
    while left > 0 {
        left -= 1;
        symbols.push((symbol, (left % base) as u32));
        left /= base;
    }
    symbols[from..].reverse();
}
