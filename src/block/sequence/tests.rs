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

/// Weights of a whole encoder, as its trainer has them: per layer in_proj, out_proj, linear1, linear2, norm1, norm2.
struct Weights {
    shape: Shape,
    position: Vec<f32>,
    layers: Vec<[(Vec<f32>, Vec<f32>); 6]>,
    norm: Option<(Vec<f32>, Vec<f32>)>,
}

fn pair((weight, bias): &(Vec<f32>, Vec<f32>)) -> Pair {
    Pair { weight: weight.clone(), bias: bias.clone() }
}

impl Weights {
    fn new(seed: u32, shape: Shape, layers: usize, norm: bool) -> Self {
        let Shape { dim, inner, items, .. } = shape;
        let mut seed = seed;
        let mut of = |outputs: usize, inputs: usize| {
            seed = seed.wrapping_add(2);
            let size = 1.0 / (inputs as f32).sqrt();
            (numbers(seed, outputs * inputs).iter().map(|w| w * size).collect(), numbers(seed + 1, outputs))
        };
        let layers = (0..layers)
            .map(|_| [of(3 * dim, dim), of(dim, dim), of(inner, dim), of(dim, inner), of(dim, 1), of(dim, 1)])
            .collect();
        let norm = norm.then(|| of(dim, 1));
        Weights { shape, position: of(items, dim).0, layers, norm }
    }

    fn block(&self) -> Sequence {
        self.with(self.shape, self.layers()).expect("a sound block")
    }

    fn with(&self, shape: Shape, layers: Vec<LayerWeights>) -> Result<Sequence, BlockError> {
        Sequence::new(shape, self.position.clone(), layers, self.norm.as_ref().map(pair))
    }

    fn layers(&self) -> Vec<LayerWeights> {
        let layers = self.layers.iter().map(|[attention, out, first, second, norm1, norm2]| LayerWeights {
            attention: pair(attention),
            out: pair(out),
            first: pair(first),
            second: pair(second),
            norms: [pair(norm1), pair(norm2)],
        });
        layers.collect()
    }

    /// The definition, in double precision: every layer for every position.
    fn naive(&self, vectors: &[f32]) -> Vec<f64> {
        let Shape { dim, heads, items, norm, from_oldest, scale, epsilon, .. } = self.shape;
        let count = (vectors.len() / dim).min(items);
        if count == 0 {
            return vec![0.0; dim];
        }
        let linear = |(weight, bias): &(Vec<f32>, Vec<f32>), x: &[f64]| -> Vec<f64> {
            let rows = weight.chunks(x.len()).zip(bias);
            rows.map(|(row, bias)| f64::from(*bias) + row.iter().zip(x).map(|(w, x)| f64::from(*w) * x).sum::<f64>())
                .collect()
        };
        let normed = |(weight, bias): &(Vec<f32>, Vec<f32>), x: &[f64]| -> Vec<f64> {
            let mean = x.iter().sum::<f64>() / dim as f64;
            let variance = x.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / dim as f64;
            let root = (variance + f64::from(epsilon)).sqrt();
            let affine = weight.iter().zip(bias).zip(x);
            affine.map(|((w, b), x)| (x - mean) / root * f64::from(*w) + f64::from(*b)).collect()
        };
        let sum = |a: &[f64], b: &[f64]| -> Vec<f64> { a.iter().zip(b).map(|(a, b)| a + b).collect() };
        let mut x: Vec<Vec<f64>> = (0..count)
            .map(|r| {
                let (age, place) = (count - 1 - r, if from_oldest { r } else { count - 1 - r });
                let own = vectors[age * dim..(age + 1) * dim].iter().zip(&self.position[place * dim..]);
                own.map(|(x, p)| f64::from(*x) * f64::from(scale) + f64::from(*p)).collect()
            })
            .collect();
        for [attention, out, first, second, norm1, norm2] in &self.layers {
            let attend = |queries: &[Vec<f64>], sources: &[Vec<f64>]| -> Vec<Vec<f64>> {
                let (queries, sources): (Vec<_>, Vec<_>) = (
                    queries.iter().map(|x| linear(attention, x)).collect(),
                    sources.iter().map(|x| linear(attention, x)).collect(),
                );
                let one = |a: usize| {
                    let mut mixed = vec![0.0; dim];
                    let size = dim / heads;
                    for head in 0..heads {
                        let span = |part: usize| part * dim + head * size..part * dim + (head + 1) * size;
                        let scores: Vec<f64> = (0..=a)
                            .map(|b| {
                                queries[a][span(0)]
                                    .iter()
                                    .zip(&sources[b][span(1)])
                                    .map(|(q, k): (&f64, &f64)| q * k)
                                    .sum::<f64>()
                                    / (size as f64).sqrt()
                            })
                            .collect();
                        let most = scores.iter().fold(f64::MIN, |most, x| most.max(*x));
                        let shares: Vec<f64> = scores.iter().map(|x| crate::kernel::math::exp_f64(x - most)).collect();
                        let total: f64 = shares.iter().sum();
                        for (b, share) in shares.iter().enumerate() {
                            for (slot, v) in mixed[head * size..].iter_mut().zip(&sources[b][span(2)]) {
                                *slot += share / total * v;
                            }
                        }
                    }
                    linear(out, &mixed)
                };
                (0..count).map(one).collect()
            };
            let forward = |x: &[f64]| linear(second, &linear(first, x).iter().map(|x| x.max(0.0)).collect::<Vec<_>>());
            let all = |by: &(Vec<f32>, Vec<f32>), x: &[Vec<f64>]| x.iter().map(|x| normed(by, x)).collect::<Vec<_>>();
            let add = |a: &[Vec<f64>], b: &[Vec<f64>]| a.iter().zip(b).map(|(a, b)| sum(a, b)).collect::<Vec<_>>();
            let fed = |x: &[Vec<f64>]| x.iter().map(|x| forward(x)).collect::<Vec<_>>();
            x = match norm {
                Norm::Pre => {
                    let y = all(norm1, &x);
                    let x = add(&x, &attend(&y, &y));
                    add(&x, &fed(&all(norm2, &x)))
                }
                Norm::Post => {
                    let x = all(norm1, &add(&x, &attend(&x, &x)));
                    all(norm2, &add(&x, &fed(&x)))
                }
                Norm::Query => {
                    let y = all(norm1, &x);
                    let x = all(norm2, &add(&y, &attend(&y, &x)));
                    add(&x, &fed(&x))
                }
            };
        }
        let last = x.pop().expect("there is one");
        self.norm.as_ref().map_or(last.clone(), |norm| normed(norm, &last))
    }
}

