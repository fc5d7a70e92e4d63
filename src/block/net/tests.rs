use super::*;
use crate::block::layer::{Activation, EPSILON, Weights};
use crate::block::{BlockError, Side};
use proptest::prelude::*;

/// Numbers of a test: multiples of 1/512 in [−1, 1), from a seed that the test prints when it fails.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 54) as f32 - 512.0) / 512.0
    }

    fn many(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.next()).collect()
    }

    fn layer(&mut self, groups: usize, width: usize, inputs: usize, activation: Activation, norm: bool) -> Weights {
        let gives = groups * width;
        let alphas = if self.next() > 0.0 { 1 } else { gives };
        let alpha = if activation == Activation::Prelu { self.many(alphas) } else { vec![] };
        Weights {
            groups,
            width,
            inputs,
            shared: false,
            activation,
            weight: self.many(gives * inputs),
            bias: if self.next() > -0.5 { self.many(gives) } else { vec![] },
            norm: if norm { [self.many(gives), self.many(gives)] } else { [vec![], vec![]] },
            alpha,
        }
    }
}

fn activations() -> impl Strategy<Value = Activation> {
    prop::sample::select(vec![Activation::None, Activation::Relu, Activation::Prelu, Activation::Silu])
}

fn sides() -> impl Strategy<Value = Vec<(Side, usize)>> {
    let side = prop::sample::select(vec![Side::User, Side::Item, Side::Pair]);
    prop::collection::vec((side, prop::sample::select(vec![1usize, 3, 4, 5, 9])), 1..5)
}

/// A layer in double precision, by its definition.
fn layer(of: &Weights, x: &[f64]) -> Vec<f64> {
    let mut out = Vec::new();
    for group in 0..of.groups {
        let x = if of.shared { x } else { &x[group * of.inputs..][..of.inputs] };
        let at = |unit: usize| group * of.width + unit;
        let mut z: Vec<f64> = (0..of.width)
            .map(|unit| {
                let row = &of.weight[at(unit) * of.inputs..][..of.inputs];
                let sum: f64 = row.iter().zip(x).map(|(w, x)| f64::from(*w) * x).sum();
                sum + of.bias.get(at(unit)).map_or(0.0, |b| f64::from(*b))
            })
            .collect();
        if !of.norm[0].is_empty() {
            let n = z.len() as f64;
            let mean = z.iter().sum::<f64>() / n;
            let variance = z.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n;
            for (unit, z) in z.iter_mut().enumerate() {
                let [gain, shift] = [0, 1].map(|part| f64::from(of.norm[part][at(unit)]));
                *z = (*z - mean) / (variance + f64::from(EPSILON)).sqrt() * gain + shift;
            }
        }
        for (unit, z) in z.into_iter().enumerate() {
            let alpha = if of.alpha.len() == 1 { of.alpha[0] } else { of.alpha.get(at(unit)).copied().unwrap_or(0.0) };
            out.push(match of.activation {
                Activation::None => z,
                Activation::Relu => z.max(0.0),
                Activation::Prelu if z < 0.0 => f64::from(alpha) * z,
                Activation::Prelu => z,
                Activation::Silu => z * crate::kernel::math::sigmoid_f64(z),
            });
        }
    }
    out
}

fn layers(of: &[Weights], x: &[f64]) -> Vec<f64> {
    of.iter().fold(x.to_vec(), |x, of| layer(of, &x))
}

fn cross(of: &[CrossWeights], x: &[f64]) -> Vec<f64> {
    let matrix = |rows: &[f32], x: &[f64]| -> Vec<f64> {
        rows.chunks(x.len()).map(|row| row.iter().zip(x).map(|(w, x)| f64::from(*w) * x).sum()).collect()
    };
    let mut out = x.to_vec();
    for layer in of {
        let low = if layer.rank > 0 { matrix(&layer.v, &out) } else { out.clone() };
        let product = matrix(&layer.u, &low);
        for (i, slot) in out.iter_mut().enumerate() {
            *slot += x[i] * (product[i] + f64::from(layer.bias[i]));
        }
    }
    out
}

fn mmoe(of: &MmoeWeights, x: &[f64]) -> Vec<f64> {
    let experts = layers(&of.experts, x);
    let (gates, width) = (layer(&of.gate, x), of.experts.last().map_or(0, |last| last.width));
    let mut mixed = Vec::new();
    for gate in gates.chunks(of.gate.width) {
        let powers: Vec<f64> = gate.iter().map(|z| crate::kernel::math::exp_f64(*z)).collect();
        let sum: f64 = powers.iter().sum();
        let mix = |at: usize| powers.iter().enumerate().map(|(e, p)| p / sum * experts[e * width + at]).sum::<f64>();
        mixed.extend((0..width).map(mix));
    }
    layers(&of.towers, &mixed)
}

