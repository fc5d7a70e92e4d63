//! The walk over a batch, by one thread, or by several that take a part of it each.

use super::objective::Objective;
use super::settings::Settings;
use crate::lab::examples::Chunk;
use crate::lab::network::params::{Gradients, Params};
use crate::lab::network::pass::{Batch, Disturbance, Noise};
use crate::lab::network::{Network, Pass};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

/// Examples that are walked over at once.
const AT_ONCE: usize = 128;

/// What is learnt, and how.
#[derive(Clone, Copy)]
pub struct Learning<'a> {
    /// The model's shape.
    pub network: &'a Network,
    /// What is minimised.
    pub objective: &'a Objective,
    /// The settings.
    pub settings: &'a Settings,
}

/// Room for one thread.
pub struct Worker {
    pass: Pass,
    batch: Batch,
}

impl Worker {
    /// What the last walk that learnt gathered.
    pub const fn gradients(&mut self) -> &mut Gradients {
        &mut self.pass.gradients
    }
}

/// How a batch is walked over.
#[derive(Clone, Copy)]
pub struct How {
    /// Forward and, disturbed, backward; else forward alone.
    pub learn: bool,
    /// Decides what is drawn.
    pub draw: u64,
    /// Examples over which the loss is the mean.
    pub total: usize,
}

/// A part of a batch for another thread. It drops the weights before it answers, so that they can be moved then.
struct Part<'t> {
    number: u64,
    rows: &'t [u32],
    params: Arc<Params>,
    gradients: Option<Gradients>,
    how: How,
}

/// Another thread, which walks over parts of one chunk's batches.
struct Helper<'t> {
    asks: Sender<Part<'t>>,
    answers: Receiver<(f64, Option<Gradients>)>,
    /// Gradients that were merged, to be filled again.
    spare: Option<Gradients>,
}

/// The threads beside the caller's.
pub struct Helpers<'t>(Vec<Helper<'t>>);

