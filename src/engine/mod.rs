//! The façade: plain data in and out. Everything that the boundary offers is here, and is tested natively.
//!
//! Starting goes in this order: [`Engine::open_control`], then the page sends its request for the manifest, then [`Engine::open_bundle`] and
//! [`Engine::open_log`]. So nothing that the network can see depends on what the log holds.

mod adapting;
mod insight;
mod privacy;
mod ranking;
mod record;
mod retrieval;
mod sealing;
mod snapshot;
mod update;

pub use insight::{Interest, Prediction, Report, Why};
pub use privacy::Forget;
pub use ranking::{Request, Slate, reason_code};
pub use record::Track;
pub use update::{SyncState, load};

use crate::bundle::Workspace;
use crate::consent::{Consent, Status};
use crate::control::{Block, Control, SLOTS};
use crate::error::{Error, Result};
use crate::features::Layout;
use crate::item::Item;
use crate::keyed::KeyMap;
use crate::log::{Log, StoreOp, StoredFile, bytes_of, file_name, name_prefix, newest_generation, queue};
use crate::rng::Seed;
use crate::schema::{Schema, hash64};
use crate::score::Ranker;
use crate::state::{Adapt, Observe};
use crate::time::Timestamp;
use crate::words::words;
use alloc::rc::Rc;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

/// Changes when the fold changes, so that an older snapshot is not taken.
pub const ENGINE_VERSION: u32 = 3;
/// The most items in memory.
pub const ITEMS_MOST: usize = 65_536;
/// The most blocks.
pub const BLOCKS_MOST: usize = 128;
/// Name of the snapshot's file.
const SNAPSHOT: &str = "snapshot";

/// What [`Engine::open_control`] found.
#[derive(Clone, Debug, PartialEq)]
pub struct ControlOpened {
    /// The ledger of consent.
    pub consent: Consent,
    /// Whether personalisation is on.
    pub personalisation: bool,
    /// Whether slots were there but none could be read.
    pub lost: bool,
}

/// What [`Engine::open_log`] found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LogOpened {
    /// Events that can be used.
    pub events: usize,
    /// Records lost to damage.
    pub damaged: usize,
    /// Whether the state came from a snapshot.
    pub snapshot: bool,
    /// Stable codes of what happened: `LOG_DAMAGED`, `LOG_TORN`, `SCHEMA_MISMATCH`, `KEY_LOST`, `CLOCK_JUMPED`.
    pub notes: Vec<&'static str>,
}

/// How far the removal of all files has come. The host says only what failed, so what it was given is done when it asks again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Clearing {
    None,
    Queued,
    Given,
}

struct Known {
    item: Rc<Item>,
    recorded: Rc<Item>,
}

/// One space on one phone.
pub struct Engine {
    schema: Rc<Schema>,
    /// Hash of the text that the schema was given as.
    schema_text: u64,
    layout: Rc<Layout>,
    seed: Option<Seed>,
    control: Control,
    /// Whether the journal was there at the start.
    journal_found: bool,
    /// The log, once consent has let it be read.
    log: Option<Log>,
    observe: Observe,
    adapt: Adapt,
    /// What the head is being brought up to the log with; none while it is up to date.
    replay: Option<adapting::Replay>,
    ranker: Ranker,
    items: Vec<Known>,
    /// What depends on each item alone, under the live ranker, one behind the other.
    fixed: Vec<f32>,
    /// What the live ranker writes while it scores.
    workspace: Workspace,
    /// The tier that ranked last.
    tier: usize,
    /// Handles by the wire ids of their items.
    handles: KeyMap,
    next_slate: u32,
    utc_offset_minutes: i16,
    folded: u64,
    matured: u64,
    /// Those of them that are labels of the schema's first kind.
    labels: u64,
    ops: Vec<StoreOp>,
    /// How far the removal of all files has come.
    clearing: Clearing,
    sealing: Option<sealing::Sealing>,
    keys_made: u32,
    update: update::Updates,
}

