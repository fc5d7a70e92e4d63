//! From the spec and the tensors to a stack.
//!
//! Reading goes on whatever it meets (see `json::Place`); what was built of a spec that is wrong is thrown away.

mod net;
mod recent;
mod tiers;

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use super::kind::{Block, Kind};
use super::place::{self, Place, Side};
use super::{HISTORY_MOST, Stack};
use crate::block::{Blend, BlockError, Covisit, Fm, Neighbours, Ridge, Table, Vectors, Wide};
use crate::bundle::notes::Notes;
use crate::bundle::tensors::{ANY, Tensors};
use crate::bundle::{MOST_BLOCKS, MOST_DIM, MOST_FEATURES, MOST_FIELDS, MOST_NAME_BYTES, TensorFault};
use crate::json;
use crate::keyed::KeyMap;
use crate::schema::hash64;

/// Each kind of block, and the keys of its spec beside `block` and `name`.
pub(in crate::bundle) const KINDS: [(&str, &[&str]); 17] = [
    ("dense", &["features", "side"]),
    ("embed", &["hashed"]),
    ("item", &[]),
    ("bias", &["of"]),
    ("recent", &["of", "decay"]),
    ("ridge", &["of", "decay"]),
    ("wide", &["features", "hashed"]),
    ("fm", &["features", "hashed"]),
    ("covisit", &["decay"]),
    ("vector", &["of"]),
    ("mlp", &["of", "widths", "activation", "last", "norm"]),
    ("cross", &["of", "layers", "rank"]),
    ("mmoe", &["of", "experts", "tasks", "widths", "towers", "activation"]),
    ("attention", &["of", "widths", "history", "activation", "softmax"]),
    ("sequence", &["of", "layers", "heads", "norm", "positions", "scale", "epsilon"]),
    ("mean", &["of", "over"]),
    ("product", &["of"]),
];

/// Places in the spec.
const BLOCKS: &str = "ranker.blocks";
const OF: &str = "ranker.blocks.of";
const HASHED: &str = "ranker.blocks.hashed";
const TASKS: &str = "ranker.tiers.tasks";
/// The longest vectors that a `ridge` block solves for.
const MOST_RIDGE: usize = 64;
/// The name under which the ids of the items stand, so no block may have it.
const ITEMS: &str = "items";
/// The name under which the tensors of the personal head stand.
const HEAD: &str = "head";

/// Names that stand in lists of the spec, each once, by the hash of their text.
#[derive(Default)]
struct Names {
    known: KeyMap<u32>,
    /// By name, the list that named it last.
    last: Vec<usize>,
}

/// What a block does, what it reads, what its numbers depend on, and how many there are.
type Built = Option<(Kind, Vec<Place>, Side, usize)>;

struct Builder<'b, 'a> {
    stack: Stack,
    tensors: &'b mut Tensors<'a>,
    features: Names,
    fields: Names,
    /// How many lists have been read.
    lists: usize,
    /// The blocks that were found by their names since the last block or tier was done, and those that they read, as bits.
    found: u32,
    /// For each block itself and the blocks that it reads, as bits.
    reads: Vec<u32>,
}

/// Reads the ranker of a spec and takes its tensors.
pub(in crate::bundle) fn read(ranker: json::Place<'_>, tensors: &mut Tensors<'_>) -> Option<Stack> {
    ranker.only(&["blocks", "tiers"]);
    let (features, fields) = (Names::default(), Names::default());
    let mut builder =
        Builder { stack: Stack::default(), tensors, features, fields, lists: 0, found: 0, reads: Vec::new() };
    builder.items()?;
    let blocks = ranker.key("blocks");
    let count = blocks.len();
    builder.tensors.notes.unless((1..=MOST_BLOCKS).contains(&count), BLOCKS, "give 1 to 32 of them")?;
    for at in 0..count {
        builder.block(blocks.at(at))?;
    }
    builder.tiers(ranker.key("tiers"))?;
    Some(builder.stack)
}

/// A name of the spec.
#[inline(never)]
pub(in crate::bundle) fn named<'a>(place: json::Place<'a>, at: &'static str, notes: &mut Notes) -> Option<&'a str> {
    let name = place.text();
    let sound = !name.is_empty() && name.len() <= MOST_NAME_BYTES;
    notes.unless(sound, at, "give names of 1 to 64 bytes")?;
    Some(name)
}

