//! The lists of values that are tried. Each is walked on `valid`; of values that are as good, the one that stands first is taken.

use anyhow::{Context as _, bail};
use serde::Deserialize;
use std::path::Path;

/// All lists; a file may give some of them (`zhiji quality --config`).
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Tried {
    /// Of protocols A and B.
    pub forecast: Forecast,
    /// Of protocols C and C2.
    pub next: Next,
    /// Of protocol D.
    pub choose: Choose,
}

/// Lists of [`super::forecast`].
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Forecast {
    /// Widths of the items' vectors: where there are several, each has a taste of its own.
    pub widths: Vec<Vec<usize>>,
    /// Decays of the user's own bias: what each judgement counts against the one after it; where there are several, each is a number of its own.
    pub biases: Vec<Vec<f32>>,
    /// Penalties of the linear model's squared weights.
    pub penalties: Vec<f64>,
    /// Deviations of the personal head's constant; with 0 it stays where it is.
    pub constants: Vec<f64>,
    /// Deviations of the head's weights of the pair's features.
    pub slopes: Vec<f64>,
    /// Weights of the head at first.
    pub trusts: Vec<f64>,
}

/// Lists of [`super::next`].
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Next {
    /// How followers are counted: reach, fade, and what one that stood before counts.
    pub reaches: Vec<(usize, f64, f64)>,
    /// Powers of a row's sum and of a follower's popularity by which counts are divided.
    pub divisors: Vec<(f64, f64)>,
    /// What the item that is most like another counts against the first follower of an average item.
    pub likenesses: Vec<f64>,
    /// How much an older item counts against the one after it.
    pub decays: Vec<f32>,
    /// What popularity counts against the first follower of an average item, at its greatest.
    pub priors: Vec<f32>,
    /// What a logit of the encoder counts beside them; none are fitted where the list is empty.
    pub encoders: Vec<f32>,
    /// Passes over what people met that fit it, at most.
    pub passes: usize,
}

/// Lists of [`super::choose`].
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Choose {
    /// Deviations of a person's intercept and of the weights of the factors.
    pub deviations: Vec<(f64, f64)>,
    /// What exploration is priced at: parts of a deviation. 1 is Thompson sampling as it stands in books.
    pub prices: Vec<f64>,
    /// Shares of random choices.
    pub epsilons: Vec<f64>,
}

impl Default for Forecast {
    fn default() -> Self {
        Self {
            widths: vec![vec![16], vec![32], vec![16, 32]],
            biases: vec![vec![], vec![1.0], vec![1.0, 0.95]],
            penalties: vec![1_000.0, 100.0, 10.0],
            constants: vec![0.0, 0.1, 0.2],
            slopes: vec![0.0, 0.03, 0.06, 0.1],
            trusts: vec![0.2, 0.5],
        }
    }
}

impl Default for Next {
    fn default() -> Self {
        Self {
            reaches: vec![(10, 0.5, 0.2), (10, 0.5, 0.0), (5, 1.0, 0.2), (20, 0.7, 0.2)],
            divisors: vec![(0.5, 0.0), (0.5, 0.1), (0.7, 0.1), (0.7, 0.2)],
            likenesses: vec![0.5, 0.0, 0.2, 1.0],
            decays: vec![0.7, 0.8, 0.6],
            priors: vec![0.001, 0.01, 0.03, 0.1],
            encoders: vec![0.05, 0.1, 0.2, 0.4],
            passes: 40,
        }
    }
}

impl Default for Choose {
    fn default() -> Self {
        Self {
            deviations: vec![(0.5, 0.5), (0.5, 1.0), (1.0, 1.0), (1.0, 2.0)],
            prices: vec![0.05, 0.1, 0.3, 1.0],
            epsilons: vec![0.05, 0.1],
        }
    }
}

/// A number in a range, or which list has none or another.
fn within<T: Copy + Into<f64>>(name: &str, list: &[T], least: f64, most: f64) -> anyhow::Result<()> {
    if list.is_empty() || list.iter().any(|x| !(least..=most).contains(&(*x).into())) {
        bail!("`{name}`: give a list of numbers from {least} to {most}");
    }
    Ok(())
}

