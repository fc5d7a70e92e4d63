//! Trainings that are stopped, killed, or asked for what cannot be.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use zhiji::bundle;

use super::lab::{catalogue, path, simulate};
use super::{done, refused, zhiji};

/// A folder with a catalogue, a schema and `shop`, a small simulated data set.
fn small_shop() -> TempDir {
    let dir = catalogue();
    simulate(&dir, "shop", ["40", "12"]);
    dir
}

/// The words of `zhiji train DIR/shop --label click --out DIR/a.safetensors`, and more.
fn train(dir: &TempDir, more: &str) -> Vec<String> {
    let (data, out) = (path(dir, "shop"), path(dir, "a.safetensors"));
    let first = ["train", &data, "--out", &out, "--label", "click"].map(String::from);
    first.into_iter().chain(more.split_whitespace().map(String::from)).collect()
}

fn borrowed(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

/// Trains, and gives the bytes of the bundle.
fn trained(dir: &TempDir, more: &str) -> Vec<u8> {
    done(&borrowed(&train(dir, more)));
    let out = dir.path().join("a.safetensors");
    let bytes = fs::read(&out).unwrap();
    fs::remove_file(out).unwrap();
    bytes
}

fn refusal(dir: &TempDir, more: &str) -> String {
    refused(&borrowed(&train(dir, more)))
}

/// Enough epochs that the run is far from its end when its first checkpoint is there.
const LONG: &str = "--epochs 120 --patience 120 --learning-rate 0.003 --checkpoint-every 5";

/// A training of [`LONG`] whose first checkpoint is there.
fn begun(dir: &TempDir) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zhiji"));
    command.args(train(dir, LONG)).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    while !checkpoint(dir).exists() {
        assert!(child.try_wait().unwrap().is_none(), "the training ended without a checkpoint");
        std::thread::sleep(Duration::from_millis(1));
    }
    child
}

fn checkpoint(dir: &TempDir) -> std::path::PathBuf {
    dir.path().join("a.safetensors.checkpoint")
}

#[cfg(unix)]
#[test]
fn an_interrupted_training_leaves_a_checkpoint_and_resumes_to_the_same_bytes() {
    let dir = small_shop();
    let whole = trained(&dir, LONG);
    for signal in ["-INT", "-TERM"] {
        let child = begun(&dir);
        assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(130), "{signal}: {said}");
        assert!(said.contains("--resume") && said.contains("a.safetensors.checkpoint"), "{said}");
        assert!(!dir.path().join("a.safetensors").exists(), "a bundle of a training that was stopped");
        // Not the last of the regular checkpoints, but one of the step at which it stopped.
        let step = said.split("after step ").nth(1).and_then(|rest| rest.split(';').next()).unwrap();
        let held = fs::read(checkpoint(&dir)).unwrap();
        assert!(String::from_utf8_lossy(&held).contains(&format!(r#"\"step\":{step},"#)), "step {step}");
        assert_eq!(trained(&dir, &format!("{LONG} --resume")), whole, "{signal}");
        assert!(!checkpoint(&dir).exists(), "the checkpoint of a training that is over");
    }
}

#[cfg(unix)]
#[test]
fn a_killed_training_resumes_to_the_same_bytes() {
    use std::os::unix::process::ExitStatusExt as _;
    let dir = small_shop();
    let mut child = begun(&dir);
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9));
    assert!(!dir.path().join("a.safetensors").exists(), "it was killed before its end");
    let resumed = trained(&dir, &format!("{LONG} --resume"));
    assert_eq!(resumed, trained(&dir, LONG));
}

#[test]
fn a_checkpoint_that_does_not_fit_is_refused() {
    let dir = small_shop();
    assert!(refusal(&dir, "--resume").contains("there is no checkpoint"));
    let stopped = zhiji(&borrowed(&train(&dir, "--stop-after 9")));
    assert_eq!(stopped.status.code(), Some(130), "{}", String::from_utf8_lossy(&stopped.stderr));
    assert!(refusal(&dir, "--l2 7 --resume").contains("another configuration"));
    simulate(&dir, "shop", ["41", "12"]);
    assert!(refusal(&dir, "--resume").contains("over other data"));
    let whole = fs::read(checkpoint(&dir)).unwrap();
    for bytes in [&whole[..whole.len() / 2], b"nothing"] {
        fs::write(checkpoint(&dir), bytes).unwrap();
        let said = refusal(&dir, "--resume");
        assert!(said.contains("is no checkpoint of `zhiji train`"), "{} bytes: {said}", bytes.len());
    }
}