impl Engine {
    /// An engine for `schema`. Without a seed there is no exploration and rollout arms are all 0.
    ///
    /// # Errors
    /// [`Error::BadSchema`]; [`Error::Refused`] for a root that cannot be read.
    pub fn new(schema_json: &str, seed: Option<Seed>, root: Option<&[u8]>) -> Result<Self> {
        let schema = Rc::new(Schema::open(schema_json)?);
        let layout = Rc::new(Layout::new(&schema));
        let ranker = Ranker::starter(&layout);
        let update = update::Updates::new(root, seed.as_ref())?;
        Ok(Self {
            observe: Observe::new(Rc::clone(&schema), Rc::clone(&layout)),
            adapt: Adapt::new(&ranker),
            replay: None,
            schema,
            schema_text: hash64(schema_json.as_bytes()),
            layout,
            seed,
            control: Control::default(),
            journal_found: false,
            log: None,
            workspace: ranker.workspace(),
            tier: 0,
            ranker,
            items: Vec::new(),
            fixed: Vec::new(),
            handles: KeyMap::default(),
            next_slate: 0,
            utc_offset_minutes: 0,
            folded: 0,
            matured: 0,
            labels: 0,
            ops: Vec::new(),
            clearing: Clearing::None,
            sealing: None,
            keys_made: 0,
            update,
        })
    }

