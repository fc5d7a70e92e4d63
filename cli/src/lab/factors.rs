//! Item factors from explicit values: factor analysis with missing values, its loadings held towards what the items' words say.
//!
//! ```text
//! r_ui = base + b_i + w_u · v_i + ε,   w_u ~ N(0, I),   ε ~ N(0, noise),   (v_i, b_i) ~ N(Σ_{words of i} W_word, diag(spread))
//! ```
//!
//! That is the model whose user side the engine's `ridge` block solves on the phone. Fitted by expectation and maximisation: given the items, a
//! user's vector has a Gaussian posterior; given those posteriors, covariances included, an item is a ridge regression. Because the users' uncertainty
//! enters, vectors of items that few people judged stay short, and prior variances need no tuning.
//!
//! # Source
//! Rubin & Thayer, "EM algorithms for ML factor analysis", Psychometrika 47, 1982; for missing values: Ilin & Raiko, "Practical Approaches to Principal
//! Component Analysis in the Presence of Missing Values", JMLR 11, 2010, section 3.

use zhiji::rng::{Rng, seed_of};

/// One value that a person gave.
#[derive(Clone, Copy, Debug)]
pub struct Given {
    /// Number of the person.
    pub user: u32,
    /// Place of the item.
    pub item: u32,
    /// The value.
    pub value: f32,
}

/// How it is fitted.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Numbers of a vector.
    pub width: usize,
    /// Rounds of expectation and maximisation.
    pub rounds: usize,
    /// Decides where it begins.
    pub seed: u64,
}

/// What was fitted.
#[derive(Clone, Debug)]
pub struct Factors {
    /// Numbers of a vector.
    pub width: usize,
    /// The vectors, item by item.
    pub vectors: Vec<f32>,
    /// What an item's value differs by from `base`.
    pub bias: Vec<f32>,
    /// The mean value.
    pub base: f32,
    /// Variance of a value around what the model says.
    pub noise: f32,
}

impl Factors {
    /// The vector of an item.
    pub fn vector(&self, item: usize) -> &[f32] {
        &self.vectors[item * self.width..(item + 1) * self.width]
    }
}

/// Words of fewer items say nothing of their own.
const WORD_LEAST: usize = 3;
/// Penalty of a word's squared loadings against an item's distance from them.
const WORD_PENALTY: f64 = 3.0;
/// Values behind which an item's loadings count half in what its words say.
const ITEM_HALF: f64 = 5.0;

/// Lower Cholesky factor of a symmetric positive definite matrix, row by row, in place of its lower triangle.
pub(super) fn factorise(a: &mut [f64], n: usize) {
    for row in 0..n {
        for column in 0..=row {
            let mut sum = a[row * n + column];
            for k in 0..column {
                sum -= a[row * n + k] * a[column * n + k];
            }
            a[row * n + column] = if row == column { sum.max(1e-12).sqrt() } else { sum / a[column * n + column] };
        }
    }
}

/// Solves with the factor, in place.
pub(super) fn solve(factor: &[f64], n: usize, x: &mut [f64]) {
    for row in 0..n {
        for k in 0..row {
            x[row] -= factor[row * n + k] * x[k];
        }
        x[row] /= factor[row * n + row];
    }
    for row in (0..n).rev() {
        x[row] /= factor[row * n + row];
        for k in 0..row {
            x[k] -= factor[row * n + k] * x[row];
        }
    }
}

/// The inverse of the factorised matrix.
fn invert(factor: &[f64], n: usize, out: &mut [f64]) {
    let mut column = vec![0.0; n];
    for k in 0..n {
        column.fill(0.0);
        column[k] = 1.0;
        solve(factor, n, &mut column);
        for (row, x) in column.iter().enumerate() {
            out[row * n + k] = *x;
        }
    }
}

/// Where the values of each of `n` things stand in the list.
fn grouped(given: &[Given], n: usize, of: impl Fn(&Given) -> u32) -> Vec<Vec<u32>> {
    let mut groups = vec![Vec::new(); n];
    for (at, one) in (0u32..).zip(given) {
        groups[of(one) as usize].push(at);
    }
    groups
}

/// What the words of the items say of their loadings.
struct Words {
    /// Words of each item, the first of them the word of all.
    of_item: Vec<Vec<u32>>,
    /// Items of each word that have values.
    of_word: Vec<Vec<u32>>,
    loadings: Vec<f64>,
    width: usize,
}

