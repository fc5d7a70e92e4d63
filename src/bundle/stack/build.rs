//! From the spec and the tensors to a stack.
//!
//! Reading goes on whatever it meets (see `json::Place` and `Notes`) to the end of a block; what was built of a spec that is wrong is thrown away.

mod net;
mod recent;
mod tiers;

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use super::kind::{Block, Kind};
use super::place::{self, Place, Side};
use super::{HISTORY_MOST, Stack};
use crate::block::layer::MOST_WIDTH;
use crate::block::{Blend, Covisit, Fm, Neighbours, Ridge, Table, Vectors, Wide};
use crate::bundle::notes::Notes;
use crate::bundle::tensors::{ANY, Tensors};
use crate::bundle::{MOST_BLOCKS, MOST_DIM, MOST_FEATURES, MOST_FIELDS, MOST_NAME_BYTES, TensorFault};
use crate::json;
use crate::keyed::KeyMap;
use crate::schema::hash64;
use crate::words::{Words, words};

/// Reads one block: what its spec says is checked, its tensors are taken, and it is added to the stack.
pub(in crate::bundle) type Reader = for<'b, 'a> fn(&mut Builder<'b, 'a>);

/// Each kind of block, the keys of its spec beside `block` and `name`, and its reader.
pub(in crate::bundle) const KINDS: [(&str, &[&str], Reader); 17] = [
    ("dense", &["features", "side"], |of| of.dense()),
    ("embed", &["hashed"], |of| of.embed()),
    ("item", &[], |of| of.item()),
    ("bias", &["of"], |of| of.bias_of()),
    ("recent", &["of", "decay"], |of| of.recent()),
    ("ridge", &["of", "decay"], |of| of.ridge()),
    ("wide", &["features", "hashed"], |of| of.wide()),
    ("fm", &["features", "hashed"], |of| of.fm()),
    ("covisit", &["decay"], |of| of.covisit()),
    ("vector", &["of"], |of| of.vector()),
    ("mlp", &["of", "widths", "activation", "last", "norm"], |of| of.mlp()),
    ("cross", &["of", "layers", "rank"], |of| of.cross()),
    ("mmoe", &["of", "experts", "tasks", "widths", "towers", "activation"], |of| of.mmoe()),
    ("attention", &["of", "widths", "history", "activation", "softmax"], |of| of.attention()),
    ("sequence", &["of", "layers", "heads", "norm", "positions", "scale", "epsilon"], |of| of.sequence()),
    ("mean", &["of", "over"], |of| of.mean()),
    ("product", &["of"], |of| of.elementwise(Kind::Product)),
];

/// Places in the spec.
const BLOCKS: Words = words!("ranker.blocks");
const OF: Words = words!("ranker.blocks.of");
const HASHED: Words = words!("ranker.blocks.hashed");
const TASKS: Words = words!("ranker.tiers.tasks");
/// The longest vectors that a `ridge` block solves for.
const MOST_RIDGE: usize = 64;
/// The name under which the ids of the items stand, so no block may have it.
const ITEMS: &str = "items";
/// The name under which the tensors of the personal head stand.
const HEAD: &str = "head";

/// Names that stand in lists of the spec, each once, by the hash of their text.
#[derive(Default)]
struct Names {
    known: KeyMap,
    /// By name, the list that named it last.
    last: Vec<usize>,
}

/// What has been read so far.
pub(in crate::bundle) struct Builder<'b, 'a> {
    stack: Stack,
    tensors: &'b mut Tensors<'a>,
    features: Names,
    fields: Names,
    /// How many lists have been read.
    lists: usize,
    /// The block or task that is read: its name, where it is a block, and what the spec says of it.
    name: &'a str,
    spec: json::Place<'a>,
    /// The blocks that were found by their names since the last block or tier was done, and those that they read, as bits.
    found: u32,
    /// For each block itself and the blocks that it reads, as bits.
    reads: Vec<u32>,
}

