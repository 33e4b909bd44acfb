//! The rules that decide, each shown by a short script.

use bellwether_shared::base::{Epoch, EventId, PageId, RequestId};
use bellwether_shared::bus::{Notice, Request, Status};
use bellwether_shared::coordinator::Trigger;
use bellwether_shared::page;
use bellwether_shared::rows::{
    Config, DeadRow, FlightRow, JournalRow, Key, META_CONFIG, Op, ROW_VERSION, Store, WriteBatch,
    read,
};
use bellwether_shared::wire::{Lane, to_cbor};
use bellwether_tests::check;
use bellwether_tests::model::Draft;
use bellwether_tests::weather::{Mood, Weather};
use bellwether_tests::world::World;

// Sealing, sending, resending

#[test]
fn a_sealed_batch_is_sent_again_as_it_was_after_a_kill() {
    let mut world = World::with_device(1);
    world.signed = true;
    plain(&mut world, 5);
    world.weather.lose_answer = 100;
    world.trigger(0, Trigger::Start);
    world.settle();
    world.kill(0);
    plain(&mut world, 3);
    world.weather = Weather::default();
    world.trigger(0, Trigger::Start);
    ends_well(&mut world);
    let [first, second, third] = &world.server.pushes[..] else {
        panic!("{} pushes", world.server.pushes.len())
    };
    assert_eq!(
        (&first.stream, first.first, &first.head, &first.signature, &first.events),
        (&second.stream, second.first, &second.head, &second.signature, &second.events),
    );
    assert_eq!((third.first.0, third.events.len()), (6, 3));
    assert_eq!(world.server.log("s").len(), 8);
}

#[test]
fn two_rows_of_one_id_arrive_once() {
    let mut world = World::with_device(1);
    let ids = plain(&mut world, 2);
    let rows: Vec<Vec<u8>> = journal(&world);
    world.devices[0].disk.append(rows, true).expect("there is room");
    world.trigger(0, Trigger::Start);
    ends_well(&mut world);
    assert_eq!(log(&world), ids);
}

#[test]
fn what_the_server_has_put_off_spends_a_try_each_time_and_only_that() {
    let mut world = World::with_device(1);
    world.server.put_off.insert("busy".into());
    let ids = ["plain", "plain", "busy", "plain", "plain"].map(|type_| typed(&mut world, type_));
    world.trigger(0, Trigger::Start);
    // Tries are on disk: a kill between any two does not give one back.
    for _ in 0..40 {
        world.run_for(1_000);
        world.kill(0);
        world.trigger(0, Trigger::Start);
    }
    ends_well(&mut world);
    let named = world.transcript.lines.iter().filter(|line| line.contains("later")).count();
    assert_eq!(named, world.options.tries_max as usize);
    let letter = letter(&world, &ids[2]).expect("buried");
    assert_eq!((&*letter.reason.code, letter.tries), ("busy", world.options.tries_max));
    let arrived = [&ids[0], &ids[1], &ids[3], &ids[4]].map(Clone::clone);
    assert_eq!(log(&world), arrived);
}

// Culprits

#[test]
fn one_poisonous_event_among_500_is_buried_alone() {
    for status in [500, 400] {
        let mut world = World::with_device(u64::from(status));
        world.open_page(0, "", None);
        world.server.poison.insert("poison".into(), status);
        plain(&mut world, 136);
        let culprit = typed(&mut world, "poison");
        plain(&mut world, 363);
        world.trigger(0, Trigger::Start);
        ends_well(&mut world);
        assert_eq!(world.server.log("s").len(), 499);
        assert_eq!(letters(&world), std::slice::from_ref(&culprit));
        let letter = letter(&world, &culprit).expect("buried");
        assert_eq!((&*letter.reason.code, letter.tries), ("tries-spent", world.options.tries_max));
        assert!(world.sent.len() < 60, "{} requests", world.sent.len());
        assert!(heard(&world, |notice| matches!(notice, Notice::Buried { .. })));
    }
}

