//! What is done with bytes that nobody has vouched for, and what must hold whatever they are. The fuzz targets and the tests call the same.
//!
//! A subject takes any bytes, gives whether they were accepted, and panics where something does not hold.

use std::collections::BTreeMap;
use zhiji::bundle::{self, Stack};
use zhiji::codec::{crc32, frame};
use zhiji::control::Control;
use zhiji::engine::{Engine, Forget, Request, Track};
use zhiji::event::Detail;
use zhiji::item::{Given, Item};
use zhiji::log::{StoreOp, StoredFile};
use zhiji::rng::SplitMix;
use zhiji::schema::{Kind, Schema};
use zhiji::sync::update::Ledger;
use zhiji::sync::{
    EngineVersion, Envelope, Root, SyncError, open_manifest, select_bundle, signed_bytes, verify_manifest,
};
use zhiji::time::Timestamp;

/// A subject, by the name of its fuzz target.
pub type Subject = fn(&[u8]) -> bool;

/// All of them.
pub const SUBJECTS: [(&str, Subject); 7] = [
    ("bundle", bundle),
    ("log", log),
    ("snapshot", snapshot),
    ("control", control),
    ("manifest", manifest),
    ("root", root),
    ("schema", schema),
];

/// Numbers that are seeded by the bytes: the same bytes are treated the same.
pub struct Draws(SplitMix);

impl Draws {
    pub fn of(bytes: &[u8]) -> Self {
        Self(SplitMix(zhiji::schema::hash64(bytes)))
    }

    pub fn next(&mut self) -> u64 {
        self.0.word()
    }

    pub fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n.max(1) as u64).unwrap()
    }

    /// Ordinary numbers, and now and then one that is none or is out of all proportion.
    fn single(&mut self) -> f32 {
        const ODD: [f32; 8] =
            [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN, f32::MIN_POSITIVE, 1e-45, -0.0];
        if self.below(8) == 0 { ODD[self.below(8)] } else { (self.next() >> 40) as f32 / (1 << 21) as f32 - 4.0 }
    }
}

/// A refusal says which rule it is by, in a sentence of bounded length.
fn refused(code: &str, sentence: &str) -> bool {
    const CODES: [&str; 13] = [
        "BUNDLE_MALFORMED",
        "BUNDLE_OVERSIZED",
        "BUNDLE_PROBE",
        "WRONG_SPACE",
        "BAD_SCHEMA",
        "MANIFEST_MALFORMED",
        "MANIFEST_OVERSIZED",
        "SIGNATURE",
        "ENGINE_TOO_OLD",
        "ROLLBACK",
        "EXPIRED",
        "SCHEMA_MISMATCH",
        "TOO_MANY",
    ];
    assert!(CODES.contains(&code), "no code of ours: {code}");
    assert!((8..2_000).contains(&sentence.len()), "no sentence: {sentence}");
    false
}

/// A bundle: refused by name, or scored finitely, twice the same, in every tier.
pub fn bundle(bytes: &[u8]) -> bool {
    let verified = match bundle::open(bytes) {
        Ok(verified) => verified,
        Err(error) => return refused(error.code(), &error.to_string()),
    };
    let mut draws = Draws::of(bytes);
    for _ in 0..3 {
        score(verified.stack(), bytes, &mut draws);
    }
    let space = verified.space().to_string();
    match bundle::load(bytes, &space) {
        Ok(_) => true,
        Err(error) => refused(error.code(), &error.to_string()),
    }
}

/// An id of an item: any, or eight bytes of the file, which may be an id that it knows.
fn wire(bytes: &[u8], draws: &mut Draws) -> u64 {
    let at = draws.below(bytes.len());
    match bytes.get(at & !7..(at & !7) + 8) {
        Some(eight) if draws.below(4) > 0 => u64::from_le_bytes(eight.try_into().unwrap()),
        _ => draws.next(),
    }
}