impl Words {
    fn new(words: &[Vec<u64>], counts: &[usize], width: usize) -> Self {
        let mut known = std::collections::BTreeMap::<u64, u32>::new();
        let mut many = std::collections::BTreeMap::<u64, usize>::new();
        words.iter().flatten().for_each(|key| *many.entry(*key).or_default() += 1);
        let mut of_item = Vec::with_capacity(words.len());
        for keys in words {
            let mut own = vec![0u32];
            for key in keys.iter().filter(|key| many.get(key).is_some_and(|n| *n >= WORD_LEAST)) {
                let next = known.len() as u32 + 1;
                own.push(*known.entry(*key).or_insert(next));
            }
            of_item.push(own);
        }
        let mut of_word = vec![Vec::new(); known.len() + 1];
        for (item, own) in (0u32..).zip(&of_item) {
            if counts[item as usize] > 0 {
                own.iter().for_each(|word| of_word[*word as usize].push(item));
            }
        }
        Self { of_item, loadings: vec![0.0; of_word.len() * width], of_word, width }
    }

    /// What is expected of an item.
    fn expect(&self, item: usize, out: &mut [f64]) {
        out.fill(0.0);
        for word in &self.of_item[item] {
            let from = *word as usize * self.width;
            for (slot, x) in out.iter_mut().zip(&self.loadings[from..from + self.width]) {
                *slot += x;
            }
        }
    }

    /// Ridge regression of the items' loadings on their words: six rounds of Gauss and Seidel's method, from where the last ones ended.
    fn regress(&mut self, loadings: &[f64], counts: &[usize]) {
        let width = self.width;
        let mut rest = vec![0.0; loadings.len()];
        let mut expected = vec![0.0; width];
        for item in 0..counts.len() {
            self.expect(item, &mut expected);
            for (k, x) in expected.iter().enumerate() {
                rest[item * width + k] = loadings[item * width + k] - x;
            }
        }
        for _ in 0..6 {
            for (word, items) in self.of_word.iter().enumerate() {
                let mut sum = vec![0.0; width];
                let mut total = if word == 0 { 1e-6 } else { WORD_PENALTY };
                let own = &mut self.loadings[word * width..(word + 1) * width];
                let penalty = total;
                for item in items {
                    let n = counts[*item as usize] as f64;
                    let counts = n / (n + ITEM_HALF);
                    total += counts;
                    for (slot, x) in sum.iter_mut().zip(&rest[*item as usize * width..]) {
                        *slot += counts * x;
                    }
                }
                for (k, slot) in own.iter_mut().enumerate() {
                    let step = (sum[k] - penalty * *slot) / total;
                    *slot += step;
                    items.iter().for_each(|item| rest[*item as usize * width + k] -= step);
                }
            }
        }
    }
}

