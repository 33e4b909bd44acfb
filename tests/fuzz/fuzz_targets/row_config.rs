//! Reads the row `config` of `meta`: see `decoders::row_config`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bellwether_tests::decoders::row_config(bytes));
