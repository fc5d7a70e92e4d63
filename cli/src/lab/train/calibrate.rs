//! Calibrations of tasks, fitted on `valid` when the weights stand.
//!
//! The examples that chose the epoch are no example of the model's optimism about what it learnt from; what is fitted is monotone, so no order of
//! two candidates changes.

use super::settings::{Calibrate, Settings};
use crate::lab::examples::Examples;
use crate::lab::network::Network;
use crate::lab::network::params::Params;
use crate::lab::network::pass::Batch;
use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use zhiji::block::MOST_KNOTS;
use zhiji::kernel::math::{ln_f64, sigmoid_f64, softplus_f64};

/// Examples that are walked at once.
const BATCH: usize = 1024;

/// Whether `valid` has what a calibration is fitted on, to be asked before anything is learnt.
///
/// # Errors
/// Where a label has no examples of both kinds there.
pub fn check(settings: &Settings, examples: &Examples) -> anyhow::Result<()> {
    let valid = &examples.valid;
    for (label, (count, positives)) in valid.counts.iter().zip(&valid.positives).enumerate() {
        if settings.calibrate != Calibrate::None && (*positives == 0 || positives == count) {
            bail!(
                "calibrate: of label {label} `valid` has {count} examples, {positives} of them positive: there is nothing to fit"
            );
        }
    }
    Ok(())
}

/// The calibration of each task in the bundle's form; none where `calibrate` asks for none, and where greater scores of a task go with fewer positive
/// examples, which is said.
///
/// # Errors
/// Where `valid` cannot be read.
pub fn calibrations(
    settings: &Settings,
    network: &Network,
    members: &[Params],
    examples: &Examples,
) -> anyhow::Result<Vec<Option<Value>>> {
    if settings.calibrate == Calibrate::None {
        return Ok(vec![None; network.tasks.len()]);
    }
    let merged = super::publish::together(members, settings.together);
    let fit = |(task, mut outcomes): (usize, Vec<(f32, bool)>)| {
        outcomes.sort_by(|a, b| a.0.total_cmp(&b.0));
        let line = platt(&outcomes);
        if line.is_none() {
            eprintln!(
                "calibrate: on `valid` the scores of task {task} do not rise with its label; they are left as they are"
            );
        }
        line.map(|line| match settings.calibrate {
            Calibrate::Platt => json!({ "platt": line }),
            _ => json!({ "line": isotonic(&outcomes, line[0]) }),
        })
    };
    Ok(outcomes(network, &merged, examples)?.into_iter().enumerate().map(fit).collect())
}

/// The mean logit of the members and the outcome of every example of `valid`, task by task.
fn outcomes(network: &Network, members: &[Params], examples: &Examples) -> anyhow::Result<Vec<Vec<(f32, bool)>>> {
    let (valid, tasks) = (&examples.valid, network.tasks.len());
    let mut all = vec![Vec::new(); tasks];
    let first = members.first().context("there is no model")?;
    let (mut pass, mut batch) = (network.pass(first), Batch::default());
    for bucket in 0..valid.buckets() {
        valid.with(bucket, &examples.standard, |chunk| {
            let rows: Vec<u32> = (0..chunk.len() as u32).collect();
            for rows in rows.chunks(BATCH) {
                batch.clear();
                batch.users.extend_from_slice(rows);
                batch.items.extend(rows.iter().map(|row| chunk.item[*row as usize]));
                batch.pairs.extend((0..rows.len() as u32).map(|at| (at, at)));
                let mut means = vec![0.0; rows.len() * tasks];
                for member in members {
                    network.forward(&mut pass, member, chunk, &batch);
                    let share = 1.0 / members.len() as f32;
                    means.iter_mut().zip(&pass.logits).for_each(|(mean, logit)| *mean += share * logit);
                }
                for (row, logits) in rows.iter().zip(means.chunks_exact(tasks)) {
                    let row = *row as usize;
                    for ((task, logit), of) in network.tasks.iter().zip(logits).zip(&mut all) {
                        if task.label == usize::from(chunk.label[row]) {
                            of.push((*logit, chunk.positive[row]));
                        }
                    }
                }
            }
            Ok(())
        })?;
    }
    Ok(all)
}

