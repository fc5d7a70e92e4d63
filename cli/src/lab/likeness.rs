//! Which items are alike by who met them: every item's people, regressed on those of all others.
//!
//! ```text
//! likeness(i, j) = xᵢ · (X Xᵀ + penalty · 1)⁻¹ · xⱼ        X: people × items, 1 where a person met an item; xᵢ: its column
//! ```
//!
//! Off the diagonal that is `−penalty · (XᵀX + penalty · 1)⁻¹`, by the identity of Woodbury: the weights with which the other items foretell an item, but
//! for a factor of each row. So the matrix to be inverted has the side of the people, not of the items.
//!
//! # Source
//! Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019, section 3.1.

use anyhow::Context as _;
use nalgebra::DMatrix;

/// People that are asked, at most: of more, every second, third and so on.
const PEOPLE_MOST: usize = 2_000;
/// Penalty of the squared weights, in parts of the items that a person met on average.
const PENALTY: f64 = 5.0;

/// Of each item those that are most like it, at most so many, rising, and how much, in parts of the most that is. `people` are the items that each met.
///
/// # Errors
/// Where the matrix cannot be inverted.
pub fn alike(people: &[Vec<u32>], items: usize, most: usize) -> anyhow::Result<Vec<Vec<(u32, f32)>>> {
    let mut met: Vec<Vec<u32>> = people.iter().step_by(people.len().div_ceil(PEOPLE_MOST).max(1)).cloned().collect();
    let mut by_item = vec![Vec::new(); items];
    for (person, own) in met.iter_mut().enumerate() {
        own.sort_unstable();
        own.dedup();
        own.iter().for_each(|item| by_item[*item as usize].push(person));
    }
    let n = met.len();
    let events: usize = met.iter().map(Vec::len).sum();
    let mut shared: DMatrix<f64> = DMatrix::identity(n, n) * (PENALTY * events.max(1) as f64 / n.max(1) as f64);
    for who in &by_item {
        for a in who {
            who.iter().for_each(|b| shared[(*a, *b)] += 1.0);
        }
    }
    let inverse = shared.cholesky().context("who met what has no inverse")?.inverse();
    let mut all = Vec::with_capacity(items);
    for (item, who) in by_item.iter().enumerate() {
        let mut products = vec![0.0; items];
        for (person, own) in met.iter().enumerate() {
            let weight: f64 = who.iter().map(|other| inverse[(*other, person)]).sum();
            own.iter().for_each(|at| products[*at as usize] += weight);
        }
        let mut list: Vec<(u32, f32)> = (0u32..).zip(products.iter().map(|x| *x as f32)).collect();
        list.retain(|(at, x)| *x > 0.0 && *at as usize != item);
        if list.len() > most {
            list.select_nth_unstable_by(most, |a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            list.truncate(most);
        }
        let top = list.iter().fold(f32::MIN_POSITIVE, |top, (_, x)| top.max(*x));
        list.iter_mut().for_each(|(_, x)| *x /= top);
        list.sort_unstable_by_key(|(at, _)| *at);
        all.push(list);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use zhiji::rng::Rng;

    #[test]
    fn items_of_the_same_people_are_alike() {
        // Two kinds of people, who meet six in ten of the items of their kind; everybody meets the last one.
        let mut rng = Rng::derive(&[5; 32], "planted", &[]);
        let mut own =
            |user: u32| (0..20).filter(|item| item % 2 == user % 2 && rng.uniform() < 0.6).collect::<Vec<u32>>();
        let people: Vec<Vec<u32>> = (0..80).map(|user| [own(user), vec![20]].concat()).collect();
        for (item, list) in alike(&people, 21, 5).expect("inverted").iter().enumerate().take(20) {
            assert!(list.len() <= 5 && list.iter().all(|(at, x)| *at as usize != item && *x > 0.0 && *x <= 1.0));
            assert!(list.windows(2).all(|near| near[0].0 < near[1].0), "rising: {list:?}");
            let other = list.iter().filter(|(at, _)| *at < 20).find(|(at, _)| *at as usize % 2 != item % 2);
            assert_eq!(other, None, "{item}: an item of the other kind");
        }
        assert!(alike(&[], 2, 5).expect("inverted").iter().all(Vec::is_empty), "nobody met anything");
    }

    #[test]
    fn it_is_the_inverse_over_items() {
        let people = [vec![0, 1, 2], vec![0, 1], vec![2, 3, 3], vec![1, 3]];
        let events = 9.0; // The second 3 is the same item of the same person.
        let met = DMatrix::from_fn(4, 4, |person, item| f64::from(u8::from(people[person].contains(&(item as u32)))));
        let gram = met.transpose() * &met + DMatrix::identity(4, 4) * (PENALTY * events / 4.0);
        let inverse = gram.try_inverse().expect("a penalty");
        for (item, list) in alike(&people, 4, 9).expect("inverted").iter().enumerate() {
            let wanted: Vec<f64> = (0..4).map(|at| if at == item { 0.0 } else { -inverse[(item, at)] }).collect();
            let top = wanted.iter().fold(0.0f64, |top, x| top.max(*x));
            for (at, wanted) in (0u32..).zip(wanted) {
                let found = list.iter().find(|(other, _)| *other == at).map_or(0.0, |(_, x)| f64::from(*x));
                assert!((found - wanted.max(0.0) / top).abs() < 1e-6, "{item} {at}: {found} of {wanted}");
            }
        }
    }
}
