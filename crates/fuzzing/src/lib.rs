//! Functions for fuzz targets: for each decoder a function that takes any bytes, and seeds that the decoder accepts. A
//! function panics only where the decoder is wrong. fuzz/ calls them from libFuzzer, tests/decoders.rs from a normal test.
#![forbid(unsafe_code)]

mod events;
mod repartition;
mod texts;

pub use events::{avro_record, avro_schema, decision, json};
pub use repartition::{frame, repartition_record};
pub use texts::{expression, pipeline_file};

/// A decoder to fuzz.
pub struct Target {
    /// The name of its function, and of its binary in fuzz/.
    pub name: &'static str,
    /// Decodes any bytes.
    pub run: fn(&[u8]),
    /// Bytes that it accepts.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All of them.
pub const TARGETS: [Target; 8] = [
    Target {
        name: "avro_record",
        run: avro_record,
        seeds: events::avro_record_seeds,
    },
    Target {
        name: "avro_schema",
        run: avro_schema,
        seeds: events::avro_schema_seeds,
    },
    Target {
        name: "decision",
        run: decision,
        seeds: events::decision_seeds,
    },
    Target {
        name: "expression",
        run: expression,
        seeds: texts::expression_seeds,
    },
    Target {
        name: "frame",
        run: frame,
        seeds: repartition::frame_seeds,
    },
    Target {
        name: "json",
        run: json,
        seeds: events::json_seeds,
    },
    Target {
        name: "pipeline_file",
        run: pipeline_file,
        seeds: texts::pipeline_file_seeds,
    },
    Target {
        name: "repartition_record",
        run: repartition_record,
        seeds: repartition::repartition_record_seeds,
    },
];
