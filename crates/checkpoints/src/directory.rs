//! A directory as an object store, for one machine, or for several that share a file system. Only the owner may read its files.

use crate::object_store::{Object, ObjectStore, StoreError};
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

/// What the name of a file begins with that is being written. A name of an object has none.
const UNFINISHED: &str = ".unfinished-";

/// Objects as files below a directory.
#[derive(Debug)]
pub struct Directory {
    root: PathBuf,
    /// Files that were begun, so that no two have one name.
    begun: AtomicU64,
}

impl Directory {
    /// Objects below `root`, which is created when the first object is written.
    pub fn new(root: PathBuf) -> Directory {
        Directory {
            root,
            begun: AtomicU64::new(0),
        }
    }

    fn list_into(&self, directory: &Path, objects: &mut Vec<Object>) -> io::Result<()> {
        let entries = match fs::read_dir(directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let path = entry.path();
            let data = match entry.metadata() {
                // Another process has removed it in the meantime.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                data => data?,
            };
            let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
            if data.is_dir() {
                self.list_into(&path, objects)?;
            } else if !hidden && let Some(name) = path.strip_prefix(&self.root).ok().and_then(Path::to_str) {
                let since = data.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
                objects.push(Object {
                    name: name.to_owned(),
                    bytes: data.len(),
                    modified: since.as_millis() as u64,
                });
            }
        }
        Ok(())
    }

    fn write(&self, path: &Path, content: &mut dyn Read) -> io::Result<()> {
        let parent = path.parent().unwrap_or(&self.root);
        DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
        let number = self.begun.fetch_add(1, Ordering::Relaxed);
        let unfinished = parent.join(format!("{UNFINISHED}{}-{number}", std::process::id()));
        let written = write_new(&unfinished, content).and_then(|()| fs::rename(&unfinished, path));
        if let Err(error) = written {
            let _ = fs::remove_file(&unfinished);
            return Err(error);
        }
        File::open(parent)?.sync_all()
    }
}

fn write_new(path: &Path, content: &mut dyn Read) -> io::Result<()> {
    let mut options = File::options();
    let mut file = options.create(true).truncate(true).write(true).mode(0o600).open(path)?;
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = match content.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        if read == 0 {
            return file.sync_data();
        }
        file.write_all(&buffer[..read])?;
    }
}

fn failed(name: &str, error: &io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::NotFound => StoreError::NotFound(name.to_owned()),
        _ => StoreError::Unavailable {
            name: name.to_owned(),
            why: error.to_string(),
        },
    }
}

impl ObjectStore for Directory {
    fn list(&self, prefix: &str) -> Result<Vec<Object>, StoreError> {
        let mut objects = Vec::new();
        let listed = self.list_into(&self.root.join(prefix), &mut objects);
        listed.map_err(|error| failed(prefix, &error))?;
        Ok(objects)
    }

    fn put(&self, name: &str, content: &mut dyn Read) -> Result<(), StoreError> {
        self.write(&self.root.join(name), content)
            .map_err(|error| StoreError::Unavailable {
                name: name.to_owned(),
                why: error.to_string(),
            })
    }

    fn get(&self, name: &str, sink: &mut dyn Write) -> Result<(), StoreError> {
        let mut copy = || -> io::Result<()> {
            let mut file = File::open(self.root.join(name))?;
            let mut buffer = vec![0; 1 << 20];
            loop {
                match file.read(&mut buffer)? {
                    0 => return Ok(()),
                    read => sink.write_all(&buffer[..read])?,
                }
            }
        };
        copy().map_err(|error| failed(name, &error))
    }

    fn delete(&self, name: &str) -> Result<(), StoreError> {
        match fs::remove_file(self.root.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(name, &error)),
            _ => Ok(()),
        }
    }
}
