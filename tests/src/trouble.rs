//! What befalls realms, disks and clocks beyond a plain kill, the more harmless first.

use bellwether_shared::base::PageId;
use bellwether_shared::coordinator::Trigger;
use bellwether_shared::page;
use bellwether_shared::rows::{Key, META_CONFIG, Store};

use crate::disk::DiskFault;
use crate::generate::Plot;
use crate::world::World;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    Nothing,
    Sync,
    Restart,
    Throttle,
    Thaw,
    Freeze,
    Close,
    Sleep,
    Foreign,
    TooFarApart,
    Abort,
    Unreadable,
    Room,
    Junk,
    BackUp,
    Delete,
    Evict,
    PutBack,
    Clear,
    Host,
    GiveBack,
}

/// All of it with how often it happens.
const TROUBLES: [(Trouble, u32); 21] = [
    (Trouble::Nothing, 1),
    (Trouble::Sync, 4),
    (Trouble::Restart, 3),
    (Trouble::Throttle, 4),
    (Trouble::Thaw, 8),
    (Trouble::Freeze, 8),
    (Trouble::Close, 5),
    (Trouble::Sleep, 4),
    (Trouble::Foreign, 3),
    (Trouble::TooFarApart, 1),
    (Trouble::Abort, 8),
    (Trouble::Unreadable, 2),
    (Trouble::Room, 4),
    (Trouble::Junk, 2),
    (Trouble::BackUp, 2),
    (Trouble::Delete, 1),
    (Trouble::Evict, 1),
    (Trouble::PutBack, 1),
    (Trouble::Clear, 1),
    (Trouble::Host, 6),
    (Trouble::GiveBack, 3),
];

/// Something of this befalls a device.
pub(crate) fn befall(world: &mut World, device: usize, plot: &Plot) {
    let which = world.chooser.weighted(TROUBLES.map(|(_, weight)| weight));
    let pages = world.devices[device].pages.len();
    let page = world.below(pages as u64) as usize;
    match TROUBLES[which].0 {
        Trouble::Nothing => {}
        Trouble::Sync => {
            if std::mem::take(&mut world.devices[device].sync_asked) {
                world.note(|| format!("device {device}: a background sync"));
                world.trigger(device, Trigger::Sync);
            }
        }
        Trouble::Restart => world.restart_server(),
        Trouble::Throttle if pages > 0 => {
            let late_ms = world.chooser.pick([0, 1_000, 60_000]);
            let page = &mut world.devices[device].pages[page];
            page.late_ms = late_ms;
            page.excuse();
        }
        Trouble::Thaw if pages > 0 => world.thaw(device, page),
        Trouble::Freeze if pages > 0 => {
            world.note(|| format!("device {device}: page {page} is frozen"));
            world.freeze(device, page);
        }
        Trouble::Close if pages > 0 => {
            world.note(|| format!("device {device}: page {page} is closed"));
            world.thaw(device, page);
            world.close_page(device, page);
        }
        Trouble::Host if pages > 0 && !world.devices[device].pages[page].frozen => {
            world.note(|| format!("device {device}: page {page} hosts the coordinator"));
            world.host_in_page(device, page);
        }
        Trouble::GiveBack => {
            world.note(|| format!("device {device}: a worker gets the role back"));
            world.give_back(device);
        }
        Trouble::Host | Trouble::Throttle | Trouble::Thaw | Trouble::Freeze | Trouble::Close => {}
        Trouble::Sleep => {
            let ms = world.chooser.pick([5_000, 60_000, 3_600_000]);
            let stands = world.chance(50);
            world.sleep(device, ms, stands);
        }
        Trouble::Foreign => foreign(world, device),
        Trouble::TooFarApart => {
            if pages < 4 {
                let page = world.open_page_of(device, "", None, Some(2));
                world.note(|| format!("device {device}: page {page} is of another age"));
            }
        }
        Trouble::Abort => {
            let fault =
                world.chooser.pick([DiskFault::Aborted, DiskFault::Unknown, DiskFault::Closed]);
            let times = 1 + world.below(2) as usize;
            let reading = world.chance(30);
            world.note(|| format!("device {device}: {fault:?} {times} times, reading: {reading}"));
            let disk = &mut world.devices[device].disk;
            let troubles = if reading { &mut disk.read_troubles } else { &mut disk.troubles };
            *troubles = vec![fault; times];
        }
        Trouble::Unreadable => {
            let row = vec![b"junk".to_vec()];
            world.note(|| format!("device {device}: a row that cannot be read"));
            // The disk may be full.
            let _ = world.devices[device].disk.append(row, true);
        }
        Trouble::Room => {
            let disk = &mut world.devices[device].disk;
            let rows: usize = Store::ALL.iter().map(|store| disk.count(*store)).sum();
            let room = world.chooser.pick([1_000, 3, 0]);
            world.devices[device].disk.rows_max = (room < 1_000).then_some(rows + room);
            world.note(|| format!("device {device}: there is room for {room} rows"));
        }
        Trouble::Junk => {
            let (store, key) =
                world.chooser.pick([(Store::Cursor, "s"), (Store::Meta, META_CONFIG)]);
            world.note(|| format!("device {device}: {store:?} {key} cannot be read"));
            world.devices[device].disk.put(store, Key::from(key), b"junk".to_vec());
        }
        Trouble::BackUp => world.back_up_device(device),
        Trouble::Delete if plot.device_loses => world.delete_database(device),
        Trouble::Evict if plot.device_loses => {
            let told = !world.chance(50);
            world.evict(device, told);
        }
        Trouble::PutBack if plot.device_loses => {
            let which = world.below(world.disk_backups.len() as u64) as usize;
            world.restore_device(which);
        }
        Trouble::Clear if plot.device_loses => world.clear_origin(device),
        Trouble::Delete | Trouble::Evict | Trouble::PutBack | Trouble::Clear => {}
    }
}

// Somebody who is none of ours posts something.
fn foreign(world: &mut World, device: usize) {
    let bytes = match world.below(3) {
        0 => b"hello".to_vec(),
        1 => Vec::new(),
        _ => {
            let id: [u8; 16] = world.ids.bytes();
            let hello = bellwether_shared::bus::Request::Nudge { hurry: false };
            let request = bellwether_shared::base::RequestId(0);
            let epoch = bellwether_shared::base::Epoch(0);
            let mut message = hello.seal("foreign", PageId(id), request, epoch);
            message.truncate(message.len() - 1);
            message
        }
    };
    world.note(|| format!("device {device}: a stranger posts {} bytes", bytes.len()));
    world.say(device, "stranger", bytes.clone());
    let pages = world.devices[device].pages.len();
    for page in 0..pages {
        if !world.devices[device].pages[page].frozen {
            world.tell_page(device, page, page::Input::Message(bytes.clone()));
        }
    }
}

/// All of it is over.
pub(crate) fn clear(world: &mut World) {
    for device in 0..world.devices.len() {
        for page in 0..world.devices[device].pages.len() {
            world.thaw(device, page);
            world.devices[device].pages[page].late_ms = 0;
        }
        world.give_back(device);
        let disk = &mut world.devices[device].disk;
        disk.failing = 0;
        disk.troubles.clear();
        disk.read_troubles.clear();
        disk.rows_max = None;
    }
}
