//! Protocols C and C2: what will this person do next, out of the whole catalogue?
//!
//! Every rating counts as an event of the item, whatever its value. Configurations are compared with the engine's own table of neighbours over
//! lists of places; the one that is best on `valid` becomes a bundle, and `test` is ranked by the phone's whole path.

use super::super::baselines::Baselines;
use super::super::covisit::{self, Counting, Table};
use super::super::dataset::{Dataset, Split};
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

/// How followers are counted: reach and fade.
pub const GRID: [(usize, f64); 4] = [(5, 1.0), (10, 0.5), (10, 1.0), (20, 0.7)];
/// Powers of a row's sum and of a follower's popularity by which counts are divided.
pub const DIVISORS: [(f64, f64); 4] = [(0.5, 0.0), (0.75, 0.0), (0.5, 0.25), (0.75, 0.25)];
/// How much an older item counts against the one after it.
pub const DECAYS: [f32; 3] = [0.6, 0.7, 0.8];
/// What popularity counts against the first neighbour of an average item, at its greatest.
pub const PRIORS: [f32; 4] = [0.001, 0.01, 0.03, 0.1];
/// Bytes of a bundle that the table of neighbours may take.
const TABLE_BYTES: usize = 640_000;
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
    let chosen = choose(&people, catalogue.len(), &valid, bench.protocol)?;
    let how = chosen.counting;
    bench.record.note(format!(
        "{}: best on valid (HR@10 {:.4}, NDCG@10 {:.4}, {} rankings): reach {}, fade {}, divided by the row to the {} and popularity to \
         the {}, decay {}, {} popularity weighs {}",
        bench.protocol.name(),
        chosen.figures[0],
        chosen.figures[1],
        valid.len(),
        how.reach,
        how.fade,
        how.share,
        how.popular,
        chosen.decay,
        if chosen.early { "beginners'" } else { "everybody's" },
        chosen.prior
    ));
    let layout = Rc::new(Layout::new(&data.schema));
    let wires: Vec<u64> = catalogue.iter().map(|item| item.wire()).collect();
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

/// Tries every configuration on the moments of `valid`. For C the mean over all of them decides, for C2 the mean over the buckets, so that
/// beginners count as much as old hands.
fn choose(people: &[Person], items: usize, valid: &[Moment], protocol: Protocol) -> anyhow::Result<Chosen> {
    let train: Vec<Vec<u32>> = people
        .iter()
        .map(|person| person.0.iter().filter(|(_, split)| *split == Split::Train).map(|(item, _)| *item).collect())
        .collect();
    let (all, early) = covisit::popularity(&train, items, EARLY);
    let scaled = |of: &[u32]| -> Vec<f32> {
        let most = of.iter().max().copied().unwrap_or(1).max(1) as f32;
        of.iter().map(|n| *n as f32 / most).collect()
    };
    let priors = [scaled(&all), scaled(&early)];
    let mut best: Option<(f64, Chosen)> = None;
    for (reach, fade) in GRID {
        for (share, popular) in DIVISORS {
            let counting =
                Counting { reach, fade, share, popular, entries: TABLE_BYTES / if items <= 1 << 16 { 3 } else { 5 } };
            let table = covisit::count(&train, items, &counting);
            for decay in DECAYS {
                let block = table.block(decay)?;
                let mut scores = vec![0.0f32; items];
                let mut targets = vec![Vec::with_capacity(valid.len()); PRIORS.len() * priors.len()];
                for &(user, earlier) in valid {
                    let past: Vec<u32> = people[user as usize].0[..earlier as usize].iter().map(|e| e.0).collect();
                    let wanted = people[user as usize].0[earlier as usize].0;
                    let mut recent: Vec<u32> = past.iter().rev().copied().collect();
                    recent.dedup();
                    recent.truncate(HISTORY_MOST);
                    block.score_all(&recent, &mut scores);
                    let mut hidden = vec![false; items];
                    past.iter().for_each(|item| hidden[*item as usize] = true);
                    for (at, targets) in targets.iter_mut().enumerate() {
                        let (prior, weight) = (&priors[at / PRIORS.len()], PRIORS[at % PRIORS.len()]);
                        let rank = place_of(&scores, prior, weight, wanted, &hidden);
                        targets.push(ranked::Target { user, earlier, rank });
                    }
                }
                for (at, targets) in targets.iter().enumerate() {
                    let figures = ranked::measure(targets, K);
                    let worth = if protocol == Protocol::C {
                        figures.ndcg + figures.hit_rate
                    } else {
                        let buckets = ranked::by_earlier(targets, K);
                        buckets.iter().map(|(_, f)| f.ndcg + f.hit_rate).sum::<f64>() / buckets.len().max(1) as f64
                    };
                    if best.as_ref().is_none_or(|(most, _)| worth > *most) {
                        let (early, prior) = (at >= PRIORS.len(), PRIORS[at % PRIORS.len()]);
                        let figures = [figures.hit_rate, figures.ndcg];
                        let popularity = priors[at / PRIORS.len()].clone();
                        let table = table.clone();
                        best = Some((worth, Chosen { counting, decay, prior, early, table, popularity, figures }));
                    }
                }
            }
        }
        eprint!(".");
    }
    eprintln!();
    best.map(|(_, chosen)| chosen).context("there are no moments of `valid` to choose by")
}

/// The place of `wanted` among what is not hidden; of equal scores, half stand before it.
fn place_of(scores: &[f32], prior: &[f32], weight: f32, wanted: u32, hidden: &[bool]) -> f64 {
    let score = |at: usize| scores[at] + weight * prior[at];
    let own = score(wanted as usize);
    let (mut above, mut equal) = (0u32, 0u32);
    for (at, hidden) in hidden.iter().enumerate() {
        if !hidden && at != wanted as usize {
            let other = score(at);
            above += u32::from(other > own);
            equal += u32::from(other == own);
        }
    }
    f64::from(above) + f64::from(equal) / 2.0 + 1.0
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
