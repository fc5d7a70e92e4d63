//! The stack: blocks that feed one another, cut by what each number depends on.
//!
//! A block's numbers depend on the user alone, on the item alone, or on the pair. They stand in three buffers, and three functions fill them:
//! [`Stack::score_user`] once per request, [`Stack::score_item`] once per bundle and item, [`Stack::score_pair`] for each pair. A block
//! reads blocks that stand before it, so each function is one walk over the list. What is read was checked when the bundle was loaded:
//! no walk can fail, and none allocates once its workspace is made.

mod build;

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use crate::block::{Covisit, Fm, Query, Table, Vectors, Wide};
use crate::kernel;
use crate::keyed::KeyMap;

#[cfg(all(test, not(target_arch = "wasm32")))]
pub(super) use build::KINDS;
pub(super) use build::{named, read};

/// The most items of the user's recent past that a stack reads.
pub const HISTORY_MOST: usize = 50;
/// Stands for the item's own id among the fields whose values are hashed.
pub const ID: &str = "id";
/// The row of an item that the bundle has never seen.
const NO_ROW: f32 = -1.0;

/// What a number depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    User,
    Item,
    Pair,
}

/// Where a block's numbers stand.
#[derive(Clone, Copy, Debug)]
struct Place {
    side: Side,
    from: usize,
    width: usize,
}

#[derive(Clone, Debug)]
struct Block {
    name: String,
    kind: Kind,
    /// What it reads, in order.
    of: Vec<Place>,
    out: Place,
    /// Where what it keeps of the other side begins: of the item for `wide` and `fm`, of the user for the history of an `item` block.
    aside: usize,
}

/// What a block does. The dense features that it reads are places in the stack's list, or in the layout once it is bound; hashed
/// fields are bits, by their place in the stack's list.
#[derive(Clone, Debug)]
enum Kind {
    /// Standardised dense features.
    Dense { picks: Vec<u32>, mean: Vec<f32>, inverse: Vec<f32> },
    /// Mean of the rows of the item's hashed words.
    Embed { fields: u64, table: Table },
    /// The item's own row; for an item that the bundle has never seen, the mean of the rows of its words.
    Item { vectors: Vectors, words: Option<Table>, history: bool },
    /// Mean of the vectors of the recent items, decayed by their age in steps. `at` is the block of the vectors.
    Recent { at: usize, decay: f32 },
    /// See [`Wide`].
    Wide { picks: Vec<u32>, fields: u64, wide: Wide },
    /// See [`Fm`]; dense features come first, buckets follow.
    Fm { picks: Vec<u32>, fields: u64, buckets: u32, fm: Fm },
    /// See [`Covisit`].
    Covisit(Covisit),
    /// A user's vector times an item's. `at` is the block of the vectors, `query` the place of the prepared vector.
    Vector { at: usize, query: usize },
    /// Element by element.
    Mean,
    /// Element by element.
    Product,
}

/// One task of a tier: its logit is a weighted sum of blocks.
#[derive(Clone, Debug)]
struct Task {
    label: String,
    /// Where each number stands, and what it is multiplied with.
    of: Vec<(Place, f32)>,
}

/// A loaded model. Any finite or other input gives finite scores.
#[derive(Clone, Debug, Default)]
pub struct Stack {
    features: Vec<String>,
    fields: Vec<String>,
    /// Rows by wire id.
    items: KeyMap<u32>,
    blocks: Vec<Block>,
    tiers: Vec<Vec<Task>>,
    /// For each tier the blocks that it reads, at once or through others, as bits.
    reads: Vec<u32>,
    /// Lengths of the buffers, by [`Side`].
    lengths: [usize; 3],
    /// The most numbers that a block reads at once.
    widest: usize,
    queries: Vec<usize>,
    reads_history: bool,
}

/// An item of the user's recent past: wire id, and the keys of its words.
pub type Met<'a> = (u64, &'a [u64]);

