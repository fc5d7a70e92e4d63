//! Golden vectors: results whose bits every build of this crate must reproduce.
//!
//! The inputs come from a fixed integer generator, so that the list needs no data. `tests/golden/bits.txt` holds what it gave when
//! it was last reviewed; the native tests, the browser tests and the self-test page of the demo compare with it.

mod recent;

use crate::bandit::EpsilonGreedy;
use crate::block::layer::{Activation, Weights};
use crate::block::net::{Cross, CrossWeights, Mlp, Mmoe, MmoeWeights};
use crate::block::{Blend, Calibration, Net, Side, Wide};
use crate::head::{BayesLinear, Mixture, Prior};
use crate::kernel::{self, math};
use crate::rng::SplitMix;
use alloc::rc::Rc;

/// Lengths that meet every path of a kernel: empty, only a tail, whole groups, groups and a tail, long.
const LENGTHS: [usize; 10] = [0, 1, 2, 3, 4, 5, 7, 8, 129, 1_000];

/// Inputs at which a function changes its form, and those that are no proper numbers.
const EDGES: [f32; 20] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    0.625,
    core::f32::consts::FRAC_1_SQRT_2,
    core::f32::consts::SQRT_2,
    math::EXP_MIN,
    math::EXP_MAX,
    -87.5,
    89.0,
    f32::MIN_POSITIVE,
    1e-40,
    f32::EPSILON,
    f32::MAX,
    f32::MIN,
    f32::INFINITY,
    f32::NEG_INFINITY,
    f32::NAN,
];

/// Numbers to compute with.
struct Sequence(SplitMix);

impl Sequence {
    fn next(&mut self) -> u64 {
        self.0.word()
    }

    /// A multiple of 2⁻²² in `[−2, 2)`: exact, hence the same on every platform before any arithmetic.
    fn number(&mut self) -> f32 {
        ((self.next() >> 40) as i32 - 0x0080_0000) as f32 / 4_194_304.0
    }

    fn numbers(&mut self, length: usize) -> Vec<f32> {
        (0..length).map(|_| self.number()).collect()
    }

    fn doubles(&mut self, length: usize) -> Vec<f64> {
        (0..length).map(|_| f64::from(self.number())).collect()
    }
}

/// The bits so far.
struct Bits(Vec<u32>);

impl Bits {
    fn single(&mut self, x: f32) {
        debug_assert!(x.is_finite(), "the bits of a NaN differ between platforms");
        self.0.push(x.to_bits());
    }

    fn singles(&mut self, of: &[f32]) {
        for x in of {
            self.single(*x);
        }
    }

    /// The upper word first.
    fn double(&mut self, x: f64) {
        debug_assert!(x.is_finite(), "the bits of a NaN differ between platforms");
        let bits = x.to_bits();
        self.0.extend([(bits >> 32) as u32, bits as u32]);
    }

    fn doubles(&mut self, of: &[f64]) {
        for x in of {
            self.double(*x);
        }
    }
}

/// All golden results as bit patterns, in a fixed order; a double is two words, the upper first.
///
/// Every number is finite (debug builds check), so that no platform's choice of NaN bits is among them.
///
/// # Examples
/// ```
/// let bits = zhiji::golden::golden_bits();
/// assert!(bits.len() > 1_000 && bits == zhiji::golden::golden_bits());
/// ```
pub fn golden_bits() -> Vec<u32> {
    let mut bits = Bits(Vec::new());
    let mut sequence = Sequence(SplitMix(0x7a68_696a_6900_0001));
    kernels(&mut bits, &mut sequence);
    single_precision(&mut bits, &mut sequence);
    double_precision(&mut bits, &mut sequence);
    wide(&mut bits, &mut sequence);
    bayes(&mut bits, &mut sequence);
    mixture(&mut bits, &mut sequence);
    draws(&mut bits, &mut sequence);
    nets(&mut bits, &mut sequence);
    recent::recent(&mut bits, &mut sequence);
    bits.0
}

fn kernels(bits: &mut Bits, sequence: &mut Sequence) {
    for length in LENGTHS {
        let [a, b, c, d] = core::array::from_fn(|_| sequence.numbers(length));
        bits.single(kernel::dot(&a, &b));
        bits.single(kernel::sum(&a));
        bits.single(kernel::dot_standardised(&a, &b, &c, &d));
        let mut y = c;
        kernel::axpy(sequence.number(), &a, &mut y);
        bits.singles(&y[..length.min(9)]);
        bits.single(kernel::sum(&y));
        let matrix = sequence.numbers(3 * length);
        let mut out = [0.0; 3];
        kernel::matvec(&matrix, length, &b, &mut out);
        bits.singles(&out);
    }
    // Sums of very different sizes, where any other order of summation shows.
    let spread: Vec<f32> =
        (0..64).map(|i| sequence.number() * f32::from_bits((127 - 20 + (i * 7) % 40) << 23)).collect();
    bits.single(kernel::sum(&spread));
    bits.single(kernel::dot(&spread, &spread));
}

