//! The schema as it is written, before it is checked.

use super::{
    Action, Field, Filter, Kind, Label, NAME_BYTES_MOST, NAMES_MOST, Policy, Retention, Role, Rule, Scale, Window,
    days_ms, minutes_ms,
};
use crate::error::{Error, Result};
use crate::json::{Fault, Json};
use crate::time::HalfLife;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

type Read<T> = core::result::Result<T, Fault>;

/// Names with what they name, in the order of the document, which is the order the page's JavaScript sees.
type Ordered<V> = Vec<(String, V)>;

fn ordered<V>(value: Json, mut open: impl FnMut(Json) -> Read<V>) -> Read<Ordered<V>> {
    let entries = value.entries()?;
    let mut all = Vec::with_capacity(entries.len());
    for (name, value) in entries {
        all.push((name, open(value)?));
    }
    Ok(all)
}

fn list<V>(value: Option<Json>, mut open: impl FnMut(Json) -> Read<V>) -> Read<Vec<V>> {
    let Some(value) = value else { return Ok(Vec::new()) };
    let values = value.list()?;
    let mut all = Vec::with_capacity(values.len());
    for value in values {
        all.push(open(value)?);
    }
    Ok(all)
}

/// A schema whose every key is known and every value of its type.
pub(super) struct Schema {
    space: String,
    fields: Ordered<RawField>,
    actions: Ordered<RawAction>,
    labels: Ordered<RawLabel>,
    surfaces: Vec<String>,
    half_life_days: Option<Vec<f64>>,
    retention: RawRetention,
    policy: RawPolicy,
}

impl Schema {
    pub(super) fn open(json: &str) -> Read<Self> {
        let mut object = Json::open(json.as_bytes())?.object()?;
        let schema = Self {
            space: object.text("space")?,
            fields: ordered(object.need("fields")?, RawField::open)?,
            actions: ordered(object.need("actions")?, RawAction::open)?,
            labels: object.take("labels")?.map_or_else(|| Ok(Vec::new()), |labels| ordered(labels, RawLabel::open))?,
            surfaces: object.take("surfaces")?.map_or_else(|| Ok(Vec::new()), Json::texts)?,
            half_life_days: match object.maybe("halfLifeDays")? {
                Some(days) => Some(list(Some(days), Json::number)?),
                None => None,
            },
            retention: RawRetention::open(object.maybe("retention")?)?,
            policy: object.take("policy")?.map_or_else(|| Ok(RawPolicy::default()), RawPolicy::open)?,
        };
        object.close()?;
        Ok(schema)
    }
}

struct RawField {
    kind: RawKind,
    scale: Option<Scale>,
    volatile: bool,
}

impl RawField {
    fn open(value: Json) -> Read<Self> {
        let mut object = value.object()?;
        let field = Self {
            kind: match object.text("kind")?.as_str() {
                "category" => RawKind::Category,
                "tags" => RawKind::Tags,
                "number" => RawKind::Number,
                "group" => RawKind::Group,
                _ => return Err(Fault::Not("a kind of field")),
            },
            scale: match object.maybe_text("scale")?.as_deref() {
                None => None,
                Some("linear") => Some(Scale::Linear),
                Some("log") => Some(Scale::Log),
                Some(_) => return Err(Fault::Not("a scale")),
            },
            volatile: object.take("volatile")?.map_or(Ok(false), Json::flag)?,
        };
        object.close()?;
        Ok(field)
    }
}

#[derive(Clone, Copy, PartialEq)]
enum RawKind {
    Category,
    Tags,
    Number,
    Group,
}

struct RawAction {
    impression: bool,
    weight: Option<f32>,
}

impl RawAction {
    fn open(value: Json) -> Read<Self> {
        let mut object = value.object()?;
        let action = Self {
            impression: match object.maybe_text("role")?.as_deref() {
                None => false,
                Some("impression") => true,
                Some(_) => return Err(Fault::Not("a role")),
            },
            weight: object.maybe_single("weight")?,
        };
        object.close()?;
        Ok(action)
    }
}

