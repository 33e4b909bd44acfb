//! Faults planted on purpose, to see that a checker finds each.

/// Which faults the world has. None by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Planted {
    /// The worker deletes a batch's rows from the journal when the push is sent, not when it is answered.
    pub forget_early: bool,
    /// A write is reported complete when it was asked for; a kill loses what was not written yet.
    pub complete_early: bool,
    /// The disk writes whatever epoch a batch names.
    pub no_epoch_check: bool,
    /// The server takes each push for a new one.
    pub no_repeats: bool,
}
