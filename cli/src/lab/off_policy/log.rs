//! A data set as a log of choices with known probabilities, and policies to judge by it.
//!
//! A round is an example of one label whose event has a propensity. The choice was among the whole catalogue, for one place of a page.

use super::super::catalogue::Catalogue;
use super::super::dataset::Dataset;
use super::super::examples::progress;
use super::super::phone::Head;
use super::super::replay::{Replay, Signal};
use super::super::rows::Rows;
use super::{Estimator, Overlap, Round, overlap};
use anyhow::bail;
use serde::Serialize;
use std::collections::HashMap;
use std::rc::Rc;
use zhiji::features::{Context, Layout};
use zhiji::kernel::math::exp_f64;
use zhiji::rng::{Rng, seed_of};
use zhiji::score::Ranker;
use zhiji::state::Observe;

/// Parts into which rounds are divided, so that the reward model never judges a round that it has seen.
const FOLDS: usize = 3;
/// Rounds of the place's own rate that stand beside an item's own in the reward model.
const PRIOR_ROUNDS: f64 = 50.0;
/// The most probabilities that are held at once.
const CHANCES_MOST: usize = 250_000_000;

/// One logged choice.
#[derive(Clone, Copy, Debug)]
pub struct Choice {
    /// Place of the item in the catalogue.
    pub item: u32,
    /// Place on the page, from 0.
    pub place: u16,
    /// What came of it.
    pub reward: bool,
    /// The probability with which it was chosen.
    pub propensity: f64,
}

/// The log of one data set.
pub struct Log {
    /// The catalogue's ids.
    ids: Vec<String>,
    /// The choices.
    pub choices: Vec<Choice>,
    /// For a ranker's policy: of every choice, the probability of every item.
    chances: Option<Vec<f32>>,
}

/// A ranker as a policy: it chooses each item with a probability in proportion to `exp(logit / temperature)`.
pub struct Softmax<'a> {
    /// The ranker; its user's personal head corrects it.
    pub ranker: &'a Ranker,
    /// How evenly it chooses.
    pub temperature: f64,
}

/// The policy that is to be judged.
pub enum Policy<'a> {
    /// Every item alike.
    Uniform,
    /// Each item as often as another log shows it, place by place: a policy that knows no user.
    Like(&'a Log),
    /// What [`Log::read`] has asked a ranker.
    Asked,
}

impl Log {
    /// Reads the choices of one label. With a `ranker`, asks it what it would have chosen from what was known before each.
    ///
    /// # Errors
    /// Where the data cannot be read, or hold no propensities.
    pub fn read(
        data: &Dataset,
        layout: &Rc<Layout>,
        label: usize,
        ranker: Option<&Softmax<'_>>,
        rows: &mut Rows,
    ) -> anyhow::Result<Self> {
        let catalogue = data.catalogue();
        let place: HashMap<u64, u32> = (0u32..).zip(&catalogue).map(|(i, item)| (item.wire(), i)).collect();
        let starter = Ranker::starter(layout);
        let asked = ranker.map_or(&starter, |r| r.ranker);
        let mut desk = ranker
            .map(|softmax| (Catalogue::new(&data.schema, layout, softmax.ranker, &catalogue), softmax.temperature));
        let mut choices = Vec::new();
        let mut all = Vec::new();
        let bar = progress(data.meta.users, "users read");
        data.for_each_user(rows, |user| {
            let mut replay = Replay::new(Rc::clone(&data.schema), Rc::clone(layout))?;
            let mut head = Head::new(asked);
            let mut open: HashMap<u32, Vec<f32>> = HashMap::new();
            let mut failed = None;
            replay.run(&user, |signal| match signal {
                Signal::Reset => head.reset(),
                Signal::Again(example, matured_ms) => head.remember(example, matured_ms),
                Signal::Next { state, event, origin, now_ms } => {
                    if let Some((catalogue, temperature)) = desk.as_mut()
                        && event.detail.propensity.is_some()
                        && failed.is_none()
                    {
                        head.learn(now_ms);
                        let context = Context { now_ms, utc_offset_minutes: event.utc_offset_minutes };
                        match chances(catalogue, state, context, &mut head, *temperature) {
                            Ok(chances) => drop(open.insert(origin.earlier, chances)),
                            Err(error) => failed = Some(error),
                        }
                    }
                }
                Signal::New(example, origin, matured_ms) => {
                    head.remember(example, matured_ms);
                    let event = user.events.get(origin.earlier as usize).filter(|_| example.label == label);
                    let known = event.and_then(|e| Some((e, e.detail.propensity?, *place.get(&e.item.wire())?)));
                    let Some((event, propensity, item)) = known else { return };
                    let (place, propensity) = (event.detail.position.unwrap_or(0), f64::from(propensity));
                    if propensity > 0.0 {
                        choices.push(Choice { item, place, reward: example.positive, propensity });
                        all.extend(open.remove(&origin.earlier).unwrap_or_default());
                    }
                }
            });
            bar.inc(1);
            if all.len() > CHANCES_MOST {
                bail!("a ranker over {} items is too much for this log: give a part of it", catalogue.len());
            }
            failed.map_or(Ok(()), Err)
        })?;
        bar.finish_and_clear();
        if choices.is_empty() {
            bail!("no example has a propensity: the log does not say with which probabilities it chose");
        }
        let ids = catalogue.iter().map(|i| i.id().to_string()).collect();
        Ok(Self { ids, choices, chances: ranker.map(|_| all) })
    }