/// What a stack writes while it scores: made once for a stack, used for any number of requests.
#[derive(Default)]
pub struct Workspace {
    /// The tier that was chosen, and the blocks to compute, as bits: those of all tiers until one is chosen.
    tier: usize,
    reads: u32,
    user: Vec<f32>,
    pair: Vec<f32>,
    input: Vec<f32>,
    sum: Vec<f32>,
    /// Numbers of the dense features of an `fm` block: 0, 1, 2 …
    places: Vec<u32>,
    /// Rows of the recent items, the newest first.
    rows: Vec<u32>,
    queries: Vec<Query>,
    overflowed: bool,
}

impl Workspace {
    /// Whether any score so far was beyond single precision, and was held at its end. A model that does this is not sound.
    pub const fn overflowed(&self) -> bool {
        self.overflowed
    }

    /// The tier that was chosen; 0 where none was.
    pub const fn tier(&self) -> usize {
        self.tier
    }
}

impl Stack {
    /// The stack of one `wide` block over all features of a layout, for one task without a name.
    pub(crate) fn of_wide(wide: Wide) -> Self {
        let mut stack = Self::default();
        let count = u32::try_from(wide.features()).unwrap_or(0);
        let kind = Kind::Wide { picks: (0..count).collect(), fields: 0, wide };
        let place = stack.push("wide", kind, Vec::new(), Side::Pair, 1);
        stack.tiers.push([Task { label: String::new(), of: [(place, 1.0)].to_vec() }].to_vec());
        stack.reads.push(1);
        stack
    }

    /// Names of the dense features that the blocks read, each once.
    pub fn features(&self) -> &[String] {
        &self.features
    }

    /// Names of the fields whose words are hashed, each once; [`ID`] is the item's own id.
    pub fn fields(&self) -> &[String] {
        &self.fields
    }

    /// How many tiers there are, the fullest first.
    pub fn tiers(&self) -> usize {
        self.tiers.len()
    }

    /// The labels that a tier predicts, in the order of its logits.
    pub fn labels(&self, tier: usize) -> impl Iterator<Item = &str> {
        self.tiers.get(tier).into_iter().flatten().map(|task| task.label.as_str())
    }

    /// Kind and name of each block.
    pub fn blocks(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.blocks.iter().map(|block| (block.kind.name(), block.name.as_str()))
    }

    /// How many items the bundle knows by their ids.
    pub fn items(&self) -> usize {
        self.items.len()
    }

    /// Whether anything depends on what the user met lately.
    pub const fn reads_history(&self) -> bool {
        self.reads_history
    }

    /// How many numbers [`Stack::score_item`] writes.
    pub fn item_len(&self) -> usize {
        self.length(Side::Item)
    }

    /// The linear block, where the stack is that block and nothing else: then its contributions are the logit's.
    pub fn linear(&self) -> Option<(&[u32], &Wide)> {
        match self.blocks.as_slice() {
            [Block { kind: Kind::Wide { picks, wide, .. }, .. }] => Some((picks, wide)),
            _ => None,
        }
    }

    /// Puts the places of a layout in place of those of [`Stack::features`]. `user` says how many of the layout's features depend on the
    /// user alone.
    ///
    /// Whether a block of user features reads none but these.
    pub(crate) fn bind(&mut self, places: &[u32], user: u32) -> bool {
        let mut sound = true;
        for block in &mut self.blocks {
            let alone = block.out.side == Side::User;
            if let Kind::Dense { picks, .. } | Kind::Wide { picks, .. } | Kind::Fm { picks, .. } = &mut block.kind {
                for pick in picks {
                    *pick = usize::try_from(*pick).ok().and_then(|at| places.get(at)).copied().unwrap_or(u32::MAX);
                    sound &= !alone || *pick < user;
                }
            }
        }
        sound
    }

    /// A workspace for this stack.
    pub fn workspace(&self) -> Workspace {
        let queries = self.queries.iter().filter_map(|at| self.vectors(*at).map(Query::new)).collect();
        Workspace {
            tier: 0,
            reads: u32::MAX,
            user: vec![0.0; self.length(Side::User)],
            pair: vec![0.0; self.length(Side::Pair)],
            input: vec![0.0; self.widest],
            sum: vec![0.0; self.widest],
            places: (0..u32::try_from(self.widest).unwrap_or(0)).collect(),
            rows: Vec::with_capacity(HISTORY_MOST),
            queries,
            overflowed: false,
        }
    }

