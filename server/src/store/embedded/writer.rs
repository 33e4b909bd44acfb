//! The one thread that writes: what waits is put into one transaction.
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
use crate::engine::{self, Checked, Parting, SessionRow, StoreFault, Sweep};
use crate::fault::Fault;
use crate::store::{moment, wall};

/// Something to be done that waits.
pub(super) struct Job {
    pub(super) work: Work,
    pub(super) reply: oneshot::Sender<Result<Done, Fault>>,
}

/// What is to be done.
pub(super) enum Work {
    Push { tenant: Box<str>, push: Box<Checked> },
    Farewell(Box<Parting>),
    Compact(Box<Sweep>, SessionRow),
}

/// What came of it.
pub(super) enum Done {
    Answer(Box<Answer>),
    Floor(u64),
}

impl Done {
    pub(super) fn into_answer(self) -> Result<Answer, Fault> {
        match self {
            Self::Answer(answer) => Ok(*answer),
            Self::Floor(_) => Err(Fault::Internal("a push was taken for another thing".into())),
        }
    }

    pub(super) fn into_floor(self) -> Result<u64, Fault> {
        match self {
            Self::Floor(floor) => Ok(floor),
            Self::Answer(_) => Err(Fault::Internal("a step was taken for a push".into())),
        }
    }
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

fn commit(connection: &Connection, effect: &dyn Effect, group: &[Job]) -> Vec<Result<Done, Fault>> {
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
) -> Result<Vec<Result<Done, Fault>>, StoreFault> {
    execute(connection, "BEGIN IMMEDIATE")?;
    let mut answers = Vec::with_capacity(group.len());
    for job in group {
        execute(connection, "SAVEPOINT push")?;
        let ledger = &mut SqlLedger::new(connection);
        let answer = match &job.work {
            Work::Push { tenant, push } => {
                engine::push(ledger, effect, tenant, push, moment()?).map(answered)
            }
            Work::Farewell(parting) => {
                engine::farewell(ledger, effect, parting, moment()?).map(answered)
            }
            Work::Compact(sweep, session) => {
                sweep.step(ledger, session, wall()).map(Done::Floor).map_err(Fault::from)
            }
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

fn answered(answer: Answer) -> Done {
    Done::Answer(answer.into())
}

fn execute(connection: &Connection, sql: &str) -> Result<(), StoreFault> {
    connection.prepare_cached(sql)?.execute([])?;
    Ok(())
}
