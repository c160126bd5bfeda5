//! The source of a log's values: its chunks in the store.

use crate::chunk::Chunk;
use crate::encode::{Malformed, OTHER_VERSION, VERSION};
use crate::layout::InputLayout;
use crate::state::{StateError, StateStore};

/// Reads chunks that are not in memory.
#[derive(Clone, Copy)]
pub(crate) struct ValueSource<'a> {
    pub(crate) store: &'a dyn StateStore,
    pub(crate) layout: &'a InputLayout,
    pub(crate) key: &'a str,
    pub(crate) input: u8,
}

impl ValueSource<'_> {
    pub(crate) fn load(&self, chunk: &mut Chunk) -> Result<(), StateError> {
        let key = chunk_key(self.key, self.input, chunk.id);
        let bytes = self.store.get(&key)?.ok_or(Malformed("it is missing"))?;
        let Some((&VERSION, packed)) = bytes.split_first() else {
            return Err(OTHER_VERSION.into());
        };
        let loaded = Chunk::unpack(chunk.start, chunk.first, chunk.len, packed, self.layout)?;
        if loaded.last != chunk.last {
            return Err(Malformed("its last entry is another").into());
        }
        chunk.bytes = loaded.bytes;
        chunk.without_id = loaded.without_id;
        Ok(())
    }
}

impl From<Malformed> for StateError {
    fn from(malformed: Malformed) -> Self {
        StateError::Corrupt {
            what: "a chunk of a log".into(),
            why: malformed.0.into(),
        }
    }
}

/// The key of a sealed chunk.
pub(crate) fn chunk_key(key: &str, input: u8, id: u32) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(key.len() + 6);
    bytes.push(b'c');
    bytes.extend_from_slice(key.as_bytes());
    bytes.push(input);
    bytes.extend_from_slice(&id.to_be_bytes());
    bytes
}
