//! See riskstream_fuzzing::decision.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| riskstream_fuzzing::decision(bytes));
