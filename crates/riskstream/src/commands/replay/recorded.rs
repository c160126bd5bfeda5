//! Versions of lists from their recorded topics, and line-ups of models from the documents in the recorded log, for the
//! tasks of a replay.

use riskstream_definition::{Compiled, EntryListSettings, prepare_again};
use riskstream_lists::{Change, Content, ListSet, ListVersion, Offsets};
use riskstream_offline::recording::{Manifest, RecordingError, Records};
use riskstream_pipeline::{Lists, Rollouts};
use riskstream_scoring::DecisionSet;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// All versions of the lists.
pub(super) struct RecordedLists {
    lists: Vec<RecordedList>,
    /// How far each list was read before the first notice.
    first: Vec<i64>,
    /// The versions that were made last.
    last: Mutex<Vec<(i64, Content)>>,
}

struct RecordedList {
    name: String,
    topic: Arc<str>,
    /// What the topic holds before its first record.
    nothing: Content,
    changes: Vec<(i64, Change)>,
    end: i64,
    /// The first offset without a record, if there is one before the last record.
    gap: Option<i64>,
}

impl RecordedLists {
    /// Reads the recorded topics of lists.
    ///
    /// # Errors
    /// A file is damaged.
    pub(super) fn read(
        compiled: &Compiled,
        directory: &Path,
        manifest: &Manifest,
    ) -> Result<RecordedLists, RecordingError> {
        let lists = compiled.lists.iter().map(|list| read(list, directory, manifest));
        let lists = lists.collect::<Result<Vec<_>, _>>()?;
        Ok(RecordedLists {
            first: lists.iter().map(|list| list.end).collect(),
            last: Mutex::new(lists.iter().map(|list| (0, list.nothing.clone())).collect()),
            lists,
        })
    }

    /// The same, with how far each list was read before the first notice, by its name.
    pub(super) fn beginning_at(mut self, first: &BTreeMap<String, i64>) -> RecordedLists {
        for (list, offset) in self.lists.iter().zip(&mut self.first) {
            *offset = first.get(&list.name).copied().unwrap_or(*offset);
        }
        self
    }

    /// Which lists may lack entries in their older versions.
    pub(super) fn notes(&self) -> Vec<String> {
        let compacted = self.lists.iter().filter_map(|list| Some((list, list.gap?)));
        let note = |(list, gap): (&RecordedList, i64)| {
            format!(
                "{} was compacted before it was recorded: versions of the list {} up to its last records may lack entries from offset \
                 {gap} on",
                list.topic, list.name
            )
        };
        compacted.map(note).collect()
    }

    fn set(&self, offset: impl Fn(usize, &RecordedList) -> Result<i64, String>) -> Result<Arc<ListSet>, String> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let mut versions = Vec::with_capacity(self.lists.len());
        for (index, list) in self.lists.iter().enumerate() {
            let offset = offset(index, list)?;
            if offset > list.end {
                return Err(format!(
                    "{} is recorded up to offset {}, and {offset} was in force",
                    list.topic, list.end
                ));
            }
            let (from, content) = &mut last[index];
            if offset < *from {
                (*from, *content) = (0, list.nothing.clone());
            }
            let changes = list.changes.iter();
            let changes = changes.filter(|(at, _)| (*from..offset).contains(at));
            *content = content.with(changes.map(|(_, change)| change));
            *from = offset;
            versions.push(ListVersion {
                topic: Arc::clone(&list.topic),
                offset: Some(offset),
                content: content.clone(),
            });
        }
        Ok(Arc::new(ListSet::new(versions)))
    }
}

fn read(settings: &EntryListSettings, directory: &Path, manifest: &Manifest) -> Result<RecordedList, RecordingError> {
    let mut records = Records::of(directory, manifest, &settings.topic, 0);
    let partition = manifest
        .topic(&settings.topic)
        .and_then(|topic| topic.partitions.first());
    let mut list = RecordedList {
        name: settings.name.clone(),
        topic: Arc::clone(&settings.topic),
        nothing: settings.records.nothing(),
        changes: Vec::new(),
        end: partition.map_or(0, |partition| partition.end()),
        gap: None,
    };
    let mut next = 0;
    while let Some(record) = records.read_next()? {
        if record.offset > next {
            list.gap = list.gap.or(Some(next));
        }
        next = record.offset + 1;
        let change = settings.records.read(record.key.as_deref(), record.value.as_deref());
        list.changes.extend(change.ok().map(|change| (record.offset, change)));
    }
    Ok(list)
}

impl Lists for RecordedLists {
    fn newest(&self) -> Option<Arc<ListSet>> {
        self.set(|index, _| Ok(self.first[index])).ok()
    }

    fn at(&self, offsets: &Offsets) -> Result<Arc<ListSet>, String> {
        self.set(|index, list| Ok(offsets.get(&list.topic).unwrap_or(self.first[index])))
    }
}

/// Decision sets of roll-outs, made again when the log names them.
pub(super) struct RecordedRollouts {
    pipeline: Compiled,
    within: Duration,
    loaded: Mutex<HashMap<String, Result<Arc<DecisionSet>, String>>>,
}

impl RecordedRollouts {
    /// Decision sets over this pipeline, whose models may take `within`.
    pub(super) fn new(pipeline: &Compiled, within: Duration) -> RecordedRollouts {
        RecordedRollouts {
            pipeline: pipeline.clone(),
            within,
            loaded: Mutex::default(),
        }
    }
}

impl Rollouts for RecordedRollouts {
    fn newest(&self) -> Option<Arc<DecisionSet>> {
        None
    }

    fn prepared(&self, document: &str) -> Result<Arc<DecisionSet>, String> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let load = || {
            let set = prepare_again(document, &self.pipeline).map_err(|error| error.to_string())?;
            Ok(Arc::new(set.with_time_budgets(self.within)))
        };
        loaded.entry(document.to_owned()).or_insert_with(load).clone()
    }
}
