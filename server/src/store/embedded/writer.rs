//! The one thread that writes: pushes that wait are put into one transaction.
//!
//! What always holds:
//! - an answer leaves only after the commit of the transaction that its push was part of;
//! - a push that is refused, or that fails, leaves nothing; the others of its group stand;
//! - if the commit fails, every push of the group is told to come again.

use bellwether_shared::wire::Answer;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::ledger::SqlLedger;
use crate::bounds::GROUP_PUSHES_MAX;
use crate::effect::Effect;
use crate::engine::{self, Checked, Parting, StoreFault};
use crate::fault::Fault;
use crate::store::moment;

/// A push or a farewell that waits.
pub(super) struct Job {
    pub(super) work: Work,
    pub(super) reply: oneshot::Sender<Result<Answer, Fault>>,
}

/// What is to be taken.
pub(super) enum Work {
    Push { tenant: Box<str>, push: Box<Checked> },
    Farewell(Box<Parting>),
}

/// Works until all senders are gone and the queue is empty.
pub(super) fn run(connection: &Connection, effect: &dyn Effect, mut queue: mpsc::Receiver<Job>) {
    let mut group = Vec::with_capacity(GROUP_PUSHES_MAX);
    while let Some(job) = queue.blocking_recv() {
        group.push(job);
        while group.len() < GROUP_PUSHES_MAX
            && let Ok(job) = queue.try_recv()
        {
            group.push(job);
        }
        let answers = commit(connection, effect, &group);
        for (job, answer) in group.drain(..).zip(answers) {
            // A sender that has gone meanwhile asks again, and is told the same.
            let _ = job.reply.send(answer);
        }
    }
    // What the log holds goes into the file, so that a copy of the file alone is whole.
    if let Err(fault) = connection.pragma_update(None, "wal_checkpoint", "TRUNCATE") {
        tracing::warn!(%fault, "the last checkpoint failed; the next start does it");
    }
}

fn commit(
    connection: &Connection,
    effect: &dyn Effect,
    group: &[Job],
) -> Vec<Result<Answer, Fault>> {
    take_all(connection, effect, group).unwrap_or_else(|fault| {
        if !connection.is_autocommit()
            && let Err(fault) = connection.execute_batch("ROLLBACK")
        {
            tracing::error!(%fault, "a failed transaction could not be undone");
        }
        let fault = Fault::from(fault);
        group.iter().map(|_| Err(fault.clone())).collect()
    })
}

fn take_all(
    connection: &Connection,
    effect: &dyn Effect,
    group: &[Job],
) -> Result<Vec<Result<Answer, Fault>>, StoreFault> {
    execute(connection, "BEGIN IMMEDIATE")?;
    let mut answers = Vec::with_capacity(group.len());
    for job in group {
        execute(connection, "SAVEPOINT push")?;
        let ledger = &mut SqlLedger::new(connection);
        let answer = match &job.work {
            Work::Push { tenant, push } => engine::push(ledger, effect, tenant, push, moment()?),
            Work::Farewell(parting) => engine::farewell(ledger, effect, parting, moment()?),
        };
        if connection.is_autocommit() {
            return Err(StoreFault::new("the transaction ended before its time"));
        }
        if answer.is_err() {
            execute(connection, "ROLLBACK TO push")?;
        }
        execute(connection, "RELEASE push")?;
        answers.push(answer);
    }
    execute(connection, "COMMIT")?;
    Ok(answers)
}

fn execute(connection: &Connection, sql: &str) -> Result<(), StoreFault> {
    connection.prepare_cached(sql)?.execute([])?;
    Ok(())
}
