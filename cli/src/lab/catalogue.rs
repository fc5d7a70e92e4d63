//! The whole catalogue under a ranker and one user's head, as the phone would score it at a moment.

use super::phone::Head;
use anyhow::bail;
use std::rc::Rc;
use zhiji::features::{Candidate, Context, Layout};
use zhiji::item::Item;
use zhiji::schema::Schema;
use zhiji::score::Ranker;
use zhiji::state::Observe;

/// All items, with what of their scores depends on themselves alone.
pub struct Catalogue<'a> {
    schema: &'a Schema,
    layout: &'a Layout,
    items: &'a [Rc<Item>],
    /// The server's own scores, in the order of the items; none where there are none.
    priors: Vec<Option<f32>>,
    own: Vec<f32>,
    /// How many numbers of `own` belong to one item.
    width: usize,
    dense: Vec<f32>,
}

impl<'a> Catalogue<'a> {
    /// The catalogue under `ranker`.
    pub fn new(schema: &'a Schema, layout: &'a Layout, ranker: &Ranker, items: &'a [Rc<Item>]) -> Self {
        let width = ranker.item_len();
        let mut own = vec![0.0; width * items.len()];
        for (i, item) in items.iter().enumerate() {
            ranker.score_item(item.wire(), &item.word_keys(), &mut own[i * width..(i + 1) * width]);
        }
        Self { schema, layout, items, priors: Vec::new(), own, width, dense: vec![0.0; layout.len()] }
    }

    /// The same with the server's own scores, one for each item.
    pub fn with_priors(self, priors: Vec<Option<f32>>) -> Self {
        Self { priors, ..self }
    }

    /// Scores every item: its place, the ranker's logit, and the logit with the head.
    ///
    /// # Errors
    /// Where one is not finite.
    pub fn score(
        &mut self,
        state: &Observe,
        context: Context,
        head: &mut Head<'_>,
        each: impl FnMut(usize, f32, f32),
    ) -> anyhow::Result<()> {
        self.score_some(state, context, head, 0..self.items.len(), each)
    }

    /// Scores the items at these places.
    ///
    /// # Errors
    /// Where one is not finite.
    pub fn score_some(
        &mut self,
        state: &Observe,
        context: Context,
        head: &mut Head<'_>,
        places: impl Iterator<Item = usize>,
        mut each: impl FnMut(usize, f32, f32),
    ) -> anyhow::Result<()> {
        let (schema, memory, dense) = (self.schema, &state.memory, &mut self.dense);
        let rates = self.layout.fill_user(schema, memory, context, dense);
        head.score_user(dense, memory.recent());
        for i in places {
            let item = &self.items[i];
            let number = |field| item.number(field);
            let candidate = Candidate { item, number: &number, prior: self.priors.get(i).copied().flatten() };
            self.layout.fill_pair(schema, memory, context, &rates, &candidate, dense);
            let (frozen, personal) = head.score_pair(&self.own[i * self.width..(i + 1) * self.width], dense);
            if !(frozen.is_finite() && personal.is_finite()) {
                bail!("the score of item {} is not a finite number; nothing is reported", item.id());
            }
            each(i, frozen, personal);
        }
        Ok(())
    }
}
