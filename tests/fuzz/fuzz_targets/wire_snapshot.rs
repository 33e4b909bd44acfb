//! Reads a session's document: see `decoders::wire_snapshot`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bellwether_tests::decoders::wire_snapshot(bytes));
