//! Looks for stories that go wrong, or tells one: the search by night.
//!
//! ```text
//! cargo run --release -p bellwether-tests --example stories -- FROM TO     every seed from FROM, before TO
//! cargo run -p bellwether-tests --example stories -- SEED                  one story, told whether it ends well or not
//! ```

use std::process::ExitCode;

use bellwether_tests::generate::{Plot, play, told};

fn main() -> ExitCode {
    let numbers: Result<Vec<u64>, _> = std::env::args().skip(1).map(|text| text.parse()).collect();
    match numbers.as_deref() {
        Ok(&[seed]) => {
            eprintln!("{}", told(seed, &Plot::default()));
            ExitCode::SUCCESS
        }
        Ok(&[from, to]) => search(from, to),
        Ok(_) | Err(_) => {
            eprintln!("usage: stories SEED | stories FROM TO");
            ExitCode::from(2)
        }
    }
}

fn search(from: u64, to: u64) -> ExitCode {
    let mut wrong = 0_u64;
    for seed in from..to {
        let world = play(seed, &Plot::default());
        if !world.violations.is_empty() {
            wrong += 1;
            eprintln!("{}", told(seed, &Plot::default()));
        }
    }
    eprintln!("{} stories, {wrong} went wrong", to.saturating_sub(from));
    if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
