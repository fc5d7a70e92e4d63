//! Consent, and the token without which nothing is recorded.

use crate::time::Timestamp;
use alloc::string::String;
use alloc::vec::Vec;

/// What the user has said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Status {
    /// Never asked, or the answer was lost.
    #[default]
    Unknown,
    /// Agreed.
    Granted,
    /// Refused, or taken back.
    Withdrawn,
}

impl Status {
    /// The word that JavaScript sees.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Granted => "granted",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// The ledger of consent: one line, kept in the control journal.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Consent {
    /// What the user has said.
    pub status: Status,
    /// The version of the privacy policy that was agreed to.
    pub policy_version: String,
    /// The purposes that were agreed to.
    pub purposes: Vec<String>,
    /// When, in milliseconds since the Unix epoch; 0 where never.
    pub at_ms: i64,
}

/// Proof that the user agreed. Only [`Consent::token`] makes one, and the log takes events only with one.
#[derive(Clone, Copy, Debug)]
pub struct Token(());

impl Consent {
    /// The user agrees.
    pub fn apply_grant(&mut self, policy_version: String, purposes: Vec<String>, now: Timestamp) {
        *self = Self { status: Status::Granted, policy_version, purposes, at_ms: now.ms() };
    }

    /// The user refuses, or takes the agreement back.
    pub fn apply_withdraw(&mut self, now: Timestamp) {
        *self = Self { status: Status::Withdrawn, at_ms: now.ms(), ..Self::default() };
    }

    /// The proof that recording needs, where there is consent.
    pub const fn token(&self) -> Option<Token> {
        match self.status {
            Status::Granted => Some(Token(())),
            Status::Unknown | Status::Withdrawn => None,
        }
    }
}