#[test]
fn a_refused_event_goes_to_the_dead_letters_and_keeps_its_id_when_tried_again() {
    let mut world = World::with_device(1);
    world.server.refused.insert("bad".into());
    let ids = ["plain", "bad", "plain"].map(|type_| typed(&mut world, type_));
    world.trigger(0, Trigger::Start);
    ends_well(&mut world);
    assert_eq!(letters(&world), [ids[1].clone()]);
    assert_eq!(log(&world), [ids[0].clone(), ids[2].clone()]);

    world.server.refused.clear();
    world.open_page(0, "", None);
    world.ask(0, 0, Request::Retry { id: Some(ids[1].clone()) });
    ends_well(&mut world);
    assert_eq!(letters(&world), []);
    assert_eq!(log(&world), [ids[0].clone(), ids[2].clone(), ids[1].clone()]);
}

#[test]
fn at_the_cap_nothing_is_dropped_and_a_discarded_letter_makes_room() {
    let mut world = World::new(1);
    world.options.dead_max = 2;
    world.add_device();
    world.server.refused.insert("bad".into());
    let bad: Vec<EventId> = (0..4).map(|_| typed(&mut world, "bad")).collect();
    let last = typed(&mut world, "plain");
    world.trigger(0, Trigger::Start);
    world.quiet();
    assert_eq!(world.violations, Vec::<String>::new());
    assert_eq!(letters(&world), bad[..2]);
    assert_eq!(&*status(&world).reason, "dead-letters-full");
    assert_eq!(status(&world).pending, 3);
    assert_eq!(status(&world).wake_at, None, "nothing to do until somebody acts");

    world.open_page(0, "", None);
    for id in &bad[..2] {
        world.devices[0].discarded.insert(id.clone());
        world.ask(0, 0, Request::Discard { id: id.clone() });
    }
    ends_well(&mut world);
    assert_eq!(letters(&world), bad[2..]);
    assert_eq!(log(&world), [last]);
}

// Outages

#[test]
fn no_outage_spends_a_try_however_long_it_lasts() {
    let moods =
        [Mood::Cut, Mood::Error(500), Mood::Error(400), Mood::Throttled(7_000), Mood::ForeignPage];
    for (seed, mood) in moods.into_iter().enumerate() {
        let mut world = World::with_device(seed as u64);
        let ids = plain(&mut world, 10);
        world.weather.mood = mood;
        world.trigger(0, Trigger::Start);
        for _ in 0..8 {
            world.run_for(3 * HOUR);
            world.kill(0);
            world.trigger(0, Trigger::Start);
        }
        let tries = flight(&world).map(|flight| (flight.tries, flight.attempt > 100));
        assert_eq!(tries, Some((0, true)), "{mood:?}");
        assert_eq!(letters(&world), [], "{mood:?}");
        world.weather = Weather::default();
        ends_well(&mut world);
        assert_eq!(log(&world), ids, "{mood:?}");
    }
}

#[test]
fn delays_grow_to_their_bound_are_spread_and_survive_a_kill() {
    let mut world = World::with_device(3);
    plain(&mut world, 1);
    world.weather.mood = Mood::Cut;
    world.trigger(0, Trigger::Start);
    world.run_for(10 * 60_000);
    let times: Vec<u64> =
        world.sent.iter().filter(|(_, count)| *count > 0).map(|(at, _)| *at).collect();
    let gaps: Vec<u64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    for (failures, gap) in gaps.iter().enumerate() {
        let wished = (1_000_u64 << failures.min(5)).min(30_000);
        let expected = wished * 3 / 4..=wished * 5 / 4 + 200;
        assert!(expected.contains(gap), "{failures}: {gap} of {gaps:?}");
    }
    assert!(gaps.len() > 15, "{gaps:?}");
    assert!(gaps.windows(2).skip(6).any(|pair| pair[0].abs_diff(pair[1]) > 500), "{gaps:?}");

    // A new life keeps to the time that the one before has set: the batch's own, and the breaker's.
    let own = flight(&world).expect("a batch waits").due_at.0;
    let spared = config(&world).breaker.expect("it has opened").until.0;
    let due = own.max(spared);
    world.kill(0);
    let sent = world.sent.len();
    world.trigger(0, Trigger::Start);
    world.settle();
    assert_eq!(world.sent.len(), sent);
    while world.sent.len() == sent {
        world.run(1);
    }
    let first = world.sent[sent].0;
    assert!((due..due + 200).contains(&first), "{first} for {due}");
}

