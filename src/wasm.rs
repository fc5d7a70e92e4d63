//! The boundary: converts, calls the engine, converts back. It decides nothing.
//!
//! JavaScript receives errors as `{ code, name, message }`. Instants are milliseconds in a `number`; no `BigInt` crosses.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use crate::engine::{self, Forget, Request, Track};
use crate::error::Error;
use crate::event::Detail;
use crate::item::{Given, Item};
use crate::json::Json;
use crate::log::{StoreOp, StoredFile};
use crate::sync::Next;
use crate::words::{Words, words};
use js_sys::{Array, Float32Array, JSON, JsString, Object, Reflect, Uint8Array, Uint32Array};
use wasm_bindgen::prelude::*;

/// What JavaScript catches.
fn thrown(code: &str, message: &str) -> JsValue {
    Out::default().text("code", code).text("name", "ZhijiError").text("message", message).close()
}

fn refuse(error: Error) -> JsValue {
    thrown(error.code(), &error.told())
}

fn bad(part: Words, reason: Words) -> JsValue {
    refuse(Error::BadArgument { part, reason })
}

/// A plain object that goes out, key by key.
#[derive(Default)]
struct Out(Object);

impl Out {
    #[inline(never)]
    fn put(self, key: &str, value: JsValue) -> Self {
        // What this module has made itself takes every key.
        let _ = Reflect::set(&self.0, &key.into(), &value);
        self
    }

    #[inline(never)]
    fn text(self, key: &str, text: &str) -> Self {
        self.put(key, text.into())
    }

    #[inline(never)]
    fn number(self, key: &str, number: f64) -> Self {
        self.put(key, number.into())
    }

    fn flag(self, key: &str, flag: bool) -> Self {
        self.put(key, flag.into())
    }

    fn texts(self, key: &str, texts: &mut dyn Iterator<Item = &str>) -> Self {
        self.put(key, listed(&mut texts.map(JsValue::from)))
    }

    fn close(self) -> JsValue {
        self.0.into()
    }
}

fn get(value: &JsValue, name: &str) -> JsValue {
    Reflect::get(value, &name.into()).unwrap_or(JsValue::UNDEFINED)
}

/// Whether an object has no other keys than these.
fn has_only(value: &JsValue, names: &[&str]) -> bool {
    // Not `instanceof`: an object of another realm is as good.
    value.is_object()
        && Object::keys(value.unchecked_ref::<Object>())
            .iter()
            .all(|key| key.as_string().is_some_and(|key| names.contains(&key.as_str())))
}

/// The parts of an object that JavaScript gave; each may be absent, undefined or null, and is otherwise of its own type.
///
/// Read by hand: derived readers of three small objects weigh 10 kB. Reading goes on over a part of another type, and `wrong` remembers it.
struct Parts<'a> {
    object: &'a JsValue,
    wrong: bool,
    /// The first part that is no whole number, or out of its range.
    beyond: Option<Words>,
}

