//! Running other programs, and saying what is being done and how long it took.

use std::cell::RefCell;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// The checkout these commands work on.
pub struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// The workspace that this xtask was compiled in.
    pub fn find() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies inside the workspace")?;
        Ok(Self { root: root.to_owned() })
    }

    /// A path relative to the root of the checkout.
    pub fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.root.join(relative)
    }

    /// A command that will run in the root of the checkout.
    ///
    /// What the outer `cargo run` put into the environment for xtask itself is taken out again, so that an inner cargo, npm or
    /// wasm-pack behaves as if a person had typed it.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root);
        for (name, _) in std::env::vars_os() {
            if let Some(text) = name.to_str()
                && (text.starts_with("CARGO_PKG_")
                    || matches!(
                        text,
                        "CARGO_MANIFEST_DIR"
                            | "CARGO_MANIFEST_PATH"
                            | "CARGO_CRATE_NAME"
                            | "CARGO_BIN_NAME"
                            | "LD_LIBRARY_PATH"
                    ))
            {
                command.env_remove(text);
            }
        }
        command
    }

    /// Node with a script of this checkout.
    pub fn node(&self, script: &str) -> Command {
        let mut command = self.command("node");
        command.arg(script);
        command
    }

    /// A program of an installed npm package.
    pub fn npm_bin(&self, name: &str) -> Command {
        self.command(self.path("node_modules/.bin").join(name))
    }
}

thread_local! {
    /// Where this thread's output goes, if not to the terminal.
    static KEPT: RefCell<Option<File>> = const { RefCell::new(None) };
}

/// Does some work, and gives what it and the commands it ran would have shown.
pub fn kept<T>(work: impl FnOnce() -> Result<T>) -> (Result<T>, String) {
    let file = match tempfile::tempfile() {
        Ok(file) => file,
        // Without a place to keep it the output is shown as it comes.
        Err(_) => return (work(), String::new()),
    };
    let before = KEPT.replace(Some(file));
    let outcome = work();
    let mut bytes = Vec::new();
    if let Some(mut file) = KEPT.replace(before) {
        let _ = file.rewind().and_then(|()| file.read_to_end(&mut bytes));
    }
    (outcome, String::from_utf8_lossy(&bytes).into_owned())
}

/// Shows a line.
pub fn say(line: &str) {
    let shown = KEPT.with_borrow_mut(|file| file.as_mut().is_some_and(|file| writeln!(file, "{line}").is_ok()));
    if !shown {
        eprintln!("{line}");
    }
}

/// Runs a command with its output shown; a failure names the command.
pub fn run(command: &mut Command) -> Result<()> {
    KEPT.with_borrow(|file| -> std::io::Result<()> {
        if let Some(file) = file {
            command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file.try_clone()?);
        }
        Ok(())
    })?;
    let status = command.status().with_context(|| format!("could not start `{}`", shown(command)))?;
    if !status.success() {
        bail!("`{}` failed ({status})", shown(command));
    }
    Ok(())
}

/// Runs a command quietly and gives its standard output; on failure the error carries what it wrote.
pub fn read(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("could not start `{}`", shown(command)))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        bail!("`{}` failed ({})\n{text}{}", shown(command), output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(text)
}

/// The command as a person would type it.
pub fn shown(command: &Command) -> String {
    let mut words = vec![command.get_program()];
    words.extend(command.get_args());
    words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// `PATH` with one folder in front.
pub fn path_with(folder: &Path) -> Result<OsString> {
    let current = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(folder.to_owned()).chain(std::env::split_paths(&current));
    std::env::join_paths(folders).context("a folder on PATH contains a separator")
}

/// Names a piece of work, does it, and says how long it took.
pub fn step<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    say(&format!("▶ {name}"));
    let start = Instant::now();
    let outcome = work().with_context(|| format!("failed: {name}"))?;
    say(&format!("✓ {name} ({})", seconds(start.elapsed())));
    Ok(outcome)
}

/// A duration as a person reads it.
pub fn seconds(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 60.0 {
        format!("{seconds:.1} s")
    } else {
        format!("{:.0} min {:.0} s", (seconds / 60.0).floor(), seconds % 60.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_output_of_a_command_is_kept_with_what_was_said_around_it() {
        let (outcome, output) = kept(|| {
            say("before");
            run(Command::new("cargo").arg("--version"))?;
            say("after");
            run(&mut Command::new("no-such-program-anywhere"))
        });
        let lines: Vec<&str> = output.lines().collect();
        assert_eq!((lines[0], lines[2], lines.len()), ("before", "after", 3), "{output}");
        assert!(lines[1].starts_with("cargo "), "{output}");
        assert!(outcome.unwrap_err().to_string().contains("no-such-program-anywhere"));
    }
}
