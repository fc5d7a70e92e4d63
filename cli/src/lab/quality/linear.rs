//! A linear model of a few dozen numbers, fitted exactly.

use super::super::dataset::Split;
use super::super::factors::{factorise, solve};
use super::super::metrics::log_loss;
use anyhow::bail;
use zhiji::kernel::math::sigmoid_f64;

/// Examples in columns.
#[derive(Debug, Default)]
pub struct Examples {
    /// Numbers of one example.
    pub width: usize,
    /// All numbers, row by row.
    pub dense: Vec<f32>,
    /// The item of each.
    pub wire: Vec<u64>,
    /// What came of each.
    pub positive: Vec<bool>,
    /// Whose each is.
    pub user: Vec<u32>,
    /// Events of the user before it.
    pub earlier: Vec<u32>,
    /// Which part each belongs to.
    pub split: Vec<Split>,
}

impl Examples {
    /// How many.
    pub fn len(&self) -> usize {
        self.positive.len()
    }

    /// The numbers of example `i`.
    pub fn dense(&self, i: usize) -> &[f32] {
        &self.dense[i * self.width..(i + 1) * self.width]
    }

    /// Places of the examples of one part.
    pub fn of(&self, split: Split) -> Vec<usize> {
        (0..self.len()).filter(|&i| self.split[i] == split).collect()
    }
}

/// A fitted model: `bias + Σ weight_j · (x_j − mean_j) / scale_j` over the numbers that vary.
#[derive(Clone, Debug, PartialEq)]
pub struct Linear {
    /// Places of the numbers that vary.
    pub picks: Vec<usize>,
    /// The constant term.
    pub bias: f32,
    /// Weights of the standardised numbers.
    pub weight: Vec<f32>,
    /// Their means.
    pub mean: Vec<f32>,
    /// Their deviations.
    pub scale: Vec<f32>,
}

/// Steps of Newton's method; it doubles its digits with each.
const STEPS: usize = 12;

impl Linear {
    /// The logit of one example.
    pub fn logit(&self, dense: &[f32]) -> f32 {
        let mut logit = f64::from(self.bias);
        for (j, &pick) in self.picks.iter().enumerate() {
            logit += f64::from(self.weight[j]) * f64::from((dense[pick] - self.mean[j]) / self.scale[j]);
        }
        logit as f32
    }

    /// Mean log-loss over a part.
    pub fn loss(&self, examples: &Examples, split: Split) -> f64 {
        let of = examples.of(split);
        let sum: f64 = of.iter().map(|&i| log_loss(self.logit(examples.dense(i)), examples.positive[i])).sum();
        sum / of.len().max(1) as f64
    }

    /// Minimises `Σ loss + l2 / 2 · |weight|²` over `train`, by Newton's method on the standardised numbers; reads those at `columns` alone.
    ///
    /// # Source
    /// Hastie, Tibshirani & Friedman, "The Elements of Statistical Learning", 2nd edition, 2009, section 4.4.1.
    ///
    /// # Errors
    /// Where `train` is empty, or a number is not finite.
    pub fn fit(examples: &Examples, columns: &[usize], l2: f64) -> anyhow::Result<Self> {
        let rows = examples.of(Split::Train);
        if rows.is_empty() || examples.dense.iter().any(|x| !x.is_finite()) {
            bail!("there are no training examples, or a number of one is not finite");
        }
        let count = rows.len() as f64;
        let mut model = Self { picks: vec![], bias: 0.0, weight: vec![], mean: vec![], scale: vec![] };
        for &j in columns {
            let value = |i: &usize| f64::from(examples.dense(*i)[j]);
            let mean = rows.iter().map(value).sum::<f64>() / count;
            let scale = (rows.iter().map(|i| (value(i) - mean) * (value(i) - mean)).sum::<f64>() / count).sqrt();
            if scale > 1e-6 {
                model.picks.push(j);
                model.mean.push(mean as f32);
                model.scale.push(scale as f32);
            }
        }
        // The last place is the constant term.
        let n = model.picks.len() + 1;
        let mut weights = vec![0.0f64; n];
        for _ in 0..STEPS {
            let (mut curvature, mut slope, mut x) = (vec![0.0; n * n], vec![0.0; n], vec![1.0; n]);
            for &i in &rows {
                let dense = examples.dense(i);
                for (j, &pick) in model.picks.iter().enumerate() {
                    x[j] = f64::from((dense[pick] - model.mean[j]) / model.scale[j]);
                }
                let p = sigmoid_f64(x.iter().zip(&weights).map(|(x, w)| x * w).sum());
                let residual = f64::from(u8::from(examples.positive[i])) - p;
                let v = p * (1.0 - p);
                for row in 0..n {
                    slope[row] += residual * x[row];
                    let scaled = v * x[row];
                    for (slot, other) in curvature[row * n..=row * n + row].iter_mut().zip(&x) {
                        *slot += scaled * other;
                    }
                }
            }
            for j in 0..n - 1 {
                slope[j] -= l2 * weights[j];
                curvature[j * n + j] += l2;
            }
            curvature[n * n - 1] += 1e-9;
            factorise(&mut curvature, n);
            solve(&curvature, n, &mut slope);
            let step = slope.iter().fold(0.0f64, |most, s| most.max(s.abs()));
            if !step.is_finite() {
                bail!("a step of the fit is not a finite number");
            }
            // A step that leaps beyond where the curvature was measured is shortened.
            let part = 1.0 / step.max(1.0);
            weights.iter_mut().zip(&slope).for_each(|(w, s)| *w += part * s);
        }
        model.bias = weights[n - 1] as f32;
        model.weight = weights[..n - 1].iter().map(|w| *w as f32).collect();
        Ok(model)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zhiji::rng::Rng;

    #[test]
    fn planted_weights_are_found_and_a_penalty_shrinks_them() {
        let mut rng = Rng::derive(&[7; 32], "planted", &[]);
        let mut examples = Examples { width: 3, ..Examples::default() };
        for _ in 0..8_000 {
            let x = [4.0 * rng.uniform(), rng.uniform() - 5.0, 7.0];
            let positive = rng.uniform() < zhiji::kernel::math::sigmoid(1.5 * x[0] - 2.0 * (x[1] + 5.0) - 2.0);
            examples.dense.extend(x);
            examples.wire.push(1);
            examples.positive.push(positive);
            examples.user.push(0);
            examples.earlier.push(0);
            examples.split.push(Split::Train);
        }
        let model = Linear::fit(&examples, &[0, 1, 2], 1e-3).expect("fitted");
        assert_eq!(model.picks, [0, 1], "what never varies is left out");
        let slope = |j: usize| model.weight[j] / model.scale[j];
        assert!((slope(0) - 1.5).abs() < 0.1 && (slope(1) + 2.0).abs() < 0.3, "{} {}", slope(0), slope(1));
        let held = Linear::fit(&examples, &[0, 1, 2], 10_000.0).expect("fitted");
        assert!(held.weight[0] < 0.5 * model.weight[0]);
        assert_eq!(
            Linear::fit(&examples, &[1], 1.0).expect("fitted").picks,
            [1],
            "a column that is not asked for is not read"
        );
        assert!(held.loss(&examples, Split::Train) > model.loss(&examples, Split::Train));
    }
}