impl Parts<'_> {
    /// Reads an object that has no other keys than these.
    fn of<'a>(object: &'a JsValue, names: &[&str]) -> Parts<'a> {
        Parts { object, wrong: !has_only(object, names), beyond: None }
    }

    #[inline(never)]
    fn get(&self, name: &str) -> Option<JsValue> {
        let value = get(self.object, name);
        (!value.is_undefined() && !value.is_null()).then_some(value)
    }

    #[inline(never)]
    fn text(&mut self, name: &str) -> Option<String> {
        let value = self.get(name)?;
        let text = value.as_string();
        self.wrong |= text.is_none();
        text
    }

    #[inline(never)]
    fn number(&mut self, name: &str) -> Option<f64> {
        let value = self.get(name)?;
        let number = value.as_f64();
        self.wrong |= number.is_none();
        number
    }

    fn single(&mut self, name: &str) -> Option<f32> {
        self.number(name).map(|number| number as f32)
    }

    /// A whole number from 0 to `most`.
    #[inline(never)]
    fn whole(&mut self, name: &str, most: u32, part: Words) -> Option<u32> {
        let value = self.number(name)?;
        if !(0.0..=f64::from(most)).contains(&value) {
            self.beyond = self.beyond.or(Some(part));
            return None;
        }
        Some(value.round() as u32)
    }

    #[inline(never)]
    fn short(&mut self, name: &str, part: Words) -> Option<u16> {
        self.whole(name, u16::MAX.into(), part).map(|whole| whole as u16)
    }

    #[inline(never)]
    fn long(&mut self, name: &str, part: Words) -> Option<u32> {
        self.whole(name, u32::MAX, part)
    }

    fn flag(&mut self, name: &str) -> bool {
        let value = self.get(name);
        self.wrong |= value.as_ref().is_some_and(|value| value.as_bool().is_none());
        value.is_some_and(|value| value.as_bool() == Some(true))
    }

    /// Refuses the object where anything in it was wrong.
    fn close(&self, part: Words, reason: Words) -> Result<(), JsValue> {
        if self.wrong { Err(bad(part, reason)) } else { Ok(()) }
    }

    /// Refuses numbers out of their ranges.
    fn close_ranges(&self) -> Result<(), JsValue> {
        let reason = words!("give a whole number of 0 or more, in its range");
        self.beyond.map_or(Ok(()), |part| Err(refuse(Error::BadEvent { part, reason })))
    }
}

/// A document as a plain object, list or value of JavaScript.
fn plain(document: &Json) -> JsValue {
    match document {
        Json::Null => JsValue::NULL,
        Json::Flag(flag) => (*flag).into(),
        Json::Whole(number) => (*number as f64).into(),
        Json::Negative(number) => (*number as f64).into(),
        Json::Real(number) => (*number).into(),
        Json::Text(text) => text.into(),
        Json::List(list) => listed(&mut list.iter().map(plain)),
        Json::Object(entries) => {
            let mut out = Out::default();
            for (key, value) in entries {
                out = out.put(key, plain(value));
            }
            out.close()
        }
    }
}

/// A list of JavaScript.
#[inline(never)]
fn listed(values: &mut dyn Iterator<Item = JsValue>) -> JsValue {
    let list = Array::new();
    for value in values {
        list.push(&value);
    }
    list.into()
}

/// A panic becomes a thrown `INTERNAL`, never a bare "unreachable". The instance is not to be used after it: the loader makes a new one.
///
/// The builds for phones leave the texts and places of panics out to be smaller: there a panic is a trap, and it is the package's loader
/// that turns it into `INTERNAL` (docs/adr/0008).
#[wasm_bindgen(start)]
pub fn start() {
    std::panic::set_hook(Box::new(|info| {
        // The place only: a panic's message could hold a part of what the user did.
        let place = info.location().map_or_else(String::new, |l| format!("{}:{}", l.file(), l.line()));
        wasm_bindgen::throw_val(thrown(
            "INTERNAL",
            &format!("the engine stopped at {place}; please report this place"),
        ));
    }));
}

/// The version of the engine.
#[wasm_bindgen(js_name = engineVersion)]
pub fn engine_version() -> String {
    env!("CARGO_PKG_VERSION").into()
}

/// What this build answers to the probes of a bundle, as bit patterns: the same in every build.
#[wasm_bindgen]
pub fn golden(bundle: Vec<u8>) -> Result<Uint32Array, JsValue> {
    let bundle = crate::bundle::open(&bundle).map_err(|error| refuse(error.into()))?;
    Ok(Uint32Array::from(bundle.answers().as_slice()))
}

struct Files(Vec<(String, Vec<u8>)>);

impl Files {
    fn open(list: &Array) -> Result<Self, JsValue> {
        let reason = words!("a list of { name: string, bytes: Uint8Array }");
        let mut files = Vec::new();
        for file in list.iter() {
            match (get(&file, "name").as_string(), get(&file, "bytes").dyn_ref::<Uint8Array>()) {
                (Some(name), Some(bytes)) => files.push((name, bytes.to_vec())),
                _ => return Err(bad(words!("files"), reason)),
            }
        }
        Ok(Self(files))
    }

    fn stored(&self) -> Vec<StoredFile<'_>> {
        self.0.iter().map(|(name, bytes)| StoredFile { name, bytes }).collect()
    }
}

