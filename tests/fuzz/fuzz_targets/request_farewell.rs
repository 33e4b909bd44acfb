//! Takes a farewell through engine and store: see `decoders::request_farewell`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bellwether_tests::decoders::request_farewell(bytes));
