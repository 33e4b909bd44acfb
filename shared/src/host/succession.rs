//! Who may boot as coordinator, decided from the lease row and the asker's own patience (HOST-6).
//!
//! A boot is one transaction: read the lease, decide here, write it with its epoch raised by one, and load
//! the rows. So two realms cannot both be told yes from the same row.
//!
//! What always holds:
//! - every boot has an epoch that no boot before it had, also when the row cannot be read;
//! - wall clocks are not judged by: a lease passes on only after it stood unchanged on the asker's own clock;
//! - a row of a newer build is left alone.

use core::time::Duration;

use crate::base::{Epoch, PageId, Wall, limits};
use crate::rows::{HostKind, LeaseRow, RowFault};

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asker {
    /// The realm: a page, or one life of a worker.
    pub realm: PageId,
    /// What it is.
    pub kind: HostKind,
    /// Its build id.
    pub build: Box<str>,
    /// The newest epoch it has heard of. The row may be of a database made anew, and know of none.
    pub floor: Epoch,
    /// How long it has seen the row stay the same, by its own clock, while it was awake.
    pub unchanged: Duration,
    /// Whether the browser has put another worker in its place.
    pub replaced: bool,
    /// Whether it has not taken the role within the last [`TAKE_MS_MIN`](limits::TAKE_MS_MIN).
    pub rested: bool,
    /// Under which name it has taken it last.
    pub held: Option<PageId>,
    /// Whether it holds what only one page can: no other page hosts, or it does so without knowing that it was taken for dead.
    pub elected: bool,
}

/// The decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Boot under this lease, once it is written.
    Take(LeaseRow),
    /// Another hosts; ask again after this time.
    Wait {
        /// What hosts it.
        kind: HostKind,
        /// When to look again.
        ask_again_in: Duration,
    },
    /// The lease was written by a build too new to be understood.
    TooOld,
}

/// Decides whether `asker` may boot. A worker succeeds a worker at once, once a minute: the browser starts one only for an
/// update or after the other is gone. One that was replaced, and lives on for its last events, never boots. A page's lease
/// passes on when resigned, unchanged for 10 s, or to a page that was elected.
/// Pages ask only where they know no worker that works, so a page succeeds a worker at once here.
#[must_use]
pub fn decide(found: Option<Result<LeaseRow, RowFault>>, asker: &Asker, at: Wall) -> Verdict {
    let patience = Duration::from_millis(limits::LEASE_PATIENCE_MS);
    if asker.replaced {
        let kind = found.and_then(Result::ok).map_or(asker.kind, |lease| lease.kind);
        return Verdict::Wait { kind, ask_again_in: patience };
    }
    let lease = match found {
        None => return Verdict::Take(taken(None, asker, at)),
        Some(Ok(lease)) => lease,
        Some(Err(RowFault::Newer { .. })) => return Verdict::TooOld,
        // The epoch before is lost. The wall clock in milliseconds is beyond any count of boots.
        Some(Err(RowFault::Unreadable)) => {
            return Verdict::Take(taken(None, asker, at).beyond(Epoch(at.0)));
        }
    };
    let free = match lease.kind {
        // Two workers of which each is woken by pages of its own must not take turns.
        HostKind::Worker => {
            asker.kind == HostKind::Page || asker.rested || asker.held == Some(lease.holder)
        }
        HostKind::Page => {
            let elected = asker.elected && asker.kind == HostKind::Page;
            lease.resigned || elected || lease.holder == asker.realm || asker.unchanged >= patience
        }
    };
    if free {
        Verdict::Take(taken(Some(&lease), asker, at))
    } else {
        Verdict::Wait { kind: lease.kind, ask_again_in: patience.saturating_sub(asker.unchanged) }
    }
}

