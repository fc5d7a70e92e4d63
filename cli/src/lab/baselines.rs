//! What any ranking of the catalogue is held against: what is popular, and what people did next after what this one did last.

use super::dataset::{Dataset, Split, User};
use super::rows::Rows;
use std::collections::HashMap;
use zhiji::schema::Schema;

/// Later events of the same user that count as following one.
const REACH: usize = 5;
/// Followers that an item keeps.
const FOLLOWERS_MOST: usize = 64;
/// Of the newest events, how many are asked what follows them.
const RECENT: usize = 10;
/// What an older event counts for, against the one after it.
const FADE: f64 = 0.8;

/// What the events of `train` say of the catalogue.
pub struct Baselines {
    /// For each item, the users who did anything with it.
    pub popularity: Vec<u32>,
    /// Users of `train`.
    pub users: u32,
    followers: HashMap<u32, Vec<(u32, f32)>>,
}

/// The items a user did anything with, in time order: impressions are the page's doing. One at a time, repeats in a row are one.
fn acts<'a>(
    schema: &'a Schema,
    place: &'a HashMap<u64, u32>,
    user: &'a User,
) -> impl Iterator<Item = (u32, Split)> + 'a {
    let impression = schema.impression();
    let chosen = user.events.iter().filter(move |e| e.action != impression);
    chosen.filter_map(|e| place.get(&e.item.wire()).map(|&at| (at, e.split)))
}

impl Baselines {
    /// Counts the events of `train`; `place` has the place of each item in the catalogue.
    ///
    /// # Errors
    /// Where the data cannot be read.
    pub fn count(data: &Dataset, place: &HashMap<u64, u32>, rows: &mut Rows) -> anyhow::Result<Self> {
        let mut popularity = vec![0u32; place.len()];
        let mut users = 0;
        let mut counts: HashMap<(u32, u32), f32> = HashMap::new();
        data.for_each_user(rows, |user| {
            let mut own: Vec<u32> =
                acts(&data.schema, place, &user).filter(|a| a.1 == Split::Train).map(|a| a.0).collect();
            own.dedup();
            for (i, &item) in own.iter().enumerate() {
                for (distance, &next) in own[i + 1..].iter().take(REACH).enumerate() {
                    if next != item {
                        *counts.entry((item, next)).or_default() += 1.0 / (distance + 1) as f32;
                    }
                }
            }
            users += u32::from(!own.is_empty());
            own.sort_unstable();
            own.dedup();
            own.iter().for_each(|&item| popularity[item as usize] += 1);
            Ok(())
        })?;
        let mut followers: HashMap<u32, Vec<(u32, f32)>> = HashMap::new();
        for ((item, next), count) in counts {
            followers.entry(item).or_default().push((next, count));
        }
        for list in followers.values_mut() {
            list.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            list.truncate(FOLLOWERS_MOST);
            let sum: f32 = list.iter().map(|f| f.1).sum();
            list.iter_mut().for_each(|f| f.1 /= sum);
        }
        Ok(Self { popularity, users, followers })
    }

    /// What follows the newest of `acts` (oldest first), added up; popularity, far below, tells the rest apart.
    pub fn follow(&self, acts: &[u32], scores: &mut [f64]) {
        for (score, popular) in scores.iter_mut().zip(&self.popularity) {
            *score = 1e-9 * f64::from(*popular);
        }
        let mut weight = 1.0;
        for item in acts.iter().rev().take(RECENT) {
            for (next, share) in self.followers.get(item).into_iter().flatten() {
                scores[*next as usize] += weight * f64::from(*share);
            }
            weight *= FADE;
        }
    }
}
