//! Public data sets that are plain tables: a mapping and a schema for each, written as any user of the lab would write them.

use super::mapping::Mapping;

/// One data set's mapping and schema.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    /// Its name, in words.
    pub name: &'static str,
    /// The mapping, as TOML.
    mapping: &'static str,
    /// The schema, as JSON.
    pub schema: &'static str,
}

macro_rules! preset {
    ($name:literal, $file:literal) => {
        Preset {
            name: $name,
            mapping: include_str!(concat!($file, ".toml")),
            schema: include_str!(concat!($file, ".schema.json")),
        }
    };
}

/// The Open Bandit Dataset.
pub const OPEN_BANDIT: Preset = preset!("Open Bandit", "open_bandit");
/// KuaiRand: short videos, some of them shown at random.
pub const KUAIRAND: Preset = preset!("KuaiRand", "kuairand");
/// Avazu's click-through competition.
pub const AVAZU: Preset = preset!("Avazu", "avazu");
/// Criteo's display advertising challenge and click logs.
pub const CRITEO: Preset = preset!("Criteo", "criteo");

impl Preset {
    /// The mapping.
    ///
    /// # Errors
    /// None: a test opens all of them.
    pub fn mapping(&self) -> anyhow::Result<Mapping> {
        Mapping::parse(self.mapping)
    }
}
