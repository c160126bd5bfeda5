//! The syntax of pipeline files: a struct per section with a field per key.
//!
//! [`read::section!`](read) makes the struct, its reader and its JSON Schema from one list of keys. The doc comments are
//! the reference (docs/pipeline-file.md, docs/rollout.md) and the schema's descriptions.

mod aggregations;
mod decision;
mod entity;
mod example;
mod feature;
mod field;
mod headers;
mod input;
mod lists;
mod model;
mod outputs;
mod pipeline;
pub mod read;
mod rollout;
mod service;
mod tables;
mod thresholds;

pub use aggregations::{Aggregated, Aggregations, enumerate_where};
pub use decision::{Explain, OutcomeWord, Rule, RuleModeWord};
pub use entity::{Entity, EntityKey};
pub use example::{Example, ExampleEntry, ExampleEvent, Expectation};
pub use feature::{Feature, Window};
pub use field::LongField;
pub use headers::Headers;
pub use input::{Envelope, EventTime, Format, Input, KeyMismatch, Kind, Tombstones};
pub use lists::{EntryList, ListSection};
pub use model::ModelSection;
pub use outputs::{Output, Outputs};
pub use pipeline::PipelineFile;
pub use rollout::{ChallengerSection, Rollout, RolloutFile, RolloutStep};
pub use service::{Checkpoints, Delivery, Http, Kafka, KeyVariables, PersonalData, Registry, State, SubjectStrategy};
pub use tables::TableSection;
pub use thresholds::Thresholds;
