//! What training does with planted data.

use super::*;
use crate::lab::train::planted::{ITEMS, Planted, planted};
use crate::lab::train::settings::Given;

fn config(text: &str) -> Config {
    Config::read(Some(text), Given::default(), &[]).expect("a configuration")
}

fn run(shop: &Planted, text: &str) -> Trained {
    train(&shop.examples, &config(text), &shop.setting(1), Stop::default()).expect("trained")
}

fn tensor<'a>(trained: &'a Trained, name: &str) -> &'a [f32] {
    &trained.members[0].iter().find(|tensor| tensor.name == name).expect("a tensor").numbers
}

/// The mean weight of even items less that of odd ones.
fn evenness(trained: &Trained, shop: &Planted) -> f32 {
    let hashed = tensor(trained, "wide.hashed");
    let own = |item: u32| hashed[(shop.examples.catalogue.items[item as usize].wire >> 32) as usize % hashed.len()];
    (0..ITEMS).map(|item| if item % 2 == 0 { own(item) } else { -own(item) }).sum::<f32>() * 2.0 / ITEMS as f32
}

const SMALL: &str = "buckets = 4096\nl2 = 1\nl2-hashed = 1\nepochs = 6\nbatch = 64\n";

#[test]
fn planted_weights_are_recovered_by_every_optimiser() {
    let shop = planted(12_000, 1, 1);
    for keys in [
        "optimiser = \"sgd\"\nlearning-rate = 0.3",
        "optimiser = \"sgd\"\nlearning-rate = 0.05\nmomentum = 0.9",
        "optimiser = \"adagrad\"\nlearning-rate = 0.15",
        "optimiser = \"adam\"\nlearning-rate = 0.01\nschedule = \"cosine\"\nwarm-up = 0.1",
        "optimiser = \"adam\"\nlearning-rate = 0.02\nschedule = \"constant\"\naverage = \"tail\"",
        "optimiser = \"adam\"\nlearning-rate = 0.02\naverage = \"ema\"\naverage-decay = 0.99",
        "optimiser = \"ftrl\"\nlearning-rate = 0.3\nepsilon = 0.05\nschedule = \"constant\"",
    ] {
        let trained = run(&shop, &format!("{SMALL}{keys}"));
        let weights = tensor(&trained, "wide.weight");
        assert_eq!(weights.len(), 3, "constant features are left out");
        // What the linear model does not see, places and the newest choice, draws all weights a little towards zero.
        for (found, planted) in weights.iter().zip([1.1, -0.73, 0.0]) {
            assert!((found - planted).abs() < 0.15, "{keys}: {found} is not {planted}");
        }
        let even = evenness(&trained, &shop);
        assert!((even - 1.45).abs() < 0.4, "{keys}: items differ by {even}");
    }
}

#[test]
fn the_seed_decides_every_bit_and_threads_only_the_last() {
    let shop = planted(2_000, 1, 1);
    let text = format!("{SMALL}model = \"two-tower\"\ndim = 4\n");
    let one = run(&shop, &text);
    assert_eq!(numbers(&one), numbers(&run(&shop, &text)));
    assert_ne!(numbers(&one), numbers(&run(&shop, &format!("{text}seed = 2\n"))));
    for threads in [2, 3] {
        for keys in ["", "clip = 0.05\n", "average = \"ema\"\noptimiser = \"ftrl\"\n"] {
            let text = format!("{text}{keys}hide-items = 0\n");
            let (one, shared) = (run(&shop, &text), format!("{text}threads = {threads}\n"));
            let several = run(&shop, &shared);
            assert_eq!(numbers(&several), numbers(&run(&shop, &shared)), "{shared}");
            let (a, b) = (one.valid_loss.expect("valid"), several.valid_loss.expect("valid"));
            assert!((a - b).abs() < 1e-4 && a != b, "{shared}: {a} against {b}");
        }
    }
}

fn numbers(trained: &Trained) -> Vec<Vec<f32>> {
    trained.members.iter().flatten().map(|tensor| tensor.numbers.clone()).collect()
}

