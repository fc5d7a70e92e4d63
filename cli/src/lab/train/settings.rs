//! What a training is asked to do: keys of a configuration file, and options of the command line under the same names.

use anyhow::{Context as _, bail};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use toml::Table;

/// How steps are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Optimiser {
    /// Stochastic gradient descent, with `momentum` if that is above 0.
    Sgd,
    /// Steps divided by the root of the summed squares of the gradients (Duchi, Hazan and Singer 2011).
    Adagrad,
    /// Moving averages of gradient and square, corrected for their start (Kingma and Ba 2015); with `weight-decay` it is AdamW (Loshchilov and Hutter 2019). Rows are moved when they are met.
    Adam,
    /// Follow the regularised leader, proximal: `l1` leaves exact zeros (McMahan et al. 2013).
    Ftrl,
}

/// How the length of a step changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// Not at all.
    Constant,
    /// Falls along a line to a tenth over all epochs.
    Linear,
    /// `rate / (1 + 9 · progress)`.
    Inverse,
    /// Half a cosine, to nothing.
    Cosine,
}

/// What is minimised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// `ln(1 + e^z) − label · z`.
    Logistic,
    /// `(z − label)² / 2`; the bundle's probability is then that of a logit, so use it for rankings only.
    Squared,
    /// `ln(1 + e^−(z⁺ − z⁻))` for each drawn item (Rendle et al. 2009).
    Bpr,
    /// Cross-entropy of the item taken among drawn items, their logits less the logarithm of how often they are drawn.
    Softmax,
}

/// How items are drawn against the one that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Negatives {
    /// All alike.
    Uniform,
    /// As often as training examples took them, to the power `alpha`.
    Popularity,
    /// The items that the other examples of the batch took.
    Batch,
    /// Every item of the catalogue, nothing drawn: the whole softmax.
    All,
}

/// Which weights are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Average {
    /// The last ones.
    None,
    /// Their moving average over steps.
    Ema,
    /// Their mean over the ends of the epochs of the second half.
    Tail,
}

/// How the members of an ensemble become one model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Together {
    /// The bundle holds all members, and their logits are averaged.
    Logits,
    /// Their weights are averaged, which for one linear block is the same.
    Weights,
}

/// What makes probabilities of logits once the weights stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Calibrate {
    /// The logit as it is.
    None,
    /// A line that rises, for each task (Platt 1999).
    Platt,
    /// Isotonic regression in at most 62 groups, joined by lines, for each task (Zadrozny and Elkan 2002).
    Isotonic,
}

/// How several tasks become the one score by which items are ranked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Blend {
    /// Not at all: the schema's first label is the score.
    None,
    /// The weighted geometric mean of their probabilities.
    Powers,
    /// The weighted mean of their probabilities.
    Sum,
}

/// Models that have a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Model {
    /// Linear over the features of the fold, and a weight for each word of `hashed`.
    Wide,
    /// A factorisation machine over the same.
    Fm,
    /// Linear, and what the recent items say of the item: the mean of their vectors times its own.
    TwoTower,
    /// Linear, and layers over features and the item's vector.
    Deep,
    /// Linear, and layers over the item and what it attends to among the recent items (deep interest network).
    Din,
    /// Linear, and a transformer over the recent items, whose vector meets the item's.
    Sequence,
}