struct RawLabel {
    positive: Option<Vec<String>>,
    window_minutes: Option<f64>,
    action: Option<String>,
    at_least: Option<f32>,
}

impl RawLabel {
    fn open(value: Json) -> Read<Self> {
        let mut object = value.object()?;
        let label = Self {
            positive: object.maybe("positive")?.map(Json::texts).transpose()?,
            window_minutes: object.maybe("windowMinutes")?.map(Json::number).transpose()?,
            action: object.maybe_text("action")?,
            at_least: object.maybe_single("atLeast")?,
        };
        object.close()?;
        Ok(label)
    }
}

struct RawRetention {
    events: usize,
    days: f64,
}

impl RawRetention {
    fn open(value: Option<Json>) -> Read<Self> {
        let Some(value) = value else { return Ok(Self { events: 4_096, days: 180.0 }) };
        let mut object = value.object()?;
        let retention = Self { events: object.count("events")?, days: object.need("days")?.number()? };
        object.close()?;
        Ok(retention)
    }
}

#[derive(Default)]
struct RawPolicy {
    filters: Vec<RawFilter>,
    lambda: Option<f32>,
    windows: Vec<RawWindow>,
    fatigue: Option<(u32, f32)>,
    explore: Option<(usize, f32)>,
    page_order: Option<f32>,
    cold_model: bool,
}

impl RawPolicy {
    fn open(value: Json) -> Read<Self> {
        let mut object = value.object()?;
        let mut policy = Self {
            filters: list(object.take("filters")?, RawFilter::open)?,
            windows: list(object.take("windows")?, RawWindow::open)?,
            page_order: object.maybe_single("pageOrder")?,
            cold_model: match object.maybe_text("cold")?.as_deref() {
                None | Some("server") => false,
                Some("model") => true,
                Some(_) => return Err(Fault::Not("a rule for the first visit")),
            },
            ..Self::default()
        };
        if let Some(diversity) = object.maybe("diversity")? {
            let mut diversity = diversity.object()?;
            policy.lambda = Some(diversity.single("lambda")?);
            diversity.close()?;
        }
        if let Some(fatigue) = object.maybe("fatigue")? {
            let mut fatigue = fatigue.object()?;
            let after = fatigue.whole("after", u32::MAX.into())?;
            let after = u32::try_from(after).unwrap_or(u32::MAX);
            policy.fatigue = Some((after, fatigue.single("penalty")?));
            fatigue.close()?;
        }
        if let Some(explore) = object.maybe("explore")? {
            let mut explore = explore.object()?;
            policy.explore = Some((explore.count("slots")?, explore.single("epsilon")?));
            explore.close()?;
        }
        object.close()?;
        Ok(policy)
    }
}

struct RawFilter {
    field: String,
    at_least: f32,
}

impl RawFilter {
    fn open(value: Json) -> Read<Self> {
        let mut object = value.object()?;
        let filter = Self { field: object.text("field")?, at_least: object.single("atLeast")? };
        object.close()?;
        Ok(filter)
    }
}

struct RawWindow {
    field: String,
    most: usize,
    within: usize,
}

impl RawWindow {
    fn open(value: Json) -> Read<Self> {
        let mut object = value.object()?;
        let window =
            Self { field: object.text("field")?, most: object.count("most")?, within: object.count("within")? };
        object.close()?;
        Ok(window)
    }
}

fn bad(at: impl Into<String>, reason: &'static str) -> Error {
    Error::BadSchema { at: at.into(), reason }
}

/// Checks that there are not too many names, that each is short and that none stands twice.
fn check_names<'a>(at: &str, names: impl Iterator<Item = &'a str>) -> Result<()> {
    let mut seen: Vec<&str> = Vec::new();
    for name in names {
        if name.is_empty() || name.len() > NAME_BYTES_MOST {
            return Err(bad(format!("{at}.{}", name.chars().take(8).collect::<String>()), "a name has 1 to 32 bytes"));
        }
        if seen.contains(&name) {
            return Err(bad(format!("{at}.{name}"), "this name stands twice; keep one"));
        }
        seen.push(name);
        if seen.len() > NAMES_MOST {
            return Err(bad(at, "at most 32 of them"));
        }
    }
    Ok(())
}

