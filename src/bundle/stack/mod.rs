//! The stack: blocks that feed one another, cut by what each number depends on.
//!
//! A block's numbers depend on the user alone, on the item alone, or on the pair. They stand in three buffers, and three functions fill them:
//! [`Stack::score_user`] once per request, [`Stack::score_item`] once per bundle and item, [`Stack::score_pair`] for each pair. A block
//! reads blocks that stand before it, so each function is one walk over the list. What is read was checked when the bundle was loaded:
//! no walk can fail, and none allocates once its workspace is made.

mod batch;
mod build;
mod item;
mod kind;
mod net;
mod pair;
mod place;
mod user;
mod words;

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use crate::block::attention::{History, Work};
use crate::block::sequence::Passage;
use crate::block::{Blend, Calibration, Equations, Query, Vectors, Wide};
use crate::kernel::linear::{PANEL, padded};
use crate::kernel::{self, Best};
use crate::keyed::KeyMap;
use crate::schema::hash64;
use kind::{Block, Kind};
use place::{Place, Side};

#[cfg(all(test, not(target_arch = "wasm32")))]
pub(super) use build::KINDS;
pub(super) use build::{named, names, read};

/// The most items of the user's recent past that a stack reads.
pub const HISTORY_MOST: usize = 50;
/// The most judgements that a stack reads.
pub const JUDGED_MOST: usize = 512;
/// Stands for the item's own id among the fields whose values are hashed.
pub const ID: &str = "id";
/// The row of an item that the bundle has never seen.
const NO_ROW: f32 = -1.0;

/// One task of a tier: its logit is a weighted sum of blocks, calibrated.
#[derive(Clone, Debug)]
struct Task {
    label: String,
    /// Where each number stands, and what it is multiplied with.
    of: Vec<(Place, f32)>,
    calibration: Option<Calibration>,
}

/// One of the models of a bundle.
#[derive(Clone, Debug)]
struct Tier {
    tasks: Vec<Task>,
    blend: Option<Blend>,
}

/// A loaded model. Any finite or other input gives finite scores.
#[derive(Clone, Debug, Default)]
pub struct Stack {
    features: Vec<String>,
    fields: Vec<String>,
    /// Rows by wire id.
    items: KeyMap,
    /// The ids themselves, one a line; empty where the bundle does not tell them.
    names: Vec<u8>,
    blocks: Vec<Block>,
    tiers: Vec<Tier>,
    /// For each tier the blocks that it reads, at once or through others, as bits.
    reads: Vec<u32>,
    /// Lengths of the buffers, by [`Side`].
    lengths: [usize; 3],
    /// The most numbers that a block reads at once.
    widest: usize,
    /// The most numbers that a net writes beside what it gives.
    room: usize,
    queries: Vec<usize>,
    reads_history: bool,
    reads_judged: bool,
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
    past: Past,
    scratch: Scratch,
    overflowed: bool,
}

/// What is known of the user beside numbers.
#[derive(Default)]
struct Past {
    /// Rows of the recent items, the newest first.
    rows: Vec<u32>,
    /// Rows of the judged items and what came of them, the newest first.
    judged: Vec<(u32, f32)>,
    /// Room for the equations of the widest `ridge` block.
    equations: Equations,
    /// The prepared vectors of `vector` blocks.
    queries: Vec<Query>,
    /// The recent items as `attention` blocks read them.
    histories: Vec<History>,
}

