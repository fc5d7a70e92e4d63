//! Trajectories against those that were computed elsewhere.

use super::*;
use crate::lab::network::params::Tensor;
use crate::lab::train::settings::{Config, Given};
use serde_json::Value;

/// Written by `optimisers.py` beside it, and by `tools/torch/training.py`.
const FIXTURES: [&str; 2] =
    [include_str!("../../../../fixtures/optimisers.json"), include_str!("../../../../fixtures/torch/optimisers.json")];

fn tensor(name: &str, numbers: Vec<f32>, sparse: bool) -> Tensor {
    let shape = if sparse { vec![numbers.len() / 2, 2] } else { vec![numbers.len()] };
    Tensor { name: name.into(), shape, numbers, sparse, penalised: true, frozen: false, meetings: Vec::new() }
}

fn list(value: &Value) -> Vec<f32> {
    value.as_array().expect("a list").iter().map(|x| x.as_f64().expect("a number") as f32).collect()
}

fn stepper(keys: &str, params: &Params) -> Stepper {
    let none = if keys.contains("l2 =") { "" } else { "l2 = 0\nl2-hashed = 0\n" };
    let text = format!("{none}{keys}");
    Stepper::new(&Config::read(Some(&text), Given::default(), &[]).expect("settings").settings, params)
}

#[test]
fn trajectories_are_those_of_pytorch_and_of_the_formulas() {
    for fixture in FIXTURES {
        let fixture: Value = serde_json::from_str(fixture).expect("JSON");
        let slopes: Vec<Vec<f32>> = fixture["gradients"].as_array().expect("a list").iter().map(list).collect();
        let runs = fixture["runs"].as_array().expect("a list");
        assert!(runs.len() >= 3);
        for run in runs {
            walks_alike(run, &list(&fixture["start"]), &slopes);
        }
    }
}

/// A tensor that is moved whole, and a table whose rows are all met, walk as one run of a fixture.
fn walks_alike(run: &Value, start: &[f32], slopes: &[Vec<f32>]) {
    let keys = run["keys"].as_str().expect("text");
    let rate = run["rate"].as_f64().expect("a number") as f32;
    let mut params = vec![tensor("w", start.to_vec(), false), tensor("t", start.to_vec(), true)];
    let mut stepper = stepper(keys, &params);
    for (slopes, expected) in slopes.iter().zip(run["weights"].as_array().expect("a list")) {
        let mut gradients = Gradients::new(&params);
        gradients.whole(0).copy_from_slice(slopes);
        for (row, two) in (0u32..).zip(slopes.chunks(2)) {
            gradients.row(1, row).copy_from_slice(two);
        }
        stepper.step(&mut params, &mut [&mut gradients], rate, (1, 1), None);
        for tensor in &params {
            for (found, expected) in tensor.numbers.iter().zip(list(expected)) {
                assert!((found - expected).abs() < 2e-6 * (1.0 + expected.abs()), "{keys}: {found}, not {expected}");
            }
        }
    }
}

#[test]
fn a_long_gradient_is_cut_to_the_length_that_was_set() {
    let mut params = vec![tensor("w", vec![0.0; 2], false), tensor("t", vec![0.0; 4], true)];
    let mut stepper = stepper("optimiser = \"sgd\"\nclip = 2.5", &params);
    let mut gradients = Gradients::new(&params);
    gradients.whole(0).copy_from_slice(&[3.0, 0.0]);
    gradients.row(1, 1).copy_from_slice(&[0.0, 4.0]);
    stepper.step(&mut params, &mut [&mut gradients], 1.0, (1, 1), None);
    assert_eq!((params[0].numbers[0], params[1].numbers[3]), (-1.5, -2.0), "of 5, over both tensors");
}

#[test]
fn rows_that_were_not_met_stay() {
    let mut params = vec![tensor("t", vec![1.0; 6], true)];
    let mut stepper = stepper("optimiser = \"adam\"\nweight-decay = 0.5", &params);
    let mut shadow = Shadow::new(&params);
    for now in 1..=3 {
        let mut gradients = Gradients::new(&params);
        gradients.row(0, 2)[0] = 1.0;
        stepper.step(&mut params, &mut [&mut gradients], 0.1, (1, 1), Some(shadow.at(now, 0.9)));
        assert_eq!(shadow.stamps, [[0, 0, now]]);
    }
    assert_eq!(params[0].numbers[..4], [1.0; 4]);
    assert!(params[0].numbers[4] < 0.8 && params[0].numbers[5] < 1.0);
}

#[test]
fn what_several_workers_gathered_is_one_gradient() {
    let start: Vec<f32> = (0u8..22).map(|at| f32::from(at) / 8.0 - 1.0).collect();
    for keys in ["optimiser = \"adam\"", "optimiser = \"sgd\"\nclip = 0.5", "l2 = 1\nl2-hashed = 1\nweight-decay = 0.1"]
    {
        let tensors = || vec![tensor("w", start[..7].to_vec(), false), tensor("t", start.clone(), true)];
        let (mut together, mut apart) = (tensors(), tensors());
        let (mut one, mut several) = (stepper(keys, &together), stepper(keys, &apart));
        let (mut one_mean, mut several_mean) = (Shadow::new(&together), Shadow::new(&apart));
        for now in 1u8..4 {
            let mut sum = Gradients::new(&together);
            let mut workers: Vec<Gradients> = (0..3).map(|_| Gradients::new(&apart)).collect();
            // In eighths, so that no order of summation rounds; the last row is met by none.
            for (at, x) in [(0u8, 3u8), (5, 1), (9, 7), (5, 2), (2, 4), (9, 1), (5, 5), (3, 6), (0, 2)] {
                let x = f32::from(x * now) / 8.0 - 0.5;
                let worker = &mut workers[usize::from((at + x.abs() as u8) % 3)];
                for gradients in [&mut sum, worker] {
                    gradients.row(1, at.into())[usize::from(at % 2)] += x;
                    gradients.whole(0)[usize::from(at % 7)] += x;
                }
            }
            one.step(&mut together, &mut [&mut sum], 0.1, (4, 9), Some(one_mean.at(now.into(), 0.9)));
            let mut workers: Vec<_> = workers.iter_mut().collect();
            several.step(&mut apart, &mut workers, 0.1, (4, 9), Some(several_mean.at(now.into(), 0.9)));
        }
        assert_eq!(one.memory, several.memory, "{keys}");
        assert_eq!(one_mean.stamps, several_mean.stamps, "{keys}");
        for (one, several) in together.iter().zip(&apart) {
            assert_eq!(one.numbers, several.numbers, "{keys}");
        }
        assert_eq!(one_mean.numbers, several_mean.numbers, "{keys}");
    }
}