/// Fits the model.
///
/// # Shapes
/// `words`: for each item the keys of its words. Every item gets a vector: one without values what its words say.
///
/// # Panics
/// Where an item or a user is beyond the stated numbers.
pub fn fit(given: &[Given], users: usize, words: &[Vec<u64>], options: &Options) -> Factors {
    let (d, items) = (options.width, words.len());
    let n = d + 1;
    let count = given.len().max(1) as f64;
    let base = given.iter().map(|g| f64::from(g.value)).sum::<f64>() / count;
    let square = given.iter().map(|g| (f64::from(g.value) - base) * (f64::from(g.value) - base)).sum::<f64>() / count;
    let unit = square.sqrt().max(1e-6);
    let value = |at: &u32| (f64::from(given[*at as usize].value) - base) / unit;
    let (by_user, by_item) = (grouped(given, users, |g| g.user), grouped(given, items, |g| g.item));
    let counts: Vec<usize> = by_item.iter().map(Vec::len).collect();
    let mut rng = Rng::derive(&seed_of(options.seed), "item factors", &[]);
    // Uniform numbers will do where any direction will do.
    let mut random = || f64::from(rng.uniform() - 0.5) * 0.17;
    let mut content = Words::new(words, &counts, n);
    // People differ first of all in their means: the first factor begins as that.
    content.loadings.iter_mut().for_each(|x| *x = random());
    content.loadings[..n].fill(0.0);
    content.loadings[0] = 0.4;
    content.loadings.iter_mut().skip(d).step_by(n).for_each(|bias| *bias = 0.0);
    let mut loadings = vec![0.0; items * n];
    for item in 0..items {
        let own = &mut loadings[item * n..(item + 1) * n];
        content.expect(item, own);
        own[..d].iter_mut().for_each(|x| *x += random());
    }
    let (mut noise, mut spread) = (0.7, vec![0.05; n]);
    spread[d] = 0.15;
    let mut means = vec![0.0; users * n];
    let mut covariances = vec![0.0; users * d * d];
    for _ in 0..options.rounds {
        // The users, given the items.
        for (user, own) in by_user.iter().enumerate().filter(|(_, own)| !own.is_empty()) {
            let mut precision = vec![0.0; d * d];
            let mut mean = vec![0.0; d];
            (0..d).for_each(|k| precision[k * d + k] = 1.0);
            for at in own {
                let item = given[*at as usize].item as usize;
                let v = &loadings[item * n..(item + 1) * n];
                let surprise = (value(at) - v[d]) / noise;
                for row in 0..d {
                    mean[row] += v[row] * surprise;
                    let x = v[row] / noise;
                    for (slot, other) in precision[row * d..=row * d + row].iter_mut().zip(v) {
                        *slot += x * other;
                    }
                }
            }
            factorise(&mut precision, d);
            solve(&precision, d, &mut mean);
            invert(&precision, d, &mut covariances[user * d * d..(user + 1) * d * d]);
            means[user * n..user * n + d].copy_from_slice(&mean);
            means[user * n + d] = 1.0;
        }
        // The items, given the users.
        let (mut error, mut scatter, mut seen) = (0.0, vec![0.0; n], 0.0);
        let mut expected = vec![0.0; n];
        let mut inverse = vec![0.0; n * n];
        for item in 0..items {
            content.expect(item, &mut expected);
            let own = &mut loadings[item * n..(item + 1) * n];
            if by_item[item].is_empty() {
                own.copy_from_slice(&expected);
                continue;
            }
            let mut second = vec![0.0; n * n];
            let mut first = vec![0.0; n];
            let mut squares = 0.0;
            for at in &by_item[item] {
                let user = given[*at as usize].user as usize;
                let (m, p) = (&means[user * n..(user + 1) * n], &covariances[user * d * d..(user + 1) * d * d]);
                let y = value(at);
                squares += y * y;
                for row in 0..n {
                    first[row] += m[row] * y;
                    for column in 0..=row {
                        let spread = if row < d { p[row * d + column] } else { 0.0 };
                        second[row * n + column] += m[row] * m[column] + spread;
                    }
                }
            }
            let mut system = vec![0.0; n * n];
            for row in 0..n {
                for column in 0..=row {
                    system[row * n + column] = second[row * n + column] / noise;
                }
                system[row * n + row] += 1.0 / spread[row];
                own[row] = first[row] / noise + expected[row] / spread[row];
            }
            factorise(&mut system, n);
            solve(&system, n, own);
            invert(&system, n, &mut inverse);
            // Expected squared error of its values, over what is not known of the users and of the item.
            error += squares;
            for row in 0..n {
                error -= 2.0 * own[row] * first[row];
                for column in 0..=row {
                    let twice = if row == column { 1.0 } else { 2.0 };
                    let moment = own[row] * own[column] + inverse[row * n + column];
                    error += twice * second[row * n + column] * moment;
                }
                let off = own[row] - expected[row];
                scatter[row] += off * off + inverse[row * n + row];
            }
            seen += 1.0;
        }
        noise = (error / count).max(1e-4);
        for (slot, sum) in spread.iter_mut().zip(&scatter) {
            *slot = (sum / f64::max(seen, 1.0)).max(1e-4);
        }
        content.regress(&loadings, &counts);
    }
    let mut factors = Factors {
        width: d,
        vectors: Vec::with_capacity(items * d),
        bias: Vec::with_capacity(items),
        base: base as f32,
        noise: (noise * unit * unit) as f32,
    };
    for item in 0..items {
        let own = &mut loadings[item * n..(item + 1) * n];
        if by_item[item].is_empty() {
            content.expect(item, own);
        }
        factors.vectors.extend(own[..d].iter().map(|x| (x * unit) as f32));
        factors.bias.push((own[d] * unit) as f32);
    }
    factors
}

