//! Gradients against finite differences, and training's forward pass against the engine's.

use super::pass::Batch;
use super::*;
use crate::lab::train::objective::Objective;
use crate::lab::train::planted::{Planted, planted};
use crate::lab::train::{Config, Given};

/// Every kind of block that learns, in stacks that feed them all.
const STACKS: [&str; 12] = [
    "[[blocks]]\nblock = \"wide\"\nhashed = [\"id\", \"category\"]\nbuckets = 8",
    "[[blocks]]\nblock = \"fm\"\nhashed = [\"id\", \"category\"]\nbuckets = 8\ndim = 3\ninit = 0.5",
    "[[blocks]]\nblock = \"item\"\ndim = 3\nbuckets = 8\ninit = 0.7\nmost-items = 20\n[[blocks]]\nblock = \"recent\"\nof = [\"item\"]\n\
     [[blocks]]\nblock = \"vector\"\nof = [\"recent\", \"item\"]",
    "[[blocks]]\nblock = \"dense\"\n[[blocks]]\nblock = \"embed\"\nhashed = [\"id\"]\ndim = 3\nbuckets = 16\ninit = 0.7\n[[blocks]]\nblock = \"item\"\ndim = 3\n\
     init = 0.7\nbias = false\n[[blocks]]\nblock = \"product\"\nof = [\"embed\", \"item\"]\n[[blocks]]\nblock = \"mean\"\nof = [\"embed\", \"item\", \"product\"]\n\
     [[blocks]]\nblock = \"mlp\"\nof = [\"dense\", \"product\", \"mean\"]\nwidths = [5, 4, 1]\nnorm = true\nactivation = \"silu\"",
    "[[blocks]]\nblock = \"dense\"\n[[blocks]]\nblock = \"item\"\ndim = 2\ninit = 0.7\n[[blocks]]\nblock = \"cross\"\nof = [\"dense\", \"item\"]\nrank = 2\n\
     [[blocks]]\nblock = \"cross\"\nname = \"full\"\nof = [\"cross\"]\nlayers = 1\n[[blocks]]\nblock = \"mlp\"\nof = [\"full\"]\nwidths = [4, 1]\nactivation = \"prelu\"",
    "[[blocks]]\nblock = \"item\"\ndim = 3\ninit = 0.7\n[[blocks]]\nblock = \"attention\"\nof = [\"item\"]\nwidths = [5, 1]\nactivation = \"silu\"\nsoftmax = true\n\
     [[blocks]]\nblock = \"mlp\"\nof = [\"attention\", \"item\"]\nwidths = [1]",
    "[[blocks]]\nblock = \"item\"\ndim = 4\nbuckets = 8\ninit = 0.7\nmost-items = 20\n[[blocks]]\nblock = \"sequence\"\nof = [\"item\"]\nlayers = 2\nheads = 2\n\
     inner = 5\nhistory = 6\n[[blocks]]\nblock = \"vector\"\nof = [\"sequence\", \"item\"]",
    "[[blocks]]\nblock = \"item\"\ndim = 4\ninit = 0.7\n[[blocks]]\nblock = \"sequence\"\nof = [\"item\"]\nnorm = \"post\"\npositions = \"oldest\"\nscale = 2\n\
     history = 3\nlast-norm = true\n[[blocks]]\nblock = \"vector\"\nof = [\"sequence\", \"item\"]",
    "[[blocks]]\nblock = \"item\"\ndim = 4\ninit = 0.7\n[[blocks]]\nblock = \"sequence\"\nof = [\"item\"]\nnorm = \"query\"\nheads = 2\nlast-norm = false\n\
     [[blocks]]\nblock = \"vector\"\nof = [\"sequence\", \"item\"]",
    "[[blocks]]\nblock = \"dense\"\n[[blocks]]\nblock = \"item\"\ndim = 3\ninit = 0.7\n[[blocks]]\nblock = \"mmoe\"\nof = [\"dense\", \"item\"]\nexperts = 3\nwidths = [5, 4]\n\
     towers = [3, 1]\nactivation = \"silu\"",
    // So few that no step of a finite difference crosses a kink.
    "[[blocks]]\nblock = \"item\"\ndim = 3\ninit = 0.7\n[[blocks]]\nblock = \"mmoe\"\nof = [\"item\"]\nexperts = 2\nwidths = [2]\nactivation = \"prelu\"",
    "[[blocks]]\nblock = \"item\"\ndim = 3\ninit = 0.7\n[[blocks]]\nblock = \"attention\"\nof = [\"item\"]\nwidths = [4, 1]\nhistory = 3\nactivation = \"silu\"\n\
     [[blocks]]\nblock = \"product\"\nof = [\"attention\", \"item\"]\n[[blocks]]\nblock = \"mlp\"\nof = [\"product\"]\nwidths = [1]",
];

fn config(text: &str) -> Config {
    Config::read(Some(text), Given::default(), &[]).expect("a configuration")
}

