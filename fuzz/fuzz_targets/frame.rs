//! See riskstream_fuzzing::frame.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| riskstream_fuzzing::frame(bytes));