impl Tried {
    /// Reads a file; what it does not give is as it is without a file.
    ///
    /// # Errors
    /// Where it cannot be read, a key is unknown, a list is empty, or a value out of range.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let tried: Self = toml::from_str(&text).with_context(|| path.display().to_string())?;
        tried.check().with_context(|| path.display().to_string())?;
        Ok(tried)
    }

    fn check(&self) -> anyhow::Result<()> {
        let Self { forecast, next, choose } = self;
        let widths: Vec<u32> = forecast.widths.concat().iter().map(|w| *w as u32).collect();
        within("forecast.widths", &widths, 1.0, 64.0)?;
        if forecast.biases.is_empty() {
            bail!("`forecast.biases`: give a list of lists; an empty one among them leaves biases out");
        }
        let decays = [&forecast.biases.concat()[..], &[1.0]].concat();
        within("forecast.biases", &decays, 0.01, 1.0)?;
        within("forecast.penalties", &forecast.penalties, 1e-3, 1e9)?;
        within("forecast.constants", &forecast.constants, 0.0, 10.0)?;
        within("forecast.slopes", &forecast.slopes, 0.0, 10.0)?;
        within("forecast.trusts", &forecast.trusts, 0.001, 0.999)?;
        let of_reaches = |part: fn(&(usize, f64, f64)) -> f64| next.reaches.iter().map(part).collect::<Vec<_>>();
        within("next.reaches", &of_reaches(|(reach, ..)| *reach as f64), 1.0, 1_000.0)?;
        within("next.reaches", &of_reaches(|(_, fade, _)| *fade), 0.0, 10.0)?;
        within("next.reaches", &of_reaches(|(.., back)| *back), 0.0, 1.0)?;
        let (shares, popular): (Vec<f64>, Vec<f64>) = next.divisors.iter().copied().unzip();
        within("next.divisors", &[shares, popular].concat(), 0.0, 2.0)?;
        within("next.likenesses", &next.likenesses, 0.0, 100.0)?;
        within("next.decays", &next.decays, 0.01, 1.0)?;
        within("next.priors", &next.priors, 0.0, 100.0)?;
        within("next.passes", &[next.passes as u32], 1.0, 1_000.0)?;
        within("next.encoders", &[&next.encoders[..], &[1.0]].concat(), 0.001, 100.0)?;
        let (intercepts, weights): (Vec<f64>, Vec<f64>) = choose.deviations.iter().copied().unzip();
        within("choose.deviations", &[intercepts, weights].concat(), 1e-3, 100.0)?;
        within("choose.prices", &choose.prices, 0.0, 100.0)?;
        within("choose.epsilons", &choose.epsilons, 0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_of_the_examples_are_those_that_are_tried() {
        let all: Tried = toml::from_str(include_str!("../../../../examples/quality/all.toml")).expect("a table");
        assert_eq!(all, Tried::default());
        let films: Tried = toml::from_str(include_str!("../../../../examples/quality/films.toml")).expect("a table");
        films.check().expect("in range");
    }

    #[test]
    fn what_cannot_be_tried_is_named() {
        let said = |text: &str| {
            let found = toml::from_str(text).map_err(anyhow::Error::from).and_then(|tried: Tried| tried.check());
            format!("{:#}", found.expect_err("refused"))
        };
        assert!(said("[next]\ndecays = []").contains("next.decays"));
        assert!(said("[next]\ndecays = [1.5]").contains("from 0.01 to 1"));
        assert!(said("[forecast]\nwidths = [[16, 65]]").contains("forecast.widths"));
        assert!(said("[forecast]\nbiases = []").contains("forecast.biases"));
        assert!(said("[forecast]\nbiases = [[1, 0]]").contains("from 0.01 to 1"));
        assert!(said("[forecast]\nwidth = [16]").contains("unknown field `width`"));
        assert!(said("[choose]\nepsilons = [nan]").contains("choose.epsilons"));
    }
}