#[cfg(test)]
mod tests {
    use super::*;
    use zhiji::block::{Equations, Ridge};

    /// Values of people with planted tastes for items with planted vectors.
    fn planted(users: u32, items: u32, each: u32) -> (Vec<Given>, Vec<Vec<u64>>) {
        let mut rng = Rng::derive(&[3; 32], "planted", &[]);
        let mut normal = move || (0..12).map(|_| rng.uniform()).sum::<f32>() - 6.0;
        let word: Vec<[f32; 3]> = (0..6).map(|_| [normal(), normal(), normal()]).collect();
        let vectors: Vec<[f32; 3]> = (0..items)
            .map(|i| {
                let w = word[i as usize % 6];
                [0.5 * w[0] + 0.2 * normal(), 0.5 * w[1] + 0.2 * normal(), 0.4 * w[2] + 0.2 * normal()]
            })
            .collect();
        let mut given = Vec::new();
        for user in 0..users {
            let taste = [normal(), normal()];
            for k in 0..each {
                let item = (user * 7 + k * 11) % items;
                let v = vectors[item as usize];
                let value = 3.0 + v[2] + taste[0] * v[0] + taste[1] * v[1] + 0.3 * normal();
                given.push(Given { user, item, value });
            }
        }
        (given, (0..items).map(|i| vec![u64::from(i) % 6]).collect())
    }

    /// Squared error of the last value of each person, from the others, by the engine's own block; and that of the item's mean alone.
    fn errors(factors: &Factors, given: &[Given], each: usize) -> (f32, f32) {
        let ridge = Ridge::new(factors.base, factors.noise, 1.0).expect("in range");
        let mut work = Equations::for_vectors(factors.width);
        let mut taste = vec![0.0; factors.width];
        let (mut error, mut plain, mut count) = (0.0, 0.0, 0.0);
        for own in given.chunks(each) {
            let (last, others) = own.split_last().expect("values");
            work.begin(factors.width);
            for g in others {
                ridge.add(factors.vector(g.item as usize), g.value, factors.bias[g.item as usize], 1.0, &mut work);
            }
            ridge.solve(&mut work, &mut taste);
            let mean = factors.base + factors.bias[last.item as usize];
            let own = factors.vector(last.item as usize).iter().zip(&taste).map(|(v, w)| v * w).sum::<f32>();
            error += (last.value - mean - own) * (last.value - mean - own);
            plain += (last.value - mean) * (last.value - mean);
            count += 1.0;
        }
        (error / count, plain / count)
    }

    #[test]
    fn planted_tastes_are_found_for_people_who_were_never_seen() {
        let (given, words) = planted(360, 60, 16);
        let (train, test) = given.split_at(300 * 16);
        let factors = fit(train, 300, &words, &Options { width: 3, rounds: 12, seed: 1 });
        assert!(factors.noise > 0.05 && factors.noise < 0.2, "the noise was 0.09, found {}", factors.noise);
        let (error, plain) = errors(&factors, test, 16);
        assert!(error < 0.35 * plain, "{error} is not far below {plain}");
    }

    #[test]
    fn an_item_without_values_is_what_its_words_say() {
        let (given, words) = planted(200, 60, 16);
        let known: Vec<Given> = given.iter().filter(|g| g.item != 5).copied().collect();
        let factors = fit(&known, 200, &words, &Options { width: 3, rounds: 10, seed: 1 });
        let siblings: f32 = [11, 17, 23, 29].iter().map(|i| factors.bias[*i]).sum::<f32>() / 4.0;
        assert!((factors.bias[5] - siblings).abs() < 0.25, "{} is not near {siblings}", factors.bias[5]);
        let (error, plain) = errors(&factors, &given, 16);
        assert!(error < plain);
    }

    #[test]
    fn the_seed_decides_every_bit() {
        let (given, words) = planted(60, 30, 8);
        let fit = |seed| fit(&given, 60, &words, &Options { width: 2, rounds: 4, seed });
        assert_eq!(fit(1).vectors, fit(1).vectors);
        assert_ne!(fit(1).vectors, fit(2).vectors);
    }
}
