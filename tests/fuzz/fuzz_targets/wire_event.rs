//! Reads a sealed event: see `decoders::wire_event`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bellwether_tests::decoders::wire_event(bytes));