    /// The mean reward of the choices, and its standard error.
    pub fn value(&self) -> (f64, f64) {
        let n = self.choices.len() as f64;
        let mean = self.choices.iter().filter(|c| c.reward).count() as f64 / n;
        (mean, (mean * (1.0 - mean) / n).sqrt())
    }

    /// For every place of a page, how often each item of `self`'s catalogue stands there in `other`, one more than counted.
    fn shares(&self, other: &Self) -> HashMap<u16, Vec<f64>> {
        let own: HashMap<&str, usize> = self.ids.iter().enumerate().map(|(i, id)| (id.as_str(), i)).collect();
        let mut tables: HashMap<u16, Vec<f64>> = HashMap::new();
        for choice in &other.choices {
            if let Some(&item) = other.ids.get(choice.item as usize).and_then(|id| own.get(id.as_str())) {
                tables.entry(choice.place).or_insert_with(|| vec![1.0; self.ids.len()])[item] += 1.0;
            }
        }
        for table in tables.values_mut() {
            let sum: f64 = table.iter().sum();
            table.iter_mut().for_each(|share| *share /= sum);
        }
        tables
    }
}

/// The probabilities with which a ranker's policy chooses each item.
fn chances(
    catalogue: &mut Catalogue<'_>,
    state: &Observe,
    context: Context,
    head: &mut Head<'_>,
    temperature: f64,
) -> anyhow::Result<Vec<f32>> {
    let mut logits = Vec::new();
    catalogue.score(state, context, head, |_, _, personal| logits.push(f64::from(personal) / temperature))?;
    let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = logits.iter().map(|l| exp_f64(l - most)).collect();
    let sum: f64 = weights.iter().sum();
    Ok(weights.iter().map(|w| (w / sum) as f32).collect())
}

/// Mean reward by place and item, pulled towards that of the place.
struct RewardModel(HashMap<u16, Vec<f64>>);

impl RewardModel {
    fn fit<'c>(choices: impl Iterator<Item = &'c Choice>, items: usize) -> Self {
        let mut counts: HashMap<u16, (f64, f64, Vec<[f64; 2]>)> = HashMap::new();
        for choice in choices {
            let (rounds, hits, table) = counts.entry(choice.place).or_insert_with(|| (0.0, 0.0, vec![[0.0; 2]; items]));
            let [n, r] = &mut table[choice.item as usize];
            *n += 1.0;
            *rounds += 1.0;
            if choice.reward {
                *r += 1.0;
                *hits += 1.0;
            }
        }
        let of_place = |(rounds, hits, table): (f64, f64, Vec<[f64; 2]>)| {
            let rate = hits / rounds;
            table.iter().map(|[n, r]| (r + PRIOR_ROUNDS * rate) / (n + PRIOR_ROUNDS)).collect()
        };
        Self(counts.into_iter().map(|(place, counts)| (place, of_place(counts))).collect())
    }
}