/// The mean loss of the first examples, and the gradients where they are wanted.
fn loss(
    shop: &Planted,
    network: &Network,
    objective: &Objective,
    params: &Params,
    gradients: Option<&mut Gradients>,
) -> f64 {
    let mut at = network.pass(params);
    let mut batch = Batch::default();
    let rows: Vec<u32> = (40..56).collect();
    let found = shop.examples.train.with(0, &shop.examples.standard, |chunk| {
        objective.gather(chunk, &rows, &mut Noise::new(5), &mut batch);
        network.forward(&mut at, params, chunk, &batch);
        let (mut logits, mut slopes) = (std::mem::take(&mut at.logits), Vec::new());
        let sum =
            objective.slopes((chunk, &batch), &mut logits, &mut slopes, (params, Some(&mut at.gradients)), rows.len());
        at.slopes = slopes;
        network.backward(&mut at, params, chunk, &batch);
        Ok(sum / rows.len() as f64)
    });
    if let Some(gradients) = gradients {
        *gradients = at.gradients;
    }
    found.expect("a loss")
}

fn check(shop: &Planted, text: &str) {
    let config = config(text);
    let (network, mut params) = Network::new(&shop.setting(3), &config.blocks, &config.tiers).expect("a network");
    let mut noise = Noise::new(11);
    // Zeros and ones would hide what multiplies them.
    params.iter_mut().flat_map(|tensor| &mut tensor.numbers).for_each(|x| *x += 0.1 * noise.normal());
    let shape = (shop.labels.len(), network.reads_pairs);
    let objective =
        Objective::new(&config.settings, &shop.examples.catalogue, &network.tasks, shape).expect("an objective");
    let mut found = Gradients::new(&params);
    loss(shop, &network, &objective, &params, Some(&mut found));
    let mut checked = 0;
    for at in 0..params.len() {
        let width = params[at].width().max(1);
        let count = params[at].numbers.len();
        // Some of each tensor: those of the first rows, and steps beyond.
        for place in (0..count).step_by((count / 12).max(1)) {
            let slope = match &found.0[at] {
                params::Gradient::Whole(sums) => sums[place],
                params::Gradient::Rows(rows) => {
                    let met = rows.met.iter().position(|row| *row as usize == place / width);
                    met.map_or(0.0, |met| rows.sums[met * width + place % width])
                }
            };
            let step = 1.0 / 128.0;
            let mut moved = |by: f32| {
                let before = params[at].numbers[place];
                params[at].numbers[place] = before + by;
                let loss = loss(shop, &network, &objective, &params, None);
                params[at].numbers[place] = before;
                loss
            };
            let expected = (moved(step) - moved(-step)) / (2.0 * f64::from(step));
            let name = &params[at].name;
            let room = 1e-3 + 2e-2 * expected.abs();
            assert!((expected - f64::from(slope)).abs() < room, "{name}[{place}]: {slope} is not {expected}\n{text}");
            checked += usize::from(slope != 0.0);
        }
    }
    assert!(checked > 4, "hardly anything was met:\n{text}");
}

#[test]
fn gradients_of_every_block_are_the_slopes_of_the_loss() {
    let shop = planted(200, 1, 1);
    STACKS.iter().for_each(|text| check(&shop, text));
}

#[test]
fn gradients_of_every_loss_are_its_slopes() {
    let shop = planted(200, 1, 2);
    let vector = STACKS[2];
    for keys in ["loss = \"squared\"", "positive-weight = 3", "task-weights = [1, 0.25]"] {
        check(&shop, &format!("label = [\"click\", \"cart\"]\n{keys}\n{vector}"));
    }
    // Two tasks of one mixture of experts, each with its own gate and tower.
    let mixture = "[[blocks]]\nblock = \"dense\"\n[[blocks]]\nblock = \"mmoe\"\nof = [\"dense\"]\nexperts = 2\nwidths = [4]\nactivation = \"silu\"";
    check(&shop, &format!("label = [\"click\", \"cart\"]\n{mixture}"));
    for draw in ["uniform", "popularity", "batch", "all"] {
        for loss in ["bpr", "softmax"] {
            check(&shop, &format!("loss = \"{loss}\"\nnegatives = \"{draw}\"\ndraws = 3\n{vector}"));
        }
    }
}

