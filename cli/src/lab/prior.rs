//! What users are like before their first label: the prior of the personal head, by empirical Bayes.
//!
//! With `z` the frozen model's logit and `x` what the head reads of a pair, the labels of user `u` are taken to come from `σ(z + w_u · x)` with
//! `w_u ~ N(m, Σ)`. Expectation-maximisation over the users of `train`: each user's posterior under the prior so far is taken to be `N(m_u, Σ_u)`, with
//! its most probable weights and the inverse curvature there (Laplace), and then
//!
//! ```text
//! m ← mean of m_u,    Σ ← mean of Σ_u + (m_u − m)(m_u − m)ᵀ
//! ```
//!
//! The frozen model and the item vectors have been fitted to these very labels, so what this leaves is too wide, and its mean too far out. Both are
//! therefore shrunk by what the labels of `valid` say of the phone's own heads ([`Heads`], with their two halves and their mixture), scored before
//! they are learnt.
//!
//! Source: Dempster, Laird & Rubin, "Maximum Likelihood from Incomplete Data via the EM Algorithm", JRSS B 39, 1977, section 4.5 (hyperparameters);
//! Efron & Morris, "Data Analysis Using Stein's Estimator", JASA 70, 1975.

use super::dataset::{Dataset, Split};
use super::examples::progress;
use super::metrics::{self, Metrics, Scored};
use super::model;
use super::pack;
use super::replay::{Replay, Signal};
use super::rows::Rows;
use anyhow::{Context as _, bail};
use nalgebra::{DMatrix, DVector};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};
use std::ops::Range;
use std::rc::Rc;
use zhiji::bundle::Head as Form;
use zhiji::features::Layout;
use zhiji::head::Prior;
use zhiji::kernel::math::sigmoid_f64;
use zhiji::score::Ranker;
use zhiji::state::Heads;

/// Without a part `valid`, every so-many-th user of `train` is kept for choosing.
const KEPT: u32 = 10;
/// Newton's steps for each user in each step of expectation-maximisation, which go on from where they were.
const NEWTON: usize = 2;
/// What the deviations may be multiplied with.
const SCALES: [f64; 9] = [0.3, 0.1, 0.15, 0.2, 0.4, 0.55, 0.75, 1.0, 1.4];
/// What the mean may be multiplied with.
const MEANS: [f64; 5] = [1.0, 0.75, 0.5, 0.25, 0.0];
/// The weight that the head may have at first.
const TRUSTS: [f64; 4] = [0.8, 0.5, 0.95, 0.2];

/// What a head reads; see docs/bundle.md.
#[derive(Clone, Debug, Default)]
pub struct Shape {
    /// A block that depends on the item alone.
    pub of: Option<String>,
    /// Dense features.
    pub features: Vec<String>,
    /// Whether there is a constant.
    pub intercept: bool,
}

/// How to fit.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Steps of expectation-maximisation.
    pub steps: usize,
    /// The standard deviation from which they begin.
    pub deviation: f64,
    /// Whether GAUC chooses among priors, and not log-loss.
    pub by_gauc: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { steps: 12, deviation: 0.5, by_gauc: false }
    }
}

/// Every label as the head meets it, user by user, each user's in the order in which they matured.
#[derive(Clone, Debug, Default)]
pub struct Lessons {
    /// How many numbers the head reads.
    pub width: usize,
    /// What it reads, label by label.
    pub input: Vec<f64>,
    /// The frozen logits.
    pub frozen: Vec<f32>,
    /// What came of it.
    pub positive: Vec<bool>,
    /// Whose.
    pub user: Vec<u32>,
    /// The parts.
    pub split: Vec<Split>,
}

