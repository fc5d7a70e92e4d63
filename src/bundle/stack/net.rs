//! Nets in a stack: what they read, side by side, and where they keep their shares.

use super::Scratch;
use super::kind::Block;
use super::pair::Reading;
use super::place::{Place, Side, interleave, part, part_mut, split};
use crate::block::Net;
use crate::kernel::linear::padded;

/// What a block reads of these places, as a panel; and the same with the zeros that fill it up to a multiple of four numbers.
pub(super) fn panel<'a>(
    of: &[Place],
    wanted: fn(Side) -> bool,
    from: Reading<'_>,
    input: &'a mut [f32],
) -> (&'a [f32], &'a [f32]) {
    let (lanes, mut at) = (from.lanes, 0);
    for place in of.iter().filter(|place| wanted(place.side)) {
        let length = place.width * lanes;
        let out = part_mut(input, at, length);
        match place.side {
            Side::User => {
                for (row, x) in out.chunks_mut(lanes).zip(part(from.user, place.from, place.width)) {
                    row.fill(*x);
                }
            }
            Side::Item => {
                for (lane, item) in from.items.iter().enumerate() {
                    interleave(part(item, place.from, place.width), lane, lanes, out);
                }
            }
            Side::Pair => out.copy_from_slice(part(from.pair, place.from * lanes, length)),
        }
        at += length;
    }
    let filled = padded(at / lanes) * lanes;
    part_mut(input, at, filled - at).fill(0.0);
    (part(input, 0, at), part(input, 0, filled))
}

/// What a net gives for one panel of pairs.
pub(super) fn pair(net: &Net, block: &Block, from: Reading<'_>, scratch: &mut Scratch, out: &mut [f32]) {
    let first = net.first();
    let own = panel(&block.of, |side| side == Side::Pair, from, &mut scratch.input).1;
    let whole = if net.reads_all() { panel(&block.of, |_| true, from, &mut scratch.whole).1 } else { &[] };
    let place = Place { side: Side::Item, from: block.kept_item, width: first.keeps_item() };
    let item = panel(&[place], |_| true, from, &mut scratch.kept).1;
    let user = part(from.user, block.kept_user, first.keeps_user());
    net.score_pair((user, item), (own, whole), from.lanes, &mut scratch.room, out);
}

/// What a net gives that depends on one side alone, in the buffer of which its inputs stand before it.
pub(super) fn alone(net: &Net, block: &Block, before: &[f32], scratch: &mut Scratch, out: &mut [f32]) {
    let lanes = 4;
    let from = Reading { user: before, items: &[before], pair: &[], dense: &[], lanes };
    let x = panel(&block.of, |_| true, from, &mut scratch.input).1;
    let four = part_mut(&mut scratch.kept, 0, out.len() * lanes);
    net.score_pair((&[], &[]), (x, x), lanes, &mut scratch.room, four);
    for (slot, x) in out.iter_mut().zip(four.iter().step_by(lanes)) {
        *slot = *x;
    }
}

/// A side's share of the first sums of a net over pairs.
pub(super) fn keep(net: &Net, block: &Block, side: Side, buffer: &mut [f32], scratch: &mut Scratch) {
    let first = net.first();
    let (place, length) = match side {
        Side::User => (block.kept_user, first.keeps_user()),
        _ => (block.kept_item, first.keeps_item()),
    };
    let (before, rest) = split(buffer, place);
    let from = Reading { user: before, items: &[before], pair: &[], dense: &[], lanes: 1 };
    let out = part_mut(rest, 0, length);
    if side == Side::User {
        first.keep_user(panel(&block.of, |side| side == Side::User, from, &mut scratch.input).1, out);
    } else {
        first.keep_item(panel(&block.of, |side| side == Side::Item, from, &mut scratch.input).1, out);
    }
}