    /// Lets a workspace be used for one tier: what only other tiers read is not computed from the next [`Stack::score_user`] on.
    pub fn choose_tier(&self, at: &mut Workspace, tier: usize) {
        (at.tier, at.reads) = (tier, self.reads_of(tier));
    }

    /// The blocks that a tier reads, as bits.
    fn reads_of(&self, tier: usize) -> u32 {
        self.reads.get(tier).copied().unwrap_or(0)
    }

    fn length(&self, side: Side) -> usize {
        let [user, item, pair] = self.lengths;
        match side {
            Side::User => user,
            Side::Item => item,
            Side::Pair => pair,
        }
    }

    fn vectors(&self, at: usize) -> Option<&Vectors> {
        match self.blocks.get(at).map(|block| &block.kind) {
            Some(Kind::Item { vectors, .. }) => Some(vectors),
            _ => None,
        }
    }

    /// Sets aside room in a buffer.
    fn reserve(&mut self, side: Side, width: usize) -> Place {
        let [user, item, pair] = &mut self.lengths;
        let length = match side {
            Side::User => user,
            Side::Item => item,
            Side::Pair => pair,
        };
        let from = *length;
        *length = from.saturating_add(width);
        Place { side, from, width }
    }

    /// Adds a block that writes `width` numbers.
    fn push(&mut self, name: &str, kind: Kind, of: Vec<Place>, side: Side, width: usize) -> Place {
        let aside = match &kind {
            Kind::Wide { .. } => self.reserve(Side::Item, 1).from,
            Kind::Fm { fm, .. } => self.reserve(Side::Item, 1 + fm.width()).from,
            _ => 0,
        };
        let reads: usize = match &kind {
            Kind::Dense { picks, .. } | Kind::Wide { picks, .. } => picks.len(),
            Kind::Fm { picks, fm, .. } => picks.len().max(fm.width()),
            Kind::Embed { table, .. } => table.width(),
            Kind::Item { vectors, .. } => vectors.table().width(),
            _ => of.iter().map(|place| place.width).sum(),
        };
        self.widest = self.widest.max(reads).max(width);
        let out = self.reserve(side, width);
        self.blocks.push(Block { name: name.into(), kind, of, out, aside });
        out
    }

