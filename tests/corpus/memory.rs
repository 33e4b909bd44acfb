//! No bytes make a decoder take memory out of proportion. A test program of its own: it counts what the whole
//! process takes.

use std::fs;
use std::path::Path;

use bellwether_tests::decoders;
use peak_alloc::PeakAlloc;

#[global_allocator]
static TAKEN: PeakAlloc = PeakAlloc;

/// Heads that promise more than any memory holds.
fn promises() -> Vec<Vec<u8>> {
    let promise = |first: u8| [vec![first | 0x1b], vec![0x7f; 8], vec![0x80; 16]].concat();
    [0x40, 0x60, 0x80, 0xa0].map(promise).into()
}

/// Lists of the smallest items there are.
fn lists() -> Vec<Vec<u8>> {
    let items: [&[u8]; 3] = [&[0x40], &[0x80], &[0x82, 0x00, 0x00]];
    items.map(|item| [&[0x9f], &item.repeat(LIST_BYTES / item.len())[..]].concat()).into()
}

/// The seed with `hostile` in the place of its first heads of these kinds, and `hostile` alone.
fn planted(seed: &[u8], kinds: &[u8], places: usize, hostile: &[u8]) -> Vec<Vec<u8>> {
    let heads = (0..seed.len()).filter(|at| kinds.contains(&(seed[*at] >> 5)));
    let plant = |at: usize| [&seed[..at], hostile, &seed[at + 1..]].concat();
    heads.take(places).map(plant).chain([hostile.to_vec()]).collect()
}

/// The longest seed that is not strange to any decoder.
fn longest(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    let files = fs::read_dir(folder).expect("there is a corpus");
    let files = files.map(|file| file.expect("it can be listed"));
    let fit = files.filter(|file| !file.file_name().to_string_lossy().starts_with("any-"));
    let seeds = fit.map(|file| fs::read(file.path()).expect("it can be read"));
    seeds.max_by_key(Vec::len).expect("there is a seed")
}

#[test]
fn no_bytes_make_a_decoder_take_memory_out_of_proportion() {
    for (name, decoder) in decoders::ALL {
        let seed = longest(name);
        let promises = promises();
        let promises =
            promises.iter().flat_map(|hostile| planted(&seed, &[2, 3, 4, 5], 40, hostile));
        let lists = lists();
        let lists = lists.iter().flat_map(|hostile| planted(&seed, &[4], 3, hostile));
        for bytes in promises.chain(lists) {
            TAKEN.reset_peak_usage();
            let before = TAKEN.current_usage();
            decoder(&bytes);
            let taken = TAKEN.peak_usage() - before;
            let bound = ALLOWANCE + 8 * bytes.len();
            assert!(taken <= bound, "{name} takes {taken} bytes for {}", bytes.len());
        }
    }
}

const LIST_BYTES: usize = 300_000;
/// A list of as many of the smallest items as there may be, while it grows.
const ALLOWANCE: usize = 12 * 1024 * 1024;