/// A fitted prior.
#[derive(Clone, Debug)]
pub struct Fitted {
    /// The prior, with its mean and factor as singles hold them.
    pub mean: Vec<f32>,
    /// The factor, row by row.
    pub factor: Vec<f32>,
    /// The head's weight at first.
    pub trust: f64,
    /// What the deviations of expectation-maximisation were multiplied with.
    pub scale: f64,
    /// What its mean was multiplied with.
    pub mean_scale: f64,
    /// Whether weights are taken to be independent.
    pub independent: bool,
    /// Figures of the frozen model on the labels that chose.
    pub frozen: Metrics,
    /// Figures of the frozen model with the head.
    pub personal: Metrics,
}

impl Lessons {
    /// The labels of each user.
    fn users(&self) -> Vec<Range<usize>> {
        let mut users: Vec<Range<usize>> = Vec::new();
        for at in 0..self.user.len() {
            match users.last_mut() {
                Some(last) if self.user[last.start] == self.user[at] => last.end = at + 1,
                _ => users.push(at..at + 1),
            }
        }
        users
    }

    fn input(&self, at: usize) -> &[f64] {
        &self.input[at * self.width..(at + 1) * self.width]
    }

    /// Whether a label chooses among priors.
    fn chooses(&self, valid: bool, at: usize) -> bool {
        if valid { self.split[at] == Split::Valid } else { self.user[at].is_multiple_of(KEPT) }
    }
}

