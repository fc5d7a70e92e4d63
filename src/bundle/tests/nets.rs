//! Nets in a stack: what they compute, and what is refused.

use super::*;
use crate::bundle::stack::HISTORY_MOST;
use crate::kernel::math;
use proptest::prelude::*;

/// Weights of a test: a pattern that no two places share for long.
fn weight(i: usize) -> f32 {
    ((i * 7 + 3) % 11) as f32 / 8.0 - 0.625
}

struct Made {
    name: String,
    shape: Vec<usize>,
    numbers: Vec<f32>,
}

fn tensor(name: &str, shape: &[usize]) -> Made {
    let count: usize = shape.iter().product();
    Made { name: name.to_string(), shape: shape.to_vec(), numbers: (0..count).map(weight).collect() }
}

/// Nets on every side: on the user's and on the item's numbers alone, and over both and the pair's.
fn nets_spec() -> Value {
    let id = |n: u64| format!("{n:016x}");
    json!({
        "format": 1,
        "space": "shop",
        "schema": { "fields": [] },
        "ranker": {
            "blocks": [
                { "block": "dense", "name": "user", "features": ["user.events", "user.acts"], "side": "user" },
                { "block": "dense", "features": ["age", "price", "stock"] },
                { "block": "item" },
                { "block": "recent", "of": ["item"], "decay": 0.5 },
                { "block": "mlp", "name": "of_user", "of": ["user", "recent"], "widths": [5, 3], "activation": "silu", "norm": true },
                { "block": "mlp", "name": "of_item", "of": ["item"], "widths": [3], "last": "prelu" },
                { "block": "cross", "of": ["of_item", "dense", "of_user"], "layers": 2, "rank": 2 },
                { "block": "cross", "name": "square", "of": ["user"], "layers": 1 },
                { "block": "mlp", "of": ["dense", "of_user", "item", "square", "cross"], "widths": [6, 4, 1], "last": "none" },
                { "block": "mmoe", "of": ["item", "cross", "user"], "experts": 3, "tasks": 2, "widths": [4, 2], "towers": [3, 1] },
            ],
            "tiers": [
                { "tasks": [{ "label": "click", "of": ["mlp", "mmoe"] }, { "label": "buy", "of": ["mmoe"], "gains": [0.5] }] },
                { "tasks": [{ "label": "click", "of": ["mlp"] }] },
            ],
        },
        "probes": [
            { "dense": [1, 2, 3, 0.5, -1], "item": id(11), "recent": [{ "item": id(12), "words": [] }] },
            { "dense": [0, 0, 0, 0, 0] },
        ],
    })
}

fn nets_tensors() -> Vec<Made> {
    let mut all: Vec<Made> = [
        ("item.vectors", &[3, 3][..]),
        ("of_user.0.weight", &[5, 5]),
        ("of_user.0.bias", &[5]),
        ("of_user.0.norm.weight", &[5]),
        ("of_user.0.norm.bias", &[5]),
        ("of_user.1.weight", &[3, 5]),
        ("of_item.0.weight", &[3, 3]),
        ("of_item.0.alpha", &[1]),
        ("cross.0.u", &[9, 2]),
        ("cross.0.v", &[2, 9]),
        ("cross.0.bias", &[9]),
        ("cross.1.u", &[9, 2]),
        ("cross.1.v", &[2, 9]),
        ("cross.1.bias", &[9]),
        ("square.0.weight", &[2, 2]),
        ("square.0.bias", &[2]),
        ("mlp.0.weight", &[6, 20]),
        ("mlp.0.bias", &[6]),
        ("mlp.1.weight", &[4, 6]),
        ("mlp.1.bias", &[4]),
        ("mlp.2.weight", &[1, 4]),
        ("mlp.2.bias", &[1]),
        ("mmoe.expert.0.weight", &[3, 4, 14]),
        ("mmoe.expert.0.bias", &[3, 4]),
        ("mmoe.expert.1.weight", &[3, 2, 4]),
        ("mmoe.gate.weight", &[2, 3, 14]),
        ("mmoe.gate.bias", &[2, 3]),
        ("mmoe.tower.0.weight", &[2, 3, 2]),
        ("mmoe.tower.0.bias", &[2, 3]),
        ("mmoe.tower.1.weight", &[2, 1, 3]),
    ]
    .iter()
    .map(|(name, shape)| tensor(name, shape))
    .collect();
    for (name, count) in [("user", 2), ("dense", 3)] {
        for (part, value) in [("mean", 0.0), ("scale", 1.0)] {
            all.push(Made { name: format!("{name}.{part}"), shape: vec![count], numbers: vec![value; count] });
        }
    }
    all
}

