//! Reads rows, messages and answers, told to a coordinator: see `decoders::machine_coordinator`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bellwether_tests::decoders::machine_coordinator(bytes));
