//! Estimates the memory that decoding a protobuf file takes, without decoding it.
//!
//! Two bytes of a file can become a message of some hundred bytes in memory, so a file within the size limit could
//! still exhaust memory. This module walks over the fields of the file and adds up their sizes in memory.

use tract_onnx::pb;

use crate::ModelError;

/// A file may take this many bytes of memory, plus [`MEMORY_FACTOR`] times its size.
const BASE_MEMORY: u64 = 64 << 20;
const MEMORY_FACTOR: u64 = 8;

/// prost's limit on the depth of nested messages.
const MAX_DEPTH: usize = 100;

#[derive(Clone, Copy)]
enum Message {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    /// A message that holds no large ones.
    Other,
}

/// The content of a field.
enum Field {
    Message(Message, usize),
    /// A string or bytes.
    Text,
    /// Numbers of at least one byte each, eight in memory.
    Numbers,
    Scalar,
}

impl Message {
    fn field(self, number: u64) -> Field {
        use Field::{Message as Sub, Numbers, Scalar, Text};
        match (self, number) {
            (Message::Model, 7) => Sub(Message::Graph, size_of::<pb::GraphProto>()),
            (Message::Model, 20 | 25) => Sub(Message::Other, size_of::<pb::FunctionProto>()),
            (Message::Model, 8 | 14) => Sub(Message::Other, size_of::<pb::StringStringEntryProto>()),
            (Message::Graph, 1) => Sub(Message::Node, size_of::<pb::NodeProto>()),
            (Message::Graph, 5) => Sub(Message::Tensor, size_of::<pb::TensorProto>()),
            (Message::Graph, 11..=15) => Sub(Message::Other, 2 * size_of::<pb::TensorProto>()),
            (Message::Node, 5) => Sub(Message::Attribute, size_of::<pb::AttributeProto>()),
            (Message::Node, 1 | 2) | (Message::Attribute, 9) | (Message::Tensor, 6) => Text,
            (Message::Attribute, 5 | 10) => Sub(Message::Tensor, size_of::<pb::TensorProto>()),
            (Message::Attribute, 6 | 11) => Sub(Message::Graph, size_of::<pb::GraphProto>()),
            (Message::Attribute, 15 | 22 | 23) => Sub(Message::Other, 2 * size_of::<pb::TensorProto>()),
            (Message::Attribute, 7 | 8) | (Message::Tensor, 1 | 4 | 5 | 7 | 10 | 11) => Numbers,
            (Message::Tensor, 13) => Sub(Message::Other, size_of::<pb::StringStringEntryProto>()),
            // A message within another kind is counted with the size of the largest possible.
            (Message::Other, _) => Sub(Message::Other, size_of::<pb::NodeProto>()),
            _ => Scalar,
        }
    }
}

/// Refuses a file whose decoding would take far more memory than its size.
pub(crate) fn check(bytes: &[u8]) -> Result<(), ModelError> {
    let allowed = BASE_MEMORY.saturating_add(MEMORY_FACTOR.saturating_mul(bytes.len() as u64));
    let mut memory = 0;
    // The decoder refuses truncated files and wrong lengths.
    let _ = walk(bytes, Message::Model, 0, allowed, &mut memory);
    if memory > allowed {
        return Err(ModelError::Limit(format!(
            "{} bytes that decode to more than {allowed}",
            bytes.len()
        )));
    }
    Ok(())
}

/// Adds the size of the message `bytes` in memory to `memory`; `None` if they are not a message, or the sum exceeds
/// `allowed`.
fn walk(mut bytes: &[u8], message: Message, depth: usize, allowed: u64, memory: &mut u64) -> Option<()> {
    if depth > MAX_DEPTH {
        return None;
    }
    while !bytes.is_empty() {
        let tag = varint(&mut bytes)?;
        let field = message.field(tag >> 3);
        let content = match tag & 7 {
            0 => {
                varint(&mut bytes)?;
                None
            }
            1 => take(&mut bytes, 8).map(|_| None)?,
            5 => take(&mut bytes, 4).map(|_| None)?,
            2 => {
                let length = varint(&mut bytes)?;
                Some(take(&mut bytes, length)?)
            }
            _ => return None,
        };
        let length = content.map_or(1, <[u8]>::len) as u64;
        *memory += match field {
            Field::Message(_, size) => size as u64,
            Field::Text => length + size_of::<String>() as u64,
            Field::Numbers => 8 * length,
            Field::Scalar => length,
        };
        if *memory > allowed {
            return None;
        }
        if let (Field::Message(message, _), Some(content)) = (field, content) {
            // Text in a message of kind Other is walked as if it were a message; the walk may then end early.
            let inner = walk(content, message, depth + 1, allowed, memory);
            if !matches!(message, Message::Other) {
                inner?;
            } else if *memory > allowed {
                return None;
            }
        }
    }
    Some(())
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for place in 0..10 {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn take<'a>(bytes: &mut &'a [u8], length: u64) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(usize::try_from(length).ok()?)?;
    *bytes = rest;
    Some(taken)
}
