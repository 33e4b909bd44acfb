//! A worker's driver, as thin as the browser's: it boots, carries out every effect, and hands its fact back.
//!
//! What always holds:
//! - an event waits for the boot that is under way; a boot that fails is forgotten, and the event is told to whatever
//!   coordinator there is;
//! - what is outstanding at one time happens in any order, as far as the disk lets it; messages go out at once;
//! - facts that one coordinator has asked for are not handed to the next.

use bellwether_shared::base::{Culprit, EventId, Fault, PageId, Ticket, limits};
use bellwether_shared::bus::Envelope;
use bellwether_shared::coordinator::{
    Client, Coordinator, Effect, Input, Restored, To, Trigger, too_old,
};
use bellwether_shared::rows::{
    DeviceRow, Key, META_CONFIG, META_DEVICE, META_LOST, Op, Place, RowFault, Store, WriteBatch,
    document_prefix, read,
};

use crate::boot::Booted;
use crate::browser::NOT_OPENED;
use crate::check;
use crate::disk::{Before, Disk, DiskFault, Scope, Tx};
use crate::document::{Found, Look};
use crate::realms::Realms;
use crate::tab::Row;
use crate::transcript;
use crate::world::World;

/// What a worker was woken for.
#[derive(Debug)]
pub(crate) enum Event {
    /// A page has said something.
    Message(Client, Vec<u8>),
    /// Anything else.
    Trigger(Trigger),
}

/// Something outstanding.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) device: usize,
    /// The worker or the page that has asked for it.
    pub(crate) realm: PageId,
    /// Which coordinator in that worker.
    pub(crate) life: u64,
    /// Not before this time.
    pub(crate) at_ms: u64,
    /// The transaction that it runs in.
    pub(crate) tx: Option<Tx>,
    /// It has failed once for the handle's sake.
    pub(crate) again: bool,
    pub(crate) what: What,
}

/// What is outstanding.
#[derive(Debug)]
pub(crate) enum What {
    /// An effect has been asked for.
    Do(Effect),
    /// It is done, and its fact is on the way back.
    Tell(Input),
    /// The transaction of a boot.
    Boot,
    /// The dead letters of a boot that has found some.
    Letters(Box<Restored>),
    /// A boot has ended.
    Booted(Booted),
    /// A worker that does not host appends what a closing page has left, and then tells it who does.
    Farewell(WriteBatch, To, Vec<u8>),
    /// The device is to be found out, by the row that the boot has found.
    Introduce(Option<Vec<u8>>),
    /// A device row that cannot be read is deleted.
    Clear,
    /// A device is minted, unless there is one.
    Mint(DeviceRow),
    /// The device is known, or why not.
    Introduced(Vec<Input>),
    /// A page writes what was enqueued.
    Write(Vec<Row>),
    /// It is written, up to a position; or why not.
    Written(Vec<Row>, Result<u64, Fault>),
    /// A page reads the document.
    Look(Look),
    /// It is read, or why not.
    Looked(Look, Result<Found, Fault>),
    /// A page learns that another worker is active.
    Follow,
    /// A worker that was woken while a page hosts looks once more.
    Again(Option<Trigger>),
}

impl What {
    // What it touches of the disk, if it is a transaction.
    fn scope(&self) -> Option<Scope> {
        Some(match self {
            Self::Do(Effect::Commit { batch, .. }) => Scope::of(batch),
            Self::Do(Effect::ReadJournal { .. }) => Scope::reading(&[Store::Journal]),
            Self::Do(Effect::ReadRetained { store, .. }) => Scope::reading(&[*store]),
            Self::Do(Effect::ReadOld { store, .. }) => Scope::reading(&[*store]),
            Self::Do(Effect::ReadDocument { .. } | Effect::Resolve { .. }) => {
                Scope::reading(&[Store::Document])
            }
            Self::Boot => Scope::writing(&BOOT_STORES),
            Self::Farewell(batch, ..) => Scope::of(batch),
            Self::Letters(_) => Scope::reading(&[Store::Dead]),
            Self::Clear => Scope::writing(&[Store::Lease, Store::Meta]),
            Self::Mint(_) => Scope::writing(&[Store::Meta]),
            Self::Write(_) => Scope::writing(&[Store::Journal]),
            Self::Look(look) => Scope::reading(look.stores()),
            Self::Do(_)
            | Self::Tell(_)
            | Self::Booted(_)
            | Self::Introduce(_)
            | Self::Introduced(_)
            | Self::Written(..)
            | Self::Looked(..)
            | Self::Again(_)
            | Self::Follow => return None,
        })
    }

