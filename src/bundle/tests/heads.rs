//! The section `head`.

use super::*;

/// A head of a constant, the vector of three of `item`, and a feature: five numbers.
fn head_spec() -> Value {
    let mut spec = all_spec();
    spec["head"] =
        json!({ "of": "item", "intercept": true, "features": ["recent.likeness"], "gain": 1.5, "trust": 0.75 });
    spec
}

const MEAN: [f32; 5] = [0.5, 0.0, -0.25, 0.125, 1.0];

/// A lower triangle of five rows.
fn triangle() -> Vec<f32> {
    (0..25)
        .map(|at| match (at / 5, at % 5) {
            (row, column) if column > row => 0.0,
            (row, column) if row == column => 1.0 + row as f32,
            (row, column) => (row + column) as f32 / 8.0,
        })
        .collect()
}

fn packed(spec: &Value, mean: (&[usize], &[f32]), factor: (&[usize], &[f32])) -> Result<Vec<u8>, BundleError> {
    let mut singles = ALL.to_vec();
    singles.push(("head.mean", mean.0, mean.1));
    singles.push(("head.factor", factor.0, factor.1));
    written(spec, &singles, &ALL_MORE)
}

#[test]
fn a_head_is_read_with_its_prior() {
    let factor = triangle();
    let bytes = packed(&head_spec(), (&[5], &MEAN), (&[5, 5], &factor)).unwrap();
    let bundle = load(&bytes, "shop").unwrap();
    let head = bundle.head().expect("there is one");
    assert_eq!((head.intercept, head.gain, head.trust), (true, 1.5, 0.75));
    assert_eq!(head.features, ["recent.likeness"]);
    let (from, width) = head.vector;
    let mut item = vec![0.0; bundle.stack().item_len()];
    bundle.stack().score_item(12, &[], &mut item);
    assert_eq!(item[from..from + width], [1.0, 1.25, 1.5], "row 1, bytes times a quarter");
    let wide = |of: &[f32]| of.iter().map(|x| f64::from(*x)).collect::<Vec<f64>>();
    assert_eq!(*head.prior, crate::head::Prior::new(&wide(&MEAN), &wide(&factor)).unwrap());
    let alone = packed(&head_spec(), (&[5], &MEAN), (&[5], &[2.0; 5])).unwrap();
    let alone = load(&alone, "shop").unwrap();
    assert_eq!(*alone.head().unwrap().prior, crate::head::Prior::new(&wide(&MEAN), &[2.0; 5]).unwrap());
    assert!(load(&written(&all_spec(), &ALL, &ALL_MORE).unwrap(), "shop").unwrap().head().is_none());
}

#[test]
fn a_head_may_be_turned_off() {
    let mut spec = all_spec();
    spec["head"] = json!({ "intercept": true, "trust": 0 });
    let bytes = packed(&spec, (&[1], &[0.0]), (&[1], &[1.0])).unwrap();
    assert_eq!(load(&bytes, "shop").unwrap().head().expect("there is one").trust, 0.0);
}

#[test]
fn a_head_may_read_whatever_depends_on_the_item_alone() {
    for (of, good) in [("item", true), ("embed", true), ("recent", false), ("dense", false), ("nothing", false)] {
        let mut spec = head_spec();
        spec["head"] = json!({ "of": of });
        let width = if of == "embed" { 2 } else { 3 };
        let found = packed(&spec, (&[width], &MEAN[..width]), (&[width], &[1.0; 3][..width]));
        let refused = BundleError::Spec { at: "head.of", reason: "name a block that depends on the item alone" };
        assert_eq!(found.err(), (!good).then_some(refused), "{of}");
    }
}

