//! The run over epochs and batches.

use super::checkpoint::{self, Progress, State};
use super::objective::{Objective, PLACES};
use super::settings::{Average, Config};
use super::shadow::Shadow;
use super::shuffle;
use super::threads::{How, Learning, Worker, on_threads};
use crate::lab::examples::{Chunk, Examples, NO_POSITION, Part, progress};
use crate::lab::network::params::{Params, Tensor};
use crate::lab::network::pass::Noise;
use crate::lab::network::{Network, Setting};
use anyhow::bail;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use zhiji::rng::{Rng, seed_of};

/// What one training gave.
pub struct Trained {
    /// The model's shape.
    pub network: Network,
    /// The weights of each member of the ensemble.
    pub members: Vec<Params>,
    /// The epoch that the last member was taken from, counted from 1.
    pub epoch: usize,
    /// Mean loss of the examples of its epoch, while they were learnt from.
    pub train_loss: f64,
    /// Mean loss of the examples of `valid`, where there are any.
    pub valid_loss: Option<f64>,
    /// Examples learnt from in a second.
    pub speed: f64,
}

/// When a run is to stop before its end, and where it leaves what it has.
#[derive(Clone, Copy, Default)]
pub struct Stop<'a> {
    /// Where a checkpoint is written after every epoch, and when the run is stopped.
    pub checkpoint: Option<&'a Path>,
    /// Go on from that checkpoint.
    pub resume: bool,
    /// Somebody wants it to stop.
    pub asked: Option<&'a AtomicBool>,
    /// Stop after so many steps.
    pub after: Option<u64>,
    /// Write the checkpoint after every so many steps too.
    pub every: Option<u64>,
}

/// The error of a run that was stopped before its end; its checkpoint, where one was wanted, is written.
#[derive(Clone, Debug)]
pub struct Stopped(String);

impl std::fmt::Display for Stopped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Stopped {}

fn stopped(epoch: usize, step: u64, checkpoint: Option<&Path>) -> Stopped {
    let goes_on = |path: &Path| format!("; the same command with --resume goes on from {}", path.display());
    Stopped(format!("stopped in epoch {epoch}, after step {step}{}", checkpoint.map_or(String::new(), goes_on)))
}

struct Run<'a> {
    examples: &'a Examples,
    learning: Learning<'a>,
    /// One for each thread.
    workers: Vec<Worker>,
}

/// Trains.
///
/// # Errors
/// Where the configuration does not fit the data, there is nothing to learn from, or the loss leaves the finite numbers; and [`Stopped`] where the run
/// was stopped, after its checkpoint is written.
pub fn train(examples: &Examples, config: &Config, setting: &Setting<'_>, stop: Stop<'_>) -> anyhow::Result<Trained> {
    on_threads(config.settings.threads, || members(examples, config, setting, stop))?
}

/// Trains all members of the ensemble, on the threads that are there.
fn members(examples: &Examples, config: &Config, setting: &Setting<'_>, stop: Stop<'_>) -> anyhow::Result<Trained> {
    let settings = &config.settings;
    let (count, positives) = (examples.train.len, examples.train.positives.iter().sum::<usize>());
    if positives == 0 || positives == count {
        bail!("{count} training examples, {positives} of them positive: there is nothing to tell apart");
    }
    let fingerprint = checkpoint::fingerprint(config, setting, count);
    let mut resumed = match (stop.resume, stop.checkpoint) {
        (true, Some(path)) => Some(checkpoint::read(path, &fingerprint)?),
        _ => None,
    };
    let mut members: Vec<Params> = Vec::new();
    let mut last = None;
    for member in 0..settings.ensemble {
        let seed = settings.seed.wrapping_add(member as u64);
        let (network, mut params) = Network::new(&Setting { seed, ..*setting }, &config.blocks, &config.tiers)?;
        let shape = (setting.labels.len(), network.reads_pairs);
        let mut objective = Objective::new(settings, &examples.catalogue, &network.tasks, shape)?;
        if settings.positions {
            objective = objective.with_positions(params.len(), &places(examples)?);
            let numbers = vec![0.0; setting.labels.len() * PLACES];
            params.push(Tensor {
                name: "position.offset".into(),
                shape: vec![setting.labels.len(), PLACES],
                numbers,
                sparse: false,
                penalised: false,
                frozen: false,
                meetings: Vec::new(),
            });
        }
        let mut state = State::new(settings, &params, Shadow::new(&params));
        if let Some(found) = resumed.take() {
            for finished in found.members {
                let mut weights = params.clone();
                checkpoint::put(&mut weights, finished)?;
                members.push(weights);
            }
            if members.len() > member {
                resumed = Some(checkpoint::Found { members: Vec::new(), ..found });
                last = Some((network, 0, 0.0, None, 0.0));
                continue;
            }
            state.take(&mut params, found.state)?;
        }
        let learning = Learning { network: &network, objective: &objective, settings };
        let workers = (0..settings.threads).map(|_| learning.worker(&params)).collect();
        let mut run = Run { examples, learning, workers };
        let started = (std::time::Instant::now(), state.progress.seen);
        let save = |params: &Params, state: &State, members: &[Params]| match stop.checkpoint {
            Some(path) => checkpoint::write(path, &fingerprint, params, state, members),
            None => Ok(()),
        };
        run.epochs(seed, &mut params, &mut state, stop, &|params, state| save(params, state, &members))?;
        let speed = (state.progress.seen - started.1) as f64 / started.0.elapsed().as_secs_f64().max(1e-9);
        let Progress { best_epoch, best_train, best_valid, .. } = state.progress;
        for (tensor, best) in params.iter_mut().zip(std::mem::take(&mut state.best)) {
            tensor.numbers = best;
        }
        members.push(params);
        last = Some((network, best_epoch, best_train, best_valid, speed));
    }
    let Some((network, epoch, train_loss, valid_loss, speed)) = last else { bail!("ensemble: give at least 1") };
    Ok(Trained { network, members, epoch, train_loss, valid_loss, speed })
}

