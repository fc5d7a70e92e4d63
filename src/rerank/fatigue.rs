//! Fatigue: what was shown often without an answer steps back.

use crate::features::memory::Memory;
use crate::item::Item;
use crate::schema::Schema;

/// Logits to take from the score of `item`. A variant is as tiring as the thing that it is a variant of.
pub fn penalty(schema: &Schema, memory: &Memory, item: &Item) -> f32 {
    let policy = &schema.policy;
    let key = item.group(schema).unwrap_or_else(|| item.wire());
    let unanswered = memory.items.get(key).map_or(0, |m| m.unanswered);
    let over = unanswered.saturating_add(1).saturating_sub(policy.fatigue_after);
    policy.fatigue_penalty * over.min(100) as f32
}
