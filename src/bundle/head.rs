//! The section `head` of a spec: what the personal head reads, and what is believed of a user before the first label.

use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;

use super::TensorFault;
use super::stack::{Stack, names};
use super::tensors::Tensors;
use crate::head::Prior;
use crate::json::Place;
use crate::words::words;

/// The name of the section, and what its tensors begin with.
const HEAD: &str = "head";

/// A personal head as a bundle describes it: its input is a constant, the vector of an item, dense features, in this order.
#[derive(Clone, Debug)]
pub struct Head {
    /// Whether the input begins with a constant 1.
    pub intercept: bool,
    /// Where the item's vector stands in what [`Stack::score_item`] writes, and its length.
    pub vector: (usize, usize),
    /// Names of dense features of the layout.
    pub features: Vec<String>,
    /// What is believed of the weights.
    pub prior: Rc<Prior>,
    /// What the head's mean is multiplied with where it is added to the frozen logit.
    pub gain: f64,
    /// The weight of the personal forecast against the frozen one, before the first label; where it is 0 there is no personal forecast.
    pub trust: f64,
}

/// Reads the section, which may be left out; takes its tensors.
pub(super) fn read<'a>(spec: Place<'a>, stack: &Stack, tensors: &mut Tensors<'a>) -> Option<Head> {
    let spec = spec.given()?.only(&["of", "features", "intercept", "gain", "trust"]);
    let intercept = spec.key("intercept").given().is_some_and(Place::flag);
    let mut vector = (0, 0);
    if let Some(of) = spec.key("of").given() {
        let place = stack.of_item(of.text());
        tensors.notes.unless(place.is_some(), words!("head.of"), words!("name a block that depends on the item alone"));
        vector = place.unwrap_or_default();
    }
    let features = spec.key("features").given().map_or_else(Vec::new, |list| {
        let reason = words!("name each feature once");
        names(list, Prior::MOST_FEATURES, words!("head.features"), reason, &mut tensors.notes)
    });
    let width = usize::from(intercept).saturating_add(vector.1).saturating_add(features.len());
    let fits = (1..=Prior::MOST_FEATURES).contains(&width);
    tensors.notes.unless(fits, words!("head"), words!("let it read 1 to 64 numbers"));
    let gain = spec.key("gain").given().map_or(1.0, Place::number);
    let trust = spec.key("trust").given().map_or(0.5, Place::number);
    tensors.notes.unless((0.0..=0.999).contains(&trust), words!("head.trust"), words!("give a number from 0 to 0.999"));
    tensors.block(HEAD);
    let mean = doubles(&tensors.list("mean", width));
    let alone = tensors.size("factor", 1) == 0;
    let shape = if alone { &[width][..] } else { &[width, width][..] };
    let factor = doubles(&tensors.numbers("factor", shape));
    for (at, x) in factor.iter().enumerate() {
        let (row, column) = if alone { (at, at) } else { (at / width.max(1), at % width.max(1)) };
        if row == column && *x <= 0.0 {
            tensors.refuse("factor", TensorFault::NotPositive { at });
        } else if column > row && *x != 0.0 {
            tensors.refuse("factor", TensorFault::NotTriangular { at });
        }
    }
    let prior = Prior::new(&mean, &factor);
    tensors.notes.unless(prior.is_ok(), words!("head"), words!("the head refuses its prior"));
    Some(Head { intercept, vector, features, prior: Rc::new(prior.unwrap_or_default()), gain, trust })
}

fn doubles(singles: &[f32]) -> Vec<f64> {
    let mut doubles = Vec::with_capacity(singles.len());
    for x in singles {
        doubles.push(f64::from(*x));
    }
    doubles
}
