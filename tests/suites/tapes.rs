//! What was recorded in a random story replays to identical effects: the machines decide by their facts alone (OBS-3).

use bellwether_shared::base::PageId;
use bellwether_shared::bus::Request;
use bellwether_shared::coordinator::Trigger;
use bellwether_shared::replay::{Life, play, read};
use bellwether_shared::tape::{Machine, Recording};
use bellwether_tests::choice::Chooser;
use bellwether_tests::generate::{self, Plot};
use bellwether_tests::model::Draft;
use bellwether_tests::world::World;

#[test]
fn every_coordinator_and_page_of_a_story_replays_to_identical_effects() {
    let (mut coordinators, mut pages, mut facts, mut bodies) = (0, 0, 0, 0);
    for seed in 0..STORIES {
        let recording = [Recording::WithoutBodies, Recording::WithBodies][seed as usize % 2];
        let mut world = World::of(Chooser::random(seed), seed);
        world.recording = Some(recording);
        generate::run(&mut world, &Plot::default());
        assert_eq!(world.violations, Vec::<String>::new(), "seed {seed}");
        let file = world.recorded();
        let has_body = holds(&file, BODY);
        assert!(!has_body || recording == Recording::WithBodies, "seed {seed}: a body is in it");
        bodies += u64::from(has_body);
        assert!(!holds(&file, b"good"), "seed {seed}: a token is in it");
        for life in read(&file).expect("what was just recorded can be read") {
            facts += replayed(&life, &format!("seed {seed}"));
            match life.of {
                Machine::Coordinator => coordinators += 1,
                Machine::Page => pages += 1,
            }
        }
    }
    assert!(bodies > STORIES / 3, "{bodies}");
    assert!(coordinators > STORIES && pages > 100, "{coordinators} {pages}");
    assert!(facts > 20_000, "{facts}");
}

#[test]
fn recording_begins_with_a_new_life_and_ends_when_asked() {
    let mut world = World::with_device(1);
    world.append(0, &Draft::default());
    world.trigger(0, Trigger::Start);
    world.quiet();
    let before = world.coordinator(0).expect("it was woken").epoch();
    let page = world.open_page(0, "", None);
    let other = world.open_page(0, "", None);
    for page in [page, other] {
        world.ask(0, page, Request::Record { recording: Some(Recording::WithoutBodies) });
    }
    world.quiet();
    assert!(world.coordinator(0).expect("it has started over").epoch() > before);
    world.append(0, &Draft::default());
    world.trigger(0, Trigger::Start);
    world.quiet();
    world.ask(0, page, Request::Record { recording: None });
    world.quiet();
    let facts = |world: &World| {
        let lives = read(&world.recorded()).expect("what was just recorded can be read");
        assert_eq!(lives.len(), 1);
        replayed(&lives[0], "when asked")
    };
    let recorded = facts(&world);
    assert!(recorded > 5);
    world.append(0, &Draft::default());
    world.trigger(0, Trigger::Start);
    world.quiet();
    assert_eq!(facts(&world), recorded);
    assert_eq!(world.server.log("s").len(), 3);
}

#[test]
fn a_fact_that_was_not_told_shows_where_it_is_missing() {
    let mut world = World::new(1);
    world.recording = Some(Recording::WithoutBodies);
    world.add_device();
    world.append(0, &Draft::default());
    world.trigger(0, Trigger::Start);
    world.quiet();
    let file = world.recorded();
    let mut lives = read(&file).expect("what was just recorded can be read");
    let facts = &mut lives[0].parts[0].facts;
    let spoiled = facts.iter().position(|fact| fact.fact.to_string().starts_with("signed"));
    facts.remove(spoiled.expect("a batch was signed"));
    let played = play(&lives[0], usize::MAX, &mut |_| {});
    let difference = played.difference.expect("it cannot go on without").to_string();
    assert!(difference.contains(": effect 1 was push ("), "{difference}");
    assert!(difference.ends_with("), and is nothing"), "{difference}");
}

#[test]
fn no_bytes_make_reading_panic() {
    let mut world = World::new(1);
    world.recording = Some(Recording::WithBodies);
    world.add_device();
    world.open_page(0, "", None);
    world.append(0, &Draft::default());
    world.trigger(0, Trigger::Start);
    world.quiet();
    let file = world.recorded();
    let mut chance = bellwether_shared::base::Rng::new(3);
    for at in 0..file.len() {
        let _ = read(&file[..at]);
        let mut bent = file.clone();
        bent[at] = chance.next_u64() as u8;
        for life in read(&bent).unwrap_or_default() {
            play(&life, usize::MAX, &mut |step| drop(step.to_string()));
        }
    }
}

fn replayed(life: &Life, shows: &str) -> usize {
    assert_eq!(life.missing(), 0, "{shows}: {life}");
    assert_ne!(life.realm, PageId::default());
    let played = play(life, usize::MAX, &mut |_| {});
    assert_eq!((played.difference, played.shown), (None, 0), "{shows}: {life}");
    assert_eq!(played.facts, life.len());
    played.facts
}

fn holds(file: &[u8], part: &[u8]) -> bool {
    file.windows(part.len()).any(|window| window == part)
}

/// What every event of the world has for a body.
const BODY: &[u8] = br#"{"n":1}"#;
const STORIES: u64 = 200;