/// What a net gives for some candidates, each in a lane of one panel. The user's numbers are the first candidate's.
fn scored(net: &Net, sides: &[(Side, usize)], inputs: &[Vec<f32>], lanes: usize) -> Vec<Vec<f32>> {
    let of = |side: Side, x: &[f32]| {
        let mut x = x.iter();
        let mut own: Vec<f32> = Vec::new();
        for (known, count) in sides {
            let part: Vec<f32> = x.by_ref().take(*count).copied().collect();
            if *known == side {
                own.extend(part);
            }
        }
        own
    };
    let panel = |of: &dyn Fn(&[f32]) -> Vec<f32>| {
        let rows: Vec<Vec<f32>> = inputs.iter().map(|x| of(x)).collect();
        let length = rows[0].len();
        let mut panel = vec![0.0; length.next_multiple_of(4) * lanes];
        for (lane, row) in rows.iter().enumerate() {
            for (at, x) in row.iter().enumerate() {
                panel[at * lanes + lane] = *x;
            }
        }
        panel
    };
    let first = net.first();
    let mut user = vec![0.0; first.keeps_user()];
    first.keep_user(&of(Side::User, &inputs[0]), &mut user);
    let item = panel(&|x| {
        let mut kept = vec![0.0; first.keeps_item()];
        first.keep_item(&of(Side::Item, x), &mut kept);
        kept
    });
    let (own, whole) = (panel(&|x| of(Side::Pair, x)), panel(&|x| x.to_vec()));
    let (mut room, mut out) = (vec![f32::NAN; net.room() * lanes], vec![f32::NAN; net.width() * lanes]);
    net.score_pair((&user, &item), (&own, &whole), lanes, &mut room, &mut out);
    (0..inputs.len()).map(|lane| out.iter().skip(lane).step_by(lanes).copied().collect()).collect()
}

/// Inputs of some candidates of one request: the user's numbers are the same.
fn candidates(numbers: &mut Numbers, sides: &[(Side, usize)], count: usize) -> Vec<Vec<f32>> {
    let total = sides.iter().map(|(_, n)| n).sum();
    let first = numbers.many(total);
    let mut all = vec![first.clone()];
    for _ in 1..count {
        let mut from = 0;
        let mut own = numbers.many(total);
        for (side, n) in sides {
            if *side == Side::User {
                own[from..from + n].copy_from_slice(&first[from..from + n]);
            }
            from += n;
        }
        all.push(own);
    }
    all
}

/// A net is its definition, and a candidate has the same bits in any panel.
fn check(net: &Net, sides: &[(Side, usize)], inputs: &[Vec<f32>], naive: &dyn Fn(&[f64]) -> Vec<f64>, room: f64) {
    let eight = scored(net, sides, inputs, 8);
    for (input, got) in inputs.iter().zip(&eight) {
        let want = naive(&input.iter().map(|x| f64::from(*x)).collect::<Vec<_>>());
        assert_eq!(got.len(), want.len());
        for (got, want) in got.iter().zip(&want) {
            assert!((f64::from(*got) - want).abs() <= room * (1.0 + want.abs()), "{got} instead of {want}");
        }
    }
    let one = scored(net, sides, &inputs[..1], 4);
    assert_eq!(
        one[0].iter().map(|x| x.to_bits()).collect::<Vec<_>>(),
        eight[0].iter().map(|x| x.to_bits()).collect::<Vec<_>>()
    );
}

fn mmoe_of(numbers: &mut Numbers, inputs: usize, experts: usize, tasks: usize, activation: Activation) -> MmoeWeights {
    let mut first = numbers.layer(experts, 5, inputs, activation, false);
    first.shared = true;
    let mut gate = numbers.layer(tasks, experts, inputs, Activation::None, false);
    gate.shared = true;
    MmoeWeights {
        experts: vec![first, numbers.layer(experts, 3, 5, activation, false)],
        gate,
        towers: vec![
            numbers.layer(tasks, 6, 3, activation, false),
            numbers.layer(tasks, 1, 6, Activation::None, false),
        ],
    }
}

