//! From the tree to typed sections. Reading goes on after a mistake: a broken part is left out, and whoever uses it
//! later knows that it was reported already.

use super::duration;
use super::mistakes::{Mistake, Mistakes, enumerate};
use super::node::{Key, Node, NodeValue, Span};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

/// Something that can be read from a node. `None` means that what is wrong with it was reported.
pub trait Read: Sized {
    /// Reads a value that is there.
    fn read(node: &Node, mistakes: &mut Mistakes) -> Option<Self>;

    /// Reads the value of a key that may be missing from the mapping at `map`.
    fn entry(node: Option<&Node>, key: &str, map: &Span, mistakes: &mut Mistakes) -> Option<Self> {
        match node {
            Some(node) => Self::read(node, mistakes),
            None => {
                mistakes.add(missing(key, map));
                None
            }
        }
    }
}

fn missing(key: &str, map: &Span) -> Mistake {
    Mistake::new(format!("`{key}` is missing"), map.clone()).label(format!("this needs `{key}:`"))
}

/// Reports that something else was expected.
pub fn expected(what: &str, node: &Node, mistakes: &mut Mistakes) {
    if node.value == NodeValue::Unknown {
        return;
    }
    mistakes.add(
        Mistake::new(
            format!("expected {what}, found {}", node.kind()),
            node.span.clone(),
        )
        .label(format!("this should be {what}")),
    );
}

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Its place in the file.
    pub span: Span,
}

impl<T: Read> Read for Spanned<T> {
    fn read(node: &Node, mistakes: &mut Mistakes) -> Option<Self> {
        T::read(node, mistakes).map(|value| Spanned {
            value,
            span: node.span.clone(),
        })
    }
}

/// A value that must be there: `None` if it is not or is broken, which was reported then.
#[derive(Clone, Debug)]
pub struct Required<T>(pub Option<Spanned<T>>);

impl<T: Read> Read for Required<T> {
    fn read(node: &Node, mistakes: &mut Mistakes) -> Option<Self> {
        Some(Required(Spanned::read(node, mistakes)))
    }

    fn entry(node: Option<&Node>, key: &str, map: &Span, mistakes: &mut Mistakes) -> Option<Self> {
        Some(Required(Spanned::entry(node, key, map, mistakes)))
    }
}

impl<T: Read> Read for Option<T> {
    fn read(node: &Node, mistakes: &mut Mistakes) -> Option<Self> {
        match node.value {
            NodeValue::Null | NodeValue::Unknown => Some(None),
            _ => Some(T::read(node, mistakes)),
        }
    }

    fn entry(
        node: Option<&Node>,
        _key: &str,
        _map: &Span,
        mistakes: &mut Mistakes,
    ) -> Option<Self> {
        match node {
            Some(node) => Self::read(node, mistakes),
            None => Some(None),
        }
    }
}

/// A list; elements that are broken are left out. Missing means empty.
#[derive(Clone, Debug)]
pub struct List<T>(pub Vec<Spanned<T>>);

impl<T> Default for List<T> {
    fn default() -> Self {
        List(Vec::new())
    }
}

impl<T: Read> Read for List<T> {
    fn read(node: &Node, mistakes: &mut Mistakes) -> Option<Self> {
        let NodeValue::List(items) = &node.value else {
            expected("a list", node, mistakes);
            return Some(List::default());
        };
        Some(List(
            items
                .iter()
                .filter_map(|item| Spanned::read(item, mistakes))
                .collect(),
        ))
    }

    fn entry(
        node: Option<&Node>,
        _key: &str,
        _map: &Span,
        mistakes: &mut Mistakes,
    ) -> Option<Self> {
        node.map_or_else(|| Some(List::default()), |node| List::read(node, mistakes))
    }
}

/// A mapping from names to things, in the order of the file. A broken thing is `None`: its name is known all the same.
/// Missing means empty.
#[derive(Clone, Debug)]
pub struct Map<T>(pub Vec<(Key, Option<T>)>);

