use super::*;

fn scored(rows: &[(u32, u32, bool, f32)]) -> Vec<Scored> {
    rows.iter().map(|&(user, earlier, positive, logit)| Scored { user, earlier, positive, logit }).collect()
}

#[test]
fn auc_counts_pairs_in_order_and_ties_as_half() {
    // Positives 0.4 and 0.8, negatives 0.1 and 0.35: every pair in order.
    assert_eq!(auc(&mut [(0.1, false), (0.4, true), (0.35, false), (0.8, true)]), Some(1.0));
    // Positives 0.35, 0.8 against negatives 0.1, 0.4: three of four pairs.
    assert_eq!(auc(&mut [(0.1, false), (0.4, false), (0.35, true), (0.8, true)]), Some(0.75));
    // Positives 1, 2 against negatives 1, 0: 1 = 1 is half, the other three are in order.
    assert_eq!(auc(&mut [(1.0, true), (2.0, true), (1.0, false), (0.0, false)]), Some(3.5 / 4.0));
    // Everything equal, zeros of both signs: nothing is known.
    assert_eq!(auc(&mut [(0.0, true), (-0.0, false), (0.0, false), (-0.0, true), (0.0, true)]), Some(0.5));
    assert_eq!(auc(&mut [(1.0, true), (2.0, true)]), None);
    assert_eq!(auc(&mut []), None);
}

#[test]
fn auc_agrees_with_counting_all_pairs() {
    let mut pairs: Vec<(f32, bool)> =
        (0u32..200).map(|i| ((i.wrapping_mul(2_654_435_761) >> 27) as f32, i % 3 == 0)).collect();
    let mut sum = 0.0;
    let mut count = 0.0;
    for p in pairs.iter().filter(|p| p.1) {
        for n in pairs.iter().filter(|n| !n.1) {
            count += 1.0;
            sum += if p.0 > n.0 {
                1.0
            } else if p.0 == n.0 {
                0.5
            } else {
                0.0
            };
        }
    }
    let found = auc(&mut pairs).expect("two classes");
    assert!((found - sum / count).abs() < 1e-12, "{found} is not {}", sum / count);
}

#[test]
fn gauc_weighs_users_by_rows_and_leaves_out_one_class() {
    let rows = scored(&[
        (1, 0, true, 2.0),
        (1, 0, false, 1.0), // user 1: AUC 1, two rows
        (2, 0, true, 0.0),
        (2, 0, false, 1.0),
        (2, 0, false, -1.0), // user 2: AUC ½, three rows
        (3, 0, true, -9.0),  // user 3: one class
    ]);
    let (value, rows) = gauc(&rows);
    assert_eq!(rows, 5);
    assert!((value.expect("two users count") - (1.0 * 2.0 + 0.5 * 3.0) / 5.0).abs() < 1e-12);
}

#[test]
fn log_loss_and_calibration_by_hand() {
    // σ(0) = ½ and σ(ln 3) = ¾.
    let ln3 = 1.098_612_3;
    let found = measure(&scored(&[(1, 0, true, ln3), (1, 0, false, 0.0)])).expect("finite");
    // −(ln ¾ + ln ½) / 2
    let expected = (0.287_682_072_451_780_9 + std::f64::consts::LN_2) / 2.0;
    assert!((found.log_loss - expected).abs() < 1e-7, "{}", found.log_loss);
    assert!((found.calibration.expect("a positive") - 1.25).abs() < 1e-6);
}

#[test]
fn a_score_that_is_not_finite_stops_everything() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let rows = scored(&[(1, 0, true, 1.0), (1, 5, false, bad)]);
        assert_eq!(measure(&rows), Err(NotFinite { index: 1 }));
        assert!(by_earlier(&rows).is_err());
    }
}

#[test]
fn buckets_hold_their_bounds() {
    let at = |earlier| (1, earlier, earlier % 2 == 0, 0.0);
    let rows = scored(&[at(0), at(1), at(2), at(3), at(5), at(6), at(100), at(101), at(9_999)]);
    let found = by_earlier(&rows).expect("finite");
    let counts: Vec<_> = found.iter().map(|(name, m)| (*name, m.rows)).collect();
    assert_eq!(counts, [("0", 1), ("1-2", 2), ("3-5", 2), ("6-10", 1), ("51-100", 1), ("101+", 2)]);
}

/// The numbers of `cli/fixtures/metrics.py`.
fn fixture() -> serde_json::Value {
    serde_json::from_str(include_str!("../../../fixtures/metrics.json")).expect("the fixture is JSON")
}

fn numbers(json: &serde_json::Value) -> Vec<f64> {
    json.as_array().expect("a list").iter().map(|x| x.as_f64().expect("a number")).collect()
}

fn fixture_scores(json: &serde_json::Value) -> Vec<Scored> {
    let (user, logit, positive) = (numbers(&json["user"]), numbers(&json["logitEighths"]), numbers(&json["positive"]));
    (0..user.len())
        .map(|i| Scored {
            user: user[i] as u32,
            earlier: i as u32,
            positive: positive[i] == 1.0,
            logit: logit[i] as f32 / 8.0,
        })
        .collect()
}

fn near(found: f64, expected: &serde_json::Value) {
    let expected = expected.as_f64().expect("a number");
    assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
}