fn shapes() -> impl Strategy<Value = Shape> {
    let dim = prop::sample::select(vec![(1usize, 1usize), (2, 1), (3, 3), (6, 2), (10, 2), (15, 3), (8, 2), (32, 4)]);
    let norm = prop::sample::select(vec![Norm::Pre, Norm::Post, Norm::Query]);
    (
        dim,
        prop::sample::select(vec![1usize, 4, 7, 12]),
        prop::sample::select(vec![1usize, 5, 50]),
        norm,
        any::<bool>(),
        0.5f32..3.0,
    )
        .prop_map(|((dim, heads), inner, items, norm, from_oldest, scale)| Shape {
            dim,
            heads,
            inner,
            items,
            norm,
            from_oldest,
            scale,
            epsilon: 1e-5,
        })
}

fn counts() -> impl Strategy<Value = usize> {
    prop::sample::select(vec![0usize, 1, 2, 3, 4, 5, 7, 8, 9, 12, 13, 17, 50, 60])
}

fn vector(block: &Sequence, at: &mut Passage, vectors: &[f32]) -> Vec<f32> {
    let mut out = vec![f32::NAN; block.shape().dim];
    block.score_user(vectors, at, &mut out);
    out
}

proptest! {
    #[test]
    fn the_vector_is_its_definition(shape in shapes(), layers in 1usize..=4, norm in any::<bool>(), count in counts(), seed in any::<u32>()) {
        let weights = Weights::new(seed, shape, layers, norm);
        let block = weights.block();
        let mut at = block.room();
        let vectors = numbers(seed ^ 77, count * shape.dim);
        let (got, want) = (vector(&block, &mut at, &vectors), weights.naive(&vectors));
        let size = want.iter().fold(1.0f64, |size, x| size.max(x.abs()));
        // Two numbers of nearly no variance are torn apart by a norm; what is lost there is no fault of the order of summation.
        let slack = if shape.dim < 4 { 2e-2 } else { 1e-4 };
        for (got, want) in got.iter().zip(&want) {
            prop_assert!((f64::from(*got) - want).abs() <= slack * size, "{} instead of {}", got, want);
        }
        // A passage remembers nothing of the request before.
        vector(&block, &mut at, &numbers(seed ^ 78, 50 * shape.dim));
        vector(&block, &mut at, &[]);
        let again = vector(&block, &mut at, &vectors);
        prop_assert_eq!(got.iter().map(|x| x.to_bits()).collect::<Vec<_>>(), again.iter().map(|x| x.to_bits()).collect::<Vec<_>>());
    }

    #[test]
    fn any_input_gives_finite_numbers(shape in shapes(), count in counts(), bits in prop::collection::vec(any::<u32>(), 24)) {
        let block = Weights::new(3, shape, 2, true).block();
        let wild: Vec<f32> = (0..count * shape.dim).map(|i| f32::from_bits(bits[i % 24].rotate_left(i as u32 / 24))).collect();
        let mut at = block.room();
        let out = vector(&block, &mut at, &wild);
        prop_assert!(out.iter().all(|x| x.is_finite()), "{:?}", out);
        let tame = numbers(5, 9 * shape.dim);
        prop_assert_eq!(vector(&block, &mut at, &tame), vector(&block, &mut block.room(), &tame), "nothing wild is left behind");
    }
}

