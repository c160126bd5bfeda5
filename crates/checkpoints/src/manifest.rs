//! The manifest of a checkpoint: its files, and the state that they hold. A manifest is untrusted input: names of files must
//! be plain, numbers are bounded, and its own name holds the checksum of its content.

use crate::digest::digest;
use crate::error::CheckpointError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// The number of the manifests' format. Those of another one are refused.
const FORMAT: u32 = 1;
/// Bytes of a manifest at most.
pub(crate) const MANIFEST_BYTES: u64 = 64 << 20;
/// Files of a checkpoint at most: 1.6 TB of state in files of 16 MB.
const FILES: usize = 100_000;
/// Bytes of a file's name at most.
const NAME_BYTES: usize = 100;
/// Hexadecimal digits of the content's checksum in a manifest's name.
const DIGEST_DIGITS: usize = 16;
const SUFFIX: &str = ".json";

/// The identity of a topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicMark {
    /// Its name.
    pub name: String,
    /// The log's id of it, if it has one.
    pub id: Option<String>,
    /// The number of its partitions.
    pub partitions: i32,
    /// Its epoch.
    pub epoch: u32,
}

/// The identity of the state of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateIdentity {
    /// The pipeline's name.
    pub pipeline: String,
    /// The pipeline's version.
    pub pipeline_version: String,
    /// The entity of the task's stage.
    pub entity: String,
    /// The task's partition.
    pub partition: i32,
    /// The layout of the state.
    pub layout: String,
    /// A keyed hash of the secret of pseudonyms, if there is one. It does not reveal the secret.
    pub secret: Option<String>,
    /// The topic that the task reads.
    pub topic: TopicMark,
    /// The offset of the first record that is not in the state.
    pub position: i64,
}

/// A file of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Its name in the state's directory.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// The SHA-256 of its content, in hexadecimal digits.
    pub sha256: String,
}

/// A checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    format: u32,
    /// Which state.
    pub about: StateIdentity,
    /// When the state was as it is here, in milliseconds since 1970.
    pub created: u64,
    /// Its files.
    pub files: Vec<File>,
}

impl Manifest {
    /// A manifest of `files`.
    pub fn new(about: StateIdentity, created: u64, files: Vec<File>) -> Manifest {
        Manifest {
            format: FORMAT,
            about,
            created,
            files,
        }
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// Its name and its content.
    pub(crate) fn encode(&self) -> (ManifestName, Vec<u8>) {
        let text = serde_json::to_vec_pretty(self).expect("a manifest has only strings and numbers");
        let mut digest = digest(&text);
        digest.truncate(DIGEST_DIGITS);
        let name = ManifestName {
            created: self.created,
            epoch: self.about.topic.epoch,
            position: self.about.position,
            digest,
        };
        (name, text)
    }

    /// The manifest called `name`, which is at `place` in the store.
    pub(crate) fn decode(name: &ManifestName, place: &str, text: &[u8]) -> Result<Manifest, CheckpointError> {
        let damaged = |why: String| CheckpointError::damaged(place, why);
        if !digest(text).starts_with(&name.digest) {
            return Err(damaged("its content is not what its name says".to_owned()));
        }
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let read = |error: serde_json::Error| damaged(format!("it is no manifest: {error}"));
        let Format { format } = serde_json::from_slice(text).map_err(read)?;
        if format != FORMAT {
            return Err(damaged(format!(
                "it has the format {format}, this version reads {FORMAT}"
            )));
        }
        let manifest: Manifest = serde_json::from_slice(text).map_err(read)?;
        let says = (manifest.created, manifest.about.topic.epoch, manifest.about.position);
        if says != (name.created, name.epoch, name.position) {
            return Err(damaged("its name is another checkpoint's".to_owned()));
        }
        manifest.check().map_err(damaged)?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), String> {
        if self.files.is_empty() || self.files.len() > FILES {
            return Err(format!("it names {} files", self.files.len()));
        }
        let mut names = BTreeSet::new();
        let mut bytes = 0_u64;
        for file in &self.files {
            if !is_plain(&file.name) || !names.insert(&file.name) {
                return Err("the name of a file is not allowed, or stands there twice".to_owned());
            }
            if !is_digest(&file.sha256) {
                return Err(format!("{} has no SHA-256", file.name));
            }
            let sum = bytes.checked_add(file.bytes).filter(|sum| *sum < 1 << 60);
            bytes = sum.ok_or("its files are too large")?;
        }
        Ok(())
    }
}

/// Whether a name is that of a file in a directory of RocksDB, and no path.
pub(crate) fn is_plain(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=NAME_BYTES).contains(&name.len()) && !name.starts_with('.') && name.bytes().all(legal)
}

pub(crate) fn is_digest(text: &str) -> bool {
    text.len() == 64 && is_lower_hexadecimal(text)
}