fn consent_out(consent: &crate::consent::Consent) -> JsValue {
    Out::default()
        .text("status", consent.status.as_str())
        .text("policyVersion", &consent.policy_version)
        .texts("purposes", &mut consent.purposes.iter().map(String::as_str))
        .number("atMs", consent.at_ms as f64)
        .close()
}

/// Names of the parts of an event.
const DETAIL_PARTS: [&str; 12] = [
    "surface",
    "scene",
    "slate",
    "position",
    "propensity",
    "reason",
    "value",
    "dwellMs",
    "difficulty",
    "riskLevel",
    "groupId",
    "prior",
];

fn detail(value: &JsValue, schema: &crate::schema::Schema) -> Result<Detail, JsValue> {
    if value.is_undefined() || value.is_null() {
        return Ok(Detail::default());
    }
    let mut parts = Parts::of(value, &DETAIL_PARTS);
    let surface = parts.text("surface");
    let mut detail = Detail {
        surface: None,
        scene: parts.short("scene", words!("scene")),
        slate: parts.long("slate", words!("slate")),
        position: parts.short("position", words!("position")),
        propensity: parts.single("propensity").filter(|p| *p >= 0.0),
        reason: parts.short("reason", words!("reason")),
        value: parts.single("value"),
        dwell_ms: parts.long("dwellMs", words!("dwellMs")),
        difficulty: parts.single("difficulty"),
        risk_level: parts.whole("riskLevel", u8::MAX.into(), words!("riskLevel")).map(|level| level as u8),
        group_id: parts.long("groupId", words!("groupId")),
        prior: parts.single("prior"),
        numbers: Vec::new(),
    };
    parts
        .close(words!("detail"), words!("an object with the parts of an event and no others, each of its own type"))?;
    if let Some(surface) = surface {
        detail.surface = Some(schema.surface(&surface).map_err(refuse)?);
    }
    parts.close_ranges()?;
    Ok(detail)
}

/// What `forget` was asked for; none where that is not one of its four forms.
fn forget_of(parts: &mut Parts<'_>) -> Option<Forget> {
    let (id, field, value) = (parts.text("id"), parts.text("field"), parts.text("value"));
    let (since, until, all) = (parts.number("sinceMs"), parts.number("untilMs"), parts.flag("all"));
    let span = since.is_some() || until.is_some();
    let forms = [id.is_some(), field.is_some() || value.is_some(), span, all];
    if parts.wrong || forms.iter().filter(|form| **form).count() != 1 {
        return None;
    }
    if let Some(id) = id {
        return Some(Forget::Item { id });
    }
    if span {
        let bound = |ms: Option<f64>, none: i64| ms.map_or(none, |ms| ms as i64);
        return Some(Forget::Span { since_ms: bound(since, i64::MIN), until_ms: bound(until, i64::MAX) });
    }
    if all { Some(Forget::All) } else { Some(Forget::Interest { field: field?, value: value? }) }
}

/// The texts of a list; none where anything else stands in it.
#[inline(never)]
fn texts_of(list: &Array) -> Option<Vec<String>> {
    let mut texts = Vec::new();
    for value in list.iter() {
        texts.push(value.as_string()?);
    }
    Some(texts)
}

fn given(value: &JsValue) -> Given {
    if value.is_undefined() || value.is_null() {
        Given::Nothing
    } else if let Some(text) = value.as_string() {
        Given::Text(text)
    } else if let Some(number) = value.as_f64() {
        Given::Number(number)
    } else if Array::is_array(value) {
        texts_of(value.unchecked_ref()).map_or(Given::Other, Given::Texts)
    } else {
        Given::Other
    }
}

/// One space on one phone; see `engine::Engine` for what each call does.
#[wasm_bindgen]
pub struct Engine(engine::Engine);

