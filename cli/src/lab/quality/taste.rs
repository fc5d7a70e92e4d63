//! Taste: what is frozen of the items, fitted on `train`, what it says of each example, and the blocks that say the same on the phone.
//!
//! Frozen are factors of several widths, and for everybody how often each item is liked and its mean value ([`Frozen`]). Beside a taste stands a person's own
//! bias: how far the values of what was judged stand from what those two say of the same items, a regression on vectors of one number that is 1. The
//! difference of both tells how well liked the items are that the person judges, which mean values alone confound with how kind the person is. What they say of the people they were fitted to is too good: a
//! model that learns from it would believe it too much. So the people of `train` are cut into parts, and each part's examples are judged by what was
//! fitted to the others ([`PARTS`]); `valid` and `test` by what was fitted to all of `train`, which is what the bundle carries.

use super::super::dataset::{Dataset, Split};
use super::super::examples::progress;
use super::super::factors::{self, Factors, Given};
use super::super::replay::{Replay, Signal};
use super::super::rows::Rows;
use super::linear::Examples;
use super::weights::{Held, Weights};
use anyhow::bail;
use std::collections::HashMap;
use std::rc::Rc;
use zhiji::block::{Equations, Ridge};
use zhiji::bundle::stack::JUDGED_MOST;
use zhiji::features::Layout;
use zhiji::schema::{Rule, hash64};
use zhiji::score::logit;

/// Parts of the people of `train`.
pub const PARTS: usize = 5;
/// What each judgement counts against the one after it.
pub const DECAY: f32 = 1.0;
/// Bytes of a bundle that what is frozen may take.
const BYTES_MOST: usize = 900_000;
const ROUNDS: usize = 12;
/// 1 in half precision.
const ONE: u16 = 0x3c00;
/// Imagined examples behind an item's rate and mean.
const IMAGINED: f64 = 5.0;
/// Judgements behind which a person's own bias counts half.
const BIAS_HALF: f32 = 3.0;
/// What everybody says of an item: the blocks' names.
pub const LEVELS: [&str; 2] = ["rate", "mean"];

/// Names of the blocks of the factors of one width: the items, their biases, the user's taste, and what it says of the item at hand.
pub fn blocks(width: usize) -> [String; 4] {
    ["item", "bias", "ridge", "vector"].map(|block| format!("{block}{width}"))
}

/// Name of the block of the user's bias by a level, with the decay at this place.
pub fn bias_name(level: &str, at: usize) -> String {
    format!("{level}_ridge{at}")
}

/// What is frozen of the items.
#[derive(Clone)]
pub struct Frozen {
    /// Factors of each width.
    pub factors: Vec<Factors>,
    /// Log-odds of being liked, over all items.
    pub base: f32,
    /// What everybody says of the items ([`LEVELS`]), as vectors of one number that is 1: what an item's log-odds differ by from `base`, and its mean value
    /// from the mean of all.
    pub levels: [Factors; 2],
    /// Decays of a person's own bias: two numbers of each, by either level.
    pub biases: Vec<f32>,
}

impl Frozen {
    /// How many numbers it adds to the features: each item's log-odds; then for each width the item's own mean, and the user's taste for it; then for each
    /// decay the user's bias by either level.
    pub fn numbers(&self) -> usize {
        1 + 2 * (self.factors.len() + self.biases.len())
    }

    /// What an item's log-odds of being liked differ by from [`Frozen::base`], item by item.
    pub fn rate(&self) -> &[f32] {
        &self.levels[0].bias
    }
}

/// The people, items and values of a data set, in the form that factors are fitted to.
pub struct Values {
    /// Values of `train`.
    given: Vec<Given>,
    /// The value from which an item is liked.
    like: f32,
    /// The part of each person.
    parts: Vec<usize>,
    words: Vec<Vec<u64>>,
    place: HashMap<u64, u32>,
    wires: Vec<u64>,
}

impl Values {
    /// Reads them.
    ///
    /// # Errors
    /// Where the data cannot be read.
    pub fn read(data: &Dataset, seed: u64, rows: &mut Rows) -> anyhow::Result<Self> {
        let catalogue = data.catalogue();
        let wires: Vec<u64> = catalogue.iter().map(|item| item.wire()).collect();
        let place: HashMap<u64, u32> = (0u32..).zip(&wires).map(|(i, wire)| (*wire, i)).collect();
        let words = catalogue.iter().map(|item| item.all_words().map(|(_, word)| word.key).collect()).collect();
        let (mut given, mut parts) = (Vec::new(), Vec::new());
        data.for_each_user(rows, |user| {
            let number = parts.len() as u32;
            for event in user.events.iter().filter(|e| e.split == Split::Train) {
                if let (Some(value), Some(item)) = (event.detail.value, place.get(&event.item.wire())) {
                    given.push(Given { user: number, item: *item, value });
                }
            }
            let lot = hash64(&[&seed.to_le_bytes()[..], user.id.as_bytes()].concat());
            parts.push((lot % PARTS as u64) as usize);
            Ok(())
        })?;
        let like = match data.schema.labels.first().map(|label| &label.rule) {
            Some(Rule::Value { at_least, .. }) => *at_least,
            _ => bail!("the first label says from which value on an item is liked"),
        };
        Ok(Self { given, like, parts, words, place, wires })
    }

