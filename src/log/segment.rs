//! One segment: a header and up to 256 events, each record in a frame of its own.
//!
//! A segment stands alone: it holds every word and item its events refer to, so dropping another segment never hurts it. Writing is a
//! function of the events alone, which is what makes forgetting exact.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::as_conversions)]

use super::versions::Versions;
use crate::codec::{FRAME_HEAD, Malformed, Reader, Writer, frame, frame_at};
use crate::event::{Detail, Event};
use crate::item::Item;
use crate::keyed::{KeyMap, Keyed};
use crate::schema::{Schema, hash64};
use crate::time::Timestamp;
use alloc::rc::Rc;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

const MAGIC: u32 = 0x4c4a_485a; // "ZHJL"
const FORMAT: u16 = 1;

const HEADER: u8 = 0;
const SESSION: u8 = 1;
const WORD: u8 = 2;
const ITEM: u8 = 3;
const EVENT: u8 = 4;

/// Events in a full segment.
pub const SEGMENT_EVENTS: usize = 256;

/// What the first record of a segment says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// [`Schema::fingerprint`].
    pub fingerprint: u64,
    /// The start that wrote the segment.
    pub epoch: u32,
    /// Time of the first event; the others are told from it.
    pub base: Timestamp,
    /// Slates that the log had numbered before this segment.
    pub slates: u32,
}

impl Header {
    fn write(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.u8(HEADER);
        out.u32(MAGIC);
        out.u16(FORMAT);
        out.u64(self.fingerprint);
        out.u32(self.epoch);
        out.zigzag(self.base.ms());
        out.u32(self.slates);
        let mut bytes = Vec::new();
        put(out, &mut bytes);
        bytes
    }

    fn read(payload: &[u8]) -> Result<Self, Malformed> {
        let mut bytes = Reader::new(payload);
        let known = (bytes.u8(), bytes.u32(), bytes.u16()) == (HEADER, MAGIC, FORMAT);
        bytes.expect(known);
        let (fingerprint, epoch, base, slates) = (bytes.u64(), bytes.u32(), bytes.zigzag(), bytes.u32());
        let base = Timestamp::from_ms(base).map_err(|_| Malformed)?;
        // Bytes that a later format may add are passed over.
        if bytes.is_whole() { Ok(Self { fingerprint, epoch, base, slates }) } else { Err(Malformed) }
    }
}

/// Puts a record in its frame behind `out`; one that is too long for a frame is left out.
#[inline(never)]
fn put(record: Writer, out: &mut Vec<u8>) {
    out.extend_from_slice(&frame(&record.into_bytes()).unwrap_or_default());
}

/// Whether the bytes begin as a segment in the clear does, or hold nothing.
pub fn is_clear(bytes: &[u8]) -> bool {
    bytes.is_empty() || frame_at(bytes, 0).is_some_and(|(payload, _)| Header::read(payload).is_ok())
}

/// Turns events into the bytes of one segment.
#[derive(Clone, Debug)]
pub struct SegmentWriter {
    header: Header,
    session: Option<(u32, i16)>,
    /// Local numbers of the words, by the hash of their text; the texts by number.
    numbers: KeyMap,
    words: Vec<String>,
    /// Local numbers of the item versions.
    items: Versions,
}

impl SegmentWriter {
    /// A writer, and the header's bytes.
    pub fn new(header: Header) -> (Self, Vec<u8>) {
        let writer =
            Self { header, session: None, numbers: KeyMap::default(), words: Vec::new(), items: Versions::default() };
        (writer, header.write())
    }

    /// The bytes of `event`: definitions it needs first, then the event. `opens_session` says whether it is the first of its session.
    pub fn append(&mut self, event: &Event, opens_session: bool) -> Vec<u8> {
        let mut out = Vec::new();
        let session = (event.session, event.utc_offset_minutes);
        if self.session != Some(session) {
            let mut record = Writer::new();
            record.u8(SESSION);
            record.u8(u8::from(opens_session));
            record.zigzag(i64::from(event.utc_offset_minutes));
            put(record, &mut out);
            self.session = Some(session);
        }
        let item = self.define(&event.item, &mut out);
        let mut record = Writer::new();
        record.u8(EVENT);
        record.u8(event.action);
        record.zigzag(event.at.ms().saturating_sub(self.header.base.ms()));
        record.varint(u64::from(item));
        write_detail(&event.detail, self.header.slates, &mut record);
        put(record, &mut out);
        out
    }