impl Learning<'_> {
    /// Room for one thread.
    pub fn worker(self, params: &Params) -> Worker {
        Worker { pass: self.network.pass(params), batch: Batch::default() }
    }

    /// Calls `during` with all threads but the caller's, which live as long as that takes.
    pub fn beside<'t, T>(self, chunk: &'t Chunk, during: impl FnOnce(&mut Helpers<'t>) -> T) -> T {
        std::thread::scope(|scope| {
            let helper = |_| {
                let (asks, parts) = channel::<Part<'t>>();
                let (answer, answers) = channel();
                scope.spawn(move || {
                    let mut worker = None;
                    for part in parts {
                        let worker = worker.get_or_insert_with(|| self.worker(&part.params));
                        if let Some(gradients) = part.gradients {
                            worker.pass.gradients = gradients;
                        }
                        let loss = self.part(chunk, worker, &part.params, (part.number, part.rows), part.how);
                        let filled = std::mem::replace(&mut worker.pass.gradients, Gradients(Vec::new()));
                        drop(part.params);
                        if answer.send((loss, Some(filled))).is_err() {
                            break;
                        }
                    }
                });
                Helper { asks, answers, spare: None }
            };
            let mut helpers = Helpers((1..self.settings.threads).map(helper).collect());
            during(&mut helpers)
        })
    }

    /// Walks over a batch, each thread over its part. Returns the sum of the losses; the worker has the sum of the gradients.
    pub fn walk<'t>(
        self,
        chunk: &'t Chunk,
        (worker, helpers): (&mut Worker, &mut Helpers<'t>),
        params: &Arc<Params>,
        rows: &'t [u32],
        how: How,
    ) -> f64 {
        let count = (helpers.0.len() + 1).min(rows.len()).max(1);
        let mut parts = rows.chunks(rows.len().div_ceil(count).max(1));
        let own = parts.next().unwrap_or_default();
        let asked = helpers.0.iter_mut().zip(parts).zip(1u64..).map(|((helper, rows), number)| {
            let (params, gradients) = (Arc::clone(params), helper.spare.take());
            helper.asks.send(Part { number, rows, params, gradients, how }).is_ok()
        });
        let asked = asked.take_while(|sent| *sent).count();
        let mut sum = self.part(chunk, worker, params, (0, own), how);
        for helper in helpers.0.iter_mut().take(asked) {
            // A thread that ended without an answer leaves a loss that no epoch accepts.
            let (loss, gradients) = helper.answers.recv().unwrap_or((f64::NAN, None));
            sum += loss;
            if let (true, Some(gradients)) = (how.learn, &gradients) {
                worker.pass.gradients.add(gradients);
            }
            helper.spare = gradients;
        }
        sum
    }

    /// Walks over a part of a batch, a few examples at a time where they do not meet one another, so that what is kept for the way back stays in the
    /// nearest caches.
    fn part(self, chunk: &Chunk, worker: &mut Worker, params: &Params, (number, rows): (u64, &[u32]), how: How) -> f64 {
        let pass = &mut worker.pass;
        let noise = Noise::new(how.draw ^ number.wrapping_mul(0xd6e8_feb8_6659_fd93));
        pass.disturbance = if how.learn {
            pass.gradients.clear();
            let Settings { dropout, input_noise, hide_items, .. } = *self.settings;
            Disturbance { noise, dropout, input: input_noise, hide: hide_items }
        } else {
            Disturbance { noise, ..Disturbance::OFF }
        };
        let at_once = if self.objective.shares_items() { rows.len() } else { AT_ONCE };
        rows.chunks(at_once.max(1)).map(|rows| self.few(chunk, worker, params, rows, how)).sum()
    }

    fn few(self, chunk: &Chunk, Worker { pass, batch }: &mut Worker, params: &Params, rows: &[u32], how: How) -> f64 {
        self.objective.gather(chunk, rows, &mut pass.disturbance.noise, batch);
        self.network.forward(pass, params, chunk, batch);
        let mut logits = std::mem::take(&mut pass.logits);
        let mut slopes = std::mem::take(&mut pass.slopes);
        let gradients = how.learn.then_some(&mut pass.gradients);
        let loss = self.objective.slopes((chunk, batch), &mut logits, &mut slopes, (params, gradients), how.total);
        (pass.logits, pass.slopes) = (logits, slopes);
        if how.learn {
            self.network.backward(pass, params, chunk, batch);
        }
        loss
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::network::params::Gradient;
    use crate::lab::train::planted::planted;
    use crate::lab::train::settings::{Config, Given};

    /// Numbers row by row, those of rows that were not met 0, and how often each was met.
    fn spread(gradients: &Gradients, params: &Params) -> Vec<f32> {
        let mut all = Vec::new();
        for (gradient, tensor) in gradients.0.iter().zip(params) {
            match gradient {
                Gradient::Whole(sums) => all.extend_from_slice(sums),
                Gradient::Rows(rows) => {
                    let (from, width) = (all.len(), tensor.width());
                    all.resize(from + tensor.rows() * (width + 1), 0.0);
                    for ((row, times), sums) in rows.met.iter().zip(&rows.times).zip(rows.sums.chunks_exact(width)) {
                        let slots = &mut all[from + *row as usize * (width + 1)..][..width + 1];
                        slots[..width].copy_from_slice(sums);
                        slots[width] = *times;
                    }
                }
            }
        }
        all
    }

    #[test]
    fn a_batch_in_steps_and_on_threads_has_the_gradient_of_one_walk() {
        let shop = planted(2_000, 1, 1);
        let text = "hide-items = 0\n[[blocks]]\nblock = \"wide\"\n[[blocks]]\nblock = \"item\"\ndim = 4\ninit = 0.5\n[[blocks]]\nblock = \"attention\"\n\
                    of = [\"item\"]\nwidths = [5, 1]\n[[blocks]]\nblock = \"mlp\"\nof = [\"attention\", \"item\"]\nwidths = [4, 1]";
        let config = Config::read(Some(text), Given::default(), &[]).expect("a configuration");
        let (network, params) = Network::new(&shop.setting(3), &config.blocks, &config.tiers).expect("a network");
        let shape = (shop.labels.len(), network.reads_pairs);
        let objective = Objective::new(&config.settings, &shop.examples.catalogue, &network.tasks, shape).expect("one");
        let params = Arc::new(params);
        let rows: Vec<u32> = (0..2 * AT_ONCE as u32 + 50).collect();
        let how = How { learn: true, draw: 7, total: rows.len() };
        shop.examples
            .train
            .with(0, &shop.examples.standard, |chunk| {
                let learning = Learning { network: &network, objective: &objective, settings: &config.settings };
                let mut one = learning.worker(&params);
                one.pass.disturbance = Disturbance::OFF;
                let loss = learning.few(chunk, &mut one, &params, &rows, how);
                let expected = spread(one.gradients(), &params);
                for threads in [1, 3] {
                    let settings = Settings { threads, ..config.settings.clone() };
                    let learning = Learning { settings: &settings, ..learning };
                    let mut worker = learning.worker(&params);
                    let found = learning
                        .beside(chunk, |helpers| learning.walk(chunk, (&mut worker, helpers), &params, &rows, how));
                    assert!((found - loss).abs() < 1e-3, "{threads} threads: {found} is not {loss}");
                    for (at, (found, expected)) in spread(worker.gradients(), &params).iter().zip(&expected).enumerate()
                    {
                        assert!((found - expected).abs() < 1e-5, "{threads} threads, {at}: {found} is not {expected}");
                    }
                }
                Ok(())
            })
            .expect("a walk");
    }
}
