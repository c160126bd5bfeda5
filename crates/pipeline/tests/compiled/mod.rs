//! Pipelines that a test holds as text.

use riskstream_definition::{Style, compile};
use riskstream_pipeline::Topology;
use std::path::Path;
use std::sync::Arc;

/// The pipeline of this file on topics with records in JSON. `secret`: for pseudonyms.
pub fn topology(text: &str, secret: Option<&[u8]>) -> Arc<Topology> {
    let compiled = compile("shop.yaml", text, Path::new("."), &|_| None)
        .unwrap_or_else(|report| panic!("{}", report.render(Style::Plain, 120)));
    Arc::new(compiled.json_topology(secret).unwrap())
}