    fn define(&mut self, item: &Rc<Item>, out: &mut Vec<u8>) -> u32 {
        let (local, new) = self.items.number(item);
        if !new {
            return local;
        }
        let mut record = Writer::new();
        record.u8(ITEM);
        record.varint(u64::from(local));
        let (numbers, words) = (&mut self.numbers, &mut self.words);
        item.write(&mut record, &mut |text| {
            let key = hash64(text.as_bytes());
            if let Some(number) = numbers.get(key)
                && usize::try_from(number).ok().and_then(|n| words.get(n)).is_some_and(|known| known == text)
            {
                return number;
            }
            let number = u32::try_from(words.len()).unwrap_or(u32::MAX);
            words.push(text.to_string());
            numbers.insert(key, number);
            let mut record = Writer::new();
            record.u8(WORD);
            record.varint(u64::from(number));
            record.raw(text.as_bytes());
            put(record, out);
            number
        });
        put(record, out);
        local
    }
}

/// What was found in the bytes of a segment.
#[derive(Debug, Default)]
pub struct Found {
    /// The header, where it is whole.
    pub header: Option<Header>,
    /// Events; their sessions count how many were opened in this segment until then.
    pub events: Vec<Event>,
    /// Records that could not be read.
    pub damaged: usize,
    /// Whether the bytes end in the middle of a record.
    pub torn: bool,
}

/// Reads the bytes of a segment. Never fails: what is damaged is counted, what is whole is kept.
pub fn read(schema: &Schema, bytes: &[u8]) -> Found {
    let mut found = Found::default();
    let Some((payload, mut at)) = frame_at(bytes, 0) else {
        found.torn = true;
        return found;
    };
    let Ok(header) = Header::read(payload) else {
        found.damaged += 1;
        return found;
    };
    found.header = Some(header);
    let mut reading = Reading {
        schema,
        header,
        words: Keyed::default(),
        items: Keyed::default(),
        session: 0,
        offset: 0,
        opens: false,
    };
    while at < bytes.len() {
        if let Some((payload, next)) = frame_at(bytes, at) {
            found.damaged += usize::from(reading.record(payload, &mut found.events).is_err());
            at = next;
        } else if let Some(next) = resume(bytes, at) {
            found.damaged += 1;
            at = next;
        } else {
            found.torn = true;
            break;
        }
    }
    found
}

/// Where the next whole frame stands after a damaged one.
fn resume(bytes: &[u8], at: usize) -> Option<usize> {
    let last = bytes.len().checked_sub(FRAME_HEAD)?;
    // An empty payload is never written, and its checksum would be the easiest one to meet by accident.
    (at.checked_add(1)?..=last).find(|&p| frame_at(bytes, p).is_some_and(|(payload, _)| !payload.is_empty()))
}

struct Reading<'a> {
    schema: &'a Schema,
    header: Header,
    words: Keyed<String>,
    items: Keyed<Rc<Item>>,
    session: u32,
    /// Minutes by which the phone's zone is ahead of UTC.
    offset: i16,
    /// Whether the next event opens a session.
    opens: bool,
}

impl Reading<'_> {
    /// Takes a record in; an event goes to the others.
    fn record(&mut self, payload: &[u8], events: &mut Vec<Event>) -> Result<(), Malformed> {
        let mut bytes = Reader::new(payload);
        match bytes.u8() {
            SESSION => {
                let opens = bytes.u8() != 0;
                let offset = i16::try_from(bytes.zigzag());
                bytes.expect(offset.is_ok());
                bytes.close()?;
                self.opens = opens;
                self.offset = offset.unwrap_or(0);
            }
            WORD => {
                let number: u32 = bytes.narrow();
                let text = bytes.utf8(bytes.left());
                bytes.close()?;
                self.words.insert(number.into(), text);
            }
            ITEM => {
                let number: u32 = bytes.narrow();
                let item = Item::read(self.schema, &mut bytes, &|word| self.words.get(word.into()).cloned());
                bytes.close()?;
                self.items.insert(number.into(), Rc::new(item));
            }
            EVENT => {
                let action = bytes.u8();
                let at = self.header.base.ms().saturating_add(bytes.zigzag());
                let at = Timestamp::from_ms(at).map_err(|_| Malformed)?;
                let item: u32 = bytes.narrow();
                let item = self.items.get(item.into()).ok_or(Malformed)?;
                let detail = read_detail(self.header.slates, &mut bytes);
                bytes.expect(usize::from(action) < self.schema.actions.len() && detail.check().is_ok());
                bytes.close()?;
                self.session = self.session.saturating_add(u32::from(core::mem::take(&mut self.opens)));
                let (session, utc_offset_minutes) = (self.session, self.offset);
                events.push(Event { at, session, utc_offset_minutes, action, item: Rc::clone(item), detail });
            }
            _ => return Err(Malformed),
        }
        Ok(())
    }
}

