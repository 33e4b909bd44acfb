//! Reads a row of `lease`: see `decoders::row_lease`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bellwether_tests::decoders::row_lease(bytes));