fn write_nets(spec: &Value, tensors: &[Made]) -> Result<Vec<u8>, BundleError> {
    let singles: Vec<Singles<'_>> = tensors.iter().map(|t| (&*t.name, &*t.shape, &*t.numbers)).collect();
    written(spec, &singles, &[Writing { name: "items.ids", shape: &[3], numbers: Numbers::Longs(&[11, 12, 13]) }])
}

fn nets() -> &'static Stack {
    static STACK: std::sync::OnceLock<Stack> = std::sync::OnceLock::new();
    STACK.get_or_init(|| load(&write_nets(&nets_spec(), &nets_tensors()).unwrap(), "shop").unwrap().stack().clone())
}

/// `W x + b` with the weights of a test.
fn linear(rows: usize, x: &[f64], bias: bool) -> Vec<f64> {
    let row = |r: usize| (0..x.len()).map(|c| f64::from(weight(r * x.len() + c)) * x[c]).sum::<f64>();
    (0..rows).map(|r| row(r) + if bias { f64::from(weight(r)) } else { 0.0 }).collect()
}

fn relu(x: Vec<f64>) -> Vec<f64> {
    x.into_iter().map(|x| x.max(0.0)).collect()
}

/// What the nets of the test give, by their definitions: of `mlp`, and of the two tasks of `mmoe`.
fn by_hand(user: &[f64], dense: &[f64], row: usize, recent: usize) -> (f64, [f64; 2]) {
    let vector = |row: usize| (0..3).map(|c| f64::from(weight(row * 3 + c))).collect::<Vec<_>>();
    let (item, recent) = (vector(row), vector(recent));
    let hidden = linear(5, &[user, &recent].concat(), true);
    let mean = hidden.iter().sum::<f64>() / 5.0;
    let root = (hidden.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / 5.0 + 1e-5).sqrt();
    let normed =
        hidden.iter().enumerate().map(|(i, x)| (x - mean) / root * f64::from(weight(i)) + f64::from(weight(i)));
    let silu: Vec<f64> = normed.map(|x| x * math::sigmoid_f64(x)).collect();
    let of_user = linear(3, &silu, false);
    let prelu = |x: f64| if x < 0.0 { f64::from(weight(0)) * x } else { x };
    let of_item: Vec<f64> = linear(3, &item, false).into_iter().map(prelu).collect();
    let crossed = |x: &[f64], layers: usize, low: bool| {
        let mut out = x.to_vec();
        for _ in 0..layers {
            let inner = if low { linear(2, &out, false) } else { out.clone() };
            let product = linear(x.len(), &inner, true);
            out = (0..x.len()).map(|i| x[i] * product[i] + out[i]).collect();
        }
        out
    };
    let cross = crossed(&[&of_item, dense, &of_user].concat(), 2, true);
    let square = crossed(user, 1, false);
    let input = [dense, &of_user, &item, &square, &cross].concat();
    let mlp = linear(1, &relu(linear(4, &relu(linear(6, &input, true)), true)), true)[0];
    let input = [&item, &cross, user].concat();
    // The groups of a tensor lie one behind the other, so a stack of them is one matrix, its columns those of a group.
    let first = relu(linear(12, &input, true));
    let second = |expert: usize, unit: usize| {
        let row = |c: usize| f64::from(weight((expert * 2 + unit) * 4 + c)) * first[expert * 4 + c];
        (0..4).map(row).sum::<f64>().max(0.0)
    };
    let gates = linear(6, &input, true);
    let task = |t: usize| {
        let powers: Vec<f64> = (0..3).map(|e| math::exp_f64(gates[t * 3 + e])).collect();
        let mixed = |unit: usize| (0..3).map(|e| powers[e] * second(e, unit)).sum::<f64>() / powers.iter().sum::<f64>();
        let hidden = |unit: usize| {
            let sum: f64 = (0..2).map(|c| f64::from(weight((t * 3 + unit) * 2 + c)) * mixed(c)).sum();
            (sum + f64::from(weight(t * 3 + unit))).max(0.0)
        };
        (0..3).map(|c| f64::from(weight(t * 3 + c)) * hidden(c)).sum::<f64>()
    };
    (mlp, [task(0), task(1)])
}

/// All logits of the first tier, for candidates scored in one panel.
fn logits(stack: &Stack, user: [f32; 2], recent: u64, candidates: &[(u64, [f32; 3])]) -> Vec<f32> {
    let mut at = stack.workspace();
    let dense: Vec<Vec<f32>> = candidates.iter().map(|(_, dense)| [&user[..], dense].concat()).collect();
    let items: Vec<Vec<f32>> = candidates
        .iter()
        .map(|(wire, _)| {
            let mut item = vec![0.0; stack.item_len()];
            stack.score_item(*wire, &[], &mut item);
            item
        })
        .collect();
    stack.score_user(&mut at, &dense[0], &mut [(recent, &[][..])].into_iter());
    let mut out = vec![0.0; 2 * candidates.len()];
    let (items, dense): (Vec<&[f32]>, Vec<&[f32]>) =
        (items.iter().map(|i| &**i).collect(), dense.iter().map(|d| &**d).collect());
    stack.score_panel(&mut at, &items, &dense, 0, &mut out);
    out
}

