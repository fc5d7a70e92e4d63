//! The factorisation machine: linear weights and pairwise interactions of sparse features with values.

mod gradient;

use super::error::{BlockError, finite};
use super::table::{Numbers, Table};
use crate::kernel::math::Lanes;
use crate::kernel::{self, Quad, int8};
use alloc::vec::Vec;

/// Pairwise interactions of sparse features, in time linear in their number.
///
/// With `x_i` the values of the active features, `w_i` their weights and `v_i` their factors,
///
/// ```text
/// logit = bias + Σ_i w_i x_i + Σ_{i<j} (v_i · v_j) x_i x_j,     Σ_{i<j} = ½ (‖s‖² − Σ_i x_i² ‖v_i‖²),   s = Σ_i x_i v_i
/// ```
///
/// The norms `‖v_i‖²` are computed once, when the block is made. Of a set of features there remain two things, its sum `s` and its own
/// score `Σ_i (w_i x_i − ½ x_i² ‖v_i‖²) + ½ ‖s‖²`, and two sets make one logit by `own + own' + s · s'` ([`Fm::logit`]). So the user's features are
/// added up once per request, an item's once per bundle and item ([`Fm::part`] for both), and a pair costs one inner product of `k` numbers.
/// Features of the pair itself are a third set ([`Fm::join`]).
///
/// Factors are singles, or bytes with one scale a row. A feature that the table does not have counts as absent. A block is checked when it is
/// made; afterwards scoring cannot fail and allocates nothing.
///
/// # Examples
/// ```
/// use zhiji::block::{Fm, Table};
/// let fm = Fm::new(0.5, vec![1.0, 2.0, 0.0], Table::singles(3, 2, vec![1.0, 0.0, 3.0, 1.0, 0.0, 5.0])?)?;
/// let (mut user, mut item) = (vec![0.0; fm.width()], vec![0.0; fm.width()]);
/// let (own_user, own_item) = (fm.part(&[0], &[1.0], &mut user), fm.part(&[1], &[0.5], &mut item));
/// // 0.5 + 1 · 1 + 2 · 0.5 + (1, 0) · (3, 1) · 1 · 0.5
/// assert_eq!(fm.logit((own_user, &user), (own_item, &item)), 4.0);
/// # Ok::<(), zhiji::block::BlockError>(())
/// ```
///
/// # Source
/// Rendle, "Factorization Machines", ICDM 2010, section III, lemma 3.1.
#[derive(Clone, Debug, PartialEq)]
pub struct Fm {
    bias: f32,
    /// For each feature its weight and half the square of its factors, side by side because they are read together.
    own: Vec<[f32; 2]>,
    factors: Table,
}

/// A number of a table as it is stored.
trait Stored: Copy {
    /// `Q` quads of them.
    fn quads<const Q: usize>(from: &[Self]) -> [Quad; Q];
}

impl Stored for f32 {
    #[inline(always)]
    fn quads<const Q: usize>(from: &[f32]) -> [Quad; Q] {
        let (quads, _) = from.as_chunks::<4>();
        core::array::from_fn(|q| Quad::new(quads[q]))
    }
}

impl Stored for i8 {
    #[inline(always)]
    fn quads<const Q: usize>(from: &[i8]) -> [Quad; Q] {
        let mut bytes = [0i8; 16];
        bytes[..4 * Q].copy_from_slice(&from[..4 * Q]);
        let quads = int8::widen(&bytes);
        core::array::from_fn(|q| quads[q])
    }
}

impl Fm {
    /// A block of these numbers.
    ///
    /// # Shapes
    /// `weight`: `[n]`; `factors`: `[n, k]`.
    ///
    /// # Errors
    /// [`BlockError::Shape`] and [`BlockError::NotFinite`] of the parts `weight` and `bias`.
    pub fn new(bias: f32, weight: Vec<f32>, factors: Table) -> Result<Self, BlockError> {
        finite("bias", &[bias])?;
        finite("weight", &weight)?;
        if weight.len() != factors.rows() {
            return Err(BlockError::Shape { part: "weight" });
        }
        let mut own = Vec::with_capacity(weight.len());
        for (row, weight) in weight.iter().enumerate() {
            own.push([*weight, 0.5 * factors.square(row)]);
        }
        Ok(Fm { bias, own, factors })
    }

    /// The intercept.
    pub fn bias(&self) -> f32 {
        self.bias
    }

    /// Number of features, `n`.
    pub fn features(&self) -> usize {
        self.own.len()
    }

    /// The weight of a feature, or 0.
    pub fn weight(&self, feature: usize) -> f32 {
        self.own.get(feature).map_or(0.0, |own| own[0])
    }

    /// The factors.
    pub fn factors(&self) -> &Table {
        &self.factors
    }

    /// Length of a sum of factors: `k`, rounded up to a multiple of four.
    pub fn width(&self) -> usize {
        self.factors.width()
    }

    /// Lets a trainer move the weight and the factors of one feature. Does nothing for a feature that is not there, or where factors are bytes.
    pub fn apply(&mut self, feature: usize, change: &mut dyn FnMut(&mut f32, &mut [f32])) {
        let (Some(own), Some(row)) = (self.own.get_mut(feature), self.factors.row_mut(feature)) else { return };
        change(&mut own[0], row);
        own[1] = 0.5 * self.factors.square(feature);
    }

    /// Moves the intercept.
    pub fn apply_bias(&mut self, by: f32) {
        self.bias += by;
    }

