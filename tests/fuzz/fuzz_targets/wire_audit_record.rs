//! Reads one record of an audit: see `decoders::wire_audit_record`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bellwether_tests::decoders::wire_audit_record(bytes));