const HAS_SURFACE: u16 = 1;
const HAS_SCENE: u16 = 1 << 1;
const HAS_SLATE: u16 = 1 << 2;
const HAS_POSITION: u16 = 1 << 3;
const HAS_PROPENSITY: u16 = 1 << 4;
const HAS_REASON: u16 = 1 << 5;
const HAS_VALUE: u16 = 1 << 6;
const HAS_DWELL: u16 = 1 << 7;
const HAS_DIFFICULTY: u16 = 1 << 8;
const HAS_RISK: u16 = 1 << 9;
const HAS_GROUP: u16 = 1 << 10;
const HAS_NUMBERS: u16 = 1 << 11;
const HAS_PRIOR: u16 = 1 << 12;

fn write_detail(detail: &Detail, slates: u32, out: &mut Writer) {
    let (mut flags, mut parts) = (0, Writer::new());
    if let Some(v) = detail.surface {
        flags |= HAS_SURFACE;
        parts.u8(v);
    }
    if let Some(v) = detail.scene {
        flags |= HAS_SCENE;
        parts.varint(u64::from(v));
    }
    if let Some(v) = detail.slate {
        flags |= HAS_SLATE;
        // An action may belong to a slate of an earlier segment, hence the sign.
        parts.zigzag(i64::from(v).saturating_sub(i64::from(slates)));
    }
    if let Some(v) = detail.position {
        flags |= HAS_POSITION;
        parts.varint(u64::from(v));
    }
    if let Some(v) = detail.propensity {
        flags |= HAS_PROPENSITY;
        parts.f32(v);
    }
    if let Some(v) = detail.reason {
        flags |= HAS_REASON;
        parts.varint(u64::from(v));
    }
    if let Some(v) = detail.value {
        flags |= HAS_VALUE;
        parts.f32(v);
    }
    if let Some(v) = detail.dwell_ms {
        flags |= HAS_DWELL;
        parts.varint(u64::from(v));
    }
    if let Some(v) = detail.difficulty {
        flags |= HAS_DIFFICULTY;
        parts.f32(v);
    }
    if let Some(v) = detail.risk_level {
        flags |= HAS_RISK;
        parts.u8(v);
    }
    if let Some(v) = detail.group_id {
        flags |= HAS_GROUP;
        parts.u32(v);
    }
    if let Some(v) = detail.prior {
        flags |= HAS_PRIOR;
        parts.f32(v);
    }
    if !detail.numbers.is_empty() {
        flags |= HAS_NUMBERS;
        parts.count(detail.numbers.len());
        for number in &detail.numbers {
            parts.u8(u8::from(number.is_some()));
            if let Some(v) = number {
                parts.f32(*v);
            }
        }
    }
    out.varint(u64::from(flags));
    out.raw(&parts.into_bytes());
}

fn read_detail(slates: u32, bytes: &mut Reader<'_>) -> Detail {
    let flags: u16 = bytes.narrow();
    let has = |bit: u16| flags & bit != 0;
    let mut detail = Detail {
        surface: has(HAS_SURFACE).then(|| bytes.u8()),
        scene: has(HAS_SCENE).then(|| bytes.narrow()),
        slate: has(HAS_SLATE).then(|| {
            let slate = u32::try_from(i64::from(slates).saturating_add(bytes.zigzag()));
            bytes.expect(slate.is_ok());
            slate.unwrap_or(0)
        }),
        position: has(HAS_POSITION).then(|| bytes.narrow()),
        propensity: has(HAS_PROPENSITY).then(|| bytes.f32()),
        reason: has(HAS_REASON).then(|| bytes.narrow()),
        value: has(HAS_VALUE).then(|| bytes.f32()),
        dwell_ms: has(HAS_DWELL).then(|| bytes.narrow()),
        difficulty: has(HAS_DIFFICULTY).then(|| bytes.f32()),
        risk_level: has(HAS_RISK).then(|| bytes.u8()),
        group_id: has(HAS_GROUP).then(|| bytes.u32()),
        prior: has(HAS_PRIOR).then(|| bytes.f32()),
        numbers: Vec::new(),
    };
    if has(HAS_NUMBERS) {
        for _ in 0..bytes.count() {
            let given = bytes.u8() != 0;
            detail.numbers.push(given.then(|| bytes.f32()));
        }
        bytes.expect(detail.numbers.len() <= crate::schema::NAMES_MOST);
    }
    detail
}