impl<T> Default for Map<T> {
    fn default() -> Self {
        Map(Vec::new())
    }
}

impl<T> Map<T> {
    /// All names, those of broken things included.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(key, _)| key.name.as_str())
    }

    /// The things that are not broken.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &T)> {
        self.0
            .iter()
            .filter_map(|(key, thing)| thing.as_ref().map(|thing| (key, thing)))
    }

    /// The thing of this name, broken or not.
    pub fn get(&self, name: &str) -> Option<(&Key, Option<&T>)> {
        self.0
            .iter()
            .find(|(key, _)| key.name == name)
            .map(|(key, thing)| (key, thing.as_ref()))
    }
}

impl<T: Read> Read for Map<T> {
    fn read(node: &Node, mistakes: &mut Mistakes) -> Option<Self> {
        match &node.value {
            NodeValue::Null => Some(Map::default()),
            NodeValue::Map(entries) => Some(Map(entries
                .iter()
                .map(|(key, node)| {
                    let place = Node {
                        value: node.value.clone(),
                        span: at_key(key, node),
                    };
                    (key.clone(), T::read(&place, mistakes))
                })
                .collect())),
            _ => {
                expected("a mapping", node, mistakes);
                Some(Map::default())
            }
        }
    }

    fn entry(
        node: Option<&Node>,
        _key: &str,
        _map: &Span,
        mistakes: &mut Mistakes,
    ) -> Option<Self> {
        node.map_or_else(|| Some(Map::default()), |node| Map::read(node, mistakes))
    }
}

/// What is wrong with a mapping as a whole, or with an empty value, is best shown at its name.
fn at_key(key: &Key, node: &Node) -> Span {
    match node.value {
        NodeValue::Map(_) | NodeValue::Null => key.span.clone(),
        _ => node.span.clone(),
    }
}

impl Read for String {
    fn read(node: &Node, mistakes: &mut Mistakes) -> Option<Self> {
        match &node.value {
            NodeValue::Text(text) => Some(text.clone()),
            NodeValue::Int(_) | NodeValue::Float(_) | NodeValue::Bool(_) => {
                mistakes.add(
                    Mistake::new(
                        format!("expected text, found {}", node.kind()),
                        node.span.clone(),
                    )
                    .label("put it in quotes if it is meant as text"),
                );
                None
            }
            _ => {
                expected("text", node, mistakes);
                None
            }
        }
    }
}

impl Read for bool {
    fn read(node: &Node, mistakes: &mut Mistakes) -> Option<Self> {
        match &node.value {
            NodeValue::Bool(value) => Some(*value),
            _ => {
                expected("true or false", node, mistakes);
                None
            }
        }
    }
}

impl Read for f64 {
    fn read(node: &Node, mistakes: &mut Mistakes) -> Option<Self> {
        match &node.value {
            NodeValue::Int(value) => Some(*value as f64),
            NodeValue::Float(value) => Some(*value),
            _ => {
                expected("a number", node, mistakes);
                None
            }
        }
    }
}

impl Read for u32 {
    fn read(node: &Node, mistakes: &mut Mistakes) -> Option<Self> {
        let value = match &node.value {
            NodeValue::Int(value) => u32::try_from(*value).ok(),
            _ => None,
        };
        if value.is_none() {
            expected("a whole number from 0 to 4294967295", node, mistakes);
        }
        value
    }
}

/// An expression: text, or a constant that YAML already made something else of.
#[derive(Clone, Debug, PartialEq)]
pub struct Source(pub String);

impl Read for Source {
    fn read(node: &Node, mistakes: &mut Mistakes) -> Option<Self> {
        match &node.value {
            NodeValue::Bool(value) => Some(Source(value.to_string())),
            NodeValue::Int(value) => Some(Source(value.to_string())),
            NodeValue::Float(value) => Some(Source(format!("{value:?}"))),
            NodeValue::Text(text) => Some(Source(text.trim_end().to_owned())),
            _ => {
                expected("an expression", node, mistakes);
                None
            }
        }
    }
}

