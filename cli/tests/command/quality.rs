//! The protocols of docs/quality.md on a small folder made here, whose columns have names that no schema of ours knows.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;

use serde_json::Value;
use tempfile::TempDir;

use super::{done, refused};

/// Ninety people with one of three tastes rate twelve of forty things; whoever is done with a thing goes on to the next of its kind.
fn folder(splits: &[&str]) -> TempDir {
    let dir = TempDir::new().unwrap();
    let mut items = String::from("item\tflavour\tblurb\tmash\n");
    for i in 0..40 {
        let _ = writeln!(items, "w{i}\tf{}|all\tword {i}\t{}", i % 3, i * 5);
    }
    fs::write(dir.path().join("items.tsv"), items).unwrap();
    for split in splits {
        let mut parts = [(); 3].map(|()| String::from("timestamp\tuser\titem\trating\n"));
        for user in 0..90usize {
            for step in 0..12usize {
                let item = (user * 3 + step + user % 3 * step) % 40;
                let liked = item % 3 == user % 3 || (user + step) % 7 == 0;
                let rating = if liked { 4.0 + (step % 2) as f64 } else { 1.0 + (step % 3) as f64 };
                let part = match *split {
                    "loo" => [0, 1, 2][step.saturating_sub(9)],
                    "time" => usize::from(user % 10 > 7) + usize::from(user % 10 > 8),
                    _ => usize::from(user >= 70) + usize::from(user >= 80),
                };
                let _ =
                    writeln!(parts[part], "{}\tp{user}\tw{item}\t{rating}", 1_500_000_000 + user * 5_000 + step * 60);
            }
        }
        let folder = dir.path().join("splits").join(split);
        fs::create_dir_all(&folder).unwrap();
        for (name, text) in ["train", "valid", "test"].into_iter().zip(parts) {
            fs::write(folder.join(format!("{name}.tsv")), text).unwrap();
        }
    }
    dir
}

fn lines(out: &std::path::Path) -> Vec<Value> {
    let text = fs::read_to_string(out.join("quality.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn value(lines: &[Value], protocol: &str, model: &str, metric: &str) -> f64 {
    let of = |line: &&Value| {
        line["protocol"] == protocol && line["model"] == model && line["metric"] == metric && line["bucket"] == "all"
    };
    lines.iter().find(of).unwrap_or_else(|| panic!("{protocol} {model} {metric}"))["value"].as_f64().unwrap()
}

#[test]
fn every_protocol_that_the_data_have_is_run_and_the_others_are_named() {
    let dir = folder(&["colduser"]);
    let out = dir.path().join("out");
    let (data, to) = (dir.path().to_str().unwrap(), out.to_str().unwrap());
    let text = done(&["quality", data, "--seed", "3", "--out", to]);
    for skipped in ["A is skipped: there is no splits/time", "C is skipped", "E is skipped: there is no random and bts"]
    {
        assert!(text.contains(skipped), "{skipped}\n{text}");
    }
    assert!(
        text.contains("flavour (tags), mash (number)") && text.contains("blurb: its words mostly stand once"),
        "{text}"
    );
    let lines = lines(&out);
    let run: BTreeSet<&str> = lines.iter().map(|line| line["protocol"].as_str().unwrap()).collect();
    assert_eq!(run.into_iter().collect::<Vec<_>>(), ["B", "C2", "D"]);
    assert!(lines.iter().all(|line| line["seed"] == 3 && line["value"].as_f64().unwrap().is_finite()));
    let (ranker, prior) = (value(&lines, "B", "ranker alone", "auc"), value(&lines, "B", "item prior", "auc"));
    assert!(ranker > prior + 0.1, "tastes were planted: {ranker}, {prior}");
    let sizes = |line: &Value| line["bundle_bytes"].as_u64().unwrap();
    assert!(lines.iter().filter(|l| l["model"] == "ranker alone").all(|l| (1_000..1_000_000).contains(&sizes(l))));
    let (random, greedy) = (value(&lines, "D", "random", "reward"), value(&lines, "D", "greedy", "reward"));
    assert!(greedy > random + 0.1 && greedy <= value(&lines, "D", "oracle", "reward"), "{greedy}, {random}");
    let (next, popular) = (value(&lines, "C2", "ranker alone", "hr@10"), value(&lines, "C2", "popularity", "hr@10"));
    assert!(next >= popular, "{next}, {popular}");
    for metric in ["hr@10", "ndcg@10"] {
        let [alone, personal] = ["ranker alone", "ranker and personal head"].map(|m| value(&lines, "C2", m, metric));
        assert_eq!(personal, alone, "events that are all positive teach no order, so the head is off");
    }
}

#[test]
fn the_seed_decides_the_results() {
    let dir = folder(&["time"]);
    let data = dir.path().to_str().unwrap();
    let run = |name: &str| {
        let out = dir.path().join(name);
        done(&["quality", data, "--protocol", "A", "--out", out.to_str().unwrap()]);
        (fs::read(out.join("quality.jsonl")).unwrap(), fs::read(out.join("A/model.safetensors")).unwrap())
    };
    assert_eq!(run("one"), run("two"));
}

#[test]
fn what_is_missing_or_odd_is_said() {
    let dir = folder(&["loo"]);
    let data = dir.path().to_str().unwrap();
    let to = dir.path().join("out");
    let to = to.to_str().unwrap();
    let said = |args: &[&str]| refused(&[&["quality", data, "--out", to], args].concat());
    assert!(said(&["--protocol", "A"]).contains("has the data of no protocol"));
    let valid = dir.path().join("splits/loo/valid.tsv");
    let text = fs::read_to_string(&valid).unwrap();
    fs::write(&valid, text.replacen("rating", "stars", 1)).unwrap();
    let error = said(&["--protocol", "C"]);
    assert!(error.contains("has no column `rating`") && error.contains("stars"), "{error}");
    fs::write(&valid, text.replacen("\tw", "\tzz", 1)).unwrap();
    assert!(said(&["--protocol", "C"]).contains("valid.tsv:2: there is no user, or items.tsv has no item `zz"));
    fs::write(&valid, text).unwrap();
    fs::remove_file(dir.path().join("items.tsv")).unwrap();
    assert!(said(&["--protocol", "C"]).contains("items.tsv does not exist"));
}
