//! Reads a change of a session's document: see `decoders::wire_patch`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bellwether_tests::decoders::wire_patch(bytes));
