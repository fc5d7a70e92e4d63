//! What `zhiji inspect` says of a log.

use std::fs;
use std::rc::Rc;

use zhiji::consent::Consent;
use zhiji::event::{Detail, Event};
use zhiji::item::{Given, Item};
use zhiji::log::{Log, StoreOp};
use zhiji::schema::Schema;
use zhiji::time::Timestamp;

use super::{done, refused};

const SCHEMA: &str = r#"{ "space": "shop", "fields": { "category": { "kind": "category" } },
    "actions": { "impression": { "role": "impression" }, "open": { "weight": 1 } } }"#;

#[test]
fn a_log_is_explained() {
    let dir = tempfile::tempdir().unwrap();
    let schema = Rc::new(Schema::open(SCHEMA).unwrap());
    let mut consent = Consent::default();
    consent.apply_grant("1".into(), vec!["p".into()], Timestamp::EARLIEST);
    let mut log = Log::new(Rc::clone(&schema), 0, 3);
    for i in 0..5u8 {
        let item = Item::open(&schema, 0, &format!("shoe{}", i / 4), |_| Given::Text("鞋".into())).unwrap();
        log.append(
            consent.token().unwrap(),
            Event {
                at: Timestamp::from_ms(1_700_000_000_000 + i64::from(i) * 1_000).unwrap(),
                session: 0,
                utc_offset_minutes: 480,
                action: u8::from(i > 0),
                item: Rc::new(item),
                detail: Detail::default(),
            },
        );
    }
    let folder = dir.path().join("user");
    fs::create_dir(&folder).unwrap();
    for op in log.take_ops() {
        let (StoreOp::Append { name, bytes } | StoreOp::Write { name, bytes }) = op else { continue };
        let path = folder.join(name);
        let whole = [fs::read(&path).unwrap_or_default(), bytes].concat();
        fs::write(path, whole).unwrap();
    }
    let schema = dir.path().join("schema.json");
    fs::write(&schema, SCHEMA).unwrap();
    let (folder, schema) = (folder.to_str().unwrap(), schema.to_str().unwrap());
    let said = done(&["inspect", folder, "--schema", schema]);
    for part in [
        "generation 3: 1 files",
        "5 events in 1 sessions, 2023-11-14 22:13:20 UTC to 2023-11-14 22:13:24 UTC",
        "4  open",
        "3  shoe0",
        "4  category = 鞋",
    ] {
        assert!(said.contains(part), "{part} in {said}");
    }
    assert!(refused(&["inspect", folder]).contains("--schema"));
    assert!(refused(&["inspect", dir.path().to_str().unwrap(), "--schema", schema]).contains("no segment"));
}
