//! Protocols A and B: will this person like this item?

use super::super::dataset::{Dataset, Split};
use super::super::evaluation::{self, Evaluation};
use super::super::metrics::{self, Scored};
use super::super::model;
use super::super::rows::Rows;
use super::linear::{Examples, Linear};
use super::taste::{self, Frozen, Values};
use super::weights::{Held, Weights};
use super::{Bench, Protocol, head};
use anyhow::{Context as _, bail};
use serde_json::json;
use std::collections::HashMap;
use std::rc::Rc;
use zhiji::bundle::FORMAT;
use zhiji::features::Layout;
use zhiji::schema::Schema;
use zhiji::score::Ranker;

/// What is not simpler must lower log-loss on `valid` by so much.
const MARGIN: f64 = 1e-4;

/// Imagined examples behind the prior of an item.
pub const PRIORS: [f64; 4] = [1.0, 3.0, 10.0, 30.0];

/// Draws of people behind every interval.
const DRAWS: u32 = 1_000;
const LABEL: &str = "like";
/// Known answers in a bundle.
const PROBES: usize = 8;
/// What phones keep where the schema says nothing: events, and days.
const RETENTION: (usize, i64) = (4_096, 180);

/// One of the models that are tried.
struct Choice<'a> {
    /// Log-loss on `valid`.
    loss: f64,
    widths: &'a [usize],
    biases: &'a [f32],
    l2: f64,
    trained: Linear,
}

/// Trains on `train`, chooses on `valid`, measures on `test`.
pub(super) fn run(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let (folder, seed) = (bench.folder(), bench.plan.seed);
    let data = bench.ratings.write(bench.items, LABEL, bench.plan.like, 0.0, &folder, &bench.source())?;
    let layout = Rc::new(Layout::new(&data.schema));
    let mut rows = Rows::new(0.0);
    let values = Values::read(&data, seed, &mut rows)?;
    let tried = &bench.plan.tried.forecast;
    let mut every: Vec<usize> = tried.widths.concat();
    every.sort_unstable();
    every.dedup();
    let mut decays: Vec<f32> = tried.biases.concat();
    decays.sort_unstable_by(f32::total_cmp);
    decays.dedup();
    let mut fitted = values.fit(&every, &decays, seed);
    let examples = taste::collect(&data, &layout, &values, &fitted, &mut rows)?;
    check(&examples, bench)?;
    let mut best: Option<Choice<'_>> = None;
    for widths in &tried.widths {
        for biases in &tried.biases {
            let columns = columns(layout.len(), (&every, widths), (&decays, biases));
            for &l2 in &tried.penalties {
                let trained = Linear::fit(&examples, &columns, l2)?;
                let loss = trained.loss(&examples, Split::Valid);
                eprintln!("  vectors of {widths:?}, biases of {biases:?}, l2 {l2}: log-loss {loss:.4} on valid");
                if best.as_ref().is_none_or(|least| loss < least.loss - MARGIN) {
                    best = Some(Choice { loss, widths, biases, l2, trained });
                }
            }
        }
    }
    let Choice { loss, widths, biases, l2, trained } = best.context("the list of configurations is empty")?;
    let frozen = fitted.pop().context("what all people say of the items")?;
    let plain = pack(&trained, &examples, (&values, &frozen, widths, biases), &data.schema, &layout)?;
    let (bytes, head) = head::choose(&data, &layout, &plain, tried, &mut rows)?;
    bench.record.note(format!(
        "{}: of {} configurations, vectors of {widths:?}, biases of {biases:?} and l2 {l2} are best on valid, log-loss {loss:.4}; {head}",
        bench.protocol.name(),
        tried.widths.len() * tried.biases.len() * tried.penalties.len(),
    ));
    bench.keep(&bytes)?;
    let ranker = model::open(&bytes, &data.schema, &layout)?;
    let found = measure(&data, &layout, &ranker, DRAWS, seed)?;
    intervals(bench, "ranker and personal head", bytes.len(), &found)?;
    whole(bench, ["ranker and personal head", "ranker alone"], bytes.len(), &found)?;
    let short = data.with_retention(RETENTION.0, RETENTION.1);
    let shorter = measure(&short, &layout, &ranker, 0, seed)?;
    whole(bench, ["the same, log of 180 days", "ranker alone, log of 180 days"], bytes.len(), &shorter)?;
    let starter = measure(&short, &layout, &Ranker::starter(&layout), 0, seed)?;
    whole(bench, ["starter and personal head", "starter alone"], 0, &starter)?;
    baselines(bench, &examples, &layout)
}

/// The columns of an example that a model reads which has the factors of these widths and the biases of these decays, each out of all that there are.
fn columns(own: usize, widths: (&[usize], &[usize]), biases: (&[f32], &[f32])) -> Vec<usize> {
    let read = widths.0.iter().map(|width| widths.1.contains(width));
    let read = read.chain(biases.0.iter().map(|decay| biases.1.contains(decay)));
    let pairs = read.enumerate().filter(|(_, read)| *read);
    (0..=own).chain(pairs.flat_map(|(at, _)| [own + 1 + 2 * at, own + 2 + 2 * at])).collect()
}