#[test]
fn the_server_is_given_the_time_it_asks_for() {
    let mut world = World::with_device(1);
    plain(&mut world, 1);
    world.weather.mood = Mood::Throttled(45_000);
    world.trigger(0, Trigger::Start);
    world.run_for(10 * 60_000);
    let gaps = world.sent.windows(2).map(|pair| pair[1].0 - pair[0].0);
    assert!(gaps.clone().count() > 5);
    assert!(
        gaps.clone().all(|gap| (44_900..45_500).contains(&gap)),
        "{:?}",
        gaps.collect::<Vec<_>>()
    );
}

#[test]
fn a_clock_that_jumps_back_holds_no_batch_for_days() {
    let mut world = World::with_device(1);
    plain(&mut world, 1);
    world.weather.mood = Mood::Cut;
    world.trigger(0, Trigger::Start);
    world.run_for(60_000);
    world.kill(0);
    world.devices[0].skew_ms = -10 * 24 * HOUR as i64;
    world.weather = Weather::default();
    let before = world.now_ms;
    world.trigger(0, Trigger::Start);
    ends_well(&mut world);
    assert!(world.now_ms - before < 601_000, "{}", world.now_ms - before);
}

// Forks

#[test]
fn a_wiped_server_gets_everything_again_under_the_same_ids() {
    let mut world = World::with_device(1);
    world.open_page(0, "", None);
    let ids = plain(&mut world, 20);
    let quiet = lane(&mut world, Lane::Bulk);
    world.trigger(0, Trigger::Start);
    ends_well(&mut world);
    world.wipe_server();
    let last = plain(&mut world, 1);
    world.trigger(0, Trigger::Start);
    ends_well(&mut world);
    let mut expected: Vec<EventId> = [ids, last, vec![quiet]].concat();
    let mut found = log(&world);
    expected.sort();
    found.sort();
    assert_eq!(found, expected, "also what came by a stream that had nothing new to send");
    let lost = lost(&world);
    let [(from, to)] = &lost[..] else { panic!("told once: {lost:?}") };
    assert!(from.is_some() && to.is_some() && from != to);
}

#[test]
fn a_server_that_was_put_back_gets_what_it_lacks() {
    let mut world = World::with_device(1);
    world.open_page(0, "", None);
    plain(&mut world, 5);
    lane(&mut world, Lane::Bulk);
    world.trigger(0, Trigger::Start);
    world.quiet();
    world.back_up_server();
    plain(&mut world, 5);
    lane(&mut world, Lane::Bulk);
    world.trigger(0, Trigger::Start);
    world.quiet();
    world.restore_server();
    plain(&mut world, 1);
    world.trigger(0, Trigger::Start);
    ends_well(&mut world);
    assert_eq!(world.server.log("s").len(), 13);
    assert_eq!(lost(&world).len(), 1);
}

#[test]
fn a_copied_profile_and_its_original_both_go_on() {
    let mut world = World::with_device(1);
    world.open_page(0, "", None);
    plain(&mut world, 3);
    world.trigger(0, Trigger::Start);
    world.quiet();
    plain(&mut world, 2);
    let copy = world.clone_device(0);
    world.open_page(copy, "", None);
    for _ in 0..3 {
        for device in [0, copy] {
            world.append(device, &Draft::default());
            world.trigger(device, Trigger::Start);
        }
        world.quiet();
    }
    ends_well(&mut world);
    assert_eq!(world.server.log("s").len(), 11);
    let forked = |notice: &Notice| matches!(notice, Notice::Trouble(fault) if &*fault.code == "stream-forked");
    assert!(world.devices.iter().any(|device| device.heard.iter().any(forked)));
}