/// Adds the names of one list to those that are known; gives the place of each.
#[inline(never)]
fn list(
    names: &mut Names,
    all: &mut Vec<String>,
    place: json::Place<'_>,
    (at, most): (&'static str, usize),
    lists: &mut usize,
    notes: &mut Notes,
) -> Option<Vec<u32>> {
    *lists += 1;
    let mut places = Vec::new();
    for index in 0..place.given().map_or(0, json::Place::len) {
        let name = named(place.at(index), at, notes)?;
        let next = u32::try_from(all.len()).unwrap_or(u32::MAX);
        let number = *names.known.entry(hash64(name.as_bytes())).or_insert(next);
        if number == next {
            notes.unless(all.len() < most, at, "there are more than the engine takes")?;
            all.push(name.to_string());
            names.last.push(0);
        }
        let last = names.last.get_mut(place::index(number))?;
        notes.unless(*last != *lists, at, "a name stands there twice")?;
        *last = *lists;
        places.push(number);
    }
    Some(places)
}

impl Builder<'_, '_> {
    fn unless(&mut self, holds: bool, at: &'static str, reason: &'static str) -> Option<()> {
        self.tensors.notes.unless(holds, at, reason)
    }

    fn refuse<T>(&mut self, block: &str, part: &str, fault: TensorFault) -> Option<T> {
        self.tensors.notes.refuse(block, part, fault)
    }

    /// What a block was made of its tensors, or what it says against one of them.
    fn made<T>(&mut self, name: &str, made: Result<T, BlockError>) -> Option<T> {
        match made {
            Ok(made) => Some(made),
            Err(error) => self.refuse(name, error.part(), TensorFault::Block { error }),
        }
    }

    /// The ids of the items that have rows.
    fn items(&mut self) -> Option<()> {
        if !self.tensors.has(ITEMS, "ids") {
            return Some(());
        }
        let bytes = self.tensors.whole(ITEMS, "ids", ANY, ["U64", "I64"])?;
        for (row, wire) in (0u32..).zip(bytes.as_chunks::<8>().0) {
            if self.stack.items.insert(u64::from_le_bytes(*wire), row).is_some() {
                return self.refuse(ITEMS, "ids", TensorFault::Duplicate);
            }
        }
        // A row stands in a single where it is kept with what is known of an item.
        self.stack.reserve(Side::Item, 1);
        if self.stack.items() < MOST_DIM { Some(()) } else { self.refuse(ITEMS, "ids", TensorFault::TooLarge) }
    }

    /// How many items have rows.
    fn rows(&mut self) -> Option<usize> {
        match self.stack.items() {
            0 => self.refuse(ITEMS, "ids", TensorFault::Missing),
            rows => Some(rows),
        }
    }

    /// Places of the dense features of a block.
    fn features(&mut self, spec: json::Place<'_>) -> Option<Vec<u32>> {
        let (names, all, notes) = (&mut self.features, &mut self.stack.features, &mut self.tensors.notes);
        let bounds = ("ranker.blocks.features", MOST_FEATURES);
        list(names, all, spec.key("features"), bounds, &mut self.lists, notes)
    }

    /// The hashed fields of a block, as bits.
    fn hashed(&mut self, spec: json::Place<'_>) -> Option<u64> {
        let (names, all, notes) = (&mut self.fields, &mut self.stack.fields, &mut self.tensors.notes);
        let places = list(names, all, spec.key("hashed"), (HASHED, MOST_FIELDS), &mut self.lists, notes)?;
        let mut bits = 0;
        for place in places {
            bits |= 1u64.wrapping_shl(place);
        }
        Some(bits)
    }

    /// The block of a name.
    #[inline(never)]
    fn find(&mut self, name: &str) -> Option<usize> {
        let found = self.stack.blocks.iter().position(|block| block.name == name);
        self.unless(found.is_some(), OF, "name blocks that stand before")?;
        self.found |= self.reads.get(found?)?;
        found
    }

    /// Where the numbers stand that a block or a task reads.
    #[inline(never)]
    fn of(&mut self, spec: json::Place<'_>) -> Option<Vec<Place>> {
        let (names, mut of) = (spec.key("of"), Vec::new());
        let count = names.len();
        self.unless((1..=MOST_BLOCKS).contains(&count), OF, "name the blocks that it reads")?;
        for at in 0..count {
            let block = self.find(names.at(at).text())?;
            of.push(self.stack.blocks.get(block)?.out);
        }
        Some(of)
    }

    /// The block `item` that stands at a place of `of`, and its dimension.
    #[inline(never)]
    fn item_block(&mut self, spec: json::Place<'_>, at: usize) -> Option<(usize, usize)> {
        let block = self.find(spec.key("of").at(at).text())?;
        let width = self.stack.vectors(block).map(|vectors| vectors.table().dim());
        self.unless(width.is_some(), OF, "name a block `item`")?;
        Some((block, width?))
    }

    /// Lets the vectors of an `item` block be looked up for the recent items.
    fn history(&mut self, block: usize, width: usize) {
        let known = matches!(self.stack.blocks.get(block), Some(Block { kind: Kind::Item { history: true, .. }, .. }));
        if !known {
            let room = self.stack.reserve(Side::User, HISTORY_MOST.saturating_mul(width));
            self.stack.reads_history = true;
            if let Some(Block { kind: Kind::Item { history, .. }, kept_user, .. }) = self.stack.blocks.get_mut(block) {
                (*history, *kept_user) = (true, room.from);
            }
        }
    }

    /// A decay between 0 and 1, 0 left out.
    fn decay(&mut self, spec: json::Place<'_>) -> Option<f32> {
        let decay = spec.key("decay").single();
        let sound = decay > 0.0 && decay <= 1.0;
        self.unless(sound, "ranker.blocks.decay", "give a number above 0, at most 1")?;
        Some(decay)
    }

    /// A table of hashed words: as many rows as a power of two.
    #[inline(never)]
    fn hashed_table(&mut self, name: &str, part: &str) -> Option<Table> {
        let table = self.tensors.table(name, part, ANY)?;
        if table.rows().is_power_of_two() { Some(table) } else { self.refuse(name, part, TensorFault::Buckets) }
    }

    /// Numbers that are only there where there are any.
    fn numbers(&mut self, name: &str, part: &str, length: usize) -> Option<Vec<f32>> {
        if length == 0 { Some(Vec::new()) } else { self.tensors.list(name, part, length) }
    }

    /// The constant term.
    fn bias(&mut self, name: &str) -> Option<f32> {
        self.tensors.list(name, "bias", 1)?.first().copied()
    }

    /// What divides: positive, with a finite inverse.
    #[inline(never)]
    fn scale(&mut self, name: &str, length: usize) -> Option<Vec<f32>> {
        let scale = self.numbers(name, "scale", length)?;
        for (at, value) in scale.iter().enumerate() {
            if *value <= 0.0 || !(1.0 / *value).is_finite() {
                return self.refuse(name, "scale", TensorFault::NotPositive { at });
            }
        }
        Some(scale)
    }

    #[inline(never)]
    fn block(&mut self, spec: json::Place<'_>) -> Option<()> {
        let kind = spec.key("block").text();
        let known = KINDS.iter().find(|(known, _)| *known == kind);
        self.unless(known.is_some(), "ranker.blocks.block", "this engine has no such block")?;
        let (kind, keys) = known?;
        spec.only(&[&["block", "name"], *keys].concat());
        let name = spec.key("name").given().map_or(*kind, json::Place::text);
        let own = !name.is_empty() && name.len() <= MOST_NAME_BYTES && name != ITEMS && name != HEAD;
        let own = own && self.stack.blocks.iter().all(|block| block.name != name);
        self.unless(own, "ranker.blocks.name", "give each block a name of its own, of 1 to 64 bytes")?;
        let (kind, of, side, width) = match *kind {
            "dense" => self.dense(name, spec),
            "embed" => self.embed(name, spec),
            "item" => self.item(name),
            "recent" => self.recent(spec),
            "bias" => self.bias_of(spec),
            "ridge" => self.ridge(name, spec),
            "wide" => self.wide(name, spec),
            "fm" => self.fm(name, spec),
            "covisit" => self.covisit(name, spec),
            "vector" => self.vector(spec),
            "mlp" => self.mlp(name, spec),
            "cross" => self.cross(name, spec),
            "mmoe" => self.mmoe(name, spec),
            "attention" => self.attention(name, spec),
            "sequence" => self.sequence(name, spec),
            "mean" => self.mean(spec),
            _ => self.elementwise(Kind::Product, spec),
        }?;
        // At most 32 blocks stand before the last bit.
        self.reads.push(core::mem::take(&mut self.found) | 1u32.wrapping_shl(u32::try_from(self.reads.len()).ok()?));
        self.stack.push(name, kind, of, side, width);
        Some(())
    }

    #[inline(never)]
    fn dense(&mut self, name: &str, spec: json::Place<'_>) -> Built {
        let picks = self.features(spec)?;
        let width = picks.len();
        self.unless(width > 0, "ranker.blocks.features", "name the features that it reads")?;
        let user = spec.key("side").given().is_some_and(|side| side.one_of(&["pair", "user"]) == 1);
        let (mean, mut scale) = (self.numbers(name, "mean", width)?, self.scale(name, width)?);
        for scale in &mut scale {
            *scale = 1.0 / *scale;
        }
        let side = if user { Side::User } else { Side::Pair };
        Some((Kind::Dense { picks, mean, inverse: scale }, Vec::new(), side, width))
    }

    #[inline(never)]
    fn embed(&mut self, name: &str, spec: json::Place<'_>) -> Built {
        let (fields, table) = (self.hashed(spec)?, self.hashed_table(name, "table")?);
        self.unless(fields != 0, HASHED, "name the fields whose words are hashed")?;
        let width = table.dim();
        Some((Kind::Embed { fields, table }, Vec::new(), Side::Item, width))
    }

    #[inline(never)]
    fn item(&mut self, name: &str) -> Built {
        let rows = self.rows()?;
        let table = self.tensors.table(name, "vectors", rows)?;
        let bias = if self.tensors.has(name, "bias") { rows } else { 0 };
        let bias = self.numbers(name, "bias", bias)?;
        let words = if self.tensors.has(name, "words") { Some(self.hashed_table(name, "words")?) } else { None };
        let width = table.dim();
        if let Some(words) = &words
            && words.dim() != width
        {
            let (expected, found) = (Vec::from([words.rows(), width]), Vec::from([words.rows(), words.dim()]));
            return self.refuse(name, "words", TensorFault::Shape { expected, found });
        }
        let vectors = self.made(name, Vectors::new(table, bias))?;
        Some((Kind::Item { vectors, words, history: false }, Vec::new(), Side::Item, width))
    }

    fn recent(&mut self, spec: json::Place<'_>) -> Built {
        let (decay, (at, width)) = (self.decay(spec)?, self.item_block(spec, 0)?);
        self.unless(spec.key("of").len() == 1, OF, "name one block")?;
        self.history(at, width);
        Some((Kind::Recent { at, decay }, Vec::new(), Side::User, width))
    }

    fn bias_of(&mut self, spec: json::Place<'_>) -> Built {
        let (at, _) = self.item_block(spec, 0)?;
        self.unless(spec.key("of").len() == 1, OF, "name one block")?;
        Some((Kind::Bias { at }, Vec::new(), Side::Item, 1))
    }

    #[inline(never)]
    fn ridge(&mut self, name: &str, spec: json::Place<'_>) -> Built {
        let (decay, (at, width)) = (self.decay(spec)?, self.item_block(spec, 0)?);
        self.unless(
            spec.key("of").len() == 1 && width <= MOST_RIDGE,
            OF,
            "name one block, of vectors of at most 64 numbers",
        )?;
        let (base, noise) = (self.tensors.list(name, "base", 1)?, self.tensors.list(name, "noise", 1)?);
        let ridge = Ridge::new(base.first().copied()?, noise.first().copied()?, decay);
        let ridge = self.made(name, ridge)?;
        self.stack.reads_judged = true;
        Some((Kind::Ridge { at, ridge }, Vec::new(), Side::User, width))
    }

    #[inline(never)]
    fn wide(&mut self, name: &str, spec: json::Place<'_>) -> Built {
        let (picks, fields) = (self.features(spec)?, self.hashed(spec)?);
        let width = picks.len();
        self.unless(width > 0 || fields != 0, BLOCKS, "a block without features predicts nothing")?;
        let (bias, weight) = (self.bias(name)?, self.numbers(name, "weight", width)?);
        let (mean, scale) = (self.numbers(name, "mean", width)?, self.scale(name, width)?);
        let hashed = self.numbers(name, "hashed", if fields == 0 { 0 } else { ANY })?;
        if !hashed.is_empty() && !hashed.len().is_power_of_two() {
            return self.refuse(name, "hashed", TensorFault::Buckets);
        }
        let wide = Wide::new(bias, weight, mean, scale, hashed).ok();
        self.unless(wide.is_some(), BLOCKS, "the block refuses its weights")?;
        Some((Kind::Wide { picks, fields, wide: wide? }, Vec::new(), Side::Pair, 1))
    }

    #[inline(never)]
    fn fm(&mut self, name: &str, spec: json::Place<'_>) -> Built {
        let (picks, fields, bias) = (self.features(spec)?, self.hashed(spec)?, self.bias(name)?);
        let factors = self.tensors.table(name, "factors", ANY)?;
        // Fewer rows than dense features wrap to what is no power of two.
        let buckets = factors.rows().wrapping_sub(picks.len());
        if (buckets == 0) != (fields == 0) || buckets != 0 && !buckets.is_power_of_two() {
            return self.refuse(name, "factors", TensorFault::Buckets);
        }
        let weight = self.tensors.list(name, "weight", factors.rows())?;
        let fm = self.made(name, Fm::new(bias, &weight, &factors))?;
        let buckets = u32::try_from(buckets).unwrap_or(0);
        Some((Kind::Fm { picks, fields, buckets, fm }, Vec::new(), Side::Pair, 1))
    }

    #[inline(never)]
    fn covisit(&mut self, name: &str, spec: json::Place<'_>) -> Built {
        let (decay, rows) = (self.decay(spec)?, self.rows()?);
        let offset = self.tensors.words(name, "offset", rows.saturating_add(1))?;
        let byte = self.tensors.whole(name, "byte", ANY, ["U8", "U8"])?;
        let neighbour = match self.tensors.dtype(name, "neighbour") {
            "U32" | "I32" => Neighbours::Long(self.tensors.words(name, "neighbour", byte.len())?),
            _ => {
                let bytes = self.tensors.whole(name, "neighbour", byte.len(), ["U16", "I16"])?;
                let mut short = Vec::with_capacity(byte.len());
                for two in bytes.as_chunks::<2>().0 {
                    short.push(u16::from_le_bytes(*two));
                }
                Neighbours::Short(short)
            }
        };
        let scale = self.tensors.list(name, "scale", rows)?;
        let table = self.made(name, Covisit::new(offset, neighbour, byte, scale, decay))?;
        self.stack.reads_history = true;
        Some((Kind::Covisit(table), Vec::new(), Side::Pair, 1))
    }

    fn vector(&mut self, spec: json::Place<'_>) -> Built {
        let of = self.of(spec)?;
        let user = of.first()?;
        self.unless(of.len() == 2 && user.side == Side::User, OF, "name a vector of the user and an `item`")?;
        let (at, width) = self.item_block(spec, 1)?;
        self.unless(user.width == width, OF, "name blocks of one width")?;
        let query = self.stack.queries.len();
        self.stack.queries.push(at);
        Some((Kind::Vector { at, query }, of, Side::Pair, 1))
    }

    fn mean(&mut self, spec: json::Place<'_>) -> Built {
        let over = spec.key("over").given().map_or("numbers", json::Place::text);
        let known = over == "numbers" || over == "probabilities";
        self.unless(known, "ranker.blocks.over", "name one of numbers, probabilities")?;
        let (blend, count) = (over == "probabilities", spec.key("of").len());
        self.elementwise(Kind::Mean(if blend { Some(Blend::mean(count)) } else { None }), spec)
    }

    /// A block that makes one list of numbers of several of its width. It depends on all that they depend on.
    fn elementwise(&mut self, kind: Kind, spec: json::Place<'_>) -> Built {
        let of = self.of(spec)?;
        let Place { mut side, width, .. } = *of.first()?;
        for place in &of {
            self.unless(place.width == width, OF, "name blocks of one width")?;
            if place.side != side {
                side = Side::Pair;
            }
        }
        Some((kind, of, side, width))
    }
}
