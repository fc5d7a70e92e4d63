use super::super::layer::Activation;
use super::*;
use crate::kernel::math;
use proptest::prelude::*;

/// A fixed sequence of numbers in `[−1, 1)`.
fn numbers(seed: u32, n: usize) -> Vec<f32> {
    (0..n as u32)
        .map(|i| {
            let mixed = (i ^ seed.wrapping_mul(0x9e37_79b9)).wrapping_mul(2_654_435_761);
            let mixed = (mixed ^ (mixed >> 15)).wrapping_mul(0x2c1b_3c6d);
            ((mixed ^ (mixed >> 12)) >> 8) as f32 / 8_388_608.0 - 1.0
        })
        .collect()
}

/// Layers of a whole attention, as its trainer has them.
struct Model {
    layers: Vec<Weights>,
}

impl Model {
    fn new(seed: u32, dim: usize, widths: &[usize], activation: Activation) -> Self {
        let mut inputs = 4 * dim;
        let layers = widths.iter().enumerate().map(|(at, width)| {
            let (seed, last) = (seed.wrapping_add(100 * at as u32), at + 1 == widths.len());
            let reads = inputs;
            inputs = *width;
            Weights {
                groups: 1,
                width: *width,
                inputs: reads,
                activation: if last { Activation::None } else { activation },
                weight: numbers(seed, width * reads).iter().map(|w| w / (reads as f32).sqrt()).collect(),
                bias: numbers(seed + 1, *width),
                alpha: if last || activation != Activation::Prelu { vec![] } else { numbers(seed + 2, *width) },
                ..Weights::default()
            }
        });
        Model { layers: layers.collect() }
    }

    fn block(&self, shape: Shape) -> Attention {
        Attention::new(shape, &self.layers).expect("a sound block")
    }

    /// The definition, in double precision.
    fn naive(&self, shape: Shape, vectors: &[f32], candidate: &[f32]) -> Vec<f64> {
        let c: Vec<f64> = candidate.iter().map(|x| f64::from(*x)).collect();
        let mut weights = Vec::new();
        let history: Vec<Vec<f64>> =
            vectors.chunks(shape.dim).take(shape.history).map(|h| h.iter().map(|x| f64::from(*x)).collect()).collect();
        for h in &history {
            let pairs = || h.iter().zip(&c);
            let mut x: Vec<f64> = h.iter().chain(&c).copied().collect();
            x.extend(pairs().map(|(h, c)| h - c));
            x.extend(pairs().map(|(h, c)| h * c));
            for layer in &self.layers {
                let rows = layer.weight.chunks(x.len()).zip(&layer.bias).enumerate();
                x = rows
                    .map(|(o, (row, bias))| {
                        let z = f64::from(*bias) + row.iter().zip(&x).map(|(w, x)| f64::from(*w) * x).sum::<f64>();
                        match layer.activation {
                            Activation::None => z,
                            Activation::Relu => z.max(0.0),
                            Activation::Prelu => {
                                if z < 0.0 {
                                    f64::from(layer.alpha[o]) * z
                                } else {
                                    z
                                }
                            }
                            Activation::Silu => z * math::sigmoid_f64(z),
                        }
                    })
                    .collect();
            }
            weights.push(x[0]);
        }
        if shape.softmax {
            let most = weights.iter().fold(f64::MIN, |most, x| most.max(*x));
            weights.iter_mut().for_each(|x| *x = math::exp_f64(*x - most));
            let total: f64 = weights.iter().sum();
            weights.iter_mut().for_each(|x| *x /= total);
        }
        (0..shape.dim).map(|j| weights.iter().zip(&history).map(|(w, h)| w * h[j]).sum()).collect()
    }
}

/// A block with room to work in.
struct Bench {
    block: Attention,
    history: History,
    work: Work,
}

impl Bench {
    fn new(block: Attention) -> Self {
        Bench { history: block.history(), work: block.work(), block }
    }

    fn pooled(&mut self, (vectors, rows, table): (&[f32], &[u32], &Table), c: &[f32]) -> Vec<f32> {
        let (mut part, mut out) = (vec![f32::NAN; self.block.item_len()], vec![f32::NAN; self.block.shape().dim]);
        self.block.score_user(vectors, rows, table, &mut self.history);
        self.block.score_item(c, &mut part);
        self.block.score_pair(&self.history, c, &part, &mut self.work, &mut out);
        out
    }
}

