//! Reads a scenario: see `decoders::file_scenario`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bellwether_tests::decoders::file_scenario(bytes));
