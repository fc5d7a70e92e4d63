//! Fatigue: what was shown often without an answer steps back.

use crate::features::memory::Memory;
use crate::item::Item;
use crate::schema::Policy;

/// Logits to take from the score of `item`.
pub fn penalty(policy: &Policy, memory: &Memory, item: &Item) -> f32 {
    let unanswered = memory.items.get(&item.wire()).map_or(0, |m| m.unanswered);
    let over = unanswered.saturating_add(1).saturating_sub(policy.fatigue_after);
    policy.fatigue_penalty * over.min(100) as f32
}
