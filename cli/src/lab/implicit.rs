//! Item factors from what people met, whatever they thought of it, and which items are alike by them.
//!
//! ```text
//! Σ_{u,i} (1 + weight · met_ui) · (met_ui − w_u · v_i)² + penalty · (Σ_u |w_u|² + Σ_i |v_i|²)   →   least
//! ```
//!
//! Source: Hu, Koren & Volinsky, "Collaborative Filtering for Implicit Feedback Datasets", ICDM 2008, sections 4 and 4.1.

use anyhow::Context as _;
use nalgebra::{DMatrix, DVector};
use zhiji::rng::{Rng, seed_of};

/// How they are fitted.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Numbers of a vector.
    pub width: usize,
    /// Rounds of alternating least squares.
    pub rounds: usize,
    /// What a pair that met counts more than one that did not.
    pub weight: f64,
    /// Penalty of the squared numbers.
    pub penalty: f64,
    /// Decides where it begins.
    pub seed: u64,
}

/// The vectors of one side, given those of the other and who met whom.
fn side(met: &[Vec<u32>], other: &DMatrix<f64>, options: &Options) -> anyhow::Result<DMatrix<f64>> {
    let d = options.width;
    let common = other * other.transpose() + DMatrix::identity(d, d) * options.penalty;
    let mut out = DMatrix::zeros(d, met.len());
    for (at, own) in met.iter().enumerate().filter(|(_, own)| !own.is_empty()) {
        let (mut left, mut right) = (common.clone(), DVector::zeros(d));
        for one in own {
            let v = other.column(*one as usize);
            left.syger(options.weight, &v, &v, 1.0);
            right.axpy(1.0 + options.weight, &v, 1.0);
        }
        let factor = left.cholesky().context("the factors have grown beyond all numbers")?;
        out.set_column(at, &factor.solve(&right));
    }
    Ok(out)
}

/// Fits the vectors of the items, one column each. `people` are the items that each met.
///
/// # Errors
/// Where a number ceases to be finite.
pub fn fit(people: &[Vec<u32>], items: usize, options: &Options) -> anyhow::Result<DMatrix<f64>> {
    let mut by_person: Vec<Vec<u32>> = people.to_vec();
    let mut by_item = vec![Vec::new(); items];
    for (person, own) in (0u32..).zip(&mut by_person) {
        own.sort_unstable();
        own.dedup();
        own.iter().for_each(|item| by_item[*item as usize].push(person));
    }
    let mut rng = Rng::derive(&seed_of(options.seed), "implicit factors", &[]);
    let mut vectors = DMatrix::from_fn(options.width, items, |_, _| 0.3 * f64::from(rng.uniform() - 0.5));
    for _ in 0..options.rounds {
        let tastes = side(&by_person, &vectors, options)?;
        vectors = side(&by_item, &tastes, options)?;
    }
    Ok(vectors)
}

/// Of each item those that are most like it, at most so many, and how much, in parts of the most that is: by the products of vectors whose directions
/// have been made equally long, so that what all items share says little.
///
/// # Errors
/// Where a number is not finite.
pub fn alike(vectors: &DMatrix<f64>, most: usize) -> anyhow::Result<Vec<Vec<(u32, f32)>>> {
    let (d, n) = vectors.shape();
    let mut spread = vectors * vectors.transpose() / n.max(1) as f64;
    let floor = 0.1 * spread.trace() / d.max(1) as f64 + f64::MIN_POSITIVE;
    spread += DMatrix::identity(d, d) * floor;
    let root = spread.cholesky().context("the factors have no spread")?.l();
    let even = root.solve_lower_triangular(vectors).context("the factors have no spread")?;
    let even: DMatrix<f32> = even.map(|x| x as f32);
    let mut all = Vec::with_capacity(n);
    for own in even.column_iter() {
        let products = even.tr_mul(&own);
        let mut list: Vec<(u32, f32)> = (0u32..).zip(products.iter().copied()).collect();
        list.retain(|(at, x)| *x > 0.0 && *at as usize != all.len());
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

    #[test]
    fn items_of_the_same_people_are_alike() {
        // Two kinds of people, who meet six in ten of the items of their kind; everybody meets the last one.
        let mut rng = Rng::derive(&[5; 32], "planted", &[]);
        let mut own =
            |user: u32| (0..20).filter(|item| item % 2 == user % 2 && rng.uniform() < 0.6).collect::<Vec<u32>>();
        let people: Vec<Vec<u32>> = (0..80).map(|user| [own(user), vec![20]].concat()).collect();
        let options = Options { width: 2, rounds: 6, weight: 5.0, penalty: 1.0, seed: 1 };
        let vectors = fit(&people, 21, &options).expect("fitted");
        for (item, list) in alike(&vectors, 5).expect("finite").iter().enumerate().take(20) {
            assert!(list.len() <= 5 && list.iter().all(|(at, x)| *at as usize != item && *x > 0.0 && *x <= 1.0));
            let most = list.iter().find(|(_, x)| *x == 1.0).expect("the most there is");
            assert_eq!(most.0 as usize % 2, item % 2, "{item} {list:?}");
        }
        assert_eq!(fit(&people, 21, &options).expect("fitted"), vectors, "the seed decides");
    }
}
