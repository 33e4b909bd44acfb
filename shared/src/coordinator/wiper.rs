//! Removes what a page has asked to be removed (STATE-13).
//!
//! ```text
//!                journal read      noted on disk        what has a key      outcomes, events,       noted as done
//!  asked for ─────────────────▶ Noting ───────▶ frozen ───────────▶ Writing ─────▶ Reading ⇄ Writing ─────▶ Ending ─▶ start over
//! ```
//!
//! What always holds:
//! - before anything goes, the configuration says what, and up to which position of the journal: whoever boots goes on
//!   with it, before anything else, until nothing is left;
//! - what was appended after that, and what is of another session or user, stays;
//! - meanwhile nothing is sealed, sent or answered; afterwards a coordinator takes up what is left, as after a death.

use core::time::Duration;

use super::{Coordinator, Effect, Input};
use crate::base::{Culprit, Fault, Mono, Now, PageId, RequestId};
use crate::bus::{Request, Wipe};
use crate::outbox::Ticket;
use crate::rows::{
    Config, DoneRow, JournalRow, Key, META_CONFIG, Op, ROW_VERSION, RetainedRow, Store, Wiping,
    document_prefix, read,
};
use crate::wire::to_cbor;

/// See the module.
#[derive(Debug)]
pub(super) struct Wiper {
    wiping: Wiping,
    /// What those who have asked for it wait for.
    asked: Ticket,
    state: State,
    /// Where it stands: a part of the work, and the last key read of that.
    at: (usize, u64),
    /// Undelivered events that have gone.
    removed: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The journal has to be read to its end first.
    Asked,
    /// It is being noted on disk.
    Noting(Ticket),
    /// Something is to be done next.
    Free,
    /// Rows are being read.
    Reading(Ticket),
    /// Something is being removed, after which it goes on there.
    Writing(Ticket, (usize, u64)),
    /// The disk has refused.
    Resting(Mono),
}

impl Wiper {
    /// When it is tried again.
    pub(super) fn due(&self) -> Option<Mono> {
        match self.state {
            State::Resting(until) => Some(until),
            State::Asked
            | State::Noting(_)
            | State::Free
            | State::Reading(_)
            | State::Writing(..) => None,
        }
    }

    // What of some rows goes, and where it goes on.
    fn pick(&mut self, rows: &[(u64, Vec<u8>)], answered: u64) -> (Vec<Op>, (usize, u64)) {
        let (part, _) = self.at;
        let store = PARTS[part];
        let wiping = &self.wiping;
        let mut ops = Vec::new();
        let mut ended = rows.len() < READ_ROWS;
        for (key, bytes) in rows {
            let (from, through) = (*key, *key);
            if store == Store::Journal && from > wiping.through {
                ended = true;
                break;
            }
            if !goes(store, bytes, wiping) {
                continue;
            }
            if store == Store::Done && from == answered {
                ops.push(last_done(answered));
            } else {
                ops.push(Op::DeleteSpan { store, from, through });
            }
        }
        if store == Store::Journal {
            self.removed += ops.len() as u64;
        }
        let last = rows.last().map_or(0, |(key, _)| *key);
        (ops, if ended { (part + 1, 0) } else { (part, last) })
    }
}

impl Coordinator {
    pub(super) fn on_wipe(&mut self, page: PageId, id: RequestId, wipe: Wipe) {
        let Wipe { session, user, undelivered } = wipe;
        let wiping = Wiping { session, user, undelivered, through: 0 };
        let asked = self.outbox.ticket();
        self.wiper = Some(Wiper { wiping, asked, state: State::Asked, at: (0, 0), removed: 0 });
        self.asks.wait_for(page, id, vec![asked]);
        self.reader.want();
    }

    /// Goes on with what an earlier life has begun.
    pub(super) fn resume_wipe(&mut self, now: Now, wiping: Wiping) {
        let asked = self.outbox.ticket();
        self.outbox.freeze();
        self.wiper = Some(Wiper { wiping, asked, state: State::Free, at: (0, 0), removed: 0 });
        self.go_wipe(now);
    }

