//! The kernels and blocks as native code, at the sizes of docs/benchmarks.md: `cargo bench -p zhiji-benches`.
//!
//! Native code has no vectors where the phone has them (`kernel::simd128` is of WebAssembly alone); what is measured here is the algebra, with a
//! profiler at hand.

use divan::{Bencher, black_box};
use zhiji::bandit::{LinearCost, Step};
use zhiji::block::{Fm, Query, Table, Vectors, Wide};
use zhiji::kernel::{self, Best};

fn main() {
    divan::main();
}

/// Numbers in [−1, 1), the same every time.
fn numbers(length: usize, seed: u32) -> Vec<f32> {
    let hash = |i: usize| (i as u32).wrapping_add(seed).wrapping_mul(2_654_435_761).rotate_left(13);
    (0..length).map(|i| hash(i).wrapping_mul(2_246_822_519) as i32 as f32 / 2_147_483_648.0).collect()
}

fn features(length: usize, below: u32) -> Vec<u32> {
    (0..length as u32).map(|i| i.wrapping_mul(2_654_435_761) % below).collect()
}

#[divan::bench(args = [16, 64, 1024])]
fn dot(bencher: Bencher<'_, '_>, length: usize) {
    let (a, b) = (numbers(length, 1), numbers(length, 2));
    bencher.bench(|| kernel::dot(black_box(&a), black_box(&b)));
}

#[divan::bench(args = [false, true])]
fn linear(bencher: Bencher<'_, '_>, standardised: bool) {
    let mean = if standardised { numbers(64, 3) } else { vec![0.0; 64] };
    let wide = Wide::new(0.25, numbers(64, 4), mean, vec![1.0; 64], Vec::new()).expect("sound numbers");
    let (rows, mut out) = (numbers(64_000, 5), vec![0.0; 1_000]);
    bencher.bench_local(|| wide.score_rows(black_box(&rows), 64, &mut out));
}

#[divan::bench(args = [false, true])]
fn fm(bencher: Bencher<'_, '_>, bytes: bool) {
    let table = Table::singles(50_000, 16, numbers(800_000, 6)).expect("sound numbers");
    let table = if bytes { table.quantised() } else { table };
    let fm = Fm::new(0.0, &numbers(50_000, 7), &table).expect("sound numbers");
    let (ids, values) = (features(20_000, 50_000), numbers(20_000, 8));
    let (mut scratch, mut out) = (vec![0.0; fm.width()], vec![0.0; 1_000]);
    bencher.bench_local(|| fm.score_each((0.0, &[]), (black_box(&ids), &values, 20), &mut scratch, &mut out));
}

#[divan::bench(args = [false, true])]
fn catalogue(bencher: Bencher<'_, '_>, bytes: bool) {
    let table = Table::singles(10_000, 64, numbers(640_000, 9)).expect("sound numbers");
    let items = Vectors::new(if bytes { table.quantised() } else { table }, Vec::new()).expect("sound numbers");
    let mut query = Query::new(&items);
    query.set(&numbers(64, 10));
    let (mut scores, mut best) = (vec![0.0; 10_000], Best::new(100));
    bencher.bench_local(|| {
        items.score_all(black_box(&query), &mut scores);
        best.clear();
        best.offer_all(&scores);
        best.ranked().count()
    });
}

#[divan::bench]
fn bandit_predict(bencher: Bencher<'_, '_>) {
    let model = LinearCost::new(numbers(1 << 18, 11), Step::Sgd { rate: 0.05 }).expect("sound numbers");
    let (ids, mut out) = (features(2_000, 1 << 18), vec![0.0; 100]);
    bencher.bench_local(|| model.score_each(black_box(&ids), 20, &mut out));
}

#[divan::bench]
fn bandit_learn(bencher: Bencher<'_, '_>) {
    let mut model = LinearCost::new(numbers(1 << 18, 11), Step::Sgd { rate: 0.05 }).expect("sound numbers");
    let ids = features(20, 1 << 18);
    bencher.bench_local(|| model.learn(black_box(&ids), -1.0, 0.3));
}
