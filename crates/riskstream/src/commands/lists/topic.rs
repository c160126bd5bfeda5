//! A list's topic, to read and change its entries.

use super::super::error::CommandError;
use super::super::target::Target;
use super::unusable;
use crate::secret::secret;
use anyhow::{Context, anyhow};
use compact_str::CompactString;
use riskstream_definition::{Compiled, EntryListSettings, nearest};
use riskstream_events::{Pseudonymizer, PublishedPseudonyms};
use riskstream_kafka::{KafkaOptions, Producer, Tailed, TopicTail};
use riskstream_lists::{Entry, Keys, MAX_TEXT, read_change, write_entry};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long a command waits for a record.
const TIMEOUT: Duration = Duration::from_secs(20);

/// The key of a record: a pseudonym of the state, if those of the list are pseudonyms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key(pub CompactString);

/// See the module.
pub struct EntryTopic {
    settings: EntryListSettings,
    keys: Keys,
    kafka: KafkaOptions,
    pseudonymizer: Option<Pseudonymizer>,
    published: Option<PublishedPseudonyms>,
    written: Cell<usize>,
}

impl EntryTopic {
    /// The topic of the list with this name.
    ///
    /// # Errors
    /// The pipeline file is wrong or has no such list, or the secret for its pseudonyms is missing.
    pub fn open(target: &Target, name: &str) -> Result<EntryTopic, CommandError> {
        let (pipeline, kafka) = target.load()?;
        let mut lists = lists(&pipeline);
        match lists.find(|(list, _)| list.name == name) {
            Some(list) => EntryTopic::of(&pipeline, list, &kafka),
            None => Err(CommandError::configuration(unknown(&pipeline, name))),
        }
    }

    /// The topics of all lists.
    ///
    /// # Errors
    /// The pipeline file is wrong or has no lists, or the secret for pseudonyms is missing.
    pub fn open_all(target: &Target) -> Result<Vec<EntryTopic>, CommandError> {
        let (pipeline, kafka) = target.load()?;
        if lists(&pipeline).next().is_none() {
            return Err(CommandError::configuration(no_lists()));
        }
        lists(&pipeline)
            .map(|list| EntryTopic::of(&pipeline, list, &kafka))
            .collect()
    }

    fn of(
        pipeline: &Compiled,
        (list, keys): (&EntryListSettings, Keys),
        kafka: &KafkaOptions,
    ) -> Result<EntryTopic, CommandError> {
        let secret = match keys {
            Keys::Clear => None,
            Keys::Pseudonyms => secret(&pipeline.settings).map_err(CommandError::configuration)?,
        };
        Ok(EntryTopic {
            settings: list.clone(),
            keys,
            kafka: kafka.clone(),
            published: pipeline.plan.published.clone().filter(|_| secret.is_some()),
            pseudonymizer: secret.as_deref().map(Pseudonymizer::new),
            written: Cell::new(0),
        })
    }

    /// The list's name.
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// The topic's name.
    pub fn topic(&self) -> &str {
        &self.settings.topic
    }

    /// Whether its keys are pseudonyms.
    pub fn holds_pseudonyms(&self) -> bool {
        self.keys == Keys::Pseudonyms
    }

    /// How many records were written, in words.
    pub fn written(&self) -> String {
        match self.written.get() {
            1 => "1 change".to_owned(),
            count => format!("{count} changes"),
        }
    }

    /// The keys of values in clear.
    ///
    /// # Errors
    /// One cannot be a key.
    pub fn keys(&self, clear: Vec<String>) -> Result<Vec<Key>, CommandError> {
        clear.iter().map(|clear| self.key(clear)).collect()
    }

    /// The key of a value in clear.
    ///
    /// # Errors
    /// It is empty or too long.
    pub fn key(&self, clear: &str) -> Result<Key, CommandError> {
        if clear.is_empty() || clear.len() > MAX_TEXT {
            return Err(unusable(format_args!(
                "it has {} bytes, 1 to {MAX_TEXT} are allowed",
                clear.len()
            )));
        }
        Ok(Key(match &self.pseudonymizer {
            Some(pseudonymizer) => pseudonymizer.pseudonym(clear.as_bytes()),
            None => clear.into(),
        }))
    }

