use super::super::dataset::{Row, Writer};
use super::*;
use zhiji::kernel::math::sigmoid_f64;
use zhiji::rng::Rng;

/// Nearly a standard normal: the sum of twelve uniforms, less six.
fn normal(rng: &mut Rng) -> f64 {
    (0..12).map(|_| f64::from(rng.uniform())).sum::<f64>() - 6.0
}

const MEAN: [f64; 3] = [0.8, -0.5, 0.0];
/// A factor, row by row: deviations 1, 0.82 and 0.5, the first two correlated by 0.73.
const FACTOR: [[f64; 3]; 3] = [[1.0, 0.0, 0.0], [0.6, 0.56, 0.0], [0.0, 0.1, 0.49]];

/// Users whose tastes are drawn from a known prior, and answer as the model of the head says; and their tastes.
fn planted(users: u32, labels: usize, held: bool) -> (Lessons, Vec<Vec<f64>>) {
    let mut rng = Rng::derive(&[3; 32], "planted", &[]);
    let (mut lessons, mut tastes) = (Lessons { width: 3, ..Lessons::default() }, Vec::new());
    for user in 0..users {
        let draw: Vec<f64> = (0..3).map(|_| normal(&mut rng)).collect();
        let along = |i: usize| MEAN[i] + (0..3).map(|j| FACTOR[i][j] * draw[j]).sum::<f64>();
        let taste: Vec<f64> = (0..3).map(along).collect();
        for _ in 0..labels {
            let x: Vec<f64> = (0..3).map(|_| normal(&mut rng)).collect();
            let frozen = normal(&mut rng) as f32;
            let logit = f64::from(frozen) + (0..3).map(|i| taste[i] * x[i]).sum::<f64>();
            lessons.input.extend(x);
            lessons.frozen.push(frozen);
            lessons.positive.push(f64::from(rng.uniform()) < sigmoid_f64(logit));
            lessons.user.push(user);
            lessons.split.push(if held && user % 5 == 4 { Split::Valid } else { Split::Train });
        }
        tastes.push(taste);
    }
    (lessons, tastes)
}

#[test]
fn a_planted_prior_is_found_again() {
    let (lessons, tastes) = planted(240, 60, true);
    let found = fit(&lessons, &Options { steps: 10, ..Options::default() }).expect("enough users");
    assert!((0.75..=1.4).contains(&found.scale), "nothing was fitted to these labels before: {}", found.scale);
    // What was drawn, not what it was drawn from: that varies by a tenth.
    let taught: Vec<&Vec<f64>> = tastes.iter().enumerate().filter(|(user, _)| user % 5 != 4).map(|(_, t)| t).collect();
    let mean = |of: &dyn Fn(&[f64]) -> f64| taught.iter().map(|t| of(t)).sum::<f64>() / taught.len() as f64;
    let centre: Vec<f64> = (0..3).map(|i| mean(&|t| t[i])).collect();
    let spread = |i: usize, j: usize| mean(&|t| (t[i] - centre[i]) * (t[j] - centre[j]));
    let row = |i: usize| -> Vec<f64> { found.factor[3 * i..3 * i + 3].iter().map(|x| f64::from(*x)).collect() };
    let fitted = |i: usize, j: usize| row(i).iter().zip(row(j)).map(|(a, b)| a * b).sum::<f64>();
    for i in 0..3 {
        // The most probable weights stand a little nearer to zero than their mean.
        assert!((f64::from(found.mean[i]) - centre[i]).abs() < 0.15, "{found:?} {centre:?}");
        let ratio = (fitted(i, i) / spread(i, i)).sqrt();
        assert!((0.8..1.25).contains(&ratio), "deviation {i}: {ratio} times the planted one");
    }
    let correlation = |of: &dyn Fn(usize, usize) -> f64| of(0, 1) / (of(0, 0) * of(1, 1)).sqrt();
    let (got, planted) = (correlation(&fitted), correlation(&spread));
    assert!((got - planted).abs() < 0.15, "{got} instead of {planted}");
    assert!(found.personal.log_loss < found.frozen.log_loss - 0.05, "{:?} {:?}", found.personal, found.frozen);
}

#[test]
fn labels_that_no_taste_decides_leave_next_to_no_prior() {
    let (mut lessons, _) = planted(120, 40, false);
    let mut rng = Rng::derive(&[4; 32], "noise", &[]);
    for (positive, frozen) in lessons.positive.iter_mut().zip(&lessons.frozen) {
        *positive = f64::from(rng.uniform()) < sigmoid_f64(f64::from(*frozen));
    }
    let found = fit(&lessons, &Options::default()).expect("enough users");
    assert!(found.factor.iter().all(|l| l.abs() < 0.2), "{:?}", found.factor);
    assert!(found.personal.log_loss < found.frozen.log_loss + 0.002, "a head that has nothing to say costs nothing");
}

