//! Reads a page of the log: see `decoders::wire_log_page`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bellwether_tests::decoders::wire_log_page(bytes));
