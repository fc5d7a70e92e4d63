//! Counts of symbols: what it takes to write them, and which of them may share a prefix code.

use super::prefix::LONGEST;

/// How often each symbol of an alphabet occurs.
#[derive(Clone)]
pub struct Histogram {
    pub counts: Vec<u32>,
    pub total: u32,
}

impl Histogram {
    pub fn new(symbols: usize) -> Self {
        Self { counts: vec![0; symbols], total: 0 }
    }

    pub fn add(&mut self, symbol: usize) {
        self.counts[symbol] += 1;
        self.total += 1;
    }

    fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.total += other.total;
    }

    /// About how many bits the symbols take, and their code.
    pub fn bits(&self, logs: &Logs) -> f64 {
        bits(self.counts.iter().copied(), self.total, logs)
    }

    /// The same for two with one code.
    fn bits_with(&self, other: &Self, logs: &Logs) -> f64 {
        bits(self.counts.iter().zip(&other.counts).map(|(a, b)| a + b), self.total + other.total, logs)
    }

    /// About how many bits each symbol takes. One that does not occur would need a place in the code.
    pub fn prices(&self, logs: &Logs) -> Vec<f64> {
        let all = logs.of(self.total);
        let price = |count| if count == 0 { (all + 2.0).max(14.0) } else { (all - logs.of(count)).max(1.0) };
        self.counts.iter().map(|count| price(*count)).collect()
    }
}

/// Logarithms of counts to base 2; 0 for 0.
pub struct Logs(Vec<f64>);

impl Logs {
    /// For counts up to `most`.
    pub fn new(most: usize) -> Self {
        Self((0..=most).map(|count| libm::log2(count.max(1) as f64)).collect())
    }

    fn of(&self, count: u32) -> f64 {
        self.0[count as usize]
    }
}

/// The data by their entropy, and the code by that of the symbols by which its lengths are written.
fn bits(counts: impl Iterator<Item = u32>, total: u32, logs: &Logs) -> f64 {
    let all = logs.of(total);
    let (mut data, mut used, mut unused, mut longest) = (0.0, 0, 0u32, 0);
    // Lengths of words, and runs of symbols without one.
    let mut lengths = [0; LONGEST + 3];
    for count in counts {
        if count == 0 {
            unused += 1;
            continue;
        }
        if unused < 3 {
            lengths[0] += unused;
        } else {
            let digits = (unused - 2).ilog2() / 3 + 1;
            lengths[LONGEST + 2] += digits;
            data += 3.0 * f64::from(digits);
        }
        unused = 0;
        used += 1;
        let word = all - logs.of(count);
        data += word * f64::from(count);
        let length = ((word + 0.5) as usize).clamp(1, LONGEST);
        longest = longest.max(length);
        lengths[length] += 1;
    }
    // Few symbols are written by themselves.
    match used {
        0 | 1 => return 12.0,
        2 => return data + 20.0,
        3 => return data + 28.0,
        4 => return data + 37.0,
        _ => {}
    }
    let kinds = logs.of(lengths.iter().sum());
    let code: f64 = lengths.iter().map(|count| f64::from(*count) * (kinds - logs.of(*count))).sum();
    data + code + 18.0 + 2.0 * longest as f64
}

/// Some histograms with one code: their sum, what it takes, and which they are.
struct Group {
    sum: Histogram,
    bits: f64,
    of: Vec<usize>,
}

/// For each of some histograms the number of the code that it shares, and what each code is for. Those of one block, of which there are
/// `width`, are brought together before those of all.
pub fn shared(histograms: &[Histogram], width: usize, logs: &Logs) -> (Vec<usize>, Vec<Histogram>) {
    let mut groups = Vec::new();
    for from in (0..histograms.len()).step_by(width) {
        let some = (from..from + width).filter(|at| histograms[*at].total > 0);
        let some = some.map(|at| Group { sum: histograms[at].clone(), bits: histograms[at].bits(logs), of: vec![at] });
        groups.extend(together(some.collect(), logs));
    }
    let groups = together(groups, logs);
    let mut codes = vec![0; histograms.len()];
    for (number, group) in groups.iter().enumerate() {
        for at in &group.of {
            codes[*at] = number;
        }
    }
    let mut sums: Vec<Histogram> = groups.into_iter().map(|group| group.sum).collect();
    // What was brought together early may fit another code better in the end.
    for _ in 0..3 {
        let prices: Vec<_> = sums.iter().map(|sum| (sum.total > 0).then(|| sum.prices(logs))).collect();
        for (code, histogram) in codes.iter_mut().zip(histograms).filter(|(_, histogram)| histogram.total > 0) {
            let bits = |prices: &Option<Vec<f64>>| {
                let prices = prices.as_ref()?;
                Some(histogram.counts.iter().zip(prices).map(|(count, price)| f64::from(*count) * price).sum::<f64>())
            };
            let all = prices.iter().enumerate().filter_map(|(code, prices)| Some((bits(prices)?, code)));
            *code = all.min_by(|a, b| a.0.total_cmp(&b.0)).map_or(*code, |(_, code)| code);
        }
        sums = sum(histograms, &codes, sums.len().max(1));
    }
    in_order(histograms, &mut codes);
    let count = codes.iter().max().map_or(1, |most| most + 1);
    let sums = sum(histograms, &codes, count);
    (codes, sums)
}

/// Brings together the two groups by which most is saved, until nothing is.
fn together(mut groups: Vec<Group>, logs: &Logs) -> Vec<Group> {
    let n = groups.len();
    let saved = |a: &Group, b: &Group| a.bits + b.bits - a.sum.bits_with(&b.sum, logs);
    let mut savings = vec![0.0; n * n];
    for a in 0..n {
        for b in a + 1..n {
            savings[a * n + b] = saved(&groups[a], &groups[b]);
        }
    }
    let mut left: Vec<usize> = (0..n).collect();
    loop {
        let mut best = (0.0, 0, 0);
        for (at, a) in left.iter().enumerate() {
            for b in &left[at + 1..] {
                if savings[a * n + b] > best.0 {
                    best = (savings[a * n + b], *a, *b);
                }
            }
        }
        let (saves, a, b) = best;
        if saves <= 0.0 {
            break;
        }
        left.retain(|at| *at != b);
        let [one, other] = groups.get_disjoint_mut([a, b]).expect("two groups");
        one.sum.merge(&other.sum);
        one.of.append(&mut other.of);
        one.bits = one.sum.bits(logs);
        for c in left.iter().filter(|c| **c != a) {
            savings[a.min(*c) * n + a.max(*c)] = saved(&groups[a], &groups[*c]);
        }
    }
    groups.retain(|group| !group.of.is_empty());
    groups
}

fn sum(histograms: &[Histogram], codes: &[usize], count: usize) -> Vec<Histogram> {
    let mut sums = vec![Histogram::new(histograms.first().map_or(0, |one| one.counts.len())); count];
    for (histogram, code) in histograms.iter().zip(codes) {
        sums[*code].merge(histogram);
    }
    sums
}

/// Numbers the codes as they first occur; what never occurs gets the code before it, which takes least to write.
fn in_order(histograms: &[Histogram], codes: &mut [usize]) {
    let (mut numbers, mut count, mut last) = (vec![None; codes.len()], 0, 0);
    for (code, histogram) in codes.iter_mut().zip(histograms) {
        if histogram.total > 0 {
            last = *numbers[*code].get_or_insert_with(|| {
                count += 1;
                count - 1
            });
        }
        *code = last;
    }
}
