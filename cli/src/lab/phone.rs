//! A data set through the phone's ranker and personal head.

use super::dataset::{Dataset, Split};
use super::examples::progress;
use super::metrics::Scored;
use super::replay::{Origin, Replay, Signal};
use super::rows::Rows;
use std::collections::VecDeque;
use std::rc::Rc;
use zhiji::bundle::Workspace;
use zhiji::features::Layout;
use zhiji::features::memory::{Kept, Recent};
use zhiji::score::Ranker;
use zhiji::state::{Adapt, Example};

/// One example under both scores.
#[derive(Clone, Copy, Debug)]
pub struct Pair {
    /// The ranker alone.
    pub frozen: Scored,
    /// The ranker, corrected by what this user's earlier labels taught.
    pub personal: Scored,
    /// Which part it belongs to.
    pub split: Split,
}

/// A matured example that waits to be learnt from.
struct Lesson {
    matured_ms: i64,
    label: usize,
    positive: bool,
    dense: Vec<f32>,
    wire: u64,
    words: Vec<(u16, u64)>,
    recent: Kept,
    at_ms: i64,
}

/// The head of one user.
///
/// An example is scored as it was when the item was shown: only labels that had matured by then have been learnt.
pub struct Head<'a> {
    ranker: &'a Ranker,
    adapt: Adapt,
    lessons: VecDeque<Lesson>,
    workspace: Workspace,
    item: Vec<f32>,
}

impl<'a> Head<'a> {
    /// The head of a user of whom nothing is known.
    pub fn new(ranker: &'a Ranker) -> Self {
        let adapt = Adapt::new(ranker);
        let (workspace, item) = (ranker.workspace(), vec![0.0; ranker.item_len()]);
        Self { ranker, adapt, lessons: VecDeque::new(), workspace, item }
    }

    /// Forgets everything.
    pub fn reset(&mut self) {
        self.adapt = Adapt::new(self.ranker);
        self.lessons.clear();
    }

    /// Keeps an example until the time at which it had matured.
    pub fn remember(&mut self, example: &Example<'_>, matured_ms: i64) {
        self.lessons.push_back(Lesson {
            matured_ms,
            label: example.label,
            positive: example.positive,
            dense: example.dense.to_vec(),
            wire: example.wire,
            words: example.words.to_vec(),
            recent: if self.ranker.stack().reads_history() { example.recent.keep() } else { Kept::default() },
            at_ms: example.at_ms,
        });
    }

    /// Learns what had matured by `at_ms`.
    pub fn learn(&mut self, at_ms: i64) {
        while self.lessons.front().is_some_and(|l| l.matured_ms <= at_ms) {
            let Some(lesson) = self.lessons.pop_front() else { break };
            let example = Example {
                label: lesson.label,
                positive: lesson.positive,
                dense: &lesson.dense,
                wire: lesson.wire,
                words: &lesson.words,
                recent: lesson.recent.recent(),
                at_ms: lesson.at_ms,
                earlier: 0,
                position: None,
            };
            self.adapt.learn(self.ranker, &example);
        }
    }

    /// Logits of a task, or the scores by which items are ranked, without and with the head.
    fn score(&mut self, task: Option<usize>, example: &Example<'_>) -> (f32, f32) {
        self.learn(example.at_ms);
        self.ranker.score_item(example.wire, example.words, &mut self.item);
        self.score_user(example.dense, example.recent);
        let item = core::mem::take(&mut self.item);
        let scores = self.both(task, &item, example.dense);
        self.item = item;
        scores
    }

    /// The ranker's own part for the user, before pairs are scored.
    pub fn score_user(&mut self, dense: &[f32], recent: Recent<'_>) {
        self.ranker.score_user(&mut self.workspace, dense, recent);
    }

    /// The scores by which items are ranked, without and with what has been learnt so far; `item` is the ranker's own part for the item.
    pub fn score_pair(&mut self, item: &[f32], dense: &[f32]) -> (f32, f32) {
        self.both(None, item, dense)
    }

    fn both(&mut self, task: Option<usize>, item: &[f32], dense: &[f32]) -> (f32, f32) {
        let at = &mut self.workspace;
        let mut logits = vec![0.0; self.ranker.tasks(at)];
        self.ranker.score_panel(at, &[item], &[dense], &mut logits);
        // A model that overflows is not sound, however its scores were held: it must not be measured as if it were.
        if at.overflowed() {
            return (f32::NAN, f32::NAN);
        }
        let wanted = |logits: &[f32]| match task {
            Some(task) => logits.get(task).copied().unwrap_or(0.0),
            None => self.ranker.blend(at, logits),
        };
        let (frozen, led) = (wanted(&logits), self.ranker.led(at));
        if let Some(logit) = logits.get_mut(led) {
            *logit = self.adapt.score(self.ranker, *logit, item, dense);
        }
        (frozen, wanted(&logits))
    }
}

/// Scores every example of one label, in the order in which they matured: by the task of that label, or by what ranks where it is not predicted.
///
/// # Errors
/// Where the data cannot be read.
pub fn score(
    data: &Dataset,
    layout: &Rc<Layout>,
    ranker: &Ranker,
    label: usize,
    rows: &mut Rows,
) -> anyhow::Result<Vec<Pair>> {
    let mut pairs = Vec::new();
    let task = data.schema.labels.get(label).and_then(|of| ranker.stack().labels(0).position(|name| name == of.name));
    let mut user_number = 0u32;
    let bar = progress(data.meta.users, "users scored");
    data.for_each_user(rows, |user| {
        let mut replay = Replay::new(Rc::clone(&data.schema), Rc::clone(layout))?;
        let mut head = Head::new(ranker);
        replay.run(&user, |signal| match signal {
            Signal::Reset => head.reset(),
            Signal::Again(example, matured_ms) => head.remember(example, matured_ms),
            Signal::Next { .. } => {}
            Signal::New(example, origin, matured_ms) => {
                if example.label == label {
                    let (frozen, personal) = head.score(task, example);
                    let Origin { split, earlier } = origin;
                    let scored = |logit| Scored { user: user_number, earlier, positive: example.positive, logit };
                    pairs.push(Pair { frozen: scored(frozen), personal: scored(personal), split });
                }
                head.remember(example, matured_ms);
            }
        });
        user_number += 1;
        bar.inc(1);
        Ok(())
    })?;
    bar.finish_and_clear();
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use zhiji::schema::Schema;

    #[test]
    fn a_label_is_learnt_only_once_it_has_matured() {
        let schema = Schema::open(super::super::import::movielens::SCHEMA).expect("a schema");
        let layout = Layout::new(&schema);
        let ranker = Ranker::starter(&layout);
        let dense = vec![1.0; layout.len()];
        let shown = |at_ms, positive| Example {
            label: 0,
            positive,
            dense: &dense,
            wire: 1,
            words: &[],
            recent: Recent::default(),
            at_ms,
            earlier: 0,
            position: None,
        };
        let mut head = Head::new(&ranker);
        head.remember(&shown(0, true), 100);
        let (frozen, early) = head.score(None, &shown(99, false));
        assert_eq!(frozen.to_bits(), early.to_bits(), "what matures at 100 is not known at 99");
        let (_, late) = head.score(None, &shown(100, false));
        assert!(late > frozen, "a positive label raises its like: {late} is not above {frozen}");
        head.reset();
        assert_eq!(head.score(None, &shown(200, false)).1.to_bits(), frozen.to_bits());
    }
}
