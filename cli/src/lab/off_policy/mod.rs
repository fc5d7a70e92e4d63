//! What another policy would have earned, estimated from a log whose choices were made with known probabilities.

pub mod log;

use serde::Serialize;

/// One logged round, as a policy other than the one that chose sees it.
///
/// With `a` the action that was logged, `π` the policy to judge, `π₀` the one that chose and `q̂` a model of the reward:
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Round {
    /// What came of it.
    pub reward: f64,
    /// `π(a | x) / π₀(a | x)`.
    pub weight: f64,
    /// `q̂(x, a)`.
    pub modelled: f64,
    /// `Σ π(b | x) q̂(x, b)` over all actions `b`.
    pub expected: f64,
}

/// The estimators.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Estimator {
    /// Inverse propensity scoring: the mean of `w r`. Unbiased where every action had a chance; varies with the weights.
    Ips,
    /// Self-normalised: `Σ w r / Σ w`.
    Snips,
    /// The direct method: the mean of what the model expects. As right as the model.
    Dm,
    /// Doubly robust: the model's expectation, corrected by `w (r − q̂)`.
    Dr,
    /// Doubly robust where the weight is at most `tau`, the model alone elsewhere.
    SwitchDr {
        /// The greatest weight that is believed.
        tau: f64,
    },
    /// Doubly robust with optimistic shrinkage: the weight becomes `λ w / (w² + λ)`.
    DrOs {
        /// λ: 0 is the direct method, infinity is doubly robust.
        lambda: f64,
    },
}

impl Estimator {
    /// Its usual name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ips => "IPS",
            Self::Snips => "SNIPS",
            Self::Dm => "DM",
            Self::Dr => "DR",
            Self::SwitchDr { .. } => "Switch-DR",
            Self::DrOs { .. } => "DRos",
        }
    }

    /// The estimated mean reward; none without rounds, or where SNIPS finds no weight at all.
    ///
    /// # Source
    /// IPS: Horvitz and Thompson, JASA 1952. SNIPS: Swaminathan and Joachims, NeurIPS 2015, equation 7. DR: Dudík, Langford and Li, ICML 2011,
    /// section 3. Switch-DR: Wang, Agarwal and Dudík, ICML 2017, section 4. DRos: Su et al., ICML 2020, section 3.2.
    pub fn estimate(self, rounds: &[Round]) -> Option<f64> {
        if rounds.is_empty() {
            return None;
        }
        let mean = |of: &dyn Fn(&Round) -> f64| rounds.iter().map(of).sum::<f64>() / rounds.len() as f64;
        let corrected = |r: &Round, weight: f64| r.expected + weight * (r.reward - r.modelled);
        Some(match self {
            Self::Ips => mean(&|r| r.weight * r.reward),
            Self::Snips => {
                let weight = mean(&|r| r.weight);
                if weight <= 0.0 {
                    return None;
                }
                mean(&|r| r.weight * r.reward) / weight
            }
            Self::Dm => mean(&|r| r.expected),
            Self::Dr => mean(&|r| corrected(r, r.weight)),
            Self::SwitchDr { tau } => mean(&|r| corrected(r, if r.weight <= tau { r.weight } else { 0.0 })),
            Self::DrOs { lambda } => mean(&|r| {
                let below = r.weight * r.weight + lambda;
                corrected(r, if below > 0.0 { lambda * r.weight / below } else { 0.0 })
            }),
        })
    }
}

/// How much a log says about the policy.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Overlap {
    /// Rounds.
    pub rounds: usize,
    /// `(Σ w)² / Σ w²`: how many rounds of the policy's own the log is worth.
    pub effective_rounds: f64,
    /// The mean weight: 1, to chance, where propensities and policy are what they claim to be.
    pub mean_weight: f64,
    /// The greatest weight.
    pub greatest_weight: f64,
}

