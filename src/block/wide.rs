//! The linear block: standardised dense features and hashed one-hot features.

use crate::kernel::{self, math};

/// The most buckets a hashed table may have.
const MOST_BUCKETS: usize = 1 << 24;

/// Logistic regression over `F` standardised dense features and a hashed table.
///
/// ```text
/// logit = bias + Σ_h hashed[bucket(h)] + Σ_j weight_j · (x_j − mean_j) / scale_j
/// ```
///
/// The second term depends on the item alone ([`score_item`](Wide::score_item)), the third on the pair
/// ([`score_pair`](Wide::score_pair)); of the user alone there is only the bias ([`score_user`](Wide::score_user)). A wide block
/// is checked when it is made; afterwards scoring cannot fail and allocates nothing.
///
/// # Examples
/// ```
/// use zhiji::block::Wide;
/// let wide = Wide::new(0.5, vec![2.0], vec![10.0], vec![4.0], vec![0.0, 0.25])?;
/// let item = wide.score_item(&[1 << 32]);
/// let pair = wide.score_pair(&[12.0]);
/// assert_eq!((item, pair), (0.25, 1.0));
/// assert_eq!(wide.logit(wide.score_user(), item, pair), 1.75);
/// # Ok::<(), zhiji::block::WideError>(())
/// ```
///
/// # Source
/// The wide part of Cheng et al., "Wide & Deep Learning for Recommender Systems", DLRS 2016, section 3.1; hashed features after
/// Weinberger et al., "Feature Hashing for Large Scale Multitask Learning", ICML 2009, without signs.
#[derive(Clone, Debug, PartialEq)]
pub struct Wide {
    bias: f32,
    weight: Vec<f32>,
    mean: Vec<f32>,
    scale: Vec<f32>,
    /// `1 / scale`, so that scoring multiplies.
    inverse: Vec<f32>,
    /// Whether every mean is 0 and every scale 1: then a standardised number is the number itself, to the bit.
    plain: bool,
    hashed: Vec<f32>,
}

/// What a trainer moves: everything but the standardisation.
#[derive(Debug)]
pub struct WideWeights<'a> {
    /// The intercept.
    pub bias: &'a mut f32,
    /// One weight per dense feature, over the standardised value.
    pub weight: &'a mut [f32],
    /// One weight per bucket.
    pub hashed: &'a mut [f32],
}

/// Why a wide block cannot be made of the given numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WideError {
    /// `weight`, `mean` and `scale` are not of one length.
    Shape {
        /// Length of `weight`.
        weight: usize,
        /// Length of `mean`.
        mean: usize,
        /// Length of `scale`.
        scale: usize,
    },
    /// The hashed table is neither empty nor a power of two of at most 2²⁴ buckets.
    Buckets {
        /// Its length.
        buckets: usize,
    },
    /// A number is infinite or not one.
    NotFinite,
    /// A scale is not positive, or so small that its inverse is infinite.
    Scale {
        /// The dense feature it belongs to.
        feature: usize,
    },
}

impl core::fmt::Display for WideError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            WideError::Shape { weight, mean, scale } => {
                write!(f, "wide block: {weight} weights, {mean} means and {scale} scales; they must be as many")
            }
            WideError::Buckets { buckets } => {
                write!(f, "wide block: {buckets} buckets; the table must be empty or a power of two of at most 2^24")
            }
            WideError::NotFinite => f.write_str("wide block: a number is not finite"),
            WideError::Scale { feature } => write!(f, "wide block: the scale of feature {feature} must be positive"),
        }
    }
}

impl core::error::Error for WideError {}

impl Wide {
    /// A block of these numbers. `scale` divides: it is the standard deviation of a feature, as most tools write it.
    ///
    /// # Shapes
    /// `weight`, `mean`, `scale`: `[F]`; `hashed`: `[buckets]`, a power of two, or empty for no hashed features.
    ///
    /// # Errors
    /// [`WideError::Shape`], [`WideError::Buckets`], [`WideError::NotFinite`], [`WideError::Scale`].
    pub fn new(
        bias: f32,
        weight: Vec<f32>,
        mean: Vec<f32>,
        scale: Vec<f32>,
        hashed: Vec<f32>,
    ) -> Result<Self, WideError> {
        if weight.len() != mean.len() || weight.len() != scale.len() {
            return Err(WideError::Shape { weight: weight.len(), mean: mean.len(), scale: scale.len() });
        }
        if !hashed.is_empty() && (!hashed.len().is_power_of_two() || hashed.len() > MOST_BUCKETS) {
            return Err(WideError::Buckets { buckets: hashed.len() });
        }
        for numbers in [&[bias], &weight[..], &mean, &scale, &hashed] {
            for x in numbers {
                if !x.is_finite() {
                    return Err(WideError::NotFinite);
                }
            }
        }
        let (mut inverse, mut plain) = (Vec::with_capacity(scale.len()), true);
        for (feature, (mean, scale)) in mean.iter().zip(&scale).enumerate() {
            let one = 1.0 / scale;
            if *scale <= 0.0 || !one.is_finite() {
                return Err(WideError::Scale { feature });
            }
            plain &= *mean == 0.0 && *scale == 1.0;
            inverse.push(one);
        }
        Ok(Wide { bias, weight, mean, scale, inverse, plain, hashed })
    }