/// `a` and `b` of `a · z + b`, by Newton's method with halved steps; none where `a` is not above 0.
///
/// # Source
/// Platt, "Probabilistic Outputs for Support Vector Machines", 1999, section 2.2 (targets that are not quite 0 and 1); Lin, Lin and Weng, "A Note on
/// Platt's Probabilistic Outputs for Support Vector Machines", Machine Learning 68, 2007.
fn platt(outcomes: &[(f32, bool)]) -> Option<[f32; 2]> {
    let positives = outcomes.iter().filter(|(_, positive)| *positive).count() as f64;
    let negatives = outcomes.len() as f64 - positives;
    let (yes, no) = ((positives + 1.0) / (positives + 2.0), 1.0 / (negatives + 2.0));
    let each = || outcomes.iter().map(|(z, positive)| (f64::from(*z), if *positive { yes } else { no }));
    let loss = |a: f64, b: f64| each().map(|(z, t)| softplus_f64(a * z + b) - t * (a * z + b)).sum::<f64>();
    let (mut a, mut b) = (1.0, 0.0);
    for _ in 0..100 {
        // Gradient and Hessian; a little is added to the diagonal, so that equal logits do no harm.
        let (mut slope, mut curve) = ([0.0; 2], [1e-9, 0.0, 1e-9]);
        for (z, target) in each() {
            let p = sigmoid_f64(a * z + b);
            let (error, weight) = (p - target, p * (1.0 - p));
            slope = [slope[0] + error * z, slope[1] + error];
            curve = [curve[0] + weight * z * z, curve[1] + weight * z, curve[2] + weight];
        }
        let determinant = curve[0] * curve[2] - curve[1] * curve[1];
        let by = [
            (curve[2] * slope[0] - curve[1] * slope[1]) / determinant,
            (curve[0] * slope[1] - curve[1] * slope[0]) / determinant,
        ];
        let (before, mut share) = (loss(a, b), 1.0);
        while share > 1e-10 && loss(a - share * by[0], b - share * by[1]) > before {
            share *= 0.5;
        }
        (a, b) = (a - share * by[0], b - share * by[1]);
        if share * by[0].abs().max(by[1].abs()) < 1e-9 {
            break;
        }
    }
    (a > 0.0 && a.is_finite() && b.is_finite()).then_some([a as f32, b as f32])
}

/// Examples that are forecast alike: the sum of their logits, how many are positive, how many there are.
struct Group {
    z: f64,
    positives: f64,
    count: f64,
}

/// How far beyond the outermost groups a table goes, in logits.
const BEYOND: f32 = 20.0;
/// Examples of the rarer kind that there are for each group.
const EACH: usize = 10;

/// Knots `[z, y]` of isotonic regression: examples, sorted by their logits, in at most 62 groups of equal size,
/// and so few that ten of the rarer kind fall into each on average; neighbours are pooled until the share of
/// positive ones rises from group to group. `z` is a group's mean logit, `y` the logit of its share, to which one example of the whole's share is added.
/// Beyond the outermost groups it goes on as steeply as Platt's line, for a table that ended there would call the best candidates equal.
///
/// # Source
/// Zadrozny and Elkan, "Transforming Classifier Scores into Accurate Multiclass Probability Estimates", KDD 2002, section 3.
fn isotonic(outcomes: &[(f32, bool)], slope: f32) -> Vec<[f32; 2]> {
    let positives = outcomes.iter().filter(|(_, positive)| *positive).count();
    let rate = positives as f64 / outcomes.len() as f64;
    let most = (positives.min(outcomes.len() - positives) / EACH).clamp(1, MOST_KNOTS - 2);
    let share = |group: &Group| (group.positives + rate) / (group.count + 1.0);
    let mean = |group: &Group| group.z / group.count;
    let mut groups: Vec<Group> = Vec::new();
    for part in outcomes.chunks(outcomes.len().div_ceil(most)) {
        let positives = part.iter().filter(|(_, positive)| *positive).count() as f64;
        let z = part.iter().map(|(z, _)| f64::from(*z)).sum();
        groups.push(Group { z, positives, count: part.len() as f64 });
        while let [.., before, last] = &groups[..]
            && (share(last) <= share(before) || mean(last) as f32 <= mean(before) as f32)
        {
            let (z, positives, count) = (last.z, last.positives, last.count);
            groups.pop();
            if let Some(before) = groups.last_mut() {
                *before =
                    Group { z: before.z + z, positives: before.positives + positives, count: before.count + count };
            }
        }
    }
    let knot = |group: &Group| [mean(group) as f32, ln_f64(share(group) / (1.0 - share(group))) as f32];
    let mut knots: Vec<[f32; 2]> = groups.iter().map(knot).collect();
    let end = |knot: Option<&[f32; 2]>, by: f32| knot.map(|[z, y]| [z + by, y + slope * by]);
    let (first, last) = (end(knots.first(), -BEYOND), end(knots.last(), BEYOND));
    knots.splice(0..0, first);
    knots.extend(last);
    knots
}

#[cfg(test)]
mod tests;