proptest! {
    #[test]
    fn layers_are_their_definition(
        sides in sides(), widths in prop::collection::vec(prop::sample::select(vec![1usize, 3, 4, 5, 17]), 1..4),
        activation in activations(), norm in any::<bool>(), seed in any::<u64>(),
    ) {
        let mut numbers = Numbers(seed);
        let mut inputs = sides.iter().map(|(_, n)| n).sum();
        let mut of = Vec::new();
        for width in &widths {
            // The deviation of one number is 0, and what the root of little more than 0 divides has lost its digits.
            of.push(numbers.layer(1, *width, inputs, activation, norm && *width > 3));
            inputs = *width;
        }
        let net = Net::Mlp(Mlp::new(&of, &sides).expect("sound layers"));
        let all = candidates(&mut numbers, &sides, 7);
        check(&net, &sides, &all, &|x| layers(&of, x), 2e-3);
    }

    #[test]
    fn crosses_are_their_definition(sides in sides(), count in 1usize..4, rank in 0usize..6, seed in any::<u64>()) {
        let mut numbers = Numbers(seed);
        let width: usize = sides.iter().map(|(_, n)| n).sum();
        let of: Vec<CrossWeights> = (0..count).map(|_| {
            let columns = if rank == 0 { width } else { rank };
            let (u, v) = (numbers.many(width * columns), numbers.many(rank * width));
            CrossWeights { width, rank, u, v, bias: numbers.many(width) }
        }).collect();
        let net = Net::Cross(Cross::new(&of, &sides).expect("sound crosses"));
        let all = candidates(&mut numbers, &sides, 8);
        check(&net, &sides, &all, &|x| cross(&of, x), 1e-3);
    }

    #[test]
    fn mixtures_are_their_definition(
        sides in sides(), experts in 1usize..6, tasks in 1usize..4, activation in activations(), seed in any::<u64>(),
    ) {
        let mut numbers = Numbers(seed);
        let of = mmoe_of(&mut numbers, sides.iter().map(|(_, n)| n).sum(), experts, tasks, activation);
        let net = Net::Mmoe(Mmoe::new(&of, &sides).expect("a sound mixture"));
        let all = candidates(&mut numbers, &sides, 5);
        check(&net, &sides, &all, &|x| mmoe(&of, x), 1e-4);
    }
}

#[test]
fn a_wide_net_is_its_definition() {
    let mut numbers = Numbers(7);
    let sides = [(Side::Item, 130), (Side::User, 129), (Side::Pair, 33)];
    let mut of: Vec<Weights> = Vec::new();
    for (width, inputs) in [(257, 292), (64, 257), (1, 64)] {
        let mut layer = numbers.layer(1, width, inputs, Activation::Silu, width > 1);
        layer.weight.iter_mut().for_each(|w| *w *= 0.125);
        of.push(layer);
    }
    let net = Net::Mlp(Mlp::new(&of, &sides).expect("sound layers"));
    check(&net, &sides, &candidates(&mut numbers, &sides, 6), &|x| layers(&of, x), 1e-4);
}