fn taken(before: Option<&LeaseRow>, asker: &Asker, at: Wall) -> LeaseRow {
    LeaseRow::taken(before, asker.realm, asker.kind, &asker.build, at).beyond(asker.floor)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: PageId = PageId([1; 16]);
    const BEN: PageId = PageId([2; 16]);
    const AT: Wall = Wall(1_000_000);

    fn held(kind: HostKind, epoch: u64) -> LeaseRow {
        LeaseRow { epoch: Epoch(epoch), ..LeaseRow::taken(None, ANN, kind, "", Wall(5)) }
    }

    /// One that was not replaced, has rested, and has seen nothing yet.
    fn asker(realm: PageId, kind: HostKind) -> Asker {
        Asker {
            realm,
            kind,
            build: "".into(),
            floor: Epoch(0),
            unchanged: Duration::ZERO,
            replaced: false,
            rested: true,
            held: None,
            elected: false,
        }
    }

    #[test]
    fn a_boot_is_granted_only_by_the_rules_of_succession() {
        let (worker, page) = (HostKind::Worker, HostKind::Page);
        let resigned = LeaseRow { resigned: true, ..held(page, 7) };
        #[rustfmt::skip]
        let cases = [
            // what it shows              found                             asker          unchanged  epoch taken
            ("nobody hosted yet",         None,                             (BEN, worker), 0,      Some(1)),
            ("worker after worker",       Some(Ok(held(worker, 7))),        (BEN, worker), 0,      Some(8)),
            ("page after worker",         Some(Ok(held(worker, 7))),        (BEN, page),   0,      Some(8)),
            ("worker after page, early",  Some(Ok(held(page, 7))),          (BEN, worker), 9_999,  None),
            ("worker after page, late",   Some(Ok(held(page, 7))),          (BEN, worker), 10_000, Some(8)),
            ("worker after resignation",  Some(Ok(resigned)),               (BEN, worker), 0,      Some(8)),
            ("page after page, early",    Some(Ok(held(page, 7))),          (BEN, page),   9_999,  None),
            ("a page's own lease",        Some(Ok(held(page, 7))),          (ANN, page),   0,      Some(8)),
            ("unreadable",                Some(Err(RowFault::Unreadable)),  (BEN, worker), 0,      Some(1_000_001)),
            ("of a newer build",          Some(Err(RowFault::Newer { found: 9 })), (BEN, worker), 60_000, None),
        ];
        for (shows, found, (realm, kind), unchanged, expected) in cases {
            let unchanged = Duration::from_millis(unchanged);
            let asker = Asker { unchanged, ..asker(realm, kind) };
            let verdict = decide(found, &asker, AT);
            let epoch = match verdict {
                Verdict::Take(lease) => Some(lease.epoch.0),
                Verdict::Wait { .. } | Verdict::TooOld => None,
            };
            assert_eq!(epoch, expected, "{shows}");
        }
    }

    #[test]
    fn a_page_that_was_elected_succeeds_a_page_at_once_and_a_worker_never_does() {
        for (kind, expected) in [(HostKind::Page, Some(8)), (HostKind::Worker, None)] {
            let asker = Asker { elected: true, ..asker(BEN, kind) };
            let epoch = match decide(Some(Ok(held(HostKind::Page, 7))), &asker, AT) {
                Verdict::Take(lease) => Some(lease.epoch.0),
                Verdict::Wait { .. } | Verdict::TooOld => None,
            };
            assert_eq!(epoch, expected, "{kind:?}");
        }
    }

    #[test]
    fn a_worker_takes_the_role_from_another_once_a_minute_and_back_from_a_page_at_once() {
        let resigned = LeaseRow { resigned: true, ..held(HostKind::Page, 7) };
        for (shows, found, before, expected) in [
            ("from another worker", held(HostKind::Worker, 7), None, None),
            (
                "its own, of which somebody has heard more",
                held(HostKind::Worker, 7),
                Some(ANN),
                Some(8),
            ),
            ("a page has given it back", resigned, None, Some(8)),
        ] {
            let asker = Asker { rested: false, held: before, ..asker(BEN, HostKind::Worker) };
            let epoch = match decide(Some(Ok(found)), &asker, AT) {
                Verdict::Take(lease) => Some(lease.epoch.0),
                Verdict::Wait { .. } | Verdict::TooOld => None,
            };
            assert_eq!(epoch, expected, "{shows}");
        }
    }

    #[test]
    fn a_database_made_anew_does_not_take_the_epochs_back() {
        let asker = Asker { floor: Epoch(41), ..asker(BEN, HostKind::Worker) };
        for (shows, found, expected) in [
            ("no lease at all", None, 42),
            ("an older lease", Some(Ok(held(HostKind::Worker, 7))), 42),
            ("a newer lease", Some(Ok(held(HostKind::Worker, 99))), 100),
        ] {
            let Verdict::Take(lease) = decide(found, &asker, AT) else { panic!("{shows}") };
            assert_eq!(lease.epoch, Epoch(expected), "{shows}");
        }
    }

    #[test]
    fn a_worker_that_was_replaced_never_boots() {
        let asker = Asker {
            unchanged: Duration::from_secs(60),
            replaced: true,
            ..asker(BEN, HostKind::Worker)
        };
        #[rustfmt::skip]
        let cases = [
            // what it shows        found                             who hosts
            ("its successor hosts", Some(Ok(held(HostKind::Worker, 7))), HostKind::Worker),
            ("a page hosts",        Some(Ok(held(HostKind::Page, 7))),   HostKind::Page),
            ("nobody hosts yet",    None,                             HostKind::Worker),
            ("unreadable",          Some(Err(RowFault::Unreadable)),  HostKind::Worker),
        ];
        for (shows, found, expected) in cases {
            let Verdict::Wait { kind, .. } = decide(found, &asker, AT) else { panic!("{shows}") };
            assert_eq!(kind, expected, "{shows}");
        }
    }
}
