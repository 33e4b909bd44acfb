//! A kept recording of a story in the simulated world comes to the same effects natively; `runtime-sw/tests` sees to
//! it that it does as wasm.
//!
//! Where a machine decides otherwise on purpose it is made anew, as `story.txt` says; `cargo xtask replay` shows what
//! has changed.

#![cfg(feature = "replay")]

mod kept;

use bellwether_shared::replay::{TapeFault, play, read};
use bellwether_shared::tape::file;
use proptest::prelude::*;

use crate::kept::STORY;

#[test]
fn the_kept_story_comes_to_the_same_effects() {
    kept::comes_to_the_same_effects();
}

#[test]
fn what_is_no_recording_is_refused_in_words() {
    #[rustfmt::skip]
    let cases: [(&str, &[u8], TapeFault); 4] = [
        ("nothing",             b"",                                   TapeFault::NotATape),
        ("something else",      b"{\"json\": true}",                   TapeFault::NotATape),
        ("a newer recording",   b"\x83\x6fbellwether-tape\x02\x80",    TapeFault::Newer { found: 2 }),
        ("one that was cut",    b"\x83\x6fbellwether-tape\x01\x81",    TapeFault::NotATape),
    ];
    for (shows, bytes, fault) in cases {
        assert_eq!(read(bytes).expect_err(shows), fault, "{shows}");
    }
    assert!(read(&file(Vec::new())).expect("it is one, though empty").is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Random bytes are seldom sound for long; bytes that were sound once get further.
    #[test]
    fn no_bytes_make_reading_or_playing_panic(
        chunk in any::<Vec<u8>>(),
        at in any::<prop::sample::Index>(),
        to in any::<u8>(),
    ) {
        let _ = read(&chunk);
        prop_assert!(read(&file(vec![&chunk])).is_err());
        let mut bent = STORY.to_vec();
        let at = at.index(bent.len());
        bent[at] = to;
        for life in read(&bent).unwrap_or_default() {
            play(&life, usize::MAX, &mut |step| drop(step.to_string()));
        }
    }
}
