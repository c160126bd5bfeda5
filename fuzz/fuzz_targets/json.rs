//! See riskstream_fuzzing::json.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| riskstream_fuzzing::json(bytes));