    pub(super) fn on_request_while_wiping(
        &mut self,
        page: PageId,
        id: RequestId,
        request: Request,
    ) {
        let Some(wiper) = &self.wiper else { return };
        let Wiping { session, user, undelivered, .. } = wiper.wiping.clone();
        if id == RequestId(0) {
            // The next life reads the journal, and asks for tokens.
        } else if request == Request::Wipe(Wipe { session, user, undelivered }) {
            self.asks.wait_for(page, id, vec![wiper.asked]);
        } else {
            let words = "this device's data is being wiped: ask again";
            self.asks.fail(page, id, Fault::new("wipe-busy", Culprit::App, words));
        }
    }

    /// Takes in a fact that the wipe waits for. `true` if it was the last.
    pub(super) fn wipe(&mut self, now: Now, input: &Input) -> bool {
        let Some(wiper) = &mut self.wiper else { return false };
        match (wiper.state, input) {
            (State::Noting(ticket), Input::Committed(done)) if ticket == *done => {
                self.outbox.freeze();
                wiper.state = State::Free;
                self.tape = None;
            }
            (State::Noting(ticket), Input::CommitFailed { ticket: failed, fault })
                if ticket == *failed =>
            {
                self.asks.on_commit_failed(wiper.asked, fault);
                self.outbox.set_wiping(None);
                self.wiper = None;
            }
            (State::Writing(ticket, next), Input::Committed(done)) if ticket == *done => {
                wiper.at = next;
                wiper.state = State::Free;
                if next.0 > PARTS.len() {
                    self.asks.count(wiper.asked, wiper.removed);
                    self.wiper = None;
                    return true;
                }
            }
            (State::Reading(ticket), Input::Retained { ticket: read, rows }) if ticket == *read => {
                let (ops, next) = wiper.pick(rows, self.outbox.answered());
                if ops.is_empty() {
                    wiper.at = next;
                    wiper.state = State::Free;
                } else {
                    self.remove(ops, next);
                }
            }
            (State::Reading(ticket), Input::Document { ticket: read, rows }) if ticket == *read => {
                let store = Store::Document;
                let gone = |(key, _): &(Key, Vec<u8>)| Op::Delete { store, key: key.clone() };
                let next = if wiper.wiping.covers_all() { PARTS.len() } else { wiper.at.0 + 1 };
                let ops = rows.iter().map(gone).collect();
                self.remove(ops, (next, 0));
            }
            (
                State::Writing(ticket, _) | State::Reading(ticket),
                Input::CommitFailed { ticket: failed, .. }
                | Input::RetainedFailed { ticket: failed, .. },
            ) if ticket == *failed => {
                wiper.state = State::Resting(now.mono.after(AGAIN));
            }
            _ => {}
        }
        false
    }

    /// Does what can be done next.
    pub(super) fn go_wipe(&mut self, now: Now) {
        let Some(wiper) = &mut self.wiper else { return };
        match wiper.state {
            State::Asked => {
                // Letters that are being tried again, and what closing pages have left, are rows first.
                let written = self.appends.is_empty() && self.unsaved.is_none();
                if !written || !self.reader.has_read() {
                    return;
                }
                wiper.wiping.through = self.reader.through();
                let config =
                    Config { wiping: Some(wiper.wiping.clone()), ..self.outbox.config().clone() };
                let ticket = self.outbox.store_config(to_cbor(&config));
                wiper.state = State::Noting(ticket);
                self.outbox.set_wiping(config.wiping);
            }
            State::Resting(until) if until > now.mono => {}
            State::Resting(_) | State::Free => self.remove_next(),
            State::Noting(_) | State::Reading(_) | State::Writing(..) => {}
        }
    }

