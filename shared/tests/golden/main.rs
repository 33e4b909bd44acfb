//! Short stories of the machines, told line by line: facts in, effects out, in files that people can read.
//!
//! Each story is played and its telling compared with `<name>.txt`. Where they differ, the difference is printed. After
//! a change that is meant, `BELLWETHER_BLESS=1 cargo test -p bellwether-shared --test golden` writes the files anew;
//! the diff of the files is then a part of the change, to be read by whoever reads it.
//!
//! What always holds: time is a number, chance has a seed, and the same story is told the same everywhere.

#![cfg(feature = "machines")]

mod difference;
mod disk;
mod names;
mod page;
mod sending;
mod stage;
mod stories;
mod tell;

use std::fs;
use std::path::Path;

/// Compares what was told with the story's file, or writes that anew.
fn compare(name: &str, told: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    let file = file.with_extension("txt");
    if std::env::var_os("BELLWETHER_BLESS").is_some() {
        return fs::write(&file, told).expect("the story can be written");
    }
    let kept = fs::read_to_string(&file).unwrap_or_default().replace("\r\n", "\n");
    assert!(
        kept == told,
        "{name} is told differently (- as kept, + as told now):\n\n{}\n\
         If that is meant: BELLWETHER_BLESS=1 cargo test -p bellwether-shared --test golden\n",
        difference::between(&kept, told),
    );
}