#[test]
fn a_longer_batch_that_arrives_late_is_no_lie() {
    let mut world = World::with_device(1);
    let ids = plain(&mut world, 4);
    world.weather.late = 100;
    world.trigger(0, Trigger::Start);
    world.settle();
    let strays = std::mem::take(&mut world.strays);
    world.kill(0);
    world.weather = Weather::default();
    // The batch is cut to its first event, as when a culprit is looked for; then the whole arrives.
    world.server.poison.insert("plain".into(), 500);
    world.trigger(0, Trigger::Start);
    while flight(&world).is_none_or(|flight| flight.count > 1) {
        assert!(!world.run(1), "it is never halved");
    }
    world.kill(0);
    world.server.poison.clear();
    world.strays = strays;
    while !world.strays.is_empty() {
        world.step();
    }
    world.trigger(0, Trigger::Start);
    ends_well(&mut world);
    assert_eq!(log(&world), ids);
}

#[test]
fn a_break_that_the_disk_refuses_is_not_forgotten() {
    for failing in 1..6 {
        let mut world = World::with_device(1);
        plain(&mut world, 3);
        lane(&mut world, Lane::Bulk);
        world.trigger(0, Trigger::Start);
        world.quiet();
        world.wipe_server();
        plain(&mut world, 1);
        world.trigger(0, Trigger::Start);
        while !world.transcript.lines.iter().any(|line| line.contains("EpochChanged")) {
            world.run(1);
        }
        world.devices[0].disk.failing = failing;
        ends_well(&mut world);
        assert_eq!(world.server.log("s").len(), 5, "{failing} refusals");
    }
}

// More than memory holds

#[test]
fn a_journal_far_beyond_the_backlog_is_delivered_in_order_through_kills() {
    let mut world = World::with_device(5);
    world.server.poison.insert("poison".into(), 500);
    let lanes = [Lane::Critical, Lane::Normal, Lane::Normal, Lane::Bulk];
    for group in 0..12 {
        let drafts: Vec<Draft> = (0..400)
            .map(|number: usize| {
                let lane = lanes[number * 7 % 4];
                let type_ = if number == 200 && group == 9 { "poison" } else { "plain" };
                Draft { lane, type_: type_.into(), ..Draft::default() }
            })
            .collect();
        world.append_all(0, &drafts, true).expect("there is room");
    }
    world.trigger(0, Trigger::Start);
    for life in 0..12 {
        world.run(5 + life * 7);
        world.kill(0);
        world.append(0, &Draft::default());
        world.trigger(0, Trigger::Start);
    }
    ends_well(&mut world);
    assert_eq!(world.server.log("s").len(), 12 * 400 + 12 - 1);
    assert_eq!(letters(&world).len(), 1);
}

// Others go on

#[test]
fn one_streams_trouble_is_not_anothers() {
    let mut world = World::with_device(1);
    world.guarded.insert("ann".into());
    world.server.put_off.insert("busy".into());
    let ann = Draft { user: "ann".into(), ..Draft::default() };
    world.append(0, &ann).expect("there is room");
    world.append(0, &Draft { lane: Lane::Bulk, type_: "busy".into(), ..Draft::default() });
    plain(&mut world, 5);
    world.trigger(0, Trigger::Start);
    world.settle();
    assert_eq!(world.server.log("s").len(), 5);
    assert_eq!(&*status(&world).reason, "unauthorized");

    world.open_page(0, "ann", Some("good"));
    ends_well(&mut world);
    assert_eq!(world.server.log("s").len(), 6);
}

