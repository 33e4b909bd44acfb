//! Checks an audit: see `decoders::file_audit`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bellwether_tests::decoders::file_audit(bytes));