    /// Computes what depends on the user alone, for the tier that was chosen or for all of them. Once per request.
    ///
    /// # Shapes
    /// `dense`: the features of the layout, of which those of the user are read; `recent`: what the user met lately, the newest first;
    /// [`HISTORY_MOST`] are read.
    pub fn score_user<'m>(&self, at: &mut Workspace, dense: &[f32], recent: &mut dyn Iterator<Item = Met<'m>>) {
        at.rows.clear();
        if self.reads_history {
            for (wire, keys) in recent.take(HISTORY_MOST) {
                let row = self.items.get(&wire).copied().unwrap_or(u32::MAX);
                for (number, block) in self.blocks.iter().enumerate() {
                    if let Kind::Item { vectors, words, history: true } = &block.kind
                        && reads(at.reads, number)
                    {
                        let from = block.aside + at.rows.len() * block.out.width;
                        let out = part_mut(&mut at.user, from, block.out.width);
                        item_vector(vectors, words.as_ref(), row, &mut keys.iter().copied(), &mut at.sum, out);
                    }
                }
                at.rows.push(row);
            }
        }
        for (number, block) in self.blocks.iter().enumerate() {
            if !reads(at.reads, number) {
                continue;
            }
            if block.out.side == Side::User {
                let (before, rest) = split(&mut at.user, block.out.from);
                let out = part_mut(rest, 0, block.out.width);
                match &block.kind {
                    Kind::Dense { picks, mean, inverse } => standardise(picks, mean, inverse, dense, out),
                    Kind::Recent { at: items, decay } => {
                        let from = self.blocks.get(*items).map_or(0, |items| items.aside);
                        decayed_mean(part(before, from, before.len()), at.rows.len(), *decay, out);
                    }
                    kind => kind.apply(gather(&block.of, [before, &[], &[]], &mut at.input), out),
                }
            }
            if let Kind::Vector { query, .. } = block.kind
                && let Some(query) = at.queries.get_mut(query)
                && let Some(of) = block.of.first()
            {
                query.set(part(&at.user, of.from, of.width));
            }
        }
    }

    /// Computes what depends on the item alone. Once per bundle and item.
    ///
    /// # Shapes
    /// `words`: for each word of the item the place of its field among [`Stack::fields`], or any other number where that is none of
    /// them, and its key; `out`: [`Stack::item_len`].
    pub fn score_item(&self, wire: u64, words: &[(u16, u64)], out: &mut [f32]) {
        out.fill(0.0);
        let row = self.items.get(&wire).copied();
        if !self.items.is_empty()
            && let Some(slot) = out.first_mut()
        {
            // The rows of a table are fewer than the whole numbers that a single holds exactly.
            *slot = row.map_or(NO_ROW, single);
        }
        let (mut input, mut keys) = (vec![0.0; self.widest], Vec::new());
        for block in &self.blocks {
            match &block.kind {
                Kind::Wide { fields, wide, .. } => {
                    self.keys(*fields, wire, words, &mut keys);
                    if let Some(slot) = out.get_mut(block.aside) {
                        *slot = wide.score_item(&keys);
                    }
                }
                Kind::Fm { picks, fields, buckets, fm } => {
                    self.keys(*fields, wire, words, &mut keys);
                    let first = u32::try_from(picks.len()).unwrap_or(0);
                    let buckets: Vec<u32> = keys.iter().map(|key| first + bucket(*key, *buckets)).collect();
                    if let [own, sum @ ..] = part_mut(out, block.aside, 1 + fm.width()) {
                        *own = fm.part(&buckets, &vec![1.0; buckets.len()], sum);
                    }
                }
                _ => {}
            }
            if block.out.side == Side::Item {
                let (before, rest) = split(out, block.out.from);
                let slots = part_mut(rest, 0, block.out.width);
                match &block.kind {
                    Kind::Embed { fields, table } => {
                        self.keys(*fields, wire, words, &mut keys);
                        word_mean(table, &mut keys.iter().copied(), &mut input, slots);
                    }
                    Kind::Item { vectors, words: table, .. } => {
                        let mut keys = words.iter().map(|(_, key)| *key);
                        item_vector(vectors, table.as_ref(), row.unwrap_or(u32::MAX), &mut keys, &mut input, slots);
                    }
                    kind => kind.apply(gather(&block.of, [&[], before, &[]], &mut input), slots),
                }
            }
        }
    }

    /// The hashed keys of an item that a block reads: the id's where it is asked for, then those of its words in their order.
    fn keys(&self, fields: u64, wire: u64, words: &[(u16, u64)], out: &mut Vec<u64>) {
        out.clear();
        for (at, field) in self.fields.iter().enumerate() {
            if field == ID && has(fields, at) {
                out.push(wire);
            }
        }
        out.extend(words.iter().filter(|(field, _)| has(fields, usize::from(*field))).map(|(_, key)| *key));
    }

    /// Writes the logits of one pair, one for each task of the tier. Always finite. Only what the tier reads is computed.
    ///
    /// # Shapes
    /// `item`: what [`Stack::score_item`] wrote; `dense`: the features of the layout; `logits`: one for each task of the tier.
    pub fn score_pair(&self, at: &mut Workspace, item: &[f32], dense: &[f32], tier: usize, logits: &mut [f32]) {
        let row = match item.first() {
            Some(row) if !self.items.is_empty() && *row >= 0.0 => whole(*row),
            _ => u32::MAX,
        };
        let of_tier = self.reads_of(tier);
        for (number, block) in self.blocks.iter().enumerate() {
            if block.out.side != Side::Pair || !reads(of_tier, number) {
                continue;
            }
            let (before, rest) = split(&mut at.pair, block.out.from);
            let out = part_mut(rest, 0, block.out.width);
            let parts = [at.user.as_slice(), item, &*before];
            let score = match &block.kind {
                Kind::Dense { picks, mean, inverse } => {
                    standardise(picks, mean, inverse, dense, out);
                    continue;
                }
                Kind::Wide { picks, wide, .. } => {
                    let x = pick(picks, dense, &mut at.input);
                    let of_item = item.get(block.aside).copied().unwrap_or(0.0);
                    wide.logit(wide.score_user(), of_item, wide.score_pair(x))
                }
                Kind::Fm { picks, fm, .. } => {
                    let x = pick(picks, dense, &mut at.input);
                    let sum = part_mut(&mut at.sum, 0, fm.width());
                    let own = fm.part(part(&at.places, 0, x.len()), x, sum);
                    let of_item = part(item, block.aside, 1 + fm.width());
                    let (first, rest) = of_item.split_first().unwrap_or((&0.0, &[]));
                    fm.logit((own, sum), (*first, rest))
                }
                Kind::Covisit(table) => table.score(&at.rows, row),
                Kind::Vector { at: items, query } => {
                    let known = self.vectors(*items).zip(at.queries.get(*query)).filter(|_| row != u32::MAX);
                    match known {
                        Some((vectors, query)) => vectors.score(query, row),
                        None => {
                            let [user, item] = [0, 1].map(|i| block.of.get(i).map_or(&[][..], |of| of.read(parts)));
                            kernel::dot(user, item)
                        }
                    }
                }
                kind => {
                    kind.apply(gather(&block.of, parts, &mut at.input), out);
                    continue;
                }
            };
            if let Some(slot) = out.first_mut() {
                *slot = score;
            }
        }
        let parts = [at.user.as_slice(), item, &at.pair];
        let tasks = self.tiers.get(tier).map_or(&[][..], |tasks| tasks);
        for (task, slot) in tasks.iter().zip(logits) {
            let mut logit = 0.0;
            for (place, gain) in &task.of {
                logit += place.read(parts).first().copied().unwrap_or(0.0) * gain;
            }
            at.overflowed |= !logit.is_finite();
            *slot = kernel::saturate(logit);
        }
    }
}

