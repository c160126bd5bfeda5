//! The checkpoints of one task: `TASK/manifests/NAME.json` and `TASK/files/SHA256`.

use crate::digest::{CheckedReader, HashingWriter, SinkFailure};
use crate::error::CheckpointError;
use crate::files::LocalFile;
use crate::manifest::{File, MANIFEST_BYTES, Manifest, ManifestName, StateIdentity, is_digest};
use crate::object_store::{Object, ObjectStore};
use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How old a file has to be that no manifest names before it is removed: another writer may be about to name it.
pub const GRACE: Duration = Duration::from_secs(3600);
/// How long a file that was written for a checkpoint that failed is taken as written.
const WRITTEN_LATELY: Duration = Duration::from_secs(1800);

const MANIFESTS: &str = "manifests";
const FILES: &str = "files";

/// The checkpoints of one task.
pub struct TaskCheckpoints {
    store: Arc<dyn ObjectStore>,
    prefix: String,
    /// Files that were written and that no manifest names yet, by their checksums.
    unnamed: HashMap<String, Instant>,
}

/// A checkpoint that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenCheckpoint {
    /// The name of its manifest.
    pub name: ManifestName,
    /// Bytes of all its files.
    pub bytes: u64,
    /// Bytes of those that were not in the store yet.
    pub uploaded: u64,
}

/// What was removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Checkpoints.
    pub checkpoints: usize,
    /// Files that belonged to no other checkpoint.
    pub files: usize,
}

/// The files that checkpoints name.
struct Named {
    /// By their checksums.
    files: BTreeSet<String>,
    /// Whether all manifests could be read.
    is_complete: bool,
}

impl Default for Named {
    fn default() -> Named {
        Named {
            files: BTreeSet::new(),
            is_complete: true,
        }
    }
}

/// The tasks below `prefix` of which the store has something, by their prefixes, sorted.
///
/// # Errors
/// The store cannot be reached.
pub fn tasks(store: &dyn ObjectStore, prefix: &str) -> Result<Vec<String>, CheckpointError> {
    let objects = store.list(prefix)?;
    let task = |object: &Object| {
        let (directory, _) = object.name.rsplit_once('/')?;
        let (task, kind) = directory.rsplit_once('/')?;
        (kind == MANIFESTS).then(|| task.to_owned())
    };
    let tasks: BTreeSet<String> = objects.iter().filter_map(task).collect();
    Ok(tasks.into_iter().collect())
}

impl TaskCheckpoints {
    /// The checkpoints below `prefix` in a store.
    pub fn new(store: Arc<dyn ObjectStore>, prefix: String) -> TaskCheckpoints {
        TaskCheckpoints {
            store,
            prefix,
            unnamed: HashMap::new(),
        }
    }

    fn manifest_at(&self, name: &ManifestName) -> String {
        format!("{}/{MANIFESTS}/{name}", self.prefix)
    }

    fn file_at(&self, sha256: &str) -> String {
        format!("{}/{FILES}/{sha256}", self.prefix)
    }

    /// The checkpoints, the furthest first.
    ///
    /// # Errors
    /// The store cannot be reached.
    pub fn list(&self) -> Result<Vec<ManifestName>, CheckpointError> {
        let objects = self.store.list(&format!("{}/{MANIFESTS}", self.prefix))?;
        let name = |object: &Object| ManifestName::parse(object.name.rsplit('/').next()?);
        let mut names: Vec<ManifestName> = objects.iter().filter_map(name).collect();
        names.sort_by_key(|name| std::cmp::Reverse(name.progress()));
        Ok(names)
    }

    /// Reads a manifest.
    ///
    /// # Errors
    /// The store cannot be reached, or the manifest is damaged.
    pub fn read(&self, name: &ManifestName) -> Result<Manifest, CheckpointError> {
        let place = self.manifest_at(name);
        let (text, _) = self.fetch(&place, Vec::new(), MANIFEST_BYTES)?;
        Manifest::decode(name, &place, &text)
    }

    /// Copies an object of `at_most` bytes into a sink; the sink, and the SHA-256 of the content.
    fn fetch<W: Write>(&self, place: &str, sink: W, at_most: u64) -> Result<(W, String), CheckpointError> {
        let mut sink = HashingWriter::new(sink, at_most);
        match (self.store.get(place, &mut sink), sink) {
            (Ok(()), sink) => Ok(sink.finish()),
            (Err(error), sink) => Err(match sink.failure() {
                Some(SinkFailure::TooLarge) => CheckpointError::damaged(place, "it is larger than its manifest says"),
                Some(SinkFailure::Failed(error)) => CheckpointError::file(Path::new(place))(error),
                None => error.into(),
            }),
        }
    }

