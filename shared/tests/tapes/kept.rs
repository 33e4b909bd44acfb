//! What the kept recording comes to, natively and as wasm.

use bellwether_shared::replay::{play, read};

/// Plays `story.tape` and compares what comes of each life with `story.txt`.
pub(crate) fn comes_to_the_same_effects() {
    let lives = read(STORY).expect("the recording can be read");
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

/// The recording.
pub(crate) const STORY: &[u8] = include_bytes!("story.tape");
