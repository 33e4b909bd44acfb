//! Reads sealed events, properly chained, through engine and store: see `decoders::request_events`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bellwether_tests::decoders::request_events(bytes));