    /// Places of the items, by wire id.
    pub fn places(&self) -> &HashMap<u64, u32> {
        &self.place
    }

    /// What is frozen of the items by all people of `train` but those of one part; [`PARTS`] is no part, so it leaves nobody out.
    pub fn fit_one(&self, part: usize, widths: &[usize], biases: &[f32], seed: u64) -> Frozen {
        let kept: Vec<Given> = self.given.iter().filter(|g| self.parts[g.user as usize] != part).copied().collect();
        let fit = |width: &usize| {
            let options = factors::Options { width: *width, rounds: ROUNDS, seed };
            factors::fit(&kept, self.parts.len(), &self.words, &options)
        };
        let (base, levels) = self.levels(&kept);
        Frozen { factors: widths.iter().map(fit).collect(), base, levels, biases: biases.to_vec() }
    }

    /// Log-odds of being liked over all items, and the levels of the items, each held towards that of all.
    fn levels(&self, given: &[Given]) -> (f32, [Factors; 2]) {
        // How many values, how many of them liked, and their sum.
        let mut counts = vec![[0.0; 3]; self.wires.len()];
        for one in given {
            let add = [1.0, f64::from(u8::from(one.value >= self.like)), f64::from(one.value)];
            counts[one.item as usize].iter_mut().zip(add).for_each(|(slot, x)| *slot += x);
        }
        let [n, liked, sum] = counts.iter().fold([0.0; 3], |[n, l, s], c| [n + c[0], l + c[1], s + c[2]]);
        let (base, mean) = (liked / f64::max(n, 1.0), sum / f64::max(n, 1.0));
        let held = |sum: f64, n: f64, all: f64| (sum + IMAGINED * all) / (n + IMAGINED);
        let rates = counts.iter().map(|[n, liked, _]| logit(held(*liked, *n, base)) - logit(base));
        let means = counts.iter().map(|[n, _, sum]| (held(*sum, *n, mean) - mean) as f32);
        let level = |bias: Vec<f32>| Factors {
            width: 1,
            vectors: vec![1.0; bias.len()],
            bias,
            base: mean as f32,
            noise: BIAS_HALF,
        };
        (logit(base), [level(rates.collect()), level(means.collect())])
    }

    /// What is frozen by each part's others, then by all.
    pub fn fit(&self, widths: &[usize], biases: &[f32], seed: u64) -> Vec<Frozen> {
        let bar = progress(PARTS as u64 + 1, "factors fitted");
        let all = (0..=PARTS).map(|part| {
            let fitted = self.fit_one(part, widths, biases, seed);
            bar.inc(1);
            fitted
        });
        let all = all.collect();
        bar.finish_and_clear();
        all
    }
}

/// What factors of one width say, computed with the engine's own block.
struct Judge<'a> {
    factors: &'a Factors,
    ridge: Ridge,
    work: Equations,
    taste: Vec<f32>,
}

impl<'a> Judge<'a> {
    fn new(factors: &'a Factors, decay: f32) -> anyhow::Result<Self> {
        let ridge = Ridge::new(factors.base, factors.noise, decay)?;
        Ok(Self { factors, ridge, work: Equations::for_vectors(factors.width), taste: vec![0.0; factors.width] })
    }

    /// The mean of the item at `own`, and the taste for it; `judged` are items and values, the newest first.
    fn numbers(&mut self, own: usize, judged: &[(Option<usize>, f32)]) -> [f32; 2] {
        self.work.begin(self.factors.width);
        let mut power = 1.0;
        for (at, value) in judged {
            if let Some(at) = *at {
                self.ridge.add(self.factors.vector(at), *value, self.factors.bias[at], power, &mut self.work);
            }
            power *= self.ridge.decay();
        }
        self.ridge.solve(&mut self.work, &mut self.taste);
        [self.factors.bias[own], zhiji::kernel::dot(self.factors.vector(own), &self.taste)]
    }
}

