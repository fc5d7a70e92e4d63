//! The schema as it is written, before it is checked.

use super::{
    Action, Field, Filter, Kind, Label, NAME_BYTES_MOST, NAMES_MOST, Policy, Retention, Role, Rule, Scale, Window,
    days_ms, minutes_ms,
};
use crate::error::{Error, Result};
use crate::time::HalfLife;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

/// A JSON object in the order of the document, which is the order the page's JavaScript sees.
struct Ordered<V>(Vec<(String, V)>);

impl<V> Default for Ordered<V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Ordered<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> core::result::Result<Self, D::Error> {
        struct Entries<V>(PhantomData<V>);
        impl<'de, V: Deserialize<'de>> Visitor<'de> for Entries<V> {
            type Value = Ordered<V>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> core::result::Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Ordered(entries))
            }
        }
        deserializer.deserialize_map(Entries(PhantomData))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Schema {
    space: String,
    fields: Ordered<RawField>,
    actions: Ordered<RawAction>,
    #[serde(default)]
    labels: Ordered<RawLabel>,
    #[serde(default)]
    surfaces: Vec<String>,
    #[serde(default)]
    half_life_days: Option<Vec<f64>>,
    #[serde(default)]
    retention: Option<RawRetention>,
    #[serde(default)]
    policy: RawPolicy,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RawField {
    kind: RawKind,
    #[serde(default)]
    scale: Option<RawScale>,
    #[serde(default)]
    volatile: bool,
}

#[derive(Clone, Copy, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
enum RawKind {
    Category,
    Tags,
    Number,
    Group,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
enum RawScale {
    Linear,
    Log,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RawAction {
    #[serde(default)]
    role: Option<RawRole>,
    #[serde(default)]
    weight: Option<f32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum RawRole {
    Impression,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RawLabel {
    #[serde(default)]
    positive: Option<Vec<String>>,
    #[serde(default)]
    window_minutes: Option<f64>,
    #[serde(default)]
    action: Option<String>,
    #[serde(default)]
    at_least: Option<f32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RawRetention {
    events: usize,
    days: f64,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
struct RawPolicy {
    filters: Vec<RawFilter>,
    diversity: Option<RawDiversity>,
    windows: Vec<RawWindow>,
    fatigue: Option<RawFatigue>,
    explore: Option<RawExplore>,
    page_order: Option<f32>,
    cold: Option<RawCold>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RawFilter {
    field: String,
    at_least: f32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RawDiversity {
    lambda: f32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RawWindow {
    field: String,
    most: usize,
    within: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RawFatigue {
    after: u32,
    penalty: f32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RawExplore {
    slots: usize,
    epsilon: f32,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
enum RawCold {
    Server,
    Model,
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
        check_names("fields", self.fields.0.iter().map(|(n, _)| n.as_str()))?;
        check_names("actions", self.actions.0.iter().map(|(n, _)| n.as_str()))?;
        check_names("labels", self.labels.0.iter().map(|(n, _)| n.as_str()))?;
        check_names("surfaces", self.surfaces.iter().map(String::as_str))?;
        let fields = check_fields(self.fields.0)?;
        let actions = check_actions(self.actions.0)?;
        let labels = check_labels(self.labels.0, &actions)?;
        let half_lives = self.half_life_days.unwrap_or_else(|| [1.0, 30.0].to_vec());
        if half_lives.is_empty() || half_lives.len() > 4 {
            return Err(bad("halfLifeDays", "give one to four half-lives"));
        }
        let half_lives = half_lives
            .into_iter()
            .map(|d| HalfLife::from_days(d).ok_or_else(|| bad("halfLifeDays", "days between one minute and ten years")))
            .collect::<Result<Vec<_>>>()?;
        let retention = self.retention.unwrap_or(RawRetention { events: 4_096, days: 180.0 });
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
                RawKind::Number => Kind::Number {
                    scale: field.scale.map(|s| match s {
                        RawScale::Linear => Scale::Linear,
                        RawScale::Log => Scale::Log,
                    }),
                },
            };
            Ok(Field { name, kind, volatile: field.volatile })
        })
        .collect()
}

fn check_actions(raw: Vec<(String, RawAction)>) -> Result<Vec<Action>> {
    let actions = raw
        .into_iter()
        .map(|(name, action)| {
            let role = match (action.role, action.weight) {
                (Some(RawRole::Impression), None) => Role::Impression,
                (None, weight) => Role::Act { weight: weight.unwrap_or(0.0) },
                (Some(_), Some(_)) => return Err(bad(format!("actions.{name}"), "an impression has no weight")),
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
    let lambda = raw.diversity.map_or(1.0, |d| d.lambda);
    if !(0.0..=1.0).contains(&lambda) {
        return Err(bad("policy.diversity.lambda", "a number between 0 and 1"));
    }
    let (fatigue_after, fatigue_penalty) = raw.fatigue.map_or((u32::MAX, 0.0), |f| (f.after, f.penalty));
    if !(0.0..=10.0).contains(&fatigue_penalty) {
        return Err(bad("policy.fatigue.penalty", "a number between 0 and 10"));
    }
    let (explore_slots, epsilon) = raw.explore.map_or((0, 0.0), |e| (e.slots, e.epsilon));
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
        cold_model: raw.cold == Some(RawCold::Model),
    })
}
