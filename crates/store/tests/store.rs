//! Tests of the store on real directories.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use riskstream_features::state::{MemoryState, StateStore, StateWrites};
use riskstream_store::{OpenError, RocksStore, SharedMemory, StoreOptions};
use tempfile::TempDir;

fn options(fingerprint: &str) -> StoreOptions {
    StoreOptions {
        memory: SharedMemory::default(),
        fingerprint: fingerprint.to_owned(),
    }
}

fn open(path: &Path) -> RocksStore {
    RocksStore::open(path, &options("layout-1")).unwrap()
}

fn put(store: &mut impl StateStore, key: &[u8], value: &[u8], position: i64) {
    let mut writes = StateWrites::default();
    writes.put(key, |bytes| bytes.extend_from_slice(value));
    store.write(&writes, position).unwrap();
}

/// A copy of the current files, as a killed process would leave them.
fn as_left_by_a_crash(path: &Path) -> TempDir {
    let copy = TempDir::new().unwrap();
    for entry in fs::read_dir(path).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name() != "LOCK" {
            fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
        }
    }
    copy
}

#[test]
fn a_new_state_is_empty() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path());
    assert_eq!(store.position().unwrap(), None);
    assert_eq!(store.get(b"key").unwrap(), None);
    assert_eq!(store.scan(b"").unwrap(), []);
}

#[test]
fn only_the_owner_can_read_it() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("state/card-0");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let files = || {
        let entries = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|entry| entry.is_file()).collect::<Vec<PathBuf>>()
    };
    let mut store = open(&path);
    // The log of writes, and tables that are flushed later.
    put(&mut store, b"key", b"value", 1);
    store.flush().unwrap();
    put(&mut store, b"key", b"value", 2);
    for created in [path.as_path(), path.parent().unwrap()] {
        assert_eq!(mode(created), 0o700);
    }
    assert!(files().len() > 4);
    for file in files() {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
    // As an earlier version left them.
    drop(store);
    for file in files() {
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    }
    let _store = open(&path);
    for file in files() {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[test]
fn written_values_are_present_after_reopening() {
    let directory = TempDir::new().unwrap();
    let mut store = open(directory.path());
    put(&mut store, b"key", b"value", 42);
    drop(store);
    let store = open(directory.path());
    assert_eq!(store.get(b"key").unwrap().as_deref(), Some(&b"value"[..]));
    assert_eq!(store.position().unwrap(), Some(42));
}

#[test]
fn after_a_crash_values_and_position_agree_at_every_moment() {
    let directory = TempDir::new().unwrap();
    let mut store = open(directory.path());
    for position in 1..=20_i64 {
        let mut writes = StateWrites::default();
        for key in 0..50_u8 {
            writes.put(&[key], |bytes| bytes.extend_from_slice(&position.to_be_bytes()));
        }
        store.write(&writes, position).unwrap();
        let copy = as_left_by_a_crash(directory.path());
        let found = open(copy.path());
        assert_eq!(found.position().unwrap(), Some(position));
        for key in 0..50_u8 {
            assert_eq!(found.get(&[key]).unwrap().unwrap(), position.to_be_bytes());
        }
    }
}

#[test]
fn a_torn_last_write_is_dropped_with_its_position() {
    let directory = TempDir::new().unwrap();
    let mut store = open(directory.path());
    put(&mut store, b"key", b"first", 1);
    put(&mut store, b"key", b"second", 2);
    let copy = as_left_by_a_crash(directory.path());
    let log = fs::read_dir(copy.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|extension| extension == "log"))
        .unwrap();
    let length = fs::metadata(&log).unwrap().len();
    fs::OpenOptions::new()
        .write(true)
        .open(&log)
        .unwrap()
        .set_len(length - 3)
        .unwrap();
    let found = open(copy.path());
    assert_eq!(found.position().unwrap(), Some(1));
    assert_eq!(found.get(b"key").unwrap().unwrap(), b"first");
}

#[test]
fn a_store_behaves_like_the_in_memory_one() {
    let directory = TempDir::new().unwrap();
    let mut store = open(directory.path());
    let mut memory = MemoryState::default();
    let mut seed = 12_345_u64;
    let mut next = |bound: u64| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % bound
    };
    for position in 0..300 {
        let mut writes = StateWrites::default();
        for _ in 0..next(20) {
            let key = format!("{}/{}", next(3), next(30));
            if next(4) == 0 {
                writes.delete(key.as_bytes());
            } else {
                let value = vec![next(256) as u8; next(3000) as usize];
                writes.put(key.as_bytes(), |bytes| bytes.extend_from_slice(&value));
            }
        }
        store.write(&writes, position).unwrap();
        memory.write(&writes, position).unwrap();
        if position % 50 == 0 {
            drop(store);
            store = open(directory.path());
        }
        assert_eq!(store.position().unwrap(), memory.position().unwrap());
    }
    for prefix in ["", "0/", "1/", "2/1", "3"] {
        assert_eq!(
            store.scan(prefix.as_bytes()).unwrap(),
            memory.scan(prefix.as_bytes()).unwrap(),
            "{prefix}"
        );
    }
}