fn is_lower_hexadecimal(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The name of a manifest: what is needed to choose one without reading it. The name of another checkpoint is another one, as the
/// checksum of the content is part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestName {
    /// When the state was as it is here, in milliseconds since 1970.
    pub created: u64,
    /// The epoch of the topic that the position belongs to.
    pub epoch: u32,
    /// The position of the state.
    pub position: i64,
    digest: String,
}

impl ManifestName {
    /// The name in a text, if it is one.
    pub fn parse(text: &str) -> Option<ManifestName> {
        let mut parts = text.strip_suffix(SUFFIX)?.split('-');
        let name = ManifestName {
            created: parts.next()?.parse().ok()?,
            epoch: parts.next()?.parse().ok()?,
            position: parts.next()?.parse().ok()?,
            digest: parts.next()?.to_owned(),
        };
        let is_name = name.digest.len() == DIGEST_DIGITS && is_lower_hexadecimal(&name.digest);
        // Only as it is written: no sign, and zeros as far as there have to be.
        (is_name && name.to_string() == text).then_some(name)
    }

    /// What is larger for a state that is further.
    pub fn progress(&self) -> (u32, i64, u64) {
        (self.epoch, self.position, self.created)
    }
}

impl fmt::Display for ManifestName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ManifestName {
            created,
            epoch,
            position,
            digest,
        } = self;
        write!(f, "{created:013}-{epoch:010}-{position:019}-{digest}{SUFFIX}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(files: Vec<File>) -> Manifest {
        let about = StateIdentity {
            pipeline: "card-fraud".into(),
            pipeline_version: "7".into(),
            entity: "card".into(),
            partition: 3,
            layout: "card/1".into(),
            secret: None,
            topic: TopicMark {
                name: "payments".into(),
                id: Some("gDJkXh".into()),
                partitions: 4,
                epoch: 0,
            },
            position: 42,
        };
        Manifest::new(about, 1_764_240_000_000, files)
    }

    fn file(name: &str) -> File {
        File {
            name: name.into(),
            bytes: 3,
            sha256: digest(b"abc"),
        }
    }

    fn decode(manifest: &Manifest) -> Result<Manifest, String> {
        let (name, text) = manifest.encode();
        Manifest::decode(&name, "place", &text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_manifest_is_read_as_it_was_written() {
        let manifest = manifest(vec![file("000009.sst"), file("CURRENT"), file("OPTIONS-000007")]);
        assert_eq!(decode(&manifest), Ok(manifest.clone()));
        let (name, text) = manifest.encode();
        let written = name.to_string();
        assert_eq!(written.split_at(44).0, "1764240000000-0000000000-0000000000000000042");
        assert_eq!(ManifestName::parse(&written), Some(name.clone()));
        assert_eq!(
            manifest.encode(),
            (name.clone(), text.clone()),
            "one name for one checkpoint"
        );

        for at in 0..text.len() {
            let mut damaged = text.clone();
            damaged[at] ^= 1;
            assert!(Manifest::decode(&name, "place", &damaged).is_err(), "byte {at}");
            assert!(Manifest::decode(&name, "place", &text[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn manifests_that_reach_for_other_files_are_refused() {
        for name in [
            "../x",
            "/etc/passwd",
            "a/b",
            "a\\b",
            "",
            ".",
            "..",
            ".x",
            "a\0",
            "ä",
            &"a".repeat(101),
        ] {
            let error = decode(&manifest(vec![file(name)])).unwrap_err();
            assert!(error.contains("not allowed"), "{name:?}: {error}");
        }
        assert!(
            decode(&manifest(vec![file("a"), file("a")]))
                .unwrap_err()
                .contains("twice")
        );
        assert!(decode(&manifest(vec![])).unwrap_err().contains("0 files"));
        for sha256 in ["", "../../x", &"A".repeat(64)] {
            let file = File {
                sha256: sha256.to_owned(),
                ..file("a")
            };
            assert!(decode(&manifest(vec![file])).unwrap_err().contains("SHA-256"));
        }
        let huge = |name| File {
            bytes: u64::MAX,
            ..file(name)
        };
        assert!(decode(&manifest(vec![huge("a")])).unwrap_err().contains("too large"));
        let mut later = manifest(vec![file("a")]);
        later.format = 2;
        assert!(decode(&later).unwrap_err().contains("format 2, this version reads 1"));
    }

    #[test]
    fn other_names_are_no_names_of_manifests() {
        let (name, _) = manifest(vec![file("a")]).encode();
        let name = name.to_string();
        for wrong in [
            "",
            "x.json",
            name.trim_end_matches(".json"),
            &name.replace("176424", "+76424"),
            &name.replace("-00000", "-0000"),
            &format!("../{name}"),
            &name.to_uppercase(),
        ] {
            assert_eq!(ManifestName::parse(wrong), None, "{wrong}");
        }
    }
}
