//! Opens a ticket: see `decoders::wire_ticket`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bellwether_tests::decoders::wire_ticket(bytes));
