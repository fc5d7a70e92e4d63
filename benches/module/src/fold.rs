//! A phone with a log: what the fold, the personal head and a recorded event cost.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::slice::from_raw_parts as slice;

use zhiji::engine::{Engine, Request, Track};
use zhiji::event::Detail;
use zhiji::features::Layout;
use zhiji::item::{Given, Item};
use zhiji::log::{Log, StoreOp, StoredFile, newest_generation};
use zhiji::schema::Schema;
use zhiji::state::{Observe, Unread};
use zhiji::time::Timestamp;

const ITEMS: u32 = 500;
const CATEGORIES: u32 = 24;
const START_MS: i64 = 1_750_000_000_000;

/// A phone: its engine, its files, and how far its user has come.
pub struct Phone {
    schema: String,
    engine: Engine,
    files: BTreeMap<String, Vec<u8>>,
    handles: Vec<u32>,
    event: u32,
    /// What [`observe`] folds.
    log: Option<(Log, Rc<Schema>, Rc<Layout>)>,
}

impl Phone {
    fn new(schema: &str) -> Option<Self> {
        let mut engine = Engine::new(schema, Some([7; 32]), None).ok()?;
        engine.open_control(&[]);
        engine.grant("1", &["recommend".into()], at(0)?).ok()?;
        engine.open_log(&[], 480);
        let mut items = Vec::new();
        for n in 0..ITEMS {
            items.push(item(&engine, n)?);
        }
        let handles = engine.upsert(items).ok()?;
        Some(Phone { schema: schema.into(), engine, files: BTreeMap::new(), handles, event: 0, log: None })
    }

    /// The next event: of ten impressions one is opened, and of three opened ones one goes into the cart.
    fn track(&mut self) -> bool {
        let n = self.event;
        self.event += 1;
        // Neighbours are liked together, so that there is something to learn.
        let place = n.wrapping_mul(2_654_435_761) >> 16;
        let (action, item) = match n % 31 {
            10 | 20 | 30 => ("open", n / 31 * 7 % ITEMS),
            15 => ("cart", n / 31 * 7 % ITEMS),
            _ => ("impression", place % ITEMS),
        };
        let detail = Detail { surface: Some(0), position: Some((n % 10) as u16), ..Detail::default() };
        let Some(at) = at(i64::from(n) * 20_000) else { return false };
        let handle = self.handles[item as usize];
        self.engine.track(Track { action: action.into(), handle, at, detail }).is_ok()
    }

    /// Carries out what the engine wants written.
    fn flush(&mut self) {
        for op in self.engine.take_ops() {
            match op {
                StoreOp::Append { name, bytes } => self.files.entry(name).or_default().extend(bytes),
                StoreOp::Write { name, bytes } => drop(self.files.insert(name, bytes)),
                StoreOp::Remove { name } => drop(self.files.remove(&name)),
                StoreOp::Clear => self.files.clear(),
            }
        }
    }

    fn stored(&self) -> Vec<StoredFile<'_>> {
        self.files.iter().map(|(name, bytes)| StoredFile { name, bytes }).collect()
    }
}

fn at(ms: i64) -> Option<Timestamp> {
    Timestamp::from_ms(START_MS + ms).ok()
}

fn item(engine: &Engine, n: u32) -> Option<Item> {
    Item::open(engine.schema(), 0, &format!("sku{n}"), |field| match field {
        "category" => Given::Text(format!("category {}", n % CATEGORIES)),
        "tags" => Given::Texts(vec![format!("tag {}", n % 40), format!("tag {}", 40 + n % 9)]),
        "creator" => Given::Text(format!("creator {}", n % 60)),
        "price" => Given::Number(10.0 + f64::from(n)),
        _ => Given::Nothing,
    })
    .ok()
}

/// A phone under this schema with so many events in its log; null where something is refused.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn phone(schema: *const u8, length: usize, events: u32) -> *mut Phone {
    // SAFETY: see the head of the module.
    let schema = str::from_utf8(unsafe { slice(schema, length) }).ok();
    let Some(mut phone) = schema.and_then(Phone::new) else { return core::ptr::null_mut() };
    for n in 0..events {
        if !phone.track() {
            return core::ptr::null_mut();
        }
        if n % 32 == 31 {
            phone.flush();
        }
    }
    phone.flush();
    Box::leak(Box::new(phone))
}

/// Reads the log of the phone's files, for [`observe`]; gives how many events it holds.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn read(phone: *mut Phone) -> u32 {
    // SAFETY: see the head of the module.
    let phone = unsafe { &mut *phone };
    let schema = Rc::new(phone.engine.schema().clone());
    let stored = phone.stored();
    let generation = newest_generation(&mut stored.iter().map(|file| file.name)).unwrap_or(0);
    let (log, _) = Log::open(Rc::clone(&schema), 0, generation, &stored);
    let events = u32::try_from(log.len()).unwrap_or(u32::MAX);
    let layout = Rc::new(Layout::new(&schema));
    phone.log = Some((log, schema, layout));
    events
}

/// Folds the events of the log that was read; gives how many labels matured.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn observe(phone: *const Phone) -> u32 {
    // SAFETY: see the head of the module.
    let Some((log, schema, layout)) = &unsafe { &*phone }.log else { return 0 };
    let mut observe = Observe::new(Rc::clone(schema), Rc::clone(layout));
    // As the engine folds what lies behind it: see `Engine::refold`.
    let last = log.events().map(|event| event.at.ms()).max().unwrap_or(0);
    observe.leave_out(Unread { until_ms: last, ..Unread::NONE });
    let mut labels = 0;
    for event in log.events() {
        observe.step(event, &mut |_| labels += 1);
    }
    labels
}

/// Starts an engine on the phone's files: reads the log, and folds it. The phone goes on with this engine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn start(phone: *mut Phone) -> u32 {
    // SAFETY: see the head of the module.
    let phone = unsafe { &mut *phone };
    let Ok(mut engine) = Engine::new(&phone.schema, Some([7; 32]), None) else { return 0 };
    let stored = phone.stored();
    engine.open_control(&stored);
    let events = engine.open_log(&stored, 480).events;
    drop(stored);
    phone.engine = engine;
    u32::try_from(events).unwrap_or(u32::MAX)
}

/// Gives the personal head the labels of so many events; whether it is up to date now.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adapt(phone: *mut Phone, events: u32) -> u32 {
    // SAFETY: see the head of the module.
    u32::from(unsafe { &mut *phone }.engine.adapt(events as usize))
}

/// Records the next event; what is to be written is dropped, every 32 events.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn track(phone: *mut Phone) -> u32 {
    // SAFETY: see the head of the module.
    let phone = unsafe { &mut *phone };
    let sound = phone.track();
    if phone.event.is_multiple_of(32) {
        drop(phone.engine.take_ops());
    }
    u32::from(sound)
}

/// Ranks the first `candidates` items, and gives how many places were filled.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rank(phone: *mut Phone, candidates: usize, slots: usize) -> u32 {
    // SAFETY: see the head of the module.
    let phone = unsafe { &mut *phone };
    let Some(now) = at(i64::from(phone.event) * 20_000) else { return 0 };
    let handles = &phone.handles[..candidates.min(phone.handles.len())];
    let request = Request { surface: Some(0), ..Request::new(handles, slots, now) };
    phone.engine.rank(&request).map_or(0, |slate| u32::try_from(slate.placed.len()).unwrap_or(0))
}