fn score(stack: &Stack, bytes: &[u8], draws: &mut Draws) {
    let mut keys = |most: usize| -> Vec<u64> { (0..draws.below(most)).map(|_| draws.next()).collect() };
    let words: Vec<(u16, u64)> = keys(6).into_iter().map(|key| ((key % 5) as u16, key)).collect();
    let recent: Vec<Vec<u64>> = (0..keys(60).len()).map(|_| keys(4)).collect();
    let recent: Vec<(u64, Vec<u64>)> = recent.into_iter().map(|keys| (wire(bytes, draws), keys)).collect();
    let dense: Vec<f32> = stack.features().iter().map(|_| draws.single()).collect();
    let judged: Vec<(u64, f32)> = (0..draws.below(20)).map(|_| (wire(bytes, draws), draws.single())).collect();
    let wire = wire(bytes, draws);
    let run = |tier: usize| {
        let (mut at, mut item) = (stack.workspace(), vec![0.0; stack.item_len()]);
        stack.score_item(wire, &words, &mut item);
        stack.choose_tier(&mut at, tier);
        stack.judge(&mut at, &mut judged.iter().copied());
        stack.score_user(&mut at, &dense, &mut recent.iter().map(|(wire, keys)| (*wire, keys.as_slice())));
        let mut logits = vec![0.0; stack.labels(tier).count()];
        stack.score_pair(&mut at, &item, &dense, tier, &mut logits);
        let score = stack.blend(tier).map(|blend| blend.score(&mut logits.iter().copied()));
        logits.extend(score);
        // The catalogue is scored for retrieval too.
        logits.extend((0..4).filter_map(|row| stack.score_row(&at, tier, 0, row)));
        logits
    };
    for tier in 0..stack.tiers() {
        let logits = run(tier);
        assert!(logits.iter().all(|logit| logit.is_finite()), "tier {tier}: {logits:?}");
        let bits = |logits: &[f32]| logits.iter().map(|logit| logit.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&logits), bits(&run(tier)), "tier {tier}");
    }
}

/// The schema under which logs are read.
pub const SHOP: &str = r#"{ "space": "shop",
  "fields": { "category": { "kind": "category" }, "tags": { "kind": "tags" },
              "price": { "kind": "number", "scale": "log", "volatile": true }, "weight": { "kind": "number" } },
  "actions": { "impression": { "role": "impression" }, "open": { "weight": 1 }, "hide": { "weight": -4 } },
  "labels": { "click": { "positive": ["open"], "windowMinutes": 30 } },
  "surfaces": ["home"], "retention": { "events": 512, "days": 180 } }"#;
pub const NOW_MS: i64 = 1_750_000_000_000;

/// The files of a phone.
pub type Files = BTreeMap<String, Vec<u8>>;

fn stored(files: &Files) -> Vec<StoredFile<'_>> {
    files.iter().map(|(name, bytes)| StoredFile { name, bytes }).collect()
}

fn apply(ops: Vec<StoreOp>, files: &mut Files) {
    for op in ops {
        match op {
            StoreOp::Append { name, bytes } => files.entry(name).or_default().extend(bytes),
            StoreOp::Write { name, bytes } => drop(files.insert(name, bytes)),
            StoreOp::Remove { name } => drop(files.remove(&name)),
            StoreOp::Clear => files.clear(),
        }
    }
}

/// An engine that has been agreed to, over these files; and what it said of them.
fn start(schema: &str, files: &Files) -> Option<(Engine, Vec<&'static str>, usize)> {
    let mut engine = match Engine::new(schema, Some([7; 32]), None) {
        Ok(engine) => engine,
        Err(error) => {
            refused(error.code(), &error.to_string());
            return None;
        }
    };
    engine.open_control(&stored(files));
    engine.grant("1", &[], Timestamp::from_ms(NOW_MS).unwrap()).unwrap();
    let opened = engine.open_log(&stored(files), 480);
    engine.adapt(usize::MAX);
    Some((engine, opened.notes, opened.events))
}