impl Schema {
    pub(super) fn check(self) -> Result<super::Schema> {
        let name_ok = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        if self.space.is_empty() || self.space.len() > NAME_BYTES_MOST || !self.space.chars().all(name_ok) {
            return Err(bad("space", "1 to 32 of the characters a–z, 0–9, - and _ (it names a folder)"));
        }
        check_names("fields", self.fields.iter().map(|(n, _)| n.as_str()))?;
        check_names("actions", self.actions.iter().map(|(n, _)| n.as_str()))?;
        check_names("labels", self.labels.iter().map(|(n, _)| n.as_str()))?;
        check_names("surfaces", self.surfaces.iter().map(String::as_str))?;
        let fields = check_fields(self.fields)?;
        let actions = check_actions(self.actions)?;
        let labels = check_labels(self.labels, &actions)?;
        let half_lives = self.half_life_days.unwrap_or_else(|| [1.0, 30.0].to_vec());
        if half_lives.is_empty() || half_lives.len() > 4 {
            return Err(bad("halfLifeDays", "give one to four half-lives"));
        }
        let half_lives = half_lives
            .into_iter()
            .map(|d| HalfLife::from_days(d).ok_or_else(|| bad("halfLifeDays", "days between one minute and ten years")))
            .collect::<Result<Vec<_>>>()?;
        let retention = self.retention;
        if !(256..=65_536).contains(&retention.events) || !(1.0..=3_653.0).contains(&retention.days) {
            return Err(bad("retention", "256 to 65,536 events and 1 to 3,653 days"));
        }
        let policy = check_policy(self.policy, &fields)?;
        Ok(super::Schema {
            space: self.space,
            fields,
            actions,
            labels,
            surfaces: self.surfaces,
            half_lives,
            retention: Retention { events: retention.events, age_ms: days_ms(retention.days) },
            policy,
            fingerprint: 0,
        })
    }
}

fn check_fields(raw: Vec<(String, RawField)>) -> Result<Vec<Field>> {
    raw.into_iter()
        .map(|(name, field)| {
            if name == "id" || name == "prior" || name == "pinned" || name == "ad" {
                return Err(bad(format!("fields.{name}"), "this name belongs to the item itself; choose another"));
            }
            if field.kind != RawKind::Number && (field.scale.is_some() || field.volatile) {
                return Err(bad(format!("fields.{name}"), "`scale` and `volatile` are for number fields"));
            }
            let kind = match field.kind {
                RawKind::Category => Kind::Category,
                RawKind::Tags => Kind::Tags,
                RawKind::Group => Kind::Group,
                RawKind::Number => Kind::Number { scale: field.scale },
            };
            Ok(Field { name, kind, volatile: field.volatile })
        })
        .collect()
}

fn check_actions(raw: Vec<(String, RawAction)>) -> Result<Vec<Action>> {
    let actions = raw
        .into_iter()
        .map(|(name, action)| {
            let role = match (action.impression, action.weight) {
                (true, None) => Role::Impression,
                (false, weight) => Role::Act { weight: weight.unwrap_or(0.0) },
                (true, Some(_)) => return Err(bad(format!("actions.{name}"), "an impression has no weight")),
            };
            match role {
                Role::Act { weight } if !weight.is_finite() || !(-100.0..=100.0).contains(&weight) => {
                    Err(bad(format!("actions.{name}.weight"), "a number between -100 and 100"))
                }
                _ => Ok(Action { name, role }),
            }
        })
        .collect::<Result<Vec<_>>>()?;
    if actions.iter().filter(|a| a.role == Role::Impression).count() > 1 {
        return Err(bad("actions", "at most one action has the role `impression`"));
    }
    Ok(actions)
}

