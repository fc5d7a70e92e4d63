//! The demo shop's catalogue: invented goods of invented brands, the same on every machine for the same seed.
//!
//! The shop reads its goods as fixed shards in a fixed order, so that which file a phone asks for says how far its
//! owner scrolled and nothing about what he looked at. Each shard is a fair mixture of categories, hot goods first: the order a
//! server that knows nothing about the person would choose.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

mod words;

use words::{CATEGORIES, Category, PROMISES, Pair};

/// Goods in the whole catalogue.
pub const ITEMS: usize = 5_000;
/// Goods in one shard, the unit the shop fetches.
pub const SHARD: usize = 20;
/// The demo's seed.
pub const SEED: u64 = 7;
/// What `index.json` calls itself; a shop refuses a number it does not know.
pub const VERSION: u32 = 1;

/// What one run of [`write_catalogue`] wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Goods in all shards.
    pub items: usize,
    /// Shard files.
    pub shards: usize,
    /// Categories that occur.
    pub categories: usize,
    /// Bytes of all files together.
    pub bytes: usize,
}

/// One thing to buy (a SKU), as the shop's pages read it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    /// `sku00001` … in the order of making, which says nothing about the order of showing.
    pub id: String,
    /// The product this is a variant of.
    pub spu: String,
    /// Category, Chinese; also the value the recommender learns.
    pub category: &'static str,
    /// The same for an English screen; likewise all other names that end in `_en`.
    pub category_en: &'static str,
    /// Brand.
    pub brand: &'static str,
    /// Brand in Latin letters.
    pub brand_en: &'static str,
    /// The store or maker who offers it.
    pub creator: &'static str,
    /// The same in English.
    pub creator_en: &'static str,
    /// Two to five tags.
    pub tags: Vec<&'static str>,
    /// The same in English, position by position.
    pub tags_en: Vec<&'static str>,
    /// Yuan.
    pub price: f64,
    /// Pieces left; some are 0.
    pub stock: u32,
    /// The server's own guess that a visitor opens it, from popularity alone.
    pub prior: f64,
    /// Title in Chinese.
    pub title: String,
    /// Title in English.
    pub title_en: String,
    /// The picture: one emoji …
    pub emoji: &'static str,
    /// … on a tile that runs from the first colour to the second.
    pub tile: [String; 2],
    /// Mean of the stars given, 3.6 to 5.0.
    pub rating: f64,
    /// How many gave stars.
    pub reviews: u32,
    /// Pieces sold.
    pub sold: u32,
}

/// One line of `items.jsonl`: what the recommender is told about an item, and nothing for the eye.
#[derive(Serialize)]
struct LabItem<'a> {
    id: &'a str,
    category: &'a str,
    brand: &'a str,
    creator: &'a str,
    tags: &'a [&'static str],
    price: f64,
    stock: u32,
    spu: &'a str,
    prior: f64,
}

#[derive(Serialize)]
struct Shard<'a> {
    version: u32,
    shard: usize,
    items: &'a [Item],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Index {
    version: u32,
    seed: u64,
    items: usize,
    shards: usize,
    per_shard: usize,
    categories: Vec<CategoryCount>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CategoryCount {
    category: &'static str,
    category_en: &'static str,
    emoji: &'static str,
    items: usize,
}

/// SplitMix64.
///
/// # Source
/// Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014, figure 16.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in [0, 1), 53 bits.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Uniform in 0..n; the bias of the remainder is far below anything a catalogue shows.
    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// The whole catalogue in the server's order: every shard mixes the categories, and popular goods come early.
pub fn catalogue(seed: u64) -> Vec<Item> {
    let mut random = Random(seed);
    let weights: u32 = CATEGORIES.iter().map(|category| category.weight).sum();
    let mut placed: Vec<(f64, Item)> = Vec::with_capacity(ITEMS);
    let (mut before, mut skus, mut spus) = (0u32, 0usize, 0usize);
    for category in CATEGORIES {
        // Cumulative rounding: the shares add up to exactly ITEMS whatever the weights are.
        let start = ITEMS * before as usize / weights as usize;
        before += category.weight;
        let count = ITEMS * before as usize / weights as usize - start;
        let mut goods: Vec<(f64, Item)> = Vec::with_capacity(count);
        while goods.len() < count {
            spus += 1;
            let room = count - goods.len();
            product(&mut random, category, spus, &mut skus, room, &mut goods);
        }
        goods.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.id.cmp(&b.1.id)));
        // Stratified: item k of n falls somewhere in the k-th of n equal stretches of the whole, so every stretch of the server's
        // order holds its share of every category.
        for (k, (_, item)) in goods.into_iter().enumerate() {
            placed.push(((k as f64 + random.unit()) / count as f64, item));
        }
    }
    placed.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.id.cmp(&b.1.id)));
    placed.into_iter().map(|(_, item)| item).collect()
}

