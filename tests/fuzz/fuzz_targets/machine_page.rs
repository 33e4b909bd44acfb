//! Reads messages, told to a page: see `decoders::machine_page`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bellwether_tests::decoders::machine_page(bytes));
