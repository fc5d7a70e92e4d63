//! The way of a model from keys to a phone, through the command itself.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::json;
use tempfile::TempDir;
use zhiji::bundle::{self, Numbers, Writing};
use zhiji::sync::{EngineVersion, Ledger, Next, Root, SyncError, Update};

use super::{done, refused};

fn model(bias: f32) -> Vec<u8> {
    let spec = json!({
        "format": 1,
        "space": "shop",
        "schema": { "fields": ["category"] },
        "ranker": {
            "blocks": [{ "block": "wide", "features": ["prior"], "hashed": ["category"] }],
            "tiers": [{ "tasks": [{ "label": "click", "of": ["wide"] }] }],
        },
        "probes": [{ "dense": [3], "words": [["category", "0000000000000009"]] }],
    });
    let bias = [bias];
    let tensors: [(&str, &[f32]); 5] = [
        ("wide.weight", &[0.5]),
        ("wide.mean", &[1.0]),
        ("wide.scale", &[2.0]),
        ("wide.bias", &bias),
        ("wide.hashed", &[0.25; 4]),
    ];
    let shapes = tensors.map(|(_, numbers)| [numbers.len()]);
    let tensors = tensors.iter().zip(&shapes);
    let tensors = tensors.map(|((name, of), shape)| Writing { name, shape, numbers: Numbers::Singles(of) });
    bundle::write(&spec.to_string(), &tensors.collect::<Vec<_>>()).unwrap()
}

