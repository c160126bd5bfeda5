//! See riskstream_fuzzing::repartition_record.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| riskstream_fuzzing::repartition_record(bytes));
