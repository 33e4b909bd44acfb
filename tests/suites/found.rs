//! What stories and properties have found in the core: each as the shortest script that showed it.

use bellwether_shared::base::Epoch;
use bellwether_shared::bus::{Notice, Reply, Request};
use bellwether_shared::coordinator::{Coordinator, Trigger};
use bellwether_shared::page;
use bellwether_shared::rows::Store;
use bellwether_tests::disk::DiskFault;
use bellwether_tests::fault::Planted;
use bellwether_tests::weather::Mood;
use bellwether_tests::world::World;

use crate::rules::{
    batches_of_five, ends_well, ends_well_after_start, heard, letter, letters, log, plain, status,
    typed,
};

// The browser takes the database away while a worker waits for an answer, and another boots on the next one: it counts
// from 1 again. The first found "its" epoch there, and wrote among the other's rows.
#[test]
fn a_coordinator_whose_database_is_gone_writes_nothing_into_the_next() {
    let play = |no_holder_check| {
        let mut world = World::with_device(1);
        world.devices[0].disk.planted = Planted { no_holder_check, ..Planted::NONE };
        plain(&mut world, 3);
        world.trigger(0, Trigger::Start);
        while world.sent.is_empty() {
            world.run(1);
        }
        world.evict(0, false);
        world.boot_another(0);
        plain(&mut world, 1);
        world.settle();
        world
    };
    assert_eq!(play(false).violations, Vec::<String>::new());
    let found = play(true).violations;
    assert!(found.iter().any(|found| found.contains("after another has booted")), "{found:?}");
}

// Failures in a row were counted anew in each life: a worker that lived for one try at a time never came to suspect
// the one event that the server failed over, and the stream stood still for ever.
#[test]
fn a_culprit_is_found_though_each_life_is_over_after_one_try() {
    for status in [500, 400] {
        let mut world = World::with_device(1);
        world.server.poison.insert("poison".into(), status);
        let mut ids = plain(&mut world, 2);
        let culprit = typed(&mut world, "poison");
        ids.extend(plain(&mut world, 2));
        for _ in 0..60 {
            world.trigger(0, Trigger::Start);
            world.settle();
            world.kill(0);
            world.now_ms += 60_000;
        }
        ends_well_after_start(&mut world);
        assert_eq!((letters(&world), log(&world)), (vec![culprit], ids), "{status}");
    }
}

// While a run was being signed or stored it was counted nowhere, and pages were told that nothing had to be woken.
#[test]
fn pages_wake_a_worker_that_dies_over_the_first_write() {
    for seed in 0..20 {
        let mut world = World::with_device(seed);
        world.signed = true;
        world.open_page(0, "", None);
        world.quiet();
        plain(&mut world, 1);
        world.trigger(0, Trigger::Start);
        ends_well(&mut world);
        let asleep = |notice: &Notice| matches!(notice, Notice::Status(status) if status.pending > 0 && status.wake_at.is_none());
        assert!(!heard(&world, asleep), "seed {seed}");
    }
}

// A row that cannot be read and finds no room was left without a word until the next boot.
#[test]
fn an_unreadable_row_that_finds_no_room_is_told_of_and_moves_when_a_letter_leaves() {
    let mut world = World::new(1);
    world.options.dead_max = 1;
    world.add_device();
    let page = world.open_page(0, "", None);
    world.quiet();
    let rows = vec![b"no row".to_vec(), b"nor this".to_vec()];
    world.devices[0].disk.append(rows, true).expect("there is room");
    let ids = plain(&mut world, 2);
    world.tell_page(0, page, page::Input::Online);
    world.quiet();
    assert_eq!((letters(&world).len(), log(&world)), (1, ids));
    assert_eq!(&*status(&world).reason, "dead-letters-full");
    let id = letters(&world).remove(0);
    world.devices[0].discarded.insert(id.clone());
    world.ask(0, page, Request::Discard { id: id.clone() });
    ends_well(&mut world);
    assert_eq!(letters(&world).len(), 1);
    assert!(letter(&world, &id).is_none());
    assert_eq!(world.devices[0].disk.count(Store::Journal), 0);
    assert_eq!(&*status(&world).reason, "");
}

// The letter of a row whose move the disk had refused was counted until the worker died.
#[test]
fn an_unreadable_row_that_the_disk_refuses_to_move_is_no_letter_and_is_tried_again() {
    let mut world = World::with_device(1);
    let page = world.open_page(0, "", None);
    world.quiet();
    world.devices[0].disk.append(vec![b"no row".to_vec()], true).expect("there is room");
    world.devices[0].disk.failing = 1;
    world.trigger(0, Trigger::Start);
    world.quiet();
    assert_eq!((letters(&world).len(), status(&world).dead), (0, 0));
    plain(&mut world, 1);
    world.tell_page(0, page, page::Input::Online);
    ends_well(&mut world);
    assert_eq!((letters(&world).len(), status(&world).dead), (1, 1));
}

// What an answer said was counted when it was to be filed, and stayed counted when the disk refused: outcomes got
// keys of events that never were, and the life of the log was not written down.
#[test]
fn what_the_disk_refuses_to_file_is_not_counted() {
    let mut world = World::with_device(1);
    plain(&mut world, 1);
    world.trigger(0, Trigger::Start);
    while world.server.pushes.is_empty() {
        world.run(1);
    }
    world.devices[0].disk.failing = 1;
    ends_well(&mut world);
    let disk = &world.devices[0].disk;
    let keys: Vec<_> = disk.rows(Store::Done).map(|(key, _)| key.clone()).collect();
    assert_eq!(keys, [bellwether_shared::rows::Key::Number(1)]);
    assert_eq!(disk.count(Store::Cursor), 1);
}