/// For state that need not outlive the process: a crash loses what is in buffers, closing keeps all of it.
#[test]
fn without_a_log_values_are_there_until_a_crash_and_after_closing() {
    let directory = TempDir::new().unwrap();
    let mut store = open(directory.path()).without_log();
    let value = vec![7; 100_000];
    put(&mut store, b"key", &value, 42);
    assert_eq!(store.get(b"key").unwrap().as_deref(), Some(&value[..]));
    assert_eq!(store.position().unwrap(), Some(42));
    let crashed = as_left_by_a_crash(directory.path());
    let logged = |path: &Path| -> u64 {
        let files = fs::read_dir(path).unwrap().map(Result::unwrap);
        let logs = files.filter(|file| file.path().extension().is_some_and(|ending| ending == "log"));
        logs.map(|file| file.metadata().unwrap().len()).sum()
    };
    assert!(logged(directory.path()) < 10_000, "the value is in no log");
    let found = open(crashed.path());
    assert_eq!((found.get(b"key").unwrap(), found.position().unwrap()), (None, None));
    drop(store);
    let found = open(directory.path());
    assert_eq!(found.get(b"key").unwrap().as_deref(), Some(&value[..]));
    assert_eq!(found.position().unwrap(), Some(42));
}

#[test]
fn big_values_and_empty_ones_are_kept() {
    let directory = TempDir::new().unwrap();
    let mut store = open(directory.path());
    let big: Vec<u8> = (0..20_000_000_u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    put(&mut store, b"big", &big, 1);
    put(&mut store, b"empty", b"", 2);
    drop(store);
    let store = open(directory.path());
    assert!(store.get(b"big").unwrap().unwrap() == big);
    assert_eq!(store.get(b"empty").unwrap().unwrap(), b"");
}

#[test]
fn the_stores_own_keys_are_out_of_reach() {
    let directory = TempDir::new().unwrap();
    let mut store = open(directory.path());
    put(&mut store, b"\xff\xff", b"allowed", 1);
    assert_eq!(store.scan(b"").unwrap(), [(b"\xff\xff".to_vec(), b"allowed".to_vec())]);
    let mut writes = StateWrites::default();
    writes.put(b"\xff\xffriskstream/position", |bytes| bytes.push(0));
    assert!(store.write(&writes, 2).is_err());
    assert_eq!(store.position().unwrap(), Some(1));
}

#[test]
fn a_second_opening_is_refused_until_the_first_is_closed() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path());
    let error = RocksStore::open(directory.path(), &options("layout-1")).err().unwrap();
    assert!(matches!(error, OpenError::Locked { .. }), "{error}");
    drop(store);
    open(directory.path());
}

#[test]
fn the_state_of_another_layout_is_refused_and_left_alone() {
    let directory = TempDir::new().unwrap();
    let mut store = open(directory.path());
    put(&mut store, b"key", b"value", 1);
    drop(store);
    let error = RocksStore::open(directory.path(), &options("layout-2")).err().unwrap();
    assert!(matches!(error, OpenError::OtherLayout { .. }), "{error}");
    assert!(error.to_string().contains("layout-1") && error.to_string().contains("layout-2"));
    assert_eq!(open(directory.path()).position().unwrap(), Some(1));
}

