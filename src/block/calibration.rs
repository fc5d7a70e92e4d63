//! From the sum of a task's blocks to its calibrated logit.

use super::error::BlockError;
use crate::kernel;
use alloc::vec::Vec;

/// The most knots.
pub const MOST_KNOTS: usize = 64;
/// How far from 0 a number of a calibration may be: far beyond any logit, and near enough for differences to stay finite.
const MOST: f32 = 1e6;

/// What makes a calibrated logit of a sum. Monotone: it never changes the order of two candidates.
///
/// # Source
/// Platt, "Probabilistic Outputs for Support Vector Machines", 1999, section 2.2; Zadrozny and Elkan, "Transforming Classifier Scores into
/// Accurate Multiclass Probability Estimates", KDD 2002, section 3 (isotonic regression).
#[derive(Clone, Debug, PartialEq)]
pub struct Calibration(Form);

#[derive(Clone, Debug, PartialEq)]
enum Form {
    /// `a · z + b`.
    Platt([f32; 2]),
    /// Knots `[z, y]`, and whether straight lines join them.
    Knots(Vec<[f32; 2]>, bool),
}

impl Calibration {
    /// `a · z + b`.
    ///
    /// # Errors
    /// [`BlockError::Range`] of the part `platt`: `a` is not above 0, or a number is beyond ±10⁶.
    pub fn platt(a: f32, b: f32) -> Result<Self, BlockError> {
        let sound = a > 0.0 && a <= MOST && b.abs() <= MOST;
        if sound { Ok(Calibration(Form::Platt([a, b]))) } else { Err(BlockError::Range { part: "platt" }) }
    }

    /// A table of knots `[z, y]`: steps, `y` of the last knot at or below `z`; or, where they are `joined`, straight lines between them. Beyond its
    /// ends it is constant.
    ///
    /// # Errors
    /// Of the part `knots`: [`BlockError::Size`] where there are none, more than 64, or one to be joined; [`BlockError::Range`] where `z` does not
    /// rise strictly, `y` falls, or a number is beyond ±10⁶.
    pub fn knots(knots: Vec<[f32; 2]>, joined: bool) -> Result<Self, BlockError> {
        if knots.len() < 1 + usize::from(joined) || knots.len() > MOST_KNOTS {
            return Err(BlockError::Size { part: "knots" });
        }
        let mut sound = true;
        for at in 0..knots.len() {
            let [z, y] = knots[at];
            sound &= z.abs() <= MOST && y.abs() <= MOST;
            if at > 0 {
                let [before, below] = knots[at - 1];
                sound &= before < z && below <= y;
            }
        }
        if sound { Ok(Calibration(Form::Knots(knots, joined))) } else { Err(BlockError::Range { part: "knots" }) }
    }

    /// The calibrated logit. Finite for every finite `z`.
    pub fn apply(&self, z: f32) -> f32 {
        match &self.0 {
            Form::Platt([a, b]) => kernel::saturate(a * z + b),
            Form::Knots(knots, joined) => {
                let below = knots.iter().take_while(|[from, _]| *from <= z).count();
                let last = below.saturating_sub(1).min(knots.len() - 1);
                let ([from, y], next) = (knots[last], knots.get(last + 1));
                match next {
                    Some([to, above]) if *joined && below > 0 => {
                        (y + (z - from) / (to - from) * (above - y)).min(*above)
                    }
                    _ => y,
                }
            }
        }
    }

    /// By how much the logit grows with the sum, where that is the same everywhere.
    pub fn slope(&self) -> Option<f32> {
        if let Form::Platt([a, _]) = self.0 { Some(a) } else { None }
    }

    /// What it is called in a spec.
    pub const fn name(&self) -> &'static str {
        match &self.0 {
            Form::Platt(_) => "platt",
            Form::Knots(_, false) => "steps",
            Form::Knots(_, true) => "line",
        }
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn knots() -> impl Strategy<Value = Vec<[f32; 2]>> {
        prop::collection::vec((0.01f32..3.0, prop_oneof![Just(0.0f32), 0.0f32..2.0]), 2..MOST_KNOTS + 1).prop_map(
            |steps| {
                let mut at = [-20.0, -15.0];
                steps
                    .into_iter()
                    .map(|(by, up)| {
                        at = [at[0] + by, at[1] + up];
                        at
                    })
                    .collect()
            },
        )
    }

    proptest! {
        #[test]
        fn a_table_is_its_definition_and_never_falls(knots in knots(), z in prop::collection::vec(-200.0f32..200.0, 2), at in any::<prop::sample::Index>()) {
            let (steps, line) = (Calibration::knots(knots.clone(), false), Calibration::knots(knots.clone(), true));
            let (steps, line) = (steps.expect("sound knots"), line.expect("sound knots"));
            for z in &z {
                let below = knots.iter().rposition(|[from, _]| from <= z);
                let want = knots[below.unwrap_or(0)][1];
                prop_assert_eq!(steps.apply(*z), want);
                let joined = match (below, below.and_then(|at| knots.get(at + 1))) {
                    (Some(at), Some([to, above])) => {
                        let [from, y] = knots[at].map(f64::from);
                        y + (f64::from(*z) - from) / (f64::from(*to) - from) * (f64::from(*above) - y)
                    }
                    _ => f64::from(want),
                };
                prop_assert!((f64::from(line.apply(*z)) - joined).abs() < 1e-3);
            }
            let (low, high) = (z[0].min(z[1]), z[0].max(z[1]));
            prop_assert!(steps.apply(low) <= steps.apply(high) && line.apply(low) <= line.apply(high));
            let [z, y] = knots[at.index(knots.len())];
            prop_assert_eq!((steps.apply(z), line.apply(z)), (y, y));
        }
    }

    #[test]
    fn platt_is_a_line_that_rises() {
        let platt = Calibration::platt(0.5, -1.0).expect("sound numbers");
        assert_eq!((platt.apply(4.0), platt.slope()), (1.0, Some(0.5)));
        assert_eq!(Calibration::platt(1e6, 0.0).expect("sound numbers").apply(f32::MAX), f32::MAX);
        for (a, b) in [(0.0, 0.0), (-1.0, 0.0), (f32::NAN, 0.0), (1.0, f32::NAN), (f32::INFINITY, 0.0), (1.0, 1e7)] {
            assert_eq!(Calibration::platt(a, b), Err(BlockError::Range { part: "platt" }), "{a} {b}");
        }
    }

    #[test]
    fn a_table_that_is_none_is_refused() {
        let said = |knots: &[[f32; 2]], joined| Calibration::knots(knots.to_vec(), joined).map(|_| ());
        let (size, range) = (Err(BlockError::Size { part: "knots" }), Err(BlockError::Range { part: "knots" }));
        assert_eq!(said(&[[0.0, 1.0]], false), Ok(()));
        assert_eq!(said(&[[0.0, 1.0]], true), size);
        assert_eq!(said(&[], false), size);
        let many: Vec<[f32; 2]> = (0..=64u8).map(|at| [f32::from(at); 2]).collect();
        assert_eq!(said(&many, false), size);
        assert_eq!(said(&[[0.0, 0.0], [0.0, 1.0]], false), range);
        assert_eq!(said(&[[0.0, 0.0], [1.0, -1.0]], true), range);
        assert_eq!(said(&[[f32::NAN, 0.0]], false), range);
        assert_eq!(said(&[[0.0, f32::INFINITY]], false), range);
    }
}
