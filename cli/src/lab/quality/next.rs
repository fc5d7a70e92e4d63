//! Protocols C and C2: what will this person do next, out of the whole catalogue?
//!
//! Every rating counts as an event of the item, whatever its value. A table of neighbours holds what followed an item and what is like it by who met it
//! ([`likeness`]), which fills the rows of items that few people met. Configurations are compared with the engine's own table over
//! lists of places; then a causal encoder ([`encoder`]) is tried beside the best of them, in the same bytes. What is best on `valid` becomes a bundle, and
//! `test` is ranked by the phone's whole path.

use super::super::baselines::Baselines;
use super::super::covisit::{self, Counting, Table};
use super::super::dataset::Split;
use super::super::likeness;
use super::super::metrics::{self, ranked};
use super::super::model;
use super::super::ranking::{self, Question, Results};
use super::super::rows::Rows;
use super::super::train::encoder::{self, Encoder};
use super::weights::{Held, Weights, places};
use super::{Bench, Protocol};
use anyhow::Context as _;
use serde_json::json;
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;
use zhiji::block::real::axpy;
use zhiji::block::sequence::Shape;
use zhiji::bundle::FORMAT;
use zhiji::bundle::stack::HISTORY_MOST;
use zhiji::features::Layout;
use zhiji::kernel::half;
use zhiji::schema::hash64;

/// Bytes of a bundle.
const BYTES_MOST: usize = 960_000;
/// Bytes of an item in it: id, end of the row, scale, empty vector, popularity.
const ITEM_BYTES: usize = 22;
/// Bytes of the vectors of an encoder, at most: what the table gives up for more costs more than they bring.
const VECTORS_MOST: usize = BYTES_MOST / 4;
/// Lengths of these vectors: the first that fits.
const WIDTHS: [usize; 3] = [64, 32, 16];
/// Multiplications that fitting an encoder may take.
const ENCODER_MOST: f64 = 5e12;
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

/// A moment, as a table and an encoder are asked for it.
struct Asked {
    moment: Moment,
    /// Rows of the recent items, the newest first; [`u32::MAX`] stands for what has none and, as on the phone, takes its step.
    recent: Vec<u32>,
    /// Of each row, whether it was met.
    met: Vec<bool>,
    /// The row that came, if it has one.
    came: Option<u32>,
}