/// Does with an engine what a page does.
fn use_engine(engine: &mut Engine, draws: &mut Draws) {
    let now = Timestamp::from_ms(NOW_MS + 60_000).unwrap();
    let item = |engine: &Engine, n: usize| {
        let given = |name: &str| match engine.schema().fields.iter().find(|field| field.name == name) {
            Some(field) if matches!(field.kind, Kind::Number { .. }) => Given::Number(n as f64),
            Some(field) if field.kind == Kind::Tags => Given::Texts(vec![format!("tag{}", n % 3), "all".into()]),
            _ => Given::Text(format!("word{}", n % 2)),
        };
        Item::open(engine.schema(), n, &format!("sku{n}"), given).unwrap()
    };
    let items = (0..6).map(|n| item(engine, n)).collect();
    let handles = engine.upsert(items).unwrap();
    let actions: Vec<String> = engine.schema().actions.iter().map(|action| action.name.clone()).collect();
    // A schema may have no actions: then nothing is ever recorded.
    for (step, handle) in (0..).zip(handles.iter().filter(|_| !actions.is_empty())) {
        let at = Timestamp::from_ms(NOW_MS + step * 1_000).unwrap();
        let action = actions[draws.below(actions.len())].clone();
        engine.track(Track { action, handle: *handle, at, detail: Detail::default() }).unwrap();
    }
    let slate = engine.rank(&Request::new(&handles, 4, now)).unwrap();
    assert!(slate.placed.iter().all(|placed| placed.score.is_finite()), "{slate:?}");
    for handle in &handles {
        assert!(engine.explain(*handle, now).unwrap().iter().all(|why| why.weight.is_finite()));
    }
    assert!(engine.interests(now).iter().all(|interest| interest.weight.is_finite()));
    engine.export();
    engine.forget(&Forget::Item { id: "sku1".into() }).unwrap();
}

/// The records that these bytes are cut into: a length of two bytes before each.
fn records(bytes: &[u8]) -> Vec<&[u8]> {
    let (mut rest, mut records) = (bytes, Vec::new());
    while let Some((length, after)) = rest.split_first_chunk::<2>() {
        let (record, after) = after.split_at(usize::from(u16::from_le_bytes(*length)).min(after.len()));
        records.push(record);
        rest = after;
    }
    records
}

/// A segment of a log, as it stands and as records that are framed here, so that damage gets past the checksums: opened, used, and what was
/// written in its stead opened again without complaint.
pub fn log(bytes: &[u8]) -> bool {
    let framed: Vec<u8> = records(bytes).iter().flat_map(|record| frame(record).unwrap()).collect();
    let mut accepted = false;
    for segment in [bytes, &framed] {
        let mut files = Files::from([("log-0-0".to_string(), segment.to_vec())]);
        let Some((mut engine, notes, events)) = start(SHOP, &files) else { return false };
        accepted |= notes.is_empty() && events > 0;
        apply(engine.take_ops(), &mut files);
        let (mut again, notes, found) = start(SHOP, &files).unwrap();
        assert!(notes.iter().all(|note| *note == "CLOCK_JUMPED"), "{notes:?} of what was written anew");
        assert_eq!(found, events);
        assert_eq!(again.state_bytes(), engine.state_bytes());
        use_engine(&mut engine, &mut Draws::of(bytes));
        use_engine(&mut again, &mut Draws::of(bytes));
        assert_eq!(again.export(), engine.export());
    }
    accepted
}

/// A phone that has a log and a snapshot of it.
pub fn used_phone() -> Files {
    let mut files = Files::new();
    let (mut engine, _, _) = start(SHOP, &files).unwrap();
    for _ in 0..3 {
        use_engine(&mut engine, &mut Draws(SplitMix(1)));
    }
    engine.queue_snapshot();
    apply(engine.take_ops(), &mut files);
    files
}

/// Bytes of a snapshot before the state that it keeps.
pub const SNAPSHOT_HEAD: usize = 4 + 4 * 8 + 2 * 8;

/// The state inside a snapshot whose key and checksum are right: whatever it is, the engine works.
pub fn snapshot(bytes: &[u8]) -> bool {
    thread_local!(static PHONE: Files = used_phone());
    let mut files = PHONE.with(Clone::clone);
    let mut whole = files["snapshot"][..SNAPSHOT_HEAD].to_vec();
    whole.extend_from_slice(bytes);
    whole.extend_from_slice(&crc32(&whole).to_le_bytes());
    files.insert("snapshot".into(), whole);
    let mut engine = Engine::new(SHOP, Some([7; 32]), None).unwrap();
    engine.open_control(&stored(&files));
    let opened = engine.open_log(&stored(&files), 480);
    engine.adapt(usize::MAX);
    use_engine(&mut engine, &mut Draws::of(bytes));
    opened.snapshot
}

