//! `zhiji inspect`: what is in a file, told to a person.

mod bundle;
mod log;
mod module;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use zhiji::sync::Envelope;

/// Options of `zhiji inspect`.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  zhiji inspect model.safetensors\n  zhiji inspect site/manifest.json\n  \
    zhiji inspect zhiji_mvp.wasm --functions 20\n  zhiji inspect user-data/42 --schema miniprogram/schema.js   # the folder with log-0-0, log-0-1 …\n\n\
    Nothing is verified here: `zhiji verify` does that. Logs that a phone has sealed can only be read on that phone.")]
pub struct Args {
    /// A bundle, a manifest, a root, a wasm module, a segment of a log or a folder with them.
    file: PathBuf,
    /// The schema a log was written with: JSON, or the page's own schema.js.
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,
    /// Of a wasm module: name so many of its largest functions.
    #[arg(long, value_name = "N", default_value_t = 0)]
    functions: usize,
}

/// Runs `zhiji inspect`.
pub fn run(args: Args) -> Result<()> {
    if args.file.is_dir() || is_segment(&args.file) {
        return log::explain(&args.file, args.schema.as_deref());
    }
    let bytes = fs::read(&args.file).with_context(|| format!("{} cannot be read", args.file.display()))?;
    if bytes.starts_with(b"\0asm") {
        module::explain(&bytes, args.functions)
    } else if let Ok(envelope) = Envelope::open(&bytes) {
        signed(&envelope)
    } else {
        bundle::explain(&bytes).with_context(|| format!("{} is no wasm module and no signed file", args.file.display()))
    }
}

fn is_segment(path: &Path) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("log-"))
}

fn signed(envelope: &Envelope) -> Result<()> {
    let payload: serde_json::Value = serde_json::from_str(&envelope.payload).context("the payload is no JSON")?;
    println!("{}", serde_json::to_string_pretty(&payload)?);
    for entry in &envelope.signatures {
        println!("signed by {} (not verified)", entry.key);
    }
    Ok(())
}

/// A number of bytes with its thousands apart.
fn bytes_of(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn thousands_stand_apart() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(super::bytes_of(number), text);
        }
    }
}