#[derive(Clone)]
struct Chosen {
    counting: Counting,
    decay: f32,
    prior: f32,
    early: bool,
    table: Table,
    popularity: Vec<f32>,
    /// And how much a logit of it weighs.
    encoder: Option<(Encoder, f32)>,
    worth: f64,
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
    let asked: Vec<Asked> = valid.iter().map(|moment| ask(&people, &counted, *moment)).collect();
    let chosen = choose(&counted, &asked, bench)?;
    let chosen = beside(chosen, &counted, &asked, bench)?;
    let how = chosen.counting;
    bench.record.note(format!(
        "{}: best on valid (HR@10 {:.4}, NDCG@10 {:.4}, {} rankings): reach {}, fade {}, back {}, divided by the row to the {} and popularity to \
         the {}, likeness {}, decay {}, {} popularity weighs {}, {}",
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
        chosen.prior,
        chosen.encoder.as_ref().map_or("no encoder".into(), |(encoder, weight)| {
            format!("an encoder of width {} weighs {weight}", encoder.shape.dim)
        })
    ));
    let layout = Rc::new(Layout::new(&data.schema));
    let wires: Vec<u64> = counted.places.iter().map(|at| catalogue[*at as usize].wire()).collect();
    let bytes = pack(&chosen, &wires, &data.schema.space)?;
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

fn ask(people: &[Person], counted: &Counted, moment: Moment) -> Asked {
    let row = |item: &u32| counted.rows[*item as usize];
    let own: Vec<u32> = people[moment.0 as usize].0.iter().map(|event| event.0).collect();
    let (past, came) = (&own[..moment.1 as usize], row(&own[moment.1 as usize]));
    let mut recent: Vec<u32> = past.iter().rev().copied().collect();
    recent.dedup();
    recent.truncate(HISTORY_MOST);
    let recent = recent.iter().map(|item| row(item).unwrap_or(u32::MAX)).collect();
    let mut met = vec![false; counted.places.len()];
    past.iter().filter_map(row).for_each(|row| met[row as usize] = true);
    Asked { moment, recent, met, came }
}

/// What rankings of these moments are worth, HR@10, and NDCG@10; `score` writes what each row has at a moment. For C the mean over all moments decides,
/// for C2 the mean over the buckets, so that beginners count as much as old hands.
fn judge(
    asked: &[Asked],
    protocol: Protocol,
    items: usize,
    mut score: impl FnMut(usize, &Asked, &mut Vec<f32>),
) -> (f64, [f64; 2]) {
    let (mut targets, mut scores) = (Vec::with_capacity(asked.len()), Vec::new());
    for (at, one) in asked.iter().enumerate() {
        score(at, one, &mut scores);
        let rank = place_of(|row| scores[row], one.came, &one.met, items - one.met.len());
        targets.push(ranked::Target { user: one.moment.0, earlier: one.moment.1, rank });
    }
    let figures = ranked::measure(&targets, K);
    let worth = if protocol == Protocol::C {
        figures.ndcg + figures.hit_rate
    } else {
        let buckets = ranked::by_earlier(&targets, K);
        buckets.iter().map(|(_, f)| f.ndcg + f.hit_rate).sum::<f64>() / buckets.len().max(1) as f64
    };
    (worth, [figures.hit_rate, figures.ndcg])
}

/// Followers that a table may have beside so many other bytes.
fn entries(rows: usize, others: usize) -> usize {
    BYTES_MOST.saturating_sub(rows * ITEM_BYTES + others) / if rows <= 1 << 16 { 3 } else { 5 }
}

/// Looks for the best configuration on the moments of `valid`: first how followers are counted, then how much what is alike counts beside them.
fn choose(counted: &Counted, asked: &[Asked], bench: &Bench<'_>) -> anyhow::Result<Chosen> {
    let tried = &bench.plan.tried.next;
    let entries = entries(counted.places.len(), 0);
    let mut best: Option<Chosen> = None;
    let first = tried.likenesses.first().copied().context("the list of likenesses is empty")?;
    for (reach, fade, back) in &tried.reaches {
        for (share, popular) in &tried.divisors {
            let (reach, fade, back, share, popular) = (*reach, *fade, *back, *share, *popular);
            let how = Counting { reach, fade, back, share, popular, likeness: first, entries };
            attempt(counted, asked, bench, how, &mut best)?;
        }
        eprint!(".");
    }
    for likeness in &tried.likenesses[1..] {
        if let Some(chosen) = &best {
            attempt(counted, asked, bench, Counting { likeness: *likeness, ..chosen.counting }, &mut best)?;
        }
    }
    eprintln!();
    best.context("there are no moments of `valid` to choose by")
}

/// Tries one way of counting with all decays and priors; keeps what is better than the best so far.
fn attempt(
    counted: &Counted,
    asked: &[Asked],
    bench: &Bench<'_>,
    counting: Counting,
    best: &mut Option<Chosen>,
) -> anyhow::Result<()> {
    let (n, tried) = (counted.places.len(), &bench.plan.tried.next);
    let table = covisit::count(&counted.people, n, &counting, &counted.alike);
    for decay in &tried.decays {
        let followers = follow(&table, *decay, asked, n)?;
        for (early, popularity) in [false, true].into_iter().zip(&counted.priors) {
            for prior in &tried.priors {
                let (worth, figures) = judge(asked, bench.protocol, counted.rows.len(), |at, _, scores| {
                    scores.clone_from(&followers[at]);
                    axpy(*prior, popularity, scores);
                });
                if best.as_ref().is_none_or(|best| worth > best.worth) {
                    let (table, popularity, encoder) = (table.clone(), popularity.clone(), None);
                    let (decay, prior) = (*decay, *prior);
                    *best = Some(Chosen { counting, decay, prior, early, table, popularity, encoder, worth, figures });
                }
            }
        }
    }
    Ok(())
}

/// What the table gives every row at each moment.
fn follow(table: &Table, decay: f32, asked: &[Asked], rows: usize) -> anyhow::Result<Vec<Vec<f32>>> {
    let block = table.block(decay)?;
    let score = |one: &Asked| {
        let mut scores = vec![0.0; rows];
        block.score_all(&one.recent, &mut scores);
        scores
    };
    Ok(asked.iter().map(score).collect())
}

/// Fits an encoder to what each person met and tries it beside the table, which gives up its bytes.
fn beside(chosen: Chosen, counted: &Counted, asked: &[Asked], bench: &Bench<'_>) -> anyhow::Result<Chosen> {
    let (n, items) = (counted.places.len(), counted.rows.len());
    let Some(width) = WIDTHS.into_iter().find(|width| n * (width + 4) <= VECTORS_MOST) else { return Ok(chosen) };
    let events: usize = counted.people.iter().map(Vec::len).sum();
    let passes = (ENCODER_MOST / (3 * events.max(1) * n * width) as f64) as usize;
    if bench.plan.tried.next.encoders.is_empty() || passes == 0 {
        return Ok(chosen);
    }
    let settings = encoder::settings(width, passes.min(bench.plan.tried.next.passes), bench.plan.seed);
    let ranks = |encoder: &Encoder, one: &Asked| encoder.logits(&one.recent).unwrap_or_else(|| encoder.bias.clone());
    let mut encoder = encoder::fit(&counted.people, (n, HISTORY_MOST), &settings, &mut |encoder| {
        let (worth, [hits, ndcg]) = judge(asked, bench.protocol, items, |_, one, scores| *scores = ranks(encoder, one));
        eprintln!("  encoder of width {width}: HR@10 {hits:.4}, NDCG@10 {ndcg:.4} on valid");
        worth
    });
    // What has no row scores 0, and so do rows of which nothing is known: no logit may be below.
    let logits: Vec<Vec<f32>> = asked.iter().map(|one| ranks(&encoder, one)).collect();
    let lowest = logits.iter().flatten().fold(0.0f32, |lowest, x| lowest.min(*x));
    encoder.bias.iter_mut().for_each(|bias| *bias -= lowest);
    let others = n * (width + 4) + 2 * encoder.weights.tensors_mut().iter().map(|(_, list)| list.len()).sum::<usize>();
    let counting = Counting { entries: entries(n, others), ..chosen.counting };
    let table = covisit::count(&counted.people, n, &counting, &counted.alike);
    let followers = follow(&table, chosen.decay, asked, n)?;
    let mut best = chosen;
    for weight in &bench.plan.tried.next.encoders {
        let (worth, figures) = judge(asked, bench.protocol, items, |at, _, scores| {
            scores.clone_from(&followers[at]);
            axpy(best.prior, &best.popularity, scores);
            axpy(*weight, &logits[at], scores);
            scores.iter_mut().for_each(|x| *x -= weight * lowest);
        });
        eprintln!("  encoder weighs {weight}: HR@10 {:.4}, NDCG@10 {:.4} on valid", figures[0], figures[1]);
        if worth > best.worth {
            let encoder = Some((encoder.clone(), *weight));
            best = Chosen { counting, table: table.clone(), encoder, worth, figures, ..best };
        }
    }
    Ok(best)
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

/// The table, and popularity as the biases of vectors, which hold nothing else where there is no encoder.
fn pack(chosen: &Chosen, wires: &[u64], space: &str) -> anyhow::Result<Vec<u8>> {
    let (n, table) = (wires.len(), &chosen.table);
    let mut weights = Weights::default();
    weights.add("items.ids", &[n], Held::Longs(wires.to_vec()));
    weights.add("covisit.offset", &[n + 1], Held::Words(table.offset.clone()));
    weights.add("covisit.neighbour", &[table.neighbour.len()], places(&table.neighbour, n));
    weights.add("covisit.byte", &[table.byte.len()], Held::Bytes(table.byte.clone()));
    weights.add("covisit.scale", &[n], Held::Singles(table.scale.clone()));
    let mut bias = chosen.popularity.clone();
    let mut blocks = vec![json!({ "block": "covisit", "decay": chosen.decay }), json!({ "block": "item" })];
    let (mut last, mut gain) = ("bias", chosen.prior);
    if let Some((encoder, weight)) = &chosen.encoder {
        let Shape { dim, heads, .. } = encoder.shape;
        blocks.push(json!({ "block": "sequence", "of": ["item"], "layers": encoder.weights.layers.len(), "heads": heads, "norm": "pre" }));
        blocks.push(json!({ "block": "vector", "of": ["sequence", "item"] }));
        for (name, list) in encoder.weights.clone().tensors_mut() {
            let inputs = if name.starts_with("position") || name.ends_with("weight") && !name.contains("norm") {
                dim
            } else {
                1
            };
            let shape = if inputs == 1 { vec![list.len()] } else { vec![list.len() / inputs, inputs] };
            let halves = list.iter().map(|x| half::narrow(*x)).collect();
            weights.add(&format!("sequence.{name}"), &shape, Held::Halves(halves));
        }
        weights.rows("item.vectors", dim, &encoder.vectors);
        // A `vector` adds the item's bias, and the sum is weighed.
        bias.iter_mut().zip(&encoder.bias).for_each(|(bias, own)| *bias = own + *bias * chosen.prior / weight);
        (last, gain) = ("vector", *weight);
    } else {
        blocks.push(json!({ "block": "bias", "of": ["item"] }));
        weights.add("item.vectors", &[n, 1], Held::Halves(vec![0; n]));
    }
    weights.add("item.bias", &[n], Held::Singles(bias));
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
        "space": space,
        "schema": { "fields": [] },
        "ranker": {
            "blocks": blocks,
            "tiers": [{ "tasks": [{ "label": LABEL, "of": ["covisit", last], "gains": [1, gain] }] }],
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
    #[test]
    fn what_is_packed_ranks_as_what_was_chosen() {
        let people: Vec<Vec<u32>> = (0..8).map(|n| (0..9).map(|at| (n + at * 2) % 9).collect()).collect();
        let counting =
            Counting { reach: 2, fade: 1.0, back: 0.0, share: 0.5, popular: 0.0, likeness: 0.0, entries: 100 };
        let table = covisit::count(&people, 9, &counting, &vec![Vec::new(); 9]);
        let fitted = encoder::fit(&people, (9, 4), &encoder::settings(8, 2, 1), &mut |_| 0.0);
        let popularity: Vec<f32> = (0..9u8).map(|item| f32::from(item) / 8.0).collect();
        let (decay, prior, weight) = (0.7, 0.5, 0.2);
        let wires: Vec<u64> = (1..10).collect();
        for encoder in [None, Some((fitted, weight))] {
            let (table, popularity) = (table.clone(), popularity.clone());
            let chosen = Chosen {
                counting,
                decay,
                prior,
                early: false,
                table,
                popularity,
                encoder,
                worth: 0.0,
                figures: [0.0; 2],
            };
            let bytes = pack(&chosen, &wires, "shop").expect("packed");
            let answers = zhiji::bundle::open(&bytes).expect("a bundle").answers();
            assert_eq!(answers.len(), 3);
            for (item, answer) in (0u32..).step_by(2).zip(answers) {
                let recent = [item + 1, item + 2, item + 3];
                let mut expected = chosen.table.block(decay).expect("sound").score(&recent, item);
                expected += prior * chosen.popularity[item as usize];
                if let Some((encoder, weight)) = &chosen.encoder {
                    expected += weight * encoder.logits(&recent).expect("a past")[item as usize];
                }
                let found = f32::from_bits(answer);
                assert!((found - expected).abs() < 2e-3, "{item}: {found} is not {expected}");
            }
        }
    }
}
