//! The lab through the command itself: simulate, import, train, evaluate, on data made here.

use std::fs;
use std::path::Path;

use serde_json::json;
use tempfile::TempDir;
use zhiji::bundle::{self, Numbers, Writing};

use super::{done, refused, zhiji};

const SCHEMA: &str = r#"// The page's own file.
module.exports = defineSchema({
  space: 'shop',
  fields: { category: { kind: 'category' }, tags: { kind: 'tags' }, price: { kind: 'number', scale: 'log', volatile: true } },
  actions: { impression: { role: 'impression' }, open: { weight: 1 }, dwell: { weight: 0.5 }, cart: { weight: 3 }, hide: { weight: -4 } },
  labels: { click: { positive: ['open', 'cart'], windowMinutes: 30 } },
  surfaces: ['home'],
})
"#;

pub(super) fn path(dir: &TempDir, name: &str) -> String {
    dir.path().join(name).to_str().unwrap().to_string()
}

/// A folder with a catalogue, a schema and `shop`, a simulated data set.
pub(super) fn shop() -> TempDir {
    let dir = catalogue();
    simulate(&dir, "shop", ["120", "20"]);
    dir
}

/// A folder with a catalogue and a schema.
pub(super) fn catalogue() -> TempDir {
    let dir = TempDir::new().unwrap();
    let items: String = (0..120)
        .map(|i| {
            let (category, tag, price) = (i % 8, i % 12, 10 + 3 * i);
            format!("{{\"id\":\"i{i}\",\"category\":\"c{category}\",\"tags\":[\"t{tag}\"],\"price\":{price}}}\n")
        })
        .collect();
    fs::write(dir.path().join("items.jsonl"), items).unwrap();
    fs::write(dir.path().join("schema.js"), SCHEMA).unwrap();
    dir
}

pub(super) fn simulate(dir: &TempDir, out: &str, [users, days]: [&str; 2]) {
    let (items, schema, out) = (path(dir, "items.jsonl"), path(dir, "schema.js"), path(dir, out));
    done(&[
        "simulate", "--items", &items, "--schema", &schema, "--users", users, "--days", days, "--seed", "5", "--out",
        &out,
    ]);
}

fn train(dir: &TempDir, out: &str, more: &[&str]) -> Vec<u8> {
    let (data, out) = (path(dir, "shop"), path(dir, out));
    let mut args = vec!["train", &data, "--label", "click", "--out", &out, "--epochs", "6"];
    args.extend(more);
    done(&args);
    fs::read(out).unwrap()
}

fn evaluate(dir: &TempDir, more: &[&str]) -> serde_json::Value {
    let data = path(dir, "shop");
    let mut args = vec!["evaluate", data.as_str(), "--json"];
    args.extend(more);
    serde_json::from_str(&done(&args)).unwrap()
}

#[test]
fn what_was_planted_is_learnt_and_measured() {
    let dir = shop();
    train(&dir, "click.safetensors", &[]);
    let bundle = path(&dir, "click.safetensors");
    let report = evaluate(&dir, &["--bundle", &bundle]);
    assert_eq!((report["on"].as_str(), report["label"].as_str()), (Some("test"), Some("click")));
    assert_eq!(report["retentionEvents"], 4096);
    let rows: u64 = report["byEarlierEvents"].as_array().unwrap().iter().map(|b| b["rows"].as_u64().unwrap()).sum();
    assert_eq!(report["all"]["rows"].as_u64(), Some(rows), "the buckets hold every example once");
    // People have favourite categories and words, so who looks decides: per user, far better than chance.
    let gauc = report["withoutHead"]["gauc"].as_f64().unwrap();
    assert!(gauc > 0.64, "GAUC {gauc}");
    let calibration = report["withoutHead"]["calibration"].as_f64().unwrap();
    assert!((0.8..1.25).contains(&calibration), "calibration {calibration}");
    let loss = |report: &serde_json::Value| report["withoutHead"]["logLoss"].as_f64().unwrap();
    let starter = evaluate(&dir, &["--starter"]);
    assert!(loss(&report) < loss(&starter), "{} is no better than the starter's {}", loss(&report), loss(&starter));
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let dir = shop();
    simulate(&dir, "again", ["120", "20"]);
    let read = |name: &str| fs::read(dir.path().join(name)).unwrap();
    for file in ["events.csv", "items.jsonl", "schema.json", "meta.json"] {
        assert_eq!(read(&format!("shop/{file}")), read(&format!("again/{file}")), "{file}");
    }
    let one = train(&dir, "one.safetensors", &["--seed", "3"]);
    assert_eq!(one, train(&dir, "two.safetensors", &["--seed", "3"]));
    assert_ne!(one, train(&dir, "other.safetensors", &["--seed", "4"]));
}