struct Place {
    _dir: TempDir,
    keys: PathBuf,
    site: PathBuf,
    bundle: PathBuf,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let [keys, site, bundle] = ["keys", "site", "model.safetensors"].map(|name| dir.path().join(name));
        fs::write(&bundle, model(0.5)).unwrap();
        done(&["keys", "new", "--out", text(&keys), "--insecure-seed", "test"]);
        done(&["root", "init", "--keys", text(&keys)]);
        Self { _dir: dir, keys, site, bundle }
    }

    fn publish<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        let mut args = vec!["publish", "--bundle", text(&self.bundle), "--space", "shop", "--keys", text(&self.keys)];
        args.extend(["--out", text(&self.site)]);
        args.extend(more);
        args
    }

    fn manifest(&self) -> Vec<u8> {
        fs::read(self.site.join("manifest.json")).unwrap()
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn what_is_published_is_taken_by_a_phone() {
    let place = Place::new();
    done(&place.publish(&["--now-ms", "1000"]));
    let root = Root::embedded(&fs::read(place.keys.join("1.root.json")).unwrap()).unwrap();
    let mut update = Update::new(Ledger::new(3), root, "shop", EngineVersion::current(), 0, 0);
    let Next::Fetch { path, version, .. } = update.on_manifest(&place.manifest(), 2000).unwrap() else {
        panic!("nothing to fetch")
    };
    let bytes = fs::read(place.site.join(path)).unwrap();
    let loaded =
        update.on_bundle(&bytes, |bytes| bundle::load(bytes, "shop").map_err(|_| SyncError::BundleHash)).unwrap();
    assert_eq!((version, loaded.stack().linear().unwrap().1.bias()), (1, 0.5));
    let said = done(&["verify", text(&place.site), "--now-ms", "2000"]);
    assert!(said.contains("1 probes answered"), "{said}");
}

#[test]
fn a_phone_that_has_the_version_before_fetches_the_difference() {
    let place = Place::new();
    // A table that stays as it is, so that there is something to share.
    let with_table = |bias: f32| {
        let mut tensors = vec![("embed.table", vec![0.5; 4_096])];
        tensors.extend([("wide.weight", vec![1.0]), ("wide.mean", vec![0.0]), ("wide.scale", vec![1.0])]);
        tensors.push(("wide.bias", vec![bias]));
        let spec = json!({
            "format": 1,
            "space": "shop",
            "schema": { "fields": ["category"] },
            "ranker": {
                "blocks": [{ "block": "embed", "hashed": ["category"] }, { "block": "wide", "features": ["prior"] }],
                "tiers": [{ "tasks": [{ "label": "click", "of": ["wide"] }] }],
            },
            "probes": [{ "dense": [3], "words": [["category", "0000000000000009"]] }],
        });
        let shapes: Vec<Vec<usize>> =
            tensors.iter().map(|(_, of)| if of.len() > 1 { vec![1_024, 4] } else { vec![1] }).collect();
        let writing = tensors.iter().zip(&shapes);
        let writing = writing.map(|((name, of), shape)| Writing { name, shape, numbers: Numbers::Singles(of) });
        bundle::write(&spec.to_string(), &writing.collect::<Vec<_>>()).unwrap()
    };
    fs::write(&place.bundle, with_table(0.5)).unwrap();
    done(&place.publish(&["--now-ms", "1000"]));
    let root = Root::embedded(&fs::read(place.keys.join("1.root.json")).unwrap()).unwrap();
    let mut update = Update::new(Ledger::new(3), root, "shop", EngineVersion::current(), 0, 0);
    let load = |bytes: &[u8]| bundle::load(bytes, "shop").map_err(|_| SyncError::BundleHash);
    let fetch = |update: &mut Update| match update.on_manifest(&place.manifest(), 2000).unwrap() {
        Next::Fetch { path, delta, .. } => (path, delta),
        Next::Current => panic!("nothing to fetch"),
    };
    let (path, delta) = fetch(&mut update);
    assert_eq!(delta, None);
    let base = fs::read(place.site.join(path)).unwrap();
    update.on_bundle(&base, load).unwrap();

    fs::write(&place.bundle, with_table(0.25)).unwrap();
    let said = done(&place.publish(&["--now-ms", "1500"]));
    assert!(said.contains("bytes instead of"), "{said}");
    let delta = fetch(&mut update).1.expect("a delta from the version before");
    let bytes = fs::read(place.site.join(delta.path)).unwrap();
    assert!(bytes.len() * 10 < base.len(), "{} of {} bytes", bytes.len(), base.len());
    assert_eq!(update.on_delta(&base, &bytes, load).unwrap().probes(), 1);
    assert_eq!(update.version(), 2);
    assert!(done(&["verify", text(&place.site), "--now-ms", "2000"]).contains("bytes from"));
    // The same again without deltas.
    done(&place.publish(&["--now-ms", "1500", "--deltas", "0"]));
    assert!(!done(&["verify", text(&place.site), "--now-ms", "2000"]).contains("bytes from"));
}

#[test]
fn a_version_that_is_not_greater_is_refused_and_the_tree_stays() {
    let place = Place::new();
    done(&place.publish(&["--version", "5"]));
    let before = place.manifest();
    for version in ["5", "4"] {
        let said = refused(&place.publish(&["--version", version]));
        assert!(said.contains("--version 6"), "{said}");
    }
    assert_eq!(place.manifest(), before);
    assert!(done(&place.publish(&[])).contains("version 6"));
}

#[test]
fn verify_names_what_is_wrong() {
    let place = Place::new();
    done(&place.publish(&["--now-ms", "1000", "--expires-days", "1"]));
    let site = text(&place.site);
    assert!(refused(&["verify", site]).contains("EXPIRED"));
    assert!(refused(&["verify", site, "--space", "school", "--now-ms", "1000"]).contains("WRONG_SPACE"));
    let forged = String::from_utf8(place.manifest()).unwrap().replace("\\\"version\\\":1", "\\\"version\\\":2");
    assert_ne!(forged.as_bytes(), place.manifest());
    let good = place.manifest();
    fs::write(place.site.join("manifest.json"), forged).unwrap();
    assert!(refused(&["verify", site, "--now-ms", "1000"]).contains("SIGNATURE"));
    fs::write(place.site.join("manifest.json"), good).unwrap();
    let stored = fs::read_dir(place.site.join("bundles")).unwrap().next().unwrap().unwrap().path();
    let mut bytes = fs::read(&stored).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&stored, &bytes).unwrap();
    assert!(refused(&["verify", site, "--now-ms", "1000"]).contains("BUNDLE_HASH"));
    bytes.pop();
    fs::write(&stored, &bytes).unwrap();
    assert!(refused(&["verify", site, "--now-ms", "1000"]).contains("BUNDLE_LENGTH"));
}

