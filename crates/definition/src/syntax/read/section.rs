//! Mappings with known keys.

use super::value::{Read, at_key, expected};
use crate::diagnostics::{Diagnostic, Diagnostics, Span, enumerate};
use crate::text::{Key, Node, NodeValue};

/// The entries of a mapping, from which a section takes its keys.
pub struct Keys<'n> {
    span: Span,
    entries: &'n [(Key, Node)],
}

impl<'n> Keys<'n> {
    /// The mapping at `node`. A key that is not among `known` is a diagnostic.
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
            span: at_key(key, node),
            ..node.clone()
        });
        T::entry(placed.as_ref(), name, &self.span, diagnostics)
    }
}

/// The key of a struct's field: `r#type` is `type`.
pub const fn key_name(field: &'static str) -> &'static str {
    match field.as_bytes() {
        [b'r', b'#', ..] => field.split_at(2).1,
        _ => field,
    }
}

/// Concatenates the keys of a section's parts. `N` is their number.
pub const fn join<const N: usize>(parts: &[&[&'static str]]) -> [&'static str; N] {
    let mut joined = [""; N];
    let (mut part, mut at) = (0, 0);
    while part < parts.len() {
        let mut key = 0;
        while key < parts[part].len() {
            joined[at] = parts[part][key];
            (key, at) = (key + 1, at + 1);
        }
        part += 1;
    }
    joined
}

/// The number of keys of a section's parts.
pub const fn count(parts: &[&[&str]]) -> usize {
    let (mut part, mut keys) = (0, 0);
    while part < parts.len() {
        keys += parts[part].len();
        part += 1;
    }
    keys
}

/// Declares a section: a struct, its reader and its schema from one list of keys.
///
/// `[group: Type]` between two keys stands for the keys of a table. `Type` has `KEYS`, `take_all`, which reads them, and
/// `describe`, which adds them to the section's schema.
macro_rules! section {
    ($(#[$meta:meta])* pub struct $name:ident {
        $($(#[$key_meta:meta])* pub $key:ident: $type:ty,)*
        $([$group:ident: $group_type:ident]
        $($(#[$more_meta:meta])* pub $more:ident: $more_type:ty,)*)?
    }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, schemars::JsonSchema)]
        #[schemars(deny_unknown_fields $(, transform = $group_type::describe)?)]
        pub struct $name {
            $($(#[$key_meta])* pub $key: $type,)*
            $(
                /// The keys of the table.
                #[schemars(skip)]
                pub $group: $group_type,
                $($(#[$more_meta])* pub $more: $more_type,)*
            )?
            /// Whether reading it added diagnostics. A missing key may then be a misspelt one.
            #[schemars(skip)]
            pub is_flawed: bool,
        }

        impl $name {
            const PARTS: &[&[&'static str]] = &[
                &[$($crate::syntax::read::key_name(stringify!($key))),*],
                $($group_type::KEYS, &[$($crate::syntax::read::key_name(stringify!($more))),*],)?
            ];

            /// The keys in the order of the reference.
            pub const KEYS: &[&'static str] = &$crate::syntax::read::join::<{ $crate::syntax::read::count($name::PARTS) }>($name::PARTS);
        }

        impl $crate::syntax::read::Read for $name {
            fn read(
                node: &$crate::text::Node,
                diagnostics: &mut $crate::diagnostics::Diagnostics,
            ) -> Option<Self> {
                let before = diagnostics.count();
                let keys = $crate::syntax::read::Keys::of(node, Self::KEYS, diagnostics)?;
                $(let $key = keys.take::<$type>($crate::syntax::read::key_name(stringify!($key)), diagnostics);)*
                $(
                    let $group = $group_type::take_all(&keys, diagnostics);
                    $(let $more = keys.take::<$more_type>($crate::syntax::read::key_name(stringify!($more)), diagnostics);)*
                )?
                let is_flawed = diagnostics.count() > before;
                Some($name { $($key: $key?,)* $($group, $($more: $more?,)*)? is_flawed })
            }
        }
    };
}
pub(crate) use section;
