//! Reads a problem: see `decoders::wire_problem`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bellwether_tests::decoders::wire_problem(bytes));
