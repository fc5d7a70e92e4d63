//! Examples for other trainers, as one step of a pipe.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use super::{done, refused};

fn piped(args: &[&str], input: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zhiji"));
    let mut child =
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{args:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn events_from_a_pipe_give_what_the_file_gives() {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("source");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("movies.csv"), "movieId,title,genres\n1,A (1995),War\n2,B (1996),Drama|War\n").unwrap();
    let ratings: String =
        (0..40).map(|i| format!("{},{},{},{}\n", i % 4, 1 + i % 2, 1 + i % 5, 1_500_000_000 + i)).collect();
    fs::write(source.join("ratings.csv"), format!("userId,movieId,rating,timestamp\n{ratings}")).unwrap();
    let lab = dir.path().join("films");
    let (source, lab) = (source.to_str().unwrap(), lab.to_str().unwrap());
    done(&["import", "movielens", source, "--out", lab]);
    let from_file = done(&["features", lab, "--out", "-"]);
    assert_eq!(from_file.lines().count(), 40);
    let events = fs::read_to_string(dir.path().join("films/events.csv")).unwrap();
    let (_, without_header) = events.split_once('\n').unwrap();
    let args = ["features", lab, "--events", "-", "--out", "-"];
    assert_eq!(piped(&args, &events), from_file);
    assert_eq!(piped(&args, without_header), from_file);
    assert_eq!(piped(&args, ""), "", "an empty partition has no examples");
    let shards: usize = ["0/2", "1/2"]
        .iter()
        .map(|shard| piped(&[&args[..], &["--shard", shard]].concat(), &events).lines().count())
        .sum();
    assert_eq!(shards, 40);
    let first: serde_json::Value = serde_json::from_str(from_file.lines().next().unwrap()).unwrap();
    let names = done(&["features", lab, "--names"]);
    assert!(names.lines().all(|name| first["dense"][name].is_number()), "{names}");
    assert_eq!(names.lines().count(), first["dense"].as_object().unwrap().len());
    assert!(refused(&["features", lab, "--out", "examples.txt"]).contains(".parquet"));
}