/// Rounds as `policy` sees them. `picked` are places in the log's choices, which may stand several times.
fn rounds(log: &Log, policy: &Policy<'_>, picked: &[u32]) -> Vec<Round> {
    let items = log.ids.len();
    let choices: Vec<&Choice> = picked.iter().map(|&i| &log.choices[i as usize]).collect();
    let shares = if let Policy::Like(other) = policy { log.shares(other) } else { HashMap::new() };
    let alike = vec![1.0 / items as f64; items];
    // The fold goes with the choice, not with the draw: copies of one round are in one fold.
    let fold = |n: usize| picked[n] as usize % FOLDS;
    let models: Vec<RewardModel> = (0..FOLDS)
        .map(|f| RewardModel::fit(choices.iter().enumerate().filter(|(n, _)| fold(*n) != f).map(|(_, c)| *c), items))
        .collect();
    let unknown = vec![0.0; items];
    let mut expectations: HashMap<(usize, u16), f64> = HashMap::new();
    choices
        .iter()
        .enumerate()
        .map(|(n, choice)| {
            let model = models[fold(n)].0.get(&choice.place).unwrap_or(&unknown);
            let (chance, expected) = match (policy, &log.chances) {
                (Policy::Asked, Some(all)) => {
                    let start = picked[n] as usize * items;
                    let chances = &all[start..start + items];
                    let expected = chances.iter().zip(model).map(|(c, q)| f64::from(*c) * q).sum();
                    (f64::from(chances[choice.item as usize]), expected)
                }
                _ => {
                    let table = shares.get(&choice.place).unwrap_or(&alike);
                    let expected = *expectations
                        .entry((fold(n), choice.place))
                        .or_insert_with(|| table.iter().zip(model).map(|(c, q)| c * q).sum());
                    (table[choice.item as usize], expected)
                }
            };
            Round {
                reward: f64::from(u8::from(choice.reward)),
                weight: chance / choice.propensity,
                modelled: model[choice.item as usize],
                expected,
            }
        })
        .collect()
}

/// What one estimator says.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Estimate {
    /// Its name.
    pub estimator: &'static str,
    /// The estimated mean reward, from the whole log.
    pub value: Option<f64>,
    /// Mean of the estimates from resampled logs.
    pub mean: Option<f64>,
    /// The middle 95 % of them.
    pub low: Option<f64>,
    /// Their upper end.
    pub high: Option<f64>,
    /// Mean of `|estimate − truth| / truth` over the resampled logs, where the truth is known.
    pub relative_error: Option<f64>,
}