/// A duration in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Duration(pub i64);

impl Read for Duration {
    fn read(node: &Node, mistakes: &mut Mistakes) -> Option<Self> {
        let text = match &node.value {
            NodeValue::Text(text) => text.clone(),
            NodeValue::Int(value) => value.to_string(),
            NodeValue::Float(value) => value.to_string(),
            _ => {
                expected("a duration such as `7d`", node, mistakes);
                return None;
            }
        };
        match duration::parse(&text) {
            Ok(micros) => Some(Duration(micros)),
            Err(why) => {
                mistakes.add(Mistake::new(why, node.span.clone()).help(duration::FORM));
                None
            }
        }
    }
}

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteSize(pub u64);

impl Read for ByteSize {
    fn read(node: &Node, mistakes: &mut Mistakes) -> Option<Self> {
        let size = match &node.value {
            NodeValue::Text(text) => byte_size(text),
            NodeValue::Unknown => return None,
            _ => None,
        };
        if size.is_none() {
            mistakes.add(
                Mistake::new(
                    format!("expected a size, found {}", node.kind()),
                    node.span.clone(),
                )
                .help("write a whole number and a unit: `64MiB`, `1GiB`, `512KiB`"),
            );
        }
        size.map(ByteSize)
    }
}

fn byte_size(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let unit: u64 = match text[digits..].trim() {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        _ => return None,
    };
    text[..digits].parse::<u64>().ok()?.checked_mul(unit)
}

/// A value as it stands, to be read later or by somebody else.
#[derive(Clone, Debug)]
pub struct Raw(pub Node);

impl Read for Raw {
    fn read(node: &Node, _mistakes: &mut Mistakes) -> Option<Self> {
        Some(Raw(node.clone()))
    }
}

/// One word of a closed set.
pub trait Word: Sized + Copy + 'static {
    /// What the words are, for messages: `a format`.
    const WHAT: &'static str;
    /// Every word with what it stands for.
    const WORDS: &'static [(&'static str, Self)];

    /// The word.
    fn read_word(node: &Node, mistakes: &mut Mistakes) -> Option<Self> {
        let words = || Self::WORDS.iter().map(|(word, _)| *word);
        let NodeValue::Text(text) = &node.value else {
            expected(
                &format!("{}: {}", Self::WHAT, enumerate(words())),
                node,
                mistakes,
            );
            return None;
        };
        let found = Self::WORDS
            .iter()
            .find(|(word, _)| word == text)
            .map(|(_, value)| *value);
        if found.is_none() {
            mistakes.add(
                Mistake::new(format!("`{text}` is not {}", Self::WHAT), node.span.clone())
                    .nearest(text, words())
                    .help(format!("write one of {}", enumerate(words()))),
            );
        }
        found
    }

    /// The words as a schema.
    fn word_schema() -> Schema {
        let words: Vec<&str> = Self::WORDS.iter().map(|(word, _)| *word).collect();
        json_schema!({ "type": "string", "enum": words })
    }
}

/// Gives a [`Word`] its reader and schema.
macro_rules! word {
    ($name:ident) => {
        impl $crate::file::read::Read for $name {
            fn read(
                node: &$crate::file::node::Node,
                mistakes: &mut $crate::file::mistakes::Mistakes,
            ) -> Option<Self> {
                <$name as $crate::file::read::Word>::read_word(node, mistakes)
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
                <$name as $crate::file::read::Word>::word_schema()
            }
        }
    };
}
pub(crate) use word;

/// The keys of a mapping while a section takes its own.
pub struct Keys<'n> {
    span: Span,
    entries: &'n [(Key, Node)],
}

