//! The fields of an input as a tree of names, for decoders that traverse a record from the outside in.

use crate::field::Field;
use crate::value::Slot;

/// All fields of an input. Object 0 is the record itself.
#[derive(Clone, Debug)]
pub(crate) struct FieldTree {
    pub objects: Vec<Object>,
}

/// An object of the record (in Avro: a record or map) that contains fields.
#[derive(Clone, Debug, Default)]
pub(crate) struct Object {
    /// Names from the outside in, with dots, for error messages.
    pub path: String,
    /// The members that are read, by name.
    pub members: Vec<(String, Member)>,
    /// The slots of all fields within.
    pub slots: Vec<Slot>,
}

/// A member that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Member {
    /// An index into the fields.
    Field(usize),
    /// An index into the objects.
    Object(usize),
}

/// The index of the record itself.
pub(crate) const ROOT: usize = 0;

impl FieldTree {
    /// `fields` as checked by [`InputFields`](crate::InputFields): no path is empty, none lies within another.
    pub fn new(fields: &[Field]) -> Self {
        let mut tree = FieldTree {
            objects: vec![Object::default()],
        };
        for (index, field) in fields.iter().enumerate() {
            let (last, parents) = field.path.split_last().expect("paths are not empty");
            let mut object = ROOT;
            tree.objects[ROOT].slots.push(field.slot);
            for name in parents {
                object = tree.child(object, name);
                tree.objects[object].slots.push(field.slot);
            }
            tree.objects[object].members.push((last.clone(), Member::Field(index)));
        }
        tree
    }

    fn child(&mut self, parent: usize, name: &str) -> usize {
        let existing = self.objects[parent].members.iter().find(|(member, _)| member == name);
        if let Some(&(_, Member::Object(object))) = existing {
            return object;
        }
        let path = match self.objects[parent].path.as_str() {
            "" => name.to_owned(),
            path => format!("{path}.{name}"),
        };
        let object = self.objects.len();
        self.objects.push(Object {
            path,
            ..Object::default()
        });
        self.objects[parent]
            .members
            .push((name.to_owned(), Member::Object(object)));
        object
    }

    /// The indexes of all fields within `member`.
    pub fn fields_of(&self, member: Member) -> Vec<usize> {
        match member {
            Member::Field(field) => vec![field],
            Member::Object(object) => self.objects[object]
                .members
                .iter()
                .flat_map(|&(_, member)| self.fields_of(member))
                .collect(),
        }
    }
}