/// Reads the ranker of a spec and takes its tensors.
pub(in crate::bundle) fn read<'a>(ranker: json::Place<'a>, tensors: &mut Tensors<'a>) -> Stack {
    ranker.only(&["blocks", "tiers"]);
    let (features, fields) = (Names::default(), Names::default());
    let mut builder = Builder {
        stack: Stack::default(),
        tensors,
        features,
        fields,
        lists: 0,
        name: "",
        spec: ranker,
        found: 0,
        reads: Vec::new(),
    };
    builder.items();
    let blocks = ranker.key("blocks");
    let count = blocks.len();
    builder.unless((1..=MOST_BLOCKS).contains(&count), BLOCKS, words!("give 1 to 32 of them"));
    for at in 0..count {
        // What a block reads is sound, so it need not be asked again.
        if builder.tensors.notes.none() {
            builder.block(blocks.at(at));
        }
    }
    if builder.tensors.notes.none() {
        builder.tiers(ranker.key("tiers"));
    }
    builder.stack
}

/// A name of the spec.
#[inline(never)]
pub(in crate::bundle) fn named<'a>(place: json::Place<'a>, at: Words, notes: &mut Notes<'_>) -> &'a str {
    let name = place.text();
    let sound = !name.is_empty() && name.len() <= MOST_NAME_BYTES;
    notes.unless(sound, at, words!("give names of 1 to 64 bytes"));
    name
}

/// The names of one list, at most so many, each once.
#[inline(never)]
pub(in crate::bundle) fn names(
    list: json::Place<'_>,
    most: usize,
    at: Words,
    reason: Words,
    notes: &mut Notes<'_>,
) -> Vec<String> {
    let mut names = Vec::new();
    for index in 0..list.len() {
        let name = named(list.at(index), at, notes).to_string();
        let new = names.len() < most && !names.contains(&name);
        notes.unless(new, at, reason);
        names.push(name);
    }
    names
}

/// Adds the names of one list to those that are known; gives the place of each.
#[inline(never)]
fn list(
    names: &mut Names,
    all: &mut Vec<String>,
    place: json::Place<'_>,
    (at, most): (Words, usize),
    lists: &mut usize,
    notes: &mut Notes<'_>,
) -> Vec<u32> {
    *lists += 1;
    let mut places = Vec::new();
    for index in 0..place.given().map_or(0, json::Place::len) {
        let name = named(place.at(index), at, notes);
        let next = u32::try_from(all.len()).unwrap_or(u32::MAX);
        let number = *names.known.entry(hash64(name.as_bytes()), next);
        if number == next {
            notes.unless(all.len() < most, at, words!("there are more than the engine takes"));
            all.push(name.to_string());
            names.last.push(0);
        }
        if let Some(last) = names.last.get_mut(place::index(number)) {
            notes.unless(*last != *lists, at, words!("a name stands there twice"));
            *last = *lists;
        }
        places.push(number);
    }
    places
}

