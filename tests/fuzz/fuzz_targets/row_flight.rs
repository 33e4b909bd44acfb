//! Reads a row of `flight`: see `decoders::row_flight`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bellwether_tests::decoders::row_flight(bytes));