/// One product and its variants, each with the popularity it is sorted by.
fn product(
    random: &mut Random,
    category: &'static Category,
    spu: usize,
    skus: &mut usize,
    room: usize,
    goods: &mut Vec<(f64, Item)>,
) {
    let noun = random.pick(category.nouns);
    let style = random.pick(category.styles);
    let brand = random.pick(category.brands);
    let creator = random.pick(category.creators);
    let mut tags: Vec<&'static Pair> = vec![style];
    for _ in 0..random.below(3) + 1 {
        let tag = random.pick(category.styles);
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    if random.unit() < 0.4 {
        tags.push(random.pick(PROMISES));
    }
    // A few products are very popular and most are not: 1/u has the long tail of real shops, cut at fifty.
    let popularity = 1.0 / (0.02 + random.unit());
    let (low, high) = category.price;
    let skew = random.unit();
    let base = low + (high - low) * skew * skew;
    let quality = random.unit();
    let variants = (random.below(4) + 1).min(room).min(category.variants.len());
    let first = random.below(category.variants.len());
    for v in 0..variants {
        *skus += 1;
        let variant = &category.variants[(first + v) % category.variants.len()];
        // Further variants come later than the first, so that the head of the catalogue is not one shirt in four sizes.
        let liked = popularity * (0.3 + random.unit()) / f64::from(1u32 << v);
        let sold = (liked * liked * 12.0) as u32 + random.below(40) as u32;
        let item = Item {
            id: format!("sku{skus:05}"),
            spu: format!("spu{spu:04}"),
            category: category.name.0,
            category_en: category.name.1,
            brand: brand.0,
            brand_en: brand.1,
            creator: creator.0,
            creator_en: creator.1,
            tags: tags.iter().map(|tag| tag.0).collect(),
            tags_en: tags.iter().map(|tag| tag.1).collect(),
            price: price_tag(base * (0.95 + 0.1 * random.unit())),
            stock: if random.unit() < 0.04 { 0 } else { 1 + random.below(200) as u32 },
            prior: (liked / (liked + 60.0) * 1_000.0).round() / 1_000.0,
            title: format!("{}{}{} {}", brand.0, style.0, noun.name.0, variant.0),
            title_en: format!("{} {} {}, {}", brand.1, style.1, noun.name.1, variant.1),
            emoji: noun.emoji,
            tile: tile(category.hue, random),
            rating: ((3.9 + 0.9 * quality + 0.2 * random.unit()) * 10.0).round() / 10.0,
            reviews: sold / (4 + random.below(6) as u32),
            sold,
        };
        goods.push((liked, item));
    }
}

/// The nearest price a shop would print: 9.9, 25.9, 59, 1299.
fn price_tag(yuan: f64) -> f64 {
    if yuan < 30.0 {
        yuan.floor().max(1.0) + 0.9
    } else if yuan < 1_000.0 {
        (yuan / 10.0).floor() * 10.0 + 9.0
    } else {
        (yuan / 100.0).floor() * 100.0 + 99.0
    }
}

/// Two soft colours near the category's hue, light enough for any emoji to stand on.
fn tile(hue: u32, random: &mut Random) -> [String; 2] {
    let hue = (hue + random.below(24) as u32 + 348) % 360;
    [hex(hue, 0.85, 0.94), hex((hue + 18) % 360, 0.72, 0.84)]
}

/// `#rrggbb` of hue (degrees), saturation and lightness.
///
/// # Source
/// CSS Color Module Level 4, section 7.1, "Converting HSL Colors to sRGB".
fn hex(hue: u32, saturation: f64, lightness: f64) -> String {
    let a = saturation * lightness.min(1.0 - lightness);
    let channel = |n: f64| {
        let k = (n + f64::from(hue) / 30.0) % 12.0;
        ((lightness - a * (k - 3.0).min(9.0 - k).clamp(-1.0, 1.0)) * 255.0).round() as u8
    };
    format!("#{:02x}{:02x}{:02x}", channel(0.0), channel(8.0), channel(4.0))
}

/// Writes `catalogue/000.json` … `249.json`, `catalogue/index.json` and `items.jsonl` under `dir`, replacing older ones.
///
/// # Errors
/// A folder or file that cannot be written; files written before it stay.
pub fn write_catalogue(dir: &Path, seed: u64) -> Result<Summary> {
    let items = catalogue(seed);
    let shards = dir.join("catalogue");
    fs::create_dir_all(&shards).with_context(|| format!("cannot make {}", shards.display()))?;
    let mut bytes = 0;
    let mut write = |path: &Path, text: String| {
        bytes += text.len();
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    };
    for (n, chunk) in items.chunks(SHARD).enumerate() {
        let shard = Shard { version: VERSION, shard: n, items: chunk };
        write(&shards.join(format!("{n:03}.json")), serde_json::to_string(&shard)?)?;
    }
    let categories: Vec<CategoryCount> = CATEGORIES
        .iter()
        .map(|category| CategoryCount {
            category: category.name.0,
            category_en: category.name.1,
            emoji: category.nouns[0].emoji,
            items: items.iter().filter(|item| item.category == category.name.0).count(),
        })
        .collect();
    let (shard_count, category_count) = (items.len().div_ceil(SHARD), categories.len());
    let index = Index { version: VERSION, seed, items: items.len(), shards: shard_count, per_shard: SHARD, categories };
    write(&shards.join("index.json"), serde_json::to_string_pretty(&index)? + "\n")?;
    let mut lines = String::new();
    for item in &items {
        lines += &serde_json::to_string(&LabItem {
            id: &item.id,
            category: item.category,
            brand: item.brand,
            creator: item.creator,
            tags: &item.tags,
            price: item.price,
            stock: item.stock,
            spu: &item.spu,
            prior: item.prior,
        })?;
        lines.push('\n');
    }
    write(&dir.join("items.jsonl"), lines)?;
    Ok(Summary { items: items.len(), shards: shard_count, categories: category_count, bytes })
}

#[cfg(test)]
mod tests;