    /// Writes `s`, the sum of the factors of a set of features, and returns the set's own score. Once per request for the user's features, once
    /// per bundle and item for an item's.
    ///
    /// Element `j` of the sum adds the features in the given order; the own score adds `w x − (½‖v‖² · x) · x` in that order, then `½ ‖s‖²` in the
    /// order of [`kernel::dot`].
    ///
    /// # Shapes
    /// `features`, `values`: as many, finite; `sum`: `[width]`.
    pub fn part(&self, features: &[u32], values: &[f32], sum: &mut [f32]) -> f32 {
        sum.fill(0.0);
        let width = self.width();
        match self.factors.numbers() {
            Numbers::Singles(numbers) => gather(numbers, None, width, features, values, sum),
            Numbers::Bytes(numbers, scale) => gather(numbers, Some(scale), width, features, values, sum),
        }
        let mut own = 0.0;
        for (feature, x) in features.iter().zip(values) {
            if let Some([weight, half]) = self.own.get(*feature as usize) {
                own += weight * x - half * x * x;
            }
        }
        own + 0.5 * kernel::dot(sum, sum)
    }

    /// Joins two sets: adds the second sum to the first and returns the own score of both together.
    pub fn join(&self, first: (f32, &mut [f32]), second: (f32, &[f32])) -> f32 {
        let own = (first.0 + second.0) + kernel::dot(first.1, second.1);
        kernel::axpy(1.0, second.1, first.1);
        own
    }

    /// The logit of two sets of features, each as its own score and its sum: `bias + ((own + own') + s · s')`.
    ///
    /// Finite: where single precision overflows, its largest number of that sign.
    ///
    /// # Shapes
    /// Both sums: `[width]`; an empty one is that of no features.
    pub fn logit(&self, user: (f32, &[f32]), item: (f32, &[f32])) -> f32 {
        kernel::saturate(self.bias + ((user.0 + item.0) + kernel::dot(user.1, item.1)))
    }

    /// The logits of many candidates, each with as many features of its own, beside one user's set.
    ///
    /// Candidate `c` has the features `[c · active .. (c + 1) · active]`; its logit has the bits of [`Fm::part`] and [`Fm::logit`].
    ///
    /// # Shapes
    /// `features`, `values`: `[candidates, active]`; `scratch`: `[width]`; `out`: `[candidates]`.
    pub fn score_each(
        &self,
        user: (f32, &[f32]),
        (features, values, active): (&[u32], &[f32], usize),
        scratch: &mut [f32],
        out: &mut [f32],
    ) {
        for (candidate, slot) in out.iter_mut().enumerate() {
            let from = candidate.saturating_mul(active);
            let span = from..from.saturating_add(active);
            let features = features.get(span.clone()).unwrap_or_default();
            let own = self.part(features, values.get(span).unwrap_or_default(), scratch);
            *slot = self.logit(user, (own, scratch));
        }
    }

    /// Writes what each feature of a set adds to the logit: its linear term and its half of every interaction it is in.
    ///
    /// `out_i = w_i x_i + ½ x_i v_i · (s − x_i v_i)` with `s` over the whole set, so that the sum over the set is the logit without its bias, to
    /// rounding. `sum` is what [`Fm::part`] wrote for the set, or [`Fm::join`] for several.
    ///
    /// # Shapes
    /// `features`, `values`, `out`: as many; `sum`: `[width]`.
    pub fn contributions(&self, features: &[u32], values: &[f32], sum: &[f32], out: &mut [f32]) {
        let mut row = [0.0; int8::MOST_DIM];
        let row = &mut row[..self.width()];
        for ((feature, x), slot) in features.iter().zip(values).zip(out) {
            let feature = *feature as usize;
            self.factors.read(feature, row);
            let [weight, half] = self.own.get(feature).copied().unwrap_or_default();
            *slot = weight * x + (0.5 * x * kernel::dot(row, sum) - half * x * x);
        }
    }
}

/// Adds up `x · row` of the features, sixteen columns at a time in registers, then four.
#[inline(always)]
fn gather<N: Stored>(
    numbers: &[N],
    scale: Option<&[f32]>,
    width: usize,
    features: &[u32],
    values: &[f32],
    sum: &mut [f32],
) {
    let mut at = 0;
    let (tiles, rest) = sum.as_chunks_mut::<16>();
    for tile in tiles {
        columns::<N, 4>(numbers, scale, width, at, features, values, tile);
        at += 16;
    }
    let (quads, _) = rest.as_chunks_mut::<4>();
    for quad in quads {
        columns::<N, 1>(numbers, scale, width, at, features, values, quad);
        at += 4;
    }
}

#[inline(always)]
fn columns<N: Stored, const Q: usize>(
    numbers: &[N],
    scale: Option<&[f32]>,
    width: usize,
    at: usize,
    features: &[u32],
    values: &[f32],
    out: &mut [f32],
) {
    let rows = numbers.len() / width;
    let mut sums = [Quad::splat(0.0); Q];
    for (feature, x) in features.iter().zip(values) {
        let feature = *feature as usize;
        // Only of a feature that is there can the product not wrap around.
        if feature >= rows {
            continue;
        }
        let from = feature * width + at;
        let Some(row) = numbers.get(from..from + 4 * Q) else { continue };
        let mut x = *x;
        if let Some(scale) = scale {
            let Some(scale) = scale.get(feature) else { continue };
            x *= scale;
        }
        let x = Quad::splat(x);
        let quads = N::quads::<Q>(row);
        for q in 0..Q {
            sums[q] = sums[q] + x * quads[q];
        }
    }
    let (slots, _) = out.as_chunks_mut::<4>();
    for (slot, sum) in slots.iter_mut().zip(sums) {
        *slot = sum.to_array();
    }
}