fn single_precision(bits: &mut Bits, sequence: &mut Sequence) {
    type Forms = (fn(f32) -> f32, fn([f32; 4]) -> [f32; 4]);
    // Those that scoring calls. The others are for the lab; here they would be shipped to be checked and for nothing else.
    let forms: [Forms; 3] = [(math::exp, math::exp_x4), (math::sigmoid, math::sigmoid_x4), (math::tanh, math::tanh_x4)];
    let mut points = EDGES.to_vec();
    for size in [0.01, 0.4, 4.0, 40.0] {
        points.extend(sequence.numbers(8).iter().map(|x| x * size));
    }
    // Every exponent class, both signs.
    points.extend((0..16).map(|_| f32::from_bits(sequence.next() as u32)).map(|x| if x.is_finite() { x } else { 2.0 }));
    let (groups, _) = points.as_chunks::<4>();
    for (one, four) in forms {
        for group in groups {
            bits.singles(&group.map(one));
            bits.singles(&four(*group));
        }
    }
}

fn double_precision(bits: &mut Bits, sequence: &mut Sequence) {
    let functions: [fn(f64) -> f64; 5] =
        [math::exp_f64, math::exp2_f64, math::ln_f64, math::sigmoid_f64, math::softplus_f64];
    let edges = [0.0, 1.0, -1.0, -708.5, 709.5, -1_022.5, 1_024.0, 1e-320, f64::MAX, f64::INFINITY, f64::NAN];
    let mut points = edges.to_vec();
    for size in [0.001, 0.5, 5.0, 300.0] {
        // The product of two singles fills the whole mantissa of a double.
        points.extend((0..6).map(|_| f64::from(sequence.number()) * f64::from(sequence.number()) * size));
    }
    // Mantissas at the ends of the logarithm's series, where its last terms count.
    points.extend((0..8).map(|i| core::f64::consts::SQRT_2 - f64::from(i) / 256.0));
    for function in functions {
        for x in &points {
            bits.double(function(*x));
        }
    }
}

fn wide(bits: &mut Bits, sequence: &mut Sequence) {
    for (features, buckets) in [(0, 0), (1, 1), (5, 16), (33, 256)] {
        let scale = sequence.numbers(features).iter().map(|x| x * x + 0.25).collect();
        let [weight, mean, dense] = core::array::from_fn(|_| sequence.numbers(features));
        let Ok(wide) = Wide::new(sequence.number(), weight, mean, scale, sequence.numbers(buckets)) else { continue };
        let hashes: [u64; 5] = core::array::from_fn(|_| sequence.next());
        let (item, pair) = (wide.score_item(&hashes), wide.score_pair(&dense));
        bits.singles(&[item, pair, wide.logit(wide.score_user(), item, pair)]);
        let mut parts = vec![0.0; features];
        wide.contributions(&dense, &mut parts);
        bits.singles(&parts);
    }
}

/// The blocks that begin with a matrix, each over numbers of the user, of the item and of the pair.
fn nets(bits: &mut Bits, sequence: &mut Sequence) {
    let activations = [Activation::None, Activation::Relu, Activation::Prelu, Activation::Silu];
    let shapes = [([0, 0, 1], 1), ([1, 0, 3], 3), ([0, 4, 5], 4), ([3, 1, 0], 5), ([9, 7, 17], 33), ([0, 0, 130], 64)];
    for (number, (counts, width)) in shapes.into_iter().enumerate() {
        let sides = [(Side::Item, counts[1]), (Side::User, counts[0]), (Side::Pair, counts[2])];
        let total = counts.iter().sum();
        let layer = |sequence: &mut Sequence, groups: usize, shared, width: usize, inputs: usize, activation| {
            let gives = groups * width;
            let alpha = if activation == Activation::Prelu { sequence.numbers(gives) } else { Vec::new() };
            let small = |x: &f32| x / 4.0;
            let weight = sequence.numbers(gives * inputs).iter().map(small).collect();
            let bias = sequence.numbers(gives);
            Weights { groups, width, inputs, shared, activation, weight, bias, norm: Default::default(), alpha }
        };
        let activation = activations[number % 4];
        let mut first = layer(sequence, 1, false, width, total, activation);
        if number % 2 == 1 {
            first.norm = [sequence.numbers(width), sequence.numbers(width)];
        }
        let last = layer(sequence, 1, false, 1, width, Activation::None);
        let rank = number % 3;
        let (mut crosses, columns) = (Vec::new(), if rank == 0 { total } else { rank });
        for _ in 0..2 {
            let (u, v) = (sequence.numbers(total * columns), sequence.numbers(rank * total));
            crosses.push(CrossWeights { width: total, rank, u, v, bias: sequence.numbers(total) });
        }
        let experts = number % 5 + 1;
        let mixture = MmoeWeights {
            experts: vec![layer(sequence, experts, true, width, total, activation)],
            gate: layer(sequence, 2, true, experts, total, Activation::None),
            towers: vec![layer(sequence, 2, false, 1, width, Activation::None)],
        };
        let made = [
            Mlp::new(&[first, last], &sides).map(Net::Mlp),
            Cross::new(&crosses, &sides).map(Net::Cross),
            Mmoe::new(&mixture, &sides).map(Net::Mmoe),
        ];
        for net in made.into_iter().flatten() {
            panel(bits, sequence, &net, counts);
        }
    }
    for powers in [false, true] {
        let Ok(blend) = Blend::new(powers, &[1.0, 0.5, 0.0]) else { continue };
        bits.single(blend.score(&mut sequence.numbers(3).into_iter()));
    }
    let knots = [[-1.0, -2.0], [0.5, 0.25], [1.5, 0.25]].to_vec();
    let Ok(line) = Calibration::knots(knots, true) else { return };
    bits.singles(&[-3.0, -0.3, 0.1, 1.0, 9.0].map(|z| line.apply(z)));
}

