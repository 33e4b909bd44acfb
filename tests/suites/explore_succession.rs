//! Everything that an old worker, a new worker and a page can do about the role of the coordinator, in every order:
//! boot, commit, let go, wait, die. Who may boot is decided by the shipped rule, and the shipped check of the epoch
//! guards each commit (HOST-6).

use std::time::Duration;

use bellwether_shared::base::{Epoch, PageId, Wall, limits};
use bellwether_shared::host::{Asker, Verdict, decide};
use bellwether_shared::rows::{HostKind, Key, LEASE_HOST, LeaseRow, Op, Store, WriteBatch, read};
use bellwether_shared::wire::to_cbor;
use bellwether_tests::choice::Chooser;
use bellwether_tests::disk::Disk;
use bellwether_tests::explore::{Report, Seen, explore};
use bellwether_tests::transcript::Digest;

#[test]
fn whatever_they_do_one_writes_and_somebody_can_take_over() {
    let report = all(Faults::default());
    assert_eq!(report.found, None);
    assert!(report.completed && report.states > 1_000, "{report:?}");
}

#[test]
fn a_disk_that_skips_the_epoch_check_is_found_in_some_order() {
    let report = all(Faults { no_epoch_check: true, ..Faults::default() });
    let found = report.found.expect("an old coordinator writes");
    assert_eq!(found.violation, "epoch 1 writes while epoch 2 hosts");
}

#[test]
fn a_boot_in_two_transactions_is_found_in_some_order() {
    let report = all(Faults { torn_boot: true, ..Faults::default() });
    let found = report.found.expect("two read the same lease");
    assert_eq!(found.violation, "epoch 1 is taken after epoch 1");
}

/// What is broken on purpose.
#[derive(Debug, Clone, Copy, Default)]
struct Faults {
    no_epoch_check: bool,
    /// The lease is read in one transaction and written in another.
    torn_boot: bool,
}

fn all(faults: Faults) -> Report {
    explore(STORIES_MAX, |mut chooser, seen| {
        let mut race = Race::new(faults);
        let violation = race.run(&mut chooser, seen).err();
        (chooser, violation)
    })
}

struct Race {
    disk: Disk,
    realms: Vec<Realm>,
    faults: Faults,
    now_ms: u64,
    /// The newest epoch that anybody has taken.
    newest: Epoch,
    /// When a page last wrote its lease, and whether it has let go.
    page_wrote: Option<(u64, bool)>,
}

#[derive(Debug)]
struct Realm {
    id: PageId,
    kind: HostKind,
    life: Life,
    /// The lease it waits for to change, and since when.
    watches: Option<(Vec<u8>, u64)>,
}

#[derive(Debug, Clone, PartialEq)]
enum Life {
    Idle,
    /// It has read the lease, and will write its own: only where the boot is torn.
    Boots(Option<Vec<u8>>),
    Hosts(Epoch),
    Dead,
}

/// What one of them does next.
#[derive(Debug, Clone, Copy)]
enum Turn {
    Boot(usize),
    Commit(usize),
    LetGo(usize),
    Die(usize),
    Wait,
}

impl Race {
    fn new(faults: Faults) -> Self {
        let mut disk = Disk::new();
        disk.planted.no_epoch_check = faults.no_epoch_check;
        let kinds = [HostKind::Worker, HostKind::Worker, HostKind::Page];
        let realms = kinds.iter().enumerate().map(|(at, kind)| Realm {
            id: PageId([at as u8 + 1; 16]),
            kind: *kind,
            life: Life::Idle,
            watches: None,
        });
        let realms = realms.collect();
        Self { disk, realms, faults, now_ms: 0, newest: Epoch(0), page_wrote: None }
    }

    fn run(&mut self, chooser: &mut Chooser, seen: &mut Seen) -> Result<(), String> {
        for left in (0..TURNS).rev() {
            if seen.before(chooser, || self.digest(left)) {
                return Ok(());
            }
            let turns = self.turns();
            let turn = turns[chooser.below(turns.len() as u64) as usize];
            self.play(turn)?;
        }
        self.somebody_can_host()
    }

    fn turns(&self) -> Vec<Turn> {
        let mut turns = vec![Turn::Wait];
        for (at, realm) in self.realms.iter().enumerate() {
            match realm.life {
                Life::Idle | Life::Boots(_) => turns.extend([Turn::Boot(at), Turn::Die(at)]),
                Life::Hosts(_) => {
                    turns.extend([Turn::Commit(at), Turn::Die(at)]);
                    if realm.kind == HostKind::Page {
                        turns.push(Turn::LetGo(at));
                    }
                }
                Life::Dead => {}
            }
        }
        turns
    }

    fn play(&mut self, turn: Turn) -> Result<(), String> {
        match turn {
            Turn::Wait => self.now_ms += WAIT_MS,
            Turn::Die(at) => self.realms[at].life = Life::Dead,
            Turn::Boot(at) => return self.boot(at),
            Turn::Commit(at) => {
                let op = Op::Put { store: Store::Kv, key: Key::Number(1), row: vec![at as u8] };
                return self.commit(at, op).map(drop);
            }
            Turn::LetGo(at) => {
                let lease = LeaseRow { resigned: true, ..self.lease().ok_or("no lease")? };
                let (store, key) = (Store::Lease, Key::from(LEASE_HOST));
                if self.commit(at, Op::Put { store, key, row: to_cbor(&lease) })? {
                    self.page_wrote = Some((self.now_ms, true));
                    self.realms[at].life = Life::Idle;
                }
            }
        }
        Ok(())
    }

