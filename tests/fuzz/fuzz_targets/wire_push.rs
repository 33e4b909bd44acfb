//! Reads a push: see `decoders::wire_push`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bellwether_tests::decoders::wire_push(bytes));