#[test]
fn buckets_on_disk_teach_what_one_in_memory_does() {
    let (one, many) = (planted(4_000, 1, 1), planted(4_000, 5, 1));
    assert_eq!(many.examples.train.buckets(), 5);
    assert_eq!(one.examples.standard, many.examples.standard);
    let (one, many) = (run(&one, SMALL), run(&many, SMALL));
    let (a, b) = (one.valid_loss.expect("valid"), many.valid_loss.expect("valid"));
    assert!((a - b).abs() < 0.01, "{a} against {b}");
}

#[test]
fn the_past_is_learnt_by_blocks_that_read_it() {
    let shop = planted(8_000, 1, 1);
    let keys = "learning-rate = 0.01\nepochs = 8\nl2 = 1\nl2-hashed = 0.3\nbatch = 64\n";
    let wide = run(&shop, &format!("{keys}model = \"wide\"")).valid_loss.expect("valid");
    let words = "[[blocks]]\nblock = \"wide\"\n[[blocks]]\nblock = \"item\"\ndim = 4\ninit = 0.3\n";
    let recent = "[[blocks]]\nblock = \"recent\"\nof = [\"item\"]\ndecay = 0.1\n[[blocks]]\nblock = \"vector\"\nof = [\"recent\", \"item\"]";
    let attention = "[[blocks]]\nblock = \"attention\"\nof = [\"item\"]\nhistory = 1\nwidths = [8, 1]\n[[blocks]]\nblock = \"product\"\n\
                     of = [\"attention\", \"item\"]\n[[blocks]]\nblock = \"mlp\"\nof = [\"product\"]\nwidths = [8, 1]\n\
                     [[tiers]]\ntasks = [{ label = \"click\", of = [\"wide\", \"mlp\"] }]";
    for blocks in [recent, attention] {
        let loss = run(&shop, &format!("{keys}{words}{blocks}")).valid_loss.expect("valid");
        assert!(loss < wide - 0.01, "{loss} is hardly below {wide}:\n{blocks}");
    }
    let drawn = "loss = \"softmax\"\nnegatives = \"uniform\"\n";
    let wide = "[[blocks]]\nblock = \"wide\"\nfeatures = []\n";
    let items = words.replace("[[blocks]]\nblock = \"wide\"\n", "");
    // Only what was chosen teaches here, a third of the rows.
    let keys = keys.replace("epochs = 8", "epochs = 24").replace("learning-rate = 0.01", "learning-rate = 0.02");
    let alone = run(&shop, &format!("{drawn}{keys}{wide}")).valid_loss.expect("valid");
    let both = run(&shop, &format!("{drawn}{keys}{wide}{items}{recent}")).valid_loss.expect("valid");
    assert!(both < alone - 0.01, "{both} is hardly below {alone}");
}

#[test]
fn the_place_on_the_page_is_taken_out() {
    let shop = planted(12_000, 1, 1);
    let trained = run(&shop, &format!("{SMALL}positions = true\nlearning-rate = 0.02"));
    let offsets = tensor(&trained, "position.offset");
    for place in 1..4 {
        let step = offsets[place] - offsets[place - 1];
        assert!((step + 0.5).abs() < 0.2, "place {place} is {step} below the one above");
    }
    assert!(trained.network.write(&trained.members[0], "").iter().all(|(name, _)| !name.contains("position")));
}

#[test]
fn penalties_and_decay_shrink() {
    let shop = planted(3_000, 1, 1);
    let free = run(&shop, SMALL);
    let size = |trained: &Trained, name: &str| tensor(trained, name).iter().map(|w| w * w).sum::<f32>();
    let held = run(&shop, &SMALL.replace("l2 = 1\n", "l2 = 3000\n"));
    assert!(size(&held, "wide.weight") < 0.25 * size(&free, "wide.weight"));
    let held = run(&shop, &SMALL.replace("l2-hashed = 1\n", "l2-hashed = 1000\n"));
    assert!(size(&held, "wide.hashed") < 0.25 * size(&free, "wide.hashed"));
    let held = run(&shop, &format!("{SMALL}weight-decay = 3"));
    assert!(size(&held, "wide.weight") < 0.5 * size(&free, "wide.weight"));
    // What is held back is the mean gradient of a step by one, the sum over all steps by the other.
    for (optimiser, l1) in [("adam", "0.3"), ("ftrl", "20")] {
        let keys = format!("{SMALL}optimiser = \"{optimiser}\"\nlearning-rate = 0.05\nl1 = ");
        let zeros = |l1: &str| tensor(&run(&shop, &format!("{keys}{l1}")), "wide.weight").contains(&0.0);
        assert!(!zeros("0") && zeros(l1), "{optimiser}: l1 leaves exact zeros");
    }
}