#[test]
fn damage_is_recognised() {
    let directory = TempDir::new().unwrap();
    let mut store = open(directory.path());
    put(&mut store, b"key", b"value", 1);
    drop(store);
    fs::write(directory.path().join("CURRENT"), b"MANIFEST-999999\n").unwrap();
    let error = RocksStore::open(directory.path(), &options("layout-1")).err().unwrap();
    assert!(matches!(error, OpenError::Corrupt { .. }), "{error}");
}

#[test]
fn a_path_that_is_a_file_is_refused() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, b"").unwrap();
    let error = RocksStore::open(&file, &options("layout-1")).err().unwrap();
    assert!(matches!(error, OpenError::NotWritable { .. }), "{error}");
}

#[test]
fn a_checkpoint_opens_with_the_state_of_its_moment() {
    let directory = TempDir::new().unwrap();
    let mut store = open(directory.path());
    put(&mut store, b"key", b"then", 1);
    let copy = directory.path().join("checkpoint");
    let source = store.checkpoint_source();
    let writes = source.writes().unwrap();
    assert!(source.write(&copy).unwrap());
    assert_eq!(source.writes(), Some(writes));
    put(&mut store, b"key", b"later", 2);
    assert!(source.writes() > Some(writes));
    assert!(source.write(&copy).is_err(), "it exists");

    let names = || -> Vec<_> {
        fs::read_dir(&copy)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect()
    };
    let before = names();
    let checkpoint = RocksStore::open_to_read(&copy, &options("layout-1")).unwrap();
    assert_eq!(checkpoint.position().unwrap(), Some(1));
    assert_eq!(checkpoint.get(b"key").unwrap().unwrap(), b"then");
    drop(checkpoint);
    assert_eq!(names(), before, "reading changes nothing");
    let error = RocksStore::open_to_read(&copy, &options("layout-2")).err().unwrap();
    assert!(matches!(error, OpenError::OtherLayout { .. }), "{error}");
    let error = RocksStore::open_to_read(&directory.path().join("none"), &options("layout-1")).err();
    assert!(matches!(error, Some(OpenError::Corrupt { .. })), "{error:?}");

    let checkpoint = open(&copy);
    assert_eq!(checkpoint.position().unwrap(), Some(1));
    assert_eq!(checkpoint.get(b"key").unwrap().unwrap(), b"then");
    drop(store);
    assert!(!source.is_open());
    assert_eq!(source.writes(), None);
    assert!(!source.write(&directory.path().join("late")).unwrap());
}

/// Checkpoints are made on another thread while the state is written: each is the state of one moment, and its position says of
/// which.
#[test]
fn checkpoints_made_beside_writes_are_states_of_one_moment() {
    let directory = TempDir::new().unwrap();
    let mut store = open(&directory.path().join("state"));
    put(&mut store, b"first", &0_i64.to_be_bytes(), 0);
    let (source, copies) = (store.checkpoint_source(), directory.path().to_owned());
    let copying = std::thread::spawn(move || {
        let mut positions = Vec::new();
        for number in 0..8 {
            let copy = copies.join(format!("copy-{number}"));
            assert!(source.write(&copy).unwrap());
            let checkpoint = RocksStore::open_to_read(&copy, &options("layout-1")).unwrap();
            let position = checkpoint.position().unwrap().unwrap();
            for key in [b"first", b"other"] {
                let value = checkpoint.get(key).unwrap();
                assert!(
                    position == 0 || value == Some(position.to_be_bytes().to_vec()),
                    "{position}"
                );
            }
            positions.push(position);
        }
        positions
    });
    let mut position = 0;
    while !copying.is_finished() {
        position += 1;
        let mut writes = StateWrites::default();
        for key in [b"first", b"other"] {
            writes.put(key, |value| value.extend_from_slice(&i64::to_be_bytes(position)));
        }
        store.write(&writes, position).unwrap();
    }
    let positions = copying.join().unwrap();
    assert!(positions.is_sorted() && positions[7] > positions[0], "{positions:?}");
}