/// Whatever a configuration asks for that cannot be is refused with the place where it stands.
#[test]
fn a_configuration_that_cannot_be_is_refused_by_name() {
    let dir = catalogue();
    simulate(&dir, "shop", ["20", "5"]);
    let [shop, out, config] = ["shop", "a.safetensors", "model.toml"].map(|name| path(&dir, name));
    let item = "[[blocks]]\nblock = 'item'\ndim = 6\n";
    let two = "[[blocks]]\nblock = 'dense'\n[[blocks]]\nblock = 'embed'\nhashed = ['category']\ndim = 3\n";
    for (text, named) in [
        // Not TOML at all, and what is no table.
        ("epochs = ", "TOML parse error"),
        ("[[blocks]\nblock = 'wide'", "TOML parse error"),
        ("blocks = 'wide'", "blocks: give tables"),
        // Keys that are unknown, given twice, of another type, or out of bounds.
        ("epoch = 3", "epoch"),
        ("epochs = 3\nepochs = 4", "duplicate key"),
        ("epochs = 'many'", "epochs"),
        ("epochs = -1", "epochs"),
        ("learning-rate = 0", "learning-rate: give a number above 0"),
        ("optimiser = 'lion'", "lion"),
        ("label = 'click'", "label"),
        ("label = ['buy']", "the schema has no label `buy`"),
        ("task-weights = [1, 2]", "task-weights: give one number for each of the 1 labels"),
        // Blocks that are unknown, nameless, of the wrong keys.
        ("[[blocks]]\nblock = 'wood'", "blocks[0].block: \"wood\" is none of: dense"),
        ("[[blocks]]\ndim = 3", "blocks[0].block: say which block it is"),
        ("[[blocks]]\nblock = 'wide'\ndepth = 3", "blocks[0].depth: there is no such key"),
        ("[[blocks]]\nblock = 'wide'\nhashed = 3", "blocks[0].hashed: give a list of words"),
        ("[[blocks]]\nblock = 'wide'\nhashed = ['colour']", "blocks[0].hashed"),
        ("[[blocks]]\nblock = 'fm'\ndim = 2.5", "blocks[0].dim: give a whole number"),
        ("[[blocks]]\nblock = 'mlp'\nof = ['item']\nwidths = [1]", "blocks[0].of: there is no block \"item\""),
        // Sizes that do not fit one another.
        (&format!("{two}[[blocks]]\nblock = 'product'\nof = ['dense', 'embed']"), "blocks[2].of"),
        (&format!("{two}[[blocks]]\nblock = 'mean'\nof = ['dense', 'embed']"), "blocks[2].of"),
        (&format!("{two}[[blocks]]\nblock = 'vector'\nof = ['dense', 'embed']"), "blocks[2].of"),
        (
            &format!("{item}[[blocks]]\nblock = 'sequence'\nof = ['item']\nheads = 4"),
            "blocks[1].heads: they must divide",
        ),
        (&format!("{item}[[blocks]]\nblock = 'attention'\nof = ['item']\nwidths = [4, 2]"), "blocks[1].widths"),
        (&format!("{two}[[blocks]]\nblock = 'mmoe'\nof = ['dense']\nwidths = [4]\ntowers = [2]"), "blocks[2].towers"),
        (
            &format!("{two}[[tiers]]\ntasks = [{{ label = 'click', of = ['embed'] }}]"),
            "gives 3 numbers; a task takes one",
        ),
        // Tiers.
        ("[[blocks]]\nblock = 'wide'\n[[tiers]]\ntask = []", "tiers[0].task: there is no such key"),
        ("[[blocks]]\nblock = 'wide'\n[[tiers]]\nblend = { sum = [1, 2] }", "tiers[0].blend"),
        (
            "[[blocks]]\nblock = 'wide'\n[[tiers]]\ntasks = [{ label = 'buy', of = ['wide'] }]",
            "tiers[0].tasks[0].label",
        ),
    ] {
        fs::write(&config, text).unwrap();
        // The schema's one label is what is learnt where none is named.
        let said = refused(&["train", &shop, "--out", &out, "--config", &config]);
        assert!(said.contains(named) && said.contains("model.toml"), "{text}\n{said}");
    }
    assert!(refusal(&dir, "--config nowhere.toml").contains("cannot read nowhere.toml"));
    assert!(refusal(&dir, "--set wide.depth=3").contains("depth: there is no such key"));
    assert!(refusal(&dir, "--checkpoint-every 0").contains("--checkpoint-every"));
    assert!(!dir.path().join("a.safetensors").exists() && !checkpoint(&dir).exists());
    let elsewhere = refused(&["train", &path(&dir, "nowhere"), "--out", &out]);
    assert!(elsewhere.contains("nowhere"), "{elsewhere}");
}

