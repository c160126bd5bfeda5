//! Checkpoints of a directory of files in a directory.

use proptest::prelude::*;
use riskstream_checkpoints::{
    CheckpointError, Directory, GRACE, KnownDigests, ManifestName, ObjectStore, StateIdentity, TaskCheckpoints,
    TopicMark, tasks,
};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

/// Files by their names.
type Contents = BTreeMap<String, Vec<u8>>;

/// A state's directory, and a store.
struct Machine {
    directory: TempDir,
    known: KnownDigests,
    checkpoints: TaskCheckpoints,
}

const TASK: &str = "shop/card-0";

fn always() -> bool {
    true
}

fn about(position: i64) -> StateIdentity {
    StateIdentity {
        pipeline: "shop".into(),
        pipeline_version: "1".into(),
        entity: "card".into(),
        partition: 0,
        layout: "layout".into(),
        secret: None,
        topic: TopicMark {
            name: "payments".into(),
            id: Some("A".into()),
            partitions: 1,
            epoch: 0,
        },
        position,
    }
}

impl Machine {
    fn new() -> Machine {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("state")).unwrap();
        let store = Arc::new(Directory::new(directory.path().join("store")));
        Machine {
            checkpoints: TaskCheckpoints::new(store, TASK.to_owned()),
            directory,
            known: KnownDigests::default(),
        }
    }

    fn store(&self) -> PathBuf {
        self.directory.path().join("store")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join("state").join(name)
    }

    /// Sets the files, as RocksDB does: those that stay are not touched.
    fn set(&self, contents: &Contents) {
        for entry in fs::read_dir(self.directory.path().join("state")).unwrap() {
            let entry = entry.unwrap();
            if !contents.contains_key(&entry.file_name().into_string().unwrap()) {
                fs::remove_file(entry.path()).unwrap();
            }
        }
        for (name, content) in contents {
            if fs::read(self.path(name)).ok().as_ref() != Some(content) {
                let _ = fs::remove_file(self.path(name));
                fs::write(self.path(name), content).unwrap();
            }
        }
    }

    /// Writes a checkpoint; how many bytes were uploaded.
    fn checkpoint(&mut self, position: i64) -> u64 {
        let files = self.known.files(&self.directory.path().join("state")).unwrap();
        let written = self
            .checkpoints
            .write(about(position), position as u64, &files, &always);
        written.unwrap().uploaded
    }

    fn restore(&self, name: &ManifestName) -> Result<Contents, CheckpointError> {
        let restored = tempfile::tempdir().unwrap();
        let manifest = self.checkpoints.read(name)?;
        self.checkpoints.download(&manifest, restored.path(), &always)?;
        self.checkpoints.verify(&manifest)?;
        Ok(contents(restored.path()))
    }

    /// The newest checkpoint that can be restored, as its position and its files.
    fn newest(&self) -> Option<(i64, Contents)> {
        let names = self.checkpoints.list().unwrap();
        names
            .iter()
            .find_map(|name| Some((name.position, self.restore(name).ok()?)))
    }

    /// All files of the store.
    fn objects(&self) -> Vec<PathBuf> {
        let objects = Directory::new(self.store()).list("").unwrap();
        objects.iter().map(|object| self.store().join(&object.name)).collect()
    }
}

fn contents(directory: &Path) -> Contents {
    let entries = fs::read_dir(directory).unwrap().map(Result::unwrap);
    entries
        .map(|entry| {
            let content = fs::read(entry.path()).unwrap();
            (entry.file_name().into_string().unwrap(), content)
        })
        .collect()
}

fn files(files: &[(&str, &str)]) -> Contents {
    let owned = |(name, content): &(&str, &str)| ((*name).to_owned(), content.as_bytes().to_vec());
    files.iter().map(owned).collect()
}