/// Measures the weights.
///
/// # Source
/// Owen, "Monte Carlo theory, methods and examples", 2013, section 9.3 (effective sample size).
pub fn overlap(rounds: &[Round]) -> Overlap {
    let (mut sum, mut squares, mut greatest) = (0.0, 0.0, 0.0f64);
    for round in rounds {
        sum += round.weight;
        squares += round.weight * round.weight;
        greatest = greatest.max(round.weight);
    }
    Overlap {
        rounds: rounds.len(),
        effective_rounds: if squares > 0.0 { sum * sum / squares } else { 0.0 },
        mean_weight: sum / rounds.len().max(1) as f64,
        greatest_weight: greatest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixture {
        rounds: Vec<Round>,
        expected: Vec<(Estimator, f64)>,
    }

    /// The numbers of `cli/fixtures/off_policy.py`.
    fn fixture() -> Fixture {
        let json: serde_json::Value =
            serde_json::from_str(include_str!("../../../fixtures/off_policy.json")).expect("the fixture is JSON");
        let list = |name: &str| json[name].as_array().expect("a list").clone();
        let at = |value: &serde_json::Value| value.as_f64().expect("a number");
        let (policy, model) = (list("policyOf64"), list("rewardModelOf1000"));
        let actions = policy[0].as_array().expect("actions").len();
        let rounds = (0..policy.len())
            .map(|i| {
                let (a, p) = (json["action"][i].as_u64(), json["position"][i].as_u64());
                let (a, p) = (a.expect("an action") as usize, p.expect("a place") as usize);
                let chance = |b: usize| at(&policy[i][b][p]) / 64.0;
                let reward = |b: usize| at(&model[i][b][p]) / 1_000.0;
                Round {
                    reward: at(&json["reward"][i]),
                    weight: chance(a) / (at(&json["propensityOf1024"][i]) / 1_024.0),
                    modelled: reward(a),
                    expected: (0..actions).map(|b| chance(b) * reward(b)).sum(),
                }
            })
            .collect();
        let expected = list("expected")
            .iter()
            .map(|e| {
                let parameter = e["parameter"].as_f64().unwrap_or(f64::NAN);
                let estimator = match e["estimator"].as_str().expect("a name") {
                    "ips" => Estimator::Ips,
                    "snips" => Estimator::Snips,
                    "dm" => Estimator::Dm,
                    "dr" => Estimator::Dr,
                    "switch-dr" => Estimator::SwitchDr { tau: parameter },
                    "dr-os" => Estimator::DrOs { lambda: parameter },
                    other => panic!("no estimator {other}"),
                };
                (estimator, at(&e["value"]))
            })
            .collect();
        Fixture { rounds, expected }
    }

    #[test]
    fn every_estimator_gives_the_open_bandit_pipelines_value() {
        let Fixture { rounds, expected } = fixture();
        assert_eq!((rounds.len(), expected.len()), (160, 11));
        for (estimator, value) in expected {
            let found = estimator.estimate(&rounds).expect("rounds");
            assert!((found - value).abs() < 1e-9, "{estimator:?}: {found} is not {value}");
        }
    }

    #[test]
    fn the_ends_of_shrinkage_and_switching_are_the_known_estimators() {
        let rounds = fixture().rounds;
        let value = |e: Estimator| e.estimate(&rounds).expect("rounds");
        assert_eq!(value(Estimator::DrOs { lambda: 0.0 }), value(Estimator::Dm));
        assert_eq!(value(Estimator::SwitchDr { tau: f64::INFINITY }), value(Estimator::Dr));
        assert!((value(Estimator::DrOs { lambda: 1e12 }) - value(Estimator::Dr)).abs() < 1e-6);
        assert_eq!(Estimator::Ips.estimate(&[]), None);
        let never = [Round { reward: 1.0, weight: 0.0, modelled: 0.0, expected: 0.0 }];
        assert_eq!(Estimator::Snips.estimate(&never), None);
    }

    #[test]
    fn a_policy_that_is_the_loggers_own_has_full_overlap() {
        let own = [Round { reward: 1.0, weight: 1.0, modelled: 0.5, expected: 0.5 }; 40];
        let found = overlap(&own);
        assert_eq!((found.effective_rounds, found.mean_weight, found.greatest_weight), (40.0, 1.0, 1.0));
        let one = [own[0], Round { weight: 0.0, ..own[0] }, Round { weight: 0.0, ..own[0] }];
        assert_eq!(overlap(&one).effective_rounds, 1.0);
    }
}
