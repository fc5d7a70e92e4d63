//! Files that nobody should have made.

use super::*;
use proptest::prelude::*;

#[test]
fn what_is_written_is_read_and_the_same_model_gives_the_same_bytes() {
    let bytes = written(&wide_spec(), &WIDE, &[]).unwrap();
    assert_eq!(bytes, written(&wide_spec(), &WIDE, &[]).unwrap());
    for bytes in [bytes, Parts::good().bytes()] {
        let bundle = load(&bytes, "shop").unwrap();
        assert_eq!((bundle.fingerprint(), bundle.fields()), (Some(0x0123_4567_89ab_cdef), &["category".into()][..]));
        let (picks, wide) = bundle.stack().linear().unwrap();
        assert_eq!((picks, wide.bias(), wide.weight()), (&[0, 1][..], 0.5, &[0.5, -1.0][..]));
        assert_eq!((wide.mean(), wide.scale()), (&[1.0, 0.0][..], &[2.0, 0.25][..]));
        assert_eq!(wide.hashed(), [0.25, -0.5, 0.75, 0.0]);
        assert_eq!(bundle.stack().features(), ["prior", "age"]);
        assert_eq!(bundle.stack().fields(), ["category"]);
        assert_eq!(bundle.stack().labels(0).collect::<Vec<_>>(), ["click"]);
    }
}

#[test]
fn a_file_cut_at_any_byte_is_refused() {
    let bytes = written(&all_spec(), &ALL, &ALL_MORE).unwrap();
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
    let error = load(&Parts::good().bytes(), "school").unwrap_err();
    assert_eq!((error.code(), error), ("WRONG_SPACE", BundleError::WrongSpace));
}

#[test]
fn a_missing_tensor_and_an_unexpected_one_are_named() {
    for name in Parts::all().names() {
        let mut parts = Parts::all();
        let tensor = parts.header.as_object_mut().unwrap().remove(&name).unwrap();
        parts.header["stranger"] = tensor;
        let (said, of) = fault(&parts.bytes());
        // What may be left out is only missed as a stranger.
        let optional = ["item.bias", "item.words"].contains(&name.as_str());
        let expected =
            if optional { ("stranger", TensorFault::Unexpected) } else { (name.as_str(), TensorFault::Missing) };
        assert_eq!((said.as_str(), of), expected);
        if !optional {
            assert_eq!(fault(&Parts::all().without(&name)), (name, TensorFault::Missing));
        }
    }
    let stranger =
        damaged(|parts| parts.header["other"] = json!({ "dtype": "F32", "shape": [0], "data_offsets": [0, 0] }));
    assert_eq!(fault(&stranger), ("other".into(), TensorFault::Unexpected));
}

#[test]
fn another_type_is_named() {
    for (dtype, shape) in [("BF16", 4), ("U8", 8), ("U16", 4), ("I32", 2), ("I64", 1), ("F64", 1)] {
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
    let expected = TensorFault::Shape { expected: vec![0], found: vec![2, 2] };
    assert!(expected.to_string().ends_with("[2, 2] instead of [any]"), "{expected}");
    assert_eq!(fault(&bytes), ("wide.hashed".into(), expected));
}

#[test]
fn numbers_that_are_none_are_named_wherever_they_stand() {
    for (name, ..) in ALL {
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut parts = Parts::all();
            parts.put(name, value);
            assert_eq!(fault(&parts.bytes()), (name.into(), TensorFault::NotFinite { at: 0 }));
        }
    }
    for value in [0.0, -0.0, -1.0, 1e-45] {
        let bytes = damaged(|parts| parts.put("wide.scale", value));
        assert_eq!(fault(&bytes), ("wide.scale".into(), TensorFault::NotPositive { at: 0 }));
    }
    let mut parts = Parts::all();
    parts.put("item.vectors.scale", -1.0);
    assert_eq!(fault(&parts.bytes()), ("item.vectors.scale".into(), TensorFault::NotPositive { at: 0 }));
}