    fn is_transaction(&self) -> bool {
        let Self::Do(effect) = self else { return !self.is_news() };
        matches!(
            effect,
            Effect::Commit { .. }
                | Effect::ReadJournal { .. }
                | Effect::ReadRetained { .. }
                | Effect::ReadOld { .. }
                | Effect::ReadDocument { .. }
                | Effect::Resolve { .. }
        )
    }

    /// Whether it is news for the realm, which a frozen one does not hear.
    pub(crate) fn is_news(&self) -> bool {
        match self {
            Self::Tell(_)
            | Self::Booted(_)
            | Self::Introduce(_)
            | Self::Introduced(_)
            | Self::Written(..)
            | Self::Looked(..)
            | Self::Again(_)
            | Self::Follow => true,
            Self::Do(_)
            | Self::Boot
            | Self::Farewell(..)
            | Self::Letters(_)
            | Self::Clear
            | Self::Mint(_)
            | Self::Look(_)
            | Self::Write(_) => false,
        }
    }
}

impl World {
    /// Something other than a page wakes the worker.
    pub fn trigger(&mut self, device: usize, trigger: Trigger) {
        let realm = match self.hosting_page(device) {
            Some(_) => self.wake_beside(device),
            None => self.wake(device),
        };
        self.on_event(device, realm, Event::Trigger(trigger));
    }

    /// Makes sure that a worker runs, and that it boots if it has to.
    pub fn boot(&mut self, device: usize) {
        let realm = self.wake(device);
        if self.wants_boot(device, realm) {
            self.ask_boot(device, realm);
        }
    }

    pub(crate) fn on_event(&mut self, device: usize, realm: PageId, event: Event) {
        let slice_ms = self.now_ms + limits::SLICE_MS_MAX;
        let Some(here) = self.devices[device].realms.get_mut(&realm) else { return };
        here.slice_ms = slice_ms;
        here.settled_ms = None;
        here.syncing |= matches!(event, Event::Trigger(Trigger::Sync));
        if let Event::Message(_, bytes) = &event
            && let Ok(envelope) = Envelope::read(bytes)
            && envelope.epoch.0 <= 1 << 53
        {
            here.heard = here.heard.max(envelope.epoch);
        }
        if self.wants_boot(device, realm) {
            self.ask_boot(device, realm);
        }
        let Some(here) = self.devices[device].realms.get_mut(&realm) else { return };
        if here.booting {
            here.waiting.push(event);
        } else {
            self.tell(device, realm, event);
        }
    }

    pub(crate) fn tell(&mut self, device: usize, realm: PageId, event: Event) {
        let here = self.devices[device].realms.get(&realm);
        if here.is_none_or(|here| here.machine.is_none()) {
            if let Event::Message(from, bytes) = event {
                self.answer_passively(device, realm, &from, &bytes);
            }
            return self.pump(device, realm);
        }
        let input = match event {
            Event::Message(from, bytes) => Input::Message { from, bytes },
            Event::Trigger(trigger) => Input::Trigger(trigger),
        };
        self.hand_in(device, realm, input);
        let Some(here) = self.devices[device].realms.get_mut(&realm) else { return };
        if !std::mem::replace(&mut here.introduced, true) {
            here.running += 1;
            self.later(device, realm, 0, What::Introduce(None));
        }
    }

