//! Protocol D: of ten items that this person rated, choose one; see what came of that one alone.
//!
//! What is known beforehand is the item's own rate in `train` and its frozen factors; what is learnt is the engine's Bayesian head over them, one
//! logistic step a reward, as on the phone. Widths of priors and of exploration are chosen on `valid`.

use super::super::dataset::{Dataset, Split};
use super::super::rows::Rows;
use super::Bench;
use super::taste::{Frozen, PARTS, Values};
use anyhow::{Context as _, bail};
use std::collections::HashMap;
use std::rc::Rc;
use zhiji::bandit::EpsilonGreedy;
use zhiji::head::{BayesLinear, Prior};
use zhiji::kernel::math::{ln_f64, sigmoid_f64};
use zhiji::rng::{Rng, seed_of};

/// Items to choose from.
const OPTIONS: usize = 10;
/// Choices of one person.
const ROUNDS: usize = 20;
/// Numbers of an item's vector.
const WIDTH: usize = 16;
/// Least curvature of a logistic step.
const LEAST_CURVATURE: f64 = 0.02;

/// How one of the options is chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Policy {
    Random,
    Prior,
    Greedy,
    Ucb(f64),
    Thompson(f64),
    Epsilon(f64),
    Oracle,
}

/// One person's rated items: place, and whether it was liked.
type Person = Vec<(usize, bool)>;

struct World<'a> {
    frozen: &'a Frozen,
    seed: u64,
}

/// Mean reward of each person.
fn play(
    world: &World<'_>,
    people: &[(u32, Person)],
    policy: Policy,
    (intercept, weights): (f64, f64),
) -> anyhow::Result<Vec<f64>> {
    let factors = &world.frozen.factors[0];
    let d = factors.width + 1;
    let mut deviations = vec![weights; d];
    deviations[0] = intercept;
    let prior = Rc::new(Prior::new(&vec![0.0; d], &deviations)?);
    let seed = seed_of(world.seed);
    let mut means = Vec::with_capacity(people.len());
    for (number, person) in people {
        let mut head = BayesLinear::new(Rc::clone(&prior));
        // The options of a round are the same for every policy; a policy's own draws come from another stream.
        let mut options = Rng::derive(&seed, "options", &number.to_le_bytes());
        let mut own = Rng::derive(&seed, "choices", &number.to_le_bytes());
        let mut order: Vec<usize> = (0..person.len()).collect();
        let mut total = 0.0;
        for _ in 0..ROUNDS {
            for k in 0..OPTIONS {
                let other = k + options.below((order.len() - k) as u32) as usize;
                order.swap(k, other);
            }
            let inputs: Vec<Vec<f64>> = order[..OPTIONS]
                .iter()
                .map(|at| {
                    let v = factors.vector(person[*at].0);
                    std::iter::once(1.0).chain(v.iter().map(|x| f64::from(*x))).collect()
                })
                .collect();
            let rate = |at: &usize| f64::from(world.frozen.base + world.frozen.rate()[person[*at].0]);
            let frozen: Vec<f64> = order[..OPTIONS].iter().map(rate).collect();
            let drawn = {
                let mut normals = vec![0.0; d];
                let mut deviate = vec![0.0; d];
                if matches!(policy, Policy::Thompson(_)) {
                    normals.iter_mut().for_each(|x| *x = normal(&mut own));
                    head.deviate(&normals, &mut deviate);
                }
                deviate
            };
            let scores: Vec<f32> = (0..OPTIONS)
                .map(|k| {
                    let x = &inputs[k];
                    let believed = frozen[k] + head.mean(x);
                    let score = match policy {
                        Policy::Random => f64::from(own.uniform()),
                        Policy::Prior => frozen[k],
                        Policy::Greedy | Policy::Epsilon(_) => believed,
                        Policy::Ucb(price) => believed + price * head.variance(x).sqrt(),
                        Policy::Thompson(price) => {
                            believed + price * x.iter().zip(&drawn).map(|(x, w)| x * w).sum::<f64>()
                        }
                        Policy::Oracle => f64::from(u8::from(person[order[k]].1)),
                    };
                    score as f32
                })
                .collect();
            if scores.iter().any(|score| !score.is_finite()) {
                bail!("a score of {policy:?} is not a finite number; nothing is reported");
            }
            let epsilon = if let Policy::Epsilon(epsilon) = policy { epsilon } else { 0.0 };
            let draw =
                EpsilonGreedy::new(epsilon).choose(&scores, [own.word(), own.word()]).context("there are options")?;
            let liked = person[order[draw.index]].1;
            total += f64::from(u8::from(liked));
            let x = &inputs[draw.index];
            let p = sigmoid_f64(frozen[draw.index] + head.mean(x));
            let v = (p * (1.0 - p)).max(LEAST_CURVATURE);
            let target = head.mean(x) + (f64::from(u8::from(liked)) - p) / v;
            head.update(x, target, 1.0 / v);
        }
        means.push(total / ROUNDS as f64);
    }
    Ok(means)
}

