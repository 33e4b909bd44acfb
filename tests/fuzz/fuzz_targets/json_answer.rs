//! Reads an answer in JSON: see `decoders::json_answer`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bellwether_tests::decoders::json_answer(bytes));