#[test]
fn halves_that_are_no_numbers_are_named() {
    for bits in [0x7c00u16, 0xfc00, 0x7c01, 0x7e00, 0xffff] {
        let mut parts = Parts::good();
        // Four halves stand where two singles stood.
        parts.header["wide.weight"]["dtype"] = json!("F16");
        parts.header["wide.weight"]["shape"] = json!([4]);
        parts.spec["ranker"]["blocks"][0]["features"] = json!(["prior", "age", "more", "most"]);
        let at = parts.offset("wide.weight");
        parts.data[at..at + 8].copy_from_slice(&[0x3c00u16, 0x3c00, bits, 0x3c00].map(u16::to_le_bytes).concat());
        assert_eq!(fault(&parts.bytes()), ("wide.weight".into(), TensorFault::NotFinite { at: 2 }), "{bits:04x}");
    }
}

#[test]
fn a_header_that_says_it_is_longer_than_the_file_is_refused() {
    let good = Parts::good().bytes();
    for length in [good.len() as u64 - 7, good.len() as u64, MOST_HEADER_BYTES as u64] {
        let mut bytes = good.clone();
        bytes[..8].copy_from_slice(&length.to_le_bytes());
        let error = load(&bytes, "shop").unwrap_err();
        assert_eq!(error, BundleError::Container { reason: "it ends inside its header" }, "{length}");
    }
    for bytes in [&[][..], &[0; 7], &[0; 8]] {
        assert_eq!(load(bytes, "shop").unwrap_err().code(), "BUNDLE_MALFORMED", "{} bytes", bytes.len());
    }
}

#[test]
fn numbers_of_the_spec_that_are_none_say_where() {
    let probe = |value: Value| match spec_error(|spec| spec["probes"][0]["dense"][0] = value) {
        BundleError::Spec { at, .. } => at.to_string(),
        BundleError::Json { part, .. } => part.to_string(),
        other => panic!("{other}"),
    };
    for bits in ["7fc00000", "7f800000", "ff800000", "7F800000", "+7f80000", "0x000000", ""] {
        assert_eq!(probe(json!(bits)), "probes.dense", "{bits}");
    }
    for number in ["1e39", "-1e39", "1e999", "NaN", "Infinity", "0x1", "1.", ".5", "01"] {
        let mut parts = Parts::good();
        parts.spec["probes"][0]["dense"][0] = json!("here");
        let spec = parts.spec.to_string().replace("\"here\"", number);
        parts.header["__metadata__"]["zhiji"] = json!(spec);
        let error = load(&file(&parts.header.to_string(), &parts.data), "shop").unwrap_err();
        assert_eq!(error.code(), "BUNDLE_MALFORMED", "{number}: {error}");
    }
}

#[test]
fn tables_that_do_not_fit_one_another_are_named() {
    let changed = |name: &str, change: fn(&mut [u8])| {
        let mut parts = Parts::all();
        let span = [0, 1].map(|i| parts.header[name]["data_offsets"][i].as_u64().unwrap() as usize);
        change(&mut parts.data[span[0]..span[1]]);
        fault(&parts.bytes())
    };
    let range = |part| TensorFault::Block { error: crate::block::BlockError::Range { part } };
    assert_eq!(changed("covisit.neighbour", |bytes| bytes[0] = 3), ("covisit.neighbour".into(), range("neighbour")));
    assert_eq!(changed("covisit.offset", |bytes| bytes[4] = 200), ("covisit.offset".into(), range("offset")));
    assert_eq!(changed("items.ids", |bytes| bytes[8] = 11), ("items.ids".into(), TensorFault::Duplicate));
    let shape = |name: &str, shape: Value| {
        let mut parts = Parts::all();
        parts.header[name]["shape"] = shape;
        fault(&parts.bytes())
    };
    assert_eq!(shape("fm.factors", json!([8, 1])), ("fm.factors".into(), TensorFault::Buckets));
    assert_eq!(shape("item.vectors", json!([9, 1])).0, "item.vectors");
    assert_eq!(shape("item.words", json!([1, 6])).0, "item.words");
    assert_eq!(shape("items.ids", json!([1, 3])).0, "items.ids");
}