    fn wants_boot(&self, device: usize, realm: PageId) -> bool {
        let Some(here) = self.devices[device].realms.get(&realm) else { return false };
        match &here.machine {
            // A page takes the role once.
            machine if here.page.is_some() => {
                machine.is_none() || here.handle.losses != here.losses
            }
            None => true,
            Some(_) if here.handle.losses != here.losses => true,
            Some(machine) => machine.is_fenced() || machine.epoch() < here.heard,
        }
    }

    pub(crate) fn ask_boot(&mut self, device: usize, realm: PageId) {
        if let Some(here) = self.devices[device].realms.get_mut(&realm)
            && !std::mem::replace(&mut here.booting, true)
        {
            self.later(device, realm, 0, What::Boot);
        }
    }

    /// Something is asked for; it happens later.
    pub(crate) fn later(&mut self, device: usize, realm: PageId, in_ms: u64, what: What) {
        let life = self.devices[device].realms.get(&realm).map_or(0, |realm| realm.life);
        let at_ms = self.now_ms + in_ms;
        let job = Job { at_ms, ..self.job(device, realm, life, what) };
        self.enlist(job);
    }

    // It can happen at once, and is in no transaction yet.
    fn job(&self, device: usize, realm: PageId, life: u64, what: What) -> Job {
        Job { device, realm, life, at_ms: self.now_ms, tx: None, again: false, what }
    }

    // Its handle was of no use: the same with a new one.
    fn once_more(&mut self, device: usize, realm: PageId, life: u64, what: What) {
        self.devices[device].handle(realm).into_iter().for_each(|handle| handle.lose());
        let again = Job { again: true, ..self.job(device, realm, life, what) };
        self.enlist(again);
    }

    // Transactions begin where they are asked for, as soon as the database is open.
    fn enlist(&mut self, mut job: Job) {
        if let Some(scope) = job.what.scope() {
            let blocked = self.is_blocked(job.device);
            let here = &mut self.devices[job.device];
            let life = here.disk.life;
            let Some(handle) = here.handle(job.realm) else { return };
            if handle.life.is_some() || !blocked {
                handle.life.get_or_insert(life);
                job.tx = Some(here.disk.begin(job.realm, scope));
            } else {
                job.tx = None;
                job.at_ms = self.now_ms + OPEN_MS_MAX;
            }
        }
        self.outstanding.push(job);
    }

