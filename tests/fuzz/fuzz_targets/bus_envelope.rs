//! Reads the header of a message of the bus: see `decoders::bus_envelope`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bellwether_tests::decoders::bus_envelope(bytes));
