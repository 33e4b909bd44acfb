//! What fuzzing begins with and has found, as plain tests: each decoder outlasts its corpus, and changes of it.

mod change;

use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use bellwether_shared::base::Rng;
use bellwether_shared::wire::text::to_hex;
use bellwether_tests::decoders;

use self::change::changed;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

/// The names in a folder, in order.
fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).expect("the folder is there");
    let names = entries.map(|entry| entry.expect("it can be listed").file_name());
    names.map(|name| name.into_string().expect("a plain name")).collect()
}

/// A decoder and the files of its corpus, by their names and in order.
struct Corpus {
    name: &'static str,
    decoder: fn(&[u8]),
    files: Vec<(String, Vec<u8>)>,
}

fn corpora() -> Vec<Corpus> {
    let corpus = |(name, decoder): &decoders::Decoder| {
        let folder = fuzz().join("corpus").join(name);
        let file = |file: String| {
            let bytes = fs::read(folder.join(&file)).expect("it can be read");
            (file, bytes)
        };
        Corpus { name, decoder: *decoder, files: names(&folder).into_iter().map(file).collect() }
    };
    decoders::ALL.iter().map(corpus).collect()
}

fn outlasts(name: &str, decoder: fn(&[u8]), shows: &str, bytes: &[u8]) {
    assert!(catch_unwind(|| decoder(bytes)).is_ok(), "{name}: {shows}: {}", to_hex(bytes));
}

#[test]
fn each_decoder_outlasts_its_corpus() {
    for Corpus { name, decoder, files } in corpora() {
        assert!(!files.is_empty(), "{name} has nothing to begin with");
        for (file, bytes) in files {
            outlasts(name, decoder, &file, &bytes);
        }
    }
}

/// The same changes each time: half of them of one file alone, half with a part of another file in it.
#[test]
fn each_decoder_outlasts_changes_of_its_corpus() {
    for Corpus { name, decoder, files } in corpora() {
        let mut rng = Rng::new(name.len() as u64);
        for (file, bytes) in &files {
            for _ in 0..CHANGES {
                let other = rng.next_u64() as usize % files.len();
                let bytes = changed(bytes, &files[other].1, &mut rng);
                outlasts(name, decoder, file, &bytes);
            }
        }
    }
}

#[test]
fn each_decoder_has_a_target_and_each_target_a_decoder() {
    let decoders: BTreeSet<String> =
        decoders::ALL.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names(&fuzz().join("corpus")), decoders);
    let targets = names(&fuzz().join("fuzz_targets"));
    assert_eq!(targets, decoders.iter().map(|name| format!("{name}.rs")).collect());
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).expect("it can be read");
    for name in &decoders {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name} is not in the manifest");
        let target = fuzz().join("fuzz_targets").join(format!("{name}.rs"));
        let target = fs::read_to_string(target).expect("it can be read");
        assert!(target.contains(&format!("decoders::{name}(bytes)")), "{name} calls another");
    }
}

/// Changes of each file.
const CHANGES: usize = 40;
