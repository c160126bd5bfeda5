//! The fields of an input as a tree of names, for decoders that go through a record from the outside in.

use crate::input::Field;
use crate::value::Slot;

/// All fields of an input. Node 0 is the record itself.
#[derive(Clone, Debug)]
pub(crate) struct FieldTree {
    pub nodes: Vec<Node>,
}

/// A record or object that contains fields.
#[derive(Clone, Debug, Default)]
pub(crate) struct Node {
    /// Names from the outside in, with dots, for error messages.
    pub path: String,
    /// What is wanted of it.
    pub members: Vec<(String, Member)>,
    /// The slots of all fields within.
    pub slots: Vec<Slot>,
}

/// Something wanted: an index into the fields, or a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Member {
    Field(usize),
    Node(usize),
}

/// The node that is the record itself.
pub(crate) const ROOT: usize = 0;

impl FieldTree {
    /// `fields` as checked by [`InputFields`](crate::InputFields): no path is empty, none lies within another.
    pub fn new(fields: &[Field]) -> Self {
        let mut tree = FieldTree {
            nodes: vec![Node::default()],
        };
        for (index, field) in fields.iter().enumerate() {
            let (last, parents) = field.path.split_last().expect("paths are not empty");
            let mut node = ROOT;
            tree.nodes[ROOT].slots.push(field.slot);
            for name in parents {
                node = tree.child(node, name);
                tree.nodes[node].slots.push(field.slot);
            }
            tree.nodes[node].members.push((last.clone(), Member::Field(index)));
        }
        tree
    }

    fn child(&mut self, parent: usize, name: &str) -> usize {
        let existing = self.nodes[parent].members.iter().find(|(member, _)| member == name);
        if let Some(&(_, Member::Node(node))) = existing {
            return node;
        }
        let path = match self.nodes[parent].path.as_str() {
            "" => name.to_owned(),
            path => format!("{path}.{name}"),
        };
        let node = self.nodes.len();
        self.nodes.push(Node {
            path,
            ..Node::default()
        });
        self.nodes[parent].members.push((name.to_owned(), Member::Node(node)));
        node
    }

    /// The indexes of all fields within `member`.
    pub fn fields_of(&self, member: Member) -> Vec<usize> {
        match member {
            Member::Field(field) => vec![field],
            Member::Node(node) => self.nodes[node]
                .members
                .iter()
                .flat_map(|&(_, member)| self.fields_of(member))
                .collect(),
        }
    }
}
