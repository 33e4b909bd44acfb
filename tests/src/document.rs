//! Pages' copies of the session's document, and their driver: as thin as the browser's.
//!
//! ```text
//!  write ─▶ shown here ─▶ told to the other pages ─▶ appended ─▶ durable: told again ─▶ …the coordinator names it
//! ```
//!
//! What always holds:
//! - a write is shown before it is appended; one that could not be stored is taken back, here and in the other pages;
//! - what a page says to the others arrives in the order in which it has said it; a frozen page hears nothing of it, and
//!   never will;
//! - the rows of the document and of the journal are read in one transaction, which may fail like any.
//!
//! Not here: what a page writes (`share`), and what may be shown when (`check::document`).

use std::collections::BTreeMap;

use bellwether_shared::base::{EventId, Fault, Hlc, Mono, Now, PageId};
use bellwether_shared::bus::{Changed, Envelope, Identity, Word};
use bellwether_shared::rows::{JournalRow, Key, Store, StreamKey, document_prefix, read};
use bellwether_shared::rules::patch::{Patch, Write};
use bellwether_shared::state::{Dispute, Mirror, disputes, resolution};
use bellwether_shared::wire::{
    Event, EventFlags, EventKind, Lane, PATCH_TYPE, decode, from_cbor, to_cbor,
};

use crate::check;
use crate::disk::{Disk, DiskFault};
use crate::driver::What;
use crate::model::Appended;
use crate::tab::Row;
use crate::wishes::Wishes;
use crate::world::World;

/// A page's copy of the document, and what it does about it.
#[derive(Debug)]
pub struct Shown {
    /// What it shows.
    pub mirror: Mirror,
    clock: Hlc,
    /// A read of the whole disk is under way, and whether another is to follow.
    pub(crate) reading: bool,
    again: bool,
    /// Reads of its rows alone that are under way.
    looking: u32,
    /// What other pages have said, each with who, in the order of saying.
    pub(crate) words: Vec<(PageId, Vec<u8>)>,
    /// Patches that it has heard of from another page: from which, and when by its own clock.
    pub(crate) heard: BTreeMap<EventId, (PageId, u64)>,
    /// A read has failed.
    pub(crate) failed: bool,
    /// For the planted fault: it never asks the disk about what it has heard.
    kept: bool,
}

/// Reading the document.
#[derive(Debug, Clone)]
pub(crate) enum Look {
    /// All of it, with what waits in the journal: the number of the read.
    Whole(u64),
    /// Its rows, of which this is said.
    Changed(Changed),
}

/// What was found: the rows of the document, and those of the journal.
#[derive(Debug, Clone, Default)]
pub(crate) struct Found {
    rows: Vec<(Key, Vec<u8>)>,
    journal: Vec<(u64, Vec<u8>)>,
}

impl Look {
    /// What the disk has of it.
    pub(crate) fn read(&self, disk: &mut Disk) -> Result<Found, DiskFault> {
        if let Some(fault) = disk.read_trouble() {
            return Err(fault);
        }
        let rows = disk.named(Store::Document, &document_prefix(SESSION));
        let journal = match self {
            Self::Whole(_) => disk.numbered(Store::Journal, 0, u32::MAX),
            Self::Changed(_) => Vec::new(),
        };
        Ok(Found { rows, journal })
    }

    /// Which stores it touches.
    pub(crate) fn stores(&self) -> &'static [Store] {
        match self {
            Self::Whole(_) => &[Store::Document, Store::Journal],
            Self::Changed(_) => &[Store::Document],
        }
    }
}

impl Shown {
    pub(crate) fn new(kept: bool) -> Self {
        Self {
            mirror: Mirror::new(SESSION),
            clock: Hlc::default(),
            reading: false,
            again: false,
            looking: 0,
            words: Vec::new(),
            heard: BTreeMap::new(),
            failed: false,
            kept,
        }
    }

