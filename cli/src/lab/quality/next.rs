//! Protocols C and C2: what will this person do next, out of the whole catalogue?
//!
//! Every rating counts as an event of the item, whatever its value. A table of neighbours holds what followed an item and what is like it by who met it
//! ([`likeness`]), which fills the rows of items that few people met. Configurations are compared with the engine's own table over
//! lists of places; the one that is best on `valid` becomes a bundle, and `test` is ranked by the phone's whole path.

use super::super::baselines::Baselines;
use super::super::covisit::{self, Counting, Table};
use super::super::dataset::{Dataset, Split};
use super::super::likeness;
use super::super::metrics::{self, ranked};
use super::super::model;
use super::super::ranking::{self, Question, Results};
use super::super::rows::Rows;
use super::weights::{Held, Weights, places};
use super::{Bench, Protocol};
use anyhow::Context as _;
use serde_json::json;
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;
use zhiji::bundle::FORMAT;
use zhiji::bundle::stack::HISTORY_MOST;
use zhiji::features::Layout;
use zhiji::schema::hash64;

/// Bytes of a bundle.
const BYTES_MOST: usize = 960_000;
/// Bytes of an item in it: id, end of the row, scale, empty vector, popularity.
const ITEM_BYTES: usize = 22;
/// Items that may have rows: those that most people met.
const ITEMS_MOST: usize = 20_000;
/// What followed an item says nothing where so few people met it.
const PEOPLE_LEAST: u32 = 2;
/// Items that count as being like one.
const ALIKE: usize = 100;
/// Of a person's first items, how many count as a beginner's.
const EARLY: usize = 5;
/// Rankings of one bucket of earlier events, at most, where there is one for every event.
const OF_BUCKET: usize = 400;
/// Rankings by which configurations are compared, at most.
const OF_VALID: usize = 2_000;
const K: usize = 10;
const LABEL: &str = "next";

/// One person: the items in time order, each with its part.
struct Person(Vec<(u32, Split)>);

/// A moment of one person: its number, and how many events went before.
type Moment = (u32, u32);

/// What `train` says of the items that have rows, whatever is chosen.
struct Counted {
    /// Places in the catalogue, row by row.
    places: Vec<u32>,
    /// The row of each item of the catalogue.
    rows: Vec<Option<u32>>,
    /// Rows that each person met in `train`, in time order.
    people: Vec<Vec<u32>>,
    /// Of each row those that are like it.
    alike: Vec<Vec<(u32, f32)>>,
    /// Popularity with everybody and with beginners, in parts of the greatest.
    priors: [Vec<f32>; 2],
}

struct Chosen {
    counting: Counting,
    decay: f32,
    prior: f32,
    early: bool,
    table: Table,
    popularity: Vec<f32>,
    figures: [f64; 2],
}

/// Counts on `train`, chooses on `valid`, ranks for `test`.
pub(super) fn run(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let folder = bench.folder();
    let least = bench.ratings.least();
    let data = bench.ratings.write(bench.items, LABEL, least, 1.0, &folder, &bench.source())?;
    let mut rows = Rows::new(0.0);
    let catalogue = data.catalogue();
    let place: HashMap<u64, u32> = (0u32..).zip(&catalogue).map(|(i, item)| (item.wire(), i)).collect();
    let mut people = Vec::new();
    data.for_each_user(&mut rows, |user| {
        let own = user.events.iter().filter_map(|e| Some((*place.get(&e.item.wire())?, e.split)));
        people.push(Person(own.collect()));
        Ok(())
    })?;
    let valid = moments(&people, Split::Valid, bench.protocol, bench.plan.seed, OF_VALID);
    let counted = count(&people, catalogue.len())?;
    let chosen = choose(&people, &counted, &valid, bench)?;
    let how = chosen.counting;
    bench.record.note(format!(
        "{}: best on valid (HR@10 {:.4}, NDCG@10 {:.4}, {} rankings): reach {}, fade {}, back {}, divided by the row to the {} and popularity to \
         the {}, likeness {}, decay {}, {} popularity weighs {}",
        bench.protocol.name(),
        chosen.figures[0],
        chosen.figures[1],
        valid.len(),
        how.reach,
        how.fade,
        how.back,
        how.share,
        how.popular,
        how.likeness,
        chosen.decay,
        if chosen.early { "beginners'" } else { "everybody's" },
        chosen.prior
    ));
    let layout = Rc::new(Layout::new(&data.schema));
    let wires: Vec<u64> = counted.places.iter().map(|at| catalogue[*at as usize].wire()).collect();
    let bytes = pack(&chosen, &wires, &data)?;
    bench.keep(&bytes)?;
    let ranker = model::open(&bytes, &data.schema, &layout)?;
    let wanted: BTreeSet<Moment> =
        moments(&people, Split::Test, bench.protocol, bench.plan.seed, usize::MAX).into_iter().collect();
    let baselines = Baselines::count(&data, &place, &mut rows)?;
    let question = Question { catalogue: &catalogue, place: &place, baselines: &baselines, wanted: &wanted, k: K };
    let found = ranking::rank(&data, &layout, &ranker, &question, &mut rows)?;
    let results = [
        ("ranker alone", bytes.len(), &found.frozen),
        ("ranker and personal head", bytes.len(), &found.personal),
        ("co-visitation", 0, &found.following),
        ("popularity", 0, &found.popular),
    ];
    for (model, size, results) in results {
        say(bench, (model, size), results)?;
    }
    Ok(())
}

