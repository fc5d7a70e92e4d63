//! Everything that is measured of a ranker on a data set.

use super::baselines::Baselines;
use super::dataset::{Dataset, Split};
use super::metrics::bootstrap::{Intervals, RankedIntervals, Resampler};
use super::metrics::calibration::{Reliability, reliability};
use super::metrics::exposure::{self, Exposure, Shown};
use super::metrics::ranked::{self, Ranked};
use super::metrics::{self, Metrics, Scored};
use super::phone::{self, Pair};
use super::ranking::{self, Question, Results};
use super::rows::Rows;
use anyhow::bail;
use serde::Serialize;
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;
use zhiji::features::Layout;
use zhiji::schema::hash64;
use zhiji::score::Ranker;

/// What to measure, and how closely.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The part; `None` is everything.
    pub part: Option<Split>,
    /// Length of the lists.
    pub k: usize,
    /// At most so many positive examples have the whole catalogue ranked.
    pub rankings: usize,
    /// Draws of users for the intervals.
    pub draws: u32,
    /// Decides the draws, and which examples are ranked for.
    pub seed: u64,
    /// The field whose words are the groups; the schema's first field of words, if not given.
    pub group: Option<String>,
}

/// What was found. This is what `--json` prints.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Evaluation {
    /// The schema's space.
    pub space: String,
    /// The label.
    pub label: String,
    /// What the data are, in words.
    pub source: String,
    /// `train`, `valid`, `test` or `all`.
    pub on: &'static str,
    /// Events that a phone keeps.
    pub retention_events: usize,
    /// Days for which it keeps them.
    pub retention_days: i64,
    /// Size of the bundle; 0 for the starter.
    pub bundle_bytes: usize,
    /// Rows left out.
    pub bad_rows: u64,
    /// Draws of users behind every interval.
    pub bootstraps: u32,
    /// The seed of the draws.
    pub seed: u64,
    /// What the phone ranks by: the bundle, corrected by the personal head.
    pub all: Metrics,
    /// The bundle alone.
    pub without_head: Metrics,
    /// 95 % intervals of `all`.
    pub intervals: Intervals,
    /// 95 % intervals of `without_head`.
    pub intervals_without_head: Intervals,
    /// `all` by the number of earlier events.
    pub by_earlier_events: Vec<Bucket<Metrics>>,
    /// 95 % intervals of `all` by the number of earlier events.
    pub intervals_by_earlier_events: Vec<Bucket<Intervals>>,
    /// `without_head` by the number of earlier events.
    pub by_earlier_events_without_head: Vec<Bucket<Metrics>>,
    /// Forecasts against outcomes.
    pub reliability: Reliability,
    /// The same of the bundle alone.
    pub reliability_without_head: Reliability,
    /// Another bundle on the same examples.
    pub against: Option<Against>,
    /// Rankings of the whole catalogue; none where nothing was positive or none were asked for.
    pub ranking: Option<Ranking>,
}

/// Another bundle, with its personal head, on the same examples.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Against {
    /// Its file.
    pub name: String,
    /// Its figures.
    pub all: Metrics,
    /// 95 % intervals of this evaluation's figures less its own, the same users drawn for both.
    pub difference: Intervals,
}

/// Figures of one bucket of earlier events.
#[derive(Debug, Serialize)]
pub struct Bucket<T> {
    /// Its name.
    pub earlier: &'static str,
    /// The figures.
    #[serde(flatten)]
    pub figures: T,
}

/// Rankings of the whole catalogue.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Ranking {
    /// Length of the lists.
    pub k: usize,
    /// Positive examples there were.
    pub positives: usize,
    /// Those for which the catalogue was ranked.
    pub rankings: usize,
    /// Items in it.
    pub items: usize,
    /// As the phone does.
    pub all: Way,
    /// The bundle alone.
    pub without_head: Way,
    /// By popularity in `train`.
    pub popularity: Way,
    /// By what followed in `train` on the user's last events.
    pub co_visitation: Way,
}

/// One way to rank.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Way {
    /// The figures.
    #[serde(flatten)]
    pub figures: Ranked,
    /// Their 95 % intervals.
    pub intervals: RankedIntervals,
    /// By the number of earlier events.
    pub by_earlier_events: Vec<Bucket<Ranked>>,
    /// What the lists show.
    pub exposure: Option<Exposure>,
}

fn buckets<T>(list: Vec<(&'static str, T)>) -> Vec<Bucket<T>> {
    list.into_iter().map(|(earlier, figures)| Bucket { earlier, figures }).collect()
}

const fn part_name(part: Option<Split>) -> &'static str {
    match part {
        None => "all",
        Some(split) => split.as_str(),
    }
}

/// The examples of a part, under both scores.
///
/// # Errors
/// Where there are none.
fn of_part(all: Vec<Pair>, plan: &Plan, label: &str) -> anyhow::Result<Vec<Pair>> {
    let kept: Vec<Pair> = all.into_iter().filter(|s| plan.part.is_none_or(|p| s.split == p)).collect();
    if kept.is_empty() {
        bail!("there are no examples of `{label}` in the part `{}`", part_name(plan.part));
    }
    Ok(kept)
}

/// The part that is measured where none is asked for: `test`, or everything where there is no `test`.
pub fn default_part(data: &Dataset) -> Option<Split> {
    data.meta.splits.contains_key(Split::Test.as_str()).then_some(Split::Test)
}

