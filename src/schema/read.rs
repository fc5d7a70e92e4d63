//! From the JSON of a schema to a checked one.
//!
//! Reading goes on whatever it meets, and the first mistake is told at the end (see `json::Place`): the straight line is small, and a
//! schema is read once in a start.

use super::{
    Action, Explore, Field, Filter, Kind, Label, NAME_BYTES_MOST, NAMES_MOST, Policy, Retention, Role, Rule, Scale,
    Schema, Window, days_ms, minutes_ms,
};
use crate::error::{Error, Result};
use crate::json::{Faults, Json, Place};
use crate::time::HalfLife;
use crate::words::{Words, words};
use alloc::string::String;
use alloc::vec::Vec;

/// The first thing that a schema may not say.
#[derive(Default)]
struct Mistakes(Option<Error>);

impl Mistakes {
    /// Remembers a mistake, unless `holds`; what was said first stays. `at` are the parts of its place, joined by dots.
    #[inline(never)]
    fn unless(&mut self, holds: bool, at: &[&str], reason: Words) {
        if !holds && self.0.is_none() {
            let mut place = String::new();
            for part in at {
                if !place.is_empty() {
                    place.push('.');
                }
                place.push_str(part);
            }
            self.0 = Some(Error::BadSchema { at: place, reason });
        }
    }

