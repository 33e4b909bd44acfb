//! The kept recording of `shared/tests/tapes` comes to the same effects as wasm as it does natively (OBS-3).

#![cfg(target_arch = "wasm32")]

use bellwether_shared::replay::{play, read};
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_dedicated_worker);

#[wasm_bindgen_test]
fn the_kept_story_comes_to_the_same_effects() {
    let tape = include_bytes!("../../shared/tests/tapes/story.tape");
    let lives = read(tape).expect("the recording can be read");
    let played = lives.iter().map(|life| play(life, usize::MAX, &mut |_| {}));
    let told: Vec<String> = lives
        .iter()
        .zip(played)
        .map(|(life, played)| {
            assert_eq!((played.difference, played.shown), (None, 0), "{life}");
            format!("{life}: {} effects, {:016x}", played.effects, played.digest)
        })
        .collect();
    let kept = include_str!("../../shared/tests/tapes/story.txt");
    let kept: Vec<&str> = kept.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(told, kept);
}
