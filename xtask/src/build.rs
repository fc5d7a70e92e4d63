//! From Rust to what is shipped.
//!
//! ```text
//! src/ ─┬─ wasm-pack ───────────────────────────────────────────────▶ target/mini/web        browsers
//!       ├─ cargo (std rebuilt, MVP) ── wasm-bindgen ── wasm-opt ─┬──▶ target/mini/mvp        phones
//!       │                                                        └──▶ target/mini/fallback   wasm2js: phones where wasm fails
//!       └─ cargo (std rebuilt, MVP + SIMD) ── … ────────────────────▶ target/mini/simd       phones with SIMD
//! js/ + the above + the words of src/ ── js/build.mjs ──▶ pkg/, miniprogram/miniprogram_npm/
//! ```

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context, Result, anyhow, ensure};

use crate::brotli;
use crate::locals::for_compressor;
use crate::order::by_likeness;
use crate::process::{Workspace, read, run, step};
use crate::setup::Tools;
use crate::stamp::Stamp;
use crate::wasm::{Names, for_phones, letters, renamed, short_names};
use crate::words;

const TARGET: &str = "wasm32-unknown-unknown";
const PROFILE: &str = "phone";

/// The optimised module with the hints by which wasm2js knows what is not aligned.
const TRANSLATED: &str = "zhiji_hinted.wasm";

/// Flags of rustc that every module for phones is built with.
///
/// `immediate-abort` and `location-detail` leave the texts and places of panics out: they could not be shown on a phone (an error
/// carries no values). SHA-2 is rolled up: unrolled it is four times as large, and it reads a bundle once in a download. `zhiji_phone` lets
/// the marks take effect by which a few functions are compiled for speed.
const SMALL: &str = "-Ctarget-cpu=mvp --cfg zhiji_phone -Zunstable-options -Cpanic=immediate-abort -Zlocation-detail=none \
                     --cfg sha2_backend=\"soft\" --cfg sha2_backend_soft=\"compact\"";

/// A flag of the linker. With a stack a little smaller than the usual 1 MiB the data lie below 2^20, and their addresses are a byte
/// shorter (0.2 kB of 125).
const LINKED: &str = "-Clink-arg=-zstack-size=983040";

/// What LLVM does when the module is linked. Partly redundant loads and expressions stay as they are: to share them takes jumps and
/// variables. A function with much on the stack is moved into none, as the compressor finds more in small ones. Together 1.7 kB of 125, at no
/// cost in the time of any kernel; without loop strength reduction it would be 1.5 kB less, and up to a tenth slower.
const GENERATED: [&str; 2] = ["-Cllvm-args=-enable-pre=false", "-Cllvm-args=-inline-max-stacksize=128"];

/// Passes of wasm-opt, twice: the second time finds what the first has laid bare (0.5 kB of 126).
///
/// A function with one caller is moved into it only where it is tiny: the compressor finds more to share in many small functions than in
/// a few large ones (5 kB of 118). The least addresses hold nothing, as the stack grows down to them and the data lie above it; memory
/// starts as zeros, as it is the module's own. Common parts of expressions stay where they are, and similar functions apart: they are
/// what the compressor shares best (0.7 kB of 112).
const OPTIMISE: [&str; 10] = [
    "-Oz",
    "-Oz",
    "--one-caller-inline-max-function-size",
    "20",
    "--low-memory-unused",
    "--zero-filled-memory",
    "--skip-pass",
    "local-cse",
    "--skip-pass",
    "merge-similar-functions",
];

/// One of the modules made for mini-programs.
struct Module {
    name: &'static str,
    /// Flags of rustc besides, for the crate and for the standard library alike.
    rustc: &'static str,
    /// What wasm-opt may use.
    features: &'static [&'static str],
}

const MODULES: [Module; 2] = [
    Module { name: "mvp", rustc: "", features: &["--mvp-features"] },
    Module { name: "simd", rustc: " -Ctarget-feature=+simd128", features: &["--mvp-features", "--enable-simd"] },
];

/// Builds what is out of date, and assembles the packages.
pub fn all(workspace: &Workspace, tools: &Tools) -> Result<()> {
    web(workspace, tools)?;
    // A module is compressed while what comes behind it is built.
    thread::scope(|scope| {
        let mut compressing = Vec::new();
        for module in &MODULES {
            mini(workspace, tools, module)?;
            compressing.push(scope.spawn(|| compress(workspace, module)));
        }
        fallback(workspace)?;
        step("wasm for phones, compressed", || {
            compressing.into_iter().try_for_each(|done| done.join().map_err(|_| anyhow!("the compressor panicked"))?)
        })
    })?;
    packages(workspace)
}

/// What the tests need besides: the golden vectors as modules of their own.
pub fn for_tests(workspace: &Workspace, tools: &Tools) -> Result<()> {
    all(workspace, tools)?;
    golden(workspace)
}

fn out(workspace: &Workspace, name: &str) -> PathBuf {
    workspace.path("target/mini").join(name)
}

