//! See riskstream_fuzzing::avro_record.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| riskstream_fuzzing::avro_record(bytes));
