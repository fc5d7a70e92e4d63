//! Protocols: what the product is held to, on any data set that is laid out the same way.
//!
//! Everything is measured through the phone's own fold, retention and forward pass. Configurations stand in short lists ([`tried`]); which one is taken
//! is decided on `valid` alone, and `test` is looked at once, at the end.

mod choose;
pub mod forecast;
pub mod head;
pub mod linear;
mod logs;
pub mod next;
pub mod record;
pub mod table;
pub mod taste;
pub mod tried;
mod weights;

use anyhow::{Context as _, bail};
use record::Record;
use serde::Serialize;
use std::path::{Path, PathBuf};
use table::{Items, Ratings};
use tried::Tried;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[value(rename_all = "verbatim")]
pub enum Protocol {
    /// Like or dislike in time order.
    A,
    /// A new user's phone.
    B,
    /// The next item.
    C,
    /// The next item for a new user.
    C2,
    /// Choosing.
    D,
    /// Estimating from logs.
    E,
}

impl Protocol {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::A, Self::B, Self::C, Self::C2, Self::D, Self::E];

    /// Its letter.
    pub const fn name(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
            Self::C => "C",
            Self::C2 => "C2",
            Self::D => "D",
            Self::E => "E",
        }
    }

    /// What it asks.
    pub const fn title(self) -> &'static str {
        match self {
            Self::A => "Like or dislike, in time order",
            Self::B => "A new user's phone",
            Self::C => "The next item",
            Self::C2 => "The next item for a new user",
            Self::D => "Choosing one of ten",
            Self::E => "Estimating from another policy's log",
        }
    }

    /// The folder that it needs.
    const fn needs(self) -> &'static str {
        match self {
            Self::A => "splits/time",
            Self::B | Self::C2 | Self::D => "splits/colduser",
            Self::C => "splits/loo",
            Self::E => "random and bts",
        }
    }
}

/// What a run is asked to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Folder of the data set.
    pub dir: PathBuf,
    /// Which protocols.
    pub protocols: Vec<Protocol>,
    /// The rating from which an item is liked.
    pub like: f32,
    /// The values that are tried.
    pub tried: Tried,
    /// Decides every draw.
    pub seed: u64,
    /// Where bundles, lab directories and results are written.
    pub out: PathBuf,
}

/// What each protocol is given.
struct Bench<'a> {
    plan: &'a Plan,
    protocol: Protocol,
    items: &'a Items,
    ratings: &'a Ratings,
    record: &'a mut Record,
}

impl Bench<'_> {
    /// A folder of the protocol's own.
    fn folder(&self) -> PathBuf {
        self.plan.out.join(self.protocol.name())
    }

    /// Where the data are from, in words.
    fn source(&self) -> String {
        format!("{}, {}", name(&self.plan.dir), self.protocol.needs())
    }

    /// Writes a bundle beside the results.
    fn keep(&self, bytes: &[u8]) -> anyhow::Result<()> {
        let path = self.folder().join("model.safetensors");
        std::fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))
    }
}

fn name(dir: &Path) -> String {
    let whole = dir.canonicalize().unwrap_or_else(|_| dir.to_path_buf());
    whole.file_name().map_or("data".into(), |name| name.to_string_lossy().into_owned())
}

/// Runs the protocols and gives what they found.
///
/// # Errors
/// Where the folder is not laid out as [`table`] says, a file cannot be read or written, or a score is not finite.
pub fn run(plan: &Plan) -> anyhow::Result<Record> {
    let mut record = Record::new(name(&plan.dir), plan.seed);
    if !plan.dir.is_dir() {
        bail!("{} is no folder", plan.dir.display());
    }
    std::fs::create_dir_all(&plan.out).with_context(|| format!("cannot make {}", plan.out.display()))?;
    let path = plan.dir.join("items.tsv");
    let items = if path.exists() { Some(Items::open(&path)?) } else { None };
    if let Some(items) = &items {
        record.note(format!("fields of the items: {}", items.describe().join(", ")));
        if !items.left_out.is_empty() {
            record.note(format!("columns left out: {}", items.left_out.join("; ")));
        }
    }
    for &protocol in &plan.protocols {
        let start = std::time::Instant::now();
        let ran = one(plan, protocol, items.as_ref(), &mut record);
        if ran.with_context(|| format!("protocol {}", protocol.name()))? {
            eprintln!("  {:.1} s", start.elapsed().as_secs_f64());
        } else {
            record.note(format!("{} is skipped: there is no {}", protocol.name(), protocol.needs()));
        }
    }
    if record.lines.is_empty() {
        bail!("{} has the data of no protocol; docs/quality.md has the layout", plan.dir.display());
    }
    Ok(record)
}

/// Runs one protocol; `false` where its data are not there.
fn one(plan: &Plan, protocol: Protocol, items: Option<&Items>, record: &mut Record) -> anyhow::Result<bool> {
    if protocol == Protocol::E {
        let [Some(random), Some(bts)] = ["random", "bts"].map(|policy| logs::campaign(&plan.dir, policy)) else {
            return Ok(false);
        };
        eprintln!("{}. {}", protocol.name(), protocol.title());
        return logs::run(plan, [random, bts], record).map(|()| true);
    }
    let folder = plan.dir.join(protocol.needs());
    if !folder.is_dir() {
        return Ok(false);
    }
    let Some(items) = items else {
        bail!("{} does not exist; docs/quality.md has the layout", plan.dir.join("items.tsv").display());
    };
    let ratings = Ratings::open(&folder, items)?;
    eprintln!("{}. {}: {:?}", protocol.name(), protocol.title(), ratings.parts);
    let mut bench = Bench { plan, protocol, items, ratings: &ratings, record };
    match protocol {
        Protocol::A | Protocol::B => forecast::run(&mut bench)?,
        Protocol::C | Protocol::C2 => next::run(&mut bench)?,
        Protocol::D | Protocol::E => choose::run(&mut bench)?,
    }
    Ok(true)
}