/// A stamp over everything that goes into a module, kept in this file.
fn stamp(workspace: &Workspace, file: PathBuf) -> Result<Stamp> {
    Stamp::new(file)
        .text(&read(workspace.command("rustc").arg("-vV"))?)
        .text(include_str!("build.rs"))
        .text(include_str!("wasm.rs"))
        .text(include_str!("order.rs"))
        .text(include_str!("locals.rs"))
        .tree(&workspace.path("src"))?
        .tree(&workspace.path("Cargo.toml"))?
        .tree(&workspace.path("Cargo.lock"))
}

fn web(workspace: &Workspace, tools: &Tools) -> Result<()> {
    let folder = out(workspace, "web");
    stamp(workspace, folder.join(".stamp"))?.unless_fresh(
        &[folder.join("zhiji_bg.wasm"), folder.join("zhiji.js")],
        || {
            step("wasm for browsers (wasm-pack)", || {
                let mut command = workspace.command("wasm-pack");
                command.args([
                    "build",
                    "--profile",
                    PROFILE,
                    "--target",
                    "web",
                    "--mode",
                    "no-install",
                    "--out-name",
                    "zhiji",
                    "--out-dir",
                ]);
                command.arg(&folder).env("CARGO_TARGET_DIR", workspace.path("target/wasm"));
                // Without the marks, which need the phones' flags, this is the level at which it is both small and fast enough.
                command.env("CARGO_PROFILE_PHONE_OPT_LEVEL", "s");
                run(tools.on_path(&mut command)?)
            })
        },
    )?;
    Ok(())
}

fn mini(workspace: &Workspace, tools: &Tools, module: &Module) -> Result<()> {
    let folder = out(workspace, module.name);
    let wasm = folder.join("zhiji_bg.wasm");
    let outputs = [wasm.clone(), folder.join(TRANSLATED), folder.join("zhiji_bg.js")];
    stamp(workspace, folder.join(".stamp"))?.unless_fresh(&outputs, || {
        step(&format!("wasm for phones: {}", module.name), || {
            let linked = compile(workspace, module, "zhiji", "zhiji.wasm")?;

            let mut glue = workspace.command("wasm-bindgen");
            glue.args(["--target", "bundler", "--no-typescript", "--out-name", "zhiji", "--out-dir"]).arg(&folder);
            glue.arg(linked);
            run(tools.on_path(&mut glue)?)?;
            let script = folder.join("zhiji_bg.js");
            let (linked, text) = (fs::read(&wasm)?, fs::read_to_string(&script)?);
            let letters = letters(&linked, &text)?;
            fs::write(&script, renamed(&text, &short_names(&linked)?, &letters)?)?;
            optimise(workspace, module, &wasm, &letters, &folder.join(TRANSLATED))?;
            canonical(&folder.join(TRANSLATED), &wasm)
        })
    })?;
    Ok(())
}

/// Compiles and links a package as a module for phones; gives what the linker wrote.
fn compile(workspace: &Workspace, module: &Module, package: &str, file: &str) -> Result<PathBuf> {
    let target = workspace.path("target/mini-build");
    let mut cargo = workspace.command("cargo");
    // Only a crate that is nothing but a module is optimised as a whole at link time; as the library that it is for the lab too, it would
    // be linked as it was compiled, and be a sixth larger.
    cargo.args(["rustc", "--crate-type", "cdylib"]);
    cargo.args(["--profile", PROFILE, "--lib", "--package", package, "--target", TARGET]);
    // The standard library as it comes is compiled with features that old phones lack.
    cargo.arg("-Zbuild-std=std,panic_abort").arg("-Zbuild-std-features=optimize_for_size");
    cargo.arg("--target-dir").arg(&target).args(["--", LINKED]).args(GENERATED);
    cargo.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", [SMALL, module.rustc].concat());
    cargo.env_remove("CARGO_ENCODED_RUSTFLAGS").env_remove("CARGO_BUILD_TARGET");
    run(&mut cargo)?;
    Ok(target.join(TARGET).join(PROFILE).join(file))
}

/// Takes out what phones must not see, and lets wasm-opt make the rest small.
fn optimise(workspace: &Workspace, module: &Module, from: &Path, exports: &Names, to: &Path) -> Result<()> {
    let linked = fs::read(from)?;
    fs::write(to, for_phones(&linked, &short_names(&linked)?, exports)?)?;
    let mut optimise = workspace.npm_bin("wasm-opt");
    optimise.args(module.features).args(OPTIMISE).args(["--strip-producers", "--strip-debug"]);
    run(optimise.arg(to).arg("-o").arg(to))?;
    fs::write(to, by_likeness(&fs::read(to)?)?)?;
    Ok(())
}

/// Lets the compressor find more in an optimised module. Translators that go by hints of alignment must be given the module from before.
fn canonical(from: &Path, to: &Path) -> Result<()> {
    let renumbered = for_compressor(&fs::read(from)?)?;
    fs::write(to, by_likeness(&renumbered)?)?;
    Ok(())
}