fn plain() -> Shape {
    let (norm, from_oldest) = (Norm::Pre, false);
    Shape { dim: 6, heads: 2, inner: 6, items: 5, norm, from_oldest, scale: 1.0, epsilon: 1e-8 }
}

#[test]
fn nothing_chosen_yet_gives_zeros() {
    let block = Weights::new(1, plain(), 2, true).block();
    let mut at = block.room();
    vector(&block, &mut at, &[1.0; 12]);
    assert_eq!(vector(&block, &mut at, &[]), [0.0; 6]);
}

#[test]
fn the_order_of_the_items_counts_and_those_beyond_the_positions_do_not() {
    let block = Weights::new(1, plain(), 2, true).block();
    let mut at = block.room();
    let vectors = numbers(9, 60);
    let whole = vector(&block, &mut at, &vectors);
    assert_eq!(whole, vector(&block, &mut at, &vectors[..30]));
    let turned: Vec<f32> = vectors[..30].chunks(6).rev().flatten().copied().collect();
    assert_ne!(whole, vector(&block, &mut at, &turned));
    assert_ne!(whole, vector(&block, &mut at, &vectors[..24]));
}

#[test]
fn unsound_encoders_are_refused() {
    let weights = Weights::new(1, plain(), 1, true);
    let layer = weights.layers().remove(0);
    let shaped = |change: &dyn Fn(&mut Shape)| {
        let mut shape = plain();
        change(&mut shape);
        weights.with(shape, vec![layer.clone()]).map(|_| ())
    };
    let of = |change: &dyn Fn(&mut LayerWeights)| {
        let mut layer = layer.clone();
        change(&mut layer);
        weights.with(plain(), vec![layer]).map(|_| ())
    };
    assert_eq!((shaped(&|_| {}), of(&|_| {})), (Ok(()), Ok(())));
    let range = |part| Err(BlockError::Range { part });
    for heads in [0, 4, 5, 7, 65_536] {
        assert_eq!(shaped(&|shape| shape.heads = heads), range("heads"));
    }
    for epsilon in [0.0, -1.0, 2.0, f32::NAN] {
        assert_eq!(shaped(&|shape| shape.epsilon = epsilon), range("epsilon"));
    }
    assert_eq!(shaped(&|shape| shape.scale = f32::INFINITY), range("scale"));
    let size = |part| Err(BlockError::Size { part });
    for dim in [0, 129, 65_536] {
        assert_eq!(shaped(&|shape| shape.dim = dim), size("layers"));
    }
    for inner in [0, 513, 65_536] {
        assert_eq!(shaped(&|shape| shape.inner = inner), size("layers"));
    }
    for items in [0, 51, 65_536] {
        assert_eq!(shaped(&|shape| shape.items = items), size("position"));
    }
    assert_eq!(weights.with(plain(), vec![]).map(|_| ()), size("layers"));
    assert_eq!(weights.with(plain(), vec![layer.clone(); 5]).map(|_| ()), size("layers"));
    assert_eq!(shaped(&|shape| shape.items = 4), Err(BlockError::Shape { part: "position" }));
    assert_eq!(shaped(&|shape| shape.inner = 7), Err(BlockError::Shape { part: "weight" }));
    assert_eq!(of(&|layer| layer.norms[1].weight = vec![1.0]), Err(BlockError::Shape { part: "weight" }));
    assert_eq!(of(&|layer| layer.attention.bias = vec![1.0]), Err(BlockError::Shape { part: "bias" }));
    assert_eq!(of(&|layer| layer.out.bias = vec![f32::NAN; 6]), Err(BlockError::NotFinite { part: "bias" }));
    assert_eq!(of(&|layer| layer.out.weight = vec![f32::INFINITY; 36]), Err(BlockError::NotFinite { part: "weight" }));
}

/// A third of the numbers is dropped, another third at each place, and the others are scaled up.
fn drop_some(at: gradient::Masked, ones: &mut [f64]) {
    let own = match at {
        gradient::Masked::Input => 0,
        gradient::Masked::Attention(layer) => 1 + layer,
        gradient::Masked::Forward(layer) => 7 + layer,
    };
    for (i, x) in ones.iter_mut().enumerate() {
        *x = if (i + own).is_multiple_of(3) { 0.0 } else { 1.5 };
    }
}

