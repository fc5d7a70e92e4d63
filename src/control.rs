//! The control journal: the little that is remembered beside the log, listed exhaustively in [`Control`].
//!
//! It stands in two slots that are written in turn; the slot with the higher sequence number wins, so that a kill in the middle of a
//! write leaves the other one.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::as_conversions)]

use crate::codec::{Malformed, Reader, Writer, frame, frame_at};
use crate::consent::{Consent, Status};
use alloc::string::String;
use alloc::vec::Vec;

const MAGIC: u32 = 0x434a_485a; // "ZHJC"
const FORMAT: u16 = 1;

/// Names of the two slots.
pub const SLOTS: [&str; 2] = ["control-0", "control-1"];

/// A value the user never wants to see.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Block {
    /// Name of the field.
    pub field: String,
    /// The word.
    pub value: String,
}

/// All that is remembered of one account beside its log.
#[derive(Clone, Debug, PartialEq)]
pub struct Control {
    /// Grows with every write.
    pub sequence: u64,
    /// Grows with every start: the writer of the log.
    pub epoch: u32,
    /// Which generation of log files is the log.
    pub generation: u32,
    /// The ledger of consent.
    pub consent: Consent,
    /// Whether personalisation is on.
    pub personalisation: bool,
    /// What the user never wants to see, in order.
    pub blocks: Vec<Block>,
}

impl Default for Control {
    fn default() -> Self {
        Self {
            sequence: 0,
            epoch: 0,
            generation: 0,
            consent: Consent::default(),
            personalisation: true,
            blocks: Vec::new(),
        }
    }
}

impl Control {
    /// The bytes of a slot.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.u32(MAGIC);
        out.u16(FORMAT);
        out.u64(self.sequence);
        out.u32(self.epoch);
        out.u32(self.generation);
        out.u8(match self.consent.status {
            Status::Unknown => 0,
            Status::Granted => 1,
            Status::Withdrawn => 2,
        });
        out.text(&self.consent.policy_version);
        out.count(self.consent.purposes.len());
        for purpose in &self.consent.purposes {
            out.text(purpose);
        }
        out.zigzag(self.consent.at_ms);
        out.u8(u8::from(self.personalisation));
        out.count(self.blocks.len());
        for block in &self.blocks {
            out.text(&block.field);
            out.text(&block.value);
        }
        // The limits on policy versions, purposes and blocks keep a journal far below one frame; see `Engine::block`.
        frame(&out.into_bytes()).unwrap_or_default()
    }

    /// Reads a slot; `None` where it is torn, damaged or of another format.
    pub fn open_slot(bytes: &[u8]) -> Option<Self> {
        let (payload, _) = frame_at(bytes, 0)?;
        Self::read(payload).ok()
    }

    fn read(payload: &[u8]) -> Result<Self, Malformed> {
        let mut bytes = Reader::new(payload);
        let known = (bytes.u32(), bytes.u16()) == (MAGIC, FORMAT);
        bytes.expect(known);
        let mut control =
            Self { sequence: bytes.u64(), epoch: bytes.u32(), generation: bytes.u32(), ..Self::default() };
        control.consent.status = match bytes.u8() {
            0 => Status::Unknown,
            1 => Status::Granted,
            2 => Status::Withdrawn,
            _ => return Err(Malformed),
        };
        control.consent.policy_version = bytes.text();
        for _ in 0..bytes.count() {
            control.consent.purposes.push(bytes.text());
        }
        control.consent.at_ms = bytes.zigzag();
        control.personalisation = bytes.u8() != 0;
        for _ in 0..bytes.count() {
            control.blocks.push(Block { field: bytes.text(), value: bytes.text() });
        }
        bytes.close().map(|()| control)
    }

    /// The winner of the two slots; `None` where neither can be read.
    pub fn open(slots: [Option<&[u8]>; 2]) -> Option<Self> {
        let [first, second] = slots;
        let (first, second) = (first.and_then(Self::open_slot), second.and_then(Self::open_slot));
        if first.as_ref().map(|one| one.sequence) > second.as_ref().map(|one| one.sequence) { first } else { second }
    }

    /// The slot that the next write goes to.
    pub const fn slot(&self) -> &'static str {
        if self.sequence.is_multiple_of(2) { SLOTS[0] } else { SLOTS[1] }
    }
}
