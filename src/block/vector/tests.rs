use super::*;
use crate::kernel;
use crate::kernel::{Best, math};
use proptest::prelude::*;

fn catalogue() -> impl Strategy<Value = (Vectors, Vec<f32>)> {
    let sizes = prop::sample::select(vec![0usize, 1, 3, 4, 5, 11]);
    (sizes, prop::sample::select(vec![1usize, 3, 4, 5, 16, 33, 64]), any::<bool>(), any::<bool>()).prop_flat_map(
        |(items, dim, bytes, biased)| {
            let numbers = prop::collection::vec(-1.0f32..1.0, items * dim);
            let bias = prop::collection::vec(-1.0f32..1.0, if biased { items } else { 0 });
            (numbers, bias, prop::collection::vec(-2.0f32..2.0, dim)).prop_map(move |(numbers, bias, user)| {
                let table = Table::singles(items, dim, numbers).expect("a sound table");
                let table = if bytes { table.quantised() } else { table };
                (Vectors::new(table, bias).expect("a sound block"), user)
            })
        },
    )
}

proptest! {
    #[test]
    fn a_score_is_the_inner_product((items, user) in catalogue()) {
        let mut query = Query::new(&items);
        query.set(&user);
        let mut all = vec![f32::NAN; items.items() + 1];
        items.score_all(&query, &mut all);
        prop_assert_eq!(all[items.items()], 0.0);
        let backwards: Vec<u32> = (0..all.len() as u32).rev().collect();
        let mut each = vec![f32::NAN; all.len()];
        items.score_each(&query, &backwards, &mut each);
        let mut row = vec![0.0; items.table().dim()];
        for (item, got) in all.iter().take(items.items()).enumerate() {
            items.table().read(item, &mut row);
            let exact: f64 = row.iter().zip(&user).map(|(v, u)| f64::from(*v) * f64::from(*u)).sum();
            // Bytes: the user's vector is within 2⁻¹⁶ of its largest number.
            prop_assert!((f64::from(*got) - exact - f64::from(items.bias(item))).abs() < 64.0 * 2.0 / 32_767.0);
            prop_assert_eq!(got.to_bits(), items.score(&query, item as u32).to_bits());
            prop_assert_eq!(got.to_bits(), each[all.len() - 1 - item].to_bits());
            if let Numbers::Singles(_) = items.table().numbers() {
                let whole = kernel::dot(&row, &user) + items.bias(item);
                prop_assert_eq!(got.to_bits(), (whole + 0.0).to_bits());
            }
        }
    }

    #[test]
    fn gradients_are_the_slopes_of_their_losses(
        numbers in prop::collection::vec(-1.0f32..1.0, 15), bias in prop::array::uniform2(-1.0f32..1.0), positive in any::<bool>(),
    ) {
        let label = f32::from(u8::from(positive));
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let score = |x: &[f64], at: usize| dot(&x[..5], &x[5 * at..5 * at + 5]) + f64::from(bias[at - 1]);
        let logistic = |x: &[f64]| math::softplus_f64(score(x, 1)) - f64::from(label) * score(x, 1);
        let bpr = |x: &[f64]| math::softplus_f64(score(x, 2) - score(x, 1));
        let exact: Vec<f64> = numbers.iter().map(|x| f64::from(*x)).collect();
        let slope = |of: &dyn Fn(&[f64]) -> f64, at: usize| {
            let by = |step: f64| { let mut x = exact.clone(); x[at] += step; of(&x) };
            (by(1e-4) - by(-1e-4)) / 2e-4
        };
        let (user, rest) = numbers.split_at(5);
        let (taken, other) = rest.split_at(5);
        let mut got = [0.0; 15];
        let (into_user, into_rest) = got.split_at_mut(5);
        let residual = add_logistic((user, taken, bias[0]), label, into_user, &mut into_rest[..5]);
        prop_assert!((residual - (math::sigmoid(kernel::dot(user, taken) + bias[0]) - label)).abs() < 1e-6);
        for (at, got) in got.iter().enumerate() {
            prop_assert!((f64::from(*got) - slope(&logistic, at)).abs() < 1e-4, "logistic {}", at);
        }
        let mut got = [0.0; 15];
        let (into_user, into_rest) = got.split_at_mut(5);
        let (into_taken, into_other) = into_rest.split_at_mut(5);
        let by_taken = add_bpr((user, taken, other, bias), into_user, into_taken, into_other);
        prop_assert!(by_taken <= 0.0);
        for (at, got) in got.iter().enumerate() {
            prop_assert!((f64::from(*got) - slope(&bpr, at)).abs() < 1e-4, "bpr {}", at);
        }
    }
}

