//! Blocks over the sequence of recent items, in a stack.

use super::*;
use crate::block::attention::{self, Attention};
use crate::block::layer::{Activation, Weights};
use crate::block::sequence::{self, LayerWeights, Norm, Pair, Sequence};
use crate::block::{Table, Vectors};
use crate::kernel::{self, Best};

/// A fixed sequence of numbers in `[−1, 1)`.
fn numbers(seed: u32, n: usize) -> Vec<f32> {
    let one =
        |i: u32| ((i ^ seed.wrapping_mul(0x9e37_79b9)).wrapping_mul(2_654_435_761) >> 8) as f32 / 8_388_608.0 - 1.0;
    (0..n as u32).map(one).collect()
}

const ITEMS: usize = 9;
const DIM: usize = 6;

/// Names, shapes and numbers of the tensors of both blocks over vectors of six numbers.
fn tensors() -> Vec<(String, Vec<usize>, Vec<f32>)> {
    let (k, f) = (DIM, 5);
    let mut all = vec![
        ("items.vectors".to_string(), vec![ITEMS, k]),
        ("attention.0.weight".into(), vec![7, 4 * k]),
        ("attention.0.bias".into(), vec![7]),
        ("attention.0.alpha".into(), vec![1]),
        ("attention.1.weight".into(), vec![1, 7]),
        ("sequence.position.weight".into(), vec![4, k]),
        ("sequence.norm.weight".into(), vec![k]),
        ("sequence.norm.bias".into(), vec![k]),
    ];
    all[0].0 = "item.vectors".into();
    for layer in 0..2 {
        for (part, shape) in [
            ("self_attn.in_proj_weight", vec![3 * k, k]),
            ("self_attn.in_proj_bias", vec![3 * k]),
            ("self_attn.out_proj.weight", vec![k, k]),
            ("self_attn.out_proj.bias", vec![k]),
            ("linear1.weight", vec![f, k]),
            ("linear1.bias", vec![f]),
            ("linear2.weight", vec![k, f]),
            ("linear2.bias", vec![k]),
            ("norm1.weight", vec![k]),
            ("norm1.bias", vec![k]),
            ("norm2.weight", vec![k]),
            ("norm2.bias", vec![k]),
        ] {
            all.push((format!("sequence.layers.{layer}.{part}"), shape));
        }
    }
    let filled = all.into_iter().enumerate().map(|(at, (name, shape))| {
        let numbers = numbers(at as u32, shape.iter().product());
        (name, shape, numbers)
    });
    filled.collect()
}

fn recent_spec() -> Value {
    let item = |n: usize| format!("{:016x}", n + 10);
    let mut spec = spec(
        json!([
            { "block": "item" },
            { "block": "attention", "of": ["item"], "widths": [7, 1], "activation": "prelu", "history": 3, "softmax": true },
            { "block": "sequence", "of": ["item"], "layers": 2, "heads": 3, "norm": "query", "scale": 2.5, "epsilon": 1e-8 },
            { "block": "vector", "of": ["sequence", "item"] },
            { "block": "product", "of": ["attention", "item"] },
            { "block": "mlp", "of": ["attention", "item", "product"], "widths": [1] },
        ]),
        json!(["vector", "mlp"]),
        json!({ "dense": [], "item": item(2), "recent": [
            { "item": item(1), "words": [] }, { "item": item(5), "words": [] },
            { "item": item(8), "words": [] }, { "item": item(3), "words": [] }, { "item": item(0), "words": [] } ] }),
    );
    spec["ranker"]["tiers"][0]["tasks"][0]["gains"] = json!([1, 2]);
    spec
}

fn written_with(spec: &Value, tensors: &[(String, Vec<usize>, Vec<f32>)], bytes: bool) -> Result<Vec<u8>, BundleError> {
    let ids: Vec<u64> = (0..ITEMS as u64).map(|n| n + 10).collect();
    let mlp = numbers(77, 3 * DIM);
    let (mut signed, mut scale) = (Vec::new(), vec![0.03; ITEMS]);
    scale[4] = 0.001;
    let mut more = vec![
        Writing { name: "items.ids", shape: &[ITEMS], numbers: Numbers::Longs(&ids) },
        Writing { name: "mlp.0.weight", shape: &[1, 3 * DIM], numbers: Numbers::Singles(&mlp) },
    ];
    for (name, shape, of) in tensors {
        if !(bytes && name == "item.vectors") {
            more.push(Writing { name, shape, numbers: Numbers::Singles(of) });
        } else {
            signed.extend(of.iter().map(|x| (x * 127.0) as i8));
        }
    }
    if bytes {
        more.push(Writing { name: "item.vectors", shape: &[ITEMS, DIM], numbers: Numbers::Signed(&signed) });
        more.push(Writing { name: "item.vectors.scale", shape: &[ITEMS], numbers: Numbers::Singles(&scale) });
    }
    written(spec, &[], &more)
}

