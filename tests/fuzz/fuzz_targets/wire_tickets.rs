//! Reads tickets: see `decoders::wire_tickets`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bellwether_tests::decoders::wire_tickets(bytes));
