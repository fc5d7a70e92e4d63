//! The personal head that goes with a forecast: how wide its constant and its weights are before the first label, or none at all.
//!
//! Weights are independent and stand around zero. Heads are compared on the labels of `valid`, each scored before it is learnt: by what they gain of AUC and
//! of log-loss, less what they cost of GAUC, for within one person a list is nothing but order.

use super::super::dataset::Dataset;
use super::super::metrics::{self, Metrics};
use super::super::model;
use super::super::prior::{self, Shape};
use super::super::rows::Rows;
use super::tried::Forecast;
use anyhow::Context as _;
use std::rc::Rc;
use zhiji::bundle::Head as Form;
use zhiji::features::Layout;
use zhiji::head::Prior;

/// A head that is better by less than this is not worth having, nor is a wider one.
const MARGIN: f64 = 1e-4;
/// What stands for a deviation of 0, which is no prior.
const NARROW: f64 = 1e-6;

/// A bundle with the head that is best on `valid`, and which that is.
///
/// # Errors
/// Where the data cannot be read, or a score is not finite.
pub fn choose(
    data: &Dataset,
    layout: &Rc<Layout>,
    bundle: &[u8],
    tried: &Forecast,
    rows: &mut Rows,
) -> anyhow::Result<(Vec<u8>, String)> {
    let room = Prior::MOST_FEATURES - 1;
    let features: Vec<String> = layout.names()[layout.user_len()..].iter().take(room).cloned().collect();
    let shape = Shape { of: None, features, intercept: true };
    let width = shape.features.len() + 1;
    let draft = prior::with_head(bundle, &shape, &vec![0.0; width], &vec![1.0; width], 0.5)?;
    let lessons = prior::collect(data, layout, &model::open(&draft, &data.schema, layout)?, 0, rows)?;
    let alone = metrics::measure(&lessons.frozen_on_valid())?;
    let mut best: (f64, Option<(Vec<f64>, f64)>) = (0.0, None);
    let mut said = "no personal head".to_string();
    for &constant in &tried.constants {
        for &slope in &tried.slopes {
            for &trust in &tried.trusts {
                let mut deviations = vec![slope.max(NARROW); width];
                deviations[0] = constant.max(NARROW);
                let prior = Rc::new(Prior::new(&vec![0.0; width], &deviations)?);
                let form = Form { intercept: true, vector: (0, 0), features: Vec::new(), prior, gain: 1.0, trust };
                let found = metrics::measure(&prior::try_on_valid(&lessons, &form))?;
                let worth = worth(&found, &alone);
                if worth > best.0 + MARGIN {
                    said = format!(
                        "a head with deviations {constant} of the constant and {slope} of the weights, trusted {trust}"
                    );
                    best = (worth, Some((deviations, trust)));
                }
            }
        }
    }
    let bytes = match best.1 {
        Some((deviations, trust)) => {
            let factor: Vec<f32> = deviations.iter().map(|x| *x as f32).collect();
            prior::with_head(bundle, &shape, &vec![0.0; width], &factor, trust)
        }
        None => {
            let none = Shape { of: None, features: Vec::new(), intercept: true };
            prior::with_head(bundle, &none, &[0.0], &[1.0], 0.0)
        }
    };
    Ok((bytes.context("the head does not fit the bundle")?, said))
}

/// What a head is worth beside the model alone.
fn worth(found: &Metrics, alone: &Metrics) -> f64 {
    let gain = |of: fn(&Metrics) -> Option<f64>| of(found).unwrap_or(0.0) - of(alone).unwrap_or(0.0);
    gain(|m| m.auc) - gain(|m| Some(m.log_loss)) + gain(|m| m.gauc).min(0.0)
}

#[cfg(test)]
mod tests {
    use super::super::super::metrics::Scored;
    use super::*;

    #[test]
    fn a_head_may_not_buy_log_loss_with_order() {
        // Two people, each with one liked and one disliked.
        let measured = |logits: [f32; 4]| {
            let of = |(at, logit)| Scored { user: at / 2, earlier: 0, positive: at % 2 == 0, logit };
            metrics::measure(&(0u32..).zip(logits).map(of).collect::<Vec<_>>()).expect("finite")
        };
        let alone = measured([0.2, 0.1, 0.2, 0.1]);
        let wider = measured([1.0, -1.0, 1.0, -1.0]);
        assert!(worth(&wider, &alone) > 0.3, "{wider:?}");
        let turned = measured([3.0, -3.0, 0.0, 0.1]);
        assert!(turned.log_loss < alone.log_loss && worth(&turned, &alone) < 0.0, "one person's order is turned");
        assert_eq!(worth(&alone, &alone), 0.0);
        // Order within people that gets better is no reason of its own: it is in the order of all already.
        let crossed = measured([0.1, 0.2, 0.2, 0.1]);
        let gains = wider.auc.unwrap_or(0.0) - crossed.auc.unwrap_or(0.0) + crossed.log_loss - wider.log_loss;
        assert!(wider.gauc > crossed.gauc && (worth(&wider, &crossed) - gains).abs() < 1e-12);
    }
}