impl<'n> Keys<'n> {
    /// The mapping at `node`, whose keys must all be among `known`.
    pub fn of(node: &'n Node, known: &[&str], mistakes: &mut Mistakes) -> Option<Keys<'n>> {
        let entries = match &node.value {
            NodeValue::Map(entries) => entries.as_slice(),
            NodeValue::Null => &[],
            _ => {
                expected("a mapping", node, mistakes);
                return None;
            }
        };
        for (key, _) in entries
            .iter()
            .filter(|(key, _)| !known.contains(&key.name.as_str()))
        {
            mistakes.add(
                Mistake::new(format!("unknown key `{}`", key.name), key.span.clone())
                    .label("not a key of this section")
                    .nearest(&key.name, known.iter().copied())
                    .help(format!(
                        "the keys here are {}",
                        enumerate(known.iter().copied())
                    )),
            );
        }
        Some(Keys {
            span: node.span.clone(),
            entries,
        })
    }

    /// The value of a key.
    pub fn take<T: Read>(&self, name: &str, mistakes: &mut Mistakes) -> Option<T> {
        let found = self.entries.iter().find(|(key, _)| key.name == name);
        let placed = found.map(|(key, node)| Node {
            value: node.value.clone(),
            span: at_key(key, node),
        });
        T::entry(placed.as_ref(), name, &self.span, mistakes)
    }
}

/// The key of a struct's field: `type` is typed as it is.
pub const fn key_name(field: &'static str) -> &'static str {
    match field.as_bytes() {
        [b'r', b'#', ..] => field.split_at(2).1,
        _ => field,
    }
}

/// Declares a section: a struct, its reader, and its schema, from one list of keys.
macro_rules! section {
    ($(#[$meta:meta])* pub struct $name:ident { $($(#[$key_meta:meta])* pub $key:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, schemars::JsonSchema)]
        #[schemars(deny_unknown_fields)]
        pub struct $name {
            $($(#[$key_meta])* pub $key: $type,)*
            /// Whether something is wrong with it: what is missing may be what was mistyped.
            #[schemars(skip)]
            pub is_flawed: bool,
        }

        impl $name {
            /// The keys in the order of the reference.
            pub const KEYS: &[&str] = &[$($crate::file::read::key_name(stringify!($key))),*];
        }

        impl $crate::file::read::Read for $name {
            fn read(
                node: &$crate::file::node::Node,
                mistakes: &mut $crate::file::mistakes::Mistakes,
            ) -> Option<Self> {
                let before = mistakes.count();
                let keys = $crate::file::read::Keys::of(node, Self::KEYS, mistakes)?;
                $(let $key = keys.take::<$type>($crate::file::read::key_name(stringify!($key)), mistakes);)*
                let is_flawed = mistakes.count() > before;
                Some($name { $($key: $key?,)* is_flawed })
            }
        }
    };
}
pub(crate) use section;

/// Gives a wrapper the schema of what it wraps.
macro_rules! schema_of_inner {
    ($($wrapper:ident),*) => {$(
        impl<T: JsonSchema> JsonSchema for $wrapper<T> {
            fn inline_schema() -> bool {
                T::inline_schema()
            }

            fn schema_name() -> Cow<'static, str> {
                T::schema_name()
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                T::json_schema(generator)
            }
        }
    )*};
}
schema_of_inner!(Spanned, Required);

impl<T: JsonSchema> JsonSchema for List<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("List_of_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "array", "items": generator.subschema_for::<T>() })
    }
}

impl<T: JsonSchema> JsonSchema for Map<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Map_of_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "additionalProperties": generator.subschema_for::<T>() })
    }
}

/// Gives a scalar its schema.
macro_rules! scalar_schema {
    ($($name:ident: $schema:tt),* $(,)?) => {$(
        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    )*};
}
scalar_schema!(
    Source: { "type": ["string", "number", "boolean"] },
    Duration: { "type": ["string", "integer"], "pattern": "^(0|([0-9]+(ms|s|m|h|d|w))+)$" },
    ByteSize: { "type": "string", "pattern": "^[0-9]+ *(B|KiB|MiB|GiB|kB|KB|MB|GB)$" },
    Raw: true,
);
