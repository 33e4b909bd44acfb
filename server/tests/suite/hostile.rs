//! Whatever bytes come: a typed problem or a proper answer, never a panic and never half a write.

use bellwether_shared::base::EventId;
use bellwether_shared::wire::{self, Answer, CBOR, Event};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::device::{Device, event, plain, unsealed};
use crate::http::{Reply, Setup, get, push_bytes};

/// One change to bytes that were right.
#[derive(Debug, Clone)]
enum Change {
    Set(Index, u8),
    Cut(Index),
    Insert(Index, Vec<u8>),
    Swap(Index, Index),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        any::<Index>().prop_map(Change::Cut),
        (any::<Index>(), prop::collection::vec(any::<u8>(), 1..9))
            .prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        (any::<Index>(), any::<Index>()).prop_map(|(one, other)| Change::Swap(one, other)),
    ]
}

fn changed(mut bytes: Vec<u8>, changes: Vec<Change>) -> Vec<u8> {
    for change in changes {
        if bytes.is_empty() {
            break;
        }
        let length = bytes.len();
        match change {
            Change::Set(at, byte) => bytes[at.index(length)] = byte,
            Change::Cut(at) => bytes.truncate(at.index(length)),
            Change::Insert(at, more) => {
                let at = at.index(length);
                bytes.splice(at..at, more);
            }
            Change::Swap(one, other) => bytes.swap(one.index(length), other.index(length)),
        }
    }
    bytes
}

/// Sends `body` to a server that has something already, and returns what it says.
fn tried(media_type: &str, body: Vec<u8>) -> (Reply, u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime starts").block_on(async {
        let router = Setup::default().router();
        let first = Device::new(1, "s", "ann").batch(&plain(["a", "b"]));
        push_bytes(&router, CBOR, wire::to_cbor(&first)).await.answer();
        let reply = push_bytes(&router, media_type, body).await;
        let page = get(&router, "/v1/events?session=s").await.json();
        assert_eq!(page["events"][0]["id"], "a");
        (reply, page["head"].as_u64().expect("a head is a number"))
    })
}

fn is_proper(reply: &Reply) -> bool {
    match reply.status {
        200 => true,
        400 | 403 | 409 | 413 => !reply.problem().1.is_empty(),
        _ => false,
    }
}

/// Pointers that lead somewhere, and some that do not.
fn binds() -> impl Strategy<Value = Vec<u8>> {
    let pointer = || "(/(a|0|1|-|id|~0|~)){0,3}";
    prop::collection::vec((pointer(), pointer()), 0..4).prop_map(|pairs| {
        let members: Vec<_> =
            pairs.iter().map(|(into, from)| format!("{into:?}:{from:?}")).collect();
        format!("{{{}}}", members.join(",")).into_bytes()
    })
}

// All of it, but for an event that waits for a prerequisite which is not known.
fn uses_up(answer: &Answer, count: usize) {
    match &answer.later {
        Some(later) => {
            assert_eq!((later.seq, &*later.code), (answer.through.next(), "prerequisite-unknown"));
            assert!(answer.through.0 < count as u64);
        }
        None => assert_eq!(answer.through.0, count as u64),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_get_a_proper_answer(
        body in prop::collection::vec(any::<u8>(), 0..300),
        media in prop::sample::select(vec![CBOR, "application/json"]),
    ) {
        let (reply, head) = tried(media, body);
        prop_assert!(is_proper(&reply), "{reply:?}");
        prop_assert_eq!(head, 2);
    }

    /// A changed push is taken only where the change touches nothing that is signed.
    #[test]
    fn a_changed_push_gets_a_proper_answer(
        changes in prop::collection::vec(change(), 1..4),
        json in any::<bool>(),
    ) {
        let mut ann = Device::new(1, "s", "ann");
        ann.batch(&plain(["a", "b"]));
        let batch = ann.batch(&plain(["c", "d"]));
        let (media, body) = if json {
            ("application/json", serde_json::to_vec(&batch).expect("a push is JSON"))
        } else {
            (CBOR, wire::to_cbor(&batch))
        };
        let (reply, head) = tried(media, changed(body, changes));
        prop_assert!(is_proper(&reply), "{reply:?}");
        prop_assert!(head == 2 || head == 4, "a batch is taken whole or not at all");
    }

    /// Sealed bytes of any kind, properly chained and signed, each use up a place and nothing more.
    #[test]
    fn any_sealed_bytes_use_up_their_place(
        sealed in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 1..5),
        changes in prop::collection::vec(change(), 0..4),
    ) {
        let mut ann = Device::new(2, "s", "ann");
        let mut events = sealed;
        events.push(changed(plain(["z"])[0].clone(), changes));
        uses_up(&tried(CBOR, wire::to_cbor(&ann.batch(&events))).0.answer(), events.len());
    }

    /// The same for bindings of any kind, to data of any kind.
    #[test]
    fn any_bindings_use_up_their_place(
        binds in prop_oneof![prop::collection::vec(any::<u8>(), 0..60), binds()],
        data in prop::option::of(prop_oneof!["[1,0]", r#"\{"a":(1|\[\]|\{\})\}"#, "null|1|\"a\""]),
        changes in prop::collection::vec(change(), 0..2),
    ) {
        let mut ann = Device::new(2, "s", "ann");
        let made = Event {
            after: Some(EventId::new("z").expect("it is plain ASCII")),
            binds: Some(&binds),
            ..unsealed("echo", "y", data.as_deref().map(str::as_bytes))
        };
        let events = [event("start", "z"), changed(wire::to_cbor(&made), changes)];
        uses_up(&tried(CBOR, wire::to_cbor(&ann.batch(&events))).0.answer(), events.len());
    }
}
