//! Words of closed sets, such as formats and outcomes.

use super::expected;
use crate::diagnostics::{Diagnostic, Diagnostics, enumerate};
use crate::node::{Node, NodeValue};
use schemars::{Schema, json_schema};

/// What a text matches that holds a variable of the environment: its value is not known to an editor.
pub const VARIABLE: &str = r"\$\{";

/// One word of a closed set.
pub trait Word: Sized + Copy + 'static {
    /// What the words are, for messages: `a format`.
    const WHAT: &'static str;
    /// Every word with what it stands for.
    const WORDS: &'static [(&'static str, Self)];

    /// The word.
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
        impl $crate::read::Read for $name {
            fn read(node: &$crate::node::Node, diagnostics: &mut $crate::diagnostics::Diagnostics) -> Option<Self> {
                <$name as $crate::read::Word>::read_word(node, diagnostics)
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
                <$name as $crate::read::Word>::word_schema()
            }
        }
    };
}
pub(crate) use word;
