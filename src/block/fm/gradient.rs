//! The gradient of the factorisation machine.

use super::Fm;
use crate::kernel::math;

impl Fm {
    /// Writes the gradient of the logistic loss for one example and returns the residual `p − label`, which is the derivative by the bias.
    ///
    /// With `r` the residual, the derivative by the weight of active feature `i` is `r x_i`, by its factors `r x_i (s − x_i v_i)`. A feature that
    /// stands twice gets two rows; the trainer adds them.
    ///
    /// # Shapes
    /// `features`, `values`, `weight`: `[active]`; `factors`: `[active, width]`, zeros beyond `k`; `sum`: `[width]`, scratch.
    ///
    /// # Source
    /// Rendle, "Factorization Machines", ICDM 2010, equation 4.
    pub fn gradient(
        &self,
        (features, values, label): (&[u32], &[f32], f32),
        sum: &mut [f32],
        weight: &mut [f32],
        factors: &mut [f32],
    ) -> f32 {
        let own = self.part(features, values, sum);
        let residual = math::sigmoid(self.logit((own, sum), (0.0, &[]))) - label;
        let rows = factors.chunks_exact_mut(self.width());
        for (((feature, x), slot), row) in features.iter().zip(values).zip(weight).zip(rows) {
            *slot = residual * x;
            // The row itself first, then what the interactions make of it.
            self.read(*feature, row);
            for (d, s) in row.iter_mut().zip(sum.iter()) {
                *d = residual * (x * (s - x * *d));
            }
        }
        residual
    }

    /// The logistic loss of one example, `ln(1 + e^z) − label · z`.
    pub fn loss(&self, (features, values, label): (&[u32], &[f32], f32), sum: &mut [f32]) -> f32 {
        let own = self.part(features, values, sum);
        let z = self.logit((own, sum), (0.0, &[]));
        math::softplus(z) - label * z
    }
}