#[test]
fn an_unreadable_row_is_set_aside_and_a_newer_one_stops_only_its_stream() {
    let mut world = World::with_device(1);
    plain(&mut world, 1);
    world.devices[0].disk.append(vec![b"junk".to_vec()], true).expect("there is room");
    let bulk = Draft { lane: Lane::Bulk, ..Draft::default() };
    world.append(0, &bulk).expect("there is room");
    let newer = newer(&mut world, &bulk);
    world.append(0, &bulk).expect("there is room");
    plain(&mut world, 1);
    world.trigger(0, Trigger::Start);
    world.quiet();
    assert_eq!(world.violations, Vec::<String>::new());
    assert_eq!(world.server.log("s").len(), 3);
    assert!(world.devices[0].disk.get(Store::Dead, &Key::from("journal:2")).is_some());
    let left: Vec<Vec<u8>> = journal(&world);
    assert_eq!((left.len(), &left[0]), (2, &newer), "the newer row and what came after it");
    assert_eq!(&*status(&world).reason, "newer-rows");
}

// One writer

#[test]
fn a_coordinator_that_was_replaced_asks_for_nothing_more() {
    let mut world = World::with_device(1);
    plain(&mut world, 3);
    world.trigger(0, Trigger::Start);
    world.run(4);
    let old = world.devices[0].current.expect("it booted");
    world.boot_another(0);
    ends_well(&mut world);
    plain(&mut world, 1);
    ends_well_after_start(&mut world);
    let zombie = world.devices[0].realms.get(&old).expect("it lives");
    let zombie = zombie.machine.as_ref().expect("it booted");
    assert!(zombie.is_fenced() && zombie.is_quiet() && !zombie.has_work());
    assert!(zombie.epoch() < world.devices[0].disk.epoch());
}

// Pages

#[test]
fn a_request_that_comes_again_is_answered_again_and_not_done_again() {
    let mut world = World::with_device(1);
    world.server.refused.insert("bad".into());
    let id = typed(&mut world, "bad");
    world.trigger(0, Trigger::Start);
    world.quiet();
    let request = Request::Retry { id: Some(id) };
    let bytes = request.seal("test", PageId([5; 16]), RequestId(9), Epoch(0));
    for _ in 0..3 {
        world.say(0, "client-1", bytes.clone());
        world.quiet();
    }
    let replies = world.devices[0].heard.iter().filter(|notice| matches!(notice, Notice::Reply(_)));
    assert_eq!(replies.count(), 3);
    let pushed = world.server.pushes.iter().filter(|push| !push.events.is_empty()).count();
    assert_eq!(pushed, 2, "refused once, and once more when it was tried again");
}

#[test]
fn pages_over_a_lossy_bus_get_all_of_it_delivered() {
    for seed in 0..20 {
        let mut world = World::with_device(seed);
        world.weather.lose_message = 50;
        for page in 0..2 {
            world.open_page(0, "", None);
            plain(&mut world, 10);
            world.tell_page(0, page, page::Input::Appended { urgent: false });
        }
        world.run_for(5 * 60_000);
        world.kill(0);
        ends_well(&mut world);
        assert_eq!(world.server.log("s").len(), 20, "seed {seed}");
        for page in &world.devices[0].pages {
            assert!(page.said.contains(&page::Effect::Welcomed), "seed {seed}");
        }
    }
}

#[test]
fn one_page_wakes_a_worker_that_is_killed_over_its_work() {
    let mut world = World::with_device(1);
    for _ in 0..3 {
        world.open_page(0, "", None);
    }
    world.settle();
    plain(&mut world, 3);
    world.weather.mood = Mood::Cut;
    world.tell_page(0, 0, page::Input::Appended { urgent: true });
    world.run_for(60_000);
    let before: Vec<u64> = world.devices[0].pages.iter().map(|page| page.posts).collect();
    for _ in 0..20 {
        world.run_for(60_000);
        world.kill(0);
    }
    let posts: Vec<u64> = world.devices[0]
        .pages
        .iter()
        .zip(&before)
        .map(|(page, before)| page.posts - before)
        .collect();
    assert!(world.sent.len() > 20, "{}", world.sent.len());
    assert!(posts.iter().sum::<u64>() < 400, "{posts:?}");
    world.weather = Weather::default();
    ends_well(&mut world);
    assert_eq!(world.server.log("s").len(), 3);
}