#[test]
fn only_files_that_are_not_in_the_store_are_uploaded() {
    let mut machine = Machine::new();
    let first = files(&[("1.sst", "aaaa"), ("2.sst", "bbb"), ("CURRENT", "M1")]);
    machine.set(&first);
    assert_eq!(machine.checkpoint(10), 9);
    assert_eq!(machine.checkpoint(11), 0);
    // 2.sst is another file under the same name, as after a restoration; 3.sst has the content of another.
    let second = files(&[
        ("1.sst", "aaaa"),
        ("2.sst", "ccccc"),
        ("3.sst", "bbb"),
        ("CURRENT", "M2"),
    ]);
    machine.set(&second);
    assert_eq!(machine.checkpoint(12), 7);
    assert_eq!(machine.newest(), Some((12, second)));
    let names = machine.checkpoints.list().unwrap();
    assert_eq!(names.iter().map(|name| name.position).collect::<Vec<_>>(), [12, 11, 10]);
    assert_eq!(machine.restore(&names[2]).unwrap(), first);
    assert_eq!(tasks(&Directory::new(machine.store()), "shop").unwrap(), [TASK]);
    for path in machine.objects() {
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600,
            "{path:?}"
        );
        let parent = path.parent().unwrap();
        assert_eq!(fs::metadata(parent).unwrap().permissions().mode() & 0o777, 0o700);
    }
}

#[test]
fn the_next_older_is_taken_if_any_file_is_damaged() {
    let mut machine = Machine::new();
    let first = files(&[("1.sst", "aaaa"), ("CURRENT", "M1")]);
    machine.set(&first);
    machine.checkpoint(10);
    let before = machine.objects();
    machine.set(&files(&[("1.sst", "aaaa"), ("2.sst", "b"), ("CURRENT", "M2")]));
    machine.checkpoint(11);
    let new: Vec<PathBuf> = machine
        .objects()
        .into_iter()
        .filter(|path| !before.contains(path))
        .collect();
    assert_eq!(new.len(), 3, "two files and a manifest");
    for path in new {
        let whole = fs::read(&path).unwrap();
        let mut flipped = whole.clone();
        flipped[0] ^= 1;
        let longer = [&whole[..], b"x"].concat();
        for damaged in [flipped, longer, whole[1..].to_vec(), vec![]] {
            fs::write(&path, damaged).unwrap();
            assert_eq!(machine.newest(), Some((10, first.clone())), "{path:?}");
            let error = machine.restore(&machine.checkpoints.list().unwrap()[0]).unwrap_err();
            assert!(
                matches!(error, CheckpointError::Damaged { .. }) && !error.may_pass(),
                "{error}"
            );
        }
        fs::remove_file(&path).unwrap();
        assert_eq!(machine.newest(), Some((10, first.clone())), "{path:?}");
        fs::write(&path, whole).unwrap();
        assert_eq!(machine.newest().unwrap().0, 11);
    }
}

#[test]
fn what_is_pruned_was_written_first_and_files_of_others_stay() {
    let mut machine = Machine::new();
    for position in [90, 10, 11, 12] {
        // Positions were set back after 90; the time of writing goes on.
        machine.set(&files(&[("1.sst", "aaaa"), ("2.sst", &position.to_string())]));
        let all = machine.known.files(&machine.directory.path().join("state")).unwrap();
        let created = if position == 90 { 1 } else { position as u64 };
        machine
            .checkpoints
            .write(about(position), created, &all, &always)
            .unwrap();
    }
    let file = |sha256: &str| machine.store().join(TASK).join("files").join(sha256);
    let about_to_be_named = file(&"0".repeat(64));
    fs::write(&about_to_be_named, b"another owner's").unwrap();
    let now = |after: Duration| {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        (since + after).as_millis() as u64
    };
    let removed = machine.checkpoints.prune(2, now(Duration::ZERO)).unwrap();
    assert_eq!((removed.checkpoints, removed.files), (2, 0), "files are too young");
    assert!(about_to_be_named.exists());
    let later = now(GRACE + Duration::from_secs(60));
    let removed = machine.checkpoints.prune(2, later).unwrap();
    assert_eq!((removed.checkpoints, removed.files), (0, 3));
    let left: Vec<i64> = machine
        .checkpoints
        .list()
        .unwrap()
        .iter()
        .map(|name| name.position)
        .collect();
    assert_eq!(left, [12, 11]);
    assert_eq!(machine.newest().unwrap().0, 12);

    // A manifest that cannot be read, perhaps of a later version, may name any file.
    let manifest = machine
        .objects()
        .into_iter()
        .find(|path| path.to_string_lossy().contains("-0000000000000000012-"));
    fs::write(manifest.unwrap(), b"{\"format\": 2}").unwrap();
    let stray = file(&"1".repeat(64));
    fs::write(&stray, b"").unwrap();
    assert_eq!(machine.checkpoints.prune(2, later).unwrap().files, 0);
    assert!(stray.exists());
}

