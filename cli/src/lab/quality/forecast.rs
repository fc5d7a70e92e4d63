//! Protocols A and B: will this person like this item?

use super::super::dataset::{Dataset, Split};
use super::super::evaluation::{self, Evaluation};
use super::super::factors::Factors;
use super::super::metrics::{self, Scored};
use super::super::model;
use super::super::rows::Rows;
use super::linear::{Examples, Linear};
use super::taste::{self, Values};
use super::weights::{Held, Weights};
use super::{Bench, Protocol};
use anyhow::{Context as _, bail};
use serde_json::json;
use std::collections::HashMap;
use std::rc::Rc;
use zhiji::bundle::FORMAT;
use zhiji::features::Layout;
use zhiji::schema::Schema;
use zhiji::score::Ranker;

/// One configuration: a linear model over the fold's features and the numbers of [`taste`].
#[derive(Clone, Copy, Debug)]
pub struct Configuration {
    /// Numbers of an item's vector.
    pub width: usize,
    /// Penalty of the squared weights.
    pub l2: f64,
}

/// The widths that are tried.
pub const WIDTHS: [usize; 2] = [16, 32];
/// The penalties that are tried.
pub const PENALTIES: [f64; 3] = [10.0, 100.0, 1_000.0];

/// Imagined examples behind the prior of an item.
pub const PRIORS: [f64; 4] = [1.0, 3.0, 10.0, 30.0];

const LABEL: &str = "like";
/// Known answers in a bundle.
const PROBES: usize = 8;
/// What phones keep where the schema says nothing: events, and days.
const RETENTION: (usize, i64) = (4_096, 180);

/// Trains on `train`, chooses on `valid`, measures on `test`.
pub(super) fn run(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let (folder, seed) = (bench.folder(), bench.plan.seed);
    let data = bench.ratings.write(bench.items, LABEL, bench.plan.like, 0.0, &folder, &bench.source())?;
    let layout = Rc::new(Layout::new(&data.schema));
    let mut rows = Rows::new(0.0);
    let values = Values::read(&data, seed, &mut rows)?;
    let mut best: Option<(f64, Configuration, Linear, Factors, Examples)> = None;
    for width in WIDTHS {
        let mut factors = values.fit(width, seed);
        let examples = taste::collect(&data, &layout, &values, &factors, &mut rows)?;
        check(&examples, bench)?;
        let mut found: Option<(f64, f64, Linear)> = None;
        for l2 in PENALTIES {
            let trained = Linear::fit(&examples, l2)?;
            let loss = trained.loss(&examples, Split::Valid);
            eprintln!("  width {width}, l2 {l2}: log-loss {loss:.4} on valid");
            if found.as_ref().is_none_or(|(least, ..)| loss < *least) {
                found = Some((loss, l2, trained));
            }
        }
        let (loss, l2, trained) = found.context("the list of penalties is empty")?;
        if best.as_ref().is_none_or(|(least, ..)| loss < *least) {
            let all = factors.pop().context("factors of all")?;
            best = Some((loss, Configuration { width, l2 }, trained, all, examples));
        }
    }
    let (loss, chosen, trained, factors, examples) = best.context("the list of configurations is empty")?;
    bench.record.note(format!(
        "{}: of {} configurations, vectors of {} and l2 {} are best on valid, log-loss {loss:.4}",
        bench.protocol.name(),
        WIDTHS.len() * PENALTIES.len(),
        chosen.width,
        chosen.l2
    ));
    let bytes = pack(&trained, &examples, &values, &factors, &data.schema, &layout)?;
    bench.keep(&bytes)?;
    let ranker = model::open(&bytes, &data.schema, &layout)?;
    let found = measure(&data, &layout, &ranker, seed)?;
    whole(bench, ["ranker and personal head", "ranker alone"], bytes.len(), &found)?;
    let short = data.with_retention(RETENTION.0, RETENTION.1);
    let shorter = measure(&short, &layout, &ranker, seed)?;
    whole(bench, ["the same, log of 180 days", "ranker alone, log of 180 days"], bytes.len(), &shorter)?;
    let starter = measure(&short, &layout, &Ranker::starter(&layout), seed)?;
    whole(bench, ["starter and personal head", "starter alone"], 0, &starter)?;
    baselines(bench, &examples, &layout)
}

