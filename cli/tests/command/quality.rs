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

/// One value of each list: what is chosen is not what these tests are about.
const SMALL: &str = "
[forecast]
widths = [[4], [4, 6]]
biases = [[], [1, 0.9]]
penalties = [100]
constants = [0]
slopes = [0.06]
trusts = [0.2]
[next]
reaches = [[5, 1, 0.2]]
divisors = [[0.5, 0]]
likenesses = [0.2, 0]
decays = [0.7]
priors = [0.01]
encoders = []
[choose]
deviations = [[0.5, 1]]
prices = [0.1]
epsilons = [0.05]
";

/// Runs the protocols on a folder with short lists.
fn run(dir: &TempDir, out: &std::path::Path, more: &[&str]) -> String {
    let config = dir.path().join("small.toml");
    fs::write(&config, SMALL).unwrap();
    let [data, out, config] = [dir.path(), out, config.as_path()].map(|path| path.to_str().unwrap());
    done(&[&["quality", data, "--out", out, "--config", config], more].concat())
}

/// A folder as odd as it may be: nothing is known of the items, ratings are whole numbers, everything came at the same time, and people are few.
fn bare() -> TempDir {
    let dir = TempDir::new().unwrap();
    let items: String = (0..30).map(|i| format!("{i}\n")).collect();
    fs::write(dir.path().join("items.tsv"), format!("item\n{items}")).unwrap();
    for split in ["time", "colduser", "loo"] {
        let mut parts = [(); 3].map(|()| String::from("user\titem\trating\ttimestamp\n"));
        for user in 0..9usize {
            for step in 0..13usize {
                let part = match split {
                    "loo" => step.saturating_sub(10),
                    "time" => user / 3 % 3,
                    _ => user % 3,
                };
                let (item, rating) = ((user * 5 + step * 2) % 30, 1 + (user + step * step) % 5);
                let _ = writeln!(parts[part], "{user}\t{item}\t{rating}\t1600000000");
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

#[test]
fn few_people_and_items_of_which_nothing_is_known_break_nothing() {
    let dir = bare();
    let out = dir.path().join("out");
    run(&dir, &out, &[]);
    let lines = lines(&out);
    for protocol in ["A", "B", "C", "C2", "D"] {
        let of = |line: &&Value| line["protocol"] == protocol;
        assert!(lines.iter().filter(of).count() > 4, "{protocol}");
        assert!(lines.iter().filter(of).all(|line| line["value"].as_f64().unwrap().is_finite()), "{protocol}");
    }
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
    let text = run(&dir, &out, &["--seed", "3"]);
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
    // Ten people of twelve ratings each are those of `test`.
    assert_eq!(["ranker alone", "item prior"].map(|model| value(&lines, "B", model, "rows")), [120.0; 2]);
    assert_eq!(value(&lines, "C2", "ranker alone", "rankings"), 120.0);
    let (ranker, prior) =
        (value(&lines, "B", "ranker alone", "log_loss"), value(&lines, "B", "item prior", "log_loss"));
    assert!(ranker < prior - 0.1, "{ranker}, {prior}");
    let sizes = |line: &Value| line["bundle_bytes"].as_u64().unwrap();
    assert!(lines.iter().filter(|l| l["model"] == "ranker alone").all(|l| (1_000..1_000_000).contains(&sizes(l))));
    let (random, greedy) = (value(&lines, "D", "random", "reward"), value(&lines, "D", "greedy", "reward"));
    assert!(greedy > random + 0.1 && greedy < value(&lines, "D", "oracle", "reward"), "{greedy}, {random}");
    let (next, popular) = (value(&lines, "C2", "ranker alone", "hr@10"), value(&lines, "C2", "popularity", "hr@10"));
    assert!(next >= popular, "{next}, {popular}");
    let (spec, _) = parts(&fs::read(out.join("C2/model.safetensors")).unwrap());
    assert_eq!(spec["head"]["trust"], 0.0, "what follows holds of a head of a constant alone too");
    for metric in ["hr@10", "ndcg@10"] {
        let [alone, personal] = ["ranker alone", "ranker and personal head"].map(|m| value(&lines, "C2", m, metric));
        assert_eq!(personal, alone, "events that are all positive teach no order, so the head is off");
    }
}

/// What the lab says of an example in training, the phone must say of it with the bundle: tastes, biases and levels are computed twice.
#[test]
fn the_phone_says_what_the_model_said_when_it_was_chosen() {
    let dir = folder(&["colduser"]);
    let (out, config) = (dir.path().join("out"), dir.path().join("biases.toml"));
    fs::write(
        &config,
        SMALL.replace("[[], [1, 0.9]]", "[[0.9, 0.5]]").replace("[[4], [4, 6]]", "[[4, 6]]").replace("[100]", "[3]"),
    )
    .unwrap();
    let [data, to, config] = [dir.path(), &out, &config].map(|path| path.to_str().unwrap());
    let text = done(&["quality", data, "--out", to, "--config", config, "--protocol", "B"]);
    let chosen = text.split("best on valid, log-loss ").nth(1).and_then(|rest| rest.get(..6)).unwrap();
    let bundle = out.join("B/model.safetensors");
    let (spec, _) = parts(&fs::read(&bundle).unwrap());
    let blocks = spec["ranker"]["blocks"].as_array().unwrap();
    let decays: Vec<f64> =
        blocks.iter().filter(|b| b["block"] == "ridge").filter_map(|b| b["decay"].as_f64()).collect();
    assert_eq!(decays.iter().filter(|d| **d < 1.0).count(), 4, "two decays by two levels: {decays:?}");
    let folder = out.join("B");
    let [folder, bundle] = [&folder, &bundle].map(|path| path.to_str().unwrap());
    let on = ["--on", "valid", "--json", "--rankings", "0", "--bootstraps", "20"];
    let said = done(&[&["evaluate", folder, "--bundle", bundle], &on[..]].concat());
    let said: Value = serde_json::from_str(&said).unwrap();
    let phone = said["withoutHead"]["logLoss"].as_f64().unwrap();
    // Vectors are bytes on the phone, and the sentence has four digits.
    let gap = phone - chosen.parse::<f64>().unwrap();
    assert!(gap.abs() < 5e-4, "{phone}, {chosen}");
    for bucket in said["intervalsByEarlierEvents"].as_array().unwrap() {
        let of =
            said["byEarlierEvents"].as_array().unwrap().iter().find(|b| b["earlier"] == bucket["earlier"]).unwrap();
        let [low, high] = ["low", "high"].map(|end| bucket["logLoss"][end].as_f64().unwrap());
        let middle = of["logLoss"].as_f64().unwrap();
        assert!(low < middle && middle < high, "{bucket}, {middle}");
    }
    let lines = lines(&out);
    let ends: Vec<&Value> =
        lines.iter().filter(|l| ["auc_low", "auc_high"].iter().any(|m| l["metric"] == *m)).collect();
    assert!(ends.len() >= 8 && ends.iter().all(|l| l["bucket"] != "all"), "{ends:?}");
}

#[test]
fn the_seed_decides_the_results() {
    let dir = folder(&["time"]);
    let twice = ["one", "two"].map(|name| {
        let out = dir.path().join(name);
        run(&dir, &out, &["--protocol", "A"]);
        (fs::read(out.join("quality.jsonl")).unwrap(), fs::read(out.join("A/model.safetensors")).unwrap())
    });
    assert_eq!(twice[0], twice[1]);
    let other = dir.path().join("three");
    run(&dir, &other, &["--protocol", "A", "--seed", "8"]);
    assert_ne!(twice[0].1, fs::read(other.join("A/model.safetensors")).unwrap());
}

/// The spec of a bundle without its probes, and the bytes of its tensors.
fn parts(bundle: &[u8]) -> (Value, Vec<u8>) {
    let (length, rest) = bundle.split_first_chunk::<8>().unwrap();
    let (header, tensors) = rest.split_at(u64::from_le_bytes(*length) as usize);
    let header: Value = serde_json::from_slice(header).unwrap();
    let mut spec: Value = serde_json::from_str(header["__metadata__"]["zhiji"].as_str().unwrap()).unwrap();
    spec.as_object_mut().unwrap().remove("probes");
    (spec, tensors.to_vec())
}

/// Whatever `test` says, the same model comes out: neither weights nor choices look at it.
#[test]
fn what_is_chosen_does_not_depend_on_test() {
    let dir = folder(&["time", "loo"]);
    let config = dir.path().join("lists.toml");
    let lists = SMALL
        .replace("[100]", "[1, 1000000]")
        .replace("decays = [0.7]", "decays = [0.3, 0.9]")
        .replace("priors = [0.01]", "priors = [0.001, 0.1, 10]")
        .replace("encoders = []", "encoders = [0.1, 1]\npasses = 1");
    fs::write(&config, lists.replace("trusts = [0.2]", "trusts = [0.2, 0.8]")).unwrap();
    let models = |name: &str| {
        let out = dir.path().join(name);
        let [data, to, config] = [dir.path(), &out, &config].map(|path| path.to_str().unwrap());
        done(&["quality", data, "--out", to, "--config", config, "--protocol", "A,C"]);
        ["A", "C"].map(|protocol| parts(&fs::read(out.join(protocol).join("model.safetensors")).unwrap()))
    };
    let before = models("before");
    for split in ["time", "loo"] {
        let file = dir.path().join("splits").join(split).join("test.tsv");
        let text = fs::read_to_string(&file).unwrap();
        let (head, lines) = text.split_once('\n').unwrap();
        let turned = |line: &str| {
            let cells: Vec<&str> = line.split('\t').collect();
            let (item, rating): (usize, f64) = (cells[2][1..].parse().unwrap(), cells[3].parse().unwrap());
            format!("{}\t{}\tw{}\t{}\n", cells[0], cells[1], (item * 7 + 5) % 40, 6.0 - rating)
        };
        fs::write(&file, format!("{head}\n{}", lines.lines().map(turned).collect::<String>())).unwrap();
    }
    for (after, before) in models("after").into_iter().zip(before) {
        assert_eq!(after.0, before.0);
        assert!(after.1 == before.1, "the weights differ");
    }
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
    let config = dir.path().join("config.toml");
    fs::write(&config, "[next]\ndecays = [2]\n").unwrap();
    let error = said(&["--config", config.to_str().unwrap()]);
    assert!(error.contains("config.toml") && error.contains("next.decays"), "{error}");
}
