//! Reads a row of `dead`: see `decoders::row_dead`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bellwether_tests::decoders::row_dead(bytes));