    /// An outstanding thing happens.
    pub(crate) fn perform(&mut self, mut job: Job) {
        let (device, realm) = (job.device, job.realm);
        if job.what.is_transaction() {
            let trouble = self.enter(&mut job);
            if let Some(tx) = job.tx.take() {
                self.devices[device].disk.end(tx);
            }
            match trouble {
                Entered::In => {}
                Entered::Again => return self.enlist(job),
                Entered::Failed(fault) => return self.fail(job, fault),
            }
        }
        let Job { life, again, what, .. } = job;
        let next = match what {
            What::Do(effect) => match self.carry_out(device, realm, life, effect, again) {
                Done::Fact(fact) => What::Tell(fact),
                Done::Nothing => {
                    self.ran(device, realm);
                    return self.pump(device, realm);
                }
                Done::Again(effect) => {
                    let what = What::Do(effect);
                    let again = Job { again: true, ..self.job(device, realm, life, what) };
                    return self.enlist(again);
                }
            },
            What::Tell(input) => {
                self.ran(device, realm);
                let lost = self.planted.fact_dropped && self.chance(20);
                let here = self.devices[device].realms.get(&realm);
                if here.is_some_and(|here| here.life == life) && !lost {
                    self.hand_in(device, realm, input);
                } else {
                    self.pump(device, realm);
                }
                return;
            }
            What::Boot => match self.boot_once(device, realm) {
                Ok(Some(restored)) if self.devices[device].disk.count(Store::Dead) > 0 => {
                    What::Letters(restored)
                }
                ended => What::Booted(ended),
            },
            What::Farewell(batch, to, message) => {
                if self.devices[device].disk.commit(&batch).is_ok() {
                    self.watch_appends(device, &batch);
                }
                self.send(device, realm, &to, &message);
                return self.pump(device, realm);
            }
            What::Letters(mut restored) => {
                let dead = self.devices[device].disk.rows(Store::Dead);
                restored.outbox.dead = dead.map(|(key, row)| (key.clone(), row.clone())).collect();
                What::Booted(Ok(Some(restored)))
            }
            What::Booted(result) => return self.booted(device, realm, result),
            What::Introduce(found) => match found.as_deref().map(read::<DeviceRow>) {
                Some(Ok(row)) => {
                    let disk = &self.devices[device].disk;
                    let lost = disk.get(Store::Meta, &Key::from(META_LOST)).is_some();
                    let lost = lost.then_some(Input::DatabaseLost);
                    What::Introduced(lost.into_iter().chain([Input::Device(row)]).collect())
                }
                Some(Err(RowFault::Newer { .. })) => {
                    What::Introduced(vec![Input::DeviceFailed(too_old())])
                }
                Some(Err(RowFault::Unreadable)) => What::Clear,
                None => What::Mint(self.fresh_device(device)),
            },
            What::Clear => {
                let key = Key::from(META_DEVICE);
                let ops = vec![Op::Delete { store: Store::Meta, key }];
                let lease = self.devices[device].realms.get(&realm).map(|realm| realm.lease);
                let (epoch, holder) = lease.unwrap_or_default();
                let batch = WriteBatch { epoch, holder, strict: true, ops };
                match self.devices[device].disk.commit(&batch) {
                    Ok(_) => What::Mint(self.fresh_device(device)),
                    Err(fault) => What::Introduced(vec![Input::DeviceFailed(words(fault))]),
                }
            }
            What::Mint(row) => What::Introduced(self.mint(device, row)),
            What::Introduced(facts) => return self.introduced(device, realm, life, facts),
            What::Write(rows) => {
                let result = self.write(device, &rows);
                if !again && result.is_err_and(DiskFault::is_of_handle) {
                    return self.once_more(device, realm, life, What::Write(rows));
                }
                What::Written(rows, result.map_err(words))
            }
            What::Written(rows, result) => return self.written(device, realm, rows, result),
            What::Look(look) => {
                let found = look.read(&mut self.devices[device].disk);
                if !again && found.as_ref().is_err_and(|fault| fault.is_of_handle()) {
                    return self.once_more(device, realm, life, What::Look(look));
                }
                What::Looked(look, found.map_err(words))
            }
            What::Looked(look, found) => return self.looked(device, realm, look, found),
            What::Follow => return self.follow(device, realm),
            What::Again(Some(trigger)) => {
                return self.on_event(device, realm, Event::Trigger(trigger));
            }
            What::Again(None) => {
                if self.wants_boot(device, realm) {
                    self.ask_boot(device, realm);
                }
                return;
            }
        };
        let next = self.job(device, realm, life, next);
        self.enlist(next);
    }

    // Whether a transaction can run on the handle it was begun on.
    fn enter(&mut self, job: &mut Job) -> Entered {
        let blocked = self.is_blocked(job.device);
        let here = &mut self.devices[job.device];
        let life = here.disk.life;
        let Some(handle) = here.handle(job.realm) else { return Entered::Failed(NOT_OPENED) };
        if job.tx.is_none() {
            return if blocked { Entered::Failed(NOT_OPENED) } else { Entered::Again };
        }
        if handle.life == Some(life) {
            return Entered::In;
        }
        // It was aborted with the database that it was begun on.
        if handle.life.is_some() {
            handle.lose();
        }
        if job.again {
            return Entered::Failed(DiskFault::Closed);
        }
        job.again = true;
        Entered::Again
    }

