//! Reads what asks for tickets, in JSON: see `decoders::json_tickets_wanted`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bellwether_tests::decoders::json_tickets_wanted(bytes));
