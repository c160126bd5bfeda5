//! Mappings with known keys.

use super::{Read, at_key, expected};
use crate::diagnostics::{Diagnostic, Diagnostics, enumerate};
use crate::node::{Key, Node, NodeValue, Span};

/// The keys of a mapping while a section takes its own.
pub struct Keys<'n> {
    span: Span,
    entries: &'n [(Key, Node)],
}

impl<'n> Keys<'n> {
    /// The mapping at `node`, whose keys must all be among `known`.
    pub fn of(node: &'n Node, known: &[&str], diagnostics: &mut Diagnostics) -> Option<Keys<'n>> {
        let entries = match &node.value {
            NodeValue::Map(entries) => entries.as_slice(),
            NodeValue::Null => &[],
            _ => {
                expected("a mapping", node, diagnostics);
                return None;
            }
        };
        for (key, _) in entries.iter().filter(|(key, _)| !known.contains(&key.name.as_str())) {
            diagnostics.add(
                Diagnostic::new(format!("unknown key `{}`", key.name), key.span.clone())
                    .label("not a key of this section")
                    .nearest(&key.name, known.iter().copied())
                    .help(format!("the keys here are {}", enumerate(known.iter().copied()))),
            );
        }
        Some(Keys {
            span: node.span.clone(),
            entries,
        })
    }

    /// The value of a key.
    pub fn take<T: Read>(&self, name: &str, diagnostics: &mut Diagnostics) -> Option<T> {
        let found = self.entries.iter().find(|(key, _)| key.name == name);
        let placed = found.map(|(key, node)| Node {
            value: node.value.clone(),
            span: at_key(key, node),
        });
        T::entry(placed.as_ref(), name, &self.span, diagnostics)
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
            pub const KEYS: &[&str] = &[$($crate::read::key_name(stringify!($key))),*];
        }

        impl $crate::read::Read for $name {
            fn read(
                node: &$crate::node::Node,
                diagnostics: &mut $crate::diagnostics::Diagnostics,
            ) -> Option<Self> {
                let before = diagnostics.count();
                let keys = $crate::read::Keys::of(node, Self::KEYS, diagnostics)?;
                $(let $key = keys.take::<$type>($crate::read::key_name(stringify!($key)), diagnostics);)*
                let is_flawed = diagnostics.count() > before;
                Some($name { $($key: $key?,)* is_flawed })
            }
        }
    };
}
pub(crate) use section;