/// All estimates, and how much the log says at all.
///
/// Every draw resamples the rounds and fits the reward model anew.
///
/// # Source
/// Saito et al., "Open Bandit Dataset and Pipeline", arXiv 2008.07146, section 5 (relative estimation error over bootstrapped logs).
pub fn estimate(
    log: &Log,
    policy: &Policy<'_>,
    estimators: &[Estimator],
    truth: Option<f64>,
    draws: u32,
    seed: u64,
) -> (Overlap, Vec<Estimate>) {
    let most = u32::try_from(log.choices.len()).unwrap_or(u32::MAX);
    let whole = rounds(log, policy, &(0..most).collect::<Vec<_>>());
    let seed = seed_of(seed);
    let mut values: Vec<Vec<f64>> = estimators.iter().map(|_| Vec::new()).collect();
    let bar = progress(u64::from(draws), "logs resampled");
    for draw in 0..draws {
        let mut rng = Rng::derive(&seed, "bootstrap", &draw.to_le_bytes());
        let picked: Vec<u32> = (0..most).map(|_| rng.below(most)).collect();
        let resampled = rounds(log, policy, &picked);
        for (values, estimator) in values.iter_mut().zip(estimators) {
            values.extend(estimator.estimate(&resampled));
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    let estimates = estimators
        .iter()
        .zip(&mut values)
        .map(|(estimator, values)| {
            values.sort_unstable_by(f64::total_cmp);
            let mean = |of: &dyn Fn(&f64) -> f64| {
                (!values.is_empty()).then(|| values.iter().map(of).sum::<f64>() / values.len() as f64)
            };
            let at = |share: f64| {
                let last = values.len().checked_sub(1)?;
                values.get((share * last as f64).round() as usize).copied()
            };
            Estimate {
                estimator: estimator.name(),
                value: estimator.estimate(&whole),
                mean: mean(&|v| *v),
                low: at(0.025),
                high: at(0.975),
                relative_error: truth.filter(|t| *t > 0.0).and_then(|t| mean(&|v| (v - t).abs() / t)),
            }
        })
        .collect();
    (overlap(&whole), estimates)
}

#[cfg(test)]
mod tests {
    use super::super::super::dataset::{Row, Split, Writer};
    use super::super::super::import::presets;
    use super::*;

    const ESTIMATORS: [Estimator; 6] = [
        Estimator::Ips,
        Estimator::Snips,
        Estimator::Dm,
        Estimator::Dr,
        Estimator::SwitchDr { tau: 10.0 },
        Estimator::DrOs { lambda: 100.0 },
    ];

    /// Four items whose chances of a click are 0.1 to 0.4, chosen with these weights at two places.
    fn write(dir: &std::path::Path, weights: [u32; 4], rounds: u32) {
        let items: Vec<_> =
            (0..4).map(|i| serde_json::json!({ "id": format!("{i}"), "feature1": format!("f{i}") })).collect();
        let mut writer = Writer::create(dir, presets::OPEN_BANDIT.schema, &items).expect("a directory");
        let mut rng = Rng::derive(&[7; 32], "test", &weights[3].to_le_bytes());
        let total: u32 = weights.iter().sum();
        for round in 0..rounds {
            let mut lot = rng.below(total);
            let item = weights
                .iter()
                .position(|w| {
                    if lot < *w {
                        true
                    } else {
                        lot -= w;
                        false
                    }
                })
                .expect("an item");
            let row = Row {
                user: format!("u{}", round / 50),
                at_ms: 1_700_000_000_000 + i64::from(round) * 60_000,
                action: "seen".into(),
                item: item.to_string(),
                value: Some(if rng.uniform() < 0.1 * (item + 1) as f32 { 1.0 } else { 0.0 }),
                position: Some((round % 2) as u16),
                propensity: Some(weights[item] as f32 / total as f32),
                split: Split::Train,
                ..Row::default()
            };
            writer.push(&row).expect("written");
        }
        writer.finish(&Rows::new(0.0), |_| ()).expect("written");
    }

    fn log(weights: [u32; 4], softmax: Option<f64>) -> Log {
        let dir = tempfile::tempdir().expect("a folder");
        write(dir.path(), weights, 8_000);
        let mut rows = Rows::new(0.0);
        let data = Dataset::open(dir.path(), &mut rows).expect("a data set");
        let layout = Rc::new(Layout::new(&data.schema));
        let ranker = Ranker::starter(&layout);
        let softmax = softmax.map(|temperature| Softmax { ranker: &ranker, temperature });
        Log::read(&data, &layout, 0, softmax.as_ref(), &mut rows).expect("a log")
    }

    #[test]
    fn every_estimator_finds_what_the_other_policy_earns() {
        let (even, keen) = (log([1, 1, 1, 1], None), log([1, 1, 2, 6], None));
        // 0.1 + 0.2 + 2 · 0.3 + 6 · 0.4, over ten.
        let truth = 0.33;
        assert!((keen.value().0 - truth).abs() < 3.0 * keen.value().1);
        let (overlap, found) = estimate(&even, &Policy::Like(&keen), &ESTIMATORS, Some(truth), 20, 1);
        assert!((overlap.mean_weight - 1.0).abs() < 0.05 && overlap.effective_rounds < 8_000.0);
        for one in found {
            let value = one.value.expect("an estimate");
            assert!((value - truth).abs() < 0.025, "{}: {value}", one.estimator);
            assert!(one.low <= one.mean && one.mean <= one.high, "{one:?}");
            assert!(one.relative_error.expect("a truth") < 0.1);
        }
        let (_, back) = estimate(&keen, &Policy::Uniform, &ESTIMATORS, None, 0, 1);
        for one in back {
            assert!((one.value.expect("an estimate") - 0.25).abs() < 0.03, "{}: {:?}", one.estimator, one.value);
            assert_eq!((one.mean, one.relative_error), (None, None));
        }
    }

    #[test]
    fn the_reward_model_never_judges_a_round_that_it_has_seen() {
        let choice = |item, reward| Choice { item, place: 0, reward, propensity: 0.5 };
        // The second item is chosen once, and clicked; nothing else ever is.
        let choices = [vec![choice(0, false); 8], vec![choice(1, true)]].concat();
        let log = Log { ids: vec!["a".into(), "b".into()], choices, chances: None };
        let found = rounds(&log, &Policy::Uniform, &(0..9).collect::<Vec<_>>());
        assert_eq!(found[8].modelled, 0.0, "its own click is not known to its own model");
        assert!(found[0].modelled > 0.0, "rounds of other parts know of it");
        // Copies of one round stay in its part.
        let found = rounds(&log, &Policy::Uniform, &[0, 1, 3, 4, 6, 7, 8, 8, 8]);
        assert!(found[6..].iter().all(|r| r.modelled == 0.0), "{found:?}");
    }

    #[test]
    fn a_ranker_that_hardly_tells_items_apart_is_the_even_policy() {
        let asked = log([1, 1, 1, 1], Some(1e6));
        let (overlap, found) = estimate(&asked, &Policy::Asked, &ESTIMATORS, None, 0, 1);
        assert!((overlap.greatest_weight - 1.0).abs() < 1e-3);
        let (_, even) = estimate(&asked, &Policy::Uniform, &ESTIMATORS, None, 0, 1);
        for (a, b) in found.iter().zip(&even) {
            assert!((a.value.expect("an estimate") - b.value.expect("an estimate")).abs() < 1e-4, "{a:?} {b:?}");
        }
        // One that follows what the user clicked chooses items with more clicks.
        let keen = log([1, 1, 1, 1], Some(0.3));
        let (_, found) = estimate(&keen, &Policy::Asked, &[Estimator::Snips], None, 0, 1);
        assert!(found[0].value.expect("an estimate") > 0.27, "{:?}", found[0].value);
    }

    #[test]
    fn a_log_without_propensities_is_refused() {
        let dir = tempfile::tempdir().expect("a folder");
        let items = [serde_json::json!({ "id": "1" })];
        let mut writer = Writer::create(dir.path(), presets::OPEN_BANDIT.schema, &items).expect("a directory");
        let row = Row {
            user: "u".into(),
            at_ms: 1_700_000_000_000,
            action: "seen".into(),
            item: "1".into(),
            value: Some(1.0),
            ..Row::default()
        };
        writer.push(&row).expect("written");
        writer.finish(&Rows::new(0.0), |_| ()).expect("written");
        let mut rows = Rows::new(0.0);
        let data = Dataset::open(dir.path(), &mut rows).expect("a data set");
        let layout = Rc::new(Layout::new(&data.schema));
        let refusal = Log::read(&data, &layout, 0, None, &mut rows).map(|_| ()).expect_err("refused").to_string();
        assert!(refusal.contains("propensity"), "{refusal}");
    }
}