#[test]
fn sixty_five_thousand_dimensions_are_refused() {
    let many: Vec<usize> = vec![1; 65_536];
    let bytes = damaged(|parts| parts.header["wide.bias"]["shape"] = json!(many));
    assert!(matches!(load(&bytes, "shop").unwrap_err(), BundleError::Oversized { .. } | BundleError::Tensor { .. }));
    let fewer = damaged(|parts| parts.header["wide.bias"]["shape"] = json!(many[..9_000]));
    assert_eq!(fault(&fewer), ("wide.bias".into(), TensorFault::TooManyDimensions));
    // As one dimension it is sound, and larger than any row.
    let wide = vec![0.5; 2 * 65_536];
    let mut more = ALL.to_vec();
    more.retain(|(name, ..)| *name != "embed.table");
    more.push(("embed.table", &[2, 65_536], &wide));
    assert!(matches!(
        written(&all_spec(), &more, &ALL_MORE).unwrap_err(),
        BundleError::Tensor { name, fault: TensorFault::Block { .. } } if name == "embed.table"
    ));
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
        // Nothing, counted in 32 bits.
        json!([65_536, 65_536]),
        json!([2, 65_536, 1 << 15, 1]),
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
    assert!(said(MOST_TENSORS - 5).contains("not part of any block"), "{}", said(MOST_TENSORS - 5));
}

#[test]
fn duplicate_names_are_refused() {
    let parts = Parts::good();
    let tensor = format!("{{\"wide.bias\":{},", parts.header["wide.bias"]);
    let header = parts.header.to_string().replacen('{', &tensor, 1);
    assert_eq!(fault(&file(&header, &parts.data)), ("wide.bias".into(), TensorFault::Duplicate));
    // Written with an escape it is the same name.
    let escaped = tensor.replacen("wide", "\\u0077ide", 1);
    let header = parts.header.to_string().replacen('{', &escaped, 1);
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
    assert_eq!(at(|spec| spec["ranker"]["blocks"][0]["block"] = json!("cnn")), "ranker.blocks.block");
    assert_eq!(at(|spec| spec["ranker"]["blocks"][0]["name"] = json!("items")), "ranker.blocks.name");
    assert_eq!(at(|spec| spec["ranker"]["blocks"][0]["features"] = json!(["x", "x"])), "ranker.blocks.features");
    assert_eq!(at(|spec| spec["ranker"]["blocks"][0]["hashed"] = json!(["x", "x"])), "ranker.blocks.hashed");
    assert_eq!(at(|spec| spec["ranker"]["tiers"] = json!([])), "ranker.tiers");
    assert_eq!(at(|spec| spec["ranker"]["tiers"][0]["tasks"] = json!([])), "ranker.tiers.tasks");
    assert_eq!(at(|spec| spec["ranker"]["tiers"][0]["tasks"][0]["label"] = json!("")), "ranker.tiers.tasks.label");
    assert_eq!(at(|spec| spec["ranker"]["tiers"][0]["tasks"][0]["of"] = json!(["deep"])), "ranker.blocks.of");
    assert_eq!(at(|spec| spec["ranker"]["tiers"][0]["tasks"][0]["gains"] = json!([1, 2])), "ranker.tiers.tasks.gains");
    assert_eq!(at(|spec| spec["probes"] = json!([])), "probes");
    assert_eq!(at(|spec| spec["probes"][0]["dense"] = json!(["00000000"])), "probes.dense");
    assert_eq!(at(|spec| spec["probes"][0]["words"] = json!([["category", "+000000000000001"]])), "probes");
    assert_eq!(at(|spec| spec["probes"][0]["logits"] = json!(["7fc00000"])), "probes.logits");
    assert_eq!(at(|spec| spec["probes"][0]["logits"] = json!([1e39])), "probes.logits");
    assert_eq!(at(|spec| spec["probes"][0]["logits"] = json!([])), "probes.logits");
    let unknown = spec_error(|spec| spec["surprise"] = json!(1));
    assert!(matches!(unknown, BundleError::Json { part: "spec", .. }), "{unknown}");
    let unknown = spec_error(|spec| spec["ranker"]["blocks"][0]["decay"] = json!(1));
    assert!(matches!(unknown, BundleError::Json { part: "spec", .. }), "{unknown}");
    let list = spec_error(|spec| spec["ranker"] = json!([]));
    assert!(matches!(list, BundleError::Json { part: "spec", .. }), "{list}");
}

