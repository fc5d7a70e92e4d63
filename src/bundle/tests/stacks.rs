//! What a stack computes.

use super::*;
use crate::bundle::stack::HISTORY_MOST;
use proptest::prelude::*;

fn stack(bytes: &[u8]) -> Stack {
    load(bytes, "shop").unwrap().into_parts().0
}

/// All logits of a tier.
fn logits(
    stack: &Stack,
    tier: usize,
    dense: &[f32],
    (wire, words): (u64, &[(u16, u64)]),
    recent: &[(u64, &[u64])],
) -> Vec<f32> {
    let (mut at, mut item) = (stack.workspace(), vec![0.0; stack.item_len()]);
    stack.score_item(wire, words, &mut item);
    stack.score_user(&mut at, dense, &mut recent.iter().copied());
    let mut logits = vec![0.0; stack.labels(tier).count()];
    stack.score_pair(&mut at, &item, dense, tier, &mut logits);
    logits
}

#[test]
fn a_stack_of_every_kind_is_its_formulas() {
    let stack = stack(&written(&all_spec(), &ALL, &ALL_MORE).unwrap());
    assert_eq!(stack.features(), ["user.events", "age", "price"]);
    assert_eq!(stack.fields(), ["category", "id"]);
    let (events, age, price) = (1.0, 2.0, 3.0);
    // Item 11 is row 0; its category falls into the odd bucket, its id into the even one.
    let got = logits(&stack, 0, &[events, age, price], (11, &[(0, 5 << 32)]), &[(12, &[]), (99, &[1 << 32])]);

    let wide = 0.5 + 0.5 * (age - 1.0) / 2.0 - 0.5;
    // The features of `fm` are age, user.events, then two buckets: that of id 11 is the first.
    let active = [(age, 1.0, [1.0, 0.5]), (events, 0.5, [0.25, -1.0]), (1.0, 0.25, [2.0, 0.0])];
    let mut fm = 0.125;
    for (i, (x, weight, v)) in active.iter().enumerate() {
        fm += x * weight;
        for (y, _, w) in &active[..i] {
            fm += x * y * (v[0] * w[0] + v[1] * w[1]);
        }
    }
    // Newest first: item 12 is row 1, and item 99, which has no row, is its word, the odd bucket of `item.words`.
    let (newest, older) = ([1.0, 1.25, 1.5], [0.0, 1.0, 0.0]);
    let row = [0.5, 1.0, 1.5];
    let vector: f32 = (0..3).map(|i| (newest[i] + 0.5 * older[i]) / 1.5 * row[i]).sum::<f32>() + 0.5;
    // Row 1 passes 200 on to item 0; the item of no row takes its step.
    let covisit = 0.01 * 200.0;
    let embed = [(1.0 + 3.0) / 2.0, (2.0 + 4.0) / 2.0];
    let dense = [age, (price - 1.0) / 0.5];
    let mean: Vec<f32> = (0..2).map(|i| (dense[i] * embed[i] + embed[i]) / 2.0).collect();
    let expected = [wide + fm + 2.0 * vector + 0.5 * covisit + mean[0], wide + mean[1]];
    for (got, expected) in got.iter().zip(expected) {
        assert!((got - expected).abs() < 1e-3, "{got} instead of {expected}");
    }
    assert_eq!(logits(&stack, 1, &[events, age, price], (11, &[(0, 5 << 32)]), &[]), [wide]);
}

#[test]
fn a_tier_computes_what_it_reads_and_nothing_else() {
    let stack = stack(&written(&all_spec(), &ALL, &ALL_MORE).unwrap());
    let recent: [(u64, &[u64]); 1] = [(12, &[])];
    let (dense, item_words) = ([1.0, 2.0, 3.0], [(0, 5 << 32)]);
    let mut item = vec![0.0; stack.item_len()];
    stack.score_item(11, &item_words, &mut item);
    for tier in 0..2 {
        let mut at = stack.workspace();
        stack.choose_tier(&mut at, tier);
        stack.score_user(&mut at, &dense, &mut recent.iter().copied());
        let mut chosen = vec![0.0; stack.labels(tier).count()];
        stack.score_pair(&mut at, &item, &dense, tier, &mut chosen);
        // Of all tiers at once the numbers are the same, to the bit.
        assert_eq!(chosen, logits(&stack, tier, &dense, (11, &item_words), &recent));
        // The vectors of what was met lately are read by the fuller tier through `vector`, and by the lighter one not at all.
        let mut full = [0.0; 2];
        stack.score_pair(&mut at, &item, &dense, 0, &mut full);
        let known = full.to_vec() == logits(&stack, 0, &dense, (11, &item_words), &recent);
        assert_eq!(known, tier == 0);
    }
}