/// The bundle: features weighed by `wide`, the item's rate and means by `bias`, the user's tastes by `ridge` and `vector`, biases by `ridge` and `mlp`.
fn pack(
    trained: &Linear,
    examples: &Examples,
    (values, frozen, widths, biases): (&Values, &Frozen, &[usize], &[f32]),
    schema: &Schema,
    layout: &Layout,
) -> anyhow::Result<Vec<u8>> {
    let own = layout.len();
    let (mut picks, mut gains, mut bias) = (Vec::new(), vec![0.0f32; frozen.numbers()], trained.bias);
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
    let (mut blocks, mut of, mut by) = (
        vec![
            json!({ "block": "item", "name": "rate" }),
            json!({ "block": "bias", "name": "rate_bias", "of": ["rate"] }),
        ],
        vec!["wide".to_string(), "rate_bias".into()],
        vec![1.0, gains[0]],
    );
    let mut kept = Frozen { factors: Vec::new(), biases: biases.to_vec(), ..frozen.clone() };
    let (of_widths, of_biases) = gains[1..].split_at(2 * frozen.factors.len());
    for (factors, gains) in frozen.factors.iter().zip(of_widths.chunks(2)) {
        if !widths.contains(&factors.width) {
            continue;
        }
        let [item, bias, ridge, vector] = taste::blocks(factors.width);
        blocks.push(json!({ "block": "item", "name": item }));
        blocks.push(json!({ "block": "bias", "name": bias, "of": [item] }));
        blocks.push(json!({ "block": "ridge", "name": ridge, "of": [item], "decay": taste::DECAY }));
        blocks.push(json!({ "block": "vector", "name": vector, "of": [ridge, item] }));
        // A `vector` carries the item's bias once already.
        of.extend([vector, bias]);
        by.extend([gains[1], gains[0] - gains[1]]);
        kept.factors.push(factors.clone());
    }
    let mut tensors = Weights::default();
    if !biases.is_empty() {
        blocks.push(json!({ "block": "item", "name": taste::LEVELS[1] }));
        let (mut read, mut weight) = (Vec::new(), Vec::new());
        for (at, decay) in biases.iter().enumerate() {
            let own = frozen.biases.iter().position(|d| d == decay).context("a decay that was fitted")?;
            for (level, gain) in taste::LEVELS.iter().zip(&of_biases[2 * own..]) {
                let name = taste::bias_name(level, at);
                blocks.push(json!({ "block": "ridge", "name": name, "of": [level], "decay": decay }));
                read.push(name);
                weight.push(*gain);
            }
        }
        blocks.push(json!({ "block": "mlp", "name": "user_bias", "of": read, "widths": [1] }));
        tensors.add("user_bias.0.weight", &[1, weight.len()], Held::Singles(weight));
        of.push("user_bias".into());
        by.push(1.0);
    }
    let features: Vec<&str> = picks.iter().map(|&pick| layout.names()[pick].as_str()).collect();
    let fields: Vec<&str> = schema
        .fields
        .iter()
        .map(|field| field.name.as_str())
        .filter(|name| features.iter().any(|f| f.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'))))
        .collect();
    let [weight, mean, scale] = parts;
    for (name, of) in [("wide.weight", weight), ("wide.mean", mean), ("wide.scale", scale), ("wide.bias", vec![bias])] {
        tensors.add(name, &[of.len()], Held::Singles(of));
    }
    taste::weights(values, &kept, &mut tensors);
    blocks.insert(0, json!({ "block": "wide", "features": features, "hashed": [] }));
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
            "blocks": blocks,
            "tiers": [{ "tasks": [{ "label": LABEL, "of": of, "gains": by }] }],
        },
        "probes": probes,
    }))
}

fn measure(data: &Dataset, layout: &Rc<Layout>, ranker: &Ranker, draws: u32, seed: u64) -> anyhow::Result<Evaluation> {
    let plan = evaluation::Plan { part: Some(Split::Test), k: 10, rankings: 0, draws, seed, group: None };
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

/// How far AUC of each bucket would move with other people; for B alone.
fn intervals(bench: &mut Bench<'_>, model: &str, bytes: usize, found: &Evaluation) -> anyhow::Result<()> {
    let protocol = bench.protocol;
    if protocol != Protocol::B {
        return Ok(());
    }
    let mut said = Vec::new();
    for bucket in &found.intervals_by_earlier_events {
        if let Some(interval) = bucket.figures.auc {
            bench.record.push(protocol, (model, bytes), "auc_low", bucket.earlier, interval.low)?;
            bench.record.push(protocol, (model, bytes), "auc_high", bucket.earlier, interval.high)?;
            said.push(format!("@{} {:.3} to {:.3}", bucket.earlier, interval.low, interval.high));
        }
    }
    bench.record.note(format!("B: auc of {model}, 95 % of {DRAWS} draws of people: {}", said.join(", ")));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_reads_the_features_the_rate_the_factors_of_its_own_widths_and_its_own_biases() {
        assert_eq!(columns(2, (&[8, 16, 32], &[32, 8]), (&[0.5, 1.0], &[])), [0, 1, 2, 3, 4, 7, 8]);
        assert_eq!(columns(2, (&[8, 16, 32], &[16]), (&[0.5, 1.0], &[1.0])), [0, 1, 2, 5, 6, 11, 12]);
    }
}