/// A whole catalogue of 10,000, as singles and as bytes, against the exact order.
#[test]
fn the_hundred_best_of_ten_thousand() {
    let (items, dim) = (10_000usize, 64usize);
    let number = |i: usize| {
        let mixed = (i as u32 ^ 0x9e37_79b9).wrapping_mul(2_654_435_761);
        let mixed = (mixed ^ (mixed >> 15)).wrapping_mul(0x2c1b_3c6d);
        ((mixed ^ (mixed >> 12)) >> 8) as f32 / 8_388_608.0 - 1.0
    };
    let table = Table::singles(items, dim, (0..items * dim).map(number).collect()).expect("a sound table");
    let user: Vec<f32> = (0..dim).map(|j| number(j + 7_000_000)).collect();
    let mut row = vec![0.0; dim];
    let mut exact: Vec<(f64, usize)> = (0..items)
        .map(|item| {
            table.read(item, &mut row);
            (row.iter().zip(&user).map(|(v, u)| f64::from(*v) * f64::from(*u)).sum(), item)
        })
        .collect();
    exact.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    for (table, shared) in [(table.clone(), 100), (table.quantised(), 90)] {
        let vectors = Vectors::new(table, vec![]).expect("a sound block");
        let mut query = Query::new(&vectors);
        query.set(&user);
        let mut scores = vec![0.0; items];
        vectors.score_all(&query, &mut scores);
        let mut best = Best::new(100);
        best.offer_all(&scores);
        let found: Vec<usize> = best.ranked().map(|(item, _)| item as usize).collect();
        let both = found.iter().filter(|item| exact[..100].iter().any(|(_, other)| other == *item)).count();
        assert!(both >= shared, "{both} of the hundred best");
        assert!(found.contains(&exact[0].1));
    }
}

#[test]
fn scores_stay_finite() {
    let numbers = vec![f32::MAX, f32::MAX, f32::MIN, 1.0];
    for table in [Table::singles(2, 2, numbers.clone()), Table::singles(2, 2, numbers).map(Table::quantised)] {
        let vectors = Vectors::new(table.expect("finite"), vec![f32::MAX, 0.0]).expect("finite");
        let mut query = Query::new(&vectors);
        for user in [[f32::MAX, f32::MAX], [f32::NAN, f32::INFINITY], [1e-40, 0.0]] {
            query.set(&user);
            let mut scores = [f32::NAN; 2];
            vectors.score_all(&query, &mut scores);
            assert!(scores.iter().all(|score| score.is_finite()), "{scores:?}");
        }
        assert_eq!(vectors.score(&query, u32::MAX), 0.0);
    }
}

#[test]
fn unsound_blocks_are_refused() {
    let table = || Table::singles(2, 1, vec![1.0, 2.0]).expect("sound");
    assert_eq!(Vectors::new(table(), vec![0.0]).map(|_| ()), Err(BlockError::Shape { part: "bias" }));
    assert_eq!(Vectors::new(table(), vec![0.0, f32::NAN]).map(|_| ()), Err(BlockError::NotFinite { part: "bias" }));
    let refused = |rows, dim, n| Table::singles(rows, dim, vec![0.0; n]).map(|_| ());
    assert_eq!(refused(1, 0, 0), Err(BlockError::Size { part: "table" }));
    assert_eq!(refused(1, 513, 513), Err(BlockError::Size { part: "table" }));
    assert_eq!(refused(usize::MAX, 2, 0), Err(BlockError::Size { part: "table" }));
    assert_eq!(refused(2, 2, 3), Err(BlockError::Shape { part: "table" }));
    assert_eq!(Table::singles(1, 1, vec![f32::NAN]).map(|_| ()), Err(BlockError::NotFinite { part: "table" }));
    let bytes = |scale: &[f32]| Table::bytes(1, 2, vec![1, 2], scale.to_vec()).map(|_| ());
    assert_eq!(bytes(&[]), Err(BlockError::Shape { part: "scale" }));
    assert_eq!(bytes(&[-1.0]), Err(BlockError::Range { part: "scale" }));
    assert_eq!(bytes(&[f32::INFINITY]), Err(BlockError::NotFinite { part: "scale" }));
    assert_eq!(bytes(&[0.5]), Ok(()));
}
