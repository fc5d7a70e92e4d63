//! Files and command lines.

use super::*;

fn read(file: &str, given: Given, sets: &[&str]) -> anyhow::Result<Config> {
    Config::read(Some(file), given, &sets.iter().map(|set| (*set).to_string()).collect::<Vec<_>>())
}

#[test]
fn the_command_line_wins_over_the_file_and_both_over_the_defaults() {
    let given = Given { epochs: Some(3), ..Given::default() };
    let config = read("epochs = 5\nbatch = 32\nmodel = \"two-tower\"", given, &["item.dim=5", "recent.decay=0.5"]);
    let config = config.expect("a configuration");
    let settings = &config.settings;
    assert_eq!((settings.epochs, settings.batch, settings.patience), (3, 32, 5));
    assert_eq!(config.blocks.len(), 4);
    assert_eq!(config.blocks[1]["dim"].as_integer(), Some(5));
    assert_eq!(config.blocks[2]["decay"].as_float(), Some(0.5));
    assert_eq!(config.blocks[0]["hashed"].as_array().map(Vec::len), Some(1));
}

#[test]
fn a_blend_is_of_the_tiers_that_have_none() {
    let tier = "[[tiers]]\nblend = \"sum\"\n[[tiers]]\n";
    let config = read(&format!("blend = \"powers\"\nblend-weights = [1, 0.5]\n{tier}"), Given::default(), &[]);
    let tiers = config.expect("a configuration").tiers;
    assert_eq!(tiers[0]["blend"].as_str(), Some("sum"));
    assert_eq!(tiers[1]["blend"]["powers"].as_array().map(Vec::len), Some(2));
    let one = read("blend = \"powers\"", Given::default(), &[]).expect("a configuration").tiers;
    assert_eq!((one.len(), one[0]["blend"].as_str()), (1, Some("powers")));
}

#[test]
fn what_is_wrong_is_said_of_the_key() {
    for (file, key) in [
        ("epoch = 5", "epoch"),
        ("epochs = \"five\"", "epochs"),
        ("epochs = 0", "epochs"),
        ("batch = 0", "batch"),
        ("optimiser = \"lion\"", "lion"),
        ("learning-rate = -1", "learning-rate"),
        ("learning_rate = 1", "learning_rate"),
        ("warm-up = 1", "warm-up"),
        ("dropout = 1.5", "dropout"),
        ("l2 = -1", "l2"),
        ("l1 = inf", "l1"),
        ("clip = nan", "clip"),
        ("ensemble = 9", "ensemble"),
        ("threads = 0", "threads"),
        ("buckets = 1000", "buckets"),
        ("task-weights = [1, -1]", "task-weights"),
        ("blend = \"product\"", "product"),
        ("blend-weights = [1]", "blend-weights"),
        ("blend = \"sum\"\nblend-weights = [1, -1]", "blend-weights"),
        ("calibrate = \"temperature\"", "temperature"),
        ("blocks = 3", "blocks"),
        ("tiers = [1]", "tiers"),
        ("hashed = [\"id\"]\n[[blocks]]\nblock = \"wide\"", "hashed"),
        ("epochs = 5\nepochs = 6", "epochs"),
    ] {
        let error = read(file, Given::default(), &[]).map(drop).expect_err(file);
        assert!(format!("{error:#}").contains(key), "{file}: {error:#}");
    }
    for set in ["wide", "wide.dim", "deep.dim=3"] {
        let error = read("", Given::default(), &[set]).map(drop).expect_err(set);
        assert!(format!("{error:#}").contains(set), "{error:#}");
    }
    let given = Given { model: Some(Model::Fm), ..Given::default() };
    assert!(read("[[blocks]]\nblock = \"wide\"", given, &[]).is_err(), "a named model beside listed blocks");
}

/// What the help says of an option that is left out is what is then taken.
#[test]
fn the_help_tells_the_defaults() {
    use clap::Args as _;
    let taken = serde_json::to_value(Given::default().settings()).expect("settings");
    let command = Given::augment_args(clap::Command::new("train"));
    for argument in command.get_arguments() {
        let (key, help) = (argument.get_long().expect("a long name"), argument.get_help().expect("help").to_string());
        let told = help.rsplit_once("[default: ").and_then(|(_, rest)| rest.strip_suffix(']')).expect(key);
        match &taken[key] {
            serde_json::Value::Array(list) if list.is_empty() => {
                assert!(told.contains(' '), "{key} says what none means")
            }
            serde_json::Value::Array(list) => assert_eq!(list, &[told], "{key}"),
            serde_json::Value::Number(_) if key == "buckets" => assert!(told.contains("each item")),
            serde_json::Value::Number(one) => {
                assert_eq!(one.as_f64().map(|x| x as f32), told.parse().ok(), "{key}");
            }
            other => assert_eq!(other.to_string().trim_matches('"'), told, "{key}"),
        }
    }
}

#[test]
fn half_a_turn_has_its_cosines() {
    for (share, expected) in [(0.0, 1.0), (1.0 / 3.0, 0.5), (0.5, 0.0), (2.0 / 3.0, -0.5), (1.0, -1.0)] {
        assert!((cosine(share) - expected).abs() < 1e-5, "{share}");
    }
}
