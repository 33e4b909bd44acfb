//! Reads a key of a session's document: see `decoders::wire_entry`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bellwether_tests::decoders::wire_entry(bytes));
