//! Means and products, element by element.

use super::super::Layer;
use super::super::build::{Builder, Keys, Made};
use super::super::pass::At;
use anyhow::bail;

struct Elementwise {
    of: Vec<usize>,
    width: usize,
    product: bool,
}

const X: usize = 0;
const SLOPE: usize = 1;

/// Reads the keys of a block `mean`.
pub fn build_mean(builder: &mut Builder<'_>, keys: &mut Keys<'_>) -> anyhow::Result<Made> {
    build(builder, keys, false)
}

/// Reads the keys of a block `product`.
pub fn build_product(builder: &mut Builder<'_>, keys: &mut Keys<'_>) -> anyhow::Result<Made> {
    build(builder, keys, true)
}

fn build(builder: &mut Builder<'_>, keys: &mut Keys<'_>, product: bool) -> anyhow::Result<Made> {
    let of = builder.of(keys)?;
    let width = builder.blocks[of[0]].width;
    if of.iter().any(|block| builder.blocks[*block].width != width) {
        bail!("{}: name blocks of one width", keys.at("of"));
    }
    let side = builder.side(&of);
    Ok((Box::new(Elementwise { of, width, product }), side, width))
}

impl Layer for Elementwise {
    fn of(&self) -> &[usize] {
        &self.of
    }

    fn forward(&self, at: &mut At<'_>) {
        let (total, share) = (at.gather(&self.of, X), 1.0 / self.of.len() as f32);
        for (slots, read) in at.own.out.chunks_exact_mut(self.width).zip(at.scratch[X].chunks_exact(total)) {
            slots.fill(if self.product { 1.0 } else { 0.0 });
            for one in read.chunks_exact(self.width) {
                for (slot, x) in slots.iter_mut().zip(one) {
                    *slot = if self.product { *slot * x } else { *slot + x * share };
                }
            }
        }
    }

    fn backward(&self, at: &mut At<'_>) {
        let (total, share, width) = (self.width * self.of.len(), 1.0 / self.of.len() as f32, self.width);
        let mut slopes = std::mem::take(&mut at.scratch[SLOPE]);
        slopes.clear();
        slopes.resize(at.scratch[X].len(), 0.0);
        let rows = slopes.chunks_exact_mut(total).zip(at.scratch[X].chunks_exact(total));
        for ((slots, read), slope) in rows.zip(at.own.slope.chunks_exact(width)) {
            for place in 0..total {
                let others = (0..self.of.len()).filter(|one| *one != place / width);
                let factor =
                    if self.product { others.map(|one| read[one * width + place % width]).product() } else { share };
                slots[place] = slope[place % width] * factor;
            }
        }
        at.scratch[SLOPE] = slopes;
        at.scatter(&self.of, SLOPE);
    }
}