    fn boot(&mut self, at: usize) -> Result<(), String> {
        let key = Key::from(LEASE_HOST);
        let there = self.disk.get(Store::Lease, &key).map(<[u8]>::to_vec);
        let found = match (&self.realms[at].life, self.faults.torn_boot) {
            (Life::Boots(found), _) => found.clone(),
            (_, true) => {
                self.realms[at].life = Life::Boots(there);
                return Ok(());
            }
            (_, false) => there,
        };
        let realm = &mut self.realms[at];
        realm.life = Life::Idle;
        let watched = realm.watches.take().filter(|(lease, _)| Some(lease) == found.as_ref());
        let unchanged = watched.as_ref().map_or(0, |(_, since)| self.now_ms - since);
        let asker = Asker {
            replaced: false,
            rested: true,
            held: None,
            elected: false,
            realm: realm.id,
            kind: realm.kind,
            build: "".into(),
            floor: Epoch(0),
            unchanged: Duration::from_millis(unchanged),
        };
        match decide(found.as_deref().map(read::<LeaseRow>), &asker, Wall(self.now_ms)) {
            Verdict::Take(lease) => {
                realm.life = Life::Hosts(lease.epoch);
                let kind = realm.kind;
                self.disk.put(Store::Lease, key, to_cbor(&lease));
                self.taken(kind, lease.epoch)
            }
            Verdict::Wait { .. } => {
                let lease = found.ok_or("it waits for nobody")?;
                realm.watches = watched.or(Some((lease, self.now_ms)));
                Ok(())
            }
            Verdict::TooOld => Err("a lease of this build is not understood".into()),
        }
    }

    // The truth about who may take over is told by what was written when, not by the rule.
    fn taken(&mut self, kind: HostKind, epoch: Epoch) -> Result<(), String> {
        if epoch <= self.newest {
            return Err(format!("epoch {} is taken after epoch {}", epoch.0, self.newest.0));
        }
        let before = self.page_wrote.take();
        let patient = |wrote: u64| self.now_ms - wrote >= limits::LEASE_PATIENCE_MS;
        if kind == HostKind::Worker
            && before.is_some_and(|(wrote, let_go)| !let_go && !patient(wrote))
        {
            return Err("a worker takes a page's lease that is still fresh".into());
        }
        self.newest = epoch;
        self.page_wrote = (kind == HostKind::Page).then_some((self.now_ms, false));
        Ok(())
    }

    /// Gives whether it was written.
    fn commit(&mut self, at: usize, op: Op) -> Result<bool, String> {
        let Life::Hosts(epoch) = self.realms[at].life else { return Ok(false) };
        let holder = self.realms[at].id;
        let batch = WriteBatch { epoch, holder, strict: true, ops: vec![op] };
        let written = self.disk.commit(&batch).is_ok();
        if written && epoch != self.newest {
            let (wrote, hosts) = (epoch.0, self.newest.0);
            return Err(format!("epoch {wrote} writes while epoch {hosts} hosts"));
        }
        if !written && epoch == self.newest {
            return Err(format!("epoch {} hosts, and cannot write", epoch.0));
        }
        if !written {
            self.realms[at].life = Life::Idle;
        }
        Ok(written)
    }

    // Whoever is left, and patient enough, hosts in the end.
    fn somebody_can_host(&mut self) -> Result<(), String> {
        self.faults = Faults::default();
        for at in 0..self.realms.len() {
            if self.realms[at].life == Life::Dead {
                continue;
            }
            self.realms[at].life = Life::Idle;
            for _ in 0..4 {
                if self.realms[at].life == Life::Idle {
                    self.boot(at)?;
                    self.now_ms += limits::LEASE_PATIENCE_MS;
                }
            }
            let op = Op::Put { store: Store::Kv, key: Key::Number(1), row: Vec::new() };
            if !self.commit(at, op)? {
                return Err("nobody can host any more".into());
            }
        }
        Ok(())
    }

    fn lease(&self) -> Option<LeaseRow> {
        self.disk.get(Store::Lease, &Key::from(LEASE_HOST)).and_then(|row| read(row).ok())
    }

    fn digest(&self, left: u32) -> u64 {
        let mut digest = Digest::default();
        let lease = self.disk.get(Store::Lease, &Key::from(LEASE_HOST));
        digest.add(&(left, lease, &self.realms, self.now_ms, self.newest, self.page_wrote));
        digest.value()
    }
}

/// Turns before whoever is left has to be able to host.
const TURNS: u32 = 8;
/// Two and a half waits are a lease's patience.
const WAIT_MS: u64 = limits::LEASE_PATIENCE_MS * 2 / 5;
const STORIES_MAX: u64 = 1_000_000;
