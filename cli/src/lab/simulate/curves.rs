//! Cold start: people appear with an empty phone and a frozen model, and what they see gets better with what they do, or does not.
//!
//! Unlike an evaluation on recorded events, the loop is closed: what a ranker shows is what its user can answer, and what the user answers is
//! all that the phone learns from. Every person lives once under each ranker, with the same tastes, the same candidates and the same
//! occasions; only the order differs, and what follows from it.
//!
//! **An occasion**: `pool` candidates, drawn without replacement; a ranker puts `size` of them in front of the person, who looks at the first few of
//! them as in [`super`], and leaves after a number of places that is drawn anew each time. Four occasions make a session, one to two days apart.
//!
//! **Quality** of a slate: the mean probability, known to the simulation alone, that its offers would be opened if they were looked at. It
//! is put between that of a random slate (0) and of the best one (1), occasion by occasion.

use super::super::catalogue::Catalogue;
use super::super::dataset::{LabEvent, Row, Split, User};
use super::super::examples::progress;
use super::super::metrics::{EARLIER, bucket};
use super::super::phone::Head;
use super::super::plot::{self, Series};
use super::super::replay::{Replay, Signal};
use super::super::report;
use super::super::schema_file::SchemaFile;
use super::shopper::Shopper;
use super::stock::Stock;
use super::{Actions, Behaviour, START_MS};
use anyhow::bail;
use serde::Serialize;
use std::fmt::Write as _;
use std::rc::Rc;
use zhiji::features::{Context, Layout};
use zhiji::item::Item;
use zhiji::rng::{Rng, seed_of};
use zhiji::schema::Schema;
use zhiji::score::Ranker;
use zhiji::state::Observe;
use zhiji::time::{DAY_MS, MINUTE_MS};

/// Occasions of one session.
const SESSION: u32 = 4;
/// People of the curves bear numbers from here on: none of them is in a data set that [`super::run`] wrote with the same seed.
const NEWCOMERS: u32 = 1 << 24;

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// The server's own order, which knows nobody.
    Popularity,
    /// The model, on a phone that remembers nothing.
    Frozen,
    /// The model, over what the phone's fold remembers.
    Fold,
    /// The same, corrected by the personal head.
    Head,
}

impl Way {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 4] = [Self::Popularity, Self::Frozen, Self::Fold, Self::Head];

    /// The name in tables and pictures.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Popularity => "popularity",
            Self::Frozen => "frozen bundle",
            Self::Fold => "fold features",
            Self::Head => "fold and personal head",
        }
    }
}

/// How the curves are drawn.
#[derive(Clone, Copy, Debug)]
pub struct Trial {
    /// People.
    pub users: u32,
    /// Occasions of each.
    pub occasions: u32,
    /// Candidates of an occasion.
    pub pool: usize,
    /// Places of a slate.
    pub size: usize,
    /// The seed of the world, as in [`super::Crowd`], and of everything that is drawn.
    pub seed: u64,
    /// How they behave.
    pub behaviour: Behaviour,
}

/// Mean quality over the slates of one bucket of local events.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Point {
    /// Local events before the slate, as in an evaluation.
    pub earlier: &'static str,
    /// Slates.
    pub slates: u64,
    /// Mean probability that an offer of the slate would be opened.
    pub opened: f64,
    /// Between random (0) and best (1).
    pub quality: f64,
    /// Standard error of `quality`, people being independent of one another.
    pub standard_error: f64,
}

/// The curve of one ranker.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Curve {
    /// Its name.
    pub way: &'static str,
    /// Its points, the empty phone first; buckets without a slate are left out.
    pub points: Vec<Point>,
    /// Quality over all slates.
    pub quality: f64,
}

/// What was found. This is what `--json` prints.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Curves {
    /// The schema's space.
    pub space: String,
    /// People.
    pub users: u32,
    /// Occasions of each.
    pub occasions: u32,
    /// Candidates of an occasion.
    pub pool: usize,
    /// Places of a slate.
    pub size: usize,
    /// The seed.
    pub seed: u64,
    /// Share of people whose taste changes halfway.
    pub drift: f32,
    /// Logits lost by every passing over.
    pub weariness: f32,
    /// Fall of attention.
    pub attention: f32,
    /// One for each way.
    pub curves: Vec<Curve>,
}

/// Quality of the slates of one person in one bucket.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    slates: f64,
    opened: f64,
    quality: f64,
}

/// One person's phone under one ranker.
struct Phone<'a> {
    way: Way,
    shopper: Shopper<'a>,
    replay: Replay,
    head: Head<'a>,
    at: i64,
}

/// What an occasion is, whatever is shown.
struct Occasion {
    pool: Vec<u32>,
    mood: u32,
    begins_ms: i64,
    looks_at: usize,
}

