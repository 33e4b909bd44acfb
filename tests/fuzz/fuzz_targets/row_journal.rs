//! Reads a row of `journal`: see `decoders::row_journal`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bellwether_tests::decoders::row_journal(bytes));