#[test]
fn hostile_priors_are_refused_by_the_name_of_the_tensor() {
    let spec = head_spec();
    let good = triangle();
    let with = |at: usize, x: f32| {
        let mut factor = good.clone();
        factor[at] = x;
        match packed(&spec, (&[5], &MEAN), (&[5, 5], &factor)).unwrap_err() {
            BundleError::Tensor { name, fault } if name == "head.factor" => fault,
            other => panic!("{other}"),
        }
    };
    assert_eq!(with(6, 0.0), TensorFault::NotPositive { at: 6 }, "not definite");
    assert_eq!(with(6, -1.0), TensorFault::NotPositive { at: 6 });
    assert_eq!(with(1, 0.5), TensorFault::NotTriangular { at: 1 }, "the covariance itself, or the transpose");
    assert_eq!(with(5, f32::NAN), TensorFault::NotFinite { at: 5 });
    assert_eq!(with(24, f32::INFINITY), TensorFault::NotFinite { at: 24 });

    let refused = |mean: (&[usize], &[f32]), factor: (&[usize], &[f32])| match packed(&spec, mean, factor).unwrap_err()
    {
        BundleError::Tensor { name, fault: TensorFault::Shape { expected, .. } } => (name, expected),
        other => panic!("{other}"),
    };
    assert_eq!(refused((&[4], &MEAN[..4]), (&[5, 5], &good)), ("head.mean".into(), vec![5]));
    assert_eq!(refused((&[5], &MEAN), (&[4], &good[..4])), ("head.factor".into(), vec![5]));
    assert_eq!(refused((&[5], &MEAN), (&[4, 5], &good[..20])), ("head.factor".into(), vec![5, 5]));
    assert_eq!(refused((&[5], &MEAN), (&[1, 5, 5], &good)), ("head.factor".into(), vec![5, 5]));
    let mut mean = MEAN;
    mean[2] = f32::NEG_INFINITY;
    let nan = packed(&spec, (&[5], &mean), (&[5, 5], &good)).unwrap_err();
    assert_eq!(nan, BundleError::Tensor { name: "head.mean".into(), fault: TensorFault::NotFinite { at: 2 } });
    // Without the section its tensors are nobody's; without the tensors the section is none.
    let stray = packed(&all_spec(), (&[5], &MEAN), (&[5, 5], &good)).unwrap_err();
    assert!(matches!(stray, BundleError::Tensor { fault: TensorFault::Unexpected, .. }), "{stray}");
    let bare = written(&spec, &ALL, &ALL_MORE).unwrap_err();
    assert_eq!(bare, BundleError::Tensor { name: "head.mean".into(), fault: TensorFault::Missing });
}

#[test]
fn a_section_that_cannot_be_followed_is_refused() {
    let factor = triangle();
    let refused = |key: &str, value: Value| {
        let mut spec = head_spec();
        spec["head"][key] = value;
        match packed(&spec, (&[5], &MEAN), (&[5, 5], &factor)).unwrap_err() {
            BundleError::Spec { at, .. } => at,
            BundleError::Json { .. } => "json",
            other => panic!("{other}"),
        }
    };
    assert_eq!(refused("gain", json!("1")), "json");
    for trust in [1.0, -1.0] {
        assert_eq!(refused("trust", json!(trust)), "head.trust");
    }
    let many: Vec<String> = (0..61).map(|i| format!("f{i}")).collect();
    assert_eq!(refused("features", json!(many)), "head", "65 numbers");
    assert_eq!(refused("features", json!(["a", "a"])), "head.features");
    assert_eq!(refused("features", json!([""])), "head.features");
    assert_eq!(refused("intercept", json!(1)), "json");
    assert_eq!(refused("wishes", json!(1)), "json");
    let mut spec = head_spec();
    spec["head"] = json!({});
    let none = packed(&spec, (&[5], &MEAN), (&[5], &[1.0; 5])).unwrap_err();
    assert_eq!(none, BundleError::Spec { at: "head", reason: "let it read 1 to 64 numbers" });
    let mut spec = head_spec();
    spec["ranker"]["blocks"][1]["name"] = json!("head");
    assert!(matches!(written(&spec, &ALL, &ALL_MORE), Err(BundleError::Spec { at: "ranker.blocks.name", .. })));
}