/// One panel of a net: eight candidates, of whom the bits of five are kept.
fn panel(bits: &mut Bits, sequence: &mut Sequence, net: &Net, [user, item, pair]: [usize; 3]) {
    let (lanes, first) = (8, net.first());
    let rows = |sequence: &mut Sequence, count: usize| {
        let mut of = sequence.numbers(count * lanes);
        of.resize(count.next_multiple_of(4) * lanes, 0.0);
        of
    };
    let (mut kept, mut of_items) = (vec![0.0; first.keeps_user()], vec![0.0; first.keeps_item() * lanes]);
    first.keep_user(&sequence.numbers(user), &mut kept);
    for lane in 0..lanes {
        let mut of_item = vec![0.0; first.keeps_item()];
        first.keep_item(&sequence.numbers(item), &mut of_item);
        for (slot, x) in of_items.iter_mut().skip(lane).step_by(lanes).zip(of_item) {
            *slot = x;
        }
    }
    let (own, whole) = (rows(sequence, pair), rows(sequence, user + item + pair));
    let (mut room, mut out) = (vec![0.0; net.room() * lanes], vec![0.0; net.width() * lanes]);
    net.score_pair((&kept, &of_items), (&own, &whole), lanes, &mut room, &mut out);
    for row in out.chunks(lanes).take(9) {
        bits.singles(&row[..5]);
    }
}

fn bayes(bits: &mut Bits, sequence: &mut Sequence) {
    for d in [1usize, 3, 8, 33] {
        let mut factor = sequence.doubles(if d == 3 { d } else { d * d });
        let stride = if d == 3 { 1 } else { d + 1 };
        factor.iter_mut().step_by(stride).for_each(|x| *x = *x * *x + 0.5);
        let Ok(prior) = Prior::new(&sequence.doubles(d), &factor) else { continue };
        let mut head = BayesLinear::new(Rc::new(prior));
        for _ in 0..24 {
            head.update(&sequence.doubles(d), f64::from(sequence.number()), 0.3);
        }
        let (x, mut deviation) = (sequence.doubles(d), vec![0.0; d]);
        head.deviate(&sequence.doubles(d), &mut deviation);
        bits.doubles(&[head.mean(&x), head.variance(&x)]);
        bits.doubles(head.weights());
        bits.doubles(&deviation);
    }
}

fn mixture(bits: &mut Bits, sequence: &mut Sequence) {
    let Ok(mut mixture) = Mixture::new(&[4.0, 2.0, 1.0], 0.01) else { return };
    for step in 0..60 {
        let forecasts: [f64; 3] = core::array::from_fn(|_| math::sigmoid_f64(f64::from(sequence.number()) * 4.0));
        mixture.observe(&forecasts, sequence.number() > 0.5);
        if step % 10 == 9 {
            bits.doubles(mixture.weights());
            bits.double(mixture.forecast(&forecasts));
        }
    }
}

fn draws(bits: &mut Bits, sequence: &mut Sequence) {
    let rule = EpsilonGreedy::new(0.1);
    for candidates in [1, 2, 3, 10] {
        let scores = sequence.numbers(candidates);
        let mut propensities = vec![0.0; candidates];
        rule.propensities(&scores, &mut propensities);
        bits.doubles(&propensities);
        for _ in 0..4 {
            if let Some(draw) = rule.choose(&scores, [sequence.next() >> 3, sequence.next()]) {
                bits.0.push(draw.index as u32);
                bits.double(draw.propensity);
            }
        }
    }
}