/// A bundle with a section `head` of this shape, which takes the place of one that it has.
///
/// # Shapes
/// `mean`: `[d]`; `factor`: `[d, d]`, or `[d]` for independent weights.
///
/// # Errors
/// What a phone would say.
pub fn with_head(bundle: &[u8], shape: &Shape, mean: &[f32], factor: &[f32], trust: f64) -> anyhow::Result<Vec<u8>> {
    let file = SafeTensors::deserialize(bundle).context("this is no bundle")?;
    let spec = pack::own_spec(bundle)?.context("this is no bundle: its metadata say nothing")?;
    let mut spec: Value = serde_json::from_str(&spec).context("the bundle's spec is no JSON")?;
    let mut head = json!({ "trust": trust, "intercept": shape.intercept });
    if let Some(of) = &shape.of {
        head["of"] = json!(of);
    }
    if !shape.features.is_empty() {
        head["features"] = json!(shape.features);
    }
    spec["head"] = head;
    let bytes = |of: &[f32]| of.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
    let (mean_bytes, factor_bytes) = (bytes(mean), bytes(factor));
    let factor_shape = if factor.len() == mean.len() { vec![mean.len()] } else { vec![mean.len(); 2] };
    let mut tensors: Vec<(String, TensorView<'_>)> = file
        .iter()
        .filter(|(name, _)| !name.starts_with("head."))
        .map(|(name, view)| (name.to_string(), view))
        .collect();
    tensors.push(("head.mean".into(), TensorView::new(Dtype::F32, vec![mean.len()], &mean_bytes)?));
    tensors.push(("head.factor".into(), TensorView::new(Dtype::F32, factor_shape, &factor_bytes)?));
    let file = safetensors::serialize(tensors, None)?;
    let spec = spec.to_string();
    let source = pack::Source::Model(std::slice::from_ref(&file), Some(&spec));
    Ok(pack::pack(source, None, None, pack::Smaller::default())?.bytes)
}

/// Folds every user and keeps what the head of `ranker` meets: its prior counts for nothing, its shape alone.
///
/// # Errors
/// Where the data cannot be read.
pub fn collect(
    data: &Dataset,
    layout: &Rc<Layout>,
    ranker: &Ranker,
    label: usize,
    rows: &mut Rows,
) -> anyhow::Result<Lessons> {
    let width = ranker.head().prior.features();
    let mut lessons = Lessons { width, ..Lessons::default() };
    let (mut at, mut item) = (ranker.workspace(), vec![0.0; ranker.item_len()]);
    let mut input = vec![0.0; width];
    let mut user_number = 0u32;
    let bar = progress(data.meta.users, "users folded");
    data.for_each_user(rows, |user| {
        let mut replay = Replay::new(Rc::clone(&data.schema), Rc::clone(layout))?;
        replay.run(&user, |signal| {
            if let Signal::New(example, origin, _) = signal
                && example.label == label
            {
                ranker.score_item(example.wire, example.words, &mut item);
                ranker.score_user(&mut at, example.dense, example.recent);
                lessons.frozen.push(ranker.score_pair(&mut at, &item, example.dense));
                ranker.read_pair(&item, example.dense, &mut input);
                lessons.input.extend_from_slice(&input);
                lessons.positive.push(example.positive);
                lessons.user.push(user_number);
                lessons.split.push(origin.split);
            }
        });
        user_number += 1;
        bar.inc(1);
        Ok(())
    })?;
    bar.finish_and_clear();
    Ok(lessons)
}

/// A prior of expectation-maximisation.
struct Estimate {
    mean: DVector<f64>,
    covariance: DMatrix<f64>,
}

impl Estimate {
    fn factor(&self, scale: f64, independent: bool) -> anyhow::Result<DMatrix<f64>> {
        let d = self.mean.len();
        if independent {
            return Ok(DMatrix::from_diagonal(&self.covariance.diagonal().map(|v| v.max(1e-12).sqrt() * scale)));
        }
        let jitter = 1e-9 * self.covariance.trace().max(1e-6) / d as f64;
        let sum = &self.covariance + DMatrix::identity(d, d) * jitter;
        let factor = sum.cholesky().context("the users' tastes have no covariance: there are too few of them")?;
        Ok(factor.l() * scale)
    }

    /// Mean and factor, row by row, as singles hold them.
    fn rounded(&self, choice: Choice) -> anyhow::Result<(Vec<f32>, Vec<f32>)> {
        let mean = self.mean.iter().map(|x| (x * choice.mean) as f32).collect();
        let factor = self.factor(choice.scale, choice.independent)?;
        // nalgebra stores by columns, so the transpose stands row by row; what rounds to nothing must still be above it.
        let mut rows: Vec<f32> = factor.transpose().iter().map(|x| *x as f32).collect();
        rows.iter_mut().step_by(self.mean.len() + 1).for_each(|x| *x = x.max(1e-6));
        Ok((mean, rows))
    }
}

/// How an estimate is shrunk.
#[derive(Clone, Copy, Debug)]
struct Choice {
    scale: f64,
    mean: f64,
    independent: bool,
    trust: f64,
}

fn doubles(of: &[f32]) -> Vec<f64> {
    of.iter().map(|x| f64::from(*x)).collect()
}

/// One user's taste: the most probable weights, and the inverse curvature there.
///
/// Newton's steps on the log-posterior, from `taste` on: `w ← w + H⁻¹ (Σ (y − p) x − Σ₀⁻¹ (w − m))` with `H = Σ p (1 − p) x xᵀ + Σ₀⁻¹`.
fn taste(
    lessons: &Lessons,
    labels: &[usize],
    (mean, precision): (&DVector<f64>, &DMatrix<f64>),
    taste: &mut DVector<f64>,
) -> anyhow::Result<DMatrix<f64>> {
    let d = lessons.width;
    let mut inverse = DMatrix::zeros(d, d);
    for _ in 0..NEWTON {
        let mut slope = precision * (mean - &*taste);
        let mut curvature = precision.clone();
        for &at in labels {
            let x = lessons.input(at);
            let shift = x.iter().zip(taste.iter()).fold(0.0, |sum, (x, w)| sum + x * w);
            let p = sigmoid_f64(f64::from(lessons.frozen[at]) + shift);
            let (error, v) = (f64::from(u8::from(lessons.positive[at])) - p, p * (1.0 - p));
            for (j, x_j) in x.iter().enumerate() {
                slope[j] += error * x_j;
                let by = v * x_j;
                curvature.column_mut(j).as_mut_slice().iter_mut().zip(x).for_each(|(slot, x)| *slot += by * x);
            }
        }
        let factor = curvature.cholesky().context("a user's labels leave no finite curvature")?;
        *taste += factor.solve(&slope);
        inverse = factor.inverse();
    }
    Ok(inverse)
}

/// Expectation-maximisation over the labels of `train` of these users.
fn estimate(lessons: &Lessons, users: &[Range<usize>], options: &Options) -> anyhow::Result<Estimate> {
    let d = lessons.width;
    let taught = |user: &Range<usize>| user.clone().filter(|at| lessons.split[*at] == Split::Train).collect();
    let labels: Vec<Vec<usize>> = users.iter().map(taught).filter(|labels: &Vec<usize>| !labels.is_empty()).collect();
    if labels.len() < 2 {
        bail!("a prior is what users have in common: there is but {} in `train`", labels.len());
    }
    let mut now = Estimate {
        mean: DVector::zeros(d),
        covariance: DMatrix::identity(d, d) * (options.deviation * options.deviation),
    };
    let mut tastes = vec![DVector::zeros(d); labels.len()];
    let n = labels.len() as f64;
    let bar = progress(options.steps as u64, "steps of the prior");
    for _ in 0..options.steps {
        let root = now.factor(1.0, false)?.try_inverse().context("the users' tastes have no covariance")?;
        let precision = root.transpose() * root;
        let mut within = DMatrix::zeros(d, d);
        for (labels, own) in labels.iter().zip(&mut tastes) {
            within += taste(lessons, labels, (&now.mean, &precision), own)?;
        }
        now.mean = tastes.iter().sum::<DVector<f64>>() / n;
        now.covariance = within / n;
        for own in &tastes {
            let off = own - &now.mean;
            now.covariance += &off * off.transpose() / n;
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(now)
}

/// Scores the labels that choose with the phone's heads under this prior, each before it is learnt.
fn try_out(lessons: &Lessons, users: &[Range<usize>], valid: bool, form: &Form) -> Vec<Scored> {
    let mut scored = Vec::new();
    for user in users {
        let Some(last) = user.clone().rev().find(|at| lessons.chooses(valid, *at)) else { continue };
        let mut heads = Heads::after(form, 0);
        for (earlier, at) in (0u32..).zip(user.start..=last) {
            let (frozen, input, positive) = (lessons.frozen[at], lessons.input(at), lessons.positive[at]);
            if lessons.chooses(valid, at) {
                let logit = heads.score(frozen, input);
                scored.push(Scored { user: lessons.user[at], earlier, positive, logit });
            }
            heads.learn(form, frozen, input, positive);
        }
    }
    scored
}

impl Lessons {
    /// The frozen model's own forecasts on `valid`.
    pub fn frozen_on_valid(&self) -> Vec<Scored> {
        let on_valid = |at: &usize| self.split[*at] == Split::Valid;
        (0..self.user.len()).filter(on_valid).map(|at| self.alone(at)).collect()
    }

    fn alone(&self, at: usize) -> Scored {
        Scored { user: self.user[at], earlier: 0, positive: self.positive[at], logit: self.frozen[at] }
    }
}

/// Scores the labels of `valid` with the phone's heads under this prior, each before it is learnt.
pub fn try_on_valid(lessons: &Lessons, form: &Form) -> Vec<Scored> {
    try_out(lessons, &lessons.users(), true, form)
}

/// Fits the prior.
///
/// # Errors
/// Where there are too few users, or no label to choose by.
pub fn fit(lessons: &Lessons, options: &Options) -> anyhow::Result<Fitted> {
    let users = lessons.users();
    let valid = lessons.split.contains(&Split::Valid);
    let teach: Vec<Range<usize>> =
        users.iter().filter(|user| valid || !lessons.chooses(false, user.start)).cloned().collect();
    let found = estimate(lessons, &teach, options)?;
    let try_choice = |choice: Choice| -> anyhow::Result<(f64, Metrics)> {
        let (mean, factor) = found.rounded(choice)?;
        let prior = Rc::new(Prior::new(&doubles(&mean), &doubles(&factor))?);
        let form =
            Form { intercept: false, vector: (0, 0), features: Vec::new(), prior, gain: 1.0, trust: choice.trust };
        let scored = try_out(lessons, &users, valid, &form);
        if scored.is_empty() {
            bail!("there is no label to choose by: give a part `valid`, or more users");
        }
        let metrics = metrics::measure(&scored)?;
        let gauc = metrics.gauc.filter(|_| options.by_gauc);
        Ok((gauc.map_or(metrics.log_loss, |gauc| 0.0 - gauc), metrics))
    };
    let first = Choice { scale: SCALES[0], mean: MEANS[0], independent: false, trust: TRUSTS[0] };
    let (mut least, mut personal) = try_choice(first)?;
    let mut best = first;
    // One thing after the other: what is best of one hardly depends on the others, and all combinations would be hundreds.
    let mut improve = |others: Vec<Choice>| -> anyhow::Result<Choice> {
        for other in others {
            let (loss, metrics) = try_choice(other)?;
            if loss < least {
                (best, least, personal) = (other, loss, metrics);
            }
        }
        Ok(best)
    };
    let now = improve(SCALES.map(|scale| Choice { scale, ..first }).to_vec())?;
    let now = improve(vec![Choice { independent: true, ..now }])?;
    let now = improve(MEANS.map(|mean| Choice { mean, ..now }).to_vec())?;
    let now = improve([0.85, 1.2].map(|by| Choice { scale: now.scale * by, ..now }).to_vec())?;
    let best = improve(TRUSTS.map(|trust| Choice { trust, ..now }).to_vec())?;
    let (mean, factor) = found.rounded(best)?;
    let chosen = (0..lessons.user.len()).filter(|at| lessons.chooses(valid, *at));
    let frozen: Vec<Scored> = chosen.map(|at| lessons.alone(at)).collect();
    Ok(Fitted {
        mean,
        factor,
        trust: best.trust,
        scale: best.scale,
        mean_scale: best.mean,
        independent: best.independent,
        frozen: metrics::measure(&frozen)?,
        personal,
    })
}

/// Fits a head of this shape to a bundle; gives the bundle with it.
///
/// # Errors
/// As [`collect`] and [`fit`], and what a phone would say.
pub fn fit_bundle(
    data: &Dataset,
    layout: &Rc<Layout>,
    bundle: &[u8],
    shape: &Shape,
    options: &Options,
    rows: &mut Rows,
) -> anyhow::Result<(Vec<u8>, Fitted)> {
    let plain = model::open(bundle, &data.schema, layout)?;
    let label = data.schema.labels.iter().position(|label| label.name == plain.label()).unwrap_or(0);
    let file = zhiji::bundle::load(bundle, &data.schema.space)?;
    let of = match &shape.of {
        Some(name) => file.stack().of_item(name).with_context(|| {
            format!("the bundle has no block `{name}` that depends on the item alone: a head reads such vectors")
        })?,
        None => (0, 0),
    };
    let width = usize::from(shape.intercept) + of.1 + shape.features.len();
    if width == 0 || width > Prior::MOST_FEATURES {
        bail!("the head would read {width} numbers: let it read 1 to {}", Prior::MOST_FEATURES);
    }
    let draft = with_head(bundle, shape, &vec![0.0; width], &vec![1.0; width], 0.5)?;
    let ranker = model::open(&draft, &data.schema, layout)?;
    let lessons = collect(data, layout, &ranker, label, rows)?;
    let fitted = fit(&lessons, options)?;
    let bytes = with_head(bundle, shape, &fitted.mean, &fitted.factor, fitted.trust)?;
    model::open(&bytes, &data.schema, layout).context("the bundle that was written cannot be used")?;
    Ok((bytes, fitted))
}

#[cfg(test)]
mod tests;