#[test]
fn nets_on_every_side_are_their_formulas() {
    let stack = nets();
    for (user, dense, row, recent) in [([1.0, 2.0], [3.0, 0.5, -1.0], 0, 1), ([-0.5, 0.25], [0.0, 1.5, 0.75], 2, 0)] {
        let got = logits(stack, user, 11 + recent as u64, &[(11 + row as u64, dense)]);
        let (mlp, mmoe) = by_hand(&user.map(f64::from), &dense.map(f64::from), row, recent);
        for (got, want) in got.iter().zip([mlp + mmoe[0], 0.5 * mmoe[1]]) {
            assert!((f64::from(*got) - want).abs() < 1e-4 * (1.0 + want.abs()), "{got} instead of {want}");
        }
    }
}

#[test]
fn shares_are_computed_on_their_own_sides() {
    let stack = nets();
    // The matrix of `mlp` over the pair reads 12 numbers of the pair (dense and cross), 5 of the user and 3 of the item: what a pair reads of the
    // two is six sums each, wherever they come from.
    let mut at = stack.workspace();
    let mut item = vec![0.0; stack.item_len()];
    stack.score_item(11, &[], &mut item);
    let dense = [1.0, 2.0, 3.0, 0.5, -1.0];
    stack.score_user(&mut at, &dense, &mut [(12, &[][..])].into_iter());
    let score = |at: &mut Workspace, item: &[f32]| {
        let mut logits = [0.0; 1];
        stack.score_pair(at, item, &dense, 1, &mut logits);
        logits[0]
    };
    let whole = score(&mut at, &item);
    let other: Vec<f32> = {
        let mut other = vec![0.0; stack.item_len()];
        stack.score_item(13, &[], &mut other);
        other
    };
    assert_ne!(whole, score(&mut at, &other));
    // The item's own vector is read by nothing but its share, so its place in what was kept may hold anything.
    let vector: Vec<usize> =
        item.windows(3).position(|w| *w == [0, 1, 2].map(weight)).map(|at| (at..at + 3).collect()).unwrap();
    let mut changed = item.clone();
    vector.iter().for_each(|at| changed[*at] = 99.0);
    assert_eq!(whole.to_bits(), score(&mut at, &changed).to_bits());
}

proptest! {
    #[test]
    fn a_candidate_has_the_same_bits_in_any_panel(
        user in prop::array::uniform2(-2.0f32..2.0),
        candidates in prop::collection::vec((10u64..15, prop::array::uniform3(-2.0f32..2.0)), 1..9),
    ) {
        let stack = nets();
        let all = logits(stack, user, 12, &candidates);
        for (candidate, got) in candidates.iter().zip(all.chunks(2)) {
            let alone = logits(stack, user, 12, &[*candidate]);
            prop_assert_eq!(alone.iter().map(|x| x.to_bits()).collect::<Vec<_>>(), got.iter().map(|x| x.to_bits()).collect::<Vec<_>>());
        }
    }

    #[test]
    fn any_input_gives_finite_scores(
        dense in prop::collection::vec(prop::num::f32::ANY, 0..7),
        wire in 10u64..15,
        recent in prop::collection::vec(10u64..15, 0..HISTORY_MOST + 9),
        item in prop::option::of(prop::collection::vec(prop::num::f32::ANY, 0..99)),
    ) {
        let stack = nets();
        let (mut at, mut known) = (stack.workspace(), vec![0.0; stack.item_len()]);
        stack.score_item(wire, &[], &mut known);
        stack.score_user(&mut at, &dense, &mut recent.iter().map(|wire| (*wire, &[][..])));
        let item = item.as_ref().unwrap_or(&known);
        for tier in 0..3 {
            let mut logits = [0.5; 16];
            stack.score_panel(&mut at, &[item, &known, item], &[&dense, &[], &dense], tier, &mut logits);
            prop_assert!(logits.iter().all(|logit| logit.is_finite()));
        }
    }
}