    /// Writes a checkpoint of `files`: those that no other checkpoint has, then the manifest. `is_needed` is asked before each
    /// file.
    ///
    /// # Errors
    /// The store or a file cannot be reached, a file has changed, or it is not needed any more. The store has then no further
    /// checkpoint.
    pub fn write(
        &mut self,
        about: StateIdentity,
        created: u64,
        files: &[LocalFile],
        is_needed: &dyn Fn() -> bool,
    ) -> Result<WrittenCheckpoint, CheckpointError> {
        let Named { files: present, .. } = self.named_files()?;
        self.unnamed.retain(|_, written| written.elapsed() < WRITTEN_LATELY);
        let mut uploaded = 0;
        for file in files {
            if present.contains(&file.sha256) || self.unnamed.contains_key(&file.sha256) {
                continue;
            }
            if !is_needed() {
                return Err(CheckpointError::Abandoned);
            }
            self.upload(file)?;
            self.unnamed.insert(file.sha256.clone(), Instant::now());
            uploaded += file.bytes;
        }
        if !is_needed() {
            return Err(CheckpointError::Abandoned);
        }
        let named = |file: &LocalFile| File {
            name: file.name.clone(),
            bytes: file.bytes,
            sha256: file.sha256.clone(),
        };
        let manifest = Manifest::new(about, created, files.iter().map(named).collect());
        let (name, text) = manifest.encode();
        self.store.put(&self.manifest_at(&name), &mut text.as_slice())?;
        self.unnamed.clear();
        Ok(WrittenCheckpoint {
            name,
            bytes: manifest.bytes(),
            uploaded,
        })
    }

    /// The files that checkpoints name. A file that none names may be about to be removed, so it does not count as stored.
    fn named_files(&self) -> Result<Named, CheckpointError> {
        let mut named = Named::default();
        for name in self.list()? {
            match self.read(&name) {
                Ok(manifest) => named.files.extend(manifest.files.into_iter().map(|file| file.sha256)),
                Err(CheckpointError::Damaged { .. }) => named.is_complete = false,
                Err(error) => return Err(error),
            }
        }
        Ok(named)
    }

    fn upload(&self, file: &LocalFile) -> Result<(), CheckpointError> {
        let opened = fs::File::open(&file.path).map_err(CheckpointError::file(&file.path))?;
        let mut content = CheckedReader::new(opened, &file.sha256);
        let written = self.store.put(&self.file_at(&file.sha256), &mut content);
        if content.has_changed {
            let path = file.path.clone();
            return Err(CheckpointError::Changed { path });
        }
        Ok(written?)
    }

    /// Writes the files of a checkpoint into `directory`, which must exist, and compares their checksums.
    ///
    /// # Errors
    /// The store or the directory cannot be reached, a file is damaged or missing, or it is not needed any more. The directory may
    /// then have some of the files.
    pub fn download(
        &self,
        manifest: &Manifest,
        directory: &Path,
        is_needed: &dyn Fn() -> bool,
    ) -> Result<(), CheckpointError> {
        for file in &manifest.files {
            if !is_needed() {
                return Err(CheckpointError::Abandoned);
            }
            let path = directory.join(&file.name);
            let mut options = fs::File::options();
            let created = options.create_new(true).write(true).mode(0o600).open(&path);
            let created = created.map_err(CheckpointError::file(&path))?;
            let written = self.fetch_file(file, created)?;
            written.sync_data().map_err(CheckpointError::file(&path))?;
        }
        Ok(())
    }

    /// Reads all files of a checkpoint and compares their checksums.
    ///
    /// # Errors
    /// The first file that is damaged or missing; or the store cannot be reached.
    pub fn verify(&self, manifest: &Manifest) -> Result<(), CheckpointError> {
        manifest
            .files
            .iter()
            .try_for_each(|file| self.fetch_file(file, io::sink()).map(drop))
    }

    fn fetch_file<W: Write>(&self, file: &File, sink: W) -> Result<W, CheckpointError> {
        let place = self.file_at(&file.sha256);
        let (sink, sha256) = self.fetch(&place, sink, file.bytes)?;
        if sha256 != file.sha256 {
            let why = format!("the content of {} has another checksum", file.name);
            return Err(CheckpointError::damaged(&place, why));
        }
        Ok(sink)
    }

    /// Removes all checkpoints but the `keep` written last, and the files that no checkpoint names, if they are older than
    /// [`GRACE`]. `now`: milliseconds since 1970.
    ///
    /// The time of writing counts, not the position: where positions were set back, the new checkpoints stand before the old ones.
    ///
    /// # Errors
    /// The store cannot be reached. What is left is removed next time.
    pub fn prune(&self, keep: usize, now: u64) -> Result<Removed, CheckpointError> {
        let mut removed = Removed::default();
        let mut names = self.list()?;
        names.sort_by_key(|name| std::cmp::Reverse(name.created));
        for name in names.iter().skip(keep.max(1)) {
            self.store.delete(&self.manifest_at(name))?;
            removed.checkpoints += 1;
        }
        let objects = self.store.list(&format!("{}/{FILES}", self.prefix))?;
        let named = self.named_files()?;
        // A manifest that cannot be read may be one of a later version, and name any of them.
        if !named.is_complete {
            return Ok(removed);
        }
        let before = now.saturating_sub(GRACE.as_millis() as u64);
        for object in objects {
            let name = object.name.rsplit('/').next().unwrap_or_default();
            if is_digest(name) && !named.files.contains(name) && object.modified < before {
                self.store.delete(&object.name)?;
                removed.files += 1;
            }
        }
        Ok(removed)
    }
}