    /// Checks that there are not too many names, that each is short and that none stands twice.
    fn names(&mut self, at: &str, place: Place<'_>, name: for<'a> fn(Place<'a>) -> &'a str) {
        let count = place.len();
        self.unless(count <= NAMES_MOST, &[at], words!("at most 32 of them"));
        for index in 0..count.min(NAMES_MOST) {
            let one = name(place.at(index));
            let short = !one.is_empty() && one.len() <= NAME_BYTES_MOST;
            // A long name is not repeated in the error.
            let shown = if short { one } else { "…" };
            self.unless(short, &[at, shown], words!("a name has 1 to 32 bytes"));
            let mut before = 0..index;
            let twice = before.any(|other| name(place.at(other)) == one);
            self.unless(!twice, &[at, shown], words!("this name stands twice; keep one"));
        }
    }
}

/// What stands under a key that may be left out.
#[inline(never)]
fn maybe<'a>(place: Place<'a>, key: &'static str) -> Option<Place<'a>> {
    place.key(key).given()
}

/// The number where one is given, else `otherwise`.
fn single_or(place: Place<'_>, otherwise: f32) -> f32 {
    place.given().map_or(otherwise, Place::single)
}

fn index_of(actions: &[Action], name: &str) -> Option<u8> {
    actions.iter().position(|a| a.name == name).and_then(|at| u8::try_from(at).ok())
}

/// Reads and checks a schema; its fingerprint is not computed yet.
pub(super) fn read(text: &str) -> Result<Schema> {
    let unreadable = |_| Error::BadSchema {
        at: "(document)".into(),
        reason: words!(
            "give the JSON of a schema; unknown keys and wrong types are refused (docs/schema.md has an example)"
        ),
    };
    let document = Json::open(text.as_bytes()).map_err(unreadable)?;
    let faults = Faults::default();
    let mut mistakes = Mistakes::default();
    let schema = schema(document.read(&faults), &mut mistakes);
    faults.close().map_err(unreadable)?;
    mistakes.0.map_or(Ok(schema), Err)
}

fn schema(place: Place<'_>, mistakes: &mut Mistakes) -> Schema {
    place.only(&["space", "fields", "actions", "labels", "surfaces", "halfLifeDays", "retention", "policy"]);
    let space = place.key("space").text();
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    let named = !space.is_empty() && space.len() <= NAME_BYTES_MOST && space.bytes().all(plain);
    mistakes.unless(named, &["space"], words!("1 to 32 of the characters a–z, 0–9, - and _ (it names a folder)"));
    let (fields_place, actions_place) = (place.key("fields"), place.key("actions"));
    mistakes.names("fields", fields_place, |one| one.name());
    mistakes.names("actions", actions_place, |one| one.name());
    let labels_place = maybe(place, "labels");
    let surfaces_place = maybe(place, "surfaces");
    if let Some(labels) = labels_place {
        mistakes.names("labels", labels, |one| one.name());
    }
    if let Some(surfaces) = surfaces_place {
        mistakes.names("surfaces", surfaces, |one| one.text());
    }
    let fields = fields(fields_place, mistakes);
    let actions = actions(actions_place, mistakes);
    let labels = labels_place.map_or_else(Vec::new, |labels| self::labels(labels, &actions, mistakes));
    let half_lives = half_lives(place.key("halfLifeDays"), mistakes);
    let retention = retention(place.key("retention"), mistakes);
    let policy = policy(place.key("policy"), &fields, mistakes);
    Schema {
        space: space.into(),
        fields,
        actions,
        labels,
        surfaces: surfaces_place.map_or_else(Vec::new, Place::texts),
        half_lives,
        retention,
        policy,
        fingerprint: 0,
    }
}

fn fields(place: Place<'_>, mistakes: &mut Mistakes) -> Vec<Field> {
    let mut fields = Vec::new();
    for index in 0..place.len() {
        let field = place.at(index).only(&["kind", "scale", "volatile"]);
        let name = field.name();
        let own = ["id", "prior", "pinned", "ad"].contains(&name);
        mistakes.unless(!own, &["fields", name], words!("this name belongs to the item itself; choose another"));
        let kind = field.key("kind").one_of(&["category", "tags", "number", "group"]);
        let scale = maybe(field, "scale").map(|scale| [Scale::Linear, Scale::Log][scale.one_of(&["linear", "log"])]);
        let volatile = maybe(field, "volatile").is_some_and(Place::flag);
        let numeric = kind == 2 || scale.is_none() && !volatile;
        mistakes.unless(numeric, &["fields", name], words!("`scale` and `volatile` are for number fields"));
        let kind = [Kind::Category, Kind::Tags, Kind::Number { scale }, Kind::Group][kind];
        fields.push(Field { name: name.into(), kind, volatile });
    }
    fields
}

fn actions(place: Place<'_>, mistakes: &mut Mistakes) -> Vec<Action> {
    let mut actions = Vec::new();
    let mut impressions = 0;
    for index in 0..place.len() {
        let action = place.at(index).only(&["role", "weight"]);
        let name = action.name();
        let impression = maybe(action, "role").map(|role| role.one_of(&["impression"])).is_some();
        let weight = action.key("weight");
        mistakes.unless(!impression || !weight.is_given(), &["actions", name], words!("an impression has no weight"));
        let weight = single_or(weight, 0.0);
        let bounded = (-100.0..=100.0).contains(&weight);
        mistakes.unless(bounded, &["actions", name, "weight"], words!("a number between -100 and 100"));
        impressions += u32::from(impression);
        let role = if impression { Role::Impression } else { Role::Act { weight } };
        actions.push(Action { name: name.into(), role });
    }
    mistakes.unless(impressions <= 1, &["actions"], words!("at most one action has the role `impression`"));
    actions
}

fn labels(place: Place<'_>, actions: &[Action], mistakes: &mut Mistakes) -> Vec<Label> {
    let mut labels = Vec::new();
    for index in 0..place.len() {
        let label = place.at(index).only(&["positive", "windowMinutes", "action", "atLeast"]);
        let name = label.name();
        let at = ["labels", name];
        let unknown = words!("names an action that `actions` does not have");
        let (positive, window) = (label.key("positive"), label.key("windowMinutes"));
        let (action, at_least) = (label.key("action"), label.key("atLeast"));
        let rule = if positive.is_given() {
            let minutes = window.given().map_or(30.0, Place::number);
            mistakes.unless(
                (0.1..=10_080.0).contains(&minutes),
                &at,
                words!("`windowMinutes` is between 0.1 and 10,080"),
            );
            let mut bits = 0u32;
            for one in 0..positive.len() {
                let found = index_of(actions, positive.at(one).text());
                mistakes.unless(found.is_some(), &at, unknown);
                bits |= found.map_or(0, |bit| 1u32.wrapping_shl(bit.into()));
            }
            let usable = bits != 0 && actions.iter().any(|a| a.role == Role::Impression);
            mistakes.unless(usable, &at, words!("name at least one action, and give one action the role `impression`"));
            Rule::Follows { positive: bits, window_ms: minutes_ms(minutes) }
        } else {
            let found = action.given().and_then(|action| index_of(actions, action.text()));
            mistakes.unless(found.is_some() || !action.is_given(), &at, unknown);
            Rule::Value { action: found.unwrap_or(0), at_least: single_or(at_least, f32::NAN) }
        };
        let whole = match rule {
            Rule::Follows { .. } => !action.is_given() && !at_least.is_given(),
            Rule::Value { at_least, .. } => action.is_given() && !window.is_given() && at_least.is_finite(),
        };
        mistakes.unless(whole, &at, words!("give either `positive` (and `windowMinutes`), or `action` and `atLeast`"));
        labels.push(Label { name: name.into(), rule });
    }
    labels
}

fn half_lives(place: Place<'_>, mistakes: &mut Mistakes) -> Vec<HalfLife> {
    let mut half_lives = Vec::new();
    let given = place.given();
    let count = given.map_or(2, Place::len);
    mistakes.unless((1..=4).contains(&count), &["halfLifeDays"], words!("give one to four half-lives"));
    for index in 0..count {
        let days = given.map_or([1.0, 30.0][index & 1], |list| list.at(index).number());
        let half_life = HalfLife::from_days(days);
        mistakes.unless(half_life.is_some(), &["halfLifeDays"], words!("days between one minute and ten years"));
        if let Some(half_life) = half_life {
            half_lives.push(half_life);
        }
    }
    half_lives
}

fn retention(place: Place<'_>, mistakes: &mut Mistakes) -> Retention {
    let (mut events, mut days) = (4_096, 180.0);
    if place.is_given() {
        place.only(&["events", "days"]);
        (events, days) = (place.key("events").count(), place.key("days").number());
    }
    let bounded = (256..=65_536).contains(&events) && (1.0..=3_653.0).contains(&days);
    mistakes.unless(bounded, &["retention"], words!("256 to 65,536 events and 1 to 3,653 days"));
    Retention { events, age_ms: days_ms(days) }
}

fn policy(place: Place<'_>, fields: &[Field], mistakes: &mut Mistakes) -> Policy {
    let mut policy = Policy {
        filters: Vec::new(),
        lambda: 1.0,
        windows: Vec::new(),
        fatigue_after: u32::MAX,
        fatigue_penalty: 0.0,
        explore_slots: 0,
        epsilon: 0.0,
        explore_by: Explore::Greedy,
        explore_width: 1.0,
        page_order: 0.3,
        cold_model: false,
    };
    if !place.is_given() {
        return policy;
    }
    place.only(&["filters", "diversity", "windows", "fatigue", "explore", "pageOrder", "cold"]);
    let find = |name: &str, number: bool| {
        fields.iter().position(|f| f.name == name && matches!(f.kind, Kind::Number { .. }) == number)
    };
    let unknown = words!("names a field that `fields` does not have, or one of the wrong kind");
    if let Some(filters) = maybe(place, "filters") {
        for index in 0..filters.len() {
            let filter = filters.at(index).only(&["field", "atLeast"]);
            let field = find(filter.key("field").text(), true);
            mistakes.unless(field.is_some(), &["policy.filters"], unknown);
            policy.filters.push(Filter { field: field.unwrap_or(0), at_least: filter.key("atLeast").single() });
        }
    }
    if let Some(windows) = maybe(place, "windows") {
        for index in 0..windows.len() {
            let window = windows.at(index).only(&["field", "most", "within"]);
            let (most, within) = (window.key("most").count(), window.key("within").count());
            let bounded = most > 0 && within >= most && within <= 100;
            let reason = words!("`most` is at least 1 and at most `within`, which is at most 100");
            mistakes.unless(bounded, &["policy.windows"], reason);
            let field = find(window.key("field").text(), false);
            mistakes.unless(field.is_some(), &["policy.windows"], unknown);
            policy.windows.push(Window { field: field.unwrap_or(0), most, within });
        }
    }
    if let Some(diversity) = maybe(place, "diversity") {
        policy.lambda = diversity.only(&["lambda"]).key("lambda").single();
    }
    mistakes.unless(
        (0.0..=1.0).contains(&policy.lambda),
        &["policy.diversity.lambda"],
        words!("a number between 0 and 1"),
    );
    if let Some(fatigue) = maybe(place, "fatigue") {
        fatigue.only(&["after", "penalty"]);
        policy.fatigue_after = u32::try_from(fatigue.key("after").whole(u32::MAX.into())).unwrap_or(u32::MAX);
        policy.fatigue_penalty = fatigue.key("penalty").single();
    }
    let bounded = (0.0..=10.0).contains(&policy.fatigue_penalty);
    mistakes.unless(bounded, &["policy.fatigue.penalty"], words!("a number between 0 and 10"));
    if let Some(explore) = maybe(place, "explore") {
        explore.only(&["slots", "epsilon", "by", "width"]);
        policy.explore_slots = explore.key("slots").count();
        policy.epsilon = explore.key("epsilon").single();
        let by = maybe(explore, "by").map_or(0, |by| by.one_of(&["greedy", "ucb", "thompson"]));
        policy.explore_by = [Explore::Greedy, Explore::Ucb, Explore::Thompson].get(by).copied().unwrap_or_default();
        policy.explore_width = single_or(explore.key("width"), policy.explore_width);
    }
    let bounded = (0.0..=10.0).contains(&policy.explore_width);
    mistakes.unless(bounded, &["policy.explore.width"], words!("a number between 0 and 10"));
    let floored = policy.explore_by == Explore::Greedy || policy.epsilon > 0.0;
    mistakes.unless(
        floored,
        &["policy.explore.epsilon"],
        words!("above 0: every candidate needs a chance that can be told"),
    );
    let bounded = policy.explore_slots <= 1 && (0.0..=1.0).contains(&policy.epsilon);
    mistakes.unless(bounded, &["policy.explore"], words!("at most one slot, and an `epsilon` between 0 and 1"));
    policy.page_order = single_or(place.key("pageOrder"), policy.page_order);
    mistakes.unless(
        (0.0..=10.0).contains(&policy.page_order),
        &["policy.pageOrder"],
        words!("a number between 0 and 10"),
    );
    policy.cold_model = maybe(place, "cold").is_some_and(|cold| cold.one_of(&["server", "model"]) == 1);
    policy
}