    /// When it asks the disk about what it has heard.
    pub(crate) fn due(&self) -> Option<Mono> {
        self.mirror.due().filter(|_| !self.kept)
    }

    /// Which of the words can arrive now: the first of each sender.
    pub(crate) fn can_arrive(&self) -> impl Iterator<Item = usize> {
        let words = &self.words;
        let first = |at: &usize| !words[..*at].iter().any(|(from, _)| *from == words[*at].0);
        (0..words.len()).filter(first)
    }
}

impl World {
    fn shown(&mut self, device: usize, id: PageId) -> Option<(Now, &mut Shown)> {
        let page = self.devices[device].pages.iter().position(|page| page.id == id)?;
        let now = self.clock(device, self.devices[device].pages[page].born_ms);
        self.devices[device].pages[page].shown.as_mut().map(|shown| (now, shown))
    }

    /// A page writes to the document.
    pub fn write_state(
        &mut self,
        device: usize,
        page: usize,
        writes: Vec<Write<'_>>,
        flags: EventFlags,
    ) -> Option<EventId> {
        let here = &self.devices[device].pages[page];
        let (me, user) = (here.id, here.machine.identity().user.clone());
        self.count += 1;
        let id = EventId::new(&format!("e{}", self.count)).expect("short and visible");
        let (now, shown) = self.shown(device, me)?;
        // One key that is written as a whole, later than all that was written to it before.
        let sole = matches!(&writes[..], [Write { path, base: None, .. }] if path.is_empty());
        let patch = Patch { writes };
        let data = to_cbor(&patch);
        shown.clock.trust(shown.mirror.newest());
        let key = patch.writes.first().filter(|_| sole).map(|write| write.key);
        let flags = EventFlags(flags.0 | if sole { EventFlags::COLLAPSE.0 } else { 0 });
        let sealed = to_cbor(&Event {
            id: id.clone(),
            kind: EventKind::Patch,
            type_: PATCH_TYPE,
            key,
            data: Some(&data),
            schema: 0,
            stamp: shown.clock.tick(now.wall),
            page: me,
            at: now.wall,
            correlation: None,
            after: None,
            binds: None,
            flags: Some(flags),
        });
        shown.mirror.on_patch(now, &sealed);
        let stream = StreamKey { session: SESSION.into(), user, lane: Lane::Normal };
        let bytes = to_cbor(&JournalRow::new(&stream, &sealed, now.wall));
        self.knows_patch(device, &sealed, &stream);
        self.say_word(device, me, &Word::Patch { session: SESSION, sealed: &sealed });
        let row = Row { id: id.clone(), bytes, strict: false, urgent: false, patch: true };
        self.write_rows(device, me, vec![row]);
        Some(id)
    }

    /// The worker's hook insists on what this device wrote; on every other device there is none.
    pub(crate) fn make_of_two(
        &mut self,
        device: usize,
        realm: PageId,
        identity: &Identity,
        loser: &EventId,
        rows: &[(Key, Vec<u8>)],
    ) -> Option<Vec<Vec<u8>>> {
        if device % 2 == 1 {
            return None;
        }
        let disputes = disputes(&identity.session, rows, loser)?;
        let own = |dispute: Dispute| {
            let local = dispute.local.clone();
            (dispute, local)
        };
        let made: Vec<_> = disputes.into_iter().map(own).collect();
        self.count += 1;
        let id = EventId::new(&format!("e{}", self.count)).expect("short and visible");
        let now = self.clock(device, self.devices[device].realms.get(&realm)?.born_ms);
        let row = resolution(now, identity, realm, &id, &made)?;
        let kept: JournalRow<'_> = read(&row).expect("our own row");
        self.knows_patch(device, kept.sealed, &kept.stream());
        self.note(|| format!("device {device}: the hook insists on {loser}, with {id}"));
        Some(vec![row])
    }

