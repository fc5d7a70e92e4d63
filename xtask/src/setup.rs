//! Everything the builds need beyond rustup and Node: each step only if missing, named, and with a sentence when it cannot work.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process::{Workspace, path_with, read, run, say, step};
use crate::stamp::Stamp;

const TARGET: &str = "wasm32-unknown-unknown";

/// Folder of the tools that were found or installed, to be put in front of `PATH`.
pub struct Tools {
    /// Where wasm-bindgen and wasm-pack lie, when we installed them ourselves.
    bin: PathBuf,
}

impl Tools {
    /// Lets a command find the tools by name.
    pub fn on_path<'c>(&self, command: &'c mut Command) -> Result<&'c mut Command> {
        Ok(command.env("PATH", path_with(&self.bin)?))
    }

    /// The folder for things installed once for every checkout.
    pub fn cache() -> Result<PathBuf> {
        let base = match std::env::var_os("XDG_CACHE_HOME").filter(|value| !value.is_empty()) {
            Some(folder) => PathBuf::from(folder),
            None => std::env::home_dir().context("no home folder; set XDG_CACHE_HOME")?.join(".cache"),
        };
        Ok(base.join("zhiji"))
    }
}

/// A browser and the driver that fits it.
pub struct Browser {
    /// The Chromium or Chrome binary.
    pub chromium: PathBuf,
    /// Its WebDriver server.
    pub chromedriver: PathBuf,
}

/// What the builds need.
pub fn for_build(workspace: &Workspace) -> Result<Tools> {
    rust_parts(workspace)?;
    let tools = wasm_tools(workspace)?;
    npm_packages(workspace)?;
    Ok(tools)
}

/// What the tests and the demo need.
pub fn all(workspace: &Workspace) -> Result<(Tools, Browser)> {
    Ok((for_build(workspace)?, browser(workspace)?))
}

fn rust_parts(workspace: &Workspace) -> Result<()> {
    let sysroot = PathBuf::from(read(workspace.command("rustc").args(["--print", "sysroot"]))?.trim());
    let wanted = [
        ("target", TARGET, sysroot.join("lib/rustlib").join(TARGET).join("lib")),
        ("component", "rust-src", sysroot.join("lib/rustlib/src/rust/library/std")),
        ("component", "rustfmt", sysroot.join("bin/cargo-fmt")),
        ("component", "clippy", sysroot.join("bin/cargo-clippy")),
    ];
    for (kind, name, proof) in wanted {
        if proof.exists() || proof.with_extension("exe").exists() {
            continue;
        }
        step(&format!("rustup {kind} add {name}"), || {
            run(workspace.command("rustup").args([kind, "add", name])).with_context(|| {
                format!("this needs rustup (https://rustup.rs); with another Rust, install its {kind} `{name}` by hand")
            })
        })?;
    }
    Ok(())
}

/// The version of a package in the workspace's lock file.
fn locked_version(workspace: &Workspace, package: &str) -> Result<String> {
    #[derive(serde::Deserialize)]
    struct Lock {
        package: Vec<Package>,
    }
    #[derive(serde::Deserialize)]
    struct Package {
        name: String,
        version: String,
    }
    let lock: Lock = toml::from_str(&fs::read_to_string(workspace.path("Cargo.lock"))?)?;
    let found = lock.package.into_iter().find(|entry| entry.name == package);
    Ok(found.with_context(|| format!("Cargo.lock does not name {package}"))?.version)
}

fn wasm_tools(workspace: &Workspace) -> Result<Tools> {
    let root = Tools::cache()?.join("tools");
    let tools = Tools { bin: root.join("bin") };
    let version = locked_version(workspace, "wasm-bindgen")?;

    // wasm-pack takes wasm-bindgen from PATH when its version fits, and waits to install one otherwise: so it comes first.
    if says(workspace, &tools, "wasm-bindgen").is_none_or(|text| !text.split_whitespace().any(|word| word == version)) {
        install(workspace, &root, "wasm-bindgen-cli", Some(&version))?;
    }
    if says(workspace, &tools, "wasm-pack").is_none() {
        install(workspace, &root, "wasm-pack", None)?;
    }
    // What was compiled on the way is of no further use.
    let _ = fs::remove_dir_all(root.join("build"));
    Ok(tools)
}

/// The answer of `tool --version`, if there is such a tool.
fn says(workspace: &Workspace, tools: &Tools, tool: &str) -> Option<String> {
    // The program is looked up by ourselves: a spawned command searches the parent's PATH on some systems.
    let program = which::which_in(tool, path_with(&tools.bin).ok(), ".").ok()?;
    read(workspace.command(program).arg("--version")).ok()
}