fn say(bench: &mut Bench<'_>, model: (&str, usize), results: &Results) -> anyhow::Result<()> {
    let protocol = bench.protocol;
    bench.record.rankings(protocol, model, "all", &ranked::measure(&results.targets, K))?;
    for (bucket, figures) in ranked::by_earlier(&results.targets, K) {
        bench.record.rankings(protocol, model, bucket, &figures)?;
    }
    Ok(())
}

/// The moments of a part for which the catalogue is ranked: all of them for C, at most [`OF_BUCKET`] in each bucket of earlier events for C2, drawn
/// by the seed; and at most `most` of them.
fn moments(people: &[Person], part: Split, protocol: Protocol, seed: u64, most: usize) -> Vec<Moment> {
    let mut all: Vec<Moment> = Vec::new();
    for (number, person) in (0u32..).zip(people) {
        let own = (0u32..).zip(&person.0).filter(|(_, (_, split))| *split == part);
        all.extend(own.map(|(earlier, _)| (number, earlier)));
    }
    let lot = |(user, earlier): &Moment| {
        let mut bytes = seed.to_le_bytes().to_vec();
        bytes.extend(user.to_le_bytes());
        bytes.extend(earlier.to_le_bytes());
        hash64(&bytes)
    };
    all.sort_by_cached_key(lot);
    if protocol == Protocol::C2 {
        let mut taken = [0usize; metrics::EARLIER.len()];
        all.retain(|(_, earlier)| {
            let count = &mut taken[metrics::bucket(*earlier)];
            *count += 1;
            *count <= OF_BUCKET
        });
    }
    all.truncate(most);
    all.sort_unstable();
    all
}

/// Counts what `train` says. Rows have the items that [`PEOPLE_LEAST`] people met, or all where there are none.
fn count(people: &[Person], items: usize) -> anyhow::Result<Counted> {
    let of_train = |person: &Person| -> Vec<u32> {
        person.0.iter().filter(|(_, split)| *split == Split::Train).map(|(item, _)| *item).collect()
    };
    let train: Vec<Vec<u32>> = people.iter().map(of_train).collect();
    let (met, _) = covisit::popularity(&train, items, EARLY);
    let least = if met.iter().any(|n| *n >= PEOPLE_LEAST) { PEOPLE_LEAST } else { 0 };
    let mut places: Vec<u32> = (0..items as u32).filter(|at| met[*at as usize] >= least).collect();
    places.sort_by_key(|at| (u32::MAX - met[*at as usize], *at));
    places.truncate(ITEMS_MOST);
    places.sort_unstable();
    let mut rows = vec![None; items];
    (0u32..).zip(&places).for_each(|(row, at)| rows[*at as usize] = Some(row));
    let people: Vec<Vec<u32>> =
        train.iter().map(|own| own.iter().filter_map(|item| rows[*item as usize]).collect()).collect();
    let alike = likeness::alike(&people, places.len(), ALIKE)?;
    let (all, early) = covisit::popularity(&people, places.len(), EARLY);
    let scaled = |of: &[u32]| -> Vec<f32> {
        let most = of.iter().max().copied().unwrap_or(1).max(1) as f32;
        of.iter().map(|n| *n as f32 / most).collect()
    };
    Ok(Counted { places, rows, people, alike, priors: [scaled(&all), scaled(&early)] })
}

