//! What of an answer can be believed, and what it says about each event.

use crate::base::{Culprit, EventId, Fault};
use crate::rows::{DoneEntry, FlightRow};
use crate::wire::{Answer, EventResult, Outcome};

/// Checks an answer's claims against the batch it is about, and gives the outcomes that the server
/// stands by: those up to `durable`, without a gap, of kinds that this build knows.
///
/// The server may stand further on than the batch goes: an earlier, longer batch of the same chain has arrived late,
/// or a copy of this device has sent one. What it says about places outside of the batch is not looked at.
pub(super) fn believed<'a>(
    row: &FlightRow,
    ids: impl Iterator<Item = &'a EventId>,
    answer: &Answer,
) -> Result<Vec<DoneEntry>, Fault> {
    if answer.durable > answer.through {
        return Err(misbehaved("the server claims more to be durable than it has consumed"));
    }
    let mut entries = Vec::new();
    for (at, (id, result)) in ids.zip(&answer.results).enumerate() {
        if result.seq != row.first.plus(at as u64) {
            return Err(misbehaved("the server's results are not in order"));
        }
        if result.seq > answer.durable {
            break;
        }
        if !result.outcome.is_known() {
            return Err(misbehaved("the server gave an outcome that this build does not know"));
        }
        entries.push(entry(id, result));
    }
    let consumed = answer.durable.0.saturating_sub(row.first.0 - 1).min(row.count);
    if entries.len() as u64 != consumed {
        return Err(misbehaved("the server's results do not fit the places it claims"));
    }
    Ok(entries)
}

fn entry(id: &EventId, result: &EventResult) -> DoneEntry {
    let EventResult { outcome, offset, result, code, message, .. } = result.clone();
    DoneEntry { id: id.clone(), outcome, offset, result, code, message }
}

/// The code and the sentence of a refusal.
pub(super) fn refusal(entry: &DoneEntry) -> Option<(Box<str>, Box<str>)> {
    (entry.outcome == Outcome::REFUSED).then(|| {
        let code = entry.code.clone().unwrap_or_else(|| "refused".into());
        let message =
            entry.message.clone().unwrap_or_else(|| "the server refused the event".into());
        (code, message)
    })
}

pub(super) fn misbehaved(message: &str) -> Fault {
    Fault::new("server-misbehaved", Culprit::Server, message)
}

#[cfg(test)]
mod tests {
    use minicbor::bytes::{ByteArray, ByteVec};

    use super::*;
    use crate::base::{Incarnation, LogEpoch, Seq, Wall};
    use crate::rows::Source;
    use crate::wire::{Lane, Verdict};

    fn row(first: u64, count: u64) -> FlightRow {
        FlightRow {
            version: 1,
            session: "s".into(),
            user: "".into(),
            lane: Lane::Normal,
            incarnation: Incarnation([0; 16]),
            first: Seq(first),
            count,
            source: Source::Journal(Vec::new()),
            previous: ByteArray::from([0; 32]),
            head: ByteArray::from([0; 32]),
            signature: ByteVec::from(Vec::new()),
            attempt: 0,
            due_at: Wall(0),
            tries: 0,
            last_fault: None,
            ahead: None,
        }
    }

    fn answer(through: u64, durable: u64, results: &[(u64, u8)]) -> Answer {
        let result = |&(seq, outcome): &(u64, u8)| EventResult {
            seq: Seq(seq),
            outcome: Outcome(outcome),
            offset: None,
            result: None,
            code: None,
            message: None,
        };
        Answer {
            log_epoch: LogEpoch([0; 16]),
            verdict: Verdict::Taken,
            through: Seq(through),
            durable: Seq(durable),
            results: results.iter().map(result).collect(),
            later: None,
            retry_after_ms: None,
            log_head: 0,
            server_time: Wall(0),
        }
    }

    #[test]
    fn only_claims_that_fit_the_batch_are_believed() {
        #[rustfmt::skip]
        let cases = [
            // what it shows                    answer about places 4, 5, 6                  entries believed
            ("all of it",                       answer(6, 6, &[(4, 0), (5, 1), (6, 2)]),     Some(3)),
            ("a prefix",                        answer(5, 5, &[(4, 0), (5, 0)]),             Some(2)),
            ("nothing yet",                     answer(3, 3, &[]),                           Some(0)),
            ("stored, but not yet durable",     answer(6, 4, &[(4, 0), (5, 0), (6, 0)]),     Some(1)),
            ("further on than the batch",       answer(9, 9, &[(4, 0), (5, 0), (6, 0)]),     Some(3)),
            ("further on, without results",     answer(9, 9, &[]),                           None),
            ("a hole in the results",           answer(6, 6, &[(4, 0), (6, 0)]),             None),
            ("claims without results",          answer(6, 6, &[]),                           None),
            ("a kind of the future",            answer(4, 4, &[(4, 9)]),                     None),
            ("durable beyond through",          answer(4, 5, &[(4, 0), (5, 0)]),             None),
        ];
        let ids: Vec<EventId> =
            ["a", "b", "c"].map(|id| EventId::new(id).expect("a letter is an id")).into();
        for (shows, answer, expected) in cases {
            let entries =
                believed(&row(4, 3), ids.iter(), &answer).ok().map(|entries| entries.len());
            assert_eq!(entries, expected, "{shows}");
        }
    }
}
