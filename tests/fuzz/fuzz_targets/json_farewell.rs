//! Reads a farewell in JSON: see `decoders::json_farewell`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bellwether_tests::decoders::json_farewell(bytes));
