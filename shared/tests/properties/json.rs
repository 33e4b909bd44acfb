//! The JSON form says what the CBOR form says.

use bellwether_shared::wire::farewell::{Farewell, Tickets, TicketsWanted};
use bellwether_shared::wire::{Answer, Problem, Push, from_cbor, to_cbor};
use proptest::prelude::*;
use serde_json::Value;

use crate::draw;

macro_rules! both {
    ($($name:ident: $type:ty, $drawn:expr;)+) => { $(
        proptest! {
            #[test]
            fn $name(value in $drawn) {
                let json = serde_json::to_string(&value).expect("a message can be written");
                let read: $type = serde_json::from_str(&json).expect("and read");
                prop_assert_eq!(to_cbor(&read), to_cbor(&value));
                let by_cbor: $type = from_cbor(&to_cbor(&value), usize::MAX).expect("both ways");
                prop_assert_eq!(serde_json::to_string(&by_cbor).expect("again"), json.clone());

                // A newer sender's members are skipped, and so is the order in which they stand.
                let mut tree: Value = serde_json::from_str(&json).expect("it is JSON");
                let members = tree.as_object_mut().expect("an object");
                members.insert("of_the_future".into(), Value::Null);
                let read: $type = serde_json::from_value(tree).expect("it can still be read");
                prop_assert_eq!(read, value);
            }
        }
    )+ };
}

both! {
    a_push_is_the_same_in_json: Push, draw::push();
    an_answer_is_the_same_in_json: Answer, draw::answer();
    a_problem_is_the_same_in_json: Problem, draw::problem();
    tickets_wanted_are_the_same_in_json: TicketsWanted, draw::tickets_wanted();
    tickets_are_the_same_in_json: Tickets, draw::tickets();
    a_farewell_is_the_same_in_json: Farewell, draw::wire_farewell();
}

#[test]
fn a_message_in_json_without_a_member_that_must_be_there_is_refused() {
    let push = serde_json::json!({
        "protocol": [1, 1],
        "stream": {
            "device": "01010101-0101-0101-0101-010101010101", "session": "s", "user": "",
            "lane": "normal", "incarnation": "02020202-0202-0202-0202-020202020202",
        },
        "first": 1, "previous": "00".repeat(32), "head": "00".repeat(32),
        "key": {"kind": "none", "public": ""}, "signature": "", "host_epoch": 1,
        "former": null, "log_epoch": null, "build": "", "events": [],
    });
    assert!(serde_json::from_value::<Push>(push.clone()).is_ok());
    for member in push.as_object().expect("an object").keys() {
        let mut less = push.clone();
        less.as_object_mut().expect("an object").remove(member);
        let may_be_absent = ["former", "log_epoch", "build"].contains(&&**member);
        assert_eq!(serde_json::from_value::<Push>(less).is_ok(), may_be_absent, "{member}");
    }
}