    fn remove_next(&mut self) {
        let Some(wiper) = &mut self.wiper else { return };
        let (part, after) = wiper.at;
        let wiping = wiper.wiping.clone();
        let answered = self.outbox.answered();
        match PARTS.get(part) {
            // What is named by its key, and all of what holds something of everybody.
            Some(Store::Kv) => {
                let (mut ops, letters) = self.outbox.wipe(&wiping);
                let mut clear =
                    |store, through| ops.push(Op::DeleteSpan { store, from: 0, through });
                clear(Store::Kv, NUMBER_MAX);
                if wiping.covers_all() {
                    clear(Store::Done, NUMBER_MAX);
                    clear(Store::Retained, NUMBER_MAX);
                    if wiping.undelivered {
                        clear(Store::Journal, wiping.through);
                        wiper.removed = self.outbox.pending();
                    }
                    if answered > 0 {
                        ops.push(last_done(answered));
                    }
                }
                wiper.removed += letters;
                self.remove(ops, (part + 1, 0));
            }
            // It is the session's, whoever has written to it.
            Some(Store::Document) if wiping.user.is_some() => {
                wiper.at = (part + 1, 0);
                self.remove_next();
            }
            Some(Store::Document) => {
                let ticket = self.outbox.ticket();
                wiper.state = State::Reading(ticket);
                let prefix = wiping.session.as_deref().map(document_prefix).unwrap_or_default();
                self.effects.push_back(Effect::ReadDocument { ticket, prefix: prefix.into() });
            }
            Some(Store::Journal) if !wiping.undelivered => {
                wiper.at = (part + 1, 0);
                self.remove_next();
            }
            Some(store) => {
                let ticket = self.outbox.ticket();
                wiper.state = State::Reading(ticket);
                let (store, limit) = (*store, READ_ROWS as u32);
                self.effects.push_back(Effect::ReadRetained { ticket, store, after, limit });
            }
            // What a closing page has left is written first: what comes after this has an end.
            None if !self.appends.is_empty() || self.unsaved.is_some() => wiper.state = State::Free,
            None => {
                self.outbox.set_wiping(None);
                let row = to_cbor(self.outbox.config());
                let op = Op::Put { store: Store::Meta, key: Key::from(META_CONFIG), row };
                self.remove(vec![op], (part + 1, 0));
            }
        }
    }

    fn remove(&mut self, ops: Vec<Op>, next: (usize, u64)) {
        let Some(wiper) = &mut self.wiper else { return };
        let is_last = next.0 > PARTS.len();
        let ticket = if is_last { wiper.asked } else { self.outbox.ticket() };
        wiper.state = State::Writing(ticket, next);
        self.commit(ticket, ops, true);
    }
}

// What cannot be read, and what says not whose it is, is nobody's.
fn goes(store: Store, bytes: &[u8], wiping: &Wiping) -> bool {
    if store == Store::Done {
        let whose = read::<DoneRow>(bytes).ok().and_then(|row| row.session.zip(row.user));
        whose.is_some_and(|(session, user)| wiping.covers(&session, &user))
    } else if store == Store::Retained {
        read::<RetainedRow>(bytes).is_ok_and(|row| wiping.covers(&row.session, &row.user))
    } else {
        read::<JournalRow<'_>>(bytes).is_ok_and(|row| wiping.covers(row.session, row.user))
    }
}

// The count of events answered goes on from the last key, so that one stays.
fn last_done(answered: u64) -> Op {
    let entries = Vec::new();
    let at = crate::base::Wall(0);
    let row = DoneRow { version: ROW_VERSION, at, entries, session: None, user: None };
    Op::Put { store: Store::Done, key: Key::Number(answered), row: to_cbor(&row) }
}

/// What is gone through, one after the other; `kv` stands for all that needs no reading.
const PARTS: [Store; 5] =
    [Store::Kv, Store::Document, Store::Done, Store::Retained, Store::Journal];
/// Rows in one read.
const READ_ROWS: usize = 64;
/// As far as keys count.
const NUMBER_MAX: u64 = (1 << 53) - 1;
/// After the disk has refused, when it is tried again.
const AGAIN: Duration = Duration::from_secs(1);
