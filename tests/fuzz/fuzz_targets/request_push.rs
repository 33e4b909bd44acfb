//! Reads the body of a request, through checks, engine and store: see `decoders::request_push`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bellwether_tests::decoders::request_push(bytes));