    /// A key that is a pseudonym already, as decisions carry it.
    ///
    /// # Errors
    /// It is none, or the keys of this list are none.
    pub fn pseudonym(&self, pseudonym: &str) -> Result<Key, CommandError> {
        if !self.holds_pseudonyms() {
            return Err(unusable(
                "the keys of this list are no pseudonyms: name the column `key`",
            ));
        }
        let recovered = self
            .published
            .as_ref()
            .and_then(|published| published.recover(pseudonym));
        let pseudonym = recovered.as_deref().unwrap_or(pseudonym);
        let read = read_change(Some(pseudonym.as_bytes()), None, Keys::Pseudonyms);
        read.map(|change| Key(change.key)).map_err(|_| {
            unusable("it is no pseudonym of 32 hexadecimal digits: name the column `key` if keys are in clear")
        })
    }

    /// The key as decisions carry it.
    pub fn published(&self, key: &CompactString) -> CompactString {
        match &self.published {
            Some(published) => published.publish(key),
            None => key.clone(),
        }
    }

    /// All entries, by key. Records that cannot be used change nothing.
    ///
    /// # Errors
    /// Kafka cannot be reached, or refuses.
    pub fn read(&self) -> Result<BTreeMap<CompactString, Entry>, CommandError> {
        let begun = TopicTail::begin_with_end(&self.kafka, &self.settings.topic);
        let (mut tail, _) = begun.map_err(CommandError::failed)?;
        let mut entries = BTreeMap::new();
        let mut last = Instant::now();
        loop {
            match tail.next(Duration::from_millis(100)).map_err(CommandError::failed)? {
                Tailed::Record(record) => {
                    last = Instant::now();
                    let change = read_change(record.key.as_deref(), record.value.as_deref(), self.keys);
                    match change.map(|change| (change.key, change.entry)) {
                        Ok((key, Some(entry))) => drop(entries.insert(key, entry)),
                        Ok((key, None)) => drop(entries.remove(&key)),
                        Err(_) => {}
                    }
                }
                Tailed::End => return Ok(entries),
                Tailed::Nothing if last.elapsed() > TIMEOUT => {
                    return Err(CommandError::failed(anyhow!(
                        "{}: nothing has arrived for {} s",
                        self.settings.topic,
                        TIMEOUT.as_secs()
                    )));
                }
                Tailed::Nothing => {}
            }
        }
    }

    /// Writes entries, and tombstones for those that are removed.
    ///
    /// # Errors
    /// A text is too long, or Kafka cannot be reached or refuses.
    pub fn write(&self, changes: impl Iterator<Item = (Key, Option<Entry>)>) -> Result<(), CommandError> {
        let producer = Producer::open_with(&self.kafka).map_err(CommandError::failed)?;
        let topic = &*self.settings.topic;
        for (Key(key), entry) in changes {
            let sent = match entry {
                Some(entry) => {
                    let value = write_entry(&entry);
                    // What the copies could not use is not written.
                    read_change(Some(key.as_bytes()), Some(&value), self.keys)
                        .map_err(|error| CommandError::configuration(anyhow!("an entry cannot be used: {error}")))?;
                    producer.send(topic, key.as_bytes(), &value)
                }
                None => producer.remove(topic, key.as_bytes()),
            };
            sent.map_err(CommandError::failed)?;
            self.written.set(self.written.get() + 1);
        }
        producer
            .finish()
            .with_context(|| format!("not all was written to {topic}"))?;
        Ok(())
    }
}

/// The lists, and what their keys are.
fn lists(pipeline: &Compiled) -> impl Iterator<Item = (&EntryListSettings, Keys)> {
    let lists = pipeline.lists.iter();
    lists.filter_map(|list| Some((list, list.keys_of_entries()?)))
}

fn unknown(pipeline: &Compiled, name: &str) -> anyhow::Error {
    if pipeline.lists.iter().any(|list| list.name == name) {
        return anyhow!(
            "{name} is a table: its rows are records of its topic, which any client writes, as docs/tables.md says"
        );
    }
    let names: Vec<&str> = lists(pipeline).map(|(list, _)| list.name.as_str()).collect();
    match (names.is_empty(), nearest(name, names.iter().copied())) {
        (true, _) => no_lists(),
        (_, Some(near)) => anyhow!("unknown list {name}: did you mean {near}?"),
        (_, None) => anyhow!(
            "unknown list {name}: the lists whose entries change are {}",
            names.join(", ")
        ),
    }
}

fn no_lists() -> anyhow::Error {
    anyhow!(
        "the pipeline file has no list whose entries change: add `lists: {{blocked_cards: {{key: card, topic: blocked-cards}}}}`"
    )
}