    fn fail(&mut self, job: Job, fault: DiskFault) {
        let Job { device, realm, life, what, .. } = job;
        let next = match what {
            What::Do(effect) => match failed(effect, fault) {
                Some(fact) => What::Tell(fact),
                None => return self.ran(device, realm),
            },
            What::Boot | What::Letters(_) => What::Booted(Err(words(fault))),
            What::Clear | What::Mint(_) => {
                What::Introduced(vec![Input::DeviceFailed(words(fault))])
            }
            What::Write(rows) => What::Written(rows, Err(words(fault))),
            What::Look(look) => What::Looked(look, Err(words(fault))),
            What::Farewell(_, to, message) => return self.send(device, realm, &to, &message),
            What::Tell(_)
            | What::Booted(_)
            | What::Introduce(_)
            | What::Introduced(_)
            | What::Written(..)
            | What::Looked(..)
            | What::Again(_)
            | What::Follow => return,
        };
        let next = self.job(device, realm, life, next);
        self.outstanding.push(next);
    }

    pub(crate) fn hand_in(&mut self, device: usize, realm: PageId, input: Input) {
        let Some(here) = self.devices[device].realms.get(&realm) else { return };
        let Some(machine) = &here.machine else { return self.pump(device, realm) };
        let (now, epoch) = (self.clock(device, here.born_ms), machine.epoch().0);
        self.fact(&input, || format!("{device}.worker{epoch} < {}", transcript::fact(&input)));
        if let Some(here) = self.devices[device].realms.get_mut(&realm)
            && let Some(machine) = &mut here.machine
        {
            here.spared.on_input(&input);
            machine.handle(now, input);
            if here.page.is_some() && machine.is_fenced() {
                return self.leave_fenced(device, realm);
            }
        }
        self.pump(device, realm);
    }

    // A page that has lost the role to a worker lets its pages go there.
    fn leave_fenced(&mut self, device: usize, realm: PageId) {
        let hosts = self.devices[device].current == Some(realm);
        self.kill_realm(device, realm);
        if hosts {
            self.go_to_worker(device);
        }
    }

    pub(crate) fn ran(&mut self, device: usize, realm: PageId) {
        if let Some(here) = self.devices[device].realms.get_mut(&realm) {
            here.running = here.running.saturating_sub(1);
        }
    }

    pub(crate) fn pump(&mut self, device: usize, id: PageId) {
        loop {
            let Some(here) = self.devices[device].realms.get_mut(&id) else { return };
            let Some(machine) = &mut here.machine else { break };
            let epoch = machine.epoch().0;
            let Some(effect) = machine.poll_effect() else { break };
            self.fact(&effect, || {
                format!("{device}.worker{epoch} > {}", transcript::effect(&effect))
            });
            self.keep_saved(&effect);
            let at_ms = self.now_ms;
            if let Some(here) = self.devices[device].realms.get_mut(&id) {
                self.violations.extend(here.spared.on_effect(&effect, at_ms));
            }
            let effect = self.tampered(effect);
            if let Effect::Send { to, message } = &effect {
                self.send(device, id, to, message);
                continue;
            }
            if let Effect::TellHook { .. } = &effect {
                continue;
            }
            if let Effect::WantToken { page, message, .. } = &effect {
                if let Some(page) = page {
                    self.send(device, id, &To::Client(page.clone()), message);
                }
                continue;
            }
            here_runs(&mut self.devices[device].realms, id);
            if self.planted.complete_early
                && let Effect::Commit { ticket, .. } = &effect
            {
                here_runs(&mut self.devices[device].realms, id);
                self.later(device, id, 0, What::Tell(Input::Committed(*ticket)));
            }
            self.later(device, id, 0, What::Do(effect));
        }
        self.arm(device, id);
    }

    fn arm(&mut self, device: usize, id: PageId) {
        let Some(here) = self.devices[device].realms.get(&id) else { return };
        let now = self.clock(device, here.born_ms);
        let at_ms = self.now_ms;
        let forgotten = self.planted.alarm_forgotten;
        let Some(here) = self.devices[device].realms.get_mut(&id) else { return };
        let next = here.machine.as_ref().and_then(|machine| machine.poll_timeout(now));
        here.alarm = next.filter(|_| !forgotten);
        let quiet = here.machine.as_ref().is_none_or(Coordinator::is_quiet) && here.running == 0;
        // The events that were held open let go with the quiet, unless something becomes due before they end anyway.
        let soon = next.is_some_and(|next| here.born_ms + next.0 <= here.slice_ms);
        if here.settled_ms.is_none() && quiet && !soon && !here.booting {
            here.settled_ms = Some(at_ms);
            // One that leaves work is rejected, so that the browser comes again.
            let has_work = |machine: &Coordinator| machine.is_fenced() || machine.has_work();
            let left = here.machine.as_ref().map_or(here.passive.is_none(), has_work);
            let again = std::mem::take(&mut here.syncing) && left;
            self.devices[device].sync_asked |= again;
        }
    }