#[wasm_bindgen]
impl Engine {
    /// An engine for a schema, with the host's 32 random bytes and the root of trust where there are.
    #[wasm_bindgen(constructor)]
    pub fn new(schema_json: &str, seed: Option<Vec<u8>>, root_json: Option<String>) -> Result<Self, JsValue> {
        let seed = match seed {
            None => None,
            Some(bytes) => Some(bytes.try_into().map_err(|_| bad(words!("seed"), words!("give 32 random bytes")))?),
        };
        let engine = engine::Engine::new(schema_json, seed, root_json.as_ref().map(String::as_bytes));
        engine.map(Self).map_err(refuse)
    }

    /// Reads the control journal; first of all.
    #[wasm_bindgen(js_name = openControl)]
    pub fn open_control(&mut self, files: &Array) -> Result<JsValue, JsValue> {
        let files = Files::open(files)?;
        let opened = self.0.open_control(&files.stored());
        let sync = self.0.open_ledger(&files.stored());
        let out = Out::default()
            .put("consent", consent_out(&opened.consent))
            .flag("personalisation", opened.personalisation)
            .number("bundleVersion", sync.version as f64)
            .number("arm", sync.arm.into())
            .texts("notes", &mut opened.lost.then_some("CONTROL_LOST").into_iter());
        Ok(out.close())
    }

    /// A new key for encryption at rest, for the host to keep; none without the host's randomness.
    #[wasm_bindgen(js_name = newKey)]
    pub fn new_key(&mut self) -> Option<Vec<u8>> {
        self.0.new_key().map(Vec::from)
    }

    /// Seals the log's files from now on; after `openControl`, before `openLog`. `fresh`: the key has just been made.
    #[wasm_bindgen(js_name = setKey)]
    pub fn set_key(&mut self, key: Vec<u8>, fresh: bool) -> Result<bool, JsValue> {
        let key = key.try_into().map_err(|_| bad(words!("key"), words!("give the 32 bytes that `newKey` gave")))?;
        Ok(self.0.set_key(key, fresh))
    }

    /// Loads the live bundle, or the last good one. Gives its version; 0 is the starter ranker.
    #[wasm_bindgen(js_name = openBundle)]
    pub fn open_bundle(&mut self, files: &Array) -> Result<f64, JsValue> {
        let files = Files::open(files)?;
        self.0.open_bundle(&files.stored()).map(|v| v as f64).map_err(refuse)
    }

    /// Reads the log, where there is consent.
    #[wasm_bindgen(js_name = openLog)]
    pub fn open_log(&mut self, files: &Array, utc_offset_minutes: f64) -> Result<JsValue, JsValue> {
        let files = Files::open(files)?;
        let opened = self.0.open_log(&files.stored(), utc_offset_minutes as i16);
        let out = Out::default()
            .number("events", opened.events as f64)
            .number("damaged", opened.damaged as f64)
            .flag("snapshot", opened.snapshot)
            .texts("notes", &mut opened.notes.iter().copied());
        Ok(out.close())
    }

    /// Gives the personal head the labels of the next so many events of the log; `true` once it is up to date.
    pub fn adapt(&mut self, events: u32) -> bool {
        self.0.adapt(events as usize)
    }

    /// Events folded since the engine was made.
    pub fn folded(&self) -> f64 {
        self.0.folded() as f64
    }

    /// What to do to the files since the last call, in order: `{ op, name, bytes? }`.
    #[wasm_bindgen(js_name = takeOps)]
    pub fn take_ops(&mut self) -> Array {
        let out = Array::new();
        for op in self.0.take_ops() {
            let (word, name, bytes) = match op {
                StoreOp::Append { name, bytes } => ("append", name, Some(bytes)),
                StoreOp::Write { name, bytes } => ("write", name, Some(bytes)),
                StoreOp::Remove { name } => ("remove", name, None),
                StoreOp::Clear => ("clear", String::new(), None),
            };
            let mut object = Out::default().text("op", word).text("name", &name);
            if let Some(bytes) = bytes {
                object = object.put("bytes", Uint8Array::from(bytes.as_slice()).into());
            }
            out.push(&object.close());
        }
        out
    }

    /// A file operation failed: the next `takeOps` gives everything anew.
    #[wasm_bindgen(js_name = persistFailed)]
    pub fn persist_failed(&mut self) {
        self.0.apply_persist_failure();
    }

