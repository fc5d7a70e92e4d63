//! A schema as a file: JSON, or the page's own `schema.js`.

use anyhow::{Context as _, bail};
use std::path::Path;
use zhiji::schema::Schema;

/// The schema of a file, with the JSON text that the engine reads.
pub struct SchemaFile {
    /// What the engine made of it.
    pub schema: Schema,
    /// The JSON text.
    pub json: String,
}

/// Reads `schema.json`, or takes the literal out of `defineSchema({ … })` in a `schema.js`.
///
/// # Errors
/// Where the file cannot be read, holds no literal, or is not a schema.
pub fn open(path: &Path) -> anyhow::Result<SchemaFile> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    parse(&text).with_context(|| format!("in {}", path.display()))
}

/// Reads the text of either form.
///
/// # Errors
/// As [`open`].
pub fn parse(text: &str) -> anyhow::Result<SchemaFile> {
    let literal = match text.find("defineSchema(") {
        Some(start) => {
            let rest = &text[start + "defineSchema(".len()..];
            let Some(end) = rest.rfind(')') else { bail!("`defineSchema(` is never closed") };
            rest[..end].trim().trim_end_matches(',')
        }
        None => text,
    };
    let raw: Box<serde_json::value::RawValue> = to_json(literal)?;
    let schema = Schema::open(raw.get()).map_err(|e| anyhow::anyhow!("{e}"))?;
    Ok(SchemaFile { schema, json: raw.get().to_string() })
}

/// JSON5 → JSON with the order of the keys kept: their order is that of fields and features.
fn to_json(literal: &str) -> anyhow::Result<Box<serde_json::value::RawValue>> {
    let ordered: Ordered = json5::from_str(literal)
        .context("the schema must be one literal: no variables, calls or computed keys (docs/training.md)")?;
    Ok(serde_json::value::to_raw_value(&ordered)?)
}

/// A JSON value that keeps the order of its keys.
enum Ordered {
    Leaf(serde_json::Value),
    List(Vec<Ordered>),
    Object(Vec<(String, Ordered)>),
}

impl serde::Serialize for Ordered {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Leaf(value) => value.serialize(s),
            Self::List(values) => s.collect_seq(values),
            Self::Object(entries) => s.collect_map(entries.iter().map(|(k, v)| (k, v))),
        }
    }
}

impl<'de> serde::Deserialize<'de> for Ordered {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Visit;
        impl<'de> serde::de::Visitor<'de> for Visit {
            type Value = Ordered;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a literal")
            }
            fn visit_bool<E>(self, v: bool) -> Result<Ordered, E> {
                Ok(Ordered::Leaf(v.into()))
            }
            fn visit_i64<E>(self, v: i64) -> Result<Ordered, E> {
                Ok(Ordered::Leaf(v.into()))
            }
            fn visit_u64<E>(self, v: u64) -> Result<Ordered, E> {
                Ok(Ordered::Leaf(v.into()))
            }
            fn visit_f64<E>(self, v: f64) -> Result<Ordered, E> {
                // JSON5 readers may hand every number over as a float; whole ones stay whole.
                let whole = v.trunc() == v && v.abs() < 9e15;
                Ok(Ordered::Leaf(if whole { (v as i64).into() } else { v.into() }))
            }
            fn visit_str<E>(self, v: &str) -> Result<Ordered, E> {
                Ok(Ordered::Leaf(v.into()))
            }
            fn visit_unit<E>(self) -> Result<Ordered, E> {
                Ok(Ordered::Leaf(serde_json::Value::Null))
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Ordered, A::Error> {
                let mut list = Vec::new();
                while let Some(value) = seq.next_element()? {
                    list.push(value);
                }
                Ok(Ordered::List(list))
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Ordered, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Ordered::Object(entries))
            }
        }
        d.deserialize_any(Visit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = r"
        const { defineSchema } = require('zhiji')
        module.exports = defineSchema({
          space: 'shop', // a comment
          fields: { tags: { kind: 'tags' }, category: { kind: 'category' }, price: { kind: 'number', scale: 'log', volatile: true } },
          actions: { impression: { role: 'impression' }, open: { weight: 1 } },
          labels: { click: { positive: ['open'], windowMinutes: 30 } },
          halfLifeDays: [0.5, 30],
        })
    ";

    #[test]
    fn the_pages_own_file_is_read_with_the_order_of_its_fields() {
        let found = parse(PAGE).expect("a schema");
        let names: Vec<&str> = found.schema.fields.iter().map(|f| f.name.as_str()).collect();
        assert_eq!(names, ["tags", "category", "price"]);
        assert_eq!(found.schema.half_lives.len(), 2);
        assert_eq!(Schema::open(&found.json), Ok(found.schema), "the JSON kept beside a data set is the same schema");
    }

    #[test]
    fn what_is_no_literal_is_refused() {
        assert!(parse("module.exports = defineSchema(makeSchema())").is_err());
        assert!(parse("module.exports = defineSchema({ space: 'shop'").is_err());
    }

    /// The page's own file and the page of documentation are one example, so that neither can grow old alone.
    #[test]
    fn the_documented_example_is_the_schema_of_the_shop() {
        let page = include_str!("../../../docs/schema.md");
        let example = page.split("```js\n").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
        let documented = parse(example).expect("the example is a schema");
        let shop = parse(include_str!("../../../miniprogram/schema.js")).expect("the shop's file is a schema");
        assert_eq!(documented.schema, shop.schema);
    }
}