    /// Number of dense features, `F`.
    pub fn features(&self) -> usize {
        self.weight.len()
    }

    /// Number of buckets of the hashed table; 0 without hashed features.
    pub fn buckets(&self) -> usize {
        self.hashed.len()
    }

    /// The intercept.
    pub fn bias(&self) -> f32 {
        self.bias
    }

    /// One weight per dense feature.
    pub fn weight(&self) -> &[f32] {
        &self.weight
    }

    /// What is taken from each dense feature.
    pub fn mean(&self) -> &[f32] {
        &self.mean
    }

    /// What each dense feature is then divided by.
    pub fn scale(&self) -> &[f32] {
        &self.scale
    }

    /// The hashed table.
    pub fn hashed(&self) -> &[f32] {
        &self.hashed
    }

    /// The weights, to be moved by a trainer. A trainer that leaves a number non-finite gets non-finite logits.
    pub fn weights_mut(&mut self) -> WideWeights<'_> {
        WideWeights { bias: &mut self.bias, weight: &mut self.weight, hashed: &mut self.hashed }
    }

    /// The bucket of a feature hash: `(hash >> 32) & (buckets − 1)`.
    ///
    /// The upper half of the hash is used because 32-bit machines then need no 64-bit shift. The hash covers field and
    /// value, so that equal values of two fields fall apart. Without a table every bucket is 0.
    pub fn bucket(&self, hash: u64) -> usize {
        (hash >> 32) as u32 as usize & self.hashed.len().saturating_sub(1)
    }

    /// What depends on the item alone: the sum of the weights of its hashed features, in the given order.
    pub fn score_item(&self, hashes: &[u64]) -> f32 {
        hashes.iter().fold(0.0, |sum, hash| sum + self.hashed.get(self.bucket(*hash)).copied().unwrap_or(0.0))
    }

    /// What depends on the user alone: the bias.
    pub fn score_user(&self) -> f32 {
        self.bias
    }

    /// What depends on user and item together: the dense features.
    ///
    /// # Shapes
    /// `dense`: `[F]`, finite. Features missing at the end count as their mean.
    pub fn score_pair(&self, dense: &[f32]) -> f32 {
        kernel::dot_standardised(dense, &self.mean, &self.inverse, &self.weight)
    }

    /// [`score_pair`](Wide::score_pair) of many pairs, with its bits.
    ///
    /// # Shapes
    /// `rows`: the dense features of the first pair from its start on, those of the next `stride` numbers later, and so on; `out`: one number for
    /// each pair.
    #[cfg_attr(zhiji_phone, optimize(speed))]
    pub fn score_rows(&self, rows: &[f32], stride: usize, out: &mut [f32]) {
        let width = self.features();
        let row = |at: usize| {
            let from = at.saturating_mul(stride).min(rows.len());
            rows.get(from..from.saturating_add(width).min(rows.len())).unwrap_or_default()
        };
        let (fours, rest) = out.as_chunks_mut::<4>();
        let mut at = 0;
        for slots in fours {
            let four = (row(at), row(at + 1), row(at + 2), row(at + 3));
            // Only the last row can be short.
            *slots = if four.3.len() < width {
                [four.0, four.1, four.2, four.3].map(|row| self.score_pair(row))
            } else if self.plain {
                kernel::dot_rows(four, &self.weight)
            } else {
                kernel::dot_rows_standardised(four, &self.mean, &self.inverse, &self.weight)
            };
            at += 4;
        }
        for slot in rest {
            *slot = self.score_pair(row(at));
            at += 1;
        }
    }

    /// The logit of the three parts, `(user + item) + pair`.
    pub fn logit(&self, user: f32, item: f32, pair: f32) -> f32 {
        (user + item) + pair
    }

    /// The probability of a positive label: the logistic function of the whole logit.
    pub fn probability(&self, dense: &[f32], hashes: &[u64]) -> f32 {
        math::sigmoid(self.logit(self.score_user(), self.score_item(hashes), self.score_pair(dense)))
    }

    /// Writes to `out[j]` what dense feature `j` adds to the logit: `weight_j · (x_j − mean_j) / scale_j`.
    ///
    /// The attribution is exact: [`kernel::sum`] of the contributions has the bits of [`score_pair`](Wide::score_pair).
    ///
    /// # Shapes
    /// `dense`, `out`: `[F]`. What `dense` lacks contributes 0.
    pub fn contributions(&self, dense: &[f32], out: &mut [f32]) {
        out.fill(0.0);
        let terms = dense.iter().zip(&self.mean).zip(&self.inverse).zip(&self.weight);
        for (slot, (((x, mean), inverse), weight)) in out.iter_mut().zip(terms) {
            *slot = weight * ((x - mean) * inverse);
        }
    }

    /// Adds the gradient of the logistic loss for one example to `into` and returns the residual.
    ///
    /// With `p` the probability, the loss is `−label · ln p − (1 − label) · ln(1 − p)` and its derivative by the logit is the
    /// residual `p − label`. That is also the derivative by the bias and by every hashed weight of the example (twice if two
    /// features share a bucket); by `weight_j` it is `residual · (x_j − mean_j) / scale_j`, added to `into[j]`.
    ///
    /// # Shapes
    /// `dense`, `into`: `[F]`.
    pub fn gradient(&self, dense: &[f32], hashes: &[u64], label: f32, into: &mut [f32]) -> f32 {
        let residual = self.probability(dense, hashes) - label;
        for (slot, ((x, mean), inverse)) in into.iter_mut().zip(dense.iter().zip(&self.mean).zip(&self.inverse)) {
            *slot += residual * ((x - mean) * inverse);
        }
        residual
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn wide(features: usize, bits: u32) -> impl Strategy<Value = Wide> {
        let numbers = || prop::collection::vec(-2.0f32..2.0, features);
        let scales = prop::collection::vec(0.1f32..4.0, features);
        let table = prop::collection::vec(-1.0f32..1.0, 1 << bits);
        (-1.0f32..1.0, numbers(), numbers(), scales, table).prop_map(|(bias, weight, mean, scale, hashed)| {
            Wide::new(bias, weight, mean, scale, hashed).expect("finite numbers of one length")
        })
    }

    fn example() -> impl Strategy<Value = (Vec<f32>, Vec<u64>)> {
        (prop::collection::vec(-3.0f32..3.0, 7), prop::collection::vec(any::<u64>(), 0..6))
    }

    fn loss(wide: &Wide, (dense, hashes): &(Vec<f32>, Vec<u64>), label: f32) -> f64 {
        let margin = wide.logit(wide.score_user(), wide.score_item(hashes), wide.score_pair(dense));
        let label = f64::from(label);
        math::softplus_f64(f64::from(margin)) - label * f64::from(margin)
    }

    proptest! {
        #[test]
        fn the_logit_is_its_formula(wide in wide(7, 4), (dense, hashes) in example()) {
            let exact = f64::from(wide.bias())
                + hashes.iter().map(|h| f64::from(wide.hashed()[(h >> 32) as usize % 16])).sum::<f64>()
                + (0..7).map(|j| {
                    let [x, m, s, w] = [dense[j], wide.mean()[j], wide.scale()[j], wide.weight()[j]].map(f64::from);
                    w * (x - m) / s
                }).sum::<f64>();
            let got = wide.logit(wide.score_user(), wide.score_item(&hashes), wide.score_pair(&dense));
            prop_assert!((f64::from(got) - exact).abs() < 1e-4, "{} {}", got, exact);
        }

        #[test]
        fn many_pairs_have_the_bits_of_each(
            wide in wide(7, 0), plain in any::<bool>(), rows in prop::collection::vec(-3.0f32..3.0, 0..120), beside in 0usize..4,
        ) {
            let wide = if plain {
                let (weight, none) = (wide.weight().to_vec(), Vec::new());
                Wide::new(0.0, weight, vec![0.0; 7], vec![1.0; 7], none).expect("sound numbers")
            } else {
                wide
            };
            let mut out = vec![f32::NAN; rows.len().div_ceil(7 + beside)];
            wide.score_rows(&rows, 7 + beside, &mut out);
            for (row, got) in rows.chunks(7 + beside).zip(&out) {
                prop_assert_eq!(got.to_bits(), wide.score_pair(&row[..row.len().min(7)]).to_bits());
            }
        }

        #[test]
        fn contributions_add_up_to_the_bit(wide in wide(7, 0), (dense, _) in example()) {
            let mut parts = [f32::NAN; 7];
            wide.contributions(&dense, &mut parts);
            prop_assert_eq!(kernel::sum(&parts).to_bits(), wide.score_pair(&dense).to_bits());
        }

        #[test]
        fn the_gradient_is_the_slope_of_the_loss(wide in wide(7, 3), example in example(), positive in any::<bool>()) {
            let label = f32::from(u8::from(positive));
            let mut into = [1.0; 7];
            let residual = wide.gradient(&example.0, &example.1, label, &mut into);
            let step = 1.0 / 64.0;
            let slope = |nudge: &dyn Fn(&mut Wide, f32)| {
                let (mut above, mut below) = (wide.clone(), wide.clone());
                nudge(&mut above, step);
                nudge(&mut below, -step);
                (loss(&above, &example, label) - loss(&below, &example, label)) / (2.0 * f64::from(step))
            };
            let by_bias = slope(&|w, by| *w.weights_mut().bias += by);
            prop_assert!((by_bias - f64::from(residual)).abs() < 2e-3);
            for (j, got) in into.iter().enumerate() {
                let by_weight = slope(&|w, by| w.weights_mut().weight[j] += by);
                // Curvature over the step grows with the cube of the standardised value.
                let z = f64::from((example.0[j] - wide.mean()[j]) / wide.scale()[j]).abs();
                let room = 2e-3 + 1e-4 * z * z * z;
                prop_assert!((by_weight - f64::from(got - 1.0)).abs() < room, "{} {}", by_weight, got);
            }
            for hash in &example.1 {
                let bucket = wide.bucket(*hash);
                let times = example.1.iter().filter(|h| wide.bucket(**h) == bucket).count() as f64;
                let by_bucket = slope(&|w, by| w.weights_mut().hashed[bucket] += by);
                prop_assert!((by_bucket - times * f64::from(residual)).abs() < 2e-2);
            }
        }

        #[test]
        fn descending_the_gradient_lowers_the_loss(wide in wide(7, 3), example in example(), positive in any::<bool>()) {
            let label = f32::from(u8::from(positive));
            let mut slope = [0.0; 7];
            let residual = wide.gradient(&example.0, &example.1, label, &mut slope);
            prop_assume!(residual.abs() > 0.01);
            let mut moved = wide.clone();
            let weights = moved.weights_mut();
            kernel::axpy(-1e-4, &slope, weights.weight);
            *weights.bias -= 1e-2 * residual;
            prop_assert!(loss(&moved, &example, label) < loss(&wide, &example, label));
        }
    }

    #[test]
    fn hostile_numbers_are_refused_by_name() {
        let new = |weight: &[f32], mean: &[f32], scale: &[f32], hashed: &[f32]| {
            Wide::new(0.0, weight.to_vec(), mean.to_vec(), scale.to_vec(), hashed.to_vec()).map(|_| ())
        };
        assert_eq!(new(&[1.0], &[], &[1.0], &[]), Err(WideError::Shape { weight: 1, mean: 0, scale: 1 }));
        assert_eq!(new(&[], &[], &[], &[0.0; 3]), Err(WideError::Buckets { buckets: 3 }));
        assert_eq!(new(&[f32::NAN], &[0.0], &[1.0], &[]), Err(WideError::NotFinite));
        assert_eq!(new(&[], &[], &[], &[f32::INFINITY]), Err(WideError::NotFinite));
        assert_eq!(new(&[1.0; 2], &[0.0; 2], &[1.0, 0.0], &[]), Err(WideError::Scale { feature: 1 }));
        assert_eq!(new(&[1.0], &[0.0], &[-1.0], &[]), Err(WideError::Scale { feature: 0 }));
        assert_eq!(new(&[1.0], &[0.0], &[1e-40], &[]), Err(WideError::Scale { feature: 0 }));
        assert_eq!(new(&[], &[], &[], &[]), Ok(()));
    }

    #[test]
    fn without_a_table_the_item_scores_zero() {
        let wide = Wide::new(0.0, vec![], vec![], vec![], vec![]).expect("an empty block");
        assert_eq!(wide.score_item(&[0, u64::MAX]), 0.0);
        assert_eq!(wide.score_pair(&[1.0, 2.0]), 0.0);
    }
}
