//! From a bundle to a ranker, and the fields that a model hashes.

use super::examples::ID_FIELD;
use anyhow::bail;
use zhiji::bundle;
use zhiji::features::Layout;
use zhiji::schema::Schema;
use zhiji::score::Ranker;

/// Resolves the names of hashed fields: `id`, or a field of the schema whose values are words.
///
/// # Errors
/// Where a name is neither.
pub fn hashed_fields(schema: &Schema, names: &[String]) -> anyhow::Result<Vec<u16>> {
    let words: Vec<usize> = schema.word_fields().collect();
    names
        .iter()
        .map(|name| {
            if name == "id" {
                return Ok(ID_FIELD);
            }
            match schema.field(name) {
                Ok(field) if words.contains(&field) => Ok(u16::try_from(field)?),
                Ok(_) => bail!("`{name}` is a number; only words can be hashed"),
                Err(_) => bail!("the schema has no field `{name}`"),
            }
        })
        .collect()
}

/// Opens a bundle as a phone does: read, verified, probed, bound to the schema's features.
///
/// # Errors
/// Whatever a phone would say.
pub fn open(bytes: &[u8], schema: &Schema, layout: &Layout) -> anyhow::Result<Ranker> {
    let bundle = bundle::load(bytes, &schema.space)?;
    Ranker::bind(schema, layout, bundle)
        .map_err(|unfit| anyhow::anyhow!("the bundle does not fit the schema: {unfit:?}"))
}
