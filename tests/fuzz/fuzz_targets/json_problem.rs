//! Reads a problem in JSON: see `decoders::json_problem`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bellwether_tests::decoders::json_problem(bytes));
