//! What is wrong with a bundle: the first thing that was found stays, and reading goes on with nothing in place of what is wrong.
//!
//! An error as a result would be carried through every function that reads; noted, it costs one call where it is found.

use super::container::json;
use super::{BundleError, TensorFault};
use crate::json::{Fault, Faults};
use crate::words::Words;

/// What is wrong beside what the reader of the JSON document remembers: of both together the first counts.
pub(super) struct Notes<'a> {
    first: Option<BundleError>,
    faults: &'a Faults,
}

impl<'a> Notes<'a> {
    /// Nothing is wrong with a document so far, of which the reader remembers the faults.
    pub const fn new(faults: &'a Faults) -> Self {
        Self { first: None, faults }
    }

    /// Whether nothing is wrong so far.
    pub fn none(&self) -> bool {
        self.faults.close().is_ok()
    }

    /// Notes what is wrong.
    #[inline(never)]
    pub fn add(&mut self, error: BundleError) {
        if self.none() {
            self.faults.add(Fault::Other);
            self.first = Some(error);
        }
    }

    /// Notes the tensor of which these are the parts of the name, and what is wrong with it.
    #[inline(never)]
    pub fn tensor(&mut self, name: &[&str], fault: TensorFault) {
        self.add(BundleError::Tensor { name: name.concat(), fault });
    }

    /// Notes a place of the spec and what to change there, unless something holds.
    #[inline(never)]
    pub fn unless(&mut self, holds: bool, at: Words, reason: Words) {
        if !holds {
            self.add(BundleError::Spec { at, reason });
        }
    }

    /// Says what was wrong, in this part of the file.
    #[inline(never)]
    pub fn close(self, part: Words) -> Result<(), BundleError> {
        match self.first {
            Some(error) => Err(error),
            None => self.faults.close().map_err(|fault| json(part, fault)),
        }
    }
}