#[test]
fn what_learns_is_what_phones_compute() {
    let shop = planted(400, 1, 1);
    for text in STACKS {
        let config = config(text);
        let (network, mut params) = Network::new(&shop.setting(3), &config.blocks, &config.tiers).expect("a network");
        let mut noise = Noise::new(11);
        params.iter_mut().flat_map(|tensor| &mut tensor.numbers).for_each(|x| *x += 0.1 * noise.normal());
        let bytes = crate::lab::train::bundle_of(&network, &params, &shop).expect("a bundle");
        let bundle = zhiji::bundle::load(&bytes, "shop").expect("loads");
        assert_eq!(bundle.probes(), 8);
        let ranker = crate::lab::model::open(&bytes, &shop.schema, &shop.layout).expect("binds");
        // The probes are examples as the fold gave them; here they are a chunk of their own.
        let mut chunk = Chunk::new(shop.layout.len());
        for (user, probe) in (0u32..).zip(&shop.examples.probes) {
            chunk.push(&crate::lab::examples::NewExample {
                dense: &probe.dense,
                item: probe.item,
                label: 0,
                positive: false,
                position: None,
                user,
                past: &probe.past,
            });
        }
        let standard = &shop.examples.standard;
        chunk.standardise(&standard.picks, &standard.mean, &standard.scale);
        let rows: Vec<u32> = (0..chunk.len() as u32).collect();
        let pairs = rows.iter().map(|at| (*at, *at)).collect();
        let items = shop.examples.probes.iter().map(|probe| probe.item).collect();
        let mut at = network.pass(&params);
        network.forward(&mut at, &params, &chunk, &Batch { users: rows, items, pairs });
        let mut workspace = ranker.workspace();
        let mut item = vec![0.0; ranker.item_len()];
        for (probe, logit) in shop.examples.probes.iter().zip(&at.logits) {
            let known = |at: &u32| &shop.examples.catalogue.items[*at as usize];
            let entry = known(&probe.item);
            ranker.score_item(entry.wire, &entry.words, &mut item);
            let chosen = |at: &u32| zhiji::features::memory::Chosen {
                wire: known(at).wire,
                keys: known(at).words.iter().map(|(_, key)| *key).collect(),
            };
            let past: Vec<_> = probe.past.iter().map(chosen).collect();
            ranker.score_user(&mut workspace, &probe.dense, zhiji::features::memory::Recent::of(&past));
            let phone = ranker.score_pair(&mut workspace, &item, &probe.dense);
            if text == STACKS[0] {
                assert_eq!(phone.to_bits(), logit.to_bits(), "the linear block calls the same functions");
            }
            assert!((phone - logit).abs() < 1e-5 * (1.0 + phone.abs()), "{phone} is not {logit}:\n{text}");
        }
    }
}

#[test]
fn what_is_wrong_is_said_of_the_key() {
    let shop = planted(200, 1, 1);
    let item = "[[blocks]]\nblock = \"item\"\ndim = 3\n";
    for (text, key) in [
        ("[[blocks]]\nname = \"wide\"", "blocks[0].block"),
        ("[[blocks]]\nblock = \"wood\"", "blocks[0].block"),
        ("[[blocks]]\nblock = \"wide\"\nhashed = [\"colour\"]", "blocks[0].hashed"),
        ("[[blocks]]\nblock = \"wide\"\nfeatures = [\"nothing\"]", "blocks[0].features"),
        ("[[blocks]]\nblock = \"wide\"\nbuckets = 12", "blocks[0].buckets"),
        ("[[blocks]]\nblock = \"wide\"\nwidth = 12", "blocks[0].width"),
        ("[[blocks]]\nblock = \"fm\"\ndim = 0", "blocks[0].dim"),
        ("[[blocks]]\nblock = \"item\"", "blocks[0].dim"),
        ("[[blocks]]\nblock = \"recent\"\nof = [\"item\"]", "blocks[0].of"),
        ("[[blocks]]\nblock = \"wide\"\n[[blocks]]\nblock = \"wide\"", "blocks[1].name"),
        (&format!("{item}[[blocks]]\nblock = \"vector\"\nof = [\"item\", \"item\"]"), "blocks[1].of"),
        (&format!("{item}[[blocks]]\nblock = \"mlp\"\nof = [\"item\"]"), "blocks[1].widths"),
        (&format!("{item}[[blocks]]\nblock = \"mlp\"\nof = [\"item\"]\nwidths = [4, 0]"), "blocks[1].widths"),
        (
            &format!("{item}[[blocks]]\nblock = \"mlp\"\nof = [\"item\"]\nwidths = [1]\nactivation = \"relux\""),
            "activation",
        ),
        (&format!("{item}[[blocks]]\nblock = \"attention\"\nof = [\"item\"]\nwidths = [4]"), "blocks[1].widths"),
        (
            "[[blocks]]\nblock = \"wide\"\n[[tiers]]\ntasks = [{ label = \"buy\", of = [\"wide\"] }]",
            "tiers[0].tasks[0].label",
        ),
        (
            "[[blocks]]\nblock = \"wide\"\n[[tiers]]\ntasks = [{ label = \"click\", of = [\"deep\"] }]",
            "tiers[0].tasks[0].of",
        ),
        (
            "[[blocks]]\nblock = \"wide\"\n[[tiers]]\ntasks = [{ label = \"click\", of = [\"wide\"], gain = [1] }]",
            "gain:",
        ),
        ("[[blocks]]\nblock = \"wide\"\n[[tiers]]\nblends = \"sum\"", "tiers[0].blends"),
        ("[[blocks]]\nblock = \"wide\"\n[[tiers]]\nblend = \"product\"", "tiers[0].blend"),
        ("[[blocks]]\nblock = \"wide\"\n[[tiers]]\nblend = { sum = [1, 1] }", "tiers[0].blend"),
        ("[[blocks]]\nblock = \"wide\"\n[[tiers]]\nblend = { sum = [\"a\"] }", "tiers[0].blend"),
    ] {
        let config = config(text);
        let error = Network::new(&shop.setting(1), &config.blocks, &config.tiers).err().expect(text);
        assert!(format!("{error:#}").contains(key), "{error:#} does not name {key}");
    }
}