    // What the planted faults make of an effect on its way to the driver.
    fn tampered(&self, effect: Effect) -> Effect {
        let leaves_out = |op: &Op| match op {
            Op::Put { store: Store::Flight, .. } => self.planted.seal_left_out,
            Op::Put { store: Store::Done, .. } => self.planted.outcome_left_out,
            Op::Put { store: Store::Dead, .. } => self.planted.letter_left_out,
            Op::Put { store: Store::Journal, .. } => self.planted.change_left_out,
            Op::Put { store: Store::Document, key, .. } => {
                self.planted.ahead_left_out && matches!(Place::named(key), Some(Place::Ahead(_)))
            }
            Op::Put { .. } | Op::Append { .. } | Op::Delete { .. } | Op::DeleteSpan { .. } => false,
        };
        let mut effect = effect;
        if let Effect::Commit { batch, .. } = &mut effect {
            let only_deletes = batch.ops.iter().all(|op| matches!(op, Op::DeleteSpan { .. }));
            let cancels = self.planted.cancelled_stays && check::changed::cancels(batch);
            let keeps = cancels || self.planted.wipe_keeps && only_deletes;
            let kept =
                |op: &Op| keeps && matches!(op, Op::DeleteSpan { store: Store::Journal, .. });
            batch.ops.retain(|op| !leaves_out(op) && !kept(op));
            if self.planted.puts_off_too_long {
                batch.ops.iter_mut().for_each(check::bounds::put_off);
            }
        }
        if let Effect::Send { message, .. } = &mut effect
            && self.planted.status_lies
        {
            *message = check::agree::lie(std::mem::take(message));
        }
        effect
    }

    pub(crate) fn list(&mut self, device: usize, realm: PageId) -> Vec<Client> {
        let pages = self.devices[device].pages.iter();
        let listed: Vec<Client> = pages.map(|page| page.client.clone()).collect();
        if let Some(here) = self.devices[device].realms.get_mut(&realm) {
            here.listed.clone_from(&listed);
        }
        listed
    }

