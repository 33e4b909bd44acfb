//! A kept recording of a story in the simulated world comes to the same effects natively; `runtime-sw/tests` sees to
//! it that it does as wasm.
//!
//! Where a machine decides otherwise on purpose it is made anew, as `story.txt` says; `cargo xtask replay` shows what
//! has changed.

#![cfg(feature = "replay")]

use bellwether_shared::replay::{play, read};

#[test]
fn the_kept_story_comes_to_the_same_effects() {
    let lives = read(include_bytes!("story.tape")).expect("the recording can be read");
    let played = lives.iter().map(|life| play(life, usize::MAX, &mut |_| {}));
    let told: Vec<String> = lives
        .iter()
        .zip(played)
        .map(|(life, played)| {
            assert_eq!((played.difference, played.shown), (None, 0), "{life}");
            format!("{life}: {} effects, {:016x}", played.effects, played.digest)
        })
        .collect();
    let kept: Vec<&str> =
        include_str!("story.txt").lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(told, kept, "\n{}", told.join("\n"));
}
