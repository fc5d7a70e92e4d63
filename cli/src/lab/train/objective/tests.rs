//! What is drawn, and how often.

use super::*;

#[test]
fn items_are_drawn_as_often_as_their_weights_say() {
    let weights = [5.0, 0.5, 2.0, 0.0, 2.5];
    let alias = Alias::new(&weights);
    let mut counts = [0u32; 5];
    let mut noise = Noise::new(3);
    (0..100_000).for_each(|_| counts[alias.draw(&mut noise)] += 1);
    for ((count, weight), log_chance) in counts.iter().zip(weights).zip(&alias.log_chance) {
        assert!((f64::from(*count) / 10_000.0 - weight).abs() < 0.15, "{counts:?}");
        assert!(weight == 0.0 || (math::exp(*log_chance) - weight as f32 / 10.0).abs() < 1e-5);
    }
}

#[test]
fn the_whole_softmax_is_that_of_the_item_taken_among_all() {
    use crate::lab::network::Network;
    use crate::lab::train::planted::planted;
    use crate::lab::train::{Config, Given};
    let shop = planted(100, 1, 1);
    let text = "loss = \"softmax\"\nnegatives = \"all\"\n[[blocks]]\nblock = \"wide\"\nfeatures = []\n";
    let config = Config::read(Some(text), Given::default(), &[]).expect("a configuration");
    let (network, _) = Network::new(&shop.setting(1), &config.blocks, &config.tiers).expect("a network");
    let catalogue = &shop.examples.catalogue;
    let objective = Objective::new(&config.settings, catalogue, &network.tasks, (1, false)).expect("an objective");
    let of_item = |item: u32| (item * item % 7) as f32 * 0.5 - 1.0;
    let checked = shop.examples.train.with(0, &shop.examples.standard, |chunk| {
        let (mut batch, mut slopes) = (Batch::default(), Vec::new());
        let rows = [3u32, 9, 4];
        objective.gather(chunk, &rows, &mut Noise::new(1), &mut batch);
        let mut logits: Vec<f32> = batch.pairs.iter().map(|(_, item)| of_item(batch.items[*item as usize])).collect();
        let sum = objective.slopes((chunk, &batch), &mut logits, &mut slopes, (&[], None), 1);
        let whole: f64 = (0..catalogue.items.len() as u32).map(|item| math::exp_f64(f64::from(of_item(item)))).sum();
        let expected: f64 =
            rows.iter().map(|row| math::ln_f64(whole) - f64::from(of_item(chunk.item[*row as usize]))).sum();
        assert!((sum - expected).abs() < 1e-4, "{sum} is not {expected}");
        // The derivatives of one example: shares, less one at the item that was taken.
        let taken = chunk.item[9];
        for (item, slope) in (0u32..).zip(&slopes[catalogue.items.len()..2 * catalogue.items.len()]) {
            let share = (math::exp_f64(f64::from(of_item(item))) / whole) as f32;
            let expected = if item == taken { share - 1.0 } else { share };
            assert!((slope - expected).abs() < 1e-5, "item {item}: {slope} is not {expected}");
        }
        Ok(())
    });
    checked.expect("checked");
}

/// Losses that `tools/torch/training.py` computed: of given logits their sum, and its derivatives by logits and offsets.
#[derive(serde::Deserialize)]
struct Case {
    keys: String,
    shown: Vec<f32>,
    taken: Vec<f32>,
    labels: usize,
    own: Vec<u32>,
    /// The items of each example's logits; without them, those of the other examples.
    batch: Option<Vec<Vec<u32>>>,
    group: usize,
    positive: Vec<u8>,
    label: Vec<u8>,
    places: Option<Vec<u16>>,
    logits: Vec<f32>,
    loss: f64,
    slopes: Vec<f32>,
    offsets: Option<Vec<f32>>,
    offset_slopes: Option<Vec<f32>>,
}

impl Case {
    /// Items and pairs as [`Objective::gather`] lays them out.
    fn batch(&self) -> Batch {
        let users = 0..self.own.len() as u32;
        let items: Vec<u32> = match &self.batch {
            Some(lists) if self.group == self.shown.len() => lists[0].clone(),
            Some(lists) => lists.concat(),
            None => self.own.clone(),
        };
        let apart = items.len() == self.own.len() * self.group;
        let first = |user: u32| if apart { user * self.group as u32 } else { 0 };
        let pairs = users.clone().flat_map(|user| (0..self.group as u32).map(move |at| (user, first(user) + at)));
        let pairs = pairs.collect();
        Batch { users: users.collect(), items, pairs }
    }
}

#[test]
fn losses_and_their_slopes_are_those_of_pytorch() {
    use crate::lab::examples::NewExample;
    use crate::lab::network::Network;
    use crate::lab::train::planted::planted;
    use crate::lab::train::{Config, Given};
    let cases = include_str!("../../../../fixtures/torch/losses.json");
    let cases: Vec<Case> = serde_json::from_str(cases).expect("JSON");
    let near = |found: f32, expected: f32, what: &str| {
        assert!((found - expected).abs() < 1e-6 + 1e-5 * expected.abs(), "{what}: {found}, PyTorch {expected}");
    };
    for case in cases {
        let shop = planted(100, 1, case.labels);
        let blocks = "[[blocks]]\nblock = \"wide\"\nfeatures = []\n";
        let config = Config::read(Some(&format!("{}\n{blocks}", case.keys)), Given::default(), &[]).expect("keys");
        let (network, _) = Network::new(&shop.setting(1), &config.blocks, &config.tiers).expect("a network");
        let mut catalogue = (*shop.examples.catalogue).clone();
        catalogue.items.truncate(case.shown.len());
        (catalogue.shown, catalogue.taken) = (case.shown.clone(), case.taken.clone());
        let shape = (case.labels, network.reads_pairs);
        let mut objective = Objective::new(&config.settings, &catalogue, &network.tasks, shape).expect("an objective");
        let mut params = Vec::new();
        let mut chunk = Chunk::new(0);
        for (at, item) in case.own.iter().enumerate() {
            let (label, positive) = (case.label[at], case.positive[at] > 0);
            let position = case.places.as_ref().map(|places| places[at]);
            chunk.push(&NewExample { dense: &[], item: *item, label, positive, position, user: at as u32, past: &[] });
        }
        if let (Some(offsets), Some(places)) = (&case.offsets, &case.places) {
            let mut counts = vec![0.0; PLACES];
            places.iter().for_each(|place| counts[usize::from(*place)] += 1.0);
            objective = objective.with_positions(0, &counts);
            params.push(Tensor {
                name: "position.offset".into(),
                shape: vec![case.labels, PLACES],
                numbers: offsets.clone(),
                sparse: false,
                penalised: false,
                frozen: false,
                meetings: Vec::new(),
            });
        }
        let (mut gradients, mut logits, mut slopes) = (Gradients::new(&params), case.logits.clone(), Vec::new());
        let into = (&params[..], Some(&mut gradients));
        let sum = objective.slopes((&chunk, &case.batch()), &mut logits, &mut slopes, into, case.own.len());
        near(sum as f32, case.loss as f32, &case.keys);
        assert_eq!(slopes.len(), case.slopes.len());
        for (found, expected) in slopes.iter().zip(&case.slopes) {
            near(*found, *expected, &format!("{}, slope", case.keys));
        }
        if let Some(expected) = &case.offset_slopes {
            for (found, expected) in gradients.whole(0).iter().zip(expected) {
                near(*found, *expected, &format!("{}, slope of an offset", case.keys));
            }
        }
    }
}
