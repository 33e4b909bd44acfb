//! Reads what a page says: see `decoders::bus_request`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bellwether_tests::decoders::bus_request(bytes));