    /// Somebody has made a patch; nobody has promised anything of it yet.
    pub(crate) fn knows_patch(&mut self, device: usize, sealed: &[u8], stream: &StreamKey) {
        let Ok(event) = from_cbor::<Event<'_>>(sealed, usize::MAX) else { return };
        self.devices[device].streams.insert(stream.clone());
        let mut made = Appended {
            device,
            stream: stream.clone(),
            key: event.key.unwrap_or_default().into(),
            type_: event.type_.into(),
            number: 0,
            life: 0,
            strict: false,
            promised: false,
            buried: false,
            made: self.count,
            after: None,
            binds: false,
            flags: event.flags.unwrap_or_default(),
            wishes: Wishes::default(),
            refused: false,
            patch: Some(sealed.to_vec()),
        };
        let wiped = &self.devices[device].wiped;
        made.wishes.wiped = wiped.iter().any(|wiped| wiped.covers(&made));
        self.events.insert(event.id, made);
    }

    /// A patch of a page is durable, or will never be.
    pub(crate) fn stored(
        &mut self,
        device: usize,
        page: PageId,
        id: &EventId,
        result: Result<u64, ()>,
    ) {
        let Some((now, shown)) = self.shown(device, page) else { return };
        let word = match result {
            Ok(position) => {
                // It may have taken so long that it was given up.
                if !shown.mirror.on_durable(id, position) {
                    self.read_document(device, page);
                }
                Word::Durable { session: SESSION, id: id.clone(), position }
            }
            Err(()) => {
                shown.mirror.on_withdrawn(now, id);
                Word::Withdrawn { session: SESSION, id: id.clone() }
            }
        };
        self.say_word(device, page, &word);
    }

    /// A patch will never count.
    pub(crate) fn take_back(&mut self, device: usize, page: PageId, id: &EventId) {
        if let Some((now, shown)) = self.shown(device, page) {
            shown.mirror.on_withdrawn(now, id);
        }
    }

    fn say_word(&mut self, device: usize, me: PageId, word: &Word<'_>) {
        let bytes = word.seal("test", me);
        self.violations.extend(check::bounds::message(&bytes));
        self.look_for_excluded(&bytes, "a word to other pages");
        for page in 0..self.devices[device].pages.len() {
            let here = &self.devices[device].pages[page];
            let hears = here.id != me && !here.frozen && here.shown.is_some();
            if hears && !self.chance(self.weather.lose_message) {
                let shown = self.devices[device].pages[page].shown.as_mut();
                shown.into_iter().for_each(|shown| shown.words.push((me, bytes.clone())));
            }
        }
    }

