//! Known-answer probes: the proof that this device computes what the trainer computed.

use alloc::vec;
use alloc::vec::Vec;

use super::notes::Notes;
use super::spec::hex;
use super::stack::{HISTORY_MOST, JUDGED_MOST, Stack};
use super::{BundleError, MOST_PROBE_WORDS, MOST_PROBES};
use crate::json::Place;
use crate::words::{Words, words};

/// By how much an answer in decimal digits may be off, relative to 1 plus its size.
const SLACK: f32 = 1e-4;

/// One known answer: these inputs give these logits.
#[derive(Clone, Debug, Default)]
pub(super) struct Probe {
    dense: Vec<f32>,
    wire: u64,
    /// Place of the field among those of the stack, and key of the word.
    words: Vec<(u16, u64)>,
    /// The newest first.
    recent: Vec<(u64, Vec<u64>)>,
    /// The newest first.
    judged: Vec<(u64, f32)>,
    /// Those of all tasks and blends, tier by tier, and whether each is meant bit for bit.
    logits: Vec<(f32, bool)>,
}

/// A single, given as a number or as the hexadecimal digits of its bits; and whether as bits.
#[inline(never)]
fn single(place: Place<'_>, at: Words, notes: &mut Notes<'_>) -> (f32, bool) {
    let text = place.maybe_text();
    let value = match text {
        Some(text) => hex(text, 8).and_then(|bits| u32::try_from(bits).ok()).map_or(f32::NAN, f32::from_bits),
        None => place.single(),
    };
    notes.unless(value.is_finite(), at, words!("give finite numbers, or the 8 hexadecimal digits of their bits"));
    (value, text.is_some())
}

#[inline(never)]
fn key(place: Place<'_>, notes: &mut Notes<'_>) -> u64 {
    let key = hex(place.text(), 16);
    notes.unless(
        key.is_some(),
        words!("probes"),
        words!("give ids and words as the 16 hexadecimal digits of their hashes"),
    );
    key.unwrap_or(0)
}

/// The length of a list that may be left out.
#[inline(never)]
fn maybe(list: Place<'_>, most: usize, notes: &mut Notes<'_>) -> usize {
    let count = list.given().map_or(0, Place::len);
    notes.unless(count <= most, words!("probes"), words!("give at most 256 words, 50 recent items and 512 judgements"));
    count
}

pub(super) fn read(probes: Place<'_>, stack: &Stack, notes: &mut Notes<'_>) -> Vec<Probe> {
    let count = probes.len();
    notes.unless((1..=MOST_PROBES).contains(&count), words!("probes"), words!("give 1 to 64 of them"));
    let mut all = Vec::new();
    for at in 0..count {
        let spec = probes.at(at).only(&["dense", "item", "words", "recent", "judged", "logits"]);
        let mut probe = Probe::default();
        let dense = spec.key("dense");
        for at in 0..dense.len() {
            probe.dense.push(single(dense.at(at), words!("probes.dense"), notes).0);
        }
        let fits = probe.dense.len() == stack.features().len();
        notes.unless(
            fits,
            words!("probes.dense"),
            words!("give one value for each feature, in the order in which the blocks name them"),
        );
        if let Some(item) = spec.key("item").given() {
            probe.wire = key(item, notes);
        }
        let words = spec.key("words");
        for at in 0..maybe(words, MOST_PROBE_WORDS, notes) {
            let (field, word) = (words.at(at).at(0).text(), words.at(at).at(1));
            let field = stack.fields().iter().position(|known| known == field);
            probe.words.push((field.and_then(|at| u16::try_from(at).ok()).unwrap_or(u16::MAX), key(word, notes)));
        }
        let recent = spec.key("recent");
        for at in 0..maybe(recent, HISTORY_MOST, notes) {
            let spec = recent.at(at).only(&["item", "words"]);
            let words = spec.key("words");
            let mut keys = Vec::new();
            for at in 0..maybe(words, MOST_PROBE_WORDS, notes) {
                keys.push(key(words.at(at), notes));
            }
            probe.recent.push((key(spec.key("item"), notes), keys));
        }
        let judged = spec.key("judged");
        for at in 0..maybe(judged, JUDGED_MOST, notes) {
            let spec = judged.at(at).only(&["item", "value"]);
            let value = single(spec.key("value"), words!("probes.judged"), notes).0;
            probe.judged.push((key(spec.key("item"), notes), value));
        }
        if let Some(logits) = spec.key("logits").given() {
            for at in 0..logits.len() {
                probe.logits.push(single(logits.at(at), words!("probes.logits"), notes));
            }
        }
        all.push(probe);
    }
    all
}

impl Probe {
    /// What this device computes: the logits of all tasks, tier by tier, and behind those of a tier that has a blend, its score.
    pub fn answers(&self, stack: &Stack) -> Vec<f32> {
        let mut at = stack.workspace();
        let mut item = vec![0.0; stack.item_len()];
        stack.score_item(self.wire, &self.words, &mut item);
        let mut recent = self.recent.iter().map(|(wire, keys)| (*wire, keys.as_slice()));
        stack.judge(&mut at, &mut self.judged.iter().copied());
        stack.score_user(&mut at, &self.dense, &mut recent);
        let mut all = Vec::new();
        for tier in 0..stack.tiers() {
            let mut logits = vec![0.0; stack.labels(tier).count()];
            stack.score_pair(&mut at, &item, &self.dense, tier, &mut logits);
            all.extend_from_slice(&logits);
            if let Some(blend) = stack.blend(tier) {
                all.push(blend.score(&mut logits.iter().copied()));
            }
        }
        all
    }

    /// Compares the promised answers with those of this device; gives the first that differs. The missing ones count as zero bits.
    fn differs(&self, stack: &Stack) -> Option<(u32, u32)> {
        let answers = self.answers(stack);
        for (at, found) in answers.iter().enumerate() {
            let (expected, exact) = self.logits.get(at).copied().unwrap_or((0.0, true));
            let same = if exact {
                expected.to_bits() == found.to_bits()
            } else {
                (expected - found).abs() <= SLACK * (1.0 + expected.abs())
            };
            if !same {
                return Some((expected.to_bits(), found.to_bits()));
            }
        }
        None
    }
}

/// Runs all probes.
pub(super) fn run(probes: &[Probe], stack: &Stack) -> Result<(), BundleError> {
    for (index, probe) in probes.iter().enumerate() {
        if probe.logits.len() != stack.answers() {
            return Err(BundleError::Spec {
                at: words!("probes.logits"),
                reason: words!("give one for each task, tier by tier, and one for each blend"),
            });
        }
        if let Some((expected, found)) = probe.differs(stack) {
            return Err(BundleError::Probe { index, expected, found });
        }
    }
    Ok(())
}