#[test]
fn figures_equal_those_of_scikit_learn() {
    let json = fixture();
    let scored = fixture_scores(&json);
    let found = measure(&scored).expect("finite");
    near(found.auc.expect("two classes"), &json["auc"]);
    near(found.gauc.expect("two classes"), &json["gauc"]);
    assert_eq!(Some(found.gauc_rows as u64), json["gaucRows"].as_u64());
    near(found.log_loss, &json["logLoss"]);
    near(found.calibration_error, &json["calibrationError"]);
    let bins = calibration::reliability(&scored).bins;
    let expected = &json["reliability"];
    assert_eq!(bins.iter().map(|b| b.rows as f64).collect::<Vec<_>>(), numbers(&expected["rows"]));
    for (i, bin) in bins.iter().enumerate() {
        near(bin.expected, &expected["expected"][i]);
        near(bin.observed, &expected["observed"][i]);
    }
}

#[test]
fn ranking_figures_equal_those_of_scikit_learn() {
    let json = fixture();
    let ranks = numbers(&json["ranks"]);
    let targets: Vec<_> = ranks.iter().map(|&rank| ranked::Target { user: 0, earlier: 0, rank }).collect();
    near(ranked::measure(&targets, 10).ndcg, &json["ndcgAt10"]);
    near(ranked::measure(&targets, 5).ndcg, &json["ndcgAt5"]);
    let found = ranked::measure(&targets, 5);
    let within: Vec<f64> = ranks.iter().copied().filter(|r| *r <= 5.0).collect();
    assert_eq!(found.hit_rate, within.len() as f64 / 16.0);
    assert!((found.mrr - within.iter().map(|r| 1.0 / r).sum::<f64>() / 16.0).abs() < 1e-12);
}

#[test]
fn an_interval_holds_its_figure_and_follows_the_seed() {
    let scored = fixture_scores(&fixture());
    let figures = measure(&scored).expect("finite");
    let of = |seed| bootstrap::Resampler::new(seed, 200).draw_scores(&scored).intervals();
    let found = of(1);
    for (interval, value) in
        [(found.auc, figures.auc), (found.gauc, figures.gauc), (found.log_loss, Some(figures.log_loss))]
    {
        let (interval, value) = (interval.expect("an interval"), value.expect("a figure"));
        assert!(interval.low < value && value < interval.high, "{value} is not within {interval:?}");
    }
    assert_eq!(found, of(1));
    assert_ne!(found, of(2));
}

#[test]
fn resampling_counts_users_whole() {
    let scored = scored(&[(1, 0, true, 1.0), (1, 0, false, 0.0), (2, 0, true, 0.0), (2, 0, false, 1.0)]);
    let sampler = bootstrap::Resampler::new(3, 400);
    // User 1 is ranked rightly and user 2 wrongly, so GAUC can only be 0, a half or 1.
    let drawn = sampler.values(2, |times| Some(f64::from(times[0]) / 2.0));
    let mut values: Vec<f64> = drawn.into_iter().flatten().collect();
    values.sort_unstable_by(f64::total_cmp);
    values.dedup();
    assert_eq!(values, [0.0, 0.5, 1.0]);
    let gauc = sampler.draw_scores(&scored).intervals().gauc.expect("an interval");
    assert_eq!((gauc.low, gauc.high), (0.0, 1.0));
    assert_eq!(sampler.draw_scores(&[]).intervals().auc, None);
}

#[test]
fn exposure_by_hand() {
    use std::rc::Rc;
    use zhiji::item::{Given, Item};
    let schema = zhiji::schema::Schema::open(crate::lab::import::movielens::SCHEMA).expect("a schema");
    let item = |id: &str, genres: &[&str]| {
        let words = genres.iter().map(|g| (*g).to_string()).collect();
        let genre = Given::Texts(words);
        Rc::new(
            Item::open(&schema, 0, id, |f| if f == "genres" { genre.clone() } else { Given::Nothing })
                .expect("an item"),
        )
    };
    let shown = |id, genres: &[&str], users| exposure::Shown { item: item(id, genres), users };
    let catalogue =
        [shown("a", &["War"], 3), shown("b", &["War", "Drama"], 1), shown("c", &["Drama"], 0), shown("d", &[], 0)];
    let found = exposure::measure(&catalogue, &[vec![0, 1], vec![0, 2]], 3, Some((0, "genres"))).expect("figures");
    assert_eq!(found.coverage, 0.75);
    // Jaccard of a and b is ½, of a and c 0.
    assert!((found.diversity - 0.75).abs() < 1e-12);
    // Of 3 users and the one imagined: a 4/4, b 2/4, c 1/4: 0 + 1 + 0 + 2 bits over four places.
    assert!((found.novelty - 0.75).abs() < 1e-12, "{}", found.novelty);
    // Exposure 0, 1, 1, 2: (−3·0 − 1·1 + 1·1 + 3·2) / (4 · 4).
    assert!((found.gini - 0.375).abs() < 1e-12);
    let group = |name: &str| found.groups.iter().find(|g| g.name == name).expect("a group");
    assert_eq!((group("War").of_catalogue, group("War").of_exposure), (1.5 / 4.0, 2.5 / 4.0));
    assert_eq!(group("(none)").of_exposure, 0.0);
    assert!(exposure::measure(&catalogue, &[], 3, None).is_none());
}

#[test]
fn a_difference_is_taken_within_each_draw() {
    let scored = fixture_scores(&fixture());
    let worse: Vec<Scored> = scored.iter().map(|s| Scored { logit: s.logit + 2.0, ..*s }).collect();
    let sampler = bootstrap::Resampler::new(1, 200);
    let (a, b) = (sampler.draw_scores(&scored), sampler.draw_scores(&worse));
    let over = b.intervals_over(&a);
    // The order is the same in every draw, so that AUC differs in none of them, wide as its own interval is.
    let auc = over.auc.expect("an interval");
    assert_eq!((auc.low, auc.high), (0.0, 0.0));
    assert!(over.log_loss.expect("an interval").low > 0.0, "forecasts that are all too high lose in every draw");
}
