use std::collections::{BTreeMap, BTreeSet};

use super::*;

#[test]
fn five_thousand_goods_with_distinct_ids() {
    let items = catalogue(SEED);
    assert_eq!(items.len(), ITEMS);
    assert_eq!(items.iter().map(|item| &item.id).collect::<BTreeSet<_>>().len(), ITEMS);
    assert!(items.iter().map(|item| item.category).collect::<BTreeSet<_>>().len() >= 20);
}

#[test]
fn the_seed_decides_everything() {
    assert_eq!(catalogue(SEED), catalogue(SEED));
    assert_ne!(catalogue(SEED), catalogue(SEED + 1));
}

#[test]
fn every_shard_mixes_the_categories() {
    for (n, shard) in catalogue(SEED).chunks(SHARD).enumerate() {
        let mut counts = BTreeMap::new();
        for item in shard {
            *counts.entry(item.category).or_insert(0usize) += 1;
        }
        assert!(counts.len() >= 10, "shard {n} has only {} categories", counts.len());
        assert!(counts.values().all(|&count| count <= 5), "shard {n} is crowded: {counts:?}");
    }
}

#[test]
fn popular_goods_come_early() {
    let items = catalogue(SEED);
    let mean = |part: &[Item]| part.iter().map(|item| item.prior).sum::<f64>() / part.len() as f64;
    assert!(mean(&items[..500]) > 2.0 * mean(&items[4_500..]));
}

#[test]
fn the_first_list_shows_a_product_once() {
    let items = catalogue(SEED);
    let products: BTreeSet<&str> = items[..60].iter().map(|item| item.spu.as_str()).collect();
    assert!(products.len() >= 55, "{} products among the first 60 goods", products.len());
}

#[test]
fn some_are_sold_out_and_most_are_not() {
    let sold_out = catalogue(SEED).iter().filter(|item| item.stock == 0).count();
    assert!((50..500).contains(&sold_out), "{sold_out} sold out");
}

#[test]
fn variants_of_a_product_share_all_but_variant_price_and_stock() {
    let mut products: BTreeMap<String, Vec<Item>> = BTreeMap::new();
    for item in catalogue(SEED) {
        products.entry(item.spu.clone()).or_default().push(item);
    }
    assert!(products.values().any(|variants| variants.len() > 1));
    for variants in products.values() {
        for item in variants {
            assert_eq!(
                (item.brand, item.creator, &item.tags),
                (variants[0].brand, variants[0].creator, &variants[0].tags)
            );
        }
        assert_eq!(variants.iter().map(|item| &item.title).collect::<BTreeSet<_>>().len(), variants.len());
    }
}

#[test]
fn prices_lie_near_their_category_and_names_have_both_languages() {
    for item in catalogue(SEED) {
        let category = CATEGORIES.iter().find(|category| category.name.0 == item.category).unwrap();
        assert!(item.price > 0.0 && item.price <= category.price.1 * 1.05 + 100.0, "{item:?}");
        assert_eq!(item.tags.len(), item.tags_en.len());
        assert!((1..=16).contains(&item.tags.len()));
        assert!(item.title_en.is_ascii(), "{}", item.title_en);
        assert!(item.tile.iter().all(|colour| colour.len() == 7 && colour.starts_with('#')));
        assert!((3.6..=5.0).contains(&item.rating));
    }
}

#[test]
fn brands_and_creators_belong_to_one_category_each() {
    let mut owner: BTreeMap<&str, &str> = BTreeMap::new();
    for category in CATEGORIES {
        for name in category.brands.iter().chain(category.creators) {
            if let Some(other) = owner.insert(name.0, category.name.0) {
                panic!("{} stands in {other} and {}", name.0, category.name.0);
            }
        }
    }
}

#[test]
fn the_files_hold_the_catalogue() {
    let dir = std::env::temp_dir().join(format!("zhiji-catalogue-{}", std::process::id()));
    let summary = write_catalogue(&dir, SEED).unwrap();
    assert_eq!((summary.items, summary.shards, summary.categories), (5_000, 250, CATEGORIES.len()));
    let items = catalogue(SEED);
    let read = |path: &str| -> serde_json::Value {
        serde_json::from_str(&fs::read_to_string(dir.join("catalogue").join(path)).unwrap()).unwrap()
    };
    assert_eq!(read("index.json")["shards"], 250);
    for (file, first) in [("000.json", 0), ("249.json", 4_980)] {
        let shard = read(file);
        assert_eq!(shard["items"].as_array().unwrap().len(), SHARD);
        assert_eq!(shard["items"][0]["id"], items[first].id.as_str());
        assert_eq!(shard["items"][0]["titleEn"], items[first].title_en.as_str());
    }
    let lab = fs::read_to_string(dir.join("items.jsonl")).unwrap();
    assert_eq!(lab.lines().count(), ITEMS);
    let line: serde_json::Value = serde_json::from_str(lab.lines().next().unwrap()).unwrap();
    assert_eq!(line["id"], items[0].id.as_str());
    assert!(line.get("title").is_none(), "the lab is told nothing that is only for the eye");
    fs::remove_dir_all(&dir).unwrap();
}