// A page took a word that had come in the same millisecond for the answer to its nudge; the nudge was lost, and nobody
// asked again.
#[test]
fn a_word_that_came_before_the_nudge_is_no_answer_to_it() {
    let mut world = World::with_device(1);
    let page = world.open_page(0, "", None);
    world.settle();
    plain(&mut world, 1);
    world.weather.lose_message = 100;
    world.tell_page(0, page, page::Input::Online);
    world.weather = Weather::default();
    world.kill(0);
    ends_well(&mut world);
    assert_eq!(world.server.log("s").len(), 1);
}

// The database goes while a page is open: its worker starts over, says so, and the page's next events arrive.
#[test]
fn a_database_that_is_taken_away_is_reported_and_done_without() {
    for told in [true, false] {
        let mut world = World::with_device(1);
        world.open_page(0, "", None);
        plain(&mut world, 2);
        world.trigger(0, Trigger::Start);
        world.quiet();
        world.evict(0, told);
        plain(&mut world, 2);
        world.tell_page(0, 0, page::Input::Online);
        world.run_for(120_000);
        ends_well(&mut world);
        assert_eq!(world.server.log("s").len(), 4, "told: {told}");
        let lost = |notice: &Notice| matches!(notice, Notice::StateLost { what, .. } if &**what == "database");
        assert!(heard(&world, lost), "told: {told}");
    }
}

// What a farewell leaves is appended, also when the disk is full for a while.
#[test]
fn what_a_closing_page_leaves_is_appended() {
    for failing in [0, 3] {
        let mut world = World::with_device(1);
        let page = world.open_page(0, "", None);
        world.settle();
        plain(&mut world, 2);
        let rows = journal(&world).into_iter().map(Into::into).collect();
        let ops = vec![Op::DeleteSpan { store: Store::Journal, from: 0, through: 99 }];
        let (epoch, holder) = world.devices[0].disk.lease();
        let gone = WriteBatch { epoch, holder, strict: true, ops };
        world.devices[0].disk.commit(&gone).expect("it is ours");
        world.devices[0].disk.failing = failing;
        world.tell_page(0, page, page::Input::Leaving { rows, may_return: false });
        ends_well(&mut world);
        assert_eq!(world.server.log("s").len(), 2);
    }
}

// Helpers

pub(super) fn plain(world: &mut World, count: usize) -> Vec<EventId> {
    (0..count).map(|_| typed(world, "plain")).collect()
}

pub(super) fn typed(world: &mut World, type_: &str) -> EventId {
    let draft = Draft { type_: type_.into(), ..Draft::default() };
    world.append(0, &draft).expect("there is room")
}

fn lane(world: &mut World, lane: Lane) -> EventId {
    world.append(0, &Draft { lane, ..Draft::default() }).expect("there is room")
}

/// A row of a newer build, whose stream can be read.
fn newer(world: &mut World, draft: &Draft) -> Vec<u8> {
    let stream = draft.stream();
    let row = JournalRow::new(&stream, b"of another shape", bellwether_shared::base::Wall(1));
    let row = to_cbor(&JournalRow { version: ROW_VERSION + 1, ..row });
    world.devices[0].disk.append(vec![row.clone()], true).expect("there is room");
    row
}

pub(super) fn ends_well(world: &mut World) {
    world.quiet();
    world.violations.extend(check::at_rest(world));
    assert_eq!(world.violations, Vec::<String>::new(), "{}", world.transcript.text());
}

