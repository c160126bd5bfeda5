//! An input with its fields.

use super::field::{OPERATION, ResolvedField};
use crate::compile::identifiers::identifiers;
use crate::diagnostics::Span;
use crate::syntax::read::{ExpressionText, Spanned};
use crate::syntax::{EntityKey, Envelope, Format, KeyMismatch};
use riskstream_engine::plan::InputKind;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// An input whose fields are resolved.
#[derive(Clone, Debug)]
pub struct ResolvedInput {
    /// `transactions`, `labels`, …
    pub name: String,
    /// Where it is declared.
    pub span: Span,
    /// What its records are.
    pub kind: InputKind,
    /// The Kafka topic; empty if it is missing.
    pub topic: String,
    /// The encoding.
    pub format: Format,
    /// The text of the schema file.
    pub schema: Option<Arc<str>>,
    /// The field that is the records' Kafka key.
    pub key: Option<String>,
    /// What is done about records with another key.
    pub on_key_mismatch: KeyMismatch,
    /// The field with the event's id; of a table the key.
    pub id: Option<String>,
    /// The field with the event time.
    pub event_time: Option<String>,
    /// Whether the event time is the record's timestamp instead.
    pub time_is_of_record: bool,
    /// The earliest event time that can be meant, in microseconds.
    pub min_time: Option<i64>,
    /// The condition of records that are events.
    pub filter: Option<Spanned<ExpressionText>>,
    /// Of a table: the condition of records that delete rows.
    pub deletion: Option<Spanned<ExpressionText>>,
    /// What the records are wrapped in.
    pub envelope: Option<Envelope>,
    /// Whether records without a value are passed over.
    pub ignores_tombstones: bool,
    /// Whether records without a value delete rows.
    pub deletes_by_tombstones: bool,
    /// How long after its transaction a label may arrive and be completed from it, in microseconds.
    pub arrives_within: i64,
    /// All fields by name, used or not.
    pub fields: BTreeMap<String, ResolvedField>,
}

impl ResolvedInput {
    /// The fields of this input that an entity's key is made of.
    pub fn fields_of_key(&self, key: &EntityKey) -> BTreeSet<String> {
        let names = key.0.iter().flat_map(|part| identifiers(&part.value.0));
        let fields = names.filter(|name| self.fields.contains_key(*name));
        fields.map(str::to_owned).collect()
    }

    /// Whether a field is the one that an envelope adds.
    pub fn is_added_operation(&self, name: &str) -> bool {
        name == OPERATION && self.fields.get(name).is_some_and(|field| self.is_operation(field))
    }

    /// Whether a field says what the change in an envelope is.
    pub fn is_operation(&self, field: &ResolvedField) -> bool {
        self.envelope.is_some() && field.path == [OPERATION]
    }
}
