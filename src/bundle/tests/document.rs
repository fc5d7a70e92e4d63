//! docs/bundle.md says what is so.

use super::*;
use crate::schema::{hash64, word_key};

const PAGE: &str = include_str!("../../../docs/bundle.md");

/// The blocks of JSON on the page, in their order.
fn json_of_the_page(at: usize) -> Value {
    let text = PAGE.split("```json\n").nth(at + 1).unwrap().split("```").next().unwrap();
    serde_json::from_str(text).unwrap()
}

fn numbers<T>(of: &Value, read: fn(&Value) -> Option<T>) -> Vec<T> {
    of.as_array().unwrap().iter().map(|number| read(number).unwrap()).collect()
}

#[test]
fn the_worked_example_is_a_bundle_and_answers_as_it_says() {
    let (spec, tensors) = (json_of_the_page(0), json_of_the_page(1));
    let mut singles: Vec<(String, Vec<usize>, Vec<f32>)> = Vec::new();
    let (mut ids, mut rows) = (Vec::new(), Vec::new());
    for (name, tensor) in tensors.as_object().unwrap() {
        let shape: Vec<usize> = numbers(&tensor[1], |dim| usize::try_from(dim.as_u64()?).ok());
        match tensor[0].as_str().unwrap() {
            "U64" => (ids, rows) = (numbers(&tensor[2], Value::as_u64), shape),
            "F32" => singles.push((name.clone(), shape, numbers(&tensor[2], |x| Some(x.as_f64()? as f32)))),
            other => panic!("{other}"),
        }
    }
    assert_eq!(ids, [hash64(b"sku-1"), hash64(b"sku-2")]);
    let singles: Vec<Singles<'_>> = singles.iter().map(|(name, shape, of)| (&**name, &**shape, &**of)).collect();
    let more = [Writing { name: "items.ids", shape: &rows, numbers: Numbers::Longs(&ids) }];
    let bytes = written(&spec, &singles, &more).unwrap();
    let bundle = load(&bytes, "shop").unwrap();
    assert_eq!((bundle.probes(), bundle.stack().tiers(), bundle.stack().items()), (1, 2, 2));

    let mut wrong = spec;
    wrong["probes"][0]["logits"][1] = json!(1.46);
    assert_eq!(written(&wrong, &singles, &more).unwrap_err().code(), "BUNDLE_PROBE");
}

#[test]
fn the_hashes_on_the_page_are_ours() {
    for (text, hash) in [
        ("id `sku-1`", hash64(b"sku-1")),
        ("id `sku-2`", hash64(b"sku-2")),
        ("field `category`, word `shoes`", word_key("category", "shoes")),
        ("field `category`, word `鞋`", word_key("category", "鞋")),
    ] {
        assert!(PAGE.contains(&format!("| {text} | `{hash:016x}` |")), "{text} {hash:016x}");
    }
}

#[test]
fn the_limits_on_the_page_are_ours() {
    for row in [
        format!("| file | {} MiB |", MOST_BYTES >> 20),
        format!("| JSON header | {} KiB |", MOST_HEADER_BYTES >> 10),
        format!("| tensors | {MOST_TENSORS}, each name once |"),
        format!("| blocks; tiers; tasks of a tier | {MOST_BLOCKS}; {MOST_TIERS}; {MOST_TASKS} |"),
        format!(
            "| numbers that `mlp`, `cross` or `mmoe` read; numbers of one of their layers, of all experts or tasks together | {} |",
            crate::block::layer::MOST_WIDTH
        ),
        format!("| layers of `mlp`, `cross`, an expert, a tower; experts | {MOST_LAYERS} each; {MOST_EXPERTS} |"),
        format!("| knots of a calibration | {} |", crate::block::MOST_KNOTS),
        format!("| dense features | {MOST_FEATURES} |"),
        format!("| hashed fields, schema fields | {MOST_FIELDS} each |"),
        format!("| recent items that a model reads | the newest {} |", stack::HISTORY_MOST),
        format!(
            "| probes; words, recent items, judged items in one | 1 to {MOST_PROBES}; {MOST_PROBE_WORDS}, {}, {} |",
            stack::HISTORY_MOST,
            stack::JUDGED_MOST
        ),
        format!("| judged items that a model reads | the newest {} |", stack::JUDGED_MOST),
    ] {
        assert!(PAGE.contains(&row), "{row}");
    }
}

#[test]
fn every_block_is_on_the_page() {
    for (kind, keys, _) in stack::KINDS {
        let row = PAGE.lines().find(|line| line.starts_with(&format!("| `{kind}` |"))).expect(kind);
        assert!(keys.iter().all(|key| row.contains(&format!("`{key}`"))), "{row}");
    }
}
