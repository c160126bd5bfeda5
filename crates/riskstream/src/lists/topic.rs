//! A list's topic while it is read.

use crate::telemetry::metrics;
use riskstream_definition::EntryListSettings;
use riskstream_kafka::{KafkaOptions, Tailed, TailedRecord, TopicTail};
use riskstream_lists::{Change, Content, History};
use riskstream_pipeline::log::LogError;
use std::time::Duration;

/// Records that are taken in together: a version is made of each batch.
const BATCH: usize = 100_000;
/// How long a reader that reads to an offset waits for a record.
const WAIT: Duration = Duration::from_secs(1);

/// See the module.
pub struct ListTopic {
    settings: EntryListSettings,
    tail: TopicTail,
    /// Where the topic ended when this began.
    end_at_begin: i64,
    history: History,
    is_read: bool,
}

impl ListTopic {
    /// Begins to read the topic of a list.
    ///
    /// # Errors
    /// No broker answers, or a setting is wrong.
    pub fn begin(settings: &EntryListSettings, kafka: &KafkaOptions) -> Result<ListTopic, LogError> {
        let (tail, end_at_begin) = TopicTail::begin_with_end(kafka, &settings.topic)?;
        Ok(ListTopic {
            tail,
            end_at_begin,
            settings: settings.clone(),
            history: History::of(&settings.records),
            is_read: false,
        })
    }

    /// What the pipeline file says of the list.
    pub fn settings(&self) -> &EntryListSettings {
        &self.settings
    }

    /// The versions that were read.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Whether the end of the topic was reached since it was begun.
    pub fn is_read(&self) -> bool {
        self.is_read
    }

    /// Takes in what has arrived. Waits up to `wait` for the first record. Returns whether there is another version, or the end
    /// was reached for the first time.
    ///
    /// # Errors
    /// The topic cannot be read at the moment.
    pub fn read(&mut self, wait: Duration) -> Result<bool, LogError> {
        let (mut changes, mut end, mut next_wait) = (Vec::new(), self.history.end(), wait);
        let was_read = self.is_read;
        let mut failure = None;
        while changes.len() < BATCH {
            match self.tail.next(next_wait) {
                Ok(Tailed::Record(record)) => {
                    end = record.offset + 1;
                    changes.extend(self.change(&record));
                }
                Ok(Tailed::End) => {
                    self.is_read = true;
                    end = end.max(self.end_at_begin);
                    break;
                }
                Ok(Tailed::Nothing) => break,
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            }
            // A version of each handful of a million records would take longer than reading them.
            next_wait = if self.is_read { Duration::ZERO } else { wait };
        }
        let is_other = end > self.history.end() || self.is_read != was_read;
        if is_other {
            self.history.extend(changes, end);
        }
        // What was taken in before the failure is not given a second time.
        match failure.filter(|_| !is_other) {
            Some(error) => Err(error),
            None => Ok(is_other),
        }
    }

    /// The entries as of an offset that is too long ago for the history: the topic is read once more. Records that other ones
    /// have superseded may be gone if that is longer ago than `min.compaction.lag.ms`.
    ///
    /// # Errors
    /// The topic cannot be read at the moment.
    pub fn read_again(&self, kafka: &KafkaOptions, offset: i64) -> Result<Content, LogError> {
        let (mut tail, _) = TopicTail::begin_with_end(kafka, &self.settings.topic)?;
        let mut content = self.settings.records.nothing();
        let mut is_end = false;
        while !is_end {
            let mut changes: Vec<Change> = Vec::new();
            while !is_end && changes.len() < BATCH {
                match tail.next(WAIT)? {
                    Tailed::Record(record) if record.offset < offset => {
                        changes.extend(change(&self.settings, &record).ok());
                    }
                    Tailed::Record(_) | Tailed::End => is_end = true,
                    Tailed::Nothing => return Err(LogError::Unavailable("no record arrived".to_owned())),
                }
            }
            content = content.with(&changes);
        }
        Ok(content)
    }

    fn change(&self, record: &TailedRecord) -> Option<(i64, Change)> {
        match change(&self.settings, record) {
            Ok(change) => Some((record.offset, change)),
            Err(error) => {
                let (list, topic, offset) = (&*self.settings.name, &*self.settings.topic, record.offset);
                metrics::LIST_UNUSABLE.counter(&[list]).increment(1);
                tracing::error!(
                    target: "riskstream::lists", list, topic, offset, %error,
                    "a record of a list cannot be used, and changes nothing"
                );
                None
            }
        }
    }
}

fn change(settings: &EntryListSettings, record: &TailedRecord) -> Result<Change, riskstream_lists::Unusable> {
    settings.records.read(record.key.as_deref(), record.value.as_deref())
}
