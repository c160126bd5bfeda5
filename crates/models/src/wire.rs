//! How much memory decoding a file would take, found without decoding it.
//!
//! Two bytes of a protobuf file can become a message of some hundred bytes in memory, so a file within the size limit
//! could still exhaust it. This walks over the file's fields and adds up what they become.

use tract_onnx::pb;

use crate::ModelError;

/// Decoded memory that any file may take, and how many times its own size a larger one may.
const FREE: u64 = 64 << 20;
const FACTOR: u64 = 8;

/// Depth at which the decoder gives up.
const DEEPEST: usize = 100;

#[derive(Clone, Copy)]
enum Message {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    /// A message that nothing large nests in.
    Other,
}

/// What a field holds.
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
            // Whatever nests in the remaining messages is taken for the largest that could.
            (Message::Other, _) => Sub(Message::Other, size_of::<pb::NodeProto>()),
            _ => Scalar,
        }
    }
}

/// Refuses a file whose decoding would take far more memory than its size.
pub(crate) fn check_memory(bytes: &[u8]) -> Result<(), ModelError> {
    let allowed = FREE.saturating_add(FACTOR.saturating_mul(bytes.len() as u64));
    let mut memory = 0;
    // A file that breaks off or lies about a length is the decoder's to refuse.
    let _ = walk(bytes, Message::Model, 0, allowed, &mut memory);
    if memory > allowed {
        return Err(ModelError::Limit(format!(
            "{} bytes that decode to more than {allowed}",
            bytes.len()
        )));
    }
    Ok(())
}

/// Adds up what `bytes` become; `None` when they are no message or the sum exceeds what is allowed.
fn walk(mut bytes: &[u8], message: Message, depth: usize, allowed: u64, memory: &mut u64) -> Option<()> {
    if depth > DEEPEST {
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
            // Text within a message of the kind Other may look like one; it then ends early, which is no harm.
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