    fn carry_out(
        &mut self,
        device: usize,
        realm: PageId,
        life: u64,
        effect: Effect,
        again: bool,
    ) -> Done {
        let disk = &mut self.devices[device].disk;
        let read = |disk: &mut Disk, store, after, limit| match disk.read_trouble() {
            Some(fault) => Err(fault),
            None => Ok(disk.numbered(store, after, limit)),
        };
        Done::Fact(match effect {
            Effect::Commit { ticket, batch } => {
                return self.commit(device, realm, ticket, batch, again);
            }
            Effect::Sign { ticket, statement } => {
                let pair = disk.pair.as_ref();
                let signature = pair.map(|pair| pair.sign(&statement).as_ref().to_vec());
                Input::Signed { ticket, signature: Some(signature.unwrap_or_default()) }
            }
            Effect::Push { ticket, token, body, .. } => {
                let token = token.map(|token| token.0);
                let token = if self.planted.foreign_token { Some("good".into()) } else { token };
                let (response, in_ms) = self.push(device, (realm, life), token.as_deref(), &body);
                return self.answer(device, realm, Input::Response { ticket, response }, in_ms);
            }
            Effect::ReadJournal { after, limit } => {
                match read(disk, Store::Journal, after, limit) {
                    Ok(rows) if self.planted.bases_ignored => Input::Journal {
                        ended: rows.len() < limit as usize,
                        rows: rows.into_iter().map(check::document::without_bases).collect(),
                    },
                    Ok(rows) => Input::Journal { ended: rows.len() < limit as usize, rows },
                    Err(fault) => {
                        return self.lose_and(
                            device,
                            realm,
                            again,
                            fault,
                            Effect::ReadJournal { after, limit },
                        );
                    }
                }
            }
            Effect::ReadRetained { ticket, store, after, limit } => {
                match read(disk, store, after, limit) {
                    Ok(rows) => Input::Retained { ticket, rows },
                    Err(fault) => {
                        let effect = Effect::ReadRetained { ticket, store, after, limit };
                        return self.lose_and(device, realm, again, fault, effect);
                    }
                }
            }
            Effect::ReadOld { store, limit } => match read(disk, store, 0, limit) {
                Ok(rows) => Input::Old { store, rows },
                Err(fault) => {
                    return self.lose_and(
                        device,
                        realm,
                        again,
                        fault,
                        Effect::ReadOld { store, limit },
                    );
                }
            },
            Effect::ReadDocument { ticket, prefix } => match disk.read_trouble() {
                None => Input::Document { ticket, rows: disk.named(Store::Document, &prefix) },
                Some(fault) => {
                    let effect = Effect::ReadDocument { ticket, prefix };
                    return self.lose_and(device, realm, again, fault, effect);
                }
            },
            Effect::Resolve { ticket, identity, id } => match disk.read_trouble() {
                None => {
                    let rows = disk.named(Store::Document, &document_prefix(&identity.session));
                    let made = self.make_of_two(device, realm, &identity, &id, &rows);
                    Input::Resolution { ticket, made }
                }
                Some(fault) => {
                    let effect = Effect::Resolve { ticket, identity, id };
                    return self.lose_and(device, realm, again, fault, effect);
                }
            },
            Effect::Pull { ticket, url, token } => {
                let token = token.map(|token| token.0);
                let (response, in_ms) = self.pull(device, token.as_deref(), &url);
                let fact = Input::Pulled { ticket, response };
                return self.answer(device, realm, fact, in_ms);
            }
            Effect::ListClients => Input::Clients(self.list(device, realm)),
            Effect::AskForSync => {
                self.devices[device].sync_asked = true;
                return Done::Nothing;
            }
            Effect::StartOver => {
                self.start_over(device, realm);
                return Done::Nothing;
            }
            Effect::Send { .. } | Effect::WantToken { .. } | Effect::TellHook { .. } => {
                return Done::Nothing;
            }
            Effect::Request { ticket, token, id, .. } => {
                let token = token.map(|token| token.0);
                let token = if self.planted.foreign_token { Some("good".into()) } else { token };
                let (response, in_ms) = self.request(device, (realm, life), &id, token.as_deref());
                return self.answer(device, realm, Input::Response { ticket, response }, in_ms);
            }
        })
    }

    // What came back is told after its time.
    fn answer(&mut self, device: usize, realm: PageId, fact: Input, in_ms: u64) -> Done {
        if in_ms == 0 {
            return Done::Fact(fact);
        }
        self.later(device, realm, in_ms, What::Tell(fact));
        here_runs(&mut self.devices[device].realms, realm);
        Done::Nothing
    }

    fn commit(
        &mut self,
        device: usize,
        realm: PageId,
        ticket: Ticket,
        batch: WriteBatch,
        again: bool,
    ) -> Done {
        let result = self.devices[device].disk.commit(&batch);
        let fact = match result {
            Ok(before) => {
                self.watch_commit(device, realm, &batch, &before);
                Input::Committed(ticket)
            }
            Err(DiskFault::Fenced { found }) if found < batch.epoch => {
                self.start_over(device, realm);
                return Done::Nothing;
            }
            Err(DiskFault::Fenced { .. }) => Input::Fenced,
            Err(fault) => {
                return self.lose_and(
                    device,
                    realm,
                    again,
                    fault,
                    Effect::Commit { ticket, batch },
                );
            }
        };
        if self.planted.complete_early { Done::Nothing } else { Done::Fact(fact) }
    }

