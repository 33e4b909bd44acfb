//! Reads a push in JSON: see `decoders::json_push`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bellwether_tests::decoders::json_push(bytes));
