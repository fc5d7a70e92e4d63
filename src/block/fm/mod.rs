//! The factorisation machine: linear weights and pairwise interactions of sparse features with values.

mod gradient;

use super::error::{BlockError, finite};
use super::table::{Numbers, Table};
use crate::kernel::linear::padded;
use crate::kernel::math::Lanes;
use crate::kernel::{self, NARROW, Quad, int8};
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
/// let factors = Table::singles(3, 2, vec![1.0, 0.0, 3.0, 1.0, 0.0, 5.0])?;
/// let fm = Fm::new(0.5, &[1.0, 2.0, 0.0], &factors)?;
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
    features: usize,
    dim: usize,
    records: Records,
}

/// What a set of features adds up, sixteen columns of the factors at a time, with what else belongs to a feature beside them: so that each feature
/// costs one access to memory. All records of the first sixteen columns come first, then those of the next sixteen, and so on; each tile ends
/// with a record of zeros, that of the features that are not there.
#[derive(Clone, Debug, PartialEq)]
enum Records {
    Singles(Vec<Singles>),
    Bytes(Vec<Bytes>),
}

/// The columns of a tile.
const TILE: usize = 16;

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Singles {
    /// Weight, and half the square of all factors. Zeros in all tiles but the first.
    own: [f32; 2],
    columns: [[f32; 4]; 4],
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Bytes {
    own: [f32; 2],
    /// Of the row, in every tile.
    scale: f32,
    columns: [i8; 16],
}

trait Record {
    /// Weight, and half the square of all factors.
    fn own(&self) -> [f32; 2];
    /// A value times the scale of the row.
    fn scaled(&self, x: f32) -> f32;
    /// The columns before they are scaled. A tuple, because loops over arrays are not unrolled where size counts.
    fn columns(&self) -> (Quad, Quad, Quad, Quad);
}

impl Record for Singles {
    #[inline(always)]
    fn own(&self) -> [f32; 2] {
        self.own
    }

    #[inline(always)]
    fn scaled(&self, x: f32) -> f32 {
        x
    }

    #[inline(always)]
    fn columns(&self) -> (Quad, Quad, Quad, Quad) {
        let [a, b, c, d] = self.columns;
        (Quad::new(a), Quad::new(b), Quad::new(c), Quad::new(d))
    }
}

impl Record for Bytes {
    #[inline(always)]
    fn own(&self) -> [f32; 2] {
        self.own
    }

    #[inline(always)]
    fn scaled(&self, x: f32) -> f32 {
        x * self.scale
    }

    #[inline(always)]
    fn columns(&self) -> (Quad, Quad, Quad, Quad) {
        int8::widen(&self.columns)
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
    pub fn new(bias: f32, weight: &[f32], factors: &Table) -> Result<Self, BlockError> {
        finite("bias", &[bias])?;
        finite("weight", weight)?;
        if weight.len() != factors.rows() {
            return Err(BlockError::Shape { part: "weight" });
        }
        let (features, dim) = (factors.rows(), factors.dim());
        let tiles = dim.div_ceil(TILE);
        let records = match factors.numbers() {
            Numbers::Singles(_) => Records::Singles(vec![Singles::default(); (features + 1) * tiles]),
            Numbers::Bytes(..) => Records::Bytes(vec![Bytes::default(); (features + 1) * tiles]),
        };
        let mut fm = Fm { bias, features, dim, records };
        let mut row = [0.0; int8::MOST_DIM];
        let row = &mut row[..padded(dim)];
        for (feature, weight) in weight.iter().enumerate() {
            factors.read(feature, row);
            let own = [*weight, 0.5 * kernel::dot(row, row)];
            match (&mut fm.records, factors.numbers()) {
                (Records::Bytes(records), Numbers::Bytes(bytes, scale)) => {
                    let row = &bytes[feature * factors.width()..][..dim];
                    pack(&mut records[feature..], features + 1, own, scale[feature], row);
                }
                (Records::Singles(records), _) => store(&mut records[feature..], features + 1, own, row),
                _ => {}
            }
        }
        Ok(fm)
    }

    /// The intercept.
    pub fn bias(&self) -> f32 {
        self.bias
    }

    /// Number of features, `n`.
    pub fn features(&self) -> usize {
        self.features
    }

    /// Number of factors of a feature, `k`.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Length of a sum of factors: `k`, rounded up to a multiple of sixteen.
    pub fn width(&self) -> usize {
        TILE * self.dim.div_ceil(TILE)
    }

    /// Writes the factors of a feature, and zeros beyond `k`, and returns its weight and half the square of its factors. Zeros for a feature that is
    /// not there.
    ///
    /// # Shapes
    /// `row`: `[width]`.
    pub fn read(&self, feature: u32, row: &mut [f32]) -> [f32; 2] {
        self.part(&[feature], &[1.0], row);
        let at = (feature as usize).min(self.features);
        match &self.records {
            Records::Singles(records) => records[at].own,
            Records::Bytes(records) => records[at].own,
        }
    }

    /// Lets a trainer move the weight and the factors of one feature: `change` is given both, the factors with zeros beyond `k`, which stay
    /// zeros. Does nothing for a feature that is not there, or where factors are bytes.
    ///
    /// # Shapes
    /// `row`: `[width]`, scratch.
    pub fn apply(&mut self, feature: u32, row: &mut [f32], change: &mut dyn FnMut(&mut f32, &mut [f32])) {
        let (at, dim) = (feature as usize, self.dim);
        if at >= self.features {
            return;
        }
        self.read(feature, row);
        let Records::Singles(records) = &mut self.records else { return };
        let mut weight = records[at].own[0];
        change(&mut weight, &mut row[..dim]);
        let half = 0.5 * kernel::dot(&row[..dim], &row[..dim]);
        store(&mut records[at..], self.features + 1, [weight, half], &row[..dim]);
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
    #[cfg_attr(zhiji_phone, optimize(speed))]
    pub fn part(&self, features: &[u32], values: &[f32], sum: &mut [f32]) -> f32 {
        let own = match &self.records {
            Records::Singles(records) => self.gather(records, features, values, sum),
            Records::Bytes(records) => self.gather(records, features, values, sum),
        };
        own + 0.5 * kernel::dot(sum, sum)
    }

    #[inline(always)]
    fn gather<R: Record>(&self, records: &[R], features: &[u32], values: &[f32], sum: &mut [f32]) -> f32 {
        let mut own = 0.0;
        let tiles = records.chunks_exact(self.features + 1);
        for (tile, slots) in tiles.zip(sum.as_chunks_mut::<TILE>().0) {
            let zero = Quad::splat(0.0);
            let (mut a, mut b, mut c, mut d) = (zero, zero, zero, zero);
            let mut from = own;
            self.each(tile, features, values, |record, value| {
                let [weight, half] = record.own();
                from += weight * value - half * value * value;
                let (x, columns) = (Quad::splat(record.scaled(value)), record.columns());
                (a, b) = (a + x * columns.0, b + x * columns.1);
                if !NARROW {
                    (c, d) = (c + x * columns.2, d + x * columns.3);
                }
            });
            own = from;
            let (slots, _) = slots.as_chunks_mut::<4>();
            (slots[0], slots[1]) = (a.to_array(), b.to_array());
            if NARROW {
                self.each(tile, features, values, |record, value| {
                    let (x, columns) = (Quad::splat(record.scaled(value)), record.columns());
                    (c, d) = (c + x * columns.2, d + x * columns.3);
                });
            }
            (slots[2], slots[3]) = (c.to_array(), d.to_array());
        }
        own
    }

    /// Shows the record of each feature of a tile, and the feature's value.
    #[inline(always)]
    fn each<R: Record>(&self, tile: &[R], features: &[u32], values: &[f32], mut show: impl FnMut(&R, f32)) {
        for (feature, x) in features.iter().zip(values) {
            let Some(record) = tile.get((*feature as usize).min(self.features)) else { break };
            show(record, *x);
        }
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
    #[cfg_attr(zhiji_phone, optimize(speed))]
    pub fn logit(&self, user: (f32, &[f32]), item: (f32, &[f32])) -> f32 {
        kernel::saturate(self.bias + ((user.0 + item.0) + kernel::dot(user.1, item.1)))
    }

    /// The logits of many candidates, each with as many features of its own, beside one user's set.
    ///
    /// Candidate `c` has the features `[c · active .. (c + 1) · active]`; its logit has the bits of [`Fm::part`] and [`Fm::logit`].
    ///
    /// # Shapes
    /// `features`, `values`: `[candidates, active]`; `scratch`: `[width]`; `out`: `[candidates]`.
    #[cfg_attr(zhiji_phone, optimize(speed))]
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
            let [weight, half] = self.read(*feature, row);
            *slot = weight * x + (0.5 * x * kernel::dot(row, sum) - half * x * x);
        }
    }
}

/// Writes a feature's singles into its record of every tile. `records` begins at the first, and `step` records on is the next.
fn store(records: &mut [Singles], step: usize, own: [f32; 2], row: &[f32]) {
    let mut own = own;
    for (record, columns) in records.iter_mut().step_by(step).zip(row.chunks(TILE)) {
        record.own = own;
        record.columns.as_flattened_mut()[..columns.len()].copy_from_slice(columns);
        own = [0.0; 2];
    }
}

/// The same for a feature of bytes, with its scale in every tile.
fn pack(records: &mut [Bytes], step: usize, own: [f32; 2], scale: f32, row: &[i8]) {
    let mut own = own;
    for (record, columns) in records.iter_mut().step_by(step).zip(row.chunks(TILE)) {
        (record.own, record.scale) = (own, scale);
        record.columns[..columns.len()].copy_from_slice(columns);
        own = [0.0; 2];
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests;