/// Measures.
///
/// # Errors
/// Where the data cannot be read, the part is empty, or a score is not finite.
pub fn evaluate(
    data: &Dataset,
    layout: &Rc<Layout>,
    ranker: &Ranker,
    label: usize,
    against: Option<(&str, &Ranker)>,
    plan: &Plan,
    rows: &mut Rows,
) -> anyhow::Result<Evaluation> {
    let name = data.schema.labels[label].name.clone();
    let kept = of_part(phone::score(data, layout, ranker, label, rows)?, plan, &name)?;
    let frozen: Vec<Scored> = kept.iter().map(|s| s.frozen).collect();
    let scored: Vec<Scored> = kept.iter().map(|s| s.personal).collect();
    let resampler = Resampler::new(plan.seed, plan.draws);
    let (all, drawn) = (metrics::measure(&scored)?, resampler.draw_scores(&scored));
    let against = match against {
        None => None,
        Some((other, ranker)) => {
            let kept = of_part(phone::score(data, layout, ranker, label, rows)?, plan, &name)?;
            let scored: Vec<Scored> = kept.iter().map(|s| s.personal).collect();
            let all = metrics::measure(&scored)?;
            let difference = drawn.intervals_over(&resampler.draw_scores(&scored));
            Some(Against { name: other.to_string(), all, difference })
        }
    };
    Ok(Evaluation {
        space: data.schema.space.clone(),
        label: name,
        source: data.meta.source.clone(),
        on: part_name(plan.part),
        retention_events: data.schema.retention.events,
        retention_days: data.schema.retention.age_ms / zhiji::time::DAY_MS,
        bundle_bytes: 0,
        bad_rows: rows.bad,
        bootstraps: plan.draws,
        seed: plan.seed,
        all,
        without_head: metrics::measure(&frozen)?,
        intervals: drawn.intervals(),
        intervals_without_head: resampler.draw_scores(&frozen).intervals(),
        by_earlier_events: buckets(metrics::by_earlier(&scored)?),
        intervals_by_earlier_events: buckets(intervals_by_earlier(&scored, &resampler)),
        by_earlier_events_without_head: buckets(metrics::by_earlier(&frozen)?),
        reliability: reliability(&scored),
        reliability_without_head: reliability(&frozen),
        against,
        ranking: rank(data, layout, ranker, &scored, plan, &resampler, rows)?,
    })
}

/// Intervals of each bucket of earlier events, over the people who have examples in it.
fn intervals_by_earlier(scored: &[Scored], resampler: &Resampler) -> Vec<(&'static str, Intervals)> {
    let of = metrics::split_by_earlier(scored).into_iter();
    of.map(|(name, bucket)| (name, resampler.draw_scores(&bucket).intervals())).collect()
}

fn rank(
    data: &Dataset,
    layout: &Rc<Layout>,
    ranker: &Ranker,
    scored: &[Scored],
    plan: &Plan,
    resampler: &Resampler,
    rows: &mut Rows,
) -> anyhow::Result<Option<Ranking>> {
    let mut positives: Vec<(u32, u32)> = scored.iter().filter(|s| s.positive).map(|s| (s.user, s.earlier)).collect();
    let found = positives.len();
    if plan.rankings == 0 || positives.is_empty() {
        return Ok(None);
    }
    let lot = |(user, earlier): &(u32, u32)| {
        let mut bytes = plan.seed.to_le_bytes().to_vec();
        bytes.extend(user.to_le_bytes());
        bytes.extend(earlier.to_le_bytes());
        hash64(&bytes)
    };
    positives.sort_unstable_by_key(lot);
    let wanted: BTreeSet<(u32, u32)> = positives.into_iter().take(plan.rankings).collect();
    let catalogue = data.catalogue();
    let place: HashMap<u64, u32> = (0u32..).zip(&catalogue).map(|(i, item)| (item.wire(), i)).collect();
    let baselines = Baselines::count(data, &place, rows)?;
    let question = Question { catalogue: &catalogue, place: &place, baselines: &baselines, wanted: &wanted, k: plan.k };
    let found_at = ranking::rank(data, layout, ranker, &question, rows)?;
    let group = match &plan.group {
        Some(name) => match data.schema.field(name) {
            Ok(field) if data.schema.word_fields().any(|f| f == field) => Some(field),
            _ => bail!("`{name}` is no field of words in the schema"),
        },
        None => data.schema.word_fields().next(),
    };
    let group = group.map(|field| (field, data.schema.fields[field].name.as_str()));
    let shown: Vec<Shown> = catalogue
        .iter()
        .zip(&baselines.popularity)
        .map(|(item, &users)| Shown { item: Rc::clone(item), users })
        .collect();
    let describe = |results: &Results| Way {
        figures: ranked::measure(&results.targets, plan.k),
        intervals: resampler.of_rankings(&results.targets, plan.k),
        by_earlier_events: buckets(ranked::by_earlier(&results.targets, plan.k)),
        exposure: exposure::measure(&shown, &results.lists, baselines.users, group),
    };
    Ok(Some(Ranking {
        k: plan.k,
        positives: found,
        rankings: wanted.len(),
        items: catalogue.len(),
        all: describe(&found_at.personal),
        without_head: describe(&found_at.frozen),
        popularity: describe(&found_at.popular),
        co_visitation: describe(&found_at.following),
    }))
}
