//! A part of a table: the entries whose digests begin with the same bits, in order of their digests.

use crate::entry::EntryRef;
use std::collections::HashMap;

/// The digest of a key. Those of different keys are different, and evenly distributed.
pub(crate) type Digest = u128;

/// A text that an entry does not have.
const ABSENT: u32 = u32::MAX;
/// An entry that counts for ever.
const EVER: i64 = i64::MAX;

/// What an entry says besides its key.
#[derive(Clone, Copy, Debug)]
struct Fields {
    until: i64,
    value: u32,
    reason: u32,
    author: u32,
}

/// See the module. Entries share equal texts.
#[derive(Debug, Default)]
pub(crate) struct Shard {
    digests: Box<[Digest]>,
    fields: Box<[Fields]>,
    texts: Box<str>,
    /// Where each text ends. The next one begins there.
    ends: Box<[u32]>,
}

/// A change of an entry: its new content, or `None` if it is removed.
pub(crate) type ShardChange<'a> = (Digest, Option<EntryRef<'a>>);

impl Shard {
    /// The entry of a digest. `place` is where in the shard it lies if digests are distributed evenly: a fraction of 2⁶⁴.
    #[inline]
    pub(crate) fn get(&self, digest: Digest, place: u64) -> Option<EntryRef<'_>> {
        let digests = &*self.digests;
        let mut at = ((u128::from(place) * digests.len() as u128) >> 64) as usize;
        while at > 0 && digests[at - 1] >= digest {
            at -= 1;
        }
        while digests.get(at).is_some_and(|found| *found < digest) {
            at += 1;
        }
        (digests.get(at) == Some(&digest)).then(|| self.entry(at))
    }

    pub(crate) fn len(&self) -> usize {
        self.digests.len()
    }

    /// Bytes in memory.
    pub(crate) fn memory(&self) -> usize {
        let fixed = size_of::<Digest>() + size_of::<Fields>();
        size_of::<Shard>() + self.len() * fixed + self.texts.len() + size_of_val(&*self.ends)
    }

    /// This shard with changes, which are in order of their digests; of several for one digest the last counts.
    pub(crate) fn with(&self, changes: &[ShardChange<'_>]) -> Shard {
        let mut builder = Builder::with_capacity(self.len() + changes.len());
        let mut at = 0;
        for (index, (digest, entry)) in changes.iter().enumerate() {
            if changes.get(index + 1).is_some_and(|(next, _)| next == digest) {
                continue;
            }
            while at < self.len() && self.digests[at] < *digest {
                builder.push(self.digests[at], self.entry(at));
                at += 1;
            }
            at += usize::from(self.digests.get(at) == Some(digest));
            if let Some(entry) = entry {
                builder.push(*digest, *entry);
            }
        }
        for rest in at..self.len() {
            builder.push(self.digests[rest], self.entry(rest));
        }
        builder.build()
    }

    fn entry(&self, at: usize) -> EntryRef<'_> {
        let Fields {
            until,
            value,
            reason,
            author,
        } = self.fields[at];
        EntryRef {
            value: self.text(value),
            reason: self.text(reason),
            author: self.text(author),
            until: (until != EVER).then_some(until),
        }
    }

    #[inline]
    fn text(&self, number: u32) -> Option<&str> {
        let number = number as usize;
        let end = *self.ends.get(number)? as usize;
        let start = number.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        Some(&self.texts[start..end])
    }
}

/// Makes a shard of entries in order of their digests.
struct Builder<'a> {
    digests: Vec<Digest>,
    fields: Vec<Fields>,
    texts: String,
    ends: Vec<u32>,
    numbers: HashMap<&'a str, u32>,
}

impl<'a> Builder<'a> {
    fn with_capacity(entries: usize) -> Self {
        Builder {
            digests: Vec::with_capacity(entries),
            fields: Vec::with_capacity(entries),
            texts: String::new(),
            ends: Vec::new(),
            numbers: HashMap::new(),
        }
    }

    fn push(&mut self, digest: Digest, entry: EntryRef<'a>) {
        self.digests.push(digest);
        let fields = Fields {
            until: entry.until.unwrap_or(EVER),
            value: self.number(entry.value),
            reason: self.number(entry.reason),
            author: self.number(entry.author),
        };
        self.fields.push(fields);
    }

    /// The number of a text, which is added if it is a new one. A table has thousands of shards: the texts of one that do not
    /// fit 4 GB do not fit any memory.
    fn number(&mut self, text: Option<&'a str>) -> u32 {
        let Some(text) = text else { return ABSENT };
        *self.numbers.entry(text).or_insert_with(|| {
            self.texts.push_str(text);
            self.ends.push(self.texts.len() as u32);
            self.ends.len() as u32 - 1
        })
    }

    fn build(self) -> Shard {
        Shard {
            digests: self.digests.into(),
            fields: self.fields.into(),
            texts: self.texts.into(),
            ends: self.ends.into(),
        }
    }
}
