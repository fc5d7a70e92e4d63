use super::*;
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

/// Weights of a whole attention, as its trainer has them.
struct Weights {
    layers: Vec<Layer>,
}

/// Weight, bias and slopes of a layer, and how many numbers it gives.
type Layer = (Vec<f32>, Vec<f32>, Vec<f32>, usize);

impl Weights {
    fn new(seed: u32, dim: usize, widths: &[usize]) -> Self {
        let mut inputs = 4 * dim;
        let layers = widths.iter().enumerate().map(|(at, outputs)| {
            let seed = seed.wrapping_add(100 * at as u32);
            let weight = numbers(seed, outputs * inputs).iter().map(|w| w / (inputs as f32).sqrt()).collect();
            inputs = *outputs;
            (weight, numbers(seed + 1, *outputs), numbers(seed + 2, *outputs), *outputs)
        });
        Weights { layers: layers.collect() }
    }

    fn block(&self, shape: Shape) -> Attention {
        Attention::new(shape, &self.layers()).expect("a sound block")
    }

    fn layers(&self) -> Vec<LayerWeights<'_>> {
        let layers = self.layers.iter();
        layers.map(|(weight, bias, alpha, outputs)| LayerWeights { weight, bias, alpha, outputs: *outputs }).collect()
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
            for (at, (weight, bias, alpha, _)) in self.layers.iter().enumerate() {
                let rows = weight.chunks(x.len()).zip(bias).enumerate();
                x = rows
                    .map(|(o, (row, bias))| {
                        let z = f64::from(*bias) + row.iter().zip(&x).map(|(w, x)| f64::from(*w) * x).sum::<f64>();
                        match shape.activation {
                            _ if at + 1 == self.layers.len() => z,
                            Activation::None => z,
                            Activation::Relu => z.max(0.0),
                            Activation::Prelu => {
                                if z < 0.0 {
                                    f64::from(alpha[o]) * z
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

fn pooled(
    block: &Attention,
    history: &mut History,
    (vectors, rows, table): (&[f32], &[u32], &Table),
    c: &[f32],
) -> Vec<f32> {
    let (mut part, mut out) = (vec![f32::NAN; block.item_len()], vec![f32::NAN; block.shape().dim]);
    block.score_user(vectors, rows, table, history);
    block.score_item(c, &mut part);
    block.score_pair(history, c, &part, &mut out);
    out
}

fn no_table() -> Table {
    Table::singles(0, 1, vec![]).expect("an empty table")
}

const ACTIVATIONS: [Activation; 4] = [Activation::None, Activation::Relu, Activation::Prelu, Activation::Silu];

fn shapes() -> impl Strategy<Value = (Shape, Vec<usize>, usize)> {
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
            (Shape { dim, history, activation: ACTIVATIONS[activation], softmax, words: false }, widths, count)
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
    fn the_sum_is_its_definition((shape, widths, count) in shapes(), seed in any::<u32>()) {
        let weights = Weights::new(seed, shape.dim, &widths);
        let block = weights.block(shape);
        let mut history = block.room();
        let vectors = numbers(seed ^ 7, count * shape.dim);
        let c = numbers(seed ^ 8, shape.dim);
        let got = pooled(&block, &mut history, (&vectors, &[], &no_table()), &c);
        close(&got, &weights.naive(shape, &vectors, &c), 2e-5)?;
        // A history remembers nothing of the request before.
        let other = numbers(seed ^ 9, 50 * shape.dim);
        pooled(&block, &mut history, (&other, &[], &no_table()), &c);
        let again = pooled(&block, &mut history, (&vectors, &[], &no_table()), &c);
        prop_assert_eq!(got.iter().map(|x| x.to_bits()).collect::<Vec<_>>(), again.iter().map(|x| x.to_bits()).collect::<Vec<_>>());
    }

    #[test]
    fn bytes_in_integers_are_the_numbers_they_stand_for((shape, widths, count) in shapes(), seed in any::<u32>()) {
        let shape = Shape { words: true, ..shape };
        let weights = Weights::new(seed, shape.dim, &widths);
        let block = weights.block(shape);
        let mut history = block.room();
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
        let got = pooled(&block, &mut history, (&vectors, &rows, &table), &c);
        close(&got, &weights.naive(shape, &vectors, &c), 2e-3)?;
    }

    #[test]
    fn any_input_gives_an_answer((shape, widths, count) in shapes(), bits in prop::collection::vec(any::<u32>(), 24), words in any::<bool>()) {
        let shape = Shape { words, ..shape };
        let block = Weights::new(1, shape.dim, &widths).block(shape);
        let mut history = block.room();
        let wild = |n: usize| (0..n).map(|i| f32::from_bits(bits[i % 24].rotate_left(i as u32 / 24))).collect::<Vec<f32>>();
        let out = pooled(&block, &mut history, (&wild(count * shape.dim), &[], &no_table()), &wild(shape.dim));
        prop_assert_eq!(out.len(), shape.dim);
    }
}

#[test]
fn nothing_chosen_yet_gives_zeros() {
    let shape = Shape { dim: 3, history: 50, activation: Activation::Relu, softmax: true, words: false };
    let block = Weights::new(1, 3, &[4, 1]).block(shape);
    let mut history = block.room();
    assert_eq!(pooled(&block, &mut history, (&[], &[], &no_table()), &[1.0; 3]), [0.0; 3]);
    let mut out = [f32::NAN; 3];
    pooled(&block, &mut history, (&[1.0; 9], &[], &no_table()), &[1.0; 3]);
    block.score_pair(&mut history, &[], &[], &mut out);
    assert_eq!(out, [0.0; 3], "a candidate without a vector");
}

#[test]
fn the_newest_are_read_and_no_more() {
    let shape = Shape { dim: 2, history: 3, activation: Activation::Relu, softmax: false, words: false };
    let weights = Weights::new(5, 2, &[4, 1]);
    let block = weights.block(shape);
    let mut history = block.room();
    let vectors = numbers(3, 20);
    let of =
        |history: &mut History, vectors: &[f32]| pooled(&block, history, (vectors, &[], &no_table()), &[0.5, -0.5]);
    assert_eq!(of(&mut history, &vectors), of(&mut history, &vectors[..6]));
    assert_ne!(of(&mut history, &vectors), of(&mut history, &vectors[..4]));
}

#[test]
fn a_weight_of_one_is_the_plain_sum() {
    // The last layer says 1 whatever it reads.
    let (first, last) = (vec![0.5; 2 * 12], vec![0.0; 2]);
    let layers = [
        LayerWeights { weight: &first, outputs: 2, ..LayerWeights::default() },
        LayerWeights { weight: &last, bias: &[1.0], outputs: 1, ..LayerWeights::default() },
    ];
    let shape = Shape { dim: 3, history: 50, activation: Activation::Silu, softmax: false, words: false };
    let block = Attention::new(shape, &layers).expect("sound");
    let sum = pooled(&block, &mut block.room(), (&[1.0, 2.0, 3.0, 10.0, 20.0, 30.0], &[], &no_table()), &[1.0; 3]);
    assert_eq!(sum, [11.0, 22.0, 33.0]);
    let shares = Attention::new(Shape { softmax: true, ..shape }, &layers).expect("sound");
    let mean = pooled(&shares, &mut shares.room(), (&[1.0, 2.0, 3.0, 10.0, 20.0, 30.0], &[], &no_table()), &[1.0; 3]);
    assert_eq!(mean, [5.5, 11.0, 16.5]);
}

#[test]
fn unsound_blocks_are_refused() {
    let shape = Shape { dim: 2, history: 50, activation: Activation::Prelu, softmax: false, words: false };
    let (first, last) = (vec![0.5; 3 * 8], vec![0.5; 3]);
    let sound = [
        LayerWeights { weight: &first, bias: &[], alpha: &[0.25], outputs: 3 },
        LayerWeights { weight: &last, bias: &[1.0], alpha: &[], outputs: 1 },
    ];
    let of = |change: &dyn Fn(&mut Shape, &mut Vec<LayerWeights<'static>>)| {
        let (mut shape, mut layers) = (shape, Vec::new());
        for layer in sound {
            let leak = |x: &[f32]| -> &'static [f32] { x.to_vec().leak() };
            let (weight, bias, alpha) = (leak(layer.weight), leak(layer.bias), leak(layer.alpha));
            layers.push(LayerWeights { weight, bias, alpha, outputs: layer.outputs });
        }
        change(&mut shape, &mut layers);
        Attention::new(shape, &layers).map(|_| ())
    };
    assert_eq!(of(&|_, _| {}), Ok(()));
    let (size, wrong) = (|part| Err(BlockError::Size { part }), |part| Err(BlockError::Shape { part }));
    assert_eq!(of(&|_, layers| layers.clear()), size("layers"));
    assert_eq!(
        of(&|_, layers| {
            let first = layers[0];
            layers.splice(0..1, [first; 4]);
        }),
        size("layers")
    );
    assert_eq!(of(&|shape, _| shape.dim = 0), size("layers"));
    assert_eq!(of(&|shape, _| shape.dim = 65_536), size("layers"));
    assert_eq!(of(&|shape, _| shape.dim = 3), wrong("weight"));
    assert_eq!(of(&|_, layers| layers[1].outputs = 2), size("weight"));
    assert_eq!(of(&|_, layers| layers[0].outputs = 0), size("weight"));
    assert_eq!(of(&|_, layers| layers[0].bias = &[1.0]), wrong("bias"));
    assert_eq!(of(&|_, layers| layers[0].alpha = &[]), wrong("alpha"));
    assert_eq!(of(&|_, layers| layers[0].alpha = &[f32::NAN]), Err(BlockError::NotFinite { part: "alpha" }));
    assert_eq!(of(&|_, layers| layers[1].bias = &[f32::INFINITY]), Err(BlockError::NotFinite { part: "bias" }));
}