#[test]
fn one_user_has_nothing_in_common_with_anybody() {
    let (mut lessons, _) = planted(11, 3, false);
    lessons.user.iter_mut().for_each(|user| *user = 1);
    let refusal = fit(&lessons, &Options::default()).expect_err("one user").to_string();
    assert!(refusal.contains("there is but 1"), "{refusal}");
}

const SCHEMA: &str = r#"{ "space": "films", "fields": { "genres": { "kind": "tags" } }, "actions": { "rate": { "weight": 0 } },
    "labels": { "like": { "action": "rate", "atLeast": 4 } } }"#;

/// Users who like one half of the films or the other, and no word of a film says which half it is of.
fn films(dir: &std::path::Path) {
    let items: Vec<Value> = (0..40).map(|i| json!({ "id": format!("{i:02}"), "genres": ["Drama"] })).collect();
    let mut writer = Writer::create(dir, SCHEMA, &items).expect("a directory");
    for user in 0..60i64 {
        for step in 0..20i64 {
            let item = (step * 7 + user * 3) % 40;
            let row = Row {
                user: format!("{user:02}"),
                at_ms: 1_700_000_000_000 + user * 10_000_000 + step * 60_000,
                action: "rate".into(),
                item: format!("{item:02}"),
                value: Some(if item % 2 == user % 2 || (user + step) % 9 == 0 { 5.0 } else { 2.0 }),
                split: [Split::Train, Split::Train, Split::Train, Split::Valid][(user / 2 % 4) as usize],
                ..Row::default()
            };
            writer.push(&row).expect("written");
        }
    }
    writer.finish(&Rows::new(0.0), |_| ()).expect("written");
}

#[test]
fn a_bundle_gets_a_head_over_its_item_vectors() {
    use zhiji::bundle::{Numbers, Writing};
    let dir = tempfile::tempdir().expect("a folder");
    films(dir.path());
    let mut rows = Rows::new(0.0);
    let data = Dataset::open(dir.path(), &mut rows).expect("a data set");
    let layout = Rc::new(Layout::new(&data.schema));
    let ids: Vec<u64> = (0..40).map(|i| zhiji::schema::hash64(format!("{i:02}").as_bytes())).collect();
    let vectors: Vec<f32> = (0..40).flat_map(|i| [if i % 2 == 0 { 1.0 } else { -1.0 }, (i % 5) as f32 / 5.0]).collect();
    let spec = json!({
        "format": 1, "space": "films", "schema": { "fields": [] },
        "ranker": { "blocks": [{ "block": "item" }, { "block": "wide", "features": ["item.acts"] }],
                    "tiers": [{ "tasks": [{ "label": "like", "of": ["wide"] }] }] },
        "probes": [{ "dense": [0] }],
    });
    let singles = |name, shape, of| Writing { name, shape, numbers: Numbers::Singles(of) };
    let tensors = [
        Writing { name: "items.ids", shape: &[40], numbers: Numbers::Longs(&ids) },
        singles("item.vectors", &[40, 2], &vectors),
        singles("wide.weight", &[1], &[0.0]),
        singles("wide.mean", &[1], &[0.0]),
        singles("wide.scale", &[1], &[1.0]),
        singles("wide.bias", &[1], &[0.2]),
    ];
    let bundle = zhiji::bundle::write(&spec.to_string(), &tensors).expect("a bundle");
    let shape = Shape { of: Some("item".into()), ..Shape::default() };
    let options = Options::default();
    let (bytes, fitted) = fit_bundle(&data, &layout, &bundle, &shape, &options, &mut rows).expect("fitted");
    let deviation = f64::from(fitted.factor[0]);
    assert!(deviation > 3.0 * f64::from(fitted.factor[3]), "the first number is what they differ in: {fitted:?}");
    assert!(fitted.personal.log_loss < fitted.frozen.log_loss - 0.1, "{fitted:?}");
    let ranker = model::open(&bytes, &data.schema, &layout).expect("a phone takes it");
    assert_eq!((ranker.head().vector.1, ranker.head().trust), (2, fitted.trust));
    // The phone of the lab finds what was promised.
    let pairs = super::super::phone::score(&data, &layout, &ranker, 0, &mut rows).expect("scored");
    let chosen: Vec<Scored> = pairs.iter().filter(|p| p.split == Split::Valid).map(|p| p.personal).collect();
    let measured = metrics::measure(&chosen).expect("finite");
    assert!((measured.log_loss - fitted.personal.log_loss).abs() < 1e-6, "{measured:?} {fitted:?}");
    // A head takes the place of one that is there.
    let (again, _) = fit_bundle(&data, &layout, &bytes, &shape, &options, &mut rows).expect("fitted again");
    assert!(again == bytes);
    let none = Shape { of: Some("wide".into()), ..Shape::default() };
    assert!(fit_bundle(&data, &layout, &bundle, &none, &options, &mut rows).is_err());
}
