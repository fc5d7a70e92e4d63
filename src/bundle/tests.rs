#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::as_conversions, clippy::expect_used)]

use super::*;
use crate::block::Wide;
use alloc::format;
use alloc::string::ToString;
use alloc::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

fn model() -> Model {
    let wide = Wide::new(0.5, vec![0.5, -1.0], vec![1.0, 0.0], vec![2.0, 0.25], vec![0.25, -0.5, 0.75, 0.0]).unwrap();
    let (dense, hashed) = (vec![3.0, 0.1], vec![9 << 60, 77]);
    let logit = wide.logit(wide.score_user(), wide.score_item(&hashed), wide.score_pair(&dense));
    Model {
        space: "shop".into(),
        fingerprint: Some(0x0123_4567_89ab_cdef),
        fields: vec!["category".into()],
        wide: WideWeights {
            label: "click".into(),
            features: vec!["prior".into(), "age".into()],
            weight: wide.weight().to_vec(),
            mean: wide.mean().to_vec(),
            scale: wide.scale().to_vec(),
            bias: 0.5,
            hashed_fields: vec!["category".into()],
            hashed: wide.hashed().to_vec(),
        },
        probes: vec![Probe { dense, hashed, logit }],
    }
}

/// A file taken apart, so that a test can damage one part and put it together again.
struct Parts {
    header: Value,
    spec: Value,
    data: Vec<u8>,
}

impl Parts {
    fn good() -> Self {
        let bytes = write(&model()).unwrap();
        let n = usize::try_from(u64::from_le_bytes(bytes[..8].try_into().unwrap())).unwrap();
        let header: Value = serde_json::from_slice(&bytes[8..8 + n]).unwrap();
        let spec = serde_json::from_str(header["__metadata__"]["zhiji"].as_str().unwrap()).unwrap();
        Self { header, spec, data: bytes[8 + n..].to_vec() }
    }

    fn bytes(mut self) -> Vec<u8> {
        self.header["__metadata__"]["zhiji"] = Value::String(self.spec.to_string());
        file(&self.header.to_string(), &self.data)
    }

    fn offset(&self, tensor: &str) -> usize {
        usize::try_from(self.header[tensor]["data_offsets"][0].as_u64().unwrap()).unwrap()
    }