#[test]
fn a_rotated_root_is_followed_and_the_old_key_no_longer_counts() {
    let place = Place::new();
    let keys = text(&place.keys);
    let old = fs::read(place.keys.join("manifest.key.json")).unwrap();
    done(&["root", "rotate", "--keys", keys, "--root-key"]);
    done(&place.publish(&[]));
    assert!(done(&["verify", text(&place.site)]).contains("root 2"));
    fs::write(place.keys.join("manifest.key.json"), old).unwrap();
    assert!(refused(&place.publish(&[])).contains("0 of 1"));
}

#[test]
fn a_rollout_needs_shares_of_eighths() {
    let place = Place::new();
    let second = place.keys.join("second.safetensors");
    fs::write(&second, model(0.75)).unwrap();
    let second = text(&second);
    assert!(refused(&place.publish(&["--bundle", second])).contains("--share"));
    assert!(
        refused(&place.publish(&["--share", "900", "--bundle", second, "--share", "100"])).contains("multiples of 125")
    );
    done(&place.publish(&["--share", "875", "--bundle", second, "--share", "125"]));
    assert_eq!(done(&["verify", text(&place.site)]).matches("probes answered").count(), 2);
}

#[test]
fn a_bundle_that_phones_would_refuse_is_not_published() {
    let place = Place::new();
    fs::write(&place.bundle, b"not a bundle").unwrap();
    refused(&place.publish(&[]));
    assert!(!place.site.exists());
}

#[cfg(unix)]
#[test]
fn keys_are_the_owners_alone_and_never_overwritten() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let path = place.keys.join("root.key.json");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let before = fs::read(&path).unwrap();
    assert!(refused(&["keys", "new", "--out", text(&place.keys)]).contains("already"));
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn inspect_tells_what_is_in_a_file() {
    let place = Place::new();
    done(&place.publish(&[]));
    assert!(done(&["inspect", text(&place.bundle)]).contains("wide.hashed  F32 [4]"));
    assert!(done(&["inspect", text(&place.site.join("manifest.json"))]).contains("\"space\": \"shop\""));
    let module = place.keys.join("empty.wasm");
    fs::write(&module, b"\0asm\x01\0\0\0").unwrap();
    assert!(done(&["inspect", text(&module)]).contains("8 bytes"));
}