impl Place {
    fn read<'a>(&self, [user, item, pair]: [&'a [f32]; 3]) -> &'a [f32] {
        let from = match self.side {
            Side::User => user,
            Side::Item => item,
            Side::Pair => pair,
        };
        part(from, self.from, self.width)
    }
}

impl Kind {
    const fn name(&self) -> &'static str {
        match self {
            Self::Dense { .. } => "dense",
            Self::Embed { .. } => "embed",
            Self::Item { .. } => "item",
            Self::Recent { .. } => "recent",
            Self::Wide { .. } => "wide",
            Self::Fm { .. } => "fm",
            Self::Covisit(_) => "covisit",
            Self::Vector { .. } => "vector",
            Self::Mean => "mean",
            Self::Product => "product",
        }
    }

    /// The blocks that turn numbers into numbers, whatever they depend on.
    fn apply(&self, input: &[f32], out: &mut [f32]) {
        let product = matches!(self, Self::Product);
        let width = out.len().max(1);
        let share = if product { 1.0 } else { 1.0 / single(u32::try_from(input.len() / width).unwrap_or(1).max(1)) };
        out.fill(share);
        for (at, one) in input.chunks(width).enumerate() {
            for (slot, x) in out.iter_mut().zip(one) {
                *slot = match (product, at) {
                    (true, _) => *slot * x,
                    (false, 0) => x * share,
                    (false, _) => *slot + x * share,
                };
            }
        }
    }
}

/// Whether a block is among those of these bits.
fn reads(bits: u32, block: usize) -> bool {
    bits.wrapping_shr(u32::try_from(block).unwrap_or(0)) & 1 == 1
}

fn part<T>(of: &[T], from: usize, length: usize) -> &[T] {
    let from = from.min(of.len());
    of.get(from..from.saturating_add(length).min(of.len())).unwrap_or_default()
}

