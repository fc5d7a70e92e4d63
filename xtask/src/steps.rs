//! Steps that run side by side, each with its output kept together.

use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Instant;

use anyhow::{Result, ensure};

use crate::process::{kept, seconds};

/// A piece of work with a name.
pub struct Step<'a> {
    name: &'static str,
    /// The step that must have succeeded before, where that step runs at all.
    after: Option<&'static str>,
    /// What no two steps may use at once, such as a folder that cargo locks.
    uses: Option<&'static str>,
    work: Box<dyn FnOnce() -> Result<()> + Send + 'a>,
}

impl<'a> Step<'a> {
    /// A step that waits for nothing.
    pub fn new(name: &'static str, work: impl FnOnce() -> Result<()> + Send + 'a) -> Self {
        Self { name, after: None, uses: None, work: Box::new(work) }
    }

    /// The same step, run only once `name` has succeeded.
    pub fn after(self, name: &'static str) -> Self {
        Self { after: Some(name), ..self }
    }

    /// The same step, never beside another that uses the same thing.
    pub fn uses(self, thing: &'static str) -> Self {
        Self { uses: Some(thing), ..self }
    }
}

#[derive(Default)]
struct State<'a> {
    waiting: Vec<Step<'a>>,
    in_use: Vec<&'static str>,
    /// Steps that have not succeeded yet: what waits for one of them cannot run.
    open: Vec<&'static str>,
    running: usize,
    lines: Vec<String>,
    failed: usize,
}

impl<'a> State<'a> {
    /// The first step that can run now.
    fn take(&mut self) -> Option<Step<'a>> {
        let can = |step: &Step<'_>| {
            step.after.is_none_or(|name| !self.open.contains(&name))
                && step.uses.is_none_or(|thing| !self.in_use.contains(&thing))
        };
        let at = self.waiting.iter().position(can)?;
        let step = self.waiting.remove(at);
        self.in_use.extend(step.uses);
        self.running += 1;
        Some(step)
    }

    /// Notes how a step ended, and gives the line that says so.
    fn end(&mut self, name: &'static str, uses: Option<&'static str>, passed: bool, time: &str) -> String {
        self.running -= 1;
        self.in_use.retain(|thing| Some(*thing) != uses);
        if passed {
            self.open.retain(|open| *open != name);
        } else {
            self.failed += 1;
        }
        let line = format!("{} {name} ({time})", if passed { '✓' } else { '✗' });
        self.lines.push(line.clone());
        line
    }
}

/// Runs the steps that have one of `only` in their names (every step where `only` is empty), at most `side_by_side` at a time and in the
/// order of the list where nothing is waited for. A failure is shown when it happens, and does not keep the others from running.
///
/// # Errors
/// Where a step failed, or none was wanted.
pub fn run_steps(steps: Vec<Step<'_>>, only: &[String], side_by_side: usize) -> Result<()> {
    let wanted = |step: &Step<'_>| only.is_empty() || only.iter().any(|part| step.name.contains(part.as_str()));
    let waiting: Vec<_> = steps.into_iter().filter(wanted).collect();
    ensure!(!waiting.is_empty(), "no step has a name with {} in it", only.join(" or "));
    let open = waiting.iter().map(|step| step.name).collect();
    let state = Mutex::new(State { waiting, open, ..State::default() });
    let changed = Condvar::new();
    std::thread::scope(|scope| {
        for _ in 0..side_by_side.max(1) {
            scope.spawn(|| work(&state, &changed));
        }
    });

    let state = state.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    eprintln!("\n{}", state.lines.join("\n"));
    let all = state.lines.len();
    println!("{} passed, {} failed", all - state.failed, state.failed);
    ensure!(state.failed == 0, "{} of {all} steps failed", state.failed);
    Ok(())
}

/// Takes steps until none is left that can ever run.
fn work<'a>(state: &Mutex<State<'a>>, changed: &Condvar) {
    let lock = || -> MutexGuard<'_, State<'a>> { state.lock().unwrap_or_else(std::sync::PoisonError::into_inner) };
    let mut now = lock();
    loop {
        let Some(step) = now.take() else {
            if now.waiting.is_empty() || now.running == 0 {
                // What still waits does so for a step that failed: its failure is enough to report.
                for left in std::mem::take(&mut now.waiting) {
                    eprintln!("– {} was not run: it needs what failed before", left.name);
                }
                changed.notify_all();
                return;
            }
            now = changed.wait(now).unwrap_or_else(std::sync::PoisonError::into_inner);
            continue;
        };
        drop(now);
        eprintln!("▶ {}", step.name);
        let start = Instant::now();
        let (outcome, output) = kept(step.work);
        let time = seconds(start.elapsed());
        now = lock();
        let line = now.end(step.name, step.uses, outcome.is_ok(), &time);
        let problem = outcome.err().map_or_else(String::new, |problem| format!("{problem:#}\n"));
        eprintln!("\n{output}{problem}{line}\n");
        changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    #[test]
    fn a_failing_step_is_counted_and_the_others_still_run() {
        for side_by_side in [1, 2, 3] {
            let ran = AtomicUsize::new(0);
            let good = || {
                ran.fetch_add(1, SeqCst);
                Ok(())
            };
            let steps = || {
                vec![
                    Step::new("bad", || anyhow::bail!("no")),
                    Step::new("good", good),
                    Step::new("after good", good).after("good"),
                    Step::new("after bad", good).after("bad"),
                ]
            };
            assert!(run_steps(steps(), &[], side_by_side).is_err());
            assert_eq!(ran.swap(0, SeqCst), 2, "what needs a failed step does not run");
            assert!(run_steps(steps(), &["good".to_owned()], side_by_side).is_ok());
            assert_eq!(ran.swap(0, SeqCst), 2);
            assert!(
                run_steps(steps(), &["after bad".to_owned()], side_by_side).is_ok(),
                "what is not run is not waited for"
            );
            assert!(run_steps(steps(), &["nothing".to_owned()], side_by_side).is_err());
        }
    }

    #[test]
    fn what_uses_the_same_thing_never_runs_at_once() {
        let (inside, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let work = || {
            most.fetch_max(inside.fetch_add(1, SeqCst) + 1, SeqCst);
            std::thread::yield_now();
            inside.fetch_sub(1, SeqCst);
            Ok(())
        };
        let steps = (0..50).map(|_| Step::new("one", work).uses("the folder")).collect();
        run_steps(steps, &[], 4).unwrap();
        assert_eq!(most.load(SeqCst), 1);
    }
}
