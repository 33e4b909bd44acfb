//! What stands of many writes, in whatever order they come; and what a base is worth.

use proptest::prelude::*;

use super::super::patch::Base;
use super::*;
use crate::base::codec::{decode, encode};

/// One write of one page, as a story tells it.
#[derive(Debug, Clone)]
struct Told {
    page: u8,
    made: u64,
    path: Vec<&'static str>,
    value: Option<u8>,
}

fn id(number: usize) -> EventId {
    EventId::new(&format!("e-{number}")).expect("it is short")
}

const NOON: Wall = Wall(1_000_000);

fn applied(
    entry: Option<Entry>,
    told: &Told,
    number: usize,
    base: Option<Base>,
) -> Result<Entry, Refusal> {
    let text = told.value.map(|value| value.to_string());
    let value = text.as_ref().map(|text| text.as_bytes());
    let write = Write { key: "k", path: told.path.clone(), value, base };
    let id = id(number);
    let author = Author {
        id: &id,
        made: Stamp(told.made << 16),
        page: PageId([told.page; 16]),
        taken_at: NOON,
        version: number as u64 + 1,
    };
    let before = entry.clone();
    let mut changed = apply(move |_| before.clone(), &Patch { writes: vec![write] }, author)?;
    Ok(changed.remove("k").or(entry).unwrap_or_default())
}

fn folded(story: &[Told], order: &[usize]) -> Vec<Leaf> {
    let all = order.iter().fold(None, |entry, at| {
        Some(applied(entry, &story[*at], *at, None).expect("nothing has a base"))
    });
    all.unwrap_or_default().leaves
}

/// A place, and what is there.
type Standing = (Vec<Box<str>>, Option<Vec<u8>>);

/// The definition: a write stands unless a greater one is at its place or around it.
fn standing(story: &[Told]) -> Vec<Standing> {
    let bound = NOON.0 + limits::STAMP_AHEAD_MS_MAX;
    let mark = |told: &Told| (told.made.min(bound), told.made, told.page);
    let stands = |told: &&Told| {
        !story.iter().any(|other| told.path.starts_with(&other.path) && mark(other) > mark(told))
    };
    let mut standing: Vec<_> = story
        .iter()
        .filter(stands)
        .map(|told| {
            let path: Vec<Box<str>> = told.path.iter().map(|name| (*name).into()).collect();
            (path, told.value.map(|value| value.to_string().into_bytes()))
        })
        .collect();
    standing.sort();
    standing
}

fn told() -> impl Strategy<Value = Told> {
    let path = prop::collection::vec(prop::sample::select(vec!["a", "b"]), 0..4);
    // Some clocks are wild.
    let made = prop_oneof![900_000_u64..1_100_000, 0_u64..1 << 40];
    (0_u8..3, made, path, prop::option::of(any::<u8>()))
        .prop_map(|(page, made, path, value)| Told { page, made, path, value })
}

// A page never stamps two writes alike.
fn story() -> impl Strategy<Value = Vec<Told>> {
    prop::collection::vec(told(), 1..12).prop_map(|mut story| {
        story.sort_by_key(|told| (told.made, told.page));
        story.dedup_by_key(|told| (told.made, told.page));
        story
    })
}

proptest! {
    #[test]
    fn what_stands_is_what_the_definition_says_in_any_order(
        (story, order) in story().prop_flat_map(|story| {
            let places: Vec<usize> = (0..story.len()).collect();
            (Just(story), Just(places).prop_shuffle())
        }),
    ) {
        let leaves = folded(&story, &order);
        let found: Vec<_> = leaves
            .iter()
            .map(|leaf| (leaf.path.clone(), leaf.value.as_ref().map(|value| value.to_vec())))
            .collect();
        prop_assert_eq!(found, standing(&story));
        // And any number of times.
        let twice: Vec<usize> = order.iter().chain(&order).copied().collect();
        prop_assert_eq!(folded(&story, &twice), leaves);
    }

    #[test]
    fn a_write_with_a_base_counts_only_on_it_and_then_over_all_before(
        story in story(), last in told(), stale in any::<bool>(),
    ) {
        let order: Vec<usize> = (0..story.len()).collect();
        let before = order.iter().fold(None, |entry, at| {
            Some(applied(entry, &story[*at], *at, None).expect("nothing has a base"))
        });
        let version = before.as_ref().map_or(0, |entry: &Entry| entry.version);
        let base = Base { version: version + u64::from(stale), after: None };
        let after = applied(before, &last, story.len(), Some(base));
        if stale {
            let conflict = Conflict { key: "k".into(), version };
            prop_assert_eq!(after, Err(Refusal::Conflict(conflict)));
        } else {
            let after = after.expect("it is the key's version");
            let stands = after.leaves.iter().any(|leaf| {
                let path: Vec<&str> = leaf.path.iter().map(|name| &**name).collect();
                path == last.path && leaf.mark.made == Stamp(last.made << 16)
            });
            prop_assert!(stands, "{after:?}");
        }
    }

    #[test]
    fn an_entry_is_read_as_it_was_written(story in story()) {
        let order: Vec<usize> = (0..story.len()).collect();
        let entry = order.iter().fold(None, |entry, at| {
            Some(applied(entry, &story[*at], *at, None).expect("nothing has a base"))
        });
        let entry = entry.unwrap_or_default();
        prop_assert_eq!(decode::<Entry>(&encode(&entry)), Ok(entry));
    }
}

