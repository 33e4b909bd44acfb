//! Reads an answer: see `decoders::wire_answer`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bellwether_tests::decoders::wire_answer(bytes));