#[test]
fn any_input_is_survived() {
    let sides = [(Side::User, 2), (Side::Item, 1), (Side::Pair, 2)];
    let mut numbers = Numbers(3);
    let of = mmoe_of(&mut numbers, 5, 3, 2, Activation::Silu);
    let nets = [
        Net::Mmoe(Mmoe::new(&of, &sides).expect("a sound mixture")),
        Net::Mlp(Mlp::new(&[numbers.layer(1, 4, 5, Activation::Prelu, true)], &sides).expect("sound layers")),
    ];
    for net in nets {
        for x in [f32::MAX, f32::INFINITY, f32::NAN, f32::NEG_INFINITY] {
            // Nothing traps; what is no number is taken out where the scores are held.
            assert_eq!(scored(&net, &sides, &[vec![x; 5]], 4)[0].len(), net.width());
        }
    }
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let mut numbers = Numbers(1);
    let sides = [(Side::Pair, 3)];
    let good = numbers.layer(1, 4, 3, Activation::Prelu, true);
    let said = |change: &dyn Fn(&mut Weights)| {
        let mut layer = good.clone();
        change(&mut layer);
        Mlp::new(&[layer], &sides).map(|_| ())
    };
    assert_eq!(said(&|_| {}), Ok(()));
    assert_eq!(said(&|l| l.weight.truncate(11)), Err(BlockError::Shape { part: "weight" }));
    assert_eq!(said(&|l| l.bias = vec![0.0; 3]), Err(BlockError::Shape { part: "bias" }));
    assert_eq!(said(&|l| l.norm[1].clear()), Err(BlockError::Shape { part: "norm" }));
    assert_eq!(said(&|l| l.norm[1][2] = f32::NAN), Err(BlockError::NotFinite { part: "norm" }));
    assert_eq!(said(&|l| l.alpha = vec![0.0; 2]), Err(BlockError::Shape { part: "alpha" }));
    assert_eq!(said(&|l| l.activation = Activation::Relu), Err(BlockError::Shape { part: "alpha" }));
    assert_eq!(said(&|l| l.weight[0] = f32::INFINITY), Err(BlockError::NotFinite { part: "weight" }));
    assert_eq!(said(&|l| l.width = 65_536), Err(BlockError::Size { part: "weight" }));
    assert_eq!(said(&|l| (l.width, l.inputs) = (usize::MAX, 0)), Err(BlockError::Size { part: "weight" }));
    assert_eq!(said(&|l| l.inputs = 2), Err(BlockError::Shape { part: "weight" }));
    assert_eq!(Mlp::new(&[], &sides).map(|_| ()), Err(BlockError::Shape { part: "weight" }));

    let cross = CrossWeights { width: 3, rank: 2, u: vec![0.0; 6], v: vec![0.0; 6], bias: vec![0.0; 3] };
    let short = CrossWeights { v: vec![0.0; 5], ..cross.clone() };
    assert_eq!(Cross::new(&[cross.clone(), short], &sides).map(|_| ()), Err(BlockError::Shape { part: "v" }));
    assert_eq!(Cross::new(&[cross], &[(Side::Pair, 4)]).map(|_| ()), Err(BlockError::Shape { part: "u" }));

    let good = mmoe_of(&mut numbers, 3, 2, 2, Activation::Relu);
    let said = |change: &dyn Fn(&mut MmoeWeights)| {
        let mut of = good.clone();
        change(&mut of);
        Mmoe::new(&of, &sides).map(|_| ())
    };
    assert_eq!(said(&|_| {}), Ok(()));
    assert_eq!(said(&|of| of.experts.clear()), Err(BlockError::Shape { part: "expert" }));
    assert_eq!(said(&|of| of.experts[0].shared = false), Err(BlockError::Shape { part: "expert" }));
    assert_eq!(said(&|of| of.gate.activation = Activation::Relu), Err(BlockError::Shape { part: "gate" }));
    assert_eq!(said(&|of| of.towers.truncate(1)), Err(BlockError::Shape { part: "tower" }));
    assert_eq!(said(&|of| of.towers.clear()), Err(BlockError::Shape { part: "tower" }));
}

/// Compares derivatives with differences of the definition in double precision: of `Σ c_i y_i` by everything that `nudge` reaches.
fn slopes_are(name: &str, seed: u64, got: &[f32], mut nudged: impl FnMut(usize, f32) -> f64) {
    // So small that no sum of these tests crosses the kink of its activation.
    let step = 1.0 / 65_536.0;
    for (at, got) in got.iter().enumerate() {
        let want = (nudged(at, step) - nudged(at, -step)) / (2.0 * f64::from(step));
        let got = f64::from(*got);
        assert!((got - want).abs() <= 2e-3 * (1.0 + want.abs()), "seed {seed}, {name} {at}: {got} instead of {want}");
    }
}

/// `Σ c_i y_i` over all rows.
fn weighed(x: &[f32], reads: usize, weights: &[f32], naive: &dyn Fn(&[f64]) -> Vec<f64>) -> f64 {
    let rows = x.chunks(reads).map(|x| naive(&x.iter().map(|x| f64::from(*x)).collect::<Vec<_>>()));
    rows.flatten().zip(weights).map(|(y, c)| y * f64::from(*c)).sum()
}

fn moved<T: Clone>(of: &[T], change: impl Fn(&mut [T])) -> Vec<T> {
    let mut of = of.to_vec();
    change(&mut of);
    of
}