#[test]
fn blocks_that_do_not_fit_one_another_say_where() {
    let at = |block: usize, key: &str, value: Value| {
        let mut parts = Parts::all();
        parts.spec["ranker"]["blocks"][block][key] = value;
        match load(&parts.bytes(), "shop").unwrap_err() {
            BundleError::Spec { at, .. } => at,
            other => panic!("{other}"),
        }
    };
    assert_eq!(at(4, "of", json!(["embed"])), "ranker.blocks.of");
    assert_eq!(at(4, "of", json!(["mean"])), "ranker.blocks.of");
    assert_eq!(at(4, "decay", json!(1.5)), "ranker.blocks.decay");
    assert_eq!(at(5, "of", json!(["user", "item"])), "ranker.blocks.of");
    assert_eq!(at(5, "of", json!(["item", "recent"])), "ranker.blocks.of");
    assert_eq!(at(5, "of", json!(["recent"])), "ranker.blocks.of");
    assert_eq!(at(9, "of", json!(["dense", "item"])), "ranker.blocks.of");
    assert_eq!(at(9, "of", json!([])), "ranker.blocks.of");
    assert_eq!(at(9, "name", json!("fm")), "ranker.blocks.name");
}

#[test]
fn a_probe_that_differs_in_its_last_bit_is_refused() {
    let mut parts = Parts::good();
    let bits = u32::from_str_radix(parts.spec["probes"][0]["logits"][0].as_str().unwrap(), 16).unwrap();
    parts.spec["probes"][0]["logits"][0] = json!(format!("{:08x}", bits ^ 1));
    let error = load(&parts.bytes(), "shop").unwrap_err();
    assert_eq!(error, BundleError::Probe { index: 0, expected: bits ^ 1, found: bits });
    assert_eq!(error.code(), "BUNDLE_PROBE");
}

#[test]
fn a_probe_in_decimal_digits_has_its_slack_and_no_more() {
    let with = |by: f32| {
        let mut parts = Parts::good();
        let bits = u32::from_str_radix(parts.spec["probes"][0]["logits"][0].as_str().unwrap(), 16).unwrap();
        parts.spec["probes"][0]["logits"][0] = json!(f32::from_bits(bits) + by);
        load(&parts.bytes(), "shop").map(|bundle| bundle.probes())
    };
    assert_eq!(with(0.0), Ok(1));
    assert_eq!(with(1e-4), Ok(1));
    assert_eq!(with(1e-3).unwrap_err().code(), "BUNDLE_PROBE");
}

#[test]
fn the_writer_refuses_what_a_phone_would() {
    let with = |name: &str, numbers: &'static [f32], shape: &'static [usize]| {
        let mut all = WIDE.to_vec();
        all.retain(|(known, ..)| *known != name);
        all.push((name, shape, numbers));
        written(&wide_spec(), &all, &[]).unwrap_err()
    };
    let short = with("wide.mean", &[1.0], &[1]);
    assert!(matches!(short, BundleError::Tensor { fault: TensorFault::Shape { .. }, .. }));
    let infinite = with("wide.bias", &[f32::INFINITY], &[1]);
    assert!(matches!(infinite, BundleError::Tensor { fault: TensorFault::NotFinite { .. }, .. }));
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
    fn a_flipped_bit_never_panics(at in any::<prop::sample::Index>(), bit in 0..8u8, other in any::<prop::sample::Index>()) {
        let mut bytes = written(&all_spec(), &ALL, &ALL_MORE).unwrap();
        let (at, other) = (at.index(bytes.len()), other.index(bytes.len()));
        bytes[at] ^= 1 << bit;
        bytes.swap(at, other);
        // What a probe would catch is scored all the same: nothing that was verified may trap.
        if let Ok(verified) = open(&bytes) {
            for probe in &verified.0.probes {
                prop_assert!(probe.answers(verified.stack()).iter().all(|logit| logit.is_finite()));
            }
        }
    }
}