/// The bundle: features weighed by `wide`, the item's own mean by `bias`, the user's taste by `ridge` and `vector`.
fn pack(
    trained: &Linear,
    examples: &Examples,
    values: &Values,
    factors: &Factors,
    schema: &Schema,
    layout: &Layout,
) -> anyhow::Result<Vec<u8>> {
    let own = layout.len();
    let (mut picks, mut gains, mut bias) = (Vec::new(), [0.0f32; taste::NUMBERS], trained.bias);
    let mut parts = [Vec::new(), Vec::new(), Vec::new()];
    for (at, &pick) in trained.picks.iter().enumerate() {
        let [weight, mean, scale] = [trained.weight[at], trained.mean[at], trained.scale[at]];
        if pick < own {
            picks.push(pick);
            parts.iter_mut().zip([weight, mean, scale]).for_each(|(part, x)| part.push(x));
        } else {
            gains[pick - own] = weight / scale;
            bias -= weight * mean / scale;
        }
    }
    let [of_item, of_taste] = gains;
    let features: Vec<&str> = picks.iter().map(|&pick| layout.names()[pick].as_str()).collect();
    let fields: Vec<&str> = schema
        .fields
        .iter()
        .map(|field| field.name.as_str())
        .filter(|name| features.iter().any(|f| f.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'))))
        .collect();
    let mut tensors = Weights::default();
    let [weight, mean, scale] = parts;
    for (name, of) in [("wide.weight", weight), ("wide.mean", mean), ("wide.scale", scale), ("wide.bias", vec![bias])] {
        tensors.add(name, &[of.len()], Held::Singles(of));
    }
    taste::weights(values, factors, &mut tensors);
    let item = |i: usize| format!("{:016x}", examples.wire[i]);
    let stride = (examples.len() / PROBES).max(1);
    let probes: Vec<_> = (0..examples.len())
        .step_by(stride)
        .take(PROBES)
        .map(|i| {
            let dense: Vec<String> =
                picks.iter().map(|&pick| format!("{:08x}", examples.dense(i)[pick].to_bits())).collect();
            let judged: Vec<_> = (i.saturating_sub(5)..i)
                .map(|j| json!({ "item": item(j), "value": if examples.positive[j] { 5 } else { 1 } }))
                .collect();
            json!({ "dense": dense, "item": item(i), "judged": judged })
        })
        .collect();
    tensors.write(&json!({
        "format": FORMAT,
        "space": schema.space,
        "schema": { "fields": fields },
        "ranker": {
            "blocks": [
                { "block": "wide", "features": features, "hashed": [] },
                { "block": "item" },
                { "block": "bias", "of": ["item"] },
                { "block": "ridge", "of": ["item"], "decay": taste::DECAY },
                { "block": "vector", "of": ["ridge", "item"] },
            ],
            // A `vector` carries the item's bias once already.
            "tiers": [
                { "tasks": [{ "label": LABEL, "of": ["wide", "vector", "bias"], "gains": [1, of_taste, of_item - of_taste] }] },
            ],
        },
        "probes": probes,
    }))
}

fn measure(data: &Dataset, layout: &Rc<Layout>, ranker: &Ranker, seed: u64) -> anyhow::Result<Evaluation> {
    let plan = evaluation::Plan { part: Some(Split::Test), k: 10, rankings: 0, draws: 0, seed, group: None };
    evaluation::evaluate(data, layout, ranker, 0, None, &plan, &mut Rows::new(0.0))
}

fn whole(bench: &mut Bench<'_>, [with_head, alone]: [&str; 2], bytes: usize, found: &Evaluation) -> anyhow::Result<()> {
    let protocol = bench.protocol;
    for (model, all, buckets) in [
        (with_head, &found.all, &found.by_earlier_events),
        (alone, &found.without_head, &found.by_earlier_events_without_head),
    ] {
        bench.record.forecasts(protocol, (model, bytes), "all", all)?;
        if protocol == Protocol::B {
            for bucket in buckets {
                bench.record.forecasts(protocol, (model, bytes), bucket.earlier, &bucket.figures)?;
            }
        }
    }
    Ok(())
}

/// Both classes in each part, or the threshold does not fit the ratings.
fn check(examples: &Examples, bench: &Bench<'_>) -> anyhow::Result<()> {
    for split in [Split::Train, Split::Valid, Split::Test] {
        let of = examples.of(split);
        let liked = of.iter().filter(|&&i| examples.positive[i]).count();
        if liked == 0 || liked == of.len() {
            bail!(
                "of {} ratings in {} {liked} are at least {}: give --like a rating that tells them apart",
                of.len(),
                split.as_str(),
                bench.plan.like
            );
        }
    }
    Ok(())
}

/// What needs no model: the item's own rate in `train`, and the same shifted by the user's.
fn baselines(bench: &mut Bench<'_>, examples: &Examples, layout: &Layout) -> anyhow::Result<()> {
    let item = |i: usize| examples.wire[i];
    let mut counts: HashMap<u64, (f64, f64)> = HashMap::new();
    let (mut all, mut liked) = (0.0, 0.0);
    for i in examples.of(Split::Train) {
        let hit = f64::from(u8::from(examples.positive[i]));
        let count = counts.entry(item(i)).or_default();
        *count = (count.0 + 1.0, count.1 + hit);
        (all, liked) = (all + 1.0, liked + hit);
    }
    let mean = liked / all;
    let logit = |p: f64| zhiji::score::logit(p);
    // The longest half-life is the last of the user's rates, which stand first.
    let rate = layout.names().iter().rposition(|name| name.starts_with("user.rate@"));
    let rate = rate.context("the layout has no rate of the user")?;
    let scores = |split: Split, prior: f64, user: f32| -> Vec<Scored> {
        let of = examples.of(split).into_iter();
        of.map(|i| {
            let (n, hits) = counts.get(&item(i)).copied().unwrap_or_default();
            let own = logit((hits + prior * mean) / (n + prior));
            let logit = own + user * examples.dense(i)[rate];
            Scored { user: examples.user[i], earlier: examples.earlier[i], positive: examples.positive[i], logit }
        })
        .collect()
    };
    for (name, shifts) in [("item prior", &[0.0f32][..]), ("item prior and user mean", &[0.25, 0.5, 0.75, 1.0])] {
        let mut best = (f64::INFINITY, 0.0, 0.0);
        for &prior in &PRIORS {
            for &shift in shifts {
                let loss = metrics::measure(&scores(Split::Valid, prior, shift))?.log_loss;
                if loss < best.0 {
                    best = (loss, prior, shift);
                }
            }
        }
        let test = scores(Split::Test, best.1, best.2);
        let protocol = bench.protocol;
        bench.record.forecasts(protocol, (name, 0), "all", &metrics::measure(&test)?)?;
        if protocol == Protocol::B {
            for (bucket, figures) in metrics::by_earlier(&test)? {
                bench.record.forecasts(protocol, (name, 0), bucket, &figures)?;
            }
        }
    }
    Ok(())
}
