//! The manifest of a recording.

use super::error::RecordingError;
use super::files;
use riskstream_pipeline::log::{self, TopicIdentity};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;

/// The number of the form of manifests and files.
const FORMAT: u32 = 1;

const NAME: &str = "manifest.json";

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The form of manifests and files.
    format: u32,
    /// What was running while it was recorded, the last version last.
    pub pipelines: Vec<Pipeline>,
    /// Whether all was recorded that was to be.
    pub is_complete: bool,
    /// The topics.
    pub topics: Vec<RecordedTopic>,
}

/// A pipeline, and what its decisions depend on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pipeline {
    /// Its name.
    pub name: String,
    /// The version of the pipeline file.
    pub version: String,
    /// The file's path.
    pub file: String,
    /// The SHA-256 of its text. The text itself may hold passwords.
    pub sha256: String,
    /// The chain of tasks.
    pub chain: String,
    /// Its stages.
    pub stages: Vec<Stage>,
    /// The models of the file.
    pub models: Vec<Model>,
    /// The version of riskstream that recorded it.
    pub riskstream: String,
    /// The fingerprint of the secret for pseudonyms, if there is one.
    pub secret: Option<String>,
}

/// A stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    /// Its entity.
    pub entity: String,
    /// The fingerprint of its state's layout.
    pub fingerprint: String,
}

/// A model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Model {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The SHA-256 of its file.
    pub sha256: String,
}

/// A topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedTopic {
    /// Its name.
    pub name: String,
    /// What it is to the pipeline, in words.
    pub role: String,
    /// Kafka's id of the topic.
    pub id: Option<String>,
    /// Which topics of this name the group's positions belong to.
    pub committed: Vec<TopicEpoch>,
    /// Why no records are recorded, if that is so.
    pub left_out: Option<String>,
    /// Its partitions.
    pub partitions: Vec<Partition>,
}

/// An identity of a topic, as positions name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicEpoch {
    /// Its id.
    pub id: Option<String>,
    /// The number of its partitions.
    pub partitions: i32,
    /// Its epoch.
    pub epoch: u32,
    /// The chain of tasks that read it.
    pub chain: Option<String>,
    /// The ids and epochs of the topics that are written to it.
    pub sources: Vec<(Option<String>, u32)>,
}

/// A partition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partition {
    /// The first offset that was to be recorded.
    pub begin: i64,
    /// Whether records before `begin` were there once: they were left out or deleted.
    pub is_cut: bool,
    /// Whether the topic held records behind the last one that was to be recorded.
    pub goes_on: bool,
    /// The group's position when it was recorded last: the outputs of records before it are on the topics of outputs.
    pub committed: Option<i64>,
    /// The files, in the order of their offsets and without gaps.
    pub files: Vec<File>,
}

impl Partition {
    /// The offset after the last one that is recorded.
    pub fn end(&self) -> i64 {
        self.files.last().map_or(self.begin, |file| file.end)
    }
}

/// A file of records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// The first offset.
    pub begin: i64,
    /// The offset after the last. Transaction markers and compaction leave gaps between records.
    pub end: i64,
    /// The number of records.
    pub records: u64,
    /// The file's size.
    pub bytes: u64,
    /// The SHA-256 of its content.
    pub sha256: String,
}

impl Manifest {
    /// A manifest of nothing yet.
    pub fn new(pipeline: Pipeline) -> Manifest {
        Manifest {
            format: FORMAT,
            pipelines: vec![pipeline],
            is_complete: false,
            topics: Vec::new(),
        }
    }

    /// Reads the manifest of the recording in `directory`; none if there is no recording.
    ///
    /// # Errors
    /// It cannot be read, is damaged, or was written by a later version.
    pub fn read(directory: &Path) -> Result<Option<Manifest>, RecordingError> {
        let path = directory.join(NAME);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(RecordingError::file(&path)(error)),
        };
        let manifest: Manifest =
            serde_json::from_slice(&text).map_err(|error| RecordingError::damaged(&path, error))?;
        if manifest.format != FORMAT {
            let why = format!(
                "it has the format {}, and this version of riskstream reads {FORMAT}",
                manifest.format
            );
            return Err(RecordingError::damaged(&path, why));
        }
        if let Some(why) = manifest.fault() {
            return Err(RecordingError::damaged(&path, why));
        }
        Ok(Some(manifest))
    }

    /// Puts it in place of the one before.
    pub(super) fn write(&self, directory: &Path) -> Result<(), RecordingError> {
        let path = directory.join(NAME);
        let mut text = serde_json::to_vec_pretty(self).map_err(|error| RecordingError::damaged(&path, error))?;
        text.push(b'\n');
        files::replace(&path, &text).map_err(RecordingError::file(&path))
    }

    /// The topic with this name.
    pub fn topic(&self, name: &str) -> Option<&RecordedTopic> {
        self.topics.iter().find(|topic| topic.name == name)
    }

    /// What is wrong with it: files of a partition that do not follow each other, or a name that would lead elsewhere.
    fn fault(&self) -> Option<String> {
        for topic in &self.topics {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
            if topic.name.starts_with('.') || !topic.name.bytes().all(is_plain) {
                return Some(format!("`{}` is no name of a topic", topic.name));
            }
            for (number, partition) in topic.partitions.iter().enumerate() {
                let mut end = partition.begin;
                for file in &partition.files {
                    if file.begin != end || file.end < file.begin {
                        return Some(format!(
                            "{}[{number}]: the files leave a gap at offset {end}",
                            topic.name
                        ));
                    }
                    end = file.end;
                }
            }
        }
        None
    }
}

impl RecordedTopic {
    /// The topic as a log knows it.
    pub fn as_logged(&self) -> log::LogTopic {
        log::LogTopic {
            id: self.id.as_deref().map(Arc::from),
            partitions: self.partitions.len() as i32,
            committed: self.committed.iter().map(TopicEpoch::identity).collect(),
        }
    }
}

impl TopicEpoch {
    /// The form in manifests.
    pub fn of(identity: &TopicIdentity) -> TopicEpoch {
        let text = |id: &Option<Arc<str>>| id.as_deref().map(str::to_owned);
        TopicEpoch {
            id: text(&identity.id),
            partitions: identity.partitions,
            epoch: identity.epoch,
            chain: text(&identity.chain),
            sources: identity.sources.iter().map(|(id, epoch)| (text(id), *epoch)).collect(),
        }
    }

    fn identity(&self) -> TopicIdentity {
        let id = |text: &Option<String>| text.as_deref().map(Arc::from);
        TopicIdentity {
            id: id(&self.id),
            partitions: self.partitions,
            epoch: self.epoch,
            chain: id(&self.chain),
            sources: self.sources.iter().map(|(text, epoch)| (id(text), *epoch)).collect(),
            // A replay begins without state.
            cut_over: None,
        }
    }
}
