//! Words of closed sets, such as formats.

use super::value::expected;
use crate::diagnostics::{Diagnostic, Diagnostics, enumerate};
use crate::text::{Node, NodeValue};
use schemars::{Schema, json_schema};

/// The schema's pattern for a text with a variable of the environment. An editor does not know its value.
pub const VARIABLE: &str = r"\$\{";

/// A word of a closed set.
pub trait Word: Sized + Copy + 'static {
    /// The kind of word, for messages: `a format`.
    const WHAT: &'static str;
    /// Every word and its value.
    const WORDS: &'static [(&'static str, Self)];

    /// Reads the word.
    fn read_word(node: &Node, diagnostics: &mut Diagnostics) -> Option<Self> {
        let words = || Self::WORDS.iter().map(|(word, _)| *word);
        let NodeValue::Text(text) = &node.value else {
            expected(&format!("{}: {}", Self::WHAT, enumerate(words())), node, diagnostics);
            return None;
        };
        let found = Self::WORDS
            .iter()
            .find(|(word, _)| word == text)
            .map(|(_, value)| *value);
        if found.is_none() {
            diagnostics.add(
                Diagnostic::new(format!("`{text}` is not {}", Self::WHAT), node.span.clone())
                    .nearest(text, words())
                    .help(format!("write one of {}", enumerate(words()))),
            );
        }
        found
    }

    /// The words as a schema.
    fn word_schema() -> Schema {
        let words: Vec<&str> = Self::WORDS.iter().map(|(word, _)| *word).collect();
        json_schema!({ "anyOf": [
            { "type": "string", "enum": words },
            { "type": "string", "pattern": VARIABLE },
        ] })
    }
}

/// Gives a [`Word`] its reader and schema.
macro_rules! word {
    ($name:ident) => {
        impl $crate::syntax::read::Read for $name {
            fn read(node: &$crate::text::Node, diagnostics: &mut $crate::diagnostics::Diagnostics) -> Option<Self> {
                <$name as $crate::syntax::read::Word>::read_word(node, diagnostics)
            }
        }

        impl schemars::JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                <$name as $crate::syntax::read::Word>::word_schema()
            }
        }
    };
}
pub(crate) use word;