macro_rules! settings {
    ($($heading:literal: $($(#[doc = $doc:literal])+ $(#[clap($($clap:tt)*)])? $name:ident: $kind:ty = $default:expr;)*)*) => {
        /// What is given of the settings, in a file or on the command line.
        #[derive(Clone, Debug, Default, clap::Args, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case", deny_unknown_fields)]
        pub struct Given {
            $($(
                $(#[doc = $doc])+ #[arg(long, help_heading = $heading, $($($clap)*)?)]
                #[serde(default, skip_serializing_if = "Option::is_none")]
                pub $name: Option<$kind>,
            )*)*
        }

        /// All settings.
        #[derive(Clone, Debug, Serialize)]
        #[serde(rename_all = "kebab-case")]
        pub struct Settings {
            $($($(#[doc = $doc])+ pub $name: $kind,)*)*
        }

        impl Given {
            /// What is given here, else what is given there.
            pub fn or(self, other: Self) -> Self {
                Self { $($($name: self.$name.or(other.$name),)*)* }
            }

            /// What is given, else the defaults.
            pub fn settings(self) -> Settings {
                Settings { $($($name: self.$name.unwrap_or_else(|| $default),)*)* }
            }
        }
    };
}

settings! {
    "The model":
    /// Labels to learn, comma-separated: each is a task [default: the schema's first]
    #[clap(value_delimiter = ',', alias = "labels")]
    label: Vec<String> = Vec::new();
    /// A model by name, where the file lists no blocks [default: wide]
    model: Model = Model::Wide;
    /// Fields whose words have weights or vectors, comma-separated; `id` is the item itself; empty for none [default: id]
    #[clap(value_delimiter = ',')]
    hashed: Vec<String> = vec!["id".into()];
    /// Rows of hashed tables, a power of two [default: four for each item, a table of at most 131,072 numbers]
    buckets: usize = 0;
    /// Length of the vectors of a named model [default: 16]
    dim: usize = 16;

    "What is minimised":
    /// What is minimised [default: logistic]
    loss: Loss = Loss::Logistic;
    /// How items are drawn for `bpr` and `softmax` [default: popularity]
    negatives: Negatives = Negatives::Popularity;
    /// Items drawn for each example, where they are [default: 16]
    draws: usize = 16;
    /// Power of the popularity with which items are drawn [default: 0.75]
    alpha: f32 = 0.75;
    /// Weight of each label's loss, in their order, comma-separated [default: 1 each]
    #[clap(value_delimiter = ',')]
    task_weights: Vec<f32> = Vec::new();
    /// Weight of positive examples against negative ones; changes calibration [default: 1]
    positive_weight: f32 = 1.0;
    /// Learn an offset for each place of a slate beside the model, and leave it out of the bundle [default: false]
    #[clap(num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    positions: bool = false;

    "What the logits become":
    /// Fit a calibration of each task on `valid` [default: none]
    calibrate: Calibrate = Calibrate::None;
    /// Rank by a blend of all tasks, in tiers that have none of their own [default: none]
    blend: Blend = Blend::None;
    /// Weight of each task in it, in their order, comma-separated [default: 1 each]
    #[clap(value_delimiter = ',')]
    blend_weights: Vec<f32> = Vec::new();

    "Steps":
    /// Passes over the training examples, at most [default: 20]
    epochs: usize = 20;
    /// Examples in one step [default: 256]
    batch: usize = 256;
    /// How steps are taken [default: adam]
    optimiser: Optimiser = Optimiser::Adam;
    /// Length of a step [default: 0.02]
    learning_rate: f32 = 0.02;
    /// How the length of a step changes [default: linear]
    schedule: Schedule = Schedule::Linear;
    /// Share of all steps over which their length grows from nothing [default: 0]
    warm_up: f32 = 0.0;
    /// Share of the last step that is taken again, of `sgd` [default: 0]
    momentum: f32 = 0.0;
    /// Decay of the mean of gradients, of `adam` [default: 0.9]
    beta1: f32 = 0.9;
    /// Decay of the mean of squares, of `adam` [default: 0.999]
    beta2: f32 = 0.999;
    /// Added to what divides, of `adam` and `adagrad`; β of `ftrl` [default: 1e-6]
    epsilon: f32 = 1e-6;
    /// The longest gradient of a step, over all weights; 0 for any [default: 0]
    clip: f32 = 0.0;

    "Against too close a fit":
    /// Penalty `l2 / 2 · |w|²` of weights that every example meets, against the summed loss of all examples [default: 10]
    l2: f32 = 10.0;
    /// The same of rows of tables, spread over the examples that meet them [default: 3]
    l2_hashed: f32 = 3.0;
    /// Penalty `l1 · |w|` of all penalised weights, against the mean loss of a step (of `ftrl`, against the sum of all steps); leaves exact zeros [default: 0]
    l1: f32 = 0.0;
    /// Share of a weight that a step of length 1 takes away, whatever the gradient [default: 0]
    weight_decay: f32 = 0.0;
    /// Share of hidden numbers that are dropped in a step [default: 0]
    dropout: f32 = 0.0;
    /// Deviation of the noise added to standardised features [default: 0]
    input_noise: f32 = 0.0;
    /// Share of items whose row is hidden in a step, so that the vectors of their words learn to stand in [default: 0.1]
    hide_items: f32 = 0.1;
    /// Epochs without a better loss on `valid` before training stops [default: 5]
    patience: usize = 5;
    /// Which weights are measured and kept [default: none]
    average: Average = Average::None;
    /// Decay of the moving average, at each step [default: 0.999]
    average_decay: f32 = 0.999;
    /// Models trained from seeds that follow one another [default: 1]
    ensemble: usize = 1;
    /// How they become one [default: logits]
    together: Together = Together::Logits;

    "The run":
    /// Seed of first weights, of the order of examples and of draws: the same data, settings and seed give the same bytes [default: 1]
    seed: u64 = 1;
    /// Threads; more than one change the order of summation, and so the last digits [default: 1]
    threads: usize = 1;
    /// Megabytes of examples held in memory; what is beyond goes to temporary files [default: 512]
    memory: usize = 512;
    /// Let phones refuse the bundle unless their schema is exactly this one [default: false]
    #[clap(num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pin_schema: bool = false;
    /// Let a bundle in which a page can find items (a block `vector` or `covisit`) tell their ids [default: true]
    #[clap(num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    ids: bool = true;
}

/// A configuration: settings, and the model's blocks and tiers.
#[derive(Clone, Debug)]
pub struct Config {
    /// The settings.
    pub settings: Settings,
    /// The blocks.
    pub blocks: Vec<Table>,
    /// The tiers; none for one of all blocks.
    pub tiers: Vec<Table>,
}

fn tables(file: &mut Table, key: &str) -> anyhow::Result<Vec<Table>> {
    let Some(value) = file.remove(key) else { return Ok(Vec::new()) };
    let list = value.as_array().map(|list| list.iter().map(|one| one.as_table().cloned()).collect::<Option<Vec<_>>>());
    list.flatten().with_context(|| format!("{key}: give tables, each under [[{key}]]"))
}

impl Config {
    /// A configuration from the text of a file, if there is one, and the command line, which wins. `sets` are `BLOCK.KEY=VALUE`.
    ///
    /// # Errors
    /// Where a key is unknown, of another type or out of bounds: it is named.
    pub fn read(file: Option<&str>, given: Given, sets: &[String]) -> anyhow::Result<Self> {
        let mut file: Table = file.map_or(Ok(Table::new()), str::parse)?;
        let (mut blocks, mut tiers) = (tables(&mut file, "blocks")?, tables(&mut file, "tiers")?);
        let in_file: Given = file.try_into()?;
        let named = given.model.is_some();
        let given = given.or(in_file);
        if named && !blocks.is_empty() {
            bail!("--model: the file lists its blocks already");
        }
        let hashed_given = given.hashed.is_some();
        let settings = given.settings();
        if blocks.is_empty() {
            blocks = settings.model.blocks(&settings);
        } else if hashed_given {
            bail!("hashed: where blocks are listed, each names its own fields");
        }
        for set in sets {
            apply(&mut blocks, set)?;
        }
        settings.check()?;
        if let Some(blend) = settings.blend() {
            if tiers.is_empty() {
                tiers.push(Table::new());
            }
            for tier in tiers.iter_mut().filter(|tier| !tier.contains_key("blend")) {
                tier.insert("blend".into(), blend.clone());
            }
        }
        Ok(Self { settings, blocks, tiers })
    }
}

/// Changes one key of a block.
fn apply(blocks: &mut [Table], set: &str) -> anyhow::Result<()> {
    let parts = set.split_once('=').and_then(|(path, value)| Some((path.rsplit_once('.')?, value)));
    let ((block, key), value) = parts.with_context(|| format!("--set {set}: write BLOCK.KEY=VALUE"))?;
    let named = |table: &&mut Table| {
        let name = table.get("name").or_else(|| table.get("block")).and_then(toml::Value::as_str);
        name == Some(block)
    };
    let table = blocks.iter_mut().find(named).with_context(|| format!("--set {set}: there is no block \"{block}\""))?;
    let parsed: Table = format!("value = {value}").parse().or_else(|_| format!("value = \"{value}\"").parse())?;
    if let Some(value) = parsed.get("value") {
        table.insert(key.to_string(), value.clone());
    }
    Ok(())
}

impl Settings {
    fn check(&self) -> anyhow::Result<()> {
        let unless = |sound: bool, key: &str, say: &str| if sound { Ok(()) } else { bail!("{key}: {say}") };
        unless(self.epochs > 0, "epochs", "give at least 1")?;
        unless(self.batch > 0, "batch", "give at least 1")?;
        unless(self.learning_rate > 0.0 && self.learning_rate.is_finite(), "learning-rate", "give a number above 0")?;
        unless((0.0..1.0).contains(&self.warm_up), "warm-up", "give a share, from 0 to below 1")?;
        unless((0.0..1.0).contains(&self.momentum), "momentum", "give a number from 0 to below 1")?;
        unless((0.0..1.0).contains(&self.beta1), "beta1", "give a number from 0 to below 1")?;
        unless((0.0..1.0).contains(&self.beta2), "beta2", "give a number from 0 to below 1")?;
        unless(self.epsilon > 0.0, "epsilon", "give a number above 0")?;
        for (key, x) in [
            ("clip", self.clip),
            ("l1", self.l1),
            ("l2", self.l2),
            ("l2-hashed", self.l2_hashed),
            ("weight-decay", self.weight_decay),
            ("input-noise", self.input_noise),
            ("alpha", self.alpha),
            ("positive-weight", self.positive_weight),
        ] {
            unless(x >= 0.0 && x.is_finite(), key, "give a number, not below 0")?;
        }
        unless((0.0..1.0).contains(&self.dropout), "dropout", "give a share, from 0 to below 1")?;
        unless((0.0..1.0).contains(&self.hide_items), "hide-items", "give a share, from 0 to below 1")?;
        unless((0.0..1.0).contains(&self.average_decay), "average-decay", "give a number from 0 to below 1")?;
        unless(self.draws > 0, "draws", "give at least 1")?;
        unless((1..=512).contains(&self.dim), "dim", "give a whole number from 1 to 512")?;
        unless((1..=8).contains(&self.ensemble), "ensemble", "give a whole number from 1 to 8")?;
        unless((1..=256).contains(&self.threads), "threads", "give a whole number from 1 to 256")?;
        unless(self.memory > 0, "memory", "give at least 1")?;
        let whole = self.buckets == 0 || self.buckets.is_power_of_two();
        unless(whole, "buckets", "give a power of two")?;
        for (key, weights) in [("task-weights", &self.task_weights), ("blend-weights", &self.blend_weights)] {
            let sound = weights.iter().all(|weight| *weight >= 0.0 && weight.is_finite());
            unless(sound, key, "give numbers, not below 0")?;
        }
        let needless = self.blend == Blend::None && !self.blend_weights.is_empty();
        unless(!needless, "blend-weights", "say with `blend` what they are weights of")
    }

    /// As the key `blend` of a tier says it.
    fn blend(&self) -> Option<toml::Value> {
        let word = match self.blend {
            Blend::None => return None,
            Blend::Powers => "powers",
            Blend::Sum => "sum",
        };
        let weights: Vec<f64> = self.blend_weights.iter().map(|weight| f64::from(*weight)).collect();
        if weights.is_empty() {
            return Some(word.into());
        }
        Some(Table::from_iter([(word.to_string(), weights.into())]).into())
    }
}

impl Settings {
    /// The length of the steps at a share of the whole run.
    pub fn rate(&self, done: f32) -> f32 {
        if done < self.warm_up {
            return self.learning_rate * (done / self.warm_up).max(1e-3);
        }
        let done = (done - self.warm_up) / (1.0 - self.warm_up);
        let share = match self.schedule {
            Schedule::Constant => 1.0,
            Schedule::Linear => 1.0 - 0.9 * done,
            Schedule::Inverse => 1.0 / (1.0 + 9.0 * done),
            Schedule::Cosine => 0.5 * (1.0 + cosine(done)),
        };
        self.learning_rate * share
    }
}

/// The cosine of `share` half turns, for shares from 0 to 1: `1 − 2 sin²(x / 2)` by the sine's series.
fn cosine(share: f32) -> f32 {
    let x = 0.5 * std::f32::consts::PI * share;
    let z = x * x;
    let sine = x * (1.0 - z / 6.0 * (1.0 - z / 20.0 * (1.0 - z / 42.0 * (1.0 - z / 72.0 * (1.0 - z / 110.0)))));
    1.0 - 2.0 * sine * sine
}

impl Model {
    /// The blocks of a named model.
    fn blocks(self, settings: &Settings) -> Vec<Table> {
        let hashed: Vec<String> = settings.hashed.iter().filter(|name| !name.is_empty()).cloned().collect();
        let table = |text: &str| -> Table { text.parse().unwrap_or_default() };
        let sized = |mut table: Table| {
            table.insert("hashed".into(), hashed.clone().into());
            if settings.buckets > 0 {
                table.insert("buckets".into(), (settings.buckets as i64).into());
            }
            table
        };
        let dim = settings.dim;
        let wide = || sized(table("block = \"wide\""));
        let item = || table(&format!("block = \"item\"\ndim = {dim}\nbias = false"));
        match self {
            Self::Wide => vec![wide()],
            Self::Fm => vec![sized(table(&format!("block = \"fm\"\ndim = {dim}")))],
            Self::TwoTower => vec![
                wide(),
                item(),
                table("block = \"recent\"\nof = [\"item\"]"),
                table("block = \"vector\"\nof = [\"recent\", \"item\"]"),
            ],
            Self::Deep => vec![
                wide(),
                table("block = \"dense\""),
                item(),
                table(&format!("block = \"mlp\"\nof = [\"dense\", \"item\"]\nwidths = [{}, {dim}, 1]", 2 * dim)),
            ],
            Self::Din => vec![
                wide(),
                item(),
                table(&format!("block = \"attention\"\nof = [\"item\"]\nhistory = 20\nwidths = [{dim}, 1]")),
                table("block = \"product\"\nof = [\"attention\", \"item\"]"),
                table(&format!("block = \"mlp\"\nof = [\"attention\", \"item\", \"product\"]\nwidths = [{dim}, 1]")),
            ],
            Self::Sequence => vec![
                wide(),
                item(),
                table("block = \"sequence\"\nof = [\"item\"]"),
                table("block = \"vector\"\nof = [\"sequence\", \"item\"]"),
            ],
        }
    }
}

#[cfg(test)]
mod tests;
