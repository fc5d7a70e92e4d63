//! Hard filters: stock, and what the user never wants to see.

use crate::control::Block;
use crate::features::memory::Memory;
use crate::item::Item;
use crate::schema::Schema;

/// Whether the candidate may be shown at all. `number` gives those of its fields as they are now; one that it does not have does not exclude it.
pub fn passes(
    schema: &Schema,
    memory: Option<&Memory>,
    blocks: &[Block],
    item: &Item,
    number: &dyn Fn(usize) -> Option<f32>,
) -> bool {
    let stocked = schema.policy.filters.iter().all(|f| number(f.field).is_none_or(|x| x >= f.at_least));
    let wanted = !blocks
        .iter()
        .any(|b| schema.field(&b.field).is_ok_and(|field| item.words(field).iter().any(|w| w.text == b.value)));
    // What the user turned down stays away, whatever else was done with it before, until the user turns to it again.
    let turned_down = |key: u64| memory.and_then(|m| m.items.get(key)).is_some_and(|m| m.turned_down);
    let liked = !turned_down(item.wire()) && !item.group(schema).is_some_and(turned_down);
    stocked && wanted && liked
}
