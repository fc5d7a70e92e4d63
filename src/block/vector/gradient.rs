//! Gradients of an inner product under the two losses that vectors are trained with.

use crate::kernel::{self, math};

/// Adds the gradient of the logistic loss for one pair, `z = u · v + bias`, and returns the residual `σ(z) − label`, the derivative by the bias.
///
/// By `u` it is `residual · v`, by `v` it is `residual · u`.
///
/// # Shapes
/// `user`, `item`, `into_user`, `into_item`: `[dim]`.
pub fn add_logistic(
    (user, item, bias): (&[f32], &[f32], f32),
    label: f32,
    into_user: &mut [f32],
    into_item: &mut [f32],
) -> f32 {
    let residual = math::sigmoid(kernel::dot(user, item) + bias) - label;
    kernel::axpy(residual, item, into_user);
    kernel::axpy(residual, user, into_item);
    residual
}

/// Adds the gradient of the loss `ln(1 + e^−(z⁺ − z⁻))`, that the item taken does not stand above the one passed by, and returns the
/// derivative by `z⁺`; by `z⁻` it is the opposite.
///
/// With `g = −σ(z⁻ − z⁺)`: by `u` it is `g · (v⁺ − v⁻)`, by `v⁺` it is `g · u`, by `v⁻` it is `−g · u`.
///
/// # Shapes
/// `user`, the two items and the three gradients: `[dim]`. `bias`: of the item taken and of the other.
///
/// # Source
/// Rendle et al., "BPR: Bayesian Personalized Ranking from Implicit Feedback", UAI 2009, section 4.1.
pub fn add_bpr(
    (user, taken, other, bias): (&[f32], &[f32], &[f32], [f32; 2]),
    into_user: &mut [f32],
    into_taken: &mut [f32],
    into_other: &mut [f32],
) -> f32 {
    let margin = (kernel::dot(user, taken) + bias[0]) - (kernel::dot(user, other) + bias[1]);
    let slope = 0.0 - math::sigmoid(0.0 - margin);
    kernel::axpy(slope, taken, into_user);
    kernel::axpy(0.0 - slope, other, into_user);
    kernel::axpy(slope, user, into_taken);
    kernel::axpy(0.0 - slope, user, into_other);
    slope
}
