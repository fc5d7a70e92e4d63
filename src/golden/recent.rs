//! The blocks over the sequence of recent items, and the best of a catalogue.

use super::{Bits, Sequence};
use crate::block::attention::{self, Attention};
use crate::block::layer::{Activation, Weights};
use crate::block::sequence::{self, LayerWeights, Norm, Pair};
use crate::block::{Query, Table, Vectors};
use crate::kernel::Best;

/// Lengths of vectors, heads, and histories that meet every path: none, one, a panel less than full, one of four and one more, several.
const SIZES: [(usize, usize, usize); 7] =
    [(1, 1, 0), (3, 1, 1), (4, 2, 3), (5, 5, 4), (6, 3, 5), (9, 3, 50), (32, 2, 50)];

/// All of them.
pub(super) fn recent(bits: &mut Bits, sequence: &mut Sequence) {
    for (at, (dim, heads, count)) in SIZES.into_iter().enumerate() {
        let table = Table::singles(64, dim, sequence.numbers(64 * dim));
        let Ok(table) = table else { continue };
        for (words, table) in [(false, table.clone()), (true, table.quantised())] {
            weighed(bits, sequence, (at, dim, count, words), &table);
        }
        let norm = [Norm::Pre, Norm::Post, Norm::Query][at % 3];
        let shape = sequence::Shape {
            dim,
            heads,
            inner: 7,
            items: 50,
            norm,
            from_oldest: at % 2 == 1,
            scale: 1.5,
            epsilon: 1e-5,
        };
        encoded(bits, sequence, shape, count);
    }
    let Ok(table) = Table::singles(10_000, 5, sequence.numbers(50_000)) else { return };
    for table in [table.clone(), table.quantised()] {
        let Ok(vectors) = Vectors::new(table, Vec::new()) else { continue };
        let (mut query, mut best) = (Query::new(&vectors), Best::new(20));
        query.set(&sequence.numbers(5));
        vectors.offer_all(&query, &mut best);
        for (item, score) in best.ranked() {
            bits.0.push(item);
            bits.single(score);
        }
    }
}

/// An attention over the rows of a table, of which the last of the history has none.
fn weighed(
    bits: &mut Bits,
    sequence: &mut Sequence,
    (at, dim, count, words): (usize, usize, usize, bool),
    table: &Table,
) {
    let activation = [Activation::Relu, Activation::Prelu, Activation::Silu][at % 3];
    let alpha = if activation == Activation::Prelu { vec![0.25] } else { Vec::new() };
    let mut layer = |width, inputs, activation, alpha| {
        let (weight, bias) = (sequence.numbers(width * inputs), sequence.numbers(width));
        Weights { groups: 1, width, inputs, activation, weight, bias, alpha, ..Weights::default() }
    };
    let layers = [layer(6, 4 * dim, activation, alpha), layer(1, 6, Activation::None, Vec::new())];
    let shape = attention::Shape { dim, history: 50, softmax: at % 2 == 1, words };
    let Ok(block) = Attention::new(shape, &layers) else { return };
    let rows: Vec<u32> = (0..count as u32).map(|row| if row + 1 == count as u32 { u32::MAX } else { row }).collect();
    let (mut vectors, mut candidate) = (sequence.numbers(count * dim), vec![0.0; dim]);
    for (row, vector) in rows.iter().zip(vectors.chunks_exact_mut(dim)).take(count.saturating_sub(1)) {
        table.read(*row as usize, vector);
    }
    table.read(63, &mut candidate);
    let (mut history, mut work) = (block.history(), block.work());
    let (mut part, mut out) = (vec![0.0; block.item_len()], vec![0.0; dim]);
    block.score_user(&vectors, &rows, table, &mut history);
    block.score_item(&candidate, &mut part);
    block.score_pair(&history, &candidate, &part, &mut work, &mut out);
    bits.singles(&out);
}

fn encoded(bits: &mut Bits, sequence: &mut Sequence, shape: sequence::Shape, count: usize) {
    let (dim, inner) = (shape.dim, shape.inner);
    let sizes = [(3 * dim, dim), (dim, dim), (inner, dim), (dim, inner), (dim, 1), (dim, 1)];
    let numbers = sizes.map(|(outputs, inputs)| (sequence.numbers(outputs * inputs), sequence.numbers(outputs)));
    let [attention, out, first, second, norm1, norm2] = numbers.map(|(weight, bias)| Pair { weight, bias });
    // Twice the same layer: for every position, and for the newest alone.
    let layer = LayerWeights { attention, out, first, second, norms: [norm1.clone(), norm2] };
    let position = sequence.numbers(shape.items * dim);
    let layers = Vec::from([layer.clone(), layer]);
    let Ok(block) = sequence::Sequence::new(shape, position, layers, Some(norm1)) else { return };
    let mut user = vec![0.0; dim];
    block.score_user(&sequence.numbers(count * dim), &mut block.room(), &mut user);
    bits.singles(&user);
}
