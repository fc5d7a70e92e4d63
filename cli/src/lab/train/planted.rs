//! Data with a known structure, for tests.

use crate::lab::dataset::Split;
use crate::lab::examples::{CatalogueItem, Examples, NewExample, made};
use crate::lab::network::Setting;
use crate::lab::network::pass::Noise;
use std::rc::Rc;
use zhiji::features::Layout;
use zhiji::kernel::math;
use zhiji::schema::{Schema, hash64};

/// A shop of a small schema, and what its users did.
pub struct Planted {
    pub schema: Rc<Schema>,
    pub layout: Rc<Layout>,
    pub examples: Examples,
    pub labels: Vec<String>,
}

impl Planted {
    pub fn setting(&self, seed: u64) -> Setting<'_> {
        Setting {
            schema: &self.schema,
            layout: &self.layout,
            catalogue: &self.examples.catalogue,
            standard: &self.examples.standard,
            labels: &self.labels,
            seed,
        }
    }
}

const SCHEMA: &str = r#"{ "space": "shop", "fields": { "category": { "kind": "category" } },
    "actions": { "impression": { "role": "impression" }, "open": { "weight": 1 }, "cart": { "weight": 3 } },
    "labels": { "click": { "positive": ["open"], "windowMinutes": 30 }, "cart": { "positive": ["cart"], "windowMinutes": 30 } } }"#;

/// Items of a planted shop; their category is the number's remainder by four.
pub const ITEMS: u32 = 24;

/// `count` examples. The logit is `1.2 · z₀ − 0.8 · z₁`, ±0.8 for even and odd items, 1.5 where the item's category is that of the newest choice, and
/// −0.5 for each place further down. Features are `10 + 4 z₀`, `−3 + z₁ / 2`, `z₂`, and constants.
pub fn planted(count: usize, buckets: usize, labels: usize) -> Planted {
    let schema = Rc::new(Schema::open(SCHEMA).expect("a schema"));
    let layout = Rc::new(Layout::new(&schema));
    let key = |text: String| hash64(text.as_bytes());
    let items: Vec<CatalogueItem> = (0..ITEMS)
        .map(|i| {
            let words = vec![(0, key(format!("category\x1fc{}", i % 4)))];
            CatalogueItem { id: format!("i{i}"), wire: key(format!("i{i}")), words }
        })
        .collect();
    let mut noise = Noise::new(7);
    let width = layout.len();
    let mut rows = Vec::new();
    let mut past: Vec<u32> = Vec::new();
    for i in 0..count {
        if i % 20 == 0 {
            past.clear();
        }
        let (user, item, place) = ((i / 20) as u32, noise.below(ITEMS), noise.below(4) as u16);
        let z: Vec<f32> = (0..3).map(|_| noise.normal()).collect();
        let mut dense = vec![7.0; width];
        (dense[0], dense[width / 2], dense[width - 1]) = (10.0 + 4.0 * z[0], -3.0 + 0.5 * z[1], z[2]);
        let own = if item % 2 == 0 { 0.8 } else { -0.8 };
        let alike = if past.last().is_some_and(|last| last % 4 == item % 4) { 1.5 } else { 0.0 };
        let logit = 1.2 * z[0] - 0.8 * z[1] + own + alike - 0.5 * f32::from(place);
        let positive = noise.uniform() < math::sigmoid(logit);
        let split = if user % 5 == 0 { Split::Valid } else { Split::Train };
        let label = if labels > 1 { (i % labels) as u8 } else { 0 };
        rows.push((split, dense, item, label, positive, place, user, past.clone()));
        if positive {
            past.push(item);
        }
    }
    let new: Vec<(Split, NewExample<'_>)> = rows
        .iter()
        .map(|(split, dense, item, label, positive, place, user, past)| {
            let (item, label, positive, user) = (*item, *label, *positive, *user);
            (*split, NewExample { dense, item, label, positive, position: Some(*place), user, past })
        })
        .collect();
    let examples = made(items, (buckets, width, labels), &new);
    let names = ["click", "cart"].iter().take(labels).map(|name| (*name).to_string()).collect();
    Planted { schema, layout, examples, labels: names }
}
