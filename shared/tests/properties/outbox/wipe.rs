//! A wipe that is killed after each of its steps: what was to go is gone in the end, and nothing else is.

use bellwether_shared::bus::Wipe;
use bellwether_shared::rows::{
    Config, DeadRow, FlightRow, Key, META_CONFIG, RetainedRow, StreamRow,
};

use super::*;

/// Every row of an event or of its fate, as the store, the key, the session and the user.
fn owned(world: &World) -> BTreeSet<(Store, Key, String, String)> {
    let stores =
        [Store::Journal, Store::Flight, Store::Stream, Store::Dead, Store::Done, Store::Retained];
    let mut owned = BTreeSet::new();
    for store in stores {
        for (key, bytes) in world.disk.all(store) {
            let (session, user) = match store {
                Store::Journal => {
                    let row: JournalRow<'_> = read(bytes).expect("our own row");
                    (row.session.into(), row.user.into())
                }
                Store::Flight => {
                    let row: FlightRow = read(bytes).expect("our own row");
                    (row.session, row.user)
                }
                Store::Stream => {
                    let row: StreamRow = read(bytes).expect("our own row");
                    (row.session, row.user)
                }
                Store::Dead => {
                    let row: DeadRow = read(bytes).expect("our own row");
                    (row.session, row.user)
                }
                Store::Retained => {
                    let row: RetainedRow = read(bytes).expect("our own row");
                    (row.session, row.user)
                }
                Store::Done
                | Store::Document
                | Store::Cursor
                | Store::Lease
                | Store::Idle
                | Store::Meta
                | Store::Kv => {
                    let row: DoneRow = read(bytes).expect("our own row");
                    let Some(whose) = row.session.zip(row.user) else { continue };
                    whose
                }
            };
            owned.insert((store, key.clone(), session.into_string(), user.into_string()));
        }
    }
    owned
}

/// Of each stream: something delivered, something refused, a batch on its way, and more behind it.
fn world() -> World {
    let mut world = World::new(2);
    world.tell(Input::Device(world.disk.device()));
    for type_ in ["plain", "refuse", "plain"] {
        (0..STREAMS.len()).for_each(|at| world.append(&stream(at), type_));
        world.settle();
    }
    world.server.mood = Mood::Unreachable;
    for _ in 0..7 {
        (0..STREAMS.len()).for_each(|at| world.append(&stream(at), "plain"));
    }
    world.settle();
    world
}

fn is_wiping(world: &World) -> bool {
    let config = world.disk.all(Store::Meta).find(|(key, _)| **key == Key::from(META_CONFIG));
    let config: Config = read(config.expect("it was written").1).expect("our own row");
    config.wiping.is_some()
}

fn wipe(who: Option<&str>, session: Option<&str>, undelivered: bool) {
    for steps in 0..STEPS_MAX {
        let mut world = world();
        let before = owned(&world);
        let answered = world.disk.numbered(Store::Done, 0, u32::MAX).last().map(|(key, _)| *key);
        let request = Request::Wipe(Wipe {
            session: session.map(Into::into),
            user: who.map(Into::into),
            undelivered,
        });
        world.request(&request);
        let mut done = 0;
        while done < steps && !world.under_way.is_empty() {
            world.do_one(0);
            done += 1;
        }
        let over = world.under_way.is_empty();
        // Whoever asked has heard nothing, and asks again.
        world.kill(steps % 2 == 0, false);
        world.settle();
        world.request(&request);
        world.settle();

        assert!(!is_wiping(&world), "it does not end, killed after {steps}");
        let goes = |(store, _, of, user): &&(Store, Key, String, String)| {
            let delivered = matches!(store, Store::Done | Store::Retained);
            (undelivered || delivered)
                && session.is_none_or(|session| session == of)
                && who.is_none_or(|who| who == user)
        };
        let stays: BTreeSet<_> = before.iter().filter(|row| !goes(row)).cloned().collect();
        assert!(stays.len() < before.len());
        assert_eq!(owned(&world), stays, "killed after {steps}");
        // The count of events answered does not go back.
        let last = world.disk.numbered(Store::Done, 0, u32::MAX).last().map(|(key, _)| *key);
        assert_eq!(last, answered, "killed after {steps}");
        if over {
            break;
        }
        assert!(steps + 1 < STEPS_MAX);
    }
}

#[test]
fn a_wipe_of_one_user_killed_anywhere_takes_what_is_theirs_and_nothing_else() {
    wipe(Some("ann"), Some("s"), true);
    wipe(Some("ben"), Some("s"), true);
    wipe(None, Some("t"), true);
}

#[test]
fn a_wipe_of_a_session_without_what_is_undelivered_leaves_that() {
    wipe(None, Some("s"), false);
}

#[test]
fn a_wipe_of_everything_leaves_a_device_that_goes_on() {
    wipe(None, None, true);
    let mut world = world();
    world.request(&Request::Wipe(Wipe { undelivered: true, ..Wipe::default() }));
    world.settle();
    world.appended.clear();
    world.server.mood = Mood::Well;
    world.appended.insert("zz-plain".into(), stream(0));
    world.append_row("zz-plain");
    world.settle();
    assert_eq!(world.server.log("s").filter(|id| *id == "zz-plain").count(), 1);
}

const STEPS_MAX: usize = 80;
