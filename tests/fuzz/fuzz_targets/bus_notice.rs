//! Reads what the coordinator says: see `decoders::bus_notice`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bellwether_tests::decoders::bus_notice(bytes));
