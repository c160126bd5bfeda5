//! The names an expression may use.

use crate::error::{ScopeError, nearest};
use crate::set::Constants;
use riskstream_events::{PublishedPseudonyms, Slot, Value, ValueType};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// The names that expressions may use: the variables, each with its slot of the row and its type, and
/// the constant lists. Names may be dotted: `merchant.country` is one variable.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    names: Vec<String>,
    entries: HashMap<String, Entry>,
    pseudonyms: HashSet<Slot>,
    published: Option<PublishedPseudonyms>,
}

#[derive(Clone, Debug)]
pub(crate) enum Entry {
    Variable {
        slot: Slot,
        value_type: ValueType,
    },
    ListVariable {
        slot: Slot,
        element: ValueType,
    },
    Constants {
        constants: Arc<Constants>,
        values: Arc<[Value]>,
    },
    LookedUp(LookedUp),
}

/// The slots of what a list or table says of one value. They are filled before expressions are evaluated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntrySlots {
    /// Whether there is an entry or row ([`ValueType::Bool`]); null without a value to look up.
    pub present: Slot,
    /// Its fields.
    pub fields: Arc<[EntryField]>,
}

/// A field of a list's entry, or a column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryField {
    /// Its name.
    pub name: String,
    /// The slot that it is looked up into; null if there is no entry or row.
    pub slot: Slot,
    /// Its type; no list.
    pub value_type: ValueType,
}

impl EntrySlots {
    /// All slots.
    pub fn all(&self) -> impl Iterator<Item = Slot> {
        let fields = self.fields.iter().map(|field| field.slot);
        std::iter::once(self.present).chain(fields)
    }
}

/// What values are looked up in, in the words of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LookupWords {
    /// `list` or `table`.
    pub(crate) whole: &'static str,
    /// `entry` or `row`.
    pub(crate) part: &'static str,
    /// `field` or `column`.
    pub(crate) field: &'static str,
}

const LIST: LookupWords = LookupWords {
    whole: "list",
    part: "entry",
    field: "field",
};
const TABLE: LookupWords = LookupWords {
    whole: "table",
    part: "row",
    field: "column",
};

/// A list whose entries change, or a table.
#[derive(Clone, Debug)]
pub(crate) struct LookedUp {
    pub(crate) words: LookupWords,
    /// The slots of the values that can be looked up, each with what is known of it then.
    pub(crate) lookups: Vec<(Slot, EntrySlots)>,
}

impl Scope {
    /// A scope without names.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a variable; of two with the same name the later counts. The elements of a list added here
    /// are taken to be floats (integers widen): [`Scope::add_list`] states another type.
    pub fn add(&mut self, name: impl Into<String>, slot: Slot, value_type: ValueType) {
        let entry = match value_type {
            ValueType::List => Entry::ListVariable {
                slot,
                element: ValueType::Float,
            },
            value_type => Entry::Variable { slot, value_type },
        };
        self.insert(name.into(), entry);
    }

    /// Adds a variable that holds a list whose elements are of type `element`.
    pub fn add_list(&mut self, name: impl Into<String>, slot: Slot, element: ValueType) {
        self.insert(name.into(), Entry::ListVariable { slot, element });
    }

    /// Adds a constant list for `x in name`. It may be empty.
    ///
    /// # Errors
    /// When the values are not of one type (integers and floats are one), or one of them is absent
    /// or itself a list.
    pub fn add_constants(&mut self, name: impl Into<String>, values: &[Value]) -> Result<(), ScopeError> {
        let name = name.into();
        let constants = Constants::new(&name, values)?;
        let entry = Entry::Constants {
            constants: Arc::new(constants),
            values: values.into(),
        };
        self.insert(name, entry);
        Ok(())
    }

    /// Adds a list whose entries change, for `x in name` and `name[x].reason`. `lookups` are the slots of the values that can be
    /// looked up, each with what is known of it then.
    pub fn add_entries(&mut self, name: impl Into<String>, lookups: Vec<(Slot, EntrySlots)>) {
        self.insert(name.into(), Entry::LookedUp(LookedUp { words: LIST, lookups }));
    }

    /// Adds a table, for `x in name` and `name[x].column`, as [`Scope::add_entries`] adds a list.
    pub fn add_table(&mut self, name: impl Into<String>, lookups: Vec<(Slot, EntrySlots)>) {
        self.insert(name.into(), Entry::LookedUp(LookedUp { words: TABLE, lookups }));
    }

    /// Marks a slot whose texts are pseudonyms: expressions may compare them with each other, and do nothing else.
    pub fn mark_pseudonym(&mut self, slot: Slot) {
        self.pseudonyms.insert(slot);
    }

    /// Whether the texts of a slot are pseudonyms.
    pub fn is_pseudonym(&self, slot: Slot) -> bool {
        self.pseudonyms.contains(&slot)
    }

    /// Constants that are compared with pseudonyms are published ones; rows hold those of the state.
    pub fn write_published(&mut self, published: PublishedPseudonyms) {
        self.published = Some(published);
    }

    pub(crate) fn published(&self) -> Option<&PublishedPseudonyms> {
        self.published.as_ref()
    }

    /// The names in the order in which they were added.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// Whether the scope has this name.
    pub fn contains(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// The name nearest to a mistyped one, if it is near enough to be the one that was meant.
    pub fn nearest(&self, name: &str) -> Option<&str> {
        nearest(name, self.names())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Entry> {
        self.entries.get(name)
    }

    pub(crate) fn is_timestamp(&self, name: &str) -> bool {
        let value_type = match self.get(name) {
            Some(Entry::Variable { value_type, .. }) => Some(*value_type),
            _ => None,
        };
        value_type == Some(ValueType::Timestamp)
    }

    /// The first name of a slot.
    pub(crate) fn name_of(&self, wanted: Slot) -> Option<&str> {
        self.names().find(|name| match self.get(name) {
            Some(Entry::Variable { slot, .. } | Entry::ListVariable { slot, .. }) => *slot == wanted,
            _ => false,
        })
    }

    fn insert(&mut self, name: String, entry: Entry) {
        if self.entries.insert(name.clone(), entry).is_none() {
            self.names.push(name);
        }
    }
}
