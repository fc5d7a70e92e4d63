//! The names of a lab directory's files and columns.

/// The schema, as JSON.
pub const SCHEMA: &str = "schema.json";
/// One item per line.
pub const ITEMS: &str = "items.jsonl";
/// Events, sorted by user, then by time; events with equal times keep the order of the source.
pub const EVENTS: &str = "events.csv";
/// Where it all comes from, and how much there is.
pub const META: &str = "meta.json";

/// The columns of the events, in their order.
pub const COLUMNS: [&str; 12] = [
    "user",
    "at_ms",
    "action",
    "item",
    "value",
    "surface",
    "slate",
    "position",
    "propensity",
    "dwell_ms",
    "prior",
    "split",
];
