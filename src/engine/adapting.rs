//! Bringing the personal head up to the log, in slices.
//!
//! At a start without a snapshot, after forgetting and under a new model the head is made anew from the labels that it rests on. That can take
//! longer than a frame, so the host does it a slice at a time; the frozen model ranks meanwhile.

use super::Engine;
use crate::state::{Adapt, Clock, Observe, Unread, first_label};
use alloc::rc::Rc;

/// A second fold over the log, which gives the head its labels again.
pub(super) struct Replay {
    observe: Observe,
    /// Place of the next event in the log.
    next: usize,
    /// Labels so far.
    labels: u64,
    /// How many of the first of them are passed over.
    passed: u64,
}

impl Engine {
    /// Starts the head anew; [`Engine::adapt`] brings it up to the log.
    pub(super) fn begin_replay(&mut self) {
        let passed = first_label(self.labels);
        self.adapt = Adapt::after(&self.ranker, passed);
        self.replay = (self.labels > passed).then(|| Replay {
            observe: {
                let mut observe = Observe::new(Rc::clone(&self.schema), Rc::clone(&self.layout));
                observe.leave_out(Unread { first: passed, others: true, ..Unread::NONE });
                observe
            },
            next: 0,
            labels: 0,
            passed,
        });
    }

    /// Gives the personal head the labels of the next `events` events of the log; returns whether it is up to date, and used, now.
    ///
    /// The host calls it between other work until it is. What the head is then does not depend on the slices.
    pub fn adapt(&mut self, events: usize) -> bool {
        let (Some(replay), Some(log)) = (&mut self.replay, &self.log) else { return true };
        let (adapt, ranker, labels, passed) = (&mut self.adapt, &self.ranker, &mut replay.labels, replay.passed);
        for event in log.events().skip(replay.next).take(events) {
            self.folded += 1;
            replay.next += 1;
            replay.observe.step(event, &mut |example| {
                if example.label == 0 {
                    if *labels >= passed {
                        adapt.learn(ranker, &example);
                    }
                    *labels += 1;
                }
            });
        }
        if replay.next >= log.len() {
            self.replay = None;
        }
        self.replay.is_none()
    }

    /// Folds the whole log again.
    pub(super) fn refold(&mut self) {
        self.observe = Observe::new(Rc::clone(&self.schema), Rc::clone(&self.layout));
        (self.matured, self.labels) = (0, 0);
        if let Some(log) = &self.log {
            let (matured, labels) = (&mut self.matured, &mut self.labels);
            // What matures before the log's end is only counted: its features are needed by nobody here.
            let mut clock = Clock::default();
            for event in log.events() {
                clock.apply_reading(event.session, event.at.ms());
            }
            self.observe.leave_out(Unread { until_ms: clock.now_ms(), ..Unread::NONE });
            for event in log.events() {
                self.folded += 1;
                self.observe.step(event, &mut |example| {
                    *matured += 1;
                    *labels += u64::from(example.label == 0);
                });
            }
            self.observe.leave_out(Unread::NONE);
        }
        self.begin_replay();
    }

    /// Folds the event that was recorded last.
    pub(super) fn fold_newest(&mut self) {
        let Some(event) = self.log.as_ref().and_then(|l| l.events().next_back()) else { return };
        let (adapt, ranker) = (&mut self.adapt, &self.ranker);
        let (matured, labels, current) = (&mut self.matured, &mut self.labels, self.replay.is_none());
        self.folded += 1;
        self.observe.step(event, &mut |example| {
            *matured += 1;
            *labels += u64::from(example.label == 0);
            // Otherwise the replay comes to this event in its turn.
            if current {
                adapt.learn(ranker, &example);
            }
        });
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
pub(super) mod tests;