fn no_table() -> Table {
    Table::singles(0, 1, vec![]).expect("an empty table")
}

const ACTIVATIONS: [Activation; 4] = [Activation::None, Activation::Relu, Activation::Prelu, Activation::Silu];

fn shapes() -> impl Strategy<Value = (Shape, (Vec<usize>, Activation), usize)> {
    let dim = prop::sample::select(vec![1usize, 2, 3, 4, 5, 8, 32, 33]);
    let widths = prop::sample::select(vec![
        vec![1],
        vec![1, 1],
        vec![3, 1],
        vec![4, 1],
        vec![36, 1],
        vec![10, 5, 1],
        vec![8, 9, 7, 1],
    ]);
    let count = prop::sample::select(vec![0usize, 1, 3, 4, 5, 8, 9, 12, 13, 50]);
    (dim, widths, count, 0usize..4, any::<bool>(), 1usize..=50, any::<bool>()).prop_map(
        |(dim, widths, count, activation, softmax, history, whole)| {
            let history = if whole { 50 } else { history };
            (Shape { dim, history, softmax, words: false }, (widths, ACTIVATIONS[activation]), count)
        },
    )
}

fn close(got: &[f32], want: &[f64], slack: f64) -> Result<(), TestCaseError> {
    let size = want.iter().fold(1.0f64, |size, x| size.max(x.abs()));
    for (got, want) in got.iter().zip(want) {
        prop_assert!((f64::from(*got) - want).abs() <= slack * size, "{} instead of {}", got, want);
    }
    Ok(())
}

proptest! {
    #[test]
    fn the_sum_is_its_definition((shape, (widths, activation), count) in shapes(), seed in any::<u32>()) {
        let model = Model::new(seed, shape.dim, &widths, activation);
        let mut bench = Bench::new(model.block(shape));
        let vectors = numbers(seed ^ 7, count * shape.dim);
        let c = numbers(seed ^ 8, shape.dim);
        let got = bench.pooled((&vectors, &[], &no_table()), &c);
        close(&got, &model.naive(shape, &vectors, &c), 2e-5)?;
        // A history remembers nothing of the request before.
        let other = numbers(seed ^ 9, 50 * shape.dim);
        bench.pooled((&other, &[], &no_table()), &c);
        let again = bench.pooled((&vectors, &[], &no_table()), &c);
        prop_assert_eq!(got.iter().map(|x| x.to_bits()).collect::<Vec<_>>(), again.iter().map(|x| x.to_bits()).collect::<Vec<_>>());
    }

    #[test]
    fn bytes_in_integers_are_the_numbers_they_stand_for((shape, (widths, activation), count) in shapes(), seed in any::<u32>()) {
        let shape = Shape { words: true, ..shape };
        let model = Model::new(seed, shape.dim, &widths, activation);
        let mut bench = Bench::new(model.block(shape));
        let table = Table::singles(60, shape.dim, numbers(seed ^ 7, 60 * shape.dim)).expect("sound").quantised();
        // Some items have no row, and vectors of their own.
        let rows: Vec<u32> = (0..count as u32).map(|r| if r % 5 == 4 { u32::MAX } else { r * 7 % 60 }).collect();
        let own = numbers(seed ^ 9, count * shape.dim);
        let mut vectors = vec![0.0; count * shape.dim];
        for (r, (out, own)) in rows.iter().zip(vectors.chunks_mut(shape.dim).zip(own.chunks(shape.dim))) {
            if *r == u32::MAX { out.copy_from_slice(own) } else { table.read(*r as usize, out) }
        }
        let mut c = vec![0.0; shape.dim];
        table.read(59, &mut c);
        let got = bench.pooled((&vectors, &rows, &table), &c);
        close(&got, &model.naive(shape, &vectors, &c), 2e-3)?;
    }

    #[test]
    fn any_input_gives_an_answer((shape, (widths, activation), count) in shapes(), bits in prop::collection::vec(any::<u32>(), 24), words in any::<bool>()) {
        let shape = Shape { words, ..shape };
        let mut bench = Bench::new(Model::new(1, shape.dim, &widths, activation).block(shape));
        let wild = |n: usize| (0..n).map(|i| f32::from_bits(bits[i % 24].rotate_left(i as u32 / 24))).collect::<Vec<f32>>();
        let out = bench.pooled((&wild(count * shape.dim), &[], &no_table()), &wild(shape.dim));
        prop_assert_eq!(out.len(), shape.dim);
    }
}

