//! Taste: item factors fitted on `train`, what they say of each example, and the blocks that say the same on the phone.
//!
//! What the factors say of the people they were fitted to is too good: a model that learns from it would believe it too much. So the people of `train`
//! are cut into parts, and each part's examples are judged by factors of the others ([`PARTS`]); `valid` and `test` by the factors of all of `train`,
//! which are what the bundle carries.

use super::super::dataset::{Dataset, Split};
use super::super::examples::progress;
use super::super::factors::{self, Factors, Given};
use super::super::replay::{Replay, Signal};
use super::super::rows::Rows;
use super::linear::Examples;
use super::weights::{Held, Weights};
use std::collections::HashMap;
use std::rc::Rc;
use zhiji::block::{Equations, Ridge};
use zhiji::bundle::stack::JUDGED_MOST;
use zhiji::features::Layout;
use zhiji::schema::hash64;
use zhiji::state::Example;

/// Parts of the people of `train`.
pub const PARTS: usize = 5;
/// What each judgement counts against the one after it.
pub const DECAY: f32 = 1.0;
/// The numbers that it adds to the features: the item's own mean, and the user's taste for it.
pub const NUMBERS: usize = 2;
/// Bytes of a bundle that the vectors may take.
const BYTES_MOST: usize = 700_000;
const ROUNDS: usize = 12;

/// The people, items and values of a data set, in the form that factors are fitted to.
pub struct Values {
    /// Values of `train`.
    given: Vec<Given>,
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
        Ok(Self { given, parts, words, place, wires })
    }

    /// Places of the items, by wire id.
    pub fn places(&self) -> &HashMap<u64, u32> {
        &self.place
    }

    /// How many items there are.
    pub fn items(&self) -> usize {
        self.wires.len()
    }

    /// Factors of all people of `train` but those of one part; [`PARTS`] is no part, so it leaves nobody out.
    pub fn fit_one(&self, part: usize, width: usize, seed: u64) -> Factors {
        let options = factors::Options { width, rounds: ROUNDS, seed };
        let kept: Vec<Given> = self.given.iter().filter(|g| self.parts[g.user as usize] != part).copied().collect();
        factors::fit(&kept, self.parts.len(), &self.words, &options)
    }

    /// Factors of each part's others, then those of all.
    pub fn fit(&self, width: usize, seed: u64) -> Vec<Factors> {
        let bar = progress(PARTS as u64 + 1, "factors fitted");
        let all = (0..=PARTS).map(|part| {
            let fitted = self.fit_one(part, width, seed);
            bar.inc(1);
            fitted
        });
        let all = all.collect();
        bar.finish_and_clear();
        all
    }
}

/// What factors say, computed with the engine's own block.
struct Judge<'a> {
    values: &'a Values,
    all: &'a [Factors],
    ridges: Vec<Ridge>,
    work: Equations,
    taste: Vec<f32>,
}

impl Judge<'_> {
    fn numbers(&mut self, example: &Example<'_>, part: usize) -> [f32; NUMBERS] {
        let (factors, ridge) = (&self.all[part], &self.ridges[part]);
        let Some(own) = self.values.place.get(&example.wire).map(|at| *at as usize) else { return [0.0; NUMBERS] };
        self.work.begin(factors.width);
        let mut power = 1.0;
        for (wire, value) in example.recent.judged().take(JUDGED_MOST) {
            if let Some(at) = self.values.place.get(&wire).map(|at| *at as usize) {
                ridge.add(factors.vector(at), value, factors.bias[at], power, &mut self.work);
            }
            power *= ridge.decay();
        }
        ridge.solve(&mut self.work, &mut self.taste);
        [factors.bias[own], zhiji::kernel::dot(factors.vector(own), &self.taste)]
    }
}

/// The examples of the first label, each with the features of the fold and then, for each width of `all`, the numbers of its factors.
///
/// # Errors
/// Where the data cannot be read.
pub fn collect(
    data: &Dataset,
    layout: &Rc<Layout>,
    values: &Values,
    all: &[Factors],
    rows: &mut Rows,
) -> anyhow::Result<Examples> {
    let width = all.first().map_or(0, |f| f.width);
    let ridges = all.iter().map(|f| Ridge::new(f.base, f.noise, DECAY)).collect::<Result<_, _>>()?;
    let (work, taste) = (Equations::for_vectors(width), vec![0.0; width]);
    let mut judge = Judge { values, all, ridges, work, taste };
    let mut examples = Examples { width: layout.len() + NUMBERS, ..Examples::default() };
    let bar = progress(data.meta.users, "users folded");
    let mut number = 0u32;
    data.for_each_user(rows, |user| {
        let mut replay = Replay::new(Rc::clone(&data.schema), Rc::clone(layout))?;
        replay.run(&user, |signal| {
            if let Signal::New(example, origin, _) = signal
                && example.label == 0
            {
                let part = if origin.split == Split::Train { values.parts[number as usize] } else { PARTS };
                let numbers = judge.numbers(example, part);
                examples.dense.extend_from_slice(example.dense);
                examples.dense.extend(numbers);
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

/// Adds the tensors of the blocks `item` and `ridge`: vectors as bytes with a scale a row. Of a catalogue that is too large, the items of most
/// values are kept.
pub(super) fn weights(values: &Values, factors: &Factors, weights: &mut Weights) {
    let d = factors.width;
    let mut counts = vec![0u32; values.wires.len()];
    values.given.iter().for_each(|g| counts[g.item as usize] += 1);
    let mut kept: Vec<usize> = (0..counts.len()).collect();
    kept.sort_by_key(|at| (u32::MAX - counts[*at], *at));
    kept.truncate(BYTES_MOST / (d + 16));
    kept.sort_unstable();
    let (mut bytes, mut scales) = (Vec::with_capacity(kept.len() * d), Vec::with_capacity(kept.len()));
    for at in &kept {
        let vector = factors.vector(*at);
        let scale = vector.iter().fold(0.0f32, |most, x| most.max(x.abs())) / 127.0;
        scales.push(scale);
        let byte = |x: &f32| if scale > 0.0 { (x / scale).round().clamp(-127.0, 127.0) as i8 } else { 0 };
        bytes.extend(vector.iter().map(byte));
    }
    let n = kept.len();
    weights.add("items.ids", &[n], Held::Longs(kept.iter().map(|at| values.wires[*at]).collect()));
    weights.add("item.vectors", &[n, d], Held::Signed(bytes));
    weights.add("item.vectors.scale", &[n], Held::Singles(scales));
    weights.add("item.bias", &[n], Held::Singles(kept.iter().map(|at| factors.bias[*at]).collect()));
    weights.add("ridge.base", &[1], Held::Singles(vec![factors.base]));
    weights.add("ridge.noise", &[1], Held::Singles(vec![factors.noise]));
}
