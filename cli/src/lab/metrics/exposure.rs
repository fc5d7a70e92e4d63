//! What lists show over all users: how much of the catalogue, how unlike, how unheard of, and how evenly.

use serde::Serialize;
use std::collections::BTreeMap;
use std::rc::Rc;
use zhiji::item::Item;
use zhiji::kernel::math::ln_f64;
use zhiji::rerank::diversity::jaccard;

/// The most groups that are named; the rest are summed.
const GROUPS_NAMED: usize = 20;

/// What one item's popularity and groups are.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The item.
    pub item: Rc<Item>,
    /// Users of `train` who did anything with it.
    pub users: u32,
}

/// A group's share of the catalogue, and of what was shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    /// Its name; an item of several groups counts for each in parts.
    pub name: String,
    /// Share of the catalogue.
    pub of_catalogue: f64,
    /// Share of all places.
    pub of_exposure: f64,
}

/// The figures of the lists that users were shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Exposure {
    /// Lists.
    pub lists: usize,
    /// Share of the catalogue that stands in any list.
    pub coverage: f64,
    /// Mean over lists of the mean distance `1 − Jaccard` of the words of all pairs in the list.
    pub diversity: f64,
    /// Mean over places of `−log₂ ((users + 1) / (all users + 1))`, in bits: an item that everybody knows adds 0.
    pub novelty: f64,
    /// Gini coefficient of exposure over the catalogue: 0 is even, 1 is one item alone.
    pub gini: f64,
    /// The field whose words are the groups.
    pub group_field: Option<String>,
    /// Groups, by share of the catalogue.
    pub groups: Vec<Group>,
}

/// Measures lists of places in `catalogue`, each discounted alike.
///
/// # Shapes
/// Each list: indices into `catalogue`, best first.
///
/// # Source
/// Intra-list diversity: Ziegler et al., "Improving Recommendation Lists Through Topic Diversification", WWW 2005, section 4; novelty as
/// self-information: Zhou et al., "Solving the apparent diversity-accuracy dilemma", PNAS 2010; Gini as in Fleder and Hosanagar, "Blockbuster Culture's Next Rise or Fall",
/// Management Science 2009.
pub fn measure(
    catalogue: &[Shown],
    lists: &[Vec<u32>],
    train_users: u32,
    group: Option<(usize, &str)>,
) -> Option<Exposure> {
    if catalogue.is_empty() || lists.is_empty() {
        return None;
    }
    let mut shown = vec![0u64; catalogue.len()];
    let (mut distance, mut with_pairs, mut surprise, mut places) = (0.0, 0usize, 0.0, 0usize);
    for list in lists {
        let items: Vec<&Shown> = list.iter().map(|&i| &catalogue[i as usize]).collect();
        let (mut sum, mut pairs) = (0.0, 0usize);
        for (i, a) in items.iter().enumerate() {
            for b in &items[i + 1..] {
                sum += 1.0 - f64::from(jaccard(&a.item, &b.item));
                pairs += 1;
            }
            let known = f64::from(a.users + 1) / f64::from(train_users + 1);
            surprise -= ln_f64(known.min(1.0)) / std::f64::consts::LN_2;
            places += 1;
        }
        if pairs > 0 {
            distance += sum / pairs as f64;
            with_pairs += 1;
        }
        list.iter().for_each(|&i| shown[i as usize] += 1);
    }
    let groups = group.map_or(Vec::new(), |(field, _)| groups(catalogue, &shown, field));
    Some(Exposure {
        lists: lists.len(),
        coverage: shown.iter().filter(|n| **n > 0).count() as f64 / shown.len() as f64,
        diversity: distance / with_pairs.max(1) as f64,
        novelty: surprise / places.max(1) as f64,
        gini: gini(&mut shown),
        group_field: group.map(|(_, name)| name.to_string()),
        groups,
    })
}

/// `Σ (2i − n − 1) xᵢ / (n Σ xᵢ)` over the sorted numbers, from i = 1. Sorts them.
pub fn gini(numbers: &mut [u64]) -> f64 {
    numbers.sort_unstable();
    let n = numbers.len() as f64;
    let total: f64 = numbers.iter().map(|x| *x as f64).sum();
    if total == 0.0 {
        return 0.0;
    }
    let weighted: f64 = (1u64..).zip(numbers.iter()).map(|(i, x)| (2.0 * i as f64 - n - 1.0) * *x as f64).sum();
    weighted / (n * total)
}

fn groups(catalogue: &[Shown], shown: &[u64], field: usize) -> Vec<Group> {
    let mut sums: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    for (item, shown) in catalogue.iter().zip(shown) {
        let words = item.item.words(field);
        let part = 1.0 / words.len().max(1) as f64;
        let mut add = |name| {
            let sum = sums.entry(name).or_default();
            sum.0 += part;
            sum.1 += part * *shown as f64;
        };
        if words.is_empty() {
            add("(none)");
        }
        words.iter().for_each(|w| add(&w.text));
    }
    let places: f64 = shown.iter().map(|n| *n as f64).sum();
    let mut groups: Vec<Group> = sums
        .into_iter()
        .map(|(name, (items, exposure))| Group {
            name: name.to_string(),
            of_catalogue: items / catalogue.len() as f64,
            of_exposure: if places > 0.0 { exposure / places } else { 0.0 },
        })
        .collect();
    groups.sort_by(|a, b| b.of_catalogue.total_cmp(&a.of_catalogue));
    if groups.len() > GROUPS_NAMED {
        let rest = groups.split_off(GROUPS_NAMED);
        let sum = |of: fn(&Group) -> f64| rest.iter().map(of).sum();
        groups.push(Group {
            name: format!("{} more", rest.len()),
            of_catalogue: sum(|g| g.of_catalogue),
            of_exposure: sum(|g| g.of_exposure),
        });
    }
    groups
}