#[test]
fn nothing_chosen_yet_gives_zeros() {
    let shape = Shape { dim: 3, history: 50, softmax: true, words: false };
    let mut bench = Bench::new(Model::new(1, 3, &[4, 1], Activation::Relu).block(shape));
    assert_eq!(bench.pooled((&[], &[], &no_table()), &[1.0; 3]), [0.0; 3]);
    let mut out = [f32::NAN; 3];
    bench.pooled((&[1.0; 9], &[], &no_table()), &[1.0; 3]);
    bench.block.score_pair(&bench.history, &[], &[], &mut bench.work, &mut out);
    assert_eq!(out, [0.0; 3], "a candidate without a vector");
}

#[test]
fn the_newest_are_read_and_no_more() {
    let shape = Shape { dim: 2, history: 3, softmax: false, words: false };
    let mut bench = Bench::new(Model::new(5, 2, &[4, 1], Activation::Relu).block(shape));
    let vectors = numbers(3, 20);
    let mut of = |vectors: &[f32]| bench.pooled((vectors, &[], &no_table()), &[0.5, -0.5]);
    assert_eq!(of(&vectors), of(&vectors[..6]));
    assert_ne!(of(&vectors), of(&vectors[..4]));
}

#[test]
fn a_weight_of_one_is_the_plain_sum() {
    // The last layer says 1 whatever it reads.
    let mut model = Model::new(5, 3, &[2, 1], Activation::Silu);
    (model.layers[1].weight, model.layers[1].bias) = (vec![0.0; 2], vec![1.0]);
    let shape = Shape { dim: 3, history: 50, softmax: false, words: false };
    let history = [1.0, 2.0, 3.0, 10.0, 20.0, 30.0];
    let of = |shape| Bench::new(model.block(shape)).pooled((&history, &[], &no_table()), &[1.0; 3]);
    assert_eq!(of(shape), [11.0, 22.0, 33.0]);
    assert_eq!(of(Shape { softmax: true, ..shape }), [5.5, 11.0, 16.5]);
}

#[test]
fn unsound_blocks_are_refused() {
    let of = |change: &dyn Fn(&mut Shape, &mut Vec<Weights>)| {
        let mut shape = Shape { dim: 2, history: 50, softmax: false, words: false };
        let mut layers = Model::new(1, 2, &[3, 1], Activation::Prelu).layers;
        change(&mut shape, &mut layers);
        Attention::new(shape, &layers).map(|_| ())
    };
    assert_eq!(of(&|_, _| {}), Ok(()));
    let (size, wrong) = (|part| Err(BlockError::Size { part }), |part| Err(BlockError::Shape { part }));
    assert_eq!(of(&|_, layers| layers.clear()), size("layers"));
    assert_eq!(of(&|_, layers| *layers = vec![layers[0].clone(); 5]), size("layers"));
    assert_eq!(of(&|shape, _| shape.dim = 0), size("layers"));
    assert_eq!(of(&|shape, _| shape.dim = 65_536), size("layers"));
    assert_eq!(of(&|shape, _| shape.dim = 3), wrong("weight"));
    assert_eq!(of(&|_, layers| layers.truncate(1)), size("weight"));
    assert_eq!(of(&|_, layers| layers[0].width = 0), size("weight"));
    assert_eq!(of(&|_, layers| layers[0].bias = vec![1.0]), wrong("bias"));
    assert_eq!(of(&|_, layers| layers[0].alpha = vec![]), wrong("alpha"));
    assert_eq!(of(&|_, layers| layers[0].alpha = vec![f32::NAN]), Err(BlockError::NotFinite { part: "alpha" }));
    assert_eq!(of(&|_, layers| layers[1].bias[0] = f32::INFINITY), Err(BlockError::NotFinite { part: "bias" }));
}
