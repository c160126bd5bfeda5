//! See riskstream_fuzzing::pipeline_file.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| riskstream_fuzzing::pipeline_file(bytes));
