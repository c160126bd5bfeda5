//! The codecs against independent readers and writers of the same formats.

mod avro_cases;
mod avro_evolution;
mod avro_oracle;
mod avro_random;
mod debezium;
mod decision;
mod frame;
mod hostile;
mod json;
mod schemas;
mod support;
mod wire;