pub(super) fn ends_well_after_start(world: &mut World) {
    world.trigger(0, Trigger::Start);
    ends_well(world);
}

pub(super) fn log(world: &World) -> Vec<EventId> {
    world.server.log("s").iter().filter_map(|event| check::event_id(&event.sealed)).collect()
}

pub(super) fn journal(world: &World) -> Vec<Vec<u8>> {
    world.devices[0].disk.rows(Store::Journal).map(|(_, row)| row.clone()).collect()
}

fn config(world: &World) -> Config {
    let rows = &mut world.devices[0].disk.rows(Store::Meta);
    let row = rows.find(|(key, _)| **key == Key::from(META_CONFIG)).expect("there is one").1;
    read(row).expect("it is this build's")
}

pub(super) fn flight(world: &World) -> Option<FlightRow> {
    let (_, row) = world.devices[0].disk.rows(Store::Flight).next()?;
    Some(read(row).expect("it is this build's"))
}

pub(super) fn letters(world: &World) -> Vec<EventId> {
    let rows = world.devices[0].disk.rows(Store::Dead);
    let ids = rows.filter_map(|(key, _)| match key {
        Key::Text(text) => EventId::new(text).ok(),
        Key::Number(_) => None,
    });
    ids.collect()
}

pub(super) fn letter(world: &World, id: &EventId) -> Option<DeadRow> {
    let row = world.devices[0].disk.get(Store::Dead, &Key::from(id.as_str()))?;
    read(row).ok()
}

pub(super) fn heard(world: &World, wanted: impl Fn(&Notice) -> bool) -> bool {
    world.devices[0].heard.iter().any(wanted)
}

pub(super) fn status(world: &World) -> Status {
    let told = world.devices[0].heard.iter().rev().find_map(|notice| {
        if let Notice::Status(status) = notice { Some(status.clone()) } else { None }
    });
    told.expect("a status was told")
}

fn lost(
    world: &World,
) -> Vec<(Option<bellwether_shared::base::LogEpoch>, Option<bellwether_shared::base::LogEpoch>)> {
    let lost = world.devices[0].heard.iter().filter_map(|notice| {
        if let Notice::StateLost { from, to, .. } = notice { Some((*from, *to)) } else { None }
    });
    lost.collect()
}

const HOUR: u64 = 3_600_000;

// Sealed ahead

#[test]
fn a_batch_leaves_while_the_answer_to_the_one_before_is_filed_and_no_kill_between_harms() {
    type Blow = fn(&mut World);
    #[rustfmt::skip]
    let blows: [(&str, Blow); 6] = [
        ("nothing",                   |_| {}),
        ("the worker is killed",      |world| world.kill(0)),
        ("the power fails",           |world| world.power_cut(0)),
        ("another worker takes over", |world| world.boot_another(0)),
        ("the disk is full",          |world| world.devices[0].disk.failing = 2),
        ("the answer is lost",        |world| world.weather.lose_answer = 100),
    ];
    for (befalls, blow) in blows {
        let mut early = 0;
        for seed in 0..20 {
            let mut world = batches_of_five(seed);
            let ids = plain(&mut world, 23);
            world.trigger(0, Trigger::Start);
            early += u32::from(until_early(&mut world));
            blow(&mut world);
            world.settle();
            world.weather = Weather::default();
            ends_well_after_start(&mut world);
            assert_eq!(log(&world), ids, "{befalls}, seed {seed}");
        }
        assert!(early > 5, "{befalls}: {early} of 20 left early");
    }
}

#[test]
fn a_batch_sealed_ahead_is_taken_up_by_the_next_life_as_it_was() {
    let mut world = batches_of_five(1);
    world.signed = true;
    plain(&mut world, 10);
    world.weather.lose_request = 100;
    world.trigger(0, Trigger::Start);
    world.settle();
    let sealed = flight(&world).and_then(|flight| flight.next()).expect("both are sealed");
    world.kill(0);
    plain(&mut world, 3);
    world.weather = Weather::default();
    ends_well_after_start(&mut world);
    let second = &world.server.pushes[1];
    assert_eq!((second.first, second.events.len()), (sealed.first, 5));
    assert_eq!((&second.head, &second.signature), (&sealed.head, &sealed.signature));
}

