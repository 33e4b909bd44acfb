//! Where sessions, streams and logs are kept: one face, several back ends, one contract suite.
//!
//! What always holds of every back end:
//! - a push is one atomic step, and its answer is given out only once its writes last;
//! - pushes of one session are taken one after the other;
//! - what a reader sees was taken by a push whose writes last.
//!
//! The contract suite is `tests/contract.rs`; it runs on each back end, and on each behind a wrapper
//! that loses answers.

mod embedded;
mod memory;

use std::future::Future;
use std::time::{SystemTime, UNIX_EPOCH};

use bellwether_shared::base::{LogEpoch, Wall};
use bellwether_shared::wire::{Answer, LogPage, Push, Snapshot};

pub use embedded::{Archived, Embedded, Opening};
pub use memory::Memory;

use crate::audit::Export;
use crate::engine::{Checked, Moment, PageAsk, Parting, StateAsk, StoreFault, Sweep, Wanted};
use crate::fault::Fault;
use crate::ticket::TicketKey;

/// A back end.
pub trait Store: Send + Sync + 'static {
    /// Takes a batch; see [`engine::push`](crate::engine::push).
    ///
    /// # Errors
    /// As there; also [`Fault::Unavailable`] when too many pushes wait.
    fn push(
        &self,
        tenant: &str,
        push: Checked,
    ) -> impl Future<Output = Result<Answer, Fault>> + Send;

    /// Says which events of a batch an effect would be asked about, and gives the batch back; see
    /// [`engine::wanted`](crate::engine::wanted).
    ///
    /// # Errors
    /// [`Fault::Unavailable`].
    fn wanted(
        &self,
        tenant: &str,
        push: Checked,
    ) -> impl Future<Output = Result<(Checked, Vec<Wanted>), Fault>> + Send;

    /// The key of this store's tickets.
    fn ticket_key(&self) -> &TicketKey;

    /// Takes a farewell; see [`engine::farewell`](crate::engine::farewell).
    ///
    /// # Errors
    /// As there; also [`Fault::Unavailable`] when too many pushes wait.
    fn farewell(&self, parting: Parting) -> impl Future<Output = Result<Answer, Fault>> + Send;

    /// Says which events of a farewell an effect would be asked about, and gives it back; see
    /// [`engine::wanted_of`](crate::engine::wanted_of).
    ///
    /// # Errors
    /// [`Fault::Unavailable`].
    fn wanted_of(
        &self,
        parting: Parting,
    ) -> impl Future<Output = Result<(Parting, Vec<Wanted>), Fault>> + Send;

    /// Tells a stream's position; see [`engine::position`](crate::engine::position).
    ///
    /// # Errors
    /// As there.
    fn position(
        &self,
        tenant: &str,
        push: Push,
    ) -> impl Future<Output = Result<Answer, Fault>> + Send;

    /// Reads a page of a log; see [`engine::page`](crate::engine::page).
    ///
    /// # Errors
    /// As there.
    fn page(&self, ask: PageAsk) -> impl Future<Output = Result<LogPage, Fault>> + Send;

    /// Reads a session's document; see [`engine::snapshot`](crate::engine::snapshot).
    ///
    /// # Errors
    /// As there.
    fn snapshot(&self, ask: StateAsk) -> impl Future<Output = Result<Snapshot, Fault>> + Send;

    /// The next part of an audit, and the export as it goes on; see [`Export::part`].
    ///
    /// # Errors
    /// [`Fault::Unavailable`].
    fn audit(
        &self,
        export: Export,
    ) -> impl Future<Output = Result<(Export, Vec<u8>), Fault>> + Send;

    /// Makes one step of compaction, and gives what it has come to; see [`Sweep`].
    ///
    /// # Errors
    /// [`Fault::Unavailable`].
    fn sweep(&self, sweep: Sweep) -> impl Future<Output = Result<Sweep, Fault>> + Send;

    /// Whether the store answers.
    ///
    /// # Errors
    /// [`Fault::Unavailable`].
    fn ping(&self) -> impl Future<Output = Result<(), Fault>> + Send;
}

/// The world's contribution, read here and nowhere else.
///
/// # Errors
/// The system gives no random bytes.
pub(crate) fn moment() -> Result<Moment, StoreFault> {
    Ok(Moment { now: wall(), fresh_epoch: LogEpoch(entropy()?) })
}

/// Random bytes.
///
/// # Errors
/// The system gives none.
pub(crate) fn entropy<const N: usize>() -> Result<[u8; N], StoreFault> {
    let mut fresh = [0; N];
    // Not from aws-lc: it gathers entropy of its own at first, and the first push would wait for it.
    getrandom::fill(&mut fresh).map_err(|_| StoreFault::new("the system gives no random bytes"))?;
    Ok(fresh)
}

/// The wall clock.
pub(crate) fn wall() -> Wall {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Wall(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