    fn watch_commit(
        &mut self,
        device: usize,
        realm: PageId,
        batch: &WriteBatch,
        before: &[Before],
    ) {
        let configures =
            |op: &Op| matches!(op, Op::Put { key, .. } if *key == Key::from(META_CONFIG));
        if let Some(here) = self.devices[device].realms.get_mut(&realm) {
            here.configured |= batch.ops.iter().any(configures);
        }
        for op in &batch.ops {
            if let Op::Put { store: Store::Dead, key: Key::Text(name), .. } = op
                && let Ok(id) = EventId::new(name)
                && let Some(event) = self.events.get_mut(&id)
            {
                event.buried = true;
            }
        }
        check::document::remember(self, batch);
        let found = check::commit(self, device, realm, batch, before);
        self.violations.extend(found);
        check::durable::filed(self, batch);
        self.watch_appends(device, batch);
    }

    // What a closing page has left has its place in the order from here on.
    fn watch_appends(&mut self, device: usize, batch: &WriteBatch) {
        for op in &batch.ops {
            if let Op::Append { row } = op {
                self.hands_over(device, row);
                self.lies(device, row);
            }
        }
    }

    // Once more on a new handle, if the first was to blame.
    fn lose_and(
        &mut self,
        device: usize,
        realm: PageId,
        again: bool,
        fault: DiskFault,
        effect: Effect,
    ) -> Done {
        if fault.is_of_handle() && !again {
            self.devices[device].handle(realm).into_iter().for_each(|handle| handle.lose());
            return Done::Again(effect);
        }
        if self.planted.complete_early && matches!(effect, Effect::Commit { .. }) {
            return Done::Nothing;
        }
        failed(effect, fault).map_or(Done::Nothing, Done::Fact)
    }
}

enum Entered {
    In,
    Again,
    Failed(DiskFault),
}

enum Done {
    Fact(Input),
    Nothing,
    Again(Effect),
}

fn here_runs(realms: &mut Realms, id: PageId) {
    if let Some(realm) = realms.get_mut(&id) {
        realm.running += 1;
    }
}

// What the driver reports of an effect that the disk has refused.
fn failed(effect: Effect, fault: DiskFault) -> Option<Input> {
    Some(match effect {
        Effect::Commit { ticket, .. } => Input::CommitFailed { ticket, fault: words(fault) },
        Effect::ReadJournal { .. } => Input::JournalFailed(words(fault)),
        Effect::ReadRetained { ticket, .. } | Effect::ReadDocument { ticket, .. } => {
            Input::RetainedFailed { ticket, fault: words(fault) }
        }
        Effect::Resolve { ticket, .. } => Input::Resolution { ticket, made: None },
        Effect::ReadOld { store, .. } => Input::Old { store, rows: Vec::new() },
        Effect::Sign { .. }
        | Effect::Push { .. }
        | Effect::ListClients
        | Effect::Send { .. }
        | Effect::AskForSync
        | Effect::Request { .. }
        | Effect::WantToken { .. }
        | Effect::Pull { .. }
        | Effect::TellHook { .. }
        | Effect::StartOver => return None,
    })
}

/// A fault of the disk, as the shipped store words it.
pub(crate) fn words(fault: DiskFault) -> Fault {
    let code = match fault {
        DiskFault::Fenced { .. } => "fenced",
        DiskFault::Quota => "store-quota",
        DiskFault::Aborted | DiskFault::Unknown => "store-failed",
        DiskFault::Closed => "store-closed",
        DiskFault::Blocked => "store-blocked",
    };
    Fault::new(code, Culprit::Browser, "the disk does not do it")
}

const BOOT_STORES: [Store; 7] = [
    Store::Lease,
    Store::Meta,
    Store::Stream,
    Store::Flight,
    Store::Cursor,
    Store::Dead,
    Store::Done,
];
/// How long an opening is waited for.
const OPEN_MS_MAX: u64 = 3_000;