#[test]
fn what_follows_a_batch_that_is_taken_in_part_is_sealed_anew() {
    for seed in 0..10 {
        let mut world = batches_of_five(seed);
        world.server.put_off.insert("busy".into());
        let mut ids = plain(&mut world, 3);
        let busy = typed(&mut world, "busy");
        ids.extend(plain(&mut world, 9));
        world.trigger(0, Trigger::Start);
        while world.server.pushes.is_empty() {
            world.run(1);
        }
        assert!(flight(&world).is_some_and(|flight| flight.ahead.is_some()));
        world.settle();
        let left = flight(&world).expect("the rest waits");
        assert_eq!((left.first.0, left.count, left.ahead), (4, 2, None));
        ends_well(&mut world);
        assert_eq!((letters(&world), log(&world)), (vec![busy], ids), "seed {seed}");
    }
}

#[test]
fn a_refusal_moves_nothing_behind_it() {
    let mut world = batches_of_five(1);
    world.server.refused.insert("bad".into());
    let mut ids = plain(&mut world, 3);
    let bad = typed(&mut world, "bad");
    ids.extend(plain(&mut world, 9));
    world.trigger(0, Trigger::Start);
    ends_well(&mut world);
    assert_eq!((letters(&world), log(&world)), (vec![bad], ids));
    assert_eq!(world.server.pushes.len(), 3);
}

#[test]
fn a_server_that_loses_its_log_between_two_batches_gets_all_of_it_again() {
    for seed in 0..20 {
        let mut world = batches_of_five(seed);
        world.open_page(0, "", None);
        let mut ids = plain(&mut world, 5);
        world.trigger(0, Trigger::Start);
        world.quiet();
        world.back_up_server();
        ids.extend(plain(&mut world, 23));
        world.trigger(0, Trigger::Start);
        until_early(&mut world);
        if seed % 2 == 0 {
            world.wipe_server();
        } else {
            world.restore_server();
        }
        ends_well(&mut world);
        let mut found = log(&world);
        found.sort();
        ids.sort();
        assert_eq!(found, ids, "seed {seed}");
        assert_eq!(lost(&world).len(), 1, "seed {seed}");
    }
}

#[test]
fn after_a_pause_nothing_leaves_that_was_sealed_ahead() {
    for seed in 0..20 {
        let mut world = batches_of_five(seed);
        let page = world.open_page(0, "", None);
        world.settle();
        let ids = plain(&mut world, 23);
        world.trigger(0, Trigger::Start);
        until_early(&mut world);
        world.ask(0, page, Request::Pause { on: true });
        while !status(&world).paused {
            assert!(!world.run(1), "it is never told");
        }
        let asked = world.sent.len();
        world.settle();
        assert!(world.sent.len() <= asked + 1, "what was on its way, and no more");
        assert!(world.server.log("s").len() < 23, "seed {seed}");
        world.ask(0, page, Request::Pause { on: false });
        ends_well(&mut world);
        assert_eq!(log(&world), ids, "seed {seed}");
    }
}

pub(super) fn batches_of_five(seed: u64) -> World {
    let mut world = World::new(seed);
    world.options.batch_events = 5;
    world.add_device();
    world
}

/// Runs until a second batch has left; gives whether the disk still names the first as the one to be sent.
fn until_early(world: &mut World) -> bool {
    let before = world.server.pushes.len();
    while world.server.pushes.len() < before + 2 {
        if world.run(1) {
            return false;
        }
    }
    let sent = world.server.pushes.last().map(|push| push.first);
    flight(world).is_some_and(|flight| Some(flight.first) < sent)
}