/// Installs a command-line tool from its crate into the tool cache.
pub fn install(workspace: &Workspace, root: &Path, name: &str, version: Option<&str>) -> Result<()> {
    let shown = version.map_or(name.to_owned(), |version| format!("{name} {version}"));
    step(&format!("install {shown} (compiles for some minutes, once) into {}", root.display()), || {
        let install = |locked: bool| {
            let mut command = workspace.command("cargo");
            command.args(["install", name, "--root"]).arg(root);
            if let Some(version) = version {
                command.args(["--version", version, "--force"]);
            }
            if locked {
                command.arg("--locked");
            }
            // One target folder for all tools: their dependencies overlap.
            command.env("CARGO_TARGET_DIR", root.join("build"));
            // They run for a second and compile for minutes: the second matters less.
            command.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1").env("CARGO_PROFILE_RELEASE_LTO", "off");
            command.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS").env_remove("RUSTC_BOOTSTRAP");
            run(&mut command)
        };
        install(true)
            .or_else(|problem| {
                say(&format!("  {problem}; trying again without its lock file"));
                install(false)
            })
            .with_context(|| {
                format!(
                    "install it by hand: cargo install {name}{}",
                    version.map_or(String::new(), |v| format!(" --version {v}"))
                )
            })?;
        Ok(())
    })
}

fn npm_packages(workspace: &Workspace) -> Result<()> {
    let version =
        read(workspace.command("node").arg("--version")).context("install Node 20 or newer (https://nodejs.org)")?;
    let major = version.trim().trim_start_matches('v').split('.').next().and_then(|text| text.parse::<u32>().ok());
    if major.is_none_or(|major| major < 20) {
        bail!("Node 20 or newer is needed, found {}", version.trim());
    }
    let modules = workspace.path("node_modules");
    Stamp::new(modules.join(".zhiji-stamp")).tree(&workspace.path("package-lock.json"))?.unless_fresh(
        &[modules.join("esbuild")],
        || {
            step("npm ci", || {
                run(workspace.command("npm").args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]))
                    .context("npm could not install the packages of package-lock.json: is its registry reachable?")
            })
        },
    )?;
    Ok(())
}

/// Finds Chromium, its driver and fonts of Chinese and of pictures, or installs them where a Debian-like system allows it.
pub fn browser(workspace: &Workspace) -> Result<Browser> {
    let font = |of: &str| read(Command::new("fc-list").args([of, "file"])).is_ok_and(|fonts| !fonts.trim().is_empty());
    let missing: Vec<&str> = [
        (find_chromium().is_none(), "chromium"),
        (find_chromedriver().is_none(), "chromium-driver"),
        (!font(":lang=zh"), "fonts-noto-cjk"),
        // The tiles of the shop's goods are emoji.
        (!font(":charset=1f381"), "fonts-noto-color-emoji"),
    ]
    .into_iter()
    .filter_map(|(missing, package)| missing.then_some(package))
    .collect();
    if !missing.is_empty() {
        let outcome = step(&format!("apt-get install {}", missing.join(" ")), || apt_install(workspace, &missing));
        // A missing font only spoils the screenshots; a missing browser stops everything.
        if let (Err(problem), true) = (outcome, missing == ["fonts-noto-cjk"]) {
            say(&format!("  {problem:#}\n  going on without a Chinese font: screenshots will show boxes"));
        }
    }
    let advice = "install Chromium, its chromedriver and fonts by hand (Debian: apt-get install chromium chromium-driver \
                  fonts-noto-cjk fonts-noto-color-emoji), or name them in CHROMIUM and CHROMEDRIVER";
    Ok(Browser { chromium: find_chromium().context(advice)?, chromedriver: find_chromedriver().context(advice)? })
}

fn find_chromium() -> Option<PathBuf> {
    find("CHROMIUM", &["chromium", "google-chrome", "google-chrome-stable", "chromium-browser"])
}

fn find_chromedriver() -> Option<PathBuf> {
    find("CHROMEDRIVER", &["chromedriver"])
}

fn find(variable: &str, names: &[&str]) -> Option<PathBuf> {
    let named = std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    named.filter(|path| path.exists()).or_else(|| names.iter().find_map(|name| which::which(name).ok()))
}

fn apt_install(workspace: &Workspace, packages: &[&str]) -> Result<()> {
    which::which("apt-get").context("there is no apt-get here")?;
    let root = read(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    let apt = |arguments: &[&str]| {
        // `sudo -n` fails at once where it would ask for a password: nobody may be there to type it.
        let mut command = if root { workspace.command("env") } else { workspace.command("sudo") };
        if !root {
            command.args(["-n", "env"]);
        }
        run(command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]).args(arguments))
    };
    apt(&["update", "-q"])?;
    apt(&[&["install", "-q", "-y", "--no-install-recommends"], packages].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_file_names_the_wasm_bindgen_to_install() {
        let workspace = Workspace::find().unwrap();
        let version = locked_version(&workspace, "wasm-bindgen").unwrap();
        assert!(version.starts_with("0.2."), "{version}");
        assert!(locked_version(&workspace, "no-such-package").is_err());
    }
}