/// Draws the curves of a ranker.
///
/// # Errors
/// Where the schema or the items do not fit, a number is out of range, or a score is not finite.
pub fn run(
    file: &SchemaFile,
    items: &[serde_json::Value],
    layout: &Rc<Layout>,
    ranker: &Ranker,
    trial: Trial,
) -> anyhow::Result<Curves> {
    trial.behaviour.check()?;
    let seed = seed_of(trial.seed);
    let (stock, actions) = (Stock::new(&file.schema, items, &seed)?, Actions::new(file)?);
    let (pool, size) = (trial.pool.min(stock.offers.len()), trial.size);
    if trial.users == 0 || trial.occasions == 0 || size == 0 || size >= pool {
        bail!("give at least one user, one occasion, and more candidates than places: {pool} are on offer for {size}");
    }
    let schema = Rc::new(Schema::open(&file.json).map_err(|e| anyhow::anyhow!("{e}"))?);
    let known: Vec<Rc<Item>> = stock.offers.iter().map(|offer| Rc::clone(&offer.item)).collect();
    let priors = stock.offers.iter().map(|offer| offer.prior).collect();
    let mut catalogue = Catalogue::new(&schema, layout, ranker, &known).with_priors(priors);
    let blank = Replay::new(Rc::clone(&schema), Rc::clone(layout))?;

    let mut sums = vec![vec![vec![Sum::default(); trial.users as usize]; EARLIER.len()]; Way::ALL.len()];
    let bar = progress(u64::from(trial.users), "people followed");
    for user in 0..trial.users {
        let mut phones = Vec::new();
        for way in Way::ALL {
            phones.push(Phone {
                way,
                shopper: Shopper::new(&stock, &actions, trial.behaviour, &seed, NEWCOMERS + user),
                replay: Replay::new(Rc::clone(&schema), Rc::clone(layout))?,
                head: Head::new(ranker),
                at: START_MS,
            });
        }
        let mut rng = Rng::derive(&seed, "occasions", &user.to_le_bytes());
        let (mut begins_ms, mut mood) = (START_MS, 0);
        for number in 0..trial.occasions {
            if number % SESSION == 0 {
                begins_ms += DAY_MS + i64::from(rng.below(u32::try_from(DAY_MS)?));
                mood = rng.word() as u32;
            }
            if number == trial.occasions / 2 {
                let (slot, category) = (rng.word() as u32, rng.below(stock.categories.max(1)));
                for phone in phones.iter_mut().filter(|phone| phone.shopper.drifts() && stock.categories > 0) {
                    phone.shopper.change_taste(slot, category);
                }
            }
            let looks_at = 1 + rng.below(u32::try_from(size)?) as usize;
            let occasion = Occasion { pool: draw(&mut rng, stock.offers.len(), pool), mood, begins_ms, looks_at };
            for (way, phone) in phones.iter_mut().enumerate() {
                let state = if phone.way == Way::Frozen { blank.state() } else { phone.replay.state() };
                let context = Context { now_ms: occasion.begins_ms.max(phone.at), utc_offset_minutes: 0 };
                phone.head.learn(context.now_ms);
                let order = order(&stock, &mut catalogue, phone.way, state, context, &mut phone.head, &occasion.pool)?;
                let earlier = bucket(phone.replay.events());
                let sum = &mut sums[way][earlier][user as usize];
                judge(&phone.shopper, &occasion, &order[..size], sum);
                live(phone, &stock, &schema, &occasion, &order)?;
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();

    let curves = Way::ALL.iter().zip(&sums).map(|(way, buckets)| curve(*way, buckets)).collect();
    Ok(Curves {
        space: schema.space.clone(),
        users: trial.users,
        occasions: trial.occasions,
        pool,
        size,
        seed: trial.seed,
        drift: trial.behaviour.drift,
        weariness: trial.behaviour.weariness,
        attention: trial.behaviour.attention,
        curves,
    })
}

/// So many of the offers, none twice.
fn draw(rng: &mut Rng, offers: usize, many: usize) -> Vec<u32> {
    let mut all: Vec<u32> = (0..offers as u32).collect();
    for at in 0..many {
        let other = at + rng.below((offers - at) as u32) as usize;
        all.swap(at, other);
    }
    all.truncate(many);
    all
}

/// The candidates, the best first; of equal ones the first drawn comes first.
fn order(
    stock: &Stock,
    catalogue: &mut Catalogue<'_>,
    way: Way,
    state: &Observe,
    context: Context,
    head: &mut Head<'_>,
    pool: &[u32],
) -> anyhow::Result<Vec<u32>> {
    let mut scored: Vec<(f32, u32)> = Vec::with_capacity(pool.len());
    if way == Way::Popularity {
        scored.extend(pool.iter().map(|&index| (stock.offers[index as usize].rank, index)));
    } else {
        let places = pool.iter().map(|&index| index as usize);
        catalogue.score_some(state, context, head, places, |i, alone, with_head| {
            scored.push((if way == Way::Head { with_head } else { alone }, i as u32));
        })?;
    }
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    Ok(scored.into_iter().map(|(_, index)| index).collect())
}

/// Adds how good a slate is for the person.
fn judge(shopper: &Shopper<'_>, occasion: &Occasion, slate: &[u32], sum: &mut Sum) {
    let mood = shopper.mood(occasion.mood);
    let chance = |index: &u32| f64::from(shopper.chance(*index, mood));
    let mean = |chances: &[f64]| chances.iter().sum::<f64>() / chances.len() as f64;
    let mut all: Vec<f64> = occasion.pool.iter().map(chance).collect();
    let any = mean(&all);
    all.sort_by(|a, b| b.total_cmp(a));
    let best = mean(&all[..slate.len()]);
    let this = mean(&slate.iter().map(chance).collect::<Vec<f64>>());
    sum.slates += 1.0;
    sum.opened += this;
    sum.quality += if best > any { (this - any) / (best - any) } else { 1.0 };
}

/// The person looks at a slate, and the phone records what they do.
fn live(
    phone: &mut Phone<'_>,
    stock: &Stock,
    schema: &Schema,
    occasion: &Occasion,
    order: &[u32],
) -> anyhow::Result<()> {
    let mut rows: Vec<Row> = Vec::new();
    let mut at = occasion.begins_ms.max(phone.at);
    let mut events = Vec::new();
    for (position, &index) in (0u32..).zip(&order[..occasion.looks_at]) {
        let mood = phone.shopper.mood(occasion.mood);
        at = phone.shopper.meet(index, position, at, mood, Split::Test, &mut rows);
        for row in rows.drain(..) {
            events.push(LabEvent::of(schema, &stock.offers[index as usize].item, &row)?);
        }
    }
    // The next occasion of a session comes a while later.
    phone.at = at + 5 * MINUTE_MS;
    let Phone { replay, head, .. } = phone;
    replay.run(&User { id: String::new(), events }, |signal| match signal {
        Signal::Reset => head.reset(),
        Signal::New(example, _, matured_ms) | Signal::Again(example, matured_ms) => head.remember(example, matured_ms),
        Signal::Next { .. } => {}
    });
    Ok(())
}

/// The means of one way.
fn curve(way: Way, buckets: &[Vec<Sum>]) -> Curve {
    let mut points = Vec::new();
    let (mut all, mut slates) = (0.0, 0.0);
    for ((_, earlier), people) in EARLIER.iter().zip(buckets) {
        let total = people.iter().fold(Sum::default(), |a, b| Sum {
            slates: a.slates + b.slates,
            opened: a.opened + b.opened,
            quality: a.quality + b.quality,
        });
        if total.slates == 0.0 {
            continue;
        }
        let quality = total.quality / total.slates;
        // Of a ratio of sums over people: their residuals.
        let residual = |s: &Sum| (s.quality - quality * s.slates) * (s.quality - quality * s.slates);
        let standard_error = people.iter().map(residual).sum::<f64>().sqrt() / total.slates;
        let opened = total.opened / total.slates;
        points.push(Point { earlier, slates: total.slates as u64, opened, quality, standard_error });
        all += total.quality;
        slates += total.slates;
    }
    Curve { way: way.name(), points, quality: all / f64::max(slates, 1.0) }
}

impl Curves {
    /// The value of one way in one bucket.
    fn at(&self, way: usize, earlier: &str) -> Option<&Point> {
        self.curves.get(way)?.points.iter().find(|point| point.earlier == earlier)
    }

    /// As lines for people.
    pub fn text(&self) -> String {
        let mut out = format!(
            "{} people, {} slates of {} out of {} candidates; 0 is a random slate, 1 the best one\n{:24}",
            self.users, self.occasions, self.size, self.pool, "local events"
        );
        for (_, earlier) in EARLIER {
            let _ = write!(out, "{earlier:>8}");
        }
        out.push_str("     all\n");
        for (way, curve) in self.curves.iter().enumerate() {
            let _ = write!(out, "{:24}", curve.way);
            for (_, earlier) in EARLIER {
                let shown = self.at(way, earlier).map_or("–".into(), |point| format!("{:.3}", point.quality));
                let _ = write!(out, "{shown:>8}");
            }
            let _ = writeln!(out, "{:>8.3}", curve.quality);
        }
        out
    }

    /// As one page, without scripts.
    ///
    /// # Errors
    /// None that a caller can cause.
    pub fn html(&self) -> anyhow::Result<String> {
        let title = format!("Cold start in “{}”", self.space);
        let mut page = format!(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
             <title>{0}</title><style>{1}</style></head><body><header><h1>{0}</h1><p>{2} invented people with empty phones, {3} slates of {4} out of \
             {5} candidates each, seed {6}. Drift {7}, weariness {8}, attention {9}.</p></header><main><section><h2>Quality by local events</h2>",
            report::escape(&title),
            report::STYLE,
            self.users,
            self.occasions,
            self.size,
            self.pool,
            self.seed,
            self.drift,
            self.weariness,
            self.attention
        );
        let names: Vec<&str> = EARLIER.iter().map(|e| e.1).collect();
        let series: Vec<Series<'_>> = self
            .curves
            .iter()
            .enumerate()
            .map(|(way, curve)| Series {
                name: curve.way,
                values: names.iter().map(|earlier| self.at(way, earlier).map(|point| point.quality)).collect(),
            })
            .collect();
        let drawn = plot::lines(&names, "events on the phone before the slate", "quality of the slate", &series)?;
        report::picture(&mut page, &drawn, "Quality: 0 is a random slate, 1 the best one that the candidates allow.");
        let rows: Vec<Vec<String>> = self
            .curves
            .iter()
            .flat_map(|curve| {
                curve.points.iter().map(|p| {
                    let mut row = vec![curve.way.to_string(), p.earlier.to_string(), p.slates.to_string()];
                    row.extend([p.opened, p.quality, p.standard_error].map(|x| format!("{x:.4}")));
                    row
                })
            })
            .collect();
        let header = ["order", "local events", "slates", "opened", "quality", "standard error"];
        report::table(&mut page, &header, &rows);
        page.push_str(
            "</section><section class=\"notes\"><p>The people are invented: what is shown is how a ranker copes with behaviour of which the rules are \
             known, and nothing about people.</p></section></main></body></html>\n",
        );
        Ok(page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = r#"{ "space": "shop",
        "fields": { "category": { "kind": "category" }, "price": { "kind": "number", "scale": "log" } },
        "actions": { "impression": { "role": "impression" }, "open": { "weight": 1 } },
        "labels": { "click": { "positive": ["open"], "windowMinutes": 30 } }, "surfaces": ["home"] }"#;

    fn curves(users: u32, seed: u64, behaviour: Behaviour) -> Curves {
        let items: Vec<_> = (0..300)
            .map(|i| serde_json::json!({ "id": format!("i{i}"), "category": format!("c{}", i % 12), "price": 10 + i }))
            .collect();
        let file = super::super::super::schema_file::parse(SCHEMA).expect("a schema");
        let layout = Rc::new(Layout::new(&file.schema));
        let ranker = Ranker::starter(&layout);
        let trial = Trial { users, occasions: 24, pool: 60, size: 6, seed, behaviour };
        run(&file, &items, &layout, &ranker, trial).expect("curves")
    }

    #[test]
    fn what_is_remembered_helps_and_the_rest_stays_as_it_was() {
        let found = curves(40, 5, Behaviour::default());
        let (first, last) = (EARLIER[0].1, EARLIER[7].1);
        let quality = |way, earlier| found.at(way, earlier).expect("a point").quality;
        // The same slate for an empty phone, whatever it will remember.
        assert_eq!(quality(1, first).to_bits(), quality(2, first).to_bits());
        assert_eq!(quality(2, first).to_bits(), quality(3, first).to_bits());
        let gain = quality(2, last) - quality(1, last);
        assert!(gain > 0.15, "after a hundred events the fold gains {gain}");
        let served: u64 = found.curves[0].points.iter().map(|point| point.slates).sum();
        assert_eq!(served, 40 * 24);
    }

    #[test]
    fn the_seed_decides_every_bit() {
        let text = |seed| serde_json::to_string(&curves(5, seed, Behaviour::default())).expect("JSON");
        assert_eq!(text(1), text(1));
        assert_ne!(text(1), text(2));
    }

    #[test]
    fn changing_tastes_are_harder_to_follow() {
        let late = |drift| curves(25, 5, Behaviour { drift, ..Behaviour::default() }).curves[2].quality;
        let (steady, drifting) = (late(0.0), late(1.0));
        assert!(drifting < steady, "{drifting} is not below {steady}");
    }

    #[test]
    fn the_page_is_whole_and_bad_numbers_are_named() {
        let page = curves(2, 1, Behaviour::default()).html().expect("a page");
        assert!(page.starts_with("<!doctype html>") && page.contains("<svg") && !page.contains("<script"));
        assert!(Behaviour { drift: f32::NAN, ..Behaviour::default() }.check().is_err());
        let refused = Behaviour { weariness: 11.0, ..Behaviour::default() }.check().expect_err("too much");
        assert!(refused.to_string().contains("--weariness"));
    }
}