    /// Whether no later start has taken the log over.
    #[wasm_bindgen(js_name = stillWriter)]
    pub fn still_writer(&self, files: &Array) -> Result<bool, JsValue> {
        let files = Files::open(files)?;
        Ok(self.0.is_writer(&files.stored()))
    }

    /// Queues a snapshot.
    #[wasm_bindgen(js_name = flushSnapshot)]
    pub fn flush_snapshot(&mut self) {
        self.0.queue_snapshot();
    }

    /// The ledger of consent.
    #[wasm_bindgen(js_name = consentState)]
    pub fn consent_state(&self) -> JsValue {
        consent_out(self.0.consent())
    }

    /// The user agrees.
    #[wasm_bindgen(js_name = consentGrant)]
    pub fn consent_grant(&mut self, policy_version: &str, purposes: &Array, now_ms: f64) -> Result<(), JsValue> {
        let now = engine::instant(now_ms).map_err(refuse)?;
        let purposes = texts_of(purposes).ok_or_else(|| bad(words!("purposes"), words!("a list of texts")))?;
        self.0.grant(policy_version, &purposes, now).map_err(refuse)
    }

    /// The user refuses, or takes the agreement back.
    #[wasm_bindgen(js_name = consentWithdraw)]
    pub fn consent_withdraw(&mut self, erase: bool, now_ms: f64) -> Result<(), JsValue> {
        let now = engine::instant(now_ms).map_err(refuse)?;
        self.0.withdraw(erase, now);
        Ok(())
    }

    /// Switches personalisation.
    #[wasm_bindgen(js_name = setPersonalisation)]
    pub fn set_personalisation(&mut self, on: bool) {
        self.0.set_personalisation(on);
    }

    /// Whether personalisation is on.
    pub fn personalisation(&self) -> bool {
        self.0.personalisation()
    }

    /// The user never wants to see this word of this field.
    pub fn block(&mut self, field: &str, value: &str) -> Result<(), JsValue> {
        self.0.block(field, value).map_err(refuse)
    }

    /// Takes a block back.
    pub fn unblock(&mut self, field: &str, value: &str) {
        self.0.unblock(field, value);
    }

    /// What is blocked.
    pub fn blocks(&self) -> JsValue {
        let list = Array::new();
        for block in self.0.blocks() {
            list.push(&Out::default().text("field", &block.field).text("value", &block.value).close());
        }
        list.into()
    }

    /// Adds or replaces items; gives their handles.
    #[wasm_bindgen(js_name = upsertItems)]
    pub fn upsert_items(&mut self, items: &Array) -> Result<Uint32Array, JsValue> {
        let schema = self.0.schema();
        let mut checked = Vec::with_capacity(items.length() as usize);
        for (index, raw) in items.iter().enumerate() {
            let id = get(&raw, "id").as_string().unwrap_or_default();
            checked.push(Item::open(schema, index, &id, |field| given(&get(&raw, field))).map_err(refuse)?);
        }
        let handles = self.0.upsert(checked).map_err(refuse)?;
        Ok(Uint32Array::from(handles.as_slice()))
    }

    /// Takes items out.
    #[wasm_bindgen(js_name = removeItems)]
    pub fn remove_items(&mut self, ids: &Array) -> Result<(), JsValue> {
        self.0.remove(&texts_of(ids).ok_or_else(|| bad(words!("ids"), words!("a list of texts")))?);
        Ok(())
    }

    /// Records one event; `false` where nothing may be recorded.
    pub fn track(&mut self, action: String, handle: u32, now_ms: f64, detail: JsValue) -> Result<bool, JsValue> {
        let at = engine::instant(now_ms).map_err(refuse)?;
        let detail = self::detail(&detail, self.0.schema())?;
        self.0.track(Track { action, handle, at, detail }).map_err(refuse)
    }