/// The weights as parameters of a gradient.
fn parameters<R: super::super::real::Real>(weights: &Weights) -> gradient::Parameters<R> {
    let all = |x: &Vec<f32>| x.iter().map(|x| R::of(f64::from(*x))).collect::<Vec<R>>();
    let both = |(weight, bias): &(Vec<f32>, Vec<f32>)| [all(weight), all(bias)];
    gradient::Parameters {
        position: all(&weights.position),
        layers: weights.layers.iter().map(|layer| layer.each_ref().map(both)).collect(),
        norm: weights.norm.as_ref().map(both),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn the_gradient_is_the_slope(shape in shapes(), norm in any::<bool>(), count in 1usize..7, seed in any::<u32>(), dropped in any::<bool>()) {
        let shape = Shape { dim: shape.dim.max(2), heads: if shape.dim == 1 { 1 } else { shape.heads }, inner: shape.inner.min(5), epsilon: 0.125, ..shape };
        let weights = Weights::new(seed, shape, 2, norm);
        let mut of: gradient::Parameters<f64> = parameters(&weights);
        let mut vectors: Vec<f64> = numbers(seed ^ 3, count * shape.dim).into_iter().map(f64::from).collect();
        let toward: Vec<f64> = numbers(seed ^ 4, count * shape.dim).into_iter().map(f64::from).collect();
        let mask = |at, ones: &mut [f64]| if dropped { drop_some(at, ones) };
        let loss = |of: &gradient::Parameters<f64>, vectors: &[f64]| {
            let out = gradient::forward(&shape, of, vectors, &mut { mask }).out;
            out.iter().zip(&toward).map(|(x, t)| x * t).sum::<f64>()
        };
        // Where a relu turns within the step, a difference is no slope; the smaller step tells.
        let slope = |at: &mut dyn FnMut(f64) -> f64| {
            let by = |loss: &mut dyn FnMut(f64) -> f64, step: f64| (loss(step) - loss(-step)) / (2.0 * step);
            let (near, far) = (by(at, 1e-6), by(at, 1e-5));
            if (near - far).abs() < 1e-5 * (1.0 + near.abs()) { Some(near) } else { None }
        };
        let kept = gradient::forward(&shape, &of, &vectors, &mut { mask });
        let (mut into, mut into_vectors) = (of.zeros(), vec![0.0; vectors.len()]);
        gradient::backward(&shape, &of, &kept, &toward[..kept.out.len()], &mut into, &mut into_vectors);
        let (mut checked, mut all) = (0, 0);
        let gradients: Vec<Vec<f64>> = into.tensors_mut().into_iter().map(|(_, d)| d.to_vec()).collect();
        for (tensor, d) in gradients.iter().enumerate() {
            // A few places of each tensor.
            for place in (0..d.len()).step_by(d.len() / 5 + 1) {
                let got = slope(&mut |step| {
                    of.tensors_mut()[tensor].1[place] += step;
                    let value = loss(&of, &vectors);
                    of.tensors_mut()[tensor].1[place] -= step;
                    value
                });
                all += 1;
                if let Some(got) = got {
                    checked += 1;
                    prop_assert!((got - d[place]).abs() < 1e-5 * (1.0 + got.abs()), "tensor {} at {}: {} instead of {}", tensor, place, d[place], got);
                }
            }
        }
        for place in 0..vectors.len() {
            let got = slope(&mut |step| {
                vectors[place] += step;
                let value = loss(&of, &vectors);
                vectors[place] -= step;
                value
            });
            if let Some(got) = got {
                prop_assert!((got - into_vectors[place]).abs() < 1e-5 * (1.0 + got.abs()), "vector {}: {} instead of {}", place, into_vectors[place], got);
            }
        }
        prop_assert!(checked * 10 >= all * 9, "{} of {}", checked, all);
    }

    #[test]
    fn what_is_trained_is_what_is_computed(shape in shapes(), norm in any::<bool>(), count in 1usize..50, seed in any::<u32>()) {
        let shape = Shape { epsilon: 0.01, ..shape };
        let weights = Weights::new(seed, shape, 2, norm);
        let block = weights.block();
        let vectors = numbers(seed ^ 77, count * shape.dim);
        let out = gradient::forward(&shape, &parameters::<f32>(&weights), &vectors, &mut |_, _| {}).out;
        let last = &out[out.len() - shape.dim..];
        let size = last.iter().fold(1.0f32, |size, x| size.max(x.abs()));
        for (got, want) in vector(&block, &mut block.room(), &vectors).iter().zip(last) {
            prop_assert!((got - want).abs() < 1e-3 * size, "{} instead of {}", got, want);
        }
    }
}