/// The stack, the logit of item 2 after items 1, 5, 8, 3 and 0, and the user's workspace.
fn scored(bytes: &[u8]) -> (Stack, f32, Workspace) {
    let stack = load(bytes, "shop").unwrap().stack().clone();
    let (mut at, mut item, mut logits) = (stack.workspace(), vec![0.0; stack.item_len()], [0.0]);
    stack.score_item(12, &[], &mut item);
    let past = [11, 15, 18, 13, 10].map(|wire| (wire, &[][..]));
    stack.score_user(&mut at, &[], &mut past.into_iter());
    stack.score_pair(&mut at, &item, &[], 0, &mut logits);
    (stack, logits[0], at)
}

fn find<'a>(tensors: &'a [(String, Vec<usize>, Vec<f32>)], name: &str) -> &'a [f32] {
    &tensors.iter().find(|(known, ..)| known == name).unwrap().2
}

/// The attention of the spec, from the same tensors.
fn the_attention(tensors: &[(String, Vec<usize>, Vec<f32>)], words: bool) -> Attention {
    let of = |name: &str| find(tensors, name).to_vec();
    let (weight, bias, alpha) = (of("attention.0.weight"), of("attention.0.bias"), of("attention.0.alpha"));
    let first = Weights {
        groups: 1,
        width: 7,
        inputs: 4 * DIM,
        activation: Activation::Prelu,
        weight,
        bias,
        alpha,
        ..Weights::default()
    };
    let last = Weights { groups: 1, width: 1, inputs: 7, weight: of("attention.1.weight"), ..Weights::default() };
    Attention::new(attention::Shape { dim: DIM, history: 3, softmax: true, words }, &[first, last]).unwrap()
}

fn the_sequence(tensors: &[(String, Vec<usize>, Vec<f32>)]) -> Sequence {
    let of = |name: &str| find(tensors, name);
    let pair = |layer: usize, [weight, bias]: [&str; 2]| {
        let of = |part: &str| of(&format!("sequence.layers.{layer}.{part}"));
        Pair { weight: of(weight).to_vec(), bias: of(bias).to_vec() }
    };
    let layers = [0, 1].map(|l| LayerWeights {
        attention: pair(l, ["self_attn.in_proj_weight", "self_attn.in_proj_bias"]),
        out: pair(l, ["self_attn.out_proj.weight", "self_attn.out_proj.bias"]),
        first: pair(l, ["linear1.weight", "linear1.bias"]),
        second: pair(l, ["linear2.weight", "linear2.bias"]),
        norms: [pair(l, ["norm1.weight", "norm1.bias"]), pair(l, ["norm2.weight", "norm2.bias"])],
    });
    let norm = Pair { weight: of("sequence.norm.weight").to_vec(), bias: of("sequence.norm.bias").to_vec() };
    let (norm_at, from_oldest) = (Norm::Query, false);
    let shape = sequence::Shape {
        dim: DIM,
        heads: 3,
        inner: 5,
        items: 4,
        norm: norm_at,
        from_oldest,
        scale: 2.5,
        epsilon: 1e-8,
    };
    Sequence::new(shape, of("sequence.position.weight").to_vec(), layers.to_vec(), Some(norm)).unwrap()
}

