//! Reads hexadecimal text: see `decoders::text_hex`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bellwether_tests::decoders::text_hex(bytes));