#[test]
fn a_bundle_answers_its_own_probes() {
    let dir = shop();
    let bytes = train(&dir, "click.safetensors", &["--hashed", "id,category"]);
    let bundle = bundle::load(&bytes, "shop").unwrap();
    assert_eq!(bundle.probes(), 8);
    assert_eq!(bundle.stack().fields(), ["id", "category"]);
}

#[test]
fn a_score_that_is_not_finite_stops_the_evaluation() {
    let dir = shop();
    // Finite weights whose products overflow.
    let spec = json!({
        "format": 1,
        "space": "shop",
        "schema": { "fields": [] },
        "ranker": {
            "blocks": [{ "block": "wide", "features": ["user.events", "user.lately20"] }],
            "tiers": [{ "tasks": [{ "label": "click", "of": ["wide"] }] }],
        },
        "probes": [{ "dense": ["ff61b1e6", "7f61b1e6"] }],
    });
    let tensors: [(&str, &[usize], &[f32]); 4] = [
        ("wide.weight", &[2], &[3e38, -3e38]),
        ("wide.mean", &[2], &[-3e38, 3e38]),
        ("wide.scale", &[2], &[1.0, 1.0]),
        ("wide.bias", &[1], &[0.0]),
    ];
    let tensors = tensors.map(|(name, shape, of)| Writing { name, shape, numbers: Numbers::Singles(of) });
    let out = path(&dir, "wild.safetensors");
    fs::write(&out, bundle::write(&spec.to_string(), &tensors).unwrap()).unwrap();
    let said = refused(&["evaluate", &path(&dir, "shop"), "--bundle", &out]);
    assert!(said.contains("not a finite number"), "{said}");
}

