//! What is wrong with a bundle: the first thing that was found stays, and whoever found it gives up with nothing.
//!
//! An error as a result would be carried through every function that reads; noted, it costs one call where it is found.

use super::{BundleError, TensorFault};

#[derive(Default)]
pub(super) struct Notes(Option<BundleError>);

impl Notes {
    /// Notes a place of the spec and what to change there.
    #[inline(never)]
    fn spec(&mut self, at: &'static str, reason: &'static str) {
        self.0.get_or_insert(BundleError::Spec { at, reason });
    }

    /// Notes the tensor `part` of a block and what is wrong with it.
    #[inline(never)]
    pub fn tensor(&mut self, block: &str, part: &str, fault: TensorFault) {
        self.0.get_or_insert(BundleError::Tensor { name: [block, ".", part].concat(), fault });
    }

    /// Notes a place of the spec, and is nothing.
    pub fn wrong<T>(&mut self, at: &'static str, reason: &'static str) -> Option<T> {
        self.spec(at, reason);
        None
    }

    /// Notes a tensor, and is nothing.
    pub fn refuse<T>(&mut self, block: &str, part: &str, fault: TensorFault) -> Option<T> {
        self.tensor(block, part, fault);
        None
    }

    /// Goes on where something holds; else notes what to change.
    pub fn unless(&mut self, holds: bool, at: &'static str, reason: &'static str) -> Option<()> {
        if holds { Some(()) } else { self.wrong(at, reason) }
    }

    /// What was noted.
    pub fn close(self) -> Result<(), BundleError> {
        self.0.map_or(Ok(()), Err)
    }
}
