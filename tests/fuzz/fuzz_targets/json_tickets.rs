//! Reads tickets in JSON: see `decoders::json_tickets`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bellwether_tests::decoders::json_tickets(bytes));
