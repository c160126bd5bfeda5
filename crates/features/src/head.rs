//! The encoding of an entity's head: everything but its sealed chunks, of which it has the outlines.

use crate::chunk::Chunk;
use crate::encode::{Malformed, OTHER_VERSION, OUTSIDE, Reader, VERSION, put_signed, put_unsigned};
use crate::entity::Entity;
use crate::entity_log::{Cursor, EntityLog};
use crate::layout::{EntityFeatures, InputLayout, WindowLayout};
use crate::linear;
use crate::state::StateError;

/// Sets `out` to the key of an entity's head.
pub(crate) fn head_key(key: &str, out: &mut Vec<u8>) {
    out.clear();
    out.push(b'e');
    out.extend_from_slice(key.as_bytes());
}

/// Appends an entity's head.
pub(crate) fn encode_head(entity: &Entity, features: &EntityFeatures, out: &mut Vec<u8>) {
    out.push(VERSION);
    out.extend_from_slice(&features.fingerprint.to_le_bytes());
    put_signed(out, entity.stream);
    put_signed(out, entity.newest);
    for log in &entity.logs {
        encode_log(log, out);
    }
    for (edge, cursor) in features.edges.iter().zip(&entity.windows.edges) {
        put_unsigned(out, cursor.ordinal - entity.logs[edge.input].base());
    }
    for window in &features.windows {
        linear::encode(window, &entity.windows.words[window.words()], out);
        for derived in &entity.windows.derived[window.deriveds()] {
            if let Some(base) = &derived.base {
                base.encode(out);
            }
        }
    }
}

fn encode_log(log: &EntityLog, out: &mut Vec<u8>) {
    put_unsigned(out, log.base());
    put_unsigned(out, u64::from(log.next_id));
    put_unsigned(out, log.sealed.len() as u64);
    let mut previous = 0i64;
    for chunk in &log.sealed {
        put_unsigned(out, u64::from(chunk.id));
        put_unsigned(out, u64::from(chunk.len));
        put_signed(out, chunk.first.wrapping_sub(previous));
        put_unsigned(out, chunk.last.wrapping_sub(chunk.first) as u64);
        previous = chunk.last;
    }
    put_unsigned(out, u64::from(log.tail.len));
    put_signed(out, log.tail.first);
    put_unsigned(out, log.tail.bytes().len() as u64);
    out.extend_from_slice(log.tail.bytes());
}

/// Reads what [`encode_head`] wrote.
pub(crate) fn decode_head(bytes: &[u8], features: &EntityFeatures, key: &str) -> Result<Entity, StateError> {
    decode(bytes, features, key).map_err(|why| StateError::Corrupt {
        what: "an entity".into(),
        why: why.0.into(),
    })
}

fn decode(bytes: &[u8], features: &EntityFeatures, key: &str) -> Result<Entity, Malformed> {
    let mut reader = Reader::new(bytes);
    if reader.byte()? != VERSION {
        return Err(OTHER_VERSION);
    }
    if u32::from_le_bytes(reader.array()?) != features.fingerprint {
        return Err(Malformed(
            "it was written for other features: windows, values or settings differ",
        ));
    }
    let mut entity = Entity::new(features, key);
    entity.stream = reader.signed()?;
    entity.newest = reader.signed()?;
    for (log, layout) in entity.logs.iter_mut().zip(&features.inputs) {
        *log = decode_log(&mut reader, layout)?;
    }
    decode_edges(&mut reader, features, &mut entity)?;
    for window in &features.windows {
        linear::decode(&mut reader, window, &mut entity.windows.words[window.words()])?;
        for derived in &mut entity.windows.derived[window.deriveds()] {
            derived.decode_base(&mut reader)?;
        }
    }
    reader.end()?;
    Ok(entity)
}

fn decode_log(reader: &mut Reader<'_>, layout: &InputLayout) -> Result<EntityLog, Malformed> {
    const DISORDERED: Malformed = Malformed("its chunks are out of order");
    let mut start = reader.unsigned()?;
    let next_id = small(reader)?;
    let sealed = reader.count()?;
    let mut chunks = Vec::with_capacity(sealed);
    let mut previous = 0i64;
    for index in 0..sealed {
        let id = small(reader)?;
        let len = small(reader)?;
        let first = previous.wrapping_add(reader.signed()?);
        let last = first.checked_add_unsigned(reader.unsigned()?).ok_or(DISORDERED)?;
        if len == 0 || id >= next_id || (index > 0 && first < previous) {
            return Err(DISORDERED);
        }
        chunks.push(Chunk {
            id,
            len,
            first,
            last,
            bytes: None,
            touched: false,
            ..Chunk::empty(start)
        });
        start = start.checked_add(u64::from(len)).ok_or(DISORDERED)?;
        previous = last;
    }
    let (len, first, size) = (small(reader)?, reader.signed()?, reader.count()?);
    let tail = Chunk::unpack(start, first, len, reader.bytes(size)?, layout)?;
    if sealed > 0 && (tail.len == 0 || tail.first < previous) {
        return Err(DISORDERED);
    }
    if start
        .checked_add(u64::from(tail.len))
        .is_none_or(|end| end > i64::MAX as u64)
    {
        return Err(DISORDERED);
    }
    Ok(EntityLog::from_chunks(chunks, tail, next_id))
}

fn small(reader: &mut Reader<'_>) -> Result<u32, Malformed> {
    u32::try_from(reader.unsigned()?).map_err(|_| Malformed("a number is too large"))
}

fn decode_edges(reader: &mut Reader<'_>, features: &EntityFeatures, entity: &mut Entity) -> Result<(), Malformed> {
    let edges = &mut entity.windows.edges;
    for (edge, cursor) in features.edges.iter().zip(&mut *edges) {
        let log = &entity.logs[edge.input];
        let ordinal = log.base().checked_add(reader.unsigned()?).ok_or(OUTSIDE)?;
        if ordinal > log.end() {
            return Err(OUTSIDE);
        }
        *cursor = Cursor::unresolved(ordinal);
    }
    let is_reversed = |window: &WindowLayout| edges[window.lo].ordinal > edges[window.hi].ordinal;
    if features.windows.iter().any(is_reversed) {
        return Err(Malformed("a window ends before it begins"));
    }
    Ok(())
}