/// Looks for the best configuration on the moments of `valid`: first how followers are counted, then how much what is alike counts beside them. For C
/// the mean over all moments decides, for C2 the mean over the buckets, so that beginners count as much as old hands.
fn choose(people: &[Person], counted: &Counted, valid: &[Moment], bench: &Bench<'_>) -> anyhow::Result<Chosen> {
    let (n, tried) = (counted.places.len(), &bench.plan.tried.next);
    let entries = BYTES_MOST.saturating_sub(n * ITEM_BYTES) / if n <= 1 << 16 { 3 } else { 5 };
    let mut best: Option<(f64, Chosen)> = None;
    let first = tried.likenesses.first().copied().context("the list of likenesses is empty")?;
    for (reach, fade, back) in &tried.reaches {
        for (share, popular) in &tried.divisors {
            let (reach, fade, back, share, popular) = (*reach, *fade, *back, *share, *popular);
            let how = Counting { reach, fade, back, share, popular, likeness: first, entries };
            attempt(people, counted, valid, bench, how, &mut best)?;
        }
        eprint!(".");
    }
    for likeness in &tried.likenesses[1..] {
        if let Some((_, chosen)) = &best {
            attempt(people, counted, valid, bench, Counting { likeness: *likeness, ..chosen.counting }, &mut best)?;
        }
    }
    eprintln!();
    best.map(|(_, chosen)| chosen).context("there are no moments of `valid` to choose by")
}

/// Tries one way of counting with all decays and priors; keeps what is better than the best so far.
fn attempt(
    people: &[Person],
    counted: &Counted,
    valid: &[Moment],
    bench: &Bench<'_>,
    counting: Counting,
    best: &mut Option<(f64, Chosen)>,
) -> anyhow::Result<()> {
    let (n, tried) = (counted.places.len(), &bench.plan.tried.next);
    let row = |event: &(u32, Split)| counted.rows[event.0 as usize];
    let table = covisit::count(&counted.people, n, &counting, &counted.alike);
    for decay in &tried.decays {
        let block = table.block(*decay)?;
        let mut scores = vec![0.0f32; n];
        let mut targets = vec![Vec::with_capacity(valid.len()); tried.priors.len() * counted.priors.len()];
        for &(user, earlier) in valid {
            let own = &people[user as usize].0;
            let (past, wanted) = (&own[..earlier as usize], row(&own[earlier as usize]));
            // As on the phone: what has no row takes its step.
            let mut recent: Vec<u32> = past.iter().rev().map(|e| e.0).collect();
            recent.dedup();
            recent.truncate(HISTORY_MOST);
            let recent: Vec<u32> = recent.iter().map(|at| counted.rows[*at as usize].unwrap_or(u32::MAX)).collect();
            block.score_all(&recent, &mut scores);
            let mut hidden = vec![false; n];
            past.iter().filter_map(row).for_each(|row| hidden[row as usize] = true);
            let without = counted.rows.len() - n;
            for (at, targets) in targets.iter_mut().enumerate() {
                let (prior, weight) = (&counted.priors[at / tried.priors.len()], tried.priors[at % tried.priors.len()]);
                let score = |row: usize| scores[row] + weight * prior[row];
                let rank = place_of(score, wanted, &hidden, without);
                targets.push(ranked::Target { user, earlier, rank });
            }
        }
        for (at, targets) in targets.iter().enumerate() {
            let figures = ranked::measure(targets, K);
            let worth = if bench.protocol == Protocol::C {
                figures.ndcg + figures.hit_rate
            } else {
                let buckets = ranked::by_earlier(targets, K);
                buckets.iter().map(|(_, f)| f.ndcg + f.hit_rate).sum::<f64>() / buckets.len().max(1) as f64
            };
            if best.as_ref().is_none_or(|(most, _)| worth > *most) {
                let (early, prior) = (at >= tried.priors.len(), tried.priors[at % tried.priors.len()]);
                let figures = [figures.hit_rate, figures.ndcg];
                let (table, popularity) = (table.clone(), counted.priors[at / tried.priors.len()].clone());
                *best = Some((worth, Chosen { counting, decay: *decay, prior, early, table, popularity, figures }));
            }
        }
    }
    Ok(())
}

