//! The way out of a fork: a new incarnation, and what the server has lost sent again (G6).

use minicbor::bytes::ByteVec;

use core::time::Duration;

use super::super::Ticket;
use super::super::batch::{Held, seal, spans};
use super::{Break, Change, LOAD_ROWS_MAX, Phase, Shared, Stream};
use crate::base::{Culprit, Fault, Incarnation, Now, limits};
use crate::bus::Notice;
use crate::rows::{Replay, RetainedRow, Source, StreamKey, StreamRow, read};
use crate::wire::Former;

impl Stream {
    /// A new life: everything unconfirmed, and what the server acknowledged and may have lost, is
    /// sealed again under the same ids.
    pub(super) fn begin_anew(&mut self, why: Break, now: Now, shared: &mut Shared) {
        self.breaking = Some(why);
        self.recall();
        let Some(row) = &self.row else {
            self.breaking = None;
            return;
        };
        // As soon as the device is known.
        let Some(device) = &shared.device else { return };
        let former = Former { incarnation: row.incarnation, head: row.head };
        let replay = (shared.answered > 0 && why != Break::Torn)
            .then_some(Replay { from: 0, through: shared.answered, skip: 0 })
            .or(row.replay);
        let incarnation = Incarnation(shared.rng.bytes());
        let next = StreamRow::begin(&self.key, device.device, incarnation, Some(former), replay);
        let next = StreamRow { sealed_through: self.backlog.sealed_through(), ..next };
        let mut change = Change::to(next, now);
        change.strict = true;
        if let Some(batch) = self.batch.as_ref().filter(|batch| batch.is_from_journal()) {
            change.put_back.clone_from(&batch.events);
        }
        change.notices.extend(report(why, &self.key, shared));
        change.why = self.breaking.take();
        self.failures = 0;
        self.last_fault = None;
        self.store(change, shared);
    }

    /// Rows of `retained` have been read.
    pub(in crate::outbox) fn on_retained(
        &mut self,
        ticket: Ticket,
        rows: &[(u64, Vec<u8>)],
        now: Now,
        shared: &mut Shared,
    ) {
        let Some(Phase::Loading(_)) = self.leave(ticket) else { return };
        let Some((_, through)) = self.wanted() else { return };
        let ended = rows.len() < LOAD_ROWS_MAX as usize
            || rows.last().is_some_and(|(key, _)| *key >= through);
        let mut held: Vec<Held> = rows
            .iter()
            .filter(|(key, _)| *key <= through)
            .flat_map(|row| self.events_of(row))
            .collect();
        if let Some(mut batch) = self.gathering.take() {
            if let Source::Retained { keys, skip } = &batch.row.source {
                held.retain(|event| keys.contains(&event.position));
                let skip = usize::try_from(*skip).unwrap_or(usize::MAX);
                let count = usize::try_from(batch.row.count).unwrap_or(usize::MAX);
                batch.events = held.into_iter().skip(skip).take(count).collect();
            }
            self.gathering = Some(batch);
            self.gathered();
            return self.go(now, shared);
        }
        let Some(row) = self.row.clone() else { return };
        let Some(replay) = row.replay else { return };
        let mut change = Change::to(row, now);
        let mut seen = 0;
        held.retain(|event| {
            seen += u64::from(event.position == replay.from);
            event.position != replay.from || seen > replay.skip
        });
        let mut bytes = 0;
        let fits = |event: &&Held| {
            bytes += event.sealed.len();
            bytes <= limits::BATCH_BYTES_MAX
        };
        let fitting = held.iter().take_while(fits).count().min(self.events_max(shared)).max(1);
        held.truncate(fitting);
        if held.is_empty() {
            let last = rows.last().map_or(through, |(key, _)| *key);
            change.row.replay =
                (!ended).then_some(Replay { from: last.saturating_add(1), skip: 0, ..replay });
            return self.store(change, shared);
        }
        let mut keys: Vec<u64> = held.iter().map(|event| event.position).collect();
        keys.dedup();
        let skip = if keys.first() == Some(&replay.from) { replay.skip } else { 0 };
        let source = Source::Retained { keys, skip };
        change.batch = Some(seal(&change.row, held, source, now.wall));
        change.strict = true;
        self.sign(change, shared);
    }

    /// Rows of `retained` could not be read. They are still there, and are asked for again.
    pub(in crate::outbox) fn on_retained_failed(&mut self, ticket: Ticket, now: Now) {
        if self.leave(ticket).is_some() {
            self.due = now.mono.after(READ_AGAIN);
        }
    }

    // The events of a retained row, if it is of this stream and can be read.
    pub(super) fn events_of(&self, (key, bytes): &(u64, Vec<u8>)) -> Vec<Held> {
        let StreamKey { session, user, lane } = &self.key;
        let held = |sealed: &ByteVec| Held::read(sealed, *key, false);
        match read::<RetainedRow>(bytes) {
            Ok(row) if (&row.session, &row.user, row.lane) == (session, user, *lane) => {
                row.events.iter().filter_map(held).collect()
            }
            Ok(_) | Err(_) => Vec::new(),
        }
    }
}

// Where `rest` lies, which is what is left of `events` after `skipped`, or a part of that.
pub(super) fn source_of(source: &Source, events: &[Held], skipped: usize, rest: &[Held]) -> Source {
    let Source::Retained { skip, .. } = source else {
        return Source::Journal(spans(rest));
    };
    let mut keys: Vec<u64> = rest.iter().map(|event| event.position).collect();
    keys.dedup();
    let first = keys.first().copied();
    let same = |event: &&Held| Some(event.position) == first;
    let before = events[..skipped].iter().filter(same).count() as u64;
    let whole = events.first().map(|event| event.position) == first;
    Source::Retained { keys, skip: before + if whole { *skip } else { 0 } }
}

fn report(why: Break, key: &StreamKey, shared: &Shared) -> Option<Notice> {
    match why {
        Break::Renewed => None,
        Break::Lost => {
            let epoch = shared.log_epoch(&key.session);
            let session = key.session.clone();
            Some(Notice::StateLost { what: "server-log".into(), session, from: epoch, to: epoch })
        }
        Break::Forked => Some(Notice::Trouble(Fault::new(
            "stream-forked",
            Culprit::Peer,
            "a copy of this device has sent other events in its place; this one goes on under a new name",
        ))),
        Break::Torn => Some(Notice::Trouble(Fault::new(
            "stream-torn",
            Culprit::Browser,
            "what was stored of a batch does not fit together; its events are sealed again",
        ))),
    }
}

/// After a failure to read `retained`, when to read it again.
const READ_AGAIN: Duration = Duration::from_secs(1);