#[test]
fn many_stores_stay_within_the_shared_memory() {
    let memory = SharedMemory::new(32 << 20);
    let directory = TempDir::new().unwrap();
    let options = StoreOptions {
        memory: memory.clone(),
        fingerprint: String::new(),
    };
    let mut stores: Vec<_> = (0..8)
        .map(|task| RocksStore::open(&directory.path().join(task.to_string()), &options).unwrap())
        .collect();
    for position in 0..200_i64 {
        for store in &mut stores {
            let mut writes = StateWrites::default();
            for key in 0..100_i64 {
                let key = (position * 100 + key).to_be_bytes();
                writes.put(&key, |bytes| bytes.extend_from_slice(&[key[7]; 1000]));
            }
            store.write(&writes, position).unwrap();
        }
    }
    assert!(stores.iter().map(StateStore::size).sum::<u64>() > 1 << 20);
    // Flushes run in the background, so the limit may be exceeded for some time. 160 MB were written.
    assert!(memory.usage() < 96 << 20, "{} bytes", memory.usage());
}

#[test]
fn no_key_reaches_the_logs_of_rocksdb() {
    let directory = TempDir::new().unwrap();
    let mut store = open(directory.path());
    put(&mut store, b"4000001234567899", b"value", 1);
    drop(store);
    for entry in fs::read_dir(directory.path()).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name().to_string_lossy().starts_with("LOG") {
            let text = fs::read(entry.path()).unwrap();
            assert!(!String::from_utf8_lossy(&text).contains("4000001234567899"));
            assert!(!String::from_utf8_lossy(&text).contains("34303030303031"));
        }
    }
}

/// A file system mounted for a test.
struct Mounted(PathBuf, #[expect(dead_code, reason = "removed when dropped")] TempDir);

impl Mounted {
    /// `None`, with a message, if this process has no right to mount.
    fn tmpfs(size: &str) -> Option<Self> {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("mounted");
        fs::create_dir(&path).unwrap();
        let size = format!("size={size}");
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "none"])
            .arg(&path)
            .output();
        if mount.is_ok_and(|output| output.status.success()) {
            return Some(Self(path, directory));
        }
        eprintln!("NOT TESTED: a full or read-only file system (needs the right to mount)");
        None
    }

    fn make_read_only(&self) {
        let mount = Command::new("mount")
            .args(["-o", "remount,ro"])
            .arg(&self.0)
            .status()
            .unwrap();
        assert!(mount.success());
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_read_only_directory_is_an_error_of_its_own() {
    let Some(mounted) = Mounted::tmpfs("16m") else { return };
    drop(open(&mounted.0.join("state")));
    mounted.make_read_only();
    for name in ["state", "new"] {
        let error = RocksStore::open(&mounted.0.join(name), &options("layout-1"))
            .err()
            .unwrap();
        assert!(matches!(error, OpenError::NotWritable { .. }), "{error}");
    }
}

#[test]
fn a_full_disk_is_an_error_and_the_state_before_it_is_kept() {
    let Some(mounted) = Mounted::tmpfs("8m") else { return };
    let path = mounted.0.join("state");
    let mut store = open(&path);
    // Something else that takes room, and is removed later: an opening needs some.
    fs::write(mounted.0.join("other"), vec![0; 4 << 20]).unwrap();
    let value: Vec<u8> = (0..100_000_u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let mut written = 0;
    let error = loop {
        let mut writes = StateWrites::default();
        writes.put(b"key", |bytes| bytes.extend_from_slice(&value));
        writes.put(b"position", |bytes| {
            bytes.extend_from_slice(&i64::to_be_bytes(written + 1));
        });
        match store.write(&writes, written + 1) {
            Ok(()) => written += 1,
            Err(error) => break error.to_string(),
        }
        assert!(written < 1_000, "the disk did not become full");
    };
    assert!(error.contains("No space left"), "{error}");
    assert_eq!(store.position().unwrap(), Some(written));
    drop(store);
    fs::write(mounted.0.join("filler"), vec![0; 8 << 20]).unwrap_err();
    let error = RocksStore::open(&mounted.0.join("new"), &options("layout-1"))
        .err()
        .unwrap();
    assert!(matches!(error, OpenError::NoSpace { .. }), "{error}");
    fs::remove_file(mounted.0.join("filler")).unwrap();
    fs::remove_file(mounted.0.join("other")).unwrap();
    let store = open(&path);
    assert_eq!(store.position().unwrap(), Some(written));
    assert_eq!(store.get(b"position").unwrap().unwrap(), written.to_be_bytes());
}
