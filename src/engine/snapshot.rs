//! The snapshot: the folded state, kept to spare the fold at start. Deleting it changes nothing.

use super::{ENGINE_VERSION, Engine, SNAPSHOT};
use crate::codec::{Malformed, Reader, Writer, crc32};
use crate::log::StoreOp;
use crate::schema::hash64;
use crate::state::{Adapt, Observe};
use alloc::rc::Rc;
use alloc::string::ToString as _;
use alloc::vec::Vec;

const MAGIC: u32 = 0x534a_485a; // "ZHJS"

/// Whether the bytes begin as a snapshot in the clear does.
pub(super) fn is_clear(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC.to_le_bytes())
}

impl Engine {
    /// The derived state in one form only: what must be equal wherever the log is.
    pub fn state_bytes(&self) -> Vec<u8> {
        let mut out = Writer::new();
        self.observe.encode(&mut out);
        // A head that is still being made is left out: the next start makes it.
        out.u8(u8::from(self.replay.is_none()));
        if self.replay.is_none() {
            self.adapt.encode(&mut out);
        }
        out.into_bytes()
    }

    /// The bytes of the log's segments: what forgetting promises to make equal.
    pub fn log_bytes(&self) -> Vec<Vec<u8>> {
        self.log.as_ref().map(|l| l.segment_bytes()).unwrap_or_default()
    }

    /// What a snapshot must agree with: the log, the engine, the schema, the bundle.
    fn snapshot_key(&self) -> [u64; 4] {
        let mut all = Vec::new();
        for bytes in self.log_bytes() {
            all.extend_from_slice(&hash64(&bytes).to_le_bytes());
        }
        // The schema's whole text decides the fold (weights, labels, half-lives), the fingerprint only what is stored.
        [hash64(&all), u64::from(ENGINE_VERSION), self.schema_text, self.ranker.version()]
    }

    /// Queues a snapshot. The host asks when the mini-program is hidden.
    pub fn queue_snapshot(&mut self) {
        if self.log.is_none() {
            return;
        }
        let mut out = Writer::new();
        out.u32(MAGIC);
        self.snapshot_key().iter().for_each(|part| out.u64(*part));
        out.u64(self.matured);
        out.u64(self.labels);
        out.raw(&self.state_bytes());
        let mut bytes = out.into_bytes();
        let crc = crc32(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        self.collect();
        self.ops.push(StoreOp::Write { name: SNAPSHOT.to_string(), bytes });
    }

    /// Takes the state from a snapshot; `false`, and nothing changed, where it is not one of this log, engine, schema and bundle.
    pub(super) fn open_snapshot(&mut self, bytes: &[u8]) -> bool {
        self.read_snapshot(bytes).is_ok()
    }

    fn read_snapshot(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        let (body, crc) = bytes.split_last_chunk::<4>().ok_or(Malformed)?;
        if crc32(body) != u32::from_le_bytes(*crc) {
            return Err(Malformed);
        }
        let mut reader = Reader::new(body);
        let magic = reader.u32();
        reader.expect(magic == MAGIC);
        for part in self.snapshot_key() {
            let found = reader.u64();
            reader.expect(found == part);
        }
        let (matured, labels) = (reader.u64(), reader.u64());
        let observe = Observe::decode(Rc::clone(&self.schema), Rc::clone(&self.layout), &mut reader);
        let current = reader.u8() != 0;
        let adapt = if current { Some(Adapt::decode(&self.ranker, &mut reader)?) } else { None };
        reader.close()?;
        self.observe = observe;
        (self.matured, self.labels) = (matured, labels);
        match adapt {
            Some(adapt) => (self.adapt, self.replay) = (adapt, None),
            None => self.begin_replay(),
        }
        Ok(())
    }
}
