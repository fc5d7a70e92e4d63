//! A phone for tests: an engine, its files, and a disk that can be killed at any byte.
#![allow(dead_code, missing_docs)]

use std::collections::BTreeMap;
use zhiji::engine::{Engine, Forget, Track};
use zhiji::event::Detail;
use zhiji::item::{Given, Item};
use zhiji::log::{StoreOp, StoredFile};
use zhiji::time::Timestamp;

pub const SHOP: &str = r#"{ "space": "shop",
  "fields": { "category": { "kind": "category" }, "tags": { "kind": "tags" }, "creator": { "kind": "category" },
              "price": { "kind": "number", "scale": "log", "volatile": true }, "stock": { "kind": "number", "volatile": true } },
  "actions": { "impression": { "role": "impression" }, "open": { "weight": 1 }, "cart": { "weight": 3 }, "hide": { "weight": -4 } },
  "labels": { "click": { "positive": ["open", "cart"], "windowMinutes": 30 } },
  "surfaces": ["home", "item"],
  "retention": { "events": 1024, "days": 180 },
  "policy": { "filters": [{ "field": "stock", "atLeast": 1 }], "diversity": { "lambda": 0.7 },
              "windows": [{ "field": "creator", "most": 2, "within": 4 }], "fatigue": { "after": 3, "penalty": 0.5 },
              "explore": { "slots": 1, "epsilon": 0.2 } } }"#;

pub const START_MS: i64 = 1_750_000_000_000;
pub const CATEGORIES: [&str; 6] = ["女装", "手机", "零食", "图书", "宠物", "户外"];

pub fn at(ms: i64) -> Timestamp {
    Timestamp::from_ms(START_MS + ms).unwrap()
}

/// Item `n` in version `version`: an edit moves it to the next category.
pub fn item(engine: &Engine, n: u32, version: u32) -> Item {
    let category = CATEGORIES[((n + version) % 6) as usize];
    Item::open(engine.schema(), 0, &format!("sku{n}"), |field| match field {
        "category" => Given::Text(category.into()),
        "tags" => Given::Texts(vec![format!("tag{}", n % 7), format!("标签{}", n % 3)]),
        "creator" => Given::Text(format!("creator{}", n % 5)),
        "price" => Given::Number(10.0 + f64::from(n)),
        "stock" => Given::Number(5.0),
        _ => Given::Nothing,
    })
    .unwrap()
}

/// The files of one account.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Disk(pub BTreeMap<String, Vec<u8>>);

impl Disk {
    pub fn stored(&self) -> Vec<StoredFile<'_>> {
        self.0.iter().map(|(name, bytes)| StoredFile { name, bytes }).collect()
    }

    /// Carries out one operation; `bytes` cuts a write or append short, as a kill does.
    pub fn apply(&mut self, op: &StoreOp, bytes: Option<usize>) {
        let cut = |data: &[u8]| data[..bytes.unwrap_or(data.len()).min(data.len())].to_vec();
        match op {
            StoreOp::Append { name, bytes } => self.0.entry(name.clone()).or_default().extend(cut(bytes)),
            StoreOp::Write { name, bytes } => {
                self.0.insert(name.clone(), cut(bytes));
            }
            StoreOp::Remove { name } => {
                self.0.remove(name);
            }
            StoreOp::Clear => self.0.clear(),
        }
    }

    pub fn flush(&mut self, engine: &mut Engine) {
        for op in engine.take_ops() {
            self.apply(&op, None);
        }
    }
}

pub fn engine() -> Engine {
    Engine::new(SHOP, Some([7; 32]), None).unwrap()
}

/// Starts an engine on a disk, as the package does, and waits until it has adapted.
pub fn start(disk: &Disk) -> Engine {
    let mut engine = engine();
    engine.open_control(&disk.stored());
    engine.open_log(&disk.stored(), 480);
    engine.adapt(usize::MAX);
    engine
}

/// A first start with consent.
pub fn fresh(disk: &mut Disk) -> Engine {
    let mut engine = start(disk);
    engine.grant("1", &["recommend".into()], at(0)).unwrap();
    engine.open_log(&disk.stored(), 480);
    disk.flush(&mut engine);
    engine
}

pub fn track(engine: &mut Engine, action: &str, n: u32, version: u32, ms: i64, slate: Option<u32>) -> bool {
    let item = item(engine, n, version);
    let handle = engine.upsert(vec![item]).unwrap()[0];
    let detail = Detail { slate, position: slate.map(|_| (n % 10) as u16), surface: Some(0), ..Detail::default() };
    engine.track(Track { action: action.into(), handle, at: at(ms), detail }).unwrap()
}

pub fn interest(field: &str, value: &str) -> Forget {
    Forget::Interest { field: field.into(), value: value.into() }
}

/// The derived state, once the personal head has been brought up to the log.
pub fn state(engine: &mut Engine) -> Vec<u8> {
    engine.adapt(usize::MAX);
    engine.state_bytes()
}