#[test]
fn both_blocks_are_themselves_in_a_stack() {
    let tensors = tensors();
    for bytes in [false, true] {
        let (_, got, _) = scored(&written_with(&recent_spec(), &tensors, bytes).unwrap());
        let table = Table::singles(ITEMS, DIM, find(&tensors, "item.vectors").to_vec()).unwrap();
        let table = if bytes {
            let signed = find(&tensors, "item.vectors").iter().map(|x| (x * 127.0) as i8).collect();
            let mut scale = vec![0.03; ITEMS];
            scale[4] = 0.001;
            Table::bytes(ITEMS, DIM, signed, scale).unwrap()
        } else {
            table
        };
        let row = |item: usize| {
            let mut row = vec![0.0; DIM];
            table.read(item, &mut row);
            row
        };
        let (rows, c) = ([1, 5, 8, 3, 0], row(2));
        let vectors: Vec<f32> = rows.iter().flat_map(|item| row(*item as usize)).collect();
        let block = the_attention(&tensors, bytes);
        let (mut history, mut work) = (block.history(), block.work());
        let (mut part, mut pooled) = (vec![0.0; block.item_len()], vec![0.0; DIM]);
        block.score_user(&vectors, &rows, &table, &mut history);
        block.score_item(&c, &mut part);
        block.score_pair(&history, &c, &part, &mut work, &mut pooled);
        let encoder = the_sequence(&tensors);
        let mut user = vec![0.0; DIM];
        encoder.score_user(&vectors, &mut encoder.room(), &mut user);
        let product: Vec<f32> = pooled.iter().zip(&c).map(|(a, b)| a * b).collect();
        let read = [pooled, c.clone(), product].concat();
        let want = kernel::dot(&user, &c) + 2.0 * kernel::dot(&numbers(77, 3 * DIM), &read);
        assert!((got - want).abs() < 1e-4, "{got} instead of {want}, bytes: {bytes}");
    }
}

#[test]
fn a_catalogue_gives_its_best() {
    for bytes in [false, true] {
        let (stack, _, at) = scored(&written_with(&recent_spec(), &tensors(), bytes).unwrap());
        let mut best = Best::new(4);
        assert!(stack.retrieve(&at, "vector", &mut best));
        let found: Vec<(u32, f32)> = best.ranked().collect();
        // The one tier adds the product with a net; by itself the vector block ranks as it retrieves.
        let mut spec = recent_spec();
        spec["ranker"]["tiers"][0]["tasks"][0] = json!({ "label": "click", "of": ["vector"] });
        let stack = load(&written_with(&spec, &tensors(), bytes).unwrap(), "shop").unwrap().stack().clone();
        let mut at = stack.workspace();
        let past = [11, 15, 18, 13, 10].map(|wire| (wire, &[][..]));
        stack.score_user(&mut at, &[], &mut past.into_iter());
        let mut all: Vec<(u32, f32)> = (0..ITEMS as u32)
            .map(|row| {
                let (mut item, mut logits) = (vec![0.0; stack.item_len()], [0.0]);
                stack.score_item(u64::from(row) + 10, &[], &mut item);
                stack.score_pair(&mut at, &item, &[], 0, &mut logits);
                (row, logits[0])
            })
            .collect();
        all.sort_by(|a, b| b.1.total_cmp(&a.1));
        assert_eq!(found, all[..4]);
        assert!(!stack.retrieve(&at, "item", &mut best) && !stack.retrieve(&at, "other", &mut best));
    }
}

#[test]
fn retrieval_has_the_bits_of_single_scores() {
    let table = Table::singles(150, 5, numbers(3, 750)).unwrap();
    for table in [table.clone(), table.quantised()] {
        let vectors = Vectors::new(table, numbers(4, 150)).unwrap();
        let mut query = crate::block::Query::new(&vectors);
        query.set(&numbers(5, 5));
        let mut best = Best::new(150);
        vectors.offer_all(&query, &mut best);
        assert_eq!(best.len(), 150);
        assert!(best.ranked().all(|(item, score)| score.to_bits() == vectors.score(&query, item).to_bits()));
    }
}

#[test]
fn specs_that_cannot_be_are_named() {
    let at = |block: usize, key: &str, value: Value| {
        let mut spec = recent_spec();
        spec["ranker"]["blocks"][block][key] = value;
        match written_with(&spec, &tensors(), false).unwrap_err() {
            BundleError::Spec { at, .. } => at,
            other => panic!("{other}"),
        }
    };
    for history in [0, 51, 65_536] {
        assert_eq!(at(1, "history", json!(history)), "ranker.blocks.history");
    }
    for widths in [
        json!([]),
        json!([7]),
        json!([7, 2]),
        json!([513, 1]),
        json!([7, 0]),
        json!([1, 1, 1, 1, 1]),
        json!([65_536, 1]),
    ] {
        assert_eq!(at(1, "widths", widths), "ranker.blocks.widths");
    }
    assert_eq!(at(1, "of", json!(["item", "item"])), "ranker.blocks.of");
    assert_eq!(at(2, "of", json!(["attention"])), "ranker.blocks.of");
    assert_eq!(at(1, "activation", json!("gelu")), "ranker.blocks.activation");
    for heads in [0, 4, 5, 65_536] {
        assert_eq!(at(2, "heads", json!(heads)), "ranker.blocks.heads");
    }
    for layers in [0, 5, 65_536] {
        assert_eq!(at(2, "layers", json!(layers)), "ranker.blocks.layers");
    }
    for epsilon in [json!(0), json!(-1), json!(1.5)] {
        assert_eq!(at(2, "epsilon", epsilon), "ranker.blocks.epsilon");
    }
    let faulty = |key: &str, value: Value| {
        let mut spec = recent_spec();
        spec["ranker"]["blocks"][2][key] = value;
        written_with(&spec, &tensors(), false).unwrap_err().code()
    };
    assert_eq!(faulty("norm", json!("sandwich")), "BUNDLE_MALFORMED");
    assert_eq!(faulty("positions", json!("middle")), "BUNDLE_MALFORMED");
    assert_eq!(faulty("dropout", json!(0.1)), "BUNDLE_MALFORMED");
}