    /// A page hears what another has said.
    pub(crate) fn hear_word(&mut self, device: usize, page: usize, at: usize) {
        let me = self.devices[device].pages[page].id;
        let kept = self.planted.tentative_kept;
        let Some((_, shown)) = self.shown(device, me) else { return };
        let (from, bytes) = shown.words.remove(at);
        let Ok(envelope) = Envelope::read(&bytes) else { return };
        let Ok(Some(word)) = Word::open(&envelope) else { return };
        let told = match &word {
            Word::Patch { sealed, .. } => format!("patch {:?}", check::event_id(sealed)),
            Word::Durable { id, position, .. } => format!("{id} is durable at {position}"),
            Word::Withdrawn { id, .. } => format!("{id} is withdrawn"),
        };
        self.fact(&told, || format!("{device}.page{page} < word: {told}"));
        let Some((now, shown)) = self.shown(device, me) else { return };
        match word {
            Word::Patch { session: SESSION, sealed } => {
                if let Ok(event) = decode::<Event<'_>>(sealed) {
                    shown.clock.observe(event.stamp, now.wall);
                    shown.heard.insert(event.id, (from, now.mono.0));
                }
                shown.mirror.on_patch(now, sealed);
            }
            Word::Durable { session: SESSION, id, position } => {
                // Whoever has missed the first word looks for it.
                if !shown.mirror.on_durable(&id, position) {
                    self.read_document(device, me);
                }
            }
            Word::Withdrawn { session: SESSION, id } if !kept => {
                shown.mirror.on_withdrawn(now, &id);
            }
            Word::Patch { .. } | Word::Durable { .. } | Word::Withdrawn { .. } => {}
        }
    }

    /// A page was welcomed by a coordinator: what was told before that knew of it may not have been heard.
    pub(crate) fn welcomed(&mut self, device: usize, id: PageId) {
        if !self.planted.changes_unheard {
            self.read_document(device, id);
        }
    }

    /// A coordinator has said that the document has changed.
    pub(crate) fn on_changed(&mut self, device: usize, id: PageId, changed: Changed) {
        let planted = self.planted;
        let Some((now, shown)) = self.shown(device, id) else { return };
        if &*changed.session != SESSION || planted.changes_unheard {
            return;
        }
        let folded = changed.folded.as_ref().filter(|_| shown.looking == 0);
        let folded = folded.and_then(|it| shown.mirror.on_folded(now, &changed.over, it));
        if folded.is_none() {
            shown.looking += 1;
            self.later(device, id, 0, What::Look(Look::Changed(changed)));
        }
    }

    /// A coordinator has said that nothing is left to be sent.
    pub(crate) fn on_drained(&mut self, device: usize, id: PageId) {
        let heard = !self.planted.changes_unheard;
        if let Some((now, shown)) = self.shown(device, id).filter(|_| heard) {
            shown.mirror.on_drained(now);
        }
    }

    /// The time has come to ask the disk about what was heard.
    pub(crate) fn look_when_due(&mut self, device: usize, page: usize) {
        let id = self.devices[device].pages[page].id;
        if let Some((now, shown)) = self.shown(device, id)
            && shown.due().is_some_and(|due| due <= now.mono)
        {
            self.read_document(device, id);
        }
    }

    /// All that the disk has of the document is read; while one read is under way, another follows it.
    pub(crate) fn read_document(&mut self, device: usize, id: PageId) {
        let Some((_, shown)) = self.shown(device, id) else { return };
        if std::mem::replace(&mut shown.reading, true) {
            shown.again = true;
            return;
        }
        let number = shown.mirror.begin_read();
        self.later(device, id, 0, What::Look(Look::Whole(number)));
    }

    /// It was read.
    pub(crate) fn looked(
        &mut self,
        device: usize,
        id: PageId,
        look: Look,
        found: Result<Found, Fault>,
    ) {
        let Some(page) = self.devices[device].pages.iter().position(|page| page.id == id) else {
            return;
        };
        let told = format!("{look:?}");
        let told = match &found {
            Ok(Found { rows, journal }) => {
                format!("{told}: {} rows, {} in the journal", rows.len(), journal.len())
            }
            Err(fault) => format!("{told}: {}", fault.code),
        };
        self.fact(&told, || format!("{device}.page{page} < {told}"));
        let Some((now, shown)) = self.shown(device, id) else { return };
        shown.failed |= found.is_err();
        shown.looking -= u32::from(matches!(look, Look::Changed(_)));
        match (look, found) {
            (Look::Changed(changed), Ok(found)) => {
                shown.mirror.on_changed(now, &changed.over, &found.rows);
            }
            (Look::Changed(_), Err(_)) => self.read_document(device, id),
            (Look::Whole(number), found) => {
                shown.reading = false;
                match found {
                    Ok(Found { rows, journal }) => {
                        shown.mirror.on_read(now, number, &rows, &journal);
                    }
                    Err(_) => shown.mirror.on_read_failed(now),
                }
                if std::mem::take(&mut shown.again) {
                    self.read_document(device, id);
                }
            }
        }
    }
}

/// The session whose document pages show.
pub(crate) const SESSION: &str = "s";