struct Served(Child, u16);

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn serve(dir: &Path) -> Served {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zhiji"));
    let mut child = command.args(["serve", text(dir), "--port", "0"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let port = line.trim().trim_end_matches('/').rsplit(':').next().unwrap().parse().unwrap();
    Served(child, port)
}

fn get(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn serve_gives_the_tree_and_nothing_else() {
    let place = Place::new();
    done(&place.publish(&[]));
    #[cfg(unix)]
    std::os::unix::fs::symlink(place.keys.join("root.key.json"), place.site.join("link.json")).unwrap();
    let served = serve(&place.site);
    let manifest = get(served.1, "/manifest.json?x=1");
    assert!(manifest.starts_with("HTTP/1.1 200"), "{manifest}");
    for header in ["application/json", "Access-Control-Allow-Origin: *", "Cache-Control: no-store"] {
        assert!(manifest.contains(header), "{header} in {manifest}");
    }
    for path in [
        "/../keys/root.key.json",
        "/%2e%2e/keys/root.key.json",
        "/..%2fkeys%2froot.key.json",
        "/link.json",
        "/%00",
        "/%zz",
        "/",
    ] {
        let answer = get(served.1, path);
        assert!(answer.starts_with("HTTP/1.1 40"), "{path}: {answer}");
        assert!(!answer.contains("secret"));
    }
}

#[test]
fn a_dry_run_says_what_would_change_and_writes_nothing() {
    let place = Place::new();
    let said = done(&place.publish(&["--dry-run"]));
    assert!(said.contains("nothing is live; next is version 1") && said.contains("0 ‰ → 1000 ‰"), "{said}");
    assert!(said.contains("nothing was written") && !place.site.exists());
    done(&place.publish(&[]));
    let before = place.manifest();
    fs::write(&place.bundle, model(0.75)).unwrap();
    let said = done(&place.publish(&["--dry-run"]));
    assert!(said.contains("live is version 1") && said.contains("1000 ‰ → withdrawn"), "{said}");
    assert!(said.contains("1000 ‰ of the devices get another bundle"), "{said}");
    assert_eq!(place.manifest(), before);
    assert_eq!(fs::read_dir(place.site.join("bundles")).unwrap().count(), 1);
}

#[test]
fn a_stage_grows_without_taking_a_device_back_and_a_rollback_goes_forward() {
    let place = Place::new();
    assert!(refused(&place.publish(&["--stage", "125"])).contains("exactly one other bundle"));
    done(&place.publish(&[]));
    let old = place.keys.join("old.safetensors");
    fs::copy(&place.bundle, &old).unwrap();
    fs::write(&place.bundle, model(0.75)).unwrap();
    // By hand first, old before new, as the example of the help has it.
    let (keys, site) = (text(&place.keys), text(&place.site));
    let mut by_hand = vec!["publish", "--bundle", text(&old), "--share", "875", "--space", "shop", "--keys", keys];
    by_hand.extend(["--out", site, "--bundle", text(&place.bundle), "--share", "125"]);
    assert!(done(&by_hand).contains("125 ‰ of the devices"));
    let said = done(&place.publish(&["--stage", "500"]));
    assert!(said.contains("875 ‰ → 500 ‰") && said.contains("125 ‰ → 500 ‰"), "{said}");
    assert!(said.contains("375 ‰ of the devices"), "who had the new one keeps it: {said}");
    assert!(done(&place.publish(&["--stage", "1000"])).contains("500 ‰ of the devices"));
    assert!(refused(&place.publish(&["--stage", "100"])).contains("multiple of 125"));
    let rollback = |version: &str| {
        ["publish", "--rollback-to", version, "--space", "shop", "--keys", keys, "--out", site].map(String::from)
    };
    let run = |args: &[String]| args.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
    let args = rollback("1");
    let said = done(&args.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(said.contains("version 5, 1 bundle(s)"), "{}: {said}", run(&args));
    assert!(done(&["verify", site]).contains("manifest 5"));
    let manifest: serde_json::Value = serde_json::from_slice(&place.manifest()).unwrap();
    let payload = manifest["payload"].as_str().unwrap();
    let first: serde_json::Value =
        serde_json::from_slice(&fs::read(place.site.join("manifests/1.json")).unwrap()).unwrap();
    // The same bundles; how phones come to them is another matter.
    let of = |text: &str| {
        let mut bundles = serde_json::from_str::<serde_json::Value>(text).unwrap()["bundles"].take();
        bundles
            .as_array_mut()
            .unwrap()
            .iter_mut()
            .for_each(|entry| drop(entry.as_object_mut().unwrap().remove("deltas")));
        bundles
    };
    assert_eq!(of(payload), of(first["payload"].as_str().unwrap()));
    let args = rollback("9");
    let said = refused(&args.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(said.contains("it has: 1, 2, 3, 4, 5"), "{said}");
}