    /// The schema.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Reads the control journal. A journal that is missing means that nobody has been asked.
    pub fn open_control(&mut self, files: &[StoredFile<'_>]) -> ControlOpened {
        let slots = slots(files);
        let found = Control::open(slots);
        let lost =
            found.is_none() && (slots != [None; 2] || newest_generation(&mut files.iter().map(|f| f.name)).is_some());
        self.journal_found = found.is_some();
        self.control = found.unwrap_or_default();
        self.control.epoch = self.control.epoch.saturating_add(1);
        if self.control.consent.status == Status::Granted {
            self.write_control();
        }
        ControlOpened { consent: self.control.consent.clone(), personalisation: self.control.personalisation, lost }
    }

    /// Reads the log, where there is consent and personalisation is on; otherwise it stays unread.
    ///
    /// Damage is repaired by writing what is whole under a new generation; the count of what was lost is returned.
    pub fn open_log(&mut self, files: &[StoredFile<'_>], utc_offset_minutes: i16) -> LogOpened {
        let mut opened = LogOpened::default();
        self.utc_offset_minutes = utc_offset_minutes;
        if self.control.consent.token().is_none() || !self.control.personalisation || self.log.is_some() {
            opened.events = self.log.as_ref().map_or(0, Log::len);
            return opened;
        }
        // The journal may have been lost while the log was not: then the newest generation is the log.
        let generation = match newest_generation(&mut files.iter().map(|f| f.name)) {
            Some(newest) if !self.journal_found => newest,
            _ => self.control.generation,
        };
        let unsealed = self.unseal(files);
        let clear = unsealed.stored();
        let (mut log, mut found) = Log::open(Rc::clone(&self.schema), self.control.epoch, generation, &clear);
        found.damaged += unsealed.damaged;
        // A file that no key opens reads as empty: it is gone, not torn.
        found.torn = unsealed.torn || found.torn && !unsealed.locked;
        opened.events = found.events;
        opened.damaged = found.damaged;
        let old_generation = log.generation();
        let old_files: Vec<u32> = log.file_numbers();
        let evicted = log.maintain();
        if found.damaged > 0 {
            opened.notes.push("LOG_DAMAGED");
        }
        if found.torn {
            opened.notes.push("LOG_TORN");
        }
        if found.foreign > 0 {
            opened.notes.push("SCHEMA_MISMATCH");
        }
        if unsealed.locked {
            opened.notes.push("KEY_LOST");
        }
        log.begin_session(utc_offset_minutes);
        let whole = found.damaged == 0 && !found.torn && found.foreign == 0 && !unsealed.locked && !unsealed.bare;
        if !whole {
            log.rewrite();
        }
        self.control.generation = log.generation();
        self.log = Some(log);
        let snapshot = bytes_of(&clear, SNAPSHOT).filter(|_| whole && !evicted);
        opened.snapshot = snapshot.is_some_and(|bytes| self.open_snapshot(bytes));
        if !opened.snapshot {
            self.refold();
        }
        self.collect();
        if !whole {
            self.write_control();
            self.remove_files(old_generation, &old_files, files);
        }
        if self.observe.clock().is_quarantined() {
            opened.notes.push("CLOCK_JUMPED");
        }
        opened
    }

    /// Marks the start of another use without a restart, as when the mini-program comes back after a long time.
    pub fn begin_session(&mut self, utc_offset_minutes: i16) {
        self.utc_offset_minutes = utc_offset_minutes;
        if let Some(log) = &mut self.log {
            log.begin_session(utc_offset_minutes);
        }
    }

    /// Queues the removal of the files that a rewrite has replaced.
    fn remove_files(&mut self, generation: u32, numbers: &[u32], files: &[StoredFile<'_>]) {
        let (prefix, from) = (name_prefix(generation), self.ops.len());
        for number in numbers {
            self.ops.push(StoreOp::Remove { name: file_name(generation, *number) });
        }
        for file in files {
            let named = |op: &StoreOp| matches!(op, StoreOp::Remove { name } if name == file.name);
            if file.name.starts_with(&prefix) && !self.ops[from..].iter().any(named) {
                self.ops.push(StoreOp::Remove { name: file.name.to_string() });
            }
        }
    }

    /// Moves what the log wants done behind what is already queued, joining appends to one file.
    fn collect(&mut self) {
        for op in self.log.as_mut().map(Log::take_ops).unwrap_or_default() {
            queue(&mut self.ops, op);
        }
    }

    /// Queues the removal of every file of the account, also of those that were never read.
    fn queue_clear(&mut self) {
        self.ops.clear();
        self.ops.push(StoreOp::Clear);
        self.clearing = Clearing::Queued;
    }

    fn write_control(&mut self) {
        self.control.sequence = self.control.sequence.saturating_add(1);
        self.ops.push(StoreOp::Write { name: self.control.slot().to_string(), bytes: self.control.encode() });
    }

    /// What the host must do to its files since the last call, in order.
    pub fn take_ops(&mut self) -> Vec<StoreOp> {
        self.collect();
        self.clearing = match self.clearing {
            Clearing::Queued => Clearing::Given,
            Clearing::None | Clearing::Given => Clearing::None,
        };
        let mut ops = core::mem::take(&mut self.ops);
        for op in &mut ops {
            self.seal(op);
        }
        ops
    }

    /// The host could not carry out what [`Engine::take_ops`] gave. The next call gives everything that is remembered, under a new
    /// generation, so that a half-written file does no harm.
    pub fn apply_persist_failure(&mut self) {
        self.ops.clear();
        if self.clearing != Clearing::None {
            // What the user had erased must go, however often it takes.
            self.queue_clear();
        }
        if let Some(log) = &mut self.log {
            let (generation, numbers) = (log.generation(), log.file_numbers());
            log.rewrite();
            self.control.generation = log.generation();
            self.collect();
            self.write_control();
            self.remove_files(generation, &numbers, &[]);
        } else if self.control.consent.status != Status::Unknown {
            self.write_control();
        }
        self.update.queue_all(&mut self.ops);
    }

    /// Whether the control slots on disk are still those of this start. A later start has a higher epoch.
    pub fn is_writer(&self, files: &[StoredFile<'_>]) -> bool {
        Control::open(slots(files)).is_none_or(|c| c.epoch <= self.control.epoch)
    }

    /// Events folded since the engine was made.
    pub const fn folded(&self) -> u64 {
        self.folded
    }

    /// Adds or replaces items; returns their handles, which stay the same for the life of the engine.
    ///
    /// # Errors
    /// [`Error::TooMany`]. Nothing is added then.
    pub fn upsert(&mut self, items: Vec<Item>) -> Result<Vec<u32>> {
        let new = items.iter().filter(|i| self.handle(i.id()).is_none()).count();
        if self.items.len() + new > ITEMS_MOST {
            return Err(Error::TooMany { what: words!("items"), most: ITEMS_MOST });
        }
        let mut handles = Vec::with_capacity(items.len());
        for item in items {
            let recorded = Rc::new(item.recorded(&self.schema));
            let handle = match self.handle(item.id()) {
                Some(handle) => handle,
                None => {
                    let handle = self.items.len() as u32;
                    self.handles.insert(item.wire(), handle);
                    handle
                }
            };
            let known = Known { item: Rc::new(item), recorded };
            match self.items.get_mut(handle as usize) {
                Some(slot) => *slot = known,
                None => self.items.push(known),
            }
            self.fix(handle as usize);
            handles.push(handle);
        }
        Ok(handles)
    }

    /// Takes items out of what can be found by id. Their handles go on working for events that are still under way.
    pub fn remove(&mut self, ids: &[String]) {
        for id in ids {
            if self.handle(id).is_some() {
                // A handle that no item has.
                self.handles.insert(hash64(id.as_bytes()), u32::MAX);
            }
        }
    }

    fn handle(&self, id: &str) -> Option<u32> {
        let handle = self.handles.get(hash64(id.as_bytes()))?;
        self.known(handle).is_ok_and(|known| known.item.id() == id).then_some(handle)
    }

    fn known(&self, handle: u32) -> Result<&Known> {
        self.items.get(handle as usize).ok_or(Error::UnknownItem)
    }

    /// The ledger of consent.
    pub const fn consent(&self) -> &Consent {
        &self.control.consent
    }

    /// Whether personalisation is on.
    pub const fn personalisation(&self) -> bool {
        self.control.personalisation
    }

    /// Whether the order is to be the user's own: the log may be read, and there is behaviour in it, or the policy wants the model at once.
    fn is_personal(&self) -> bool {
        self.log.is_some() && (self.observe.memory.acts > 0 || self.schema.policy.cold_model)
    }

    /// What the user never wants to see.
    pub fn blocks(&self) -> &[Block] {
        &self.control.blocks
    }

    fn rebind(&mut self, ranker: Ranker) {
        self.ranker = ranker;
        self.workspace = self.ranker.workspace();
        self.tier = 0;
        self.fixed.clear();
        for handle in 0..self.items.len() {
            self.fix(handle);
        }
        self.begin_replay();
    }

    /// Computes what depends on an item alone.
    fn fix(&mut self, handle: usize) {
        let (Some(known), width) = (self.items.get(handle), self.ranker.item_len()) else { return };
        let from = handle * width;
        if self.fixed.len() < from + width {
            self.fixed.resize(from + width, 0.0);
        }
        if let Some(out) = self.fixed.get_mut(from..from + width) {
            self.ranker.score_item(known.item.wire(), &known.item.word_keys(), out);
        }
    }

    /// What [`Engine::fix`] computed.
    fn fixed(&self, handle: u32) -> &[f32] {
        let width = self.ranker.item_len();
        let from = handle as usize * width;
        self.fixed.get(from..from + width).unwrap_or_default()
    }
}

/// The bytes of the control journal's slots, as far as there are any.
#[inline(never)]
fn slots<'a>(files: &[StoredFile<'a>]) -> [Option<&'a [u8]>; 2] {
    SLOTS.map(|name| bytes_of(files, name))
}

/// Accepts an instant as JavaScript gives it.
///
/// # Errors
/// [`Error::BadEvent`] for anything but milliseconds between the years 2000 and 2100.
pub fn instant(ms: f64) -> Result<Timestamp> {
    if ms.is_finite() && ms.abs() < 9e15 {
        Timestamp::from_ms(ms as i64)
    } else {
        Err(Error::BadEvent { part: words!("nowMs"), reason: words!("give `Date.now()`") })
    }
}