#[test]
fn disturbances_change_what_is_learnt_and_not_what_is_measured() {
    let shop = planted(1_000, 1, 1);
    let text =
        "epochs = 2\n[[blocks]]\nblock = \"dense\"\n[[blocks]]\nblock = \"mlp\"\nof = [\"dense\"]\nwidths = [8, 1]";
    let plain = run(&shop, text);
    for keys in ["dropout = 0.5", "input-noise = 0.5", "clip = 0.001"] {
        let other = run(&shop, &format!("{keys}\n{text}"));
        assert_ne!(numbers(&plain), numbers(&other), "{keys}");
        assert!(other.valid_loss.is_some_and(f64::is_finite));
    }
}

#[test]
fn training_stops_when_valid_gets_no_better() {
    let shop = planted(600, 1, 1);
    // Words of its own for every item, no penalty and long steps: soon the model knows the examples by heart.
    let keys = "l2 = 0\nl2-hashed = 0\nlearning-rate = 0.3\nbatch = 8\nschedule = \"constant\"\nepochs = 40\npatience = 2\nmodel = \"fm\"";
    let trained = run(&shop, keys);
    assert!(trained.epoch < 30, "epoch {}", trained.epoch);
}

#[test]
fn an_ensemble_is_the_mean_of_its_members() {
    let shop = planted(1_000, 1, 1);
    let trained = run(&shop, &format!("{SMALL}ensemble = 3"));
    let alone = run(&shop, &format!("{SMALL}seed = 2"));
    assert_eq!(numbers(&trained)[..9].len(), 9);
    let second: Vec<_> = trained.members[1].iter().map(|tensor| tensor.numbers.clone()).collect();
    assert_eq!(second, numbers(&alone), "the second member is that of the next seed");
}

#[test]
fn a_run_that_was_stopped_goes_on_to_the_same_bytes() {
    for (buckets, keys) in [
        (1, "model = \"two-tower\"\ndim = 4\naverage = \"ema\"\nensemble = 2\n"),
        (3, "optimiser = \"sgd\"\nmomentum = 0.9\naverage = \"tail\"\n"),
        (1, "optimiser = \"ftrl\"\n"),
    ] {
        let shop = planted(1_500, buckets, 1);
        let dir = tempfile::TempDir::new().expect("a folder");
        let path = dir.path().join("checkpoint");
        let text = format!("{SMALL}{keys}");
        let whole = run(&shop, &text);
        let mut resume = false;
        let mut stops = 0;
        // Stopped in the middle of an epoch, at its end, and in the second member.
        for after in [7, 40, 66, 101] {
            let stop = Stop { checkpoint: Some(&path), resume, after: Some(after), ..Stop::default() };
            stops += usize::from(train(&shop.examples, &config(&text), &shop.setting(1), stop).is_err());
            resume = true;
        }
        assert!(stops >= 3);
        let stop = Stop { checkpoint: Some(&path), resume, ..Stop::default() };
        let resumed = train(&shop.examples, &config(&text), &shop.setting(1), stop).expect("trained");
        assert_eq!(numbers(&whole), numbers(&resumed), "{keys}");
        let other = config(&format!("{text}l1 = 0.1\n"));
        assert!(train(&shop.examples, &other, &shop.setting(1), stop).is_err(), "a checkpoint of other settings");
    }
}

#[test]
fn one_class_is_nothing_to_learn_from() {
    let mut shop = planted(100, 1, 1);
    shop.examples.train.positives[0] = shop.examples.train.len;
    assert!(train(&shop.examples, &config(SMALL), &shop.setting(1), Stop::default()).is_err());
}