/// Room for a block's own work. Nothing is left there for another block.
#[derive(Default)]
struct Scratch {
    /// What a block reads. Panels.
    input: Vec<f32>,
    /// The whole of what a net reads, where it reads both that and the pair's part, and what it kept of the items.
    whole: Vec<f32>,
    kept: Vec<f32>,
    room: Vec<f32>,
    sum: Vec<f32>,
    /// What a block gives for one candidate.
    own: Vec<f32>,
    /// Numbers of the dense features of an `fm` block: 0, 1, 2 …
    places: Vec<u32>,
    /// Of each `attention` and each `sequence`.
    works: Vec<Work>,
    passages: Vec<Passage>,
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
        let task = Task { label: String::new(), of: Vec::from([(place, 1.0)]), calibration: None };
        stack.tiers.push(Tier { tasks: Vec::from([task]), blend: None });
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
        self.tasks(tier).iter().map(|task| task.label.as_str())
    }

    fn tasks(&self, tier: usize) -> &[Task] {
        self.tiers.get(tier).map_or(&[], |tier| &tier.tasks)
    }

    /// What makes the score of a tier of its tasks; none where that is the logit of one of them.
    pub fn blend(&self, tier: usize) -> Option<&Blend> {
        self.tiers.get(tier)?.blend.as_ref()
    }

    /// The calibration of each task of a tier.
    pub fn calibrations(&self, tier: usize) -> impl Iterator<Item = Option<&Calibration>> {
        self.tasks(tier).iter().map(|task| task.calibration.as_ref())
    }

    /// How many numbers a probe answers: for each tier those of its tasks, and its score where that is a blend.
    pub(super) fn answers(&self) -> usize {
        let mut count = 0;
        for tier in &self.tiers {
            count += tier.tasks.len() + usize::from(tier.blend.is_some());
        }
        count
    }

    /// Kind and name of each block.
    pub fn blocks(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.blocks.iter().map(|block| (block.kind.name(), block.name.as_str()))
    }

    /// What the numbers of each block depend on, and how many there are.
    pub fn shapes(&self) -> impl Iterator<Item = (Side, usize)> {
        self.blocks.iter().map(|block| (block.out.side, block.out.width))
    }

    /// How many of the first sums of a net are computed once per request, and how many once per bundle and item; none of any other block.
    pub fn kept(&self, name: &str) -> Option<(usize, usize)> {
        let kind = &self.blocks.iter().find(|block| block.name == name)?.kind;
        if let Kind::Net(net) = kind { Some((net.first().keeps_user(), net.first().keeps_item())) } else { None }
    }

    /// Where the numbers of the block of this name stand in what [`Stack::score_item`] writes, and how many there are; none where they do not
    /// depend on the item alone.
    pub fn of_item(&self, name: &str) -> Option<(usize, usize)> {
        let block = self.blocks.iter().find(|block| block.name == name)?;
        (block.out.side == Side::Item).then_some((block.out.from, block.out.width))
    }

    /// How many items the bundle knows by their ids.
    pub fn items(&self) -> usize {
        self.items.len()
    }

    /// What the bundle tells of the ids themselves: each with the row of its item, in the bundle's order. Nothing where it tells none.
    pub fn named(&self) -> impl Iterator<Item = (&[u8], u64, u32)> {
        let ids = self.names.split(|byte| *byte == b'\n');
        ids.filter_map(|id| {
            let wire = hash64(id);
            self.items.get(wire).map(|row| (id, wire, row))
        })
    }

    /// Whether anything depends on what the user met or judged lately.
    pub const fn reads_history(&self) -> bool {
        self.reads_history || self.reads_judged
    }

    /// How many numbers [`Stack::score_item`] writes.
    pub fn item_len(&self) -> usize {
        self.length(Side::Item)
    }

    /// The linear blocks that a task's logit is the sum of, each with what it is multiplied with; none where there is anything else in it.
    pub fn additive(&self, tier: usize, task: usize) -> Option<Vec<(&[u32], &Wide, f32)>> {
        let task = self.tasks(tier).get(task)?;
        let slope = task.calibration.as_ref().map_or(Some(1.0), Calibration::slope)?;
        let mut all = Vec::new();
        for (place, gain) in &task.of {
            let own = |block: &&Block| (block.out.side, block.out.from) == (place.side, place.from);
            let Kind::Wide { picks, wide, .. } = &self.blocks.iter().find(own)?.kind else { return None };
            all.push((picks.as_slice(), wide, gain * slope));
        }
        Some(all)
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
        let (mut queries, mut histories, mut widest_taste) = (Vec::new(), Vec::new(), 0);
        for at in &self.queries {
            if let Some(vectors) = self.vectors(*at) {
                queries.push(Query::new(vectors));
            }
        }
        for block in &self.blocks {
            match &block.kind {
                Kind::Attention { attention, .. } => histories.push(attention.history()),
                Kind::Ridge { .. } => widest_taste = block.out.width.max(widest_taste),
                _ => {}
            }
        }
        Workspace {
            tier: 0,
            reads: u32::MAX,
            user: vec![0.0; self.length(Side::User)],
            pair: vec![0.0; self.length(Side::Pair) * PANEL],
            past: Past {
                rows: Vec::with_capacity(HISTORY_MOST),
                judged: Vec::with_capacity(if self.reads_judged { JUDGED_MOST } else { 0 }),
                equations: Equations::for_vectors(widest_taste),
                queries,
                histories,
            },
            scratch: self.scratch(),
            overflowed: false,
        }
    }

    fn scratch(&self) -> Scratch {
        let read = padded(self.widest) * PANEL;
        let (mut works, mut passages) = (Vec::new(), Vec::new());
        for block in &self.blocks {
            match &block.kind {
                Kind::Attention { attention, .. } => works.push(attention.work()),
                Kind::Sequence { sequence, .. } => passages.push(sequence.room()),
                _ => {}
            }
        }
        Scratch {
            input: vec![0.0; read],
            whole: vec![0.0; if self.room == 0 { 0 } else { read }],
            kept: vec![0.0; self.room * PANEL],
            room: vec![0.0; self.room * PANEL],
            sum: vec![0.0; self.widest],
            own: vec![0.0; self.widest],
            places: (0..u32::try_from(self.widest).unwrap_or(0)).collect(),
            works,
            passages,
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

    /// Offers every item that has a row to those who look for the best, by the score that the `vector` block of this name gives it. The user is
    /// the one of the last [`Stack::score_user`]. Allocates nothing. Whether there is such a block.
    pub fn retrieve(&self, at: &Workspace, name: &str, best: &mut Best) -> bool {
        for block in &self.blocks {
            if let Kind::Vector { at: items, query } = &block.kind
                && block.name == name
                && let Some((vectors, query)) = self.vectors(*items).zip(at.past.queries.get(*query))
            {
                vectors.offer_all(query, best);
                return true;
            }
        }
        false
    }

    /// What the blocks `vector` and `covisit` among a task's own add to its logit for the item of a row, with the bits of a pair; none where there
    /// is no such block. The user is the one of the last [`Stack::score_user`].
    pub fn score_row(&self, at: &Workspace, tier: usize, task: usize, row: u32) -> Option<f32> {
        let mut score = None;
        for (place, gain) in &self.tasks(tier).get(task)?.of {
            for block in &self.blocks {
                if (block.out.side, block.out.from) == (place.side, place.from)
                    && let Some(own) = self.of_catalogue(&block.kind, &at.past, row)
                {
                    score = Some(kernel::saturate(score.unwrap_or(0.0) + own * gain));
                }
            }
        }
        score
    }

    /// What a block gives for the item of a row, where it needs no more than the row.
    fn of_catalogue(&self, kind: &Kind, past: &Past, row: u32) -> Option<f32> {
        match kind {
            Kind::Covisit(table) => Some(table.score(&past.rows, row)),
            Kind::Vector { at, query } => Some(self.vectors(*at)?.score(past.queries.get(*query)?, row)),
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
        let kept_item = self.reserve(Side::Item, kind.keeps_item()).from;
        let kept_user = self.reserve(Side::User, kind.keeps_user()).from;
        if let Kind::Net(net) = &kind {
            self.room = self.room.max(net.room());
        }
        let reads = of.iter().map(|place| place.width).sum();
        self.widest = self.widest.max(kind.reads()).max(reads).max(width);
        let out = self.reserve(side, width);
        self.blocks.push(Block { name: name.into(), kind, of, out, kept_user, kept_item });
        out
    }
}

/// Whether a block is among those of these bits.
fn reads(bits: u32, block: usize) -> bool {
    bits.wrapping_shr(u32::try_from(block).unwrap_or(0)) & 1 == 1
}
