//! Reads what asks for tickets: see `decoders::wire_tickets_wanted`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bellwether_tests::decoders::wire_tickets_wanted(bytes));
