//! What is drawn, and how often.

use super::*;

#[test]
fn items_are_drawn_as_often_as_their_weights_say() {
    let weights = [5.0, 0.5, 2.0, 0.0, 2.5];
    let alias = Alias::new(&weights);
    let mut counts = [0u32; 5];
    let mut noise = Noise(3);
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
        objective.gather(chunk, &rows, &mut Noise(1), &mut batch);
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