/// How many training examples were shown at each place.
fn places(examples: &Examples) -> anyhow::Result<Vec<f32>> {
    let mut counts = vec![0.0; PLACES];
    for bucket in 0..examples.train.buckets() {
        examples.train.with(bucket, &examples.standard, |chunk| {
            for place in chunk.position.iter().filter(|place| **place != NO_POSITION) {
                counts[usize::from(*place).min(PLACES - 1)] += 1.0;
            }
            Ok(())
        })?;
    }
    if counts.iter().filter(|count| **count > 0.0).count() < 2 {
        bail!("positions: the training examples do not say at which of several places they were shown");
    }
    Ok(counts)
}

impl Run<'_> {
    /// The examples of a chunk that teach something, in a drawn order.
    fn order(&self, chunk: &Chunk, seed: u64, epoch: usize, bucket: usize) -> Vec<u32> {
        let mut order: Vec<u32> = self.teaching(chunk);
        let data = [(epoch as u64).to_le_bytes(), (bucket as u64).to_le_bytes()].concat();
        let mut rng = Rng::derive(&seed_of(seed), "training order", &data);
        shuffle(&mut order, |n| rng.below(n));
        order
    }

    fn teaching(&self, chunk: &Chunk) -> Vec<u32> {
        let all = 0..chunk.len() as u32;
        all.filter(|example| !self.learning.objective.draws() || chunk.positive[*example as usize]).collect()
    }

    fn teaching_count(&self, part: &Part) -> usize {
        if self.learning.objective.draws() { part.positives.iter().sum() } else { part.len }
    }

    /// Mean loss over the examples of a part, with these weights, undisturbed.
    fn mean_loss(&mut self, params: &Params, part: &Part) -> anyhow::Result<f64> {
        let (mut sum, mut count) = (0.0, 0);
        for bucket in 0..part.buckets() {
            part.with(bucket, &self.examples.standard, |chunk| {
                let (rows, learning) = (self.teaching(chunk), self.learning);
                count += rows.len();
                let batches = rows.chunks(learning.settings.batch.max(256));
                for (draw, batch) in (0u64..).zip(batches) {
                    let how = How { learn: false, draw, total: batch.len() };
                    sum += learning.walk(chunk, &mut self.workers, params, batch, how);
                }
                Ok(())
            })?;
        }
        Ok(sum / count.max(1) as f64)
    }

    fn epochs(
        &mut self,
        seed: u64,
        params: &mut Params,
        state: &mut State,
        stop: Stop<'_>,
        save: &dyn Fn(&Params, &State) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let (train, settings) = (&self.examples.train, self.learning.settings);
        let per_epoch = self.teaching_count(train);
        let bar = progress((per_epoch * settings.epochs) as u64, "examples");
        bar.set_position(state.progress.seen);
        bar.reset_eta();
        while state.progress.epoch < settings.epochs && !state.progress.done {
            let epoch = state.progress.epoch;
            let mut buckets: Vec<usize> = (0..train.buckets()).collect();
            let mut rng = Rng::derive(&seed_of(seed), "bucket order", &(epoch as u64).to_le_bytes());
            shuffle(&mut buckets, |n| rng.below(n));
            for (at, bucket) in buckets.iter().enumerate().skip(state.progress.bucket) {
                train.with(*bucket, &self.examples.standard, |chunk| {
                    let order = self.order(chunk, seed, epoch, *bucket);
                    let batches = order.chunks(settings.batch).enumerate().skip(state.progress.batch);
                    for (number, batch) in batches {
                        self.step(params, state, chunk, batch, per_epoch, seed);
                        state.progress.batch = number + 1;
                        bar.inc(batch.len() as u64);
                        if state.progress.step.is_multiple_of(64) {
                            let mean = state.progress.loss / state.progress.count.max(1) as f64;
                            bar.set_message(message(epoch + 1, mean, state.progress.best_valid));
                        }
                        let step = state.progress.step;
                        let asked = stop.asked.is_some_and(|asked| asked.load(Ordering::Relaxed));
                        let stops = asked || stop.after.is_some_and(|after| step >= after);
                        if stops || stop.every.is_some_and(|every| step.is_multiple_of(every)) {
                            save(params, state)?;
                        }
                        if stops {
                            bar.finish_and_clear();
                            return Err(stopped(epoch + 1, step, stop.checkpoint).into());
                        }
                    }
                    Ok(())
                })?;
                state.progress.bucket = at + 1;
                state.progress.batch = 0;
            }
            self.close_epoch(params, state)?;
            let now = &state.progress;
            bar.set_message(message(epoch + 1, now.last_train, now.last_valid));
            save(params, state)?;
        }
        bar.finish_and_clear();
        Ok(())
    }

    /// Learns from one batch of `total` examples.
    fn step(&mut self, params: &mut Params, state: &mut State, chunk: &Chunk, batch: &[u32], total: usize, seed: u64) {
        let now = &mut state.progress;
        let mut draw = Noise::new(seed ^ now.step.wrapping_mul(0xa24b_aed4_963e_e407));
        let how = How { learn: true, draw: draw.word(), total: batch.len() };
        let loss = self.learning.walk(chunk, &mut self.workers, params, batch, how);
        let done = now.seen as f32 / (total * self.learning.settings.epochs).max(1) as f32;
        let rate = self.learning.settings.rate(done);
        now.step += 1;
        now.seen += batch.len() as u64;
        now.loss += loss;
        now.count += batch.len() as u64;
        let settings = self.learning.settings;
        let means =
            (settings.average == Average::Ema).then(|| state.shadow.at(now.step as u32, settings.average_decay));
        let mut gradients: Vec<_> = self.workers.iter_mut().map(Worker::gradients).collect();
        state.stepper.step(params, &mut gradients, rate, (batch.len(), total), means);
    }

    /// Measures the weights at the end of an epoch, and keeps them where they are the best so far.
    fn close_epoch(&mut self, params: &Params, state: &mut State) -> anyhow::Result<()> {
        let settings = self.learning.settings;
        let epoch = state.progress.epoch + 1;
        let mut kept = params.to_vec();
        match settings.average {
            Average::None => {}
            Average::Ema => {
                state.shadow.settle(params, state.progress.step as u32, settings.average_decay);
                kept.iter_mut().zip(&state.shadow.numbers).for_each(|(tensor, mean)| tensor.numbers.clone_from(mean));
            }
            Average::Tail => {
                let from = settings.epochs / 2;
                let share = if epoch > from { 1.0 / (epoch - from) as f32 } else { 1.0 };
                for (mean, tensor) in state.shadow.numbers.iter_mut().zip(&mut kept) {
                    mean.iter_mut().zip(&tensor.numbers).for_each(|(mean, w)| *mean += share * (w - *mean));
                    tensor.numbers.clone_from(mean);
                }
            }
        }
        let now = &mut state.progress;
        now.last_train = now.loss / now.count.max(1) as f64;
        if !now.last_train.is_finite() {
            bail!("the loss is not finite after epoch {epoch}; lower the learning-rate, or set clip");
        }
        let valid = &self.examples.valid;
        let measured = self.teaching_count(valid) > 0;
        let loss = if measured { Some(self.mean_loss(&kept, valid)?) } else { None };
        let now = &mut state.progress;
        now.last_valid = loss;
        let better = match (loss, now.best_valid) {
            (Some(loss), Some(best)) => loss < best,
            _ => true,
        };
        if better {
            (now.best_epoch, now.best_train, now.best_valid) = (epoch, now.last_train, loss);
            state.best = kept.iter().map(|tensor| tensor.numbers.clone()).collect();
        } else if epoch - now.best_epoch >= settings.patience {
            now.done = true;
        }
        (now.epoch, now.bucket, now.batch) = (epoch, 0, 0);
        (now.loss, now.count) = (0.0, 0);
        Ok(())
    }
}

fn message(epoch: usize, loss: f64, valid: Option<f64>) -> String {
    match valid {
        Some(valid) => format!("epoch {epoch}: loss {loss:.4}, valid {valid:.4}"),
        None => format!("epoch {epoch}: loss {loss:.4}"),
    }
}

#[cfg(test)]
mod tests;
