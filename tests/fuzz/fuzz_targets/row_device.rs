//! Reads the row `device` of `meta`: see `decoders::row_device`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bellwether_tests::decoders::row_device(bytes));