#[test]
fn a_checkpoint_that_is_not_needed_any_more_leaves_no_manifest() {
    let mut machine = Machine::new();
    machine.set(&files(&[("1.sst", "aaaa"), ("2.sst", "b")]));
    let all = machine.known.files(&machine.directory.path().join("state")).unwrap();
    for needed in 0..3 {
        let asked = std::cell::Cell::new(0);
        let is_needed = || asked.replace(asked.get() + 1) < needed;
        let mut checkpoints = TaskCheckpoints::new(Arc::new(Directory::new(machine.store())), TASK.to_owned());
        let error = checkpoints.write(about(1), 1, &all, &is_needed).unwrap_err();
        assert!(matches!(error, CheckpointError::Abandoned), "{error}");
        assert_eq!(machine.checkpoints.list().unwrap(), []);
    }
    // A file that changes after it was hashed is not stored under its former checksum.
    fs::write(machine.path("2.sst"), b"c").unwrap();
    let mut checkpoints = TaskCheckpoints::new(Arc::new(Directory::new(machine.store())), TASK.to_owned());
    let before = machine.objects().len();
    let error = checkpoints.write(about(1), 1, &all, &always).unwrap_err();
    assert!(matches!(error, CheckpointError::Changed { .. }), "{error}");
    assert_eq!(machine.objects().len(), before);
    // It is no file of a state.
    fs::create_dir(machine.path("directory")).unwrap();
    assert!(machine.known.files(&machine.directory.path().join("state")).is_err());
}

#[test]
fn a_store_that_cannot_be_written_is_an_error_that_may_pass() {
    let mut machine = Machine::new();
    machine.set(&files(&[("1.sst", "aaaa")]));
    fs::write(machine.store(), b"no directory").unwrap();
    let all = machine.known.files(&machine.directory.path().join("state")).unwrap();
    let error = machine.checkpoints.write(about(1), 1, &all, &always).unwrap_err();
    assert!(error.may_pass(), "{error}");
    fs::remove_file(machine.store()).unwrap();
    machine.checkpoints.write(about(1), 1, &all, &always).unwrap();
}

/// What happens to a store with two owners.
#[derive(Clone, Debug)]
enum Step {
    /// An owner's state becomes these files.
    Set(usize, Vec<(u8, u8)>),
    /// An owner writes a checkpoint.
    Checkpoint(usize),
    /// An owner prunes, after some hours.
    Prune(usize, usize),
}

fn step() -> impl Strategy<Value = Step> {
    let files = prop::collection::vec((0_u8..5, 0_u8..6), 1..5);
    prop_oneof![
        (0_usize..2, files).prop_map(|(owner, files)| Step::Set(owner, files)),
        (0_usize..2).prop_map(Step::Checkpoint),
        (0_usize..2, 1_usize..4).prop_map(|(owner, keep)| Step::Prune(owner, keep)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever two owners do, each checkpoint that is listed has exactly what its owner had.
    #[test]
    fn checkpoints_of_two_owners_are_what_they_were(steps in prop::collection::vec(step(), 1..25)) {
        let mut owners = [Machine::new(), Machine::new()];
        let shared: Arc<dyn ObjectStore> = Arc::new(Directory::new(owners[0].store()));
        for owner in &mut owners {
            owner.set(&files(&[("CURRENT", "new")]));
            owner.checkpoints = TaskCheckpoints::new(Arc::clone(&shared), TASK.to_owned());
        }
        let mut expected: BTreeMap<i64, Contents> = BTreeMap::new();
        let mut position = 0;
        for step in steps {
            match step {
                Step::Set(owner, files) => {
                    let content = |(name, content): (u8, u8)| (format!("{name}.sst"), vec![content; 3]);
                    owners[owner].set(&files.into_iter().map(content).collect());
                }
                Step::Checkpoint(owner) => {
                    position += 1;
                    owners[owner].checkpoint(position);
                    expected.insert(position, contents(&owners[owner].directory.path().join("state")));
                }
                Step::Prune(owner, keep) => {
                    owners[owner].checkpoints.prune(keep, u64::MAX).unwrap();
                    expected = expected.into_iter().rev().take(keep).collect();
                }
            }
            let listed = owners[1].checkpoints.list().unwrap();
            let listed: BTreeMap<i64, Contents> =
                listed.iter().map(|name| (name.position, owners[1].restore(name).unwrap())).collect();
            prop_assert_eq!(&listed, &expected);
        }
    }
}