    /// Ranks candidates; typed arrays in, typed arrays out.
    #[allow(clippy::too_many_arguments)]
    pub fn rank(
        &mut self,
        handles: &[u32],
        volatiles: &[f32],
        priors: &[f32],
        flags: &[u8],
        pins: &[u32],
        shown: &[u32],
        options: JsValue,
    ) -> Result<JsValue, JsValue> {
        let mut parts = Parts { object: &options, wrong: !options.is_object(), beyond: None };
        let (surface, now_ms) = (parts.text("surface"), parts.number("nowMs"));
        let slots = parts.long("slots", words!("slots"));
        let tier = parts.short("tier", words!("tier")).unwrap_or(0).into();
        parts.close(words!("options"), words!("an object { surface?, slots, nowMs, tier? }"))?;
        let surface = surface.map(|s| self.0.schema().surface(&s)).transpose().map_err(refuse)?;
        parts.close_ranges()?;
        let now = engine::instant(now_ms.unwrap_or_default()).map_err(refuse)?;
        let slots = slots.map_or(handles.len(), |s| s as usize);
        let request = Request { handles, volatiles, priors, flags, pins, shown, slots, now, surface, tier };
        let slate = self.0.rank(&request).map_err(refuse)?;
        let (mut order, mut scores, mut reasons, mut propensities) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for placed in &slate.placed {
            order.push(placed.index as u32);
            scores.push(placed.score);
            reasons.push(engine::reason_code(placed.reason));
            propensities.push(placed.propensity.unwrap_or(-1.0));
        }
        let out = Out::default()
            .number("slate", slate.id.into())
            .put("order", Uint32Array::from(order.as_slice()).into())
            .put("scores", Float32Array::from(scores.as_slice()).into())
            .put("reasons", Uint32Array::from(reasons.as_slice()).into())
            .put("propensities", Float32Array::from(propensities.as_slice()).into())
            .flag("personalised", slate.personalised)
            .number("tier", slate.tier.map_or(-1.0, |tier| tier as f64))
            .number("tiers", self.0.tiers() as f64);
        Ok(out.close())
    }

    /// The ids of so many items of the bundle's catalogue that suit the user best, best first.
    pub fn retrieve(&mut self, count: u32, seen: bool, now_ms: f64) -> Result<JsValue, JsValue> {
        let now = engine::instant(now_ms).map_err(refuse)?;
        let ids = self.0.retrieve(count as usize, seen, now);
        Ok(listed(&mut ids.into_iter().map(JsValue::from_str)))
    }

    /// What the model predicts of an item: `{ label, probability }` for each of its tasks.
    pub fn predict(&self, handle: u32, now_ms: f64) -> Result<JsValue, JsValue> {
        let now = engine::instant(now_ms).map_err(refuse)?;
        let predictions = self.0.predictions(handle, now).map_err(refuse)?;
        let list = Array::new();
        for p in &predictions {
            list.push(&Out::default().text("label", &p.label).number("probability", p.probability.into()).close());
        }
        Ok(list.into())
    }

    /// Why an item stands where it stands.
    pub fn explain(&self, handle: u32, now_ms: f64) -> Result<JsValue, JsValue> {
        let now = engine::instant(now_ms).map_err(refuse)?;
        let whys = self.0.explain(handle, now).map_err(refuse)?;
        let list = Array::new();
        for w in &whys {
            let out = Out::default().text("code", w.code).text("field", &w.field).text("value", &w.value);
            list.push(&out.number("weight", w.weight.into()).close());
        }
        Ok(list.into())
    }

    /// What the user is held to be interested in.
    pub fn interests(&self, now_ms: f64) -> Result<JsValue, JsValue> {
        let now = engine::instant(now_ms).map_err(refuse)?;
        let list = Array::new();
        for i in self.0.interests(now) {
            let out = Out::default().text("field", &i.field).text("value", &i.value).number("weight", i.weight.into());
            list.push(&out.number("events", i.events.into()).number("lastMs", i.last_ms as f64).close());
        }
        Ok(list.into())
    }

    /// Forgets `{ id }`, `{ field, value }`, `{ sinceMs, untilMs }` or `{ all: true }`; gives how many events went.
    pub fn forget(&mut self, what: JsValue) -> Result<usize, JsValue> {
        let reason = words!("one of { id }, { field, value }, { sinceMs, untilMs }, { all: true }");
        let mut parts = Parts::of(&what, &["id", "field", "value", "sinceMs", "untilMs", "all"]);
        let what = forget_of(&mut parts).ok_or_else(|| bad(words!("what"), reason))?;
        self.0.forget(&what).map_err(refuse)
    }

