//! Reasons of dead letters: a closed set of codes, and the error that carries one.

/// Declares each code together with its word on the wire and its meaning.
macro_rules! reason_codes {
    ($($(#[doc = $meaning:literal])+ $name:ident = $word:literal,)+) => {
        /// The stable reason of a dead letter.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum ReasonCode {
            $($(#[doc = $meaning])+ $name,)+
        }

        impl ReasonCode {
            /// Every code, in the order of the reference table.
            pub const ALL: &'static [ReasonCode] = &[$(ReasonCode::$name,)+];

            /// The word in headers, logs and metrics. It is part of the contract and does not change.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(ReasonCode::$name => $word,)+
                }
            }

            /// What the code means, for the reference table.
            pub fn meaning(self) -> &'static str {
                match self {
                    $(ReasonCode::$name => concat!($($meaning),+).trim_ascii(),)+
                }
            }
        }
    };
}

reason_codes! {
    /// The record has a key but no value.
    Tombstone = "tombstone",
    /// The value has no bytes.
    EmptyPayload = "empty_payload",
    /// The value is larger than the limit.
    TooLarge = "too_large",
    /// Neither the value's prefix nor a header has a schema id as Confluent's serializers write it.
    BadMagicByte = "bad_magic_byte",
    /// The registry does not know the schema id.
    UnknownSchemaId = "unknown_schema_id",
    /// The writer schema is no schema, or lacks what the pipeline requires.
    SchemaMismatch = "schema_mismatch",
    /// The Avro bytes end within the record.
    AvroTruncated = "avro_truncated",
    /// The Avro bytes cannot have been written with the schema.
    AvroMalformed = "avro_malformed",
    /// Bytes follow the Avro record.
    AvroTrailingBytes = "avro_trailing_bytes",
    /// Text that is not UTF-8.
    InvalidUtf8 = "invalid_utf8",
    /// The value is not JSON, or not one JSON object.
    NotJson = "not_json",
    /// A required field is absent or null, or the id is empty.
    MissingField = "missing_field",
    /// A field holds another type than declared.
    WrongType = "wrong_type",
    /// A number is NaN or infinite.
    NotFinite = "not_finite",
    /// A number or a time does not fit.
    OutOfRange = "out_of_range",
    /// A text is not a time.
    InvalidTimestamp = "invalid_timestamp",
    /// The event time is too far ahead of the log's timestamp.
    FutureEventTime = "future_event_time",
    /// The event time lies before the input's `min_time`.
    PastEventTime = "past_event_time",
    /// The record has no key, but its topic is read as keyed by the first entity.
    MissingKey = "missing_key",
    /// A label's transaction did not come in the time that the label may wait, so the entities that it concerns are not known.
    UnknownTransaction = "unknown_transaction",
}

impl std::fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A record cannot be processed, now or later: it becomes a dead letter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {detail}")]
pub struct Rejection {
    /// The stable code.
    pub code: ReasonCode,
    /// The field and its place. Never a value of the record.
    pub detail: String,
}

impl Rejection {
    /// A rejection; `detail` must not quote the record.
    pub fn new(code: ReasonCode, detail: impl Into<String>) -> Self {
        Rejection {
            code,
            detail: detail.into(),
        }
    }
}

/// Why bytes did not become a row.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The record is invalid: it goes to the dead-letter topic.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The schema registry cannot be reached. The record has to be tried again later.
    #[error("the schema registry is out of reach: {0}")]
    Unavailable(String),
}

impl DecodeError {
    /// A [`Rejection`] as a decode error.
    pub(crate) fn rejected(code: ReasonCode, detail: impl Into<String>) -> Self {
        DecodeError::Rejected(Rejection::new(code, detail))
    }

    /// The reason code; `None` if the record has to be tried again.
    pub fn code(&self) -> Option<ReasonCode> {
        match self {
            DecodeError::Rejected(rejection) => Some(rejection.code),
            DecodeError::Unavailable(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn words_are_distinct_and_in_snake_case() {
        let words: HashSet<_> = ReasonCode::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(words.len(), ReasonCode::ALL.len());
        for code in ReasonCode::ALL {
            assert!(
                code.as_str()
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
            );
            assert!(code.meaning().ends_with('.'), "{code}");
        }
    }
}
