//! The directory of a pipeline's state, `<state directory>/<pipeline>`. It notes which pipeline it belongs to.

use super::private_files;
use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};

const FILE: &str = "pipeline";

/// Why there is no directory for the state.
#[derive(Debug, thiserror::Error)]
pub enum StateDirectoryError {
    /// It is another pipeline's.
    #[error(
        "{} has the state of the pipeline `{found}`, not of `{pipeline}`: choose another directory with --state-dir DIR, or \
         move this one away",
        directory.display()
    )]
    Other {
        /// The directory.
        directory: PathBuf,
        /// The pipeline that it belongs to.
        found: String,
        /// The pipeline that is to run.
        pipeline: String,
    },
    /// An earlier version has given it a name that other pipelines have, too.
    #[error(
        "{} was made by an earlier version of riskstream, which called the directory of `{pipeline}` so, and also that of \
         `{other}`. If it has the state of `{pipeline}`, rename it to {}; otherwise create that directory, empty: the state is then \
         built from the topics",
        found.display(),
        directory.display()
    )]
    Ambiguous {
        /// The directory that there is.
        found: PathBuf,
        /// The pipeline that is to run.
        pipeline: String,
        /// The other pipeline, which it may belong to.
        other: String,
        /// The directory for this pipeline.
        directory: PathBuf,
    },
    /// It cannot be created, read or written.
    #[error("the state directory {} cannot be used: {error}; choose another with --state-dir DIR", path.display())]
    File {
        /// The directory.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// The directory in `parent` for the state of the pipeline with this name. It is created if it does not exist.
///
/// # Errors
/// See [`StateDirectoryError`].
pub fn claim(parent: &Path, pipeline: &str) -> Result<PathBuf, StateDirectoryError> {
    let directory = pipeline_directory(parent, pipeline);
    let former = parent.join(former_name(pipeline));
    if former != directory && former.is_dir() && !directory.exists() && !former.join(FILE).exists() {
        return Err(StateDirectoryError::Ambiguous {
            found: former,
            pipeline: pipeline.to_owned(),
            other: former_name(pipeline),
            directory,
        });
    }
    let created = private_files::create_directory(&directory);
    let found = created.and_then(|()| private_files::read_or_create(&directory, FILE, pipeline));
    match found {
        Ok(found) if found.trim_end() == pipeline => Ok(directory),
        Ok(found) => Err(StateDirectoryError::Other {
            directory,
            found: found.trim_end().to_owned(),
            pipeline: pipeline.to_owned(),
        }),
        Err(error) => Err(StateDirectoryError::File { path: directory, error }),
    }
}

/// The directory in `parent` for the state of the pipeline with this name, whether it exists or not.
pub fn pipeline_directory(parent: &Path, pipeline: &str) -> PathBuf {
    parent.join(directory_name(pipeline))
}

/// The pipeline's name; bytes that may have a meaning in paths as `%` and two digits, so that no two names are one.
pub(super) fn directory_name(pipeline: &str) -> String {
    let mut name = String::new();
    for (at, byte) in pipeline.bytes().enumerate() {
        match byte {
            b'.' if at > 0 => name.push('.'),
            b'-' | b'_' => name.push(byte.into()),
            _ if byte.is_ascii_alphanumeric() => name.push(byte.into()),
            _ => write!(name, "%{byte:02X}").expect("writing to a String succeeds"),
        }
    }
    name
}

/// The same as earlier versions chose it.
fn former_name(pipeline: &str) -> String {
    let is_safe = |character: char| character.is_alphanumeric() || "-_".contains(character);
    let safe = |character| if is_safe(character) { character } else { '_' };
    pipeline.chars().map(safe).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_pipeline_cannot_leave_the_state_directory() {
        for (name, expected) in [
            ("card-fraud", "card-fraud"),
            ("a_b", "a_b"),
            ("a.b", "a.b"),
            ("../etc", "%2E.%2Fetc"),
            ("a/b", "a%2Fb"),
            ("..", "%2E."),
            ("ä", "%C3%A4"),
        ] {
            assert_eq!(directory_name(name), expected, "{name}");
        }
    }

    #[test]
    fn pipelines_have_directories_of_their_own() {
        let parent = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            for name in ["a_b", "a.b", "a-b"] {
                assert_eq!(claim(parent.path(), name).unwrap(), parent.path().join(name));
            }
        }
        fs::rename(parent.path().join("a.b"), parent.path().join("c")).unwrap();
        let error = claim(parent.path(), "c").unwrap_err().to_string();
        assert!(error.contains("the state of the pipeline `a.b`, not of `c`"), "{error}");
    }

    #[test]
    fn directories_of_earlier_versions_are_found_or_asked_for() {
        let parent = tempfile::tempdir().unwrap();
        let path = |name: &str| parent.path().join(name);
        for name in ["card_fraud", "a_b"] {
            fs::create_dir(path(name)).unwrap();
            fs::write(path(name).join("instance"), "0123456789abcdef").unwrap();
        }
        assert_eq!(claim(parent.path(), "card_fraud").unwrap(), path("card_fraud"));

        let error = claim(parent.path(), "a.b").unwrap_err().to_string();
        let rename = format!("rename it to {}", path("a.b").display());
        assert!(
            error.contains("also that of `a_b`") && error.contains(&rename),
            "{error}"
        );
        fs::rename(path("a_b"), path("a.b")).unwrap();
        assert_eq!(claim(parent.path(), "a.b").unwrap(), path("a.b"));
        assert!(path("a.b/instance").is_file());

        fs::create_dir(path("c_d")).unwrap();
        fs::create_dir(path("c.d")).unwrap();
        assert_eq!(claim(parent.path(), "c.d").unwrap(), path("c.d"), "the other answer");
        assert_eq!(claim(parent.path(), "c_d").unwrap(), path("c_d"));
    }
}
