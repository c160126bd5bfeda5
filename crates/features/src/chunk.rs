//! A run of a log's entries, ordered by event time: in memory, or only known by its outline and to be
//! read from the store.

use crate::entry::Entry;
use crate::layout::InputLayout;
use compact_str::CompactString;

/// Some consecutive entries.
#[derive(Debug)]
pub(crate) struct Chunk {
    /// Names the chunk in the store, once it is sealed.
    pub(crate) id: u32,
    /// Ordinal of the first entry.
    pub(crate) start: u64,
    pub(crate) len: usize,
    /// Event times of the first and the last entry; without meaning when empty.
    pub(crate) first: i64,
    pub(crate) last: i64,
    /// `None`: only in the store.
    pub(crate) rows: Option<Rows>,
    /// Whether the store lacks it or holds an older version.
    pub(crate) dirty: bool,
    /// Whether it was looked at since the cache last asked.
    pub(crate) touched: bool,
}

impl Chunk {
    pub(crate) fn new(start: u64, rows: Rows) -> Self {
        let mut chunk = Chunk {
            id: 0,
            start,
            len: 0,
            first: 0,
            last: 0,
            rows: Some(rows),
            dirty: false,
            touched: true,
        };
        chunk.outline();
        chunk
    }

    pub(crate) fn end(&self) -> u64 {
        self.start + self.len as u64
    }

    /// The entries; they must have been loaded.
    #[inline]
    pub(crate) fn rows(&self) -> &Rows {
        self.rows.as_ref().expect("the chunk has been loaded")
    }

    fn rows_mut(&mut self) -> &mut Rows {
        self.rows.as_mut().expect("the chunk has been loaded")
    }

    fn outline(&mut self) {
        let rows = self.rows.as_ref().expect("the chunk has been loaded");
        self.len = rows.len();
        if self.len > 0 {
            self.first = rows.time(0);
            self.last = rows.time(self.len - 1);
        }
    }

    pub(crate) fn insert(&mut self, index: usize, entry: Entry<'_>) {
        self.rows_mut().insert(index, entry);
        self.outline();
        self.dirty = true;
    }

    /// Takes out the first `count` entries.
    pub(crate) fn drop_front(&mut self, count: usize) {
        self.rows_mut().drop_front(count);
        self.start += count as u64;
        self.outline();
    }

    /// Cuts off the second half.
    pub(crate) fn split(&mut self) -> Chunk {
        let middle = self.len / 2;
        let rest = self.rows_mut().split_off(middle);
        self.outline();
        self.dirty = true;
        Chunk::new(self.end(), rest)
    }

    /// Makes it a chunk of its own. Ids of entries at or before `forget_ids` are forgotten.
    pub(crate) fn seal(&mut self, id: u32, forget_ids: i64) {
        self.id = id;
        self.dirty = true;
        let rows = self.rows_mut();
        let stride = rows.stride;
        let forgotten = |row: &&mut [i64]| row[0] <= forget_ids;
        rows.words.chunks_exact_mut(stride).take_while(forgotten).for_each(|row| row[1] = 0);
        rows.words.shrink_to_fit();
        rows.texts.shrink_to_fit();
    }

    pub(crate) fn bytes(&self) -> usize {
        size_of::<Chunk>() + self.rows.as_ref().map_or(0, Rows::bytes)
    }
}

/// The entries of a chunk, row by row.
#[derive(Debug, PartialEq)]
pub(crate) struct Rows {
    stride: usize,
    text_stride: usize,
    words: Vec<i64>,
    texts: Vec<Option<CompactString>>,
}

impl Rows {
    pub(crate) fn new(layout: &InputLayout) -> Self {
        Rows {
            stride: layout.stride(),
            text_stride: layout.texts.len(),
            words: Vec::new(),
            texts: Vec::new(),
        }
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.words.len() / self.stride
    }

    #[inline]
    pub(crate) fn time(&self, index: usize) -> i64 {
        self.words[index * self.stride]
    }

    #[inline]
    pub(crate) fn id(&self, index: usize) -> u64 {
        self.words[index * self.stride + 1] as u64
    }

    #[inline]
    pub(crate) fn entry(&self, index: usize) -> Entry<'_> {
        Entry {
            words: &self.words[index * self.stride..][..self.stride],
            texts: &self.texts[index * self.text_stride..][..self.text_stride],
        }
    }

    #[inline]
    pub(crate) fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        (0..self.len()).map(|index| self.entry(index))
    }

    /// See [`crate::entity::Entity::touch`].
    #[inline]
    pub(crate) fn touch(&self, index: usize) -> i64 {
        self.words.get(index * self.stride).or(self.words.last()).copied().unwrap_or(0)
    }

    pub(crate) fn reserve(&mut self, entries: usize) {
        self.words.reserve(entries * self.stride);
        self.texts.reserve(entries * self.text_stride);
    }

    /// Appends an entry.
    pub(crate) fn push(&mut self, words: &[i64], texts: impl Iterator<Item = Option<CompactString>>) {
        self.words.extend_from_slice(words);
        self.texts.extend(texts);
    }

    fn insert(&mut self, index: usize, entry: Entry<'_>) {
        if index == self.len() {
            return self.push(entry.words, entry.texts.iter().cloned());
        }
        let at = index * self.stride;
        self.words.splice(at..at, entry.words.iter().copied());
        let at = index * self.text_stride;
        self.texts.splice(at..at, entry.texts.iter().cloned());
    }

    fn drop_front(&mut self, count: usize) {
        self.words.drain(..count * self.stride);
        self.texts.drain(..count * self.text_stride);
    }

    fn split_off(&mut self, index: usize) -> Rows {
        Rows {
            words: self.words.split_off(index * self.stride),
            texts: self.texts.split_off(index * self.text_stride),
            ..*self
        }
    }

    fn bytes(&self) -> usize {
        let heap = |text: &Option<CompactString>| {
            text.as_ref().filter(|text| text.is_heap_allocated()).map_or(0, |text| text.capacity())
        };
        self.words.capacity() * size_of::<i64>()
            + self.texts.capacity() * size_of::<Option<CompactString>>()
            + self.texts.iter().map(heap).sum::<usize>()
    }
}
