//! The log: the only behavioural state. Everything else is a fold over it.
//!
//! Retention drops whole segments from the front. Forgetting writes the survivors into a new log through the same
//! [`Log::append`], so that its bytes are those of an engine that never saw what was forgotten.

mod segment;
mod versions;

pub use segment::{SEGMENT_EVENTS, is_clear};

use crate::codec::{cut, whole};
use crate::consent::Token;
use crate::event::Event;
use crate::item::Item;
use crate::keyed::{KeyMap, Keyed};
use crate::schema::Schema;
use crate::time::Timestamp;
use crate::words::decimal;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use segment::{Header, SegmentWriter};
use versions::Versions;

/// One change to the files of an account, to be carried out in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreOp {
    /// Add the bytes at the end of the file, which is made where it is missing.
    Append {
        /// Name of the file.
        name: String,
        /// What to add.
        bytes: Vec<u8>,
    },
    /// Replace the file.
    Write {
        /// Name of the file.
        name: String,
        /// All of it.
        bytes: Vec<u8>,
    },
    /// Delete the file, if it is there.
    Remove {
        /// Name of the file.
        name: String,
    },
    /// Delete every file of the account, known or not.
    Clear,
}

/// Puts a change behind others. What is added to a file that the last of them adds to or replaces becomes part of that one.
#[inline(never)]
pub(crate) fn queue(ops: &mut Vec<StoreOp>, op: StoreOp) {
    if let StoreOp::Append { name, bytes } = &op
        && let Some(StoreOp::Append { name: last, bytes: pending } | StoreOp::Write { name: last, bytes: pending }) =
            ops.last_mut()
        && last == name
    {
        pending.extend_from_slice(bytes);
    } else {
        ops.push(op);
    }
}

/// A file as the host read it.
#[derive(Clone, Copy, Debug)]
pub struct StoredFile<'a> {
    /// Its name.
    pub name: &'a str,
    /// All of it.
    pub bytes: &'a [u8],
}

/// The bytes of the file of this name, where there is one.
#[inline(never)]
pub(crate) fn bytes_of<'a>(files: &[StoredFile<'a>], name: &str) -> Option<&'a [u8]> {
    files.iter().find(|f| f.name == name).map(|f| f.bytes)
}

#[derive(Clone, Debug)]
struct Segment {
    number: u32,
    /// The start that wrote it.
    epoch: u32,
    /// Slates that were numbered before its first event.
    slates: u32,
    /// Whether its first event opens a session; kept, as the event before it may have been dropped since.
    opens: bool,
    events: Vec<Event>,
    bytes: usize,
}

impl Segment {
    /// Writes the segment from its start.
    fn encode(&self, fingerprint: u64) -> Option<(SegmentWriter, Vec<u8>)> {
        let first = self.events.first()?;
        let header = Header { fingerprint, epoch: self.epoch, base: first.at, slates: self.slates };
        let (mut writer, mut bytes) = SegmentWriter::new(header);
        let mut previous = None;
        for event in &self.events {
            let opens = previous.map_or(self.opens, |p| p != event.session);
            bytes.extend(writer.append(event, opens));
            previous = Some(event.session);
        }
        Some((writer, bytes))
    }
}

/// What opening found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Opened {
    /// Events that can be used.
    pub events: usize,
    /// Records that were lost to damage.
    pub damaged: usize,
    /// Whether a write had been cut short.
    pub torn: bool,
    /// Segments of another schema, which are not read.
    pub foreign: usize,
}

/// The append-only log of one account in one space.
#[derive(Debug)]
pub struct Log {
    schema: Rc<Schema>,
    epoch: u32,
    generation: u32,
    segments: Vec<Segment>,
    writer: Option<SegmentWriter>,
    next_segment: u32,
    /// The page's slate handles → numbers by first recorded use.
    slates: KeyMap,
    slate_count: u32,
    session: u32,
    opens_session: bool,
    utc_offset_minutes: i16,
    ops: Vec<StoreOp>,
}

/// How the names of the files of a generation begin.
pub fn name_prefix(generation: u32) -> String {
    ["log-", &decimal(generation.into()), "-"].concat()
}

/// The name of a segment's file.
pub fn file_name(generation: u32, number: u32) -> String {
    name_prefix(generation) + &decimal(number.into())
}

