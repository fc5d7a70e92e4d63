//! The walk over a batch, by one thread, or by several that take a part of it each. Which thread takes which part is the pool's business: what a part
//! gives depends on its number alone.

use super::objective::Objective;
use super::settings::Settings;
use crate::lab::examples::Chunk;
use crate::lab::network::params::{Gradients, Params};
use crate::lab::network::pass::{Batch, Disturbance, Noise};
use crate::lab::network::{Network, Pass};
use anyhow::Context as _;
use rayon::prelude::*;

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

/// Calls `during` on a pool of so many threads: what it shares out, they share.
///
/// # Errors
/// Where the machine gives no more threads.
pub fn on_threads<T: Send>(threads: usize, during: impl FnOnce() -> T + Send) -> anyhow::Result<T> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    Ok(pool.context("threads: the machine gives no more of them")?.install(during))
}

impl Learning<'_> {
    /// Room for one thread.
    pub fn worker(self, params: &Params) -> Worker {
        Worker { pass: self.network.pass(params), batch: Batch::default() }
    }

    /// Walks over a batch, each worker over its part. Returns the sum of the losses; the workers have the gradients of their parts.
    pub fn walk(self, chunk: &Chunk, workers: &mut [Worker], params: &Params, rows: &[u32], how: How) -> f64 {
        let size = rows.len().div_ceil(workers.len()).max(1);
        let walk = |(number, worker): (usize, &mut Worker)| {
            let from = (number * size).min(rows.len());
            let rows = &rows[from..(from + size).min(rows.len())];
            self.part(chunk, worker, params, (number as u64, rows), how)
        };
        let losses: Vec<f64> = workers.par_iter_mut().enumerate().with_max_len(1).map(walk).collect();
        losses.iter().sum()
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
                    let mut workers: Vec<Worker> = (0..threads).map(|_| learning.worker(&params)).collect();
                    let found = on_threads(threads, || learning.walk(chunk, &mut workers, &params, &rows, how))?;
                    let [worker, others @ ..] = &mut workers[..] else { panic!("no worker") };
                    others.iter_mut().for_each(|other| worker.gradients().add(other.gradients()));
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