/// The examples of the first label, each with the features of the fold and then the numbers of what is frozen ([`Frozen::numbers`]).
///
/// # Errors
/// Where the data cannot be read.
pub fn collect(
    data: &Dataset,
    layout: &Rc<Layout>,
    values: &Values,
    all: &[Frozen],
    rows: &mut Rows,
) -> anyhow::Result<Examples> {
    let numbers = all.first().map_or(0, Frozen::numbers);
    let mut judges = Vec::with_capacity(all.len());
    for frozen in all {
        let taste = |factors| Judge::new(factors, DECAY);
        let mut own = frozen.factors.iter().map(taste).collect::<anyhow::Result<Vec<_>>>()?;
        for decay in &frozen.biases {
            for level in &frozen.levels {
                own.push(Judge::new(level, *decay)?);
            }
        }
        judges.push(own);
    }
    let mut examples = Examples { width: layout.len() + numbers, ..Examples::default() };
    let mut judged = Vec::new();
    let place = |wire: u64| values.place.get(&wire).map(|at| *at as usize);
    let bar = progress(data.meta.users, "users folded");
    let mut number = 0u32;
    data.for_each_user(rows, |user| {
        let mut replay = Replay::new(Rc::clone(&data.schema), Rc::clone(layout))?;
        replay.run(&user, |signal| {
            if let Signal::New(example, origin, _) = signal
                && example.label == 0
            {
                let part = if origin.split == Split::Train { values.parts[number as usize] } else { PARTS };
                examples.dense.extend_from_slice(example.dense);
                let end = examples.dense.len() + numbers;
                if let Some(own) = place(example.wire) {
                    judged.clear();
                    judged.extend(example.recent.judged().take(JUDGED_MOST).map(|(wire, value)| (place(wire), value)));
                    examples.dense.push(all[part].rate()[own]);
                    for (at, judge) in judges[part].iter_mut().enumerate() {
                        let both = judge.numbers(own, &judged);
                        // A bias is the person's alone: what the level says of the item at hand stands in front already.
                        let from = usize::from(at >= all[part].factors.len());
                        examples.dense.extend_from_slice(&both[from..]);
                    }
                }
                examples.dense.resize(end, 0.0);
                examples.wire.push(example.wire);
                examples.positive.push(example.positive);
                examples.user.push(number);
                examples.earlier.push(origin.earlier);
                examples.split.push(origin.split);
            }
        });
        number += 1;
        bar.inc(1);
        Ok(())
    })?;
    bar.finish_and_clear();
    Ok(examples)
}

/// Adds the tensors of the blocks of these widths ([`blocks`]), and of `rate`: vectors as bytes with a scale a row. Of a catalogue that is too large,
/// the items of most values are kept.
pub(super) fn weights(values: &Values, frozen: &Frozen, weights: &mut Weights) {
    let mut counts = vec![0u32; values.wires.len()];
    values.given.iter().for_each(|g| counts[g.item as usize] += 1);
    let mut kept: Vec<usize> = (0..counts.len()).collect();
    kept.sort_by_key(|at| (u32::MAX - counts[*at], *at));
    // The mean is there for the sake of a bias by it.
    let levels = &frozen.levels[..if frozen.biases.is_empty() { 1 } else { 2 }];
    // An id; of each level a number and a half for the vector; of each width the numbers, their scale and the bias.
    let bytes = 8 + 6 * levels.len() + frozen.factors.iter().map(|f| f.width + 8).sum::<usize>();
    kept.truncate(BYTES_MOST / bytes);
    kept.sort_unstable();
    let n = kept.len();
    let of = |list: &[f32]| Held::Singles(kept.iter().map(|at| list[*at]).collect());
    weights.add("items.ids", &[n], Held::Longs(kept.iter().map(|at| values.wires[*at]).collect()));
    for (name, level) in LEVELS.iter().zip(levels) {
        weights.add(&format!("{name}.vectors"), &[n, 1], Held::Halves(vec![ONE; n]));
        weights.add(&format!("{name}.bias"), &[n], of(&level.bias));
        for at in 0..frozen.biases.len() {
            let ridge = bias_name(name, at);
            weights.add(&format!("{ridge}.base"), &[1], Held::Singles(vec![level.base]));
            weights.add(&format!("{ridge}.noise"), &[1], Held::Singles(vec![level.noise]));
        }
    }
    for factors in &frozen.factors {
        let [item, _, ridge, _] = blocks(factors.width);
        let rows = kept.iter().flat_map(|at| factors.vector(*at).iter().copied()).collect::<Vec<f32>>();
        weights.rows(&format!("{item}.vectors"), factors.width, &rows);
        weights.add(&format!("{item}.bias"), &[n], of(&factors.bias));
        weights.add(&format!("{ridge}.base"), &[1], Held::Singles(vec![factors.base]));
        weights.add(&format!("{ridge}.noise"), &[1], Held::Singles(vec![factors.noise]));
    }
}