// What the server had lost was sent again in batches of any size.
#[test]
fn what_is_sent_again_keeps_to_the_size_of_a_batch() {
    let mut world = batches_of_five(1);
    world.open_page(0, "", None);
    plain(&mut world, 23);
    world.trigger(0, Trigger::Start);
    world.quiet();
    let before = world.server.pushes.len();
    world.wipe_server();
    plain(&mut world, 1);
    world.trigger(0, Trigger::Start);
    ends_well(&mut world);
    assert!(heard(&world, |notice| matches!(notice, Notice::StateLost { .. })));
    assert!(world.server.pushes[before..].iter().all(|push| push.events.len() <= 5));
    assert_eq!(world.server.log("s").len(), 24);
}

// An event was buried for its tries, and its neighbours were sent under the status of its failures.
#[test]
fn a_failure_is_not_told_of_events_that_it_did_not_befall() {
    let mut world = World::with_device(1);
    world.open_page(0, "", None);
    world.quiet();
    world.server.poison.insert("poison".into(), 400);
    typed(&mut world, "poison");
    world.trigger(0, Trigger::Start);
    while letters(&world).is_empty() {
        assert!(!world.run(1), "it is never buried");
    }
    plain(&mut world, 3);
    let before = world.devices[0].heard.len();
    world.trigger(0, Trigger::Start);
    ends_well(&mut world);
    for notice in &world.devices[0].heard[before..] {
        if let Notice::Status(status) = notice {
            assert_eq!(&*status.reason, "");
        }
    }
}

// The sentinel was compared when the device was minted, and a worker that was killed before it could tell took what it
// knew with it.
#[test]
fn a_lost_database_is_told_of_by_whoever_comes_after_the_worker_that_found_out() {
    let mut world = World::with_device(1);
    plain(&mut world, 1);
    world.trigger(0, Trigger::Start);
    world.quiet();
    world.evict(0, true);
    world.kill(0);
    for _ in 0..2 {
        world.trigger(0, Trigger::Start);
        world.quiet();
        world.kill(0);
    }
    world.open_page(0, "", None);
    ends_well(&mut world);
    let told = |world: &World| {
        let heard = world.devices[0].heard.iter();
        heard
            .filter(|it| matches!(it, Notice::StateLost { what, .. } if &**what == "database"))
            .count()
    };
    assert_eq!(told(&world), 1);
    world.kill(0);
    world.tell_page(0, 0, page::Input::Online);
    ends_well(&mut world);
    assert_eq!(told(&world), 1, "once is enough");
}

// A read of what is retained that failed for a moment was taken for "nothing is retained": what the server had lost, and
// this device still had, was never sent again, and what came later overtook it.
#[test]
fn a_failed_read_of_what_is_retained_is_tried_again() {
    let mut world = World::with_device(1);
    world.open_page(0, "", None);
    let mut ids = plain(&mut world, 3);
    world.trigger(0, Trigger::Start);
    world.quiet();
    world.wipe_server();
    ids.extend(plain(&mut world, 1));
    let before = world.sent.len();
    world.trigger(0, Trigger::Start);
    while world.sent.len() == before {
        world.run(1);
    }
    world.devices[0].disk.read_troubles = vec![DiskFault::Aborted; 2];
    ends_well(&mut world);
    assert!(world.devices[0].disk.read_troubles.is_empty());
    assert!(heard(
        &world,
        |notice| matches!(notice, Notice::Trouble(fault) if &*fault.code == "store-failed")
    ));
    assert_eq!(log(&world), ids);
}

// A worker that was replaced booted on a late message, after its successor; which was fenced, might not take back for a
// minute, and was silent.
#[test]
fn a_replaced_worker_leaves_the_role_to_its_successor() {
    for seed in 0..20 {
        let mut world = World::with_device(seed);
        world.devices[0].disk.failing = 1;
        let page = world.open_page(0, "", None);
        world.settle();
        let ids = plain(&mut world, 2);
        world.boot_another(0);
        // The page has not heard of the other worker yet.
        let asked = world.ask(0, page, Request::Flush);
        ends_well(&mut world);
        let answered = |said: &page::Effect| matches!(said, page::Effect::Answered(id, Reply::Flushed { .. }) if *id == asked);
        assert!(world.devices[0].pages[page].said.iter().any(answered), "seed {seed}");
        assert_eq!(world.coordinator(0).map(Coordinator::epoch), Some(Epoch(1)), "seed {seed}");
        assert_eq!(log(&world), ids, "seed {seed}");
    }
}

// A background sync over which the boot had failed was reported as done: with no page open, nothing woke the worker again.
#[test]
fn a_background_sync_without_a_boot_comes_again() {
    let mut world = World::with_device(1);
    world.idle_limit = true;
    let ids = plain(&mut world, 2);
    world.devices[0].disk.failing = 1;
    world.trigger(0, Trigger::Sync);
    ends_well(&mut world);
    assert_eq!(log(&world), ids);
}

#[test]
fn a_background_sync_that_leaves_work_or_is_cut_short_comes_again() {
    for killed in [false, true] {
        let mut world = World::with_device(1);
        world.idle_limit = true;
        let ids = plain(&mut world, 2);
        world.weather.mood = Mood::Cut;
        world.trigger(0, Trigger::Sync);
        while world.sent.is_empty() {
            world.run(1);
        }
        if killed {
            world.kill(0);
        }
        world.run_for(30_000);
        world.weather.mood = Mood::Well;
        ends_well(&mut world);
        assert_eq!(log(&world), ids, "killed: {killed}");
    }
}