/// A standard normal number.
///
/// # Source
/// Marsaglia & Bray, "A Convenient Method for Generating Normal Variables", SIAM Review 6(3), 1964.
fn normal(rng: &mut Rng) -> f64 {
    loop {
        let [a, b] = [rng.uniform(), rng.uniform()].map(|x| 2.0 * f64::from(x) - 1.0);
        let square = a * a + b * b;
        if square > 0.0 && square < 1.0 {
            return a * (-2.0 * ln_f64(square) / square).sqrt();
        }
    }
}

fn mean(of: &[f64]) -> f64 {
    of.iter().sum::<f64>() / of.len().max(1) as f64
}

/// Standard error of the mean over people.
fn error(of: &[f64]) -> f64 {
    let middle = mean(of);
    let square = of.iter().map(|x| (x - middle) * (x - middle)).sum::<f64>() / (of.len().max(2) - 1) as f64;
    (square / of.len().max(1) as f64).sqrt()
}

/// People of a part who rated enough items, each item once.
fn people(
    data: &Dataset,
    place: &HashMap<u64, u32>,
    like: f32,
    rows: &mut Rows,
) -> anyhow::Result<Vec<(Split, (u32, Person))>> {
    let mut all = Vec::new();
    let mut number = 0;
    data.for_each_user(rows, |user| {
        let mut person: Vec<(usize, bool)> = Vec::new();
        for event in &user.events {
            if let (Some(at), Some(value)) = (place.get(&event.item.wire()), event.detail.value) {
                person.push((*at as usize, value >= like));
            }
        }
        person.sort_unstable();
        person.dedup_by_key(|(at, _)| *at);
        if let Some(first) = user.events.first()
            && person.len() >= OPTIONS
        {
            all.push((first.split, (number, person)));
        }
        number += 1;
        Ok(())
    })?;
    Ok(all)
}

/// Chooses widths on `valid`, plays on `test`.
pub(super) fn run(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let (folder, seed, like) = (bench.folder(), bench.plan.seed, bench.plan.like);
    let data = bench.ratings.write(bench.items, "like", like, 0.0, &folder, &bench.source())?;
    let mut rows = Rows::new(0.0);
    let values = Values::read(&data, seed, &mut rows)?;
    let frozen = values.fit_one(PARTS, &[WIDTH], &[], seed);
    let everyone = people(&data, values.places(), like, &mut rows)?;
    let world = World { frozen: &frozen, seed };
    let of = |part: Split| -> Vec<(u32, Person)> {
        everyone.iter().filter(|(split, _)| *split == part).map(|(_, person)| person.clone()).collect()
    };
    let (valid, test) = (of(Split::Valid), of(Split::Test));
    if valid.is_empty() || test.is_empty() {
        bail!("nobody in valid or in test rated {OPTIONS} items");
    }
    let tried = &bench.plan.tried.choose;
    let mut widths = (f64::NEG_INFINITY, tried.deviations[0]);
    for deviations in &tried.deviations {
        let worth = mean(&play(&world, &valid, Policy::Greedy, *deviations)?);
        if worth > widths.0 {
            widths = (worth, *deviations);
        }
    }
    let widths = widths.1;
    let best = |of: fn(f64) -> Policy, values: &[f64]| -> anyhow::Result<Policy> {
        let mut found = (f64::NEG_INFINITY, Policy::Greedy);
        for policy in values.iter().copied().map(of) {
            let worth = mean(&play(&world, &valid, policy, widths)?);
            if worth > found.0 {
                found = (worth, policy);
            }
        }
        Ok(found.1)
    };
    let (ucb, thompson) = (best(Policy::Ucb, &tried.prices)?, best(Policy::Thompson, &tried.prices)?);
    let epsilon = best(Policy::Epsilon, &tried.epsilons)?;
    bench.record.note(format!(
        "D: of valid: deviations {widths:?} of intercept and factors, {ucb:?}, {thompson:?}, {epsilon:?}; {} people of test",
        test.len()
    ));
    for (name, policy) in [
        ("random", Policy::Random),
        ("item prior", Policy::Prior),
        ("greedy", Policy::Greedy),
        ("UCB", ucb),
        ("Thompson, as in books", Policy::Thompson(1.0)),
        ("Thompson, priced", thompson),
        ("epsilon-greedy", epsilon),
        ("oracle", Policy::Oracle),
    ] {
        let means = play(&world, &test, policy, widths)?;
        bench.record.push(bench.protocol, (name, 0), "reward", "all", mean(&means))?;
        bench.record.push(bench.protocol, (name, 0), "standard_error", "all", error(&means))?;
    }
    Ok(())
}