#[test]
fn gradients_of_layers_are_the_slopes_of_their_definition() {
    use crate::block::layer::gradient::{backward, forward};
    for (seed, activation) in
        [Activation::None, Activation::Silu, Activation::Prelu, Activation::Relu].into_iter().enumerate()
    {
        let mut numbers = Numbers(seed as u64 + 11);
        let of = [
            numbers.layer(1, 5, 4, activation, true),
            numbers.layer(1, 6, 5, activation, false),
            numbers.layer(1, 2, 6, Activation::None, false),
        ];
        let (x, c) = (numbers.many(12), numbers.many(6));
        let passed = forward(&of, &x);
        let (mut into, mut by_x) = (of.clone().map(|layer| layer.zeros()), vec![0.0; 12]);
        backward(&of, &x, &passed, &c, &mut into, &mut by_x);
        let value = |of: &[Weights], x: &[f32]| weighed(x, 4, &c, &|x| layers(of, x));
        for (got, want) in passed.numbers[2].chunks(2).zip(x.chunks(4)) {
            let want = layers(&of, &want.iter().map(|x| f64::from(*x)).collect::<Vec<_>>());
            assert!(got.iter().zip(want).all(|(got, want)| (f64::from(*got) - want).abs() < 1e-4));
        }
        slopes_are("x", seed as u64, &by_x, |at, by| value(&of, &moved(&x, |x| x[at] += by)));
        for layer in 0..3 {
            for tensor in 0..5 {
                let (name, got) = &into[layer].tensors_mut()[tensor];
                let got = got.to_vec();
                slopes_are(name, seed as u64, &got, |at, by| {
                    value(&moved(&of, |of| of[layer].tensors_mut()[tensor].1[at] += by), &x)
                });
            }
        }
    }
}

#[test]
fn gradients_of_crosses_are_the_slopes_of_their_definition() {
    for rank in [0usize, 2] {
        let mut numbers = Numbers(rank as u64 + 5);
        let of: Vec<CrossWeights> = (0..3)
            .map(|_| {
                let columns = if rank == 0 { 5 } else { rank };
                CrossWeights {
                    width: 5,
                    rank,
                    u: numbers.many(5 * columns),
                    v: numbers.many(rank * 5),
                    bias: numbers.many(5),
                }
            })
            .collect();
        let (x, c) = (numbers.many(10), numbers.many(10));
        let kept = CrossWeights::forward(&of, &x);
        let mut into: Vec<CrossWeights> = of.iter().map(CrossWeights::zeros).collect();
        let mut by_x = vec![0.0; 10];
        CrossWeights::backward(&of, &x, &kept, &c, &mut into, &mut by_x);
        let value = |of: &[CrossWeights], x: &[f32]| weighed(x, 5, &c, &|x| cross(of, x));
        let own: f64 = kept.numbers().iter().zip(&c).map(|(y, c)| f64::from(*y) * f64::from(*c)).sum();
        assert!((own - value(&of, &x)).abs() < 1e-4);
        let seed = rank as u64;
        slopes_are("x", seed, &by_x, |at, by| value(&of, &moved(&x, |x| x[at] += by)));
        for layer in 0..3 {
            slopes_are("u", seed, &into[layer].u, |at, by| value(&moved(&of, |of| of[layer].u[at] += by), &x));
            slopes_are("v", seed, &into[layer].v, |at, by| value(&moved(&of, |of| of[layer].v[at] += by), &x));
            slopes_are("bias", seed, &into[layer].bias, |at, by| value(&moved(&of, |of| of[layer].bias[at] += by), &x));
        }
    }
}

#[test]
fn gradients_of_mixtures_are_the_slopes_of_their_definition() {
    for (seed, activation) in [Activation::Silu, Activation::Prelu].into_iter().enumerate() {
        let mut numbers = Numbers(seed as u64 + 2);
        let of = mmoe_of(&mut numbers, 4, 3, 2, activation);
        let (x, c) = (numbers.many(12), numbers.many(6));
        let kept = of.forward(&x);
        let (mut into, mut by_x) = (of.zeros(), vec![0.0; 12]);
        of.backward(&x, &kept, &c, &mut into, &mut by_x);
        let value = |of: &MmoeWeights, x: &[f32]| weighed(x, 4, &c, &|x| mmoe(of, x));
        let own: f64 = kept.numbers().iter().zip(&c).map(|(y, c)| f64::from(*y) * f64::from(*c)).sum();
        assert!((own - value(&of, &x)).abs() < 1e-4);
        slopes_are("x", seed as u64, &by_x, |at, by| value(&of, &moved(&x, |x| x[at] += by)));
        let pick: [fn(&mut MmoeWeights) -> &mut Weights; 5] = [
            |of| &mut of.experts[0],
            |of| &mut of.experts[1],
            |of| &mut of.gate,
            |of| &mut of.towers[0],
            |of| &mut of.towers[1],
        ];
        for layer in pick {
            for tensor in 0..5 {
                let (name, got) = &layer(&mut into).tensors_mut()[tensor];
                let got = got.to_vec();
                slopes_are(name, seed as u64, &got, |at, by| {
                    let mut of = of.clone();
                    layer(&mut of).tensors_mut()[tensor].1[at] += by;
                    value(&of, &x)
                });
            }
        }
    }
}