#[test]
fn a_net_that_does_not_fit_its_tensors_says_which() {
    let named = |change: &dyn Fn(&mut Value, &mut Vec<Made>)| {
        let (mut spec, mut tensors) = (nets_spec(), nets_tensors());
        change(&mut spec, &mut tensors);
        match write_nets(&spec, &tensors).unwrap_err() {
            BundleError::Tensor { name, .. } => name,
            BundleError::Spec { at, .. } => at.to_string(),
            other => panic!("{other}"),
        }
    };
    fn of<'a>(tensors: &'a mut [Made], name: &str) -> &'a mut Made {
        tensors.iter_mut().find(|t| t.name == name).unwrap()
    }
    for name in nets_tensors().iter().map(|t| t.name.as_str()) {
        let optional =
            name.ends_with(".bias") && !name.contains("cross") && !name.contains("square") && !name.contains("norm");
        let gone = |tensors: &mut Vec<Made>| tensors.retain(|t| t.name != name);
        if optional {
            let mut tensors = nets_tensors();
            gone(&mut tensors);
            write_nets(&nets_spec(), &tensors).unwrap();
        } else {
            assert_eq!(named(&|_, tensors| gone(tensors)), name, "missing");
        }
        assert_eq!(named(&|_, tensors| of(tensors, name).numbers[0] = f32::NAN), name, "no number");
        let longer = |tensors: &mut Vec<Made>| {
            let own = of(tensors, name);
            own.shape[0] += 1;
            let count = own.shape.iter().product();
            own.numbers.resize(count, 1.0);
        };
        assert_eq!(named(&|_, tensors| longer(tensors)), name, "another shape");
    }
    let block = |number: usize, key: &'static str, value: Value| {
        named(&|spec, _| spec["ranker"]["blocks"][number][key] = value.clone())
    };
    assert_eq!(block(8, "widths", json!([6, 65_536, 1])), "ranker.blocks.widths");
    assert_eq!(block(8, "widths", json!([6, 0, 1])), "ranker.blocks.widths");
    assert_eq!(block(8, "widths", json!([])), "ranker.blocks.widths");
    assert_eq!(block(8, "widths", json!(vec![1; 9])), "ranker.blocks.widths");
    assert_eq!(block(8, "widths", json!([6, 5, 1])), "mlp.1.weight");
    assert_eq!(block(8, "activation", json!("gelu")), "ranker.blocks.activation");
    assert_eq!(block(8, "activation", json!("prelu")), "mlp.0.alpha");
    assert_eq!(block(8, "last", json!("softmax")), "ranker.blocks.last");
    assert_eq!(block(8, "norm", json!(true)), "mlp.0.norm.weight");
    assert_eq!(block(8, "of", json!(["dense"])), "mlp.0.weight");
    assert_eq!(block(8, "of", json!(["later"])), "ranker.blocks.of");
    assert_eq!(block(5, "last", json!("relu")), "of_item.0.alpha");
    assert_eq!(block(6, "layers", json!(0)), "ranker.blocks.layers");
    assert_eq!(block(6, "layers", json!(9)), "ranker.blocks.layers");
    assert_eq!(block(6, "rank", json!(0)), "ranker.blocks.rank");
    assert_eq!(block(6, "rank", json!(65_536)), "ranker.blocks.rank");
    assert_eq!(block(6, "rank", json!(3)), "cross.0.u");
    assert_eq!(block(9, "experts", json!(17)), "ranker.blocks.experts");
    assert_eq!(block(9, "experts", json!(0)), "ranker.blocks.experts");
    assert_eq!(block(9, "experts", json!(2)), "mmoe.expert.0.weight");
    assert_eq!(block(9, "tasks", json!(9)), "ranker.blocks.tasks");
    assert_eq!(block(9, "tasks", json!(1)), "mmoe.gate.weight");
    assert_eq!(block(9, "towers", json!([3, 2])), "ranker.blocks.towers");
    assert_eq!(block(9, "towers", json!([1])), "mmoe.tower.0.weight");
    assert_eq!(block(9, "widths", json!([4096])), "mmoe.expert.0.weight");
    // Two numbers for a block of two tasks fit a tier of two tasks, and none of three.
    let more = |spec: &mut Value| {
        let tasks = spec["ranker"]["tiers"][0]["tasks"].as_array_mut().unwrap();
        tasks.push(json!({ "label": "share", "of": ["mlp"] }));
    };
    assert_eq!(named(&|spec, _| more(spec)), "ranker.tiers.tasks");
}

#[test]
fn what_a_net_reads_has_an_end() {
    let features: Vec<String> = (0..2500).map(|f| format!("f{f}")).collect();
    let blocks = json!([
        { "block": "dense", "features": features },
        { "block": "mlp", "of": ["dense", "dense"], "widths": [1] },
    ]);
    let spec = spec(blocks, json!(["mlp"]), json!({ "dense": vec![0; 2500] }));
    let tensors: [Singles<'_>; 3] = [
        ("dense.mean", &[2500], &[0.0; 2500]),
        ("dense.scale", &[2500], &[1.0; 2500]),
        ("mlp.0.weight", &[1, 5000], &[0.0; 5000]),
    ];
    let refused = written(&spec, &tensors, &[]).unwrap_err();
    assert!(matches!(refused, BundleError::Spec { at: "ranker.blocks.of", .. }), "{refused}");
}
