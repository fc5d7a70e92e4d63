//! Known-answer probes: the proof that this device computes what the trainer computed.

use super::{BundleError, Probe};

/// Compares every answer of `logit` with the promised one, bit for bit.
pub(super) fn run(probes: &[Probe], logit: impl Fn(&[f32], &[u64]) -> f32) -> Result<(), BundleError> {
    for (index, probe) in probes.iter().enumerate() {
        let (expected, found) = (probe.logit.to_bits(), logit(&probe.dense, &probe.hashed).to_bits());
        if expected != found {
            return Err(BundleError::Probe { index, expected, found });
        }
    }
    Ok(())
}