fn part_mut(of: &mut [f32], from: usize, length: usize) -> &mut [f32] {
    let from = from.min(of.len());
    let to = from.saturating_add(length).min(of.len());
    of.get_mut(from..to).unwrap_or_default()
}

fn split(of: &mut [f32], at: usize) -> (&mut [f32], &mut [f32]) {
    let at = at.min(of.len());
    of.split_at_mut_checked(at).unwrap_or_default()
}

/// What a block reads, one behind the other; as it stands where that is one place.
fn gather<'a>(of: &[Place], parts: [&'a [f32]; 3], input: &'a mut [f32]) -> &'a [f32] {
    if let [one] = of {
        return one.read(parts);
    }
    let mut from = 0;
    for place in of {
        let read = place.read(parts);
        part_mut(input, from, read.len()).copy_from_slice(read);
        from += read.len();
    }
    part(input, 0, from)
}

fn value(dense: &[f32], pick: u32) -> f32 {
    dense.get(index(pick)).copied().unwrap_or(0.0)
}

fn pick<'a>(picks: &[u32], dense: &[f32], input: &'a mut [f32]) -> &'a [f32] {
    for (slot, pick) in input.iter_mut().zip(picks) {
        *slot = value(dense, *pick);
    }
    part(input, 0, picks.len())
}

fn standardise(picks: &[u32], mean: &[f32], inverse: &[f32], dense: &[f32], out: &mut [f32]) {
    for (((slot, pick), mean), inverse) in out.iter_mut().zip(picks).zip(mean).zip(inverse) {
        *slot = (value(dense, *pick) - mean) * inverse;
    }
}

/// `Σ decay^age · v / Σ decay^age`, the newest of age 0; zeros where there is nothing yet.
fn decayed_mean(vectors: &[f32], count: usize, decay: f32, out: &mut [f32]) {
    out.fill(0.0);
    let (mut power, mut total) = (1.0, 0.0);
    for vector in vectors.chunks(out.len().max(1)).take(count) {
        kernel::axpy(power, vector, out);
        total += power;
        power *= decay;
    }
    if total > 0.0 {
        for slot in out {
            *slot /= total;
        }
    }
}

/// The mean of the rows of these keys; zeros where there are none.
fn word_mean(table: &Table, keys: &mut dyn Iterator<Item = u64>, row: &mut [f32], out: &mut [f32]) {
    out.fill(0.0);
    let buckets = u32::try_from(table.rows()).unwrap_or(1);
    let mut count = 0.0;
    for key in keys {
        let row = part_mut(row, 0, table.width());
        table.read(index(bucket(key, buckets)), row);
        kernel::axpy(1.0, row, out);
        count += 1.0;
    }
    if count > 1.0 {
        for slot in out {
            *slot /= count;
        }
    }
}

fn item_vector(
    vectors: &Vectors,
    words: Option<&Table>,
    row: u32,
    keys: &mut dyn Iterator<Item = u64>,
    scratch: &mut [f32],
    out: &mut [f32],
) {
    match words {
        Some(table) if row == u32::MAX => word_mean(table, keys, scratch, out),
        _ => vectors.table().read(index(row), out),
    }
}

/// The bucket of a key among a power of two of them, as in [`Wide::bucket`].
#[allow(clippy::as_conversions, reason = "the upper half of 64 bits")]
fn bucket(key: u64, buckets: u32) -> u32 {
    (key >> 32) as u32 & buckets.wrapping_sub(1)
}

fn has(fields: u64, at: usize) -> bool {
    at < 64 && fields >> at & 1 == 1
}

#[allow(clippy::as_conversions, reason = "the engine runs where addresses have 32 bits or more")]
const fn index(of: u32) -> usize {
    of as usize
}

#[allow(clippy::as_conversions, reason = "rows are below 2^24, which singles hold exactly")]
const fn single(row: u32) -> f32 {
    row as f32
}

#[allow(clippy::as_conversions, reason = "rows are below 2^24, which singles hold exactly")]
const fn whole(row: f32) -> u32 {
    row as u32
}