    fn put(&mut self, tensor: &str, value: f32) {
        let at = self.offset(tensor);
        self.data[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }
}

fn file(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}

fn fault(bytes: &[u8]) -> (String, TensorFault) {
    match load(bytes, "shop").unwrap_err() {
        BundleError::Tensor { name, fault } => (name, fault),
        other => panic!("{other}"),
    }
}

fn damaged(change: impl FnOnce(&mut Parts)) -> Vec<u8> {
    let mut parts = Parts::good();
    change(&mut parts);
    parts.bytes()
}

fn spec_error(change: impl FnOnce(&mut Value)) -> BundleError {
    load(&damaged(|parts| change(&mut parts.spec)), "shop").unwrap_err()
}

#[test]
fn what_is_written_is_read_and_the_same_model_gives_the_same_bytes() {
    let bytes = write(&model()).unwrap();
    assert_eq!(bytes, write(&model()).unwrap());
    assert_eq!(load(&bytes, "shop").unwrap().0.model(), &model());
    assert_eq!(load(&Parts::good().bytes(), "shop").unwrap().0.model(), &model());
}

#[test]
fn a_file_cut_at_any_byte_is_refused() {
    let bytes = write(&model()).unwrap();
    for cut in 0..bytes.len() {
        assert_eq!(load(&bytes[..cut], "shop").unwrap_err().code(), "BUNDLE_MALFORMED", "cut at {cut}");
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert_eq!(load(&longer, "shop").unwrap_err().code(), "BUNDLE_MALFORMED");
}

#[test]
fn sizes_are_refused_before_anything_is_parsed() {
    let of = |bytes: &[u8]| load(bytes, "shop").unwrap_err();
    assert!(matches!(of(&vec![0; MOST_BYTES + 1]), BundleError::Oversized { part: "bundle", .. }));
    for length in [MOST_HEADER_BYTES as u64 + 1, 100_000_001, u64::MAX] {
        assert_eq!(
            of(&length.to_le_bytes()),
            BundleError::Oversized { part: "header", bytes: length, most: MOST_HEADER_BYTES }
        );
    }
    assert_eq!(of(&vec![0; MOST_BYTES + 1]).code(), "BUNDLE_OVERSIZED");
    for byte in 0..=255 {
        assert_eq!(of(&[byte]).code(), "BUNDLE_MALFORMED");
    }
}

#[test]
fn a_bundle_of_another_space_is_refused() {
    let error = load(&write(&model()).unwrap(), "school").unwrap_err();
    assert_eq!((error.code(), error), ("WRONG_SPACE", BundleError::WrongSpace));
}

#[test]
fn a_missing_tensor_and_an_unexpected_one_are_named() {
    for name in ["wide.weight", "wide.mean", "wide.scale", "wide.bias", "wide.hashed"] {
        let mut parts = Parts::good();
        let tensor = parts.header.as_object_mut().unwrap().remove(name).unwrap();
        parts.header["stranger"] = tensor;
        assert_eq!(fault(&parts.bytes()), ("stranger".into(), TensorFault::Unexpected));

        // The same bytes under the name of no gap: the last tensor is cut off, data and all.
        let mut parts = Parts::good();
        let start = parts.offset(name);
        let end = usize::try_from(parts.header[name]["data_offsets"][1].as_u64().unwrap()).unwrap();
        parts.header.as_object_mut().unwrap().remove(name);
        parts.data.drain(start..end);
        for (_, tensor) in parts.header.as_object_mut().unwrap().iter_mut().filter(|(key, _)| *key != "__metadata__") {
            let shift = |at: u64| if at as usize >= end { at - (end - start) as u64 } else { at };
            let offsets = [0, 1].map(|i| shift(tensor["data_offsets"][i].as_u64().unwrap()));
            tensor["data_offsets"] = json!(offsets);
        }
        assert_eq!(fault(&parts.bytes()), (name.into(), TensorFault::Missing));
    }
}

#[test]
fn another_type_is_named() {
    for (dtype, shape) in [("F16", 4), ("BF16", 4), ("I8", 8), ("U8", 8), ("I32", 2), ("F64", 1)] {
        let bytes = damaged(|parts| {
            parts.header["wide.weight"]["dtype"] = json!(dtype);
            parts.header["wide.weight"]["shape"] = json!([shape]);
        });
        assert_eq!(fault(&bytes), ("wide.weight".into(), TensorFault::Dtype), "{dtype}");
    }
    let unknown = damaged(|parts| parts.header["wide.weight"]["dtype"] = json!("F128"));
    assert_eq!(fault(&unknown), ("wide.weight".into(), TensorFault::Dtype));
}

#[test]
fn another_shape_is_named() {
    let bytes = damaged(|parts| parts.header["wide.hashed"]["shape"] = json!([2, 2]));
    let expected = TensorFault::Shape { expected: vec![4], found: vec![2, 2] };
    assert_eq!(fault(&bytes), ("wide.hashed".into(), expected));
}

#[test]
fn numbers_that_are_none_are_named_wherever_they_stand() {
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for name in ["wide.weight", "wide.mean", "wide.scale", "wide.bias", "wide.hashed"] {
            assert_eq!(
                fault(&damaged(|parts| parts.put(name, value))),
                (name.into(), TensorFault::NotFinite { at: 0 })
            );
        }
    }
    for value in [0.0, -0.0, -1.0, 1e-45] {
        let bytes = damaged(|parts| parts.put("wide.scale", value));
        assert_eq!(fault(&bytes), ("wide.scale".into(), TensorFault::NotPositive { at: 0 }));
    }
}

#[test]
fn overlaps_holes_and_offsets_past_the_end_are_refused() {
    for offsets in
        [json!([0, 8]), json!([4, 12]), json!([0, 4_000_000_000_u64]), json!([8, 0]), json!([u64::MAX - 8, u64::MAX])]
    {
        let bytes = damaged(|parts| parts.header["wide.hashed"]["data_offsets"] = offsets.clone());
        let error = load(&bytes, "shop").unwrap_err();
        assert_eq!(error.code(), "BUNDLE_MALFORMED", "{offsets}");
    }
    let same = damaged(|parts| {
        parts.header["wide.mean"]["data_offsets"] = parts.header["wide.weight"]["data_offsets"].clone()
    });
    assert_eq!(fault(&same).1, TensorFault::Offsets);
}

#[test]
fn shapes_that_overflow_or_pass_the_caps_are_refused() {
    for shape in [
        json!([u32::MAX, u32::MAX, 3]),
        json!([1 << 24, 1 << 24, 1 << 24]),
        json!([(1 << 24) + 1]),
        json!([0, u64::MAX]),
    ] {
        let bytes = damaged(|parts| parts.header["wide.weight"]["shape"] = shape.clone());
        assert_eq!(fault(&bytes), ("wide.weight".into(), TensorFault::TooLarge), "{shape}");
    }
    let deep = damaged(|parts| parts.header["wide.weight"]["shape"] = json!([1, 1, 1, 1, 2]));
    assert_eq!(fault(&deep), ("wide.weight".into(), TensorFault::TooManyDimensions));
    let long = "x".repeat(MOST_NAME_BYTES + 1);
    let named = damaged(|parts| parts.header[&long] = json!({ "dtype": "F32", "shape": [0], "data_offsets": [0, 0] }));
    assert_eq!(fault(&named), (long[..64].into(), TensorFault::NameTooLong));
}

#[test]
fn too_many_tensors_are_refused() {
    let many = |n: usize| {
        damaged(|parts| {
            for i in 0..n {
                parts.header[format!("t{i}")] = json!({ "dtype": "F32", "shape": [0], "data_offsets": [0, 0] });
            }
        })
    };
    let said = |n| load(&many(n), "shop").unwrap_err().to_string();
    assert!(said(MOST_TENSORS - 4).contains("more than 256"), "{}", said(MOST_TENSORS - 4));
    assert!(said(MOST_TENSORS - 5).contains("not part of any block"));
}

#[test]
fn duplicate_names_are_refused() {
    let parts = Parts::good();
    let tensor = format!("{{\"wide.bias\":{},", parts.header["wide.bias"]);
    let header = parts.header.to_string().replacen('{', &tensor, 1);
    assert_eq!(fault(&file(&header, &parts.data)), ("wide.bias".into(), TensorFault::Duplicate));
    let twice = parts.header.to_string().replacen('{', "{\"__metadata__\":{},", 1);
    assert!(matches!(load(&file(&twice, &parts.data), "shop").unwrap_err(), BundleError::Container { .. }));
    let last = parts.header.to_string().replace("\"wide.bias\"", "\"__metadata__\"");
    assert_eq!(load(&file(&last, &parts.data), "shop").unwrap_err().code(), "BUNDLE_MALFORMED");
}

#[test]
fn the_metadata_has_the_one_key() {
    let error = |header: &Value| load(&file(&header.to_string(), &Parts::good().data), "shop").unwrap_err().to_string();
    let mut header = Parts::good().header;
    header["__metadata__"]["format"] = json!("pt");
    assert!(error(&header).contains("one key"));
    header["__metadata__"] = json!({ "other": "x" });
    assert!(error(&header).contains("one key"));
    header.as_object_mut().unwrap().remove("__metadata__");
    assert!(error(&header).contains("no __metadata__"));
}

#[test]
fn deep_nesting_is_refused_without_exhausting_the_stack() {
    let deep = "[".repeat(100_000);
    assert!(matches!(load(&file(&deep, &[]), "shop").unwrap_err(), BundleError::Json { part: "header", .. }));
    let inside = format!("{{\"a\":{{\"shape\":{deep}");
    assert!(matches!(load(&file(&inside, &[]), "shop").unwrap_err(), BundleError::Json { .. }));
    let unknown = format!("{{\"a\":{{\"unknown\":{deep}");
    assert!(matches!(load(&file(&unknown, &[]), "shop").unwrap_err(), BundleError::Json { .. }));
    let parts = Parts::good();
    let mut header = parts.header.clone();
    header["__metadata__"]["zhiji"] = json!(deep);
    assert!(matches!(
        load(&file(&header.to_string(), &parts.data), "shop").unwrap_err(),
        BundleError::Json { part: "spec", .. }
    ));
}

#[test]
fn a_spec_that_cannot_be_followed_says_where() {
    let at = |change: fn(&mut Value)| match spec_error(change) {
        BundleError::Spec { at, .. } => at,
        other => panic!("{other}"),
    };
    assert_eq!(at(|spec| spec["format"] = json!(2)), "format");
    assert_eq!(at(|spec| spec["space"] = json!("")), "space");
    assert_eq!(at(|spec| spec["schema"]["fingerprint"] = json!("+123456789abcdef")), "schema.fingerprint");
    assert_eq!(at(|spec| spec["schema"]["fields"] = json!(["a", "a"])), "schema.fields");
    assert_eq!(at(|spec| spec["ranker"]["blocks"] = json!([])), "ranker.blocks");
    assert_eq!(at(|spec| spec["ranker"]["blocks"][0]["block"] = json!("mlp")), "ranker.blocks.block");
    assert_eq!(at(|spec| spec["ranker"]["blocks"][0]["buckets"] = json!(3)), "ranker.blocks.buckets");
    assert_eq!(at(|spec| spec["ranker"]["blocks"][0]["buckets"] = json!(0)), "ranker.blocks.buckets");
    assert_eq!(at(|spec| spec["ranker"]["blocks"][0]["features"] = json!(["x", "x"])), "ranker.blocks.features");
    assert_eq!(at(|spec| spec["probes"] = json!([])), "probes");
    assert_eq!(at(|spec| spec["probes"][0]["dense"] = json!(["00000000"])), "probes.dense");
    assert_eq!(at(|spec| spec["probes"][0]["logit"] = json!("7fc00000")), "probes.logit");
    let unknown = spec_error(|spec| spec["surprise"] = json!(1));
    assert!(matches!(unknown, BundleError::Json { part: "spec", .. }), "{unknown}");
}

#[test]
fn a_probe_that_differs_in_its_last_bit_is_refused() {
    let mut wrong = model();
    let bits = wrong.probes[0].logit.to_bits();
    wrong.probes[0].logit = f32::from_bits(bits ^ 1);
    let error = load(&write(&wrong).unwrap(), "shop").unwrap_err();
    assert_eq!(error, BundleError::Probe { index: 0, expected: bits ^ 1, found: bits });
    assert_eq!(error.code(), "BUNDLE_PROBE");
}

#[test]
fn the_writer_refuses_what_a_phone_would() {
    let mut short = model();
    short.wide.mean.pop();
    assert!(matches!(write(&short).unwrap_err(), BundleError::Tensor { fault: TensorFault::Shape { .. }, .. }));
    let mut infinite = model();
    infinite.wide.bias = f32::INFINITY;
    assert!(matches!(write(&infinite).unwrap_err(), BundleError::Tensor { fault: TensorFault::NotFinite { .. }, .. }));
}

/// Name, type, shape and bytes of a tensor.
type Seen = (String, String, Vec<usize>, Vec<u8>);

/// What the container's own library holds of a file: each tensor by name, type, shape and bytes.
fn by_the_library(bytes: &[u8]) -> Option<Vec<Seen>> {
    let file = safetensors::SafeTensors::deserialize(bytes).ok()?;
    let mut all: Vec<_> = file
        .iter()
        .map(|(name, view)| (name.to_string(), view.dtype().to_string(), view.shape().to_vec(), view.data().to_vec()))
        .collect();
    all.sort();
    Some(all)
}

fn by_us(bytes: &[u8]) -> Option<Vec<Seen>> {
    let tensors = container::Container::open(bytes).ok()?.tensors;
    let mut all: Vec<_> =
        tensors.into_iter().map(|of| (of.name, of.dtype.to_string(), of.shape, of.bytes.to_vec())).collect();
    all.sort();
    Some(all)
}

proptest! {
    #[test]
    fn the_container_is_read_as_its_own_library_reads_it(
        tensors in prop::collection::vec((0..4usize, 0..4usize, any::<bool>()), 0..5),
        damage in prop::option::of((0..5usize, 0..2usize, -5..6i64)),
    ) {
        let mut header = json!({ "__metadata__": { "zhiji": "{}" } });
        let mut data = Vec::new();
        for (at, (rows, columns, flat)) in tensors.iter().enumerate() {
            let shape = if *flat { json!([rows * columns]) } else { json!([rows, columns]) };
            let start = data.len();
            data.extend((0..4 * rows * columns).map(|byte| byte as u8));
            header[format!("t{at}")] = json!({ "dtype": "F32", "shape": shape, "data_offsets": [start, data.len()] });
        }
        if let Some((tensor, end, by)) = damage
            && let Some(offset) = header.get(format!("t{tensor}")).map(|t| t["data_offsets"][end].as_i64().unwrap())
        {
            header[format!("t{tensor}")]["data_offsets"][end] = json!(offset + by);
        }
        let bytes = file(&header.to_string(), &data);
        prop_assert_eq!(by_us(&bytes), by_the_library(&bytes));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in any::<Vec<u8>>()) {
        prop_assert!(load(&bytes, "shop").is_err());
        prop_assert!(load(&file(&String::from_utf8_lossy(&bytes), &bytes), "shop").is_err());
    }

    #[test]
    fn a_flipped_bit_never_panics(at in any::<prop::sample::Index>(), bit in 0..8u8) {
        let mut bytes = write(&model()).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok((bundle, wide)) = load(&bytes, "shop") {
            prop_assert!(bundle.model().wide.weight.iter().chain(wide.hashed()).all(|value| value.is_finite()));
        }
    }

    #[test]
    fn any_sound_model_comes_back_bit_for_bit(
        rows in prop::collection::vec((-1e6f32..1e6, -1e6f32..1e6, 1e-3f32..1e6), 1..20),
        hashed in prop::collection::vec(-1e6f32..1e6, 8),
        bias in -1e6f32..1e6,
    ) {
        let mut model = model();
        model.wide.features = (0..rows.len()).map(|i| format!("f{i}")).collect();
        model.wide.weight = rows.iter().map(|row| row.0).collect();
        model.wide.mean = rows.iter().map(|row| row.1).collect();
        model.wide.scale = rows.iter().map(|row| row.2).collect();
        model.wide.hashed = hashed;
        model.wide.bias = bias;
        model.probes[0].dense = model.wide.mean.clone();
        let bytes = write(&model).unwrap();
        let verified = open(&bytes).unwrap().verify("shop").unwrap();
        prop_assert_eq!(verified.model(), &model);
    }
}

#[test]
fn the_documented_spec_is_read() {
    let page = include_str!("../../docs/bundle.md");
    let text = page.split("```json").nth(1).unwrap().split("```").next().unwrap();
    let bytes = damaged(|parts| parts.spec = serde_json::from_str(text).unwrap());
    let (bundle, _) = load(&bytes, "shop").unwrap();
    assert_eq!(bundle.model().fields, ["category"]);
}