impl<'a> Builder<'_, 'a> {
    fn unless(&mut self, holds: bool, at: Words, reason: Words) {
        self.tensors.notes.unless(holds, at, reason);
    }

    /// What stands under a key of the block or task that is read.
    #[inline(never)]
    fn key(&self, key: &'static str) -> json::Place<'a> {
        self.spec.key(key)
    }

    /// The same of a key that may be left out.
    #[inline(never)]
    fn maybe_key(&self, key: &'static str) -> Option<json::Place<'a>> {
        self.key(key).given()
    }

    /// Adds the block that is read.
    fn push(&mut self, kind: Kind, of: Vec<Place>, side: Side, width: usize) {
        // At most 32 blocks stand before the last bit.
        let own = 1u32.wrapping_shl(u32::try_from(self.reads.len()).unwrap_or(0));
        self.reads.push(core::mem::take(&mut self.found) | own);
        self.stack.push(self.name, kind, of, side, width);
    }

    /// The ids of the items that have rows.
    fn items(&mut self) {
        self.tensors.block(ITEMS);
        if !self.tensors.has("ids") {
            return;
        }
        let bytes = self.tensors.take("ids", &[ANY], &["U64", "I64"]);
        for (row, wire) in (0u32..).zip(bytes.as_chunks::<8>().0) {
            if self.stack.items.insert(u64::from_le_bytes(*wire), row).is_some() {
                self.tensors.refuse("ids", TensorFault::Duplicate);
            }
        }
        // A row stands in a single where it is kept with what is known of an item.
        self.stack.reserve(Side::Item, 1);
        if self.stack.items() >= MOST_DIM {
            self.tensors.refuse("ids", TensorFault::TooLarge);
        }
        if self.tensors.has("names") {
            self.stack.names = self.tensors.take("names", &[ANY], &["U8"]).to_vec();
        }
    }

    /// How many items have rows.
    fn rows(&mut self) -> usize {
        let rows = self.stack.items();
        if rows == 0 {
            self.tensors.notes.tensor(&[ITEMS, ".ids"], TensorFault::Missing);
        }
        rows
    }

    /// Places of the dense features of a block.
    fn features(&mut self) -> Vec<u32> {
        let place = self.key("features");
        let (names, all, notes) = (&mut self.features, &mut self.stack.features, &mut self.tensors.notes);
        let bounds = (words!("ranker.blocks.features"), MOST_FEATURES);
        list(names, all, place, bounds, &mut self.lists, notes)
    }

    /// The hashed fields of a block, as bits.
    #[inline(never)]
    fn hashed(&mut self) -> u64 {
        let (place, mut bits) = (self.key("hashed"), 0);
        let (names, all, notes) = (&mut self.fields, &mut self.stack.fields, &mut self.tensors.notes);
        for place in list(names, all, place, (HASHED, MOST_FIELDS), &mut self.lists, notes) {
            bits |= 1u64.wrapping_shl(place);
        }
        bits
    }

    /// The block of a name.
    #[inline(never)]
    fn find(&mut self, name: &str) -> usize {
        let found = self.stack.blocks.iter().position(|block| block.name == name);
        self.unless(found.is_some(), OF, words!("name blocks that stand before"));
        let found = found.unwrap_or(usize::MAX);
        self.found |= self.reads.get(found).copied().unwrap_or(0);
        found
    }

    /// Where the numbers stand that a block or a task reads.
    #[inline(never)]
    fn of(&mut self) -> Vec<Place> {
        let (names, mut of) = (self.key("of"), Vec::new());
        let count = names.len();
        self.unless((1..=MOST_BLOCKS).contains(&count), OF, words!("name the blocks that it reads"));
        for at in 0..count {
            let block = self.find(names.at(at).text());
            if let Some(block) = self.stack.blocks.get(block) {
                of.push(block.out);
            }
        }
        of
    }

    /// The block `item` that stands at a place of `of`, and its dimension.
    #[inline(never)]
    fn item_block(&mut self, at: usize) -> (usize, usize) {
        let block = self.find(self.key("of").at(at).text());
        let width = self.stack.vectors(block).map_or(0, |vectors| vectors.table().dim());
        self.unless(width > 0, OF, words!("name a block `item`"));
        (block, width)
    }

    /// The block `item` that is all that a block reads, and its dimension.
    #[inline(never)]
    fn of_item(&mut self) -> (usize, usize) {
        let found = self.item_block(0);
        self.unless(self.key("of").len() == 1, OF, words!("name one block"));
        found
    }

    /// The same, whose vectors are looked up for the recent items.
    #[inline(never)]
    fn of_recent(&mut self) -> (usize, usize) {
        let (block, width) = self.of_item();
        let known = matches!(self.stack.blocks.get(block), Some(Block { kind: Kind::Item { history: true, .. }, .. }));
        if !known {
            let room = self.stack.reserve(Side::User, HISTORY_MOST.saturating_mul(width));
            self.stack.reads_history = true;
            if let Some(Block { kind: Kind::Item { history, .. }, kept_user, .. }) = self.stack.blocks.get_mut(block) {
                (*history, *kept_user) = (true, room.from);
            }
        }
        (block, width)
    }

    /// A number of 1 or more; 1 in place of one that is out of bounds.
    #[inline(never)]
    fn count(&mut self, place: json::Place<'_>, most: usize, at: Words, reason: Words) -> usize {
        let count = place.count();
        let sound = (1..=most).contains(&count);
        self.unless(sound, at, reason);
        if sound { count } else { 1 }
    }

    /// A decay between 0 and 1, 0 left out.
    #[inline(never)]
    fn decay(&mut self) -> f32 {
        let decay = self.key("decay").single();
        let sound = decay > 0.0 && decay <= 1.0;
        self.unless(sound, words!("ranker.blocks.decay"), words!("give a number above 0, at most 1"));
        decay
    }

    /// A table of hashed words: as many rows as a power of two.
    #[inline(never)]
    fn hashed_table(&mut self, part: &str) -> Option<Table> {
        let table = self.tensors.table(part, ANY)?;
        if table.rows().is_power_of_two() {
            return Some(table);
        }
        self.tensors.refuse(part, TensorFault::Buckets);
        None
    }

    /// One number.
    #[inline(never)]
    fn one(&mut self, part: &str) -> f32 {
        self.tensors.list(part, 1).first().copied().unwrap_or(0.0)
    }

    /// What divides: positive, with a finite inverse.
    #[inline(never)]
    fn scale(&mut self, length: usize) -> Vec<f32> {
        let scale = self.tensors.list("scale", length);
        for (at, value) in scale.iter().enumerate() {
            if *value <= 0.0 || !(1.0 / *value).is_finite() {
                self.tensors.refuse("scale", TensorFault::NotPositive { at });
            }
        }
        scale
    }

    #[inline(never)]
    fn block(&mut self, spec: json::Place<'a>) {
        let kind = spec.key("block").text();
        let known = KINDS.iter().find(|(known, ..)| *known == kind);
        self.unless(known.is_some(), words!("ranker.blocks.block"), words!("this engine has no such block"));
        let Some((kind, keys, read)) = known else { return };
        spec.only(&[&["block", "name"], *keys].concat());
        let name = spec.key("name").given().map_or(*kind, json::Place::text);
        let own = !name.is_empty() && name.len() <= MOST_NAME_BYTES && name != ITEMS && name != HEAD;
        let own = own && self.stack.blocks.iter().all(|block| block.name != name);
        self.unless(own, words!("ranker.blocks.name"), words!("give each block a name of its own, of 1 to 64 bytes"));
        self.name = name;
        self.tensors.block(name);
        self.spec = spec;
        read(self);
    }

    #[inline(never)]
    fn dense(&mut self) {
        let picks = self.features();
        let width = picks.len();
        self.unless(width > 0, words!("ranker.blocks.features"), words!("name the features that it reads"));
        let user = self.maybe_key("side").is_some_and(|side| side.one_of(&["pair", "user"]) == 1);
        let (mean, mut inverse) = (self.tensors.list("mean", width), self.scale(width));
        for scale in &mut inverse {
            *scale = 1.0 / *scale;
        }
        let side = if user { Side::User } else { Side::Pair };
        self.push(Kind::Dense { picks, mean, inverse }, Vec::new(), side, width);
    }

    #[inline(never)]
    fn embed(&mut self) {
        let (fields, table) = (self.hashed(), self.hashed_table("table"));
        self.unless(fields != 0, HASHED, words!("name the fields whose words are hashed"));
        if let Some(table) = table {
            let width = table.dim();
            self.push(Kind::Embed { fields, table }, Vec::new(), Side::Item, width);
        }
    }

    #[inline(never)]
    fn item(&mut self) {
        let rows = self.rows();
        let table = self.tensors.table("vectors", rows);
        let bias = if self.tensors.has("bias") { self.tensors.list("bias", rows) } else { Vec::new() };
        let (buckets, dim) = (self.tensors.size("words", 0), self.tensors.size("words", 1));
        let words = if self.tensors.has("words") { self.hashed_table("words") } else { None };
        let Some(table) = table else { return };
        let width = table.dim();
        if words.is_some() && dim != width {
            let (expected, found) = (Vec::from([buckets, width]), Vec::from([buckets, dim]));
            self.tensors.refuse("words", TensorFault::Shape { expected, found });
        }
        match Vectors::new(table, bias) {
            Ok(vectors) => self.push(Kind::Item { vectors, words, history: false }, Vec::new(), Side::Item, width),
            Err(error) => self.tensors.against(error),
        }
    }

    fn recent(&mut self) {
        let (decay, (at, width)) = (self.decay(), self.of_recent());
        self.push(Kind::Recent { at, decay }, Vec::new(), Side::User, width);
    }

    fn bias_of(&mut self) {
        let (at, _) = self.of_item();
        self.push(Kind::Bias { at }, Vec::new(), Side::Item, 1);
    }

    #[inline(never)]
    fn ridge(&mut self) {
        let (decay, (at, width)) = (self.decay(), self.of_item());
        self.unless(width <= MOST_RIDGE, OF, words!("name one block, of vectors of at most 64 numbers"));
        self.stack.reads_judged = true;
        match Ridge::new(self.one("base"), self.one("noise"), decay) {
            Ok(ridge) => self.push(Kind::Ridge { at, ridge }, Vec::new(), Side::User, width),
            Err(error) => self.tensors.against(error),
        }
    }

    #[inline(never)]
    fn wide(&mut self) {
        let (picks, fields) = (self.features(), self.hashed());
        let width = picks.len();
        self.unless(width > 0 || fields != 0, BLOCKS, words!("a block without features predicts nothing"));
        let (bias, weight) = (self.one("bias"), self.tensors.list("weight", width));
        let (mean, scale) = (self.tensors.list("mean", width), self.scale(width));
        let hashed = self.tensors.list("hashed", if fields == 0 { 0 } else { ANY });
        if !hashed.is_empty() && !hashed.len().is_power_of_two() {
            self.tensors.refuse("hashed", TensorFault::Buckets);
        }
        match Wide::new(bias, weight, mean, scale, hashed) {
            Ok(wide) => self.push(Kind::Wide { picks, fields, wide }, Vec::new(), Side::Pair, 1),
            Err(_) => self.unless(false, BLOCKS, words!("the block refuses its weights")),
        }
    }

    #[inline(never)]
    fn fm(&mut self) {
        let (picks, fields, bias) = (self.features(), self.hashed(), self.one("bias"));
        let Some(factors) = self.tensors.table("factors", ANY) else { return };
        // Fewer rows than dense features wrap to what is no power of two.
        let buckets = factors.rows().wrapping_sub(picks.len());
        if (buckets == 0) != (fields == 0) || buckets != 0 && !buckets.is_power_of_two() {
            self.tensors.refuse("factors", TensorFault::Buckets);
        }
        let weight = self.tensors.list("weight", factors.rows());
        let buckets = u32::try_from(buckets).unwrap_or(0);
        match Fm::new(bias, &weight, &factors) {
            Ok(fm) => self.push(Kind::Fm { picks, fields, buckets, fm }, Vec::new(), Side::Pair, 1),
            Err(error) => self.tensors.against(error),
        }
    }

    #[inline(never)]
    fn covisit(&mut self) {
        let (decay, rows) = (self.decay(), self.rows());
        let offset = self.tensors.words("offset", rows.saturating_add(1));
        let byte = self.tensors.take("byte", &[ANY], &["U8"]).to_vec();
        let neighbour = match self.tensors.dtype("neighbour") {
            "U32" | "I32" => Neighbours::Long(self.tensors.words("neighbour", byte.len())),
            _ => {
                let bytes = self.tensors.take("neighbour", &[byte.len()], &["U16", "I16"]);
                let mut short = Vec::with_capacity(byte.len());
                for two in bytes.as_chunks::<2>().0 {
                    short.push(u16::from_le_bytes(*two));
                }
                Neighbours::Short(short)
            }
        };
        let scale = self.tensors.list("scale", rows);
        self.stack.reads_history = true;
        match Covisit::new(offset, neighbour, byte, scale, decay) {
            Ok(table) => self.push(Kind::Covisit(table), Vec::new(), Side::Pair, 1),
            Err(error) => self.tensors.against(error),
        }
    }

    fn vector(&mut self) {
        let of = self.of();
        let user = of.first().filter(|user| of.len() == 2 && user.side == Side::User).map_or(0, |user| user.width);
        self.unless(user > 0, OF, words!("name a vector of the user and an `item`"));
        let (at, width) = self.item_block(1);
        self.unless(user == width, OF, words!("name blocks of one width"));
        let query = self.stack.queries.len();
        self.stack.queries.push(at);
        self.push(Kind::Vector { at, query }, of, Side::Pair, 1);
    }

    fn mean(&mut self) {
        let over = self.maybe_key("over").map_or("numbers", json::Place::text);
        let blend = over == "probabilities";
        self.unless(
            blend || over == "numbers",
            words!("ranker.blocks.over"),
            words!("name one of numbers, probabilities"),
        );
        let count = self.key("of").len();
        self.elementwise(Kind::Mean(if blend { Some(Blend::mean(count)) } else { None }));
    }

    /// A block that makes one list of numbers of several of its width. It depends on all that they depend on.
    fn elementwise(&mut self, kind: Kind) {
        let of = self.of();
        let width = of.first().map_or(0, |place| place.width);
        let fits = of.iter().all(|place| place.width == width);
        self.unless(fits, OF, words!("name blocks of one width"));
        let side = side_of(&of);
        self.push(kind, of, side, width);
    }
}

/// The side that all numbers depend on that stand there; the pair where that is not one.
fn side_of(of: &[Place]) -> Side {
    let mut side = of.first().map_or(Side::Pair, |place| place.side);
    for place in of {
        if place.side != side {
            side = Side::Pair;
        }
    }
    side
}