/// The place of the row `wanted` among what is not hidden and `without` items that have no row and score 0, as `wanted` does where it has none; of equal
/// scores, half stand before it.
fn place_of(score: impl Fn(usize) -> f32, wanted: Option<u32>, hidden: &[bool], without: usize) -> f64 {
    let own = wanted.map_or(0.0, |row| score(row as usize));
    let wanted = wanted.map_or(usize::MAX, |row| row as usize);
    let (mut above, mut equal) = (0u32, 0u32);
    for (at, hidden) in hidden.iter().enumerate() {
        if !hidden && at != wanted {
            let other = score(at);
            above += u32::from(other > own);
            equal += u32::from(other == own);
        }
    }
    let rest = if own > 0.0 { 0 } else { without };
    f64::from(above) + (f64::from(equal) + rest as f64) / 2.0 + 1.0
}

/// The table, and popularity as the biases of vectors that hold nothing else.
fn pack(chosen: &Chosen, wires: &[u64], data: &Dataset) -> anyhow::Result<Vec<u8>> {
    let (n, table) = (wires.len(), &chosen.table);
    let mut weights = Weights::default();
    weights.add("items.ids", &[n], Held::Longs(wires.to_vec()));
    weights.add("covisit.offset", &[n + 1], Held::Words(table.offset.clone()));
    weights.add("covisit.neighbour", &[table.neighbour.len()], places(&table.neighbour, n));
    weights.add("covisit.byte", &[table.byte.len()], Held::Bytes(table.byte.clone()));
    weights.add("covisit.scale", &[n], Held::Singles(table.scale.clone()));
    weights.add("item.vectors", &[n, 1], Held::Halves(vec![0; n]));
    weights.add("item.bias", &[n], Held::Singles(chosen.popularity.clone()));
    weights.add("head.mean", &[1], Held::Singles(vec![0.0]));
    weights.add("head.factor", &[1], Held::Singles(vec![1.0]));
    let hex = |wire: &u64| format!("{wire:016x}");
    let probes: Vec<_> = wires
        .windows(4)
        .step_by((n / 4).max(1))
        .take(4)
        .map(|near| {
            json!({ "dense": [], "item": hex(&near[0]),
            "recent": near[1..].iter().map(|w| json!({ "item": hex(w), "words": [] })).collect::<Vec<_>>() })
        })
        .collect();
    let spec = json!({
        "format": FORMAT,
        "space": data.schema.space,
        "schema": { "fields": [] },
        "ranker": {
            "blocks": [
                { "block": "covisit", "decay": chosen.decay },
                { "block": "item" },
                { "block": "bias", "of": ["item"] },
            ],
            "tiers": [{ "tasks": [{ "label": LABEL, "of": ["covisit", "bias"], "gains": [1, chosen.prior] }] }],
        },
        // Every event is positive, which says nothing of order: a head would learn that alone.
        "head": { "intercept": true, "trust": 0 },
        "probes": probes,
    });
    weights.write(&spec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_without_rows_stand_among_those_that_score_nothing() {
        let scores = [0.5, 0.0, 0.0, 0.9];
        let place = |wanted, hidden: [bool; 4]| place_of(|row| scores[row], wanted, &hidden, 10);
        assert_eq!(place(Some(0), [false; 4]), 2.0);
        assert_eq!(place(Some(0), [false, false, false, true]), 1.0, "what was met is not ranked");
        assert_eq!(place(Some(1), [false; 4]), 3.0 + 11.0 / 2.0);
        assert_eq!(place(None, [false, true, true, false]), 3.0 + 10.0 / 2.0);
    }

    #[test]
    fn rows_are_of_items_that_several_people_met() {
        let people: Vec<Person> = [[0, 1, 2], [1, 2, 3]]
            .map(|own| Person(own.map(|item| (item, Split::Train)).into_iter().chain([(4, Split::Valid)]).collect()))
            .into();
        let counted = count(&people, 6).expect("counted");
        assert_eq!((counted.places, counted.people), (vec![1, 2], vec![vec![0, 1], vec![0, 1]]));
        let alone = count(&people[..1], 6).expect("counted");
        assert_eq!(alone.places.len(), 6, "where nobody shares an item, all have rows");
    }
}