/// The engine's scoring as bare modules for the benchmarks, in a folder.
pub fn for_benches(workspace: &Workspace) -> Result<PathBuf> {
    bare(workspace, "the benchmarks", "benches/module", "zhiji-bench-module", "target/bench/module")
}

/// The golden vectors as bare modules, and as JavaScript, for the tests.
fn golden(workspace: &Workspace) -> Result<()> {
    let folder =
        bare(workspace, "the golden vectors", "tests/golden/module", "zhiji-golden-module", "target/mini/golden")?;
    to_js(
        workspace,
        &folder.join("mvp.wasm"),
        &folder.join("mvp.wasm.js"),
        "the golden vectors as JavaScript (wasm2js)",
    )
}

/// A package of the workspace as bare modules `mvp.wasm` and `simd.wasm` in a folder: compiled and optimised as what is shipped.
fn bare(workspace: &Workspace, what: &str, sources: &str, package: &str, to: &str) -> Result<PathBuf> {
    let folder = workspace.path(to);
    fs::create_dir_all(&folder)?;
    for module in &MODULES {
        let wasm = folder.join(module.name).with_extension("wasm");
        stamp(workspace, folder.join(format!(".stamp-{}", module.name)))?
            .tree(&workspace.path(sources))?
            .unless_fresh(std::slice::from_ref(&wasm), || {
                step(&format!("wasm for {what}: {}", module.name), || {
                    let linked = compile(workspace, module, package, &format!("{}.wasm", package.replace('-', "_")))?;
                    optimise(workspace, module, &linked, &Names::new(), &wasm)
                })
            })?;
    }
    Ok(folder)
}

/// Writes a module as it is shipped, `zhiji_bg.wasm.br`.
fn compress(workspace: &Workspace, module: &Module) -> Result<()> {
    let folder = out(workspace, module.name);
    let (wasm, written) = (folder.join("zhiji_bg.wasm"), folder.join("zhiji_bg.wasm.br"));
    let mut stamp = Stamp::new(folder.join(".stamp-br")).tree(&wasm)?.text(include_str!("brotli.rs"));
    for part in brotli::SOURCES {
        stamp = stamp.text(part);
    }
    stamp.unless_fresh(std::slice::from_ref(&written), || {
        let module = fs::read(&wasm)?;
        let compressed = brotli::compressed(&module);
        let mut back = Vec::new();
        brotli_decompressor::BrotliDecompress(&mut compressed.as_slice(), &mut back)?;
        ensure!(back == module, "{} would be inflated to something else", written.display());
        Ok(fs::write(&written, compressed)?)
    })?;
    Ok(())
}

fn fallback(workspace: &Workspace) -> Result<()> {
    let (source, module) = (out(workspace, "mvp"), out(workspace, "fallback").join("zhiji_bg.wasm.js"));
    to_js(workspace, &source.join(TRANSLATED), &module, "the MVP module as JavaScript (wasm2js)")
}

/// A module as JavaScript, where phones run no wasm.
fn to_js(workspace: &Workspace, wasm: &Path, module: &Path, what: &str) -> Result<()> {
    let folder = module.parent().context("a file has a folder")?;
    Stamp::new(folder.join(".stamp")).text(include_str!("build.rs")).tree(wasm)?.unless_fresh(
        &[module.to_path_buf()],
        || {
            step(what, || {
                fs::create_dir_all(folder)?;
                let mut command = workspace.npm_bin("wasm2js");
                run(command.args(["--mvp-features", "-O3"]).arg(wasm).arg("-o").arg(module))
            })
        },
    )?;
    Ok(())
}

/// Assembles `pkg/` and `miniprogram/miniprogram_npm/` from the modules and the hand-written JavaScript.
fn packages(workspace: &Workspace) -> Result<()> {
    // One bundle of JavaScript serves every module, so their glue must be the same text.
    let glue =
        |name: &str| fs::read_to_string(out(workspace, name).join("zhiji_bg.js")).context(format!("glue of {name}"));
    ensure!(glue("mvp")? == glue("simd")?, "wasm-bindgen wrote different glue for the MVP and the SIMD module");

    let script = "js/build.mjs";
    let words = out(workspace, "words.json");
    fs::write(&words, words::json(&workspace.path("src"))?)?;
    let mut stamp = Stamp::new(workspace.path("target/mini/.packages")).tree(&workspace.path("js"))?.tree(&words)?;
    for name in ["web", "mvp", "simd", "fallback"] {
        stamp = stamp.tree(&out(workspace, name).join(".stamp"))?.tree(&out(workspace, name).join(".stamp-br"))?;
    }
    let outputs = [workspace.path("pkg/package.json"), workspace.path("miniprogram/miniprogram_npm/zhiji")];
    stamp.unless_fresh(&outputs, || {
        step("packages: pkg/ and miniprogram/miniprogram_npm/", || {
            let mut command = workspace.node(script);
            command.arg("--words").arg(&words);
            for name in ["mvp", "simd", "fallback", "web"] {
                command.arg(format!("--{name}")).arg(out(workspace, name));
            }
            run(&mut command)
        })
    })?;
    Ok(())
}
