//! Reads a farewell: see `decoders::wire_farewell`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bellwether_tests::decoders::wire_farewell(bytes));