#[test]
fn bad_rows_are_named_counted_and_limited() {
    let dir = shop();
    let events = dir.path().join("shop/events.csv");
    let whole = fs::read_to_string(&events).unwrap();
    append(&events, "u000119,1,open,i0\n");
    let out = path(&dir, "a.safetensors");
    let shop = path(&dir, "shop");
    let train = |more: &[&str]| {
        let mut args = vec!["train", shop.as_str(), "--out", out.as_str(), "--epochs", "1"];
        args.extend(more);
        zhiji(&args)
    };
    let output = train(&[]);
    assert!(output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    let line = whole.lines().count() + 1;
    assert!(said.contains(&format!("events.csv:{line}: left out")), "{said}");
    let strict = train(&["--bad-rows", "0"]);
    assert!(!strict.status.success() && String::from_utf8_lossy(&strict.stderr).contains("--bad-rows"));
}

fn append(file: &Path, text: &str) {
    let whole = fs::read_to_string(file).unwrap() + text;
    fs::write(file, whole).unwrap();
}

#[test]
fn tables_become_a_lab_directory() {
    let dir = shop();
    let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    write("goods.csv", "sku,cat\na,鞋\nb,包\n");
    write(
        "clicks.csv",
        "who,sku,when,what\n2,a,1700000000,see\n1,b,1700000009,see\n1,a,1700000005,see\n1,a,1700000006,tap\n",
    );
    write(
        "mapping.toml",
        "[events]\nuser = 'who'\nitem = 'sku'\ntime = 'when'\ntime_format = 's'\naction = 'what'\n\
         actions = { see = 'impression', tap = 'open' }\n[items]\nid = 'sku'\nfields = { category = 'cat' }\n",
    );
    let [events, items, mapping, schema, out] =
        ["clicks.csv", "goods.csv", "mapping.toml", "schema.js", "mapped"].map(|name| path(&dir, name));
    done(&["import", "table", &events, "--items", &items, "--mapping", &mapping, "--schema", &schema, "--out", &out]);
    let written = fs::read_to_string(dir.path().join("mapped/events.csv")).unwrap();
    let keys: Vec<String> =
        written.lines().skip(1).map(|l| l.split(',').take(4).collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(
        keys,
        [
            "1 1700000005000 impression a",
            "1 1700000006000 open a",
            "1 1700000009000 impression b",
            "2 1700000000000 impression a",
        ]
    );
}

#[test]
fn an_evaluation_is_a_page_that_stands_alone() {
    let dir = shop();
    train(&dir, "click.safetensors", &[]);
    let (data, bundle, page) = (path(&dir, "shop"), path(&dir, "click.safetensors"), path(&dir, "click.html"));
    let json = done(&[
        "evaluate",
        &data,
        "--bundle",
        &bundle,
        "--json",
        "--html",
        &page,
        "--rankings",
        "50",
        "--bootstraps",
        "20",
    ]);
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    let number =
        |path: &str| report.pointer(path).and_then(serde_json::Value::as_f64).unwrap_or_else(|| panic!("{path}"));
    assert_eq!((number("/ranking/rankings"), number("/ranking/items")), (50.0, 120.0));
    assert!(number("/intervals/auc/low") < number("/all/auc") && number("/all/auc") < number("/intervals/auc/high"));
    assert_ne!(number("/ranking/all/mrr"), number("/ranking/withoutHead/mrr"), "the head has learnt by then");
    assert!(number("/ranking/all/exposure/coverage") > number("/ranking/popularity/exposure/coverage"));
    assert_eq!(report["ranking"]["all"]["exposure"]["groupField"], "category");
    let rows =
        |list: &str| report[list]["bins"].as_array().unwrap().iter().map(|b| b["rows"].as_u64().unwrap()).sum::<u64>();
    assert_eq!(Some(rows("reliability")), report["all"]["rows"].as_u64());
    let html = fs::read_to_string(&page).unwrap();
    for part in ["<svg", "NDCG @10", "co-visitation", "seed 1", "c3"] {
        assert!(html.contains(part), "{part}");
    }
    for loaded in ["<script", "src=", "@import", "url(", "<link"] {
        assert!(!html.contains(loaded), "the page loads something: {loaded}");
    }
    let again = done(&["evaluate", &data, "--bundle", &bundle, "--json", "--rankings", "50", "--bootstraps", "20"]);
    assert_eq!(again, json, "the same seed draws the same users and examples");
    assert!(refused(&["evaluate", &data, "--bundle", &bundle, "--group", "price"]).contains("no field of words"));
    train(&dir, "short.safetensors", &["--learning-rate", "0.0002"]);
    let short = path(&dir, "short.safetensors");
    let report = evaluate(&dir, &["--bundle", &bundle, "--against", &short, "--rankings", "0"]);
    let number =
        |path: &str| report.pointer(path).and_then(serde_json::Value::as_f64).unwrap_or_else(|| panic!("{path}"));
    assert!(number("/all/logLoss") < number("/against/all/logLoss"), "a hundredth of the steps teaches less");
    assert!(number("/against/difference/logLoss/high") < 0.0, "and not by chance");
}

#[test]
fn what_fewer_bytes_cost_stands_beside_what_they_save() {
    let dir = catalogue();
    simulate(&dir, "shop", ["40", "8"]);
    let spec = json!({
        "format": 1, "space": "shop", "schema": { "fields": ["category", "tags"] },
        "ranker": { "blocks": [{ "block": "fm", "features": ["category.weight"], "hashed": ["id", "category", "tags"] }],
            "tiers": [{ "tasks": [{ "label": "click", "of": ["fm"] }] }] },
        "probes": [{ "dense": [0.5], "item": "b360dc87d45aee69", "words": [["category", "0fd42e16c4fac9df"]] }],
    });
    let number = |i: usize| ((i * 37 % 101) as f32 - 50.0) / 100.0;
    let mut weight: Vec<f32> = (0..257).map(number).collect();
    // What was done with the category before says most.
    weight[0] = 2.0;
    let factors: Vec<f32> = (0..257 * 4).map(number).collect();
    let tensors = [
        Writing { name: "fm.bias", shape: &[1], numbers: Numbers::Singles(&[-1.5]) },
        Writing { name: "fm.weight", shape: &[257], numbers: Numbers::Singles(&weight) },
        Writing { name: "fm.factors", shape: &[257, 4], numbers: Numbers::Singles(&factors) },
    ];
    let (given, small, data) = (path(&dir, "fm.safetensors"), path(&dir, "small.safetensors"), path(&dir, "shop"));
    fs::write(&given, bundle::write(&spec.to_string(), &tensors).unwrap()).unwrap();
    let measure = ["--measure", &data, "--rankings", "10", "--out", &small];
    for (smaller, least) in [("--quantise", 0.3), ("--halve", 0.2)] {
        let said = done(&[&["pack", &given, smaller, "all"][..], &measure].concat());
        let row = |name: &str| -> Vec<f64> {
            let line =
                said.lines().find(|line| line.trim_start().starts_with(name)).unwrap_or_else(|| panic!("{said}"));
            line.trim_start()[name.len()..]
                .split_whitespace()
                .map(|x| x.trim_end_matches('%').parse().unwrap())
                .collect()
        };
        let (before, after, change) = (row("as given"), row("written"), row("change"));
        assert_eq!(
            (before[0] as u64, after[0] as u64),
            (fs::metadata(&given).unwrap().len(), fs::metadata(&small).unwrap().len())
        );
        assert!(after[0] < (1.0 - least) * before[0], "{said}");
        assert!((change[0] - 100.0 * (after[0] / before[0] - 1.0)).abs() < 0.1, "{said}");
        // AUC, GAUC, log-loss, NDCG: hardly changed, and the change is the difference of the two.
        for at in 1..5 {
            assert!((change[at] - (after[at] - before[at])).abs() < 2e-4 && change[at].abs() < 0.02, "{said}");
        }
        assert!(before[1] > 0.0 && before[4] > 0.0, "{said}");
    }
}