#[test]
fn an_item_without_a_row_falls_back_to_its_words() {
    let blocks = json!([{ "block": "item" }, { "block": "recent", "of": ["item"], "decay": 1 },
        { "block": "vector", "of": ["recent", "item"] }]);
    let tensors: [Singles<'_>; 2] =
        [("item.vectors", &[1, 2], &[1.0, 2.0]), ("item.words", &[2, 2], &[10.0, 0.0, 0.0, 10.0])];
    let ids = [Writing { name: "items.ids", shape: &[1], numbers: Numbers::Longs(&[7]) }];
    let stack = stack(&written(&spec(blocks, json!(["vector"]), json!({ "dense": [] })), &tensors, &ids).unwrap());
    let of = |wire, words: &[(u16, u64)], recent: &[(u64, &[u64])]| logits(&stack, 0, &[], (wire, words), recent)[0];
    assert_eq!(of(7, &[], &[(7, &[])]), 5.0);
    assert_eq!(of(8, &[(u16::MAX, 0)], &[(7, &[])]), 10.0);
    assert_eq!(of(8, &[(u16::MAX, 0), (u16::MAX, 1 << 32)], &[(7, &[])]), 15.0);
    assert_eq!(of(8, &[], &[(7, &[])]), 0.0, "nothing is known of it");
    assert_eq!(of(7, &[], &[(8, &[1 << 32])]), 20.0);
    assert_eq!(of(7, &[], &[]), 0.0, "nothing has been met");
}

#[test]
fn halves_and_bytes_are_the_singles_they_stand_for() {
    let blocks = json!([{ "block": "embed", "hashed": ["id"] }, { "block": "wide", "features": ["a", "b"] },
        { "block": "mean", "of": ["embed"] }]);
    let spec = spec(blocks, json!(["wide", "mean"]), json!({ "dense": [3, 5], "item": "0000000100000000" }));
    let with = |weight: Numbers<'static>, table: Numbers<'static>, scale: &'static [f32]| {
        let singles: [Singles<'_>; 3] =
            [("wide.mean", &[2], &[0.0; 2]), ("wide.scale", &[2], &[1.0; 2]), ("wide.bias", &[1], &[0.0])];
        let mut more = vec![
            Writing { name: "wide.weight", shape: &[2], numbers: weight },
            Writing { name: "embed.table", shape: &[2, 1], numbers: table },
        ];
        if !scale.is_empty() {
            more.push(Writing { name: "embed.table.scale", shape: &[2], numbers: Numbers::Singles(scale) });
        }
        let stack = stack(&written(&spec, &singles, &more).unwrap());
        logits(&stack, 0, &[3.0, 5.0], (1 << 32, &[]), &[])[0].to_bits()
    };
    let singles = with(Numbers::Singles(&[0.5, -2.0]), Numbers::Singles(&[0.0, -1.25]), &[]);
    assert_eq!(f32::from_bits(singles), -9.75);
    assert_eq!(singles, with(Numbers::Halves(&[0x3800, 0xc000]), Numbers::Halves(&[0, 0xbd00]), &[]));
    assert_eq!(singles, with(Numbers::Singles(&[0.5, -2.0]), Numbers::Signed(&[0, -5]), &[1.0, 0.25]));
}

#[test]
fn a_score_beyond_single_precision_is_held_and_told() {
    let blocks = json!([{ "block": "wide", "features": ["a", "b"] }]);
    let tensors: [Singles<'_>; 4] = [
        ("wide.weight", &[2], &[3e38, -3e38]),
        ("wide.mean", &[2], &[0.0; 2]),
        ("wide.scale", &[2], &[1.0; 2]),
        ("wide.bias", &[1], &[0.0]),
    ];
    let stack = stack(&written(&spec(blocks, json!(["wide"]), json!({ "dense": [0, 0] })), &tensors, &[]).unwrap());
    let mut at = stack.workspace();
    let item = vec![0.0; stack.item_len()];
    let mut logits = [0.0];
    for (dense, expected) in [([1.0, 0.0], 3e38), ([10.0, 0.0], f32::MAX), ([10.0, 10.0], 0.0), ([0.0, 10.0], f32::MIN)]
    {
        stack.score_pair(&mut at, &item, &dense, 0, &mut logits);
        assert_eq!(logits, [expected]);
        assert_eq!(at.overflowed(), dense != [1.0, 0.0]);
    }
}

#[test]
fn a_workspace_remembers_nothing_of_the_request_before() {
    let stack = stack(&written(&all_spec(), &ALL, &ALL_MORE).unwrap());
    let (mut at, mut item) = (stack.workspace(), vec![0.0; stack.item_len()]);
    stack.score_item(11, &[(0, 1)], &mut item);
    let run = |at: &mut Workspace, events: f32, recent: &[(u64, &[u64])]| {
        let mut logits = [0.0; 2];
        stack.score_user(at, &[events, 0.0, 0.0], &mut recent.iter().copied());
        stack.score_pair(at, &item, &[events, 0.5, 0.25], 0, &mut logits);
        logits
    };
    let empty = run(&mut at, 1.0, &[]);
    assert_ne!(run(&mut at, 9.0, &[(12, &[][..]); 60]), empty);
    assert_eq!(run(&mut at, 1.0, &[]), empty);
}

proptest! {
    #[test]
    fn any_input_gives_finite_scores(
        dense in prop::collection::vec(prop::num::f32::ANY, 0..5),
        wire in prop::sample::select(vec![11u64, 12, 13, 0, u64::MAX]),
        words in prop::collection::vec((prop::sample::select(vec![0u16, 1, 7, u16::MAX]), any::<u64>()), 0..8),
        recent in prop::collection::vec((10u64..15, prop::collection::vec(any::<u64>(), 0..3)), 0..HISTORY_MOST + 9),
        item in prop::option::of(prop::collection::vec(prop::num::f32::ANY, 0..40)),
    ) {
        let stack = stack(&written(&all_spec(), &ALL, &ALL_MORE).unwrap());
        let (mut at, mut known) = (stack.workspace(), vec![0.0; stack.item_len()]);
        stack.score_item(wire, &words, &mut known);
        stack.score_user(&mut at, &dense, &mut recent.iter().map(|(wire, keys)| (*wire, keys.as_slice())));
        for tier in 0..3 {
            let mut logits = [0.5; 2];
            stack.score_pair(&mut at, item.as_ref().unwrap_or(&known), &dense, tier, &mut logits);
            prop_assert!(logits.iter().all(|logit| logit.is_finite()), "{:?}", logits);
        }
    }
}

/// Two items with vectors and biases, a taste by what was judged, and the bias alone.
fn judging(gains: [f32; 2]) -> Stack {
    let blocks = json!([{ "block": "item" }, { "block": "bias", "of": ["item"] },
        { "block": "ridge", "of": ["item"], "decay": 0.5 }, { "block": "vector", "of": ["ridge", "item"] }]);
    let tensors: [Singles<'_>; 4] = [
        ("item.vectors", &[2, 1], &[1.0, 2.0]),
        ("item.bias", &[2], &[0.5, -0.5]),
        ("ridge.base", &[1], &[3.0]),
        ("ridge.noise", &[1], &[1.0]),
    ];
    let ids = [Writing { name: "items.ids", shape: &[2], numbers: Numbers::Longs(&[7, 8]) }];
    let mut spec = spec(
        blocks,
        json!(["vector", "bias"]),
        json!({ "dense": [], "judged": [{ "item": "0000000000000007", "value": 5 }] }),
    );
    spec["ranker"]["tiers"][0]["tasks"][0]["gains"] = json!(gains);
    stack(&written(&spec, &tensors, &ids).unwrap())
}

#[test]
fn what_was_judged_becomes_a_taste() {
    let stack = judging([1.0, 0.0]);
    let of = |wire, judged: &[(u64, f32)]| {
        let (mut at, mut item, mut logits) = (stack.workspace(), vec![0.0; stack.item_len()], [0.0]);
        stack.score_item(wire, &[], &mut item);
        // Whoever was judged for before leaves nothing behind.
        stack.judge(&mut at, &mut [(8, 1.0)].into_iter());
        stack.judge(&mut at, &mut judged.iter().copied());
        stack.score_user(&mut at, &[], &mut [].into_iter());
        stack.score_pair(&mut at, &item, &[], 0, &mut logits);
        logits[0]
    };
    assert_eq!(of(7, &[]), 0.5, "nothing was judged: the bias");
    // (1 + 1) w = 5 − 3 − 0.5, times the vector, plus the bias.
    assert_eq!((of(7, &[(7, 5.0)]), of(8, &[(7, 5.0)])), (1.25, 1.0));
    // The older judgement counts half: (1 + 1 + 0.5 · 4) w = 1.5 + 0.5 · 2 · (1 − 3 + 0.5).
    assert_eq!(of(7, &[(7, 5.0), (8, 1.0)]), 0.5);
    assert_eq!(
        of(7, &[(9, 1.0), (7, 5.0)]),
        0.5 + 0.75 / 1.5,
        "an item without a row says nothing, but takes its step"
    );
    assert_eq!(of(9, &[(7, 5.0)]), 0.0, "nothing is known of it");
}

#[test]
fn an_items_bias_stands_alone() {
    let stack = judging([0.0, 2.0]);
    let of = |wire| logits(&stack, 0, &[], (wire, &[]), &[])[0];
    assert_eq!([of(7), of(8), of(9)], [1.0, -1.0, 0.0]);
}