/// Whatever a name or an example stands for is a model that learns here and that a phone opens.
#[test]
fn every_named_model_and_every_example_can_be_trained() {
    let dir = catalogue();
    let schema = fs::read_to_string(dir.path().join("schema.js")).unwrap();
    let two = schema
        .replace("windowMinutes: 30 } },", "windowMinutes: 30 }, buy: { positive: ['cart'], windowMinutes: 60 } },");
    assert_ne!(schema, two);
    fs::write(dir.path().join("schema.js"), two).unwrap();
    simulate(&dir, "shop", ["20", "5"]);
    let (shop, out) = (path(&dir, "shop"), path(&dir, "a.safetensors"));
    let mut asked: Vec<Vec<String>> = ["wide", "fm", "two-tower", "deep", "din", "sequence"]
        .map(|model| ["--label", "click", "--dim", "6", "--model", model].map(String::from).to_vec())
        .to_vec();
    for entry in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples")).unwrap() {
        let file = entry.unwrap().path();
        if file.extension().is_some_and(|ending| ending == "toml") {
            let labels = if file.ends_with("two_tasks.toml") { "click,buy" } else { "click" };
            asked.push(["--label", labels, "--config", file.to_str().unwrap()].map(String::from).to_vec());
        }
    }
    assert!(asked.len() >= 10);
    for more in asked {
        let always = ["train", &shop, "--out", &out, "--epochs", "1", "--batch", "16"].map(String::from);
        done(&borrowed(&[&always[..], &more].concat()));
        let bundle = bundle::load(&fs::read(&out).unwrap(), "shop").unwrap();
        assert_eq!(bundle.probes(), 8, "{more:?}");
        if more.iter().any(|word| word.ends_with("two_tasks.toml")) {
            let stack = bundle.stack();
            assert!(stack.calibrations(0).any(|one| one.is_some_and(|one| one.name() == "platt")));
            assert_eq!(stack.blend(0).map(|blend| (blend.name(), blend.shares().len())), Some(("powers", 2)));
        }
    }
}

#[test]
fn a_bundle_in_which_a_page_can_find_items_tells_their_ids() {
    let dir = catalogue();
    simulate(&dir, "shop", ["20", "5"]);
    let items = fs::read_to_string(dir.path().join("shop/items.jsonl")).unwrap();
    let id = |line| serde_json::from_str::<serde_json::Value>(line).unwrap()["id"].as_str().unwrap().to_string();
    let catalogue: BTreeSet<String> = items.lines().map(id).collect();
    // How many items have rows, and the ids that are told of them.
    let told = |more: &str| {
        let bytes = trained(&dir, &format!("--epochs 1 {more}"));
        let rows =
            safetensors::SafeTensors::deserialize(&bytes).unwrap().tensor("items.ids").map_or(0, |ids| ids.shape()[0]);
        let bundle = bundle::load(&bytes, "shop").unwrap();
        let ids = bundle.stack().named().map(|(id, ..)| String::from_utf8(id.to_vec()).unwrap());
        (rows, ids.collect::<BTreeSet<String>>())
    };
    for finds in ["--model two-tower", "--model two-tower --ensemble 2"] {
        let (rows, ids) = told(finds);
        assert!(rows > 50 && ids.len() == rows && ids.is_subset(&catalogue), "{finds}: {rows}, {ids:?}");
    }
    for silent in ["--model two-tower --ids=false", "--model din"] {
        let (rows, ids) = told(silent);
        assert!(rows > 50 && ids.is_empty(), "{silent}: {rows}, {ids:?}");
    }
}

#[test]
fn bundles_trained_apart_become_one() {
    let dir = catalogue();
    simulate(&dir, "shop", ["20", "5"]);
    let files = [path(&dir, "one.safetensors"), path(&dir, "two.safetensors"), path(&dir, "both.safetensors")];
    for (file, seed) in files.iter().zip(["1", "2"]) {
        fs::write(file, trained(&dir, &format!("--model two-tower --epochs 1 --seed {seed}"))).unwrap();
    }
    let [one, two, both] = files.each_ref().map(String::as_str);
    done(&["pack", one, two, "--ensemble", "logits", "--out", both]);
    let tensors = bundle::tensors(&fs::read(both).unwrap()).unwrap();
    let count = |name: &str| tensors.iter().filter(|listed| listed.0 == name).count();
    let names = ["wide.0.bias", "wide.1.bias", "item.0.vectors", "item.1.vectors", "items.ids", "items.names"];
    assert_eq!(names.map(count), [1; 6]);
    let said = refused(&["pack", one, two, "--ensemble", "probabilities", "--out", both]);
    assert!(said.contains("take the mean of logits"), "{said}");
}

#[test]
fn a_calibration_mends_forecasts_and_leaves_every_order() {
    let dir = catalogue();
    simulate(&dir, "shop", ["120", "12"]);
    let shop = path(&dir, "shop");
    let measured = |more: &str| -> serde_json::Value {
        let out = path(&dir, "b.safetensors");
        fs::write(&out, trained(&dir, &format!("--epochs 3 --positive-weight 5 {more}"))).unwrap();
        let report = done(&["evaluate", &shop, "--bundle", &out, "--json", "--rankings", "0"]);
        serde_json::from_str(&report).unwrap()
    };
    let number = |report: &serde_json::Value, key: &str| report["withoutHead"][key].as_f64().unwrap();
    // Positive examples that count five times over make forecasts far too high.
    let plain = measured("");
    assert!(number(&plain, "calibration") > 2.0, "{plain}");
    for way in ["platt", "isotonic"] {
        let found = measured(&format!("--calibrate {way}"));
        assert!((0.75..1.33).contains(&number(&found, "calibration")), "{way}: {found}");
        assert!(number(&found, "logLoss") < number(&plain, "logLoss") - 0.05, "{way}: {found}");
        assert!((number(&found, "auc") - number(&plain, "auc")).abs() < 1e-3, "{way}: {found}");
    }
}
