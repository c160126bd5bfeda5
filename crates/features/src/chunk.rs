//! A chunk: consecutive entries of a log, ordered by event time, in the encoding of the store. A chunk that is not in memory
//! has only its outline.

use crate::encode::{Malformed, Reader, put_entry};
use crate::entry::{Entry, EntryBuffer};
use crate::layout::InputLayout;
use compact_str::CompactString;

/// Consecutive entries of a log.
#[derive(Debug)]
pub(crate) struct Chunk {
    /// Ordinal of the first entry.
    pub(crate) start: u64,
    /// Event times of the first and the last entry; undefined if the chunk is empty.
    pub(crate) first: i64,
    pub(crate) last: i64,
    /// The encoded entries; `None` if they are only in the store.
    pub(crate) bytes: Option<Vec<u8>>,
    pub(crate) len: u32,
    /// How many entries at the beginning have no id, or no longer.
    pub(crate) without_id: u32,
    /// Part of the chunk's key in the store, once it is sealed.
    pub(crate) id: u32,
    /// Whether the store lacks it or holds an older version.
    pub(crate) dirty: bool,
    /// Whether it was read since the last release.
    pub(crate) touched: bool,
}

impl Chunk {
    pub(crate) fn empty(start: u64) -> Self {
        Chunk {
            start,
            first: 0,
            last: 0,
            bytes: Some(Vec::new()),
            len: 0,
            without_id: 0,
            id: 0,
            dirty: false,
            touched: true,
        }
    }

    #[inline]
    pub(crate) fn end(&self) -> u64 {
        self.start + u64::from(self.len)
    }

    /// The encoded entries; they must have been loaded.
    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.as_ref().expect("the chunk has been loaded")
    }

    /// Adds an entry that is not earlier than any.
    #[inline]
    pub(crate) fn append(&mut self, layout: &InputLayout, entry: Entry<'_>) {
        if self.len == 0 {
            self.first = entry.time();
            self.last = entry.time();
        }
        if self.without_id == self.len && entry.id() == 0 {
            self.without_id += 1;
        }
        let bytes = self.bytes.as_mut().expect("the chunk has been loaded");
        put_entry(bytes, layout, self.last, entry);
        self.last = entry.time();
        self.len += 1;
        self.dirty = true;
    }

    /// Decodes a chunk from the store or from a head. The bytes may be damaged.
    pub(crate) fn unpack(
        start: u64,
        first: i64,
        len: u32,
        bytes: &[u8],
        layout: &InputLayout,
    ) -> Result<Self, Malformed> {
        let mut chunk = Chunk {
            first,
            last: first,
            ..Chunk::empty(start)
        };
        let mut reader = Reader::new(bytes);
        let mut buffer = EntryBuffer::default();
        for index in 0..len {
            reader.entry(layout, chunk.last, &mut buffer)?;
            let entry = buffer.entry();
            if index == 0 && entry.time() != first {
                return Err(Malformed("its first entry is another"));
            }
            chunk.last = entry.time();
            if chunk.without_id == index && entry.id() == 0 {
                chunk.without_id += 1;
            }
        }
        reader.end()?;
        chunk.len = len;
        chunk.bytes = Some(bytes.to_vec());
        Ok(chunk)
    }

    /// The decoded entries, to be changed.
    pub(crate) fn entries(&self, layout: &InputLayout) -> Result<Rows, Malformed> {
        let mut rows = Rows::new(layout);
        let mut reader = Reader::new(self.bytes());
        let mut buffer = EntryBuffer::default();
        let mut time = self.first;
        for _ in 0..self.len {
            reader.entry(layout, time, &mut buffer)?;
            time = buffer.entry().time();
            rows.insert(rows.len(), buffer.entry());
        }
        Ok(rows)
    }

    /// Replaces its entries.
    pub(crate) fn set(&mut self, rows: &Rows, layout: &InputLayout) {
        let start = self.start;
        let (id, mut bytes) = (self.id, self.bytes.take().unwrap_or_default());
        bytes.clear();
        *self = Chunk {
            id,
            bytes: Some(bytes),
            ..Chunk::empty(start)
        };
        rows.entries().for_each(|entry| self.append(layout, entry));
        self.dirty = true;
    }

    /// Frees spare capacity.
    pub(crate) fn shrink(&mut self) {
        if let Some(bytes) = &mut self.bytes {
            bytes.shrink_to_fit();
        }
    }

    /// See [`crate::entity::Entity::touch`].
    #[inline]
    pub(crate) fn touch(&self, offset: usize) -> i64 {
        let bytes = self.bytes.as_deref().unwrap_or_default();
        bytes.get(offset).or(bytes.last()).map_or(0, |&byte| i64::from(byte))
    }

    pub(crate) fn memory(&self) -> usize {
        self.bytes.as_ref().map_or(0, Vec::capacity)
    }
}

/// Decoded entries.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    stride: usize,
    text_stride: usize,
    words: Vec<i64>,
    texts: Vec<Option<CompactString>>,
}

impl Rows {
    fn new(layout: &InputLayout) -> Self {
        let (stride, text_stride) = (layout.stride(), layout.texts.len());
        Rows {
            stride,
            text_stride,
            ..Rows::default()
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.words.len() / self.stride
    }

    pub(crate) fn entry(&self, index: usize) -> Entry<'_> {
        Entry {
            words: &self.words[index * self.stride..][..self.stride],
            texts: &self.texts[index * self.text_stride..][..self.text_stride],
        }
    }

    fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        (0..self.len()).map(|index| self.entry(index))
    }

    pub(crate) fn insert(&mut self, index: usize, entry: Entry<'_>) {
        let at = index * self.stride;
        self.words.splice(at..at, entry.words.iter().copied());
        let at = index * self.text_stride;
        self.texts.splice(at..at, entry.texts.iter().cloned());
    }

    /// Takes out the first `count` entries.
    pub(crate) fn drop_front(&mut self, count: usize) {
        self.words.drain(..count * self.stride);
        self.texts.drain(..count * self.text_stride);
    }

    pub(crate) fn split_off(&mut self, index: usize) -> Rows {
        Rows {
            words: self.words.split_off(index * self.stride),
            texts: self.texts.split_off(index * self.text_stride),
            ..*self
        }
    }

    /// Forgets the ids of entries at or before `time`.
    pub(crate) fn forget_ids(&mut self, time: i64) {
        let rows = self.words.chunks_exact_mut(self.stride);
        rows.take_while(|row| row[0] <= time).for_each(|row| row[1] = 0);
    }
}