fn at(page: u8, made: u64, path: &[&'static str], value: Option<u8>) -> Told {
    Told { page, made, path: path.to_vec(), value }
}

#[test]
fn a_clock_a_year_ahead_wins_for_a_minute() {
    let year = 365 * 24 * 3_600_000;
    let ahead = applied(None, &at(1, NOON.0 + year, &[], Some(1)), 0, None).expect("no base");
    let write = |minutes: u64| {
        let text = b"2";
        let write = Write { key: "k", path: vec![], value: Some(text), base: None };
        let (id, taken_at) = (id(1), Wall(NOON.0 + minutes * 60_000 + 1));
        let made = Stamp(taken_at.0 << 16);
        let author = Author { id: &id, made, page: PageId([2; 16]), taken_at, version: 2 };
        let before = ahead.clone();
        let patch = Patch { writes: vec![write] };
        apply(move |_| Some(before.clone()), &patch, author).expect("no base").len()
    };
    assert_eq!(write(0), 0);
    assert_eq!(write(1), 1);
}

#[test]
fn a_write_may_build_on_one_that_waits() {
    let first = applied(None, &at(1, 1, &[], Some(1)), 0, None).expect("nothing was there");
    let on = |number| Some(Base { version: 0, after: Some(id(number)) });
    assert!(applied(Some(first.clone()), &at(1, 2, &[], Some(2)), 1, on(0)).is_ok());
    assert!(applied(Some(first), &at(1, 2, &[], Some(2)), 1, on(7)).is_err());
}

#[test]
fn a_patch_with_one_stale_base_changes_nothing() {
    let write = |key, base| Write { key, path: vec![], value: Some(&b"1"[..]), base };
    let stale = Some(Base { version: 3, after: None });
    let patch = Patch { writes: vec![write("a", None), write("b", stale), write("a", None)] };
    assert_eq!(keys(&patch).collect::<Vec<_>>(), ["a", "b"]);
    let id = id(0);
    let author =
        Author { id: &id, made: Stamp(1), page: PageId([1; 16]), taken_at: NOON, version: 1 };
    let refused = Refusal::Conflict(Conflict { key: "b".into(), version: 0 });
    assert_eq!(apply(|_| None, &patch, author), Err(refused));
}

#[test]
fn a_key_has_a_bound() {
    let names: Vec<String> = (0..=limits::LEAVES_MAX).map(|number| number.to_string()).collect();
    let mut entry = None;
    for (number, some) in names.chunks(limits::PATCH_WRITES_MAX).enumerate() {
        let writes = some
            .iter()
            .map(|name| Write { key: "k", path: vec![name], value: Some(b"1"), base: None })
            .collect();
        let (id, before) = (id(number), entry.clone());
        let author =
            Author { id: &id, made: Stamp(1), page: PageId([1; 16]), taken_at: NOON, version: 1 };
        match apply(move |_| before.clone(), &Patch { writes }, author) {
            Ok(mut changed) => entry = changed.remove("k"),
            Err(refusal) => {
                assert_eq!(refusal, Refusal::TooManyLeaves { key: "k".into() });
                let leaves = entry.map_or(0, |entry: Entry| entry.leaves.len());
                assert!(leaves > limits::LEAVES_MAX - limits::PATCH_WRITES_MAX);
                return;
            }
        }
    }
    panic!("it was never full");
}

#[test]
fn of_two_writes_of_one_patch_the_later_counts_whatever_their_bases() {
    // Somebody whose clock is ahead was here before.
    let ahead = applied(None, &at(1, NOON.0 + 50_000, &[], Some(1)), 0, None).expect("no base");
    let base = Some(Base { version: 1, after: None });
    let write =
        |value: &'static [u8], base| Write { key: "k", path: vec![], value: Some(value), base };
    let patch = Patch { writes: vec![write(b"2", base), write(b"3", None)] };
    let (id, page) = (id(1), PageId([2; 16]));
    let author = Author { id: &id, made: Stamp(NOON.0 << 16), page, taken_at: NOON, version: 2 };
    let changed = apply(|_| Some(ahead.clone()), &patch, author).expect("it is the version");
    let leaves = &changed.get("k").expect("it was changed").leaves;
    assert_eq!(leaves[0].value.as_ref().map(|value| value.to_vec()), Some(b"3".to_vec()));
}