fn check_labels(raw: Vec<(String, RawLabel)>, actions: &[Action]) -> Result<Vec<Label>> {
    let index = |at: &str, name: &str| {
        actions
            .iter()
            .position(|a| a.name == name)
            .ok_or_else(|| bad(at, "names an action that `actions` does not have"))
    };
    raw.into_iter()
        .map(|(name, label)| {
            let at = format!("labels.{name}");
            let rule = match label {
                RawLabel { positive: Some(positive), window_minutes, action: None, at_least: None } => {
                    let minutes = window_minutes.unwrap_or(30.0);
                    if !(0.1..=10_080.0).contains(&minutes) {
                        return Err(bad(at, "`windowMinutes` is between 0.1 and 10,080"));
                    }
                    let mut bits = 0u32;
                    for action in &positive {
                        bits |= 1 << index(&at, action)?;
                    }
                    if bits == 0 || !actions.iter().any(|a| a.role == Role::Impression) {
                        return Err(bad(at, "name at least one action, and give one action the role `impression`"));
                    }
                    Rule::Follows { positive: bits, window_ms: minutes_ms(minutes) }
                }
                RawLabel { positive: None, window_minutes: None, action: Some(action), at_least: Some(at_least) }
                    if at_least.is_finite() =>
                {
                    let action =
                        u8::try_from(index(&at, &action)?).map_err(|_| bad(at.to_string(), "too many actions"))?;
                    Rule::Value { action, at_least }
                }
                _ => return Err(bad(at, "give either `positive` (and `windowMinutes`), or `action` and `atLeast`")),
            };
            Ok(Label { name, rule })
        })
        .collect()
}

fn check_policy(raw: RawPolicy, fields: &[Field]) -> Result<Policy> {
    let find = |at: &str, name: &str, number: bool| {
        fields
            .iter()
            .position(|f| f.name == name && matches!(f.kind, Kind::Number { .. }) == number)
            .ok_or_else(|| bad(at, "names a field that `fields` does not have, or one of the wrong kind"))
    };
    let filters = raw
        .filters
        .into_iter()
        .map(|f| Ok(Filter { field: find("policy.filters", &f.field, true)?, at_least: f.at_least }))
        .collect::<Result<Vec<_>>>()?;
    let windows = raw
        .windows
        .into_iter()
        .map(|w| {
            if w.most == 0 || w.within < w.most || w.within > 100 {
                return Err(bad("policy.windows", "`most` is at least 1 and at most `within`, which is at most 100"));
            }
            Ok(Window { field: find("policy.windows", &w.field, false)?, most: w.most, within: w.within })
        })
        .collect::<Result<Vec<_>>>()?;
    let lambda = raw.lambda.unwrap_or(1.0);
    if !(0.0..=1.0).contains(&lambda) {
        return Err(bad("policy.diversity.lambda", "a number between 0 and 1"));
    }
    let (fatigue_after, fatigue_penalty) = raw.fatigue.unwrap_or((u32::MAX, 0.0));
    if !(0.0..=10.0).contains(&fatigue_penalty) {
        return Err(bad("policy.fatigue.penalty", "a number between 0 and 10"));
    }
    let (explore_slots, epsilon) = raw.explore.unwrap_or((0, 0.0));
    if explore_slots > 1 || !(0.0..=1.0).contains(&epsilon) {
        return Err(bad("policy.explore", "at most one slot, and an `epsilon` between 0 and 1"));
    }
    let page_order = raw.page_order.unwrap_or(0.3);
    if !(0.0..=10.0).contains(&page_order) {
        return Err(bad("policy.pageOrder", "a number between 0 and 10"));
    }
    Ok(Policy {
        filters,
        lambda,
        windows,
        fatigue_after,
        fatigue_penalty,
        explore_slots,
        epsilon,
        page_order,
        cold_model: raw.cold_model,
    })
}
