//! Reads a row of `retained`: see `decoders::row_retained`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bellwether_tests::decoders::row_retained(bytes));
