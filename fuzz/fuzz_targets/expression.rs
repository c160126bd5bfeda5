//! See riskstream_fuzzing::expression.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| riskstream_fuzzing::expression(bytes));
