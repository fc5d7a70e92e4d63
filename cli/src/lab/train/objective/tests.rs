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