    /// Takes back the newest such event of the item.
    pub fn undo(&mut self, handle: u32, action: &str) -> Result<bool, JsValue> {
        self.0.undo(handle, action).map_err(refuse)
    }

    /// Everything that is known of the user, as JSON.
    #[wasm_bindgen(js_name = exportData)]
    pub fn export_data(&self) -> Result<JsString, JsValue> {
        // The printer of JavaScript is there anyway; ours would weigh as much as a stage of the ranking.
        JSON::stringify(&plain(&self.0.export_document()))
    }

    /// Erases everything of this account.
    pub fn erase(&mut self) {
        self.0.erase();
    }

    /// Takes a manifest: `{ action: 'current' }`, or `{ action: 'fetch', path, length, sha256, version }`, with `delta`, the path of a shorter way
    /// from the file `base`, where there is one.
    #[wasm_bindgen(js_name = syncManifest)]
    pub fn sync_manifest(&mut self, bytes: &[u8], now_ms: f64) -> Result<JsValue, JsValue> {
        let now = engine::instant(now_ms).map_err(refuse)?;
        let mut out = Out::default();
        match self.0.sync_manifest(bytes, now).map_err(refuse)? {
            Next::Current => out = out.text("action", "current"),
            Next::Fetch { path, length, sha256, version, delta } => {
                if let Some(delta) = delta {
                    out = out.text("delta", &delta.path).text("base", delta.base);
                }
                out = out.text("action", "fetch").text("path", &path).text("sha256", &sha256);
                out = out.number("length", length as f64).number("version", version as f64);
            }
        }
        Ok(out.close())
    }

    /// Takes the bundle that was asked for; it is live when this returns. Gives its version.
    #[wasm_bindgen(js_name = syncBundle)]
    pub fn sync_bundle(&mut self, bytes: &[u8]) -> Result<f64, JsValue> {
        self.0.sync_bundle(bytes).map(|v| v as f64).map_err(refuse)
    }

    /// Takes the delta that was offered and the bytes of its base; the new bundle is live when this returns. Gives its version.
    #[wasm_bindgen(js_name = syncDelta)]
    pub fn sync_delta(&mut self, base: &[u8], delta: &[u8]) -> Result<f64, JsValue> {
        self.0.sync_delta(base, delta).map(|v| v as f64).map_err(refuse)
    }

    /// Follows the root of trust by one; gives its version.
    #[wasm_bindgen(js_name = syncRoot)]
    pub fn sync_root(&mut self, bytes: &[u8]) -> Result<f64, JsValue> {
        self.0.sync_root(bytes).map(|v| v as f64).map_err(refuse)
    }

    /// What is live: `{ version, arm, root, stale }`.
    #[wasm_bindgen(js_name = syncState)]
    pub fn sync_state(&self, now_ms: f64) -> Result<JsValue, JsValue> {
        let state = self.0.sync_state(engine::instant(now_ms).map_err(refuse)?);
        let out = Out::default().number("version", state.version as f64).number("arm", state.arm.into());
        Ok(out.number("root", state.root as f64).flag("stale", state.stale).close())
    }

    /// Figures for the self-test and the inspector.
    pub fn report(&self) -> Result<JsValue, JsValue> {
        let r = self.0.report();
        let out = Out::default()
            .number("events", r.events as f64)
            .number("segments", r.segments as f64)
            .number("bytes", r.bytes as f64)
            .number("matured", r.matured as f64)
            .number("learned", r.learned as f64)
            .put("trust", serde_wasm_bindgen::to_value(&r.trust)?)
            .number("bundle", r.bundle as f64)
            .number("tiers", r.tiers as f64)
            .number("tier", r.tier as f64)
            .number("items", r.items as f64)
            .flag("quarantined", r.quarantined)
            .number("folded", self.0.folded() as f64);
        Ok(out.close())
    }
}