#[test]
fn tensors_that_do_not_fit_are_named() {
    let good = tensors();
    for (at, (name, shape, numbers)) in good.iter().enumerate().skip(1) {
        let with = |shape: Vec<usize>, numbers: Vec<f32>| {
            let mut tensors = good.clone();
            tensors[at] = (name.clone(), shape, numbers);
            match written_with(&recent_spec(), &tensors, false).unwrap_err() {
                BundleError::Tensor { name, fault } => (name, fault),
                other => panic!("{name}: {other}"),
            }
        };
        let mut wild = numbers.clone();
        wild[0] = f32::NAN;
        assert_eq!(with(shape.clone(), wild), (name.clone(), TensorFault::NotFinite { at: 0 }));
        // Another number of rows is another number of positions, or inner numbers, of which the next tensor is not.
        let longer = [shape[0] + 1, shape.iter().skip(1).product()];
        let (said, fault) = match name.as_str() {
            "sequence.position.weight" => continue,
            _ => with([&longer[..1], &shape[1..]].concat(), vec![0.5; longer[0] * longer[1].max(1)]),
        };
        let first =
            name.strip_suffix("0.linear1.weight").map_or(name.clone(), |before| [before, "0.linear1.bias"].concat());
        assert!(said == first && matches!(fault, TensorFault::Shape { .. }), "{name}: {said} {fault}");
        let mut missing = good.clone();
        missing.remove(at);
        let without = written_with(&recent_spec(), &missing, false);
        let optional = ["attention.0.bias", "sequence.norm.weight"].contains(&name.as_str());
        match without {
            Ok(_) => assert_eq!(name, "attention.0.bias"),
            Err(BundleError::Tensor { fault: TensorFault::Unexpected, .. }) => assert!(optional, "{name}"),
            Err(BundleError::Tensor { name: said, fault: TensorFault::Missing }) => assert_eq!(&said, name),
            Err(other) => panic!("{name}: {other}"),
        }
    }
    let of = |name: &str, shape: Vec<usize>| {
        let mut tensors = good.clone();
        let at = tensors.iter().position(|(known, ..)| known == name).unwrap();
        let count = shape.iter().product();
        (tensors[at].1, tensors[at].2) = (shape, vec![0.0; count]);
        written_with(&recent_spec(), &tensors, false).unwrap_err()
    };
    let too_large = |name: &str| BundleError::Tensor { name: name.to_string(), fault: TensorFault::TooLarge };
    assert_eq!(of("sequence.position.weight", vec![51, DIM]), too_large("sequence.position.weight"));
    assert_eq!(of("sequence.layers.0.linear1.weight", vec![513, DIM]), too_large("sequence.layers.0.linear1.weight"));
}

#[test]
fn any_past_and_any_item_give_finite_scores() {
    let (stack, _, mut at) = scored(&written_with(&recent_spec(), &tensors(), true).unwrap());
    let wild = [f32::NAN, f32::INFINITY, f32::MAX, -1e30, 0.0, 1e-40];
    for turn in 0..40usize {
        let past: Vec<u64> = (0..turn as u64 * 2).map(|i| 8 + (i * 7 + turn as u64) % 13).collect();
        stack.score_user(&mut at, &[], &mut past.iter().map(|wire| (*wire, &[][..])));
        for length in [0, 1, 7, stack.item_len()] {
            let item: Vec<f32> = (0..length).map(|i| wild[(i + turn) % wild.len()]).collect();
            let mut logits = [f32::NAN];
            stack.score_pair(&mut at, &item, &[], 0, &mut logits);
            assert!(logits[0].is_finite());
        }
    }
}
