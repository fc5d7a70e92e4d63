//! Tiers: their tasks, with calibrations, and their blends.

use alloc::string::ToString as _;
use alloc::vec::Vec;

use super::{Builder, TASKS, named};
use crate::block::{Blend, Calibration};
use crate::bundle::stack::place::Place;
use crate::bundle::stack::{Task, Tier};
use crate::bundle::{MOST_TASKS, MOST_TIERS};
use crate::json;
use crate::words::{Words, words};

const CALIBRATION: Words = words!("ranker.tiers.tasks.calibration");
const BLEND: Words = words!("ranker.tiers.blend");

impl<'a> Builder<'_, 'a> {
    #[inline(never)]
    pub(super) fn tiers(&mut self, spec: json::Place<'a>) {
        let count = spec.len();
        self.unless(
            (1..=MOST_TIERS).contains(&count),
            words!("ranker.tiers"),
            words!("give 1 to 3 of them, the fullest first"),
        );
        for tier in 0..count {
            let tier = spec.at(tier).only(&["tasks", "blend"]);
            let specs = tier.key("tasks");
            let count = specs.len();
            self.unless((1..=MOST_TASKS).contains(&count), TASKS, words!("give 1 to 8 of them"));
            let mut tasks: Vec<Task> = Vec::new();
            for at in 0..count {
                let task = self.task(specs.at(at), at, count);
                let twice = tasks.iter().any(|other| other.label == task.label);
                self.unless(!twice, words!("ranker.tiers.tasks.label"), words!("a label stands there twice"));
                tasks.push(task);
            }
            let blend = tier.key("blend").given().and_then(|blend| self.blend(blend, count));
            self.stack.tiers.push(Tier { tasks, blend });
            self.stack.reads.push(core::mem::take(&mut self.found));
        }
    }

    fn task(&mut self, spec: json::Place<'a>, number: usize, tasks: usize) -> Task {
        spec.only(&["label", "of", "gains", "calibration"]);
        self.spec = spec;
        let label = named(spec.key("label"), words!("ranker.tiers.tasks.label"), &mut self.tensors.notes).to_string();
        let (gains, read) = (spec.key("gains").given(), self.of());
        let fits = gains.is_none_or(|gains| gains.len() == read.len());
        self.unless(fits, words!("ranker.tiers.tasks.gains"), words!("give one number for each block"));
        let mut of = Vec::new();
        for (at, place) in read.iter().enumerate() {
            let gain = gains.map_or(1.0, |gains| gains.at(at).single());
            self.unless(gain.is_finite(), words!("ranker.tiers.tasks.gains"), words!("give finite numbers"));
            // A block of one number serves every task, one of as many as there are tasks gives each its own.
            let sound = place.width == 1 || place.width == tasks;
            self.unless(sound, TASKS, words!("name blocks of width 1, or of one number for each task"));
            let from = place.from + if place.width == 1 { 0 } else { number };
            of.push((Place { from, width: 1, ..*place }, gain));
        }
        let calibration = spec.key("calibration").given().and_then(|calibration| self.calibration(calibration));
        Task { label, of, calibration }
    }

    /// The one key of an object that may have one of two or three.
    fn one_key(&mut self, spec: json::Place<'a>, at: Words) {
        self.unless(spec.len() == 1, at, words!("give one of its keys"));
    }

    #[inline(never)]
    fn calibration(&mut self, spec: json::Place<'a>) -> Option<Calibration> {
        spec.only(&["platt", "steps", "line"]);
        self.one_key(spec, CALIBRATION);
        let (platt, line) = (spec.key("platt").given(), spec.key("line").given());
        let made = if let Some(platt) = platt {
            self.unless(platt.len() == 2, CALIBRATION, words!("give two numbers"));
            Calibration::platt(platt.at(0).single(), platt.at(1).single())
        } else {
            let list = line.unwrap_or(spec.key("steps"));
            let mut knots = Vec::new();
            for at in 0..list.len() {
                let knot = list.at(at);
                self.unless(knot.len() == 2, CALIBRATION, words!("give knots of two numbers"));
                knots.push([knot.at(0).single(), knot.at(1).single()]);
            }
            Calibration::knots(knots, line.is_some())
        };
        self.unless(
            made.is_ok(),
            CALIBRATION,
            words!("give 1 to 64 knots that rise and do not fall, or a slope above 0, all within a million"),
        );
        made.ok()
    }

    #[inline(never)]
    fn blend(&mut self, spec: json::Place<'a>, tasks: usize) -> Option<Blend> {
        spec.only(&["powers", "sum"]);
        self.one_key(spec, BLEND);
        let powers = spec.key("powers").given();
        let list = powers.unwrap_or(spec.key("sum"));
        let mut weights = Vec::new();
        for at in 0..list.len() {
            weights.push(list.at(at).single());
        }
        self.unless(weights.len() == tasks, BLEND, words!("give one number for each task"));
        let made = Blend::new(powers.is_some(), &weights);
        self.unless(made.is_ok(), BLEND, words!("give numbers of 0 or more, not all of them 0"));
        made.ok()
    }
}