/// A slot of the control journal and one of the ledger of updates, bare and framed: what is read is written and read again the same.
pub fn control(bytes: &[u8]) -> bool {
    let framed = frame(&bytes[..bytes.len().min(60_000)]).unwrap();
    let mut accepted = false;
    for slot in [bytes, &framed] {
        if let Some(control) = Control::open([Some(slot), None]) {
            accepted = true;
            let again = Control::open_slot(&control.encode()).unwrap();
            assert_eq!(format!("{again:?}"), format!("{control:?}"));
        }
        if let Some(ledger) = Ledger::open(Some(slot), None) {
            accepted = true;
            let again = Ledger::open(None, Some(&ledger.encode())).unwrap();
            assert_eq!(format!("{again:?}"), format!("{ledger:?}"));
        }
        let files = Files::from([("control-0".to_string(), slot.to_vec()), ("sync-0".to_string(), slot.to_vec())]);
        let mut engine = Engine::new(SHOP, Some([7; 32]), None).unwrap();
        engine.open_control(&stored(&files));
        engine.open_ledger(&stored(&files));
        engine.open_log(&stored(&files), 480);
        engine.take_ops();
    }
    accepted
}

/// The key that signs what is to get past the signatures.
pub fn key() -> ed25519_dalek::SigningKey {
    ed25519_dalek::SigningKey::from_bytes(&[1; 32])
}

/// A payload as a file, signed by [`key`].
pub fn signed(context: zhiji::sync::Context, payload: &str) -> Vec<u8> {
    use ed25519_dalek::Signer;
    let sig = zhiji::codec::hex(&key().sign(&signed_bytes(context, payload)).to_bytes());
    let id = zhiji::sync::key_id(&key().verifying_key().to_bytes());
    let signatures = vec![zhiji::sync::RawSignature { key: id, sig }];
    serde_json::to_vec(&Envelope { payload: payload.into(), signatures }).unwrap()
}

/// The root in which [`key`] may sign everything.
pub fn root_payload(version: u64) -> String {
    let open = key().verifying_key().to_bytes();
    let (id, open) = (zhiji::sync::key_id(&open), zhiji::codec::hex(&open));
    let role = format!(r#"{{ "keys": ["{id}"], "threshold": 1 }}"#);
    format!(
        r#"{{ "version": {version}, "keys": {{ "{id}": "{open}" }}, "roles": {{ "root": {role}, "manifest": {role} }} }}"#
    )
}

fn told<T>(read: Result<T, SyncError>) -> Option<T> {
    read.map_err(|error| refused(error.code(), &error.to_string())).ok()
}

/// A manifest, as a file and as a payload that is signed here: refused by name, or every arm has one of at most eight bundles.
pub fn manifest(bytes: &[u8]) -> bool {
    thread_local!(static ROOT: Root = Root::embedded(&signed(zhiji::sync::Context::Root, &root_payload(1))).unwrap());
    told(open_manifest(bytes));
    let Ok(payload) = core::str::from_utf8(bytes) else { return false };
    let file = signed(zhiji::sync::Context::Manifest, payload);
    ROOT.with(|root| {
        for bytes in [bytes, &file] {
            told(verify_manifest(bytes, root, "shop", 3, 1_000, EngineVersion(0, 1, 0)));
        }
        let Some(verified) = told(verify_manifest(&file, root, "shop", 3, 1_000, EngineVersion(0, 1, 0))) else {
            return false;
        };
        let all: Vec<_> = verified.bundles().collect();
        assert!((1..=8).contains(&all.len()) && verified.version() >= 3 && verified.expires_ms() > 1_000);
        assert_eq!(all.iter().map(|entry| u32::from(entry.share)).sum::<u32>(), 1_000);
        for arm in 0..=u8::MAX {
            assert!(all.contains(&select_bundle(&verified, arm)));
        }
        true
    })
}

/// A root, as a file and as a payload that is signed here: refused by name, or it and nothing older follows it.
pub fn root(bytes: &[u8]) -> bool {
    told(Root::embedded(bytes));
    let Ok(payload) = core::str::from_utf8(bytes) else { return false };
    let Some(root) = told(Root::embedded(&signed(zhiji::sync::Context::Root, payload))) else { return false };
    assert!(root.next(&signed(zhiji::sync::Context::Root, payload)).is_err(), "a root does not follow itself");
    true
}

/// A schema: refused by name, or an engine works under it.
pub fn schema(bytes: &[u8]) -> bool {
    let Ok(text) = core::str::from_utf8(bytes) else { return false };
    if let Err(error) = Schema::open(text) {
        return refused(error.code(), &error.to_string());
    }
    let Some((mut engine, _, _)) = start(text, &Files::new()) else { return false };
    use_engine(&mut engine, &mut Draws::of(bytes));
    true
}
