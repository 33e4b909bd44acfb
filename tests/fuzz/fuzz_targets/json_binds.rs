//! Binds parts of a result into data: see `decoders::json_binds`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bellwether_tests::decoders::json_binds(bytes));