/// Generation and number in the name of a segment's file.
fn parse_name(name: &str) -> Option<(u32, u32)> {
    let (generation, number) = cut(name.strip_prefix("log-")?, b'-');
    Some((whole(generation)?, whole(number?)?))
}

/// The newest generation among the files: what to read where the control journal is lost.
pub fn newest_generation(names: &mut dyn Iterator<Item = &str>) -> Option<u32> {
    let mut newest = None;
    for name in names {
        newest = newest.max(parse_name(name).map(|(generation, _)| generation));
    }
    newest
}

impl Log {
    /// An empty log that writes files of `generation`.
    pub fn new(schema: Rc<Schema>, epoch: u32, generation: u32) -> Self {
        Self {
            schema,
            epoch,
            generation,
            segments: Vec::new(),
            writer: None,
            next_segment: 0,
            slates: KeyMap::default(),
            slate_count: 0,
            session: 0,
            opens_session: true,
            utc_offset_minutes: 0,
            ops: Vec::new(),
        }
    }

    /// Reads the files of `generation`. Files of other generations are queued for removal.
    ///
    /// Never fails. Whatever is damaged is counted and left out; where anything was, [`Opened`] says so and the caller rewrites.
    pub fn open(schema: Rc<Schema>, epoch: u32, generation: u32, files: &[StoredFile<'_>]) -> (Self, Opened) {
        let mut log = Self::new(Rc::clone(&schema), epoch, generation);
        let mut opened = Opened::default();
        let mut own: Keyed<&[u8]> = Keyed::default();
        for file in files {
            match parse_name(file.name) {
                Some((g, number)) if g == generation => own.insert(number.into(), file.bytes),
                Some(_) => log.ops.push(StoreOp::Remove { name: file.name.into() }),
                None => {}
            }
        }
        let mut interned = Versions::default();
        let mut own = own.sorted();
        while let Some((number, bytes)) = own.next() {
            let number = number as u32;
            let found = segment::read(&schema, bytes);
            opened.damaged += found.damaged;
            opened.torn |= found.torn;
            log.next_segment = number + 1;
            let Some(header) = found.header else { continue };
            if header.fingerprint != schema.fingerprint() {
                opened.foreign += 1;
                continue;
            }
            let mut events = found.events;
            if events.is_empty() {
                continue;
            }
            let opens = events.first().is_some_and(|e| e.session > 0);
            // The log's first event stands in session 0, whether it opens it or not.
            let (before, first) = (log.session, u32::from(opens && opened.events == 0));
            for event in &mut events {
                event.session = before + event.session - first;
                log.session = event.session;
                event.item = interned.share(&event.item);
                log.slate_count = log.slate_count.max(event.detail.slate.map_or(0, |s| s.saturating_add(1)));
            }
            opened.events += events.len();
            let segment =
                Segment { number, epoch: header.epoch, slates: header.slates, opens, events, bytes: bytes.len() };
            if own.len() == 0 && !opened.torn && opened.damaged == 0 {
                // The writer is brought to its state by writing the same events again. Bytes that it would not have written (a
                // definition whose event was cut off) ask for a rewrite.
                match segment.encode(header.fingerprint) {
                    Some((writer, written)) if written == *bytes => log.writer = Some(writer),
                    _ => opened.torn = true,
                }
            }
            log.segments.push(segment);
        }
        (log, opened)
    }

    /// Marks the start of a use of the mini-program. It is written with the first event of that use, and not without one.
    pub fn begin_session(&mut self, utc_offset_minutes: i16) {
        self.opens_session = true;
        self.utc_offset_minutes = utc_offset_minutes;
    }

    /// Adds one event. The `session`, zone and slate number of `event` are set here; the slate given is the page's handle.
    ///
    /// Returns whether older segments were dropped, in which case the caller folds again.
    pub fn append(&mut self, _consent: Token, event: Event) -> bool {
        self.push(event)
    }

    fn push(&mut self, mut event: Event) -> bool {
        let previous = self.segments.last().and_then(|s| s.events.last()).map(|e| e.session);
        if self.opens_session {
            self.session = previous.map_or(0, |s| s.saturating_add(1));
            self.opens_session = false;
        }
        event.session = self.session;
        event.utc_offset_minutes = self.utc_offset_minutes;
        let slates_before = self.slate_count;
        event.detail.slate = event.detail.slate.map(|handle| self.slate_number(handle));
        event.item = self.shared(event.item);
        let full = self.segments.last().is_none_or(|s| s.events.len() >= SEGMENT_EVENTS);
        let mut evicted = false;
        if full || self.writer.is_none() {
            evicted = self.evict(self.schema.retention.events.saturating_sub(SEGMENT_EVENTS));
            let header = Header {
                fingerprint: self.schema.fingerprint(),
                epoch: self.epoch,
                base: event.at,
                slates: slates_before,
            };
            let (writer, bytes) = SegmentWriter::new(header);
            self.writer = Some(writer);
            let number = self.next_segment;
            self.next_segment += 1;
            let opens = previous != Some(event.session);
            self.segments.push(Segment {
                number,
                epoch: self.epoch,
                slates: slates_before,
                opens,
                events: Vec::new(),
                bytes: bytes.len(),
            });
            self.queue_append(number, bytes);
        }
        if let (Some(writer), Some(segment)) = (self.writer.as_mut(), self.segments.last_mut()) {
            let bytes = writer.append(&event, previous != Some(event.session));
            segment.bytes += bytes.len();
            segment.events.push(event);
            let number = segment.number;
            self.queue_append(number, bytes);
        }
        evicted
    }

    fn slate_number(&mut self, handle: u32) -> u32 {
        let number = *self.slates.entry(handle.into(), self.slate_count);
        self.slate_count += u32::from(number == self.slate_count);
        number
    }

    /// The number under which the log knows a slate handle of the page, where it was recorded.
    pub fn slate_of(&self, handle: u32) -> Option<u32> {
        self.slates.get(handle.into())
    }

    /// One copy of each item version in memory.
    fn shared(&self, item: Rc<Item>) -> Rc<Item> {
        let mut left = SEGMENT_EVENTS;
        for segment in self.segments.iter().rev().take(2) {
            for event in segment.events.iter().rev().take(left) {
                if event.item == item {
                    return Rc::clone(&event.item);
                }
            }
            left = left.saturating_sub(segment.events.len());
        }
        item
    }

    fn queue_append(&mut self, number: u32, bytes: Vec<u8>) {
        queue(&mut self.ops, StoreOp::Append { name: file_name(self.generation, number), bytes });
    }

    /// The newest instant that two sessions have reached: one clock that jumped ahead cannot move it.
    fn confirmed_now(&self) -> Option<Timestamp> {
        let (mut newest, mut second) = (None, None);
        let (mut session, mut latest) = (None, None);
        for event in self.events() {
            if session != Some(event.session) {
                second = second.max(newest.min(latest));
                newest = newest.max(latest);
                (session, latest) = (Some(event.session), None);
            }
            latest = latest.max(Some(event.at));
        }
        second.max(newest.min(latest))
    }

    /// Drops what is too much or too old, as whole segments from the front. Returns whether anything was dropped.
    fn evict(&mut self, most: usize) -> bool {
        let mut evicted = false;
        while self.len() > most {
            self.drop_oldest();
            evicted = true;
        }
        if let Some(now) = self.confirmed_now() {
            let oldest = now.ms().saturating_sub(self.schema.retention.age_ms);
            while self.segments.first().is_some_and(|s| s.events.iter().all(|e| e.at.ms() < oldest)) {
                self.drop_oldest();
                evicted = true;
            }
        }
        evicted
    }

    fn drop_oldest(&mut self) {
        if !self.segments.is_empty() {
            let segment = self.segments.remove(0);
            self.ops.push(StoreOp::Remove { name: file_name(self.generation, segment.number) });
        }
        if self.segments.is_empty() {
            self.writer = None;
        }
    }

    /// Drops what has grown too old since the log was closed. Returns whether anything was dropped.
    pub fn maintain(&mut self) -> bool {
        self.evict(self.schema.retention.events)
    }

    /// Number of events.
    pub fn len(&self) -> usize {
        self.segments.iter().map(|s| s.events.len()).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// Number of segments, and of their bytes.
    pub fn size(&self) -> (usize, usize) {
        (self.segments.len(), self.segments.iter().map(|s| s.bytes).sum())
    }

    /// All events, oldest first.
    pub fn events(&self) -> impl DoubleEndedIterator<Item = &Event> {
        self.segments.iter().flat_map(|s| &s.events)
    }

    /// Keeps the events for which `keep` holds, in a new generation written from the start. Returns how many went.
    ///
    /// The bytes and the numbers of slates, sessions, words and items are those of a log that was only ever given the survivors.
    pub fn forget(&mut self, keep: &mut dyn FnMut(&Event) -> bool) -> usize {
        let mut removed = 0;
        let mut fresh = Self::new(Rc::clone(&self.schema), self.epoch, self.generation);
        let (mut handles, mut free) = (KeyMap::default(), 0);
        for (handle, number) in self.slates.iter() {
            let handle = *handle as u32;
            handles.insert(u64::from(*number), handle);
            // Slates of earlier starts have no handle any more; theirs must not meet one that the page still holds.
            free = free.max(handle.saturating_add(1));
        }
        let mut session = None;
        for event in self.events() {
            if !keep(event) {
                removed += 1;
                continue;
            }
            let mut event = event.clone();
            if session != Some(event.session) {
                fresh.begin_session(event.utc_offset_minutes);
                session = Some(event.session);
            }
            fresh.utc_offset_minutes = event.utc_offset_minutes;
            event.detail.slate =
                event.detail.slate.map(|n| handles.get(n.into()).unwrap_or_else(|| free.saturating_add(n)));
            fresh.push(event);
        }
        let slates = core::mem::take(&mut fresh.slates);
        for (handle, number) in slates.iter().filter(|(handle, _)| *handle < free.into()) {
            fresh.slates.insert(*handle, *number);
        }
        // The next event goes on in the session that is running, unless none of that session is left.
        fresh.opens_session = self.opens_session || session != Some(self.session);
        fresh.utc_offset_minutes = self.utc_offset_minutes;
        fresh.ops = core::mem::take(&mut self.ops);
        *self = fresh;
        self.rewrite();
        removed
    }

    /// Queues the whole log under a new generation. The caller then writes the control journal, and removes the old files only after
    /// it, so that a kill at any point leaves one whole log.
    pub fn rewrite(&mut self) {
        self.ops.retain(|op| matches!(op, StoreOp::Remove { .. }));
        self.generation = self.generation.wrapping_add(1);
        for (number, bytes) in (0u32..).zip(self.encode()) {
            self.ops.push(StoreOp::Write { name: file_name(self.generation, number), bytes });
        }
    }

    /// Every segment written from the start, with segments numbered from 0. Brings the writer to the end of the last.
    fn encode(&mut self) -> Vec<Vec<u8>> {
        let (fingerprint, epoch) = (self.schema.fingerprint(), self.epoch);
        let mut all = Vec::new();
        self.writer = None;
        for (number, segment) in (0u32..).zip(self.segments.iter_mut()) {
            segment.epoch = epoch;
            if let Some((writer, bytes)) = segment.encode(fingerprint) {
                segment.number = number;
                segment.bytes = bytes.len();
                self.writer = Some(writer);
                self.next_segment = number + 1;
                all.push(bytes);
            }
        }
        all
    }

    /// The bytes of every segment as they stand in the files: what [`Log::forget`] promises to make equal.
    pub fn segment_bytes(&self) -> Vec<Vec<u8>> {
        let fingerprint = self.schema.fingerprint();
        let mut all = Vec::new();
        for segment in &self.segments {
            all.extend(segment.encode(fingerprint).map(|(_, bytes)| bytes));
        }
        all
    }

    /// Numbers of the files that hold the log now.
    pub fn file_numbers(&self) -> Vec<u32> {
        self.segments.iter().map(|s| s.number).collect()
    }

    /// The session to which the next event would belong.
    pub fn current_session(&self) -> u32 {
        self.session.saturating_add(u32::from(self.opens_session && !self.is_empty()))
    }

    /// Which generation of files is the log.
    pub const fn generation(&self) -> u32 {
        self.generation
    }

    /// What the host must do to its files, since the last call.
    pub fn take_ops(&mut self) -> Vec<StoreOp> {
        core::mem::take(&mut self.ops)
    }
}
